"""The list of invoices: final ones, newest number first, then drafts, newest first.

Drafts are another ``type`` of search, so "all invoices" is more than one, and who finalizes one meanwhile moves it from
the one to the other. A search does not show whether an invoice is paid, but it can be narrowed to those that are: a
page is asked for once more for each state, within its own numbers.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from adapters.thenextinvoice.mapping.invoices import DRAFT, ListedInvoice, Sheet, Standing, standing_of
from adapters.thenextinvoice.mapping.values import day_of
from adapters.thenextinvoice.resources.invoice_reading import DRAFTS, NEWEST_FIRST, records_of, search, search_ids
from adapters.thenextinvoice.wire import PAGE_CAP, request
from gateway.contract.adapter import Listing, Record
from gateway.contract.models import Invoice
from gateway.contract.paging import Chain, Page, PageNumber, Slice, Window, cut
from gateway.contract.upstream import Query, Upstream, is_number

FILTERS = frozenset(
    {
        "number",
        "contact_id",
        "document_status",
        "payment_status",
        "issued_from",
        "issued_to",
        "due_from",
        "due_to",
        "q",
    }
)
STATE_OF: Mapping[str, str] = {"paid": "paid", "credited": "credited", "not_applicable": "credit"}
"""The state that is searched for, by payment status. Unpaid is more than one."""

Source = Callable[[Window], Awaitable[Page[Record[Invoice]]]]


async def list_invoices(up: Upstream, listing: Listing) -> Page[Record[Invoice]]:
    """A window of the list."""
    contact_id = listing.text("contact_id")
    if contact_id is not None and not is_number(contact_id):
        return Page([], more=False, total=0)
    return await Searches(up, listing).read(listing.window)


@dataclass(frozen=True, slots=True)
class Searches:
    """The searches that together are one list."""

    up: Upstream
    listing: Listing

    async def read(self, window: Window) -> Page[Record[Invoice]]:
        """A window of that list."""
        kind, status = self.listing.text("document_status"), self.listing.text("payment_status")
        finals = self._finals(status) if kind in (None, "final") else []
        drafts = kind in (None, "draft") and status in (None, "not_applicable") and self.listing.text("number") is None
        if finals and drafts:
            return await self._finals_and_drafts(None if status is None else STATE_OF[status], window)
        return await Chain([*finals, *([self._drafts] if drafts else [])]).read(window)

    async def _finals_and_drafts(self, state: str | None, window: Window) -> Page[Record[Invoice]]:
        """Final invoices, of one state or of all, and behind them drafts.

        A draft that somebody finalizes once the final ones are read, and before the drafts are, would be in neither.
        So behind the drafts the final ones are read again: an invoice that is in both is told as what it became.
        """
        finals = await self._window(self._final_query(state), window)
        if len(finals.items) == window.size:
            return replace(await self._final_records(finals, state), more=True, total=None)
        drafts = await self._window(self._draft_query(), Window(max(0, window.offset - _total(finals)), window.size))
        finals = await self._window(self._final_query(state), window)
        left = _not_among(finals.items, drafts.items)
        total = _total(finals) + _total(drafts) - (len(drafts.items) - len(left))
        shown = Page(left[: window.size - len(finals.items)], more=False)
        records = [*(await self._final_records(finals, state)).items, *(await self._draft_records(shown)).items]
        return Page(records, more=window.offset + window.size < total, total=total)

    def _finals(self, status: str | None) -> list[Source]:
        if status is None:
            return [self._paged(None)]
        if status == "unpaid":
            return self._unpaid()
        return [self._paged(STATE_OF[status])] if status in STATE_OF else []

    def _query(self, *more: tuple[str, str]) -> Query:
        """The caller's filters as TheNextInvoice calls them, but for the due date."""
        filters = {
            "customer_id": self.listing.text("contact_id"),
            "mindate": self.listing.text("issued_from"),
            "maxdate": self.listing.text("issued_to"),
            "term": self.listing.text("q"),
            "minnumber": self.listing.text("number"),
            "maxnumber": self.listing.text("number"),
        }
        return [*((name, value) for name, value in filters.items() if value is not None), *more]

    def _due(self) -> Query:
        filters = {"minduedate": self.listing.text("due_from"), "maxduedate": self.listing.text("due_to")}
        return [(name, value) for name, value in filters.items() if value is not None]

    def _final_query(self, state: str | None) -> Query:
        of_state = [] if state is None else [("status", state)]
        return self._query(*self._due(), ("type", "invoice"), *NEWEST_FIRST, *of_state)

    def _draft_query(self) -> Query:
        return self._query(*self._due(), *DRAFTS)

    async def _drafts(self, window: Window) -> Page[Record[Invoice]]:
        return await self._draft_records(await self._window(self._draft_query(), window))

    async def _draft_records(self, page: Page[ListedInvoice]) -> Page[Record[Invoice]]:
        return await self._records(page, [DRAFT] * len(page.items))

    def _paged(self, state: str | None) -> Source:
        """Final invoices, of one state or of all."""

        async def read(window: Window) -> Page[Record[Invoice]]:
            return await self._final_records(await self._window(self._final_query(state), window), state)

        return read

    async def _final_records(self, page: Page[ListedInvoice], state: str | None) -> Page[Record[Invoice]]:
        if state is not None:
            return await self._records(page, [Standing(state)] * len(page.items))
        known = await standings(self.up, page.items, self._final_query(None))
        return await self._records(page, [known[listed.key] for listed in page.items])

    def _unpaid(self) -> list[Source]:
        """What is open, what is open and past due, and what was reminded of and is neither for that.

        Whether ``status=open`` includes what is ``pastdue`` is not said. By due date the two cannot overlap: what is
        due later is open, what was due before yesterday is past due, and of the days on which clocks may differ both
        are asked for and counted once.
        """
        today = self.up.today
        yesterday, tomorrow = today - timedelta(days=1), today + timedelta(days=1)
        return [
            self._between("open", tomorrow, None),
            self._around(yesterday, today),
            self._between("pastdue", None, yesterday - timedelta(days=1)),
            self._reminded,
        ]

    def _between(self, state: str, first: date | None, last: date | None) -> Source:
        async def read(window: Window) -> Page[Record[Invoice]]:
            query = self._state_query(state, first, last)
            if query is None:
                return Page([], more=False, total=0)
            page = await self._window(query, window)
            return await self._records(page, [Standing(state)] * len(page.items))

        return read

    def _around(self, first: date, last: date) -> Source:
        async def read(window: Window) -> Page[Record[Invoice]]:
            found: dict[str, tuple[ListedInvoice, Standing]] = {}
            for state in ("open", "pastdue"):
                query = self._state_query(state, first, last)
                for listed in await self._all(query) if query is not None else ():
                    found[listed.key] = listed, Standing(state)
            page = cut([listed for listed, _ in found.values()], window)
            return await self._records(page, [found[listed.key][1] for listed in page.items])

        return read

    async def _reminded(self, window: Window) -> Page[Record[Invoice]]:
        """What was reminded of, so far as no other state claims it.

        The status has a reminder beside the state, and the search has it among the states: nobody says which it is.
        """
        found = await self._all(self._final_query("reminded"))
        known = await standings(self.up, found, self._final_query(None))
        left = [listed for listed in found if _is_unpaid_only(known[listed.key])]
        page = cut(left, window)
        return await self._records(page, [known[listed.key] for listed in page.items])

    def _state_query(self, state: str, first: date | None, last: date | None) -> Query | None:
        """One state within due dates, narrowed to those the caller asks for; null where nothing is left of them."""
        due_from, due_to = self.listing.filters.get("due_from"), self.listing.filters.get("due_to")
        earliest = max((day for day in (first, due_from) if isinstance(day, date)), default=None)
        latest = min((day for day in (last, due_to) if isinstance(day, date)), default=None)
        if earliest is not None and latest is not None and earliest > latest:
            return None
        ends = {"minduedate": earliest, "maxduedate": latest}
        due = [(name, day.isoformat()) for name, day in ends.items() if day is not None]
        return self._query(*due, ("type", "invoice"), *NEWEST_FIRST, ("status", state))

    async def _window(self, query: Query, window: Window) -> Page[ListedInvoice]:
        """A window of one search. A number is a range to TheNextInvoice, so all it finds is compared exactly."""
        if self.listing.text("number") is not None:
            return cut(await self._all(query), window)

        return await self._searched(query).read(window)

    async def _all(self, query: Query) -> list[ListedInvoice]:
        """Everything a search finds; of a number, what has it to the letter."""
        number = self.listing.text("number")
        return [one for one in await self._searched(query).whole() if number in (None, one.row.number)]

    def _searched(self, query: Query) -> PageNumber[ListedInvoice]:
        async def fetch(page: int, size: int) -> Slice[ListedInvoice]:
            return await search(self.up, query, page, size)

        return PageNumber(fetch, PAGE_CAP)

    async def _records(self, page: Page[ListedInvoice], standings: Sequence[Standing]) -> Page[Record[Invoice]]:
        """A page of records. A draft hides its customer, but a search by customer tells whose it is."""
        found = [(Sheet.of(one.raw), standing) for one, standing in zip(page.items, standings, strict=True)]
        records = await records_of(self.up, found, with_lines="lines" in self.listing.include)
        contact_id = self.listing.text("contact_id")
        for record in records if contact_id is not None else ():
            if record.item.contact_id is None:
                record.item.contact_id = contact_id
        return Page(records, page.more, page.total)


def _total(page: Page[ListedInvoice]) -> int:
    assert page.total is not None  # as TheNextInvoice's searches always say (``Found``)
    return page.total


def _not_among(finals: Sequence[ListedInvoice], drafts: Sequence[ListedInvoice]) -> Sequence[ListedInvoice]:
    """The drafts that are not final by now.

    Where they took several pages all are left: then another one may have passed from page to page, unseen, and that one
    stands twice is the engine's sign to read again (gateway/README.md, on cursors).
    """
    if len(drafts) > PAGE_CAP:
        return drafts
    final = {listed.key for listed in finals}
    return [listed for listed in drafts if listed.key not in final]


def _is_unpaid_only(standing: Standing) -> bool:
    return standing.payment_status == "unpaid" and standing.state not in ("open", "pastdue")


async def standings(up: Upstream, invoices: Sequence[ListedInvoice], query: Query) -> Mapping[str, Standing]:
    """How each final invoice of a window stands: as many at a time as a search gives."""
    starts = range(0, len(invoices), PAGE_CAP)
    parts = await up.each([_standings(up, invoices[start : start + PAGE_CAP], query) for start in starts])
    return {id: standing for part in parts for id, standing in part.items()}


async def _standings(up: Upstream, invoices: Sequence[ListedInvoice], query: Query) -> Mapping[str, Standing]:
    """How each final invoice of a page stands.

    ``query`` is the search that found them, so that a search of one state within their numbers finds no more than them.
    What no search, or more than one, claims is asked for by itself.
    """
    rows = {listed.key: listed.row for listed in invoices}
    numbers = [row.number for row in rows.values()]
    if not rows or not all(numbers):
        return await _one_by_one(up, list(rows))
    span = {"minnumber": numbers[-1] or "", "maxnumber": numbers[0] or ""}
    within = [*((name, value) for name, value in query if name not in span), *span.items()]

    async def ids(state: str) -> frozenset[str]:
        return await search_ids(up, [*within, ("status", state)])

    closed = ["paid", "credited", *(["credit"] if any(row.credit for row in rows.values()) else [])]
    claims = dict(zip(closed, await up.each([ids(state) for state in closed]), strict=True))
    by_id: dict[str, Standing] = {}
    disputed: set[str] = set()
    for state, found in claims.items():
        claimed = found & rows.keys()
        disputed |= claimed & by_id.keys()
        by_id |= dict.fromkeys(claimed, Standing(state))
    left = [id for id in rows if id not in by_id]
    by_id = {id: standing for id, standing in by_id.items() if id not in disputed}
    for likely in _likely_first([day_of(rows[id].meta.dueDate) for id in left], up.today):
        if not left:
            break
        searched = dict(zip(likely, await up.each([ids(state) for state in likely]), strict=True))
        for state in reversed(likely):
            by_id |= dict.fromkeys(searched[state].intersection(left), Standing(state))
        left = [id for id in left if id not in by_id]
    return {**by_id, **await _one_by_one(up, [id for id in rows if id not in by_id])}


def _likely_first(due: Sequence[date | None], today: date) -> Sequence[Sequence[str]]:
    """The states of what is not settled, to be searched for at once: first those that due dates speak for.

    Past due comes before open, which may hold it as well. What is due today, or on a day that is not said, may be both.
    """
    late = any(day is None or day <= today for day in due)
    still_open = any(day is None or day >= today for day in due)
    if late and still_open:
        return [["pastdue", "open"]]
    return [["pastdue"], ["open"]] if late else [["open"], ["pastdue"]]


async def _one_by_one(up: Upstream, ids: Sequence[str]) -> Mapping[str, Standing]:
    statuses = await up.each([up.data(request("GET", "invoice", id, "status")) for id in ids])
    return {id: standing_of(status) for id, status in zip(ids, statuses, strict=True)}
