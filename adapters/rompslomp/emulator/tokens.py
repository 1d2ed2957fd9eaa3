"""The OAuth server's rows: what Doorkeeper keeps, and when it revokes (dossier §1.2, §1.3).

One row holds an access token *and* its refresh token, so revoking either kills both. Which way a refresh revokes the
old row is a switch: ``immediate`` does it in the refresh itself; ``on_use`` notes the old refresh token in the new row,
and the first request that *presents* the new access token revokes the old row, whatever becomes of that request, and
even where the new token has expired meanwhile. ``grace`` and ``reuse_detection`` are what RFC 9700 §4.14 describes and
other servers do: an old row lives ``GRACE`` longer, or dies at once; one that is refreshed after its death takes all
rows of its family with it.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from adapters.rompslomp.emulator.switches import Rotation
from gateway.contract.clock import Clock

CODE_LIFE = timedelta(minutes=10)
GRACE = timedelta(seconds=30)

Condition = Literal["valid", "expired", "revoked"]
Cause = Literal["refresh", "use", "revoke", "reuse"]


@dataclass(frozen=True, slots=True)
class Application:
    """A registered OAuth application."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uris: tuple[str, ...]


@dataclass(slots=True)
class Grant:
    """An authorization code: of use once, within ten minutes."""

    code: str = field(repr=False)
    redirect_uri: str
    scopes: tuple[str, ...]
    created_at: datetime
    challenge: str | None
    challenge_method: str
    used: bool = False


@dataclass(slots=True)
class TokenRow:
    """An access token with its refresh token. A personal token has neither refresh token, expiry nor application."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    scopes: tuple[str, ...]
    created_at: datetime
    expires_in: int | None
    client_id: str | None
    family: int
    """Shared by all rows that were refreshed from one."""
    previous_refresh_token: str = field(default="", repr=False)
    good_until: datetime | None = None
    """When the grace ends that a refreshed row was given."""
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Revocation:
    """Which pair died, and of what.

    ``refresh``, ``use`` of a newer access token, ``revoke`` by its owner, ``reuse`` of a refresh token of its family.
    """

    access_token: str = field(repr=False)
    cause: Cause


class InvalidGrant(Exception):
    """A code or refresh token that is unknown, used, expired or revoked: all look the same."""


class InvalidScope(Exception):
    """A refresh for more than was granted."""


class TokenServer:
    """Codes and tokens."""

    def __init__(self, clock: Clock, random: Random, rotation: Rotation, access_token_seconds: int) -> None:
        self._clock = clock
        self._random = random
        self._rotation = rotation
        self.access_token_seconds = access_token_seconds
        self._families = 0
        self._grants: dict[str, Grant] = {}
        self._by_access: dict[str, TokenRow] = {}
        self._by_refresh: dict[str, TokenRow] = {}
        self.revocations: list[Revocation] = []

    def random_token(self) -> str:
        """43 characters of URL-safe base64: 32 bytes, as Doorkeeper makes them."""
        return base64.urlsafe_b64encode(self._random.randbytes(32)).decode().rstrip("=")

    def personal(self, scopes: tuple[str, ...]) -> TokenRow:
        """A personal token, as a user makes it on the site: it works until it is deleted."""
        return self._keep(TokenRow(self.random_token(), None, scopes, self._clock.now(), None, None, self._family()))

    def issue(self, application: Application, scopes: tuple[str, ...]) -> TokenRow:
        """A fresh pair."""
        return self._pair(application.client_id, scopes, self.access_token_seconds, self._family())

    def grant(self, redirect_uri: str, scopes: tuple[str, ...], challenge: str | None, method: str) -> Grant:
        """An authorization code."""
        code = self.random_token()
        made = Grant(code, redirect_uri, scopes, self._clock.now(), challenge, method)
        self._grants[code] = made
        return made

    def granted(self, code: str) -> Grant | None:
        return self._grants.get(code)

    def redeem(self, application: Application, code: str, redirect_uri: str, verifier: str | None) -> TokenRow:
        """The pair for a code. Raises ``InvalidGrant``."""
        grant = self._grants.get(code)
        if (
            grant is None
            or grant.used
            or grant.redirect_uri != redirect_uri
            or self._clock.now() >= grant.created_at + CODE_LIFE
            or not _met(grant, verifier)
        ):
            raise InvalidGrant
        grant.used = True
        return self.issue(application, grant.scopes)

    def refreshable(self, refresh_token: str) -> TokenRow:
        """The row of a refresh token that can still be used. Raises ``InvalidGrant``."""
        row = self._by_refresh.get(refresh_token)
        if row is None:
            raise InvalidGrant
        if self._is_dead(row):
            if self._rotation in ("grace", "reuse_detection"):
                self._revoke_family(row)
            raise InvalidGrant
        return row

    def refresh(self, row: TokenRow, scopes: tuple[str, ...] | None) -> TokenRow:
        """A new pair from an old row, which lives on or dies as the rotation has it. Raises ``InvalidScope``.

        The access token's lifetime is that of the old row, and the scopes are, unless fewer are asked for.
        """
        if scopes is not None and not set(scopes) <= set(row.scopes):
            raise InvalidScope
        made = self._pair(row.client_id, scopes or row.scopes, row.expires_in, row.family)
        if self._rotation == "on_use":
            made.previous_refresh_token = row.refresh_token or ""
        elif self._rotation == "grace":
            row.good_until = row.good_until or self._clock.now() + GRACE
        else:
            self._revoke(row, "refresh")
        return made

    def presented(self, access_token: str) -> TokenRow | None:
        """Look up an access token that a request brings. The look-up itself revokes the row it was made from."""
        row = self.find(access_token)
        if row is not None and row.previous_refresh_token:
            self._revoke(self._by_refresh[row.previous_refresh_token], "use")
            row.previous_refresh_token = ""
        return row

    def find(self, token: str) -> TokenRow | None:
        """The row of an access token, found without presenting it."""
        return self._by_access.get(token)

    def find_either(self, token: str) -> TokenRow | None:
        """The row of an access or a refresh token."""
        return self._by_access.get(token) or self._by_refresh.get(token)

    def revoke(self, row: TokenRow) -> None:
        """Kill a pair, as its owner asks."""
        self._revoke(row, "revoke")

    def condition(self, row: TokenRow) -> Condition:
        """Whether an access token still works; being revoked counts before being expired."""
        if self._is_dead(row):
            return "revoked"
        left = self.seconds_left(row)
        return "expired" if left is not None and left <= 0 else "valid"

    def seconds_left(self, row: TokenRow) -> int | None:
        """The rest of an access token's life; None where it has no end."""
        if row.expires_in is None:
            return None
        spent = self._clock.now() - row.created_at
        return max(0, row.expires_in - round(spent.total_seconds()))

    def expire_all(self) -> None:
        """Let every access token that can expire have done so. Refresh tokens have no end of their own."""
        for row in self._by_access.values():
            if row.expires_in is not None:
                row.created_at -= timedelta(seconds=row.expires_in)

    def _pair(self, client_id: str | None, scopes: tuple[str, ...], expires_in: int | None, family: int) -> TokenRow:
        now = self._clock.now()
        return self._keep(
            TokenRow(self.random_token(), self.random_token(), scopes, now, expires_in, client_id, family)
        )

    def _family(self) -> int:
        self._families += 1
        return self._families

    def _keep(self, row: TokenRow) -> TokenRow:
        self._by_access[row.access_token] = row
        if row.refresh_token is not None:
            self._by_refresh[row.refresh_token] = row
        return row

    def _is_dead(self, row: TokenRow) -> bool:
        return row.revoked or (row.good_until is not None and self._clock.now() >= row.good_until)

    def _revoke_family(self, row: TokenRow) -> None:
        for one in list(self._by_access.values()):
            if one.family == row.family:
                self._revoke(one, "reuse")

    def _revoke(self, row: TokenRow, cause: Cause) -> None:
        if not row.revoked:
            row.revoked = True
            self.revocations.append(Revocation(row.access_token, cause))


def _met(grant: Grant, verifier: str | None) -> bool:
    if grant.challenge is None:
        return True
    if verifier is None:
        return False
    if grant.challenge_method == "plain":
        return hmac.compare_digest(grant.challenge.encode(), verifier.encode())
    digest = hashlib.sha256(verifier.encode()).digest()
    return hmac.compare_digest(grant.challenge, base64.urlsafe_b64encode(digest).decode().rstrip("="))
