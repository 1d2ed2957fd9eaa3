"""How a provider lets one in, as facts. ``gateway.engine.tokens`` carries them out and knows no provider.

A *credential kind* is what an account's owner can give: the fields to ask for, and the scheme that turns them into an
access token. Building a token request and reading its reply are pure functions of the adapter.
"""

from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.contract.exact import MalformedJson, loads
from gateway.contract.secret import Secret
from gateway.contract.upstream import Reply, Request


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One thing to ask for. ``secret`` fields are sealed; every field is stored with the credentials, never shown."""

    name: str
    title: str
    secret: bool = True
    required: bool = True
    help: str | None = None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What opens the API. ``expires_at`` is null where it never ends or nobody says."""

    value: Secret
    expires_at: datetime | None = None
    refresh_token: Secret | None = None
    scopes: frozenset[str] = frozenset()


def claims_of(token: str) -> Mapping[str, Any]:
    """What a JWT claims; nothing where it is none. Its signature is the server's to check: nothing rests on it here."""
    parts = token.split(".")
    try:
        claims = loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))) if len(parts) == 3 else {}
    except (MalformedJson, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token request may be made from: the owner's fields, the operator's settings, the company, the time."""

    fields: Mapping[str, Secret]
    operator: Mapping[str, Secret]
    company_id: str | None
    now: datetime


@dataclass(frozen=True, slots=True)
class StaticToken:
    """The credential is the token: it is sent as it is, until its owner revokes it."""

    field: str


@dataclass(frozen=True, slots=True)
class KeyExchange:
    """The credentials buy a token, again and again (a log-in, or a connection key). There is no refresh token.

    ``read`` raises ``Problem``: ``credentials_rejected`` where the provider refuses the owner's fields,
    ``provider_misconfigured`` where it refuses the operator's.
    """

    request: Callable[[Grant], Request]
    read: Callable[[Reply, Grant], AccessToken]


@dataclass(frozen=True, slots=True)
class OAuth2:
    """OAuth 2.0 authorization code with refresh (RFC 6749), at paths of one of the adapter's origins.

    ``scopes`` are asked for unless a connection's ``settings.scopes`` says otherwise. ``client_id`` and
    ``client_secret`` are operator settings of that name.
    """

    authorize_path: str
    token_path: str
    revoke_path: str | None = None
    origin: str = "api"
    scopes: tuple[str, ...] = ()
    pkce: bool = False


Scheme = StaticToken | KeyExchange | OAuth2


@dataclass(frozen=True, slots=True)
class CredentialKind:
    """One way in. ``header`` and ``prefix`` say how the token is presented: ``Authorization`` and ``Bearer``."""

    type: str
    title: str
    scheme: Scheme
    fields: tuple[CredentialField, ...] = ()
    header: str = "Authorization"
    prefix: str = "Bearer "
    operator_headers: Mapping[str, str] = field(default_factory=dict)
    """Headers sent with every call, by the operator setting that holds the value."""
