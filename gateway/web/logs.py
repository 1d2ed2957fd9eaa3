"""One line per request: JSON, or for human eyes where a terminal reads it.

A line holds nothing personal and no secret: the route's template instead of the path, no query, no header, no body. Of
an exception it tells the types and the places in the code, never the message, which may quote a caller's data.

Lines are written directly rather than through structlog, which takes 7 µs for what takes 2 µs here; a cached answer
takes some 60 µs in all.
"""

import contextlib
import traceback
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Literal

from gateway.contract.clock import Clock
from gateway.contract.exact import dumps

Level = Literal["info", "warning", "error"]
_LEVELS: tuple[Level, ...] = ("info", "warning", "error")
_MARKS: Mapping[Level, str] = {"info": " ", "warning": "!", "error": "✗"}


class Log:
    """Writes lines to a stream. ``human`` is for a terminal; the default is for a machine: one JSON object a line.

    What is below ``least`` is not written.
    """

    def __init__(self, stream: BinaryIO, clock: Clock, *, human: bool = False, least: Level = "info") -> None:
        self._stream = stream
        self._clock = clock
        self._human = human
        self._least = _LEVELS.index(least)

    def write(self, level: Level, event: str, fields: Mapping[str, Any]) -> None:
        """One line: the time in UTC, the level, what happened, and its particulars, less those that are None."""
        if _LEVELS.index(level) < self._least:
            return
        now = self._clock.now()
        given = {name: value for name, value in fields.items() if value is not None}
        if self._human:
            told = " ".join(f"{name}={value}" for name, value in given.items())
            line = f"{now:%H:%M:%S} {_MARKS[level]} {event} {told}".encode()
        else:
            line = dumps({"time": now.isoformat(timespec="milliseconds"), "level": level, "event": event, **given})
        # A log that nobody reads any more is no reason to fail a request.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(line + b"\n")
            self._stream.flush()


def broken(error: BaseException) -> dict[str, Any]:
    """An exception for a log line: the types of it and of what led to it, and where in the code it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "exception": [f"{type(one).__module__}.{type(one).__qualname__}" for one in _chain(error)],
        "traceback": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
