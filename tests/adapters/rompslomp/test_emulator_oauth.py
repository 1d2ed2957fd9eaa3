"""The OAuth server: consent, codes, both ways of rotating, and Doorkeeper's errors."""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from adapters.rompslomp.emulator import Switches
from adapters.rompslomp.emulator.provider import DEFAULT_REDIRECT_URI
from gateway.contract.emulator import Fault
from gateway.contract.exact import Json, dumps, loads
from tests.adapters.rompslomp.emulated import Provider, provided

INVALID_REQUEST = (
    "Het verzoek mist een vereiste parameter, bevat een niet-ondersteunde parameter waarde of is anderszins onjuist."
)
INVALID_CLIENT = (
    "Client verificatie is mislukt door onbekende klant, geen client authenticatie opgegeven, of een niet-ondersteunde "
    "authenticatie methode."
)
IMMEDIATE = Switches(refresh_rotation="immediate")
ON_USE = Switches(refresh_rotation="on_use")
GRACE = Switches(refresh_rotation="grace")
REUSE_DETECTION = Switches(refresh_rotation="reuse_detection")
BOTH = pytest.mark.parametrize("switches", [IMMEDIATE, ON_USE], ids=["immediate", "on_use"])

Pair = Mapping[str, Json]


def question(provider: Provider, **changes: str | None) -> dict[str, str]:
    asked = {
        "client_id": provider.emulator.operator_settings()["client_id"],
        "redirect_uri": DEFAULT_REDIRECT_URI,
        "response_type": "code",
        "scope": "public manage:contacts",
        "state": "s & t",
        **changes,
    }
    return {name: value for name, value in asked.items() if value is not None}


async def approved(provider: Provider, **changes: str | None) -> str:
    answer = await provider.client.post("/oauth/authorize?approve=yes", data=question(provider, **changes))
    return outcome(answer)["code"]


def outcome(answer: httpx2.Response) -> dict[str, str]:
    assert answer.status_code == 302
    location = answer.headers["location"]
    assert location.startswith(f"{DEFAULT_REDIRECT_URI}?")
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


async def token(provider: Provider, **fields: str) -> httpx2.Response:
    return await provider.client.post("/oauth/token", data={**provider.emulator.operator_settings(), **fields})


async def exchanged(provider: Provider, code: str, **fields: str) -> httpx2.Response:
    return await token(
        provider, grant_type="authorization_code", code=code, redirect_uri=DEFAULT_REDIRECT_URI, **fields
    )


async def refreshed(provider: Provider, refresh_token: str, **fields: str) -> httpx2.Response:
    return await token(provider, grant_type="refresh_token", refresh_token=refresh_token, **fields)


async def pair(provider: Provider, **changes: str | None) -> Pair:
    made: Pair = body(await exchanged(provider, await approved(provider, **changes)))
    return made


def body(answer: httpx2.Response, status: int = 200) -> Json:
    assert answer.status_code == status, answer.text
    return loads(answer.content)


def refusal(answer: httpx2.Response, status: int = 400) -> str:
    error = body(answer, status)
    assert error.keys() == {"error", "error_description"}
    expected = (
        f'Bearer realm="Rompslomp API v1", error="{error["error"]}", error_description="{error["error_description"]}"'
    )
    assert answer.headers["www-authenticate"] == expected
    return str(error["error"])


async def works(provider: Provider, access_token: str) -> bool:
    return (await provider.send("GET", "/api/v1/companies", token=access_token)).status_code == 200


async def why_not(provider: Provider, access_token: str) -> str:
    answer = await provider.send("GET", "/api/v1/companies", token=access_token)
    error = body(answer, 401)["error"]
    assert error["type"] == "client.authentication.invalid_token"
    assert f'error="invalid_token", error_description="{error["message"]}"' in answer.headers["www-authenticate"]
    return str(error["message"])


async def test_the_user_is_asked_and_their_consent_comes_back_with_the_state() -> None:
    async with provided() as provider:
        page = await provider.client.get("/oauth/authorize", params=question(provider))
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "manage:contacts" in page.text
        assert page.text.count("<form") == 2
        assert 'value="s &amp; t"' in page.text
        answer = await provider.client.post("/oauth/authorize", data={**question(provider), "approve": "yes"})
        assert outcome(answer)["state"] == "s & t"
        assert len(outcome(answer)["code"]) == 43


async def test_a_user_who_denies_is_sent_back_with_access_denied() -> None:
    async with provided() as provider:
        answer = await provider.client.post("/oauth/authorize?approve=no", data=question(provider))
        assert outcome(answer)["error"] == "access_denied"
        assert outcome(answer)["state"] == "s & t"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"client_id": "unknown"}, 401),
        ({"redirect_uri": f"{DEFAULT_REDIRECT_URI}/"}, 400),
        ({"redirect_uri": None}, 400),
    ],
)
async def test_a_doubtful_client_or_redirect_uri_stays_on_an_error_page(
    changes: dict[str, str | None], status: int
) -> None:
    async with provided() as provider:
        for method in ("GET", "POST"):
            asked = question(provider, **changes) | {"approve": "yes"}
            answer = await provider.client.request(method, "/oauth/authorize", params=asked)
            assert answer.status_code == status
            assert "location" not in answer.headers
            assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"scope": "manage.contacts"}, "invalid_scope"),
    ],
)
async def test_other_mistakes_go_back_to_the_client(changes: dict[str, str | None], error: str) -> None:
    async with provided() as provider:
        answer = await provider.client.get("/oauth/authorize", params=question(provider, **changes))
        assert outcome(answer)["error"] == error


async def test_a_code_becomes_a_pair_of_the_recorded_shape() -> None:
    async with provided() as provider:
        answer = await exchanged(provider, await approved(provider, scope=None))
        made = body(answer)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["pragma"] == "no-cache"
        assert made == {
            "access_token": made["access_token"],
            "token_type": "Bearer",
            "expires_in": 7200,
            "refresh_token": made["refresh_token"],
            "scope": "public",
            "created_at": 1709370000,
        }
        assert len(made["access_token"]) == len(made["refresh_token"]) == 43
        assert await works(provider, made["access_token"])


async def test_a_code_serves_once_and_for_ten_minutes() -> None:
    async with provided() as provider:
        code = await approved(provider)
        assert (await exchanged(provider, code)).status_code == 200
        assert refusal(await exchanged(provider, code)) == "invalid_grant"
        late = await approved(provider)
        provider.clock.advance(600)
        assert refusal(await exchanged(provider, late)) == "invalid_grant"


async def test_a_code_wants_its_own_redirect_uri() -> None:
    async with provided() as provider:
        code = await approved(provider)
        answer = await token(
            provider, grant_type="authorization_code", code=code, redirect_uri=f"{DEFAULT_REDIRECT_URI}/"
        )
        assert refusal(answer) == "invalid_grant"


async def test_the_token_endpoint_takes_forms_multipart_json_and_basic() -> None:
    async with provided() as provider:
        settings = provider.emulator.operator_settings()
        basic = base64.b64encode(f"{settings['client_id']}:{settings['client_secret']}".encode()).decode()
        fields = {"grant_type": "refresh_token"}

        def fresh() -> dict[str, str]:
            return {**fields, "refresh_token": str(provider.emulator.oauth_credentials()["refresh_token"])}

        multipart = {name: (None, value) for name, value in {**settings, **fresh()}.items()}
        answers = [
            await provider.client.post("/oauth/token", data={**settings, **fresh()}),
            await provider.client.post("/oauth/token", files=multipart),
            await provider.client.post(
                "/oauth/token", content=dumps({**settings, **fresh()}), headers={"content-type": "application/json"}
            ),
            await provider.client.post("/oauth/token", data=fresh(), headers={"authorization": f"Basic {basic}"}),
        ]
        assert [answer.status_code for answer in answers] == [200] * 4


async def test_mistakes_at_the_token_endpoint_get_flat_errors() -> None:
    async with provided() as provider:
        answer = await token(provider)
        assert refusal(answer) == "invalid_request"
        assert body(answer, 400)["error_description"] == INVALID_REQUEST
        assert refusal(await token(provider, grant_type="refresh_token")) == "invalid_request"
        assert refusal(await token(provider, grant_type="password")) == "unsupported_grant_type"
        alive = str(provider.emulator.oauth_credentials()["refresh_token"])
        answer = await refreshed(provider, alive, client_secret="wrong")
        assert refusal(answer, 401) == "invalid_client"
        assert body(answer, 401)["error_description"] == INVALID_CLIENT
        # Doorkeeper looks at the refresh token before it looks at the client.
        assert refusal(await refreshed(provider, "no such token", client_secret="wrong")) == "invalid_grant"
        assert refusal(await refreshed(provider, alive, scope="public manage:everything")) == "invalid_scope"
        assert (await refreshed(provider, alive)).status_code == 200


async def test_a_missing_parameter_may_be_named() -> None:
    async with provided(Switches(missing_parameter="named")) as provider:
        answer = await token(provider, grant_type="refresh_token")
        assert body(answer, 400)["error_description"] == "Ontbrekende vereiste parameter: refresh_token."


@BOTH
async def test_every_refresh_gives_a_new_pair_of_the_same_scopes(switches: Switches) -> None:
    async with provided(switches) as provider:
        first = await pair(provider)
        second = body(await refreshed(provider, first["refresh_token"]))
        third = body(await refreshed(provider, second["refresh_token"]))
        tokens = {each[name] for each in (first, second, third) for name in ("access_token", "refresh_token")}
        assert len(tokens) == 6
        assert third["scope"] == "public manage:contacts"
        assert await works(provider, third["access_token"])


@BOTH
async def test_a_refresh_may_narrow_the_scopes(switches: Switches) -> None:
    async with provided(switches) as provider:
        first = await pair(provider)
        assert body(await refreshed(provider, first["refresh_token"], scope="public"))["scope"] == "public"


@BOTH
async def test_a_refresh_token_outlives_its_access_token(switches: Switches) -> None:
    async with provided(switches) as provider:
        first = await pair(provider)
        provider.clock.advance(90 * 24 * 3600)
        assert await why_not(provider, first["access_token"]) == "Het toegangstoken is verlopen"
        assert await works(provider, body(await refreshed(provider, first["refresh_token"]))["access_token"])


async def test_immediate_rotation_kills_the_old_pair_at_the_refresh() -> None:
    async with provided(IMMEDIATE) as provider:
        first = await pair(provider)
        await refreshed(provider, first["refresh_token"])
        assert await why_not(provider, first["access_token"]) == "Het toegangstoken is geweigerd"
        assert refusal(await refreshed(provider, first["refresh_token"])) == "invalid_grant"
        assert [(dead.access_token, dead.cause) for dead in provider.emulator.revocations] == [
            (first["access_token"], "refresh")
        ]


async def test_rotation_on_use_leaves_the_old_pair_alone_until_a_new_access_token_is_presented() -> None:
    async with provided(ON_USE) as provider:
        first = await pair(provider)
        second = body(await refreshed(provider, first["refresh_token"]))
        again = body(await refreshed(provider, first["refresh_token"]))
        assert await works(provider, first["access_token"])
        assert not provider.emulator.revocations
        assert await works(provider, second["access_token"])
        assert await why_not(provider, first["access_token"]) == "Het toegangstoken is geweigerd"
        assert refusal(await refreshed(provider, first["refresh_token"])) == "invalid_grant"
        # The other pair made from the same refresh token is an orphan that stays valid.
        assert await works(provider, again["access_token"])
        assert (await refreshed(provider, again["refresh_token"])).status_code == 200
        assert [(dead.access_token, dead.cause) for dead in provider.emulator.revocations] == [
            (first["access_token"], "use")
        ]


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/companies/1/contacts"])
async def test_presenting_the_new_token_revokes_even_where_the_call_is_refused(path: str) -> None:
    async with provided(ON_USE) as provider:
        first = await pair(provider)
        second = body(await refreshed(provider, first["refresh_token"]))
        refused = await provider.send("GET", path, token=second["access_token"])
        assert refused.status_code in (403, 404)
        assert await why_not(provider, first["access_token"]) == "Het toegangstoken is geweigerd"


async def test_presenting_an_expired_new_token_revokes_the_old_pair_too() -> None:
    async with provided(ON_USE) as provider:
        first = await pair(provider)
        second = body(await refreshed(provider, first["refresh_token"]))
        provider.emulator.expire_tokens()
        assert await why_not(provider, second["access_token"]) == "Het toegangstoken is verlopen"
        assert refusal(await refreshed(provider, first["refresh_token"])) == "invalid_grant"
        assert (await refreshed(provider, second["refresh_token"])).status_code == 200


async def test_in_the_grace_the_old_pair_lives_on_and_afterwards_its_use_kills_the_family() -> None:
    async with provided(GRACE) as provider:
        first = await pair(provider)
        second = body(await refreshed(provider, first["refresh_token"]))
        assert await works(provider, second["access_token"])
        provider.clock.advance(29)
        again = body(await refreshed(provider, first["refresh_token"]))
        assert await works(provider, first["access_token"])
        provider.clock.advance(1)
        assert await works(provider, second["access_token"])
        assert await why_not(provider, first["access_token"]) == "Het toegangstoken is geweigerd"
        assert refusal(await refreshed(provider, first["refresh_token"])) == "invalid_grant"
        for newer in (second, again):
            assert refusal(await refreshed(provider, newer["refresh_token"])) == "invalid_grant"


async def test_where_reuse_is_detected_it_kills_the_family_and_no_other() -> None:
    async with provided(REUSE_DETECTION) as provider:
        stranger, first = await pair(provider), await pair(provider)
        second = body(await refreshed(provider, first["refresh_token"]))
        assert await works(provider, second["access_token"])
        assert refusal(await refreshed(provider, first["refresh_token"])) == "invalid_grant"
        assert await why_not(provider, second["access_token"]) == "Het toegangstoken is geweigerd"
        assert refusal(await refreshed(provider, second["refresh_token"])) == "invalid_grant"
        assert (await refreshed(provider, stranger["refresh_token"])).status_code == 200


async def test_the_lifetime_of_an_access_token_is_a_switch() -> None:
    async with provided(Switches(access_token_seconds=1)) as provider:
        made = await pair(provider)
        assert made["expires_in"] == 1
        provider.clock.advance(1)
        assert await why_not(provider, made["access_token"]) == "Het toegangstoken is verlopen"


@pytest.mark.parametrize(("switches", "won"), [(IMMEDIATE, 1), (ON_USE, 4)], ids=["immediate", "on_use"])
async def test_of_parallel_refreshes_one_wins_or_all_do(switches: Switches, won: int) -> None:
    async with provided(switches) as provider:
        first = await pair(provider)
        answers = await asyncio.gather(*(refreshed(provider, first["refresh_token"]) for _ in range(4)))
        fine = [body(answer) for answer in answers if answer.status_code == 200]
        assert len(fine) == won
        assert {refusal(answer) for answer in answers if answer.status_code != 200} <= {"invalid_grant"}
        assert all([await works(provider, each["access_token"]) for each in fine])


@pytest.mark.parametrize(("switches", "status"), [(IMMEDIATE, 400), (ON_USE, 200)], ids=["immediate", "on_use"])
async def test_after_a_lost_reply_the_old_token_is_dead_or_good_for_another_try(
    switches: Switches, status: int
) -> None:
    async with provided(switches) as provider:
        first = await pair(provider)
        provider.emulator.fail(Fault("lost"), when=provider.emulator.is_token_request)
        with pytest.raises(ConnectionResetError):
            await refreshed(provider, first["refresh_token"])
        retry = await refreshed(provider, first["refresh_token"])
        assert retry.status_code == status


async def test_expire_tokens_spares_personal_and_refresh_tokens() -> None:
    async with provided() as provider:
        credentials = provider.emulator.oauth_credentials()
        assert credentials["type"] == "oauth2"
        assert credentials["expires_at"] == "2024-03-02T11:00:00Z"
        assert await works(provider, credentials["access_token"])
        provider.emulator.expire_tokens()
        assert await why_not(provider, credentials["access_token"]) == "Het toegangstoken is verlopen"
        assert await works(provider, provider.token)
        assert (await refreshed(provider, credentials["refresh_token"])).status_code == 200


async def test_revoking_either_token_kills_the_pair() -> None:
    async with provided() as provider:
        settings = provider.emulator.operator_settings()
        for name in ("access_token", "refresh_token"):
            made = await pair(provider)
            anonymous = await provider.client.post("/oauth/revoke", data={"token": made[name]})
            assert body(anonymous, 403)["error"] == "unauthorized_client"
            assert await works(provider, made["access_token"])
            assert body(await provider.client.post("/oauth/revoke", data={**settings, "token": made[name]})) == {}
            assert await why_not(provider, made["access_token"]) == "Het toegangstoken is geweigerd"
            assert refusal(await refreshed(provider, made["refresh_token"])) == "invalid_grant"
        assert body(await provider.client.post("/oauth/revoke", data={**settings, "token": "unknown"})) == {}


async def test_introspection_and_token_info() -> None:
    async with provided() as provider:
        settings = provider.emulator.operator_settings()
        made = await pair(provider)
        asked = {**settings, "token": made["access_token"]}
        told = body(await provider.client.post("/oauth/introspect", data=asked))
        assert (told["active"], told["scope"]) == (True, "public manage:contacts")
        assert told["exp"] - told["iat"] == 7200
        answer = await provider.client.post("/oauth/introspect", data={"token": made["access_token"]})
        assert refusal(answer, 401) == "invalid_client"
        bearer = {"authorization": f"Bearer {made['access_token']}"}
        info = body(await provider.client.get("/oauth/token/info", headers=bearer))
        assert (info["scope"], info["expires_in"]) == (["public", "manage:contacts"], 7200)
        provider.emulator.expire_tokens()
        assert body(await provider.client.post("/oauth/introspect", data=asked)) == {"active": False}
        assert refusal(await provider.client.get("/oauth/token/info", headers=bearer), 401) == "invalid_token"


async def test_the_endpoints_that_may_not_exist() -> None:
    async with provided(Switches(revoke_endpoint=False, introspection_endpoints=False)) as provider:
        assert (await provider.client.post("/oauth/revoke")).status_code == 404
        assert (await provider.client.post("/oauth/introspect")).status_code == 404
        assert (await provider.client.get("/oauth/token/info")).status_code == 404


def s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


async def test_pkce_is_ignored_refused_or_kept() -> None:
    challenge = {"code_challenge": s256("v" * 43), "code_challenge_method": "S256"}
    async with provided(Switches(pkce="ignored")) as provider:
        code = await approved(provider, **challenge)
        assert (await exchanged(provider, code, code_verifier="wrong")).status_code == 200
    async with provided(Switches(pkce="refused")) as provider:
        code = await approved(provider, **challenge)
        assert refusal(await exchanged(provider, code, code_verifier="v" * 43)) == "invalid_request"
        assert (await exchanged(provider, code)).status_code == 200
    async with provided(Switches(pkce="supported")) as provider:
        code = await approved(provider, **challenge)
        assert refusal(await exchanged(provider, code)) == "invalid_request"
        assert refusal(await exchanged(provider, code, code_verifier="wrong")) == "invalid_grant"
        assert (await exchanged(provider, code, code_verifier="v" * 43)).status_code == 200
        assert (await exchanged(provider, await approved(provider))).status_code == 200


async def test_no_token_or_secret_shows_in_a_representation() -> None:
    async with provided() as provider:
        made = await pair(provider)
        await refreshed(provider, made["refresh_token"])
        secrets = [made["access_token"], made["refresh_token"], provider.emulator.operator_settings()["client_secret"]]
        shown = repr(provider.emulator.revocations) + repr(provider.emulator)
        assert not [secret for secret in secrets if secret in shown]
