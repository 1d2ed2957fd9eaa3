"""Payments: money that came in or went out, and the invoices it settles."""

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gateway.contract.models.base import Currency, Day, Draft, Id, NewPart, RecordPart, Resource, Text
from gateway.contract.money import Amount, AmountOut

Direction = Literal["in", "out"]
PaymentStatus = Literal["booked", "pending", "void", "unknown"]


class AllocationDraft(NewPart):
    """The part of a payment to book that settles one invoice."""

    invoice_id: Id
    amount: Amount


class PaymentDraft(Draft):
    """A payment to book."""

    paid_on: Day | None = Field(default=None, description="Today where it is not said.")
    amount: Amount
    currency: Currency = "EUR"
    direction: Direction = "in"
    payment_method_id: Id | None = None
    ledger_account_id: Id | None = None
    reference: Text | None = None
    description: Text | None = None
    allocations: Annotated[list[AllocationDraft], Field(max_length=200)] = Field(default_factory=list)


class Allocation(RecordPart, kw_only=True):
    """The part of a payment that settles one invoice."""

    invoice_id: Id
    amount: AmountOut


class Payment(Resource, kw_only=True):
    """A booked payment. ``unallocated`` is what of ``amount`` settles no invoice."""

    referred: ClassVar[dict[str, str]] = {
        "payment_method_id": "payment-methods",
        "ledger_account_id": "ledger-accounts",
        "allocations.invoice_id": "invoices",
    }

    paid_on: date
    amount: AmountOut
    currency: str
    direction: Direction
    payment_method_id: str | None = None
    ledger_account_id: str | None = None
    reference: str | None = None
    description: str | None = None
    allocations: list[Allocation]
    unallocated: AmountOut
    status: PaymentStatus
