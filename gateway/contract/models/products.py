"""Products: what is sold, and how it is priced and booked."""

from typing import ClassVar, Literal

from pydantic import Field

from gateway.contract.models.base import Draft, ExternalRef, Id, Instant, LongText, Name, Resource, Text, change_of
from gateway.contract.money import Amount, AmountOut

ProductType = Literal["goods", "service", "unknown"]


class ProductDraft(Draft):
    """A product to create."""

    code: Name | None = Field(default=None, description="The article code (SKU), unique per connection.")
    external_ref: ExternalRef | None = None
    name: Name
    description: LongText | None = None
    type: ProductType = "unknown"
    unit: Text | None = None
    price: Amount | None = None
    price_includes_tax: bool = False
    vat_code_id: Id | None = None
    ledger_account_id: Id | None = None


ProductChange = change_of(ProductDraft)


class Product(Resource, kw_only=True):
    """Something that can stand on an invoice line."""

    referred: ClassVar[dict[str, str]] = {"vat_code_id": "vat-codes", "ledger_account_id": "ledger-accounts"}

    code: str | None = None
    external_ref: str | None = None
    name: str
    description: str | None = None
    type: ProductType
    unit: str | None = None
    price: AmountOut | None = None
    price_includes_tax: bool
    vat_code_id: str | None = None
    ledger_account_id: str | None = None
    archived: bool
    updated_at: Instant | None = None
