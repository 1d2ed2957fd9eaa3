"""What is asked of an administration over and again, and remembered for a few minutes."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from adapters.snelstart.mapping.contacts import Countries, Land
from adapters.snelstart.mapping.lines import Setup
from adapters.snelstart.mapping.products import Omzetgroep, Shelf
from adapters.snelstart.mapping.settings import Dagboek, company_access_of
from adapters.snelstart.mapping.values import new_id, reference_of, rows
from adapters.snelstart.mapping.vat import Btwtarief, CompanyInfo, ForeignRates, Grootboek, Ways, ways_of
from adapters.snelstart.wire import request
from gateway.contract.errors import malformed
from gateway.contract.exact import Unread
from gateway.contract.models import CompanyAccess
from gateway.contract.upstream import Upstream

TOP = 500
"""The most records of one answer (dossier 2.2)."""


async def companies(up: Upstream) -> list[CompanyAccess]:
    """The one administration that the key opens: ``/companyInfo``, the cheapest call that proves both keys."""
    return [company_access_of(await up.data(request("GET", "companyInfo")))]


async def every(up: Upstream, noun: str, condition: str | None = None) -> list[Unread]:
    """All records of a list that knows ``$skip`` and ``$top``."""
    return [raw async for page in pages(up, noun, condition) for raw in page]


async def pages(up: Upstream, noun: str, condition: str | None = None) -> AsyncGenerator[list[Unread], None]:
    """The pages of such a list, to its end. Raises ``upstream_malformed`` for a list that begins again, as one does
    whose ``$skip`` is not heeded (some lists here know none): it would be read until there is no memory left.
    """
    skip = 0
    begins: set[bytes] = set()
    while True:
        page = await page_of(up, noun, skip, TOP, condition)
        if page and bytes(page[0]) in begins:
            raise malformed(f"SnelStart's list of {noun} goes round in a circle.")
        yield page
        if len(page) < TOP:
            return
        begins.add(bytes(page[0]))
        skip += len(page)


async def page_of(up: Upstream, noun: str, skip: int, top: int, condition: str | None = None) -> list[Unread]:
    """Records of a list from the ``skip``-th on, ``top`` at most, that meet an OData condition."""
    query = [("$skip", str(skip)), ("$top", str(top))]
    if condition is not None:
        query.insert(0, ("$filter", condition))
    return rows(await up.data(request("GET", noun, query=query)))[:top]


async def written(up: Upstream, method: str, *segments: str, body: Any) -> Any:
    """The record that a write made or changed. Raises ``upstream_malformed`` where the answer names none."""
    made = await up.data(request(method, *segments, json=body))
    new_id(made)
    return made


async def company(up: Upstream, *, fresh: bool = False) -> CompanyInfo:
    """The administration."""

    async def load() -> CompanyInfo:
        return CompanyInfo.of(await up.data(request("GET", "companyInfo")))

    return await up.known("company", load, fresh=fresh)


async def ledger_rows(up: Upstream, *, fresh: bool = False) -> Sequence[Unread]:
    """All ledger accounts: a few hundred (dossier 2.4)."""

    async def load() -> Sequence[Unread]:
        return await every(up, "grootboeken")

    return await up.known("ledgers", load, fresh=fresh)


async def journals(up: Upstream, *, fresh: bool = False) -> Sequence[Unread]:
    """All journals; the list knows neither filters nor pages (dossier 2.2)."""

    async def load() -> Sequence[Unread]:
        return rows(await up.data(request("GET", "dagboeken")))

    return await up.known("journals", load, fresh=fresh)


async def journals_of(up: Upstream, kinds: Sequence[str]) -> list[Dagboek]:
    """The journals in use of some kinds."""
    found = [Dagboek.of(raw) for raw in await journals(up)]
    return [journal for journal in found if journal.soort in kinds and not journal.nonactief]


async def countries(up: Upstream) -> Countries:
    """All countries, by id."""

    async def load() -> Countries:
        return {land.key: land for land in map(Land.of, rows(await up.data(request("GET", "landen"))))}

    return await up.known("countries", load)


async def groups(up: Upstream) -> Sequence[Omzetgroep]:
    """The revenue groups, by number."""

    async def load() -> Sequence[Omzetgroep]:
        found = rows(await up.data(request("GET", "artikelomzetgroepen")))
        return sorted(map(Omzetgroep.of, found), key=lambda group: group.nummer)

    return await up.known("groups", load)


async def setup(up: Upstream, *, fresh: bool = False) -> Setup:
    """The administration's ways to tax, with its ledger accounts."""

    async def load() -> Setup:
        info, accounts = await up.gather(company(up, fresh=fresh), ledger_rows(up, fresh=fresh))
        ledgers = [Grootboek.of(raw) for raw in accounts]
        rates = [Btwtarief.of(raw) for raw in rows(await up.data(request("GET", "btwtarieven")))]
        ways: Ways
        if info.factureerBuitenlandsBtw:
            foreign = [ForeignRates.of(raw) for raw in await every(up, "vatrates")]
            ways = ways_of(rates, foreign, ledgers, await countries(up))
        else:
            ways = ways_of(rates, (), ledgers, {})
        foreign_ledger = reference_of(info.buitenlandseBtwGrootboek) if info.factureerBuitenlandsBtw else None
        return Setup(ways, {ledger.key: ledger for ledger in ledgers}, foreign_ledger)

    return await up.known("setup", load, fresh=fresh)


async def shelf(up: Upstream) -> Shelf:
    """What products need to know."""
    (known, sold), info = await up.gather(up.gather(setup(up), groups(up)), company(up))
    return Shelf(known, sold, info, up.today)


def setting(up: Upstream, name: str) -> str | None:
    """A setting of the connection, which is an id here; null where it is not set.

    It may be copied from SnelStart itself, capitals and all.
    """
    settings: Mapping[str, Any] = up.facts.settings
    value = settings.get(name)
    return str(value).lower() if value else None
