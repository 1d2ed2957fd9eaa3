"""What a line leaves open, settled from the administration's own codes and products; and what it all comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from adapters.memory.mapping.invoices import line_bodies, sign_of
from gateway.contract.errors import invalid, no_vat_code
from gateway.contract.lines import named_code, price_of, rounding_account, rounding_code
from gateway.contract.models import ExpectedTotals, LineDraft, Product, VatCode
from gateway.contract.money import Priced, Sum, add_up
from gateway.contract.totals import check_length, match_totals


@dataclass(frozen=True, slots=True)
class Setup:
    """What lines need to know: VAT codes and named products by id, and the connection's own ledger accounts."""

    vat_codes: Mapping[str, VatCode]
    products: Mapping[str, Product]
    ledger_account_id: str | None
    rounding_ledger_account_id: str | None


def filled(lines: Sequence[LineDraft], setup: Setup, on: date, *, prices_include_tax: bool) -> list[LineDraft]:
    """The lines with price, VAT code and ledger settled. Raises ``validation_failed`` for what cannot be."""
    return [
        line if line.type == "text" else _fill(line, f"/lines/{number}", setup, on, prices_include_tax)
        for number, line in enumerate(lines)
    ]


def _fill(line: LineDraft, pointer: str, setup: Setup, on: date, prices_include_tax: bool) -> LineDraft:
    product = setup.products.get(line.product_id or "")
    code = _vat_code(line, pointer, product, setup.vat_codes, on)
    return line.model_copy(
        update={
            "unit_price": price_of(line, pointer, product, code.percentage, includes_tax=prices_include_tax),
            "unit": line.unit or (product and product.unit),
            "vat_code_id": code.id,
            "ledger_account_id": (
                line.ledger_account_id or (product and product.ledger_account_id) or setup.ledger_account_id
            ),
        }
    )


def _vat_code(
    line: LineDraft, pointer: str, product: Product | None, codes: Mapping[str, VatCode], on: date
) -> VatCode:
    if line.vat_treatment is not None:
        return _code_for(line, pointer, codes, on)
    code = named_code(line, pointer, product, codes)
    if line.vat_rate is not None and line.vat_rate != code.percentage:
        raise invalid(f"{pointer}/vat_rate", "The VAT code has another rate.")
    if line.vat_country not in (None, code.country):
        raise invalid(f"{pointer}/vat_country", "The VAT code is not of this country.")
    return code


def _code_for(line: LineDraft, pointer: str, codes: Mapping[str, VatCode], on: date) -> VatCode:
    for code in codes.values():
        if (
            code.treatment == line.vat_treatment
            and code.direction != "purchase"
            and (line.vat_rate is None or code.percentage == line.vat_rate)
            and (line.vat_country is None or code.country == line.vat_country)
            and (code.valid_from is None or code.valid_from <= on)
            and (code.valid_to is None or on <= code.valid_to)
        ):
            return code
    raise no_vat_code(pointer, rate=line.vat_rate, country=line.vat_country)


def sum_of(body: Mapping[str, Any], codes: Mapping[str, VatCode]) -> Sum:
    """What a document to write comes to, the way Memory Books adds up: once for each VAT code. Never below zero.

    Raises ``validation_failed`` for more than an amount can say.
    """
    sign = sign_of(body["kind"])
    priced = [
        Priced(
            quantity=line["quantity"],
            unit_price=sign * Decimal(line["price"]),
            discount_percent=Decimal(line["discount"] or 0),
            rate=codes[line["vatCode"]].percentage,
            group=line["vatCode"],
        )
        for line in body["lines"]
        if line["price"] is not None
    ]
    sum = add_up(priced, prices_include_tax=body.get("pricesIncludeVat", False), rounding="per_rate")
    check_length((*sum.lines, sum.total))
    return sum


def as_expected(body: dict[str, Any], expected: ExpectedTotals, on_rounding: str, setup: Setup) -> dict[str, Any]:
    """The document, with a rounding line where one is wanted and is enough. Raises ``totals_mismatch``."""
    return match_totals(
        body,
        expected,
        adds_line=on_rounding == "add_line",
        system="Memory Books",
        total=lambda body: sum_of(body, setup.vat_codes).total,
        closed=lambda body, gap: {**body, "lines": [*body["lines"], _rounding_line(gap, body["kind"], setup)]},
    )


def _rounding_line(gap: Decimal, kind: str, setup: Setup) -> dict[str, Any]:
    account = rounding_account(setup.rounding_ledger_account_id)
    untaxed = rounding_code(setup.vat_codes.values(), "outside_scope")
    line = LineDraft(description="Afronding", unit_price=gap, vat_code_id=untaxed.id, ledger_account_id=account)
    return line_bodies([line], kind)[0]
