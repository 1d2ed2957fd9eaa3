"""The gateway with systems that lack something: what is there works, and what is not there is told before any call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.adapter import Adapter
from tests.conformance.planting import REFERENCES_IN_POLDER
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


async def test_a_reference_finds_its_record_though_none_can_be_read_by_itself(tmp_path: Path) -> None:
    async with connected(tmp_path, without("contacts.get", adapter=REFERENCES_IN_POLDER)) as (house, path):
        made = [
            (
                await house.client.post(f"{path}/contacts", json={"company_name": "De Sluis", "external_ref": name})
            ).json()
            for name in ("een", "twee")
        ]
        found = await house.client.get(f"{path}/contacts", params={"external_ref": "twee"})
        assert found.status_code == 200, found.text
        assert [one["id"] for one in found.json()["data"]] == [made[1]["id"]]


async def test_what_cannot_be_read_cannot_be_changed(tmp_path: Path) -> None:
    """A change of what Polder keeps, or of nothing, is answered with the record as it is."""
    async with connected(tmp_path, without("contacts.get", adapter=REFERENCES_IN_POLDER)) as (house, path):
        id = (await house.client.post(f"{path}/contacts", json={"company_name": "De Sluis"})).json()["id"]
        can = (await house.client.get(f"{path}/capabilities")).json()["operations"]["contacts.update"]
        assert can["support"] == "unsupported"
        for change in ({}, {"external_ref": "een"}, {"phone": "020 123 4567"}):
            refused = await house.client.patch(f"{path}/contacts/{id}", json=change)
            assert (refused.status_code, refused.json()["code"]) == (405, "operation_unsupported")


@pytest.mark.parametrize("lacking", ["products", "products.list"])
async def test_of_a_list_that_is_not_there_every_filter_has_its_say(tmp_path: Path, lacking: str) -> None:
    async with connected(tmp_path, without(lacking)) as (house, path):
        told = (await house.client.get(f"{path}/capabilities")).json()["operations"]["products.list"]
        assert (told["support"], bool(told["reason"])) == ("unsupported", True)
        assert told["filters"] == dict.fromkeys(("code", "external_ref", "q", "updated_since"), "unsupported")


async def test_a_system_without_drafts_is_asked_for_none(tmp_path: Path) -> None:
    """Its adapter need not look: the schema requires ``finalize`` of whoever cannot finalize."""
    async with connected(tmp_path, without("invoices.finalize")) as (house, path):
        contact = (await house.client.post(f"{path}/contacts", json={"company_name": "De Sluis"})).json()["id"]
        line = {"description": "Brood", "quantity": "1", "unit_price": "2.50", "vat_treatment": "domestic_high"}
        draft = {"contact_id": contact, "lines": [line]}
        before = len(house.emulator("memory").journal)
        for query in ({}, {"dry_run": "true"}, {"on_unsupported": "drop"}):
            refused = await house.client.post(f"{path}/invoices", json=draft, params=query)
            problem = refused.json()
            assert (refused.status_code, problem["code"], problem["outcome"]) == (422, "draft_unsupported", "not_sent")
            assert [error["pointer"] for error in problem["errors"]] == ["/finalize"]
        assert len(house.emulator("memory").journal) == before
        made = await house.client.post(f"{path}/invoices", json={**draft, "finalize": True})
        assert (made.status_code, made.json()["document_status"]) == (201, "final"), made.text
