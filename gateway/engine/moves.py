"""Records that get another id at this moment (``Resource.moves``), and what is read beside that.

Between the system's doing and our knowing, a record is not there under the id that we know, and is there under one that
nobody was told. So what is read meanwhile is read again when it is over: else a record would be told as gone, or under
two ids. Only writes of this process are known here; of another node's the new id is known as soon as it is kept.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from cachetools import LRUCache

from gateway.contract.errors import Problem
from gateway.engine.waiting import waiting

T = TypeVar("T")

TRIES = 3
"""How often something is read, where one record after the other gets a new id all the while."""
_Place = tuple[str, str]
"""A resource of a connection."""


class Moves:
    """Which records may be getting another id."""

    def __init__(self) -> None:
        self._under_way: dict[_Place, set[asyncio.Future[None]]] = {}
        self._last: LRUCache[_Place, int] = LRUCache(10_000)
        self._counted = 0

    @contextmanager
    def under_way(self, connection_id: str, resource: str) -> Iterator[None]:
        """A record of that resource may get another id while the block runs."""
        place, over = (connection_id, resource), asyncio.get_running_loop().create_future()
        self._under_way.setdefault(place, set()).add(over)
        try:
            yield
        finally:
            self._counted += 1
            self._last[place] = self._counted
            self._under_way[place].discard(over)
            if not self._under_way[place]:
                del self._under_way[place]
            over.set_result(None)

    async def beside(
        self,
        connection_id: str,
        resource: str,
        read: Callable[[], Awaitable[T]],
        is_sure: Callable[[T], bool],
        left: Callable[[], float],
    ) -> T:
        """What is read, again where a record got another id meanwhile and that is not ``is_sure`` anyway.

        Nobody waits for longer than is ``left`` (seconds).
        """
        place = connection_id, resource
        for _ in range(TRIES - 1):
            last = self._last.get(place)
            try:
                found = await read()
                if is_sure(found) or not self._disturbed(place, last):
                    return found
            except Problem as problem:
                if problem.code != "not_found" or not self._disturbed(place, last):
                    raise
            if not await self._over(place, left()):
                break
        return await read()

    def _disturbed(self, place: _Place, last: int | None) -> bool:
        return place in self._under_way or self._last.get(place) != last

    async def _over(self, place: _Place, within: float) -> bool:
        """Wait for what is under way now; whether it is over in time."""
        under_way = self._under_way.get(place, set())
        if not under_way:
            return True
        with waiting():
            _, pending = await asyncio.wait(set(under_way), timeout=max(0.0, within))
        return not pending
