"""Connections: one administration of one customer in one accounting system, and what it can do."""

from typing import Annotated, Any, Literal

from pydantic import Field

from gateway.contract.models.base import Change, Draft, ExternalRef, Id, Instant, Name, Shape

ConnectionStatus = Literal["pending", "active", "needs_reauth", "suspended", "revoked"]
HealthState = Literal["ok", "degraded", "rate_limited", "failing"]
Support = Literal["native", "emulated", "unsupported", "missing_scope"]

Settings = dict[str, Any]
Credentials = Annotated[
    dict[str, Any],
    Field(description="`type` and the fields that `GET /v1/providers/{provider}` lists for it. Never shown again."),
]


class ConnectionDraft(Draft):
    """A connection to make. The credentials are tried against the provider before anything is stored."""

    provider: Name
    name: Name
    company_id: Id | None = Field(default=None, description="Needed where the credentials reach several.")
    external_ref: ExternalRef | None = None
    credentials: Credentials | None = None
    settings: Settings | None = None


class ConnectionChange(Change):
    """What may change of a connection. New credentials are tried first; `settings` are merged, null clears one."""

    name: Name = Field(default_factory=str)
    company_id: Id = Field(default_factory=str)
    settings: Settings = Field(default_factory=dict)
    credentials: Credentials = Field(default_factory=dict)


class ConnectionCompany(Shape):
    """The administration a connection belongs to."""

    id: str
    name: str


class Health(Shape):
    """How the last calls went."""

    state: HealthState = Field(
        description="`ok`: the last call did what was asked, or the request was wrong. `rate_limited`: the accounting "
        "system asks to wait. `degraded`: the last call failed, and one in the five minutes before it went well. "
        "`failing`: none did, or access must be given anew. As the process that answers this saw it.",
    )
    reason: str | None = None
    since: Instant | None = None
    last_success_at: Instant | None = None
    quota_left: int | None = Field(
        default=None,
        description="Requests that may still be sent before the accounting system refuses some, as its last answer to "
        "the process that answers this told. Null where it does not tell.",
    )


class ConnectionScopes(Shape):
    """The provider's own scopes: those of the token, and those the company's owner allows."""

    token: list[str] = Field(default_factory=list)
    allowed: list[str] = Field(default_factory=list)


class Connection(Shape):
    """One connection. It never shows a secret."""

    id: str = Field(examples=["con_3kTMd8zXbWq1"])
    provider: str
    name: str
    external_ref: str | None = None
    company: ConnectionCompany | None = None
    status: ConnectionStatus
    health: Health
    scopes: ConnectionScopes
    settings: Settings
    created_at: Instant
    updated_at: Instant


class ConnectionUse(Shape):
    """How much one connection was used in the last hour, as the process that answers has seen it."""

    connection_id: str = Field(examples=["con_3kTMd8zXbWq1"])
    provider: str
    name: str
    status: ConnectionStatus
    calls: int = Field(description="Requests that went to the accounting system; what memory answered is not counted.")
    failures: int = Field(description="Those of them that ended in a problem which is not the caller's doing.")
    last_call_at: Instant | None = None
    token_received_at: Instant | None = Field(default=None, description="When its present token was obtained.")
    token_expires_at: Instant | None = None
    health: Health


class Link(Shape):
    """A one-time page for the end user."""

    url: str
    expires_at: Instant


class AttemptFacts(Shape):
    """What became of a write. ``next_check_at`` is when Polder looks again, where it does."""

    key: str
    operation: str = Field(examples=["invoices.create"])
    state: Literal["in_progress", "applied", "rejected", "unknown", "not_executed", "manual"]
    status: int | None = None
    record_id: str | None = None
    created_at: Instant
    resolved_at: Instant | None = None
    next_check_at: Instant | None = None


class CompanyAccess(Shape):
    """One of the administrations that the credentials reach."""

    id: str
    name: str
    accessible: bool
    allowed_scopes: list[str]


class OperationSupport(Shape):
    """How far one operation goes on one connection. ``calls`` is what it costs upstream, in words."""

    support: Support
    scope: str | None = None
    reason: str | None = None
    calls: str | None = None
    filters: dict[str, Support] = Field(default_factory=dict)
    requires: list[str] = Field(default_factory=list)


class Capabilities(Shape):
    """What a connection can do, by operation (``contacts.list``)."""

    provider: str
    operations: dict[str, OperationSupport]


class CredentialFieldFacts(Shape):
    """A field to ask the account's owner for."""

    name: str
    title: str
    secret: bool
    required: bool
    help: str | None = None


class CredentialFacts(Shape):
    """One way to give credentials."""

    type: str
    title: str
    fields: list[CredentialFieldFacts]
    interactive: bool = Field(description="The owner authorizes on a page (`POST …/link`) instead of giving fields.")


class SettingFacts(Shape):
    """A setting a connection of this provider may have."""

    name: str
    title: str
    help: str | None = None


class ProviderFacts(Shape):
    """An accounting system Polder speaks to."""

    provider: str
    title: str
    documentation: str
    credentials: list[CredentialFacts]
    settings: list[SettingFacts]
    operations: dict[str, OperationSupport]
    gotchas: list[str]
