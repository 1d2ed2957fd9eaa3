"""What the engine needs kept, as protocols. ``gateway.store`` keeps it; tests may keep it in memory.

Every method may raise ``Problem("storage_unavailable")``. Secrets go in and come out as ``Secret``; how they are sealed
is the store's business, and they are never kept in clear.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from gateway.contract.auth import AccessToken
from gateway.contract.models.connections import ConnectionStatus
from gateway.contract.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredConnection:
    """A connection, without its secrets. ``id`` is ``con_…``; times are aware UTC.

    ``data_key`` is what the store seals its secrets under: 32 random bytes in hexadecimal, made with the connection and
    never changed. It is None where the store could not open it; then none of its secrets can be had.
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
    data_key: Secret | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token as it was received; ``seq`` grows with every one of a connection."""

    seq: int
    token: AccessToken
    received_at: datetime


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


@dataclass(frozen=True, slots=True)
class LinkRow:
    """Something only Polder knows of a record: a field it keeps, or the id that the system gave it later.

    A ``unique`` value belongs to one record of the connection's resource only.
    """

    record_id: str
    field: str
    value: str
    unique: bool


@dataclass(frozen=True, slots=True)
class Owner:
    """A process, by a name that no other has or had; and whether another, by its name, surely is no more."""

    name: str
    is_gone: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class LinkState:
    """What a field of a record must hold for a change to be made; None: the record has no such field."""

    record_id: str
    field: str
    value: str | None


class Connections(Protocol):
    """Connections with their sealed credentials."""

    async def add(self, connection: StoredConnection, credentials: Mapping[str, Secret] | None) -> None:
        """Keep a new one, with its data key.

        Raises ``conflict`` where the tenant has another with its ``external_ref``.
        """

    async def find(self, id: str) -> StoredConnection | None:
        """The connection of that id, whoever's it is: the caller compares the tenant."""

    async def page(
        self, tenant: str, *, offset: int, size: int, filters: Mapping[str, str], among: frozenset[str] | None
    ) -> tuple[Sequence[StoredConnection], int]:
        """A window of a tenant's connections, oldest first, and how many there are.

        ``filters`` may name external_ref, provider and status; ``among`` limits to some ids.
        """

    async def census(self) -> Mapping[tuple[str, str], int]:
        """How many there are in all, by provider and status."""

    async def save(self, connection: StoredConnection) -> None:
        """Replace what is kept of it, all but its credentials. Raises ``conflict`` as ``add`` does."""

    async def amend(
        self,
        id: str,
        updated_at: datetime,
        *,
        status: ConnectionStatus | None = None,
        company_name: str | None = None,
        allowed_scopes: tuple[str, ...] | None = None,
    ) -> None:
        """Replace only what is given, whatever else changed meanwhile. Nothing happens where it is gone."""

    async def replace_credentials(self, connection: StoredConnection, credentials: Mapping[str, Secret]) -> None:
        """Save the connection and these credentials instead of the old ones, and forget its tokens, in one step."""

    async def credentials(self, connection: StoredConnection) -> Mapping[str, Secret]:
        """Its credentials; empty where there are none."""

    async def destroy(self, connection: StoredConnection) -> None:
        """Remove it with its credentials, tokens and links, beyond recovery."""


class Tokens(Protocol):
    """The journal of the tokens of every connection: only ever added to, newest counts."""

    async def newest(self, connection: StoredConnection) -> StoredToken | None:
        """The last token received."""

    async def append(self, connection: StoredConnection, token: AccessToken, received_at: datetime) -> StoredToken:
        """Keep a token, durably: when this returns, a crash cannot lose it. Prunes all but the last four."""


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

    async def of(self, connection_id: str, resource: str) -> Sequence[LinkRow]:
        """Everything known of a connection's records of one resource."""

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


AttemptState = Literal["in_progress", "applied", "rejected", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A write that a caller named with an idempotency key, and what came of it.

    ``id`` is a digest of tenant, connection, operation and key. ``answer`` is what was answered, as the engine writes
    it; it is sealed, because it holds what the books hold.
    """

    id: bytes
    tenant: str
    connection_id: str | None
    operation: str
    key: str
    fingerprint: bytes
    state: AttemptState
    created_at: datetime
    status: int | None = None
    record_id: str | None = None
    resolved_at: datetime | None = None
    answer: Secret | None = None


class Attempts(Protocol):
    """Attempts by their id, for as long as their answers are kept."""

    async def claim(self, attempt: Attempt, *, forget_before: datetime) -> Attempt | None:
        """Keep a new one, if there is none of its id that began since ``forget_before``: None, or the one there is."""

    async def settle(self, attempt: Attempt) -> None:
        """Replace what is kept of one."""

    async def take_over(self, attempt: Attempt, *, began: datetime) -> bool:
        """Replace the one of that id that began then; False where somebody else did so first."""

    async def release(self, id: bytes) -> None:
        """Forget one: nothing was sent."""

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
