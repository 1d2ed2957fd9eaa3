"""Invoices that are hard to book right: VAT of every kind, totals to the cent, and no invoice twice."""

from pathlib import Path

import pytest

from gateway.contract.emulator import Fault
from gateway.contract.exact import Json
from tests.adapters.rompslomp.connected import connected


def line(price: str, treatment: str = "domestic_high", **fields: object) -> Json:
    return {"description": "Iets", "unit_price": price, "vat_treatment": treatment, **fields}


@pytest.mark.parametrize("rounding", ["per_line", "per_rate_total"])
async def test_vat_of_every_kind_is_booked_to_the_cent(tmp_path: Path, rounding: str) -> None:
    async with connected(tmp_path, vat_rounding=rounding) as books:
        contact = await books.contact(address={"country": "DE"}, vat_number="DE123456789")
        final = await books.final(
            line("19.99", quantity="0.333"),
            line("4.10", "domestic_low", quantity="3"),
            line("100", "reverse_charge"),
            line("7.5", "exempt"),
            contact_id=contact,
        )
        # 6.66 + 12.30 + 100 + 7.50; 1.40 + 1.11
        assert final["totals"] | {"paid": "", "open": ""} == {
            "net": "126.46", "tax": "2.51", "gross": "128.97", "paid": "", "open": ""
        }  # fmt: skip
        groups = {one["category"]: (one["rate"], one["base"], one["tax"]) for one in final["tax_breakdown"]}
        assert (groups["AE"], groups["E"]) == (("0", "100.00", "0.00"), ("0", "7.50", "0.00"))
        (row,) = [one for one in books.emulator.books()["invoices"] if str(one["id"]) == final["id"]]
        assert (row["vat_number"], row["distance_sale"]) == ("DE123456789", False)


@pytest.mark.parametrize("label", ["country_name", "country_code"])
@pytest.mark.parametrize("name", ["vat_high", "vat_custom"])
async def test_german_vat_is_a_distance_sale(tmp_path: Path, label: str, name: str) -> None:
    async with connected(tmp_path, foreign_vat_label=label, foreign_vat_name=name) as books:
        final = await books.final(line("100", "oss", vat_country="DE"))
        assert (final["totals"]["tax"], final["lines"][0]["vat_rate"]) == ("19.00", "19")
        (row,) = [one for one in books.emulator.books()["invoices"] if str(one["id"]) == final["id"]]
        assert row["distance_sale"] is True


async def test_reversed_vat_without_a_vat_number_points_at_the_customer(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        contact = await books.contact(vat_number=None)
        draft = await books.draft(line("100", "reverse_charge"), contact_id=contact)
        problem = await books.refused(422, "upstream_rejected", "POST", "invoices", draft)
        assert [one["pointer"] for one in problem["errors"]] == ["/contact_id"]
        assert problem["upstream"]["message_en"] == "Invoice is invalid: VAT number must be given."
        assert problem["outcome"] == "rejected"


async def test_prices_with_vat_book_to_the_cent_or_say_by_how_much_not(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        exact = await books.final(line("230.00"), line("1.09", "domestic_low"), prices_include_tax=True)
        assert (exact["totals"]["gross"], "warnings" in exact) == ("231.09", False)
        assert exact["lines"][0]["unit_price"] == "190.08264"
        off = await books.final(line("10.00"), prices_include_tax=True)
        assert off["totals"]["gross"] == "9.99"
        assert [one["code"] for one in off["warnings"]] == ["totals_differ"]
        assert "10.00" in off["warnings"][0]["detail"]
        draft = await books.draft(line("10.00"), prices_include_tax=True, expected_totals={"gross": "10.00"})
        await books.refused(422, "totals_mismatch", "POST", "invoices", draft)


async def test_a_rounding_line_makes_prices_with_vat_exact(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        accounts = (await books.ask("GET", "ledger-accounts?limit=200"))["data"]
        account = next(one["id"] for one in accounts if one["name"] == "Afrondingsverschillen")
        await books.ask("PATCH", "", {"settings": {"rounding_ledger_account_id": account}})
        made = await books.final(line("10.00"), prices_include_tax=True, on_rounding="add_line")
        assert (made["totals"]["gross"], "warnings" in made) == ("10.00", False)
        assert (made["lines"][1]["description"], made["lines"][1]["ledger_account_id"]) == ("Afronding", account)


@pytest.mark.parametrize(
    ("rounding", "makes", "other"), [("per_line", "0.12", "0.11"), ("per_rate_total", "0.11", "0.12")]
)
async def test_only_a_concept_tells_how_it_rounds(tmp_path: Path, rounding: str, makes: str, other: str) -> None:
    """Three lines of 0.03: 3 x 0.01 of VAT, or 0.02 of all together. What is not as expected is taken back."""
    async with connected(tmp_path, vat_rounding=rounding) as books:
        lines = [line("0.03"), line("0.03"), line("0.03")]
        contact = await books.contact()
        draft = await books.draft(*lines, contact_id=contact, finalize=True, expected_totals={"gross": other})
        problem = await books.refused(422, "totals_mismatch", "POST", "invoices", draft)
        assert problem["outcome"] == "rejected"
        assert books.emulator.books()["invoices"] == []
        await books.refused(422, "totals_mismatch", "POST", "invoices", {**draft, "expected_totals": {"gross": "0.13"}})
        made = await books.ask("POST", "invoices", {**draft, "expected_totals": {"gross": makes}})
        assert (made["document_status"], made["totals"]["gross"]) == ("final", makes)
        assert made["tax_breakdown"][0]["base"] == "0.09"


async def test_an_invoice_whose_answer_is_lost_is_found_and_not_made_twice(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        draft = await books.draft(finalize=True)
        books.emulator.fail(Fault("lost"), when=lambda seen: seen.method == "POST")
        made = await books.ask("POST", "invoices", draft)
        assert made["document_status"] == "final"
        assert [str(row["id"]) for row in books.emulator.books()["invoices"]] == [made["id"]]
        books.emulator.fail(Fault("lost"), when=lambda seen: seen.method == "POST")
        note = await books.ask("POST", f"invoices/{made['id']}/credit")
        assert note["credits_invoice_id"] == made["id"]
        assert len(books.emulator.books()["invoices"]) == 2


async def test_a_reference_that_another_program_used_is_a_conflict(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        contact = await books.contact()
        raw = {"sales_invoice": {"contact_id": int(contact), "api_reference": "order-1", "invoice_lines": []}}
        assert (await books.send("POST", "raw/sales_invoices", raw)).status_code == 201
        draft = await books.draft(contact_id=contact, external_ref="order-1")
        problem = await books.refused(409, "conflict", "POST", "invoices", draft)
        assert [one["pointer"] for one in problem["errors"]] == ["/external_ref"]
        made = await books.ask("POST", "invoices", {**draft, "external_ref": "order-2"})
        assert {"order-1", "order-2"} == {row["api_reference"] for row in books.emulator.books()["invoices"]}
        assert made["external_ref"] == "order-2"


async def test_lines_of_a_concept_are_changed_in_their_places(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        made = await books.ask("POST", "invoices", await books.draft(line("1"), line("2"), line("3")))
        path = f"invoices/{made['id']}"
        fewer = await books.ask("PATCH", path, {"lines": [line("9", "oss", vat_country="DE")]})
        assert [one["id"] for one in fewer["lines"]] == [made["lines"][0]["id"]]
        assert fewer["totals"]["net"] == "9.00"
        more = await books.ask("PATCH", path, {"lines": [line("4"), line("5")]})
        assert [one["unit_price"] for one in more["lines"]] == ["4.00", "5.00"]
        assert books.emulator.books()["invoices"][0]["distance_sale"] is False
        await books.refused(422, "field_unsupported", "PATCH", path, {"prices_include_tax": True})
        await books.refused(422, "totals_mismatch", "PATCH", path, {"expected_totals": {"gross": "1"}})


async def test_a_credit_note_of_its_own_is_written_below_zero(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        note = await books.final(line("10"), document_type="credit_note", expected_totals={"gross": "12.10"})
        assert (note["document_type"], note["totals"]["gross"]) == ("credit_note", "12.10")
        assert note["credits_invoice_id"] is None
        assert books.emulator.books()["invoices"][0]["price_with_vat"] == "-12.1"
        paid = await books.pay(note, "12.10", direction="out")
        assert paid["direction"] == "out"
        assert (await books.ask("GET", f"invoices/{note['id']}"))["payment_status"] == "paid"


async def test_filters_of_a_list_are_rompslomps_own(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        books.emulator.populate()
        rows = books.emulator.books()["invoices"]
        expected = {str(row["id"]) for row in rows if row["status"] != "concept"}
        found = await books.ask("GET", "invoices?document_status=final&limit=200")
        assert ({one["id"] for one in found["data"]}, found["total_count"]) == (expected, len(expected))
        assert {"published", "imported"} == {one["provider_status"] for one in found["data"]}
        assert (await books.ask("GET", "invoices?document_status=void"))["data"] == []
        assert (await books.ask("GET", "invoices?contact_id=nobody"))["data"] == []


async def test_what_a_payment_cannot_say_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        final = await books.final()
        body = await books.payment(final, "10.00")
        twice = [{"invoice_id": final["id"], "amount": "5.00"}, {"invoice_id": "12", "amount": "5.00"}]
        before = len(books.emulator.journal)
        await books.refused(422, "field_unsupported", "POST", "payments", {**body, "allocations": twice})
        await books.refused(422, "validation_failed", "POST", "payments", {**body, "allocations": twice[:1]})
        assert len(books.emulator.journal) == before
        refund = {**body, "allocations": [], "direction": "out", "paid_on": "2026-02-01"}
        loose = await books.ask("POST", "payments", refund)
        assert (loose["direction"], loose["paid_on"], loose["unallocated"]) == ("out", "2026-02-01", "10.00")


async def test_a_company_without_the_right_scope_is_not_asked(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        limited = await books.house.connect("rompslomp", company_id=books.emulator.limited_company_id)
        companies = (await books.ask("GET", "companies"))["data"]
        assert [one["accessible"] for one in companies] == [True, False, True]
        books.connection = limited
        assert (await books.ask("GET", "contacts"))["data"] == []
        before = len(books.emulator.journal)
        draft = {"contact_id": "1", "lines": [line("1")]}
        problem = await books.refused(403, "scope_missing", "POST", "invoices", draft)
        assert problem["required_scope"] == "manage:sales_invoices"
        assert len(books.emulator.journal) == before
