"""What a line to write leaves open, and every system settles alike."""

from decimal import Decimal

from gateway.contract.errors import invalid
from gateway.contract.models import LineDraft, Product
from gateway.contract.money import exact, with_tax


def price_of(line: LineDraft, pointer: str, product: Product | None, rate: Decimal, *, includes_tax: bool) -> Decimal:
    """The line's price, else its product's, with tax put on it where the document's prices have it.

    Raises ``validation_failed`` where neither has one, and where tax would have to be taken out of the product's: that
    is a division, which may have no end.
    """
    if line.unit_price is not None:
        return line.unit_price
    if product is None or product.price is None:
        raise invalid(f"{pointer}/unit_price", "The product has no price: give unit_price.", "required")
    price = exact(product.price)
    if product.price_includes_tax == includes_tax or not rate:
        return price
    if includes_tax:
        return with_tax(price, rate)
    message = "The product's price is with VAT, and the invoice's are without."
    raise invalid(f"{pointer}/unit_price", message, "required")
