"""Many callers at once on a token that has run out, and providers that refuse everybody at once."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from gateway.contract.emulator import Fault
from tests.chaos.sites import Loss, Site

UNDER_WAY = 0.05
"""Seconds that the provider may take over a token, so that every caller comes while it does."""

Refusal = Literal["invalid_grant", "invalid_client"]


@dataclass
class Storm:
    """What came of some rounds of callers."""

    rounds: int = 0
    calls: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    token_requests: list[int] = field(default_factory=list)
    """In each round; one is what it takes."""

    @property
    def too_many(self) -> int:
        """Rounds with another number of token requests than one."""
        return sum(1 for asked in self.token_requests if asked != 1)


async def storm(
    site: Site,
    rounds: int,
    *,
    callers: int = 200,
    is_over: Callable[[], bool] = lambda: False,
    told: Callable[[Storm], None] = lambda storm: None,
) -> Storm:
    """In each round every gateway is asked by so many callers at once, for one connection whose token has run out.

    Fewer rounds where it ``is_over`` before.
    """
    site.provider.latency = UNDER_WAY
    done = Storm()
    while done.rounds < rounds and not is_over():
        site.provider.expire()
        before = site.provider.token_requests
        calls = [site.status(gateway, site.connections[0]) for gateway in site.gateways for _ in range(callers)]
        answers = await asyncio.gather(*calls)
        done.answers.update(answer or 0 for answer in answers)
        done.token_requests.append(site.provider.token_requests - before)
        done.rounds += 1
        done.calls += len(calls)
        told(done)
    return done


@dataclass
class Succession:
    """What came of renewing one connection's token again and again."""

    renewals: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    token_requests: int = 0
    losses: list[Loss] = field(default_factory=list)


async def renew(
    site: Site,
    renewals: int,
    *,
    is_over: Callable[[], bool] = lambda: False,
    told: Callable[[Succession], None] = lambda succession: None,
) -> Succession:
    """One connection's token runs out and is renewed, again and again, or fewer times where it ``is_over`` before."""
    site.provider.latency = 0
    done = Succession()
    before = site.provider.token_requests
    while done.renewals < renewals and not is_over():
        site.provider.expire()
        done.answers[await site.status(site.gateways[0], site.connections[0]) or 0] += 1
        done.renewals += 1
        told(done)
    done.token_requests = site.provider.token_requests - before
    done.losses = await site.losses()
    return done


@dataclass
class Incident:
    """What a refusal of everybody did."""

    refusal: Refusal
    connections: int
    answers: Counter[int]
    marked: int
    """Connections of which Polder says afterwards that their owner must act."""
    losses: list[Loss]
    """Connections that do not serve once the provider does, after a restart."""


async def refuse_everybody(site: Site, refusal: Refusal, *, rounds: int = 3) -> Incident:
    """The provider answers every request for a token with this error, and every connection is asked some times."""
    emulator = site.provider.emulator
    fault = Fault(
        "status",
        status=400 if refusal == "invalid_grant" else 401,
        headers={"content-type": "application/json"},
        body=f'{{"error":"{refusal}"}}'.encode(),
    )
    emulator.fail(fault, times=1_000_000, when=emulator.is_token_request)
    answers: Counter[int] = Counter()
    for _ in range(rounds):
        site.provider.expire()
        told = await asyncio.gather(*(site.status(site.gateways[0], one) for one in site.connections))
        answers.update(answer or 0 for answer in told)
    marked = [one for one in await _statuses(site) if one != "active"]
    emulator.heal()
    for gateway in site.gateways:
        await gateway.stop()
        await gateway.start()
    losses = await site.losses()
    return Incident(refusal, len(site.connections), answers, len(marked), losses)


async def _statuses(site: Site) -> list[str]:
    listed = (await site.gateways[0].ask("GET", "/v1/connections?limit=200")).json()
    return [str(one["status"]) for one in listed["data"]]
