"""Bodies that fit a JSON Schema, and bodies that break it in one place.

The dialect is that of Polder's own schemas. Bodies are guessed and held against the schema; so that most guesses fit,
one branch of every ``anyOf`` is followed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from copy import deepcopy
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

Schema = Mapping[str, Any]
Json = Any
TODAY = date(2026, 3, 2)
GUESSES = 400
SHORT = 60
_FORMATS = FormatChecker(["date"])
_WORDS = ("Kaas & Brood", "Café 't Hoekje", "<b>vet</b>", 'de "Halve" Maan', "Ω-3 vis", "20% meer", "a", "Zoë", "x;y")
_FORMED = ("NL", "BE", "EUR", "nl", "12345678", "20417", "K-17", "B9", "info@kaasboer.example", "a.b@mail.example")
"""Texts of one kind and another: what a pattern wants is among them."""


class Unfit(Exception):
    """No guess fitted."""


def fits(schema: Schema, value: Json) -> bool:
    """Whether a value is what a schema wants."""
    return Draft202012Validator(schema, format_checker=_FORMATS).is_valid(value)


def fitting(schema: Schema, seed: int) -> Json:
    """A body that fits, the same for the same seed."""
    return _Guess(Random(seed)).fitting(schema)


def sparse(schema: Schema, body: Mapping[str, Json], keeping: Set[str] = frozenset()) -> dict[str, Json]:
    """A body that fits, without all that it need not say: field by field, those of its lines too."""
    least = dict(body)
    for name in [name for name in body if name not in keeping]:
        less = {other: value for other, value in least.items() if other != name}
        least = less if fits(schema, less) else least
    for name, parts in least.items():
        if isinstance(parts, list) and parts and isinstance(parts[0], Mapping):
            least[name] = [_sparse_part(schema, least, name, place) for place in range(len(parts))]
    return least


def _sparse_part(schema: Schema, body: Mapping[str, Json], name: str, place: int) -> Json:
    """One line of a body, without all that it need not say."""
    before, part, after = body[name][:place], body[name][place], body[name][place + 1 :]
    for field in list(part):
        less = {other: value for other, value in part.items() if other != field}
        part = less if fits(schema, {**body, name: [*before, less, *after]}) else part
    return part


class _Guess:
    def __init__(self, random: Random) -> None:
        self._random = random

    def fitting(self, schema: Schema) -> Json:
        """A value that fits. Raises ``Unfit``."""
        validator = Draft202012Validator(schema, format_checker=_FORMATS)
        for _ in range(GUESSES):
            try:
                value = self._value(schema)
            except Unfit:
                continue
            if validator.is_valid(value):
                return value
        raise Unfit(schema)

    def _value(self, schema: Schema) -> Json:
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._random.choice(schema["enum"])
        if "anyOf" in schema and "properties" not in schema:
            shared = {name: one for name, one in schema.items() if name != "anyOf"}
            one = self._random.choice(schema["anyOf"])
            return self._value(one if "type" in one else {**shared, **one})
        guess: Callable[[Schema], Json] = getattr(self, f"_{schema['type']}")
        return guess(schema)

    def _string(self, schema: Schema) -> str:
        if schema.get("format") == "date":
            return (TODAY + timedelta(days=self._random.randrange(20))).isoformat()
        if str(schema.get("pattern", "")).startswith("^-?[0-9]"):
            return str(Decimal(self._random.randrange(-99_999, 99_999)) / 100)
        if "examples" in schema:
            return str(self._random.choice(schema["examples"]))
        texts = [*_FORMED, *_WORDS, " ".join(self._random.sample(_WORDS, 3)), f"nr{self._random.randrange(10_000)}"]
        most = schema.get("maxLength", SHORT)
        if most <= SHORT:
            texts.append(("abc " * most)[: most - 1] + "z")
        good = [text for text in texts if fits(schema, text)]
        if not good:
            raise Unfit(schema)
        return self._random.choice(good)

    def _number(self, schema: Schema) -> Json:
        del schema
        return self._random.randrange(-500, 500)

    def _integer(self, schema: Schema) -> int:
        return self._random.randint(schema.get("minimum", 0), schema.get("maximum", 1_000))

    def _boolean(self, schema: Schema) -> bool:
        del schema
        return self._random.random() < 0.5

    def _null(self, schema: Schema) -> None:
        del schema

    def _array(self, schema: Schema) -> list[Json]:
        branch: Schema = self._random.choice([one for group in _choices(schema) for one in group] or [{}])
        items = {**schema["items"], "allOf": [*schema["items"].get("allOf", ()), {"anyOf": [branch.get("items", {})]}]}
        least = schema.get("minItems", 0)
        most = min(schema.get("maxItems", 3), branch.get("maxItems", 3))
        found = [self.fitting(items) for _ in range(self._random.randint(least, max(least, most)))]
        return found if "enum" not in items else list(dict.fromkeys(found))

    def _object(self, schema: Schema) -> dict[str, Json]:
        overlays: list[Schema] = []
        for group in _choices(schema):
            possible = _possible(schema, group)
            alike = [one for one in possible if all(_together(one, other) for other in overlays)]
            overlays.append(self._random.choice(alike or possible))
        needed = {name for one in (schema, *overlays) for name in one.get("required", ())}
        body = {}
        for name, one in schema["properties"].items():
            said = [over["properties"][name] for over in overlays if name in over.get("properties", {})]
            if name in needed or self._random.random() < 0.5:
                body[name] = self._narrowed(one, said, optional=name not in needed)
        return {name: value for name, value in body.items() if value is not _LEFT_OUT}

    def _narrowed(self, schema: Schema, further: Sequence[Schema], *, optional: bool) -> Json:
        """A value of a schema that fits ``further`` ones too."""
        listed = [value for one in further for value in _listed(one)]
        good = [value for value in listed if all(fits(one, value) for one in (schema, *further))]
        if good:
            return self._random.choice(good)
        if listed and optional:
            return _LEFT_OUT
        return self.fitting({"allOf": list(further), **schema} if "allOf" not in schema else schema)


_LEFT_OUT = object()


def _listed(schema: Schema) -> list[Json]:
    """The values that a narrowing names."""
    if schema.get("type") == "null":
        return [None]
    if "const" in schema:
        return [schema["const"]]
    return [*schema.get("enum", ()), *(value for one in schema.get("anyOf", ()) for value in _listed(one))]


def _choices(schema: Schema) -> Iterator[Sequence[Schema]]:
    """The choices an object or a list leaves: its own, and those it must meet besides."""
    for one in (schema, *schema.get("allOf", ())):
        if "anyOf" in one:
            yield one["anyOf"]
        if one is not schema:
            yield from _choices({name: part for name, part in one.items() if name != "anyOf"})


def _possible(schema: Schema, group: Sequence[Schema]) -> list[Schema]:
    """The branches of a choice that some body of the schema can follow."""
    return [one for one in group if all(_agree(schema, *named) for named in one.get("properties", {}).items())] or [{}]


def _together(one: Schema, other: Schema) -> bool:
    """Whether two branches can be followed at once."""
    mine, theirs = one.get("properties", {}), other.get("properties", {})
    return all(
        any(value in _listed(theirs[name]) for value in _listed(mine[name]))
        for name in mine.keys() & theirs.keys()
        if _listed(mine[name]) and _listed(theirs[name])
    )


def _agree(schema: Schema, name: str, over: Schema) -> bool:
    """Whether a field may have one of the values that a branch lists for it."""
    listed = _listed(over)
    field = schema["properties"].get(name)
    return listed in ([], [None]) or (field is not None and any(fits(field, value) for value in listed))


def referring(schema: Schema, ids: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The schema with references to records that there are: a schema cannot name every customer."""
    made = deepcopy(dict(schema))
    _refer(made, ids)
    return made


def _refer(value: Any, ids: Mapping[str, Sequence[str]]) -> None:
    if isinstance(value, list):
        for one in value:
            _refer(one, ids)
    elif isinstance(value, dict):
        for name, one in value.get("properties", {}).items():
            for branch in one.get("anyOf", [one]) if name in ids else ():
                if branch.get("type") == "string":
                    branch["enum"] = [id for id in branch.get("enum", ids[name]) if id in ids[name]]
        for one in value.values():
            _refer(one, ids)


def breaking(schema: Schema, body: Mapping[str, Json]) -> Iterator[tuple[str, dict[str, Json]]]:
    """A body with one thing wrong with it at a time, and what that is."""
    for name in schema.get("required", ()):
        yield f"without {name}", {key: value for key, value in body.items() if key != name}
    yield "with a field that nobody knows", {**body, "shoe_size": "43"}
    for name, one in schema["properties"].items():
        for what, value in _wrong(one):
            yield f"with {what} {name}", {**body, name: value}


def _wrong(field: Schema) -> Iterator[tuple[str, Json]]:
    branches = [one for one in field.get("anyOf", [field]) if one.get("type") != "null"]
    yield "an object for", {"is": "wrong"}
    if len(branches) != 1:
        return
    only = branches[0]
    if "maxLength" in only and "enum" not in only and "examples" not in only:
        yield "too long a", "x" * (only["maxLength"] + 1)
    if "const" in only or "enum" in only:
        yield "another", "none-of-these"
    if only.get("const") is True:
        yield "a false", False
    if only.get("format") == "date":
        yield "no date for", "2026-13-45"
