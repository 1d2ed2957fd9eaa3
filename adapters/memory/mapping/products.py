"""Articles and products."""

from collections.abc import Mapping
from typing import Any

from adapters.memory import wire
from gateway.contract.adapter import Record
from gateway.contract.models import Product
from gateway.contract.money import amount_or_none

SAME: Mapping[str, str] = {
    "code": "sku",
    "external_ref": "externalReference",
    "name": "name",
    "description": "description",
    "unit": "unit",
    "price_includes_tax": "priceIncludesVat",
    "vat_code_id": "vatCode",
    "ledger_account_id": "ledger",
}
"""Fields that are the same on both sides but for their name."""

WRITTEN: Mapping[str, str] = {**SAME, "price": "price"}
HOLDS = frozenset({*WRITTEN, "type"})
READ_ONLY = frozenset({"id", "createdAt", "updatedAt"})


def product_of(raw: Mapping[str, Any]) -> Record[Product]:
    """An article as a product."""
    row = wire.Product.of(raw)
    product = Product(
        id=row.id,
        type=row.kind or "unknown",
        price=amount_or_none(row.price),
        archived=row.archived,
        updated_at=row.updatedAt,
        **{ours: getattr(row, theirs) for ours, theirs in SAME.items()},
    )
    return Record(product, raw, mapped=frozenset(wire.Product.__struct_fields__))


def product_body(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """An article to write: what is given on top of what was. ``before`` is empty for a new one."""
    body = {name: value for name, value in before.items() if name not in READ_ONLY}
    body |= {theirs: wire.text(given[ours]) for ours, theirs in WRITTEN.items() if ours in given}
    if "type" in given:
        body["kind"] = None if given["type"] == "unknown" else given["type"]
    return body
