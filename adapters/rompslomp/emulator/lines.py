"""The lines of invoices, expenses and quotations: one model, and the one inside a product."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from adapters.rompslomp.emulator.arithmetic import Rounding, line_amounts, written
from adapters.rompslomp.emulator.errors import BLANK, NOT_A_NUMBER, Violations, no_such_record
from adapters.rompslomp.emulator.fields import Attributes, Given, assign, check, decimal_in
from adapters.rompslomp.emulator.records import Identified, Line
from adapters.rompslomp.emulator.references import account_of, referred
from adapters.rompslomp.emulator.state import Company, State
from gateway.contract.exact import Json

R = TypeVar("R", bound=Identified)

PRICED: Attributes = {
    "description": "text",
    "extended_description": "long_text",
    "price_per_unit": "decimal",
    "vat_rate": "scalar",
    "vat_type_id": "id",
    "account_id": "id",
    "account_path": "long_text",
}
"""What a product's line takes. A ``vat_rate`` is read only where the VAT type has none of its own."""

LINE: Attributes = {**PRICED, "quantity": "decimal", "product_id": "id"}
KEPT_LINE: Attributes = {**LINE, "id": "id", "_destroy": "boolean"}
PRICE_LABEL = "Stuksprijs"
_LABELS = {"price_per_unit": PRICE_LABEL}


def lines_after(
    state: State, company: Company, lines: Sequence[Line] | None, given: Sequence[Json] | None, violations: Violations
) -> list[Line]:
    """The lines of a document once ``given`` is applied to ``lines``, which is None where the document itself is new.

    New lines have id 0 until ``number_lines``.
    """
    attributes = LINE if lines is None else KEPT_LINE
    return rows_after(
        lines,
        [state.reader.permitted(body, attributes) for body in given or ()],
        lambda line, one: _line(state, company, line, one, violations),
        "Factuurregel",
    )


def rows_after(
    rows: Sequence[R] | None, given: Sequence[Given], made: Callable[[R | None, Given], R], name: str
) -> list[R]:
    """The rows inside of a record once ``given`` is applied to those it has, which stay untouched.

    A row with ``id`` is changed, or dropped with ``_destroy``; one without is added; one not mentioned stays. A row of
    another record is not there (404), under its ``name``.
    """
    after = {row.id: copy(row) for row in rows or ()}
    added: list[R] = []
    for one in given:
        identity, dropped = one.get("id"), one.get("_destroy")
        if identity is None:
            added += [] if dropped else [made(None, one)]
        elif identity not in after:
            raise no_such_record(name)
        elif dropped:
            del after[identity]
        else:
            after[identity] = made(after[identity], one)
    return [*after.values(), *added]


def number_lines(state: State, lines: Sequence[Line]) -> None:
    """Give every new line its id."""
    for line in lines:
        if line.id == 0:
            line.id = state.ids.next("invoice_lines")


def priced(state: State, company: Company, line: Line | None, given: Given, violations: Violations) -> Line:
    """A product's line, new or changed by ``given``."""
    check(given, PRICED, violations, _LABELS)
    line = replace(line) if line else Line(vat_type=state.vat_type_named("vat_high"))
    assign(line, given, "description", "extended_description")
    if given.get("price_per_unit") is not None:
        line.price_per_unit = given["price_per_unit"]
    elif "price_per_unit" in given or line.id == 0:
        violations.add(PRICE_LABEL, BLANK)
    if "vat_type_id" in given:
        found = referred(state.vat_types, given["vat_type_id"], "Vat type", violations, state.switches)
        line.vat_type = found or state.vat_type_named("vat_high")
    if "account_id" in given or "account_path" in given:
        line.account = account_of(given, company, violations, state.switches)
    _take_rate(line, given, violations)
    return line


def _line(state: State, company: Company, line: Line | None, given: Given, violations: Violations) -> Line:
    check({name: value for name, value in given.items() if name == "quantity"}, LINE, violations)
    product = line.product if line else None
    if "product_id" in given:
        product = referred(company.products, given["product_id"], "Product", violations, state.switches)
    if line is None and product is not None and state.switches.product_fills_line:
        given = {**_product_attributes(product.line), **given}
    made = priced(state, company, line, {name: given[name] for name in given if name in PRICED}, violations)
    made.product = product
    if "quantity" in given:
        made.quantity = given["quantity"] if given["quantity"] is not None else Decimal(1)
    return made


def _product_attributes(line: Line) -> Given:
    return {
        "description": line.description,
        "extended_description": line.extended_description,
        "price_per_unit": line.price_per_unit,
        "vat_type_id": line.vat_type.id,
        "vat_rate": line.custom_rate,
        "account_id": line.account.id if line.account else None,
    }


def _take_rate(line: Line, given: Given, violations: Violations) -> None:
    if line.vat_type.value is not None:
        line.custom_rate = None
        return
    if given.get("vat_rate") is not None:
        rate = decimal_in(given["vat_rate"])
        if rate.is_nan():
            violations.add("Vat rate", NOT_A_NUMBER)
        line.custom_rate = rate
    elif "vat_rate" in given or line.custom_rate is None:
        violations.add("Vat rate", BLANK)


def shown_line(line: Line, rounding: Rounding = "per_line") -> dict[str, Any]:
    """A line as answers have it. ``rounding`` is that of its document, where it has amounts of its own."""
    amounts = line_amounts(line.charge, rounding)
    return {
        "id": line.id,
        "description": line.description,
        "extended_description": line.extended_description,
        "price_per_unit": written(line.price_per_unit),
        "price_with_vat": written(amounts.gross),
        "price_without_vat": written(amounts.net),
        "vat_amount": written(amounts.vat),
        "vat_rate": written(line.rate) if line.vat_type.tells_rate else None,
        "vat_type_id": line.vat_type.id,
        "quantity": written(line.quantity),
        "product_id": line.product.id if line.product else None,
        "account_id": line.account.id if line.account else None,
        "account_path": line.account.path if line.account else None,
    }
