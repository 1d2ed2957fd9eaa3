"""Records that get another id at this moment (``Resource.moves``), and what is read and written beside that.

Between the system's doing and our knowing, a record is not there under the id that we know, and is there under one that
nobody was told. So what is read meanwhile is read again when it is over: else a record would be told as gone, or under
two ids. And who would write to it waits for his turn. Only writes of this process are known here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
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
        self._under_way: dict[_Place, dict[asyncio.Future[None], str]] = {}
        self._last: LRUCache[_Place, int] = LRUCache(10_000)
        self._counted = 0

    @contextmanager
    def under_way(self, connection_id: str, resource: str, id: str) -> Iterator[None]:
        """The record that has this id with us may get another one from the system while the block runs."""
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
            if not await _over(self._under_way.get(place, ()), left()):
                break
        return await read()

    def _disturbed(self, place: _Place, last: int | None) -> bool:
        return place in self._under_way or self._last.get(place) != last


async def _over(under_way: Collection[asyncio.Future[None]], within: float) -> bool:
    """Wait for what is under way; whether it is over in time."""
    if not under_way:
        return True
    with waiting():
        _, pending = await asyncio.wait(tuple(under_way), timeout=max(0.0, within))
    return not pending
