"""Rompslomp's one-sentence refusals (dossier §5): ``Contact is invalid: Company name moet opgegeven zijn. …``

Labels are Dutch where Rompslomp translated them and humanised English elsewhere, and messages may change without
notice, so what is not known here is kept as it was said, without pointer.
"""

import re
from collections.abc import Mapping, Sequence

from gateway.contract.errors import FieldError

_WHOLE = re.compile(r"(?P<model>.+?) is invalid: (?P<said>.+)", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[^.])\.(?:\s+|$)")

MODELS: Mapping[str, str] = {
    "contact": "Contact",
    "sales_invoice": "Factuur",
    "product": "Product",
    "payment": "Betaling",
}
"""What a refusal calls a record, by its root key."""
POINTERS: Mapping[str, Mapping[str, str]] = {
    "Contact": {
        "Company name": "/company_name",
        "Contact person name": "/contact_person",
        "Contact person email address": "/email",
        "Address": "/address/line1",
        "Zipcode": "/address/postal_code",
        "City": "/address/city",
        "Country code": "/address/country",
        "Kvk number": "/coc_number",
        "Phone": "/phone",
        "Vat number": "/vat_number",
        "Btw-nummer": "/vat_number",
        "Contact number": "/number",
    },
    "Factuur": {
        "Factuurdatum": "/issued_on",
        "Due date": "/due_on",
        "Contact": "/contact_id",
        "Btw-nummer": "/contact_id",
        "Vat number": "/contact_id",
        "Api reference": "/external_ref",
        "Payment reference": "/reference",
        "Description": "/description",
        "Template": "/layout_id",
        "Factuurregels": "/lines",
        "Stuksprijs": "/lines",
        "Product": "/lines",
        "Vat type": "/lines",
        "Vat rate": "/lines",
        "Account": "/lines",
        "Quantity": "/lines",
        "Payments bedrag": "/amount",
        "Payments betaaldatum": "/paid_on",
        "Payments rekening": "/payment_method_id",
    },
    "Product": {
        "Stuksprijs": "/price",
        "Description": "/name",
        "Product code": "/code",
        "Vat type": "/vat_code_id",
        "Account": "/ledger_account_id",
    },
    "Betaling": {
        "Bedrag": "/amount",
        "Betaaldatum": "/paid_on",
        "Rekening": "/payment_method_id",
        "Account": "/payment_method_id",
        "Description": "/description",
    },
}
"""Where a label of each model stands in our bodies. A line is never named, so lines are pointed at together."""

OF_PAYMENT: Mapping[str, str] = {
    "/lines": "/payment_method_id",
    **{name: name for name in ("/amount", "/paid_on", "/payment_method_id", "/description")},
}
"""Where a refusal of an invoice points in the payment that is booked with it. It may speak of an account only, which
may be a line's, and is the payment's where no line is sent."""

_ENGLISH: Mapping[str, str] = {
    r"moet opgegeven zijn": "must be given",
    r"is al in gebruik": "is already in use",
    r"is te lang \(maximaal (\d+) tekens\)": r"is too long (at most \1 characters)",
    r"is geen getal": "is not a number",
    r"is niet in de lijst opgenomen": "is not one of the known values",
    r"is ongeldig": "is not valid",
    r"moet bestaan": "must exist",
    r"moet na (\d\d)/(\d\d)/(\d{4}) liggen": r"must be after \3-\2-\1",
    r"kan niet worden gevonden": "cannot be found",
    r"is al gepubliceerd": "is published already",
    r"is gepubliceerd en kan niet (?:meer )?worden (?:gewijzigd|verwijderd)": "is published and stays as it is",
    r"is verlopen": "has expired",
    r"is geweigerd": "was revoked",
}
_CODES: Mapping[str, str] = {
    "must be given": "required",
    "is already in use": "taken",
    "is too long": "too_long",
    "is not valid": "invalid",
    "is not a number": "invalid",
    "is not one of": "not_allowed",
    "must exist": "not_found",
    "cannot be found": "not_found",
    "must be after": "out_of_range",
}
_LABELS: Mapping[str, str] = {
    "Factuur": "Invoice",
    "Factuurdatum": "Invoice date",
    "Factuurregels": "Invoice lines",
    "Stuksprijs": "Unit price",
    "Btw-nummer": "VAT number",
    "Bedrijfsnaam": "Company name",
    "Betaling": "Payment",
    "Bedrag": "Amount",
    "Betaaldatum": "Payment date",
    "Rekening": "Account",
    "Payments bedrag": "Payment amount",
    "Payments betaaldatum": "Payment date",
    "Payments rekening": "Payment account",
    "Onderneming": "Company",
    "Het toegangstoken": "The access token",
}
_WHOLE_ENGLISH: Mapping[str, str] = {
    r"Kan item niet verwijderen omdat afhankelijke .+ bestaan": "Other records depend on it",
    r"Factuur wordt niet gepubliceerd": "The invoice is not published",
    r"Endpoint does not exist": "Endpoint does not exist",
}
STATE = re.compile(r"al gepubliceerd|is gepubliceerd|is al in gebruik|omdat afhankelijke .+ bestaan")
"""What is said of a record whose state, or whose likeness to another, does not allow something."""


def errors_of(message: str) -> Sequence[FieldError]:
    """One error for each sentence of a validation message; none for a message of another kind."""
    whole = _WHOLE.fullmatch(message)
    if whole is None:
        return ()
    pointers = POINTERS.get(whole["model"], {})
    return [_error_of(sentence, pointers) for sentence in sentences(whole["said"])]


def sentences(text: str) -> list[str]:
    """The sentences of a message, without their full stops."""
    return [part.strip() for part in _SENTENCE.split(text) if part.strip()]


def _error_of(sentence: str, pointers: Mapping[str, str]) -> FieldError:
    label = max((one for one in pointers if sentence.startswith(f"{one} ")), key=len, default=None)
    english = english_sentence(sentence)
    code = next((code for words, code in _CODES.items() if english and words in english), "rejected")
    if label is None:
        known = _divided(sentence)
        return FieldError("", code, english or sentence, provider_field=known[0] if known else None)
    return FieldError(pointers[label], code, english or sentence, provider_field=label)


def english_of(message: str) -> str | None:
    """A message in English; null where some of it is not understood."""
    whole = _WHOLE.fullmatch(message)
    dutch = sentences(whole["said"] if whole else message)
    english = [english_sentence(sentence) for sentence in dutch]
    if not dutch or None in english:
        return None
    text = ". ".join(one for one in english if one)
    if whole is None:
        return f"{text}."
    return f"{_LABELS.get(whole['model'], whole['model'])} is invalid: {text}."


def english_sentence(sentence: str) -> str | None:
    """One sentence in English; null where it is not understood."""
    for dutch, english in _WHOLE_ENGLISH.items():
        if re.fullmatch(dutch, sentence):
            return english
    found = _divided(sentence)
    return found and f"{_LABELS.get(found[0], found[0])} {found[1]}"


def _divided(sentence: str) -> tuple[str, str] | None:
    """The label of a sentence and, in English, what is said of it."""
    for dutch, english in _ENGLISH.items():
        found = re.fullmatch(rf"(?P<label>.+?) (?P<said>{dutch})", sentence)
        if found is not None:
            return found["label"], re.sub(dutch, english, found["said"])
    return None
