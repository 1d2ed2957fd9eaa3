"""Settling the lines of a new invoice: price, VAT code and ledger of each, one discount for all, and the totals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from adapters.thenextinvoice.mapping.arithmetic import positive
from adapters.thenextinvoice.mapping.invoices import body_reckoned
from adapters.thenextinvoice.mapping.lines import (
    Charge,
    Codes,
    code_for,
    is_of,
    line_bodies,
    one_discount,
    rounding_charge,
)
from adapters.thenextinvoice.mapping.products import product_of
from adapters.thenextinvoice.resources.administration import setting, vat_codes
from adapters.thenextinvoice.resources.invoice_reading import possible_sums
from adapters.thenextinvoice.wire import request
from gateway.contract.errors import invalid, no_vat_code
from gateway.contract.lines import named_code, price_of
from gateway.contract.models import ExpectedTotals, LineDraft, Product, VatCode
from gateway.contract.money import ZERO, Amounts
from gateway.contract.plan import reason_of
from gateway.contract.totals import asserted, check_length, closes, differences, mismatch
from gateway.contract.upstream import Upstream, found_or_none, is_number


@dataclass(frozen=True, slots=True)
class Document:
    """What of a document its lines depend on."""

    includes_vat: bool
    issued_on: date
    credit: bool


async def settled_lines(
    up: Upstream, lines: Sequence[LineDraft], document: Document
) -> tuple[list[dict[str, Any]], Decimal]:
    """The lines as they are written, and the discount of the document. Raises ``validation_failed`` for what cannot be
    settled, ``field_unsupported`` for discounts that differ.
    """
    products = await _products(up, lines)
    codes = await vat_codes(up, [line.vat_code_id for line in lines])
    discount = _discount(up, lines)
    charges = [
        Charge(line.description)
        if line.type == "text"
        else _charge(up, line, f"/lines/{number}", products.get(line.product_id or ""), codes, document, discount)
        for number, line in enumerate(lines)
    ]
    return line_bodies(charges, credit=document.credit), discount or ZERO


def _discount(up: Upstream, lines: Sequence[LineDraft]) -> Decimal | None:
    """The one discount of all lines; null where they differ and may be dropped: then each goes into its own price."""
    discounts = [
        (f"/lines/{number}/discount_percent", line.discount_percent or ZERO)
        for number, line in enumerate(lines)
        if line.type == "item"
    ]
    common = one_discount(discounts)
    for pointer, percentage in discounts if common is None else ():
        if percentage:
            up.unsupported(
                pointer,
                en="TheNextInvoice has one discount for the whole document: give every item line the same. Where this "
                "may be dropped, each discount is taken off its line's price.",
                nl="TheNextInvoice kent één korting voor het hele document: geef elke regel dezelfde. Mag dit "
                "vervallen, dan gaat elke korting af van de prijs van haar regel.",
                same_amount=True,
            )
    return common


async def _products(up: Upstream, lines: Sequence[LineDraft]) -> Mapping[str, Product]:
    """The products that lines name, by id."""
    named: dict[str, str] = {}
    for number, line in enumerate(lines):
        if line.type == "item" and line.product_id is not None:
            pointer = f"/lines/{number}/product_id"
            named.setdefault(line.product_id, pointer)
            up.warn(
                "product_not_kept",
                pointer,
                en="A line takes price and codes from its product, and forgets it.",
                nl="Een regel neemt prijs en codes van zijn product over, en onthoudt niet welk product het was.",
            )
    found = await up.each([_product(up, id, pointer) for id, pointer in named.items()])
    return {product.id: product for product in found}


async def _product(up: Upstream, id: str, pointer: str) -> Product:
    found = await found_or_none(up.data(request("GET", "product", id))) if is_number(id) else None
    if found is None:
        raise invalid(pointer, "There is no such product in TheNextInvoice.", "not_found")
    return product_of(found).item


def _charge(
    up: Upstream,
    line: LineDraft,
    pointer: str,
    product: Product | None,
    codes: Codes,
    document: Document,
    discount: Decimal | None,
) -> Charge:
    code = _vat_code(line, pointer, product, codes, document.issued_on)
    why = reason_of(vat_code_id=line.vat_code_id, vat_treatment=line.vat_treatment, product_id=line.product_id)
    up.plan.taxed(int(pointer.rpartition("/")[2]), code, why)
    price = price_of(line, pointer, product, code.percentage, includes_tax=document.includes_vat)
    if discount is None:
        price = price * (100 - (line.discount_percent or ZERO)) / 100
    return Charge(
        description=line.description,
        quantity=Decimal(1) if line.quantity is None else line.quantity,
        price=price,
        ledger=_ledger(up, line, pointer, product),
        vat=code.id,
    )


def _vat_code(line: LineDraft, pointer: str, product: Product | None, codes: Codes, on: date) -> VatCode:
    if line.vat_treatment is not None:
        found = code_for(line.vat_treatment, codes, rate=line.vat_rate, country=line.vat_country, on=on)
        if found is None:
            raise no_vat_code(pointer, rate=line.vat_rate, country=line.vat_country)
        return found
    code = named_code(line, pointer, product, codes)
    if line.vat_rate is not None and line.vat_rate != code.percentage:
        raise invalid(f"{pointer}/vat_rate", "The VAT code has another rate.")
    if not is_of(code.treatment, line.vat_country):
        raise invalid(f"{pointer}/vat_country", "The VAT code is not of this country.")
    return code


def _ledger(up: Upstream, line: LineDraft, pointer: str, product: Product | None) -> str:
    """The line's ledger account, else its product's, else the connection's. TheNextInvoice has none of its own."""
    of_product = product.ledger_account_id if product is not None else None
    id = line.ledger_account_id or of_product or setting(up, "default_ledger_account_id")
    if line.ledger_account_id is None and id is not None:
        up.plan.defaulted(f"{pointer}/ledger_account_id", id, "of_product" if of_product else "setting")
    if id is None:
        raise invalid(
            f"{pointer}/ledger_account_id",
            "A line needs ledger_account_id, a product that has one, or the setting default_ledger_account_id.",
            "required",
        )
    if not is_number(id):
        raise invalid(f"{pointer}/ledger_account_id", "There is no such ledger account in TheNextInvoice.", "not_found")
    return id


async def as_expected(
    up: Upstream, body: dict[str, Any], expected: ExpectedTotals | None, on_rounding: str
) -> tuple[dict[str, Any], list[Amounts]]:
    """The document, with a rounding line where one is wanted and is enough, and what it may come to.

    Raises ``totals_mismatch`` where that is not what the caller expects. Where only one way of rounding is, and nobody
    knows which TheNextInvoice takes, it is that one: any other is told as a difference.
    """
    codes = await vat_codes(up, [_id(line["vat"]) for line in body["lines"]])
    totals = await _totals(up, body, codes)
    if expected is not None and all(differences(asserted(expected), total) for total in totals):
        body, totals = await _closed(up, body, totals, codes, expected, on_rounding)
    if len(set(totals)) == 1:
        up.plan.comes_to(totals[0])
    return body, [total for total in totals if not differences(asserted(expected), total)]


async def _closed(
    up: Upstream, body: dict[str, Any], totals: list[Amounts], codes: Codes, expected: ExpectedTotals, on_rounding: str
) -> tuple[dict[str, Any], list[Amounts]]:
    """The document with a rounding line, if that brings it to what is expected, and what it comes to then."""
    if not totals:
        raise invalid("/expected_totals", "A VAT code of the lines is gone: their total cannot be told.")
    off = differences(asserted(expected), totals[0])
    gap = off.get("gross", ZERO)
    if on_rounding == "add_line" and closes(gap):
        ledger = setting(up, "rounding_ledger_account_id")
        charge = rounding_charge(gap, codes, ledger, Decimal(body["discount"]))
        body = {**body, "lines": [*body["lines"], *line_bodies([charge], credit=body["type"] == "C")]}
        totals = await _totals(up, body, codes)
        off = differences(asserted(expected), totals[0])
    if off:
        raise mismatch("TheNextInvoice", off)
    return body, totals


async def _totals(up: Upstream, body: Mapping[str, Any], codes: Codes) -> list[Amounts]:
    reckoning = body_reckoned(body, codes)
    check_length(line.amounts for line in reckoning.lines or ())
    sums = await possible_sums(up, reckoning)
    check_length(sum.total for sum in sums)
    return [positive(sum.total, credit=body["type"] == "C") for sum in sums]


def _id(number: int | None) -> str | None:
    return None if number is None else str(number)
