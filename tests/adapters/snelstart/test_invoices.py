"""What SnelStart leaves out of an invoice is told as unknown or refused, and never made up."""

from pathlib import Path
from typing import Any

import pytest

from tests.adapters.snelstart.connected import Books, connected


def factuur(books: Books, invoice: Any) -> Any:
    """The invoice that an entry shows up as, to be changed."""
    administration = books.emulator.administration
    return administration.records["verkoopfacturen"][administration.invoice_of[invoice["id"]]]


@pytest.mark.parametrize("document_type", ["invoice", "credit_note"])
async def test_a_balance_that_is_not_told_is_unknown(document_type: str, tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        contact = await books.contact()
        settled, untold = [
            await books.invoice(contact["id"], document_type=document_type, due_on="2026-03-02") for _ in range(2)
        ]
        await books.pay(settled, "24.20", direction="in" if document_type == "invoice" else "out")
        factuur(books, untold)["openstaandSaldo"] = None
        books.house.clock.advance(7 * 24 * 3600)
        told = await books.read(untold)
        assert (told["payment_status"], told["is_overdue"]) == ("unknown", None)
        assert told["totals"] == {"net": "20.00", "tax": "4.20", "gross": "24.20", "paid": None, "open": None}
        for status, expected in (("unknown", [untold["id"]]), ("paid", [settled["id"]]), ("unpaid", [])):
            found = (await books.ask("GET", "invoices", payment_status=status, include="lines"))["data"]
            assert [one["id"] for one in found] == expected


async def test_an_invoice_whose_balance_is_not_told_is_credited_and_not_settled(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        invoice = await books.invoice((await books.contact())["id"])
        factuur(books, invoice)["openstaandSaldo"] = None
        note = await books.ask("POST", f"invoices/{invoice['id']}/credit", {"number": "C-1"}, status=201)
        assert [warning["code"] for warning in note["warnings"]] == ["not_settled"]
        assert note["totals"]["open"] == "24.20"
        assert books.emulator.administration.records["memoriaalboekingen"] == {}


@pytest.mark.parametrize("include", ["", "lines"])
async def test_an_invoice_of_no_entry_makes_no_sense(include: str, tmp_path: Path) -> None:
    """Its own id would open nothing."""
    async with connected(tmp_path) as books:
        contact = await books.contact()
        invoice, _ = await books.invoice(contact["id"]), await books.invoice(contact["id"])
        factuur(books, invoice)["verkoopBoeking"] = None
        problem = await books.ask("GET", "invoices", status=502, where={"include": include} if include else {})
        assert problem["code"] == "upstream_malformed"
        assert problem["detail"] == "SnelStart's invoice does not say of which sales entry it is."


async def test_what_is_wrong_with_a_credit_note_is_pointed_at_in_what_was_sent(tmp_path: Path) -> None:
    """SnelStart speaks of the entry's lines too, of which the body that credits an invoice has none."""
    async with connected(tmp_path) as books:
        invoice = await books.invoice((await books.contact())["id"])
        body = {"number": "C-1", "issued_on": "0001-01-01"}
        problem = await books.ask("POST", f"invoices/{invoice['id']}/credit", body, status=422)
        assert problem["code"] == "upstream_rejected"
        assert {one["pointer"] for one in problem["errors"]} == {"/issued_on", ""}
