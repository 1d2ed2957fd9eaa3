"""Invoices that are hard to book right: VAT of every kind, totals to the cent, and no invoice twice."""

from decimal import Decimal
from pathlib import Path

import pytest

from gateway.contract.emulator import Fault
from tests.adapters.rompslomp.connected import DAY, connected, line


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


async def test_a_payment_with_parts_of_a_cent_is_refused_before_any_write(tmp_path: Path) -> None:
    """Of 0.004 an invoice would say that nothing was paid, and the payment that it was settled."""
    async with connected(tmp_path) as books:
        final = await books.final(line("100"))
        body = await books.payment(final, "0.004")
        since = len(books.emulator.journal)
        for asked in (body, {**body, "allocations": []}):
            problem = await books.refused(422, "validation_failed", "POST", "payments", asked)
            assert (problem["outcome"], problem["errors"][0]["pointer"]) == ("not_sent", "/amount")
        assert books.emulator.journal[since:] == []
        assert (await books.pay(final, "121.000"))["amount"] == "121.00"


async def test_a_treatment_means_a_code_of_today_also_beside_one_of_the_past(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        rows = (await books.ask("GET", "raw/vat_types?selection=all&since=1990-01-02"))["vat_types"]
        old = next(str(row["id"]) for row in rows if Decimal(row["value"]) == Decimal("0.19"))
        past = {"description": "Levering van toen", "unit_price": "10", "vat_code_id": old}
        made = await books.ask("POST", "invoices", await books.draft(past, line("100", "domestic_low")))
        assert [one["vat_rate"] for one in made["lines"]] == ["19", "9"]


async def test_prices_of_more_decimals_than_ours_are_told_rounded_and_added_up_as_they_are(tmp_path: Path) -> None:
    """A price that some program divided: 10.00 with VAT, of which 8.26 is left."""
    async with connected(tmp_path) as books:
        contact, vat = await books.contact(), int(await books.vat("domestic_high"))
        sold = {"description": "Iets", "price_per_unit": "8.264462809917356", "vat_type_id": vat}
        lines = [{**sold, "quantity": "1"}]
        invoice = {"contact_id": int(contact), "date": DAY, "_publish": True, "invoice_lines": lines}
        await books.ask("POST", "raw/sales_invoices", {"sales_invoice": invoice})
        await books.ask("POST", "raw/products", {"product": {"invoice_line": {**sold, "product_code": "D-1"}}})
        (told,) = (await books.ask("GET", "invoices?include=lines"))["data"]
        assert (told["lines"][0]["unit_price"], told["totals"]["gross"]) == ("8.264462809917", "9.99")
        assert (await books.ask("GET", "products"))["data"][0]["price"] == "8.264462809917"
        note = await books.ask("POST", f"invoices/{told['id']}/credit")
        assert note["totals"]["gross"] == "9.99"
        assert books.emulator.books()["invoices"][-1]["invoice_lines"][0]["price_per_unit"] == "-8.264462809917356"


async def test_a_price_with_vat_of_a_great_many_is_written_with_as_many_decimals_as_ours(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        many = line("0.01", quantity="100000000")
        made = await books.ask("POST", "invoices", await books.draft(many, prices_include_tax=True))
        assert (made["lines"][0]["unit_price"], made["totals"]["gross"]) == ("0.00826446281", "1000000.00")


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


async def test_a_credited_invoice_is_told_as_credited_when_it_is_changed(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        final = await books.final()
        await books.ask("POST", f"invoices/{final['id']}/credit")
        changed = await books.ask("PATCH", f"invoices/{final['id']}", {"external_ref": "x-1"})
        assert (changed["payment_status"], changed["totals"]["open"]) == ("credited", "0.00")


async def test_a_company_out_of_reach_is_not_told_as_records_that_are_gone(tmp_path: Path) -> None:
    """Rompslomp answers 404 of both: who is no user of the company any more would think all of it deleted."""
    async with connected(tmp_path) as books:
        contact = await books.contact(external_ref="klant-1")
        path, key = f"/v1/connections/{books.connection}/contacts/{contact}", {"idempotency-key": "d-1"}
        books.emulator.fail(Fault("status", status=500), times=100, when=lambda seen: seen.method == "DELETE")
        assert (await books.house.client.delete(path, headers=key)).json()["outcome"] == "unknown"
        books.emulator.heal()
        await books.leave_company()
        for method, asked, body in (
            ("GET", "contacts", None),
            ("GET", f"contacts/{contact}", None),
            ("GET", "contacts?external_ref=klant-1", None),
            ("PATCH", f"contacts/{contact}", {"phone": "015"}),
            ("DELETE", f"contacts/{contact}", None),
            ("GET", "invoices", None),
        ):
            await books.refused(403, "company_not_accessible", method, asked, body)
        books.house.clock.advance(60)
        assert (await books.house.client.delete(path, headers=key)).json()["outcome"] == "unknown"


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


async def test_lines_of_a_credit_note_that_is_a_concept_stay_below_zero(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        note = await books.ask("POST", "invoices", await books.draft(line("10"), document_type="credit_note"))
        changed = await books.ask("PATCH", f"invoices/{note['id']}", {"lines": [line("20")]})
        assert (changed["document_type"], changed["totals"]["gross"]) == ("credit_note", "24.20")
        assert books.emulator.books()["invoices"][0]["price_with_vat"] == "-24.2"


async def test_a_concept_for_another_customer_has_his_vat_number(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        draft = await books.draft(line("100", "reverse_charge"))
        made = await books.ask("POST", "invoices", draft)
        other = await books.contact(vat_number="NL001234567B01")
        await books.ask("PATCH", f"invoices/{made['id']}", {"contact_id": other})
        (row,) = books.emulator.books()["invoices"]
        assert (str(row["contact_id"]), row["vat_number"]) == (other, "NL001234567B01")


async def test_a_concept_without_vat_gets_the_vat_number_of_a_customer_abroad(tmp_path: Path) -> None:
    """A VAT number is required on 0 % to another EU country, and there is no other place to give it (dossier §4)."""
    async with connected(tmp_path) as books:
        draft = await books.ask("POST", "invoices", await books.draft(line("100", "zero")))
        assert books.emulator.books()["invoices"][0]["vat_number"] is None
        other = await books.contact(address={"country": "DE"}, vat_number="DE123456789")
        await books.ask("PATCH", f"invoices/{draft['id']}", {"contact_id": other})
        row = books.emulator.books()["invoices"][0]
        assert (str(row["contact_id"]), row["vat_number"]) == (other, "DE123456789")


async def test_a_customer_who_is_not_there_is_no_invoice_that_is_not(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        draft = await books.ask("POST", "invoices", await books.draft(line("100", "reverse_charge")))
        change = {"contact_id": "999999"}
        problem = await books.refused(422, "upstream_rejected", "PATCH", f"invoices/{draft['id']}", change)
        assert problem["errors"][0]["pointer"] == "/contact_id"
        assert await books.ask("GET", f"invoices/{draft['id']}") == draft


async def test_what_a_change_names_in_vain_is_told_as_that_under_either_status(tmp_path: Path) -> None:
    """404 is what Rompslomp says of a record that is not there, and may be of one that a body names (dossier §5)."""
    async with connected(tmp_path, unknown_reference_status=404) as books:
        draft = await books.ask("POST", "invoices", await books.draft())
        for name in ("contact_id", "layout_id"):
            change = {name: "999999"}
            problem = await books.refused(422, "upstream_rejected", "PATCH", f"invoices/{draft['id']}", change)
            told = problem["errors"][0]
            assert (problem["outcome"], told["pointer"], told["code"]) == ("rejected", f"/{name}", "not_found")
        payment = {"amount": "1.00", "payment_method_id": "999999"}
        problem = await books.refused(422, "upstream_rejected", "POST", "payments", payment)
        assert problem["errors"][0]["pointer"] == "/payment_method_id"
        product = await books.ask("POST", "products", {"name": "Meel", "price": "1.00"})
        await books.refused(
            422, "upstream_rejected", "PATCH", f"products/{product['id']}", {"ledger_account_id": "999999"}
        )
        await books.ask("DELETE", f"products/{product['id']}")
        await books.refused(404, "not_found", "PATCH", f"products/{product['id']}", {"price": "2.00"})


async def test_a_credit_note_that_gets_a_reference_still_credits_its_invoice(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        final = await books.final()
        note = await books.ask("POST", f"invoices/{final['id']}/credit")
        changed = await books.ask("PATCH", f"invoices/{note['id']}", {"external_ref": "CN-1"})
        assert (changed["external_ref"], changed["credits_invoice_id"]) == ("CN-1", final["id"])
        assert (await books.ask("GET", f"invoices/{final['id']}"))["payment_status"] == "credited"
        await books.refused(409, "conflict", "POST", f"invoices/{final['id']}/credit")
        assert len(books.emulator.books()["invoices"]) == 2


async def test_a_product_with_a_vat_code_of_the_past_asks_for_todays(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        types = await books.ask("GET", "raw/vat_types?selection=all&since=1990-01-02")
        past = next(one["id"] for one in types["vat_types"] if one["name"] == "vat_low")
        book = {"description": "Boek", "price_per_unit": "10.00", "vat_type_id": past}
        product = (await books.ask("POST", "raw/products", {"product": {"invoice_line": book}}))["product"]["id"]
        sold = {"description": "Boek", "product_id": str(product)}
        problem = await books.refused(422, "validation_failed", "POST", "invoices", await books.draft(sold))
        (error,) = problem["errors"]
        assert (error["pointer"], error["code"]) == ("/lines/0/vat_code_id", "required")
        for said in ({"vat_treatment": "domestic_low"}, {"vat_code_id": str(past)}):
            made = await books.ask("POST", "invoices", await books.draft({**sold, **said}))
            assert made["totals"]["tax"] == ("0.90" if "vat_treatment" in said else "0.60")


@pytest.mark.parametrize("kind", ["invoice", "credit_note"])
async def test_a_changed_concept_stays_of_its_type(kind: str, tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        concept = await books.ask("POST", "invoices", await books.draft(line("10"), document_type=kind))
        change = {"lines": [line("-10")]}
        problem = await books.refused(422, "validation_failed", "PATCH", f"invoices/{concept['id']}", change)
        assert (problem["outcome"], problem["errors"][0]["pointer"]) == ("not_sent", "/lines")
        assert await books.ask("GET", f"invoices/{concept['id']}") == concept


async def test_a_credit_note_is_not_older_than_its_invoice(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        final = await books.final(issued_on="2026-04-01")
        path = f"invoices/{final['id']}/credit"
        problem = await books.refused(422, "validation_failed", "POST", path, {"issued_on": "2026-03-31"})
        assert [one["pointer"] for one in problem["errors"]] == ["/issued_on"]
        assert (await books.ask("POST", path))["issued_on"] == "2026-04-01"


async def test_a_credit_note_owes_nobody_what_was_never_paid(tmp_path: Path) -> None:
    """Rompslomp leaves invoice and note open both, and Polder tells neither half of that alone."""
    async with connected(tmp_path) as books:
        told: dict[str, tuple[str, str]] = {}
        notes = []
        for paid in (None, "2.10", "12.10"):
            final = await books.final(line("10"), issued_on="2026-02-01")
            if paid is not None:
                await books.pay(final, paid)
            note = await books.ask("POST", f"invoices/{final['id']}/credit")
            assert await books.ask("GET", f"invoices/{note['id']}") == note
            told[note["id"]] = (note["totals"]["open"], note["payment_status"])
            notes.append(note)
        assert list(told.values()) == [("0.00", "paid"), ("2.10", "partially_paid"), ("12.10", "unpaid")]
        for path in ("invoices", "invoices?issued_from=2026-03-01"):  # with their invoices, and without
            listed = {one["id"]: one for one in (await books.ask("GET", path))["data"]}
            assert {id: (listed[id]["totals"]["open"], listed[id]["payment_status"]) for id in told} == told
        unpaid = (await books.ask("GET", "invoices?payment_status=unpaid"))["data"]
        assert [one["id"] for one in unpaid] == [notes[2]["id"]]
        # Who owed nothing pays after all: then it is owed back.
        await books.pay({"id": notes[0]["credits_invoice_id"]}, "12.10")
        assert (await books.ask("GET", f"invoices/{notes[0]['id']}"))["totals"]["open"] == "12.10"


async def test_a_list_looks_for_the_credit_notes_of_its_oldest_invoice(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        old = await books.final(issued_on="2026-01-15")
        await books.ask("POST", f"invoices/{old['id']}/credit", {"issued_on": "2026-01-20"})
        new = await books.final(issued_on="2026-03-02")
        listed = (await books.ask("GET", "invoices"))["data"]
        told = {one["id"]: one["payment_status"] for one in listed}
        assert (told[old["id"]], told[new["id"]]) == ("credited", "unpaid")


async def test_what_is_no_pdf_is_not_handed_on_as_one(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        final = await books.final()
        page = Fault("status", 200, {"content-type": "application/pdf"}, b"<html>Bad gateway</html>")
        books.emulator.fail(page, when=lambda seen: seen.path.endswith("/pdf"))
        await books.refused(502, "upstream_malformed", "GET", f"invoices/{final['id']}/pdf")


async def test_a_credit_note_is_not_paid_back_more_than_is_open(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        note = await books.final(line("10"), document_type="credit_note")
        body = await books.payment(note, "20.00", direction="out")
        problem = await books.refused(422, "validation_failed", "POST", "payments", body)
        assert [one["pointer"] for one in problem["errors"]] == ["/allocations/0/amount"]
        await books.pay(note, "12.10", direction="out")


async def test_a_payment_that_was_made_already_is_not_made_twice(tmp_path: Path) -> None:
    """Its mark is in the books, though Polder's own memory of the write is gone."""
    async with connected(tmp_path) as books:
        final = await books.final()
        body = await books.payment(final, "10.00")
        path, headers = f"/v1/connections/{books.connection}/payments", {"idempotency-key": "k-1"}
        first = await books.house.client.post(path, json=body, headers=headers)
        books.house.clock.advance(73 * 3600)
        again = await books.house.client.post(path, json=body, headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json()["id"] == first.json()["id"]
        assert len(books.emulator.books()["payments"]) == 1


async def test_a_product_is_found_by_its_code_to_the_letter_on_any_page(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        vat = await books.vat("domestic_high")
        for number in range(101):
            await books.ask(
                "POST",
                "products",
                {"name": f"Meel {number}", "price": "1", "code": f"A-{number:03}", "vat_code_id": vat},
            )
        for code in ("A-000", "A-100"):
            assert [one["code"] for one in (await books.ask("GET", f"products?code={code}"))["data"]] == [code]
        assert (await books.ask("GET", "products?code=A-0"))["data"] == []
