"""What Rompslomp wants of a draft beyond the contract, as JSON Schema."""

from collections.abc import Iterable, Mapping

from adapters.rompslomp.mapping.abroad import SALES
from adapters.rompslomp.mapping.settings import brings_own_rate
from gateway.contract.models import VatCode
from gateway.contract.schemas import (
    ABOVE_ZERO_IN_CENTS,
    ADDRESS_LINE,
    EMAIL,
    NOTE_STATUS,
    TAXED_LINE,
    Requirement,
    Requirements,
    has,
    if_then,
)

_TEXT = {"maxLength": 255}
"""Longer texts are refused (dossier §4)."""
_WITH_TAX = {"properties": {"prices_include_tax": {"const": True}}, "required": ["prices_include_tax"]}


def contact_requirements() -> Requirements:
    """Of a contact."""
    texts = ("company_name", "contact_person", "phone", "vat_number", "coc_number", "number")
    places = ("line1", "street", "postal_code", "city")
    return {
        **{name: Requirement(schema=_TEXT) for name in (*texts, *(f"address.{name}" for name in places))},
        "address.street": Requirement(schema={"maxLength": 200}),
        "address.house_number": Requirement(schema={"maxLength": 20}),
        "address.house_number_addition": Requirement(schema={"maxLength": 20}),
        "roles": Requirement(schema={"maxItems": 1}, why="One role: a contact is customer or supplier."),
        "email": Requirement(schema=EMAIL),
        "address": Requirement(schema={"allOf": [ADDRESS_LINE]}),
    }


def _rated(codes: Mapping[str, VatCode]) -> Requirement:
    """A VAT code that says its own rate: another wants ``vat_rate`` on each line, and stands on no product."""
    own = [id for id, code in codes.items() if brings_own_rate(code)]
    return _none_of(own, "VAT types without a rate of their own are left out.")


def _of_product(codes: Mapping[str, VatCode]) -> Requirement:
    """Such a code, and none of a sale to another country: what that is, the invoice says."""
    left_out = [id for id, code in codes.items() if brings_own_rate(code) or code.treatment in SALES]
    return _none_of(left_out, "A VAT type with a rate of its own: not what only an invoice to another country can be.")


def _none_of(ids: Iterable[str], why: str) -> Requirement:
    return Requirement(schema={"not": {"enum": sorted(ids)}}, why=why)


def product_requirements(codes: Mapping[str, VatCode]) -> Requirements:
    """Of a product: it has a price, without VAT."""
    return {
        "price": Requirement(required=True),
        "vat_code_id": _of_product(codes),
        "name": Requirement(schema=_TEXT),
        "code": Requirement(schema={"pattern": "^[A-Za-z0-9_-]+$", "maxLength": 100}),
        "price_includes_tax": Requirement(schema={"const": False}, why="Prices are without VAT."),
    }


def invoice_requirements(codes: Mapping[str, VatCode]) -> Requirements:
    """Of an invoice."""
    return {
        "lines.vat_code_id": _rated(codes),
        "": Requirement(schema=if_then(_WITH_TAX, has("lines", "array")), why="Prices are kept without VAT."),
        "lines.*": Requirement(schema={"allOf": [TAXED_LINE]}),
        "lines.description": Requirement(
            schema={"pattern": r"^[^\n]{0,255}(\n|$)"}, why="Its first line has 255 at most."
        ),
        "reference": Requirement(schema=_TEXT),
        "external_ref": Requirement(schema=_TEXT),
    }


def credit_requirements() -> Requirements:
    """Of crediting an invoice: what was not paid of it is set off against the note."""
    return {"": Requirement(schema={NOTE_STATUS: "paid"})}


def payment_requirements() -> Requirements:
    """Of a payment: it settles one invoice with its whole amount, or none."""
    one_account = if_then(
        {"allOf": [has("payment_method_id", "string"), has("ledger_account_id", "string")]}, {"not": {}}
    )
    return {
        "amount": Requirement(schema=ABOVE_ZERO_IN_CENTS, why="In whole cents."),
        "allocations": Requirement(schema={"maxItems": 1}, why="One invoice, with the whole amount."),
        "allocations.amount": Requirement(schema=ABOVE_ZERO_IN_CENTS, why="In whole cents."),
        "description": Requirement(
            schema=_TEXT, why="Some 30 less where it settles an invoice, for a mark of Polder's."
        ),
        "": Requirement(schema=one_account),
    }
