"""The Starlette application: the API under ``/api/v1``, OAuth under ``/oauth``, and what every call goes through.

In order: route (404 before anything else, as Rails), token (401), rate (429), the token's scopes (403), company (404),
its plan and the user's role (403), then the endpoint itself. A wrong method is a wrong route.
"""

from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from adapters.rompslomp.emulator import attachments, companies, directories
from adapters.rompslomp.emulator.access import authenticated, authorize_company, authorize_token
from adapters.rompslomp.emulator.answers import answer
from adapters.rompslomp.emulator.call import Call, Endpoint
from adapters.rompslomp.emulator.contacts import CONTACTS
from adapters.rompslomp.emulator.errors import ApiError, no_such_endpoint, no_such_record
from adapters.rompslomp.emulator.expenses import EXPENSES
from adapters.rompslomp.emulator.identifiers import id_in
from adapters.rompslomp.emulator.journal_entries import JOURNAL_ENTRIES
from adapters.rompslomp.emulator.noun import Noun
from adapters.rompslomp.emulator.oauth import OAuthEndpoints
from adapters.rompslomp.emulator.payments import PAYMENTS
from adapters.rompslomp.emulator.products import PRODUCTS
from adapters.rompslomp.emulator.quotations import QUOTATIONS
from adapters.rompslomp.emulator.sales_invoices import PDF, SALES_INVOICES
from adapters.rompslomp.emulator.state import Company, State
from adapters.rompslomp.emulator.tokens import TokenRow, TokenServer
from gateway.contract.emulator import ASGIApp, Message, Receive, Send

_BASE = "/api/v1"
_COMPANY = "/companies/{company_id}"
_MINUTE = 60.0
_NOUNS: tuple[Noun[Any], ...] = (
    CONTACTS,
    SALES_INVOICES,
    PRODUCTS,
    PAYMENTS,
    QUOTATIONS,
    EXPENSES,
    JOURNAL_ENTRIES,
)
_NOT_HERE: Mapping[str, str] = {"hours": "manage:hours", "rides": "manage:rides"}
"""What is documented and not emulated, and its scope. It answers 501, which the vendor never does: 404 would say that
Rompslomp has no such endpoint."""


class _PathAsRails:
    """Takes ``.json`` and a final slash from a path before it is matched: Rails accepts both (dossier §3)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        plain = path.removesuffix("/").removesuffix(".json")
        await self._app({**scope, "path": plain or "/"}, receive, send)


class _Pace:
    """Counts the requests of each token in the minute that has passed."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._seen: defaultdict[str, deque[float]] = defaultdict(deque)

    def admit(self, token: TokenRow) -> None:
        """Let a request through, or raise the 429 that says how many seconds to wait."""
        most = self._state.switches.requests_per_minute
        if most is None:
            return
        now = self._state.clock.monotonic()
        seen = self._seen[token.access_token]
        while seen and seen[0] <= now - _MINUTE:
            seen.popleft()
        if len(seen) >= most:
            wait = max(1, -int(-(seen[0] + _MINUTE - now) // 1))
            message = "Het maximum aantal verzoeken is bereikt, probeer het later opnieuw."
            raise ApiError(429, "client.rate_limit", message, {"Retry-After": str(wait)})
        seen.append(now)


def application(state: State, server: TokenServer, oauth: OAuthEndpoints) -> Starlette:
    """The whole provider as one application."""
    pace = _Pace(state)
    of_company = (
        *(endpoint for noun in _NOUNS for endpoint in noun.endpoints()),
        PDF,
        *attachments.ENDPOINTS,
        *directories.endpoints(state.switches),
        *_absent(),
    )
    served = [(_BASE, endpoint) for endpoint in companies.ENDPOINTS]
    served += [(_BASE + _COMPANY, endpoint) for endpoint in of_company]
    routes = [
        Route(base + endpoint.path, _serving(endpoint, state, server, pace), methods=[endpoint.method])
        for base, endpoint in served
    ]
    app = Starlette(
        routes=[*oauth.routes(), *routes],
        middleware=[Middleware(_PathAsRails)],
        exception_handlers={404: _no_route, 405: _no_route, ApiError: _refused},
    )
    app.router.redirect_slashes = False
    return app


def _absent() -> Iterator[Endpoint]:
    for noun, scope in _NOT_HERE.items():
        for method in ("GET", "POST"):
            yield Endpoint(method, f"/{noun}", _refuse_absent, (scope,))
        for method in ("GET", "PATCH", "DELETE"):
            yield Endpoint(method, f"/{noun}/{{id}}", _refuse_absent, (scope,))


def _refuse_absent(call: Call) -> Response:
    del call
    raise ApiError(501, "server", "This endpoint is not part of the emulator")


def _serving(
    endpoint: Endpoint, state: State, server: TokenServer, pace: _Pace
) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        token = authenticated(server, request.headers.get("authorization"))
        pace.admit(token)
        authorize_token(token, endpoint.any_scope, state.switches)
        company = _company_of(state, request.path_params)
        if company is not None:
            authorize_company(company, endpoint.any_scope, state.switches)
        call = Call(
            state=state,
            token=token,
            asked_company=company,
            path=request.path_params,
            query_string=request.url.query,
            content_type=request.headers.get("content-type", ""),
            body=await request.body(),
        )
        return endpoint.act(call)

    return serve


def _company_of(state: State, path: MutableMapping[str, Any]) -> Company | None:
    """The company of a path; None for the paths that have none. One that is not the user's does not exist."""
    if "company_id" not in path:
        return None
    company = state.companies.find(id_in(path["company_id"], state.switches.id_in_path))
    if company is None:
        raise no_such_record("Onderneming")
    return company


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    body = {"error": {"message": error.message, "type": error.kind}}
    return answer(body, error.status, error.headers)


async def _no_route(request: Request, _: Exception) -> Response:
    if request.url.path.startswith("/api/"):
        return await _refused(request, no_such_endpoint())
    return HTMLResponse("<!doctype html><title>404</title><h1>De pagina bestaat niet.</h1>", 404)
