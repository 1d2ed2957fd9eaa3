"""Payments: with an invoice and on their own."""

import pytest

from adapters.rompslomp.emulator import Switches
from gateway.contract.exact import Json
from tests.adapters.rompslomp.emulated import Provider, provided


async def pay(provider: Provider, invoice: Json, *amounts: str) -> Json:
    bank = await provider.bank()
    payments = [{"amount": amount, "paid_at": "2024-03-01 00:00:00 +0100", "account_id": bank} for amount in amounts]
    body = {"sales_invoice": {"payments": payments}}
    return (await provider.ask("PATCH", f"sales_invoices/{invoice['id']}", body))["sales_invoice"]


async def payments(provider: Provider, selection: str = "") -> list[Json]:
    query = f"?selection={selection}" if selection else ""
    found: list[Json] = (await provider.ask("GET", f"payments{query}"))["payments"]
    return found


async def test_an_invoice_is_paid_in_parts() -> None:
    async with provided() as provider:
        invoice = await provider.invoice(_publish=True)
        part = await pay(provider, invoice, "100.01")
        assert (part["payment_status"], part["open_amount"]) == ("unpaid", "262.99")
        whole = await pay(provider, part, "62.99", "200")
        assert (whole["payment_status"], whole["open_amount"]) == ("paid", "0.0")
        assert "payments" not in whole
        assert [payment["amount"] for payment in await payments(provider, "all")] == ["200.0", "62.99", "100.01"]


async def test_an_invoice_may_be_made_with_its_payment() -> None:
    async with provided() as provider:
        paid = {"amount": 363, "paid_at": "2024-03-02", "account_path": "activa.current_assets.liquid_assets.cash"}
        invoice = await provider.invoice(payments=[paid])
        assert (invoice["status"], invoice["payment_status"], invoice["open_amount"]) == ("concept", "paid", "0.0")


async def test_too_much_counts_as_just_paid_as_recorded() -> None:
    async with provided() as provider:
        invoice = await pay(provider, await provider.invoice(), "363.0", "363.0")
        assert (invoice["payment_status"], invoice["open_amount"]) == ("paid", "0.0")
    async with provided(Switches(overpayment="overpaid")) as provider:
        invoice = await pay(provider, await provider.invoice(_publish=True), "363.0", "363.0")
        assert (invoice["payment_status"], invoice["open_amount"]) == ("overpaid", "-363.0")
        listed = await provider.ask("GET", "sales_invoices?selection=overpaid")
        assert listed["sales_invoices"] == [invoice]


async def test_a_credit_is_repaid_with_a_negative_payment() -> None:
    async with provided() as provider:
        credit = await provider.invoice([{"price_per_unit": "-75.0", "quantity": "4.0"}], _publish=True)
        assert (credit["price_with_vat"], credit["open_amount"]) == ("-363.0", "-363.0")
        part = await pay(provider, credit, "-163.0")
        assert (part["payment_status"], part["open_amount"]) == ("unpaid", "-200.0")
        whole = await pay(provider, part, "-200.0")
        assert (whole["payment_status"], whole["open_amount"]) == ("paid", "0.0")


async def test_a_payment_of_an_invoice_leaves_the_default_list() -> None:
    async with provided() as provider:
        await pay(provider, await provider.invoice(), "1.0")
        body = {"amount": "19.95", "paid_at": "2024-03-01", "account_id": await provider.bank(), "description": "Toner"}
        loose = (await provider.ask("POST", "payments", {"payment": body}))["payment"]
        assert loose["paid_at"] == "2024-03-01T00:00:00.000+01:00"
        assert await payments(provider) == [loose]
        assert [payment["amount"] for payment in await payments(provider, "booked")] == ["1.0"]
        assert len(await payments(provider, "all")) == 2
        for payment in await payments(provider, "all"):
            assert payment.keys() == {"id", "amount", "description", "account_id", "account_path", "paid_at"}
    async with provided(Switches(invoice_payments_unbooked=True)) as provider:
        await pay(provider, await provider.invoice(), "1.0")
        assert len(await payments(provider)) == 1


async def test_deleting_or_changing_a_payment_reopens_its_invoice() -> None:
    async with provided() as provider:
        invoice = await pay(provider, await provider.invoice(), "363.0")
        payment = (await payments(provider, "all"))[0]
        changed = await provider.ask("PATCH", f"payments/{payment['id']}", {"payment": {"amount": 300}})
        assert changed["payment"] == {**payment, "amount": "300.0"}
        path = f"sales_invoices/{invoice['id']}"
        assert (await provider.ask("GET", path))["sales_invoice"]["open_amount"] == "63.0"
        await provider.ask("DELETE", f"payments/{payment['id']}")
        assert (await provider.ask("GET", path))["sales_invoice"]["payment_status"] == "unpaid"


async def test_the_other_selections() -> None:
    async with provided(populated=True) as provider:
        everything = await provider.listed("payments", "selection=all")
        this_year = await provider.listed("payments", "selection=all_in_current_bookyear")
        manual = await provider.listed("payments", "selection=manual")
        assert {payment["paid_at"][:4] for payment in this_year} == {"2024"}
        assert 0 < len(this_year) < len(everything)
        assert 0 < len(manual) < len(everything)
        assert await provider.listed("payments", "selection=duplicate_bank_mutations") == []
        body = {"amount": "5.0", "paid_at": "2024-03-01", "account_id": await provider.bank()}
        for _ in range(2):
            await provider.ask("POST", "payments", {"payment": body})
        assert len(await provider.listed("payments", "selection=duplicate_bank_mutations")) == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2024-03-01 00:00:00 +0100", "2024-03-01T00:00:00.000+01:00"),
        ("2024-07-01", "2024-07-01T00:00:00.000+02:00"),
        ("2024-07-01T22:30:00Z", "2024-07-02T00:30:00.000+02:00"),
        ("2024-03-31T03:00:00.000+02:00", "2024-03-31T03:00:00.000+02:00"),
    ],
)
async def test_moments_are_amsterdams(text: str, shown: str) -> None:
    async with provided() as provider:
        body = {"amount": "1.0", "paid_at": text, "account_id": await provider.bank()}
        assert (await provider.ask("POST", "payments", {"payment": body}))["payment"]["paid_at"] == shown


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"amount": None}, "Bedrag moet opgegeven zijn."),
        ({"amount": "1,50"}, "Bedrag is geen getal."),
        ({"paid_at": "gisteren"}, "Betaaldatum moet opgegeven zijn."),
        ({"account_id": None}, "Rekening moet opgegeven zijn."),
        ({"account_id": 1}, "Account moet bestaan."),
    ],
)
async def test_what_is_wrong_with_a_payment(attributes: dict[str, object], sentence: str) -> None:
    async with provided() as provider:
        body = {"amount": "1.0", "paid_at": "2024-03-01", "account_id": await provider.bank(), **attributes}
        error = await provider.error("POST", "payments", {"payment": body})
        assert error == ("client.parameters.validation", f"Betaling is invalid: {sentence}")


async def test_a_payment_may_go_without_account_where_the_switch_says_so() -> None:
    async with provided(Switches(payment_needs_account=False)) as provider:
        body = {"payment": {"amount": "1.0", "paid_at": "2024-03-01"}}
        made = (await provider.ask("POST", "payments", body))["payment"]
        assert (made["account_id"], made["account_path"]) == (None, None)


async def test_payments_of_a_deleted_concept_become_unbooked() -> None:
    async with provided() as provider:
        invoice = await pay(provider, await provider.invoice(), "1.0")
        assert await payments(provider) == []
        await provider.ask("DELETE", f"sales_invoices/{invoice['id']}")
        assert [payment["amount"] for payment in await payments(provider)] == ["1.0"]
