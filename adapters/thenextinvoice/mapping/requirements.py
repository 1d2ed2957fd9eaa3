"""What TheNextInvoice wants of a draft beyond the contract, as JSON Schema."""

from gateway.contract.schemas import (
    ABOVE_ZERO,
    ADDRESS_LINE,
    BLANKLESS,
    EMAIL,
    IN_FULL,
    NOTE_STATUS,
    TAXED_LINE,
    Requirement,
    Requirements,
    any_of,
    equals,
    has,
    if_then,
    without,
)

_FIELDS: Requirements = {
    "roles": Requirement(schema={"enum": [["customer"]]}, why="TheNextInvoice knows customers only."),
    "language": Requirement(schema={"pattern": "^[A-Za-z]{2}$"}),
    "email": Requirement(schema=EMAIL, required=True),
    "address": Requirement(schema={"allOf": [ADDRESS_LINE]}),
}
_PLACED = {
    "properties": {name: {"type": "string", **BLANKLESS} for name in ("postal_code", "city")}
    | {"country": {"type": "string"}},
    "required": ["city", "country", "postal_code"],
    **any_of(has("line1", "string"), has("street", "string")),
}


def contact_requirements(*, create: bool) -> Requirements:
    """Of a contact. Address, postal code, city, country and e-mail are required ("Create Customer")."""
    if not create:
        return _FIELDS
    placed = Requirement(schema={"allOf": [ADDRESS_LINE, _PLACED]}, required=True)
    one_name = if_then(equals("kind", "person"), without("company_name"))
    return {**_FIELDS, "address": placed, "": Requirement(schema=one_name)}


def product_requirements() -> Requirements:
    """Of a product: it has a price, without VAT ("Create Product")."""
    return {"price": Requirement(required=True), "price_includes_tax": Requirement(schema={"const": False})}


def invoice_requirements(*, account_required: bool) -> Requirements:
    """Of an invoice. One discount stands for all its lines."""
    booked = any_of(equals("type", "text"), has("ledger_account_id", "string"), has("product_id", "string"))
    alone = any_of({"maxItems": 1}, {"items": without("discount_percent")})
    return {
        "lines": Requirement(schema=alone, why="One discount for all of them; equal discounts are one."),
        "lines.*": Requirement(schema={"allOf": [TAXED_LINE, *([booked] if account_required else [])]}),
    }


def credit_requirements() -> Requirements:
    """Of crediting: TheNextInvoice numbers and dates a credit note itself."""
    return {
        "number": Requirement(absent=True),
        "issued_on": Requirement(absent=True),
        "": Requirement(schema={NOTE_STATUS: "not_applicable"}),
    }


def payment_requirements(*, method_required: bool) -> Requirements:
    """Of a payment: one invoice, in full."""
    return {
        "amount": Requirement(schema=ABOVE_ZERO, why="All that is open."),
        "direction": Requirement(schema={"const": "in"}),
        "allocations": Requirement(
            schema={"minItems": 1, "maxItems": 1, IN_FULL: True}, required=True, why="One invoice, in full."
        ),
        "allocations.amount": Requirement(schema=ABOVE_ZERO),
        "payment_method_id": Requirement(required=method_required),
    }
