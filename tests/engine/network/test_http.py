"""What becomes of a request on real sockets: an answer, ``NotSent``, or ``Unanswered``, and never a request twice."""

import asyncio
import gzip
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import astuple
from typing import Any

import httpx2
import pytest

from gateway.engine.clock import SystemClock
from gateway.engine.network import http
from gateway.engine.network.http import NotSent, Timeouts, Unanswered, Wire
from gateway.engine.network.sockets import NetworkTransport, network
from tests.engine.sockets import RawServer, Script, Talk, answer, on_both_loops, refusing, send, serving, silent

anyio_backend = on_both_loops


async def unanswered(script: Script, *, late: bool, within: float = 2.0, received: int = 1) -> RawServer:
    """The server's story ends in ``Unanswered``, after it got so many requests."""
    async with serving(script) as server:
        with pytest.raises(Unanswered) as raised:
            await send(server.origin, within=within)
        assert raised.value.late is late
        await asyncio.sleep(0.02)
        assert len(server.received) == received
        return server


# What answers


async def test_a_whole_answer_is_given_whole() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(answer(b'{"a": 0.10}', b"X-Total: 1", b"X-Total: 2", b"Content-Type: application/json"))

    async with serving(script) as server:
        reply = await send(server.origin)
    assert (reply.status, reply.body) == (200, b'{"a": 0.10}')
    assert (reply.headers["x-total"], reply.media_type) == ("1, 2", "application/json")
    (request,) = server.received
    head = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert head[0] == b"POST /books?x=1 HTTP/1.1"
    assert {line.lower() for line in head[1:]} == {
        f"host: 127.0.0.1:{server.port}".encode(),
        b"authorization: bearer t",
        b"content-length: 2",
        b"connection: close",  # a write's connection is its own
    }


@pytest.mark.parametrize("status", [b"302 Found", b"404 Not Found", b"429 Slow", b"500 Oops", b"503 Busy"])
async def test_every_status_is_an_answer_and_no_redirect_is_followed(status: bytes) -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(answer(b"no", b"location: /elsewhere", b"set-cookie: a=b", status=status))

    async with serving(script) as server:
        reply = await send(server.origin)
    assert reply.status == int(status[:3])
    assert len(server.received) == 1


async def test_a_cookie_is_not_sent_back() -> None:
    async def script(talk: Talk) -> None:
        for _ in range(2):
            await talk.hear()
            await talk.say(answer(b"", b"set-cookie: session=1"))

    wire = Wire(SystemClock(), network)
    async with serving(script) as server:
        await send(server.origin, "GET", wire=wire)
        await send(server.origin, "GET", wire=wire)
        await wire.close()
    assert server.opened == 1, "a read's connection is kept and used again"
    assert b"cookie" not in server.received[1].lower()


async def test_a_compressed_answer_is_unpacked() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(answer(gzip.compress(b'{"a":1}'), b"content-encoding: gzip"))

    async with serving(script) as server:
        assert (await send(server.origin)).body == b'{"a":1}'


async def test_a_header_is_read_in_whatever_it_was_written_in() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(answer(b"", "x-utf: één".encode(), "x-latin: één".encode("latin-1")))

    async with serving(script) as server:
        reply = await send(server.origin)
    assert (reply.headers["x-utf"], reply.headers["x-latin"]) == ("één", "één")


async def test_a_chunked_answer_is_put_together() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")

    async with serving(script) as server:
        assert (await send(server.origin)).body == b"abc"


# What is surely not sent


@pytest.mark.parametrize("nowhere", [refusing, silent])
async def test_a_connection_that_does_not_come_about_is_not_sent(
    nowhere: Callable[[], AbstractContextManager[int]],
) -> None:
    with nowhere() as port, pytest.raises(NotSent):
        await send(f"http://127.0.0.1:{port}")


async def test_a_name_that_nobody_knows_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*args: object, **rest: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(NotSent):
        await send("http://books.test")


async def test_a_server_that_speaks_no_tls_is_not_sent() -> None:
    async def script(talk: Talk) -> None:
        await talk.reader.read(100)
        await talk.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(script) as server:
        with pytest.raises(NotSent):
            await send(server.origin.replace("http:", "https:"))
    assert server.received == []


async def test_no_free_slot_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    free = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.hear()
        await free.wait()
        await talk.say(answer(b"done"))

    def narrow(origin: str) -> NetworkTransport:
        return NetworkTransport(connections=1)

    wire = Wire(SystemClock(), narrow)
    patient = Timeouts(pool=0.05)
    async with serving(script) as server:
        first = asyncio.ensure_future(wire.send("POST", server.origin, "/", {}, b"", within=2.0, timeouts=patient))
        while not server.received:
            await asyncio.sleep(0.005)
        with pytest.raises(NotSent):
            await wire.send("POST", server.origin, "/", {}, b"", within=2.0, timeouts=patient)
        free.set()
        assert (await first).body == b"done"
        await wire.close()
    assert len(server.received) == 1


# What may have been done


async def test_a_connection_dropped_before_the_request_is_read_is_unanswered() -> None:
    async def script(talk: Talk) -> None:
        await talk.reset()

    await unanswered(script, late=False, received=0)


async def test_a_connection_dropped_after_the_request_is_unanswered() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()

    await unanswered(script, late=False)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_a_write_that_http_calls_idempotent_is_not_sent_again_either(method: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.reset()

    async with serving(script) as server:
        with pytest.raises(Unanswered):
            await send(server.origin, method)
        await asyncio.sleep(0.05)
    assert len(server.received) == 1


async def test_a_connection_reset_after_the_request_is_unanswered() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.reset()

    await unanswered(script, late=False)


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK\r\ncontent-len",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"garbage\r\n\r\n",
        b"HTTP/9.9 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 3,
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 3_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\x00\x01\x02\xff" * 10,
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000,
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nabcde",
        answer(gzip.compress(b'{"a":1}')[:-4], b"content-encoding: gzip"),
    ],
    ids=[
        *("half a head", "half a body", "half a chunk", "no last chunk", "garbage", "another protocol", "no length"),
        *("two lengths", "a length and chunks", "another protocol from here", "only hints", "hints without end"),
        *("no chunk", "binary", "endless header", "no gzip", "half a gzip"),
    ],
)
async def test_half_an_answer_or_none_at_all_is_unanswered(half: bytes) -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(half)

    await unanswered(script, late=False)


async def test_silence_is_late() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await asyncio.sleep(5)

    await unanswered(script, late=True, within=0.25)


async def test_an_answer_that_stops_half_way_is_late() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
        await asyncio.sleep(5)

    await unanswered(script, late=True, within=0.25)


async def test_a_trickle_ends_at_the_deadline() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(1000):
            await talk.say(b".")
            await asyncio.sleep(0.02)

    loop = asyncio.get_running_loop()
    before = loop.time()
    await unanswered(script, late=True, within=0.4)
    assert 0.35 < loop.time() - before < 1.5


async def test_an_answer_too_large_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_LIMIT", 1000)

    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(answer(b"x" * 200_000))

    await unanswered(script, late=False)


async def test_a_small_answer_that_unpacks_to_a_large_one_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_LIMIT", 1000)

    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(answer(gzip.compress(b"x" * 100_000), b"content-encoding: gzip"))

    await unanswered(script, late=False)


async def test_a_kept_connection_that_died_is_not_used_for_a_second_request_in_silence() -> None:
    """The server closes after its answer without saying so: the next request goes over a new connection, once."""

    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(answer(b"ok"))

    wire = Wire(SystemClock(), network)
    async with serving(script) as server:
        await send(server.origin, wire=wire)
        await asyncio.sleep(0.05)
        await send(server.origin, wire=wire)
        await wire.close()
    assert len(server.received) == 2
    assert server.opened == 2


async def test_a_body_the_server_does_not_read_is_not_a_client_librarys_error() -> None:
    async def script(talk: Talk) -> None:
        await talk.reader.readexactly(100)
        await talk.reset()

    async with serving(script) as server:
        with pytest.raises((NotSent, Unanswered)):
            await send(server.origin, body=b"x" * 20_000_000)
    assert server.received == []


# Headers and addresses that cannot be


@pytest.mark.parametrize(
    ("origin", "headers"),
    [
        pytest.param(
            "http://127.0.0.1:9",
            {"authorization": "Bearer tök€n"},
        ),
        ("http://127.0.0.1:{port}", {"authorization": "Bearer a\r\nX-Evil: 1"}),
        pytest.param(
            "http://127.0.0.1:no",
            {},
        ),
    ],
)
async def test_what_cannot_be_written_is_never_a_client_librarys_error(origin: str, headers: dict[str, str]) -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(answer(b"ok"))

    wire = Wire(SystemClock(), network)
    async with serving(script) as server:
        with pytest.raises((NotSent, Unanswered)):
            await wire.send("GET", origin.format(port=server.port), "/", headers, b"", within=1.0)
        await wire.close()
    assert server.received == []


async def test_a_header_that_cannot_be_written_is_not_sent() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()

    async with serving(script) as server:
        wire = Wire(SystemClock(), network)
        with pytest.raises(NotSent):
            await wire.send("POST", server.origin, "/", {"x": "a\nb"}, b"{}", within=1.0)


# Cancellation


@pytest.mark.parametrize("moment", [0.0, 0.002, 0.02])
async def test_a_storm_of_cancellations_leaks_no_slot(moment: float) -> None:
    hold = asyncio.Event()

    async def script(talk: Talk) -> None:
        while True:
            await talk.hear()
            await hold.wait()
            await talk.say(answer(b"ok"))

    def narrow(origin: str) -> NetworkTransport:
        return transport

    transport = NetworkTransport(connections=4)
    wire = Wire(SystemClock(), narrow)
    patient = Timeouts(pool=2.0)
    async with serving(script) as server:
        for _ in range(5):
            storm = [
                asyncio.ensure_future(wire.send("GET", server.origin, "/", {}, b"", within=2.0, timeouts=patient))
                for _ in range(20)
            ]
            await asyncio.sleep(moment)
            for task in storm:
                task.cancel()
            await asyncio.gather(*storm, return_exceptions=True)
        hold.set()
        replies = await asyncio.gather(
            *(wire.send("GET", server.origin, "/", {}, b"", within=2.0, timeouts=patient) for _ in range(8))
        )
        assert [reply.body for reply in replies] == [b"ok"] * 8
        assert transport.in_use == 0
        await wire.close()


def test_no_timeout_is_longer_than_what_is_left() -> None:
    assert Timeouts().within(2.0) == Timeouts(connect=2.0, pool=1.0)
    assert Timeouts().within(0.5) == Timeouts(connect=0.5, pool=0.5)
    assert Timeouts().within(10.0) == Timeouts()
    assert min(astuple(Timeouts().within(-5.0))) > 0


async def test_time_that_ran_out_by_the_clock_is_late_even_where_the_answer_came() -> None:
    """Under a manual clock an emulator is slow without a second passing: the deadline holds all the same."""

    class Slow(SystemClock):
        passed = 0.0

        def monotonic(self) -> float:
            return self.passed

    clock = Slow()

    def handle(request: httpx2.Request) -> httpx2.Response:
        clock.passed += 11.0
        return httpx2.Response(200)

    wire = Wire(clock, lambda origin: httpx2.MockTransport(handle))
    with pytest.raises(Unanswered) as raised:
        await wire.send("GET", "http://books.test", "/", {}, b"", within=10.0)
    assert raised.value.late


@pytest.mark.parametrize(
    "fault",
    [
        *(httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol),
        *(httpx2.ReadError, httpx2.ReadTimeout, httpx2.WriteError, httpx2.WriteTimeout, httpx2.CloseError),
        *(httpx2.RemoteProtocolError, httpx2.LocalProtocolError, httpx2.ProxyError),
    ],
)
async def test_every_fault_of_the_client_is_one_of_our_two(fault: Callable[[str], Exception]) -> None:
    def handle(request: httpx2.Request) -> httpx2.Response:
        raise fault("x")

    wire = Wire(SystemClock(), lambda origin: httpx2.MockTransport(handle))
    surely = (
        *(httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout),
        *(httpx2.UnsupportedProtocol, httpx2.LocalProtocolError),
    )
    with pytest.raises(NotSent if fault in surely else Unanswered):
        await wire.send("POST", "http://books.test", "/", {}, b"", within=1.0)
