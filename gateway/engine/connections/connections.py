"""Connections: made, changed and ended; what they reach and what they can do (contract §3)."""

import contextlib
import secrets
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from cachetools import TTLCache

from gateway.contract.auth import AccessToken, CredentialKind, OAuth2, StaticToken
from gateway.contract.clock import Clock
from gateway.contract.errors import Problem, invalid
from gateway.contract.models import (
    CompanyAccess,
    Connection,
    ConnectionChange,
    ConnectionDraft,
    ConnectionUse,
)
from gateway.contract.models.connections import ConnectionCompany, ConnectionScopes
from gateway.contract.secret import Secret
from gateway.engine.access.permit import permit_connection, permit_use, unknown_connection
from gateway.engine.call import Caller
from gateway.engine.connections.changes import dated, dated_if_other
from gateway.engine.connections.credentials import credentials_of, imported_token
from gateway.engine.connections.health import ConnectionHealth
from gateway.engine.connections.lookup import Lookup, Lookups
from gateway.engine.connections.settings import merged_settings
from gateway.engine.connections.usage import Usage
from gateway.engine.connections.verification import Verifier, activated, rejected
from gateway.engine.generations import Generations, Matter
from gateway.engine.outbound.opener import Opener
from gateway.engine.providers import Provider, Providers
from gateway.engine.storage import Changing, Storage, StoredConnection
from gateway.engine.tokens import Tokens

_ALPHABET = string.ascii_letters + string.digits
SCOPES_KEPT = 60.0
"""Seconds for which what an owner allows is believed before a denial is checked again."""
_TRIES = 3
"""How often a company is settled on where the connection is changed by others meanwhile."""


def new_id() -> str:
    """An id that no connection has or had."""
    return f"con_{''.join(secrets.choice(_ALPHABET) for _ in range(16))}"


class _Overtaken(Exception):
    """The connection is not as it was read any more, and what was asked with it need not be true of it now."""


class _Moves(Exception):
    """The change is to another company, which must be asked for first."""


def _unchanged(connection: StoredConnection) -> StoredConnection:
    return connection


class Connections:
    """All connections, as the engine works with them."""

    def __init__(
        self,
        storage: Storage,
        providers: Providers,
        tokens: Tokens,
        clock: Clock,
        opener: Opener,
        generations: Generations,
        quota_left: Callable[[str], int | None],
    ) -> None:
        self._storage = storage
        self._providers = providers
        self._tokens = tokens
        self._clock = clock
        self._verifier = Verifier(providers, tokens, opener, clock)
        self._generations = generations
        self._lookups = Lookups(storage, generations, clock)
        self._rechecked: TTLCache[str, bool] = TTLCache(10_000, ttl=SCOPES_KEPT, timer=clock.monotonic)
        self._usage = Usage(storage, clock)
        self._health = ConnectionHealth(clock, quota_left)

    async def of(self, caller: Caller, id: str) -> StoredConnection:
        """The caller's connection of that id. Raises ``not_found``."""
        return (await self.lookup(caller, id)).connection

    async def lookup(self, caller: Caller, id: str) -> Lookup:
        """The caller's connection of that id, and how long that is believed. Raises ``not_found``."""
        known = await self._lookups.of(id)
        if known is None:
            raise unknown_connection()
        permit_connection(caller, known.connection)
        return known

    async def create(
        self, caller: Caller, draft: ConnectionDraft, deadline: float | None = None, *, id: str | None = None
    ) -> StoredConnection:
        """Make a connection; credentials are tried first, and where they fail nothing is stored.

        Where there is one of that ``id``, this was begun before, and is brought to its end: nothing is made twice.
        Here and below nobody is asked beyond the ``deadline`` (monotonic) of whoever called, where there is one.
        """
        provider = self._providers.find(draft.provider)
        if provider is None:
            known = ", ".join(one.name for one in self._providers)
            raise invalid("/provider", f"There is no such accounting system here. There are: {known}.")
        settings = merged_settings(provider, {}, draft.settings or {})
        now = self._clock.now()
        connection = StoredConnection(
            id=id or new_id(),
            tenant=caller.tenant,
            provider=provider.name,
            name=draft.name,
            external_ref=draft.external_ref,
            company_id=draft.company_id,
            settings=settings,
            status="pending",
            created_at=now,
            updated_at=now,
            data_key=Secret(secrets.token_hex(32)),
        )
        kind, fields = credentials_of(provider, draft.credentials)
        is_oauth = kind is not None and isinstance(kind.scheme, OAuth2)
        pair = imported_token(fields) if is_oauth and fields else None
        begun = None if id is None else await self._storage.connections.find(id)
        if begun is not None:
            return await self._continued(provider, begun, pair, deadline)
        if kind is None:
            await self._add(connection, None)
            return connection
        if is_oauth:
            waiting = replace(connection, credential_type=kind.type)
            await self._add(waiting, None)
            return waiting if pair is None else await self._imported(provider, waiting, pair, deadline)
        verified = await self._verifier.of(connection, kind, fields, deadline)
        connection = activated(connection, kind, verified)
        await self._add(connection, fields)
        return connection

    async def _add(self, connection: StoredConnection, fields: Mapping[str, Secret] | None) -> None:
        """Keep a new one. Where the store fails, all that failed may be its saying so: then it is there."""
        try:
            await self._storage.connections.add(connection, fields)
        except Problem as problem:
            if problem.code != "storage_unavailable" or await self._storage.connections.find(connection.id) is None:
                raise

    async def _continued(
        self, provider: Provider, connection: StoredConnection, pair: AccessToken | None, deadline: float | None
    ) -> StoredConnection:
        """A connection that was made, of which nobody was told. Only a pair of tokens is more than one step."""
        if connection.status != "pending" or pair is None:
            return connection
        kept = await self._tokens.has(connection, pair)
        return await self._imported(provider, connection, pair, deadline, kept=kept)

    async def _imported(
        self,
        provider: Provider,
        connection: StoredConnection,
        token: AccessToken,
        deadline: float | None,
        *,
        kept: bool = False,
    ) -> StoredConnection:
        """An OAuth connection with a pair of tokens that was obtained elsewhere, and may be ``kept`` already.

        A pair is kept before it is tried, because trying it may already rotate it. Where that fails nothing stays,
        unless the pair was traded for another: then the only one that lives may be ours.
        """
        try:
            if kept:
                return await self._settled(connection, _unchanged, deadline)
            return await self.authorize(connection, token, deadline)
        except BaseException as error:
            try:
                traded = await self._traded(connection, token)
                if not traded:
                    await self._storage.connections.destroy(connection)
                    await self._ended(connection.id)
            except Problem as problem:
                raise _left_behind(connection, problem) from error
            if not isinstance(error, Problem):
                raise
            if traded:
                raise _awaiting_company(connection, error) from error
            if error.code == "connection_needs_reauth":
                raise rejected(provider, error) from error
            raise

    async def _traded(self, connection: StoredConnection, token: AccessToken) -> bool:
        """Whether a pair that was brought along was traded for another, or is being: its own may be dead then."""
        journal = await self._storage.tokens.journal(connection)
        return journal.intent is not None or any(one.token.value != token.value for one in journal.tokens)

    async def authorize(
        self, connection: StoredConnection, token: AccessToken, deadline: float | None = None
    ) -> StoredConnection:
        """Give an OAuth connection its tokens, and its company where there is no choice.

        Raises ``company_required`` where there is one; the tokens are kept all the same.
        """
        return await self._settled(await self._adopted(connection, token, _unchanged), _unchanged, deadline)

    async def _adopted(self, connection: StoredConnection, token: AccessToken, changing: Changing) -> StoredConnection:
        """An OAuth connection that keeps these tokens from now on."""
        provider = self._providers.of(connection)
        kind = next(one for one in provider.adapter.credentials if isinstance(one.scheme, OAuth2))
        adopting = dated(lambda current: replace(changing(current), credential_type=kind.type), self._clock)
        adopted = await self._tokens.adopt(connection, token, adopting)
        await self._ended(connection.id)
        return adopted

    async def _settled(
        self, connection: StoredConnection, changing: Changing, deadline: float | None
    ) -> StoredConnection:
        """Ask what the stored credentials reach, and make the connection active on its company.

        Raises ``company_required`` or ``company_not_accessible``. What was asked is true of the connection as it was
        read: where it is changed meanwhile, its credentials perhaps, it is asked anew.
        """
        for _ in range(_TRIES):
            try:
                return await self._settled_as_read(connection, changing, deadline)
            except _Overtaken:
                connection = await self._read(connection)
        raise Problem("conflict", "The connection is being changed by others all the while; nothing was changed.")

    async def _settled_as_read(
        self, connection: StoredConnection, changing: Changing, deadline: float | None
    ) -> StoredConnection:
        provider = self._providers.of(connection)
        kind = provider.kind_of(connection)

        def unless_overtaken(current: StoredConnection) -> StoredConnection:
            if current.updated_at != connection.updated_at:
                raise _Overtaken
            return changing(current)

        if not isinstance(kind.scheme, OAuth2):
            fields = await self._storage.connections.credentials(connection)
            return await self._replaced(connection, kind, fields, unless_overtaken, deadline)
        verified = await self._verifier.of_stored(connection, deadline)
        activating = dated(lambda current: activated(unless_overtaken(current), kind, verified), self._clock)
        active = await self._storage.connections.change(connection, activating)
        await self._generations.end(connection.id, "answers", "facts", "connection")
        return active

    async def _read(self, connection: StoredConnection) -> StoredConnection:
        found = await self._storage.connections.find(connection.id)
        if found is None:
            raise unknown_connection()
        return found

    async def update(
        self,
        connection: StoredConnection,
        change: ConnectionChange,
        deadline: float | None = None,
        *,
        permit: Changing = _unchanged,
    ) -> StoredConnection:
        """Change what is named; new credentials (and another company) are tried first.

        Whatever else is changed meanwhile stays changed. ``permit`` raises where the connection, as it is by then, may
        not be changed.
        """
        given = change.given()
        provider = self._providers.of(connection)
        kind, fields = credentials_of(provider, given.get("credentials"))

        def changing(current: StoredConnection) -> StoredConnection:
            return replace(
                permit(current),
                name=given.get("name", current.name),
                company_id=given.get("company_id", current.company_id),
                settings=merged_settings(provider, current.settings, given.get("settings", {})),
            )

        if kind is None:
            return await self._amended(connection, changing, deadline, settles="company_id" in given)
        if isinstance(kind.scheme, OAuth2):
            return await self._reauthorized(connection, kind, fields, changing, deadline)
        return await self._replaced(connection, kind, fields, changing, deadline)

    async def _amended(
        self, connection: StoredConnection, changing: Changing, deadline: float | None, *, settles: bool
    ) -> StoredConnection:
        """Change it, its credentials apart. Where they are to reach another company, or one at last, they are asked."""

        def staying(current: StoredConnection) -> StoredConnection:
            changed = changing(current)
            waits = settles and current.status == "pending"
            if current.credential_type is not None and (waits or changed.company_id != current.company_id):
                raise _Moves
            return changed

        try:
            changed = await self._storage.connections.change(connection, dated_if_other(staying, self._clock))
        except _Moves:
            return await self._settled(await self._read(connection), changing, deadline)
        await self._ended(connection.id)
        return changed

    async def _replaced(
        self,
        connection: StoredConnection,
        kind: CredentialKind,
        fields: Mapping[str, Secret],
        changing: Changing,
        deadline: float | None,
    ) -> StoredConnection:
        """Other credentials that no owner need authorize, once they were tried."""
        verified = await self._verifier.of(changing(connection), kind, fields, deadline)
        activating = dated(lambda current: activated(changing(current), kind, verified), self._clock)
        changed, _ = await self._storage.connections.replace_credentials(connection, activating, fields)
        await self._ended(connection.id)
        return changed

    async def _reauthorized(
        self,
        connection: StoredConnection,
        kind: CredentialKind,
        fields: Mapping[str, Secret],
        changing: Changing,
        deadline: float | None,
    ) -> StoredConnection:
        """Other OAuth tokens; without any, the connection waits for its owner again."""
        if fields:
            adopted = await self._adopted_once(await self._read(connection), imported_token(fields), changing)
            try:
                return await self._settled(adopted, _unchanged, deadline)
            except Problem as problem:
                # They are kept whatever comes of asking: to give them again would put them over those they became.
                problem.as_outcome("applied")
                raise
        waiting = dated(
            lambda current: replace(changing(current), status="pending", credential_type=kind.type), self._clock
        )
        changed, _ = await self._storage.connections.replace_credentials(connection, waiting, {})
        await self._ended(connection.id)
        return changed

    async def _adopted_once(
        self, connection: StoredConnection, token: AccessToken, changing: Changing
    ) -> StoredConnection:
        """An OAuth connection that has this pair. What it has been given before is not put over what it became since:
        who repeats himself, as he heard nothing the first time, would end the pair that lives.
        """
        if connection.status == "needs_reauth" or not await self._tokens.has(connection, token):
            return await self._adopted(connection, token, changing)
        changed = await self._storage.connections.change(connection, dated_if_other(changing, self._clock))
        await self._ended(connection.id)
        return changed

    async def delete(self, connection: StoredConnection) -> None:
        """End it: its credentials are revoked where the provider can, and destroyed."""
        provider = self._providers.find(connection.provider)
        if provider is not None:
            await self._tokens.revoke(connection, provider)
        try:
            await self._storage.connections.destroy(connection)
        finally:
            await self._ended(connection.id, "links")
        self._health.forget(connection.id)

    async def companies(self, connection: StoredConnection, deadline: float | None = None) -> Sequence[CompanyAccess]:
        """The administrations its credentials reach, asked now; what its own one allows is remembered.

        Raises ``connection_pending`` or ``connection_suspended``.
        """
        permit_use(connection)
        companies = await self._verifier.reached(connection, deadline)
        await self._remember_scopes(connection, companies)
        return companies

    async def recheck_scopes(self, connection: StoredConnection, deadline: float) -> StoredConnection:
        """What its owner allows now, unless that was asked within the last minute or cannot be asked."""
        since_change = (self._clock.now() - connection.updated_at).total_seconds()
        if connection.id in self._rechecked or since_change < SCOPES_KEPT:
            return connection
        self._rechecked[connection.id] = True
        try:
            companies = await self._verifier.reached(connection, deadline)
        except Problem:
            return connection
        return await self._remember_scopes(connection, companies)

    async def _remember_scopes(
        self, connection: StoredConnection, companies: Sequence[CompanyAccess]
    ) -> StoredConnection:
        own = next((one for one in companies if one.id == connection.company_id), None)
        if own is None:
            return connection
        allowed = tuple(own.allowed_scopes)
        if allowed == connection.allowed_scopes and own.name == connection.company_name:
            return connection

        def remembering(current: StoredConnection) -> StoredConnection:
            if current.company_id != own.id:
                return current
            return replace(current, company_name=own.name, allowed_scopes=allowed)

        changed = await self._storage.connections.change(connection, dated_if_other(remembering, self._clock))
        await self._generations.end(connection.id, "connection")
        return changed

    async def page(
        self, caller: Caller, *, offset: int, size: int, filters: Mapping[str, str]
    ) -> tuple[Sequence[StoredConnection], int]:
        """A window of the caller's connections."""
        return await self._storage.connections.page(
            caller.tenant, offset=offset, size=size, filters=filters, among=caller.connections
        )

    async def _ended(self, connection_id: str, *further: Matter) -> None:
        """It changed, and its credentials perhaps: nothing that was known of it is used any more, here or elsewhere."""
        self._tokens.forget(connection_id)
        await self._generations.end(connection_id, "answers", "facts", "connection", *further)

    async def noted(self, connection: StoredConnection, problem: Problem | None) -> None:
        """A call of this connection went so: remember its health, and read anew what the token layer made of it."""
        self._health.note(connection.id, problem)
        self._usage.note(connection, failed=problem is not None and problem.kind.fix != "caller")
        if problem is None and connection.status == "needs_reauth":
            kind = self._providers.of(connection).kind_of(connection)
            if isinstance(kind.scheme, StaticToken):
                # There is no other way to be trusted again. The call is told whether or not this can be kept. It may
                # have begun with credentials that are gone by now: where the owner was asked for others, that stays so.
                with contextlib.suppress(Problem):
                    await self._storage.connections.amend(
                        connection.id, self._clock.now(), status="active", version=connection.credentials_version
                    )
            await self._generations.end(connection.id, "connection")
        elif problem is not None and problem.code == "connection_needs_reauth" and connection.status != "needs_reauth":
            await self._generations.end(connection.id, "connection")

    async def busiest(self, caller: Caller) -> Sequence[ConnectionUse]:
        """The caller's connections that were used most in the last hour, the most used first."""
        return await self._usage.busiest(caller, self._health.health)

    def view(self, connection: StoredConnection) -> Connection:
        """A connection as callers see it."""
        company = None
        if connection.company_id is not None:
            company = ConnectionCompany(id=connection.company_id, name=connection.company_name or "")
        return Connection(
            id=connection.id,
            provider=connection.provider,
            name=connection.name,
            external_ref=connection.external_ref,
            company=company,
            status=connection.effective_status,
            health=self._health.health(connection.id),
            scopes=ConnectionScopes(token=list(connection.token_scopes), allowed=list(connection.allowed_scopes)),
            settings=dict(connection.settings),
            created_at=connection.created_at,
            updated_at=connection.updated_at,
        )


def _left_behind(connection: StoredConnection, problem: Problem) -> Problem:
    """It failed, and so did taking it back: the connection may be there, with its ``external_ref`` and its tokens."""
    return replace(
        problem,
        detail=f"{problem.detail} The connection may have been made all the same: look before you repeat it.",
        extra={**problem.extra, "connection_id": connection.id},
        outcome="unknown",
    )


def _awaiting_company(connection: StoredConnection, problem: Problem) -> Problem:
    """The pair was traded, or may have been: the connection keeps what there is, and waits for its company."""
    kept = "The tokens may have been traded for new ones, so the connection was kept: PATCH its `company_id` to go on."
    return replace(
        problem,
        detail=f"{problem.detail} {kept}",
        extra={**problem.extra, "connection_id": connection.id},
        outcome="applied",
    )
