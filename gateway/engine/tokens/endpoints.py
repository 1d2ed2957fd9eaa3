"""Requests to token endpoints, and what their answers say."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import suppress

from gateway.contract.auth import AccessToken, CredentialKind, Grant, KeyExchange, OAuth2, StaticToken
from gateway.contract.clock import Clock
from gateway.contract.errors import KINDS, Problem, UpstreamFault, malformed
from gateway.contract.secret import Secret
from gateway.contract.upstream import Reply, Request
from gateway.engine.malformed import errors_as_malformed
from gateway.engine.network.http import NotSent, Timeouts, Unanswered, Wire, encode, is_writable
from gateway.engine.network.redaction import abridged, without_secrets
from gateway.engine.observe import Observer, TokenOutcome
from gateway.engine.providers import Provider
from gateway.engine.tokens.oauth import read_token, refresh_request, revocation_request

ANSWER = 30.0
"""Seconds a token endpoint may take: longer than any other call, because an answer lost here costs the most."""
_TIMEOUTS = Timeouts(connect=5.0)


class Endpoints:
    """Asks for tokens, with stored credentials or some on trial."""

    def __init__(self, wire: Wire, clock: Clock, observer: Observer) -> None:
        self._wire = wire
        self._clock = clock
        self._observer = observer

    def grant(self, provider: Provider, fields: Mapping[str, Secret], company_id: str | None) -> Grant:
        """What a token request may be made from."""
        return Grant(fields=fields, operator=provider.operator, company_id=company_id, now=self._clock.now())

    async def make(self, provider: Provider, kind: CredentialKind, grant: Grant, within: float) -> AccessToken:
        """A token made from credentials on trial: an answer that is lost costs nothing. Raises ``Problem``."""
        if isinstance(kind.scheme, StaticToken):
            return AccessToken(grant.fields[kind.scheme.field])
        if isinstance(kind.scheme, KeyExchange):
            return await self._counted(provider, self.exchange(provider, kind.scheme, grant, min(within, ANSWER)))
        raise TypeError("an OAuth token comes from its owner's authorization, not from stored credentials")

    async def request_token(
        self,
        provider: Provider,
        request: Request,
        read: Callable[[Reply], AccessToken],
        sent: Collection[Secret],
    ) -> AccessToken:
        """Ask a token endpoint once, and read its reply. ``sent`` is what else is secret. Raises ``Problem``."""
        return await self._counted(provider, self._round_trip(provider, request, read, ANSWER, sent))

    async def _counted(self, provider: Provider, pending: Awaitable[AccessToken]) -> AccessToken:
        started = self._clock.monotonic()
        outcome: TokenOutcome = "unknown"
        try:
            token = await pending
            outcome = "ok"
        except Problem as problem:
            outcome = outcome_of(problem)
            raise
        finally:
            self._observer.token(provider.name, outcome, self._clock.monotonic() - started)
        return token

    async def exchange(self, provider: Provider, scheme: KeyExchange, grant: Grant, within: float) -> AccessToken:
        """Buy a token with credentials; whoever asks for it tells the observer. Raises ``Problem``."""
        sent = grant.fields.values()
        return await self._round_trip(
            provider, scheme.request(grant), lambda reply: scheme.read(reply, grant), within, sent
        )

    async def refresh(self, provider: Provider, scheme: OAuth2, before: AccessToken, within: float) -> AccessToken:
        """Trade a refresh token for a new pair; whoever asks for it tells the observer. Raises ``Problem``."""
        assert before.refresh_token is not None
        client_id, client_secret = provider.setting("client_id"), provider.setting("client_secret")
        request = refresh_request(scheme, client_id, client_secret, before.refresh_token)

        def read(reply: Reply) -> AccessToken:
            return read_token(reply, self._clock.now(), provider.name, before)

        return await self._round_trip(provider, request, read, within, (before.value, before.refresh_token))

    async def revoke(self, provider: Provider, scheme: OAuth2, token: AccessToken) -> None:
        """End a token at the provider, as far as that is possible; a failure stops nothing."""
        with suppress(Problem):
            client_id, client_secret = provider.setting("client_id"), provider.setting("client_secret")
            request = revocation_request(scheme, client_id, client_secret, token)
            if request is not None:
                await self._send(provider, request, ANSWER)

    async def _round_trip(
        self,
        provider: Provider,
        request: Request,
        read: Callable[[Reply], AccessToken],
        within: float,
        sent: Collection[Secret],
    ) -> AccessToken:
        reply = await self._send(provider, request, within)
        token = _read(provider, reply, read, (*_secrets_of(provider), *sent))
        if not is_writable(token.value.reveal()):
            raise malformed("The token endpoint answered with a token that no request can carry.")
        return token

    async def _send(self, provider: Provider, request: Request, within: float) -> Reply:
        headers, body = encode(request)
        origin = provider.origins[request.origin]
        try:
            return await self._wire.send(
                request.method, origin, request.target, headers, body, within=within, timeouts=_TIMEOUTS
            )
        except NotSent as error:
            raise Problem("upstream_unavailable", f"{provider.adapter.title} cannot be reached.") from error
        except Unanswered as error:
            if error.late:
                raise Problem("upstream_timeout", f"{provider.adapter.title} gave no token in time.") from error
            raise Problem("upstream_unavailable", f"{provider.adapter.title} broke off its answer.") from error


def _read(
    provider: Provider, reply: Reply, read: Callable[[Reply], AccessToken], sent: Collection[Secret]
) -> AccessToken:
    """The token. What a refusal means, under whatever status, is read from it as it is; told are its words without the
    secrets, where these still mean the same: a made-up secret may be a word of theirs, such as ``invalid``.
    """
    try:
        with errors_as_malformed():
            return read(reply if reply.status < 400 else abridged(reply))
    except Problem as problem:
        code, wait = problem.code, problem.retry_after
    try:
        with errors_as_malformed():
            read(abridged(without_secrets(reply, sent)))
    except Problem as redacted:
        if redacted.code == code:
            raise
    fault = UpstreamFault(provider.name, reply.status)
    raise Problem(code, f"{KINDS[code].title}.", upstream=fault, retry_after=wait)


def _secrets_of(provider: Provider) -> Iterator[Secret]:
    """What the operator configured and nobody else may know."""
    for setting in provider.adapter.operator_settings:
        if setting.secret and setting.name in provider.operator:
            yield provider.operator[setting.name]


def outcome_of(problem: Problem) -> TokenOutcome:
    """How a failed request for a token is counted."""
    if problem.code == "credentials_rejected":
        return "rejected"
    if problem.code == "provider_misconfigured":
        return "config_error"
    return "transient" if problem.kind.fix == "wait" else "unknown"
