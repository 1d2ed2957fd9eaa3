"""Payments: what no entry can be made of is refused before any call, and the caller is told where he said it."""

from pathlib import Path
from typing import Any

import pytest

from adapters.snelstart.emulator import Switches
from tests.adapters.snelstart.connected import Books, connected
from tests.adapters.snelstart.emulated import NOBODY


async def payment(books: Books, amount: str, *parts: str) -> dict[str, Any]:
    """A payment of parts of new invoices."""
    contact = await books.contact()
    allocations = [{"invoice_id": (await books.invoice(contact["id"]))["id"], "amount": part} for part in parts]
    return {"amount": amount, "payment_method_id": await books.method(), "allocations": allocations}


@pytest.mark.parametrize(
    ("amount", "parts", "pointer"),
    [
        ("10.005", ["10.005"], "/amount"),
        ("6.67", ["3.335", "3.335"], "/allocations/0/amount"),
        ("6.67", ["3.34", "3.331"], "/allocations/1/amount"),
        ("0.001", ["0.001"], "/amount"),
    ],
)
async def test_parts_of_a_cent_are_refused_before_any_call(
    amount: str, parts: list[str], pointer: str, tmp_path: Path
) -> None:
    async with connected(tmp_path) as books:
        body = await payment(books, amount, *parts)
        since = len(books.emulator.journal)
        problem = await books.ask("POST", "payments", body, status=422)
        assert (problem["code"], problem["outcome"]) == ("validation_failed", "not_sent")
        assert [error["pointer"] for error in problem["errors"]] == [pointer]
        assert books.heard(since) == []


async def test_noughts_behind_the_cents_are_none_of_them(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        made = await books.make("payments", await payment(books, "10.500", "10.500"))
        assert (made["amount"], made["allocations"][0]["amount"]) == ("10.50", "10.50")


@pytest.mark.parametrize("all_violations", [True, False])
@pytest.mark.parametrize(
    ("parts", "unknown", "pointer"),
    [(["10.00"], 0, "/allocations/0/invoice_id"), (["4.00", "6.00"], 1, "/allocations")],
    ids=["the only one", "one of two"],
)
async def test_an_invoice_that_is_not_there_is_told_where_it_was_named(
    parts: list[str], unknown: int, pointer: str, all_violations: bool, tmp_path: Path
) -> None:
    """It is no 404: nothing in the path is missing."""
    async with connected(tmp_path, Switches(all_violations=all_violations)) as books:
        body = await payment(books, "10.00", *parts)
        body["allocations"][unknown]["invoice_id"] = NOBODY
        problem = await books.ask("POST", "payments", body, status=422)
        assert (problem["code"], problem["outcome"], problem["fix"]) == ("validation_failed", "rejected", "caller")
        assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [(pointer, "not_found")]
        assert problem["upstream"]["code"] == "BOE-0001"
        assert books.emulator.books()["payments"] == []
