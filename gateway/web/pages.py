"""The pages beside the API: its document and documentation, what each problem means, probes.

Everything shown comes from this process; a strict content security policy lets the browser ask nobody else.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from html import escape
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gateway.contract.errors import Kind, not_found
from gateway.web.document import document_bytes
from gateway.web.health import Health
from gateway.web.problems import ALL_KINDS
from gateway.web.remedies import REMEDIES
from gateway.web.routes import Page

QUIET = frozenset({"/livez", "/healthz", "/readyz", "/metrics"})
"""Routes that are asked every few seconds, and whose success is not news."""

_ASSETS = files("gateway.web") / "vendor" / "swagger-ui"
_ASSET_TYPES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}

_CACHING, _POLICY = "Cache-Control", "Content-Security-Policy"
# Swagger UI sets styles on elements and carries its images in its own style sheet.
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PLAIN_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_DOCS = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Polder API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""
_FIX = {
    "caller": "The caller: the request itself has to change.",
    "owner": "The owner of the connected account: a permission, or a new authorization, is theirs to give.",
    "wait": "Nobody: wait, then send the same request again.",
    "operator": "The operator of this Polder: look at the log line with the answer's request_id.",
}

Show = Callable[[Request], Awaitable[Response]]


def probes(health: Health) -> Mapping[str, Page]:
    """What asks whether a process lives, and is ready; by path template, as all pages are."""
    return {"/livez": Page(health.alive), "/healthz": Page(health.alive), "/readyz": Page(health.ready)}


def all_pages(health: Health, public_url: str) -> Mapping[str, Page]:
    """Every page by its path template."""
    shown: dict[str, Show] = {
        "/openapi.json": _shown(lambda: document_bytes(public_url), "application/json"),
        "/docs": _shown(lambda: _DOCS, "text/html", {_POLICY: _DOCS_POLICY}),
        "/docs/start.js": _shown(lambda: _START, "text/javascript"),
        "/docs/problems": _shown(_problems_page, "text/html", {_POLICY: _PLAIN_POLICY}),
        "/docs/problems/{code}": _problem,
    }
    for name, media_type in _ASSET_TYPES.items():
        shown[f"/docs/{name}"] = _shown((_ASSETS / name).read_bytes, media_type, {_CACHING: "public, max-age=3600"})
    return {**probes(health), **{template: Page(show) for template, show in shown.items()}}


def _shown(body: Callable[[], str | bytes], media_type: str, headers: Mapping[str, str] | None = None) -> Show:
    """What is made when it is first asked for, and stays as it is."""
    made = cache(body)

    async def show(request: Request) -> Response:
        del request
        return Response(made(), media_type=media_type, headers={_CACHING: "no-cache", **(headers or {})})

    return show


async def _problem(request: Request) -> Response:
    code = request.path_params["code"]
    kind = ALL_KINDS.get(code)
    if kind is None:
        not_found("There is no problem of that code.")
    return HTMLResponse(_problem_page(code, kind), headers={_POLICY: _PLAIN_POLICY})


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(title)}</title></head>\n'
        f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


_CODE_MARKS = re.compile(r"`([^`]+)`")


def _problem_page(code: str, kind: Kind) -> str:
    retry = "Yes, after the time that <code>Retry-After</code> says." if kind.retryable else "No, not by itself."
    facts = {
        "Code": f"<code>{code}</code>",
        "HTTP status": str(kind.status),
        "Who can put it right": escape(_FIX[kind.fix]),
        "How": _CODE_MARKS.sub(r"<code>\1</code>", escape(REMEDIES[code].how)),
        "Can sending it again help": retry,
        "For the account's owner": f'{escape(REMEDIES[code].en)}<br><span lang="nl">{escape(REMEDIES[code].nl)}</span>',
    }
    rows = "\n".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    return _page(kind.title, f'<dl>\n{rows}\n</dl>\n<p><a href="../problems">All problems</a></p>')


def _problems_page() -> str:
    items = "\n".join(
        f'<li>{kind.status} <a href="problems/{code}"><code>{code}</code></a>: {escape(kind.title)}</li>'
        for code, kind in ALL_KINDS.items()
    )
    return _page("Problems", f"<ul>\n{items}\n</ul>")
