"""The accounting systems that are installed: every folder of ``adapters`` with an ``ADAPTER``, and every entry point.

Nothing lists them. A folder that is dropped in is found at the next start; a package elsewhere names its adapter under
the entry-point group ``polder.adapters``.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from types import ModuleType

from gateway.contract.adapter import Adapter
from gateway.contract.emulator import Emulator

GROUP = "polder.adapters"


class NotAnAdapter(Exception):
    """A folder or entry point that claims to be an adapter is none."""


def discover(package: str = "adapters", paths: Sequence[str] = ()) -> dict[str, Adapter]:
    """Every adapter by name: those in the package, in further folders (``paths``), and those of entry points.

    Raises ``NotAnAdapter`` where two have one name, or one is not named as its folder is.
    """
    found: dict[str, Adapter] = {}
    for name, adapter in [*_in_folders(package, paths), *_in_entry_points()]:
        if not isinstance(adapter, Adapter) or adapter.name != name:
            raise NotAnAdapter(f"{name} must bring an ADAPTER of that name")
        if found.setdefault(name, adapter) is not adapter:
            raise NotAnAdapter(f"there are two adapters named {name}")
    return dict(sorted(found.items()))


def _in_folders(package: str, paths: Sequence[str]) -> Iterator[tuple[str, object]]:
    home = importlib.import_module(package)
    for path in paths:
        if path not in home.__path__:
            home.__path__.append(path)
    for module in pkgutil.iter_modules(home.__path__):
        adapter = getattr(importlib.import_module(f"{package}.{module.name}"), "ADAPTER", None)
        if adapter is not None:
            yield module.name, adapter


def _in_entry_points() -> Iterator[tuple[str, object]]:
    for point in entry_points(group=GROUP):
        yield point.name, point.load()


def emulator_of(name: str, package: str = "adapters") -> type[Emulator] | None:
    """The emulator that an adapter brings; None where it brings none."""
    try:
        module: ModuleType = importlib.import_module(f"{package}.{name}.emulator")
    except ModuleNotFoundError as error:
        if error.name == f"{package}.{name}.emulator":
            return None
        raise
    emulator: type[Emulator] = module.Emulator
    return emulator
