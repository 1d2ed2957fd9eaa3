"""Authorizations under way: the last one begun counts, and each is taken once."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway.contract.secret import Secret
from gateway.engine.storage import Authorization
from gateway.store.sql import SqlStorage
from tests.store.making import NOON, connection

pytestmark = pytest.mark.anyio


async def test_of_many_begun_at_once_one_counts_and_none_fails(opened: Callable[[str], SqlStorage], url: str) -> None:
    nodes = [opened(url), opened(url)]
    await nodes[0].connections.add(connection(), None)
    begun = Authorization("con_1", b"browser", Secret("verifier"), NOON + timedelta(minutes=10))
    for round in range(5):
        states = [b"%d-%d" % (round, number) for number in range(6)]
        await asyncio.gather(*(nodes[at % 2].authorizations.put(state, begun) for at, state in enumerate(states)))
        taken = [await nodes[0].authorizations.take(state) for state in states]
        assert [one for one in taken if one is not None] == [begun]
