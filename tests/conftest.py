"""What every test may ask for."""

from collections.abc import AsyncIterator
from pathlib import Path

import hypothesis
import pytest

from tests.house import House, open_house
from tests.services import empty_postgres_url, postgres_server, postgres_template, postgres_url, valkey

__all__ = ["empty_postgres_url", "postgres_server", "postgres_template", "postgres_url", "valkey"]

# The same examples at every run, and no stopwatch: a machine that is busy is no reason to fail.
hypothesis.settings.register_profile("polder", deadline=None, derandomize=True)
hypothesis.settings.load_profile("polder")

LONG = ("tests/test_schemathesis.py", "tests/chaos/", "tests/nodes/", "tests/test_demo.py", "tests/operations/")
"""Where a test may take a minute: those come first, so that no process is left with one when all others are done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones first, and leave all else in its order."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.fixture
def anyio_backend() -> str:
    """Tests run on asyncio, as the gateway does."""
    return "asyncio"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A gateway with every adapter that brings an emulator."""
    async with open_house(tmp_path) as opened:
        yield opened
