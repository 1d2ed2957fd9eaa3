"""The page a one-time link opens: the owner of an account gives credentials, and the connection is there.

It speaks the language the browser asks for, Dutch or English, keeps nothing, and is never cached or framed. The secret
in its address is kept from other sites by ``Referrer-Policy``, and from the log because only templates are logged.
"""

from collections.abc import Mapping
from html import escape
from typing import Any, Protocol
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gateway.contract.auth import CredentialKind, OAuth2
from gateway.contract.errors import Problem
from gateway.engine.invitations import Invitation
from gateway.engine.storage import StoredConnection
from gateway.web.routes import Page

PATH = "/connect/{token}"
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
_FORM_LIMIT = 20_000
_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "lang": "en",
        "title": "Connect {system}",
        "lead": "“{name}” asks for access to your books in {system}.",
        "submit": "Connect",
        "company": "Administration",
        "done": "Connected",
        "thanks": "{system} ({company}) is connected. You can close this page.",
        "gone": "This link does not work any more",
        "failed": "That did not work: {reason}",
    },
    "nl": {
        "lang": "nl",
        "title": "{system} koppelen",
        "lead": "“{name}” vraagt toegang tot uw boekhouding in {system}.",
        "submit": "Koppelen",
        "company": "Administratie",
        "done": "Gekoppeld",
        "thanks": "{system} ({company}) is gekoppeld. U kunt deze pagina sluiten.",
        "gone": "Deze link werkt niet meer",
        "failed": "Dat is niet gelukt: {reason}",
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


def connect_page(invitations: Invitations) -> Page:
    """The page, for GET and POST."""

    async def show(request: Request) -> Response:
        words = _WORDS["nl" if _asks_for_dutch(request.headers.get("accept-language", "")) else "en"]
        token = request.path_params["token"]
        try:
            invitation = await invitations.open(token)
            if request.method == "POST":
                return await _submit(request, invitations, invitation, words)
        except Problem as problem:
            if problem.code != "not_found":
                raise
            return _html(words, words["gone"], f"<p>{escape(problem.detail)}</p>", 404)
        return _form(invitation, words)

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
        return _form(invitation, words, problem)
    system = invitation.provider.adapter.title
    thanks = words["thanks"].format(system=system, company=connection.company_name or "")
    return _html(words, words["done"], f"<p>{escape(thanks)}</p>")


async def _read_form(request: Request) -> dict[str, str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_LIMIT:
            raise Problem("too_large", "The form is too large.")
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=False, max_num_fields=50))
    except ValueError as error:
        raise Problem("validation_failed", "That is no form of this page.") from error


def _form(invitation: Invitation, words: Mapping[str, str], problem: Problem | None = None) -> Response:
    system = invitation.provider.adapter.title
    kinds = [kind for kind in invitation.provider.adapter.credentials if not isinstance(kind.scheme, OAuth2)]
    failed = ""
    if problem is not None:
        failed = f'<p class="failed" role="alert">{escape(words["failed"].format(reason=problem.detail))}</p>'
    companies = problem.extra.get("companies") if problem is not None else None
    forms = "\n".join(_kind_form(kind, words, companies) for kind in kinds)
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
    choice = ""
    if companies:
        options = "".join(
            f'<option value="{escape(one["id"])}">{escape(one["name"])}</option>' for one in companies if one["accessible"]
        )
        choice = f'<label>{escape(words["company"])}<select name="company_id">{options}</select></label>'
    return (
        f'<form method="post"><h2>{escape(kind.title)}</h2><input type="hidden" name="type" value="{kind.type}">'
        f"{fields}{choice}<button>{escape(words['submit'])}</button></form>"
    )


def _html(words: Mapping[str, str], title: str, body: str, status: int = 200) -> Response:
    page = (
        f'<!doctype html><html lang="{words["lang"]}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>"
    )
    return HTMLResponse(page, status, headers=_HEADERS)


def _asks_for_dutch(accepted: str) -> bool:
    return accepted.strip().lower().startswith("nl")
