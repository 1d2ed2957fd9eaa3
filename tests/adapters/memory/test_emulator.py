"""Memory Books is strict and forgetful, as a good test subject must be; and every switch of it is survived."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adapters.memory import ADAPTER
from adapters.memory.emulator import Emulator, Switches
from gateway.contract.exact import dumps, loads
from tests.house import ManualClock, open_house

CONTACT = {"isPerson": False, "relationTypes": ["C"], "companyName": "Hotel Goes", "phone": "0113123456"}


class MemoryBooks:
    """The first company's API, as its own clients see it."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        token = emulator.token_credentials()["api_token"]
        self.client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(emulator),
            base_url="http://books.test/api/companies/m1/",
            headers={"authorization": f"Bearer {token}"},
        )

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        """Status, and result or error code."""
        answer = await self.client.request(method, path, content=None if body is None else dumps(body))
        value = loads(answer.content)
        return answer.status_code, value["result"] if value["ok"] else (
            value["error"]["code"],
            value["error"].get("field"),
        )


@pytest.fixture
async def books() -> AsyncIterator[MemoryBooks]:
    opened = MemoryBooks(Emulator(ManualClock()))
    async with opened.client:
        yield opened


async def test_it_refuses_what_it_does_not_know(books: MemoryBooks) -> None:
    assert await books.ask("POST", "contacts", {**CONTACT, "colour": "x"}) == (200, ("unknown_field", "colour"))
    assert await books.ask("POST", "contacts", {**CONTACT, "phone": 113}) == (200, ("invalid", "phone"))
    assert await books.ask("POST", "contacts", {**CONTACT, "companyName": None}) == (200, ("invalid", "companyName"))
    assert await books.ask("POST", "products", {"name": "Brood", "price": 2}) == (200, ("invalid", "price"))
    assert await books.ask("GET", "contacts?colour=x") == (400, ("unknown_parameter", "colour"))
    assert await books.ask("GET", "contacts?perPage=101") == (400, ("invalid", "perPage"))
    assert (await books.ask("GET", "contacts/co9"))[0] == 404
    assert books.emulator.books()["contacts"] == []


async def test_a_put_forgets_what_it_does_not_hear_of(books: MemoryBooks) -> None:
    _, made = await books.ask("POST", "contacts", {**CONTACT, "creditLimit": "50.00"})
    _, put = await books.ask("PUT", f"contacts/{made['id']}", {**CONTACT, "phone": None})
    assert (put["id"], put["phone"], put["creditLimit"]) == (made["id"], None, None)


async def test_its_year_is_the_same_every_time() -> None:
    years = []
    for _ in range(2):
        emulator = Emulator(ManualClock(), seed=7)
        emulator.populate()
        years.append(emulator.books())
    assert years[0] == years[1]
    assert {name for name, rows in years[0].items() if rows} == years[0].keys()


async def test_a_token_ends_and_a_stranger_stays_outside(books: MemoryBooks) -> None:
    clock = books.emulator.clock
    assert isinstance(clock, ManualClock)
    login = {"user": "els@demolen.example", "password": "tien-zakken-meel"}
    _, session = await books.ask("POST", "http://books.test/api/login", login)
    books.client.headers["authorization"] = f"Bearer {session['token']}"
    assert (await books.ask("GET", "contacts"))[0] == 200
    clock.advance(3600)
    assert await books.ask("GET", "contacts") == (401, ("unauthorized", None))
    wrong = {**login, "password": "geen"}
    assert await books.ask("POST", "http://books.test/api/login", wrong) == (401, ("unauthorized", None))


@pytest.mark.parametrize(
    "switches",
    [
        Switches(refusal_status=422),
        Switches(past_end="last"),
        Switches(token_lifetime=timedelta(seconds=5)),
    ],
    ids=["refusal_status", "past_end", "token_lifetime"],
)
async def test_the_adapter_works_whichever_way_a_switch_stands(switches: Switches, tmp_path: Path) -> None:
    factories = {"memory": lambda clock: Emulator(clock, switches=switches)}
    async with open_house(tmp_path, adapters={"memory": ADAPTER}, emulators=factories) as house:
        connection = await house.connect("memory")
        place = f"/v1/connections/{connection}/contacts"
        for number in range(5):
            body = {"company_name": f"Hotel {number}", "external_ref": str(number)}
            assert (await house.client.post(place, json=body)).status_code == 201
            house.clock.advance(3)
        assert (await house.client.post(place, json=body)).status_code == 409
        first = (await house.client.get(place, params={"limit": "2"})).json()
        second = (await house.client.get(place, params={"limit": "4", "cursor": first["next_cursor"]})).json()
        assert [one["company_name"] for one in second["data"]] == ["Hotel 2", "Hotel 3", "Hotel 4"]
        assert second["next_cursor"] is None


async def test_who_asks_too_often_must_wait(tmp_path: Path) -> None:
    factories = {"memory": lambda clock: Emulator(clock, switches=Switches(requests_per_minute=3))}
    async with open_house(tmp_path, adapters={"memory": ADAPTER}, emulators=factories) as house:
        connection = await house.connect("memory")
        place = f"/v1/connections/{connection}/contacts"
        statuses = [(await house.client.get(place, params={"limit": str(size)})).status_code for size in range(1, 6)]
        assert statuses[0] == 200
        assert statuses[-1] == 429
        house.clock.advance(61)
        assert (await house.client.get(place)).status_code == 200
