"""Whatever adapters and engine tell with a dry run is there in English and in Dutch."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from gateway.contract.plan import Reason
from gateway.engine.writes.dry_run import SENTENCES
from gateway.registry import discover

ROOT = Path(__file__).parents[1]
TOLD = {"warn": "up", "unsupported": "up", "goes_on": "plan"}
"""The methods that tell something, and whose they are."""
CARRIED_ON = frozenset({"gateway/engine/outbound/upstream.py"})
"""Where what was told is handed on in both languages."""


def tellings() -> Iterator[tuple[str, ast.Call]]:
    """Every call that tells something, with its place."""
    for path in sorted([*(ROOT / "adapters").rglob("*.py"), *(ROOT / "gateway").rglob("*.py")]):
        name = str(path.relative_to(ROOT))
        text = path.read_text()
        # Most files tell nothing, and to parse them all takes as long as to collect a thousand tests.
        if name in CARRIED_ON or not any(f"{word}(" in text for word in ("refuse", *TOLD)):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and _tells(node.func):
                yield f"{name}:{node.lineno}", node


def _tells(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id == "refuse"
    if not isinstance(called, ast.Attribute) or called.attr not in TOLD:
        return False
    return ast.unparse(called.value).rpartition(".")[2].lstrip("_") == TOLD[called.attr]


TELLINGS = dict(tellings())


@pytest.mark.parametrize("place", TELLINGS)
def test_what_is_told_is_told_in_both_languages(place: str) -> None:
    said = {one.arg: ast.unparse(one.value) for one in TELLINGS[place].keywords}
    assert said.keys() >= {"en", "nl"}
    assert said["en"] != said["nl"]


def test_every_adapter_and_the_engine_tell_something() -> None:
    places = {"/".join(place.split("/")[:2]) for place in TELLINGS}
    assert places == {f"adapters/{name}" for name in discover()} | {"gateway/engine"}


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_is_told_in_both_languages(reason: Reason) -> None:
    sentence = SENTENCES[reason]
    assert sentence.keys() == {"en", "nl"}
    assert sentence["en"] != sentence["nl"]
