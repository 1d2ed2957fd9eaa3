"""Payments (dossier §4, "payment"): signed mutations of a bank or cash account. None says which invoice it settles.

So a payment that Polder books carries a mark at the end of its description, such as ``[polder:573784502-1f0c9a7e]``:
the id of the invoice that it settles, if it does, and the beginning of the write's creation key. The mark tells the
invoice when the payment is read, finds the payment that a PATCH of the invoice made (its answer names none) or whose
answer was lost, and shows a repeat that it was done already.
"""

import re
from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from adapters.rompslomp.mapping.values import Json, Wire, day_of, id_in_body, id_of
from gateway.contract.adapter import Record
from gateway.contract.errors import invalid, unsupported
from gateway.contract.models import Allocation, Payment, PaymentDraft
from gateway.contract.money import ZERO, amount_text, exact, plain
from gateway.contract.totals import check_payment
from gateway.contract.wire import Figure, PositiveId, RawRecord

HOLDS = frozenset(
    {
        *("paid_on", "amount", "direction", "payment_method_id", "ledger_account_id", "description"),
        *("allocations.invoice_id", "allocations.amount"),
    }
)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
"""Rompslomp keeps moments here; a day is its midnight."""
LONGEST = 255
"""Characters of a description (dossier §4 says so of lines; a text column of Rails holds as many)."""
_MARKED = re.compile(r"(?P<said>.*?)\s?\[polder:(?:(?P<invoice>[1-9][0-9]{0,17})-)?[0-9a-f]{8}\]", re.DOTALL)


class PaymentRow(Wire, frozen=True, kw_only=True):
    """A payment as it is read."""

    id: PositiveId
    amount: Figure
    description: str | None = None
    account_id: PositiveId | None = None
    paid_at: str


def payment_of(raw: RawRecord) -> Record[Payment]:
    """A payment as ours. The invoice it settles is known only where Polder booked it."""
    row = PaymentRow.of(raw)
    booked = exact(row.amount)
    amount = amount_text(abs(booked))
    marked = _MARKED.fullmatch(row.description or "")
    invoice_id = marked["invoice"] if marked else None
    allocations = [] if invoice_id is None else [Allocation(invoice_id=invoice_id, amount=amount)]
    payment = Payment(
        id=str(row.id),
        paid_on=day_of(row.paid_at),
        amount=amount,
        currency="EUR",
        direction="out" if booked < 0 else "in",
        payment_method_id=id_of(row.account_id),
        ledger_account_id=id_of(row.account_id),
        description=(marked["said"] if marked else row.description) or None,
        allocations=allocations,
        unallocated=amount if invoice_id is None else amount_text(ZERO),
        status="booked",
    )
    return Record(payment, raw, frozenset({"id", "amount", "description", "account_id", "paid_at"}))


def mark_of(invoice_id: str | None, creation_key: UUID) -> str:
    """The mark of one write of a payment, on an invoice or on none."""
    on_invoice = "" if invoice_id is None else f"{invoice_id}-"
    return f"[polder:{on_invoice}{creation_key.hex[:8]}]"


def bears(raw: RawRecord, mark: str) -> bool:
    """Whether a payment carries a mark."""
    return (PaymentRow.of(raw).description or "").endswith(mark)


def settled_invoice(draft: PaymentDraft) -> str | None:
    """The one invoice that a payment settles whole; null for a payment that settles none.

    Raises ``field_unsupported`` or ``validation_failed`` for any other division: Rompslomp books one payment on one
    invoice, and all of it.
    """
    if not draft.allocations:
        return None
    if len(draft.allocations) > 1:
        raise unsupported("/allocations/1", "In Rompslomp a payment settles one invoice: book one payment for each.")
    if draft.allocations[0].amount != draft.amount:
        raise invalid("/allocations/0/amount", "In Rompslomp a payment settles its invoice with its whole amount.")
    return draft.allocations[0].invoice_id


def payment_body(draft: PaymentDraft, today: date, mark: str) -> Json:
    """A payment to write. Raises ``validation_failed``."""
    check_payment(draft)
    if _MARKED.fullmatch(draft.description or ""):
        raise invalid("/description", "The mark at the end is Polder's own.")
    sign = -1 if draft.direction == "out" else 1
    midnight = datetime.combine(draft.paid_on or today, time(), AMSTERDAM)
    body: Json = {"amount": plain(sign * draft.amount), "paid_at": midnight.isoformat(timespec="milliseconds")}
    description = " ".join(text for text in (draft.description, mark) if text)
    if len(description) > LONGEST:
        room = LONGEST - len(mark) - 1
        raise invalid("/description", f"Rompslomp has room for {room} characters here.", "too_long")
    body["description"] = description
    account = _account(draft)
    if account is not None:
        body["account_id"] = account
    return body


def _account(draft: PaymentDraft) -> int | None:
    """The payment account: a payment method *is* a ledger account here."""
    method, account = draft.payment_method_id, draft.ledger_account_id
    if method is not None and account is not None and method != account:
        raise invalid("/ledger_account_id", "In Rompslomp a payment method is a ledger account: these are two.")
    if method is not None:
        return id_in_body(method, "/payment_method_id")
    return None if account is None else id_in_body(account, "/ledger_account_id")
