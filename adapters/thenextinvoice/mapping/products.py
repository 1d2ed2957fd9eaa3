"""Products (documentation, "Product"): one text, one price, a VAT code and a ledger."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from adapters.thenextinvoice.mapping.values import Numbered, Reference, reference_of
from gateway.contract.adapter import Record
from gateway.contract.errors import invalid, unsupported
from gateway.contract.matching import same_text
from gateway.contract.models import Product
from gateway.contract.money import amount_text
from gateway.contract.upstream import is_number
from gateway.contract.wire import RawRecord, json_number

FIELDS: Mapping[str, str] = {
    "name": "description",
    "price": "price",
    "vat_code_id": "vat_id",
    "ledger_account_id": "ledgernumber_id",
}
"""Every property of a product, by our name."""

POINTERS: Mapping[str, str] = {theirs: f"/{ours}" for ours, theirs in FIELDS.items()}
HOLDS = frozenset({*FIELDS, "price_includes_tax"})
_MAPPED = frozenset({"id", *FIELDS.values()})


class ProductRow(Numbered, frozen=True):
    """A product as it is read."""

    description: str
    price: Decimal
    vat_id: Reference = None
    ledgernumber_id: Reference = None


def product_of(raw: RawRecord) -> Record[Product]:
    """A product as we say it. That its price is without VAT is not said; invoices default to it."""
    row = ProductRow.of(raw)
    item = Product(
        id=row.key,
        name=row.description,
        type="unknown",
        price=amount_text(row.price),
        price_includes_tax=False,
        vat_code_id=reference_of(row.vat_id),
        ledger_account_id=reference_of(row.ledgernumber_id),
        archived=False,
    )
    return Record(item, raw, _MAPPED)


def blank() -> dict[str, Any]:
    """A product of which nothing is known."""
    return {"vat_id": None, "ledgernumber_id": None}


def existing_body(raw: RawRecord) -> dict[str, Any]:
    """A product as it was read, whole: a PUT may clear what it is not given (dossier, "Not said")."""
    row = ProductRow.of(raw)
    return {
        "description": row.description,
        "price": json_number(row.price),
        "vat_id": _whole(row.vat_id),
        "ledgernumber_id": _whole(row.ledgernumber_id),
    }


def _whole(reference: Reference) -> int | None:
    id = reference_of(reference)
    return None if id is None else int(id)


def merged(body: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What to write: ``body`` with what the caller said put in. A price that is not known is left out.

    Raises ``field_unsupported`` for a price with VAT, whatever ``on_unsupported`` says: dropping that it is one would
    change the price.
    """
    if given.get("price_includes_tax"):
        raise unsupported("/price_includes_tax", "The price of a product is without VAT in TheNextInvoice.")
    result = dict(body)
    for ours, theirs in FIELDS.items():
        if ours in given:
            result[theirs] = _written(ours, given[ours])
    if result.get("price", 0) is None:
        del result["price"]
    return result


def _written(name: str, value: object) -> object:
    if isinstance(value, Decimal):
        return json_number(value)
    if isinstance(value, str) and name.endswith("_id"):
        if not is_number(value):
            raise invalid(f"/{name}", "There is no such record in TheNextInvoice.", "not_found")
        return int(value)
    return value


def likest(new: Sequence[RawRecord], body: Mapping[str, Any]) -> Sequence[RawRecord]:
    """The products of the name that was sent; of those, what equals it to the letter and the cent, if any does.

    TheNextInvoice may write down the rest in its own way, such as a price in cents.
    """
    named = [raw for raw in new if same_text(ProductRow.of(raw).description, body["description"])]
    return [raw for raw in named if existing_body(raw) == body] or named


def made_since(newest_first: Sequence[RawRecord], highest: int) -> list[RawRecord]:
    """The products with an id above one."""
    return [raw for raw in newest_first if int(ProductRow.of(raw).key) > highest]
