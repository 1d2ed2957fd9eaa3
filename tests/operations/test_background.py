"""What nobody waits for: done by every gateway, or by `polder work` alone where gateways are told to leave it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest
from pydantic import SecretStr

from gateway.app import Polder, build
from gateway.contract.errors import Problem
from gateway.engine.stop_signal import StopSignal
from gateway.engine.storage import Attempt, StoredConnection
from gateway.engine.tokens.sweeper import AT_ONCE, TRIED, Sweeper
from gateway.engine.writes.reconciliation import SWEEP_EVERY
from gateway.serve import listen, serving
from gateway.settings import Settings
from gateway.store.attempts import SqlAttempts
from gateway.store.tokens import SqlTokens
from tests.house import ENCRYPTION_KEY, ManualClock
from tests.operations.scrape import scraped
from tests.store.making import connection

pytestmark = pytest.mark.anyio

PATIENCE = 30.0
ID = b"left behind"


@asynccontextmanager
async def running(home: Path, *, serves: bool = True, background: bool = True) -> AsyncIterator[Polder]:
    """One of several on the same home, on a port as in real life."""
    settings = Settings(home=home, env="test", encryption_keys=SecretStr(ENCRYPTION_KEY), background=background)
    polder = await build(settings, adapters={}, environment={}, serves=serves)
    async with polder.running(), serving(polder.asgi, listen("127.0.0.1", 0)):
        yield polder


async def leave_behind(polder: Polder) -> None:
    """A write that was begun and not sent by a process that is gone."""
    now = polder.clock.now()
    attempt = Attempt(
        id=ID,
        tenant="acme",
        connection_id=None,
        operation="contacts.create",
        key="key",
        fingerprint=b"same",
        run="1",
        state="claimed",
        created_at=now,
        next_check_at=now - timedelta(seconds=1),
    )
    assert await polder.storage.attempts.claim(attempt, forget_before=now - timedelta(days=1)) is None


@contextmanager
def tripping(where: type, name: str) -> Iterator[list[str]]:
    """A method fails once in a way that nobody expects; the list then says so."""
    tripped: list[str] = []
    real = getattr(where, name)

    async def trip(*arguments: Any, **named: Any) -> Any:
        if not tripped:
            tripped.append(name)
            raise RuntimeError("can't start new thread: Kaasboer De Graaf")
        return await real(*arguments, **named)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(where, name, trip)
        yield tripped


async def state(polder: Polder) -> str:
    attempt = await polder.storage.attempts.find(ID)
    assert attempt is not None
    return attempt.state


async def settled(polder: Polder) -> str:
    async with asyncio.timeout(PATIENCE):
        while await state(polder) == "claimed":
            await asyncio.sleep(0.05)
    return await state(polder)


async def test_a_gateway_looks_after_what_was_left_open(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await leave_behind(gateway)
        assert await settled(gateway) == "not_executed"
        assert scraped(gateway.metrics)["polder_background_work"] == 1


async def test_a_gateway_that_leaves_it_leaves_it_to_a_worker(tmp_path: Path) -> None:
    async with running(tmp_path, background=False) as gateway:
        await leave_behind(gateway)
        await asyncio.sleep(2 * SWEEP_EVERY)
        assert await state(gateway) == "claimed"
        assert scraped(gateway.metrics)["polder_background_work"] == 0
        async with running(tmp_path, serves=False, background=False) as worker:
            assert await settled(gateway) == "not_executed"
            assert scraped(worker.metrics)["polder_background_work"] == 1


class Hurried(StopSignal):
    """Waits for nothing between two rounds."""

    async def wait(self, at_most: float) -> bool:
        return self.is_set


class AskedTokens:
    """The store's tokens, as far as the sweeper asks for them; stops it after some rounds."""

    def __init__(self, stopping: StopSignal) -> None:
        self.stopping = stopping
        self.asked: list[str] = []

    async def unspool(self) -> None:
        self.asked.append("spooled")
        if len(self.asked) >= 3:
            self.stopping.set()

    def __getattr__(self, name: str) -> Any:
        async def answer(*about: object) -> list[Any]:
            self.asked.append(name)
            return []

        return answer


async def test_a_token_that_only_this_process_can_reach_is_read_back_by_it() -> None:
    clock = ManualClock()
    tokens: Any = AskedTokens(Hurried(clock))
    nothing: Any = None
    await Sweeper(tokens, cast(Any, Standing(tokens)), nothing, clock, nothing).watch(own_only=True)
    assert tokens.asked == ["spooled"] * 3


class Standing:
    """A storage with nothing but those tokens."""

    def __init__(self, tokens: AskedTokens) -> None:
        self.tokens = tokens


async def test_connections_that_cannot_be_renewed_hold_up_nobody_behind_them() -> None:
    """A year's customers of a system that was withdrawn: their tokens are old for ever, and come first."""
    clock, renewed = ManualClock(), []
    idle = [connection(f"con_{number:03}") for number in range(3 * AT_ONCE)]
    tokens: Any = AskedTokens(Hurried(clock))

    async def found(before: datetime, limit: int, after: str) -> list[StoredConnection]:
        del before
        return [one for one in idle if one.id > after][:limit]

    def renew(one: StoredConnection, *about: object) -> asyncio.Future[None]:
        del about
        renewed.append(one.id)
        return asyncio.ensure_future(asyncio.sleep(0))

    def of(one: StoredConnection) -> Any:
        if one != idle[-1]:
            raise Problem("connection_suspended", "Its system is offered no more.")
        return Mock()

    tokens.idle, tokens.renew = found, renew
    sweeper = Sweeper(tokens, cast(Any, Standing(tokens)), cast(Any, Mock(of=of)), clock, cast(Any, None))
    for _ in range(3):
        await sweeper.round()
        clock.advance(TRIED)
    assert renewed == [idle[-1].id]


async def test_what_trips_in_the_background_goes_on_and_is_told_in_a_line_of_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with tripping(SqlAttempts, "due") as tripped:
        async with running(tmp_path) as polder:
            await leave_behind(polder)
            async with asyncio.timeout(PATIENCE):
                while await state(polder) != "not_executed":
                    await asyncio.sleep(0.05)
    assert tripped
    (line,) = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert (line["level"], line["event"], line["exception"]) == ("error", "background", ["builtins.RuntimeError"])
    assert "Kaasboer" not in json.dumps(line), "what an exception says may be a caller's"


async def test_what_trips_a_round_for_tokens_does_not_end_the_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    rounds = asyncio.Semaphore(0)
    idle = SqlTokens.idle

    async def counted(*arguments: Any) -> Any:
        rounds.release()
        return await idle(*arguments)

    monkeypatch.setattr(SqlTokens, "idle", counted)
    monkeypatch.setattr("gateway.engine.tokens.sweeper.EVERY", 0.01)
    async with running(tmp_path):
        with tripping(SqlTokens, "suspects") as tripped:
            async with asyncio.timeout(PATIENCE):
                while not tripped:
                    await asyncio.sleep(0.01)
                await rounds.acquire()
    assert '"background"' in capfd.readouterr().err
