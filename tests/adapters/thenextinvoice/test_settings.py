"""VAT codes, ledger accounts, payment methods, the company, and who may reach which."""

from datetime import date

import pytest

from adapters.thenextinvoice import ADAPTER
from gateway.contract.adapter import Resource
from gateway.contract.emulator import Fault
from gateway.contract.models import Company
from gateway.contract.secret import Secret
from tests.adapters.thenextinvoice.connected import connected


async def test_vat_codes_are_all_for_selling() -> None:
    async with connected() as books:
        listed = await books.listed("vat-codes")
        assert [int(one.id) for one in listed] == sorted(books.emulator.company.vat_codes)
        assert [one.rate for one in listed] == ["0", "9", "21", "0", "0", "0", "0", "6"]
        assert await books.listed("vat-codes", direction="sale", on=date(2026, 3, 2)) == listed
        with books.calls(0):
            assert await books.listed("vat-codes", direction="purchase") == []


@pytest.mark.parametrize("resource", ["vat-codes", "ledger-accounts", "payment-methods"])
async def test_one_of_a_list_is_found_by_its_id(resource: str) -> None:
    async with connected() as books:
        own: Resource[object, object] = ADAPTER.resources[resource]  # type: ignore[type-var]  # any of the three
        listed = await books.listed(resource)
        assert listed
        for one in listed:
            assert (await own.get(books.up(), one.id)).item == one
        assert [one.id for one in await books.listed(resource, size=2)] == [one.id for one in listed]
        await books.refused("not_found", own.get(books.up(), "987654"))


async def test_no_payment_methods_are_an_empty_list() -> None:
    """The documentation answers 404 "No payment methods found"."""
    async with connected() as books:
        books.emulator.company.payment_methods.clear()
        assert await books.listed("payment-methods") == []


async def test_the_company_says_what_its_default_profile_prints() -> None:
    async with connected() as books:
        own = ADAPTER.resources["company"]
        company: Company = (await own.get(books.up(), str(books.emulator.company.id))).item
        assert company.name == books.emulator.company.name
        assert company.vat_number == books.emulator.company.default_profile["vatNumber"]
        assert company.address is not None
        assert company.address.line1 == "Zaagmolenkade 14"
        await books.refused("company_not_accessible", own.get(books.up(), "987654"))


async def test_a_log_in_reaches_all_of_its_companies() -> None:
    async with connected(password=True) as books:
        reached = await ADAPTER.companies(books.up())
        assert [(one.id, one.accessible) for one in reached] == [
            (str(books.emulator.company.id), True),
            (str(books.emulator.second.id), True),
        ]


async def test_a_log_in_works_in_the_company_of_its_connection() -> None:
    async with connected(password=True) as books:
        second = str(books.emulator.second.id)
        mine = await books.contact()
    async with connected(password=True, company_id=second) as books:
        theirs = await books.contact()
        assert int(theirs.id) in books.emulator.second.customers
        assert books.emulator.company.customers == {}
        assert mine.name == theirs.name


@pytest.mark.parametrize("token_exp", [True, False])
async def test_a_token_is_bought_again_when_it_is_refused(token_exp: bool) -> None:
    async with connected(password=True, token_exp=token_exp) as books:
        await books.contact()
        assert books.link.token is not None
        ends = books.link.token.expires_at
        assert ends is not None
        assert (ends - books.clock.now()).total_seconds() == (3600 if token_exp else 600)
        books.emulator.expire_tokens()
        await books.contact()
        assert len(books.emulator.company.customers) == 2
        assert len([target for target in books.sent("POST") if target.endswith("/session/jwt")]) == 2


async def test_a_wrong_password_is_asked_for_once() -> None:
    async with connected(password=True) as books:
        books.link.credentials = {**books.link.credentials, "password": "verkeerd"}
        await books.refused("credentials_rejected", ADAPTER.companies(books.up()))
        assert len(books.link.requests) == 1


async def test_an_api_token_reaches_the_company_it_was_made_in() -> None:
    async with connected() as books:
        reached = await ADAPTER.companies(books.up())
        assert [(one.id, one.accessible) for one in reached] == [(str(books.emulator.company.id), True)]


@pytest.mark.parametrize(("named", "own"), [("Tweede", "2"), ("Derde", "1")])
async def test_an_api_token_of_several_companies_is_placed_by_name(named: str, own: str) -> None:
    """The emulator lists one company to an API token; the documentation speaks of all that the user can reach."""
    async with connected() as books:
        for path, body in (
            ("/company", b'{"success":true,"data":[{"id":1,"name":"Eerste"},{"id":2,"name":"Tweede"}]}'),
            ("/preferences", b'{"success":true,"data":{"company_name":"%s"}}' % named.encode()),
        ):
            fault = Fault("status", headers={"content-type": "application/json"}, body=body)
            books.emulator.fail(fault, when=lambda seen, path=path: seen.path.endswith(path))  # type: ignore[misc]  # bound by a default
        reached = await ADAPTER.companies(books.up())
        assert {one.id: one.accessible for one in reached} == {"1": own == "1", "2": own == "2"}


async def test_an_api_token_goes_in_its_own_header() -> None:
    async with connected() as books:
        await ADAPTER.companies(books.up())
        seen = books.emulator.journal[-1]
        assert seen.headers["x-api-token"] == books.link.credentials["api_token"]
        assert "authorization" not in seen.headers


async def test_no_credential_is_ever_shown() -> None:
    async with connected(password=True) as books:
        await books.contact()
        assert books.link.credentials["password"] not in repr(books.link.token)
        assert isinstance(books.link.token and books.link.token.value, Secret)
