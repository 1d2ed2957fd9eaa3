"""Ways out for connections: whose tokens, which facts, how much time."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.contract.auth import AccessToken, CredentialKind
from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.contract.upstream import Facts
from gateway.engine.outbound.calls import SharedOutbound
from gateway.engine.outbound.upstream import BeforeWrite, Outbound, TokenSource
from gateway.engine.providers import Provider
from gateway.engine.storage import StoredConnection
from gateway.engine.task import Task
from gateway.engine.tokens import Tokens

OutboundT = TypeVar("OutboundT", bound=Outbound)
Noted = Callable[[Task, Outbound, Problem | None], Awaitable[None]]
"""Told how a task's calls went: with what problem, if any."""

MANAGEMENT_WAIT = 30.0
"""Seconds that may be taken where no call says how long it waits: for a link's page, and for the command line."""


class Opener:
    """Opens ways out for connections."""

    def __init__(self, shared: SharedOutbound, tokens: Tokens, clock: Clock) -> None:
        self._shared = shared
        self._tokens = tokens
        self._clock = clock

    def open(
        self,
        connection: StoredConnection,
        provider: Provider,
        operation: str,
        deadline: float | None = None,
        *,
        drop_unsupported: bool = False,
        before_write: BeforeWrite | None = None,
    ) -> Outbound:
        """For a stored connection, until a ``deadline`` (monotonic)."""
        return self._opened(
            Outbound,
            connection,
            provider,
            operation,
            deadline,
            drop_unsupported=drop_unsupported,
            before_write=before_write,
        )

    def for_task(self, task: Task, way: type[OutboundT], *, before_write: BeforeWrite | None = None) -> OutboundT:
        """For a call that was looked up, until its deadline."""
        return self._opened(
            way,
            task.connection,
            task.provider,
            task.operation.name,
            task.call.deadline,
            drop_unsupported=task.parameters.drop_unsupported,
            before_write=before_write,
        )

    def _opened(
        self,
        way: type[OutboundT],
        connection: StoredConnection,
        provider: Provider,
        operation: str,
        deadline: float | None,
        *,
        drop_unsupported: bool,
        before_write: BeforeWrite | None,
    ) -> OutboundT:
        source = TokenSource(
            lambda: self._tokens.current(connection, provider),
            lambda rejected: self._tokens.replace(connection, provider, rejected),
            lambda token: self._tokens.worked(connection, token),
        )
        return way(
            self._shared,
            provider,
            kind := provider.kind_of(connection),
            facts_of(connection, kind),
            source,
            operation=operation,
            deadline=self.until(deadline),
            drop_unsupported=drop_unsupported,
            before_write=before_write,
        )

    def unstored(
        self,
        connection: StoredConnection,
        provider: Provider,
        kind: CredentialKind,
        token: AccessToken,
        deadline: float | None = None,
    ) -> Outbound:
        """For credentials that are not stored yet: the token is all there is."""
        return Outbound(
            self._shared,
            provider,
            kind,
            facts_of(connection, kind),
            _fixed(token),
            operation="connections.create",
            deadline=self.until(deadline),
        )

    def until(self, deadline: float | None) -> float:
        """That moment (monotonic), or where there is none the end of the time that may be taken from now."""
        return self._clock.monotonic() + MANAGEMENT_WAIT if deadline is None else deadline


def facts_of(connection: StoredConnection, kind: CredentialKind) -> Facts:
    """What an adapter may know of a connection."""
    return Facts(connection.id, connection.company_id, kind.type, connection.settings)


def _fixed(token: AccessToken) -> TokenSource:
    async def current() -> AccessToken:
        return token

    async def another(rejected: AccessToken) -> AccessToken:
        del rejected
        raise Problem("credentials_rejected", "The accounting system refuses these credentials.")

    return TokenSource(current, another)
