"""One record has one id, in small letters: in capitals it is nobody's, and nothing is asked or done."""

from pathlib import Path
from typing import Any

import pytest

from tests.adapters.snelstart.connected import Books, connected, line


async def made(books: Books) -> dict[str, str]:
    """The id of one record of each kind."""
    contact = await books.contact()
    invoice = await books.invoice(contact["id"])
    return {
        "contacts": contact["id"],
        "invoices": invoice["id"],
        "payments": (await books.pay(invoice, "1.00"))["id"],
        "products": (await books.make("products", {"name": "Meel", "vat_code_id": "hoog-2012-10-01"}))["id"],
        "ledger-accounts": (await books.ask("GET", "ledger-accounts"))["data"][0]["id"],
        "payment-methods": await books.method(),
    }


def capitals(id: str) -> str:
    """The same GUID; what stands before it in the id of a payment stays."""
    kind, dash, guid = id.partition("-") if id.startswith(("bank-", "kas-")) else ("", "", id)
    return f"{kind}{dash}{guid.upper()}"


async def test_a_path_takes_no_capitals(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        ids = await made(books)
        changes: dict[str, Any] = {"contacts": {"phone": "015 2123456"}, "products": {"price": "2.00"}}
        asked: list[tuple[str, str, Any]] = [
            ("GET", f"{resource}/{capitals(id)}", None) for resource, id in ids.items()
        ]
        asked += [("DELETE", f"{name}/{capitals(ids[name])}", None) for name in (*changes, "invoices", "payments")]
        asked += [("PATCH", f"{resource}/{capitals(ids[resource])}", change) for resource, change in changes.items()]
        asked += [("POST", f"invoices/{capitals(ids['invoices'])}/credit", {"number": "C-1"})]
        asked += [("GET", f"invoices/{capitals(ids['invoices'])}/ubl", None)]
        before = books.emulator.books()
        for method, path, body in asked:
            assert (await books.ask(method, path, body, status=404))["code"] == "not_found"
        assert books.emulator.books() == before
        assert (await books.ask("GET", ""))["health"]["state"] == "ok"
        for name, value in (("contact_id", ids["contacts"]), ("invoice_id", ids["invoices"])):
            resource = "payments" if name == "invoice_id" else "invoices"
            assert len((await books.ask("GET", resource, where={name: value}))["data"]) == 1
            assert (await books.ask("GET", resource, where={name: value.upper()}))["data"] == []


@pytest.mark.parametrize(
    ("resource", "pointer"),
    [
        ("invoices", "/contact_id"),
        ("invoices", "/lines/0/product_id"),
        ("invoices", "/lines/0/ledger_account_id"),
        ("payments", "/payment_method_id"),
        ("payments", "/allocations/0/invoice_id"),
    ],
)
async def test_a_body_takes_no_capitals(resource: str, pointer: str, tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        ids = await made(books)
        accounts = (await books.ask("GET", "ledger-accounts", limit="200"))["data"]
        account = next(one["id"] for one in accounts if one["code"] == "8200")
        good = line("domestic_high", product_id=ids["products"], ledger_account_id=account)
        allocation = {"invoice_id": ids["invoices"], "amount": "1.00"}
        body: Any = {"amount": "1.00", "payment_method_id": ids["payment-methods"], "allocations": [allocation]}
        body = body if resource == "payments" else books.draft(ids["contacts"], good)
        *steps, last = pointer.split("/")[1:]
        place = body
        for step in steps:
            place = place[int(step) if step.isdigit() else step]
        place[last] = place[last].upper()
        before = books.emulator.books()
        problem = await books.ask("POST", resource, body, status=422)
        assert (problem["code"], problem["outcome"]) == ("validation_failed", "not_sent")
        assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [(pointer, "not_found")]
        assert books.emulator.books() == before
        place[last] = place[last].lower()
        await books.make(resource, body)


async def test_a_setting_may_be_copied_from_snelstart_in_capitals(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        cash = await books.method("cash")
        settings = {"settings": {"default_payment_method_id": cash.upper()}}
        answer = await books.house.client.patch(f"/v1/connections/{books.connection}", json=settings)
        assert answer.status_code == 200, answer.text
        invoice = await books.invoice((await books.contact())["id"])
        assert (await books.pay(invoice, "1.00", payment_method_id=None))["payment_method_id"] == cash


async def test_what_snelstart_says_in_capitals_is_told_in_small_letters(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        contact = await books.contact()
        row = books.emulator.administration.records["relaties"][contact["id"]]
        row["id"] = row["id"].upper()
        assert (await books.ask("GET", f"contacts/{contact['id']}"))["id"] == contact["id"]
        assert [one["id"] for one in (await books.ask("GET", "contacts"))["data"]] == [contact["id"]]
