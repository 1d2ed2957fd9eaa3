"""Adapters are found by where they are, and two of one name, or one of another name than its folder, by their fault."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway import registry
from gateway.contract.adapter import Adapter
from gateway.contract.emulator import Emulator
from gateway.registry import NotAnAdapter, discover, emulator_of
from tests.engine.staging import adapter

ROOT = Path(__file__).resolve().parent.parent
ADAPTER = """
from dataclasses import replace
from tests.engine.staging import adapter

ADAPTER = replace(adapter(), name={name!r})
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of adapters, ``shelves``, that is empty."""
    home = tmp_path / "shelves"
    home.mkdir()
    (home / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "entry_points", lambda group: ())
    yield home
    for name in [name for name in sys.modules if name.partition(".")[0] == "shelves"]:
        del sys.modules[name]


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(text)


@dataclass
class Point:
    """An entry point."""

    name: str
    value: object

    def load(self) -> object:
        return self.value


def test_every_folder_with_an_adapter_is_found() -> None:
    folders = {
        path.parent.name
        for path in (ROOT / "adapters").glob("*/__init__.py")
        if "ADAPTER" in path.read_text(encoding="utf-8")
    }
    found = discover()
    assert set(found) == folders
    assert "memory" in found
    assert list(found) == sorted(found)
    assert all(isinstance(one, Adapter) and one.name == name for name, one in found.items())


def test_a_folder_that_is_dropped_in_is_found(package: Path) -> None:
    put(package, "one", ADAPTER.format(name="one"))
    put(package, "notes", "TEXT = 'no adapter'")
    assert list(discover("shelves")) == ["one"]


def test_a_folder_elsewhere_is_found_too(package: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    put(package, "one", ADAPTER.format(name="one"))
    put(elsewhere, "two", ADAPTER.format(name="two"))
    for _ in range(2):
        assert list(discover("shelves", [str(elsewhere)])) == ["one", "two"]


def test_a_package_elsewhere_names_its_adapter_by_an_entry_point(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(package, "one", ADAPTER.format(name="one"))
    other = replace(adapter(), name="other")
    monkeypatch.setattr(registry, "entry_points", lambda group: [Point("other", other)] * (group == "polder.adapters"))
    assert discover("shelves")["other"] is other


def test_two_adapters_of_one_name_are_refused(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(package, "one", ADAPTER.format(name="one"))
    monkeypatch.setattr(registry, "entry_points", lambda group: [Point("one", replace(adapter(), name="one"))])
    with pytest.raises(NotAnAdapter, match="two adapters named one"):
        discover("shelves")


def test_an_adapter_that_is_found_twice_is_one(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    same = replace(adapter(), name="one")
    monkeypatch.setattr(registry, "entry_points", lambda group: [Point("one", same), Point("one", same)])
    assert discover("shelves") == {"one": same}


@pytest.mark.parametrize("text", [ADAPTER.format(name="other"), "ADAPTER = 'books'", "ADAPTER = object"])
def test_what_is_no_adapter_of_its_folders_name_is_refused(package: Path, text: str) -> None:
    put(package, "one", text)
    with pytest.raises(NotAnAdapter, match="one must bring an ADAPTER of that name"):
        discover("shelves")


def test_an_adapter_that_does_not_import_is_not_passed_over(package: Path) -> None:
    put(package, "one", "import no_such_module_anywhere")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        discover("shelves")


def test_an_adapters_emulator_is_found_where_it_brings_one(package: Path) -> None:
    put(package, "one", ADAPTER.format(name="one"))
    assert emulator_of("one", "shelves") is None
    emulator = emulator_of("memory")
    assert emulator is not None
    assert issubclass(emulator, Emulator)


def test_an_emulator_that_does_not_import_is_not_passed_over(package: Path) -> None:
    put(package, "one", ADAPTER.format(name="one"))
    (package / "one" / "emulator.py").write_text("import no_such_module_anywhere")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        emulator_of("one", "shelves")
