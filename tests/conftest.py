"""What every test may ask for."""

import gc
from collections.abc import AsyncIterator
from pathlib import Path

import hypothesis
import pytest

from gateway.garbage_collection import YOUNG
from tests.command import environment, polder
from tests.house import House, open_house
from tests.services import empty_postgres_url, postgres_server, postgres_template, postgres_url, valkey
from tests.statements import compile_once

__all__ = [
    "empty_postgres_url",
    "environment",
    "polder",
    "postgres_server",
    "postgres_template",
    "postgres_url",
    "valkey",
]

# The same examples at every run, and no stopwatch: a machine that is busy is no reason to fail.
hypothesis.settings.register_profile("polder", deadline=None, derandomize=True)
hypothesis.settings.load_profile("polder")

compile_once()


def pytest_collection_finish() -> None:
    """Collect garbage as a gateway that has started does: what was found and imported is never looked at again."""
    gc.freeze()
    gc.set_threshold(YOUNG)


@pytest.fixture
def anyio_backend() -> str:
    """Tests run on asyncio, as the gateway does."""
    return "asyncio"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A gateway with every adapter that brings an emulator."""
    async with open_house(tmp_path) as opened:
        yield opened
