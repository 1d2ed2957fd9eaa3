"""Settling the lines of a new invoice: price, VAT code and ledger account of each, and what they come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from adapters.snelstart.mapping.lines import (
    TEXT_LIMIT,
    Charge,
    Setup,
    reckoned,
    survives,
    text_of,
)
from adapters.snelstart.mapping.products import Shelf, product_of
from adapters.snelstart.mapping.vat import OSS_FUNCTION, Grootboek, Way, allows, in_force, is_of
from adapters.snelstart.resources.administration import setting, shelf
from adapters.snelstart.resources.products import read as read_article
from gateway.contract.errors import invalid, no_vat_code
from gateway.contract.lines import price_of, rounding_account
from gateway.contract.models import ExpectedTotals, LineDraft, Product
from gateway.contract.money import ZERO
from gateway.contract.plan import Reason, reason_of
from gateway.contract.totals import match_totals
from gateway.contract.upstream import Upstream, found_or_none


@dataclass(frozen=True, slots=True)
class Document:
    """What of a document its lines depend on."""

    includes_tax: bool
    issued_on: date
    setup: Setup


async def settled_lines(up: Upstream, lines: Sequence[LineDraft], document: Document) -> list[Charge]:
    """The lines, ready to be booked. Raises ``validation_failed`` for what cannot be settled."""
    products = await _products(up, lines)
    charges = []
    for number, line in enumerate(lines):
        if line.type == "text":
            continue  # it may be dropped, or it would have been refused
        pointer = f"/lines/{number}"
        charge = _charge(up, line, pointer, products.get(line.product_id or ""), document)
        if line.product_id is not None:
            up.warn(
                "product_not_kept",
                f"{pointer}/product_id",
                en="A booked line does not say of which product it is.",
                nl="Een geboekte regel zegt niet van welk product zij is.",
            )
        if charge.amount() == 0:
            # Refused with BOE-0028, whatever its text.
            up.unsupported(
                f"{pointer}/unit_price",
                en="SnelStart books no line that comes to 0.00.",
                nl="SnelStart boekt geen regel waarvan het bedrag 0,00 is.",
            )
            continue
        charges.append(_fitting(up, charge, pointer, document.includes_tax))
    return charges


async def _products(up: Upstream, lines: Sequence[LineDraft]) -> Mapping[str, Product]:
    wanted = sorted({line.product_id for line in lines if line.product_id is not None})
    if not wanted:
        return {}
    known = await shelf(up)
    found = await up.each([found_or_none(_product(up, id, known)) for id in wanted])
    for number, line in enumerate(lines):
        if line.product_id is not None and found[wanted.index(line.product_id)] is None:
            raise invalid(f"/lines/{number}/product_id", "There is no such product in SnelStart.", "not_found")
    return {product.id: product for product in found if product is not None}


async def _product(up: Upstream, id: str, known: Shelf) -> Product:
    return product_of(await read_article(up, id), known).item


def _charge(up: Upstream, line: LineDraft, pointer: str, product: Product | None, document: Document) -> Charge:
    way = _way(line, pointer, product, document)
    ledger, chosen = _ledger(up, line, pointer, product, way, document)
    if chosen is not None:
        up.plan.defaulted(f"{pointer}/ledger_account_id", ledger.key, chosen)
    if way is None:
        way = _way_of(ledger, pointer, document)
    _refuse_other_vat(line, pointer, way)
    why = reason_of(
        vat_code_id=line.vat_code_id,
        vat_treatment=line.vat_treatment,
        product_id=None if line.ledger_account_id is not None else line.product_id,
    )
    up.plan.taxed(int(pointer.rpartition("/")[2]), way.code, why)
    if way.rate_code is not None and document.setup.foreign_ledger is None:
        raise invalid(f"{pointer}/vat_code_id", "The administration has no ledger account for foreign VAT.")
    return Charge(
        description=line.description,
        quantity=Decimal(1) if line.quantity is None else line.quantity,
        price=price_of(line, pointer, product, way.code.percentage, includes_tax=document.includes_tax),
        discount=line.discount_percent or ZERO,
        unit=line.unit or None,
        way=way,
        ledger=ledger.key,
    )


def _way(line: LineDraft, pointer: str, product: Product | None, document: Document) -> Way | None:
    """How the line is taxed: as it says, else as its product is; null leaves it to its ledger account."""
    ways, on = document.setup.ways, document.issued_on
    if line.vat_treatment is not None:
        if line.vat_treatment == "oss" and line.vat_country is None:
            raise invalid(f"{pointer}/vat_country", "VAT of another country needs its country.", "required")
        found = ways.for_treatment(line.vat_treatment, rate=line.vat_rate, country=line.vat_country, on=on)
        if found is None:
            raise no_vat_code(pointer, rate=line.vat_rate, country=line.vat_country)
        return found
    id = line.vat_code_id
    if id is None and product is not None and line.ledger_account_id is None and product.ledger_account_id is not None:
        # The product's account says its VAT by itself, at the rate of the invoice's own date.
        return _way_of(_known(product.ledger_account_id, f"{pointer}/product_id", document.setup), pointer, document)
    if id is None:
        return None
    way = ways.by_id.get(id)
    if way is None:
        raise invalid(f"{pointer}/vat_code_id", "The administration has no such VAT code.", "not_found")
    if not in_force(way.code, on):
        raise invalid(f"{pointer}/vat_code_id", "The VAT code is not in force on the date of the invoice.")
    return way


def _way_of(ledger: Grootboek, pointer: str, document: Document) -> Way:
    """How a line is taxed by its account alone, which foreign VAT is not: its country is the customer's."""
    if ledger.grootboekfunctie == OSS_FUNCTION:
        raise invalid(f"{pointer}/vat_code_id", "VAT of another country needs its VAT code.", "required")
    return document.setup.ways.of_ledger(ledger, document.issued_on)


def _refuse_other_vat(line: LineDraft, pointer: str, way: Way) -> None:
    """Refuse a rate and a country that are not those the line is taxed with, whoever chose that."""
    if line.vat_rate is not None and line.vat_rate != way.code.percentage:
        raise invalid(f"{pointer}/vat_rate", f"This line is taxed as {way.code.name}, at {way.code.rate}%.")
    if not is_of(way.code, line.vat_country):
        raise invalid(f"{pointer}/vat_country", f"This line is taxed as {way.code.name}, which is of another country.")


def _ledger(
    up: Upstream, line: LineDraft, pointer: str, product: Product | None, way: Way | None, document: Document
) -> tuple[Grootboek, Reason | None]:
    """The line's account, else its product's, else the connection's, else the first account for its VAT.

    In SnelStart the account decides about VAT, so an account of another kind than the line's VAT code is refused here;
    the product's and the connection's are passed over then, for they cannot be meant. The connection's must be there:
    to book on another, because it was mistyped or removed, would be found out in a year. Beside it stands why it was
    chosen; null for the line's own.
    """
    setup = document.setup
    if line.ledger_account_id is not None:
        account = _known(line.ledger_account_id, f"{pointer}/ledger_account_id", setup)
        if way is not None and not allows(account, way):
            raise invalid(
                f"{pointer}/ledger_account_id",
                f"On ledger account {account.nummer} SnelStart books no VAT as {way.code.name}: it belongs to others.",
            )
        return account, None
    of_product = product.ledger_account_id if product is not None else None
    default = setting(up, "default_ledger_account_id")
    named: tuple[tuple[str | None, Reason], ...] = ((of_product, "of_product"), (default, "setting"))
    for id, why in named:
        known = setup.ledgers.get(id) if id is not None else None
        if known is not None and (way is None or allows(known, way)):
            return known, why
    if default is not None and default not in setup.ledgers:
        message = "The setting default_ledger_account_id names no ledger account of this administration."
        raise invalid(f"{pointer}/ledger_account_id", message, "not_found")
    fitting = [one for one in setup.ledgers.values() if way is not None and way.functions and _sells(one, way)]
    if not fitting:
        raise invalid(
            f"{pointer}/ledger_account_id",
            "A line needs ledger_account_id, a VAT code with an account, or the setting default_ledger_account_id.",
            "required",
        )
    return min(fitting, key=lambda account: account.nummer), "first_for_vat"


def _known(id: str, pointer: str, setup: Setup) -> Grootboek:
    account = setup.ledgers.get(id)
    if account is None:
        raise invalid(pointer, "There is no such ledger account in SnelStart.", "not_found")
    return account


def _sells(account: Grootboek, way: Way) -> bool:
    return not account.nonactief and allows(account, way)


def _fitting(up: Upstream, charge: Charge, pointer: str, includes_tax: bool) -> Charge:
    """The line, once it is sure that its text holds all of it."""
    if charge.unit is not None and not survives(charge, includes_tax=includes_tax):
        up.unsupported(
            f"{pointer}/unit",
            en="A unit has no parentheses: it is kept in the text of the line.",
            nl="Een eenheid heeft geen haakjes: zij wordt in de tekst van de regel bewaard.",
        )
        charge = replace(charge, unit=None)
    long = len(text_of(charge, includes_tax=includes_tax)) - TEXT_LIMIT
    if long > 0:
        most = len(charge.description) - long
        up.unsupported(
            f"{pointer}/description",
            en=f"The text of this line may be {most} characters long.",
            nl=f"De tekst van deze regel mag {most} tekens lang zijn.",
        )
        charge = replace(charge, description=charge.description[: max(most, 0)])
    return charge


def as_expected(
    up: Upstream,
    charges: list[Charge],
    expected: ExpectedTotals | None,
    on_rounding: str,
    document: Document,
) -> list[Charge]:
    """The lines, with a rounding line where one is wanted and is enough. Raises ``totals_mismatch``."""
    return match_totals(
        charges,
        expected,
        adds_line=on_rounding == "add_line",
        system="SnelStart",
        total=lambda charges: reckoned(charges, includes_tax=document.includes_tax).total,
        closed=lambda charges, gap: [*charges, _rounding(up, gap, document)],
    )


def _rounding(up: Upstream, gap: Decimal, document: Document) -> Charge:
    account = _known(rounding_account(setting(up, "rounding_ledger_account_id")), "/on_rounding", document.setup)
    way = document.setup.ways.of_ledger(account, document.issued_on)
    return Charge("Afronding", Decimal(1), gap, ZERO, None, way, account.key)
