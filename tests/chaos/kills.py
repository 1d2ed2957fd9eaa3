"""SIGKILL at a random instant while tokens are being refreshed, again and again, and then: who is still connected?"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chaos.sites import RECOVERY, RESIGNED, Loss, Site, until_first

CHECKED_EVERY = 5
"""Kills after which every connection is tried, where none is expected to be lost."""
TRIES_PER_KILL = 4
"""A kill that comes after the last token was used hits nothing and does not count; this bounds how many may."""


@dataclass
class Tally:
    """What came of some kills."""

    kills: int = 0
    """Those that struck while a token was being refreshed, and not used yet."""
    strikes: int = 0
    """All of them."""
    losses: list[Loss] = field(default_factory=list)
    seconds: float = 0.0
    slowest_start: float = 0.0
    token_requests: int = 0
    wronged: int = 0
    """See ``Site.wronged``."""


async def kill(
    site: Site, kills: int, *, lossy: bool = False, told: Callable[[Tally], None] = lambda tally: None
) -> Tally:
    """Kill gateways of a site, ``kills`` times in the middle of a refresh. ``lossy`` looks after each for who is lost.

    Raises ``AssertionError`` where too few kills can be made to hit.
    """
    tally, patience = Tally(), RESIGNED if lossy else RECOVERY
    began, asked = time.monotonic(), site.provider.token_requests
    while tally.kills < kills:
        assert tally.strikes < kills * TRIES_PER_KILL + 100, (
            f"{tally.strikes} kills, of which {tally.kills} in a refresh"
        )
        tally.kills += await _strike(site, tally)
        tally.strikes += 1
        if lossy or tally.strikes % CHECKED_EVERY == 0:
            await _look(site, tally, patience)
        told(tally)
    await _look(site, tally, patience)
    tally.wronged = site.wronged
    tally.seconds = time.monotonic() - began
    tally.token_requests = site.provider.token_requests - asked
    return tally


async def _strike(site: Site, tally: Tally) -> bool:
    """Kill one gateway while all of them refresh, and start it again; whether it was in time."""
    victim = site.random.choice(site.gateways)
    site.provider.expire()
    calls = [
        asyncio.create_task(site.call(gateway, connection))
        for gateway in site.gateways
        for connection in site.connections
    ]
    await until_first(site.provider.arrived, calls)
    await asyncio.sleep(site.random.uniform(0, site.window))
    in_time = site.provider.refreshing
    victim.strike()
    await victim.bury()
    tally.slowest_start = max(tally.slowest_start, await victim.start())
    await asyncio.gather(*calls)
    return in_time


async def _look(site: Site, tally: Tally, patience: float) -> None:
    losses = await site.losses(patience)
    tally.losses += losses
    await site.replace(losses)
