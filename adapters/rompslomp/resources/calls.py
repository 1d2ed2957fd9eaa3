"""The calls all verbs are made of: one record, one window of a list, a whole list, and what is remembered of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters.rompslomp import wire
from adapters.rompslomp.mapping import abroad, settings
from adapters.rompslomp.mapping.errors import MODELS, errors_of
from gateway.contract.adapter import ItemT, Listing, Record
from gateway.contract.errors import Problem
from gateway.contract.exact import Unread
from gateway.contract.models import VatCode
from gateway.contract.paging import Page, PageNumber, Slice
from gateway.contract.upstream import Query, Reply, Request, Upstream, number_in_path, path_of
from gateway.contract.wire import RawRecord

Raw = dict[str, Any]
Reader = Callable[[Unread], Record[ItemT]]
LIST_CALLS = f"1 for each {wire.PAGE_CAP} records"
TOGETHER = 20
"""Pages of a list that are asked for before it is looked whether there is more of it."""
FORBIDDEN = frozenset({"scope_missing", "upstream_forbidden"})


async def record(up: Upstream, method: str, root: str, id: str | None = None, *, body: Raw | None = None) -> Raw:
    """The record that one of the company's endpoints answers, all of which are called as the root key, in the plural.

    ``body`` goes out under that key.
    """
    segments = (f"{root}s",) if id is None else (f"{root}s", number_in_path(id))
    json = None if body is None else {root: body}
    try:
        return wire.record_in(await up.data(wire.request(up.facts, method, *segments, json=json)), root)
    except Problem as problem:
        await _be_of_the_company(up, problem)
        if body is not None and problem.code == "not_found" and (id is None or await _is_there(up, segments)):
            raise _missing_reference(problem, root) from problem
        raise


async def _is_there(up: Upstream, segments: Sequence[str]) -> bool:
    try:
        await up.data(wire.request(up.facts, "GET", *segments))
    except Problem:
        return False
    return True


def _missing_reference(problem: Problem, root: str) -> Problem:
    """A 404 about something that a body names.

    Which status a contact, template, VAT type or account has that is not there is not documented (dossier §5).
    """
    message = (problem.upstream.message if problem.upstream is not None else None) or ""
    errors = errors_of(f"{MODELS[root]} is invalid: {message}") if message else ()
    return Problem("upstream_rejected", problem.detail, errors, problem.upstream)


async def delete(up: Upstream, many: str, id: str) -> None:
    """Delete a record. What Rompslomp refuses here it refuses for the record's state: a DELETE has no content."""
    try:
        await up.data(wire.request(up.facts, "DELETE", many, number_in_path(id)))
    except Problem as problem:
        if problem.code == "upstream_rejected":
            raise Problem("conflict", problem.detail, upstream=problem.upstream) from problem
        await _be_of_the_company(up, problem)
        raise


async def _be_of_the_company(up: Upstream, problem: Problem) -> None:
    """Raise ``company_not_accessible`` where a 404 was the company's and not a record's.

    Rompslomp answers both alike (dossier §5), and who took the company's for a record's would think it deleted.
    """
    if problem.code != "not_found":
        return
    try:
        reached = {settings.company_of(row).item.id for row in await companies(up)}
    except Problem as unseen:
        if unseen.code in FORBIDDEN:
            return
        raise
    if up.facts.company_id not in reached:
        raise out_of_reach(problem) from problem


def out_of_reach(problem: Problem | None = None) -> Problem:
    """``company_not_accessible``, with what Rompslomp said."""
    detail = "The token does not reach this company any more."
    return Problem("company_not_accessible", detail, upstream=None if problem is None else problem.upstream)


async def slice_of(
    up: Upstream, many: str, query: Query, page: int, size: int, path: str | None = None, *, ahead: bool = False
) -> Slice[Unread]:
    """One of Rompslomp's own pages; below the company, unless ``path`` says otherwise. ``ahead``: see ``Request``."""
    reply = await _page(up, many, query, page, size, path, ahead=ahead)
    return Slice(wire.records_in(reply, many), wire.total_of(reply))


async def rows_of(
    up: Upstream, row: type[wire.RowT], many: str, query: Query, page: int, size: int
) -> Slice[tuple[wire.RowT, RawRecord]]:
    """One of Rompslomp's own pages, its records read at once."""
    reply = await _page(up, many, query, page, size)
    return Slice(wire.rows_in(reply, many, row), wire.total_of(reply))


async def _page(
    up: Upstream, many: str, query: Query, page: int, size: int, path: str | None = None, *, ahead: bool = False
) -> Reply:
    paged = [*query, ("page", str(page)), ("per_page", str(size))]
    if path is not None:
        return await up.call(Request("GET", path, paged))
    try:
        return await up.call(wire.request(up.facts, "GET", many, query=paged, ahead=ahead))
    except Problem as problem:
        if problem.code == "not_found":  # nothing but the company is named in the path of a list
            raise out_of_reach(problem) from problem
        raise


async def page_of(up: Upstream, many: str, query: Query, listing: Listing, read: Reader[ItemT]) -> Page[Record[ItemT]]:
    """A window of one of its lists."""

    async def fetch(page: int, size: int) -> Slice[Record[ItemT]]:
        found = await slice_of(up, many, query, page, size)
        return Slice([read(raw) for raw in found.items], found.total)

    return await PageNumber(fetch, wire.PAGE_CAP).read(listing.window)


async def read_all(
    up: Upstream, many: str, query: Query = (), path: str | None = None, *, ahead: bool = False
) -> list[Unread]:
    """Every record of one of its lists: the first page tells how many more there are, and those are read together.
    ``ahead``, of which ``Request`` tells, is for the first.

    What is not full is the last page, whatever total is told: a number in a header is worth no million calls.
    """
    first = await slice_of(up, many, query, 1, wire.PAGE_CAP, path, ahead=ahead)
    found, pages, read = list(first.items), -(-(first.total or 0) // wire.PAGE_CAP), 1
    while read < pages and len(found) >= read * wire.PAGE_CAP:
        next_ones = range(read + 1, min(read + TOGETHER, pages) + 1)
        parts = await up.each([slice_of(up, many, query, page, wire.PAGE_CAP, path) for page in next_ones])
        found += [raw for part in parts for raw in part.items]
        read += len(parts)
    return found


async def vat_codes(up: Upstream, *, ever: bool = False) -> Mapping[str, VatCode]:
    """The VAT codes of today by id, remembered; with ``ever`` those of the past too. And what settings make of them."""
    query = [("selection", "all"), *([("since", "1990-01-02")] if ever else [])]

    async def load() -> Mapping[str, VatCode]:
        rows = await read_all(up, "vat_types", query)
        return {one.item.id: one.item for one in map(settings.vat_code_of, rows)}

    codes = await up.known("vat-codes-ever" if ever else "vat-codes", load)
    made = abroad.codes_abroad(codes, up.facts.settings)
    return {**codes, **made} if made else codes


async def companies(up: Upstream) -> list[Unread]:
    """Every company that the token reaches, by name: Rompslomp's own order says nothing."""
    rows = await read_all(up, "companies", path=path_of(*wire.ROOT))
    return sorted(rows, key=settings.company_name_of)
