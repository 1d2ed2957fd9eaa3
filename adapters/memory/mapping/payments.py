"""Payments: Memory Books signs the amount, we say the direction."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from adapters.memory import wire
from gateway.contract.adapter import Record
from gateway.contract.models import Allocation, Payment, PaymentDraft
from gateway.contract.money import ZERO, amount_text, plain, signed
from gateway.contract.totals import check_payment

SAME: Mapping[str, str] = {
    "currency": "currency",
    "payment_method_id": "method",
    "ledger_account_id": "ledger",
    "reference": "reference",
    "description": "description",
}
HOLDS = frozenset({*SAME, "paid_on", "amount", "direction", "allocations.invoice_id", "allocations.amount"})


def payment_of(raw: Mapping[str, Any]) -> Record[Payment]:
    """A payment as ours."""
    row = wire.Payment.of(raw)
    sign = -1 if row.amount < 0 else 1
    settled = sum((part.amount for part in row.allocations), ZERO)
    payment = Payment(
        id=row.id,
        paid_on=row.date,
        amount=amount_text(signed(row.amount, sign)),
        direction="out" if sign < 0 else "in",
        allocations=[
            Allocation(invoice_id=part.invoice, amount=amount_text(signed(part.amount, sign)))
            for part in row.allocations
        ],
        unallocated=amount_text(signed(row.amount - settled, sign)),
        status="booked",
        **{ours: getattr(row, theirs) for ours, theirs in SAME.items()},
    )
    return Record(payment, raw, mapped=frozenset(wire.Payment.__struct_fields__))


def payment_body(draft: PaymentDraft, today: date) -> dict[str, Any]:
    """A payment to write. Raises ``validation_failed``."""
    check_payment(draft)
    sign = -1 if draft.direction == "out" else 1
    return {
        **{theirs: getattr(draft, ours) for ours, theirs in SAME.items()},
        "date": (draft.paid_on or today).isoformat(),
        "amount": plain(sign * draft.amount, 2),
        "allocations": [
            {"invoice": part.invoice_id, "amount": plain(sign * part.amount, 2)} for part in draft.allocations
        ],
    }
