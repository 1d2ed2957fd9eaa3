"""SnelStart in memory: the token server and the B2B API v2, on one origin."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.snelstart.emulator import company, operations, orders, relations, sample_books
from adapters.snelstart.emulator.access import Access
from adapters.snelstart.emulator.administration import Administration, Lock
from adapters.snelstart.emulator.calls import Answer, Call
from adapters.snelstart.emulator.errors import Refused, gateway
from adapters.snelstart.emulator.fields import Record
from adapters.snelstart.emulator.switches import Limits, Switches
from gateway.contract import exact
from gateway.contract.clock import Clock
from gateway.contract.emulator import ASGIApp, Emulator, ReceivedRequest

_DEFAULT, _UNLIMITED = Switches(), Limits()
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
_JSON = "application/json; charset=utf-8"
_LOCKS: Mapping[str, str] = {"blocked": "BOE-0042", "vat_return": "BOE-0046", "accountant": "BOE-0051"}


class SnelStart(Emulator):
    """The vendor's API as its documents and integrators describe it; every open question is one of ``switches``.

    Two administrations exist, each with its own connection key: that of ``credentials``, which ``populate`` fills and
    ``books`` tells of, and that of ``other_credentials``, which stays as a new one is. ``limits`` are on the calls.
    """

    def __init__(
        self, clock: Clock, seed: int = 0, switches: Switches = _DEFAULT, *, limits: Limits = _UNLIMITED
    ) -> None:
        super().__init__(clock, seed)
        self.switches = switches
        self.access = Access(clock, switches, limits, self.random.randbytes)
        self.administration = self._new_administration("Testbureau bv")
        self.other_administration = self._new_administration("Tweede kantoor bv")
        self.connection_key = self.access.connect(self.administration)
        self.other_connection_key = self.access.connect(self.other_administration)
        self._app = Starlette(
            routes=[
                Route("/b2b/token", self._token, methods=["POST"]),
                Route("/{path:path}", self._api, methods=_METHODS),
            ]
        )

    @property
    def app(self) -> ASGIApp:
        return self._app

    def credentials(self) -> Mapping[str, Any]:
        return {"type": "connection_key", "connection_key": self.connection_key}

    def other_credentials(self) -> Mapping[str, Any]:
        """The connection key of the second administration."""
        return {"type": "connection_key", "connection_key": self.other_connection_key}

    def operator_settings(self) -> Mapping[str, str]:
        return {"subscription_key": self.access.subscription_keys[0]}

    def secondary_subscription_key(self) -> str:
        """The other key of the same subscription, which works as well."""
        return self.access.subscription_keys[1]

    def expire_tokens(self) -> None:
        self.access.expire_tokens()

    def is_token_request(self, request: ReceivedRequest) -> bool:
        return request.path.partition("?")[0] == "/b2b/token"

    def revoke(self) -> None:
        """Delete the coupling of the first administration: no webhook tells, tokens and key just fail."""
        self.access.disconnect(self.connection_key)

    def lock(self, until: date, by: Literal["blocked", "vat_return", "accountant"] = "blocked") -> None:
        """Lock the first administration's books up to and including a day.

        A filed VAT return holds on to what is booked; a blocked or checked period also lets nothing new in.
        """
        self.administration.locks.append(Lock(until, _LOCKS[by]))

    def populate(self) -> None:
        sample_books.fill(self.administration, self.random.randrange)

    def add_invoices(self, count: int) -> None:
        """Book that many sales invoices, for customers that are made where there are none."""
        sample_books.add_invoices(self.administration, count, self.random.randrange)

    def books(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """The live records of the first administration.

        ``contacts`` are active relations, neither the own nor the system's. ``invoices`` are sales entries, each with
        the invoice it shows up as under ``verkoopfactuur``. ``payments`` are bank and cash entries that settle sales
        invoices; ``payment-methods`` the bank and cash journals in use; ``vat-codes`` the history of VAT rates.
        """
        held = {name: list(rows.values()) for name, rows in self.administration.records.items()}
        invoices = self.administration.records["verkoopfacturen"]
        payments = [*held["bankboekingen"], *held["kasboekingen"]]
        books: dict[str, list[Record]] = {
            "contacts": [row for row in held["relaties"] if _is_contact(row)],
            "products": [row for row in held["artikelen"] if not row["isNonActief"]],
            "invoices": [
                row | {"verkoopfactuur": invoices[self.administration.invoice_of[row["id"]]]}
                for row in held["verkoopboekingen"]
            ],
            "payments": [row for row in payments if row["verkoopboekingBoekingsRegels"]],
            "vat-codes": list(self.administration.vat_rates()),
            "ledger-accounts": held["grootboeken"],
            "payment-methods": [
                row for row in held["dagboeken"] if row["soort"] in ("Bank", "Kas") and not row["nonactief"]
            ],
            "company": [self.administration.company],
        }
        return {name: [exact.loads(exact.dumps(row)) for row in rows] for name, rows in books.items()}

    def _new_administration(self, name: str) -> Administration:
        administration = Administration(self._new_id(), name, self.clock, self._new_id, self.switches)
        company.furnish(administration)
        relations.furnish(administration)
        orders.furnish(administration)
        return administration

    def _new_id(self) -> str:
        return str(uuid.UUID(bytes=self.random.randbytes(16), version=4))

    async def _token(self, request: Request) -> Response:
        status, body = self.access.exchange(request.headers.get("content-type", ""), await request.body())
        return Response(exact.dumps(body), status, media_type=_JSON)

    async def _api(self, request: Request) -> Response:
        try:
            answer = self._answer(request, await request.body())
        except Refused as refused:
            kind = _JSON if refused.body else None
            return Response(refused.body, refused.status, refused.headers, media_type=kind)
        content = answer.value if isinstance(answer.value, bytes) else None
        if content is None:
            content = b"" if answer.value is None else exact.dumps(answer.value)
        return Response(content, answer.status, media_type=answer.media_type if content else None)

    def _answer(self, request: Request, body: bytes) -> Answer:
        """Through the gateway, in its order: is there such an operation, whose key, how often; then whose token."""
        query = tuple(request.query_params.multi_items())
        path = request.url.path
        if (request.method, path.rstrip("/").lower()) == ("GET", "/echo/resource"):
            # The gateway's own echo, outside v2, which wants the subscription key alone (dossier 2.1).
            self.access.check_subscription(request.headers, query)
            return Answer(200)
        found = operations.find(request.method, path[3:]) if path[:4].lower() == "/v2/" else None
        if found is None:
            raise gateway(404, "Resource not found") if self.switches.unknown_operation == "gateway" else Refused(404)
        operation, parts = found
        key = self.access.check_subscription(request.headers, query)
        if self.switches.limit_counts == "subscription_key":
            self.access.count(key)
        token = self.access.check_bearer(request.headers)
        if self.switches.limit_counts == "administration":
            self.access.count(token.administration.identifier)
        self.access.check_scopes(token, operation.scopes)
        if operation.function is None:
            raise gateway(501, "This operation is not part of the emulator")
        content_type = request.headers.get("content-type", "")
        return operation.function(Call(token.administration, parts, query, body, content_type))


def _is_contact(relation: Record) -> bool:
    return not relation["nonactief"] and "Eigen" not in relation["relatiesoort"] and relation["relatiecode"] > 0
