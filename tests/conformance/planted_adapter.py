"""Small faults in an adapter, each of the kind that happens, and the law that must catch it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from adapters.memory import ADAPTER
from adapters.memory import resources as memory
from adapters.memory.mapping import contacts, invoices, lines, products
from adapters.memory.mapping import settings as set_up
from adapters.memory.mapping.replies import read_envelope, read_error
from gateway.contract.adapter import Adapter, Listing, Record
from gateway.contract.errors import Problem
from gateway.contract.models import AddressDraft, Change, Contact, ContactDraft, Invoice, LineDraft, VatCode
from gateway.contract.models.invoices import DocumentType
from gateway.contract.money import number_text
from gateway.contract.paging import Page, Window
from gateway.contract.upstream import Reply, Request, Upstream
from gateway.web import routes
from tests.conformance import (
    test_days,
    test_errors,
    test_filters,
    test_fixtures,
    test_ids,
    test_invoices,
    test_money,
    test_paging,
    test_payments,
    test_reading,
    test_writing,
)
from tests.conformance.planting import Bugs, with_resource

BUGS = Bugs()
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@BUGS.caught_by(test_writing.test_an_update_changes_only_what_it_names, resource="contacts")
def forgetful_update(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An update writes what was sent, and so clears the rest."""

    class Broken(memory.MemoryContacts):
        async def update(self, up: Upstream, id: str, change: Change) -> Record[Contact]:
            before = await memory.request(up, "GET", "contacts", id)
            needed = {name: before[name] for name in ("isPerson", "relationTypes", "companyName")}
            body = contacts.contact_body(change.given(), needed)
            return contacts.contact_of(await memory.request(up, "PUT", "contacts", id, json=body))

    return with_resource("contacts", Broken())


@BUGS.caught_by(test_writing.test_part_of_an_address_changes_alone)
def forgetful_address(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An update of a city clears the street."""
    whole = contacts.address_body
    monkeypatch.setattr(contacts, "address_body", lambda address, before, pointer: whole(address, {}, pointer))
    return ADAPTER


@BUGS.caught_by(test_writing.test_a_street_is_not_lost_for_want_of_a_number)
def street_lost(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A change that says that there is no house number clears the line that the street is on."""
    whole = contacts.address_body

    def broken(address: AddressDraft | None, before: Mapping[str, Any], pointer: str) -> dict[str, Any] | None:
        numbered = address is not None and "house_number" in address.given()
        return whole(address, {**before, "addressLine": None} if numbered else before, pointer)

    monkeypatch.setattr(contacts, "address_body", broken)
    return ADAPTER


@BUGS.caught_by(test_writing.test_everything_that_is_given_is_kept, resource="contacts")
def dropped_field(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A field that is said to be held is not sent."""

    class Broken(memory.MemoryContacts):
        async def create(self, up: Upstream, draft: ContactDraft) -> Record[Contact]:
            return await super().create(up, draft.model_copy(update={"mobile": None}))

    return with_resource("contacts", Broken())


@BUGS.caught_by(test_writing.test_what_is_deleted_is_gone, resource="contacts")
def idle_delete(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A delete reports success and does nothing."""

    class Broken(memory.MemoryContacts):
        async def delete(self, up: Upstream, id: str) -> None:
            await self.get(up, id)

    return with_resource("contacts", Broken())


@BUGS.caught_by(test_paging.test_small_steps_through_a_small_list, resource="vat-codes")
def off_by_one(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Every page but the first begins one record too late."""

    class Broken(memory.MemoryVatCodes):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[VatCode]]:
            window = Window(listing.window.offset + (listing.window.offset > 0), listing.window.size)
            return await super().list(up, replace(listing, window=window))

    return with_resource("vat-codes", Broken())


@BUGS.caught_by(test_paging.test_a_total_is_right_or_null, resource="contacts")
def total_of_the_page(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The total of a list is that of its page."""

    class Broken(memory.MemoryContacts):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[Contact]]:
            page = await super().list(up, listing)
            return Page(page.items, page.more, len(page.items))

    return with_resource("contacts", Broken())


@BUGS.caught_by(test_filters.test_a_filter_finds_exactly_the_right_records, resource="contacts", name="email")
def filter_that_minds_case(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A filter by e-mail minds upper and lower case."""

    class Broken(memory.MemoryContacts):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[Contact]]:
            page = await super().list(up, listing)
            wanted = listing.text("email")
            items = [one for one in page.items if wanted in (None, one.item.email)]
            return Page(items, page.more, len(items))

    return with_resource("contacts", Broken())


@BUGS.caught_by(test_filters.test_a_filter_finds_exactly_the_right_records, resource="invoices", name="issued_to")
def filter_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A filter is declared and never passed on."""

    class Broken(memory.MemoryInvoices):
        names: ClassVar[Mapping[str, str]] = {
            ours: theirs for ours, theirs in memory.MemoryInvoices.names.items() if ours != "issued_to"
        }

    return with_resource("invoices", Broken())


@BUGS.caught_by(test_money.test_a_long_number_survives)
def amount_through_a_float(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An amount goes through a float."""
    honest = products.product_body

    def broken(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        body = honest(given, before)
        return {**body, "price": format(Decimal(float(body["price"])), "f")[:24]} if body.get("price") else body

    monkeypatch.setattr(products, "product_body", broken)
    return ADAPTER


@BUGS.caught_by(test_money.test_totals_are_those_of_the_system)
def rate_ten_times_too_low(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A VAT rate of 0.21 is read as 2.1 per cent."""
    honest = set_up.vat_code_of

    def broken(raw: Mapping[str, Any]) -> Record[VatCode]:
        record = honest(raw)
        return structs.replace(record, item=structs.replace(record.item, rate=number_text(record.item.percentage / 10)))

    monkeypatch.setattr(set_up, "vat_code_of", broken)
    return ADAPTER


@BUGS.caught_by(test_money.test_expected_totals_are_checked_before_anything_is_sent)
def expectations_ignored(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Expected totals are accepted and not looked at."""
    monkeypatch.setattr(lines, "as_expected", lambda body, expected, on_rounding, setup: body)
    return ADAPTER


@BUGS.caught_by(test_invoices.test_a_credit_note_undoes_an_invoice)
def negative_credit_note(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The amounts of a credit note are negative, as the system writes them."""
    monkeypatch.setattr(invoices, "sign_of", lambda kind: 1)
    return ADAPTER


@BUGS.caught_by(test_invoices.test_a_document_stays_of_the_kind_that_was_asked_for, kind="invoice")
def invoice_told_by_its_sign(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An invoice of less than nothing is told as a credit note."""
    return told_by_sign("invoice")


@BUGS.caught_by(test_invoices.test_a_document_stays_of_the_kind_that_was_asked_for, kind="credit_note")
def credit_note_told_by_its_sign(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A credit note of less than nothing is told as an invoice."""
    return told_by_sign("credit_note")


def told_by_sign(kind: DocumentType) -> Adapter:
    """The memory adapter, which tells documents of one kind by their sign alone."""

    class Broken(memory.MemoryInvoices):
        async def get(self, up: Upstream, id: str) -> Record[Invoice]:
            record = await super().get(up, id)
            said = record.item
            if said.document_type != kind or not (said.totals.net or "").startswith("-"):
                return record
            other: DocumentType = "credit_note" if kind == "invoice" else "invoice"
            return structs.replace(record, item=structs.replace(said, document_type=other))

    return with_resource("invoices", Broken())


@BUGS.caught_by(test_payments.test_a_part_payment_counts_or_is_refused)
def part_is_taken_for_all(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A part payment makes an invoice paid."""
    monkeypatch.setattr(invoices, "PAYMENT_STATES", {**invoices.PAYMENT_STATES, "part": "paid"})
    return ADAPTER


def overdue_where(is_late: Callable[[date, date], bool]) -> Adapter:
    """The memory adapter, with documents overdue by their day and today's alone."""

    class Broken(memory.MemoryInvoices):
        async def get(self, up: Upstream, id: str) -> Record[Invoice]:
            record = await super().get(up, id)
            due = record.item.due_on
            late = structs.replace(record.item, is_overdue=due is not None and is_late(due, up.today))
            return structs.replace(record, item=late)

    return with_resource("invoices", Broken())


@BUGS.caught_by(test_payments.test_an_invoice_is_overdue_from_the_day_after_it_was_due_until_it_is_paid)
def overdue_a_day_early(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An invoice is overdue on the day that it is due."""
    return overdue_where(lambda due, today: due <= today)


@BUGS.caught_by(test_payments.test_a_credit_note_is_never_overdue)
def credit_note_is_overdue(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A credit note is overdue when its day has passed."""
    return overdue_where(lambda due, today: due < today)


@BUGS.caught_by(test_invoices.test_a_vat_code_is_of_its_rate_and_country, name="vat_country", other="DE")
def country_passed_over(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The country that stands beside a VAT code is passed over."""
    honest = lines._vat_code

    def broken(line: LineDraft, *args: Any) -> VatCode:
        return honest(line.model_copy(update={"vat_country": None}), *args)

    monkeypatch.setattr(lines, "_vat_code", broken)
    return ADAPTER


@BUGS.caught_by(test_invoices.test_a_draft_has_no_paper, kind="pdf")
def envelope_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A refusal with status 200 is taken for a success."""
    return replace(ADAPTER, read_error=lambda reply: read_error(reply) if reply.status >= 400 else None)


@BUGS.caught_by(test_errors.test_nonsense_is_never_taken_for_data, kind="html", status=200)
def nonsense_is_an_empty_list(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An answer that is no JSON is an empty list."""

    def broken(reply: Reply) -> object:
        try:
            return read_envelope(reply)
        except Problem:
            return {"items": [], "total": 0}

    return replace(ADAPTER, read_envelope=broken)


@BUGS.caught_by(test_errors.test_a_request_to_wait_is_passed_on_and_heeded)
def wait_not_told(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """How long to wait is not passed on."""

    def broken(reply: Reply) -> Problem | None:
        problem = read_error(reply)
        if problem is not None:
            problem.retry_after = None
        return problem

    return replace(ADAPTER, read_error=broken)


@BUGS.caught_by(test_ids.test_what_can_be_no_id_reaches_no_system)
def id_pasted_into_a_path(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Nobody looks at an id, and it is pasted into the path."""
    monkeypatch.setattr(routes, "is_id", lambda text: True)

    class Broken(memory.MemoryContacts):
        async def get(self, up: Upstream, id: str) -> Record[Contact]:
            return contacts.contact_of(await up.data(Request("GET", f"/api/companies/m1/contacts/{id}")))

    return with_resource("contacts", Broken())


@BUGS.caught_by(test_ids.test_an_id_has_one_spelling)
def id_in_two_spellings(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A zero before an id that a filter asks for is passed over, as before a number."""

    class Broken(memory.MemoryInvoices):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[Invoice]]:
            asked = listing.text("contact_id")
            plain = {} if asked is None else {"contact_id": asked.lstrip("0")}
            return await super().list(up, replace(listing, filters={**listing.filters, **plain}))

    return with_resource("invoices", Broken())


@BUGS.caught_by(test_reading.test_include_shows_what_the_system_said, resource="contacts")
def wrong_raw(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What is shown as the system's own record is another one's."""
    honest = contacts.contact_of
    monkeypatch.setattr(contacts, "contact_of", lambda raw: structs.replace(honest(raw), raw={**raw, "id": "co1"}))
    return ADAPTER


@BUGS.caught_by(test_writing.test_what_is_deleted_is_gone, resource="contacts")
def not_found_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A record that is not there is called a bad request."""

    def broken(reply: Reply) -> Problem | None:
        problem = read_error(reply)
        known = problem is None or problem.code != "not_found"
        return problem if known else Problem("upstream_rejected", "Not found.")

    return replace(ADAPTER, read_error=broken)


@BUGS.caught_by(test_fixtures.test_every_resource_has_its_golden_pairs)
def resource_without_a_pair(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A new resource comes without a golden pair."""
    return with_resource("estimates", memory.MemoryInvoices())


@BUGS.caught_by(test_fixtures.test_every_golden_pair_reads_as_written)
def names_exchanged_both_ways(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Two fields have each other's names, read and written alike."""
    exchanged = {"phone": "mobile", "mobile": "phone"}
    monkeypatch.setattr(contacts, "SAME", {**contacts.SAME, **exchanged})
    return ADAPTER


@BUGS.caught_by(test_days.test_when_a_record_was_made_is_told_in_utc, resource="contacts")
def stamps_by_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A moment in UTC is taken for one by the clock on the wall."""
    honest = contacts.contact_of

    def broken(raw: Mapping[str, Any]) -> Record[Contact]:
        record = honest(raw)
        wall = {name: getattr(record.item, name).replace(tzinfo=AMSTERDAM) for name in ("created_at", "updated_at")}
        return structs.replace(record, item=structs.replace(record.item, **wall))

    monkeypatch.setattr(contacts, "contact_of", broken)
    return ADAPTER


@BUGS.caught_by(test_reading.test_a_list_goes_back_for_years)
def invoices_of_this_year(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A list begins with this year, as the system's own does."""

    class Broken(memory.MemoryInvoices):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[Invoice]]:
            since = {"issued_from": date(up.today.year, 1, 1), **listing.filters}
            return await super().list(up, replace(listing, filters=since))

    return with_resource("invoices", Broken())
