"""Faults that are planted in a gateway before it serves: negative controls, so that the harness is seen to find them.

Nothing of the gateway knows of them; each replaces one method in the process that it is planted in.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from gateway.contract.auth import AccessToken
from gateway.contract.errors import Problem
from gateway.engine.call import Answer, Call
from gateway.engine.perform import Engine
from gateway.engine.storage import Journal, StoredConnection, StoredToken
from gateway.store.nodes import NodeGenerations
from gateway.store.tokens import SqlTokens

LATE = 0.5
"""Seconds that a token is used before it is kept."""


def use_before_persist() -> None:
    """A token is used at once and kept a moment later: what a crash in between does is what the protocol prevents.

    While it lives the process loses nothing by it: whoever reads the journal waits for what is about to be kept.
    """
    append, newest, journal = SqlTokens.append, SqlTokens.newest, SqlTokens.journal
    behind: dict[str, asyncio.Task[None]] = {}

    async def append_later(
        self: SqlTokens,
        connection: StoredConnection,
        token: AccessToken,
        received_at: datetime,
        version: int | None = None,
        *,
        owner: str | None = None,
    ) -> StoredToken:
        async def keep() -> None:
            await asyncio.sleep(LATE)
            with contextlib.suppress(Problem):  # its credentials may be replaced meanwhile
                await append(self, connection, token, received_at, version, owner=owner)

        behind[connection.id] = asyncio.create_task(keep())
        return StoredToken(0, token, received_at)

    async def kept(connection: StoredConnection) -> None:
        if connection.id in behind:
            await behind[connection.id]

    async def newest_kept(self: SqlTokens, connection: StoredConnection) -> StoredToken | None:
        await kept(connection)
        return await newest(self, connection)

    async def journal_kept(self: SqlTokens, connection: StoredConnection) -> Journal:
        await kept(connection)
        return await journal(self, connection)

    SqlTokens.append = append_later  # type: ignore[method-assign]  # that is what planting a fault is
    SqlTokens.newest = newest_kept  # type: ignore[method-assign]  # likewise
    SqlTokens.journal = journal_kept  # type: ignore[method-assign]  # likewise


def break_on_demand() -> None:
    """A request with the header ``X-Break`` meets an error that nobody foresaw, whose message quotes all of it."""
    perform = Engine.perform

    async def perform_or_break(self: Engine, call: Call) -> Answer:
        if "x-break" in call.headers:
            raise RuntimeError(f"{dict(call.headers)} {call.body!r}")
        return await perform(self, call)

    Engine.perform = perform_or_break  # type: ignore[method-assign]  # that is what planting a fault is


def forget_keys() -> None:
    """Every write is a new one, whatever idempotency key it bears: what is repeated may be done twice."""
    perform = Engine.perform

    async def perform_nameless(self: Engine, call: Call) -> Answer:
        headers = {name: value for name, value in call.headers.items() if name != "idempotency-key"}
        return await perform(self, replace(call, headers=headers))

    Engine.perform = perform_nameless  # type: ignore[method-assign]  # that is what planting a fault is


def tell_no_node() -> None:
    """A node ends generations for itself only: the others go on answering from memory."""

    async def keep_to_itself(self: NodeGenerations, entry: str) -> None:
        del self, entry

    NodeGenerations._announce = keep_to_itself  # type: ignore[method-assign]  # that is what planting a fault is


PLANTS: Mapping[str, Callable[[], None]] = {
    "use_before_persist": use_before_persist,
    "break_on_demand": break_on_demand,
    "forget_keys": forget_keys,
    "tell_no_node": tell_no_node,
}
