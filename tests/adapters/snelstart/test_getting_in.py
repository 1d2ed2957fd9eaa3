"""Who gets in, and how far: keys of the operator's and the owner's, administrations, scopes, and too many calls."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.snelstart.emulator import LIVE_SCOPES, Limits, Switches
from gateway.contract.emulator import Fault
from gateway.contract.exact import dumps
from tests.adapters.snelstart.connected import connected


async def test_a_refused_subscription_key_is_the_operators(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        await books.contact()
        books.emulator.access.subscription_keys = ("0" * 32, "1" * 32)
        problem = await books.ask("GET", "contacts", status=502)
        assert (problem["code"], problem["fix"]) == ("provider_misconfigured", "operator")
        assert (await books.ask("GET", ""))["status"] == "active"


async def test_a_write_with_a_refused_subscription_key_is_not_sent(tmp_path: Path) -> None:
    """The gateway before the API refuses it, so the books never saw it: the same key may be used again."""
    async with connected(tmp_path) as books:
        contact = await books.contact()
        await books.invoice(contact["id"])  # so that nothing need be read before the next one
        url, draft = f"/v1/connections/{books.connection}/invoices", books.draft(contact["id"])
        keys, books.emulator.access.subscription_keys = books.emulator.access.subscription_keys, ("0" * 32, "1" * 32)
        refused = await books.house.client.post(url, json=draft, headers={"idempotency-key": "n-1"})
        assert (refused.json()["code"], refused.json()["outcome"]) == ("provider_misconfigured", "not_sent")
        books.emulator.access.subscription_keys = keys
        made = await books.house.client.post(url, json=draft, headers={"idempotency-key": "n-1"})
        assert (made.status_code, made.json()["number"]) == (201, draft["number"])


async def test_a_revoked_key_is_the_owners(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        books.emulator.revoke()
        problem = await books.ask("GET", "contacts", status=424)
        assert (problem["code"], problem["fix"]) == ("connection_needs_reauth", "owner")


async def test_a_key_of_another_administration_is_noticed(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        body = {"credentials": dict(books.emulator.other_credentials())}
        answer = await books.house.client.patch(f"/v1/connections/{books.connection}", json=body)
        assert answer.status_code in (403, 409, 422), answer.text
        assert (await books.ask("GET", "company"))["name"] == "Testbureau bv"


async def test_an_administration_out_of_reach_is_not_told_as_a_connection_that_is_gone(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        other = dumps({"administratieIdentifier": "00000000-0000-4000-8000-000000000009"})
        books.emulator.fail(Fault("status", body=other), when=lambda seen: seen.path.endswith("/companyInfo"))
        assert (await books.ask("GET", "company", status=403))["code"] == "company_not_accessible"


async def test_scopes_are_shown_and_a_missing_one_is_told_by_snelstart(tmp_path: Path) -> None:
    few = tuple(scope for scope in LIVE_SCOPES if not scope.startswith("artikelen"))
    async with connected(tmp_path, Switches(scopes=few)) as books:
        assert set((await books.ask("GET", ""))["scopes"]["token"]) == set(few)
        problem = await books.ask("GET", "products", status=403)
        assert (problem["code"], problem["fix"]) == ("upstream_forbidden", "owner")


@pytest.mark.parametrize("retry_after", [True, False])
async def test_too_many_calls_are_told_to_wait(retry_after: bool, tmp_path: Path) -> None:
    switches = replace(Switches(), retry_after=retry_after)
    async with connected(tmp_path, switches, Limits(per_minute=3)) as books:
        statuses = [
            (await books.house.client.get(f"/v1/connections/{books.connection}/contacts?limit={size}")).status_code
            for size in range(1, 7)
        ]
        assert (statuses[0], statuses[-1]) == (200, 429)
        books.house.clock.advance(61)
        await books.ask("GET", "contacts")
