"""What the documents say is so: generated parts are fresh, links lead somewhere, named commands and variables exist."""

import re
from pathlib import Path

import pytest

from gateway.settings import Settings
from tests.documents import ROOT, capability_table, offered, stale

PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {".venv", ".venv-uv", ".git", "node_modules", "vendor"} & set(path.relative_to(ROOT).parts)
)
_LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")
_COMMAND = re.compile(r"\./dev ([a-z]+)")
_VARIABLE = re.compile(r"POLDER_[A-Z_]+")


def test_generated_documents_are_fresh() -> None:
    assert stale() == [], "run ./dev generate, and commit what it wrote"


def test_the_capability_table_has_a_column_for_every_system() -> None:
    head = capability_table(offered()).splitlines()[0]
    assert all(adapter.title in head for adapter in offered().values())


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, _ in _LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    commands = set(re.findall(r'^    "([a-z]+)": [a-z]+,$', (ROOT / "dev").read_text(), re.MULTILINE))
    assert set(_COMMAND.findall(page.read_text())) <= commands


def test_every_setting_is_documented() -> None:
    documented = set(_VARIABLE.findall((ROOT / "README.md").read_text()))
    for name in Settings.model_fields:
        assert f"POLDER_{name.upper()}" in documented or name in UNRELEASED, name


def test_the_tables_of_tests_name_all_there_is() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", (ROOT / "tests/README.md").read_text(), re.MULTILINE)
    named = [name.rstrip("/").partition("/")[0] for row in rows for name in re.findall(r"`([^`]+)`", row)]
    there = [path.name for path in (ROOT / "tests").iterdir() if path.suffix == ".py" or any(path.rglob("*.py"))]
    assert sorted(named) == sorted(there)


UNRELEASED = {"workers", "redis_url"}
"""Settings that only have one value so far; gateway/README.md says why."""
