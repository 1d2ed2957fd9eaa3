"""A system that knows little: products with a name, a unit and a price. Everything else about them Polder keeps.

It may give a record a new id at every update, and it knows creation keys: what was made under one is made once.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request as Parameters
from starlette.responses import Response
from starlette.routing import Route

from gateway.contract import emulator
from gateway.contract.adapter import (
    Adapter,
    Companies,
    File,
    Invoices,
    LedgerAccounts,
    Listing,
    Origin,
    Products,
    Raw,
    Record,
    Resource,
)
from gateway.contract.auth import CredentialField, CredentialKind, StaticToken
from gateway.contract.clock import Clock
from gateway.contract.exact import dumps, loads
from gateway.contract.models import Change, Company, CompanyAccess, LedgerAccount, Product, ProductDraft
from gateway.contract.paging import Page, SkipTop
from gateway.contract.upstream import Request, Upstream, path_of
from tests.engine.staging import read_error
from tests.house import House, open_house

Row = dict[str, Any]


def product_of(row: Row) -> Record[Product]:
    product = Product(
        id=row["id"],
        name=row["name"],
        type="unknown",
        unit=row["unit"],
        price_includes_tax=False,
        archived=row["archived"],
    )
    return Record(product, row, frozenset({"id", "name", "unit", "archived"}))


class ShelfProducts(Products):
    """Products: no filter of its own, and no place for a code or a reference."""

    holds = frozenset({"name", "unit"})
    kept = frozenset({"external_ref", "code"})
    changes_ids = True
    calls: ClassVar[Mapping[str, str]] = {}

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Product]]:
        async def fetch(skip: int, top: int) -> Sequence[Record[Product]]:
            query = [("skip", str(skip)), ("top", str(top))]
            if "archived" in listing.include:
                query.append(("archived", "1"))
            return [product_of(row) for row in await up.data(Request("GET", "/products", query))]

        return await SkipTop(fetch).read(listing.window)

    async def get(self, up: Upstream, id: str) -> Record[Product]:
        return product_of(await up.data(Request("GET", path_of("products", id))))

    async def create(self, up: Upstream, draft: ProductDraft) -> Record[Product]:
        body = {"name": draft.name, "unit": draft.unit, "creationKey": str(up.creation_key)}
        return product_of(await up.data(Request("POST", "/products", json=body)))

    async def update(self, up: Upstream, id: str, change: Change) -> Record[Product]:
        body = {name: value for name, value in change.given().items() if name in ("name", "unit")}
        return product_of(await up.data(Request("PUT", path_of("products", id), json=body)))

    async def delete(self, up: Upstream, id: str) -> None:
        await up.data(Request("DELETE", path_of("products", id)))


class ShelfInvoices(Invoices):
    """Nothing but a document with an awkward name."""

    async def pdf(self, up: Upstream, id: str) -> File:
        return File(b"%PDF-1.7", "application/pdf", f'Factuur "{id}" € é.pdf')


class ShelfLedger(LedgerAccounts):
    """Ledger accounts, which change slowly."""

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[LedgerAccount]]:
        rows = await up.data(Request("GET", "/ledger"))
        return Page([Record(LedgerAccount(**row, type="revenue", archived=False), row) for row in rows], more=False)


class ShelfCompany(Companies):
    """The one company."""

    async def get(self, up: Upstream, id: str) -> Record[Company]:
        return Record(Company(id=id, name="Shelf", accessible=True, allowed_scopes=[]), {})


async def companies(up: Upstream) -> list[CompanyAccess]:
    rows = await up.data(Request("GET", "/companies"))
    return [CompanyAccess(id=row["id"], name="Shelf", accessible=True, allowed_scopes=row["scopes"]) for row in rows]


RESOURCES: Mapping[str, Resource[Any, Any]] = {
    "products": ShelfProducts(),
    "invoices": ShelfInvoices(),
    "ledger-accounts": ShelfLedger(),
    "company": ShelfCompany(),
}
SHELF = Adapter(
    name="shelf",
    title="Shelf",
    documentation="https://shelf.test/docs",
    origins={"api": Origin("api_url", "http://shelf.test")},
    credentials=(CredentialKind("token", "Token", StaticToken("token"), (CredentialField("token", "Token"),)),),
    resources=RESOURCES,
    companies=companies,
    read_error=read_error,
    read_envelope=lambda reply: reply.json(),
    raw=Raw(lambda facts: f"/c/{facts.company_id}/", refused=("oauth",)),
    scope_for=lambda operation: "admin" if operation == "company.get" else None,
)


class Shelf(emulator.Emulator):
    """The system itself. While ``gate`` is closed nothing is answered, and while ``locked`` nobody is let in."""

    def __init__(self, clock: Clock, seed: int = 0) -> None:
        super().__init__(clock, seed)
        self.rows: dict[str, Row] = {}
        self.made: dict[str, str] = {}
        self.scopes = ["admin"]
        self.new_ids = False
        self.locked = False
        self.gate = asyncio.Event()
        self.gate.set()
        self._count = 0
        self._app = Starlette(
            routes=[
                Route("/products", self._products, methods=["GET", "POST"]),
                Route("/products/{id}", self._product, methods=["GET", "PUT", "DELETE"]),
                Route("/ledger", self._ledger),
                Route("/companies", self._companies),
                Route("/c/{path:path}", self._echo, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            ]
        )

    @property
    def app(self) -> emulator.ASGIApp:
        return self._gated

    async def _gated(self, scope: emulator.Message, receive: emulator.Receive, send: emulator.Send) -> None:
        await self.gate.wait()
        app = said({}, 401) if self.locked else self._app
        await app(scope, receive, send)

    def populate(self) -> None:
        for number in range(10):
            self.put({"name": f"Product {number}", "unit": None})

    def put(self, body: Row, id: str | None = None) -> Row:
        self._count += 1
        row = {"archived": False, "unit": None, **body, "id": id or f"p{self._count}"}
        self.rows[row["id"]] = row
        return row

    def credentials(self) -> Mapping[str, Any]:
        return {"type": "token", "token": "shelf-token"}

    def books(self) -> Mapping[str, Sequence[emulator.Record]]:
        return {"products": list(self.rows.values())}

    def expire_tokens(self) -> None:
        """They never end."""

    def is_token_request(self, seen: emulator.ReceivedRequest) -> bool:
        return False

    def heard(self, method: str, path: str) -> int:
        """How often something was asked."""
        return sum((seen.method, seen.path) == (method, path) for seen in self.journal)

    async def _products(self, asked: Parameters) -> Response:
        if asked.method == "GET":
            rows = [row for row in self.rows.values() if not row["archived"] or "archived" in asked.query_params]
            skip, top = int(asked.query_params["skip"]), int(asked.query_params["top"])
            return said(rows[skip : skip + top])
        body = loads(await asked.body())
        key = body.pop("creationKey")
        if key in self.made:
            return said(self.rows[self.made[key]])
        row = self.put(body)
        self.made[key] = row["id"]
        return said(row)

    async def _product(self, asked: Parameters) -> Response:
        row = self.rows.get(asked.path_params["id"])
        if row is None:
            return said({}, 404)
        if asked.method == "DELETE":
            del self.rows[row["id"]]
            return said({})
        if asked.method == "PUT":
            changed = {**row, **loads(await asked.body())}
            if self.new_ids:
                del self.rows[row["id"]]
            return said(self.put(changed, None if self.new_ids else row["id"]))
        return said(row)

    async def _ledger(self, asked: Parameters) -> Response:
        return said([{"id": "8000", "name": "Omzet"}])

    async def _companies(self, asked: Parameters) -> Response:
        return said([{"id": "c1", "scopes": self.scopes}])

    async def _echo(self, asked: Parameters) -> Response:
        return Response(await asked.body() or b"raw", headers={"set-cookie": "a=b", "etag": '"theirs"'})


def said(value: object, status: int = 200) -> Response:
    return Response(dumps(value), status, media_type="application/json")


@dataclass
class Aisle:
    """A connection to a shelf, in a house with nothing else in it."""

    house: House
    connection: str

    @property
    def shelf(self) -> Shelf:
        found = self.house.emulators["shelf"]
        assert isinstance(found, Shelf)
        return found

    async def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None, **query: str
    ) -> httpx2.Response:
        written = None if body is None else dumps(body)
        sent = {**({} if body is None else {"content-type": "application/json"}), **(headers or {})}
        return await self.house.client.request(
            method, f"/v1/connections/{self.connection}/{path}", content=written, headers=sent, params=query or None
        )

    async def make(self, **fields: str) -> httpx2.Response:
        return await self.ask("POST", "products", {"name": "Brood", **fields})

    async def found(self, **query: str) -> list[Row]:
        """What a list gives, fresh."""
        answer = await self.ask("GET", "products", headers={"cache-control": "no-cache"}, **query)
        assert answer.status_code == 200, answer.text
        rows: list[Row] = answer.json()["data"]
        return rows


@asynccontextmanager
async def open_aisle(home: Path) -> AsyncIterator[Aisle]:
    async with open_house(home, adapters={"shelf": SHELF}, emulators={"shelf": Shelf}) as house:
        yield Aisle(house, await house.connect("shelf"))
