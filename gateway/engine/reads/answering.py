"""How a read is answered: from memory, by another node, by what its system says again, or translated anew."""

from collections.abc import Callable

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.contract.operations import Operation
from gateway.engine.call import Answer, Standing
from gateway.engine.cursors import Cursors
from gateway.engine.generations import Generations, Matter
from gateway.engine.malformed import errors_as_malformed
from gateway.engine.observe import Observer
from gateway.engine.outbound.opener import Noted, Opener
from gateway.engine.reads.cache import AnswerCache, CachedAnswer
from gateway.engine.reads.conversation import Conversation
from gateway.engine.reads.freshness import (
    Directives,
    answer_of,
    etag_matches,
    hit,
    hit_elsewhere,
    is_passing,
    read_directives,
)
from gateway.engine.reads.reading import Reader, ReadResult
from gateway.engine.reads.revalidation import ReadOutbound
from gateway.engine.reads.second_level import NO_SECOND_LEVEL, Fetched, Question, SecondLevel, Shared
from gateway.engine.records.id_changes import IdChanges
from gateway.engine.records.links import LinkBooks
from gateway.engine.records.recording import Recording
from gateway.engine.single_flight import SingleFlight
from gateway.engine.task import Task


class Reads:
    """Answers reads."""

    def __init__(
        self,
        opener: Opener,
        books: LinkBooks,
        id_changes: IdChanges,
        generations: Generations,
        cursors: Cursors,
        second_level: SecondLevel,
        clock: Clock,
        observer: Observer,
        *,
        etag_of: Callable[[bytes], str],
        noted: Noted,
    ) -> None:
        self._opener = opener
        self._books = books
        self._id_changes = id_changes
        self._generations = generations
        self._cursors = cursors
        self._second_level = second_level
        self._clock = clock
        self._observer = observer
        self._etag_of = etag_of
        self._noted = noted
        self._cache = AnswerCache()
        self._under_way: SingleFlight[Fetched] = SingleFlight()

    async def answer(self, task: Task) -> Answer:
        """What is asked for, as fresh as its caller wants it. Raises ``Problem``."""
        directives = read_directives(task.call.headers)
        generation = self._generations.of(task.connection.id, _matter(task.operation))
        key = self._key(task, generation)
        now = self._clock.monotonic()
        cached = self._cache.get(key, now) if task.operation.fresh_for else None
        if cached is not None and directives.accept(now - cached.stored_at, fresh=now < cached.fresh_until):
            self._observer.cache(task.operation.resource, "hit")
            return self._answer(task, cached, hit(cached, now), self._standing(task, key, generation))
        try:
            fetched = await self._under_way.share((*key, directives.text), lambda: self._fetch(task, key, directives))
        except Problem as problem:
            if cached is None or not task.operation.stale_for or not is_passing(problem):
                raise
            self._observer.cache(task.operation.resource, "stale_error")
            return self._answer(
                task, cached, f"polder; fwd=stale; fwd-status={problem.kind.status}; detail=stale-if-error"
            )
        self._observer.cache(task.operation.resource, "shared" if fetched.is_shared else "miss")
        stored = "; stored" if task.operation.fresh_for else ""
        elsewhere = hit_elsewhere(fetched.answer, self._clock.monotonic()) if fetched.is_shared else ""
        return self._answer(task, fetched.answer, f"{elsewhere}polder; fwd={directives.forwarding}{stored}")

    def recall(self, standing: Standing, now: float) -> CachedAnswer | None:
        """An answer that the cache gave before, if all that it stands on still holds ``now``, and it is fresh."""
        if now >= standing.until:
            return None
        for matter, generation in standing.generations:
            if self._generations.of(standing.connection_id, matter) != generation:
                return None
        cached = self._cache.get(standing.key, now)
        if cached is None or now >= cached.fresh_until:
            return None
        self._observer.cache(standing.operation.resource, "hit")
        return cached

    def _standing(self, task: Task, key: tuple[str, ...], generation: int) -> Standing:
        generations: tuple[tuple[Matter, int], ...] = (
            ("connection", task.generation),
            (_matter(task.operation), generation),
        )
        return Standing(task.call.caller, task.operation, task.connection.id, generations, task.until, key)

    def _key(self, task: Task, generation: int) -> tuple[str, ...]:
        """Where an answer is kept: under all it stands on. The connection may have changed since it was found."""
        generations = f"{generation} {task.generation}"
        return task.connection.id, generations, task.operation.name, *task.call.what

    async def _fetch(self, task: Task, key: tuple[str, ...], directives: Directives) -> Fetched:
        """From another node, else from the system: then the others are given it."""
        if not task.operation.fresh_for:
            return Fetched(await self._fetch_upstream(task, key))
        question = Question(task.connection.id, task.operation.name, *task.call.what)
        is_current = self._generations.of(task.connection.id, "connection") == task.generation
        level = self._second_level if is_current else NO_SECOND_LEVEL
        shared = Shared(level, self._generations, self._clock, question, _matter(task.operation))
        cached = await shared.recall(directives)
        if cached is not None:
            self._cache.put(key, cached.with_conversation_of(self._cache.last(key)))
            return Fetched(cached, is_shared=True)
        cached = await self._fetch_upstream(task, key)
        self._cache.put(key, cached)
        shared.publish(cached)
        return Fetched(cached)

    async def _fetch_upstream(self, task: Task, key: tuple[str, ...]) -> CachedAnswer:
        up = self._opener.for_task(task, ReadOutbound)
        try:
            cached = await self._revalidated(task, key, up) or await self._translated(task, up)
        except Problem as problem:
            await self._noted(task, up, problem)
            raise
        finally:
            await up.let_go()
        await self._noted(task, up, None)
        return cached

    async def _revalidated(self, task: Task, key: tuple[str, ...], up: ReadOutbound) -> CachedAnswer | None:
        """The answer of before, fresh again, where the system says the same to the same questions."""
        before = self._cache.last(key)
        if before is None or before.conversation is None:
            return None
        if not await up.repeats(before.conversation, self._books.state(task.connection.id)):
            return None
        return before.renewed(self._clock.monotonic(), task.operation.fresh_for, task.operation.stale_for)

    async def _translated(self, task: Task, up: ReadOutbound) -> CachedAnswer:
        books = self._books.state(task.connection.id)
        recording = Recording(self._books, task.connection.id, task.operation, task.resource)
        reader = Reader(up, recording, self._cursors, self._id_changes, task.provider.name)
        with errors_as_malformed():
            found = await reader.read(task.call.path.get("id", task.connection.company_id or ""), task.parameters)
        return self._entry(task.operation, found, up.conversation(books))

    def _entry(self, operation: Operation, found: ReadResult, conversation: Conversation | None) -> CachedAnswer:
        now = self._clock.monotonic()
        fresh_until = now + operation.fresh_for
        return CachedAnswer(
            found.body,
            self._etag_of(found.body),
            found.next_cursor,
            (("Content-Type", found.media_type), *found.headers.items()),
            now,
            fresh_until,
            fresh_until + operation.stale_for,
            conversation,
        )

    def _answer(self, task: Task, cached: CachedAnswer, status: str, standing: Standing | None = None) -> Answer:
        unchanged = etag_matches(task.call.headers.get("if-none-match"), cached.etag)
        return answer_of(cached, status, self._clock.monotonic(), unchanged=unchanged, standing=standing)

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        await self._under_way.settle()
        await self._second_level.close()


def _matter(operation: Operation) -> Matter:
    """Of which generation its answers are: a write of records ends those of records only."""
    return "facts" if operation.stale_for else "answers"
