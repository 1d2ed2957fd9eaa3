"""Who may do what: tokens, scopes, roles, plans and pace."""

import pytest

from adapters.rompslomp.emulator import Switches
from gateway.contract.exact import loads
from tests.adapters.rompslomp.emulated import provided

SCOPE_OF = {
    "contacts": "manage:contacts",
    "sales_invoices": "manage:sales_invoices",
    "products": "manage:products",
    "payments": "manage:payments",
    "vat_types": "public",
    "templates": "public",
    "accounts?selection=all": "read:accounts",
    "quotations": "manage:quotations",
    "expenses": "manage:expenses",
    "journal_entries": "manage:journal_entries",
}


@pytest.mark.parametrize(("path", "scope"), SCOPE_OF.items())
async def test_each_resource_opens_with_its_own_scope_only(path: str, scope: str) -> None:
    async with provided() as provider:
        right = provider.emulator.personal_token(scope)
        wrong = provider.emulator.personal_token(*(other for other in set(SCOPE_OF.values()) if other != scope))
        assert (await provider.send("GET", path, token=right)).status_code == 200
        answer = await provider.send("GET", path, token=wrong)
        assert answer.status_code == 403
        assert loads(answer.content)["error"]["type"] == "client.authorization.invalid_scope"
        assert 'error="invalid_scope"' in answer.headers["www-authenticate"]
        assert f'scope "{scope}"' in answer.headers["www-authenticate"]


async def test_me_and_companies_have_scopes_too() -> None:
    async with provided() as provider:
        nobody = provider.emulator.personal_token("manage:contacts")
        for path, scope in {"/api/v1/me": "read:me", "/api/v1/companies": "public"}.items():
            assert (await provider.send("GET", path, token=nobody)).status_code == 403
            assert (await provider.send("GET", path, token=provider.emulator.personal_token(scope))).status_code == 200


async def test_companies_show_what_role_and_token_allow_together() -> None:
    async with provided() as provider:
        token = provider.emulator.personal_token("public", "manage:sales_invoices")
        answer = await provider.send("GET", "/api/v1/companies", token=token)
        shown = {str(company["id"]): company["access_control"] for company in loads(answer.content)["companies"]}
        both = ["public", "manage:sales_invoices"]
        assert shown == {
            provider.emulator.company_id: {"api_accessible": True, "allowed_scopes": both},
            provider.emulator.limited_company_id: {"api_accessible": True, "allowed_scopes": ["public"]},
            provider.emulator.free_company_id: {"api_accessible": False, "allowed_scopes": both},
        }


async def test_a_role_without_invoices_denies_them_whatever_the_token_says() -> None:
    async with provided() as provider:
        limited = provider.emulator.limited_company_id
        answer = await provider.send("GET", "sales_invoices", company=limited)
        assert answer.status_code == 403
        assert loads(answer.content)["error"]["type"] == "client.authorization.access_denied"
        assert (await provider.send("GET", "contacts", company=limited)).status_code == 200


@pytest.mark.parametrize("status", [401, 403])
async def test_a_company_without_api_denies_everything(status: int) -> None:
    async with provided(Switches(no_api_access_status=401 if status == 401 else 403)) as provider:
        for path in SCOPE_OF:
            answer = await provider.send("GET", path, company=provider.emulator.free_company_id)
            assert answer.status_code == status


async def test_a_company_that_is_not_the_users_does_not_exist() -> None:
    async with provided() as provider:
        answer = await provider.send("GET", "contacts", company="1")
        assert answer.status_code == 404
        assert loads(answer.content)["error"]["type"] == "client.not_found.resource"


async def test_records_of_one_company_do_not_show_in_another() -> None:
    async with provided() as provider:
        contact = await provider.contact()
        other = provider.emulator.limited_company_id
        assert (await provider.send("GET", f"contacts/{contact}", company=other)).status_code == 404
        assert loads((await provider.send("GET", "contacts", company=other)).content) == {"contacts": []}


async def test_no_token_or_a_wrong_one_is_401() -> None:
    async with provided() as provider:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic wrong"}):
            answer = await provider.client.get("/api/v1/me", headers=headers)
            assert answer.status_code == 401
            assert loads(answer.content) == {
                "error": {
                    "message": "Het toegangstoken is ongeldig",
                    "type": "client.authentication.invalid_token",
                }
            }
            assert answer.headers["www-authenticate"] == (
                'Bearer realm="Rompslomp API v1", error="invalid_token", '
                'error_description="Het toegangstoken is ongeldig"'
            )


async def test_payments_with_an_invoice_need_their_own_scope() -> None:
    async with provided() as provider:
        invoice = await provider.invoice()
        token = provider.emulator.personal_token("manage:sales_invoices")
        payments = [{"amount": "363.0", "paid_at": "2024-03-01", "account_id": await provider.bank()}]
        path = f"sales_invoices/{invoice['id']}"
        answer = await provider.send("PATCH", path, {"sales_invoice": {"payments": payments}}, token=token)
        assert answer.status_code == 403
        shown = await provider.ask("GET", path)
        assert shown["sales_invoice"]["open_amount"] == "363.0"


async def test_what_public_opens_is_a_switch() -> None:
    async with provided(Switches(general_data_needs_public=False, public_opens_accounts=True)) as provider:
        contacts_only = provider.emulator.personal_token("manage:contacts")
        public = provider.emulator.personal_token("public")
        assert (await provider.send("GET", "vat_types", token=contacts_only)).status_code == 200
        assert (await provider.send("GET", "accounts?selection=all", token=public)).status_code == 200


async def test_too_many_requests_wait_for_the_minute_to_pass() -> None:
    async with provided(Switches(requests_per_minute=2)) as provider:
        assert (await provider.send("GET", "/api/v1/me")).status_code == 200
        provider.clock.advance(20)
        assert (await provider.send("GET", "/api/v1/me")).status_code == 200
        answer = await provider.send("GET", "/api/v1/me")
        assert answer.status_code == 429
        assert loads(answer.content)["error"]["type"] == "client.rate_limit"
        wait = int(answer.headers["retry-after"])
        assert wait == 40
        provider.clock.advance(wait)
        assert (await provider.send("GET", "/api/v1/me")).status_code == 200


async def test_a_company_is_made_by_its_owner_and_deleted_by_nobody_else() -> None:
    async with provided() as provider:
        token = provider.emulator.personal_token("manage:companies")
        body = {"company": {"name": "Sirius Cybernetics", "type": "bv", "vat_number": "NL123456789B01"}}
        answer = await provider.send("POST", "/api/v1/companies", body, token=token)
        made = loads(answer.content)["company"]
        assert answer.status_code == 201
        assert made["access_control"] == {"api_accessible": True, "allowed_scopes": ["manage:companies"]}
        assert (await provider.send("GET", "vat_types", company=str(made["id"]))).status_code == 200
        assert (await provider.send("DELETE", f"/api/v1/companies/{made['id']}", token=token)).status_code == 204
        assert (await provider.send("GET", "vat_types", company=str(made["id"]))).status_code == 404
        other = provider.emulator.limited_company_id
        assert (await provider.send("DELETE", f"/api/v1/companies/{other}", token=token)).status_code == 403
        refused = await provider.error("POST", "/api/v1/companies", {"company": {"city": "Utrecht"}})
        assert refused == ("client.parameters.validation", "Onderneming is invalid: Bedrijfsnaam moet opgegeven zijn.")
