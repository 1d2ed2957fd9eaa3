"""How a fault is planted: under the name that its docstring gives, beside the law that must catch it.

The faults are in ``planted_adapter.py`` (in a copy of the memory adapter) and ``planted_engine.py`` (in a piece of the
engine, for as long as one test runs).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from adapters.memory import ADAPTER
from gateway.contract.adapter import Adapter

Law = Callable[..., Awaitable[None]]
Plant = Callable[[pytest.MonkeyPatch], Adapter]


@dataclass(frozen=True)
class Bug:
    """A fault, how it is planted (giving the adapter to try), and the law that must fail with its arguments."""

    name: str
    plant: Plant
    law: Law
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def caught_by(self) -> str:
        """The law as the README calls it."""
        return f"{self.law.__module__.rpartition('.')[2]}.{self.law.__name__}"


class Bugs(list[Bug]):
    """The faults of one module, in its order."""

    def caught_by(self, law: Law, **arguments: Any) -> Callable[[Plant], Plant]:
        """Plant a fault under the name that its docstring gives."""

        def plant(bug: Plant) -> Plant:
            self.append(Bug((bug.__doc__ or "").strip(), bug, law, arguments))
            return bug

        return plant


def with_resource(name: str, resource: object) -> Adapter:
    """The memory adapter with one resource replaced."""
    return replace(ADAPTER, resources={**ADAPTER.resources, name: resource})  # type: ignore[dict-item]  # a broken one
