"""How long it takes to make our 50 invoices of a system's, beside reading and writing the same bytes and no more."""

import time
from collections.abc import Sequence
from pathlib import Path

import httpx2
import orjson

from benchmarks.books import make_home
from benchmarks.conversation import INVOICES, Conversation, settings_of
from gateway.app import build
from gateway.contract.exact import loads
from gateway.engine.clock import SystemClock

_TIMES = 30


class _Said(httpx2.AsyncBaseTransport):
    """Answers from memory: what is left is what Polder does."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        status, headers, body = self._conversation.replies[f"{request.method} {request.url.raw_path.decode()}"]
        return httpx2.Response(status, headers=dict(headers), content=body)


async def beside_the_floor(conversation: Conversation, home: Path) -> float:
    """Seconds of a list of 50 invoices from bytes to bytes, over those of orjson reading and writing the same bytes.

    The whole of a request is counted: key, cache, translation, metrics; only the network is left out.
    """
    key, connections = await make_home(home, {conversation.provider: conversation}, 1)
    polder = await build(
        settings_of(home, log_level="error"),
        clock=SystemClock(),
        transport_for=lambda _: _Said(conversation),
        environment=conversation.environment,
    )
    path = f"/v1/connections/{connections[conversation.provider][0]}/invoices?limit={INVOICES}&include=lines"
    headers = {"authorization": f"Bearer {key}", "cache-control": "no-cache"}
    bodies = [conversation.replies[f"GET {target}"][2] for target in conversation.list_targets]
    transport = httpx2.ASGITransport(polder.asgi)
    ours, floor = [], []
    await polder.start()
    try:
        async with httpx2.AsyncClient(transport=transport, base_url="http://bench", headers=headers) as client:
            for _ in range(_TIMES):
                began = time.perf_counter()
                answer = await client.get(path)
                ours.append(time.perf_counter() - began)
                floor.append(_floor(bodies))
        listed = loads(answer.content)["data"]
        assert len(listed) == INVOICES
        assert all(one["totals"]["gross"] for one in listed)
    finally:
        await polder.close()
    return sorted(ours)[_TIMES // 2] / sorted(floor)[_TIMES // 2]


def _floor(bodies: Sequence[bytes]) -> float:
    began = time.perf_counter()
    for body in bodies:
        orjson.dumps(orjson.loads(body))
    return time.perf_counter() - began
