"""Two answers laid side by side: where they differ, and whether a spoiled place of the system's explains it."""

import re
from collections.abc import Iterator

from gateway.contract.exact import dumps, loads
from tests.chaos.mutations import Json, Mutation, Place, value_at
from tests.conformance.comparing import number

NOTHING: tuple[Json, ...] = (None, "unknown", "", [], {})
"""What may be answered where a system says nothing that makes sense."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_CURRENCY = re.compile(r"[A-Za-z]{3}")


def differences(was: Json, now: Json, at: str = "") -> Iterator[tuple[str, Json, Json]]:
    """The places where two JSON values differ, and what stands there in each."""
    if isinstance(was, dict) and isinstance(now, dict):
        for name in was.keys() | now.keys():
            yield from differences(was.get(name), now.get(name), f"{at}/{name}")
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for position, (one, other) in enumerate(zip(was, now, strict=True)):
            yield from differences(one, other, f"{at}/{position}")
    elif was != now:
        yield at, was, now


def aligned(told: Json, answer: Json, place: Place | None) -> tuple[Json, Json]:
    """Two answers, the records of a list by their ids: another id may move a record, and that alters no other."""
    if not (isinstance(told, dict) and isinstance(told.get("data"), list)):
        return told, answer
    was, now = ({record["id"]: record for record in one["data"]} for one in (told, answer))
    if place is not None and "id" in place:
        both = was.keys() & now.keys()
        was, now = ({id: records[id] for id in both} for records in (was, now))
    return {**told, "data": was}, {**answer, "data": now}


def is_explained(now: Json, mutation: Mutation) -> bool:
    """Whether an answer says nothing, or what stands in the mutated place: as it is, in part, or as the same number."""
    if _says_nothing(now) or now == mutation.value:
        return True
    if mutation.value in NOTHING:
        return False
    said, value = str(now).lower(), str(mutation.value).lower()
    return value in said or said in value or number(now) == number(mutation.value)


def _says_nothing(now: Json) -> bool:
    """Whether it is one of ``NOTHING``, or a record that holds no more."""
    return now in NOTHING or (isinstance(now, dict) and all(map(_says_nothing, now.values())))


def is_sensible(said: bytes, mutation: Mutation) -> bool:
    """Whether a number stands where a number stood, or a date, a currency, a list: what depends on it must change."""
    was, now = value_at(loads(said), mutation.place or ()), mutation.value
    if isinstance(was, list):
        return isinstance(now, list) and not now
    if isinstance(was, str) and isinstance(now, str):
        for kind in (_DAY, _CURRENCY):
            if kind.fullmatch(was):
                return kind.fullmatch(now) is not None
    return number(was) is not None and number(now) is not None


def is_said(now: Json, said: bytes) -> bool:
    """Whether an answer is a text that the system said elsewhere: a name for want of a better one."""
    return isinstance(now, str) and number(now) is None and dumps(now)[1:-1] in said
