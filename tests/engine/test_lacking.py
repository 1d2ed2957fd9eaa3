"""The gateway with systems that lack something: what is there works, and what is not there is told before any call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.adapter import Adapter
from tests.house import House, open_house
from tests.lacking import without


@asynccontextmanager
async def connected(home: Path, adapter: Adapter) -> AsyncIterator[tuple[House, str]]:
    """A house with one system, and the path of a connection to it."""
    async with open_house(home, adapters={adapter.name: adapter}) as house:
        yield house, f"/v1/connections/{await house.connect(adapter.name)}"


@pytest.mark.parametrize(
    ("lacking", "resource", "field"),
    [
        ("vat-codes", "products", "vat_code_id"),
        ("ledger-accounts.list", "products", "ledger_account_id"),
        ("payment-methods", "payments", "payment_method_id"),
    ],
)
async def test_a_schema_is_told_though_what_it_would_name_cannot_be_listed(
    tmp_path: Path, lacking: str, resource: str, field: str
) -> None:
    async with connected(tmp_path, without(lacking)) as (house, path):
        answer = await house.client.get(f"{path}/schemas/{resource}")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()["properties"][field]
        assert "enum" not in str(told), "nothing says which there are"
