"""Sales invoices and credit notes."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from gateway.contract.models.base import (
    Country,
    Currency,
    Day,
    Draft,
    ExternalRef,
    Id,
    Instant,
    LongText,
    Name,
    NewPart,
    RecordPart,
    Resource,
    Text,
    change_of,
)
from gateway.contract.models.ledger import VatCategory, VatTreatment
from gateway.contract.money import ZERO, Amount, AmountOut, Percentage, PercentageOut, Quantity, QuantityOut

DocumentType = Literal["invoice", "credit_note"]
DocumentStatus = Literal["draft", "final", "void", "unknown"]
InvoicePaymentStatus = Literal["unpaid", "partially_paid", "paid", "overpaid", "credited", "not_applicable", "unknown"]
LineType = Literal["item", "text"]
OnRounding = Literal["reject", "add_line"]


NUMBERED = "Only where the accounting system has its caller number invoices: the connection's schema says so."


class LineDraft(NewPart):
    """A line to write. ``unit_price`` is with or without tax as the invoice's ``prices_include_tax`` says."""

    usual: ClassVar[Mapping[str, Any]] = {"discount_percent": ZERO}
    whole: ClassVar[frozenset[str]] = frozenset({"type"})

    type: LineType = "item"
    description: LongText
    product_id: Id | None = None
    quantity: Quantity | None = Field(default=None, description="1 where it is not said.")
    unit: Text | None = None
    unit_price: Amount | None = Field(
        default=None,
        description="The product's price where it is not said, with tax put on it where the invoice's prices have tax.",
    )
    discount_percent: Annotated[Percentage, Field(ge=0, le=100)] | None = None
    vat_code_id: Id | None = None
    vat_treatment: VatTreatment | None = Field(
        default=None, description="Instead of a code: Polder finds the code of this `treatment`."
    )
    vat_rate: Annotated[Percentage, Field(ge=0, le=100)] | None = None
    vat_country: Country | None = None
    ledger_account_id: Id | None = None

    @model_validator(mode="after")
    def _whole(self) -> "LineDraft":
        if self.type == "text":
            if any(getattr(self, name) is not None for name in self.model_fields_set - {"type", "description"}):
                raise ValueError("a text line has a description only")
        elif self.unit_price is None and self.product_id is None:
            raise ValueError("an item line needs unit_price, or a product_id that has a price")
        if self.vat_code_id is not None and self.vat_treatment is not None:
            raise ValueError("give vat_code_id or vat_treatment, not both")
        return self


class ExpectedTotals(NewPart):
    """Totals the caller asserts, checked before anything is sent."""

    net: Amount | None = None
    tax: Amount | None = None
    gross: Amount | None = None


class InvoiceDraft(Draft):
    """An invoice to create: a draft, or booked at once with ``finalize``."""

    document_type: DocumentType = "invoice"
    number: Name | None = Field(default=None, description=NUMBERED)
    reference: Text | None = Field(default=None, description="The customer's own reference, such as an order number.")
    external_ref: ExternalRef | None = None
    contact_id: Id
    issued_on: Day | None = Field(default=None, description="Today where it is not said.")
    due_on: Day | None = None
    delivered_on: Day | None = None
    currency: Currency = "EUR"
    exchange_rate: Quantity | None = None
    prices_include_tax: bool = False
    lines: Annotated[list[LineDraft], Field(min_length=1, max_length=500)]
    description: LongText | None = None
    notes: LongText | None = None
    layout_id: Id | None = None
    finalize: bool = Field(default=False, description="Book it at once.")
    expected_totals: ExpectedTotals | None = None
    on_rounding: OnRounding = "reject"


InvoiceChange = change_of(
    InvoiceDraft, leave_out=frozenset({"document_type", "finalize"}), never_null=frozenset({"issued_on"})
)


class CreditDraft(Draft):
    """How to credit an invoice in full."""

    number: Name | None = Field(default=None, description=NUMBERED)
    issued_on: Day | None = Field(default=None, description="Today where it is not said.")
    external_ref: ExternalRef | None = None


class Line(RecordPart, kw_only=True):
    """A line as booked; ``net``, ``tax`` and ``gross`` are always all three there (null on text lines)."""

    id: str | None = None
    type: LineType
    description: str
    product_id: str | None = None
    quantity: QuantityOut | None = None
    unit: str | None = None
    unit_price: AmountOut | None = None
    discount_percent: PercentageOut | None = None
    vat_code_id: str | None = None
    vat_treatment: VatTreatment | None = None
    vat_rate: PercentageOut | None = None
    vat_country: str | None = None
    ledger_account_id: str | None = None
    net: AmountOut | None = None
    tax: AmountOut | None = None
    gross: AmountOut | None = None


class Totals(RecordPart, kw_only=True):
    """What an invoice comes to. Positive on credit notes too. Null where the system does not say."""

    net: AmountOut | None = None
    tax: AmountOut | None = None
    gross: AmountOut | None = None
    paid: AmountOut | None = None
    open: AmountOut | None = None


class TaxBreakdown(RecordPart, kw_only=True):
    """One tax group of an invoice (EN 16931 BG-23)."""

    vat_code_id: str | None = None
    rate: PercentageOut
    category: VatCategory | None = None
    base: AmountOut
    tax: AmountOut


class InvoicedContact(RecordPart, kw_only=True):
    """Whom the invoice is for, as the system printed it."""

    id: str | None
    name: str | None


class Invoice(Resource, kw_only=True):
    """A sales invoice or credit note. In lists ``lines`` and ``tax_breakdown`` are null unless asked for."""

    referred: ClassVar[dict[str, str]] = {
        "contact_id": "contacts",
        "contact.id": "contacts",
        "credits_invoice_id": "invoices",
        "lines.product_id": "products",
        "lines.vat_code_id": "vat-codes",
        "lines.ledger_account_id": "ledger-accounts",
        "tax_breakdown.vat_code_id": "vat-codes",
    }

    document_type: DocumentType
    document_status: DocumentStatus
    payment_status: InvoicePaymentStatus
    number: str | None = None
    reference: str | None = None
    external_ref: str | None = None
    credits_invoice_id: str | None = None
    contact_id: Annotated[
        str | None, Field(description="Null only on a draft made elsewhere in a system that hides a draft's customer.")
    ] = None
    contact: InvoicedContact | None = None
    issued_on: Annotated[date | None, Field(description="Null only on a draft without a date.")] = None
    due_on: date | None = None
    delivered_on: date | None = None
    currency: str
    document_currency: str | None = None
    exchange_rate: QuantityOut | None = None
    prices_include_tax: bool
    lines: list[Line] | None = None
    totals: Totals
    tax_breakdown: list[TaxBreakdown] | None = None
    description: str | None = None
    notes: str | None = None
    sent_at: Instant | None = None
    is_overdue: bool | None = None
    provider_status: str | None = None
    layout_id: str | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
