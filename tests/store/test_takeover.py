"""A process that is killed in the middle of asking for a token keeps no other process from asking."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.contract.auth import AccessToken
from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.engine.clock import SystemClock
from gateway.engine.network.http import Wire
from gateway.engine.owner import Owner
from gateway.engine.tokens import Tokens
from gateway.store import open_owner
from gateway.store.sql import SqlStorage
from tests.engine.rotating import PROVIDER, RotatingProvider
from tests.engine.staging import Unobserved
from tests.model.issuers import Mode
from tests.store.making import connection

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
MADE = connection(provider="books", credential_type="oauth")

ASKS = """
import asyncio, os, sys
from pathlib import Path
from gateway.store import open_owner
from gateway.store import open_storage
from gateway.store.seal import KeyRing
from tests.engine.rotating import PROVIDER, Mode, RotatingProvider
from tests.store.test_takeover import MADE, token_layer

async def main():
    url, home = sys.argv[1], Path(sys.argv[2])
    storage = open_storage(url, KeyRing.parse(os.environ["KEYS"], environment="test"), home)
    books = RotatingProvider(Mode.ON_USE)
    books.hold = asyncio.Event()
    asking = asyncio.ensure_future(token_layer(storage, open_owner(url), books).current(MADE, PROVIDER))
    while not books.asked and not asking.done():
        await asyncio.sleep(0.01)
    print("asked" if books.asked else asking.exception(), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def token_layer(storage: SqlStorage, owner: Owner, books: RotatingProvider) -> Tokens:
    """What gets connections their tokens, in one process."""
    clock = SystemClock()
    return Tokens(storage, Wire(clock, lambda origin: books), clock, Unobserved(), owner)


async def test_where_a_process_dies_another_asks_before_the_intent_is_overdue(
    opened: Callable[[str], SqlStorage], url: str, keys: str, home: Path
) -> None:
    storage, owner, now = opened(url), open_owner(url), SystemClock().now()
    await storage.connections.add(MADE, None)
    first = AccessToken(Secret("con_1/a0"), now - timedelta(hours=1), Secret("con_1/r0"))
    await storage.tokens.append(MADE, first, now - timedelta(hours=3))
    await owner.vouch()
    dying = subprocess.Popen(
        [sys.executable, "-c", ASKS, url, str(home)],
        env={**os.environ, "KEYS": keys, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert dying.stdout is not None
        assert await asyncio.to_thread(dying.stdout.readline) == "asked\n"
        intent = (await storage.tokens.journal(MADE)).intent
    finally:
        dying.send_signal(signal.SIGKILL)
        dying.communicate()
    assert intent is not None
    assert intent.deadline > SystemClock().now()
    books, killed = RotatingProvider(Mode.ON_USE), time.monotonic()
    tokens = token_layer(storage, owner, books)
    assert (await had(tokens)).value.reveal() == "con_1/a1"
    print(f"{time.monotonic() - killed:.2f} seconds after the kill")
    assert SystemClock().now() < intent.deadline
    assert (await storage.tokens.journal(MADE)).intent is None
    await tokens.settle()
    await owner.close()


async def had(tokens: Tokens) -> AccessToken:
    """The token, as soon as there is one; a machine that does much besides may take longer than a caller waits."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(Problem):
            return await tokens.current(MADE, PROVIDER)
    raise AssertionError("it gets none")
