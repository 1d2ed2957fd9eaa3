"""The OAuth authorization of a connection by its owner: sent to the provider, and received back.

``state`` is random, good once, for ten minutes, and only in the browser it began in: the browser holds a random cookie,
and what is stored is a digest of both (RFC 9700 §4.7).
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gateway.contract.auth import OAuth2
from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.contract.models import Link
from gateway.contract.secret import Secret
from gateway.engine.access.audit import Auditor
from gateway.engine.connections.connections import Connections
from gateway.engine.connections.invitations import Invitations
from gateway.engine.providers import Provider, Providers
from gateway.engine.shielded import ShieldedTasks
from gateway.engine.storage import Authorization, Storage, StoredConnection
from gateway.engine.tokens import Tokens
from gateway.engine.tokens.oauth import authorization_uri, code_request, read_token, sent_back

VALID_FOR = timedelta(minutes=10)
_GONE = "This authorization is over: it took too long, was used already, or began in another browser. Start it again."


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the browser, and the cookie value to give it."""

    url: str
    browser: str


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of it: a connection, and where its company is still open the companies and the link to choose by."""

    connection: StoredConnection
    choose: Link | None = None
    companies: Sequence[Mapping[str, Any]] = ()


class Authorizer:
    """Begins and finishes authorizations. ``token`` gives unguessable text."""

    def __init__(
        self,
        connections: Connections,
        invitations: Invitations,
        providers: Providers,
        tokens: Tokens,
        storage: Storage,
        clock: Clock,
        public_url: str,
        token: Callable[[], str],
        shielded: ShieldedTasks,
    ) -> None:
        self._connections = connections
        self._invitations = invitations
        self._providers = providers
        self._tokens = tokens
        self._storage = storage
        self._clock = clock
        self._public_url = public_url
        self._token = token
        self._shielded = shielded
        self._auditor = Auditor(storage.audit, clock)

    async def begin(self, invitation_token: str) -> Begun:
        """Send the owner of an invited connection to the provider. Raises ``not_found`` for a link that is over."""
        invitation = await self._invitations.open(invitation_token)
        provider, scheme = invitation.provider, oauth_of(invitation.provider)
        state, browser, verifier = self._token(), self._token(), self._token()
        expires_at = self._clock.now() + VALID_FOR
        authorization = Authorization(invitation.connection.id, digest(browser), Secret(verifier), expires_at)
        await self._storage.authorizations.put(digest(state), authorization)
        wanted = invitation.connection.settings.get("scopes")
        scopes = [wanted] if isinstance(wanted, str) else wanted or scheme.scopes
        url = authorization_uri(
            scheme,
            provider.origins[scheme.origin],
            provider.setting("client_id").reveal(),
            self._redirect_uri(provider),
            scopes,
            state,
            verifier,
        )
        return Begun(url, browser)

    async def finish(
        self, provider_name: str, state: str, browser: str, code: str | None, error: str | None
    ) -> Finished:
        """Receive the owner back, with a code, or (None) without one, for a reason if the provider gives any.

        A code is good once, and what it is exchanged for may be the only pair that lives: once begun, the exchange is
        carried through, and the pair kept.

        Raises ``not_found`` for a state that is not under way in this browser, ``upstream_forbidden`` where the owner
        said no, and what exchanging the code raises.
        """
        return await self._shielded.to_the_end(lambda: self._received(provider_name, state, browser, code, error))

    async def _received(
        self, provider_name: str, state: str, browser: str, code: str | None, error: str | None
    ) -> Finished:
        provider = self._providers.find(provider_name)
        authorization = await self._storage.authorizations.take(digest(state))
        if provider is None or authorization is None or authorization.expires_at <= self._clock.now():
            raise Problem("not_found", _GONE)
        if not hmac.compare_digest(authorization.browser, digest(browser)):
            raise Problem("not_found", _GONE)
        connection = await self._storage.connections.find(authorization.connection_id)
        if connection is None or connection.provider != provider_name:
            raise Problem("not_found", _GONE)
        async with self._auditor.recording("connections.authorize", connection.tenant, connection.id):
            if code is None:
                raise sent_back(error, provider.adapter.title)
            return await self._exchanged(connection, provider, code, authorization)

    async def _exchanged(
        self, connection: StoredConnection, provider: Provider, code: str, authorization: Authorization
    ) -> Finished:
        request = code_request(
            oauth_of(provider),
            provider.setting("client_id"),
            provider.setting("client_secret"),
            code,
            self._redirect_uri(provider),
            authorization.verifier.reveal(),
        )
        token = await self._tokens.endpoints.request_token(
            provider,
            request,
            lambda reply: read_token(reply, self._clock.now(), provider.name),
            sent=(Secret(code), authorization.verifier),
        )
        try:
            return Finished(await self._connections.authorize(connection, token))
        except Problem as problem:
            if problem.code != "company_required":
                raise
            companies = problem.extra["companies"]
        waiting = await self._storage.connections.find(connection.id)
        if waiting is None:
            raise Problem("not_found", _GONE)
        return Finished(waiting, self._invitations.write(waiting), companies)

    def _redirect_uri(self, provider: Provider) -> str:
        return f"{self._public_url}/oauth/{provider.name}/callback"


def oauth_of(provider: Provider) -> OAuth2:
    """The provider's OAuth. Raises ``not_found`` where it has none."""
    for kind in provider.adapter.credentials:
        if isinstance(kind.scheme, OAuth2):
            return kind.scheme
    raise Problem("not_found", f"{provider.adapter.title} has no authorization page.")


def digest(text: str) -> bytes:
    """What is stored of a secret that only has to be recognised."""
    return hashlib.sha256(text.encode()).digest()
