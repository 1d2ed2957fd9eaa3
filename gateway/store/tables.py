"""The tables, and how a value is written in a column: portable between SQLite and PostgreSQL, and exact.

A time is a whole number of microseconds since 1970 in UTC, a list or object is JSON text, and what is secret is the
bytes that ``gateway.store.seal`` made of it.
"""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)

from gateway.contract import exact

T = TypeVar("T")
Stored = TypeVar("Stored")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Encoded(TypeDecorator[T], Generic[T, Stored]):
    """A value written as another; null is null."""

    def process_bind_param(self, value: T | None, dialect: Dialect) -> Stored | None:  # noqa: ARG002 - SQLAlchemy passes it
        """What is stored."""
        return None if value is None else self.encode(value)

    def process_result_value(self, value: Stored | None, dialect: Dialect) -> T | None:  # noqa: ARG002 - as above
        """What was meant."""
        return None if value is None else self.decode(value)

    @abstractmethod
    def encode(self, value: T) -> Stored:
        """What is stored for it."""

    @abstractmethod
    def decode(self, stored: Stored) -> T:
        """What is meant by what is stored."""


class Instant(_Encoded[datetime, int]):
    """An aware time in, the same time in UTC out. Raises ``ValueError`` for a time without a zone."""

    impl = BigInteger
    cache_ok = True

    def encode(self, value: datetime) -> int:
        """The microseconds since 1970."""
        if value.tzinfo is None:
            raise ValueError("A time without a zone cannot be stored.")
        return (value - _EPOCH) // _MICROSECOND

    def decode(self, stored: int) -> datetime:
        """The time, aware, in UTC."""
        return _EPOCH + stored * _MICROSECOND


class JsonObject(_Encoded[Mapping[str, Any], str]):
    """A JSON object, its numbers exact."""

    impl = Text
    cache_ok = True

    def encode(self, value: Mapping[str, Any]) -> str:
        """The text of it."""
        return exact.dumps(dict(value)).decode()

    def decode(self, stored: str) -> Mapping[str, Any]:
        """What the text says."""
        return dict(exact.loads(stored))


class Texts(_Encoded[tuple[str, ...], str]):
    """Some texts in their order."""

    impl = Text
    cache_ok = True

    def encode(self, value: tuple[str, ...]) -> str:
        """A JSON array of them."""
        return exact.dumps(list(value)).decode()

    def decode(self, stored: str) -> tuple[str, ...]:
        """The texts in that array."""
        return tuple(exact.loads(stored))


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)


def _owner() -> Column[str]:
    """Whatever belongs to a connection goes with it."""
    return Column("connection_id", Text, ForeignKey("connections.id", ondelete="CASCADE"), primary_key=True)


connections = Table(
    "connections",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("external_ref", Text),
    Column("company_id", Text),
    Column("company_name", Text),
    Column("credential_type", Text),
    Column("settings", JsonObject, nullable=False),
    Column("token_scopes", Texts, nullable=False),
    Column("allowed_scopes", Texts, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    # The seq of the last token received. It outlives the tokens, so that a seq never comes back.
    Column("token_seq", BigInteger, nullable=False),
    # What seals all that belongs to it; gone with this row.
    Column("sealed_key", LargeBinary, nullable=False),
    # Grows whenever the credentials are replaced, so that a token that older ones bought is not kept.
    Column("credentials_version", BigInteger, nullable=False),
    # When the provider first and last refused the credentials; null once it gave a token again.
    Column("suspect_since", Instant),
    Column("refused_at", Instant),
    # Since when an operator lets nobody use it. No gateway before 0005 writes it, and none heeds it.
    Column("suspended_at", Instant),
    Index("uq_connections_external_ref", "tenant", "external_ref", unique=True),
    Index("ix_connections_tenant", "tenant", "created_at", "id"),
    Index("ix_connections_provider", "provider", "refused_at"),
)

credentials = Table(
    "credentials",
    metadata,
    _owner(),
    Column("field", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    _owner(),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("sealed_value", LargeBinary, nullable=False),
    Column("sealed_refresh_token", LargeBinary),
    Column("scopes", Texts, nullable=False),
    Column("expires_at", Instant),
    Column("received_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Index("ix_tokens_received_at", "received_at"),
)

intents = Table(
    "intents",
    metadata,
    _owner(),
    # The process that asks.
    Column("owner", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("deadline", Instant, nullable=False),
    Index("ix_intents_deadline", "deadline"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    # Null once it is revoked: nobody who edits the table can bring such a key back.
    Column("sealed_digest", LargeBinary),
    Column("scopes", Texts, nullable=False),
    Column("connections", Texts),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("networks", Texts),
    Column("last_used_at", Instant),
    Index("ix_api_keys_tenant", "tenant", "created_at", "id"),
)

links = Table(
    "links",
    metadata,
    _owner(),
    Column("resource", Text, primary_key=True),
    Column("record_id", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("value", Text, nullable=False),
    # The value once more where it must be unique, else null: nulls never collide in a unique index.
    Column("claim", Text),
    Index("uq_links_claim", "connection_id", "resource", "field", "claim", unique=True),
)

authorizations = Table(
    "authorizations",
    metadata,
    # A digest of the state that went out with the browser.
    Column("state", LargeBinary, primary_key=True),
    Column("connection_id", Text, ForeignKey("connections.id", ondelete="CASCADE"), nullable=False),
    Column("browser", LargeBinary, nullable=False),
    Column("sealed_verifier", LargeBinary, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("uq_authorizations_connection_id", "connection_id", unique=True),
)

attempts = Table(
    "attempts",
    metadata,
    # A digest of tenant, connection, operation and the caller's key.
    Column("id", LargeBinary, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("connection_id", Text, ForeignKey("connections.id", ondelete="CASCADE")),
    Column("operation", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    # Which time it is carried out, and by whom: an owner who was overtaken finds another one here.
    Column("run", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("status", Integer),
    Column("record_id", Text),
    Column("sealed_evidence", LargeBinary),
    Column("sealed_answer", LargeBinary),
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("resolved_at", Instant),
    Column("next_check_at", Instant),
    Column("checks", Integer, nullable=False),
    Index("ix_attempts_connection_id", "connection_id", "key"),
    Index("ix_attempts_created_at", "created_at"),
    Index("ix_attempts_next_check_at", "next_check_at"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("tenant", Text),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text),
    Column("outcome", Text, nullable=False),
    Column("request_id", Text),
    Column("ip", Text),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
"""Only ever added to; each row's hash covers the row and the hash before it."""

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary),
)
"""One row: the last seq and hash, and the key of the hashes, sealed; null as long as nothing was recorded."""

probe = Table(
    "probe",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("writes", BigInteger, nullable=False),
)
"""One row that is written to prove that writing works."""
