"""Products, as the section "Product" of the documentation describes them."""

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from adapters.thenextinvoice.emulator.fields import Field, not_blank, read
from adapters.thenextinvoice.emulator.paging import ordered, page_of
from adapters.thenextinvoice.emulator.state import Product
from adapters.thenextinvoice.emulator.wire import Answer, Call, Data, Operation, Refusal
from gateway.contract.exact import Json

PAGE_SIZE = 10
CENT = Decimal("0.01")
FIELDS = {
    "description": Field("text", True),
    "price": Field("number", True),
    "vat_id": Field("integer"),
    "ledgernumber_id": Field("integer"),
}
ORDERS: Mapping[str, Callable[[Product], Any]] = {
    "id": lambda product: product.id,
    "description": lambda product: product.description.lower(),
    "price": lambda product: product.price,
}


def search(call: Call) -> Answer:
    """``GET /product/search``: ``term`` is looked for in the description."""
    order = call.query.get("order") or "id"
    if order not in ORDERS:
        raise Refusal(400, "order must be one of id, description, price")
    term = call.query.get("term", "").strip().lower()
    found = [product for product in call.company.products.values() if term in product.description.lower()]
    zero_is_first = call.service.switches.product_page_zero == "first"
    products = ordered(call, found, ORDERS[order], lambda product: product.id)
    page = page_of(call, products, PAGE_SIZE, first_page=0 if zero_is_first else 1)
    return Data(
        {
            "before": page.previous,
            "current": page.current,
            "first": 1,
            "items": [product.row() for product in page.items],
            "last": page.last,
            "limit": page.limit,
            "next": page.next,
            "total_items": page.total,
            "total_pages": page.last,
        }
    )


def _find(call: Call, missing_status: int = 404) -> Product:
    return call.one(call.company.products, "Product does not exist", missing_status)


def get(call: Call) -> Answer:
    """``GET /product/{id}``."""
    return Data(_find(call).row())


def _checked(call: Call) -> dict[str, Json]:
    given = read(call.json(), FIELDS)
    not_blank(given, "description")
    if (vat_id := given.get("vat_id")) is not None and vat_id not in call.company.vat_codes:
        raise Refusal(400, "vat_id does not exist")
    if (ledger_id := given.get("ledgernumber_id")) is not None and ledger_id not in call.company.ledgers:
        raise Refusal(400, "ledgernumber_id does not exist")
    if call.service.switches.tidies:
        price = Decimal(given["price"]).quantize(CENT, ROUND_HALF_UP)
        given |= {"description": " ".join(given["description"].split()), "price": price}
    return given


def create(call: Call) -> Answer:
    """``POST /product``: answers a sentence, and no id."""
    given = _checked(call)
    product = Product(
        id=call.service.next_id("product"),
        description=given["description"],
        price=Decimal(given["price"]),
        vat_id=given.get("vat_id"),
        ledger_id=given.get("ledgernumber_id"),
    )
    call.company.products[product.id] = product
    return Data("Product has been created")


def update(call: Call) -> Answer:
    """``PUT /product/{id}``: answers the product. An id that is left out is kept or cleared, as the switch says."""
    product = _find(call, call.service.switches.missing_status)
    given = _checked(call)
    keep = call.service.switches.product_put_absent == "keep"
    product.description = given["description"]
    product.price = Decimal(given["price"])
    product.vat_id = given.get("vat_id", product.vat_id if keep else None)
    product.ledger_id = given.get("ledgernumber_id", product.ledger_id if keep else None)
    return Data(product.row())


def delete(call: Call) -> Answer:
    """``DELETE /product/{id}``."""
    del call.company.products[_find(call).id]
    return Data("Product has been removed")


OPERATIONS = (
    Operation("GET", "/product/search", search, frozenset({"term", "order", "reverse", "limit", "page"})),
    Operation("POST", "/product", create, body="json"),
    Operation("GET", "/product/{id}", get),
    Operation("PUT", "/product/{id}", update, body="json"),
    Operation("DELETE", "/product/{id}", delete),
)
