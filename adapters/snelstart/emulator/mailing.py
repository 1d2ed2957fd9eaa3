"""The rules for the addresses that a relation's mail goes to: six kinds, each with its own seven codes."""

from dataclasses import dataclass

from adapters.snelstart.emulator.errors import Violations
from adapters.snelstart.emulator.fields import Record
from adapters.snelstart.emulator.identifiers import is_mail

_MOST = 250


@dataclass(frozen=True, slots=True)
class Codes:
    """What is refused under which code, for one kind of mail."""

    required: int
    invalid: int
    invalid_list: int
    too_long: int
    invalid_copy: int
    invalid_copy_list: int
    copy_too_long: int


MAILINGS = {
    "offerteEmailVersturen": Codes(44, 45, 80, 81, 46, 82, 83),
    "bevestigingsEmailVersturen": Codes(38, 39, 76, 77, 40, 78, 79),
    "factuurEmailVersturen": Codes(32, 33, 72, 73, 34, 74, 75),
    "aanmaningEmailVersturen": Codes(29, 30, 68, 69, 31, 70, 71),
    "offerteAanvraagEmailVersturen": Codes(89, 90, 91, 92, 93, 94, 95),
    "bestellingEmailVersturen": Codes(96, 97, 98, 99, 100, 101, 102),
}
_OWN_WORDS = {"offerteAanvraagEmailVersturen": "Offerte-aanvragen", "bestellingEmailVersturen": "Bestellingen"}
_SEPARATE = "U kunt meerdere emailadressen opgeven door ze te scheiden met een puntkomma(;)."


def check(relation: Record, violations: Violations) -> None:
    """Note what is wrong with the mail addresses of a relation."""
    if relation["email"]:
        _addresses("Email", relation["email"], 61, 84, 85, violations)
    for name, codes in MAILINGS.items():
        mailing = relation[name]
        if mailing is None:
            continue
        field = name[:1].upper() + name[1:]
        if mailing["shouldSend"] and not mailing["email"]:
            required = f"{field}.Email dient gevuld te zijn indien {field}.ShouldSend aan staat"
            if name in _OWN_WORDS:
                required = (
                    f"E-mailadres voor {_OWN_WORDS[name]} moet ingevuld zijn als deze standaard gemaild moeten worden"
                )
            violations.add(_code(codes.required), required)
        own = _OWN_WORDS.get(name)
        if mailing["email"]:
            sort = (codes.invalid, codes.invalid_list, codes.too_long)
            _addresses(f"{field}.Email", mailing["email"], *sort, violations, own and f"e-mailadres voor {own}")
        if mailing["ccEmail"]:
            sort = (codes.invalid_copy, codes.invalid_copy_list, codes.copy_too_long)
            _addresses(f"{field}.CcEmail", mailing["ccEmail"], *sort, violations, own and f"CC-e-mailadres voor {own}")


def _addresses(
    field: str, text: str, invalid: int, in_list: int, too_long: int, violations: Violations, own: str | None = None
) -> None:
    """One address, or several with semicolons between them; ``own`` is what two of the kinds call it."""
    begin = own and own[:1].upper() + own[1:]
    if len(text) > _MOST:
        violations.add(_code(too_long), f"{begin or field} mag maximaal 250 karakters bevatten")
    addresses = [part.strip() for part in text.split(";") if part.strip()]
    if addresses and all(is_mail(address) for address in addresses):
        return
    if len(addresses) > 1:
        several = f"{field} bevat één of meerdere ongeldige emailadressen. {_SEPARATE}"
        of_own = f"{begin} dient te bestaan uit een puntkomma-gescheiden lijst van geldige e-mailadressen"
        violations.add(_code(in_list), of_own if own else several)
    else:
        single = f"{field} dient een geldig emailadres te zijn{'.' if field == 'Email' else ''}"
        violations.add(_code(invalid), f"Het opgegeven {own} is ongeldig" if own else single)


def _code(number: int) -> str:
    return f"REL-{number:04d}"
