"""Payments: what no entry can be made of is refused before any call, and the caller is told where he said it."""

from pathlib import Path
from typing import Any

import pytest

from tests.adapters.snelstart.connected import Books, connected


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
