"""SIGKILL at a random instant while tokens are being refreshed, again and again, and then: who is still connected?"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tests.chaos.sites import RECOVERY, RESIGNED, Loss, Site, until_first

CHECKED_EVERY = 10
"""Kills after which every connection is tried, where none is expected to be lost."""
TRIES_PER_KILL = 4
"""A kill that comes after the last token was used hits nothing and does not count; this bounds how many may."""
EARLIER, LATER = 0.85, 1.01
"""What becomes of a site's window after a kill that came too late, and after one that did not.

So about one kill in seventeen is too late: how long a refresh takes depends on what else the machine does, and kills
that are never too late leave its end out.
"""

Aim = Literal["refresh", "use"]
"""At which instant to kill: any of a refresh, or the one in which a token that was given is used for the first time."""


@dataclass
class Tally:
    """What came of some kills."""

    kills: int = 0
    """Those that struck while a token was being refreshed, and not used yet; or at the instant that was aimed at."""
    refreshes: int = 0
    """Tokens that were asked for at the instant of a kill, or given and not used yet, of all kills."""
    strikes: int = 0
    """All kills."""
    losses: list[Loss] = field(default_factory=list)
    slowest_start: float = 0.0
    token_requests: int = 0
    wronged: int = 0
    """See ``Site.wronged``."""

    def __iadd__(self, other: "Tally") -> "Tally":
        self.kills += other.kills
        self.refreshes += other.refreshes
        self.strikes += other.strikes
        self.losses += other.losses
        self.slowest_start = max(self.slowest_start, other.slowest_start)
        self.token_requests += other.token_requests
        self.wronged += other.wronged
        return self


async def kill(
    site: Site,
    kills: int,
    *,
    aim: Aim = "refresh",
    lossy: bool = False,
    is_over: Callable[[], bool] = lambda: False,
    told: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Kill gateways of a site, ``kills`` times in the middle of a refresh; fewer where it ``is_over`` before.

    ``lossy`` looks after each for who is lost. Raises ``AssertionError`` where too few kills can be made to hit.
    """
    tally, patience = Tally(), RESIGNED if lossy else RECOVERY
    asked = site.provider.token_requests
    while tally.kills < kills and not is_over():
        assert tally.strikes < kills * TRIES_PER_KILL + 100, (
            f"{tally.strikes} kills, of which {tally.kills} in a refresh"
        )
        await _strike(site, tally, aim)
        if lossy or tally.strikes % CHECKED_EVERY == 0:
            await _look(site, tally, patience)
        told(tally)
    await _look(site, tally, patience)
    tally.wronged = site.wronged
    tally.token_requests = site.provider.token_requests - asked
    return tally


async def _strike(site: Site, tally: Tally, aim: Aim) -> None:
    """Kill one gateway while all of them refresh, and start it again."""
    victim = site.random.choice(site.gateways)
    site.provider.expire()
    calls = [
        asyncio.create_task(site.status(gateway, connection))
        for gateway in site.gateways
        for connection in site.connections
    ]
    if aim == "use":
        await until_first(site.provider.used, calls)
        hit = site.provider.used.is_set()
    else:
        await until_first(site.provider.arrived, calls)
        await asyncio.sleep(site.random.uniform(0, site.window))
        hit = site.provider.refreshing
        site.window *= LATER if hit else EARLIER
    tally.refreshes += site.provider.refreshes
    victim.strike()
    tally.kills += hit
    tally.strikes += 1
    await victim.bury()
    tally.slowest_start = max(tally.slowest_start, await victim.start())
    await asyncio.gather(*calls)


async def _look(site: Site, tally: Tally, patience: float) -> None:
    losses = await site.losses(patience)
    tally.losses += losses
    await site.replace(losses)
