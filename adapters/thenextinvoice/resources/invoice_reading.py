"""Reading one invoice, and telling any: with its standing, its VAT codes, and the way VAT is rounded."""

from collections.abc import Sequence

from adapters.thenextinvoice.mapping.arithmetic import ROUNDINGS, Reckoning, Sum, Ways
from adapters.thenextinvoice.mapping.invoices import (
    DRAFT,
    NO_INVOICE,
    TYPES,
    InvoiceRow,
    ListedInvoice,
    Sheet,
    Standing,
    invoice_of,
    standing_of,
)
from adapters.thenextinvoice.mapping.values import reference_of
from adapters.thenextinvoice.resources.administration import vat_codes
from adapters.thenextinvoice.wire import PAGE_CAP, read_search, read_search_ids, request
from gateway.contract.adapter import Record
from gateway.contract.errors import not_found
from gateway.contract.models import Invoice
from gateway.contract.paging import PageNumber, Slice
from gateway.contract.upstream import Query, Upstream, number_in_path

NEWEST_FIRST = (("order", "number"), ("reverse", "true"))
DRAFTS = (("type", "draft"), ("order", "id"), ("reverse", "true"))


async def read(up: Upstream, id: str) -> tuple[Sheet, Standing]:
    """An invoice and how it stands. Raises ``not_found``, for a quotation or a recurring template too."""
    number = number_in_path(id)
    raw, status = await up.gather(
        up.data(request("GET", "invoice", number)), up.data(request("GET", "invoice", number, "status"))
    )
    sheet, standing = Sheet.of(raw), standing_of(status)
    if standing.state in NO_INVOICE or sheet.row.type not in TYPES:
        not_found()
    return sheet, DRAFT if sheet.row.draft else standing


async def search(up: Upstream, query: Query, page: int, size: int) -> Slice[ListedInvoice]:
    """One page of an invoice search. ``query`` must hold an order: without one nothing is promised."""
    paged = [*query, ("limit", str(size)), ("page", str(page))]
    found = read_search(await up.call(request("GET", "invoice", "search", query=paged)))
    return Slice([ListedInvoice.of(raw) for raw in found.items], found.total)


async def drafts_of(up: Upstream, customer_id: int) -> Sequence[ListedInvoice]:
    """All drafts for a customer: a search knows whose they are (documentation, "Get an invoice")."""

    async def fetch(page: int, size: int) -> Slice[ListedInvoice]:
        return await search(up, [("customer_id", str(customer_id)), *DRAFTS], page, size)

    return await PageNumber(fetch, PAGE_CAP).whole()


async def search_ids(up: Upstream, query: Query) -> frozenset[str]:
    """The ids on the first page of an invoice search."""
    paged = [*query, ("limit", str(PAGE_CAP)), ("page", "1")]
    return read_search_ids(await up.call(request("GET", "invoice", "search", query=paged)))


async def record_of(up: Upstream, sheet: Sheet, standing: Standing) -> Record[Invoice]:
    """An invoice as we say it."""
    (record,) = await records_of(up, [(sheet, standing)])
    return record


async def records_of(
    up: Upstream, found: Sequence[tuple[Sheet, Standing]], *, with_lines: bool = True
) -> list[Record[Invoice]]:
    """Invoices as we say them, with the VAT codes that they need fetched once."""
    used = {line.vat for sheet, _ in found if with_lines or sheet.row.calculated is None for line in sheet.row.lines}
    codes = await vat_codes(up, map(reference_of, used)) if used else {}
    records = []
    for sheet, standing in found:
        # What is booked shows how VAT was rounded.
        ways = ROUNDINGS if sheet.row.calculated is not None else await _ways_for(up, sheet.row.reckoned(codes))
        record = invoice_of(sheet, standing, codes, today=up.today, ways=ways, with_lines=with_lines)
        records.append(record)
    return records


async def possible_sums(up: Upstream, reckoning: Reckoning) -> list[Sum]:
    """What a document may come to: one sum, save where rounding matters and nobody knows how it goes."""
    certain = reckoning.certain()
    if certain is not None:
        return [certain]
    return list(reckoning.sums(await _ways_for(up, reckoning)).values())


async def _ways_for(up: Upstream, reckoning: Reckoning) -> Ways:
    """How VAT may be rounded: every way there is, until it makes a difference."""
    if reckoning.lines is None or reckoning.certain() is not None:
        return ROUNDINGS

    loaded = False

    async def load() -> Ways | None:
        nonlocal loaded
        loaded = True
        return await _learned_ways(up)

    known = await up.known("vat_rounding", load)
    if known is not None and reckoning.certain(known) is None and not loaded:
        known = await up.known("vat_rounding", load, fresh=True)  # what was booked since may tell
    return known or ROUNDINGS


async def _learned_ways(up: Upstream) -> Ways | None:
    """How VAT may be rounded, learned from the newest hundred final invoices: from as many as leave one way.

    Null where they tell nothing, which is no fact to be kept.

    The documentation does not say it (dossier, "Not said").
    """
    found = await search(up, (("type", "invoice"), *NEWEST_FIRST), 1, PAGE_CAP)
    codes = await vat_codes(up)
    left = ROUNDINGS
    for listed in found.items:
        row = InvoiceRow.of(listed.raw)
        booked = row.calculated
        if booked is None:
            continue
        agreeing = tuple(way for way, sum in row.reckoned(codes).sums(left).items() if booked.agrees(sum))
        left = (
            agreeing or left
        )  # none agrees where a VAT code was changed since, or the way itself: what is newer counts
        if len(left) == 1:
            break
    return None if left == ROUNDINGS else left
