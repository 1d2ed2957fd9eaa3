"""Which route a raw path is, by one dictionary look-up for each of its segments.

Paths are matched as they came, before any percent-decoding: an encoded slash, dot or question mark cannot make another
route of a path. Parameters are then decoded once, and one that can be no id (or no idempotency key) ends there.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from gateway.contract.errors import not_found
from gateway.contract.operations import Operation
from gateway.contract.upstream import is_id
from gateway.engine.writes.idempotency import is_key

REST = "path"
"""The parameter that holds the rest of a path, slashes among it, as it came."""
KEY = "key"
"""The parameter that holds an idempotency key: its caller's own text, which no accounting system gets to see."""


@dataclass(frozen=True, slots=True)
class Page:
    """Something that is no operation of the API: it asks for no key, and its response's body is whole."""

    show: Callable[[Request], Awaitable[Response]]
    methods: frozenset[str] = frozenset({"GET"})


@dataclass(frozen=True, slots=True)
class Route:
    """All that one path template answers to: the API's operations by method, or a page."""

    template: str
    methods: frozenset[str]
    operations: Mapping[str, Operation]
    page: Page | None
    allow: str
    """Every method of it, as an ``Allow`` header says it."""


@dataclass(slots=True)
class _Node:
    children: dict[bytes, "_Node"] = field(default_factory=dict)
    parameter: tuple[str, "_Node"] | None = None
    rest: Route | None = None
    route: Route | None = None


class Routes:
    """The tree of routes. Below one node there is at most one parameter."""

    def __init__(self, operations: Iterable[Operation], pages: Mapping[str, Page]) -> None:
        self._root = _Node()
        by_template: dict[str, dict[str, Operation]] = {}
        for operation in operations:
            by_template.setdefault(operation.path, {})[operation.method] = operation
        routes = [
            Route(template, frozenset(methods), methods, None, _allow(methods))
            for template, methods in by_template.items()
        ]
        routes += [Route(template, page.methods, {}, page, _allow(page.methods)) for template, page in pages.items()]
        for route in routes:
            self._plant(route)
        self.all = tuple(routes)

    def match(self, raw_path: bytes) -> tuple[Route, dict[str, bytes]] | None:
        """The route of a raw path and its parameters, still encoded. An empty segment is part of no route."""
        segments = raw_path.split(b"/")
        found: dict[str, bytes] = {}
        node = self._root
        for position in range(1, len(segments)):
            segment = segments[position]
            if not segment:
                return None
            child = node.children.get(segment)
            if child is None:
                if node.rest is not None:
                    rest = segments[position:]
                    found[REST] = b"/".join(rest)
                    return (node.rest, found) if all(rest) else None
                if node.parameter is None:
                    return None
                name, child = node.parameter
                found[name] = segment
            node = child
        return None if node.route is None else (node.route, found)

    def _plant(self, route: Route) -> None:
        node = self._root
        for step in route.template.split("/")[1:]:
            if step == f"{{{REST}}}":
                node.rest = route
                return
            if not step.startswith("{"):
                node = node.children.setdefault(step.encode("ascii"), _Node())
                continue
            name = step[1:-1]
            if node.parameter is None:
                node.parameter = name, _Node()
            elif node.parameter[0] != name:
                raise ValueError(f"{route.template}: this parameter is called {node.parameter[0]} elsewhere")
            node = node.parameter[1]
        node.route = route


def parameters_of(found: Mapping[str, bytes]) -> dict[str, str]:
    """The parameters as text, each an id save a key and the rest of a path. Raises ``not_found`` for what is none."""
    return {name: _READ.get(name, _id)(segment) for name, segment in found.items()}


def _id(segment: bytes) -> str:
    return _decoded(segment, is_id)


def _key(segment: bytes) -> str:
    return _decoded(segment, is_key)


def _decoded(segment: bytes, fits: Callable[[str], bool]) -> str:
    try:
        text = unquote(segment.decode("ascii"), errors="strict")
    except UnicodeDecodeError:
        not_found()
    if not fits(text):
        not_found()
    return text


def _rest(segment: bytes) -> str:
    try:
        return segment.decode("ascii")
    except UnicodeDecodeError:
        not_found()


_READ: Mapping[str, Callable[[bytes], str]] = {REST: _rest, KEY: _key}
"""How to read a parameter that is no id."""


def _allow(methods: Iterable[str]) -> str:
    named = set(methods) | {"OPTIONS"}
    if "GET" in named:
        named.add("HEAD")
    return ", ".join(sorted(named))
