"""What was made though its answer was lost is recognised, also where nothing in it is the caller's own."""

from pathlib import Path

import pytest

from gateway.contract.emulator import Fault, Seen
from gateway.contract.exact import Json
from tests.adapters.rompslomp.connected import DAY, Connected, connected


def lose(books: Connected) -> None:
    """Let the next write's answer be lost."""

    def is_write(seen: Seen) -> bool:
        return seen.method == "POST" and seen.path.startswith("/api/")

    books.emulator.fail(Fault("lost"), when=is_write)


async def test_a_payment_of_no_invoice_is_known_by_its_mark(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        body: Json = {"amount": "12.50", "paid_on": DAY, "description": "Fooi", "payment_method_id": await books.bank()}
        before = await books.ask("POST", "payments", body)
        lose(books)
        made = await books.ask("POST", "payments", body)
        booked = books.emulator.books()["payments"]
        assert len(booked) == 2
        assert [row["description"].startswith("Fooi [polder:") for row in booked] == [True, True]
        assert made["id"] == str(booked[-1]["id"]) != before["id"]
        assert (made["description"], made["allocations"], made["unallocated"]) == ("Fooi", [], "12.50")


@pytest.mark.parametrize("code", [{}, {"code": "BR-1"}], ids=["no code", "code"])
async def test_a_product_is_known_by_its_code_or_as_the_new_one_of_its_name(tmp_path: Path, code: Json) -> None:
    async with connected(tmp_path) as books:
        body = {"name": "Roggebrood", "price": "2.50", "vat_code_id": await books.vat("domestic_high")}
        older = await books.ask("POST", "products", body)
        lose(books)
        made = await books.ask("POST", "products", {**body, **code})
        assert {str(row["id"]) for row in books.emulator.books()["products"]} == {older["id"], made["id"]}
        assert (made["id"] != older["id"], made["name"]) == (True, "Roggebrood")


async def test_the_refusal_of_a_repeat_is_not_told_as_that_of_the_invoice(tmp_path: Path) -> None:
    """The answer is lost, Rompslomp refuses the repeat as it has the invoice, and it cannot be searched meanwhile."""
    async with connected(tmp_path) as books:
        body, key = await books.draft(finalize=True), {"idempotency-key": "k-1"}
        path = f"/v1/connections/{books.connection}/invoices"
        lose(books)
        books.emulator.fail(
            Fault("status", status=503), times=100, when=lambda seen: "search%5Bapi_reference%5D" in seen.query
        )
        for _ in range(2):
            doubted = await books.house.client.post(path, json=body, headers=key)
            assert doubted.json()["outcome"] == "unknown", doubted.text
        assert [seen.method for seen in books.emulator.journal if seen.path.endswith("/sales_invoices")].count(
            "POST"
        ) == 2
        books.emulator.heal()
        books.house.clock.advance(60)
        told = await books.house.client.post(path, json=body, headers=key)
        assert told.status_code == 201, told.text
        assert [str(row["id"]) for row in books.emulator.books()["invoices"]] == [told.json()["id"]]
