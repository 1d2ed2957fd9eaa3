"""Drills: what an alert is about is done to a running Polder, and the alert fires; and not where all is nearly well."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count, islice
from pathlib import Path

import httpx2
import pytest

from gateway.backup import back_up
from gateway.contract.emulator import ASGIApp, Emulator, Fault, Message, Receive, ReceivedRequest, Send
from gateway.engine.call import Answer, Call
from gateway.engine.storage import Intent
from tests.house import House, open_house
from tests.operations.prometheus import needs_promtool
from tests.operations.watching import Drill

pytestmark = [pytest.mark.anyio, needs_promtool]

PLAIN, ROTATES = "memory", "rompslomp"
"""A system whose credentials are its token, and one whose tokens are renewed."""
CONTACT = {"company_name": "Kaasboer De Graaf B.V."}
DEAD = "host.1.0123456789abcdef"
"""A process that has no lock any more."""


class Caller:
    """Reads and writes, as many times a round as it has connections, whatever the answers are."""

    def __init__(self, house: House, connections: Sequence[str], *, writes: bool = False) -> None:
        self._house, self._connections, self._writes = house, connections, writes
        self.answers: list[int] = []

    async def __call__(self) -> None:
        fresh = {"cache-control": "no-cache"}
        for connection in self._connections:
            place = f"/v1/connections/{connection}/contacts"
            answer = await self._house.client.get(place, headers=fresh)
            self.answers.append(answer.status_code)
            if self._writes:
                answer = await self._house.client.post(place, json=CONTACT)
                self.answers.append(answer.status_code)


async def oauth(house: House, number: int) -> list[str]:
    emulator = house.emulator(ROTATES)
    return [
        await house.connect(ROTATES, credentials=emulator.oauth_credentials(), company_id=emulator.company_id)  # type: ignore[attr-defined]  # its own
        for _ in range(number)
    ]


def is_write(seen: ReceivedRequest) -> bool:
    return seen.method == "POST" and "/contacts" in seen.path


def is_read(seen: ReceivedRequest) -> bool:
    return seen.method == "GET"


async def test_nothing_fires_where_all_is_well(house: House, tmp_path: Path) -> None:
    drill = Drill.of(house)
    caller = Caller(house, [await house.connect(PLAIN), *await oauth(house, 2)], writes=True)
    await drill.goes_on(40, caller)
    assert set(caller.answers) == {200, 201}
    assert drill.watch.firing(tmp_path) == set()


# Tokens


async def test_a_token_endpoint_that_is_down(house: House, tmp_path: Path) -> None:
    drill = Drill.of(house)
    caller, emulator = Caller(house, await oauth(house, 1)), house.emulator(ROTATES)
    await drill.goes_on(5, caller)
    emulator.expire_tokens()
    emulator.fail(Fault("status", status=500), times=100_000, when=emulator.is_token_request)
    await drill.goes_on(40, caller)
    assert drill.watch.firing(tmp_path) == {"PolderTokenRefreshFailing"}
    emulator.heal()
    await drill.goes_on(20, caller)
    assert caller.answers[-1] == 200
    assert drill.watch.firing(tmp_path) == set()


async def test_a_token_endpoint_that_stumbles_once(house: House, tmp_path: Path) -> None:
    drill = Drill.of(house)
    caller, emulator = Caller(house, await oauth(house, 1)), house.emulator(ROTATES)
    await drill.goes_on(5, caller)
    emulator.expire_tokens()
    emulator.fail(Fault("status", status=500), when=emulator.is_token_request)
    await drill.goes_on(20, caller)
    assert drill.watch.firing(tmp_path) == set()


async def test_a_client_secret_that_has_ended(house: House, tmp_path: Path) -> None:
    drill = Drill.of(house)
    caller, emulator = Caller(house, await oauth(house, 1)), house.emulator(ROTATES)
    await drill.goes_on(5, caller)
    emulator.expire_tokens()
    refusal = Fault("status", status=401, body=b'{"error": "invalid_client"}')
    emulator.fail(refusal, times=100_000, when=emulator.is_token_request)
    await drill.goes_on(3, caller)
    assert {"PolderOAuthConfigError", "PolderProviderMisconfigured"} == drill.watch.firing(tmp_path)
    await drill.goes_on(60, caller)
    assert {"PolderOAuthConfigError", "PolderProviderMisconfigured"} <= drill.watch.firing(tmp_path)


async def test_many_credentials_refused_at_once(house: House, tmp_path: Path) -> None:
    drill = Drill.of(house)
    caller = Caller(house, [await house.connect(PLAIN) for _ in range(8)])
    await drill.goes_on(5, caller)
    house.emulator(PLAIN).fail(Fault("status", status=401), times=100_000)
    await drill.goes_on(5, caller)
    assert "PolderMassInvalidation" in drill.watch.firing(tmp_path)


@pytest.mark.parametrize(("refused", "fires"), [(3, set()), (4, {"PolderConnectionsNeedReauth"})])
async def test_some_owners_withdraw_within_an_hour(house: House, tmp_path: Path, refused: int, fires: set[str]) -> None:
    drill = Drill.of(house)
    connections = [await house.connect(PLAIN) for _ in range(6)]
    caller = Caller(house, connections)
    await drill.goes_on(70, caller)
    emulator = house.emulator(PLAIN)
    for connection in connections[:refused]:
        emulator.fail(Fault("status", status=401), times=3)
        await Caller(house, [connection])()
        emulator.heal()
    await drill.goes_on(10)
    assert drill.watch.firing(tmp_path) == fires


@pytest.mark.parametrize(("provider", "fires"), [("gone", {"PolderIntentStuck"}), (ROTATES, set())])
async def test_a_process_died_while_it_asked_for_a_token(
    house: House, tmp_path: Path, provider: str, fires: set[str]
) -> None:
    """The next one takes it up, unless the adapter is there no more."""
    drill = Drill.of(house)
    (id,) = await oauth(house, 1)
    connection = await house.polder.storage.connections.find(id)
    assert connection is not None
    connection = await house.polder.storage.connections.change(connection, lambda now: replace(now, provider=provider))
    now, tokens = house.clock.now(), house.polder.storage.tokens
    intent = Intent(DEAD, now, now + timedelta(seconds=35))
    assert await tokens.intend(connection, intent, await tokens.journal(connection))
    await drill.goes_on(12)
    assert drill.watch.firing(tmp_path) == fires


# Writes


@pytest.mark.parametrize(("minutes", "fires"), [(30, {"PolderUnknownWritesOpen"}), (5, set())])
async def test_a_write_of_which_nothing_can_be_found_out(
    house: House, tmp_path: Path, minutes: float, fires: set[str]
) -> None:
    drill = Drill.of(house)
    connection, emulator = await house.connect(PLAIN), house.emulator(PLAIN)
    await drill.goes_on(5)
    emulator.fail(Fault("lost"), when=is_write)
    emulator.fail(Fault("status", status=500), times=100_000, when=is_read)
    place = f"/v1/connections/{connection}/contacts"
    assert (await house.client.post(place, json=CONTACT)).status_code == 504
    await drill.goes_on(minutes)
    emulator.heal()
    settled = drill.watch.firing(tmp_path)
    await drill.goes_on(15)
    assert (settled, drill.watch.firing(tmp_path)) == (fires, set())


async def test_a_raw_write_whose_answer_is_lost(house: House, tmp_path: Path) -> None:
    drill = Drill.of(house)
    connection = await house.connect(PLAIN)
    await drill.goes_on(5)
    house.emulator(PLAIN).fail(Fault("lost"), when=is_write)
    await house.client.post(f"/v1/connections/{connection}/raw/contacts", json=CONTACT)
    await drill.goes_on(10)
    assert drill.watch.firing(tmp_path) == {"PolderWritesNeedAPerson"}
    await drill.goes_on(20)
    assert drill.watch.firing(tmp_path) == set()


@pytest.mark.parametrize(("copies", "fires"), [(1, {"PolderDuplicateWrites"}), (0, set())])
async def test_a_system_that_may_have_carried_a_write_out_twice(
    house: House, tmp_path: Path, copies: int, fires: set[str]
) -> None:
    drill = Drill.of(house)
    connection, emulator = await house.connect(PLAIN), house.emulator(PLAIN)
    await drill.goes_on(5)
    emulator.fail(Fault("lost"), when=is_write)
    emulator.fail(Fault("status", status=500), times=100, when=is_read)
    assert (await house.client.post(f"/v1/connections/{connection}/contacts", json=CONTACT)).status_code == 504
    emulator.heal()
    again = next(json.loads(seen.body) for seen in emulator.journal if is_write(seen))
    for _ in range(copies):
        assert (await house.client.post(f"/v1/connections/{connection}/raw/contacts", json=again)).is_success
    await drill.goes_on(10)
    assert drill.watch.firing(tmp_path) == fires


@pytest.mark.parametrize(("one_in", "fires"), [(10, True), (30, False)])
async def test_a_system_that_takes_writes_and_does_not_answer(
    house: House, tmp_path: Path, one_in: int, fires: bool
) -> None:
    drill = Drill.of(house)
    connection, emulator = await house.connect(PLAIN), house.emulator(PLAIN)
    numbers = count()

    async def some_writes() -> None:
        for number in islice(numbers, 20):
            if number % one_in == 0:
                emulator.fail(Fault("lost"), when=is_write)
                emulator.fail(Fault("status", status=500), times=100, when=is_read)
            named = {"company_name": f"Kaasboer {number}"}
            await house.client.post(f"/v1/connections/{connection}/contacts", json=named)
            emulator.heal()

    await drill.goes_on(25, some_writes)
    assert drill.watch.firing(tmp_path) == ({"PolderManyUnknownWrites"} if fires else set())


# What is kept


async def test_a_backup_that_is_made_no_more(house: House, tmp_path: Path) -> None:
    drill = Drill.of(house, every=3600)
    await drill.goes_on(60)
    assert drill.watch.firing(tmp_path) == set(), "who never made one is told by the doctor"
    back_up(house.polder.settings, tmp_path / "one", None, house.clock.now())
    await drill.goes_on(48 * 60)
    assert drill.watch.firing(tmp_path) == set()
    await drill.goes_on(120)
    assert drill.watch.firing(tmp_path) == {"PolderBackupTooOld"}
    back_up(house.polder.settings, tmp_path / "two", None, house.clock.now())
    await drill.goes_on(60)
    assert drill.watch.firing(tmp_path) == set()


# Systems


class Cut:
    """The network between Polder and every system, which somebody may cut."""

    def __init__(self) -> None:
        self.whole = True

    def between(self, emulator: Emulator) -> ASGIApp:
        async def app(scope: Message, receive: Receive, send: Send) -> None:
            if not self.whole:
                raise httpx2.ConnectError("There is no way there.")
            await emulator(scope, receive, send)

        return app


@pytest.fixture
def network() -> Cut:
    return Cut()


@pytest.fixture
async def wired(network: Cut, tmp_path: Path) -> AsyncIterator[House]:
    """A house whose systems are all behind that network."""
    home = tmp_path / "home"
    home.mkdir()
    async with open_house(home, between=network.between) as opened:
        yield opened


async def test_the_networks_way_out_is_cut(wired: House, network: Cut, tmp_path: Path) -> None:
    drill = Drill.of(wired)
    caller = Caller(wired, [await wired.connect(PLAIN), *await oauth(wired, 1)])
    await drill.goes_on(5, caller)
    network.whole = False
    await drill.goes_on(20, caller)
    assert drill.watch.firing(tmp_path) == {"PolderAllUpstreamsDown", "PolderBreakerOpen"}
    network.whole = True
    await drill.goes_on(12, caller)
    assert caller.answers[-1] == 200
    assert drill.watch.firing(tmp_path) == set()


@pytest.mark.parametrize(
    ("fault", "fires"),
    [
        (Fault("status", status=500), {"PolderUpstreamDown"}),
        (Fault("html"), {"PolderUpstreamMalformed"}),
        (Fault("status", status=429, headers={"retry-after": "1"}), {"PolderUpstreamRateLimited"}),
        (Fault("slow", seconds=5), set()),
    ],
    ids=lambda one: f"{one.kind} {one.status}" if isinstance(one, Fault) else "",
)
async def test_a_system_that_fails(house: House, tmp_path: Path, fault: Fault, fires: set[str]) -> None:
    drill = Drill.of(house)
    caller, emulator = Caller(house, [await house.connect(PLAIN)] * 5), house.emulator(PLAIN)
    await drill.goes_on(5, caller)
    emulator.fail(fault, times=100_000)
    await drill.goes_on(35, caller)
    assert drill.watch.firing(tmp_path) == fires


# Polder itself


@pytest.mark.parametrize("answered_before", [True, False])
async def test_requests_that_come_to_no_end(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answered_before: bool
) -> None:
    """Also where none was answered since the start: then nothing was counted that could stand still."""
    drill, go_on = Drill.of(house), asyncio.Event()
    caller = Caller(house, ["con_1"])
    if answered_before:
        await drill.goes_on(5, caller)
    with monkeypatch.context() as patch:
        patch.setattr(house.polder.callers, "resolve", lambda text: go_on.wait())
        stuck = asyncio.ensure_future(caller())
        await drill.goes_on(18)
    assert drill.watch.firing(tmp_path) == {"PolderRequestsStuck"}
    go_on.set()
    await asyncio.gather(stuck, return_exceptions=True)
    await drill.goes_on(3, caller)
    assert drill.watch.firing(tmp_path) == set()


@pytest.mark.parametrize(("one_in", "fires"), [(50, {"PolderAvailabilityFastBurn"}), (500, set())])
async def test_a_fault_of_its_own(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_in: int, fires: set[str]
) -> None:
    drill, numbers, really = Drill.of(house), count(1), house.polder.engine.perform
    connection = await house.connect(PLAIN)

    async def perform(call: Call) -> Answer:
        if next(numbers) % one_in == 0:
            raise RuntimeError("nobody thought of this")
        return await really(call)

    monkeypatch.setattr(house.polder.engine, "perform", perform)
    await drill.goes_on(26, Caller(house, [connection] * 50))
    assert drill.watch.firing(tmp_path) == fires


@pytest.mark.parametrize(("one_in", "fires"), [(5, {"PolderOverheadFastBurn"}), (10, set())])
async def test_some_requests_take_polder_itself_long(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_in: int, fires: set[str]
) -> None:
    drill, numbers, really = Drill.of(house), count(1), house.polder.engine.perform

    async def perform(call: Call) -> Answer:
        if next(numbers) % one_in == 0:
            house.clock.advance(0.1)
        return await really(call)

    monkeypatch.setattr(house.polder.engine, "perform", perform)
    await drill.goes_on(20, Caller(house, [await house.connect(PLAIN)] * 20))
    assert drill.watch.firing(tmp_path) == fires


@pytest.mark.parametrize(("a_minute", "fires"), [(70, True), (50, False)])
async def test_somebody_tries_keys_and_another_what_his_does_not_allow(
    house: House, tmp_path: Path, a_minute: int, fires: bool
) -> None:
    drill, stranger = Drill.of(house), await house.anonymous()
    bounded = await house.client_for(scopes=["products:read"])
    path = f"/v1/connections/{await house.connect(PLAIN)}/contacts"

    async def calls() -> None:
        for _ in range(a_minute):
            assert (await stranger.get(path, headers={"authorization": "Bearer guessed"})).status_code == 401
            assert (await bounded.get(path)).status_code == 403

    await drill.goes_on(33, calls)
    assert drill.watch.firing(tmp_path) == ({"PolderBadKeys", "PolderForbidden"} if fires else set())
