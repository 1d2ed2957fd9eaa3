"""Every operation is reached at its address, and nothing else is."""

import re
from urllib.parse import quote

import pytest

from gateway.contract.operations import OPERATIONS, Operation
from gateway.web.app import Limits
from gateway.web.routes import Routes
from tests.web.edge import Edge, build_edge, send_raw

pytestmark = pytest.mark.anyio

PATHS = sorted({operation.path for operation in OPERATIONS})
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

NO_IDS = [
    "1,2,3",
    "..",
    "...",
    "%2e%2e",
    "%2E%2E%2Fcontacts",
    "%252e%252e",
    "..%2f..%2fusers",
    "..;",
    "a%2Fb",
    "a%5Cb",
    "a\\b",
    "search%3Flimit=100",
    "1%00",
    "%00",
    "%0d%0aX-Evil:1",
    "1%20or%201=1",
    "'",
    "1')",
    "$metadata",
    "(1)",
    "*",
    "%",
    "%zz",
    "%ff%fe",
    "caf%C3%A9",
    "%E2%80%AE1",
    "%EF%BC%91",
    ".hidden",
    "x" * 101,
    "x" * 5000,
    "a..b",
]


def filled(operation: Operation) -> str:
    path = operation.path.replace("{path}", "contacts/12/lines")
    return re.sub(r"{(\w+)}", r"the-\1", path)


def methods_of(path: str) -> set[str]:
    named = {operation.method for operation in OPERATIONS if operation.path == path} | {"OPTIONS"}
    return named | ({"HEAD"} if "GET" in named else set())


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_an_operation_is_called_with_its_parameters(edge: Edge, operation: Operation) -> None:
    body = {"a": 1} if operation.method in ("POST", "PUT", "PATCH") else None
    answer = await edge.client.request(operation.method, f"{filled(operation)}?q=a+b&q=%26c", json=body)
    assert answer.status_code == 200
    assert answer.content == b'{"said":"ok"}'
    (call,) = edge.engine.calls
    assert call.operation is operation
    assert call.caller.tenant == "acme"
    assert list(call.query) == [("q", "a b"), ("q", "&c")]
    assert call.body == (b'{"a":1}' if body else b"")
    expected = {name: f"the-{name}" for name in re.findall(r"{(\w+)}", operation.path)}
    if "path" in expected:
        expected["path"] = "contacts/12/lines"
    assert call.path == expected
    assert call.headers["host"] == "polder.test"
    assert call.deadline == pytest.approx(30)
    assert call.request_id == answer.headers["x-request-id"]


async def test_an_id_is_decoded_once(edge: Edge) -> None:
    await send_raw(edge, "GET", b"/v1/connections/con%5f1/contacts/%41%2d7")
    assert edge.engine.calls[0].path == {"connection_id": "con_1", "id": "A-7"}


@pytest.mark.parametrize("id", NO_IDS)
@pytest.mark.parametrize("template", ["/v1/connections/{id}", "/v1/connections/con_1/invoices/{id}/pdf"])
async def test_what_can_be_no_id_is_not_found_and_never_reaches_the_engine(edge: Edge, id: str, template: str) -> None:
    sent = await send_raw(edge, "GET", template.replace("{id}", id).encode("latin-1"))
    assert (sent.status, sent.problem()["code"]) == (404, "not_found")
    assert edge.engine.calls == []


VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
FATE = b"/v1/connections/con_1/operations/"


@pytest.mark.parametrize("key", [*VISIBLE, "..", VISIBLE + "x" * (255 - len(VISIBLE)), "%2F", "order:2026/118"])
async def test_whatever_may_be_an_idempotency_key_can_be_asked_for(edge: Edge, key: str) -> None:
    sent = await send_raw(edge, "GET", FATE + quote(key, safe="").encode())
    assert sent.status == 200
    assert edge.engine.calls[0].path == {"connection_id": "con_1", "key": key}


@pytest.mark.parametrize("key", ["x" * 256, "a%20b", "a%00", "caf%C3%A9", "%ff", "caf\xe9", "a/b", "%7f"])
async def test_what_can_be_no_idempotency_key_is_not_found(edge: Edge, key: str) -> None:
    sent = await send_raw(edge, "GET", FATE + key.encode("latin-1"))
    assert (sent.status, sent.problem()["code"]) == (404, "not_found")
    assert edge.engine.calls == []


@pytest.mark.parametrize("id", NO_IDS)
async def test_a_caller_without_a_key_learns_nothing_of_ids(edge: Edge, id: str) -> None:
    sent = await send_raw(edge, "DELETE", f"/v1/connections/con_1/contacts/{id}".encode("latin-1"), authorized=False)
    assert sent.status == 401


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/",
        b"//",
        b"*",
        b"v1/connections",
        b"/v1",
        b"/v1/",
        b"/v1/connections/",
        b"/v1//connections",
        b"//v1/connections",
        b"/v1/connections//contacts",
        b"/v1/connections/con_1/contacts/",
        b"/v1/connections/con_1/contacts//x",
        b"/v1/connections/con_1/contacts/1/more",
        b"/v1/connections/con_1/contacts/../products",
        b"/v1/connections/con_1/%63ontacts",
        b"/V1/connections",
        b"/v1/connections/con_1/nothing",
        b"/v1/connections/con_1/raw",
        b"/v1/connections/con_1/raw/",
        b"/v1/connections/con_1/raw//contacts",
        b"/v1/connections/con_1/raw/contacts/",
        b"/docs/",
        b"/docs/../v1",
        b"/docs/nothing.js",
        b"/caf\xe9",
    ],
)
async def test_any_other_address_is_not_found(edge: Edge, path: bytes) -> None:
    for method in ("GET", "POST"):
        sent = await send_raw(edge, method, path)
        assert (sent.status, sent.header("content-type")) == (404, "application/problem+json")
        assert sent.problem()["code"] == "not_found"
    assert edge.engine.calls == []


async def test_the_rest_of_a_raw_path_is_passed_on_as_it_came(edge: Edge) -> None:
    rest = b"a/%2e%2e/b%2Fc/1,2;d='x'/$count"
    await send_raw(edge, "GET", b"/v1/connections/con_1/raw/" + rest, query=b"x=1%2B1&y")
    (call,) = edge.engine.calls
    assert call.path == {"connection_id": "con_1", "path": rest.decode()}
    assert list(call.query) == [("x", "1+1"), ("y", "")]


async def test_a_raw_path_that_is_not_ascii_is_not_found(edge: Edge) -> None:
    sent = await send_raw(edge, "GET", b"/v1/connections/con_1/raw/caf\xc3\xa9")
    assert sent.status == 404
    assert edge.engine.calls == []


@pytest.mark.parametrize("path", [*PATHS, "/docs", "/openapi.json", "/livez", "/metrics"])
async def test_a_wrong_method_is_405_and_allow_is_complete(edge: Edge, path: str) -> None:
    allowed = methods_of(path) if path in PATHS else {"GET", "HEAD", "OPTIONS"}
    address = re.sub(r"{\w+}", "x1", path).encode()
    for method in {*METHODS, "TRACE", "BREW"} - allowed:
        sent = await send_raw(edge, method, address)
        assert sent.status == 405
        assert method == "HEAD" or sent.problem()["code"] == "operation_unsupported"
        assert set((sent.header("allow") or "").split(", ")) == allowed
    options = await send_raw(edge, "OPTIONS", address, authorized=False)
    assert (options.status, options.body) == (204, b"")
    assert set((options.header("allow") or "").split(", ")) == allowed
    assert edge.engine.calls == []


async def test_head_is_get_without_the_body(edge: Edge) -> None:
    got = await edge.client.get("/v1/connections/con_1/contacts")
    head = await edge.client.head("/v1/connections/con_1/contacts")
    assert head.content == b""
    same = ("content-length", "content-type", "cache-control")
    assert {name: head.headers[name] for name in same} == {name: got.headers[name] for name in same}
    assert [call.operation.method for call in edge.engine.calls] == ["GET", "GET"]
    missing = await edge.client.head("/nothing")
    assert (missing.status_code, missing.content) == (404, b"")


async def test_two_names_for_one_parameter_are_noticed_at_the_start() -> None:
    with pytest.raises(ValueError, match="is called"):
        Routes([*OPERATIONS, _renamed()], {})


def _renamed() -> Operation:
    return Operation(
        resource="contacts", verb="odd", method="GET", path="/v1/connections/{other}/odd", scope=None, title="Odd"
    )


async def test_the_deadline_is_the_configured_one() -> None:
    edge = await build_edge(Limits(deadline=5))
    async with edge.client:
        edge.clock.advance(100)
        await edge.client.get("/v1/providers")
    assert edge.engine.calls[0].deadline == pytest.approx(105)
