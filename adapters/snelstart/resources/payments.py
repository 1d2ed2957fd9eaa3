"""Payments: bank and cash entries that settle sales invoices."""

from collections.abc import Mapping
from contextlib import aclosing
from datetime import date
from typing import Any, ClassVar

from adapters.snelstart.mapping import payments
from adapters.snelstart.mapping.errors import OF_PAYMENT
from adapters.snelstart.mapping.payments import KINDS, PLACES, payment_body, payment_of, place_of, settles_sales
from adapters.snelstart.mapping.requirements import payment_requirements
from adapters.snelstart.mapping.settings import PAID_WITH, Dagboek
from adapters.snelstart.mapping.values import day_of, is_guid, since, until
from adapters.snelstart.resources.administration import every, journals_of, pages, setting, written
from adapters.snelstart.wire import request
from gateway.contract.adapter import FilterValue, Listing, Payments, Record, Sent, Traces
from gateway.contract.errors import FieldError, Problem, invalid, not_found, repointed
from gateway.contract.matching import is_payment, new_among, note_existing
from gateway.contract.models import Payment, PaymentDraft
from gateway.contract.money import ZERO
from gateway.contract.paging import Page
from gateway.contract.schemas import Requirements
from gateway.contract.totals import check_payment
from gateway.contract.upstream import Upstream


class MoneyEntries(Payments):
    """``/bankboekingen`` and ``/kasboekingen``, those of the bank first."""

    filters = frozenset({"invoice_id", "paid_from", "paid_to"})
    holds = payments.HOLDS
    calls: ClassVar[Mapping[str, str]] = {
        "list": "1 for each 500 bank entries, then cash entries, from the first one on: only those that settle sales "
        "invoices are payments, and SnelStart cannot pick them out",
        "create": "2: equal payments of that day are noted before it, to know the new one; journals are remembered",
        "delete": "2: making sure that it is a payment, then deleting it",
    }
    limits: ClassVar[Mapping[str, str]] = {
        "create": "A payment settles at least one invoice; what settles none needs ledger_account_id.",
    }

    async def requirements(self, up: Upstream, verb: str) -> Requirements:
        del verb
        banks = [journal for journal in await journals_of(up, tuple(PAID_WITH)) if journal.soort == "Bank"]
        named = setting(up, "default_payment_method_id") is not None
        return payment_requirements(method_required=not named and len(banks) != 1)

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Payment]]:
        wanted = listing.window.offset + listing.window.size + 1
        found: list[Record[Payment]] = []
        for kind, noun in PLACES.items():
            if len(found) >= wanted:
                break
            async with aclosing(pages(up, noun, _condition(listing.filters))) as read:
                async for page in read:
                    found += [
                        record
                        for raw in page
                        if settles_sales(raw) and _settles(record := payment_of(raw, kind), listing.text("invoice_id"))
                    ]
                    if len(found) >= wanted:
                        break
        offset, size = listing.window.offset, listing.window.size
        return Page(found[offset : offset + size], more=len(found) > offset + size)

    async def get(self, up: Upstream, id: str) -> Record[Payment]:
        noun, entry = place_of(id)
        raw = await up.data(request("GET", noun, entry))
        if not settles_sales(raw):
            not_found()
        return payment_of(raw, id.partition("-")[0])

    async def create(self, up: Upstream, draft: PaymentDraft) -> Record[Payment]:
        _check(draft)
        journal = await _journal(up, draft.payment_method_id)
        if draft.payment_method_id is None:
            by_setting = setting(up, "default_payment_method_id") is not None
            up.plan.defaulted("/payment_method_id", journal.key, "setting" if by_setting else "only_one")
        kind = KINDS[journal.soort]
        paid_on = draft.paid_on or up.today
        body = payment_body(draft, journal.key, paid_on)
        note_existing(up, await _alike(up, draft, kind, paid_on))
        raw = await _booked(up, kind, body, draft)
        return payment_of(raw, kind)

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Payment]:
        """By day, amount and what it settles, among those that were not there before."""
        assert isinstance(sent.draft, PaymentDraft)
        kind = next(kind for kind, noun in PLACES.items() if sent.request.path.endswith(f"/{noun}"))
        return new_among(sent, await _alike(up, sent.draft, kind, day_of(sent.request.json["datum"])))

    async def delete(self, up: Upstream, id: str) -> None:
        noun, entry = place_of(id)
        raw = await up.data(request("GET", noun, entry))
        if not settles_sales(raw):
            not_found()
        await up.call(request("DELETE", noun, entry))


async def _booked(up: Upstream, kind: str, body: Mapping[str, Any], draft: PaymentDraft) -> Mapping[str, Any]:
    """A new entry. Raises ``validation_failed`` where it settles an invoice that is not there."""
    try:
        with repointed(OF_PAYMENT):
            raw: Mapping[str, Any] = await written(up, "POST", PLACES[kind], body=body)
            return raw
    except Problem as problem:
        if problem.code != "not_found":
            raise
        # Of several, SnelStart does not say which (BOE-0001).
        pointer = "/allocations/0/invoice_id" if len(draft.allocations) == 1 else "/allocations"
        message = "There is no such invoice in SnelStart."
        errors = [FieldError(pointer, "not_found", message)]
        raise Problem("validation_failed", message, errors, problem.upstream, outcome="rejected") from problem


async def _alike(up: Upstream, draft: PaymentDraft, kind: str, paid_on: date) -> list[Record[Payment]]:
    """The payments of a day that are of a draft's amount and settle the same."""
    found = await every(up, PLACES[kind], _condition({"paid_from": paid_on, "paid_to": paid_on}))
    records = [payment_of(raw, kind) for raw in found if settles_sales(raw)]
    return [record for record in records if is_payment(record.item, draft)]


def _condition(filters: Mapping[str, FilterValue]) -> str | None:
    parts = []
    start, end = filters.get("paid_from"), filters.get("paid_to")
    if isinstance(start, date):
        parts.append(since("Datum", start))
    if isinstance(end, date):
        parts.append(until("Datum", end))
    return " and ".join(parts) or None


def _settles(record: Record[Payment], invoice_id: str | None) -> bool:
    return invoice_id is None or any(part.invoice_id == invoice_id for part in record.item.allocations)


def _check(draft: PaymentDraft) -> None:
    """Raises ``validation_failed`` for a payment that no entry can be made of."""
    check_payment(draft)
    if not draft.allocations:
        raise invalid("/allocations", "A payment settles at least one invoice here.", "required")
    for number, part in enumerate(draft.allocations):
        if not is_guid(part.invoice_id):
            raise invalid(f"/allocations/{number}/invoice_id", "There is no such invoice in SnelStart.", "not_found")
    rest = draft.amount - sum((part.amount for part in draft.allocations), ZERO)
    if rest and draft.ledger_account_id is None:
        raise invalid("/ledger_account_id", "What settles no invoice needs a ledger account.", "required")
    if draft.ledger_account_id is not None and not (rest and is_guid(draft.ledger_account_id)):
        raise invalid("/ledger_account_id", "It takes what settles no invoice, and is the id of a ledger account.")


async def _journal(up: Upstream, id: str | None) -> Dagboek:
    """The journal that is named, else the connection's, else the only one for a bank account."""
    journals = await journals_of(up, tuple(PAID_WITH))
    wanted = id or setting(up, "default_payment_method_id")
    if wanted is not None:
        for journal in journals:
            if journal.key == wanted:
                return journal
        raise invalid("/payment_method_id", "There is no such bank or cash journal in SnelStart.", "not_found")
    banks = [journal for journal in journals if journal.soort == "Bank"]
    if len(banks) != 1:
        raise invalid(
            "/payment_method_id", "Give payment_method_id, or the setting default_payment_method_id.", "required"
        )
    return banks[0]
