"""A house with a shelf in it."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store import migrate
from tests.engine.shelf import Aisle, open_aisle


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose tables are up to date: to be copied, which is quicker than making one."""
    path = tmp_path_factory.mktemp("migrated") / "polder.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
async def aisle(tmp_path: Path, migrated: Path) -> AsyncIterator[Aisle]:
    """A connection to a system for which Polder keeps codes and references."""
    shutil.copy(migrated, tmp_path / "polder.db")
    async with open_aisle(tmp_path) as opened:
        yield opened
