"""How providers rotate refresh tokens, as pure functions: the five ways there are (RFC 9700 §2.2.2, §4.14).

Pairs of an access and a refresh token are numbered as they are issued; pair 0 is there from the beginning.
"""

from enum import Enum
from typing import NamedTuple


class Mode(Enum):
    """What becomes of a refresh token once it was used."""

    STATIC = "M0: it stays, and no other is given"
    ON_USE = "M1: it is revoked when the new access token is first used"
    GRACE = "M2: it may be repeated until the new pair is itself refreshed, and after that its use is a theft"
    AT_ONCE = "M3: it is dead at once"
    REUSE = "M4: it is dead at once, and its repetition kills the whole family"


class Issuer(NamedTuple):
    """A provider's memory of one connection: each pair's parent, the refresh tokens that live, and those used up."""

    parents: tuple[int, ...] = (-1,)
    live: frozenset[int] = frozenset({0})
    spent: frozenset[int] = frozenset()


class Pair(NamedTuple):
    """An access token and the refresh token that came with it, or that stays in force."""

    access: int
    refresh: int


def refreshed(mode: Mode, issuer: Issuer, refresh: int) -> tuple[Issuer, Pair | None]:
    """A refresh token comes in: what the provider remembers then, and the pair it gives, or None for a refusal."""
    if refresh not in issuer.live:
        return (_killed(issuer) if mode is Mode.REUSE else issuer), None
    if mode is Mode.GRACE and _child_refreshed(issuer, refresh):
        return _killed(issuer), None
    number = len(issuer.parents)
    if mode is Mode.STATIC:
        return issuer._replace(parents=(*issuer.parents, refresh)), Pair(number, refresh)
    live = issuer.live | {number}
    if mode in (Mode.AT_ONCE, Mode.REUSE):
        live -= {refresh}
    return Issuer((*issuer.parents, refresh), live, issuer.spent | {refresh}), Pair(number, number)


def used(mode: Mode, issuer: Issuer, access: int) -> Issuer:
    """An access token is used for the first time."""
    return issuer._replace(live=issuer.live - {issuer.parents[access]}) if mode is Mode.ON_USE else issuer


def _child_refreshed(issuer: Issuer, refresh: int) -> bool:
    return any(parent == refresh and child in issuer.spent for child, parent in enumerate(issuer.parents))


def _killed(issuer: Issuer) -> Issuer:
    return issuer._replace(live=frozenset())
