"""Reading: a record or a window of a list, as fresh as was asked, at the price of one upstream call where it can be."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from gateway.contract.adapter import File, FilterValue, Listing, Record
from gateway.contract.errors import Problem, malformed
from gateway.contract.paging import Page, Window
from gateway.engine.cursors import Cursors
from gateway.engine.inputs import Parameters
from gateway.engine.malformed import missing_as_malformed
from gateway.engine.outbound.upstream import Outbound
from gateway.engine.reads.filters import SCAN_LIMIT, SCAN_STEP, divide, matches
from gateway.engine.records.id_changes import IdChanges, Interference
from gateway.engine.records.recording import Recording, identified
from gateway.engine.records.render import list_json, record_json, records_json

T = TypeVar("T")

_SKIP_BITS = 8
"""A cursor's number holds the position of a window and, below it, how many matches of that window were given."""


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A body read, and what is to be said with it."""

    body: bytes
    media_type: str = "application/json"
    next_cursor: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    ids: Sequence[str] = ()
    """Of the records of a list, as we say them."""


@dataclass(slots=True)
class _Matches:
    records: Sequence[Record[Any]]
    next: int | None
    total: int | None = None


class Reader:
    """Reads for one request."""

    def __init__(
        self, up: Outbound, recording: Recording, cursors: Cursors, id_changes: IdChanges, provider: str
    ) -> None:
        self._operation, self._resource = recording.operation, recording.resource
        self._up = up
        self._recording = recording
        self._cursors = cursors
        self._id_changes = id_changes
        self._provider = provider
        self._unlisted: Sequence[str] = ()

    async def read(self, id: str, parameters: Parameters) -> ReadResult:
        """What is asked for, a list or what is at our ``id``, as no record's getting another id distorts it."""
        if self._operation.shape == "list":
            listed = await self._settled(lambda: self.list(parameters), lambda _: False, self._list_interference)
            if self._unlisted:
                self._id_changes.mark_listed(self._up.facts.connection_id, self._operation.resource, self._unlisted)
            return listed
        before = await self._recording.theirs(id) if self._resource.changes_ids else id

        async def interference(_: object) -> Interference:
            return "maybe" if before == await self._recording.theirs(id) else "renamed"

        if self._operation.shape == "file":
            return await self._settled(lambda: self.file(id), lambda _: True, interference)
        record = await self._settled(lambda: self._one(id), lambda record: record.item.id == id, interference)
        return ReadResult(record_json(record, self._provider, parameters.include))

    async def _list_interference(self, found: ReadResult | None) -> Interference:
        """It is where it has ids that Polder keeps nothing of: somebody's own, or a record's that gets another one."""
        book = await self._recording.book()
        strange = [] if found is None else [id for id in found.ids if not book.kept(id)]
        if any(book.ours(id) != id for id in strange):
            return "renamed"
        self._unlisted = self._id_changes.unlisted(self._up.facts.connection_id, self._operation.resource, strange)
        return "maybe" if self._unlisted else "no"

    async def _settled(
        self,
        read: Callable[[], Awaitable[T]],
        is_certain: Callable[[T], bool],
        interference: Callable[[T | None], Awaitable[Interference]],
    ) -> T:
        if not self._resource.changes_ids:
            return await read()
        of_connection = self._up.facts.connection_id, self._operation.resource
        return await self._id_changes.read_stable(*of_connection, read, is_certain, self._up.left, interference)

    async def _one(self, id: str) -> Record[Any]:
        """One record, by our id."""
        theirs = await self._recording.theirs(id)
        with nullcontext() if "{id}" in self._operation.path else missing_as_malformed():
            record = identified(await self._resource.get(self._up, theirs), self._resource, theirs)
        await self._recording.incoming([record])
        return record

    async def file(self, id: str) -> ReadResult:
        """A document that belongs to a record."""
        theirs = await self._recording.theirs(id)
        document: File = await getattr(self._resource, self._operation.verb)(self._up, theirs)
        return ReadResult(
            document.body, document.media_type, headers={"Content-Disposition": disposition(document.name)}
        )

    async def list(self, parameters: Parameters) -> ReadResult:
        """A window of a list, with filters applied by the system or by us.

        Where one record stands in it twice, something moved between two of the system's pages, and others may have been
        passed over: then it is read once more.
        """
        native, emulated = divide(self._operation, self._resource, parameters.filters)
        context = (self._up.facts.connection_id, self._operation.name, *parameters.context())
        at = 0 if parameters.cursor is None else self._cursors.read(parameters.cursor, context)
        matched = await self._matched(parameters, native, emulated, at)
        records, ids = matched.records, _ids_of(matched.records)
        if len(set(ids)) < len(ids):
            matched = await self._matched(parameters, native, emulated, at)
            records = _each_once(matched.records)
            ids = _ids_of(records)
        cursor = None if matched.next is None else self._cursors.write(matched.next, context)
        self._shorten(records, parameters)
        data = records_json(records, self._provider, parameters.include)
        headers = {"Polder-Emulated": ", ".join(emulated)} if emulated else {}
        return ReadResult(list_json(data, cursor, matched.total), next_cursor=cursor, headers=headers, ids=ids)

    async def _matched(
        self, parameters: Parameters, native: Mapping[str, FilterValue], emulated: Mapping[str, FilterValue], at: int
    ) -> _Matches:
        listing = Listing(
            Window(at >> _SKIP_BITS, parameters.limit), await self._in_their_words(native), parameters.include
        )
        linked = self._resource.kept if self._resource.can("get") else ()
        by_link = next((name for name in emulated if name in linked), None)
        found = await self._linked(by_link, parameters) if by_link is not None and parameters.cursor is None else None
        if found is not None:
            return found
        if emulated:
            return await self._scan(listing, emulated, at & ((1 << _SKIP_BITS) - 1), parameters.limit)
        page = await self._page(listing)
        following = (listing.window.offset + parameters.limit) << _SKIP_BITS
        return _Matches(await self._recording.incoming(page.items), following if page.more else None, page.total)

    async def _page(self, listing: Listing) -> Page[Any]:
        """A window of the system's own list, which names no record unless a filter does."""
        filters = (self._operation.filter(name) for name in listing.filters)
        of_record = any(one is not None and one.referred is not None for one in filters)
        with nullcontext() if of_record else missing_as_malformed():
            return await self._resource.list(self._up, listing)

    def _shorten(self, records: Sequence[Record[Any]], parameters: Parameters) -> None:
        """A list's invoices show their lines only where they are asked for, on every system alike."""
        if "lines" in self._operation.includes and "lines" not in parameters.include:
            for record in records:
                record.item.lines = None
                record.item.tax_breakdown = None

    async def _in_their_words(self, filters: Mapping[str, FilterValue]) -> Mapping[str, FilterValue]:
        translated = dict(filters)
        for name, value in filters.items():
            known = self._operation.filter(name)
            if known is not None and known.referred is not None:
                translated[name] = await self._recording.theirs(str(value), known.referred)
        return translated

    async def _linked(self, by: str, parameters: Parameters) -> _Matches | None:
        """The records that hold a value Polder keeps: looked up, not scanned for.

        Null where one is not found by its id and archived ones are asked for: some systems show those in lists only.
        """
        book = await self._recording.book()
        records = []
        for id in book.holders(by, str(parameters.filters[by])):
            record = await self._present(book.theirs(id))
            if record is None and "archived" in parameters.include:
                return None
            if record is not None and self._passes(record, parameters):
                records.append(record)
        return _Matches(records[: parameters.limit], None)

    async def _present(self, theirs: str) -> Record[Any] | None:
        try:
            record = identified(await self._resource.get(self._up, theirs), self._resource, theirs)
        except Problem as problem:
            if problem.code == "not_found":
                return None  # deleted in the system itself
            raise
        await self._recording.incoming([record])
        return record

    def _passes(self, record: Record[Any], parameters: Parameters) -> bool:
        if getattr(record.item, "archived", False) and "archived" not in parameters.include:
            return False
        return matches(self._operation.resource, record.item, parameters.filters)

    async def _scan(self, listing: Listing, emulated: Mapping[str, FilterValue], skip: int, limit: int) -> _Matches:
        """Look through the list in steps until enough records match, the list ends, or enough were looked at."""
        found: list[Record[Any]] = []
        start = listing.window.offset
        for position in range(start, start + SCAN_LIMIT, SCAN_STEP):
            window = Listing(Window(position, SCAN_STEP), listing.filters, listing.include)
            page = await self._page(window)
            records = await self._recording.incoming(page.items)
            matching = [one for one in records if matches(self._operation.resource, one.item, emulated)]
            fresh = matching[skip:]
            wanted = limit - len(found)
            if len(fresh) > wanted:
                return _Matches(found + fresh[:wanted], (position << _SKIP_BITS) + skip + wanted)
            found += fresh
            skip = 0
            if not page.more:
                return _Matches(found, None)
            if len(found) == limit:
                return _Matches(found, (position + SCAN_STEP) << _SKIP_BITS)
        return _Matches(found, (start + SCAN_LIMIT) << _SKIP_BITS)


def _ids_of(records: Sequence[Record[Any]]) -> list[str]:
    return [record.item.id for record in records]


def _each_once(records: Sequence[Record[Any]]) -> Sequence[Record[Any]]:
    """A record that the system lists twice is told once. Raises ``upstream_malformed`` for two under one id: nobody
    knows which of them it is.
    """
    by_id = dict(zip(_ids_of(records), records, strict=True))
    if any(record.item != by_id[record.item.id].item for record in records):
        raise malformed("The accounting system lists two records under one id.")
    return list(by_id.values())


def disposition(name: str, kind: str = "attachment") -> str:
    """A file of that name (RFC 6266): as it is where a quoted string can hold it, and encoded where not."""
    plain = "".join(sign if sign.isascii() and sign.isprintable() and sign not in '"\\' else "_" for sign in name)
    encoded = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'{kind}; filename="{plain}"{encoded}'
