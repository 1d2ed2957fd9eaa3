"""An edge per test."""

from collections.abc import AsyncIterator

import pytest

from tests.web.edge import Edge, build_edge


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    built = await build_edge()
    async with built.client, built.anonymous:
        yield built
