"""Whether an identifier is well formed, as this API checks it: IBAN, BIC, VAT and chamber of commerce, mail, web."""

import re

from adapters.snelstart.emulator.countries import EU_RATES

_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}\Z", re.ASCII)
_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?\Z", re.ASCII)
_MAIL = re.compile(r"[^@\s;,<>]+@[^@\s;,<>.]+(\.[^@\s;,<>.]+)+\Z")
_WEB = re.compile(r"(https?://)?[^\s/@:]+(\.[^\s/@:.]+)+(:\d+)?(/\S*)?\Z", re.IGNORECASE)
_KVK = re.compile(r"\d{8}(\d{4})?\Z", re.ASCII)
_DUTCH_VAT = re.compile(r"\d{9}B\d{2}\Z", re.ASCII)
_EU_VAT = {
    "AT": r"U\d{8}",
    "BE": r"[01]\d{9}",
    "BG": r"\d{9,10}",
    "CY": r"\d{8}[A-Z]",
    "CZ": r"\d{8,10}",
    "DE": r"\d{9}",
    "DK": r"\d{8}",
    "EE": r"\d{9}",
    "EL": r"\d{9}",
    "ES": r"[A-Z0-9]\d{7}[A-Z0-9]",
    "FI": r"\d{8}",
    "FR": r"[A-Z0-9]{2}\d{9}",
    "HR": r"\d{11}",
    "HU": r"\d{8}",
    "IE": r"\d[A-Z0-9]\d{5}[A-Z]{1,2}",
    "IT": r"\d{11}",
    "LT": r"(\d{9}|\d{12})",
    "LU": r"\d{8}",
    "LV": r"\d{11}",
    "MT": r"\d{8}",
    "PL": r"\d{10}",
    "PT": r"\d{9}",
    "RO": r"\d{2,10}",
    "SE": r"\d{10}01",
    "SI": r"\d{8}",
    "SK": r"\d{10}",
}
_VAT_PREFIX = {"GR": "EL"}
"""The Greek prefix is not the country's code."""


def is_iban(text: str) -> bool:
    """Its check digits are right (ISO 13616, modulo 97)."""
    if not _IBAN.match(text):
        return False
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


def is_bic(text: str) -> bool:
    """Eight or eleven characters in the pattern of ISO 9362."""
    return bool(_BIC.match(text))


def is_mail(text: str) -> bool:
    """One mail address, by the form of it."""
    return bool(_MAIL.match(text))


def is_web_address(text: str) -> bool:
    """A web address, with or without the scheme."""
    return bool(_WEB.match(text))


def is_kvk(text: str) -> bool:
    """Eight digits of the Dutch chamber of commerce, and perhaps the four of a branch."""
    return bool(_KVK.match(text))


def vat_prefix(alpha2: str) -> str:
    """What the VAT numbers of a country begin with."""
    return _VAT_PREFIX.get(alpha2, alpha2)


def is_vat_number(text: str, alpha2: str) -> bool:
    """Whether a VAT number without its prefix can be that country's; outside the EU anything may be."""
    if alpha2 == "NL":
        return bool(_DUTCH_VAT.match(text)) and _dutch_check(text)
    if alpha2 not in EU_RATES:
        return True
    pattern = _EU_VAT[vat_prefix(alpha2)]
    if not re.fullmatch(pattern, text, re.ASCII):
        return False
    if alpha2 == "DE":
        return _german_check(text)
    if alpha2 == "BE":
        return 97 - int(text[:8]) % 97 == int(text[8:])
    return True


def _dutch_check(text: str) -> bool:
    """The eleven-proof of numbers from a company's fiscal number, or modulo 97 of the newer ones of sole traders."""
    total = sum(weight * int(digit) for weight, digit in zip(range(9, 1, -1), text[:8], strict=True))
    if total % 11 == int(text[8]):
        return True
    return int("".join(str(int(sign, 36)) for sign in f"NL{text}")) % 97 == 1


def _german_check(text: str) -> bool:
    """ISO 7064, modulo 11 and 10."""
    product = 10
    for digit in text[:8]:
        total = (int(digit) + product) % 10 or 10
        product = 2 * total % 11
    return (11 - product) % 10 == int(text[8])
