"""``/sales_invoices``: concepts, publication, credit notes and paper."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from adapters.rompslomp import wire
from adapters.rompslomp.mapping import bodies, invoices, references
from adapters.rompslomp.mapping.invoices import InvoiceHead, InvoiceRow
from adapters.rompslomp.mapping.requirements import credit_requirements, invoice_requirements
from adapters.rompslomp.mapping.values import day_of
from adapters.rompslomp.resources import booking, calls
from gateway.contract.adapter import File, Invoices, Listing, Record, Sent, Traces
from gateway.contract.errors import Problem, invalid, malformed
from gateway.contract.models import Change, CreditDraft, Invoice, InvoiceDraft, VatCode
from gateway.contract.money import ZERO
from gateway.contract.paging import Chain, Page, PageNumber, Slice, Window
from gateway.contract.schemas import Requirements
from gateway.contract.upstream import Query, Upstream, found_or_none, is_number, number_in_path
from gateway.contract.wire import RawRecord

SEARCHES: Mapping[str, str] = {
    "contact_id": "search[contact_id]",
    "issued_from": "search[from]",
    "issued_to": "search[till]",
}
SELECTIONS: Mapping[str | None, tuple[str, ...]] = {
    None: ("all",),
    "draft": ("concept",),
    "final": ("published", "imported"),
}
"""The selections that together hold the invoices of a document status; no other status occurs here."""
_Listed = tuple[InvoiceHead, RawRecord]


class RompslompInvoices(Invoices):
    """A concept is changed by PATCH, line by line. What is published stays as it is and can only be credited."""

    filters = frozenset({*SEARCHES, "document_status"})
    holds = invoices.HOLDS
    repeatable = frozenset({"create"})
    calls: ClassVar[Mapping[str, str]] = {
        "list": f"{calls.LIST_CALLS}, and 1 for each {wire.PAGE_CAP} credit notes since the first of them; 1 for each "
        "invoice that is credited by one of them, and not among them",
        "get": "1, and 1 for a final invoice: whether it was credited; for a credit note: what it is set off against",
        "create": "1; 1 for each product named, 1 for the customer where the VAT depends on him, and up to 3 "
        "where only a concept can tell whether the expected totals are met",
        "update": "2: it is read first; and what create needs, or 1 for a final invoice: whether it was credited",
        "credit": "3",
    }
    limits: ClassVar[Mapping[str, str]] = {"ubl": "Rompslomp gives no UBL through its API."}

    async def requirements(self, up: Upstream, verb: str) -> Requirements:
        if verb == "credit":
            return credit_requirements()
        return invoice_requirements(await calls.vat_codes(up))

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Invoice]]:
        page = await _listed(up, listing)
        rows = [row for row, _ in page.items]
        credited = await _credited_among(up, rows)
        codes = await _vat_codes(up, [row for row in rows if isinstance(row, InvoiceRow)])  # none without their lines
        owed = await _owed(up, rows)
        records = [
            invoices.invoice_of(row, raw, codes, up.today, credited, owed.get(row.id, ZERO)) for row, raw in page.items
        ]
        return Page(records, page.more, page.total)

    async def get(self, up: Upstream, id: str) -> Record[Invoice]:
        return await _invoice_with_credits(up, await booking.read(up, id))

    async def create(self, up: Upstream, draft: InvoiceDraft) -> Record[Invoice]:
        return await _invoice(up, await booking.create(up, draft))

    async def update(self, up: Upstream, id: str, change: Change) -> Record[Invoice]:
        return await _invoice_with_credits(up, await booking.update(up, id, change.given()))

    async def delete(self, up: Upstream, id: str) -> None:
        await calls.delete(up, "sales_invoices", id)

    async def finalize(self, up: Upstream, id: str) -> Record[Invoice]:
        try:
            raw = await booking.publish(up, id)
        except Problem as problem:
            if problem.code == "upstream_rejected" and not InvoiceRow.of(await booking.read(up, id)).is_draft:
                raise Problem("conflict", "The invoice is final already.", upstream=problem.upstream) from problem
            raise
        return await _invoice(up, raw)

    async def credit(self, up: Upstream, id: str, draft: CreditDraft) -> Record[Invoice]:
        reference = references.credit_reference(number_in_path(id))
        raw, note = await up.gather(booking.read(up, id), booking.with_reference(up, reference))
        row = InvoiceRow.of(raw)
        if note is not None:
            raise _credited_already(note)
        if not row.may_be_credited:
            raise Problem("conflict", "Only a final invoice can be credited, and only one of more than nothing.")
        if draft.issued_on is not None and draft.issued_on < day_of(row.date):
            raise invalid("/issued_on", "A credit note cannot be dated before its invoice.", "out_of_range")
        body = bodies.credit_body(raw, draft, max(up.today, day_of(row.date)))
        made = await _credited(up, body, reference)
        if InvoiceRow.of(made).totals != row.totals:
            up.warn(
                "totals_differ",
                "/totals",
                en="Rompslomp makes other totals of the credit note than of its invoice.",
                nl="Rompslomp maakt van de creditfactuur andere totalen dan van de factuur.",
            )
        return await _invoice(up, made, row.open or ZERO)

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Invoice]:
        """By the api reference it was sent with, which no other invoice can have (dossier §5, "Idempotency")."""
        body = sent.request.json["sales_invoice"]
        existing = await booking.with_reference(up, body["api_reference"])
        if existing is None or not (
            references.is_own(body["api_reference"]) or bodies.is_same_document(existing, body)
        ):
            return Traces([])
        if isinstance(sent.draft, InvoiceDraft):
            await booking.compare(up, existing, sent.draft, body["invoice_lines"])
        return Traces([await _invoice_with_credits(up, existing)], certain=True)

    async def pdf(self, up: Upstream, id: str) -> File:
        try:
            reply = await up.call(wire.request(up.facts, "GET", "sales_invoices", number_in_path(id), "pdf"))
        except Problem as problem:
            if problem.code == "not_found" and InvoiceRow.of(await booking.read(up, id)).is_draft:
                raise _no_paper() from problem
            raise
        if reply.media_type == "application/pdf" and reply.body.startswith(b"%PDF-"):
            return File(reply.body, "application/pdf", f"invoice-{id}.pdf")
        if "message" in wire.read_envelope(reply):
            raise _no_paper()
        raise malformed("Rompslomp sent something that is no PDF.")


def _no_paper() -> Problem:
    """A concept has a JSON message instead of a PDF, under status 200 (recorded, dossier §3.1)."""
    return Problem("conflict", "A draft has no PDF: finalize it first.")


async def _listed(up: Upstream, listing: Listing) -> Page[_Listed]:
    """A window of the list, filtered by Rompslomp; lines are read where somebody asks for them."""
    selections = SELECTIONS.get(listing.text("document_status"), ())
    searches = [(theirs, text) for ours, theirs in SEARCHES.items() if (text := listing.text(ours)) is not None]
    contact_id = listing.text("contact_id")
    if contact_id is not None and not is_number(contact_id):
        return Page([], more=False, total=0)
    row = InvoiceRow if "lines" in listing.include else InvoiceHead
    sources = [_selection(up, row, [("selection", name), *searches]) for name in selections]
    return await Chain(sources).read(listing.window)


def _selection(up: Upstream, row: type[InvoiceHead], query: Query) -> Callable[[Window], Awaitable[Page[_Listed]]]:
    """One selection of the list, as a source of windows."""

    async def fetch(page: int, size: int) -> Slice[_Listed]:
        return await calls.rows_of(up, row, "sales_invoices", query, page, size)

    return PageNumber(fetch, wire.PAGE_CAP).read


async def _vat_codes(up: Upstream, rows: Sequence[InvoiceRow]) -> Mapping[str, VatCode]:
    """The VAT codes of some invoices, those of the past where one has them; none where the token may not see them."""
    if not rows:
        return {}
    types = {line.vat_type_id for row in rows for line in row.invoice_lines}
    used = {str(type_id) for type_id in types if type_id is not None}
    try:
        codes = await calls.vat_codes(up)
        return codes if used <= codes.keys() else await calls.vat_codes(up, ever=True)
    except Problem as problem:
        if problem.code in calls.FORBIDDEN:
            return {}
        raise


async def _credited_among(up: Upstream, rows: Sequence[InvoiceHead]) -> frozenset[str]:
    """Which of some invoices Polder credited: the credit notes say so, none of which is older than its invoice.

    What was credited before the invoices were asked for is told in any case: they may be asked for ahead.
    """
    days = [day_of(row.date) for row in rows if row.may_be_credited]
    if not days:
        return frozenset()
    query = [("selection", "credit_invoices"), ("search[from]", min(days).isoformat())]
    return invoices.credited_among(await calls.read_all(up, "sales_invoices", query, ahead=True))


async def _owed(up: Upstream, rows: Sequence[InvoiceHead]) -> Mapping[int, Decimal]:
    """What is open in Rompslomp of the invoices that some credit notes credit, by the note's id.

    Rompslomp sets neither off against the other. Polder tells such an invoice as owing nothing, so its note owes nobody
    what was never paid: else who pays back what is open of credit notes pays those who did not pay.
    """
    notes = {row.id: references.credited_by(row.api_reference) for row in rows if row.may_be_set_off}
    if not notes:
        return {}  # as of nearly every page
    open_by_id = {str(row.id): row.open or ZERO for row in rows}
    away = sorted({id for id in notes.values() if id is not None and id not in open_by_id})
    open_by_id |= zip(away, await up.each([_open_of(up, id) for id in away]), strict=True)
    return {note: open_by_id[id] for note, id in notes.items() if id is not None}


async def _open_of(up: Upstream, id: str) -> Decimal:
    """What Rompslomp calls open of an invoice; nothing of one that is gone."""
    found = await found_or_none(booking.read(up, id))
    return ZERO if found is None else InvoiceRow.of(found).open or ZERO


async def _invoice(up: Upstream, raw: calls.Raw, owed: Decimal = ZERO) -> Record[Invoice]:
    """An invoice that cannot have been credited yet, or a credit note of one that owes so much."""
    row = InvoiceRow.of(raw)
    return invoices.invoice_of(row, raw, await _vat_codes(up, [row]), up.today, owed=owed)


async def _invoice_with_credits(up: Upstream, raw: calls.Raw) -> Record[Invoice]:
    """An invoice, with whether it was credited; a credit note, with what it is set off against."""
    row = InvoiceRow.of(raw)
    codes = await _vat_codes(up, [row])
    credited = frozenset[str]()
    if row.may_be_credited:
        note = await booking.with_reference(up, references.credit_reference(str(row.id)), ahead=True)
        credited = invoices.credited_among([note] if note else [])
    owed = await _owed(up, [row])
    return invoices.invoice_of(row, raw, codes, up.today, credited, owed.get(row.id, ZERO))


async def _credited(up: Upstream, body: calls.Raw, reference: str) -> calls.Raw:
    """Make the credit note. Its api reference is unique, so that nobody else can have made one meanwhile."""
    try:
        return await calls.record(up, "POST", "sales_invoice", body=body)
    except Problem as problem:
        note = await booking.found_after(up, problem, reference)
        if note is None:
            raise
        if problem.code in booking.REFUSED:
            raise _credited_already(note) from problem
        return note


def _credited_already(note: Mapping[str, Any]) -> Problem:
    return Problem("conflict", f"The invoice was credited in full already, by the credit note {note['id']}.")
