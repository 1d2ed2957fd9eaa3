"""Requests of keys that several nodes count together, and each by itself while it cannot."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from gateway.engine.access.rate_limit import LocalRateLimiter
from gateway.store import rate_limit
from gateway.store.rate_limit import SharedRateLimiter
from tests.house import ManualClock
from tests.services import Valkey

pytestmark = pytest.mark.anyio

Node = Callable[..., SharedRateLimiter]


@pytest.fixture
async def node(valkey: Valkey) -> AsyncIterator[Node]:
    """Makes limiters of one server, each of a node of its own."""
    made: list[SharedRateLimiter] = []

    def make(limit: int = 50, clock: ManualClock | None = None) -> SharedRateLimiter:
        made.append(SharedRateLimiter(valkey.url, limit, clock or ManualClock()))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def allowed(limiters: list[SharedRateLimiter], each: int, key: str = "a") -> int:
    """How many requests are allowed of so many of each node's, all at once."""
    told = await asyncio.gather(*(one.take(key) for one in limiters for _ in range(each)))
    return sum(1 for one in told if not one.wait)


async def test_nodes_count_together(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "_WAIT", 20.0)  # on a busy machine too
    # One request of fifty a minute comes back in 1.2 seconds: a slow machine may see some of them.
    began = asyncio.get_running_loop().time()
    found = await allowed([node(), node(), node()], 60)
    took = asyncio.get_running_loop().time() - began
    assert 50 <= found <= 50 + took / 1.2 + 1


async def test_each_key_has_its_own(node: Node) -> None:
    one = node(2)
    assert (await allowed([one], 3, "a"), await allowed([one], 3, "b")) == (2, 2)


async def test_it_is_told_what_one_node_alone_would_tell(node: Node) -> None:
    one, alone = node(1_000), LocalRateLimiter(1_000, ManualClock())
    assert [await one.take("a") for _ in range(3)] == [await alone.take("a") for _ in range(3)]


async def test_what_was_counted_goes_with_its_minute(node: Node, valkey: Valkey) -> None:
    await node(2).take("a")
    server = Redis.from_url(valkey.url)
    [key] = [name async for name in server.scan_iter("*rate*")]
    assert 29_000 <= await server.pttl(key) <= 30_000
    await server.aclose()


async def test_each_counts_by_itself_while_the_server_is_away(node: Node, valkey: Valkey) -> None:
    clock = ManualClock()
    one, other = node(3, clock), node(3, clock)
    assert await allowed([one, other], 3) == 3
    valkey.kill()
    assert [await allowed([one], 5), await allowed([other], 5)] == [3, 3]
    valkey.start()
    assert await allowed([one], 1) == 0, "a server that failed is not asked at once"
    clock.advance(2)
    assert await allowed([one, other], 5) == 3


async def test_a_server_that_hangs_is_waited_for_once(node: Node) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    deaf = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = deaf.sockets[0].getsockname()[1]
    one = SharedRateLimiter(f"redis://127.0.0.1:{port}", 1_000_000, ManualClock())
    async with asyncio.timeout(20):  # 500 requests, each waiting, would take 50 seconds
        for _ in range(500):
            assert not (await one.take("a")).wait
    await one.close()
    deaf.close()
