"""What is taken in: keys, headers, query, bodies, request ids."""

import asyncio

import pytest

from gateway.contract.operations import OPERATIONS, Operation
from gateway.web.app import Limits
from tests.web.edge import Edge, build_edge, client_of, send_raw

pytestmark = pytest.mark.anyio

CONTACTS = "/v1/connections/con_1/contacts"
RAW_PATH = b"/v1/connections/con_1/contacts"
JSON = (b"content-type", b"application/json")


# Keys


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_no_operation_works_without_a_key(edge: Edge, operation: Operation) -> None:
    path = operation.path.replace("{", "").replace("}", "")
    answer = await edge.anonymous.request(operation.method, path)
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert edge.engine.calls == []


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_bearer_in_any_case(edge: Edge, scheme: str) -> None:
    answer = await edge.anonymous.get(CONTACTS, headers={"authorization": f"{scheme}  {edge.key} "})
    assert answer.status_code == 200


async def test_x_api_key_works_too(edge: Edge) -> None:
    assert (await edge.anonymous.get(CONTACTS, headers={"x-api-key": edge.key})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": "Bearer polder_live_00000000_000000000000000000000000000000000000"},
        {"authorization": "{key}"},
        {"authorization": "Bearer {key}, Bearer {key}"},
        {"x-api-key": ""},
        {"cookie": "key={key}"},
    ],
)
async def test_anything_else_is_no_key(edge: Edge, headers: dict[str, str]) -> None:
    given = {name: value.replace("{key}", edge.key) for name, value in headers.items()}
    answer = await edge.anonymous.get(CONTACTS, headers=given)
    assert answer.status_code == 401
    assert edge.key not in answer.text
    assert edge.engine.calls == []


async def test_a_key_in_the_query_is_no_key(edge: Edge) -> None:
    assert (await edge.anonymous.get(f"{CONTACTS}?api_key={edge.key}")).status_code == 401


async def test_two_authorization_headers_are_no_key(edge: Edge) -> None:
    sent = await send_raw(edge, "GET", RAW_PATH, headers=[(b"authorization", f"Bearer {edge.key}".encode())])
    assert sent.status == 401


# Headers and query


async def test_too_many_header_fields_are_431(edge: Edge) -> None:
    some = [(f"x-{number}".encode(), b"1") for number in range(99)]
    assert (await send_raw(edge, "GET", RAW_PATH, headers=some)).status == 200
    sent = await send_raw(edge, "GET", RAW_PATH, headers=[*some, (b"x-more", b"1")])
    assert (sent.status, sent.problem()["code"]) == (431, "headers_too_large")


async def test_too_many_header_bytes_are_431(edge: Edge) -> None:
    assert (await send_raw(edge, "GET", RAW_PATH, headers=[(b"x-a", b"a" * 16_000)])).status == 200
    sent = await send_raw(edge, "GET", RAW_PATH, headers=[(b"x-a", b"a" * 16_400)])
    assert sent.status == 431
    assert sent.header("x-request-id") == sent.problem()["request_id"]


@pytest.mark.parametrize("path", [RAW_PATH, b"/nowhere", b"/docs"])
async def test_an_address_without_end_is_414_and_kept_nowhere(edge: Edge, path: bytes) -> None:
    room = 8 * 1024 - len(path)
    for query in (b"q=" + b"a" * (room - 1), b"&" * 60_000):
        sent = await send_raw(edge, "GET", path, query=query)
        assert (sent.status, sent.problem()["code"]) == (414, "address_too_long")
    assert (await send_raw(edge, "GET", path, query=b"q=" + b"a" * (room - 2))).status != 414


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", []),
        (b"q=a%20b+c", [("q", "a b c")]),
        (b"q=&flag", [("q", ""), ("flag", "")]),
        (b"a=1&a=2", [("a", "1"), ("a", "2")]),
        ("q=café".encode(), [("q", "café")]),
        (b"q=1;2", [("q", "1;2")]),
    ],
)
async def test_the_query_is_passed_on_in_order(edge: Edge, query: bytes, expected: list[tuple[str, str]]) -> None:
    await send_raw(edge, "GET", RAW_PATH, query=query)
    assert list(edge.engine.calls[0].query) == expected


@pytest.mark.parametrize("query", [b"q=%ff", b"q=\xff", b"&".join(b"a=1" for _ in range(101))])
async def test_a_query_that_cannot_be_read_is_422(edge: Edge, query: bytes) -> None:
    sent = await send_raw(edge, "GET", RAW_PATH, query=query)
    assert (sent.status, sent.problem()["code"]) == (422, "validation_failed")
    assert edge.engine.calls == []


# Bodies


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/merge-patch+json",
        "application/vnd.example.v1+json; charset=utf-8",
    ],
)
async def test_json_is_taken(edge: Edge, media_type: str) -> None:
    answer = await edge.client.post(CONTACTS, content=b'{"a":12.40}', headers={"content-type": media_type})
    assert answer.status_code == 200
    assert edge.engine.calls[0].body == b'{"a":12.40}'


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "application/json, application/json",
        "application/jsonx",
        "multipart/form-data; boundary=x",
    ],
)
async def test_anything_else_is_415(edge: Edge, media_type: str | None) -> None:
    headers = [] if media_type is None else [(b"content-type", media_type.encode())]
    sent = await send_raw(edge, "POST", RAW_PATH, headers=headers, chunks=[b"{}"])
    assert (sent.status, sent.problem()["code"]) == (415, "unsupported_media_type")
    assert edge.engine.calls == []


@pytest.mark.parametrize("path", [RAW_PATH, b"/v1/connections/con_1/raw/files"])
@pytest.mark.parametrize("coding", [b"gzip", b"br", b"identity, gzip"])
async def test_a_packed_body_is_415_and_handed_on_to_nobody(edge: Edge, path: bytes, coding: bytes) -> None:
    headers = [JSON, (b"content-encoding", coding)]
    sent = await send_raw(edge, "POST", path, headers=headers, chunks=[b"\x1f\x8b"])
    assert (sent.status, sent.problem()["code"]) == (415, "unsupported_media_type")
    assert sent.header("accept-encoding") == "identity"
    assert edge.engine.calls == []


@pytest.mark.parametrize("coding", [b"identity", b"Identity", b""])
async def test_a_body_that_is_said_to_be_as_it_is_is_taken(edge: Edge, coding: bytes) -> None:
    sent = await send_raw(edge, "POST", RAW_PATH, headers=[JSON, (b"content-encoding", coding)], chunks=[b"{}"])
    assert sent.status == 200


async def test_an_empty_body_needs_no_media_type(edge: Edge) -> None:
    sent = await send_raw(edge, "POST", b"/v1/connections/con_1/invoices/1/finalize")
    assert sent.status == 200


async def test_raw_takes_any_media_type(edge: Edge) -> None:
    headers = [(b"content-type", b"application/pdf")]
    sent = await send_raw(edge, "POST", b"/v1/connections/con_1/raw/files", headers=headers, chunks=[b"%PDF", b"-1.7"])
    assert sent.status == 200
    assert edge.engine.calls[0].body == b"%PDF-1.7"
    assert edge.engine.calls[0].headers["content-type"] == "application/pdf"


async def test_the_body_of_a_get_is_not_read(edge: Edge) -> None:
    sent = await send_raw(edge, "GET", RAW_PATH, chunks=[b"x" * 2_000_000])
    assert sent.status == 200
    assert edge.engine.calls[0].body == b""


async def test_a_declared_length_over_the_limit_is_413_before_a_byte_is_read(edge: Edge) -> None:
    for length in (b"1000001", b"9" * 5000):
        sent = await send_raw(edge, "POST", RAW_PATH, headers=[JSON, (b"content-length", length)], chunks=[])
        assert (sent.status, sent.problem()["code"]) == (413, "too_large")
        assert sent.header("connection") == "close"


async def test_a_body_in_pieces_is_413_as_soon_as_it_is_too_large(edge: Edge) -> None:
    piece = b"x" * 300_000
    assert (await send_raw(edge, "POST", RAW_PATH, headers=[JSON], chunks=[piece] * 3)).status == 200
    pieces = [piece] * 10
    sent = await send_raw(edge, "POST", RAW_PATH, headers=[JSON], chunks=pieces)
    assert sent.status == 413
    assert len(edge.engine.calls) == 1


async def test_the_raw_limit_is_larger() -> None:
    edge = await build_edge(Limits(body=10, raw_body=100))
    chunks = [b"x" * 50]
    assert (await send_raw(edge, "POST", RAW_PATH, headers=[JSON], chunks=chunks)).status == 413
    raw = b"/v1/connections/con_1/raw/x"
    assert (await send_raw(edge, "POST", raw, chunks=chunks)).status == 200
    assert (await send_raw(edge, "POST", raw, chunks=chunks * 3)).status == 413


async def test_a_body_of_exactly_the_limit_is_taken() -> None:
    edge = await build_edge(Limits(body=10))
    headers = [JSON, (b"content-length", b"10")]
    assert (await send_raw(edge, "POST", RAW_PATH, headers=headers, chunks=[b"x" * 10])).status == 200


async def test_a_body_that_does_not_come_is_408() -> None:
    edge = await build_edge(Limits(body_timeout=0.01))
    sent: list[dict[str, object]] = []

    async def never() -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": CONTACTS,
        "raw_path": RAW_PATH,
        "query_string": b"",
        "headers": [JSON, (b"authorization", f"Bearer {edge.key}".encode())],
    }
    await edge.app(scope, never, send)  # type: ignore[arg-type]  # messages of a test, narrower than Starlette's type
    assert sent[0]["status"] == 408


@pytest.mark.parametrize("limits", [Limits(body_timeout=0.05), Limits(deadline=0.05, body_timeout=60)])
async def test_a_body_that_trickles_is_408_though_something_of_it_comes_all_the_while(limits: Limits) -> None:
    edge = await build_edge(limits)
    sent = await send_raw(edge, "POST", RAW_PATH, headers=[JSON], chunks=[b"x"] * 900_000, at_leisure=True)
    assert (sent.status, sent.problem()["code"]) == (408, "request_timeout")
    assert sent.problem()["detail"] == "The body was not whole after 0.05 seconds."
    assert sent.header("connection") == "close"
    assert edge.engine.calls == []


async def test_a_caller_who_leaves_is_answered_nothing_and_counted(edge: Edge) -> None:
    sent = await send_raw(edge, "POST", RAW_PATH, headers=[JSON], chunks=[])
    assert sent.status == 0
    assert edge.engine.calls == []
    assert edge.lines()[-1]["status"] == 499
    assert "polder_http_requests_in_flight 0.0" in edge.metrics.exposition().decode()


# Request ids


@pytest.mark.parametrize("given", ["abc-123", "01JF6Z:9/x=+@.", "a" * 128])
async def test_a_sane_request_id_is_kept(edge: Edge, given: str) -> None:
    answer = await edge.client.get(CONTACTS, headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == given
    assert edge.engine.calls[0].request_id == given


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, "é", "<script>", '"', "a, b", "-x"])
async def test_any_other_is_replaced(edge: Edge, given: str) -> None:
    sent = await send_raw(edge, "GET", RAW_PATH, headers=[(b"x-request-id", given.encode("latin-1"))])
    assert (sent.header("x-request-id") or "").startswith("req_")


async def test_white_space_around_a_header_is_no_part_of_it(edge: Edge) -> None:
    given = [(b"x-request-id", b"abc \t"), (b"idempotency-key", b"\t order-1 "), JSON]
    sent = await send_raw(edge, "POST", RAW_PATH, headers=given, chunks=[b"{}"])
    assert sent.header("x-request-id") == "abc"
    assert edge.engine.calls[0].headers["idempotency-key"] == "order-1"


async def test_request_ids_differ(edge: Edge) -> None:
    ids = {(await edge.client.get("/nothing")).headers["x-request-id"] for _ in range(50)}
    assert len(ids) == 50


# Not HTTP


async def test_a_websocket_is_closed(edge: Edge) -> None:
    sent: list[object] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(message)

    await edge.app({"type": "websocket", "path": CONTACTS}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000}]


async def test_two_edges_know_nothing_of_each_other(edge: Edge) -> None:
    other = await build_edge()
    other.keys.kept.clear()
    async with client_of(other.app, {"authorization": f"Bearer {edge.key}"}) as stranger:
        assert (await stranger.get(CONTACTS)).status_code == 401
    assert (await edge.client.get(CONTACTS)).status_code == 200
