"""A token that is refused, in whichever place TheNextInvoice says so."""

from pathlib import Path

import pytest

from gateway.contract.emulator import Fault, ReceivedRequest
from gateway.contract.exact import dumps
from tests.adapters.thenextinvoice.opened import CUSTOMER, PROVIDER, Gateway, opened

REFUSED = dumps({"success": False, "error": {"code": 401, "message": "Token expired"}})


def of_the_api(seen: ReceivedRequest) -> bool:
    return "/session/" not in seen.path


def log_ins(gateway: Gateway) -> int:
    return sum(gateway.emulator.is_token_request(seen) for seen in gateway.emulator.journal)


@pytest.mark.parametrize("status", [200, 401])
async def test_a_refused_token_is_replaced_under_any_status(status: int, tmp_path: Path) -> None:
    """``success: false`` is a refusal under any status (documentation, "Response envelope")."""
    async with opened(tmp_path) as gateway:
        credentials = gateway.emulator.password_credentials()
        gateway.connection = await gateway.house.connect(PROVIDER, credentials=credentials)
        await gateway.done("GET", "contacts")
        before = log_ins(gateway)
        refusal = Fault("status", status, {"content-type": "application/json"}, REFUSED)
        gateway.emulator.fail(refusal, when=of_the_api)
        made = await gateway.done("POST", "contacts", CUSTOMER)
        assert log_ins(gateway) == before + 1
        gateway.emulator.fail(refusal, when=of_the_api)
        assert (await gateway.done("GET", f"contacts/{made['id']}"))["email"] == CUSTOMER["email"]
        assert log_ins(gateway) == before + 2


@pytest.mark.parametrize("status", [200, 401])
async def test_an_api_token_that_is_refused_is_asked_of_its_owner(status: int, tmp_path: Path) -> None:
    async with opened(tmp_path) as gateway:
        refusal = Fault("status", status, {"content-type": "application/json"}, REFUSED)
        gateway.emulator.fail(refusal, times=9, when=of_the_api)
        answered, problem = await gateway.ask("GET", "contacts")
        assert (answered, problem["code"], problem["fix"]) == (424, "connection_needs_reauth", "owner")
        connection = await gateway.house.client.get(f"/v1/connections/{gateway.connection}")
        assert connection.json()["status"] == "needs_reauth"
