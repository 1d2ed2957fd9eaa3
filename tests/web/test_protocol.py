"""Answers written at once: the same bytes as uvicorn's own, in one write where uvicorn has two."""

import asyncio
import errno
import gc
import re
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway import serve
from gateway.engine.call import Answer, Call
from gateway.serve import listen, port_of, serving
from gateway.web import protocol
from gateway.web.app import Limits
from gateway.web.protocol import LINGER, Protocol
from gateway.web.replies import reply, send_reply
from tests.engine.sockets import on_both_loops
from tests.web.edge import Edge

pytestmark = pytest.mark.anyio
anyio_backend = on_both_loops

LARGE = bytes(range(256)) * 20_000
"""More than any socket takes at once."""
GET = b"GET /small HTTP/1.1\r\nhost: polder.test\r\n\r\n"
CLOSE = b"GET /small HTTP/1.1\r\nhost: polder.test\r\nconnection: close\r\n\r\n"
JSON = [(b"content-type", b"application/json"), (b"etag", b'"1"')]


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers by path."""
    if scope["path"] == "/read":
        body = (await receive())["body"]
        await send_reply(scope, send, reply(200, JSON, body), "req_1")
    elif scope["path"] == "/known":
        await send_reply(scope, send, reply(304, JSON, b"not to be sent"), "req_1")
    elif scope["path"] == "/large":
        await send_reply(scope, send, reply(200, JSON, LARGE), "req_1")
    else:
        await send_reply(scope, send, reply(200, JSON, b'{"small":true}'), "req_1")


class _Written:
    """A transport that notes what is written to it."""

    def __init__(self, transport: Any, writes: list[bytes]) -> None:
        self._transport = transport
        self._writes = writes

    def write(self, data: bytes) -> None:
        self._writes.append(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def noting(protocol: type[HttpToolsProtocol], writes: list[bytes]) -> type[HttpToolsProtocol]:
    class Noting(protocol):  # type: ignore[valid-type,misc]  # it is known when this runs
        def connection_made(self, transport: Any) -> None:
            super().connection_made(_Written(transport, writes))

    return Noting


@asynccontextmanager
async def connected(
    protocol: type[HttpToolsProtocol], app: ASGIApp = application
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    listener = listen("127.0.0.1", 0)
    async with serving(app, listener, protocol=protocol):
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listener))
        try:
            yield reader, writer
        finally:
            writer.close()


async def said(protocol: type[HttpToolsProtocol], asked: bytes) -> bytes:
    """All that is said until the connection is closed, without its dates."""
    async with connected(protocol) as (reader, writer), asyncio.timeout(10):
        writer.write(asked)
        return re.sub(rb"date: [^\r]*\r\n", b"", await reader.read())


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        pytest.param(GET + CLOSE, 2, id="one that keeps the connection, one that closes it"),
        pytest.param(GET * 20 + CLOSE, 21, id="many sent ahead"),
        pytest.param(b"GET /small HTTP/1.0\r\n\r\n", 1, id="HTTP/1.0"),
        pytest.param(b"HEAD /large HTTP/1.1\r\nhost: a\r\n\r\n" + CLOSE, 2, id="HEAD"),
        pytest.param(b"GET /known HTTP/1.1\r\nhost: a\r\n\r\n" + CLOSE, 2, id="no body"),
        pytest.param(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n" * 3 + CLOSE, 4, id="more than a socket takes"),
        pytest.param(b"POST /small HTTP/1.1\r\ncontent-length: 5\r\n\r\n12345" + CLOSE, 2, id="a body nobody reads"),
        pytest.param(b"POST /read HTTP/1.1\r\ncontent-length: 5\r\n\r\n12345" + CLOSE, 2, id="a body that is read"),
        pytest.param(
            b"POST /read HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n12345" + CLOSE,
            3,
            id="a body that is waited for",
        ),
        pytest.param(
            b"POST /small HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n12345" + CLOSE,
            2,
            id="a body that nobody waits for",
        ),
        pytest.param(GET + b"no HTTP\r\n\r\n", 1, id="nonsense, at which the connection is closed"),
    ],
)
async def test_the_bytes_are_uvicorns(asked: bytes, answers: int) -> None:
    ours = await said(Protocol, asked)
    assert ours == await said(HttpToolsProtocol, asked)
    assert len(re.findall(rb"HTTP/1\.1 \d{3} ", ours)) == answers


@pytest.mark.parametrize(("protocol", "writes"), [(Protocol, 1), (HttpToolsProtocol, 2)])
async def test_an_answer_is_one_write(protocol: type[HttpToolsProtocol], writes: int) -> None:
    noted: list[bytes] = []
    async with connected(noting(protocol, noted)) as (reader, writer), asyncio.timeout(10):
        for path in (b"/small", b"/large", b"/known"):
            noted.clear()
            writer.write(b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n" % path)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            assert len([one for one in noted if one]) == (1 if path == b"/known" else writes)


def declared(edge: Edge, length: int, *headers: bytes) -> bytes:
    """The head of a request with a body of that length."""
    lines = [
        *(b"POST /v1/connections/con_1/contacts HTTP/1.1", b"host: polder.test", b"content-type: application/json"),
        *(b"authorization: Bearer " + edge.key.encode(), b"content-length: %d" % length, *headers),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


@pytest.mark.parametrize("headers", [[], [b"connection: close"]])
@pytest.mark.parametrize("protocol", [Protocol, HttpToolsProtocol])
async def test_a_connection_that_is_said_to_close_does(
    edge: Edge, protocol: type[HttpToolsProtocol], headers: list[bytes]
) -> None:
    async with connected(protocol, edge.app) as (reader, writer), asyncio.timeout(10):
        writer.write(declared(edge, 2_000_000, *headers))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413 ")
        assert head.count(b"connection: close\r\n") == 1
        # The body's rest could be the next request, were anybody to read it.
        writer.write(GET + GET)
        assert b"HTTP/1.1 " not in await reader.read()
    assert edge.engine.calls == []


async def sent_on(writer: asyncio.StreamWriter, size: int, piece: bytes = b"x" * 50_000) -> None:
    """So many bytes of it, in pieces."""
    for _ in range(size // len(piece)):
        writer.write(piece)
        await writer.drain()


async def test_who_still_sends_can_read_his_last_answer(edge: Edge) -> None:
    """A reset would take it from him: what he sends is thrown away for a while, and then no more."""
    async with connected(Protocol, edge.app) as (reader, writer), asyncio.timeout(10):
        writer.write(declared(edge, 100_000_000))
        await reader.readuntil(b"\r\n\r\n")
        await sent_on(writer, LINGER // 2)
        assert b"too_large" in await reader.read()
        with pytest.raises(ConnectionError):
            await sent_on(writer, 100_000_000)


async def test_who_resets_it_just_before_its_end_breaks_nothing(edge: Edge) -> None:
    broken: list[BaseException] = []

    class Reset(_Written):
        def write_eof(self) -> None:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    class Resetting(Protocol):
        def connection_made(self, transport: Any) -> None:
            resets: Any = Reset(transport, [])
            super().connection_made(resets)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await edge.app(scope, receive, send)
        except OSError as error:
            broken.append(error)

    async with connected(Resetting, app) as (reader, writer), asyncio.timeout(10):
        writer.write(declared(edge, 2_000_000))
        await reader.readuntil(b"too_large")
    assert broken == []


async def test_who_sends_all_before_he_reads_is_told_what_was_too_large(edge: Edge) -> None:
    """As many a client does, of a file that is just too large."""
    size = Limits().raw_body + 1
    begin = declared(edge, size).replace(b"/contacts ", b"/raw/files ")
    async with connected(Protocol, edge.app) as (reader, writer), asyncio.timeout(20):
        writer.write(begin)
        await sent_on(writer, size)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
        assert b"too_large" in await reader.read()


def hearing(heard: list[int]) -> type[Protocol]:
    class Hearing(Protocol):
        def data_received(self, data: bytes) -> None:
            heard.append(len(data))
            super().data_received(data)

    return Hearing


ENDLESS = {
    "a target": (b"GET /", b"x" * 50_000),
    "a header": (b"GET /livez HTTP/1.1\r\nx: ", b"x" * 50_000),
    "headers": (b"GET /livez HTTP/1.1\r\n", b"x: y\r\n" * 10_000),
}


@pytest.mark.parametrize("before", [b"", GET], ids=["first", "second"])
@pytest.mark.parametrize(("begin", "piece"), ENDLESS.values(), ids=ENDLESS)
async def test_a_head_without_end_is_not_waited_for(edge: Edge, before: bytes, begin: bytes, piece: bytes) -> None:
    heard: list[int] = []
    async with connected(hearing(heard), edge.app) as (reader, writer), asyncio.timeout(20):
        writer.write(before + begin)
        sending = asyncio.create_task(sent_on(writer, 100_000_000, piece))
        answers = await reader.read()
        with pytest.raises(ConnectionError):
            await sending
    assert sum(heard) < 1_000_000
    assert [answer[:3] for answer in answers.split(b"HTTP/1.1 ")[1:]] == [b"404"] * bool(before) + [b"431"]
    assert answers.count(b"connection: close\r\n") == 1
    assert edge.lines()[-1]["code"] == "headers_too_large"


@pytest.mark.parametrize(
    ("before", "piece"), [(b"", b""), *((before, begun) for before in (b"", GET) for begun in (GET[:1], GET[:-9]))]
)
async def test_who_says_nothing_or_too_little_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, before: bytes, piece: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.2)
    async with connected(Protocol) as (reader, writer), asyncio.timeout(10):
        writer.write(before)
        if before:
            await reader.readuntil(b'{"small":true}')
        writer.write(piece)
        assert await reader.read() == b""


async def test_the_time_for_a_head_is_not_that_of_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.05)
    done = asyncio.Event()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        asyncio.get_running_loop().call_later(0.3, done.set)
        await done.wait()
        await application(scope, receive, send)

    async with connected(Protocol, late) as (reader, writer), asyncio.timeout(10):
        for _ in range(2):
            writer.write(GET)
            assert b"200" in await reader.readuntil(b'{"small":true}')


async def test_who_sends_ahead_is_answered_before_the_time_for_his_next_head_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rest of the third head is sent at once, and read when the first answer was given."""
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.05)

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.2)
        await application(scope, receive, send)

    async with connected(Protocol, late) as (reader, writer), asyncio.timeout(10):
        writer.write(GET + GET + GET[:-9])
        await asyncio.sleep(0.02)
        writer.write(GET[-9:])
        for _ in range(3):
            assert b"200" in await reader.readuntil(b'{"small":true}')


async def test_what_follows_a_body_has_an_end(edge: Edge) -> None:
    heard: list[int] = []
    begin = declared(edge, 0).replace(b"content-length: 0", b"transfer-encoding: chunked") + b"1\r\nx\r\n0\r\nx: "
    async with connected(hearing(heard), edge.app) as (_, writer), asyncio.timeout(20):
        writer.write(begin)
        with pytest.raises(ConnectionError):
            await sent_on(writer, 100_000_000)
    assert sum(heard) < 3_000_000
    assert edge.engine.calls == []


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [
        *((b"1.1", [host], 200) for host in (b"a.test:8080", b"[::1]:8080", b"127.0.0.1", b"under_score", b"")),
        *((b"1.1", [host], 400) for host in (b"a b", b"a/b", b"me@a.test", b"a:b", b"[::1", b"\xc3\xa9.test", b"%zz")),
        (b"1.1", [], 400),
        (b"1.1", [b"a.test", b"a.test"], 400),
        (b"1.1", [b"", b""], 400),
        (b"1.0", [], 200),
        (b"1.0", [b"a.test", b"b.test"], 400),
    ],
)
async def test_a_request_says_once_whom_it_asks(edge: Edge, version: bytes, hosts: list[bytes], status: int) -> None:
    """RFC 9112 §3.2: else somebody before us may read another one than we do."""
    lines = [b"GET /livez HTTP/" + version, *(b"host: " + host for host in hosts), b"connection: close"]
    async with connected(Protocol, edge.app) as (reader, writer), asyncio.timeout(10):
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert (b'"code":"invalid_host"' in answer) == (status == 400)


async def test_a_long_way_of_sending_little_is_no_reason_to_refuse(edge: Edge) -> None:
    """Requests sent ahead in pieces that end anywhere, each head no longer than it may be."""
    head = b"GET /livez HTTP/1.1\r\nhost: a\r\nx: %b\r\n\r\n" % (b"x" * 12_000)
    whole = head * 100
    async with connected(Protocol, edge.app) as (reader, writer), asyncio.timeout(20):
        for start in range(0, len(whole), 7_001):
            writer.write(whole[start : start + 7_001])
            await writer.drain()
        for _ in range(100):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            await reader.readuntil(b"}")


@asynccontextmanager
async def asked(edge: Edge, deadline: float, until: asyncio.Event) -> AsyncIterator[asyncio.StreamReader]:
    """A write that takes until then, and a server that is asked to stop once it has begun."""
    came = asyncio.Event()

    async def perform(call: Call) -> Answer:
        came.set()
        await until.wait()
        return Answer(201, b"{}")

    edge.engine.perform = perform  # type: ignore[method-assign]  # this engine takes its time
    listener = listen("127.0.0.1", 0)
    async with asyncio.timeout(20):
        async with serving(edge.app, listener, deadline=deadline):
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listener))
            writer.write(declared(edge, 2) + b"{}")
            await came.wait()
            edge.app.drain()
        yield reader
        writer.close()


async def test_a_request_under_way_has_its_deadline_when_the_server_stops(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "GRACE", 0)
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(0.5, done.set)
    async with asked(edge, deadline=10, until=done) as reader:
        assert (await reader.read()).startswith(b"HTTP/1.1 201 ")


async def test_what_is_cut_off_even_so_is_told_that_nobody_knows_what_became_of_it(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "GRACE", 0)
    async with asked(edge, deadline=0.1, until=asyncio.Event()) as reader:
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json\r\n" in head
    told = msgspec.json.decode(body)
    assert (told["code"], told["outcome"]) == ("internal_error", "unknown")
    assert edge.lines()[-1]["status"] == 500


async def test_nothing_is_written_to_who_left() -> None:
    noted: list[bytes] = []
    came, gone, told = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        came.set()
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        gone.set()
        await send_reply(scope, send, reply(200, JSON, b"late"), "req_1")
        told.set()

    async with connected(noting(Protocol, noted), late) as (_, writer), asyncio.timeout(10):
        writer.write(GET)
        await came.wait()
        writer.close()
        await gone.wait()
        await told.wait()
    assert noted == []


async def test_a_connection_that_is_gone_is_no_garbage() -> None:
    """The collector looks seldom (``gateway.garbage_collection``): what refers to itself would stay for long."""
    made: list[weakref.ref[Protocol]] = []

    class Remembered(Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            made.append(weakref.ref(self))

    gc.disable()
    try:
        async with connected(Remembered) as (reader, writer), asyncio.timeout(10):
            writer.write(GET)
            await reader.readuntil(b"}")
            writer.close()
            while made[0]() is not None:
                await asyncio.sleep(0.01)
    finally:
        gc.enable()


@pytest.mark.parametrize("name", [b"x", b"x\r\ny", b"x\ny"])
@pytest.mark.parametrize("text", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b", b"a\x1bb", b"a\x7fb"])
def test_a_header_that_would_break_out_of_its_line_is_refused(name: bytes, text: bytes) -> None:
    with pytest.raises(ValueError, match="break out"):
        reply(200, [(name, text)], b"")


@pytest.mark.parametrize("header", [(b"x", b"a: b"), (b"x", b""), (b"x", b"a\tb"), (b"x", "é".encode("latin-1"))])
async def test_the_headers_are_the_same_for_a_server_that_takes_them_apart(header: tuple[bytes, bytes]) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await send_reply({"type": "http", "method": "GET"}, send, reply(200, [header], b"{}"), "req_1")
    assert sent[0]["headers"][0] == header
    assert sent[0]["headers"][-1] == (b"x-request-id", b"req_1")
    assert sent[1]["body"] == b"{}"


OFFER = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
"""What Java's HTTP client says with its first request, and curl when it is asked for HTTP/2."""
WITH_LENGTH = b"POST /read HTTP/1.1\r\nhost: a\r\n%bcontent-length: 7\r\n\r\n" % OFFER, b"[1,2,3]"
IN_CHUNKS = (
    b"POST /read HTTP/1.1\r\nhost: a\r\n%btransfer-encoding: chunked\r\n\r\n" % OFFER,
    b"7\r\n[1,2,3]\r\n0\r\n\r\n",
)


@pytest.mark.parametrize("pieces", [1, 2, 9])
@pytest.mark.parametrize(("head", "body"), [WITH_LENGTH, IN_CHUNKS])
async def test_a_body_is_read_though_another_protocol_is_offered(head: bytes, body: bytes, pieces: int) -> None:
    sent = head + body + GET + head + body + CLOSE
    size = -(-len(sent) // pieces)
    async with connected(Protocol) as (reader, writer), asyncio.timeout(10):
        for start in range(0, len(sent), size):
            writer.write(sent[start : start + size])
            await asyncio.sleep(0.01)
        answers = await reader.read()
    assert re.findall(rb"\r\n\r\n(\[1,2,3\]|\{\"small\":true\})", answers) == [b"[1,2,3]", b'{"small":true}'] * 2


async def test_however_many_offer_another_protocol_each_is_answered() -> None:
    one = b"GET /small HTTP/1.1\r\nhost: a\r\n%b\r\n" % OFFER
    async with connected(Protocol) as (reader, writer), asyncio.timeout(20):
        writer.write(one * 500 + CLOSE)
        assert (await reader.read()).count(b'{"small":true}') == 501


@pytest.mark.parametrize("first", [b"CONNECT a.test:443 HTTP/1.1", b"CONNECT /small HTTP/1.1"])
async def test_a_tunnel_is_dug_by_nobody(first: bytes) -> None:
    """What is sent through one is no request."""
    async with connected(Protocol) as (reader, writer), asyncio.timeout(10):
        writer.write(first + b"\r\nhost: a\r\n" + OFFER + b"\r\n" + GET)
        assert (await reader.read()).count(b"HTTP/1.1 ") == 1
