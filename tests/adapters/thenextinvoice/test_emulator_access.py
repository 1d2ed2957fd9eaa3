"""The envelope, who may ask, and what is asked of every request."""

import base64
from datetime import timedelta

import httpx2
import pytest

from adapters.thenextinvoice.emulator import Emulator, Switches
from gateway.contract.emulator import Fault
from gateway.contract.exact import Json, loads
from tests.adapters.thenextinvoice.emulator_client import JSON, Books, books, differences
from tests.house import ManualClock


def claims(token: str) -> Json:
    payload = token.split(".")[1]
    return loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


async def logged_in(tni: Books, **fields: Json) -> httpx2.Response:
    given = tni.emulator.password_credentials()
    body = {"email": given["email"], "password": given["password"], **fields}
    return await tni.send("POST", "/session/jwt", body, **JSON)


async def test_log_in_gives_a_jwt_for_the_first_company_that_expires_by_the_clock() -> None:
    async with books() as tni:
        answer = loads((await logged_in(tni)).content)
        assert answer["success"] is True
        assert answer["data"]["status"] == "confirmed"
        token = answer["data"]["token"]
        assert claims(token)["exp"] == int((tni.clock.now() + timedelta(hours=1)).timestamp())
        bearer = {"Authorization": f"Bearer {token}"}
        reached = loads((await tni.send("GET", "/company", **bearer)).content)["data"]
        assert [company["id"] for company in reached] == [tni.emulator.company.id, tni.emulator.second.id]
        tni.clock.advance(3599)
        assert (await tni.send("GET", "/preferences", **bearer)).status_code == 200
        tni.clock.advance(1)
        assert (await tni.send("GET", "/preferences", **bearer)).status_code == 401


async def test_a_switch_leaves_out_the_expiry() -> None:
    async with books(token_exp=False) as tni:
        assert "exp" not in claims(loads((await logged_in(tni)).content)["data"]["token"])


async def test_the_lifetime_of_tokens_can_be_chosen() -> None:
    clock = ManualClock()
    emulator = Emulator(clock, token_lifetime=timedelta(minutes=5))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=emulator), base_url="http://tni.test") as client:
        tni = Books(emulator, clock, client, {})
        token = loads((await logged_in(tni)).content)["data"]["token"]
        clock.advance(301)
        assert (await tni.send("GET", "/customer", Authorization=f"Bearer {token}")).status_code == 401


@pytest.mark.parametrize(
    "fields", [{"password": "wrong"}, {"email": "nobody@example.com"}, {"company": 3}, {"company": 99}]
)
async def test_a_wrong_log_in_is_401(fields: dict[str, Json]) -> None:
    async with books() as tni:
        answer = await logged_in(tni, **fields)
        assert answer.status_code == 401
        assert loads(answer.content)["success"] is False


async def test_log_in_and_switch_choose_the_company_and_only_its_own() -> None:
    async with books(populated=True) as tni:
        second = tni.emulator.second.id
        token = loads((await logged_in(tni, company=second)).content)["data"]["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert len(loads((await tni.send("GET", "/customer", **bearer)).content)["data"]) == 5
        switched = await tni.send("POST", "/session/jwt/switch", {"company": tni.emulator.company.id}, **bearer)
        assert switched.status_code == 200
        back = {"Authorization": f"Bearer {loads(switched.content)['data']['token']}"}
        assert len(loads((await tni.send("GET", "/customer", **back)).content)["data"]) == 250
        for company, status in ((tni.emulator.foreign.id, 401), (99, 401), ("1", 400)):
            answer = await tni.send("POST", "/session/jwt/switch", {"company": company}, **bearer)
            assert answer.status_code == status


async def test_data_is_per_company() -> None:
    async with books(populated=True) as tni:
        theirs = next(iter(tni.emulator.second.customers))
        their_invoice = next(iter(tni.emulator.second.invoices))
        await tni.refused("GET", f"/customer/{theirs}", status=404)
        await tni.refused("GET", f"/invoice/{their_invoice}", status=404)
        await tni.refused("DELETE", f"/invoice/{their_invoice}", status=404)


async def test_the_api_token_belongs_to_one_company_as_documented() -> None:
    example = [
        {
            "id": 1,
            "name": "Company name",
            "address": "Company address",
            "postalcode": "Company zipcode",
            "city": "Amsterdam",
            "coc": "CoC code",
            "next_number": "000001",
            "next_qnumber": "000001",
            "country": "NL",
            "logo": "1.png",
        }
    ]
    async with books() as tni:
        companies = await tni.ask("GET", "/company")
        assert differences(example, companies) == []
        assert [company["id"] for company in companies] == [tni.emulator.company.id]
        await tni.refused("POST", "/session/jwt/switch", {"company": tni.emulator.second.id}, 401)


async def test_no_or_wrong_credentials_are_401() -> None:
    async with books() as tni:
        for headers in (
            {"accept": "*/*"},
            {"X-Api-Token": "guess"},
            {"Authorization": "Bearer a.b.c"},
            {"Authorization": "Basic YTpi"},
        ):
            answer = await tni.send("GET", "/customer", **headers)
            assert answer.status_code == 401, headers
            assert loads(answer.content)["error"]["message"]


async def test_expired_tokens_are_worthless_and_the_api_token_lasts() -> None:
    async with books() as tni:
        token = loads((await logged_in(tni)).content)["data"]["token"]
        tni.emulator.expire_tokens()
        assert (await tni.send("GET", "/company", Authorization=f"Bearer {token}")).status_code == 401
        assert (await tni.send("GET", "/company")).status_code == 200
        asked = [tni.emulator.is_token_request(seen) for seen in tni.emulator.journal]
        assert asked == [True, False, False]


async def test_what_is_not_documented_is_404_in_the_envelope() -> None:
    async with books() as tni:
        for method, path in (
            ("GET", "/contacts"),
            ("PATCH", "/customer/1"),
            ("DELETE", "/customer/search"),
            ("GET", "/customer/"),
            ("GET", "/invoice"),
            ("GET", "/session/jwt"),
            ("POST", "/settings/user"),
        ):
            await tni.refused(method, path, status=404)


async def test_unknown_parameters_bodies_and_malformed_json_are_400() -> None:
    async with books() as tni:
        assert "colour" in await tni.refused("GET", "/customer/search?colour=red")
        await tni.refused("DELETE", "/notifications", {"sure": True})
        url, headers = "/api/v1/customer", {**tni.headers, **JSON}
        for content in (b"", b"{", b"{'a': 1}", b'{"price": NaN}', b"\xff"):
            assert (await tni.client.post(url, headers=headers, content=content)).status_code == 400
        undeclared = await tni.client.post(url, headers=tni.headers, content=b"{}")
        assert undeclared.status_code == 400
        assert "Content-Type" in undeclared.text


@pytest.mark.parametrize(("style", "code"), [("zero", 0), ("status", 404)])
async def test_the_error_code_is_a_switch(style: str, code: int) -> None:
    async with books(error_code=style) as tni:
        answer = await tni.send("GET", "/customer/1")
        assert loads(answer.content) == {
            "success": False,
            "error": {"code": code, "message": "Customer does not exist"},
        }


@pytest.mark.parametrize(
    ("style", "envelope"), [("null", {"success": True, "data": None}), ("absent", {"success": True})]
)
async def test_data_without_a_documented_body_is_a_switch(style: str, envelope: Json) -> None:
    async with books(empty_data=style) as tni:
        answer = await tni.send("DELETE", f"/customer/{await tni.customer()}")
        assert loads(answer.content) == envelope


async def test_a_rate_limit_answers_429_with_the_wait() -> None:
    async with books(rate_limit=3) as tni:
        for _ in range(3):
            await tni.ask("GET", "/company")
        tni.clock.advance(20)
        answer = await tni.send("GET", "/company")
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "41"
        assert loads(answer.content)["success"] is False
        tni.clock.advance(int(answer.headers["retry-after"]))
        await tni.ask("GET", "/company")


async def test_faults_of_the_base_class_strike() -> None:
    async with books() as tni:
        tni.emulator.fail(Fault("status", 429, {"retry-after": "7"}, b"slow down"))
        assert (await tni.send("GET", "/company")).headers["retry-after"] == "7"
        tni.emulator.fail(Fault("html", 500), when=lambda seen: seen.method == "POST")
        assert (await tni.send("POST", "/product", {"description": "x", "price": 1})).status_code == 500
        assert len(tni.emulator.books()["products"]) == 1


async def test_populated_books_are_always_the_same_whatever_the_seed_and_lifelike() -> None:
    first, second = Emulator(ManualClock(), 1), Emulator(ManualClock(), 2, Switches())
    second.random.random()
    for emulator in (first, second):
        emulator.populate()
    told = first.books()
    assert told == second.books()
    assert first.books(first.second) == second.books(second.second)
    assert len(told["contacts"]) == 250
    names = [contact["companyname"] for contact in told["contacts"]]
    assert len(set(names)) < len(names)
    assert {contact["person"] for contact in told["contacts"]} == {"0", "1"}
    descriptions = [product["description"] for product in told["products"]]
    assert len(descriptions) == 40
    assert max(map(descriptions.count, descriptions)) == 10
    states = {invoice["state"] for invoice in told["invoices"]}
    assert states == {"draft", "open", "paid", "pastdue", "credit", "credited"}
    assert 120 <= len(told["invoices"]) <= 150
    assert len(told["payments"]) > 50
    assert told["quotations"]
    assert len(first.company.profiles) == 2
