"""What a gateway holds in memory: with ever more connections in use, and while it is asked for a minute.

Resident bytes never go back to what they were, so each ratio is of a later moment over an earlier one of one process.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks.load import Asked
from benchmarks.processes import resident_megabytes

_CALM = 0.25
"""What part of a soak passes before its first figure counts: caches fill, and pools reach their size."""
Drive = Callable[[Asked, int], object]
"""Asks for at most so many seconds."""


def with_connections(asked: Asked, counts: Sequence[int], drive: Drive, patience: int) -> list[float]:
    """MB resident when so many of the connections have been used, each once; one path of ``asked`` is one connection.

    ``patience`` is in seconds, for each of the counts.
    """
    found = []
    used = 0
    for count in counts:
        drive(replace(asked, paths=asked.paths[used:count], once=True), patience)
        used = count
        found.append(resident_megabytes(asked.server.pid))
    return found


def soak(asked: Sequence[Asked], seconds: float, drive: Drive) -> float:
    """MB resident in the last third of that time over those in the first, all being asked in turn."""
    began = time.monotonic()
    seen: list[float] = []
    while len(seen) < 2 * len(asked) or time.monotonic() < began + seconds:
        for one in asked:
            drive(one, 1)
            seen.append(resident_megabytes(one.server.pid))
    kept = seen[int(len(seen) * _CALM) :]
    third = max(1, len(kept) // 3)
    return statistics.median(kept[-third:]) / statistics.median(kept[:third])
