"""Quotations, expenses and journal entries beyond the recorded examples."""

from adapters.rompslomp.emulator import Switches
from tests.adapters.rompslomp.emulated import provided

BANK = "activa.current_assets.liquid_assets.bank"
MISC = "profit.costs.other_costs.misc"
LINE = {"description": "some", "price_per_unit": "10.0"}


async def test_quotations_are_dated_searched_and_deleted() -> None:
    async with provided(Switches(quotation_api_reference=True)) as provider:
        contact = await provider.contact()
        body = {"contact_id": contact, "date": "2024-02-01", "api_reference": "q-1", "invoice_lines": [LINE]}
        old = (await provider.ask("POST", "quotations", {"quotation": body}))["quotation"]
        new = (await provider.ask("POST", "quotations", {"quotation": {"contact_id": contact}}))["quotation"]

        async def found(query: str) -> list[int]:
            return [each["id"] for each in (await provider.ask("GET", f"quotations?{query}"))["quotations"]]

        assert await found("search[from]=2024-02-02") == [new["id"]]
        assert await found("search[till]=2024-02-01") == [old["id"]]
        assert await found(f"search[contact_id]={contact}") == [new["id"], old["id"]]
        assert await found("search[api_reference]=q-1") == [old["id"]]
        assert await found("selection=published") == []
        path = f"quotations/{old['id']}"
        _, message = await provider.error("PATCH", path, {"quotation": {"date": None}})
        assert message == "Offerte is invalid: Offertedatum moet opgegeven zijn."
        assert (await provider.ask("GET", path))["quotation"] == old
        await provider.ask("DELETE", path)
        assert await found("") == [new["id"]]


async def test_expenses_take_an_inline_contact_and_have_selections() -> None:
    async with provided() as provider:
        accounts = await provider.ask("GET", f"accounts?selection=costs&search[paths][]={MISC}")
        body = {
            "type_account_id": accounts["accounts"][0]["id"],
            "contact": {"company_name": "Groothandel B.V.", "is_supplier": True},
            "invoice_lines": [LINE],
        }
        made = (await provider.ask("POST", "expenses", {"expense": body}))["expense"]
        assert made["cached_contact"]["contact_number"] == "L00001"
        credit = {**body, "invoice_lines": [{**LINE, "price_per_unit": "-10.0"}], "date": "2024-02-01"}
        back = (await provider.ask("POST", "expenses", {"expense": {**credit, "contact": None}}))["expense"]

        async def found(query: str) -> list[int]:
            return [each["id"] for each in (await provider.ask("GET", f"expenses?{query}"))["expenses"]]

        assert await found("selection=credit_invoices") == [back["id"]]
        assert await found("selection=overpaid") == []
        assert await found("search[from]=2024-02-02") == [made["id"]]
        path = f"expenses/{made['id']}"
        _, message = await provider.error("PATCH", path, {"expense": {"date": None}})
        assert message == "Uitgave is invalid: Factuurdatum moet opgegeven zijn."
        _, message = await provider.error("PATCH", path, {"expense": {"state": "lost"}})
        assert message == "Uitgave is invalid: State is niet in de lijst opgenomen."
        await provider.ask("DELETE", path)
        assert await found("") == [back["id"]]


async def test_a_journal_entry_changes_line_by_line_and_stays_in_balance() -> None:
    async with provided() as provider:
        sides = [{"account_path": BANK, "credit_amount": "50.0"}, {"account_path": MISC, "debit_amount": "50.0"}]
        body = {"journal_entry": {"date": "2024-03-02", "lines": sides}}
        made = (await provider.ask("POST", "journal_entries", body))["journal_entry"]
        path = f"journal_entries/{made['id']}"
        credit, debit = (line["id"] for line in made["lines"])
        half = [{"id": debit, "debit_amount": "30.0"}]
        _, message = await provider.error("PATCH", path, {"journal_entry": {"lines": half}})
        assert message == "Boeking is invalid: Boeking is niet in balans."
        assert (await provider.ask("GET", path))["journal_entry"] == made
        split = [*half, {"account_path": MISC, "debit_amount": "20.0"}]
        changed = (await provider.ask("PATCH", path, {"journal_entry": {"lines": split}}))["journal_entry"]
        assert [line["debit_amount"] for line in changed["lines"]] == [None, "30.0", "20.0"]
        gone = [{"id": line["id"], "_destroy": True} for line in changed["lines"]]
        assert (await provider.ask("PATCH", path, {"journal_entry": {"lines": gone}}))["journal_entry"]["lines"] == []
        await provider.error("PATCH", path, {"journal_entry": {"lines": [{"id": credit}]}}, status=404)
        await provider.ask("DELETE", path)
        assert (await provider.ask("GET", "journal_entries")) == {"journal_entries": []}
