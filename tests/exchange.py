"""One request to a house, told whole: the bytes that went out, the log lines, what was counted, and by which way."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from gateway.engine.call import Answer, Call
from gateway.web.logs import Line, Log
from tests.house import House
from tests.operations.scrape import scraped

OF_THE_PROCESS = ("process_", "python_")


@dataclass
class Exchange:
    """What one request came to. ``performed`` is not compared: how often the engine was asked to perform it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    lines: list[Mapping[str, Any]]
    counted: Mapping[str, float]
    performed: int = field(compare=False)

    def header(self, name: str) -> str | None:
        return next((value.decode() for key, value in self.headers if key == name.encode()), None)


class Listening:
    """Asks, and hears all that is told meanwhile."""

    def __init__(self, house: House, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._house = house
        self._key = key
        self._lines: list[Line] = []
        self._performed = 0
        self._before: Mapping[str, float] = {}
        perform = house.polder.engine.perform

        async def counted(call: Call) -> Answer:
            self._performed += 1
            return await perform(call)

        monkeypatch.setattr(house.polder.engine, "perform", counted)
        monkeypatch.setattr(Log, "write", lambda log, *lines: self._lines.extend(lines))

    async def get(
        self, target: str, sent: Mapping[str, str] | None = None, *, peer: str = "127.0.0.1", key: str | None = None
    ) -> Exchange:
        """A GET, below any HTTP client."""
        before = self._before or self._counted()
        self._lines.clear()
        self._performed = 0
        path, _, query = target.partition("?")
        given = {"authorization": f"Bearer {key or self._key}", **(sent or {})}
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "client": (peer, 4711),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        messages: list[MutableMapping[str, Any]] = []

        async def send(message: MutableMapping[str, Any]) -> None:
            messages.append(message)

        await self._house.polder.asgi(scope, receive, send)
        self._before = after = self._counted()
        return Exchange(
            messages[0]["status"],
            messages[0]["headers"],
            b"".join(message["body"] for message in messages[1:]),
            [msgspec.structs.asdict(line) for line in self._lines],
            {name: value - before.get(name, 0.0) for name, value in after.items() if value != before.get(name, 0.0)},
            self._performed,
        )

    def _counted(self) -> Mapping[str, float]:
        found = scraped(self._house.polder.metrics)
        return {name: value for name, value in found.items() if not name.startswith(OF_THE_PROCESS)}
