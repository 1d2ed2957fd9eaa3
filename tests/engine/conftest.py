"""A house with a shelf in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.shelf import Aisle, open_aisle


@pytest.fixture
async def aisle(tmp_path: Path) -> AsyncIterator[Aisle]:
    """A connection to a system for which Polder keeps codes and references."""
    async with open_aisle(tmp_path) as opened:
        yield opened
