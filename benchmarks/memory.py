"""What a gateway holds in memory: with ever more connections in use, and while it is asked for a minute.

Resident bytes never go back to what they were, so each ratio is of a later moment over an earlier one of one process.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks.load import Parameters, Unmeasured
from benchmarks.processes import resident_megabytes

_FILLING = 5
"""Turns before a soak begins. Writes leave a page of each connection behind, so the cache fills to its 64 MB first."""
_AT_ONCE = 20_000
Drive = Callable[[Parameters, int], int]
"""Asks for so many seconds; how many answers came."""


def with_connections(asked: Parameters, counts: Sequence[int], drive: Drive, patience: float) -> list[float]:
    """MB resident when so many of the connections have been used; one path of ``asked`` is one connection.

    Raises ``Unmeasured`` where that takes longer than ``patience``, in seconds.
    """
    over = time.monotonic() + patience
    found = []
    used = 0
    for count in counts:
        while used < count:
            if time.monotonic() > over:
                raise Unmeasured(f"only {used} connections were used in {patience:.0f} s")
            ahead = asked.paths[used : min(count, used + _AT_ONCE)]
            # Those under way when the time is over are asked again; a list that is through begins anew.
            used += min(len(ahead), drive(replace(asked, paths=ahead), 1 if used + len(ahead) <= 1_000 else 5))
        found.append(resident_megabytes(asked.server.pid))
    return found


def soak(asked: Sequence[Parameters], seconds: float, drive: Drive) -> tuple[float, float]:
    """MB resident in the first third of that time and in the last, all being asked in turn."""
    for _ in range(_FILLING):
        for one in asked:
            drive(one, 1)
    began = time.monotonic()
    seen: list[float] = []
    while len(seen) < 2 * len(asked) or time.monotonic() < began + seconds:
        for one in asked:
            drive(one, 1)
            seen.append(resident_megabytes(one.server.pid))
    third = len(seen) // 3
    return statistics.median(seen[:third]), statistics.median(seen[-third:])
