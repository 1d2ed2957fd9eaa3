"""One-time links: the page on which an account's owner gives credentials, as a browser without scripts would use it."""

import asyncio
import re
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from typing import Any, cast

import pytest
from starlette.requests import Request

from gateway.contract.emulator import Fault
from gateway.contract.errors import Problem
from gateway.engine.connections.authorization import Begun, Finished
from gateway.web import connect
from gateway.web.connect import connect_pages
from tests.house import PUBLIC_URL, House

PROVIDER = "memory"


async def pending(house: House) -> str:
    """A connection that waits for its owner."""
    answer = await house.client.post("/v1/connections", json={"provider": PROVIDER, "name": "Webshop <b>Jansen</b>"})
    assert answer.status_code == 201
    assert answer.json()["status"] == "pending"
    return str(answer.json()["id"])


async def link(house: House, connection: str) -> str:
    answer = await house.client.post(f"/v1/connections/{connection}/link")
    assert answer.status_code == 200
    url = str(answer.json()["url"])
    assert url.startswith(f"{PUBLIC_URL}/connect/")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer.json()["expires_at"])
    return url


def filled_in(house: House, **more: str) -> dict[str, str]:
    return {**{name: str(value) for name, value in house.emulator(PROVIDER).credentials().items()}, **more}


async def test_an_owner_connects_through_the_page_and_the_link_is_spent(house: House) -> None:
    connection = await pending(house)
    url = await link(house, connection)
    browser = await house.anonymous()

    page = await browser.get(url)
    assert page.status_code == 200
    assert "&lt;b&gt;Jansen" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]

    asked = await browser.post(url, data=filled_in(house))
    assert asked.status_code == 422, "these credentials reach several administrations"
    choices = re.findall(r'<option value="([^"]+)"', asked.text)
    assert choices

    done = await browser.post(url, data=filled_in(house, company_id=choices[0]))
    assert done.status_code == 200, done.text
    shown = (await house.client.get(f"/v1/connections/{connection}")).json()
    assert shown["status"] == "active"
    assert shown["company"]["id"] == choices[0]

    assert (await browser.get(url)).status_code == 404
    assert (await browser.post(url, data=filled_in(house, company_id=choices[0]))).status_code == 404


async def test_wrong_credentials_are_told_on_the_page_and_change_nothing(house: House) -> None:
    connection = await pending(house)
    url = await link(house, connection)
    browser = await house.anonymous()
    page = await browser.post(url, data={"type": "api_token", "api_token": "canary-not-a-token"})
    assert page.status_code == 422
    assert 'role="alert"' in page.text
    assert "canary" not in page.text
    assert (await house.client.get(f"/v1/connections/{connection}")).json()["status"] == "pending"
    assert (await browser.get(url)).status_code == 200


@pytest.mark.parametrize("body", [b"", b"type=", b"\xff\xfe", b"a=1&" * 60, b"x" * 30_000])
async def test_nonsense_in_the_form_is_told_and_changes_nothing(house: House, body: bytes) -> None:
    connection = await pending(house)
    url = await link(house, connection)
    browser = await house.anonymous()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    page = await browser.post(url, content=body, headers=headers)
    assert 400 <= page.status_code < 500
    assert (await house.client.get(f"/v1/connections/{connection}")).json()["status"] == "pending"


@pytest.mark.parametrize("company_id", ["1,2", "a b", "\0", "x" * 101, "../1"])
async def test_an_administration_that_cannot_be_is_told_on_the_page(house: House, company_id: str) -> None:
    connection = await pending(house)
    url, browser = await link(house, connection), await house.anonymous()
    for form in ({"company_id": company_id}, filled_in(house, company_id=company_id)):
        page = await browser.post(url, data=form, headers={"accept-language": "nl"})
        assert (page.status_code, page.headers["content-type"]) == (422, "text/html; charset=utf-8")
        assert '<p class="failed" role="alert">Dat is niet gelukt: Er ontbreekt een gegeven of er klopt er' in page.text
    assert (await house.client.get(f"/v1/connections/{connection}")).json()["company"] is None
    assert (await browser.get(url)).status_code == 200


async def test_a_form_that_trickles_is_not_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "_FORM_TIMEOUT", 0.05)
    connection = await pending(house)
    url = await link(house, connection)
    browser = await house.anonymous()

    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(19_000):
            yield b"x"
            await asyncio.sleep(0.001)

    page = await browser.post(url, content=trickle())
    assert (page.status_code, page.headers["connection"]) == (408, "close")
    assert (await house.client.get(f"/v1/connections/{connection}")).json()["status"] == "pending"


async def test_the_page_speaks_dutch_to_who_asks_for_it(house: House) -> None:
    url = await link(house, await pending(house))
    browser = await house.anonymous()
    dutch = await browser.get(url, headers={"accept-language": "nl-NL,nl;q=0.9"})
    assert '<html lang="nl">' in dutch.text
    assert "koppelen" in dutch.text
    assert '<html lang="en">' in (await browser.get(url)).text


async def test_what_goes_wrong_is_told_in_dutch_to_who_asks_for_it(house: House) -> None:
    connection, browser = await pending(house), await house.anonymous()
    url, dutch = await link(house, connection), {"accept-language": "nl"}
    wrong = await browser.post(url, data={"type": "api_token", "api_token": "nee"}, headers=dutch)
    assert "Dat is niet gelukt: Uw boekhoudpakket weigert deze inloggegevens of sleutel" in wrong.text
    several = await browser.post(url, data=filled_in(house), headers=dutch)
    assert "Dat is niet gelukt: U heeft meer dan een administratie" in several.text
    house.emulator(PROVIDER).fail(Fault("status", status=503), times=99)
    down = await browser.post(url, data=filled_in(house), headers=dutch)
    house.emulator(PROVIDER).heal()
    assert "Uw boekhoudpakket is op dit moment niet bereikbaar" in down.text
    gone = await browser.get(f"{url}x", headers=dutch)
    assert "Deze link is al gebruikt of te oud" in gone.text
    assert [page.status_code for page in (wrong, several, down, gone)] == [422, 422, 503, 404]
    for page in (wrong, several, down, gone):
        assert '<html lang="nl">' in page.text
        assert not re.search(r"\b(the|this|these|which)\b", re.sub(r"<[^>]*>|<style>.*?</style>", "", page.text)), (
            page.text
        )


async def test_a_link_ends_after_a_day_and_when_what_it_is_for_came_otherwise(house: House) -> None:
    connection = await pending(house)
    browser = await house.anonymous()
    url = await link(house, connection)
    house.clock.advance(1)
    await house.client.patch(f"/v1/connections/{connection}", json={"name": "Renamed"})
    assert (await browser.get(url)).status_code == 200
    given = {"credentials": house.emulator(PROVIDER).token_credentials()}  # type: ignore[attr-defined]  # it has some
    assert (await house.client.patch(f"/v1/connections/{connection}", json=given)).status_code == 200
    assert (await browser.get(url)).status_code == 404
    another = await link(house, connection)
    house.clock.advance(24 * 3600 + 1)
    assert (await browser.get(another)).status_code == 404


async def test_a_forged_link_opens_nothing(house: House) -> None:
    url = await link(house, await pending(house))
    browser = await house.anonymous()
    token = url.rpartition("/")[2]
    for forged in [token[:-4], token[4:], "A" * len(token), token.swapcase(), "x", "AAAAAAAA"]:
        assert (await browser.get(f"/connect/{forged}")).status_code == 404


@pytest.mark.parametrize("id", ["con_\0", "", " ", "con_1\n", "é"])
async def test_a_forged_link_asks_the_database_for_no_id_that_cannot_be(
    house: House, id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find(id: str) -> None:
        raise Problem("storage_unavailable", f"PostgreSQL takes no NUL: {id!r}.")

    monkeypatch.setattr(house.polder.storage.connections, "find", find)
    forged = urlsafe_b64encode(bytes(20) + b"\0\xff\xff\xff\xff" + id.encode()).rstrip(b"=").decode()
    browser = await house.anonymous()
    assert (await browser.get(f"/connect/{forged}")).status_code == 404
    assert (await browser.get(f"/connect/{forged}/authorize")).status_code == 404


async def test_a_link_needs_the_right_to_manage_connections(house: House) -> None:
    connection = await pending(house)
    reader = await house.client_for(scopes=["connections:read"])
    assert (await reader.post(f"/v1/connections/{connection}/link")).status_code == 403
    stranger = await house.client_for(tenant="other")
    assert (await stranger.post(f"/v1/connections/{connection}/link")).status_code == 404


class Departures:
    """An authorizer that lets everybody go."""

    async def begin(self, invitation_token: str) -> Begun:
        return Begun(f"http://provider.test/authorize?{invitation_token}", "a-browser")

    async def finish(
        self, provider_name: str, state: str, browser: str, code: str | None, error: str | None
    ) -> Finished:
        raise AssertionError("nobody comes back")


@pytest.mark.parametrize(
    ("public_url", "path", "secure"),
    [
        ("https://polder.test", "/oauth/", True),
        ("http://polder.test", "/oauth/", False),
        ("https://shop.test/books/polder", "/books/polder/oauth/", True),
    ],
)
async def test_the_browser_is_known_again_at_the_address_it_comes_back_to(
    public_url: str, path: str, secure: bool
) -> None:
    page = connect_pages(cast(Any, None), Departures(), public_url)["/connect/{token}/authorize"]
    scope = {"type": "http", "method": "GET", "headers": [], "query_string": b"", "path_params": {"token": "t"}}
    cookie = SimpleCookie((await page.show(Request(scope))).headers["set-cookie"])["polder_authorization"]
    assert (cookie.value, cookie["path"], bool(cookie["secure"])) == ("a-browser", path, secure)


async def test_a_pending_connection_says_so_and_calls_nobody(house: House) -> None:
    connection = await pending(house)
    before = len(house.emulator(PROVIDER).journal)
    answer = await house.client.get(f"/v1/connections/{connection}/contacts")
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"], problem["fix"]) == (424, "connection_pending", "owner")
    assert len(house.emulator(PROVIDER).journal) == before
