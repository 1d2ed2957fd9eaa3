"""What is booked where one detail of it decides: on which account and day, with which VAT, and whether at all."""

from pathlib import Path

import pytest

from gateway.contract.emulator import Fault
from tests.adapters.snelstart.connected import connected, line


async def test_a_lost_invoice_is_not_taken_for_another_of_its_number(tmp_path: Path) -> None:
    """The number was in use: what bears it is another customer's, or of another amount, and not what was sent."""
    async with connected(tmp_path) as books:
        ours, theirs = await books.contact(), await books.contact(company_name="Een ander")
        for number, contact, fields in (("F-1", theirs, {}), ("F-2", ours, {"unit_price": "99.00"})):
            await books.invoice(contact["id"], line("domestic_high", **fields), number=number)
            books.emulator.fail(Fault("status", 502), when=lambda seen: seen.method == "POST")
            lost = await books.ask("POST", "invoices", books.draft(ours["id"], number=number), status=503)
            assert (lost["outcome"], lost["state"]) == ("unknown", "unknown")


async def test_a_credit_note_is_not_credited(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        note = await books.invoice((await books.contact())["id"], document_type="credit_note")
        problem = await books.ask("POST", f"invoices/{note['id']}/credit", {"number": "C-1"}, status=409)
        assert problem["code"] == "conflict"
        assert len(books.emulator.books()["invoices"]) == 1


async def test_a_domestic_invoice_has_no_line_of_foreign_vat(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        await books.ask("PUT", "raw/companyInfo", {"factureerBuitenlandsBtw": True})
        await books.invoice((await books.contact())["id"])
        (booked,) = books.emulator.books()["invoices"]
        assert [one["omschrijving"] for one in booked["boekingsregels"]] == ["Volkoren brood (2 x 10.00)"]


async def test_a_day_of_payments_is_a_whole_day_and_pages_are_followed(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        invoice = await books.invoice((await books.contact())["id"])
        days = ("2026-03-01", "2026-03-02", "2026-03-03")
        made = [(await books.pay(invoice, "1.00", paid_on=day))["id"] for day in days]
        one_day = await books.ask("GET", "payments", paid_from=days[1], paid_to=days[1])
        assert [one["id"] for one in one_day["data"]] == [made[1]]
        met, cursor = [], {"limit": "2"}
        while cursor:
            page = await books.ask("GET", "payments", where=cursor)
            met += [one["id"] for one in page["data"]]
            cursor = {"limit": "2", "cursor": page["next_cursor"]} if page["next_cursor"] else {}
        assert sorted(met) == sorted(made)


async def test_an_entry_that_settles_no_sale_is_no_payment_and_stays(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        accounts = (await books.ask("GET", "ledger-accounts", limit="200"))["data"]
        costs = next(account["id"] for account in accounts if account["code"] == "4790")
        ledger = {"omschrijving": "Rente", "grootboek": {"id": costs}, "debet": 0, "credit": 5}
        entry = {
            "datum": "2026-03-02T00:00:00",
            "dagboek": {"id": await books.method()},
            "bedragOntvangen": 5,
            "bedragUitgegeven": 0,
            "grootboekBoekingsRegels": [ledger],
        }
        made = await books.ask("POST", "raw/bankboekingen", entry, status=201)
        for method in ("GET", "DELETE"):
            await books.ask(method, f"payments/bank-{made['id']}", status=404)
        assert (await books.ask("GET", f"raw/bankboekingen/{made['id']}"))["id"] == made["id"]


async def test_a_price_of_the_other_basis_is_not_charged_as_it_is(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        product = await books.make("products", {"name": "Meel", "price": "121.00", "vat_code_id": "hoog-2012-10-01"})
        by_product = {"description": "Meel", "product_id": product["id"]}
        contact = await books.contact()
        charged = await books.invoice(contact["id"], by_product)
        assert charged["totals"]["gross"] == "146.41"
        with_tax = await books.invoice(contact["id"], by_product, prices_include_tax=True)
        assert (with_tax["totals"]["gross"], with_tax["lines"][0]["unit_price"]) == ("146.41", "146.41")
        change = {"price_includes_tax": True}
        problem = await books.ask("PATCH", f"products/{product['id']}", change, status=422)
        assert [error["pointer"] for error in problem["errors"]] == ["/price_includes_tax"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"vat_code_id": "laag-1986-10-01"}, "vat_code_id"),
        ({"vat_code_id": "laag-2019-01-01", "vat_rate": "21"}, "vat_rate"),
    ],
)
async def test_a_vat_code_is_that_of_the_day_and_of_its_rate(
    fields: dict[str, str], pointer: str, tmp_path: Path
) -> None:
    async with connected(tmp_path) as books:
        codes = {one["id"] for one in (await books.ask("GET", "vat-codes", limit="200"))["data"]}
        assert fields["vat_code_id"] in codes
        said = {"description": "Brood", "quantity": "1", "unit_price": "10.00", **fields}
        draft = books.draft((await books.contact())["id"], said)
        problem = await books.ask("POST", "invoices", draft, status=422)
        assert [error["pointer"] for error in problem["errors"]] == [f"/lines/0/{pointer}"]


async def test_a_text_that_is_too_long_is_cut_where_that_is_wanted(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        draft = books.draft((await books.contact())["id"], line("domestic_high", description="x" * 251))
        made = await books.ask("POST", "invoices", draft, status=201, on_unsupported="drop")
        assert [len(one["description"]) for one in made["lines"]] == [250 - len(" (2 x 10.00)")]


async def test_the_connections_account_is_for_lines_of_its_vat(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        accounts = (await books.ask("GET", "ledger-accounts", limit="200"))["data"]
        low = next(one["id"] for one in accounts if one["code"] == "8210")
        await books.ask("PATCH", "", {"settings": {"default_ledger_account_id": low}})
        invoice = await books.invoice((await books.contact())["id"], line("domestic_low"), line("domestic_high"))
        assert invoice["lines"][0]["ledger_account_id"] == low
        assert invoice["lines"][1]["ledger_account_id"] != low


async def test_a_connections_account_that_is_not_there_is_told_and_no_other_is_booked_on(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        gone = "0b7e6b9c-3d7e-4f0e-9d64-000000000000"
        await books.ask("PATCH", "", {"settings": {"default_ledger_account_id": gone}})
        draft = books.draft((await books.contact())["id"], line("domestic_high"))
        problem = await books.ask("POST", "invoices", draft, status=422)
        assert [(one["pointer"], one["code"]) for one in problem["errors"]] == [
            ("/lines/0/ledger_account_id", "not_found")
        ]
        assert "default_ledger_account_id" in problem["detail"]
        assert books.emulator.books()["invoices"] == []


async def test_what_settles_a_credit_note_is_of_its_own_day(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        invoice = await books.invoice((await books.contact())["id"], issued_on="2026-03-02")
        body = {"number": "C-1", "issued_on": "2026-04-01"}
        await books.ask("POST", f"invoices/{invoice['id']}/credit", body, status=201)
        (settling,) = books.emulator.administration.records["memoriaalboekingen"].values()
        assert settling["datum"][:10] == "2026-04-01"
