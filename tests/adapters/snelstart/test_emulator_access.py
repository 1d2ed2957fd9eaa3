"""Getting in: two keys, tokens, scopes and limits."""

import base64
from urllib.parse import quote

import pytest

from adapters.snelstart.emulator import LIVE_SCOPES, Limits, Switches
from gateway.contract.exact import dumps, loads
from tests.adapters.snelstart.emulated import FORM, NOBODY, Provider, provided


async def exchange(provider: Provider, content: str, content_type: str = FORM) -> tuple[int, object]:
    answer = await provider.client.post("/b2b/token", content=content, headers={"content-type": content_type})
    return answer.status_code, loads(answer.content)


async def test_a_connection_key_in_a_form_buys_a_token() -> None:
    async with provided() as provider:
        key = provider.emulator.credentials()["connection_key"]
        answer = await provider.client.post("/b2b/token", data={"grant_type": "clientkey", "clientkey": key})
        token = loads(answer.content)
        assert token.keys() == {"access_token", "token_type", "expires_in"}
        assert (token["token_type"], token["expires_in"]) == ("bearer", 3599)
        claims = token["access_token"].split(".")[1]
        read = loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        assert set(read["scopes"].split(" ")) == set(LIVE_SCOPES)
        assert provider.emulator.is_token_request(provider.emulator.journal[-1])
        await provider.get("companyInfo")
        assert not provider.emulator.is_token_request(provider.emulator.journal[-1])


async def test_the_key_must_be_encoded_and_whole() -> None:
    async with provided() as provider:
        key = provider.emulator.credentials()["connection_key"]
        words = "GrantType clientkey was found. Parameter clientkey does not contain a valid value"
        for sent in (key, quote(key, safe="")[:-3], quote(f" {key}", safe=""), "", quote(key.lower(), safe="")):
            assert await exchange(provider, f"grant_type=clientkey&clientkey={sent}") == (400, {"error": words})
        status, _token = await exchange(provider, f"grant_type=clientkey&clientkey={quote(key, safe='')}")
        assert status == 200


async def test_only_a_form_buys_a_token() -> None:
    async with provided() as provider:
        key = provider.emulator.credentials()["connection_key"]
        body = dumps({"grant_type": "clientkey", "clientkey": key}).decode()
        assert (await exchange(provider, body, "application/json"))[0] == 400
        assert await exchange(provider, f"grant_type=client_credentials&clientkey={quote(key)}") == (
            400,
            {"error": "unsupported_grant_type"},
        )
        assert (await provider.client.get("/b2b/token")).status_code == 404


async def test_the_key_hides_a_name_and_a_password() -> None:
    async with provided() as provider:
        name, password = base64.b64decode(provider.emulator.credentials()["connection_key"]).decode().split(":")
        form = f"grant_type=password&username={quote(name)}&password={quote(password, safe='')}"
        assert (await exchange(provider, form))[0] == 200
        assert (await exchange(provider, form + "x")) == (400, {"error": "invalid_grant"})


async def test_two_administrations_know_nothing_of_each_other() -> None:
    async with provided() as provider:
        relation = await provider.relation()
        first = await provider.get("companyInfo")
        provider.token = await provider.log_in(provider.emulator.other_credentials()["connection_key"])
        second = await provider.get("companyInfo")
        assert first["administratieIdentifier"] != second["administratieIdentifier"]
        await provider.ask("GET", f"relaties/{relation['id']}", status=404)
        assert relation["id"] not in [row["id"] for row in await provider.get("relaties")]
        assert [row["id"] for row in provider.emulator.books()["contacts"]] == [relation["id"]]


async def test_a_wrong_subscription_key_is_told_apart_from_a_wrong_token() -> None:
    async with provided() as provider:
        wrong = await provider.send("GET", "companyInfo", headers={"ocp-apim-subscription-key": "0" * 32})
        assert wrong.status_code == 401
        assert loads(wrong.content) == {
            "statusCode": 401,
            "message": "Access denied due to invalid subscription key. "
            "Make sure to provide a valid key for an active subscription.",
        }
        missing = await provider.send("GET", "companyInfo", headers={"ocp-apim-subscription-key": ""})
        assert "missing subscription key" in loads(missing.content)["message"]
        for bearer in ("Bearer nonsense", "", f"Basic {provider.token}", provider.token):
            refused = await provider.send("GET", "companyInfo", headers={"authorization": bearer})
            assert refused.status_code == 401
            assert loads(refused.content) == {"message": "Authorization has been denied for this request."}
    async with provided(Switches(bearer_refusal="empty")) as provider:
        refused = await provider.send("GET", "companyInfo", headers={"authorization": "Bearer nonsense"})
        assert (refused.status_code, refused.content) == (401, b"")


async def test_either_subscription_key_works_and_may_be_in_the_query() -> None:
    async with provided() as provider:
        second = provider.emulator.secondary_subscription_key()
        answer = await provider.send("GET", "companyInfo", headers={"ocp-apim-subscription-key": second})
        assert answer.status_code == 200
        headers = {"authorization": f"bearer {provider.token}"}
        path = f"/v2/companyInfo?subscription-key={second}"
        assert (await provider.client.get(path, headers=headers)).status_code == 200


async def test_tokens_run_out_and_can_be_made_to() -> None:
    async with provided() as provider:
        provider.clock.advance(3598)
        await provider.get("companyInfo")
        provider.clock.advance(1)
        await provider.ask("GET", "companyInfo", status=401)
        older, newer = await provider.log_in(), await provider.log_in()
        assert older != newer
        for provider.token in (older, newer):
            await provider.get("companyInfo")
        provider.emulator.expire_tokens()
        for provider.token in (older, newer):
            await provider.ask("GET", "companyInfo", status=401)


async def test_a_deleted_coupling_ends_key_and_tokens() -> None:
    async with provided() as provider:
        other = await provider.log_in(provider.emulator.other_credentials()["connection_key"])
        provider.emulator.revoke()
        await provider.ask("GET", "companyInfo", status=401)
        key = quote(provider.emulator.credentials()["connection_key"], safe="")
        assert (await exchange(provider, f"grant_type=clientkey&clientkey={key}"))[0] == 400
        provider.token = other
        await provider.get("companyInfo")


async def test_a_missing_scope_is_403_before_anything_else() -> None:
    async with provided(Switches(scopes=("settings:read", "boekhouden:write"))) as provider:
        await provider.get("companyInfo")
        for method, path in (
            ("GET", "relaties"),
            ("GET", f"relaties/{NOBODY}"),
            ("POST", "relaties"),
            ("POST", "documenten/Verkoopboekingen"),
            ("GET", f"relaties/{NOBODY}/verkoopboekingen"),
        ):
            refused = await provider.send(method, path)
            assert (refused.status_code, refused.content) == (403, b"")
    async with provided(Switches(scope_refusal="message")) as provider:
        assert loads((await provider.send("GET", "btwaangiftes")).content) == {"message": "Forbidden"}


async def test_what_is_no_operation_is_the_gateways_404() -> None:
    async with provided() as provider:
        for method, path in (
            ("GET", "verkoopboekingen"),
            ("GET", "nonsense"),
            ("PATCH", f"relaties/{NOBODY}"),
            ("DELETE", f"grootboeken/{NOBODY}"),
            ("POST", "verkoopfacturen"),
            ("GET", f"relaties/{NOBODY}/nonsense"),
        ):
            answer = await provider.send(method, path)
            assert answer.status_code == 404
            assert loads(answer.content) == {"statusCode": 404, "message": "Resource not found"}
        assert (await provider.client.get("/v1/relaties")).status_code == 404
    async with provided(Switches(unknown_operation="empty")) as provider:
        answer = await provider.send("GET", "verkoopboekingen")
        assert (answer.status_code, answer.content) == (404, b"")


async def test_paths_match_in_any_casing_and_with_a_slash_behind() -> None:
    async with provided() as provider:
        for path in ("CompanyInfo", "COMPANYINFO/", "companyinfo"):
            assert (await provider.get(path))["administratieNaam"] == "Testbureau bv"
        headers = {"ocp-apim-subscription-key": provider.emulator.operator_settings()["subscription_key"]}
        assert await provider.get("echo/Hallo%20daar") == "Hallo daar"
        assert (await provider.client.get("/echo/resource?param1=sample", headers=headers)).status_code == 200
        assert (await provider.client.get("/echo/resource?param1=sample")).status_code == 401


async def test_operations_beyond_the_emulator_say_so() -> None:
    async with provided() as provider:
        assert (await provider.ask("GET", "offertes", status=501))["statusCode"] == 501
        await provider.ask("GET", "artikelen/prijsafspraken", status=501)
        await provider.ask("GET", "grootboekmutaties", status=501, apply="aggregate(Saldo with sum as Totaal)")


async def test_too_many_calls_are_429_and_say_how_long() -> None:
    async with provided(limits=Limits(per_minute=3)) as provider:
        for _call in range(3):
            await provider.get("dagboeken")
            provider.clock.advance(10)
        refused = await provider.send("GET", "dagboeken")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
        assert loads(refused.content) == {
            "statusCode": 429,
            "message": "Rate limit is exceeded. Try again in 30 seconds.",
        }
        provider.clock.advance(29)
        assert (await provider.send("GET", "dagboeken")).headers["retry-after"] == "1"
        provider.clock.advance(1)
        await provider.get("dagboeken")


async def test_an_hour_has_its_own_limit() -> None:
    async with provided(Switches(retry_after=False), limits=Limits(per_minute=5, per_hour=6)) as provider:
        for _call in range(6):
            await provider.get("dagboeken")
            provider.clock.advance(15)
        refused = await provider.send("GET", "dagboeken")
        assert refused.status_code == 429
        assert "retry-after" not in refused.headers
        assert "3510 seconds" in loads(refused.content)["message"]


async def test_a_weeks_quota_is_a_403() -> None:
    async with provided(limits=Limits(per_week=2)) as provider:
        await provider.get("dagboeken")
        provider.clock.advance(1800)
        await provider.get("dagboeken")
        refused = await provider.send("GET", "dagboeken")
        assert refused.status_code == 403
        assert loads(refused.content) == {
            "statusCode": 403,
            "message": "Out of call volume quota. Quota will be replenished in 167:30:00.",
        }


@pytest.mark.parametrize("counts", ["administration", "subscription_key"])
async def test_calls_are_counted_per_administration_or_per_key(counts: str) -> None:
    by_key = counts == "subscription_key"
    switches = Switches(limit_counts="subscription_key" if by_key else "administration")
    async with provided(switches, limits=Limits(per_minute=1)) as provider:
        await provider.get("dagboeken")
        second = {"ocp-apim-subscription-key": provider.emulator.secondary_subscription_key()}
        answer = await provider.send("GET", "dagboeken", headers=second)
        assert answer.status_code == (200 if by_key else 429)
        provider.token = await provider.log_in(provider.emulator.other_credentials()["connection_key"])
        await provider.ask("GET", "dagboeken", status=429 if by_key else 200)
