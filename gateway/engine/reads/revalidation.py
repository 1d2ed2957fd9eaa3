"""A way out for reads that notes the conversation, and that can hold the one before again in place of a translation.

Where a reply differs, it and every other one that is there or on its way goes to the adapter when it asks for the same,
each once. So a read costs the calls that it would cost anyway, in the same order: nothing is asked in vain but what an
adapter lets be asked ahead, once.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from gateway.contract.exact import dumps
from gateway.contract.upstream import Reply, Request
from gateway.engine.outbound.upstream import Outbound, called_off
from gateway.engine.reads.conversation import LONGEST, Conversation, Grounds, ReplyDigest, Step, hash_of

T = TypeVar("T")

_RequestKey = tuple[str, str, str, frozenset[tuple[str, str]]]
"""A read: method, origin, target and headers."""


class _Heard(NamedTuple):
    """A reply, and the hash of its body."""

    reply: Reply
    body: bytes


class ReadOutbound(Outbound):
    """The ``Upstream`` of one read of ours."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:  # as ``Outbound``, which says what
        super().__init__(*arguments, **keywords)
        self._is_repeatable = True
        self._noted: list[Request | _Reply] = []
        self._request_count = 0
        self._known: dict[str, int] = {}
        self._under_way: list[tuple[Request, asyncio.Future[_Heard]]] = []
        self._in_hand: dict[_RequestKey, deque[asyncio.Future[_Heard]]] = {}

    # --- the conversation before, once more

    async def repeats(self, before: Conversation, links: tuple[int, int]) -> bool:
        """Ask again what was asked then. Whether the system says the same, and all that counted beside it is the same.

        ``links`` is the state of the connection's books. Raises nothing: what goes wrong is told to the adapter, when
        it comes to ask the same.
        """
        if before.grounds != self._grounds(links) or not self._knows(before.known):
            return False
        # No name holds what came of it (see single_flight.shared): from Python 3.12 on, an error's frames hold their
        # callers'.
        asked = 0
        for at, step in enumerate(before.steps):
            if isinstance(step, ReplyDigest):
                if await self._matches(step, self._under_way[step.place][1]):
                    continue
                self._hand_over()
                return False
            if asked == len(self._under_way):  # else it was asked ahead
                await self._begin(step, before.steps[at + 1 : at + 3])
            asked += 1
        return True

    async def _begin(self, request: Request, following: Sequence[Step]) -> None:
        """Ask this, and beside it what comes next where that need not wait for its reply."""
        own = following[0] if following else None
        is_awaited_next = isinstance(own, ReplyDigest) and own.place == len(self._under_way)
        after = following[-1] if is_awaited_next else None
        if isinstance(after, Request) and after.ahead:
            self._under_way += [(one, asyncio.ensure_future(self._hear(one))) for one in (request, after)]
        elif is_awaited_next:  # it needs no task of its own
            self._under_way.append((request, await _settled(self._hear(request))))
        else:
            self._under_way.append((request, asyncio.ensure_future(self._hear(request))))

    def _hand_over(self) -> None:
        """What was asked is there for the adapter, each once. What was asked ahead and failed, it asks anew."""
        for request, task in self._under_way:
            if not (request.ahead and _has_failed(task)):
                self._in_hand.setdefault(_key_of(request), deque()).append(task)

    async def _hear(self, request: Request) -> _Heard:
        reply = await super().exchange(request)
        return _Heard(reply, hash_of(reply.body))

    async def _matches(self, digest: ReplyDigest, task: asyncio.Future[_Heard]) -> bool:
        if not task.done():
            await asyncio.wait([task])
        # Whatever it failed with, the adapter is told when it asks.
        return not _has_failed(task) and digest.matches(*task.result())

    async def let_go(self) -> None:
        """Call off what nobody asked for."""
        left = [task for _, task in self._under_way if not _is_over(task)]
        if left:
            await called_off(left)
        self._under_way.clear()  # an error in them holds the frames that it came through, and those hold this
        self._in_hand.clear()

    def _grounds(self, links: tuple[int, int]) -> Grounds:
        facts = self._facts
        written = dumps([facts.company_id, facts.credential_type, facts.settings])
        return Grounds(written, self.today, links)

    def _knows(self, known: Mapping[str, int]) -> bool:
        return all(self._stamp(name) == stamp for name, stamp in known.items())

    def _stamp(self, name: str) -> int | None:
        return self._shared.facts.stamp(self._facts.connection_id, name)

    # --- this conversation

    def conversation(self, links: tuple[int, int]) -> Conversation | None:
        """What was said, where the same would be answered whenever it is said again; else null.

        ``links`` is the state of the connection's books before the first word.
        """
        headers = [noted.headers for noted in self._noted if isinstance(noted, _Reply)]
        if not self._is_repeatable or len(headers) < self._request_count or any(one.at_all for one in headers):
            return None
        steps = tuple(noted if isinstance(noted, Request) else noted.digest() for noted in self._noted)
        return Conversation(steps, self._grounds(links), self._known)

    async def exchange(self, request: Request) -> Reply:
        """Send it, unless its reply is there or on its way."""
        place, self._request_count = self._request_count, self._request_count + 1
        if request.is_write or request.json is not None or request.form is not None or request.body is not None:
            self._is_repeatable = False
            return await super().exchange(request)
        ahead = request.ahead
        sent = Request(request.method, request.target, headers=request.headers, origin=request.origin, ahead=ahead)
        key = _key_of(sent)
        self._is_repeatable &= place < LONGEST
        self._noted.append(sent)
        in_hand = self._in_hand.get(key)
        try:
            if in_hand:
                reply, body = await _in_turn(in_hand.popleft(), alone=ahead)
            else:
                reply, body = await self._hear(sent)
        except BaseException:
            self._is_repeatable = False
            raise
        headers = _TrackedHeaders(reply.headers)
        self._noted.append(_Reply(place, reply.status, body, headers))
        return Reply(reply.status, headers, reply.body)

    async def known(self, name: str, load: Callable[[], Awaitable[T]], *, fresh: bool = False) -> T:
        """A slow-changing fact. One that is loaded asks what it will not ask the next time: nothing to be repeated."""
        stamp = None if fresh else self._stamp(name)
        if stamp is None or self._known.setdefault(name, stamp) != stamp:
            self._is_repeatable = False
        return await super().known(name, load, fresh=fresh)

    @property
    def now(self) -> datetime:
        """The time this request came in: no two have the same."""
        self._is_repeatable = False
        return super().now

    @cached_property
    def creation_key(self) -> UUID:
        """No two requests have the same."""
        self._is_repeatable = False
        return super().creation_key


class _TrackedHeaders(Mapping[str, str]):
    """Headers that know who was asked for."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self.names: set[str] = set()
        self.at_all = False
        """Whether they were looked at as a whole."""

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._headers[name]

    def __iter__(self) -> Iterator[str]:
        self.at_all = True
        return iter(self._headers)

    def __len__(self) -> int:
        self.at_all = True
        return len(self._headers)


@dataclass(frozen=True, slots=True)
class _Reply:
    """A reply as it came, before it is known which of its headers count."""

    place: int
    status: int
    body: bytes
    headers: _TrackedHeaders

    def digest(self) -> ReplyDigest:
        headers = tuple((name, self.headers.get(name)) for name in sorted(self.headers.names))
        return ReplyDigest(self.place, self.status, self.body, headers)


def _key_of(request: Request) -> _RequestKey:
    return request.method, request.origin, request.path, frozenset(request.headers.items())


async def _settled(pending: Awaitable[_Heard]) -> asyncio.Future[_Heard]:
    """What came of it, as of a task that is over."""
    try:
        heard = await pending
    except Exception as error:  # whatever it is, the adapter is told when it asks
        return _future_of(error)
    return _future_of(heard)


def _future_of(result: _Heard | Exception) -> asyncio.Future[_Heard]:
    # Made apart from where it is waited for: an error holds the frames that it came through, and what is in them.
    over: asyncio.Future[_Heard] = asyncio.get_running_loop().create_future()
    if isinstance(result, Exception):
        over.set_exception(result)
    else:
        over.set_result(result)
    return over


def _has_failed(task: asyncio.Future[_Heard]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _is_over(task: asyncio.Future[_Heard]) -> bool:
    if task.done() and not task.cancelled():
        task.exception()  # nobody else may have looked at it
    return task.done()


async def _in_turn(task: asyncio.Future[_Heard], *, alone: bool) -> _Heard:
    # Whoever asks at the same time comes first, so that the next conversation asks at the same time too. Nobody does
    # beside what may be asked ahead; and what was read before that is in the processor's cache still.
    if not (alone and task.done()):
        await asyncio.sleep(0)
    try:
        return await task
    finally:
        del task  # see single_flight.shared
