"""Payments: an invoice is marked as paid, whole, on a day and by a method. There is no amount and no list of them."""

from collections.abc import Mapping

from adapters.thenextinvoice.mapping.arithmetic import positive
from adapters.thenextinvoice.mapping.invoices import InvoiceRow, StatusRow
from adapters.thenextinvoice.mapping.values import currency_of, day_of
from gateway.contract.adapter import Record
from gateway.contract.errors import malformed
from gateway.contract.models import Allocation, Payment, PaymentMethod
from gateway.contract.models.payments import Direction
from gateway.contract.money import ZERO, amount_text
from gateway.contract.wire import RawRecord, members_of

HOLDS = frozenset(
    {
        *("paid_on", "amount", "currency", "direction", "payment_method_id"),
        *("allocations.invoice_id", "allocations.amount"),
    }
)
POINTERS: Mapping[str, str] = {"method": "/payment_method_id", "date": "/paid_on"}


def payment_of(invoice: RawRecord, status: RawRecord, methods: Mapping[str, PaymentMethod]) -> Record[Payment] | None:
    """The payment that settled an invoice; null where there is none. It goes by the system's id of the invoice.

    The status names the method by its name only, so the method is known where one of today's has that name alone.
    """
    row, state = InvoiceRow.of(invoice), StatusRow.of(status)
    if row.draft or not state.payment.paid:
        return None
    paid_on = day_of(state.payment.time)
    if row.calculated is None or paid_on is None:
        raise malformed("TheNextInvoice's paid invoice has no amounts, or no day it was paid on.")
    gross = amount_text(positive(row.calculated.amounts, credit=row.credit).gross)
    named = [method.id for method in methods.values() if method.name == state.payment.message]
    item = Payment(
        id=row.key,
        paid_on=paid_on,
        amount=gross,
        currency=currency_of(row.meta.currency) or "",
        direction=direction_of(row),
        payment_method_id=named[0] if len(named) == 1 else None,
        allocations=[Allocation(invoice_id=row.key, amount=gross)],
        unallocated=amount_text(ZERO),
        status="booked",
    )
    raw = {"id": row.key, **members_of(status)["payment"]}
    return Record(item, raw, frozenset({"id", "status", "time"}), state.invoice.state or None)


def direction_of(row: InvoiceRow) -> Direction:
    """Which way the money goes: to the customer for a credit note."""
    return "out" if row.credit else "in"
