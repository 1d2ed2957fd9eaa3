"""The laws on trial: a suite that never failed proves nothing. Each planted bug must make its law fail.

That the same laws hold for the adapters as they are, the suite itself shows; for the others that faults are planted in,
``test_without_its_bug_a_law_holds``.
"""

import re
from collections.abc import Iterator, Sequence
from inspect import signature
from pathlib import Path

import pytest

from adapters.memory import ADAPTER
from gateway.web import logs
from gateway.web import request_log as telling
from tests.conformance import (
    planted_access,
    planted_adapter,
    planted_answers,
    planted_documents,
    planted_doubt,
    planted_engine,
    planted_writing,
)
from tests.conformance.planting import Bug
from tests.conformance.subject import open_subject
from tests.house import emulated

PLANTED = (
    planted_adapter,
    planted_documents,
    planted_engine,
    planted_doubt,
    planted_access,
    planted_answers,
    planted_writing,
)
BUGS = [bug for module in PLANTED for bug in module.BUGS]
SYSTEMS = [ADAPTER, *emulated().values()]
MISFITS = frozenset({"builtins.AttributeError", "builtins.NameError", "builtins.TypeError"})
README = Path(__file__).resolve().parent.parent / "README.md"


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.plant.__name__)
async def test_a_planted_bug_is_caught(
    bug: Bug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    adapter = bug.plant(monkeypatch)
    tripped = trips(monkeypatch)
    fixtures = {"capfdbinary": capfdbinary, "monkeypatch": monkeypatch}
    asked = signature(bug.law).parameters
    arguments = {**bug.arguments, **{name: fixture for name, fixture in fixtures.items() if name in asked}}
    async with open_subject(adapter, tmp_path) as subject:
        with pytest.raises(AssertionError):
            await bug.law(subject, **arguments)
    assert tripped == [], "the law failed because what was planted does not run"


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.sound not in SYSTEMS], ids=lambda bug: bug.plant.__name__)
async def test_without_its_bug_a_law_holds(bug: Bug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"monkeypatch": monkeypatch} if "monkeypatch" in signature(bug.law).parameters else {}
    async with open_subject(bug.sound, tmp_path) as subject:
        await bug.law(subject, **bug.arguments, **asked)


def trips(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a plant stumbles over that no longer fits what it replaces: any law fails then, and none is proved."""
    tripped: list[str] = []
    honest = logs.broken

    def heard(error: BaseException) -> tuple[Sequence[str], Sequence[str]]:
        types, places = honest(error)
        tripped.extend(MISFITS & set(types))
        return types, places

    monkeypatch.setattr(telling, "broken", heard)
    return tripped


def rows() -> Iterator[tuple[str, str]]:
    """Bug and law of every row of the README's table."""
    yield from re.findall(r"^\| ([^|]+) \| `(test_\w+\.test_\w+)` \|$", README.read_text(), re.MULTILINE)


def test_the_readme_lists_every_bug() -> None:
    assert list(rows()) == [(bug.name, bug.caught_by) for bug in BUGS]


def test_every_law_has_a_bug() -> None:
    defined = re.compile(r"^async def (test_\w+)\(\n?\s*subject: Subject", re.MULTILINE)
    files = Path(__file__).parent.glob("test_*.py")
    laws = {f"{path.stem}.{name}" for path in files for name in defined.findall(path.read_text())}
    assert laws - {bug.caught_by for bug in BUGS} == set()
