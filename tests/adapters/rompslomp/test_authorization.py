"""The OAuth flow from end to end, as a browser walks it: link, consent, return, company; and tokens that rotate."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from adapters.rompslomp.emulator import Emulator, Switches
from gateway.contract.clock import Clock
from gateway.contract.emulator import Fault, ReceivedRequest
from tests.house import PUBLIC_URL, House, open_house

PROVIDER = "rompslomp"
CALLBACK = f"{PUBLIC_URL}/oauth/{PROVIDER}/callback"
MODES = ("immediate", "on_use")


def emulator(**switches: object) -> Callable[[Clock], Emulator]:
    return lambda clock: Emulator(clock, switches=Switches(**switches), redirect_uris=(CALLBACK,))  # type: ignore[arg-type]  # switches by name


@pytest.fixture(params=MODES)
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    """A house in which the provider rotates refresh tokens in either way."""
    make = emulator(refresh_rotation=request.param)
    async with open_house(tmp_path, emulators={PROVIDER: make}) as opened:
        yield opened


def provider_of(house: House) -> Emulator:
    found = house.emulator(PROVIDER)
    assert isinstance(found, Emulator)
    return found


async def pending(house: House) -> str:
    body = {"provider": PROVIDER, "name": "Webshop", "credentials": {"type": "oauth2"}}
    answer = await house.client.post("/v1/connections", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["status"] == "pending"
    return str(answer.json()["id"])


async def depart(house: House, browser: httpx2.AsyncClient, connection: str) -> dict[str, str]:
    """From the link to the provider's door: the parameters we sent the browser there with."""
    link = (await house.client.post(f"/v1/connections/{connection}/link")).json()["url"]
    page = await browser.get(link)
    way = re.search(r'href="([^"]+/authorize)"', page.text)
    assert way, page.text
    sent = await browser.get(f"{link.rpartition('/')[0]}/{way[1]}")
    assert sent.status_code == 303
    assert sent.headers["referrer-policy"] == "no-referrer"
    target = urlsplit(sent.headers["location"])
    assert target.path == "/oauth/authorize"
    return {name: values[0] for name, values in parse_qs(target.query).items()}


async def consent(house: House, asked: dict[str, str], *, approve: bool) -> str:
    """What the owner's click at the provider sends the browser back to."""
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(house.emulator(PROVIDER)), base_url="http://provider.test"
    ) as provider:
        decided = await provider.post("/oauth/authorize", data={**asked, "approve": "yes" if approve else "no"})
    assert decided.status_code in (302, 303), decided.text
    return str(decided.headers["location"])


async def arrive(browser: httpx2.AsyncClient, location: str) -> httpx2.Response:
    assert location.startswith(CALLBACK)
    return await browser.get(location)


async def authorize(house: House) -> str:
    """The whole walk; the connection, active on the first company."""
    connection, browser = await pending(house), await house.anonymous()
    asked = await depart(house, browser, connection)
    page = await arrive(browser, await consent(house, asked, approve=True))
    assert page.status_code == 200, page.text
    form = re.search(r'action="([^"]+)"', page.text)
    assert form, page.text
    chosen = provider_of(house).company_id
    assert f'value="{chosen}"' in page.text
    done = await browser.post(unescape(form[1]), data={"company_id": chosen})
    assert done.status_code == 200, done.text
    return connection


def refreshes(house: House) -> list[ReceivedRequest]:
    return [seen for seen in house.emulator(PROVIDER).journal if b"grant_type=refresh_token" in seen.body]


async def test_an_owner_authorizes_and_chooses_a_company(house: House) -> None:
    connection = await authorize(house)
    shown = (await house.client.get(f"/v1/connections/{connection}")).json()
    assert shown["status"] == "active"
    assert shown["company"]["id"] == provider_of(house).company_id
    assert "manage:contacts" in shown["scopes"]["token"]
    assert (await house.client.get(f"/v1/connections/{connection}/contacts")).status_code == 200


async def test_only_the_configured_scopes_are_asked_for(house: House) -> None:
    body = {
        "provider": PROVIDER,
        "name": "Narrow",
        "credentials": {"type": "oauth2"},
        "settings": {"scopes": ["public", "manage:contacts"]},
    }
    connection = (await house.client.post("/v1/connections", json=body)).json()["id"]
    asked = await depart(house, await house.anonymous(), connection)
    assert asked["scope"] == "public manage:contacts"
    assert asked["redirect_uri"] == CALLBACK
    assert "code_challenge" not in asked


async def test_who_says_no_sees_so_and_nothing_is_connected(house: House) -> None:
    connection, browser = await pending(house), await house.anonymous()
    asked = await depart(house, browser, connection)
    page = await arrive(browser, await consent(house, asked, approve=False))
    assert page.status_code == 403
    assert "No access was given" in page.text
    assert (await house.client.get(f"/v1/connections/{connection}")).json()["status"] == "pending"


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        ("invalid_scope", 502, "invalid_scope"),
        ("unauthorized_client", 502, "unauthorized_client"),
        ("server_error", 503, "Start it again"),
        ("temporarily_unavailable", 503, "Start it again"),
        ("&lt;b&gt;", 503, "Start it again"),
        ("", 503, "Start it again"),
    ],
)
async def test_who_never_said_no_is_not_told_so(house: House, error: str, status: int, told: str) -> None:
    connection, browser = await pending(house), await house.anonymous()
    asked = await depart(house, browser, connection)
    page = await browser.get(f"{CALLBACK}?{urlencode({'error': unescape(error), 'state': asked['state']})}")
    assert page.status_code == status
    assert told in page.text
    assert "did not give access" not in page.text
    assert "<b>" not in page.text
    assert (await house.client.get(f"/v1/connections/{connection}")).json()["status"] == "pending"


async def test_who_comes_back_with_nothing_starts_again(house: House) -> None:
    for code in ({}, {"code": ""}):
        browser = await house.anonymous()
        asked = await depart(house, browser, await pending(house))
        page = await browser.get(f"{CALLBACK}?{urlencode({**code, 'state': asked['state']})}")
        assert (page.status_code, "Start it again" in page.text) == (503, True)
    assert not [seen for seen in house.emulator(PROVIDER).journal if seen.path == "/oauth/token"]


async def test_a_state_is_good_once(house: House) -> None:
    connection, browser = await pending(house), await house.anonymous()
    asked = await depart(house, browser, connection)
    location = await consent(house, asked, approve=True)
    assert (await arrive(browser, location)).status_code == 200
    tokens = len([seen for seen in house.emulator(PROVIDER).journal if seen.path == "/oauth/token"])
    assert (await arrive(browser, location)).status_code == 404
    assert len([seen for seen in house.emulator(PROVIDER).journal if seen.path == "/oauth/token"]) == tokens


async def test_a_forged_state_or_another_browser_gets_nothing(house: House) -> None:
    connection, browser = await pending(house), await house.anonymous()
    asked = await depart(house, browser, connection)
    location = await consent(house, asked, approve=True)
    code = parse_qs(urlsplit(location).query)["code"][0]
    forged = f"{CALLBACK}?{urlencode({'code': code, 'state': 'x' * 43})}"
    assert (await arrive(browser, forged)).status_code == 404
    stranger = await house.anonymous()
    assert (await arrive(stranger, location)).status_code == 404
    assert (await house.client.get(f"/v1/connections/{connection}")).json()["status"] == "pending"
    assert not [seen for seen in house.emulator(PROVIDER).journal if seen.path == "/oauth/token"]


@pytest.mark.parametrize("by", ["the owner on the page of the link", "a change"])
async def test_credentials_that_came_meanwhile_end_an_authorization(house: House, by: str) -> None:
    """They are the last word: an account that somebody else opens in a tab of before must not take their place."""
    connection, browser = await pending(house), await house.anonymous()
    asked = await depart(house, browser, connection)
    location = await consent(house, asked, approve=True)
    given, company = dict(provider_of(house).credentials()), {"company_id": provider_of(house).company_id}
    if by == "a change":
        body = {"credentials": given, **company}
        assert (await house.client.patch(f"/v1/connections/{connection}", json=body)).status_code == 200
    else:
        link = (await house.client.post(f"/v1/connections/{connection}/link")).json()["url"]
        assert (await browser.post(link, data={**given, **company})).status_code == 200
    assert (await arrive(browser, location)).status_code == 404
    shown = (await house.client.get(f"/v1/connections/{connection}")).json()
    assert (shown["status"], shown["scopes"]["token"]) == ("active", []), "a personal token names no scopes"
    assert not [seen for seen in house.emulator(PROVIDER).journal if seen.path == "/oauth/token"]


async def test_a_state_ends_after_ten_minutes(house: House) -> None:
    connection, browser = await pending(house), await house.anonymous()
    asked = await depart(house, browser, connection)
    location = await consent(house, asked, approve=True)
    house.clock.advance(601)
    assert (await arrive(browser, location)).status_code == 404


async def test_a_code_that_expired_is_told_on_a_page(house: House) -> None:
    connection, browser = await pending(house), await house.anonymous()
    asked = await depart(house, browser, connection)
    location = await consent(house, asked, approve=True)
    spoiled = re.sub(r"code=[^&]+", "code=expired-or-made-up", location)
    page = await arrive(browser, spoiled)
    assert page.status_code == 422
    assert (await house.client.get(f"/v1/connections/{connection}")).json()["status"] == "pending"


async def test_a_redirect_that_is_not_registered_stays_at_the_provider(tmp_path: Path) -> None:
    async with open_house(tmp_path, emulators={PROVIDER: Emulator}) as house:
        asked = await depart(house, await house.anonymous(), await pending(house))
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(house.emulator(PROVIDER)), base_url="http://provider.test"
        ) as provider:
            refused = await provider.post("/oauth/authorize", data={**asked, "approve": "yes"})
        assert refused.status_code == 400
        assert "location" not in refused.headers


async def test_fifty_calls_on_an_expired_token_cause_one_refresh(house: House) -> None:
    connection = await authorize(house)
    house.emulator(PROVIDER).expire_tokens()
    path = f"/v1/connections/{connection}/contacts"
    answers = await asyncio.gather(*(house.client.get(f"{path}?limit={1 + n}") for n in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(refreshes(house)) == 1


async def test_two_rotations_in_a_row_work(house: House) -> None:
    connection = await authorize(house)
    for rotation in (1, 2, 3):
        house.clock.advance(3 * 3600)
        answer = await house.client.get(f"/v1/connections/{connection}/contacts", headers={"cache-control": "no-cache"})
        assert answer.status_code == 200, f"rotation {rotation}: {answer.text}"
    assert len(refreshes(house)) == 3


async def test_a_lost_refresh_reply_heals_where_the_provider_allows_it(house: House) -> None:
    connection = await authorize(house)
    house.clock.advance(3 * 3600)
    house.emulator(PROVIDER).fail(Fault("lost"), when=lambda seen: seen.path == "/oauth/token")
    answer = await house.client.get(f"/v1/connections/{connection}/contacts", headers={"cache-control": "no-cache"})
    if provider_of(house).switches.refresh_rotation == "on_use":
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["code"]) == (424, "connection_needs_reauth")
        assert (await house.client.get(f"/v1/connections/{connection}")).json()["status"] == "needs_reauth"


async def test_a_wrong_client_secret_marks_no_connection(house: House) -> None:
    connection = await authorize(house)
    house.clock.advance(3 * 3600)
    body = b'{"error":"invalid_client","error_description":"Client verificatie is mislukt"}'
    house.emulator(PROVIDER).fail(
        Fault("status", status=401, body=body), times=10, when=lambda seen: seen.path == "/oauth/token"
    )
    answer = await house.client.get(f"/v1/connections/{connection}/contacts", headers={"cache-control": "no-cache"})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["fix"]) == (502, "provider_misconfigured", "operator")
    assert (await house.client.get(f"/v1/connections/{connection}")).json()["status"] == "active"
    house.emulator(PROVIDER).heal()
    assert (await house.client.get(f"/v1/connections/{connection}/contacts")).status_code == 200


async def test_a_pair_of_tokens_can_be_brought_along(house: House) -> None:
    credentials = provider_of(house).oauth_credentials()
    connection = await house.connect(PROVIDER, credentials=credentials, company_id=provider_of(house).company_id)
    assert (await house.client.get(f"/v1/connections/{connection}/contacts")).status_code == 200
    house.clock.advance(3 * 3600)
    answer = await house.client.get(f"/v1/connections/{connection}/contacts", headers={"cache-control": "no-cache"})
    assert answer.status_code == 200
    assert len(refreshes(house)) == 1


async def test_a_personal_token_is_never_fed_to_a_refresh(house: House) -> None:
    connection = await house.connect(PROVIDER, company_id=provider_of(house).company_id)
    house.clock.advance(365 * 24 * 3600)
    assert (await house.client.get(f"/v1/connections/{connection}/contacts")).status_code == 200
    assert not [seen for seen in house.emulator(PROVIDER).journal if seen.path == "/oauth/token"]


async def test_deleting_a_connection_revokes_its_token(house: House) -> None:
    connection = await authorize(house)
    assert (await house.client.delete(f"/v1/connections/{connection}")).status_code == 204
    assert [seen for seen in house.emulator(PROVIDER).journal if seen.path == "/oauth/revoke"]


async def test_a_scope_that_the_company_withholds_costs_no_call(house: House) -> None:
    limited = provider_of(house).limited_company_id
    connection = await house.connect(PROVIDER, company_id=limited)
    companies = (await house.client.get(f"/v1/connections/{connection}/companies")).json()["data"]
    allowed = next(one["allowed_scopes"] for one in companies if one["id"] == limited)
    assert "manage:sales_invoices" not in allowed
    assert (await house.client.get(f"/v1/connections/{connection}/contacts")).status_code == 200
    before = len(house.emulator(PROVIDER).journal)
    draft = {"contact_id": "1", "lines": [{"description": "x", "unit_price": "1"}]}
    answer = await house.client.post(f"/v1/connections/{connection}/invoices", json=draft)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (403, "scope_missing")
    assert problem["required_scope"] == "manage:sales_invoices"
    assert problem["allowed_scopes"] == allowed
    assert len(house.emulator(PROVIDER).journal) == before


async def test_a_code_that_is_being_exchanged_when_the_server_stops_is_not_lost(house: House) -> None:
    """Who must stop calls off what is not done; the code is spent by then, and nobody can ask for its pair again."""
    connection, browser, rompslomp = await pending(house), await house.anonymous(), provider_of(house)
    location = await consent(house, await depart(house, browser, connection), approve=True)
    arriving = asyncio.ensure_future(arrive(browser, location))
    rompslomp.fail(Fault("slow"), when=lambda seen: rompslomp.is_token_request(seen) and arriving.cancel())
    with pytest.raises(asyncio.CancelledError):
        await arriving
    await house.polder.engine._shielded.settle()
    url, company = f"/v1/connections/{connection}", rompslomp.company_id
    assert (await house.client.patch(url, json={"company_id": company})).json()["status"] == "active"
    assert (await house.client.get(f"{url}/contacts")).status_code == 200


@pytest.mark.parametrize("word", ["invalid", "grant", "error", "a", '"', "401"])
async def test_a_made_up_pair_is_refused_whatever_it_is_made_of(house: House, word: str) -> None:
    """A secret is taken out of what the provider says of it, and not out of what that means."""
    for credentials in (
        {"type": "oauth2", "access_token": word, "refresh_token": word},
        {"type": "oauth2", "access_token": word, "refresh_token": word, "expires_at": "2020-01-01T00:00:00Z"},
    ):
        body = {"provider": PROVIDER, "name": "Webshop", "credentials": credentials}
        answer = await house.client.post("/v1/connections", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "credentials_rejected"), answer.text
    assert (await house.client.get("/v1/connections")).json()["total_count"] == 0


def fail_companies_once_traded(house: House) -> None:
    """Let the provider fail when it is asked for companies with a pair that was traded for another."""
    rompslomp = provider_of(house)
    rompslomp.expire_tokens()
    before = sum(map(rompslomp.is_token_request, rompslomp.journal))

    def traded(seen: ReceivedRequest) -> bool:
        return seen.path.endswith("/companies") and sum(map(rompslomp.is_token_request, rompslomp.journal)) > before

    rompslomp.fail(Fault("status", status=503), times=10, when=traded)


async def test_a_pair_that_was_traded_is_kept_when_what_follows_fails(house: House) -> None:
    """The caller's own is dead by then, and to throw the new one away would cost its owner an authorization."""
    company = provider_of(house).company_id
    body = {"provider": PROVIDER, "name": "Webshop", "company_id": company}
    body["credentials"] = provider_of(house).oauth_credentials()  # type: ignore[assignment]  # an object among texts
    fail_companies_once_traded(house)
    failed = (await house.client.post("/v1/connections", json=body)).json()
    assert (failed["code"], failed["outcome"]) == ("upstream_unavailable", "applied")
    provider_of(house).heal()
    url = f"/v1/connections/{failed['connection_id']}"
    assert (await house.client.get(url)).json()["status"] == "pending"
    house.clock.advance(60)
    settled = await house.client.patch(url, json={"company_id": company})
    assert (settled.status_code, settled.json()["status"]) == (200, "active"), settled.text
    assert (await house.client.get(f"{url}/contacts")).status_code == 200


async def test_of_a_pair_that_may_have_been_traded_nobody_says_that_it_was(house: House) -> None:
    rompslomp = provider_of(house)
    credentials = rompslomp.oauth_credentials()
    rompslomp.expire_tokens()
    rompslomp.fail(Fault("status", status=503), times=10, when=rompslomp.is_token_request)
    body = {"provider": PROVIDER, "name": "Webshop", "credentials": credentials}
    failed = (await house.client.post("/v1/connections", json=body)).json()
    assert (failed["code"], failed["outcome"]) == ("upstream_unavailable", "applied")
    assert "may have been traded" in failed["detail"]
    assert (await house.client.get(f"/v1/connections/{failed['connection_id']}")).status_code == 200


async def test_a_change_to_a_pair_that_was_traded_is_not_done_again(house: House) -> None:
    credentials = provider_of(house).oauth_credentials()
    connection = await house.connect(PROVIDER, credentials=credentials, company_id=provider_of(house).company_id)
    url, body = f"/v1/connections/{connection}", {"credentials": provider_of(house).oauth_credentials()}
    fail_companies_once_traded(house)
    for _ in range(2):
        failed = await house.client.patch(url, json=body, headers={"idempotency-key": "k-1"})
        assert (failed.json()["code"], failed.json()["outcome"]) == ("upstream_unavailable", "applied")
        provider_of(house).heal()
        house.clock.advance(120)
    assert (await house.client.get(f"{url}/contacts")).status_code == 200
