"""The lifelike books, the oracle, and faults."""

from collections import Counter
from decimal import Decimal

import httpx2
import pytest

from adapters.rompslomp.emulator import Emulator, Switches
from gateway.contract.emulator import Fault
from gateway.contract.exact import MalformedJson, loads
from tests.adapters.rompslomp.emulated import provided
from tests.house import ManualClock


async def test_the_books_are_lifelike() -> None:
    async with provided(populated=True) as provider:
        books = provider.emulator.books()
        sizes = {name: len(records) for name, records in books.items()}
        assert (sizes["contacts"], sizes["products"], sizes["invoices"]) == (220, 40, 120)
        assert sizes["payments"] > 100
        kinds = Counter((invoice["status"], invoice["payment_status"]) for invoice in books["invoices"])
        assert kinds[("concept", "unpaid")] == 12
        assert kinds[("imported", "paid")] == 2
        assert kinds[("published", "paid")] > 50
        assert kinds[("published", "unpaid")] > 20
        dates = [invoice["date"] for invoice in books["invoices"]]
        assert dates == sorted(dates)
        assert dates[-1] == "2024-03-02"
        assert "2023-01-01" < dates[0] < "2023-03-02"
        numbers = [invoice["invoice_number"] for invoice in books["invoices"] if invoice["invoice_number"]]
        assert len(set(numbers)) == len(numbers) == 108


async def test_totals_and_open_amounts_of_the_books_add_up() -> None:
    async with provided(populated=True) as provider:
        books = provider.emulator.books()
        for invoice in books["invoices"]:
            net, vat, gross = (Decimal(invoice[name]) for name in ("price_without_vat", "vat_amount", "price_with_vat"))
            assert net + vat == gross
            for total, name in ((net, "price_without_vat"), (vat, "vat_amount"), (gross, "price_with_vat")):
                assert sum(Decimal(line[name]) for line in invoice["invoice_lines"]) == total
        paid = sum(
            Decimal(row["amount"]) for row in books["payments"] if (row["description"] or "").startswith("Factuur")
        )
        settled = sum(Decimal(row["price_with_vat"]) - Decimal(row["open_amount"]) for row in books["invoices"])
        assert paid == settled


def test_the_books_are_the_same_for_every_seed_and_every_switch() -> None:
    first = Emulator(ManualClock(), seed=1)
    second = Emulator(ManualClock(), seed=2, switches=Switches(product_code_charset="alphanumeric"))
    first.populate()
    second.populate()
    assert first.books() == second.books()
    assert first.credentials() != second.credentials()


async def test_the_books_are_what_the_api_shows() -> None:
    async with provided(populated=True) as provider:
        books = provider.emulator.books()
        roots = {"contacts": "contacts", "sales_invoices": "invoices", "products": "products"}
        for root, name in roots.items():
            assert await provider.listed(root) == list(reversed(books[name]))
        assert await provider.listed("payments", "selection=all") == list(reversed(books["payments"]))
        assert await provider.listed("vat_types") == books["vat-codes"]
        assert await provider.listed("accounts", "selection=all") == list(reversed(books["ledger-accounts"]))


async def test_faults_strike_and_the_journal_tells() -> None:
    async with provided() as provider:
        provider.emulator.fail(Fault("status", status=429, headers={"retry-after": "7"}))
        answer = await provider.send("GET", "contacts")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        provider.emulator.fail(Fault("truncated"))
        with pytest.raises(MalformedJson):
            loads((await provider.send("GET", "contacts")).content)
        body = {"contact": {"company_name": "Geboekt B.V."}}
        provider.emulator.fail(Fault("lost"))
        with pytest.raises(ConnectionResetError):
            await provider.send("POST", "contacts", body)
        assert [contact["name"] for contact in provider.emulator.books()["contacts"]] == ["Geboekt B.V."]
        assert [seen.method for seen in provider.emulator.journal] == ["GET", "GET", "POST"]
        assert not any(provider.emulator.is_token_request(seen) for seen in provider.emulator.journal)


async def test_redirect_uris_are_the_registered_ones() -> None:
    emulator = Emulator(ManualClock(), redirect_uris=["https://polder.example/oauth/rompslomp/callback"])
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=emulator), base_url="http://rompslomp.test"
    ) as client:
        asked = {"client_id": emulator.operator_settings()["client_id"], "response_type": "code"}
        for uri, status in (
            ("https://polder.example/oauth/rompslomp/callback", 200),
            ("http://127.0.0.1:8000/oauth/rompslomp/callback", 400),
        ):
            answer = await client.get("/oauth/authorize", params={**asked, "redirect_uri": uri})
            assert answer.status_code == status
