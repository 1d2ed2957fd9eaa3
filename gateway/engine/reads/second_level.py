"""The second level of the cache: what one node was answered serves the others too, while nothing ended it.

Accounting systems count calls, and nodes that each ask for themselves make as many times as many of them. Each answer
is given to the others with a *mark*: the moment, in the log of what nodes end, before the system was asked. Who finds
it knows from the same log whether anything was ended since, so it promises what a node's own memory promises: a write
is visible to the very next read.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.contract.clock import Clock
from gateway.engine.generations import Generations, Mark, Matter
from gateway.engine.reads.cache import CachedAnswer
from gateway.engine.reads.freshness import Directives


class Question(NamedTuple):
    """What was asked, of which connection: with equal questions the same is meant on every node."""

    connection_id: str
    operation: str
    id: str
    query: str


@dataclass(frozen=True, slots=True)
class SharedAnswer:
    """An answer as nodes give it to each other. All that was ended up to its mark is in it; times are in seconds."""

    mark: Mark
    body: bytes
    etag: str
    next_cursor: str | None
    headers: tuple[tuple[str, str], ...]
    fresh_for: float
    """How long it is fresh, from when it was made."""
    stale_for: float
    """How long it may serve when stale, from then on."""
    age: float = 0.0

    @classmethod
    def of(cls, cached: CachedAnswer, mark: Mark, now: float) -> "SharedAnswer":
        """What is kept here, for others."""
        fresh_for, stale_for = cached.fresh_until - cached.stored_at, cached.stale_until - cached.fresh_until
        members = cached.body, cached.etag, cached.next_cursor, cached.headers
        return cls(mark, *members, fresh_for, stale_for, now - cached.stored_at)

    def cached(self, now: float) -> CachedAnswer:
        """The same, to be kept here."""
        stored_at = now - self.age
        fresh_until = stored_at + self.fresh_for
        members = self.body, self.etag, self.next_cursor, self.headers
        return CachedAnswer(*members, stored_at, fresh_until, fresh_until + self.stale_for)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a read came to that was not in memory: the system was asked, or another node had it."""

    answer: CachedAnswer
    is_shared: bool = False


class SecondLevel(Protocol):
    """Answers that all nodes reach. Not to be reached costs calls, and nothing else: nothing is raised."""

    async def get(self, question: Question) -> SharedAnswer | None:
        """What a node was answered, if it is fresh."""

    def put(self, question: Question, answer: SharedAnswer) -> None:
        """Give others an answer, some time soon, if there is room."""

    async def close(self) -> None:
        """Let go of it."""


class _NoSecondLevel:
    """Where one process, or one host, has no others to ask."""

    async def get(self, question: Question) -> SharedAnswer | None:
        """Nobody has one."""
        del question
        return None

    def put(self, question: Question, answer: SharedAnswer) -> None:
        """Nobody wants one."""

    async def close(self) -> None:
        """Nothing."""


NO_SECOND_LEVEL: SecondLevel = _NoSecondLevel()


class Shared:
    """One read's part in the second level, from before the system is asked."""

    def __init__(
        self, level: SecondLevel, generations: Generations, clock: Clock, question: Question, matter: Matter
    ) -> None:
        self._level = level
        self._generations = generations
        self._clock = clock
        self._question = question
        self._matter: Matter = matter
        self._mark = generations.mark

    async def recall(self, directives: Directives) -> CachedAnswer | None:
        """Another node's answer, if it will do."""
        if self._mark is None or directives.max_age == 0:
            return None
        answer = await self._level.get(self._question)
        if answer is None or not directives.accept(answer.age, fresh=answer.age < answer.fresh_for):
            return None
        # Looked at now, and not before it was waited for: this is the moment from which it serves here.
        if not self._generations.unended_since(answer.mark, self._question.connection_id, self._matter):
            return None
        return answer.cached(self._clock.monotonic())

    def publish(self, cached: CachedAnswer) -> None:
        """Give the others what the system answered since this began."""
        if self._mark is not None:
            self._level.put(self._question, SharedAnswer.of(cached, self._mark, self._clock.monotonic()))
