"""OAuth 2.0 requests and replies (RFC 6749, RFC 7009, RFC 7636), built with Authlib; no I/O, and no provider's name."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from gateway.contract.auth import AccessToken, OAuth2
from gateway.contract.errors import Problem, UpstreamFault, malformed
from gateway.contract.exact import MalformedJson, loads
from gateway.contract.secret import Secret
from gateway.contract.upstream import Reply, Request

_FORM = {"content-type": "application/x-www-form-urlencoded"}
_OURS = frozenset(
    {
        "invalid_client",
        "unauthorized_client",
        "invalid_request",
        "unsupported_grant_type",
        "unsupported_response_type",
        "invalid_scope",
    }
)
"""Errors that say something of our configuration and nothing of the connection (RFC 6749 §4.1.2.1, §5.2)."""


def authorization_uri(
    scheme: OAuth2, origin: str, client_id: str, redirect_uri: str, scopes: Sequence[str], state: str, verifier: str
) -> str:
    """Where the account's owner authorizes us. ``verifier`` is used only where the scheme has PKCE."""
    pkce = {}
    if scheme.pkce:
        challenge: str = create_s256_code_challenge(verifier)  # type: ignore[no-untyped-call]  # Authlib has no types here
        pkce = {"code_challenge": challenge, "code_challenge_method": "S256"}
    uri: str = prepare_grant_uri(
        f"{origin}{scheme.authorize_path}",
        client_id,
        "code",
        redirect_uri=redirect_uri,
        scope=" ".join(scopes) or None,
        state=state,
        **pkce,
    )
    return uri


def sent_back(error: str | None, title: str) -> Problem:
    """Why an owner came back without a code (RFC 6749 §4.1.2.1): only one of the reasons is his own."""
    if error == "access_denied":
        return Problem("upstream_forbidden", "The owner of the account did not give access.")
    if error in _OURS:
        return Problem("provider_misconfigured", f"{title} refuses what Polder asks its owners for: {error}.")
    return Problem("upstream_unavailable", f"{title} did not finish the authorization. Start it again.")


def code_request(
    scheme: OAuth2, client_id: Secret, client_secret: Secret, code: str, redirect_uri: str, verifier: str
) -> Request:
    """The request that turns an authorization code into a token, once."""
    pkce = {"code_verifier": verifier} if scheme.pkce else {}
    return _token_request(
        scheme, "authorization_code", client_id, client_secret, code=code, redirect_uri=redirect_uri, **pkce
    )


def refresh_request(scheme: OAuth2, client_id: Secret, client_secret: Secret, refresh_token: Secret) -> Request:
    """The request that turns a refresh token into a new pair."""
    return _token_request(scheme, "refresh_token", client_id, client_secret, refresh_token=refresh_token.reveal())


def revocation_request(scheme: OAuth2, client_id: Secret, client_secret: Secret, token: AccessToken) -> Request | None:
    """The request that ends a token (RFC 7009); None where the provider has no such thing."""
    if scheme.revoke_path is None:
        return None
    form = {
        "token": (token.refresh_token or token.value).reveal(),
        "client_id": client_id.reveal(),
        "client_secret": client_secret.reveal(),
    }
    return Request("POST", scheme.revoke_path, form=form, origin=scheme.origin)


def _token_request(scheme: OAuth2, grant: str, client_id: Secret, client_secret: Secret, **fields: str) -> Request:
    body: str = prepare_token_request(
        grant, client_id=client_id.reveal(), client_secret=client_secret.reveal(), **fields
    )
    return Request("POST", scheme.token_path, body=body.encode(), headers=_FORM, origin=scheme.origin)


def read_token(reply: Reply, now: datetime, provider: str, before: AccessToken | None = None) -> AccessToken:
    """The token of a reply. A reply without a new refresh token leaves the old one in force (RFC 6749 §6).

    Raises ``credentials_rejected`` for ``invalid_grant``, ``provider_misconfigured`` for what only the operator can
    mend, ``upstream_unavailable`` for anything that says nothing of the token.
    """
    members = _object(reply)
    if reply.status != 200:
        raise _refusal(reply, members, provider)
    value = members.get("access_token")
    if not isinstance(value, str) or not value:
        raise malformed("The token endpoint answered without an access token.")
    refresh = members.get("refresh_token")
    scope = members.get("scope")
    kept = before.refresh_token if before is not None else None
    return AccessToken(
        Secret(value),
        expires_at=_expiry(members.get("expires_in"), now),
        refresh_token=Secret(refresh) if isinstance(refresh, str) and refresh else kept,
        scopes=frozenset(scope.split()) if isinstance(scope, str) else (before.scopes if before else frozenset()),
    )


def _object(reply: Reply) -> dict[str, object]:
    try:
        value = loads(reply.body)
    except MalformedJson:
        value = None
    if isinstance(value, dict):
        return value
    if reply.status == 200:
        raise malformed("The token endpoint's answer is not a JSON object.")
    return {}


def _refusal(reply: Reply, members: dict[str, object], provider: str) -> Problem:
    error, description = members.get("error"), members.get("error_description")
    fault = UpstreamFault(
        provider,
        reply.status,
        error if isinstance(error, str) else None,
        description if isinstance(description, str) else None,
    )
    if error == "invalid_grant":
        return Problem("credentials_rejected", "The authorization is no longer valid.", upstream=fault)
    if error in _OURS:
        return Problem("provider_misconfigured", "The system refuses Polder's own credentials.", upstream=fault)
    return Problem("upstream_unavailable", "The token endpoint gave no token.", upstream=fault)


def _expiry(seconds: object, now: datetime) -> datetime | None:
    if isinstance(seconds, int) and not isinstance(seconds, bool) and 0 <= seconds <= 10 * 365 * 86_400:
        return now + timedelta(seconds=seconds)
    return None
