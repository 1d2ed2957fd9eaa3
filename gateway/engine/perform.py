"""The story of a request, top to bottom: what `gateway/README.md` tells in words.

caller → connection → capability → query → scopes → (cache | write) → token → one upstream call → answer
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from gateway.contract.adapter import Resource
from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.contract.models.base import Shape
from gateway.contract.models.dry_run import DryRun
from gateway.contract.operations import Operation
from gateway.contract.upstream import Request
from gateway.engine.access.audit import Auditor
from gateway.engine.access.permit import (
    missing_scope,
    permit_caller,
    permit_use,
    resource_for,
    scope_missing,
)
from gateway.engine.call import Answer, Call, Standing
from gateway.engine.connections.authorization import Authorizer
from gateway.engine.connections.connections import Connections
from gateway.engine.connections.invitations import Invitations
from gateway.engine.connections.lookup import Lookup
from gateway.engine.connections.management import Management
from gateway.engine.cursors import Cursors
from gateway.engine.generations import Generations, Matter
from gateway.engine.inputs import Parameters, read_body, read_query, read_raw_query
from gateway.engine.malformed import nonsense_told
from gateway.engine.network.http import Wire
from gateway.engine.observe import Observer, Strain
from gateway.engine.outbound.facts import KnownFacts
from gateway.engine.outbound.opener import Opener, facts_of
from gateway.engine.outbound.upstream import BeforeWrite, Outbound, SharedOutbound
from gateway.engine.providers import Provider, Providers
from gateway.engine.raw import handed_back, raw_request
from gateway.engine.reads.cache import AnswerCache, Kept
from gateway.engine.reads.conversation import Conversation
from gateway.engine.reads.freshness import (
    Directives,
    answer_of,
    hit,
    hit_elsewhere,
    is_known,
    is_passing,
    read_directives,
)
from gateway.engine.reads.reading import Found, Reader
from gateway.engine.reads.revalidation import ReadOutbound
from gateway.engine.reads.second_level import NO_SECOND_LEVEL, Fetched, Question, SecondLevel, Shared
from gateway.engine.records.id_changes import CHANGING_IDS, IdChanges
from gateway.engine.records.links import LinkBooks
from gateway.engine.records.recording import Recording
from gateway.engine.records.render import etags
from gateway.engine.shielded import ShieldedTasks
from gateway.engine.signing import Signer
from gateway.engine.single_flight import SingleFlight
from gateway.engine.storage import Owner, Storage, StoredConnection
from gateway.engine.tokens import Sweeper, Tokens
from gateway.engine.writes.dry_run import MEDIA_TYPE as DRY_RUN
from gateway.engine.writes.dry_run import Captured, Rehearsal, Untouched, answer_json, language_of, told, told_raw
from gateway.engine.writes.idempotency import Idempotency, Run
from gateway.engine.writes.inspection import Inspection
from gateway.engine.writes.reconciliation import ZOMBIE, Reconciliation
from gateway.engine.writes.writing import Writer

Rounds = Literal["all", "own", "none"]
"""What a process looks after beside its requests."""


@dataclass(frozen=True, slots=True)
class _Task:
    """One call on a usable connection, with everything looked up."""

    call: Call
    operation: Operation
    lookup: Lookup
    connection: StoredConnection
    provider: Provider
    resource: Resource[Any, Any]
    asked: Parameters


class Engine:
    """Performs calls. Everything it needs is given: no clock, dice, network or database of its own."""

    def __init__(
        self,
        *,
        providers: Providers,
        storage: Storage,
        wire: Wire,
        clock: Clock,
        observer: Observer,
        rng: random.Random,
        signing_keys: Sequence[bytes],
        public_url: str,
        token: Callable[[], str],
        generations: Generations,
        owner: Owner,
        zombie: timedelta = ZOMBIE,
        second_level: SecondLevel = NO_SECOND_LEVEL,
    ) -> None:
        self.providers = providers
        self._clock = clock
        self._observer = observer
        self._wire = wire
        self._cache = AnswerCache()
        self._second_level = second_level
        self._generations = generations
        self._shared = SharedOutbound(wire, clock, observer, KnownFacts(clock, generations), rng)
        self._owner = owner
        self._tokens = Tokens(storage, wire, clock, observer, owner)
        self.sweeper = Sweeper(self._tokens, storage, providers, clock, owner)
        self._watch: asyncio.Task[None] | None = None
        self._reconciler: asyncio.Task[None] | None = None
        self._opener = Opener(self._shared, self._tokens, clock)
        self._shielded = ShieldedTasks()
        self.connections = Connections(
            storage, providers, self._tokens, clock, self._opener, generations, self._shared.pace.quota_left
        )
        self.invitations = Invitations(
            self.connections, providers, storage, clock, signing_keys, public_url, self._shielded
        )
        self.authorizer = Authorizer(
            self.connections,
            self.invitations,
            providers,
            self._tokens,
            storage,
            clock,
            public_url,
            token,
            self._shielded,
        )
        self._books = LinkBooks(storage.links, generations, clock, owner)
        inspection = Inspection(storage.attempts, storage.connections, providers, self._books, self._opener)
        self.reconciliation = Reconciliation(storage.attempts, clock, observer, inspection, zombie)
        self._idempotency = Idempotency(
            storage.attempts, clock, self.reconciliation, rng, Signer(signing_keys, 32), owner
        )
        self._cursors = Cursors(*signing_keys)
        self._etag_of = etags(Signer(signing_keys, 32).sign(b"etags"))
        self._id_changes = IdChanges(storage.attempts, clock)
        self._reads: SingleFlight[Fetched] = SingleFlight()
        self._management = Management(
            self.connections,
            providers,
            self.invitations,
            self._books,
            Auditor(storage.audit, clock),
            self._idempotency,
            self._cursors,
            self._opener,
            self._shielded,
            perform=self._perform,
        )

    async def perform(self, call: Call) -> Answer:
        """Do what is asked, or raise the ``Problem`` that says why not: of a write also what became of it."""
        try:
            return await self._perform(call)
        except Problem as problem:
            if call.operation.is_write:
                problem.as_outcome("not_sent")
            raise

    async def _perform(self, call: Call) -> Answer:
        permit_caller(call.caller, call.operation)
        if call.operation.resource in ("connections", "providers"):
            return await self._management.answer(call)
        lookup = await self.connections.looked_up(call.caller, call.path["connection_id"])
        connection = lookup.connection
        permit_use(connection)
        return self._with_quota(connection.id, await self._used(call, lookup, self.providers.of(connection)))

    async def _used(self, call: Call, lookup: Lookup, provider: Provider) -> Answer:
        connection = lookup.connection
        if call.operation.resource == "raw":
            return await self._shielded.to_the_end(lambda: self._raw_once(call, connection, provider))
        provider.kind_of(connection)  # raises where its credentials are of a kind that is gone
        task = _Task(
            call,
            call.operation,
            lookup,
            connection,
            provider,
            resource_for(provider.adapter, call.operation),
            read_query(call.operation, call.query),
        )
        await self._permit_scope(task)
        if call.operation.is_write:
            return await self._shielded.to_the_end(lambda: self._write(task))
        return await self._read(task)

    def _with_quota(self, connection_id: str, answer: Answer) -> Answer:
        """The answer with what its system said last of how much it still takes, unless no call was made for it."""
        left = self._shared.pace.quota_left(connection_id)
        if left is None or answer.standing is not None or "Idempotency-Replayed" in answer.headers:
            return answer
        return replace(answer, headers={**answer.headers, "X-Upstream-RateLimit-Remaining": str(left)})

    async def start(self, rounds: Rounds = "all") -> None:
        """Take up what a process that died left behind, and look after tokens and writes in doubt from then on.

        With ``own`` only after what no other process can reach; with ``none`` whoever starts it says when each round
        is. Raises ``storage_unavailable``.
        """
        await self._owner.vouch()
        await self.sweeper.recover()
        if rounds != "none":
            self._watch = asyncio.create_task(self.sweeper.watch(own_only=rounds == "own"))
        if rounds == "all":
            self._reconciler = asyncio.create_task(self.reconciliation.watch())

    def strain(self) -> Mapping[str, Strain]:
        """How calling each provider goes."""
        return {provider.name: self._shared.strain(provider.name) for provider in self.providers}

    def drain(self) -> None:
        """The process is about to stop: what is under way is finished, and no request for a token begins."""
        self._tokens.drain()

    async def close(self) -> None:
        """Finish what is under way, then let go of the network."""
        self.drain()
        self._idempotency.drain()
        if self._reconciler is not None:
            self._reconciler.cancel()
        await self._shielded.settle()
        await self._reads.settle()
        await self._tokens.settle()
        watches = (watch for watch in (self._watch, self._reconciler) if watch is not None)
        await asyncio.gather(*watches, return_exceptions=True)
        await self._second_level.close()
        await self._wire.close()

    # --- reading

    async def _read(self, task: _Task) -> Answer:
        directives = read_directives(task.call.headers)
        generation = self._generations.of(task.connection.id, _matter(task.operation))
        key = self._key(task, generation)
        now = self._clock.monotonic()
        kept = self._cache.get(key, now) if task.operation.fresh_for else None
        if kept is not None and directives.accept(now - kept.stored_at, fresh=now < kept.fresh_until):
            self._observer.cache(task.operation.resource, "hit")
            return self._answer(task, kept, hit(kept, now), self._standing(task, key, generation))
        try:
            fetched = await self._reads.share((*key, directives.text), lambda: self._fetch(task, key, directives))
        except Problem as problem:
            if kept is None or not task.operation.stale_for or not is_passing(problem):
                raise
            self._observer.cache(task.operation.resource, "stale_error")
            return self._answer(
                task, kept, f"polder; fwd=stale; fwd-status={problem.kind.status}; detail=stale-if-error"
            )
        self._observer.cache(task.operation.resource, "shared" if fetched.is_shared else "miss")
        stored = "; stored" if task.operation.fresh_for else ""
        elsewhere = hit_elsewhere(fetched.kept, self._clock.monotonic()) if fetched.is_shared else ""
        return self._answer(task, fetched.kept, f"{elsewhere}polder; fwd={directives.forwarding}{stored}")

    def recall(self, standing: Standing, now: float) -> Kept | None:
        """An answer that the cache gave before, if all that it stands on still holds ``now``, and it is fresh."""
        if now >= standing.until:
            return None
        for matter, generation in standing.generations:
            if self._generations.of(standing.connection_id, matter) != generation:
                return None
        kept = self._cache.get(standing.key, now)
        if kept is None or now >= kept.fresh_until:
            return None
        self._observer.cache(standing.operation.resource, "hit")
        return kept

    def _standing(self, task: _Task, key: tuple[str, ...], generation: int) -> Standing:
        lookup = task.lookup
        generations: tuple[tuple[Matter, int], ...] = (
            ("connection", lookup.generation),
            (_matter(task.operation), generation),
        )
        return Standing(task.call.caller, task.operation, task.connection.id, generations, lookup.until, key)

    def _key(self, task: _Task, generation: int) -> tuple[str, ...]:
        """Where an answer is kept: under all it stands on. The connection may have changed since it was found."""
        generations = f"{generation} {task.lookup.generation}"
        return task.connection.id, generations, task.operation.name, *task.call.what

    async def _fetch(self, task: _Task, key: tuple[str, ...], directives: Directives) -> Fetched:
        """From another node, else from the system: then the others are given it."""
        if not task.operation.fresh_for:
            return Fetched(await self._asked_for(task, key))
        question = Question(task.connection.id, task.operation.name, *task.call.what)
        is_current = self._generations.of(task.connection.id, "connection") == task.lookup.generation
        level = self._second_level if is_current else NO_SECOND_LEVEL
        shared = Shared(level, self._generations, self._clock, question, _matter(task.operation))
        kept = await shared.recall(directives)
        if kept is not None:
            self._cache.put(key, kept.with_conversation_of(self._cache.last(key)))
            return Fetched(kept, is_shared=True)
        kept = await self._asked_for(task, key)
        self._cache.put(key, kept)
        shared.tell(kept)
        return Fetched(kept)

    async def _asked_for(self, task: _Task, key: tuple[str, ...]) -> Kept:
        up = self._outbound_for(task, ReadOutbound)
        assert isinstance(up, ReadOutbound)
        try:
            kept = await self._said_again(task, key, up) or await self._translated(task, up)
        except Problem as problem:
            await self._failed(task, up, problem)
            raise
        finally:
            await up.let_go()
        await self.connections.noted(task.connection, None)
        return kept

    async def _said_again(self, task: _Task, key: tuple[str, ...], up: ReadOutbound) -> Kept | None:
        """The answer of before, fresh again, where the system says the same to the same questions."""
        before = self._cache.last(key)
        if before is None or before.conversation is None:
            return None
        if not await up.repeats(before.conversation, self._books.state(task.connection.id)):
            return None
        return before.renewed(self._clock.monotonic(), task.operation.fresh_for, task.operation.stale_for)

    async def _translated(self, task: _Task, up: ReadOutbound) -> Kept:
        books = self._books.state(task.connection.id)
        reader = Reader(up, self._recording(task), self._cursors, self._id_changes, task.provider.name)
        with nonsense_told():
            found = await reader.found(task.call.path.get("id", task.connection.company_id or ""), task.asked)
        return self._keep(task.operation, found, up.conversation(books))

    def _keep(self, operation: Operation, found: Found, conversation: Conversation | None) -> Kept:
        now = self._clock.monotonic()
        fresh_until = now + operation.fresh_for
        return Kept(
            found.body,
            self._etag_of(found.body),
            found.next_cursor,
            (("Content-Type", found.media_type), *found.headers.items()),
            now,
            fresh_until,
            fresh_until + operation.stale_for,
            conversation,
        )

    def _answer(self, task: _Task, kept: Kept, status: str, standing: Standing | None = None) -> Answer:
        known = is_known(task.call.headers.get("if-none-match"), kept.etag)
        return answer_of(kept, status, self._clock.monotonic(), known=known, standing=standing)

    # --- writing

    async def _write(self, task: _Task) -> Answer:
        body = read_body(task.operation, task.call.body)
        said = "" if body is None else body.model_dump_json(exclude_unset=True)
        named = self._idempotency.named(
            task.call,
            said.encode(),
            repeatable=task.operation.verb in task.resource.repeatable,
            company_id=task.connection.company_id,
        )
        if task.asked.dry_run:
            return await self._rehearsed(task, body, named.creation_key())
        return await self._idempotency.once(named, lambda run: self._written(task, body, run), task.call.deadline)

    async def _rehearsed(self, task: _Task, body: Shape | None, creation_key: UUID) -> Answer:
        """What the write would do (``dry_run=true``): no idempotency key is used up, and nothing is forgotten."""
        up = self._outbound_for(task, Rehearsal)
        assert isinstance(up, Rehearsal)
        writer = Writer(up, self._recording(task, Untouched), task.provider.name)
        with suppress(Captured):
            await writer.write(task.call.path.get("id"), body, task.asked, creation_key)
        return _dry_answer(task.call, told(up, body, task.provider.origins, language_of(task.call.headers)))

    async def _written(self, task: _Task, body: Shape | None, run: Run) -> Answer:
        id, operation = task.call.path.get("id"), task.operation
        if id is None or not task.resource.changes_ids:
            return await self._carried_out(task, body, run)
        recording = self._recording(task)
        return await self._id_changes.written(
            (task.connection.id, operation.resource, id),
            run.attempt.run if operation.verb in CHANGING_IDS else None,
            lambda: self._carried_out(task, body, run),
            lambda: recording.theirs(id),
            lambda: task.call.deadline - self._clock.monotonic(),
        )

    async def _carried_out(self, task: _Task, body: Shape | None, run: Run) -> Answer:
        up = self._outbound_for(task, before_write=run.sending)
        writer = Writer(up, self._recording(task), task.provider.name)
        async with self._books.ending(task.connection.id, lambda: up.fate != "not_sent"):
            try:
                written = await writer.write(task.call.path.get("id"), body, task.asked, run.creation_key)
            except Problem as problem:
                await self._failed(task, up, problem)
                raise
        await self.connections.noted(task.connection, None)
        if task.operation.shape == "nothing":
            return Answer(task.operation.status, b"", None)
        return Answer(task.operation.status, written)

    async def _failed(self, task: _Task, up: Outbound, problem: Problem) -> None:
        if problem.code == "upstream_malformed":
            up.doubt_facts()
        await self.connections.noted(task.connection, problem)

    async def _raw_once(self, call: Call, connection: StoredConnection, provider: Provider) -> Answer:
        if not call.operation.is_write:
            return await self._raw(call, connection, provider)
        dry_run, query = read_raw_query(call.query)
        call = replace(call, query=query)
        named = self._idempotency.named(call, call.body)
        if dry_run:
            shown = told_raw(_raw_request(call, connection, provider), provider.origins)
            return _dry_answer(call, shown)
        return await self._idempotency.once(
            named, lambda run: self._raw(call, connection, provider, run.sending), call.deadline
        )

    async def _raw(
        self, call: Call, connection: StoredConnection, provider: Provider, before_write: BeforeWrite | None = None
    ) -> Answer:
        request = _raw_request(call, connection, provider)
        up = self._opener.open(connection, provider, call.operation.name, call.deadline, before_write=before_write)
        try:
            return handed_back(request, await up.exchange(request))
        except Problem as problem:
            if request.is_write:
                problem.as_outcome(up.fate)
            raise
        finally:
            if request.is_write:
                await self._generations.end(connection.id, "answers", "facts")

    # --- ways out

    async def _permit_scope(self, task: _Task) -> None:
        needed = missing_scope(task.provider.adapter, task.connection, task.operation.name)
        if needed is None:
            return
        connection = await self.connections.recheck_scopes(task.connection, task.call.deadline)
        if missing_scope(task.provider.adapter, connection, task.operation.name) is not None:
            raise scope_missing(task.provider.adapter, connection, needed)

    def _recording(self, task: _Task, way: type[Recording] = Recording) -> Recording:
        return way(self._books, task.connection.id, task.operation, task.resource)

    def _outbound_for(
        self, task: _Task, way: type[Outbound] = Outbound, *, before_write: BeforeWrite | None = None
    ) -> Outbound:
        return self._opener.open(
            task.connection,
            task.provider,
            task.operation.name,
            task.call.deadline,
            drop_unsupported=task.asked.drop_unsupported,
            before_write=before_write,
            way=way,
        )


def _matter(operation: Operation) -> Matter:
    """Of which generation its answers are: a write of records ends those of records only."""
    return "facts" if operation.stale_for else "answers"


def _raw_request(call: Call, connection: StoredConnection, provider: Provider) -> Request:
    """What a raw call asks the system. Raises ``not_found`` or ``forbidden``."""
    facts = facts_of(connection, provider.kind_of(connection))
    method, path = call.operation.method, call.path["path"]
    return raw_request(provider.adapter, facts, method, path, call.query, dict(call.headers), call.body)


def _dry_answer(call: Call, shown: DryRun) -> Answer:
    return Answer(200, answer_json(shown), DRY_RUN, {"Content-Language": language_of(call.headers)})
