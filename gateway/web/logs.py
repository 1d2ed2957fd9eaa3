"""One line per request: JSON, or for human eyes where a terminal reads it.

A line holds nothing personal and no secret: the route's template instead of the path, no query, no header, no body. Of
an exception it tells the types and the places in the code, never the message, which may quote a caller's data.

Lines are written directly rather than through structlog, which takes several times as long as encoding a struct.
"""

import contextlib
import traceback
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import BinaryIO, Literal

import msgspec

from gateway.contract.clock import Clock

Level = Literal["info", "warning", "error"]
_LEVELS: tuple[Level, ...] = ("info", "warning", "error")
_MARKS: Mapping[Level, str] = {"info": " ", "warning": "!", "error": "✗"}
_FIRST_MEMBERS = frozenset({"time", "level", "event"})
_encode = msgspec.json.Encoder().encode


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line, in the order it is written in: what is None is left out. ``time`` is given by the log."""

    time: str = ""
    level: Level
    event: str
    method: str | None = None
    route: str | None = None
    status: int | None = None
    ms: float | None = None
    request_id: str | None = None
    trace_id: str | None = None
    operation: str | None = None
    key_id: str | None = None
    code: str | None = None
    exception: Sequence[str] | None = None
    traceback: Sequence[str] | None = None
    detail: str | None = None


class Log:
    """Writes lines to a stream. ``human`` is for a terminal; the default is for a machine: one JSON object a line.

    What is below ``least`` is not written.
    """

    def __init__(self, stream: BinaryIO, clock: Clock, *, human: bool = False, least: Level = "info") -> None:
        self._stream = stream
        self._clock = clock
        self._human = human
        self._least = _LEVELS.index(least)

    def write(self, *lines: Line) -> None:
        """Lines in one piece, with the time in UTC."""
        now = self._clock.now()
        wanted = [line for line in lines if _LEVELS.index(line.level) >= self._least]
        if not wanted:
            return
        if self._human:
            pieces = [_worded(line, now) for line in wanted]
        else:
            pieces = _encoded(wanted, now.isoformat(timespec="milliseconds"))
        # A log that nobody reads any more is no reason to fail a request.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(b"\n".join([*pieces, b""]))
            self._stream.flush()


def _encoded(lines: Sequence[Line], time: str) -> list[bytes]:
    for line in lines:
        line.time = time
    return [_encode(line) for line in lines]


def _worded(line: Line, now: datetime) -> bytes:
    members = msgspec.structs.asdict(line)
    words = [f"{name}={members[name]}" for name in members if name not in _FIRST_MEMBERS and members[name] is not None]
    return " ".join([f"{now:%H:%M:%S}", _MARKS[line.level], line.event, *words]).encode()


def broken(error: BaseException) -> tuple[Sequence[str], Sequence[str]]:
    """An exception for a log line: the types of it and of what led to it, and where in the code it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return (
        [f"{type(one).__module__}.{type(one).__qualname__}" for one in _chain(error)],
        [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
