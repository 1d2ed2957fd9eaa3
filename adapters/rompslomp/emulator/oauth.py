"""The OAuth endpoints: the consent page, tokens, and what Doorkeeper mounts beside them (dossier §1.2).

Their errors are flat OAuth bodies, not the API's. ``POST /oauth/authorize`` stands for the button that the user presses
on the page: the request's own parameters with ``approve=yes`` or ``approve=no``, in the form or in the query.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from email.parser import BytesParser
from email.policy import HTTP
from html import escape
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from adapters.rompslomp.emulator.answers import answer
from adapters.rompslomp.emulator.errors import challenge
from adapters.rompslomp.emulator.state import SCOPES
from adapters.rompslomp.emulator.switches import Switches
from adapters.rompslomp.emulator.tokens import Application, InvalidGrant, InvalidScope, TokenRow, TokenServer
from gateway.contract.exact import Json, MalformedJson, loads

# The Dutch sentences are those of Doorkeeper's own translation, as recorded in the vendor's documents.
INVALID_REQUEST = (
    "Het verzoek mist een vereiste parameter, bevat een niet-ondersteunde parameter waarde of is anderszins onjuist."
)
INVALID_CLIENT = (
    "Client verificatie is mislukt door onbekende klant, geen client authenticatie opgegeven, of een niet-ondersteunde "
    "authenticatie methode."
)
INVALID_GRANT = (
    "De verstrekte authorisatie is ongeldig, verlopen, ingetrokken, komt niet overeen met de redirect uri die is "
    "opgegeven, of werd uitgegeven aan een andere klant."
)
INVALID_SCOPE = "De opgevraagde scope is niet geldig, onbekend of onjuist."
UNSUPPORTED_GRANT = "Het type authorisatie is niet ondersteund door de authorisatie-server"
UNSUPPORTED_RESPONSE = "De autorisatie server ondersteund dit response type niet"
ACCESS_DENIED = "De resource eigenaar of autorisatie-server weigerde het verzoek."
UNAUTHORIZED = "Je bent niet bevoegd om dit token in te trekken"
INVALID_REDIRECT = "De opgegeven redirect uri is niet geldig."
TOKEN_REASONS = {
    "revoked": "Het toegangstoken is geweigerd",
    "expired": "Het toegangstoken is verlopen",
    "unknown": "Het toegangstoken is ongeldig",
}
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
Parameters = Mapping[str, str]


class OAuthError(Exception):
    """A flat OAuth error."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status

    def response(self) -> Response:
        body = {"error": self.error, "error_description": self.description}
        return answer(body, self.status, {**_NO_STORE, **challenge(self.error, self.description)})


class OAuthEndpoints:
    """The pages and endpoints under ``/oauth`` for one application."""

    def __init__(self, server: TokenServer, application: Application, switches: Switches) -> None:
        self._server = server
        self._application = application
        self._switches = switches

    def routes(self) -> list[Route]:
        """Every route; what a switch leaves out does not exist."""
        found = [
            Route("/oauth/authorize", _answering(self._authorize), methods=["GET"]),
            Route("/oauth/authorize", _answering(self._decide), methods=["POST"]),
            Route("/oauth/token", _answering(self._token), methods=["POST"]),
        ]
        if self._switches.revoke_endpoint:
            found.append(Route("/oauth/revoke", _answering(self._revoke), methods=["POST"]))
        if self._switches.introspection_endpoints:
            found.append(Route("/oauth/introspect", _answering(self._introspect), methods=["POST"]))
            found.append(Route("/oauth/token/info", _answering(self._token_info), methods=["GET"]))
        return found

    async def _authorize(self, request: Request) -> Response:
        parameters = dict(request.query_params)
        refusal = self._refusal(parameters)
        return refusal if refusal is not None else HTMLResponse(_consent_page(parameters))

    async def _decide(self, request: Request) -> Response:
        parameters = await _parameters(request)
        refusal = self._refusal(parameters)
        if refusal is not None:
            return refusal
        if parameters.get("approve") != "yes":
            return _redirect(parameters, {"error": "access_denied", "error_description": ACCESS_DENIED})
        code_challenge = parameters.get("code_challenge") if self._switches.pkce == "supported" else None
        method = parameters.get("code_challenge_method", "plain")
        scopes = _scopes(parameters.get("scope"))
        grant = self._server.grant(parameters["redirect_uri"], scopes, code_challenge, method)
        return _redirect(parameters, {"code": grant.code})

    def _refusal(self, parameters: Parameters) -> Response | None:
        """The page or redirect for a request that nobody is asked about; None for one in order.

        Where the client or its redirect URI is in doubt the user stays here: the error must not leave this site.
        """
        if parameters.get("client_id") != self._application.client_id:
            return HTMLResponse(_error_page(INVALID_CLIENT), 401)
        if parameters.get("redirect_uri") not in self._application.redirect_uris:
            return HTMLResponse(_error_page(INVALID_REDIRECT), 400)
        if not parameters.get("response_type"):
            return _redirect(parameters, {"error": "invalid_request", "error_description": INVALID_REQUEST})
        if parameters["response_type"] != "code":
            error = {"error": "unsupported_response_type", "error_description": UNSUPPORTED_RESPONSE}
            return _redirect(parameters, error)
        if not set(_scopes(parameters.get("scope"))) <= set(SCOPES):
            return _redirect(parameters, {"error": "invalid_scope", "error_description": INVALID_SCOPE})
        return None

    async def _token(self, request: Request) -> Response:
        given = await _parameters(request)
        kind = given.get("grant_type")
        if not kind:
            raise self._missing("grant_type")
        if kind == "authorization_code":
            return self._token_answer(self._by_code(request, given))
        if kind == "refresh_token":
            return self._token_answer(self._by_refresh(request, given))
        raise OAuthError("unsupported_grant_type", UNSUPPORTED_GRANT)

    def _by_code(self, request: Request, given: Parameters) -> TokenRow:
        if not given.get("code"):
            raise self._missing("code")
        verifier = given.get("code_verifier")
        if verifier is not None and self._switches.pkce == "refused":
            raise OAuthError("invalid_request", INVALID_REQUEST)
        grant = self._server.granted(given["code"])
        if grant is not None and grant.challenge is not None and not verifier:
            raise self._missing("code_verifier")
        if not given.get("redirect_uri"):
            raise self._missing("redirect_uri")
        application = self._client(request, given)
        return self._server.redeem(application, given["code"], given["redirect_uri"], verifier)

    def _by_refresh(self, request: Request, given: Parameters) -> TokenRow:
        """In Doorkeeper's order: token present, token known and alive, client, scope (dossier §1.2).

        That the token is another client's can not be: there is one application.
        """
        if not given.get("refresh_token"):
            raise self._missing("refresh_token")
        row = self._server.refreshable(given["refresh_token"])
        self._client(request, given)
        return self._server.refresh(row, _scopes(given["scope"]) if given.get("scope") else None)

    def _token_answer(self, row: TokenRow) -> Response:
        body = {
            "access_token": row.access_token,
            "token_type": "Bearer",
            "expires_in": self._server.seconds_left(row),
            "refresh_token": row.refresh_token,
            "scope": " ".join(row.scopes),
            "created_at": int(row.created_at.timestamp()),
        }
        return answer({name: value for name, value in body.items() if value is not None}, headers=_NO_STORE)

    async def _revoke(self, request: Request) -> Response:
        given = await _parameters(request)
        row = self._server.find_either(given.get("token", ""))
        if row is None:
            return answer({})
        if not self._knows_client(request, given) or row.client_id != self._application.client_id:
            return answer({"error": "unauthorized_client", "error_description": UNAUTHORIZED}, 403)
        self._server.revoke(row)
        return answer({})

    async def _introspect(self, request: Request) -> Response:
        given = await _parameters(request)
        self._client(request, given)
        row = self._server.find_either(given.get("token", ""))
        if row is None or self._server.condition(row) != "valid":
            return answer({"active": False})
        created = int(row.created_at.timestamp())
        body = {
            "active": True,
            "scope": " ".join(row.scopes),
            "client_id": row.client_id,
            "token_type": "Bearer",
            "exp": created + row.expires_in if row.expires_in is not None else None,
            "iat": created,
        }
        return answer(body)

    async def _token_info(self, request: Request) -> Response:
        row, reason = bearer(self._server, request.headers.get("authorization"))
        if row is None:
            raise OAuthError("invalid_token", TOKEN_REASONS[reason], 401)
        body = {
            "resource_owner_id": 1,
            "scope": list(row.scopes),
            "expires_in": self._server.seconds_left(row),
            "application": {"uid": row.client_id},
            "created_at": int(row.created_at.timestamp()),
        }
        return answer(body)

    def _client(self, request: Request, given: Parameters) -> Application:
        if not self._knows_client(request, given):
            raise OAuthError("invalid_client", INVALID_CLIENT, 401)
        return self._application

    def _knows_client(self, request: Request, given: Parameters) -> bool:
        identity, secret = _basic(request.headers.get("authorization")) or (
            given.get("client_id"),
            given.get("client_secret"),
        )
        return identity == self._application.client_id and secret == self._application.client_secret

    def _missing(self, parameter: str) -> OAuthError:
        if self._switches.missing_parameter == "named":
            return OAuthError("invalid_request", f"Ontbrekende vereiste parameter: {parameter}.")
        return OAuthError("invalid_request", INVALID_REQUEST)


def bearer(server: TokenServer, header: str | None) -> tuple[TokenRow | None, str]:
    """The row of the access token that a request presents, or None and why not: ``revoked``, ``expired``, ``unknown``.

    Presenting it has its effect (``TokenServer.presented``) whatever comes of it.
    """
    scheme, _, token = (header or "").partition(" ")
    row = server.presented(token.strip()) if scheme.lower() == "bearer" else None
    if row is None:
        return None, "unknown"
    condition = server.condition(row)
    return (row, "") if condition == "valid" else (None, condition)


def _answering(act: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return await act(request)
        except OAuthError as error:
            return error.response()
        except InvalidGrant:
            return OAuthError("invalid_grant", INVALID_GRANT).response()
        except InvalidScope:
            return OAuthError("invalid_scope", INVALID_SCOPE).response()

    return endpoint


def _scopes(text: str | None) -> tuple[str, ...]:
    return tuple((text or "").split()) or ("public",)


async def _parameters(request: Request) -> dict[str, str]:
    """The parameters of the query and the body together, as Rails merges them; the body wins."""
    body = await request.body()
    content_type = request.headers.get("content-type", "")
    found = dict(request.query_params)
    if content_type.startswith("application/json"):
        found.update(_json_texts(body))
    elif content_type.startswith("multipart/form-data"):
        found.update(_multipart_texts(content_type, body))
    else:
        found.update(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    return found


def _json_texts(body: bytes) -> dict[str, str]:
    try:
        given: Json = loads(body)
    except MalformedJson as error:
        raise OAuthError("invalid_request", INVALID_REQUEST) from error
    if not isinstance(given, dict):
        raise OAuthError("invalid_request", INVALID_REQUEST)
    return {name: value for name, value in given.items() if isinstance(value, str)}


def _multipart_texts(content_type: str, body: bytes) -> dict[str, str]:
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    found: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(data, bytes):
            found[name] = data.decode("utf-8", "replace")
    return found


def _basic(header: str | None) -> tuple[str, str] | None:
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        identity, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return identity, secret


def _redirect(parameters: Parameters, outcome: Mapping[str, str]) -> Response:
    state = {"state": parameters["state"]} if parameters.get("state") else {}
    joint = "&" if "?" in parameters["redirect_uri"] else "?"
    return RedirectResponse(f"{parameters['redirect_uri']}{joint}{urlencode({**outcome, **state})}", 302)


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="nl"><meta charset="utf-8">'
        f"<title>{escape(title)} - Rompslomp (nagebootst)</title><h1>{escape(title)}</h1>{body}</html>"
    )


def _error_page(message: str) -> str:
    return _page("Er is een fout opgetreden", f"<p>{escape(message)}</p>")


def _consent_page(parameters: Parameters) -> str:
    scopes = "".join(f"<li>{escape(scope)}</li>" for scope in _scopes(parameters.get("scope")))
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in parameters.items()
        if name != "approve"
    )
    forms = "".join(
        f'<form method="post" action="/oauth/authorize">{hidden}'
        f'<button type="submit" name="approve" value="{value}">{label}</button></form>'
        for value, label in (("yes", "Toestaan"), ("no", "Weigeren"))
    )
    return _page("Toegang verlenen", f"<p>De applicatie vraagt om:</p><ul>{scopes}</ul>{forms}")
