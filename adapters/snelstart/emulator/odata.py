"""The $filter language of OData version 3: read from text, typed against a model, asked of records.

Version 3 and not 4: ``substringof`` and no ``contains``, ``guid'…'`` and ``datetime'…'`` literals. Property names are
.NET's, in upper camel case, and count by casing, although the JSON has lower camel case (dossier 2.2).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from adapters.snelstart.emulator import moments
from adapters.snelstart.emulator.fields import Kind, Many, Model, Moment, guid_or_none, pascal

Value = Any
Scope = Mapping[str, Value]
"""The record under ``""``, and the range variables of any/all by name."""

_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<literal>(?:guid|datetimeoffset|datetime|time|binary|X)'(?:[^']|'')*')"
    r"|(?P<text>'(?:[^']|'')*')"
    r"|(?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?[MmLlDdFf]?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<mark>[(),/:])"
    r")",
    re.ASCII,
)
_COMPARISONS = {
    "eq": "Equal",
    "ne": "NotEqual",
    "gt": "GreaterThan",
    "ge": "GreaterThanOrEqual",
    "lt": "LessThan",
    "le": "LessThanOrEqual",
}
_NUMERIC = frozenset({"Edm.Int32", "Edm.Int64", "Edm.Decimal", "Edm.Double", "Edm.Single"})
_MOST_DEPTH = 100
_MOST_NODES = 100
"""What ASP.NET Web API OData allows by default (guess: the vendor's is not recorded)."""


class BadFilter(ValueError):
    """The text is no filter of that model; the words are OData's."""


@dataclass(frozen=True, slots=True)
class Expression:
    """Something that has a value for a record: ``edm`` is its type, None for the literal null."""

    edm: str | None
    value: Callable[[Scope], Value]


def parse(text: str, model: Model, *, ignore_case: bool = False) -> Callable[[Mapping[str, Value]], bool]:
    """The question that a $filter asks of a record of that model. Raises ``BadFilter``."""
    parser = _Parser(text, model, ignore_case=ignore_case)
    expression = parser.whole()
    return lambda record: expression.value({"": record}) is True


def _tokens(text: str) -> list[tuple[str, str, int]]:
    found: list[tuple[str, str, int]] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise BadFilter(f"Syntax error at position {at} in '{text}'.")
        found.append((match.lastgroup, match.group(match.lastgroup), match.start(match.lastgroup)))
        at = match.end()
    return found


class _Parser:
    """Reads one filter, from the loosest binding operator to the tightest."""

    def __init__(self, text: str, model: Model, *, ignore_case: bool) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0
        self._nodes = 0
        self._ignore_case = ignore_case
        self._ranges: dict[str, Kind] = {"": model}

    def whole(self) -> Expression:
        expression = self._either()
        if self._at < len(self._tokens):
            raise self._syntax()
        if expression.edm != "Edm.Boolean":
            raise BadFilter("The $filter expression must evaluate to a single boolean value.")
        return expression

    def _either(self) -> Expression:
        self._deeper()
        left = self._both()
        while self._take("or"):
            self._count()
            left = _or(left, self._both())
        self._depth -= 1
        return left

    def _both(self) -> Expression:
        left = self._comparison()
        while self._take("and"):
            self._count()
            left = _and(left, self._comparison())
        return left

    def _comparison(self) -> Expression:
        left = self._unary()
        operator = self._peek()
        if operator not in _COMPARISONS:
            return left
        self._at += 1
        self._count()
        return self._compare(operator, left, self._unary())

    def _unary(self) -> Expression:
        """``not`` binds tighter than ``eq``: ``not Naam eq 'x'`` is refused, ``not (Naam eq 'x')`` is meant."""
        if not self._take("not"):
            return self._primary()
        self._deeper()
        self._count()
        inner = _not(self._unary())
        self._depth -= 1
        return inner

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise BadFilter("The recursion limit of the $filter expression has been exceeded.")

    def _count(self, nodes: int = 1) -> None:
        """Operators, functions, constants, range variables and each property on a path are a node."""
        self._nodes += nodes
        if self._nodes > _MOST_NODES:
            raise BadFilter(f"The node count limit of '{_MOST_NODES}' has been exceeded.")

    def _compare(self, operator: str, left: Expression, right: Expression) -> Expression:
        numeric = left.edm in _NUMERIC and right.edm in _NUMERIC
        if None not in (left.edm, right.edm) and left.edm != right.edm and not numeric:
            raise BadFilter(
                "A binary operator with incompatible types was detected. Found operand types "
                f"'{left.edm}' and '{right.edm}' for operator kind '{_COMPARISONS[operator]}'."
            )
        fold = self._fold
        return Expression("Edm.Boolean", lambda at: _holds(operator, fold(left.value(at)), fold(right.value(at))))

    def _fold(self, value: Value) -> Value:
        """Text without its casing, where the books do not mind it; GUIDs are in lower case already."""
        return value.casefold() if self._ignore_case and isinstance(value, str) else value

    def _primary(self) -> Expression:
        if self._at >= len(self._tokens):
            raise self._syntax()
        sort, text, _position = self._tokens[self._at]
        self._at += 1
        if text == "(" and sort == "mark":
            inner = self._either()
            self._expect(")")
            return inner
        if sort in ("literal", "text", "number"):
            self._count()
            return _literal(sort, text)
        if sort != "name":
            self._at -= 1
            raise self._syntax()
        if text in ("true", "false", "null"):
            self._count()
            return _constant(text)
        if self._peek() == "(":
            return self._call(text)
        return self._path(text)

    def _call(self, name: str) -> Expression:
        self._at += 1
        self._count()
        arguments = [] if self._peek() == ")" else [self._either()]
        while self._take(","):
            arguments.append(self._either())
        self._expect(")")
        return _function(name, arguments, self._fold)

    def _path(self, first: str) -> Expression:
        """``Naam``, ``VestigingsAdres/Land/Id``, ``Relatiesoort/any(r:r eq 'Klant')``, or a range variable."""
        if first in self._ranges:
            start, names, kind = first, [], self._ranges[first]
        else:
            start, names = "", [first]
            kind = _property(self._ranges[""], first)
        while self._take("/"):
            step = self._name()
            if isinstance(kind, Many):
                return self._lambda(step, start, names, kind)
            kind = _property(kind, step)
            names.append(step)
        if names and names[-1] == "Uri":
            raise BadFilter("The property 'Uri' cannot be used in the $filter query option.")
        self._count(1 + len(names))
        reach = _reach(start, names)
        if isinstance(kind, Moment):
            return Expression(kind.edm, lambda at: _moment(reach(at)))
        return Expression(kind.edm or (kind.type_name if isinstance(kind, Model) else "Collection"), reach)

    def _lambda(self, step: str, start: str, names: list[str], kind: Many) -> Expression:
        if step not in ("any", "all"):
            raise BadFilter("The parent value for a property access of a property is not a single value.")
        self._count(2 + len(names))
        members = _reach(start, names)
        self._expect("(")
        if step == "any" and self._take(")"):
            return Expression("Edm.Boolean", lambda at: bool(members(at)))
        variable = self._name()
        self._expect(":")
        self._ranges[variable] = kind.of
        inner = self._either()
        del self._ranges[variable]
        self._expect(")")
        if inner.edm != "Edm.Boolean":
            raise BadFilter("The Any/All query expression must evaluate to a single boolean value.")
        quantifier = any if step == "any" else all

        def value(at: Scope) -> bool:
            return quantifier(inner.value({**at, variable: member}) is True for member in members(at) or ())

        return Expression("Edm.Boolean", value)

    def _peek(self) -> str | None:
        if self._at >= len(self._tokens) or self._tokens[self._at][0] not in ("name", "mark"):
            return None
        return self._tokens[self._at][1]

    def _take(self, word: str) -> bool:
        if self._peek() != word:
            return False
        self._at += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise self._syntax()

    def _name(self) -> str:
        if self._at >= len(self._tokens) or self._tokens[self._at][0] != "name":
            raise self._syntax()
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _syntax(self) -> BadFilter:
        position = self._tokens[self._at][2] if self._at < len(self._tokens) else len(self._text)
        return BadFilter(f"Syntax error at position {position} in '{self._text}'.")


def _property(kind: Kind, name: str) -> Kind:
    if isinstance(kind, Model):
        for json_name, inner in kind.properties.items():
            if pascal(json_name) == name:
                return inner
        raise BadFilter(f"Could not find a property named '{name}' on type '{kind.type_name}'.")
    raise BadFilter(f"Could not find a property named '{name}' on type '{kind.edm}'.")


def _reach(start: str, names: list[str]) -> Callable[[Scope], Value]:
    """Follows a path into a record; nothing on the way makes the whole nothing."""
    steps = [name[:1].lower() + name[1:] for name in names]

    def value(at: Scope) -> Value:
        found = at[start]
        for step in steps:
            found = None if found is None else found[step]
        return found

    return value


def _always(edm: str | None, value: Value) -> Expression:
    return Expression(edm, lambda _at: value)


def _constant(word: str) -> Expression:
    return _always(None, None) if word == "null" else _always("Edm.Boolean", word == "true")


def _literal(sort: str, text: str) -> Expression:
    if sort == "number":
        number = Decimal(text.rstrip("MmLlDdFf"))
        whole = "." not in text and number == number.to_integral_value()
        return _always("Edm.Int32" if whole else "Edm.Decimal", number)
    prefix, _, quoted = text.partition("'")
    inner = quoted[:-1].replace("''", "'")
    if not prefix:
        return _always("Edm.String", inner)
    if prefix == "guid" and len(inner) == 36 and guid_or_none(inner) is not None:
        return _always("Edm.Guid", guid_or_none(inner))
    if prefix == "datetime" and not _ZONED.search(inner) and moments.read(inner) is not None:
        return _always("Edm.DateTime", moments.read(inner))
    if prefix == "datetimeoffset" and moments.read(inner) is not None:
        return _always("Edm.DateTimeOffset", moments.read(inner))
    raise BadFilter(f"Unrecognized '{_LITERALS.get(prefix, prefix)}' literal '{text}' in the $filter expression.")


_ZONED = re.compile(r"(Z|[+-]\d{2}:\d{2})\Z")
_LITERALS = {"guid": "Edm.Guid", "datetime": "Edm.DateTime", "datetimeoffset": "Edm.DateTimeOffset"}


def _moment(text: str | None) -> datetime | None:
    return None if text is None else moments.read(text)


def _holds(operator: str, left: Value, right: Value) -> bool:
    """A comparison; nothing equals only nothing, and is neither more nor less than anything."""
    if operator == "eq":
        return bool(left == right)
    if operator == "ne":
        return bool(left != right)
    if left is None or right is None:
        return False
    if operator in ("gt", "ge"):
        return bool(left > right or (operator == "ge" and left == right))
    return bool(left < right or (operator == "le" and left == right))


def _booleans(*parts: Expression) -> None:
    for part in parts:
        if part.edm != "Edm.Boolean":
            raise BadFilter("A logical operator needs operands of type 'Edm.Boolean'.")


def _or(left: Expression, right: Expression) -> Expression:
    _booleans(left, right)
    return Expression("Edm.Boolean", lambda at: left.value(at) is True or right.value(at) is True)


def _and(left: Expression, right: Expression) -> Expression:
    _booleans(left, right)
    return Expression("Edm.Boolean", lambda at: left.value(at) is True and right.value(at) is True)


def _not(inner: Expression) -> Expression:
    _booleans(inner)
    return Expression("Edm.Boolean", lambda at: inner.value(at) is not True)


_TEXT, _MOMENT, _INT, _BOOL = "Edm.String", "Edm.DateTime", "Edm.Int32", "Edm.Boolean"
_FUNCTIONS: Mapping[str, tuple[tuple[str, ...], str, Callable[..., Value]]] = {
    "substringof": ((_TEXT, _TEXT), _BOOL, lambda part, whole: part in whole),
    "startswith": ((_TEXT, _TEXT), _BOOL, lambda whole, part: whole.startswith(part)),
    "endswith": ((_TEXT, _TEXT), _BOOL, lambda whole, part: whole.endswith(part)),
    "length": ((_TEXT,), _INT, len),
    "indexof": ((_TEXT, _TEXT), _INT, lambda whole, part: whole.find(part)),
    "replace": ((_TEXT, _TEXT, _TEXT), _TEXT, lambda whole, old, new: whole.replace(old, new)),
    "concat": ((_TEXT, _TEXT), _TEXT, lambda first, second: first + second),
    "tolower": ((_TEXT,), _TEXT, str.lower),
    "toupper": ((_TEXT,), _TEXT, str.upper),
    "trim": ((_TEXT,), _TEXT, str.strip),
    "year": ((_MOMENT,), _INT, lambda moment: moment.year),
    "month": ((_MOMENT,), _INT, lambda moment: moment.month),
    "day": ((_MOMENT,), _INT, lambda moment: moment.day),
    "hour": ((_MOMENT,), _INT, lambda moment: moment.hour),
    "minute": ((_MOMENT,), _INT, lambda moment: moment.minute),
    "second": ((_MOMENT,), _INT, lambda moment: moment.second),
}


def _function(name: str, arguments: list[Expression], fold: Callable[[Value], Value]) -> Expression:
    """A call of a version 3 function; where an argument is nothing, so is the answer."""
    if name not in _FUNCTIONS:
        raise BadFilter(
            f"An unknown function with name '{name}' was found. This may also be a key lookup on a navigation "
            "property, which is not allowed."
        )
    wanted, answer, compute = _FUNCTIONS[name]
    given = tuple(argument.edm for argument in arguments)
    if len(given) != len(wanted) or any(have not in (want, None) for have, want in zip(given, wanted, strict=True)):
        raise BadFilter(
            f"No function signature for the function with name '{name}' matches the specified arguments. "
            f"The function signatures considered are: {name}({', '.join(wanted)})."
        )

    def value(at: Scope) -> Value:
        values = [fold(argument.value(at)) for argument in arguments]
        return None if None in values else compute(*values)

    return Expression(answer, value)
