"""Payments: one for each invoice at most, and always of the whole of it."""

from collections.abc import Mapping
from datetime import date
from typing import ClassVar

from adapters.thenextinvoice.mapping import payments
from adapters.thenextinvoice.mapping.arithmetic import positive
from adapters.thenextinvoice.mapping.invoices import NO_INVOICE, InvoiceRow, StatusRow
from adapters.thenextinvoice.mapping.requirements import payment_requirements
from adapters.thenextinvoice.mapping.values import currency_of
from adapters.thenextinvoice.resources.administration import payment_methods, setting
from adapters.thenextinvoice.wire import pointing, request
from gateway.contract.adapter import Listing, Payments, Record, Sent, Traces
from gateway.contract.errors import Problem, invalid, malformed, not_found, unsupported
from gateway.contract.exact import Unread
from gateway.contract.models import Payment, PaymentDraft
from gateway.contract.money import plain
from gateway.contract.paging import Page, cut
from gateway.contract.schemas import Requirements
from gateway.contract.upstream import Upstream, found_or_none, is_number, number_in_path


class InvoicePayments(Payments):
    """``/invoice/{id}/payment``: there is no list of all payments.

    A payment goes by TheNextInvoice's id of its invoice, which is not ours where the invoice was a draft that changed.
    It changes no more: what is paid is final.
    """

    filters = frozenset({"invoice_id", "paid_from", "paid_to"})
    required = frozenset({"invoice_id"})
    holds = payments.HOLDS
    calls: ClassVar[Mapping[str, str]] = {
        "list": "2: the invoice and its status",
        "get": "2: the invoice and its status",
        "create": "5: the invoice and its status, the payment, and reading both back",
        "delete": "3: reading the payment, then taking it back",
    }
    limits: ClassVar[Mapping[str, str]] = {
        "create": "One invoice, in full, by one of the system's payment methods. A credit note has nothing open.",
    }

    async def requirements(self, up: Upstream, verb: str) -> Requirements:
        del verb
        named = setting(up, "default_payment_method_id") is not None
        return payment_requirements(method_required=not named and len(await payment_methods(up)) != 1)

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Payment]]:
        invoice_id = listing.text("invoice_id") or ""
        found = await _payment(up, invoice_id) if is_number(invoice_id) else None
        within = found is not None and _within(found.item.paid_on, listing)
        return cut([found] if found is not None and within else [], listing.window)

    async def get(self, up: Upstream, id: str) -> Record[Payment]:
        found = await _payment(up, number_in_path(id))
        if found is None or found.item.id != id:  # an id that a draft had once may lead to its invoice still
            not_found()
        return found

    async def create(self, up: Upstream, draft: PaymentDraft) -> Record[Payment]:
        id = _only_invoice(draft)
        read = await found_or_none(_read(up, id))
        if read is None:
            raise _no_invoice()
        invoice, status = read
        _check(draft, InvoiceRow.of(invoice), StatusRow.of(status))
        method = await _method(up, draft)
        if draft.payment_method_id is None:
            by_setting = setting(up, "default_payment_method_id") is not None
            up.plan.defaulted("/payment_method_id", method, "setting" if by_setting else "only_one")
        paid_on = draft.paid_on or up.today
        body = {"date": paid_on.isoformat(), "method": int(method)}
        with pointing(payments.POINTERS):
            await up.data(request("POST", "invoice", id, "payment", json=body))
        made = await _payment(up, id)
        if made is None:
            raise malformed("TheNextInvoice says it booked the payment, but it is not to be found.")
        return made

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Payment] | None:
        """The one payment that an invoice can have, if it is of the day and by the method that were sent.

        Any other was booked meanwhile by somebody else, and then this one can only have been refused. Of the method
        there is the name to go by; where that is not told, or the method is gone since, nothing can tell.
        """
        assert isinstance(sent.draft, PaymentDraft)
        found = await _payment(up, _only_invoice(sent.draft))
        if found is None or found.item.paid_on.isoformat() != sent.request.json["date"]:
            return Traces([])
        wanted = str(sent.request.json["method"])
        method, name = (await payment_methods(up, wanted)).get(wanted), found.raw_members.get("message")
        if method is None or not name:
            return None
        return Traces([found] if method.name == name else [], certain=True)

    async def delete(self, up: Upstream, id: str) -> None:
        found = await self.get(up, id)
        await up.data(request("DELETE", "invoice", found.item.id, "payment"))


async def _read(up: Upstream, id: str) -> tuple[Unread, Unread]:
    return await up.gather(up.data(request("GET", "invoice", id)), up.data(request("GET", "invoice", id, "status")))


async def _payment(up: Upstream, id: str) -> Record[Payment] | None:
    """The payment of an invoice; null where there is none, or no such invoice."""
    read = await found_or_none(_read(up, id))
    if read is None:
        return None
    invoice, status = read
    methods = await payment_methods(up) if StatusRow.of(status).payment.paid else {}
    return payments.payment_of(invoice, status, methods)


def _within(paid_on: date, listing: Listing) -> bool:
    first, last = listing.filters.get("paid_from"), listing.filters.get("paid_to")
    return not (isinstance(first, date) and paid_on < first) and not (isinstance(last, date) and paid_on > last)


def _only_invoice(draft: PaymentDraft) -> str:
    """The one invoice that a payment is for."""
    if len(draft.allocations) != 1:
        raise _partial("/allocations", "TheNextInvoice pays exactly one invoice at a time.")
    allocation = draft.allocations[0]
    if allocation.amount != draft.amount:
        raise _partial("/allocations/0/amount", "TheNextInvoice pays an invoice in full, and nothing besides.")
    if not is_number(allocation.invoice_id):
        raise _no_invoice()
    return allocation.invoice_id


def _check(draft: PaymentDraft, row: InvoiceRow, status: StatusRow) -> None:
    """That the invoice can be paid, and that this is the payment it waits for."""
    if status.invoice.state in NO_INVOICE:
        raise _no_invoice()
    if row.draft:
        raise Problem("conflict", "A draft cannot be paid: finalize it first.")
    if status.payment.paid:
        raise Problem("conflict", "The invoice is paid already.")
    if status.invoice.state in ("credited", "credit") or row.credit:
        raise Problem("conflict", "A credited invoice and a credit note have nothing open in TheNextInvoice.")
    if row.calculated is None:
        raise malformed("TheNextInvoice's final invoice has no amounts.")
    if draft.direction != payments.direction_of(row):
        raise invalid("/direction", "A payment of an invoice comes in.")
    if draft.currency != currency_of(row.meta.currency):
        raise invalid("/currency", f"The invoice is in {row.meta.currency}.")
    due = positive(row.calculated.amounts, credit=row.credit).gross
    if draft.amount != due:
        raise _partial("/amount", f"TheNextInvoice knows full payments only, here of {plain(due, 2)}.")


async def _method(up: Upstream, draft: PaymentDraft) -> str:
    """The payment method: the one that is named, else the connection's, else the only one there is."""
    wanted = draft.payment_method_id or setting(up, "default_payment_method_id")
    known = await payment_methods(up, wanted)
    if wanted is None:
        if len(known) != 1:
            raise invalid("/payment_method_id", "TheNextInvoice needs to know how the invoice was paid.", "required")
        return next(iter(known))
    if wanted not in known:
        raise invalid("/payment_method_id", "There is no such payment method in TheNextInvoice.", "not_found")
    return wanted


def _partial(pointer: str, reason: str) -> Problem:
    return unsupported(pointer, reason, "partial_payment_unsupported")


def _no_invoice() -> Problem:
    return invalid("/allocations/0/invoice_id", "There is no such invoice in TheNextInvoice.", "not_found")
