"""What the engine needs kept, as protocols. ``gateway.store`` keeps it; tests may keep it in memory.

Every method may raise ``Problem("storage_unavailable")``. Secrets go in and come out as ``Secret``; how they are sealed
is the store's business, and they are never kept in clear.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from gateway.contract.auth import AccessToken
from gateway.contract.models.connections import ConnectionStatus
from gateway.contract.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredConnection:
    """A connection, without its secrets. ``id`` is ``con_…``; times are aware UTC.

    ``data_key`` is what the store seals its secrets under: 32 random bytes in hexadecimal, made with the connection and
    never changed; None where the store could not open it: then none of its secrets can be had. ``credentials_version``
    counts, in the store, how often its credentials were replaced: what was obtained with others is of no use any more.
    ``status`` is what its credentials are good for. An operator's suspension stands apart from it, so that nothing that
    befalls the credentials lifts it, and who resumes the connection finds what it is by then.
    """

    id: str
    tenant: str
    provider: str
    name: str
    status: ConnectionStatus
    created_at: datetime
    updated_at: datetime
    external_ref: str | None = None
    company_id: str | None = None
    company_name: str | None = None
    credential_type: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    token_scopes: tuple[str, ...] = ()
    allowed_scopes: tuple[str, ...] = ()
    credentials_version: int = 0
    suspended_at: datetime | None = None
    data_key: Secret | None = field(default=None, repr=False)

    @property
    def effective_status(self) -> ConnectionStatus:
        """The status as everybody is told it, finds it by and counts it."""
        return self.status if self.suspended_at is None else "suspended"


Changing = Callable[[StoredConnection], StoredConnection]
"""What a change makes of a connection as it is kept at that moment; what it raises calls the change off."""


TokenState = Literal["unused", "used", "rejected"]
"""Whether its access token has opened anything yet, and whether its refresh token was refused by the provider."""


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token as it was received; ``seq`` grows with every one of a connection."""

    seq: int
    token: AccessToken
    received_at: datetime
    state: TokenState = "unused"


@dataclass(frozen=True, slots=True)
class Intent:
    """A request for a token that is about to leave, may be under way until ``deadline``, or came to an unknown end.

    ``owner`` is the process that sends it.
    """

    owner: str
    started_at: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Journal:
    """All that is known of a connection's tokens, the newest first, as of one moment.

    ``version`` is that of the credentials: a token that was asked for with older ones is not kept.
    ``suspect_since`` and ``refused_at`` say when the provider first and last refused the credentials; both are None
    once a token was received again.
    """

    version: int
    tokens: Sequence[StoredToken] = ()
    intent: Intent | None = None
    suspect_since: datetime | None = None
    refused_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A connection whose credentials were refused: since when, and how many of its provider's were of late."""

    since: datetime
    suspects: int
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """An API key. ``digest`` is of its secret part, and empty once it is revoked: then nobody holds the key.

    ``connections`` and ``networks`` (in CIDR notation) are None where it is bound to none. ``last_used_at`` is coarse.
    """

    id: str
    tenant: str
    name: str
    digest: bytes
    scopes: tuple[str, ...]
    created_at: datetime
    connections: tuple[str, ...] | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    networks: tuple[str, ...] | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to which object, and what came of it. It holds no secret, and no personal data but the address.

    ``actor`` is the id of an API key, ``owner`` for whoever came by a one-time link, ``operator`` for the command line.
    ``outcome`` is ``done``, or the code of the problem it ended in.
    """

    at: datetime
    actor: str
    action: str
    outcome: str
    tenant: str | None = None
    object: str | None = None
    request_id: str | None = None
    ip: str | None = None


class LinkRow(NamedTuple):
    """Something only Polder knows of a record: a field it keeps, or the id that the system gave it later."""

    record_id: str
    field: str
    value: str
    unique: bool
    """Whether the value belongs to one record of the connection's resource only."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """What a field of a record must hold for a change to be made; None: the record has no such field."""

    record_id: str
    field: str
    value: str | None


class Connections(Protocol):
    """Connections with their sealed credentials."""

    async def add(self, connection: StoredConnection, credentials: Mapping[str, Secret] | None) -> None:
        """Keep a new one, with its data key. Raises ``conflict`` where its tenant has its ``external_ref`` already."""

    async def find(self, id: str) -> StoredConnection | None:
        """The connection of that id, whoever's it is: the caller compares the tenant."""

    async def those(self, ids: Sequence[str]) -> Sequence[StoredConnection]:
        """The connections of those ids, whoever's they are, in no order; what is not there is left out."""

    async def page(
        self, tenant: str, *, offset: int, size: int, filters: Mapping[str, str], among: frozenset[str] | None
    ) -> tuple[Sequence[StoredConnection], int]:
        """A window of a tenant's connections, oldest first, and how many there are.

        ``filters`` may name external_ref, provider and status (as told); ``among`` limits to some ids.
        """

    async def census(self) -> Mapping[tuple[str, str], int]:
        """How many there are in all, by provider and status as told."""

    async def change(self, connection: StoredConnection, changing: Changing) -> StoredConnection:
        """Keep what that makes of it as it is now, all but its credentials; nobody else changes it meanwhile.

        Raises ``conflict`` as ``add`` does, and ``not_found`` where it is gone.
        """

    async def amend(self, id: str, updated_at: datetime, *, status: ConnectionStatus, version: int) -> bool:
        """Replace its status, whatever else changed; False where it is gone, or its credentials were replaced."""

    async def replace_credentials(
        self,
        connection: StoredConnection,
        changing: Changing,
        credentials: Mapping[str, Secret],
        token: AccessToken | None = None,
        received_at: datetime | None = None,
    ) -> tuple[StoredConnection, StoredToken | None]:
        """Change it and keep these credentials instead of the old ones, and forget its tokens, in one step.

        A token that came with them, and when, is the first of the new journal, and given back as it is kept.
        """

    async def credentials(self, connection: StoredConnection) -> Mapping[str, Secret]:
        """Its credentials, of the version that it was read with; empty where there are none of that."""

    async def destroy(self, connection: StoredConnection) -> None:
        """Remove it with its credentials, tokens and links, beyond recovery."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many are open, one at least, and since when the oldest of them is."""

    count: int
    since: datetime


class Tokens(Protocol):
    """The journal of the tokens of every connection, and the intents to ask for more; what is written is durable.

    Methods that write raise ``not_found`` where the connection is gone.
    """

    def lock(self, connection_id: str, within: float) -> AbstractAsyncContextManager[None]:
        """Be the only one, of all processes, that asks for this connection's token; let go by death too.

        Waits ``within`` seconds at most, then raises ``storage_unavailable``. One who lives may lose it, where it is
        cut off from who gave it: so it proves nothing of others, whose intents count beside it.
        """

    async def newest(self, connection: StoredConnection) -> StoredToken | None:
        """The last token received with credentials of the version that it was read with."""

    async def journal(self, connection: StoredConnection) -> Journal:
        """The last four tokens and all about them; what this host had to spool of them is put in first."""

    async def intend(self, connection: StoredConnection, intent: Intent, known: Journal) -> bool:
        """Keep an intent, in place of the one that is known.

        False, and nothing is kept, where there is another intent or another newest token than is ``known``, or where
        the credentials were replaced: somebody else acted meanwhile.
        """

    async def end_intent(self, connection: StoredConnection, owner: str, at: datetime | None = None) -> None:
        """Forget that owner's intent: it came to nothing. With a time it stays, overdue then: its fate is unknown."""

    async def append(
        self,
        connection: StoredConnection,
        token: AccessToken,
        received_at: datetime,
        version: int | None = None,
        *,
        owner: str | None = None,
    ) -> StoredToken:
        """Keep a token: when this returns, a crash cannot lose it. Ends any suspicion, and prunes.

        It ends the intent of the ``owner`` who asked for it, and nobody else's: that may be under way. The connection
        is active again where it needed its owner. Raises ``conflict`` where the credentials were replaced since that
        ``version``.
        """

    async def use(self, connection: StoredConnection, seq: int) -> None:
        """Its access token opened something, so whatever it was made from is spent, and forgotten."""

    async def reject(self, connection: StoredConnection, seq: int) -> None:
        """The provider refused its refresh token."""

    async def suspect(
        self, connection: StoredConnection, at: datetime, *, since: datetime, version: int | None, owner: str | None
    ) -> Suspicion:
        """The provider refused all there is; ends the intent of the ``owner`` who asked. Counts those of the provider
        whom this befell ``since``.

        Raises ``conflict`` where the credentials were replaced since that ``version``.
        """

    async def spool(
        self, connection: StoredConnection, token: AccessToken, received_at: datetime, version: int, *, owner: str
    ) -> None:
        """Keep a token that cannot be appended now in a sealed file of this host, with whoever asked for it."""

    async def unspool(self) -> None:
        """Append every token that this host had to spool."""

    async def unsettled(self, limit: int) -> Sequence[tuple[StoredConnection, Intent]]:
        """Connections that have an intent, with it, the oldest first."""

    async def idle(self, received_before: datetime, limit: int, after: str = "") -> Sequence[StoredConnection]:
        """Connections in use whose newest token was received before that, and can be refreshed, by id ``after`` one."""

    async def suspects(self, refused_before: datetime, limit: int, after: str = "") -> Sequence[StoredConnection]:
        """Connections in use whose credentials were refused, last before that, by id ``after`` one."""

    async def open_intents(self) -> Mapping[str, Backlog]:
        """The intents there are, by provider; one without any is left out."""


class Keys(Protocol):
    """API keys."""

    async def add(self, key: StoredKey) -> None:
        """Keep a new key."""

    async def find(self, id: str) -> StoredKey | None:
        """The key of that id, revoked or not."""

    async def all(self, tenant: str | None) -> Sequence[StoredKey]:
        """The keys of a tenant, or of all, oldest first."""

    async def revoke(self, id: str, at: datetime) -> bool:
        """Revoke it, for ever; False where there is none of that id."""

    async def used(self, at: Mapping[str, datetime]) -> None:
        """Note when keys were used, by their id; a time before the one that is known changes nothing."""


class Audit(Protocol):
    """What was done to connections and keys: only ever added to, in one order for all nodes."""

    async def append(self, entry: AuditEntry) -> None:
        """Keep an entry, durably."""


class Links(Protocol):
    """What only Polder knows of records."""

    async def of(self, connection_id: str) -> Mapping[str, Sequence[LinkRow]]:
        """Everything known of a connection's records, by resource; one of which nothing is known is not there."""

    async def put(
        self, connection_id: str, resource: str, rows: Sequence[LinkRow], *, only_if: LinkState | None = None
    ) -> None:
        """Keep these, replacing what the same fields of the same records held.

        Raises ``conflict`` where a unique value belongs to another record of the resource, or where ``only_if`` is not
        so; then nothing is kept.
        """

    async def rename(self, connection_id: str, resource: str, old_id: str, new_id: str) -> None:
        """Let everything known of one record be known of another id: a claim made before the record had its own."""

    async def remove(self, connection_id: str, resource: str, record_id: str, field: str | None = None) -> None:
        """Forget one field of a record, or all of it."""

    async def remove_if(self, connection_id: str, resource: str, state: LinkState) -> bool:
        """Forget all of a record if that is so of it; whether it was."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """An authorization that an end user has begun and not yet come back from.

    ``browser`` is a digest of the cookie of the browser it began in; ``verifier`` is PKCE's.
    """

    connection_id: str
    browser: bytes
    verifier: Secret
    expires_at: datetime


class Authorizations(Protocol):
    """Authorizations under way, by a digest of their ``state``; each can be taken once."""

    async def put(self, state: bytes, authorization: Authorization) -> None:
        """Keep one, in place of any other of its connection."""

    async def take(self, state: bytes) -> Authorization | None:
        """Take it out: None where there is none, or somebody took it already."""


AttemptState = Literal["claimed", "sending", "applied", "rejected", "unknown", "not_executed", "manual"]
"""How far a write came.

``claimed``: its owner has begun and nothing was sent. ``sending``: the first byte may have left. ``unknown``: it may
have happened, and Polder looks. ``manual``: nobody can tell but a person. The others are ends.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A write by its idempotency key, and what came of it.

    ``id`` is a digest of tenant, connection, operation and key; ``run`` is of this time it is carried out, so that an
    owner who was overtaken can change nothing any more. ``evidence`` is what to look for, written before the first
    byte leaves; ``answer`` what was answered. Both are sealed, because they hold what the books hold.
    ``next_check_at``: of an attempt under way, when its owner must have ended; of an unknown one, when to look again.
    """

    id: bytes
    tenant: str
    connection_id: str | None
    operation: str
    key: str
    fingerprint: bytes
    run: str
    state: AttemptState
    created_at: datetime
    sent_at: datetime | None = None
    next_check_at: datetime | None = None
    checks: int = 0
    status: int | None = None
    record_id: str | None = None
    resolved_at: datetime | None = None
    evidence: Secret | None = None
    answer: Secret | None = None


class Attempts(Protocol):
    """Attempts by their id, for as long as their answers are kept."""

    async def claim(self, attempt: Attempt, *, forget_before: datetime) -> Attempt | None:
        """Keep a new one, if there is none of its id that began since ``forget_before``: None, or the one there is."""

    async def replace(self, before: Attempt, after: Attempt) -> bool:
        """Keep ``after``, durably, if its run, state and next check are still those of ``before``; False where not."""

    async def release(self, attempt: Attempt) -> None:
        """Forget this run of one: nothing was sent."""

    async def forget(self, before: datetime, limit: int) -> int:
        """Forget what began before that, the oldest first, so many at most; how many that were."""

    async def due(self, now: datetime, limit: int, *, absurd: datetime) -> Sequence[Attempt]:
        """Unsettled attempts whose next check is due, or, once sent, was put off beyond ``absurd``; earliest first."""

    async def others(self, attempt: Attempt, record_ids: Sequence[str]) -> Sequence[Attempt]:
        """Others, unsealed, at the same operation on the same books that made one of these records, or say the same."""

    async def sending(self, connection_id: str, operations: Sequence[str], now: datetime) -> Sequence[str]:
        """The runs of those at these operations whose owner may be at it ``now``, after something was sent."""

    async def find(self, id: bytes) -> Attempt | None:
        """The one of that id."""

    async def unknown(self) -> Mapping[str, Backlog]:
        """Those of unknown fate since they were sent, by provider; one without any is left out."""

    async def newest(self, tenant: str, connection_id: str, key: str) -> Attempt | None:
        """The last one of that key on a connection."""


class Storage(Protocol):
    """All of it, and whether it can be reached."""

    @property
    def connections(self) -> Connections:
        """Connections."""

    @property
    def tokens(self) -> Tokens:
        """Tokens."""

    @property
    def keys(self) -> Keys:
        """API keys."""

    @property
    def audit(self) -> Audit:
        """What was done to connections and keys."""

    @property
    def links(self) -> Links:
        """Links."""

    @property
    def authorizations(self) -> Authorizations:
        """Authorizations under way."""

    @property
    def attempts(self) -> Attempts:
        """Writes that callers named."""

    async def check(self) -> None:
        """Prove that it can be written to. Raises ``storage_unavailable``."""

    async def close(self) -> None:
        """Let go of it."""
