"""Records that get another id at this moment (``Resource.changes_ids``), and what is read and written beside that.

Between the system's doing and our knowing, a record is not there under the id that we know, and is there under one that
nobody was told. So what is read meanwhile is read again when it is over: else a record would be told as gone, or under
two ids. And who would write to it waits for his turn. Writes of this process are known here; those of others are asked
for at the store, where what was found or missed may come of one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Literal, TypeVar

from cachetools import LRUCache

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.engine.storage import Attempts
from gateway.engine.waiting import waiting

T = TypeVar("T")

Interference = Literal["no", "maybe", "renamed"]
"""Whether something found or missed may be so because another process moves a record; it is ``renamed`` by now."""
CHANGING_IDS = ("update", "finalize")
"""What may give a record another id."""
POLL = 0.05
"""Seconds between two looks at what another process has under way."""

TRIES = 3
"""How often something is read, where one record after the other gets a new id all the while."""
STRANGERS = 50_000
"""Records that are remembered as somebody's own: a list that shows them again costs no question."""
_Place = tuple[str, str]
"""A resource of a connection."""


class IdChanges:
    """Which records may be getting another id."""

    def __init__(self, attempts: Attempts, clock: Clock) -> None:
        self._attempts = attempts
        self._clock = clock
        self._own: LRUCache[str, bool] = LRUCache(10_000)
        self._strangers: LRUCache[tuple[str, str, str], bool] = LRUCache(STRANGERS)
        self._under_way: dict[_Place, dict[asyncio.Future[None], str]] = {}
        self._last: LRUCache[_Place, int] = LRUCache(10_000)
        self._counted = 0

    @contextmanager
    def under_way(self, connection_id: str, resource: str, id: str, run: str) -> Iterator[None]:
        """The record that has this id with us may get another one from the system while the block runs: by that run."""
        self._own[run] = True
        place, over = (connection_id, resource), asyncio.get_running_loop().create_future()
        self._under_way.setdefault(place, {})[over] = id
        try:
            yield
        finally:
            self._counted += 1
            self._last[place] = self._counted
            del self._under_way[place][over]
            if not self._under_way[place]:
                del self._under_way[place]
            over.set_result(None)

    async def turn(self, connection_id: str, resource: str, id: str, left: Callable[[], float]) -> None:
        """Wait until nobody else may be giving that record another id, for as long as is ``left`` (seconds)."""
        place = connection_id, resource
        while others := [over for over, moving in self._under_way.get(place, {}).items() if moving == id]:
            if not await _over(others, left()):
                return

    async def write_stable(
        self,
        record: tuple[str, str, str],
        run: str | None,
        write: Callable[[], Awaitable[T]],
        theirs: Callable[[], Awaitable[str]],
        left: Callable[[], float],
    ) -> T:
        """What is written to a record (of that connection, resource and id), by a ``run`` that may give it another id.

        It is written once more where the record was missed because another process gave it another id meanwhile.
        """
        connection_id, resource, _ = record
        await self.turn(*record, left)
        before = await theirs()
        with nullcontext() if run is None else self.under_way(*record, run):
            try:
                return await write()
            except Problem as problem:
                if problem.code != "not_found" or problem.outcome not in ("not_sent", "rejected"):
                    raise
                interference: Interference = "maybe" if before == await theirs() else "renamed"
                if not await self.elsewhere(connection_id, resource, interference, left):
                    raise
            return await write()

    async def read_stable(
        self,
        connection_id: str,
        resource: str,
        read: Callable[[], Awaitable[T]],
        is_certain: Callable[[T], bool],
        left: Callable[[], float],
        interference: Callable[[T | None], Awaitable[Interference]],
    ) -> T:
        """What is read, again where a record got another id meanwhile and that is not ``is_certain`` anyway.

        ``interference`` says whether another process may have to do with what was found, or with nothing being there.
        Nobody waits for longer than is ``left`` (seconds).
        """
        place = connection_id, resource
        for _ in range(TRIES - 1):
            last = self._last.get(place)
            try:
                found = await read()
                if is_certain(found):
                    return found
                if not self._disturbed(place, last) and not await self.elsewhere(
                    *place, await interference(found), left
                ):
                    return found
            except Problem as problem:
                if problem.code != "not_found":
                    raise
                if not self._disturbed(place, last) and not await self.elsewhere(
                    *place, await interference(None), left
                ):
                    raise
            if not await _over(self._under_way.get(place, ()), left()):
                break
        return await read()

    def unlisted(self, connection_id: str, resource: str, ids: Iterable[str]) -> list[str]:
        """Those of these ids, of which Polder keeps nothing, that no list was told with before."""
        return [id for id in ids if (connection_id, resource, id) not in self._strangers]

    def mark_listed(self, connection_id: str, resource: str, ids: Iterable[str]) -> None:
        """A list was told with them: they are somebody's own, and not what a record gets at this moment."""
        self._strangers.update(((connection_id, resource, id), True) for id in ids)

    async def elsewhere(
        self, connection_id: str, resource: str, interference: Interference, left: Callable[[], float]
    ) -> bool:
        """Whether another process gave a record another id just now; that is over when this returns, or ``left`` is."""
        waited = interference == "renamed"
        while interference != "no" and await self._sending(connection_id, resource) and left() > POLL:
            waited = True
            with waiting():
                await self._clock.sleep(POLL)
        return waited

    async def _sending(self, connection_id: str, resource: str) -> bool:
        operations = [f"{resource}.{verb}" for verb in CHANGING_IDS]
        with suppress(Problem):  # of a store that cannot be asked nothing is known
            runs = await self._attempts.sending(connection_id, operations, self._clock.now())
            return any(run not in self._own for run in runs)
        return False

    def _disturbed(self, place: _Place, last: int | None) -> bool:
        return place in self._under_way or self._last.get(place) != last


async def _over(under_way: Collection[asyncio.Future[None]], within: float) -> bool:
    """Wait for what is under way; whether it is over in time."""
    if not under_way:
        return True
    with waiting():
        _, pending = await asyncio.wait(tuple(under_way), timeout=max(0.0, within))
    return not pending
