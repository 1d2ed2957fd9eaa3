"""The story of a request, top to bottom: what `gateway/README.md` tells in words.

caller → connection → capability → query → scopes → (cache | write) → token → one upstream call → answer
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.engine.access.audit import Auditor
from gateway.engine.access.permit import missing_scope, permit_caller, permit_use, resource_for, scope_missing
from gateway.engine.call import Answer, Call, Standing
from gateway.engine.connections.authorization import Authorizer
from gateway.engine.connections.connections import Connections
from gateway.engine.connections.invitations import Invitations
from gateway.engine.connections.lookup import Lookup
from gateway.engine.connections.management import Management
from gateway.engine.cursors import Cursors
from gateway.engine.generations import Generations
from gateway.engine.inputs import read_query
from gateway.engine.network.http import Wire
from gateway.engine.observe import Observer, Strain
from gateway.engine.outbound.calls import SharedOutbound
from gateway.engine.outbound.facts import KnownFacts
from gateway.engine.outbound.opener import Opener
from gateway.engine.outbound.upstream import Outbound
from gateway.engine.owner import Owner
from gateway.engine.providers import Provider, Providers
from gateway.engine.raw import Raw
from gateway.engine.reads.answering import Reads
from gateway.engine.reads.cache import CachedAnswer
from gateway.engine.reads.second_level import NO_SECOND_LEVEL, SecondLevel
from gateway.engine.records.id_changes import IdChanges
from gateway.engine.records.links import LinkBooks
from gateway.engine.records.render import etags
from gateway.engine.shielded import ShieldedTasks
from gateway.engine.signing import Signer
from gateway.engine.storage import Storage
from gateway.engine.task import Task
from gateway.engine.tokens import Sweeper, Tokens
from gateway.engine.writes.answering import Writes
from gateway.engine.writes.idempotency import Idempotency
from gateway.engine.writes.inspection import Inspection
from gateway.engine.writes.reconciliation import ZOMBIE, Reconciliation

Rounds = Literal["all", "own", "none"]
"""What a process looks after beside its requests."""


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
        self._wire = wire
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
        signer = Signer(signing_keys, 32)
        self._idempotency = Idempotency(storage.attempts, clock, self.reconciliation, rng, signer, owner)
        cursors, id_changes = Cursors(*signing_keys), IdChanges(storage.attempts, clock)
        self._reads = Reads(
            self._opener,
            self._books,
            id_changes,
            generations,
            cursors,
            second_level,
            clock,
            observer,
            etag_of=etags(signer.sign(b"etags")),
            noted=self._noted,
        )
        self._writes = Writes(self._opener, self._books, id_changes, self._idempotency, clock, noted=self._noted)
        self._raw = Raw(self._opener, self._idempotency, generations)
        self._management = Management(
            self.connections,
            providers,
            self.invitations,
            self._books,
            Auditor(storage.audit, clock),
            self._idempotency,
            cursors,
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
        lookup = await self.connections.lookup(call.caller, call.path["connection_id"])
        connection = lookup.connection
        permit_use(connection)
        return self._with_quota(connection.id, await self._used(call, lookup, self.providers.of(connection)))

    async def _used(self, call: Call, lookup: Lookup, provider: Provider) -> Answer:
        connection = lookup.connection
        if call.operation.resource == "raw":
            return await self._shielded.to_the_end(lambda: self._raw.answer(call, connection, provider))
        provider.kind_of(connection)  # raises where its credentials are of a kind that is gone
        task = Task(
            call,
            call.operation,
            connection,
            lookup.generation,
            lookup.until,
            provider,
            resource_for(provider.adapter, call.operation),
            read_query(call.operation, call.query),
        )
        await self._permit_scope(task)
        if call.operation.is_write:
            return await self._shielded.to_the_end(lambda: self._writes.answer(task))
        return await self._reads.answer(task)

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
            self._reconciler = asyncio.create_task(self.reconciliation.watch(own_only=rounds == "own"))

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
        await self.reconciliation.settle()
        await self._reads.settle()
        await self._tokens.settle()
        watches = (watch for watch in (self._watch, self._reconciler) if watch is not None)
        await asyncio.gather(*watches, return_exceptions=True)
        await self._wire.close()

    def recall(self, standing: Standing, now: float) -> CachedAnswer | None:
        """An answer that the cache gave before, if all that it stands on still holds ``now``, and it is fresh."""
        return self._reads.recall(standing, now)

    async def _permit_scope(self, task: Task) -> None:
        needed = missing_scope(task.provider.adapter, task.connection, task.operation.name)
        if needed is None:
            return
        connection = await self.connections.recheck_scopes(task.connection, task.call.deadline)
        if missing_scope(task.provider.adapter, connection, task.operation.name) is not None:
            raise scope_missing(task.provider.adapter, connection, needed)

    async def _noted(self, task: Task, up: Outbound, problem: Problem | None) -> None:
        """A call to the system went so."""
        if problem is not None and problem.code == "upstream_malformed":
            up.doubt_facts()
        await self.connections.noted(task.connection, problem)
