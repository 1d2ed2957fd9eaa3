"""Connections: what is given for them is checked before it can do harm, and nothing of them is lost."""

from typing import Any

import httpx2
import pytest

from tests.house import House

OAUTH = "rompslomp"
"""A system whose owners authorize, or bring a pair of tokens along."""
TOKEN = "memory"
"""A system that is opened with a token as it is."""


def body(provider: str, **fields: Any) -> dict[str, Any]:
    return {"provider": provider, "name": "Webshop", **fields}


async def made(house: House, provider: str, **fields: Any) -> str:
    answer = await house.client.post("/v1/connections", json=body(provider, **fields))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def shown(house: House, connection: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await house.client.get(f"/v1/connections/{connection}")).json()
    return answer


async def link(house: House, connection: str) -> str:
    return str((await house.client.post(f"/v1/connections/{connection}/link")).json()["url"])


def pointed_at(answer: httpx2.Response) -> tuple[int, list[str]]:
    return answer.status_code, [one["pointer"] for one in answer.json()["errors"]]


# What is given


UNWRITABLE = [
    (OAUTH, {"type": "oauth2", "access_token": "caf\u00e9", "refresh_token": "r"}, "access_token"),
    (TOKEN, {"type": "api_token", "api_token": "caf\u00e9"}, "api_token"),
]
"""Credentials that would become a header, and cannot."""


@pytest.mark.parametrize(("provider", "credentials", "field"), UNWRITABLE)
async def test_a_credential_that_no_request_can_carry_is_refused_as_it_is_given(
    house: House, provider: str, credentials: dict[str, str], field: str
) -> None:
    waiting = await made(house, provider)
    connection = await house.connect(provider)
    before = await shown(house, connection)
    for _ in range(6):
        refused = await house.client.post("/v1/connections", json=body(provider, credentials=credentials))
        assert pointed_at(refused) == (422, [f"/credentials/{field}"])
        refused = await house.client.patch(f"/v1/connections/{connection}", json={"credentials": credentials})
        assert pointed_at(refused) == (422, [f"/credentials/{field}"])
        page = await (await house.anonymous()).post(await link(house, waiting), data=credentials)
        assert page.status_code == 422
        assert 'role="alert"' in page.text
    assert await shown(house, connection) == before
    assert (await house.client.get("/v1/connections")).json()["total_count"] == 2
    answer = await house.client.get(f"/v1/connections/{connection}/contacts")
    assert answer.status_code == 200, "the system is not shut for others"
