"""The page a one-time link opens: the owner of an account gives credentials, and the connection is there.

It speaks the language the browser asks for, Dutch or English, keeps nothing, and is never cached or framed. The secret
in its address is kept from other sites by ``Referrer-Policy``, and from the log because only templates are logged.
"""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.contract.auth import CredentialKind, OAuth2
from gateway.contract.errors import Problem
from gateway.engine.connections.authorization import Begun, Finished
from gateway.engine.connections.invitations import Invitation
from gateway.engine.storage import StoredConnection
from gateway.web.bodies import read_body
from gateway.web.remedies import REMEDIES
from gateway.web.routes import Page

_COOKIE = "polder_authorization"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
_FORM_LIMIT = 20_000
_FORM_TIMEOUT = 10.0
_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "lang": "en",
        "title": "Connect {system}",
        "lead": "“{name}” asks for access to your books in {system}.",
        "submit": "Connect",
        "company": "Administration",
        "done": "Connected",
        "thanks": "{company} is connected to “{name}”. You can close this page.",
        "gone": "This link does not work any more",
        "denied": "No access was given",
        "authorize": "Continue to {system}",
        "choose": "Which administration?",
        "failed": "That did not work: {reason}",
    },
    "nl": {
        "lang": "nl",
        "title": "{system} koppelen",
        "lead": "“{name}” vraagt toegang tot uw boekhouding in {system}.",
        "submit": "Koppelen",
        "company": "Administratie",
        "done": "Gekoppeld",
        "thanks": "{company} is gekoppeld aan “{name}”. U kunt deze pagina sluiten.",
        "gone": "Deze link werkt niet meer",
        "denied": "Er is geen toegang gegeven",
        "authorize": "Verder naar {system}",
        "choose": "Welke administratie?",
        "failed": "Dat is niet gelukt: {reason}",
        "trouble": "Dat is niet gelukt",
        "not_found": "Deze link is al gebruikt of te oud, of het verzoek begon in een andere browser. Vraag een nieuwe "
        "link aan wie hem heeft gestuurd.",
        "upstream_forbidden": "De eigenaar van de administratie heeft geen toegang gegeven.",
    },
}
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem;color:#1a1a1a}"
    "label{display:block;margin:1rem 0}input,select{display:block;width:100%;box-sizing:border-box;padding:.5rem;"
    "font:inherit}button{padding:.6rem 1.4rem;font:inherit}.failed{background:#fdecea;padding:.8rem}"
    "small{color:#555}"
)


class Invitations(Protocol):
    """What honours a link."""

    async def open(self, token: str) -> Invitation:
        """What it is for. Raises ``not_found``."""

    async def accept(self, token: str, credentials: Mapping[str, str], company_id: str | None) -> StoredConnection:
        """Give the connection its credentials. Raises ``Problem``."""


class Authorizer(Protocol):
    """What sends an owner to the provider and receives them back."""

    async def begin(self, invitation_token: str) -> Begun:
        """Where to. Raises ``not_found``."""

    async def finish(
        self, provider_name: str, state: str, browser: str, code: str | None, error: str | None
    ) -> Finished:
        """What came of it. Raises ``Problem``."""


def connect_pages(invitations: Invitations, authorizer: Authorizer, public_url: str) -> Mapping[str, Page]:
    """The pages by path template: the link's own, the way to the provider, and the way back."""
    return {
        "/connect/{token}": _link_page(invitations),
        "/connect/{token}/authorize": _departure(authorizer, public_url),
        "/oauth/{provider}/callback": _arrival(authorizer),
    }


def _departure(authorizer: Authorizer, public_url: str) -> Page:
    seen = urlsplit(public_url)  # a browser sends a cookie back by the path that it sees: with the prefix, if any
    path, secure = f"{seen.path}/oauth/", seen.scheme == "https"

    async def show(request: Request) -> Response:
        words = _words(request)
        try:
            begun = await authorizer.begin(request.path_params["token"])
        except Problem as problem:
            return _problem_page(words, problem)
        response = RedirectResponse(begun.url, 303, headers=_HEADERS)
        response.set_cookie(
            _COOKIE, begun.browser, max_age=600, path=path, secure=secure, httponly=True, samesite="lax"
        )
        return response

    return Page(show)


def _arrival(authorizer: Authorizer) -> Page:
    async def show(request: Request) -> Response:
        words = _words(request)
        query = request.query_params
        error = query.get("error")
        code = (query.get("code") or None) if error is None else None
        browser = request.cookies.get(_COOKIE, "")
        try:
            provider, state = request.path_params["provider"], query.get("state", "")
            finished = await authorizer.finish(provider, state, browser, code, error)
        except Problem as problem:
            return _problem_page(words, problem)
        if finished.choose is not None:
            return _html(words, words["choose"], _choice_form(finished.choose.url, finished.companies, words))
        return _thanks(words, finished.connection)

    return Page(show)


def _words(request: Request) -> Mapping[str, str]:
    dutch = request.headers.get("accept-language", "").strip().lower().startswith("nl")
    return _WORDS["nl" if dutch else "en"]


def _problem_page(words: Mapping[str, str], problem: Problem) -> Response:
    """A problem, for the person who sees it."""
    trouble = words.get("trouble", problem.kind.title)
    title = {"not_found": words["gone"], "upstream_forbidden": words["denied"]}.get(problem.code, trouble)
    return _html(words, title, f"<p>{escape(_reason(words, problem))}</p>", problem.kind.status)


def _reason(words: Mapping[str, str], problem: Problem) -> str:
    """Why, in the language of the page: a problem's own words are English."""
    if words["lang"] == "en":
        return problem.detail
    return words.get(problem.code, REMEDIES[problem.code].nl)


def _thanks(words: Mapping[str, str], connection: StoredConnection) -> Response:
    thanks = words["thanks"].format(name=connection.name, company=connection.company_name or "")
    return _html(words, words["done"], f"<p>{escape(thanks)}</p>")


def _link_page(invitations: Invitations) -> Page:
    async def show(request: Request) -> Response:
        words = _words(request)
        token = request.path_params["token"]
        try:
            invitation = await invitations.open(token)
            if request.method == "POST":
                return await _submit(request, invitations, invitation, words)
        except Problem as problem:
            return _problem_page(words, problem)
        return _form(token, invitation, words)

    return Page(show, frozenset({"GET", "POST"}))


async def _submit(
    request: Request, invitations: Invitations, invitation: Invitation, words: Mapping[str, str]
) -> Response:
    form = await _read_form(request)
    company_id = form.pop("company_id", None) or None
    credentials = {name: value for name, value in form.items() if value}
    try:
        connection = await invitations.accept(request.path_params["token"], credentials, company_id)
    except Problem as problem:
        if problem.code == "not_found" or problem.kind.status >= 500:
            raise
        return _form(request.path_params["token"], invitation, words, problem)
    return _thanks(words, connection)


async def _read_form(request: Request) -> dict[str, str]:
    body = await read_body(request.receive, request.headers, limit=_FORM_LIMIT, timeout=_FORM_TIMEOUT)
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=False, max_num_fields=50))
    except ValueError as error:
        raise Problem("validation_failed", "That is no form of this page.") from error


def _form(token: str, invitation: Invitation, words: Mapping[str, str], problem: Problem | None = None) -> Response:
    system = invitation.provider.adapter.title
    kinds = invitation.provider.adapter.credentials
    failed = ""
    if problem is not None:
        failed = f'<p class="failed" role="alert">{escape(words["failed"].format(reason=_reason(words, problem)))}</p>'
    companies = problem.extra.get("companies") if problem is not None else None
    forms = "\n".join(
        _authorize_link(token, system, words) if isinstance(kind.scheme, OAuth2) else _kind_form(kind, words, companies)
        for kind in kinds
    )
    lead = escape(words["lead"].format(name=invitation.connection.name, system=system))
    status = 200 if problem is None else 422
    return _html(words, words["title"].format(system=system), f"<p>{lead}</p>{failed}{forms}", status)


def _kind_form(kind: CredentialKind, words: Mapping[str, str], companies: Any) -> str:
    fields = "".join(
        f"<label>{escape(one.title)}"
        f'<input name="{one.name}" type="{"password" if one.secret else "text"}" autocomplete="off"'
        f"{' required' if one.required else ''}>"
        f"{f'<small>{escape(one.help)}</small>' if one.help else ''}</label>"
        for one in kind.fields
    )
    choice = _choice(companies, words) if companies else ""
    return (
        f'<form method="post"><h2>{escape(kind.title)}</h2><input type="hidden" name="type" value="{kind.type}">'
        f"{fields}{choice}<button>{escape(words['submit'])}</button></form>"
    )


def _authorize_link(token: str, system: str, words: Mapping[str, str]) -> str:
    return f'<p><a href="{token}/authorize">{escape(words["authorize"].format(system=system))}</a></p>'


def _choice(companies: Iterable[Mapping[str, Any]], words: Mapping[str, str]) -> str:
    options = "".join(
        f'<option value="{escape(one["id"])}">{escape(one["name"])}</option>' for one in companies if one["accessible"]
    )
    return f'<label>{escape(words["company"])}<select name="company_id">{options}</select></label>'


def _choice_form(url: str, companies: Iterable[Mapping[str, Any]], words: Mapping[str, str]) -> str:
    button = f"<button>{escape(words['submit'])}</button>"
    return f'<form method="post" action="{escape(url)}">{_choice(companies, words)}{button}</form>'


def _html(words: Mapping[str, str], title: str, body: str, status: int = 200) -> Response:
    page = (
        f'<!doctype html><html lang="{words["lang"]}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>"
    )
    return HTMLResponse(page, status, headers=_HEADERS)
