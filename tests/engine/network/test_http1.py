"""One connection on real sockets: where an answer ends, when it is used again, which address it is to, and TLS."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.engine.clock import SystemClock
from gateway.engine.network import sockets
from gateway.engine.network.http import NotSent, Wire
from gateway.engine.network.sockets import network
from tests.engine.sockets import Talk, answer, certified, on_both_loops, refusing, send, serving, silent

anyio_backend = on_both_loops

_Address = tuple[int, int, int, str, tuple[str, int]]
"""As ``getaddrinfo`` tells them."""
_TCP = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")


async def test_an_interim_answer_is_passed_over() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + answer(b"ok"))

    async with serving(script) as server:
        reply = await send(server.origin)
    assert (reply.status, reply.body) == (200, b"ok")
    assert "link" not in reply.headers


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(b"HTTP/1.1 200 OK\r\n\r\nab")
        await asyncio.sleep(0.01)
        await talk.say(b"c")

    async with serving(script) as server:
        assert (await send(server.origin, "GET")).body == b"abc"


async def test_what_follows_a_body_is_no_header_of_it() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        chunked = b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
        await talk.say(b"HTTP/1.1 200 OK\r\n" + chunked + b"content-type: text/html\r\n\r\n")

    async with serving(script) as server:
        reply = await send(server.origin)
    assert (reply.media_type, reply.body) == ("application/json", b"{}")


async def test_white_space_around_a_header_is_no_part_of_it() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(answer(b"ok", b"x-total: \t 50 \t ", b"x-empty:   "))

    async with serving(script) as server:
        headers = (await send(server.origin)).headers
    assert (headers["x-total"], headers["x-empty"]) == ("50", "")


async def test_an_answer_to_head_has_no_body() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
        await asyncio.sleep(5)

    async with serving(script) as server:
        reply = await send(server.origin, "HEAD", b"")
    assert (reply.status, reply.headers["content-length"], reply.body) == (200, "5", b"")


async def test_a_read_with_a_body_says_how_long_it_is() -> None:
    async def script(talk: Talk) -> None:
        assert (await talk.hear()).endswith(b"\r\n\r\n{}")
        await talk.say(answer(b"ok"))

    async with serving(script) as server:
        assert (await send(server.origin, "GET", b"{}")).body == b"ok"


async def test_a_name_that_dns_cannot_have_is_not_sent() -> None:
    with pytest.raises(NotSent):
        await send(f"http://{'a' * 70}.test")
    with pytest.raises(NotSent):
        await send("http://books..test")


@pytest.mark.parametrize("is_late", [False, True], ids=["with the answer", "some time after it"])
@pytest.mark.parametrize("more", [answer(b"evil"), b"rubbish", b"HTTP/1.1 200"], ids=["answer", "rubbish", "half"])
async def test_what_nobody_asked_for_is_nobodys_answer(more: bytes, is_late: bool) -> None:
    """Who says more than was asked is not asked again on that connection: the next answer may be another's."""
    answered, was_left = asyncio.Event(), asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.hear()
        said = answer(b"%d" % talk.server.opened)
        if is_late:
            await talk.say(said)
            await answered.wait()
            await talk.say(more)
        else:
            await talk.say(said + more)
        await talk.reader.read()
        was_left.set()

    wire = Wire(SystemClock(), network)
    async with serving(script) as server:
        first = await send(server.origin, "GET", b"", wire=wire)
        answered.set()
        async with asyncio.timeout(5):
            await was_left.wait()
        second = await send(server.origin, "GET", b"", wire=wire)
        await wire.close()
    assert [first.body, second.body] == [b"1", b"2"]
    assert (server.opened, len(server.received)) == (2, 2)


async def test_a_connection_that_nobody_uses_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "_IDLE_SECONDS", 0.05)
    left = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(answer(b"ok"))
        assert not await talk.reader.read()
        left.set()

    wire = Wire(SystemClock(), network)
    async with serving(script) as server:
        await send(server.origin, "GET", b"", wire=wire)
        async with asyncio.timeout(2):
            await left.wait()
        await wire.close()


# Which address


@pytest.mark.parametrize("nowhere", [refusing, silent])
async def test_an_address_that_leads_nowhere_is_not_the_last(
    nowhere: Callable[[], contextlib.AbstractContextManager[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of IPv6 where there is none: the next is tried beside it (RFC 8305)."""

    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(answer(b"ok"))

    async with serving(script) as server:
        with nowhere() as port:
            known = {"books.test": [port, server.port]}

            async def found(host: str, asked: int, **rest: object) -> list[_Address]:  # uvloop looks addresses up too
                return [(*_TCP, ("127.0.0.1", one)) for one in known.get(host, [asked])]

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
            assert (await send("http://books.test")).body == b"ok"
    assert len(server.received) == 1


async def test_an_address_of_ipv6_is_written_as_one() -> None:
    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(answer(b"ok"))

    async with contextlib.AsyncExitStack() as stack:
        try:
            server = await stack.enter_async_context(serving(script, "::1"))
        except OSError:
            pytest.skip("this machine has no IPv6")
        assert (await send(server.origin)).body == b"ok"
    assert f"\r\nHost: {server.name}\r\n".encode() in server.received[0]


# TLS


@pytest.mark.parametrize(
    ("name", "is_trusted", "is_reached"),
    [("localhost", True, True), ("localhost", False, False), ("books.test", True, False)],
    ids=["who he says, by one we trust", "by nobody we trust", "another"],
)
async def test_who_cannot_prove_his_name_is_told_nothing(
    name: str, is_trusted: bool, is_reached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof, trust = certified(name, tmp_path)
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer(b"secret"))
            await writer.drain()
        writer.close()

    if is_trusted:
        monkeypatch.setattr(sockets, "_TLS", trust)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=proof)
    origin = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    async with server:
        if is_reached:
            assert (await send(origin, body=b"")).body == b"secret"
        else:
            with pytest.raises(NotSent):
                await send(origin, body=b"")
    assert len(heard) == is_reached
