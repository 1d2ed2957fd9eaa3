"""What the laws are about: one connection of one adapter, its emulator, and drafts made from what it says it can hold.

A law is a plain async test that takes a ``Subject``. It talks to Polder's own API and looks into the emulator's books
and journal. To ask for something is to need it: where capabilities say that the system has no such operation or filter,
``Subject.ask`` skips the law with their reason, so the skip report is the list of what a system lacks. A law that needs
what it does not ask for itself says so (``Subject.need``), and one that asks for what is not there says ``lacking``.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from hypothesis import Phase, given, settings
from hypothesis.strategies import SearchStrategy

from gateway.contract.adapter import Adapter, Resource
from gateway.contract.emulator import ASGIApp, Emulator
from gateway.contract.exact import Json as Value
from gateway.contract.exact import dumps, loads
from gateway.contract.operations import BY_NAME, RESOURCE_OPERATIONS, Operation
from tests.conformance.drafts import CONTACT, NEWS, PRODUCT, held
from tests.conformance.fitting import fits
from tests.conformance.subjects import Facts, facts_of
from tests.house import House, open_house

T = TypeVar("T")
Json = dict[str, Any]

_OPERATIONS = {
    (one.method, one.path.partition("{connection_id}/")[2].replace("{id}", "*")): one.name
    for one in RESOURCE_OPERATIONS
}


def needed_for(method: str, path: str, query: Mapping[str, str]) -> str | None:
    """The operation that a request below a connection is for, or asks the schema of; None where any system has it."""
    resource, *rest = path.partition("?")[0].split("/")
    if resource == "schemas":
        operation = BY_NAME.get(f"{rest[0]}.{query.get('operation', 'create')}")
        return None if operation is None or operation.accepts is None else operation.name
    at = "/".join([resource, *("*" for _ in rest[:1]), *rest[1:]])
    return _OPERATIONS.get(("GET" if method == "HEAD" else method, at))


@dataclass
class Subject:
    """One adapter under law. Paths given to its methods are below the connection."""

    adapter: Adapter
    house: House
    connection: str
    capabilities: Mapping[str, Json]
    facts: Facts
    _made: int = field(default=0)

    @property
    def name(self) -> str:
        return self.adapter.name

    @property
    def emulator(self) -> Emulator:
        return self.house.emulator(self.name)

    # --- asking

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        client: httpx2.AsyncClient | None = None,
        connection: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        lacking: bool = False,
        **parameters: str,
    ) -> httpx2.Response:
        """One request to Polder. ``path`` is below the connection and goes out as it is, undecoded.

        Where the system cannot do it the law is skipped, unless it asks for what may be ``lacking``.
        """
        parameters |= query or {}
        operation = needed_for(method, path, parameters)
        if operation is not None and not lacking:
            self.need(operation)
            self._need_filters(operation, parameters)
        asked = client or self.house.client
        target = f"/v1/connections/{connection or self.connection}{'/' if path else ''}{path}"
        if parameters:
            target = f"{target}?{httpx2.QueryParams(parameters)}"
        sent = dict(headers or {})
        if body is not None:
            sent["content-type"] = "application/json"
        content = body if isinstance(body, bytes) or body is None else dumps(body)
        return await asked.request(method, "/", content=content, headers=sent, extensions={"target": target.encode()})

    async def get(self, path: str, **query: str) -> Json:
        """A successful GET's JSON, fresh from the system."""
        answer = await self.ask("GET", path, headers={"cache-control": "no-cache"}, query=query)
        assert answer.status_code == 200, f"GET {path} {query}: {answer.status_code} {answer.text}"
        return body_of(answer)

    async def walk(self, resource: str, limit: int = 200, **query: str) -> list[Json]:
        """Every record of a list, page by page."""
        found: list[Json] = []
        cursor: dict[str, str] = {}
        for _ in range(2_000):
            page = await self.get(resource, limit=str(limit), **query, **cursor)
            found += page["data"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}
        raise AssertionError(f"the walk through {resource} never ends")

    async def refused(self, status: int, code: str, method: str, path: str, **asked: Value) -> Json:
        """The problem that a request ends in."""
        answer = await self.ask(method, path, **asked)
        problem = problem_of(answer)
        assert (answer.status_code, problem["code"]) == (status, code), answer.text
        return problem

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Nothing reaches the system meanwhile."""
        before = len(self.emulator.journal)
        yield
        heard = [f"{seen.method} {seen.path}?{seen.query}" for seen in self.emulator.journal[before:]]
        assert heard == [], f"the system was called: {heard}"

    def widest_credentials(self) -> dict[str, Any]:
        """Credentials that may reach more than one company."""
        given = self.facts.exchange
        return dict(self.emulator.credentials() if given is None else given(self.emulator))

    # --- what there is

    def need(self, *operations: str) -> None:
        """Skip the law where the system cannot do one of these."""
        for name in operations:
            support = self.capabilities[name]
            assert support["support"] != "missing_scope", (
                f"{name} lacks the scope {support['scope']!r}: the emulator's own credentials open everything, and a "
                "system that limits no administration has all its scopes in `allowed_scopes`"
            )
            if support["support"] != "native":
                pytest.skip(f"{self.name}: {name} is {support['support']}: {support['reason']}")

    def _need_filters(self, operation: str, given: Mapping[str, str]) -> None:
        """Skip the law where a list cannot be had by these filters, or not without another."""
        support = self.capabilities[operation]
        for name, how in support["filters"].items():
            if how == "unsupported" and name in given:
                pytest.skip(f"{self.name}: {operation} cannot filter by {name}")
        for name in support["requires"]:
            if name not in given:
                pytest.skip(f"{self.name}: {operation} wants {name}")

    def need_filter(self, operation: str, name: str) -> str:
        """How a filter is supported; skip the law where it is not."""
        self.need(operation)
        support: str = self.capabilities[operation]["filters"][name]
        if support == "unsupported":
            pytest.skip(f"{self.name}: {operation} cannot filter by {name}")
        return support

    def can(self, *operations: str) -> bool:
        """Whether the system can do all of these: what else a law asserts of those that can."""
        return all(self.capabilities[name]["support"] == "native" for name in operations)

    def need_traces(self, resource: str) -> None:
        """Skip the law where nothing tells what came of a create whose answer was lost."""
        if type(self.resource(resource)).find_written is Resource.find_written:
            pytest.skip(f"{self.name}: nothing tells which of its {resource} a lost request made")

    def offered(self, *verbs: str) -> list[Operation]:
        """The operations with these verbs that the system has and that need no filter."""
        return [
            BY_NAME[name]
            for name, support in self.capabilities.items()
            if name.partition(".")[2] in verbs and support["support"] == "native" and not support["requires"]
        ]

    def resource(self, name: str) -> Resource[Any, Any]:
        """What the adapter says of a resource; skip the law where the system has none."""
        if name not in self.adapter.resources:
            self.need(f"{name}.get")
        return self.adapter.resources[name]

    def holds(self, resource: str) -> frozenset[str]:
        """The draft fields that the system or Polder keeps, dotted."""
        own = self.resource(resource)
        return own.holds | own.kept

    def books(self, resource: str) -> Sequence[Mapping[str, Any]]:
        """What the system really holds."""
        books = self.emulator.books()
        if resource not in books:
            pytest.skip(f"{self.name}: its emulator shows no books of {resource}")
        return books[resource]

    def row(self, resource: str, id: str) -> Mapping[str, Any]:
        """The record of the system's own id, as the system holds it: a copy of this moment."""
        rows = [row for row in self.books(resource) if str(row["id"]) == id]
        assert rows, f"the system has no {resource} {id}"
        copy: Mapping[str, Any] = loads(dumps(rows[0]))
        return copy

    async def system_id(self, resource: str, id: str) -> str:
        """What the system calls a record now."""
        record = await self.get(f"{resource}/{id}", include="provider")
        return str(record["provider"]["id"])

    # --- making

    async def make(self, resource: str, **fields: Value) -> Json:
        """Create a record; its JSON as answered."""
        answer = await self.ask("POST", resource, body=await self.draft(resource, **fields))
        assert answer.status_code == 201, answer.text
        return body_of(answer)

    async def draft(self, resource: str, **fields: Value) -> Json:
        """A valid draft, no two alike, with these fields in it."""
        self._made += 1
        number = self._made
        if resource == "contacts":
            small: Json = {"company_name": f"Bakkerij {number}", "email": f"klant{number}@voorbeeld.example"}
            small["address"] = CONTACT["address"]
        elif resource == "products":
            small = {"name": f"Brood {number}", "price": "2.50", **await self.taxed(), **await self.booked()}
        elif resource == "invoices":
            small = {"issued_on": "2026-03-02", "lines": [await self.line()]}
            if "contact_id" not in fields:
                small["contact_id"] = (await self.make("contacts"))["id"]
        else:
            raise AssertionError(f"nobody drafts {resource}")
        return {**held(small, self.holds(resource)), **(self.settled() if resource == "invoices" else {}), **fields}

    async def schema(self, operation: str) -> Json:
        """What the connection says that a body must be."""
        resource, _, verb = operation.partition(".")
        return await self.get(f"schemas/{resource}", operation=verb)

    async def takes(self, resource: str, draft: Json) -> bool:
        """Whether a draft is what the system takes, by the schema of the connection."""
        return fits(await self.schema(f"{resource}.create"), draft)

    def settled(self) -> Json:
        """What every new invoice must say here: its number, and that it is final."""
        said: Json = {}
        if self.facts.numbered:
            self._made += 1
            said["number"] = f"2026-{self._made}"
        if not self.can("invoices.finalize"):
            said["finalize"] = True
        return said

    async def full_draft(self, resource: str) -> Json:
        """A draft of everything that the system can hold."""
        whole = {"contacts": CONTACT, "products": PRODUCT}[resource]
        return await self.draft(resource, **held(whole, self.holds(resource)))

    def news(self, resource: str) -> Json:
        """A change that the system can hold, of one field."""
        held_here = held(NEWS[resource], self.holds(resource))
        name = next(name for name in held_here if name not in ("external_ref", "code", "number", "issued_on"))
        return {name: held_here[name]}

    async def line(self, **fields: Value) -> Json:
        """An invoice line of 20.00 and the high VAT rate."""
        line = {
            "description": "Volkoren brood",
            "quantity": "2",
            "unit": "stuk",
            "unit_price": "10.00",
            **({} if "vat_treatment" in fields else await self.taxed() or {"vat_treatment": "domestic_high"}),
            **({} if self.facts.account_taxes else await self.booked()),
        }
        lines: list[Json] = held({"lines": [line]}, self.holds("invoices"))["lines"]
        return {**lines[0], **fields}

    async def taxed(self) -> Json:
        """How the laws tax what they sell, where there are VAT codes to name one of."""
        return {"vat_code_id": await self.vat_code()} if self.can("vat-codes.list") else {}

    async def booked(self) -> Json:
        """Where the laws book what they sell, where there are ledger accounts to name one of."""
        return {"ledger_account_id": await self.revenue_account()} if self.can("ledger-accounts.list") else {}

    async def vat_code(self, treatment: str = "domestic_high") -> str:
        """The id of a VAT code to sell with."""
        for code in await self.settings("vat-codes"):
            if code["treatment"] == treatment and code["direction"] != "purchase" and code["valid_to"] is None:
                return str(code["id"])
        pytest.skip(f"{self.name}: the administration has no VAT code for {treatment}")

    async def revenue_account(self) -> str:
        """The id of a ledger account to book sales on."""
        accounts = await self.settings("ledger-accounts")
        return str(next((one for one in accounts if one["type"] == "revenue"), accounts[0])["id"])

    async def settings(self, resource: str) -> list[Json]:
        """All of what an administration is set up with, as it was a moment ago."""
        answer = await self.ask("GET", resource, limit="200")
        assert answer.status_code == 200, answer.text
        found: list[Json] = body_of(answer)["data"]
        return found

    async def final_invoice(self, **fields: Value) -> Json:
        """A booked invoice."""
        if not self.can("invoices.finalize"):
            return await self.make("invoices", finalize=True, **fields)
        draft = await self.make("invoices", **fields)
        answer = await self.ask("POST", f"invoices/{draft['id']}/finalize")
        assert answer.status_code == 200, answer.text
        return body_of(answer)

    async def pay(self, invoice: Json, amount: str | None = None, **fields: Value) -> httpx2.Response:
        """Pay an invoice, whole or in part."""
        return await self.ask("POST", "payments", body=await self.payment(invoice, amount, **fields))

    async def payment(self, invoice: Json, amount: str | None = None, **fields: Value) -> Json:
        """A valid payment of an invoice, whole or in part."""
        paid = amount or invoice["totals"]["open"] or invoice["totals"]["gross"]
        body: Json = {"paid_on": "2026-03-02", "amount": paid}
        body["allocations"] = [{"invoice_id": invoice["id"], "amount": paid}]
        if "payment_method_id" in self.holds("payments") and self.can("payment-methods.list"):
            body["payment_method_id"] = (await self.settings("payment-methods"))[0]["id"]
        return {**body, **fields}


def body_of(answer: httpx2.Response) -> Json:
    """A JSON object, its numbers exact."""
    value: Json = loads(answer.content)
    return value


def problem_of(answer: httpx2.Response) -> Json:
    """A problem, proved to be one (RFC 9457) and to say who can put it right."""
    assert answer.headers.get("content-type") == "application/problem+json", f"{answer.status_code} {answer.text}"
    problem = body_of(answer)
    assert problem["status"] == answer.status_code
    missing = {"type", "title", "detail", "code", "request_id", "fix", "retryable", "owner_message"} - problem.keys()
    assert not missing, f"the problem does not say {missing}: {problem}"
    assert problem["owner_message"].keys() == {"nl", "en"}
    assert problem["fix"] in ("caller", "owner", "wait", "operator")
    assert answer.headers["x-request-id"] == problem["request_id"]
    return problem


def examples(strategy: SearchStrategy[T], count: int) -> list[T]:
    """Some values of a strategy, the same at every run: for laws, which must stay callable by the planted bugs."""
    found: list[T] = []

    @settings(max_examples=count, database=None, derandomize=True, phases=[Phase.generate], deadline=None)
    @given(strategy)
    def collect(value: T) -> None:
        found.append(value)

    collect()
    return found


@asynccontextmanager
async def open_subject(
    adapter: Adapter, home: Path, mode: str | None = None, between: Callable[[Emulator], ASGIApp] | None = None
) -> AsyncIterator[Subject]:
    """A house with this adapter alone, in one of its modes, and one connection."""
    facts = facts_of(adapter.name)
    emulators = {} if mode is None else {adapter.name: facts.modes[mode]}
    async with open_house(home, adapters={adapter.name: adapter}, emulators=emulators, between=between) as house:
        credentials = None if mode is None or facts.exchange is None else facts.exchange(house.emulator(adapter.name))
        connection = await house.connect(adapter.name, credentials=credentials)
        answer = await house.client.get(f"/v1/connections/{connection}/capabilities")
        yield Subject(adapter, house, connection, answer.json()["operations"], facts)
