"""What may be wrong with an answer: one place of a JSON text that holds nonsense, or a text that is no JSON at all.

Everything is drawn from the dice that are given, so a seed gives the same mutations again.
"""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from gateway.contract.exact import MalformedJson, dumps, is_text, loads

Place = tuple[str | int, ...]
Json = Any

MARK = "@@spliced@@"
MUCH = 100_000
"""More than any amount of the sample books: what depends on which of two is the greater shows with it."""
_QUOTED_MARK = dumps(MARK)
_GONE = object()

SPLICED: Mapping[str, bytes] = {
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "an exponent without end": b"1e999999",
    "a number of 5000 digits": b"9" * 5_000,
    "a million arrays deep": b"[" * 1_000_000 + b"]" * 1_000_000,
    "300 objects deep": b'{"a":' * 300 + b"1" + b"}" * 300,
    "a lone surrogate": b'"\\ud800"',
    "bytes that are no UTF-8": b'"\xff\xfe\xfd"',
    "an octal number": b"0123",
    "a hexadecimal number": b"0x7f",
    "undefined": b"undefined",
    "a text without its end": b'"abc',
}
"""What no writer of JSON would write, as it stands in the text."""
STRANGE: tuple[Json, ...] = (
    *(None, True, False, 0, -1, 7, 10**40, -(10**40), "", " ", "abc", "NaN", "Infinity", "-0", "1e5", "1.000,50"),
    *(
        "2026-02-30",
        "0000-00-00",
        "31-12-2026",
        "null",
        "../1",
        "1,2",
        "%2e%2e",
        "<b>x</b>",
        "x" * 70_000,
        "\u202eabc",
        "a\0b",
    ),
    *([], {}, [None], [[]], {"id": None}, [1, "a"], {"": ""}),
)
"""What a writer of JSON may write where it makes no sense."""
TEXTS: Mapping[str, bytes] = {
    "nothing": b"",
    "spaces": b" \n ",
    "a web page": b"<!doctype html><html><title>Onderhoud</title><h1>Even geduld</h1></html>",
    "XML": b'<?xml version="1.0"?><error>no</error>',
    "null": b"null",
    "a number": b"42",
    "a text": b'"ok"',
    "an empty record": b"{}",
    "an empty list": b"[]",
    "a list of nothing": b"[null]",
    "a list of lists": b"[[]]",
    "a list in a list in a list": b"[" * 100_000,
}
"""Whole answers that say nothing."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """What is answered instead. ``place`` is where the one wrong value is; None where the whole text is wrong."""

    what: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    place: Place | None = None
    value: Json = None
    """What stands there now; null too where the place is gone, or holds what is no JSON."""


def places(value: Json, at: Place = ()) -> Iterator[Place]:
    """Every place of a JSON value but the value itself."""
    inside: Iterator[tuple[str | int, Json]]
    inside = iter(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for name, deeper in inside:
        yield (*at, name)
        yield from places(deeper, (*at, name))


def value_at(value: Json, place: Place) -> Json:
    """What stands at a place."""
    for name in place:
        value = value[name]
    return value


def with_value(value: Json, place: Place, news: Json) -> Json:
    """A copy with something else at a place."""
    if not place:
        return news
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    deeper = with_value(value[place[0]], place[1:], news)
    if deeper is _GONE:
        del copy[place[0]]
    else:
        copy[place[0]] = deeper
    return copy


def mutated(body: bytes, dice: Random) -> Mutation:
    """The answer with one thing wrong. What is no JSON, such as a PDF, becomes another text."""
    try:
        value = loads(body)
    except MalformedJson:
        return _no_json(body, dice)
    everywhere = list(places(value))
    if not everywhere or dice.random() < 0.15:
        return _no_json(body, dice)
    place = dice.choice(everywhere)
    return dice.choice((_without, _strange, _strange, _strange, _spliced, _another_type, _twice))(value, place, dice)


def _without(value: Json, place: Place, dice: Random) -> Mutation:
    if isinstance(place[-1], int):
        return _strange(value, place, dice)
    return Mutation("a member is gone", dumps(with_value(value, place, _GONE)), place=place)


def _strange(value: Json, place: Place, dice: Random) -> Mutation:
    news = dice.choice([one for one in STRANGE if one != value_at(value, place)])
    return Mutation("a strange value", dumps(with_value(value, place, news)), place=place, value=news)


def _another_type(value: Json, place: Place, dice: Random) -> Mutation:
    was = value_at(value, place)
    if isinstance(was, dict):
        news: Json = list(was.values())
    elif isinstance(was, list):
        news = {str(position): one for position, one in enumerate(was)}
    elif isinstance(was, str):
        news = [was]
    else:
        news = {"value": was}
    return Mutation("another type", dumps(with_value(value, place, news)), place=place, value=news)


def _spliced(value: Json, place: Place, dice: Random) -> Mutation:
    what = dice.choice(list(SPLICED))
    text = dumps(with_value(value, place, MARK)).replace(_QUOTED_MARK, SPLICED[what], 1)
    return Mutation(what, text, place=place)


def _twice(value: Json, place: Place, dice: Random) -> Mutation:
    """A member given twice, with another value the second time: which of the two is meant nobody can know."""
    if isinstance(place[-1], int):
        return _strange(value, place, dice)
    was = value_at(value, place)
    news = dice.choice([one for one in STRANGE if one != was])
    written = _QUOTED_MARK
    both = dumps(was) + b"," + dumps(place[-1]) + b":" + dumps(news)
    return Mutation(
        "a member twice", dumps(with_value(value, place, MARK)).replace(written, both, 1), place=place, value=news
    )


def _no_json(body: bytes, dice: Random) -> Mutation:
    kind = dice.randrange(8)
    if kind == 0 and len(body) > 1:
        return Mutation("cut off", body[: dice.randrange(1, len(body))])
    if kind == 1:
        return Mutation("something behind it", body + dice.choice((b"x", b"{}", b",", b"</html>", b"\x00")))
    if kind == 2:
        return Mutation("UTF-16", body.decode("utf-8", "replace").encode("utf-16"))
    if kind == 3:
        return Mutation("compressed, unsaid", gzip.compress(body, mtime=0))
    if kind == 4:
        return Mutation("said to be compressed", body, {"content-encoding": dice.choice(("gzip", "deflate", "br"))})
    if kind == 5 and body:
        at = dice.randrange(len(body))
        spoiled = body[:at] + bytes([dice.randrange(128, 256)]) + body[at + 1 :]
        # Within a letter of several bytes it may make another letter: a text, which nobody can know was not meant.
        return Mutation("a byte that is no text", body[:at] + b"\xff" + body[at + 1 :] if is_text(spoiled) else spoiled)
    what = dice.choice(list(TEXTS))
    kind_of = "text/html" if what == "a web page" else "application/json"
    place: Place | None = () if what in ("an empty record", "an empty list") else None
    return Mutation(what, TEXTS[what], {"content-type": kind_of}, place, loads(TEXTS[what]) if place == () else None)


def probes(value: Json) -> Sequence[Json]:
    """Other values that would make as much sense in a place as this one: by them one learns what depends on it."""
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        return (value + 1, value * 3 + 11, -value - 1, 0, value + MUCH)
    if value is None:
        return ("tekst", 7, "2026-01-05", "2026-01-05T10:11:12Z", {}, True)
    if isinstance(value, str):
        return tuple(_other_texts(value))
    if isinstance(value, list):
        return ([],) if value else ()
    if isinstance(value, dict):
        return ()
    return (value + 1, value * 3, -value - 1, 0, value + MUCH)


def _other_texts(text: str) -> Iterator[str]:
    yield f"{text}x"
    digits = [position for position, sign in enumerate(text) if sign.isdigit()]
    for position in (digits[-1:], digits[:1], digits[-4:-3]):
        for at in position:
            yield text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]
    if any(sign.isdigit() for sign in text):
        yield f"-{text}"
    if len(text) == len("EUR") and text.isalpha():
        yield "usd" if text.islower() else "USD"
    yield from ("", "1", "0.00")
