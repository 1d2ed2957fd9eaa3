"""Every law there is, with every set of arguments that it is put with."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Law:
    """A law and what it is told besides its subject; ``fixtures`` are those of pytest that it asks for."""

    name: str
    holds: Callable[..., Awaitable[None]]
    arguments: Mapping[str, Any]
    fixtures: frozenset[str]

    def __str__(self) -> str:
        return f"{self.name} {dict(self.arguments) or ''}".strip()


def all_laws() -> Iterator[Law]:
    """The async tests of this folder that take a subject."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        module = import_module(f"{__package__}.{path.stem}")
        for name, function in list(vars(module).items()):
            asked = signature(function).parameters if name.startswith("test_") else {}
            if "subject" in asked and function.__module__ == module.__name__:
                for arguments in _arguments(function):
                    fixtures = asked.keys() - arguments.keys() - {"subject"}
                    yield Law(f"{path.stem}.{name}", function, arguments, frozenset(fixtures))


def _arguments(function: Callable[..., Any]) -> Iterator[Mapping[str, Any]]:
    """What ``pytest.mark.parametrize`` gives a law, one set after the other."""
    axes = []
    for mark in getattr(function, "pytestmark", ()):
        if mark.name == "parametrize":
            names, values = mark.args[:2]
            named = [one.strip() for one in names.split(",")] if isinstance(names, str) else names
            axes.append([dict(zip(named, value if len(named) > 1 else [value], strict=True)) for value in values])
    for chosen in product(*axes):
        yield {name: value for part in chosen for name, value in part.items()}
