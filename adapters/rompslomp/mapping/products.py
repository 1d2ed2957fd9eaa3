"""Products (dossier §4, "product"): name, price and code live in one nested line."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from adapters.rompslomp.mapping.values import Json, Wire, id_in_body, id_of
from gateway.contract.adapter import Record
from gateway.contract.errors import unsupported
from gateway.contract.models import Product
from gateway.contract.money import amount_from, plain
from gateway.contract.wire import Figure, PositiveId, RawRecord

SAME: Mapping[str, str] = {
    "code": "product_code",
    "name": "description",
    "description": "extended_description",
    "price": "price_per_unit",
    "vat_code_id": "vat_type_id",
    "ledger_account_id": "account_id",
}
"""Fields of the nested line, by our name."""

HOLDS = frozenset({*SAME, "price_includes_tax"})
_MAPPED = frozenset({"id", "invoice_line"})


class PricedRow(Wire, frozen=True, kw_only=True):
    """The line inside a product."""

    description: str | None = None
    extended_description: str | None = None
    price_per_unit: Figure | None = None
    vat_type_id: PositiveId | None = None
    account_id: PositiveId | None = None
    product_code: str | None = None


class ProductRow(Wire, frozen=True, kw_only=True):
    """A product as it is read."""

    id: PositiveId
    invoice_line: PricedRow


def product_of(raw: RawRecord) -> Record[Product]:
    """A product as ours. Its price is without VAT."""
    row = ProductRow.of(raw)
    line = row.invoice_line
    product = Product(
        id=str(row.id),
        code=line.product_code or None,
        name=line.description or "",
        description=line.extended_description or None,
        type="unknown",
        price=None if line.price_per_unit is None else amount_from(line.price_per_unit),
        price_includes_tax=False,
        vat_code_id=id_of(line.vat_type_id),
        ledger_account_id=id_of(line.account_id),
        archived=False,
    )
    return Record(product, raw, _MAPPED)


def product_body(given: Mapping[str, Any]) -> Json:
    """What to write of a product: only what was said, because a PATCH leaves the rest of the line as it is.

    Raises ``field_unsupported`` for a price with VAT, whatever ``on_unsupported`` says: dropping that it is one would
    change the price.
    """
    if given.get("price_includes_tax"):
        raise unsupported("/price_includes_tax", "The price of a product is without VAT in Rompslomp.")
    return {"invoice_line": {theirs: _written(ours, given[ours]) for ours, theirs in SAME.items() if ours in given}}


def _written(name: str, value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, str) and name.endswith("_id"):
        return id_in_body(value, f"/{name}")
    return value
