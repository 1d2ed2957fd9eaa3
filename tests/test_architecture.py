"""The house rules that a program can check, from the syntax trees: who imports whom, and what stays out of where.

Every rule is a function from one file to its breaches. It is run over the tree as it is, and over planted snippets: one
that breaks the rule must be caught, one that keeps it must pass.

Length: the rules and the snippets that prove them are read together.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Source:
    """One file: its path from the root of the checkout, with slashes, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.path)

    @property
    def module(self) -> str:
        """The dotted name Python knows it by; a package goes by its own name."""
        parts = PurePosixPath(self.path).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        return self.module if self.path.endswith("__init__.py") else self.module.rpartition(".")[0]


@dataclass(frozen=True)
class Import:
    """One imported thing by its full dotted name: ``from a import b`` imports ``a.b``."""

    line: int
    name: str

    def within(self, *places: str) -> bool:
        return any(self.name == place or self.name.startswith(place + ".") for place in places)


Rule = Callable[[Source], Iterator[str]]


def imports(source: Source) -> Iterator[Import]:
    """Every import, wherever it stands: in a function and under TYPE_CHECKING too."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = source.package.split(".")
                base = ".".join([*above[: len(above) - node.level + 1], *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(node.lineno, f"{base}.{alias.name}")


def files(*tops: str, suffix: str = "") -> list[Source]:
    paths = (path for top in tops for path in sorted((ROOT / top).rglob(f"*{suffix}")))
    return [
        Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8", errors="replace"))
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts
    ]


# Who may import whom


@dataclass(frozen=True)
class Layer:
    """What a part of the house may import of ours, of libraries, and which of the standard library it may not."""

    ours: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    barred: tuple[str, ...] = ()
    given_chance: bool = False


ENGINE = ("authlib", "cachetools", "cryptography", "pydantic", "pydantic_core")

GROUND = (
    *("call", "clock", "cursors", "generations", "gmac", "inputs", "malformed", "observe", "owner", "providers"),
    *("shielded", "signing", "single_flight", "stop_signal", "storage", "task", "tracing", "validation", "waiting"),
)
"""Modules of the engine that every room of it may stand on; none of them knows a room."""
ROOMS = {
    "network": (),
    "access": (),
    "tokens": ("network",),
    "outbound": ("network", "tokens"),
    "records": ("outbound",),
    "reads": ("outbound", "records"),
    "writes": ("access", "network", "outbound", "records"),
    "connections": ("access", "network", "outbound", "records", "tokens", "writes"),
}
"""Rooms of the engine, each with those below it that it may ask."""


def engine(*parts: str) -> tuple[str, ...]:
    return ("gateway.contract", *(f"gateway.engine.{one}" for one in (*GROUND, *parts)))


FREE = Layer(ours=("gateway", "adapters"), libraries=("*",))
LAYERS = {
    # What has no row of its own falls under "gateway", which may import nothing: a new part gets a row first.
    "gateway": Layer(),
    "gateway.contract": Layer(("gateway.contract",), ("msgspec", "pydantic", "pydantic_core")),
    "gateway.engine": Layer(("gateway.contract", "gateway.engine"), ENGINE),
    **{f"gateway.engine.{one}": Layer(engine(), ENGINE) for one in GROUND},
    **{f"gateway.engine.{room}": Layer(engine(room, *below), ENGINE) for room, below in ROOMS.items()},
    "gateway.engine.network.http": Layer(engine(), (*ENGINE, "httpx", "httpx2")),
    "gateway.engine.network.http1": Layer(("gateway.contract", "gateway.engine.network.http"), ("httptools",)),
    "gateway.engine.network.sockets": Layer(
        ("gateway.contract", "gateway.engine.network.http", "gateway.engine.network.http1"), ("aiohappyeyeballs",)
    ),
    "gateway.store": Layer(
        (
            "gateway.contract",
            "gateway.engine.generations",
            "gateway.engine.access.rate_limit",
            "gateway.engine.observe",
            "gateway.engine.owner",
            "gateway.engine.reads.second_level",
            "gateway.engine.storage",
            "gateway.store",
        ),
        ("aiosqlite", "alembic", "cryptography", "msgspec", "redis", "sqlalchemy"),
    ),
    "gateway.web": Layer(
        ("gateway.contract", "gateway.engine", "gateway.web"),
        ("prometheus_client", "pydantic", "starlette"),
    ),
    "gateway.web.tracing": Layer(("gateway.web.logs", "gateway.web.metrics"), ("opentelemetry",)),
    "gateway.web.protocol": Layer(("gateway.web.replies",), ("uvicorn",)),
    "gateway.web.logs": Layer(("gateway.contract",), ("msgspec",)),
    # The composition root and what it is made with.
    "gateway.__main__": FREE,
    "gateway.app": FREE,
    "gateway.backup": FREE,
    "gateway.cli": FREE,
    "gateway.garbage_collection": Layer(),
    "gateway.demo": FREE,
    "gateway.doctor": FREE,
    "gateway.registry": FREE,
    "gateway.serve": FREE,
    "gateway.settings": FREE,
    "gateway.supervise": FREE,
    "adapters": Layer(),
}

# An adapter cannot reach the world, the clock or chance, because it may not import what can.
IMPURE = (
    *("asyncio", "concurrent", "ftplib", "http.client", "http.server", "multiprocessing", "os", "random", "secrets"),
    *("select", "selectors", "shutil", "smtplib", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading"),
    *("time", "urllib.request", "uuid.uuid1", "uuid.uuid4"),
)


def layer_of(module: str) -> Layer:
    parts = module.split(".")
    if parts[0] == "adapters" and len(parts) > 1:
        own = ".".join(parts[:2])
        if parts[2:3] == ["emulator"]:
            return Layer(("gateway.contract", own), ("pydantic", "starlette"), IMPURE, given_chance=True)
        return Layer(("gateway.contract", own), (), IMPURE, barred=(f"{own}.emulator",))
    while ".".join(parts) not in LAYERS:
        parts.pop()
    return LAYERS[".".join(parts)]


def import_rules(source: Source) -> Iterator[str]:
    layer = layer_of(source.module)
    for item in imports(source):
        top = item.name.partition(".")[0]
        if top in sys.stdlib_module_names:
            allowed = not item.within(*layer.without) or (layer.given_chance and is_type_of_chance(source, item))
        elif top in ("gateway", "adapters"):
            allowed = item.within(*layer.ours) and not item.within(*layer.barred)
        else:
            allowed = item.within(*layer.libraries) or "*" in layer.libraries
        if not allowed:
            yield f"{source.path}:{item.line} may not import {item.name}"


def is_type_of_chance(source: Source, item: Import) -> bool:
    """An emulator is given its ``Random`` and may name that type; it may not make one."""
    makes_one = any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Random"
        for node in ast.walk(source.tree)
    )
    return item.name == "random.Random" and not makes_one


def one_http_seam(source: Source) -> Iterator[str]:
    if not source.module.startswith("gateway.engine.network."):
        for item in imports(source):
            if item.within("httpx", "httpx2", "aiohttp", "httptools"):
                yield f"{source.path}:{item.line} imports {item.name}; only gateway/engine/network/ does"


def imports_in_sight(source: Source) -> Iterator[str]:
    """An import by a computed name escapes every other rule; only the registry, which finds the adapters, has one."""
    if source.module != "gateway.registry":
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and called(node) in {"__import__", "import_module"}:
                yield f"{source.path}:{node.lineno} imports by a computed name"


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


# Money, time, JSON

MONEY = re.compile(
    r"gateway/contract/(money|exact|models)(\.py|/.*)|gateway/ingest/rules(\.py|/.*)"
    r"|adapters/[^/]+/(mapping|resources|wire)(\.py|/.*)"
)


def no_float_near_money(source: Source) -> Iterator[str]:
    """No float in code that touches amounts, but to refuse one: ``isinstance(value, float)``."""
    if not MONEY.fullmatch(source.path):
        return
    refusals = {
        id(part)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and called(node) == "isinstance"
        for part in ast.walk(node)
    }
    for node in ast.walk(source.tree):
        named = isinstance(node, ast.Name) and node.id == "float" and id(node) not in refusals
        written = isinstance(node, ast.Constant) and isinstance(node.value, float)
        if (named or written) and isinstance(node, ast.expr):
            yield f"{source.path}:{node.lineno} has a float: {ast.unparse(node)}"


def time_is_given(source: Source) -> Iterator[str]:
    """Only the engine's clock asks the operating system what time it is."""
    if source.module == "gateway.engine.clock":
        return
    for item in imports(source):
        if item.within("time"):
            yield f"{source.path}:{item.line} imports {item.name}; take a Clock"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}:
            owner = ast.unparse(node.value).rpartition(".")[2]
            if owner in {"date", "datetime"}:
                yield f"{source.path}:{node.lineno} asks {ast.unparse(node)}; take a Clock"


def json_is_exact(source: Source) -> Iterator[str]:
    """The standard library reads 0.10 as a float, and so does ``request.json()``: gateway.contract.exact does not.

    That one asks the standard library whether a member is given twice, and takes no value from it.
    """
    if not source.path.startswith(("adapters/", "gateway/contract/")) or source.path == "gateway/contract/exact.py":
        return
    for item in imports(source):
        if item.within("json"):
            yield f"{source.path}:{item.line} imports {item.name}; use gateway.contract.exact"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Await) and isinstance(node.value, ast.Call) and called(node.value) == "json":
            yield f"{source.path}:{node.lineno} awaits json(); use gateway.contract.exact on the body"


# Names and sizes

PROVIDERS = {"rompslomp", "snelstart", "thenextinvoice", "the next invoice", "tni"} | {
    path.name for path in (ROOT / "adapters").iterdir() if path.is_dir() and path.name not in {"memory", "__pycache__"}
}
PROVIDER = re.compile(rf"(?<![a-z])({'|'.join(sorted(PROVIDERS))})(?![a-z])", re.IGNORECASE)


def no_provider_named(source: Source) -> Iterator[str]:
    """The gateway knows schemes and facts; what a provider is called stands in its adapter alone."""
    generated = "/vendor/" in source.path or "generated by" in source.text[:300].lower()
    if not source.path.startswith("gateway/") or generated:
        return
    for number, line in enumerate([source.path, *source.text.splitlines()]):
        if found := PROVIDER.search(line):
            yield f"{source.path}:{number} names {found.group()}"


NO_SUBJECT = {"common", "handler", "handlers", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}


def named_for_a_subject(source: Source) -> Iterator[str]:
    if words := NO_SUBJECT & set(re.split(r"[._]", source.module)):
        yield f"{source.path} is named {words.pop()}, which says nothing of what is in it"


LONGEST = 500


def short_or_explained(source: Source) -> Iterator[str]:
    """A long file says why in its docstring, on a line that begins with "Length:"."""
    lines = len(source.text.splitlines())
    reasons = re.findall(r"^Length: \S.*$", ast.get_docstring(source.tree) or "", re.MULTILINE)
    if lines > LONGEST and not reasons:
        yield f"{source.path} has {lines} lines, over {LONGEST}, and no reason"


CODE_RULES: list[Rule] = [
    import_rules,
    one_http_seam,
    imports_in_sight,
    no_float_near_money,
    time_is_given,
    json_is_exact,
]
FILE_RULES: list[Rule] = [named_for_a_subject, short_or_explained]


@pytest.fixture(scope="module")
def code() -> list[Source]:
    """Ours, parsed once for all rules."""
    return files("gateway", "adapters", suffix=".py")


@pytest.mark.parametrize("rule", CODE_RULES)
def test_the_code_keeps(rule: Rule, code: list[Source]) -> None:
    assert breaches(rule, code) == []


@pytest.mark.parametrize("rule", FILE_RULES)
def test_every_file_keeps(rule: Rule) -> None:
    assert breaches(rule, files("gateway", "adapters", "tests", suffix=".py")) == []


def test_no_provider_is_named_in_the_gateway() -> None:
    assert breaches(no_provider_named, files("gateway")) == []


def breaches(rule: Rule, sources: Iterable[Source]) -> list[str]:
    return [breach for source in sources for breach in rule(source)]


# Proof that the rules bite

LONG = "x = 1\n" * (LONGEST + 1)

PLANTED: list[tuple[Rule, str, str]] = [
    (import_rules, "gateway/contract/money.py", "import httpx"),
    (import_rules, "gateway/contract/money.py", "from gateway.engine import perform"),
    (import_rules, "gateway/contract/models/base.py", "from ...engine import perform"),
    (import_rules, "gateway/contract/money.py", "from gateway import web"),
    (import_rules, "gateway/contract/__init__.py", "from .. import store"),
    (import_rules, "gateway/contract/money.py", "from gateway import *"),
    (import_rules, "gateway/engine/perform.py", "def f():\n    from starlette.requests import Request"),
    (import_rules, "gateway/engine/perform.py", "import gateway.store.sql"),
    (import_rules, "gateway/engine/perform.py", "import adapters"),
    (import_rules, "gateway/engine/tokens/endpoints.py", "import httpx2"),
    (import_rules, "gateway/engine/single_flight.py", "from gateway.engine.reads import cache"),
    (import_rules, "gateway/engine/tokens/endpoints.py", "from gateway.engine.outbound.upstream import Outbound"),
    (import_rules, "gateway/engine/reads/reading.py", "from gateway.engine.writes.writing import Writer"),
    (import_rules, "gateway/engine/writes/writing.py", "from gateway.engine.connections import lookup"),
    (import_rules, "gateway/store/sql.py", "import adapters.memory"),
    (import_rules, "gateway/store/sql.py", "from gateway.engine.perform import perform"),
    (import_rules, "gateway/store/sql.py", "from gateway.web import routes"),
    (import_rules, "gateway/web/routes.py", "from gateway.store import sql"),
    (import_rules, "gateway/web/routes.py", "from gateway.app import build"),
    (import_rules, "gateway/web/routes.py", "from ..store import sql"),
    (import_rules, "gateway/web/pages/__init__.py", "import sqlalchemy"),
    (import_rules, "gateway/nieuw/__init__.py", "import gateway.contract"),
    (import_rules, "adapters/a/mapping.py", "from gateway.engine import upstream"),
    (import_rules, "adapters/a/mapping.py", "from adapters.b import wire"),
    (import_rules, "adapters/a/mapping.py", "from ..b import wire"),
    (import_rules, "adapters/a/mapping.py", "import starlette"),
    (import_rules, "adapters/a/__init__.py", "from adapters.a.emulator import Emulator"),
    (import_rules, "adapters/a/resources/__init__.py", "from ..emulator import Emulator"),
    (import_rules, "adapters/a/__init__.py", "from . import emulator"),
    (import_rules, "adapters/a/wire.py", "from random import Random"),
    (import_rules, "adapters/a/emulator.py", "import random"),
    (import_rules, "adapters/a/emulator/state.py", "from random import choice"),
    (import_rules, "adapters/a/emulator.py", "from random import Random\nchance = Random()"),
    (import_rules, "adapters/a/emulator.py", "from uuid import uuid4"),
    (import_rules, "adapters/a/emulator.py", "import httpx2"),
    *((import_rules, "adapters/a/resources.py", f"import {name}") for name in ("asyncio", "time", "os", "sqlite3")),
    *((import_rules, "adapters/a/resources.py", f"import {name}") for name in ("socket", "subprocess", "threading")),
    (import_rules, "adapters/a/resources.py", "from urllib import request"),
    (import_rules, "adapters/a/resources.py", "import http.client"),
    (import_rules, "adapters/a/resources.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os"),
    (one_http_seam, "gateway/app.py", "import httpx2 as httpx"),
    (one_http_seam, "gateway/engine/outbound/upstream.py", "import aiohttp"),
    (one_http_seam, "gateway/web/app.py", "from httptools import HttpResponseParser"),
    (one_http_seam, "gateway/engine/tokens/endpoints.py", "from httpx import AsyncClient"),
    (imports_in_sight, "gateway/engine/perform.py", "import importlib\nimportlib.import_module('gateway.web')"),
    (imports_in_sight, "adapters/a/mapping.py", "__import__('os')"),
    (no_float_near_money, "gateway/contract/money.py", "def f(text: str) -> object:\n    return float(text)"),
    (no_float_near_money, "gateway/contract/models/invoices.py", "class Line:\n    price: float | None"),
    (no_float_near_money, "gateway/contract/models.py", "def total(amounts: list[float]) -> None: ..."),
    (no_float_near_money, "gateway/contract/money.py", "numbers = map(float, texts)"),
    (no_float_near_money, "adapters/a/mapping.py", "rate = 0.21"),
    (no_float_near_money, "adapters/a/mapping/lines.py", "amount = round(float(text), 2)"),
    (time_is_given, "gateway/engine/reads/cache.py", "import time"),
    (time_is_given, "gateway/engine/reads/cache.py", "from time import monotonic"),
    (time_is_given, "gateway/app.py", "from datetime import datetime\nx = datetime.now()"),
    (time_is_given, "adapters/a/mapping.py", "import datetime\nx = datetime.date.today()"),
    (time_is_given, "gateway/store/sql.py", "column = Column(default=datetime.utcnow)"),
    (json_is_exact, "adapters/a/wire.py", "import json"),
    (json_is_exact, "gateway/contract/adapter.py", "from json import loads"),
    (json_is_exact, "adapters/a/emulator.py", "async def f(request):\n    return await request.json()"),
    (no_provider_named, "gateway/engine/tokens/endpoints.py", "# Rompslomp rotates its tokens"),
    (no_provider_named, "gateway/web/pages/index.html", "<li>SnelStart</li>"),
    (no_provider_named, "gateway/settings.py", "tni_api_url = ''"),
    (no_provider_named, "gateway/README.md", "see TheNextInvoice"),
    (no_provider_named, "gateway/engine/snelstart.py", ""),
    (named_for_a_subject, "gateway/engine/utils.py", ""),
    (named_for_a_subject, "adapters/a/helpers/__init__.py", ""),
    (named_for_a_subject, "gateway/engine/token_manager.py", ""),
    (named_for_a_subject, "tests/common.py", ""),
    (short_or_explained, "gateway/engine/perform.py", LONG),
    (short_or_explained, "gateway/engine/perform.py", '"""Work.\n\nLength:\n"""\n' + LONG),
]

KEPT: list[tuple[Rule, str, str]] = [
    (import_rules, "gateway/contract/money.py", "import decimal, pydantic, msgspec\nfrom . import exact"),
    (import_rules, "gateway/contract/emulator.py", "import random"),
    (import_rules, "gateway/engine/network/http.py", "import httpx2 as httpx"),
    (import_rules, "gateway/engine/tokens/endpoints.py", "import asyncio\nfrom authlib.oauth2 import rfc6749"),
    (import_rules, "gateway/store/sql.py", "from gateway.engine.storage import Storage\nimport sqlalchemy as sa"),
    (import_rules, "gateway/web/routes.py", "from gateway.engine import perform\nfrom starlette.routing import Route"),
    (import_rules, "gateway/app.py", "from gateway.store import sql\nfrom gateway.web import routes\nimport uvicorn"),
    (import_rules, "gateway/cli/serve.py", "import typer\nfrom gateway import app"),
    (import_rules, "adapters/a/mapping.py", "from gateway.contract import money\nfrom . import wire\nimport re"),
    (import_rules, "adapters/a/mapping.py", "from urllib.parse import quote\nfrom uuid import UUID"),
    (import_rules, "adapters/a/emulator.py", "from random import Random\nfrom starlette.routing import Route"),
    (
        import_rules,
        "adapters/a/emulator/state.py",
        "from adapters.a.emulator.switches import Switches\nimport pydantic",
    ),
    (one_http_seam, "gateway/engine/network/http.py", "import httpx2 as httpx"),
    (one_http_seam, "gateway/engine/network/http1.py", "import httptools"),
    (imports_in_sight, "gateway/registry.py", "from importlib import import_module\nimport_module('adapters.x')"),
    (no_float_near_money, "gateway/contract/money.py", "if isinstance(value, float):\n    raise ValueError"),
    (no_float_near_money, "gateway/contract/clock.py", "def monotonic() -> float: ..."),
    (no_float_near_money, "gateway/contract/exact.py", "d = Decoder(float_hook=Decimal)"),
    (time_is_given, "gateway/engine/clock.py", "import time\nfrom datetime import datetime\nx = datetime.now()"),
    (time_is_given, "gateway/engine/reads/cache.py", "from datetime import time\nx = clock.now()"),
    (json_is_exact, "adapters/a/resources.py", "from gateway.contract.exact import loads\nx = reply.json"),
    (no_provider_named, "gateway/engine/reads/cache.py", "# at night, a witnicht: fetching"),
    (no_provider_named, "adapters/snelstart/mapping.py", "# SnelStart rounds per line"),
    (no_provider_named, "gateway/web/pages/vendor/docs.js", "var tni=1"),
    (named_for_a_subject, "gateway/engine/commonwealth.py", ""),
    (short_or_explained, "gateway/engine/perform.py", '"""Work.\n\nLength: it is one table.\n"""\n' + LONG),
    (short_or_explained, "gateway/engine/perform.py", "x = 1\n" * LONGEST),
]


@pytest.mark.parametrize(("rule", "path", "text"), PLANTED)
def test_a_planted_breach_is_caught(rule: Rule, path: str, text: str) -> None:
    assert breaches(rule, [Source(path, text)])


@pytest.mark.parametrize(("rule", "path", "text"), KEPT)
def test_what_keeps_the_rule_passes(rule: Rule, path: str, text: str) -> None:
    assert breaches(rule, [Source(path, text)]) == []


def test_the_tree_is_really_read(code: list[Source]) -> None:
    modules = {source.module for source in code}
    assert {"gateway.contract.money", "gateway.contract", "adapters"} <= modules


# The shape of an adapter

SHAPE = ("__init__", "wire", "mapping", "resources", "emulator", "fixtures", "README.md")


def missing_parts(paths: Iterable[str]) -> list[str]:
    """What an adapter lacks, given its files by their path inside its folder. A part may be a module or a package."""
    present = set(paths)
    names = {path.partition("/")[0].removesuffix(".py") for path in present}
    packages = {path.partition("/")[0] for path in present if path.count("/") == 1 and path.endswith("/__init__.py")}
    both = {name for name in packages if f"{name}.py" in present}
    return [part for part in SHAPE if part not in names] + sorted(f"{name} is there twice" for name in both)


def test_every_adapter_has_the_same_shape() -> None:
    found: dict[str, list[str]] = {}
    for source in files("adapters"):
        _, adapter, *rest = source.path.split("/")
        if rest:
            found.setdefault(adapter, []).append("/".join(rest))
    finished = {name: paths for name, paths in found.items() if is_adapter(paths)}
    assert {name: lacking for name, paths in finished.items() if (lacking := missing_parts(paths))} == {}


def is_adapter(paths: Iterable[str]) -> bool:
    return any(path == "resources.py" or path.startswith("resources/") for path in paths)


WHOLE = {"__init__.py", "wire.py", "mapping.py", "resources.py", "emulator.py", "fixtures/contact.json", "README.md"}


@pytest.mark.parametrize("path", sorted(WHOLE))
def test_an_adapter_without_a_part_is_caught(path: str) -> None:
    assert missing_parts(WHOLE) == []
    assert missing_parts(WHOLE - {path}) == [path.partition("/")[0].removesuffix(".py")]


def test_a_part_may_be_a_package_but_not_both() -> None:
    assert missing_parts(WHOLE - {"emulator.py"} | {"emulator/__init__.py"}) == []
    assert missing_parts(WHOLE | {"emulator/__init__.py"}) == ["emulator is there twice"]
