"""Every law is put to every adapter that brings an emulator."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conformance.subject import Subject, open_subject
from tests.house import emulated

ADAPTERS = emulated()


@pytest.fixture(params=sorted(ADAPTERS))
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    """A system under law."""
    async with open_subject(ADAPTERS[request.param], tmp_path) as opened:
        yield opened
