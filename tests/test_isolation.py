"""Whoever may not, gets nothing: every operation, every parameter with an id in it, every kind of wrong caller.

The matrix is made from the OpenAPI document, so a new operation is in it at once; what the matrix cannot fill in, or
does not know to be public, fails here until somebody says what it is. Every wrong caller comes with what the right one
got before: its ids, its ETag, its idempotency key and body. Nothing may reach the system, and another tenant's
connection must answer as one that does not exist.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from gateway.contract.operations import OPERATIONS, SCOPES
from gateway.engine.access.keys import mint
from tests.house import House, emulated, open_house

NOBODYS = "con_0000000000000000"
METHODS = frozenset({"get", "post", "put", "patch", "delete"})
KEY = "sleutel-1"
PUBLIC: Mapping[str, str] = {
    "/openapi.json": "the document itself",
    "/docs": "documentation",
    "/docs/": "documentation",
    "/livez": "a probe: says that the process lives",
    "/healthz": "a probe: says that the process lives",
    "/readyz": "a probe: says whether the store works",
    "/metrics": "numbers without names; see test_canaries.py",
    "/connect/": "the end user's page, opened by a signed link that is good once",
    "/oauth/": "the way back from a provider, opened by a state that is good once and its browser's cookie",
}
"""What asks for no key, and why that is right. A path that ends in a slash stands for all below it."""
UNSCOPED = frozenset({"listProviders", "getProvider"})
"""What any good key may ask: it says nothing of anybody."""


@dataclass(frozen=True)
class Case:
    """One request that the right caller could make."""

    operation: str
    scope: str | None
    method: str
    path: str
    """With ``{connection}`` where the connection's id belongs."""
    body: Mapping[str, Any] | None

    @property
    def on_a_connection(self) -> bool:
        return "{connection}" in self.path

    def at(self, connection: str) -> str:
        return self.path.replace("{connection}", connection)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Matrix:
    """The right caller's connection, what there is to ask of it, and everybody who may not."""

    house: House
    adapter: str
    connection: str
    cases: Sequence[Case]
    etags: Mapping[str, str]
    strangers: Mapping[str, httpx2.AsyncClient]
    """Callers to whom the connection does not exist."""
    keyless: Mapping[str, Mapping[bytes, bytes]]
    """Headers of callers who are nobody."""
    failures: list[str] = field(default_factory=list)

    async def ask(self, client: httpx2.AsyncClient, case: Case, connection: str, **more: Any) -> httpx2.Response:
        headers: dict[bytes, bytes] = {b"x-request-id": b"vast", **more.get("headers", {})}
        if case.method != "GET":
            headers[b"idempotency-key"] = KEY.encode()
        elif etag := self.etags.get(str(case)):
            headers[b"if-none-match"] = etag.encode()
        target = {"target": case.at(connection).encode()}
        return await client.request(case.method, "/", headers=headers, json=case.body, extensions=target)

    def expect(self, case: Case, who: str, answer: httpx2.Response, status: int, code: str) -> None:
        said = (answer.status_code, answer.json().get("code")) if answer.content else (answer.status_code, None)
        if said != (status, code):
            self.failures.append(f"{who}: {case}: {said} instead of {(status, code)}")


def parameters(document: Mapping[str, Any], path: str, method: str) -> Iterator[Mapping[str, Any]]:
    """An operation's parameters, references followed."""
    item = document["paths"][path]
    for one in (*item.get("parameters", ()), *item[method].get("parameters", ())):
        reference = one.get("$ref")
        yield document["components"]["parameters"][reference.rpartition("/")[2]] if reference else one


def names_a_record(parameter: Mapping[str, Any]) -> bool:
    """Whether a query parameter's value is, or leads to, something that belongs to somebody."""
    name: str = parameter["name"]
    return parameter["in"] == "query" and (name.endswith(("_id", "_ref")) or name == "cursor")


def cases_of(document: Mapping[str, Any], ids: Mapping[str, str], values: Mapping[str, str]) -> Iterator[Case]:
    """Every operation with the right caller's own ids, and again with each query parameter that names a record.

    ``ids`` are of records by resource, ``values`` of other parameters by name. Raises ``KeyError`` for a parameter that
    nobody knows a value of: it needs one here.
    """
    scopes = {operation.operation_id: operation.scope for operation in OPERATIONS}
    for path, item in document["paths"].items():
        resource = path.split("/")[4] if path.count("/") > 3 else ""
        known = {"connection_id": "{connection}", "id": ids.get(resource, "1"), **values}
        for method in sorted(METHODS & item.keys()):
            operation = item[method]["operationId"]
            filled = path.format_map({name: known[name] for name in _names_in(path)})
            body: dict[str, Any] | None = {} if "requestBody" in item[method] else None
            yield Case(operation, scopes[operation], method.upper(), filled, body)
            for parameter in parameters(document, path, method):
                if names_a_record(parameter):
                    asked = urlencode({parameter["name"]: values[parameter["name"]]})
                    yield Case(operation, scopes[operation], method.upper(), f"{filled}?{asked}", body)


def _names_in(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def uncovered(routes: Iterable[str], document: Mapping[str, Any]) -> list[str]:
    """Routes that are neither in the document nor known to be public."""

    def is_public(route: str) -> bool:
        return route in PUBLIC or any(route.startswith(one) for one in PUBLIC if one.endswith("/"))

    return [route for route in routes if route not in document["paths"] and not is_public(route)]


async def document_of(house: House) -> dict[str, Any]:
    answer = await (await house.anonymous()).get("/openapi.json")
    told: dict[str, Any] = answer.json()
    return told


async def matrix_of(house: House, adapter: str) -> Matrix:
    """Fill the books, let the right caller ask for everything once, and call everybody else together."""
    house.emulator(adapter).populate()
    connection = await house.connect(adapter)
    other = await house.connect(adapter)
    made = await house.client.post(
        f"/v1/connections/{connection}/contacts",
        json={"kind": "company", "company_name": "Kanarie B.V.", "external_ref": "shop-1"},
        headers={"idempotency-key": KEY},
    )
    assert made.status_code == 201, made.text
    values = {
        "provider": adapter,
        "path": "contacts",
        "resource": "contacts",
        "key": KEY,
        "external_ref": "shop-1",
        "cursor": await _cursor(house, connection),
    }
    ids = {"contacts": str(made.json()["id"])}
    for resource in ("invoices", "products", "vat-codes", "ledger-accounts", "payment-methods"):
        listed = await house.client.get(f"/v1/connections/{connection}/{resource}?limit=1")
        if listed.status_code == 200 and listed.json()["data"]:
            ids[resource] = str(listed.json()["data"][0]["id"])
    values |= {"contact_id": ids["contacts"], "invoice_id": ids.get("invoices", "1")}
    cases = list(cases_of(await document_of(house), ids, values))
    return Matrix(
        house,
        adapter,
        connection,
        cases,
        await _etags(house, connection, cases),
        {
            "another tenant": await house.client_for(tenant="buren"),
            "another tenant with a connection of its own": await _neighbour(house, adapter),
            "a key bound to another connection": await house.client_for(connections=[other]),
            "a key bound to no connection": await house.client_for(connections=[]),
        },
        await _keyless(house),
    )


async def _cursor(house: House, connection: str) -> str:
    page = (await house.client.get(f"/v1/connections/{connection}/contacts?limit=1")).json()
    return str(page["next_cursor"])


async def _etags(house: House, connection: str, cases: Iterable[Case]) -> dict[str, str]:
    """What the right caller gets to know by asking, so that everything is in the cache that goes there."""
    found = {}
    for case in cases:
        if case.method == "GET" and case.on_a_connection:
            answer = await house.client.get("/", extensions={"target": case.at(connection).encode()})
            assert answer.status_code not in (401, 403), f"{case}: {answer.text}"
            if "etag" in answer.headers:
                found[str(case)] = answer.headers["etag"]
    assert found
    return found


async def _neighbour(house: House, adapter: str) -> httpx2.AsyncClient:
    client = await house.client_for(tenant="overkant")
    await house.connect(adapter, client=client)
    return client


async def _keyless(house: House) -> dict[str, dict[bytes, bytes]]:
    async def kept(*, revoked: bool = False, days: int | None = None) -> str:
        now = house.clock.now()
        text, key = mint(
            tenant="acme",
            name="oud",
            scopes=["*"],
            now=now - timedelta(days=9),
            random=Random(f"{revoked}{days}"),
            expires_at=None if days is None else now + timedelta(days=days),
        )
        await house.polder.storage.keys.add(key)
        if revoked:
            await house.polder.storage.keys.revoke(key.id, now)
        return text

    unknown, _ = mint(tenant="acme", name="nooit", scopes=["*"], now=house.clock.now(), random=Random(3))
    texts = {
        "a malformed key": "polder_live_x",
        "an unknown key": unknown,
        "a key that is one letter off": unknown[:-1] + ("a" if unknown[-1] != "a" else "b"),
        "a revoked key": await kept(revoked=True),
        "an expired key": await kept(days=-1),
    }
    bearers = {who: {b"authorization": f"Bearer {text}".encode()} for who, text in texts.items()}
    return {"no key": {}, "an empty key": {b"authorization": b"Bearer "}, **bearers}


# Every system stands under conformance/test_tenants.py; here one without tokens of its own and one with them do.
@pytest.fixture(params=["memory", "rompslomp"])
async def matrix(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    name: str = request.param
    async with open_house(tmp_path, adapters={name: emulated()[name]}) as house:
        yield await matrix_of(house, name)


async def test_nobody_gets_anything(matrix: Matrix) -> None:
    anonymous = await matrix.house.anonymous()
    heard = len(matrix.house.emulator(matrix.adapter).journal)
    for case in matrix.cases:
        for who, headers in matrix.keyless.items():
            answer = await matrix.ask(anonymous, case, matrix.connection, headers=headers)
            matrix.expect(case, who, answer, 401, "unauthenticated")
    assert matrix.failures == []
    assert len(matrix.house.emulator(matrix.adapter).journal) == heard


async def test_a_key_without_the_scope_gets_nothing(matrix: Matrix) -> None:
    clients = {
        scope: await matrix.house.client_for(scopes=[one for one in SCOPES if one != scope])
        for scope in {case.scope for case in matrix.cases}
        if scope is not None
    }
    heard = len(matrix.house.emulator(matrix.adapter).journal)
    for case in matrix.cases:
        if case.scope is None:
            assert case.operation in UNSCOPED
            continue
        answer = await matrix.ask(clients[case.scope], case, matrix.connection)
        matrix.expect(case, f"a key without {case.scope}", answer, 403, "forbidden")
        assert answer.json()["required_scope"] == case.scope
    assert matrix.failures == []
    assert len(matrix.house.emulator(matrix.adapter).journal) == heard


async def test_a_strangers_connection_is_as_good_as_none(matrix: Matrix) -> None:
    heard = len(matrix.house.emulator(matrix.adapter).journal)
    asked = 0
    for case in matrix.cases:
        if not case.on_a_connection:
            continue
        for who, client in matrix.strangers.items():
            theirs = await matrix.ask(client, case, matrix.connection)
            nobodys = await matrix.ask(client, case, NOBODYS)
            matrix.expect(case, who, theirs, 404, "not_found")
            if theirs.text.replace(matrix.connection, NOBODYS) != nobodys.text:
                matrix.failures.append(f"{who}: {case}: {theirs.text} is not what nobody's says: {nobodys.text}")
            if told(theirs) != told(nobodys):
                matrix.failures.append(f"{who}: {case}: the headers differ: {told(theirs)} and {told(nobodys)}")
            asked += 1
    assert matrix.failures == []
    assert asked > 4 * 30
    assert len(matrix.house.emulator(matrix.adapter).journal) == heard
    shown = await matrix.house.client.get(f"/v1/connections/{matrix.connection}")
    assert shown.json()["status"] == "active"


def told(answer: httpx2.Response) -> dict[str, str]:
    """The headers that could give something away; an id of another length would show in the length alone."""
    return {name: value for name, value in answer.headers.items() if name != "content-length"}


async def test_what_is_on_no_connection_shows_strangers_only_their_own(matrix: Matrix) -> None:
    for who, client in matrix.strangers.items():
        for query in ("", "?external_ref=shop-1", f"?provider={matrix.adapter}", "?limit=200"):
            listed = await client.get(f"/v1/connections{query}")
            assert matrix.connection not in listed.text, f"{who} sees it in {query}"
    draft = {"provider": matrix.adapter, "name": "erbij"}
    for who in ("a key bound to another connection", "a key bound to no connection"):
        answer = await matrix.strangers[who].post("/v1/connections", json=draft)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), f"{who} makes connections"


async def test_anothers_keys_and_cursors_mean_nothing_on_ones_own(matrix: Matrix) -> None:
    """The same idempotency key, and a cursor that somebody else was given, on a connection of one's own."""
    neighbour = matrix.strangers["another tenant with a connection of its own"]
    own = str((await neighbour.get("/v1/connections")).json()["data"][0]["id"])
    fate = await neighbour.get(f"/v1/connections/{own}/operations/{KEY}")
    assert (fate.status_code, fate.json()["code"]) == (404, "not_found")
    cursor = await _cursor(matrix.house, matrix.connection)
    page = await neighbour.get(f"/v1/connections/{own}/contacts?limit=1&cursor={cursor}")
    assert (page.status_code, page.json()["code"]) == (400, "invalid_cursor")
    written = await neighbour.post(
        f"/v1/connections/{own}/contacts",
        json={"kind": "company", "company_name": "Kanarie B.V.", "external_ref": "shop-1"},
        headers={"idempotency-key": KEY},
    )
    assert written.status_code in (201, 409), written.text  # both connections reach the same books
    assert "idempotency-replayed" not in written.headers


async def test_a_link_page_opens_with_its_own_link_only(house: House) -> None:
    connection = await house.connect("memory")
    link = (await house.client.post(f"/v1/connections/{connection}/link")).json()["url"]
    path = httpx2.URL(link).path
    anonymous = await house.anonymous()
    assert (await anonymous.get(path)).status_code == 200
    token = path.rpartition("/")[2]
    heard = len(house.emulator("memory").journal)
    for wrong in (token[:-1] + ("a" if token[-1] != "a" else "b"), token[1:], connection, "x"):
        answer = await anonymous.get(f"/connect/{wrong}")
        assert answer.status_code in (404, 410), f"{wrong}: {answer.status_code}"
        assert connection not in answer.text or wrong == connection
    assert len(house.emulator("memory").journal) == heard


async def test_every_route_is_in_the_matrix_or_public(house: House) -> None:
    document = await document_of(house)
    routes = [route.template for route in house.polder.asgi._routes.all]
    assert len(routes) > len(document["paths"])
    assert uncovered(routes, document) == []
    described = {item[method]["operationId"] for item in document["paths"].values() for method in METHODS & item.keys()}
    assert described == {operation.operation_id for operation in OPERATIONS}


def test_a_route_that_nobody_thought_of_is_noticed() -> None:
    document = {"paths": {"/v1/known": {"get": {"operationId": "x"}}}, "components": {"parameters": {}}}
    assert uncovered(["/v1/known", "/docs/problems", "/v1/new", "/metrics/all"], document) == [
        "/v1/new",
        "/metrics/all",
    ]
    new = {"paths": {"/v1/{secret_id}": {"get": {"operationId": "listProviders"}}}, "components": {"parameters": {}}}
    with pytest.raises(KeyError, match="secret_id"):
        list(cases_of(new, {}, {}))
