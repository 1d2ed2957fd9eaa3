"""What the adapter decides for the caller is told by a dry run, of a new invoice and of a changed one alike."""

from pathlib import Path
from typing import Any

import pytest

from tests.adapters.thenextinvoice.opened import LINE, opened

ONE = {"net": "100.00", "tax": "21.00", "gross": "121.00"}
TWO = {"net": "200.00", "tax": "42.00", "gross": "242.00"}


@pytest.mark.parametrize(
    ("change", "totals", "defaulted"),
    [
        ({"notes": "Bel eerst"}, ONE, []),
        ({"lines": [LINE, LINE]}, TWO, ["/lines/0/ledger_account_id", "/lines/1/ledger_account_id"]),
        ({"due_on": None}, ONE, ["/due_on"]),
    ],
    ids=["notes", "lines", "due date"],
)
async def test_of_a_change(tmp_path: Path, change: dict[str, Any], totals: object, defaulted: list[str]) -> None:
    async with opened(tmp_path) as gateway:
        draft = await gateway.invoice(due_on="2026-05-01")
        told = await gateway.done("PATCH", f"invoices/{draft['id']}", change, dry_run="true")
        assert told["totals"] == totals
        assert [one["pointer"] for one in told["defaulted"]] == defaulted
        due_on = told["requests"][0]["body"]["meta"]["dueDate"]
        assert due_on == ("2026-03-16" if "due_on" in change else "2026-05-01")
        changed = await gateway.done("PATCH", f"invoices/{draft['id']}", change)
        assert {name: changed["totals"][name] for name in ONE} == totals
        assert changed["due_on"] == due_on


async def test_of_a_new_invoice(tmp_path: Path) -> None:
    async with opened(tmp_path) as gateway:
        told = await gateway.done("POST", "invoices", await gateway.draft(issued_on="2026-03-02"), dry_run="true")
        assert told["totals"] == ONE
        by_pointer = {one["pointer"]: one["value"] for one in told["defaulted"]}
        assert by_pointer["/due_on"] == told["requests"][0]["body"]["meta"]["dueDate"] == "2026-03-16"
        given = await gateway.draft(issued_on="2026-03-02", due_on="2026-05-01")
        told = await gateway.done("POST", "invoices", given, dry_run="true")
        assert "/due_on" not in {one["pointer"] for one in told["defaulted"]}
