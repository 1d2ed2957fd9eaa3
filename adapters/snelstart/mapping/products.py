"""Articles as products, both ways. The revenue group of an article decides its ledger account and VAT (dossier 2.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from adapters.snelstart.mapping.lines import Setup
from adapters.snelstart.mapping.values import Identified, Reference, moment_or_none, refer, reference_of, text_or_none
from adapters.snelstart.mapping.vat import CompanyInfo, Way
from gateway.contract.adapter import Record
from gateway.contract.errors import invalid
from gateway.contract.models import Product
from gateway.contract.money import amount_text
from gateway.contract.wire import RawRecord, json_number

SAME: Mapping[str, str] = {"code": "artikelcode", "name": "omschrijving", "unit": "eenheid"}
HOLDS = frozenset({*SAME, "price", "price_includes_tax", "vat_code_id", "ledger_account_id"})
NOT_WRITTEN = frozenset({"isHoofdartikel", "subartikelen", "uri", "modifiedOn", "technischeVoorraad", "vrijeVoorraad"})
"""Members of an article that the write model lacks or that are read-only (dossier 3.2)."""
MAPPED = frozenset({*SAME.values(), "id", "verkoopprijs", "artikelOmzetgroep", "modifiedOn", "isNonActief"})
CODE_LENGTH = 25
"""The length of a code that is made here, where the administration names no other."""


class Artikel(Identified, frozen=True):
    """An article. The document requires no price: who never set one has perhaps none, and not 0."""

    verkoopprijs: Decimal | None
    artikelcode: str | None = None
    omschrijving: str | None = None
    artikelOmzetgroep: Reference = None
    eenheid: str | None = None
    modifiedOn: str | None = None
    isNonActief: bool | None = False


class Omzetgroep(Identified, frozen=True):
    """A revenue group: the account and the VAT kind that its articles are sold with."""

    nummer: int
    omschrijving: str | None = None
    verkoopGrootboekNederlandIdentifier: Reference = None
    verkoopNederlandBtwSoort: str | None = None

    @property
    def ledger(self) -> str | None:
        """The id of the account."""
        return reference_of(self.verkoopGrootboekNederlandIdentifier)


@dataclass(frozen=True, slots=True)
class Shelf:
    """What products need to know: the administration, its revenue groups by number, and the day it is."""

    setup: Setup
    groups: Sequence[Omzetgroep]
    company: CompanyInfo
    today: date

    @property
    def price_includes_tax(self) -> bool:
        """Whether the administration's article prices include VAT: one setting for all of them (dossier 3.12)."""
        return self.company.verkoopprijsArtikelbestandExclusiefBtw is False

    def group(self, id: str | None) -> Omzetgroep | None:
        """A revenue group by its id."""
        return next((group for group in self.groups if group.key == id), None)

    def way_of(self, group: Omzetgroep) -> Way | None:
        """How the articles of a group are taxed today; null where the group does not tell."""
        kind = text_or_none(group.verkoopNederlandBtwSoort)
        if kind is None:
            return None
        return self.setup.ways.of_line(self.setup.ledgers.get(group.ledger or ""), kind, False, self.today)


def product_of(raw: RawRecord, shelf: Shelf) -> Record[Product]:
    """An article as a product."""
    row = Artikel.of(raw)
    group = shelf.group(reference_of(row.artikelOmzetgroep))
    way = shelf.way_of(group) if group is not None else None
    product = Product(
        id=row.key,
        code=text_or_none(row.artikelcode),
        name=text_or_none(row.omschrijving) or "",
        unit=text_or_none(row.eenheid),
        type="unknown",
        price=None if row.verkoopprijs is None else amount_text(row.verkoopprijs),
        price_includes_tax=shelf.price_includes_tax,
        vat_code_id=None if way is None else way.code.id,
        ledger_account_id=None if group is None else group.ledger,
        archived=bool(row.isNonActief),
        updated_at=moment_or_none(row.modifiedOn),
    )
    return Record(product, raw, mapped=MAPPED)


def product_body(given: Mapping[str, Any], before: Mapping[str, Any], shelf: Shelf) -> dict[str, Any]:
    """An article to write: what is given on top of what was. ``before`` is empty for a new one.

    Raises ``validation_failed`` where no revenue group has the account and VAT that are wanted.
    """
    body = {name: value for name, value in before.items() if name not in NOT_WRITTEN}
    body |= {theirs: given[ours] for ours, theirs in SAME.items() if ours in given}
    if "price" in given:
        body["verkoopprijs"] = 0 if given["price"] is None else json_number(given["price"])
    if not before or given.keys() & {"vat_code_id", "ledger_account_id"}:
        body["artikelOmzetgroep"] = refer(_group_for(given, before, shelf).key)
    return body


def _group_for(given: Mapping[str, Any], before: Mapping[str, Any], shelf: Shelf) -> Omzetgroep:
    """The first revenue group, by its number, with the account and the VAT that are wanted.

    Where only one of the two is said, a group that leaves the other as it was goes first.
    """
    code, account = given.get("vat_code_id"), given.get("ledger_account_id")
    held = shelf.group(reference_of(Artikel.of(before).artikelOmzetgroep)) if before else None
    if code is not None and code not in shelf.setup.ways.by_id:
        raise invalid("/vat_code_id", "The administration has no such VAT code.", "not_found")
    if held is not None and "ledger_account_id" not in given and _fits(held, code, account, shelf):
        return held
    fitting = [group for group in shelf.groups if _fits(group, code, account, shelf)]
    if (code is not None or account is not None) and fitting:
        return max(fitting, key=lambda group: 0 if held is None else _likeness(group, held, shelf))
    if code is None and account is None:
        raise invalid(
            "/ledger_account_id", "SnelStart wants a revenue group: give vat_code_id or ledger_account_id.", "required"
        )
    pointer = "/ledger_account_id" if account is not None else "/vat_code_id"
    raise invalid(pointer, "No revenue group of the administration has this account and this VAT.", "not_found")


def _likeness(group: Omzetgroep, other: Omzetgroep, shelf: Shelf) -> int:
    """How much of account and VAT two revenue groups share."""
    return (group.ledger == other.ledger) + (shelf.way_of(group) is shelf.way_of(other))


def changed_besides(given: Mapping[str, Any], before: Mapping[str, Any], body: Mapping[str, Any], shelf: Shelf) -> bool:
    """Whether a change of the account alone changes the VAT too, or the other way round: one group has both."""
    if len(given.keys() & {"vat_code_id", "ledger_account_id"}) != 1:
        return False
    was, is_ = (
        shelf.group(reference_of(Artikel.of(article).artikelOmzetgroep)) for article in (before, {**before, **body})
    )
    if was is None or is_ is None:
        return False
    return was.ledger != is_.ledger if "vat_code_id" in given else shelf.way_of(was) is not shelf.way_of(is_)


def _fits(group: Omzetgroep, code: str | None, account: str | None, shelf: Shelf) -> bool:
    way = shelf.way_of(group)
    return (code is None or (way is not None and way.code.id == code)) and (account is None or group.ledger == account)


def made_up_code(key: UUID, company: CompanyInfo) -> str:
    """An article code for a product that is given none, by the administration's rules (dossier 2.4, ART-0002 to 4)."""
    longest = min(company.artikelcodeMaxLengte or CODE_LENGTH, 12)
    if company.artikelcodeSoort == "Numeriek":
        return str(key.int % (9 * 10 ** (longest - 1)) + 10 ** (longest - 1))
    return key.hex[:longest].upper()
