"""Invoices, verb by verb, against TheNextInvoice in memory, whichever way its documentation is read."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from gateway.contract.adapter import Sent, Traces
from gateway.contract.emulator import Fault
from gateway.contract.models import CreditDraft, LineDraft
from gateway.contract.money import amount_from
from tests.adapters.thenextinvoice.connected import INVOICES, TODAY, all_of, connected, invoice_change

EVERY_WAY: list[dict[str, Any]] = [
    {},
    {"put_id": "same"},
    {"put_id": "new", "old_id": "alias"},
    {"put_id": "new", "old_id": "gone", "token_after_put": "old"},
    {"credit_negates": "quantity"},
    {"parties": "objects"},
    {"draft_number": "empty"},
    {"zero_vat_row": True, "empty_vat_totals": "object"},
    {"vat_rounding": "per_line"},
    {"vat_rounding": "per_rate_of_lines"},
    {"vat_rounding": "unrounded"},
    {"error_code": "status", "empty_data": "absent"},
    {"missing_status": 400},
    {"missing_status": 500},
    {"open_includes_pastdue": False},
    {"several_statuses": "all", "past_end": "last", "over_limit": "refuse"},
    {"defaults_stand_in": True},
]


def way(switches: dict[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in switches.items()) or "default"


@pytest.mark.parametrize("switches", EVERY_WAY, ids=way)
async def test_the_life_of_an_invoice(switches: dict[str, Any]) -> None:
    async with connected(**switches) as books:
        customer = await books.contact()
        draft = await books.invoice(contact_id=customer.id, description="Levering maart", notes="Dank u")
        assert (draft.document_status, draft.payment_status, draft.number) == ("draft", "not_applicable", None)
        assert (draft.contact_id, draft.contact) == (None, None)
        assert all_of(draft.totals.net, draft.totals.tax, draft.totals.gross) == ("100.00", "21.00", "121.00")
        assert draft.due_on == TODAY + timedelta(days=14)

        said: dict[str, Any] = {"contact_id": customer.id, "notes": "Niet voor twaalven"}
        changed = await books.change_invoice(draft.id, **said)
        untouched = {"id": changed.id, "notes": "Niet voor twaalven"}
        assert changed == replace(draft, **untouched)
        assert (changed.id == draft.id) is (switches.get("put_id") == "same")
        assert await books.read(changed.id) == changed

        up = books.up()
        final = (await INVOICES.finalize(up, changed.id)).item
        assert up.ids == [final.id]
        assert (final.document_status, final.payment_status, final.contact_id) == ("final", "unpaid", customer.id)
        assert final.number
        assert all_of(final.totals.paid, final.totals.open) == ("0.00", "121.00")
        assert final.lines == changed.lines
        assert final.tax_breakdown == changed.tax_breakdown
        assert await books.read(final.id) == final
        await books.refused("conflict", INVOICES.finalize(books.up(), final.id))
        with books.writes_nothing():
            await books.refused("conflict", INVOICES.update(books.up(), final.id, invoice_change(notes="Te laat")))

        assert (await INVOICES.pdf(books.up(), final.id)).body.startswith(b"%PDF-")
        ubl = await INVOICES.ubl(books.up(), final.id)
        assert (ubl.media_type, ubl.name) == ("application/xml", f"{final.number}.xml")

        up = books.up()
        note = (await INVOICES.credit(up, final.id, CreditDraft())).item
        assert up.warnings == []
        assert (note.document_type, note.document_status, note.credits_invoice_id) == ("credit_note", "final", final.id)
        assert all_of(note.totals.net, note.totals.tax, note.totals.gross) == ("100.00", "21.00", "121.00")
        assert note.lines == final.lines
        assert note.tax_breakdown == final.tax_breakdown
        credited = await books.read(final.id)
        assert all_of(credited.payment_status, credited.totals.open) == ("credited", "0.00")
        with books.writes_nothing():
            await books.refused("conflict", INVOICES.credit(books.up(), final.id, CreditDraft()))

        await INVOICES.delete(books.up(), note.id)
        await books.refused("not_found", INVOICES.get(books.up(), note.id))
        await books.refused("not_found", INVOICES.delete(books.up(), note.id))
        assert await books.read(final.id) == credited


async def test_a_draft_has_no_paper_and_no_credit() -> None:
    async with connected() as books:
        draft = await books.invoice()
        with books.writes_nothing():
            await books.refused("conflict", INVOICES.pdf(books.up(), draft.id))
            await books.refused("conflict", INVOICES.ubl(books.up(), draft.id))
            await books.refused("conflict", INVOICES.credit(books.up(), draft.id, CreditDraft()))


async def test_a_page_that_is_no_file_is_malformed() -> None:
    async with connected() as books:
        final = await books.final()
        for place, verb in (("view", INVOICES.pdf), ("ubl", INVOICES.ubl)):
            books.emulator.fail(Fault("html"), when=lambda seen, place=place: seen.path.endswith(place))  # type: ignore[misc]  # bound by a default
            await books.refused("upstream_malformed", verb(books.up(), final.id))


@pytest.mark.parametrize("verb", ["get", "delete", "finalize", "pdf", "ubl", "credit", "update"])
async def test_one_invoice_is_meant_and_no_other_place(verb: str) -> None:
    async with connected() as books:
        bodies: dict[str, list[Any]] = {"credit": [CreditDraft()], "update": [invoice_change(notes="x")]}
        more = bodies.get(verb, [])
        with books.calls(0):
            for id in ("1,2,3", "search", "totals", "csv", "syncpayments", "01", ""):
                await books.refused("not_found", getattr(INVOICES, verb)(books.up(), id, *more))
        with books.writes_nothing():
            await books.refused("not_found", getattr(INVOICES, verb)(books.up(), "987654", *more))


@pytest.mark.parametrize("quotation_type", ["", "Q"])
async def test_a_quotation_is_no_invoice(quotation_type: str) -> None:
    async with connected(populated=True, quotation_type=quotation_type) as books:
        quotations = [str(row["id"]) for row in books.emulator.books()["quotations"]]
        assert quotations
        for id in quotations:
            await books.refused("not_found", INVOICES.get(books.up(), id))
            with books.writes_nothing():
                await books.refused("not_found", INVOICES.delete(books.up(), id))
                await books.refused("not_found", INVOICES.finalize(books.up(), id))


# Creating


async def test_everything_that_is_given_is_sent_and_read() -> None:
    async with connected() as books:
        made = await books.invoice(
            issued_on=date(2026, 2, 27),
            due_on=date(2026, 4, 1),
            currency="USD",
            prices_include_tax=True,
            description="Boven",
            notes="Onder",
            lines=[
                books.line("121", "2", discount_percent=Decimal("10")),
                books.line("10.9", "0.333", vat="low", discount_percent=Decimal("10"), description="Twee\nregels"),
                LineDraft(type="text", description="Met dank"),
            ],
        )
        said = (made.issued_on, made.due_on, made.currency, made.prices_include_tax, made.description, made.notes)
        assert said == (date(2026, 2, 27), date(2026, 4, 1), "USD", True, "Boven", "Onder")
        assert made.lines is not None
        first, second, last = made.lines
        assert all_of(first.quantity, first.unit_price, first.discount_percent, first.vat_rate) == (
            "2",
            "121.00",
            "10",
            "21",
        )
        assert all_of(first.net, first.tax, first.gross) == ("180.00", "37.80", "217.80")
        assert all_of(second.description, second.gross) == ("Twee\nregels", "3.27")
        assert all_of(last.type, last.gross, last.discount_percent) == ("text", None, None)


async def test_terms_and_language_come_from_the_customer_else_from_the_profile() -> None:
    async with connected() as books:
        plain = await books.invoice()
        assert plain.due_on == TODAY + timedelta(days=14)
        customer = await books.contact(payment_term_days=30, language="en")
        own = await books.invoice(contact_id=customer.id)
        assert own.due_on == TODAY + timedelta(days=30)
        stored = books.emulator.company.invoices
        assert stored[int(plain.id)].meta["language"] == "nl"
        assert stored[int(own.id)].meta["language"] == "en"
        at_once = await books.invoice(contact_id=(await books.contact(payment_term_days=0)).id)
        assert at_once.due_on == TODAY


async def test_the_profiles_own_footer_is_printed() -> None:
    async with connected() as books:
        made = await books.invoice()
        stored = books.emulator.company.invoices[int(made.id)]
        assert stored.text["footer"] == books.emulator.company.default_profile["footer"]


async def test_the_sender_is_the_connections_else_the_default_profile() -> None:
    async with connected() as books:
        company = books.emulator.company
        default = company.default_profile["id"]
        other = {**company.default_profile, "id": 99, "default": False, "expiration": 30}
        company.profiles[99] = other
        stored = company.invoices
        assert stored[int((await books.invoice()).id)].sender == default
        books.settle(sender_id="99")
        made = await books.invoice()
        assert stored[int(made.id)].sender == 99
        assert made.due_on == TODAY + timedelta(days=30)
        books.settle(sender_id="12345")
        with books.writes_nothing():
            draft = await books.draft(contact_id="1")
            problem = await books.refused("validation_failed", INVOICES.create(books.up(), draft))
        assert problem.errors[0].pointer == "settings.sender_id"


async def test_creating_twice_with_one_key_makes_one_invoice() -> None:
    async with connected() as books:
        key = UUID(int=7, version=4)
        draft = await books.draft()
        first = (await INVOICES.create(books.up(creation_key=key), draft)).item
        again = (await INVOICES.create(books.up(creation_key=key), draft)).item
        assert again.id == first.id
        assert len(books.emulator.company.invoices) == 1


async def test_a_key_whose_invoice_is_gone_makes_no_other() -> None:
    async with connected() as books:
        key = UUID(int=7, version=4)
        draft = await books.draft()
        gone = (await INVOICES.create(books.up(creation_key=key), draft)).item
        sent = Sent("create", None, draft, books.link.requests[-3], {}, books.clock.now())
        assert sent.request.method == "POST"
        await INVOICES.delete(books.up(), gone.id)
        problem = await books.refused("upstream_malformed", INVOICES.create(books.up(creation_key=key), draft))
        assert gone.id in problem.detail
        assert await INVOICES.find_written(books.up(), sent) == Traces([], certain=True)
        assert books.emulator.books()["invoices"] == []


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"contact_id": "987654"}, "/contact_id"),
        ({"contact_id": "_"}, "/contact_id"),
        ({"issued_on": date.max}, "/due_on"),
        ({"lines": [{"vat_code_id": None}]}, "/lines/0/vat_code_id"),
        ({"lines": [{"vat_code_id": "987654"}]}, "/lines/0/vat_code_id"),
        ({"lines": [{"vat_rate": "9"}]}, "/lines/0/vat_rate"),
        ({"lines": [{"vat_code_id": None, "vat_treatment": "margin"}]}, "/lines/0/vat_treatment"),
        ({"lines": [{"ledger_account_id": None}]}, "/lines/0/ledger_account_id"),
        ({"lines": [{"ledger_account_id": "x"}]}, "/lines/0/ledger_account_id"),
        ({"lines": [{}, {"unit_price": None, "product_id": "987654"}]}, "/lines/1/product_id"),
        ({"lines": [{}, {"product_id": "abc"}]}, "/lines/1/product_id"),
    ],
    ids=str,
)
async def test_what_cannot_be_settled_is_refused_before_any_write(said: dict[str, Any], pointer: str) -> None:
    async with connected() as books:
        plain = books.line().given()
        if "lines" in said:
            said = {"lines": [LineDraft.model_validate({**plain, **line}) for line in said["lines"]]}
        draft = await books.draft(**said)
        with books.writes_nothing():
            problem = await books.refused("validation_failed", INVOICES.create(books.up(), draft))
        assert [error.pointer for error in problem.errors] == [pointer]


async def test_a_refusal_of_a_line_names_our_field() -> None:
    async with connected() as books:
        draft = await books.draft(lines=[books.line(), books.line(ledger_account_id="987654")])
        problem = await books.refused("upstream_rejected", INVOICES.create(books.up(), draft))
        found = [(error.pointer, error.provider_field) for error in problem.errors]
        assert found == [("/lines/1/ledger_account_id", "lines[1].ledger")]


async def test_a_ledger_account_is_the_lines_else_the_products_else_the_connections() -> None:
    async with connected() as books:
        books.settle(default_ledger_account_id=books.ledger("8020"))
        product = await books.product(ledger_account_id=books.ledger("8010"), vat_code_id=books.vat("low"))
        made = await books.invoice(
            lines=[
                books.line(ledger_account_id=books.ledger("8000"), product_id=product.id),
                books.line(ledger_account_id=None, product_id=product.id),
                books.line(ledger_account_id=None),
            ]
        )
        assert made.lines is not None
        expected = [books.ledger(number) for number in ("8000", "8010", "8020")]
        assert [line.ledger_account_id for line in made.lines] == expected


@pytest.mark.parametrize(("includes_tax", "price"), [(False, "2.50"), (True, "2.725")])
async def test_a_product_fills_in_a_line_and_is_not_kept(includes_tax: bool, price: str) -> None:
    async with connected() as books:
        product = await books.product(ledger_account_id=books.ledger("8010"), vat_code_id=books.vat("low"))
        up = books.up()
        lines = [LineDraft(description="Brood", product_id=product.id)]
        made = await books.invoice(up, lines=lines, prices_include_tax=includes_tax)
        assert made.lines is not None
        line = made.lines[0]
        assert all_of(line.quantity, line.unit_price, line.vat_code_id) == ("1", amount_from(price), books.vat("low"))
        assert (line.ledger_account_id, line.product_id) == (books.ledger("8010"), None)
        assert up.warnings == [("product_not_kept", "/lines/0/product_id")]


async def test_a_product_that_many_lines_name_is_read_once() -> None:
    async with connected() as books:
        whole = Decimal(100)
        product = await books.product(price=whole, ledger_account_id=books.ledger(), vat_code_id=books.vat())
        customer = await books.contact()
        await books.invoice(contact_id=customer.id)
        lines = [LineDraft(description="Brood", product_id=product.id) for _ in range(5)]
        with books.calls(5):
            await books.invoice(contact_id=customer.id, lines=lines)


@pytest.mark.parametrize(
    ("treatment", "kind"),
    [
        ("domestic_high", "high"),
        ("domestic_low", "low"),
        ("zero", "none"),
        ("exempt", "exempt"),
        ("intra_eu_services", "ICPS"),
        ("intra_eu_goods", "ICPG"),
        ("export", "EBU"),
    ],
)
async def test_a_treatment_finds_its_code(treatment: str, kind: str) -> None:
    async with connected() as books:
        made = await books.invoice(lines=[books.line(vat_treatment=treatment)])
        assert made.lines is not None
        assert made.lines[0].vat_code_id == books.vat(kind)


async def test_a_code_made_a_moment_ago_is_known() -> None:
    async with connected() as books:
        await books.invoice()
        company = books.emulator.company
        newest = max(company.vat_codes)
        company.vat_codes[newest + 1] = company.vat_codes[int(books.vat())]
        company.vat_codes[newest + 1].id = newest + 1
        made = await books.invoice(lines=[books.line(vat_code_id=str(newest + 1))])
        assert made.totals.gross == "121.00"


# Discounts


async def test_discounts_that_differ_are_refused_before_any_write() -> None:
    async with connected() as books:
        lines = [books.line(discount_percent=Decimal(10)), books.line()]
        draft = await books.draft(lines=lines)
        with books.writes_nothing():
            problem = await books.refused("field_unsupported", INVOICES.create(books.up(), draft))
        assert [error.pointer for error in problem.errors] == ["/lines/0/discount_percent"]


async def test_discounts_that_differ_and_may_be_dropped_change_no_amount() -> None:
    async with connected() as books:
        lines = [books.line("19.99", discount_percent=Decimal("33.33")), books.line("5", "3")]
        lines.append(books.line("10", discount_percent=Decimal(10)))
        up = books.up(drop=True)
        made = await books.invoice(up, lines=lines)
        assert up.warnings == [("field_dropped", f"/lines/{number}/discount_percent") for number in (0, 2)]
        assert made.lines is not None
        assert [line.net for line in made.lines] == ["13.33", "15.00", "9.00"]
        assert [line.discount_percent for line in made.lines] == [None, None, None]
        assert made.lines[0].unit_price == "13.327333"


# Credit notes made by hand


@pytest.mark.parametrize("finalize", [False, True])
async def test_a_credit_note_can_be_written_and_is_positive(finalize: bool) -> None:
    async with connected() as books:
        made = await books.invoice(document_type="credit_note", finalize=finalize, lines=[books.line("100", "2")])
        assert all_of(made.document_type, made.totals.gross) == ("credit_note", "242.00")
        assert made.lines is not None
        assert all_of(made.lines[0].quantity, made.lines[0].unit_price, made.lines[0].net) == ("2", "100.00", "200.00")
        stored = books.emulator.books()["invoices"][0]
        assert (stored["type"], stored["amounts"]["gross"]) == ("C", Decimal("-242.00"))
        if not finalize:
            changed = await books.change_invoice(made.id, contact_id=str(stored["customer_id"]), notes="Anders")
            assert changed.totals == made.totals
            assert changed.lines == made.lines


@pytest.mark.parametrize("field", ["number", "issued_on"])
async def test_a_credit_note_is_numbered_and_dated_by_the_system(field: str) -> None:
    async with connected() as books:
        final = await books.final()
        said = {"number": "C1", "issued_on": TODAY}
        draft = CreditDraft(**{field: said[field]})  # type: ignore[arg-type]  # by name
        with books.calls(0):
            problem = await books.refused("field_unsupported", INVOICES.credit(books.up(), final.id, draft))
        assert problem.errors[0].pointer == f"/{field}"
        up = books.up(drop=True)
        assert (await INVOICES.credit(up, final.id, draft)).item.credits_invoice_id == final.id
        assert up.warnings == [("field_dropped", f"/{field}")]


# Changing


async def test_a_draft_of_whom_nobody_knows_the_customer_asks_for_it() -> None:
    async with connected() as books:
        draft = await books.invoice()
        with books.writes_nothing():
            problem = await books.refused(
                "validation_failed", INVOICES.update(books.up(), draft.id, invoice_change(notes="x"))
            )
        assert problem.errors[0].pointer == "/contact_id"


async def test_a_change_of_nothing_sends_nothing() -> None:
    async with connected() as books:
        draft = await books.invoice()
        with books.writes_nothing():
            assert await books.change_invoice(draft.id, external_ref="x") == draft


@pytest.mark.parametrize(
    ("change", "after"),
    [
        ({"issued_on": date(2026, 3, 4)}, {"issued_on": date(2026, 3, 4)}),
        ({"due_on": date(2026, 5, 1)}, {"due_on": date(2026, 5, 1)}),
        ({"due_on": None}, {"due_on": TODAY + timedelta(days=14)}),
        ({"description": None}, {"description": None}),
        ({"currency": "USD"}, {"currency": "USD"}),
    ],
    ids=str,
)
async def test_a_change_changes_only_what_it_names(change: dict[str, Any], after: dict[str, Any]) -> None:
    async with connected() as books:
        customer = await books.contact()
        lines = [books.line("10", discount_percent=Decimal(5)), LineDraft(type="text", description="Dank")]
        draft = await books.invoice(
            contact_id=customer.id, due_on=date(2026, 4, 1), description="Boven", notes="Onder", lines=lines
        )
        before = books.emulator.company.invoices[int(draft.id)]
        changed = await books.change_invoice(draft.id, contact_id=customer.id, **change)
        assert changed == replace(draft, id=changed.id, **after)
        stored = books.emulator.company.invoices[int(changed.id)]
        assert (stored.sender, stored.receiver, stored.text["footer"]) == (
            before.sender,
            before.receiver,
            before.text["footer"],
        )


async def test_an_automatic_collection_stays_one() -> None:
    async with connected() as books:
        customer = await books.contact()
        draft = await books.invoice(contact_id=customer.id)
        books.emulator.company.invoices[int(draft.id)].type = "I"
        changed = await books.change_invoice(draft.id, contact_id=customer.id, notes="Anders")
        assert books.emulator.company.invoices[int(changed.id)].type == "I"


async def test_new_lines_replace_the_old_and_prices_follow_the_new_basis() -> None:
    async with connected() as books:
        customer = await books.contact()
        draft = await books.invoice(contact_id=customer.id, lines=[books.line(), books.line()])
        changed = await books.change_invoice(
            draft.id, contact_id=customer.id, prices_include_tax=True, lines=[books.line("121")]
        )
        assert changed.lines is not None
        assert [line.net for line in changed.lines] == ["100.00"]
        assert changed.prices_include_tax is True


async def test_a_writer_is_told_that_a_hidden_sender_was_assumed() -> None:
    async with connected() as books:
        company = books.emulator.company
        company.profiles[99] = {**company.default_profile, "id": 99, "default": False}
        customer = await books.contact()
        draft = await books.invoice(contact_id=customer.id)
        up = books.up()
        await books.change_invoice(draft.id, up, contact_id=customer.id, notes="x")
        assert up.warnings == [("sender_assumed", None)]


@pytest.mark.parametrize(
    ("verb", "count"), [("get", 2), ("finalize", 5), ("credit", 5), ("delete", 3), ("pdf", 3), ("ubl", 3)]
)
async def test_a_verb_costs_what_it_says(verb: str, count: int) -> None:
    async with connected() as books:
        customer = await books.contact()
        draft = await books.invoice(contact_id=customer.id)
        final = await books.final(contact_id=customer.id)
        id = draft.id if verb in ("get", "finalize", "delete") else final.id
        more = [CreditDraft()] if verb == "credit" else []
        with books.calls(count):
            await getattr(INVOICES, verb)(books.up(), id, *more)
        assert INVOICES.calls[verb].startswith(f"{count}:")
        with books.calls(4):
            await books.invoice(contact_id=customer.id)
        with books.calls(5):
            change = await books.invoice(contact_id=customer.id)
            del books.link.requests[-4:]
            await books.change_invoice(change.id, contact_id=customer.id, notes="x")
