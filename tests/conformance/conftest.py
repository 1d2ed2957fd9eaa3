"""Every law is put to every adapter that brings an emulator."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conformance.subject import Subject, open_subject
from tests.conformance.subjects import facts_of
from tests.house import emulated

ADAPTERS = emulated()
SUBJECTS = [(name, mode) for name in sorted(ADAPTERS) for mode in (None, *facts_of(name).modes)]


UNINSPECTED = frozenset({"test_raw"})
"""Laws that send the system what no adapter would."""


def _named(subject: tuple[str, str | None]) -> str:
    return "-".join(filter(None, subject))


@pytest.fixture(params=SUBJECTS, ids=_named)
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    """A system under law."""
    name, mode = request.param
    async with open_subject(ADAPTERS[name], tmp_path, mode) as opened:
        yield opened
        if opened.facts.inspect is not None and request.module.__name__.rpartition(".")[2] not in UNINSPECTED:
            opened.facts.inspect(opened.emulator.journal)
