"""``/payments``, and the payments of an invoice, which a PATCH of the invoice books (dossier §3.1)."""

from collections.abc import Mapping
from typing import ClassVar

from adapters.rompslomp import wire
from adapters.rompslomp.mapping.errors import OF_PAYMENT
from adapters.rompslomp.mapping.invoices import InvoiceRow
from adapters.rompslomp.mapping.payments import (
    HOLDS,
    bears,
    mark_of,
    payment_body,
    payment_of,
    settled_invoice,
)
from adapters.rompslomp.mapping.requirements import payment_requirements
from adapters.rompslomp.mapping.values import id_in_body
from adapters.rompslomp.resources import calls
from gateway.contract.adapter import Listing, Payments, Record, Sent, Traces
from gateway.contract.errors import Problem, invalid, repointed
from gateway.contract.exact import Unread
from gateway.contract.models import Payment, PaymentDraft
from gateway.contract.money import plain
from gateway.contract.paging import Page
from gateway.contract.schemas import Requirements
from gateway.contract.upstream import Upstream, found_or_none

ALL = [("selection", "all")]
"""Without it a list holds only what is not booked yet."""


class RompslompPayments(Payments):
    """Bank and cash mutations, found by their marks. One that settles an invoice is booked with the invoice."""

    holds = HOLDS
    calls: ClassVar[Mapping[str, str]] = {
        "list": calls.LIST_CALLS,
        "create": "1; 4 for a payment of an invoice, and more where the new payment does not stand first in the list",
    }

    async def requirements(self, up: Upstream, verb: str) -> Requirements:
        del up, verb
        return payment_requirements()

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Payment]]:
        return await calls.page_of(up, "payments", ALL, listing, payment_of)

    async def get(self, up: Upstream, id: str) -> Record[Payment]:
        return payment_of(await calls.record(up, "GET", "payment", id))

    async def create(self, up: Upstream, draft: PaymentDraft) -> Record[Payment]:
        invoice_id = settled_invoice(draft)
        if invoice_id is None:
            body = payment_body(draft, up.today, mark_of(None, up.creation_key))
            return payment_of(await calls.record(up, "POST", "payment", body=body))
        id_in_body(invoice_id, "/allocations/0/invoice_id")
        mark = mark_of(invoice_id, up.creation_key)
        body = payment_body(draft, up.today, mark)
        invoice, newest = await up.gather(
            _invoice(up, invoice_id), calls.slice_of(up, "payments", ALL, 1, wire.PAGE_CAP)
        )
        done = next((raw for raw in newest.items if bears(raw, mark)), None)
        if done is not None:
            return payment_of(done)
        _refuse_too_much(InvoiceRow.of(invoice), draft)
        with repointed(OF_PAYMENT):
            await calls.record(up, "PATCH", "sales_invoice", invoice_id, body={"payments": [body]})
        made = await _marked(up, mark)
        if made is None:
            raise Problem(
                "upstream_malformed", "Rompslomp booked the payment, but does not list it.", outcome="applied"
            )
        return payment_of(made)

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Payment]:
        """By its mark, which no other payment has."""
        assert isinstance(sent.draft, PaymentDraft)
        made = await _marked(up, mark_of(settled_invoice(sent.draft), up.creation_key))
        return Traces([] if made is None else [payment_of(made)], certain=True)

    async def delete(self, up: Upstream, id: str) -> None:
        await calls.delete(up, "payments", id)


async def _invoice(up: Upstream, id: str) -> calls.Raw:
    """The invoice that is paid. Raises ``validation_failed`` where there is none."""
    found = await found_or_none(calls.record(up, "GET", "sales_invoice", id))
    if found is None:
        raise invalid("/allocations/0/invoice_id", "There is no such invoice in Rompslomp.", "not_found")
    return found


def _refuse_too_much(invoice: InvoiceRow, draft: PaymentDraft) -> None:
    """Refuse to pay a concept, and to pay more than is open: Rompslomp would forget what was too much (dossier §6)."""
    if invoice.is_draft:
        raise Problem("conflict", "A concept cannot be paid: finalize it first.")
    settles = (draft.direction == "in") == (invoice.sign > 0)
    if not settles or invoice.open is None or draft.amount <= invoice.open:
        return
    if invoice.open <= 0:
        raise Problem("conflict", "The invoice is paid already.")
    message = f"Of the invoice {plain(invoice.open, 2)} is open; Rompslomp does not keep what is paid above that."
    raise invalid("/allocations/0/amount", message, "out_of_range")


async def _marked(up: Upstream, mark: str) -> Unread | None:
    """The payment that bears a mark; null for none. The newest stand first, as recorded, but nothing says they must."""
    page = 1
    while True:
        found = await calls.slice_of(up, "payments", ALL, page, wire.PAGE_CAP)
        done = next((raw for raw in found.items if bears(raw, mark)), None)
        if done is not None:
            return done
        if len(found.items) < wire.PAGE_CAP:
            return None
        page += 1
