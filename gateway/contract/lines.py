"""What a line of a draft leaves open, settled where every system settles it alike.

Raises ``validation_failed`` for what cannot be, at the line's own ``pointer``.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from gateway.contract.errors import invalid
from gateway.contract.models import LineDraft, Product, VatCode
from gateway.contract.models.ledger import VatTreatment
from gateway.contract.money import exact, with_tax


def price_of(line: LineDraft, pointer: str, product: Product | None, rate: Decimal, *, includes_tax: bool) -> Decimal:
    """The line's own price, else its product's, with tax where the invoice's prices are.

    A price with tax is not taken for one without: what is divided need not come to an end.
    """
    if line.unit_price is not None:
        return line.unit_price
    if product is None or product.price is None:
        raise invalid(f"{pointer}/unit_price", "The product has no price: give unit_price.", "required")
    if product.price_includes_tax == includes_tax or not rate:
        return exact(product.price)
    if product.price_includes_tax:
        message = "The product's price is with VAT, and the invoice's are without."
        raise invalid(f"{pointer}/unit_price", message, "required")
    return with_tax(exact(product.price), rate)


def named_code(line: LineDraft, pointer: str, product: Product | None, codes: Mapping[str, VatCode]) -> VatCode:
    """The VAT code that a line names, else its product's. That its rate and country fit is for the adapter to see."""
    of_product = product.vat_code_id if product is not None else None
    found = codes.get(line.vat_code_id or of_product or "")
    if found is not None:
        return found
    if line.vat_code_id is not None:
        raise invalid(f"{pointer}/vat_code_id", "The administration has no such VAT code.", "not_found")
    message = "A line needs vat_code_id or vat_treatment."
    if of_product is not None:
        message = "The product's VAT code is not in use: give vat_code_id or vat_treatment."
    raise invalid(f"{pointer}/vat_code_id", message, "required")


def rounding_account(id: str | None) -> str:
    """The ledger account of rounding lines, which a connection's settings name (contract §4, ``on_rounding``)."""
    if id is None:
        raise invalid("/on_rounding", "A rounding line needs the setting rounding_ledger_account_id.", "required")
    return id


def rounding_code(codes: Iterable[VatCode], treatment: VatTreatment) -> VatCode:
    """The VAT code of rounding lines, which are not taxed: the first of a system's own treatment for that."""
    found = next((code for code in codes if code.treatment == treatment), None)
    if found is None:
        raise invalid("/on_rounding", "A rounding line needs a VAT code for what is not taxed.", "required")
    return found
