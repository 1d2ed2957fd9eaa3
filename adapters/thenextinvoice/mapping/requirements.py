"""What TheNextInvoice wants of a draft beyond the contract, as JSON Schema."""

from gateway.contract.schemas import (
    ABOVE_ZERO,
    ADDRESS_LINE,
    BLANKLESS,
    EMAIL,
    IN_FULL,
    NOTE_STATUS,
    TAXED_LINE,
    Demand,
    Demands,
    any_of,
    equals,
    has,
    if_then,
    without,
)

_FIELDS: Demands = {
    "roles": Demand(says={"enum": [["customer"]]}, why="TheNextInvoice knows customers only."),
    "language": Demand(says={"pattern": "^[A-Za-z]{2}$"}),
    "email": Demand(says=EMAIL, required=True),
    "address": Demand(says={"allOf": [ADDRESS_LINE]}),
}
_PLACED = {
    "properties": {name: {"type": "string", **BLANKLESS} for name in ("postal_code", "city")}
    | {"country": {"type": "string"}},
    "required": ["city", "country", "postal_code"],
    **any_of(has("line1", "string"), has("street", "string")),
}


def contact_demands(*, create: bool) -> Demands:
    """Of a contact. Address, postal code, city, country and e-mail are required ("Create Customer")."""
    if not create:
        return _FIELDS
    placed = Demand(says={"allOf": [ADDRESS_LINE, _PLACED]}, required=True)
    one_name = if_then(equals("kind", "person"), without("company_name"))
    return {**_FIELDS, "address": placed, "": Demand(says=one_name)}


def product_demands() -> Demands:
    """Of a product: it has a price, without VAT ("Create Product")."""
    return {"price": Demand(required=True), "price_includes_tax": Demand(says={"const": False})}


def invoice_demands(*, account_required: bool) -> Demands:
    """Of an invoice. One discount stands for all its lines."""
    booked = any_of(equals("type", "text"), has("ledger_account_id", "string"), has("product_id", "string"))
    alone = any_of({"maxItems": 1}, {"items": without("discount_percent")})
    return {
        "lines": Demand(says=alone, why="One discount for all of them; equal discounts are one."),
        "lines.*": Demand(says={"allOf": [TAXED_LINE, *([booked] if account_required else [])]}),
    }


def credit_demands() -> Demands:
    """Of crediting: TheNextInvoice numbers and dates a credit note itself."""
    return {
        "number": Demand(absent=True),
        "issued_on": Demand(absent=True),
        "": Demand(says={NOTE_STATUS: "not_applicable"}),
    }


def payment_demands(*, method_required: bool) -> Demands:
    """Of a payment: one invoice, in full."""
    return {
        "amount": Demand(says=ABOVE_ZERO, why="All that is open."),
        "direction": Demand(says={"const": "in"}),
        "allocations": Demand(
            says={"minItems": 1, "maxItems": 1, IN_FULL: True}, required=True, why="One invoice, in full."
        ),
        "allocations.amount": Demand(says=ABOVE_ZERO),
        "payment_method_id": Demand(required=method_required),
    }
