"""Memory Books: perfect books in memory, and the adapter to copy. Its provider is its own emulator; see README.md."""

from collections.abc import Mapping

from adapters.memory import wire
from adapters.memory.mapping.replies import NAME, read_envelope, read_error
from adapters.memory.resources import RESOURCES, companies, prefix
from gateway.contract.adapter import Adapter, Origin, Pace, Raw, Setting
from gateway.contract.auth import AccessToken, CredentialField, CredentialKind, Grant, KeyExchange, StaticToken
from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.contract.upstream import Reply, Request

SCOPES: Mapping[str, str] = {
    "contacts": "contacts",
    "invoices": "invoices",
    "products": "products",
    "payments": "payments",
    "vat-codes": "settings",
    "ledger-accounts": "settings",
    "payment-methods": "settings",
    "company": "settings",
}
"""The subject of the scope that each resource needs: ``read:settings`` opens four of them."""
READS = frozenset({"list", "get", "pdf", "ubl"})


def scope_for(operation: str) -> str | None:
    """``contacts.list`` needs ``read:contacts``, ``invoices.credit`` needs ``write:invoices``."""
    resource, _, verb = operation.partition(".")
    subject = SCOPES.get(resource)
    return subject and f"{'read' if verb in READS else 'write'}:{subject}"


def login_request(grant: Grant) -> Request:
    """``POST /api/login``."""
    fields = {name: grant.fields[name].reveal() for name in ("user", "password")}
    return Request("POST", "/api/login", json=fields)


def read_login(reply: Reply, grant: Grant) -> AccessToken:
    """The token that a log-in gives, good for an hour."""
    del grant
    problem = read_error(reply)
    if problem is not None:
        if problem.code == "connection_needs_reauth":
            raise Problem("credentials_rejected", "Memory Books knows no such user, or the password is wrong.")
        raise problem
    body = wire.Login.of(read_envelope(reply))
    return AccessToken(Secret(body.token), expires_at=body.validUntil)


ADAPTER = Adapter(
    name=NAME,
    title="Memory Books",
    documentation="adapters/memory/README.md",
    origins={"api": Origin("api_url", "http://127.0.0.1:8510")},
    credentials=(
        CredentialKind(
            type="api_token",
            title="API token",
            scheme=StaticToken("api_token"),
            fields=(CredentialField("api_token", "API token", help="Settings, API, New token: it opens one company."),),
        ),
        CredentialKind(
            type="login",
            title="User and password",
            scheme=KeyExchange(login_request, read_login),
            fields=(CredentialField("user", "User", secret=False), CredentialField("password", "Password")),
        ),
    ),
    resources=RESOURCES,
    companies=companies,
    read_error=read_error,
    read_envelope=read_envelope,
    raw=Raw(prefix),
    example=True,
    settings=(
        Setting("default_ledger_account_id", "Ledger account for lines that name none"),
        Setting("rounding_ledger_account_id", "Ledger account for rounding lines"),
    ),
    scope_for=scope_for,
    pace=Pace(per_connection=4, per_provider=64),
    gotchas=(
        "It forgets everything when it stops: Memory Books is for trying Polder out, and for testing.",
        "A refusal comes with status 200; only the envelope tells it from a success. Raw callers beware.",
        "An update replaces the whole record there, so Polder reads it first: two calls.",
    ),
)
