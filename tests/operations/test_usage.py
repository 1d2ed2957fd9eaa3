"""The busiest connections: those of the caller, the most used first, with what metrics must not tell."""

import pytest

from gateway.contract.emulator import Fault
from gateway.contract.models import instant_text
from gateway.contract.upstream import Reply
from tests.house import House

pytestmark = pytest.mark.anyio

BUSIEST = "/v1/connections/busiest"
FRESH = {"cache-control": "no-cache"}


async def ask(house: House, connection: str, times: int) -> None:
    for _ in range(times):
        await house.client.get(f"/v1/connections/{connection}/contacts", headers=FRESH)


async def test_the_busiest_are_told_first_with_their_health(house: House) -> None:
    idle, quiet, busy = [await house.connect("memory") for _ in range(3)]
    await ask(house, quiet, 1)
    await ask(house, busy, 3)
    answer = await house.client.get(BUSIEST)
    assert answer.status_code == 200
    first, second = answer.json()["data"]
    assert (first["connection_id"], first["calls"], first["failures"]) == (busy, 3, 0)
    assert (second["connection_id"], second["calls"]) == (quiet, 1)
    assert first["health"]["state"] == "ok"
    assert first["last_call_at"] == first["health"]["last_success_at"]
    assert idle not in answer.text


async def test_failures_are_counted_and_what_is_the_callers_doing_is_none(house: House) -> None:
    connection = await house.connect("memory")
    await house.client.get(f"/v1/connections/{connection}/contacts/987654", headers=FRESH)
    house.emulator("memory").fail(Fault("status", status=500), times=9)
    await ask(house, connection, 2)
    [told] = (await house.client.get(BUSIEST)).json()["data"]
    assert (told["calls"], told["failures"], told["health"]["state"]) == (3, 2, "degraded")


async def test_a_connection_of_which_some_calls_fail_is_degraded_and_one_that_does_nothing_fails(house: House) -> None:
    connection, memory = await house.connect("memory"), house.emulator("memory")

    async def after(status: int, seconds: float = 1) -> tuple[str, str | None, str]:
        memory.fail(Fault("status", status=status), times=0 if status == 200 else 9)
        await ask(house, connection, 1)
        memory.heal()
        now = instant_text(house.clock.now())
        health = (await house.client.get(f"/v1/connections/{connection}")).json()["health"]
        house.clock.advance(seconds)
        return health["state"], health["reason"], "now" if health["since"] == now else "before"

    assert await after(500) == ("failing", "upstream_unavailable", "now")
    assert await after(200) == ("ok", None, "now")
    assert await after(500) == ("degraded", "upstream_unavailable", "now")
    assert await after(403, seconds=300) == ("degraded", "upstream_forbidden", "before")
    assert await after(500) == ("failing", "upstream_unavailable", "now")
    assert await after(200) == ("ok", None, "now")
    assert await after(401) == ("failing", "connection_needs_reauth", "now")


async def test_an_hour_is_remembered(house: House) -> None:
    connection = await house.connect("memory")
    await ask(house, connection, 1)
    house.clock.advance(1800)
    await ask(house, connection, 1)
    assert [one["calls"] for one in (await house.client.get(BUSIEST)).json()["data"]] == [2]
    house.clock.advance(2400)
    assert [one["calls"] for one in (await house.client.get(BUSIEST)).json()["data"]] == [1]
    house.clock.advance(3600)
    assert (await house.client.get(BUSIEST)).json()["data"] == []


async def test_the_age_of_a_token_is_told(house: House) -> None:
    emulated = [name for name in house.emulators if name != "memory"]
    for name in emulated:
        await ask(house, await house.connect(name), 1)
    told = {one["provider"]: one for one in (await house.client.get(BUSIEST)).json()["data"]}
    assert told.keys() == set(emulated)
    exchanged = [one for one in told.values() if one["token_expires_at"] is not None]
    assert exchanged
    assert all(one["token_received_at"] < one["token_expires_at"] for one in exchanged)


async def test_another_tenants_connections_are_not_told(house: House) -> None:
    await ask(house, await house.connect("memory"), 1)
    stranger = await house.client_for(tenant="stranger")
    assert (await stranger.get(BUSIEST)).json()["data"] == []


async def test_a_key_sees_the_connections_it_is_bound_to_and_needs_the_scope(house: House) -> None:
    one, other = [await house.connect("memory") for _ in range(2)]
    await ask(house, one, 1)
    await ask(house, other, 1)
    bound = await house.client_for(connections=[one])
    assert [use["connection_id"] for use in (await bound.get(BUSIEST)).json()["data"]] == [one]
    outsider = await house.client_for(scopes=["contacts:read"])
    assert (await outsider.get(BUSIEST)).json()["code"] == "forbidden"


async def test_a_deleted_connection_is_not_told(house: House) -> None:
    connection = await house.connect("memory")
    await ask(house, connection, 1)
    await house.client.delete(f"/v1/connections/{connection}")
    assert (await house.client.get(BUSIEST)).json()["data"] == []


# What is left of a provider's quota


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({}, None),
        ({"x-ratelimit-remaining": "41"}, 41),
        ({"ratelimit-remaining": " 0 "}, 0),
        ({"x-rate-limit-remaining": "400, 12"}, 12),
        ({"ratelimit": '"minute";r=42;t=13, "day";r=4000'}, 42),
        ({"ratelimit": '"burst"; r=7', "x-ratelimit-remaining": "9"}, 7),
        ({"x-ratelimit-remaining": "unlimited"}, None),
        ({"x-ratelimit-remaining": "-1"}, None),
        ({"x-ratelimit-remaining": "9" * 5000}, None),
        ({"ratelimit": '"day";r=;t=1'}, None),
        ({"x-ratelimit-limit": "100"}, None),
    ],
)
def test_a_quota_is_read_as_providers_tell_it(headers: dict[str, str], left: int | None) -> None:
    assert Reply(200, headers, b"").quota_left == left


async def test_the_quota_left_is_told_where_the_provider_tells_it(house: House) -> None:
    connection, other = await house.connect("memory"), await house.connect("memory")

    async def told(of: str = connection) -> object:
        return (await house.client.get(f"/v1/connections/{of}")).json()["health"]["quota_left"]

    assert await told() is None
    house.emulator("memory").extra_headers = {"X-RateLimit-Remaining": "41"}
    await ask(house, connection, 1)
    assert await told() == 41
    [used] = (await house.client.get(BUSIEST)).json()["data"]
    assert used["health"]["quota_left"] == 41
    assert await told(other) is None
    house.emulator("memory").extra_headers = {"X-RateLimit-Remaining": "0", "Retry-After": "60"}
    house.emulator("memory").fail(Fault("status", status=429))
    await ask(house, connection, 1)
    assert await told() == 0


async def test_an_answer_that_took_a_call_tells_what_the_provider_still_takes(house: House) -> None:
    connection = await house.connect("memory")
    contacts = f"/v1/connections/{connection}/contacts"
    house.emulator("memory").extra_headers = {"RateLimit": '"default";r=42;t=13'}
    new = {"headers": {"Idempotency-Key": "k-1"}, "json": {"kind": "company", "company_name": "Acme"}}
    answers = [
        await house.client.get(contacts),
        await house.client.post(contacts, **new),  # type: ignore[arg-type]  # it is one of several kinds
        await house.client.get(f"/v1/connections/{connection}/raw/contacts"),
    ]
    assert {answer.headers.get("x-upstream-ratelimit-remaining") for answer in answers} == {"42"}
    again = [await house.client.post(contacts, **new)]  # type: ignore[arg-type]  # as above
    again += [await house.client.get(contacts) for _ in range(2)][1:]
    again += [await house.client.get(f"/v1/connections/{connection}")]
    assert [answer.headers.get("x-upstream-ratelimit-remaining") for answer in again] == [None] * 3
    other = await house.connect("memory", client=await house.client_for(tenant="other"))
    assert "x-upstream-ratelimit-remaining" not in (await house.client.get(f"/v1/connections/{other}/contacts")).headers


async def test_every_adapter_is_indifferent_to_being_told(house: House) -> None:
    for name, emulator in house.emulators.items():
        emulator.extra_headers = {"RateLimit": '"default";r=42;t=13'}
        connection = await house.connect(name)
        await ask(house, connection, 1)
        assert (await house.client.get(f"/v1/connections/{connection}")).json()["health"]["quota_left"] == 42
