"""The list of invoices: every one once, filters exact, and each item what a get says, at the price that is told."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace as replace_field
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any, get_args
from unittest.mock import ANY

import pytest
from msgspec.structs import replace

from adapters.thenextinvoice.emulator.invoicing import finalize, save_new
from adapters.thenextinvoice.wire import PAGE_CAP
from gateway.contract.adapter import Listing
from gateway.contract.emulator import ReceivedRequest
from gateway.contract.models import CreditDraft
from gateway.contract.models.invoices import InvoicePaymentStatus
from gateway.contract.paging import Window
from gateway.contract.upstream import Reply, Request
from tests.adapters.thenextinvoice.connected import INVOICES, TODAY, Books, connected
from tests.adapters.thenextinvoice.opened import DOWN, opened

WAYS: list[dict[str, Any]] = [
    {},
    {"open_includes_pastdue": False},
    {"reminded": "state"},
    {"past_end": "last", "over_limit": "refuse"},
    {"several_statuses": "all"},
    {"parties": "objects", "draft_number": "empty", "zero_vat_row": True},
    {"credit_negates": "quantity", "ties": "by_id", "default_order": "documented"},
    {"vat_rounding": "per_line", "float_noise": True},
]


def way(switches: dict[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in switches.items()) or "default"


@pytest.fixture(params=WAYS, ids=way)
async def books(request: pytest.FixtureRequest) -> AsyncIterator[Books]:
    async with connected(populated=True, **request.param) as opened:
        yield opened


def live(books: Books) -> dict[str, Any]:
    """The invoices that there really are, by id."""
    return {str(row["id"]): row for row in books.emulator.books()["invoices"]}


async def test_every_invoice_is_met_once_finals_first(books: Books) -> None:
    for size in (7, 60, 200):
        listed = await books.listed(size=size)
        assert len({one.id for one in listed}) == len(listed), size
        assert {one.id for one in listed} == live(books).keys(), size
        kinds = [one.document_status for one in listed]
        assert kinds == sorted(kinds, key=("final", "draft").index), size
        numbers = [one.number for one in listed if one.number is not None]
        assert numbers == sorted(numbers, reverse=True), size


async def test_a_listed_invoice_is_what_a_get_says(books: Books) -> None:
    listed = await books.listed(lines=True)
    chosen = {one.payment_status: one for one in listed}
    assert {"unpaid", "paid", "credited", "not_applicable"} <= chosen.keys()
    notes = [one for one in listed if one.document_type == "credit_note"]
    for one in [*chosen.values(), *notes[:3], *listed[:5], *listed[-3:]]:
        assert await books.read(one.id) == one


async def test_lines_come_only_when_asked_for(books: Books) -> None:
    assert all(one.lines is None and one.tax_breakdown is None for one in await books.listed(size=50))


async def test_a_payment_status_is_filtered_exactly(books: Books) -> None:
    everything = await books.listed()
    for status, size in product(get_args(InvoicePaymentStatus), (7, 200)):
        found = await books.listed(size=size, payment_status=status)
        assert len({one.id for one in found}) == len(found), (status, size)
        by_id = {one.id: one for one in found}
        assert by_id == {one.id: one for one in everything if one.payment_status == status}, (status, size)


async def test_a_document_status_is_filtered_exactly(books: Books) -> None:
    everything = await books.listed()
    for status in ("draft", "final", "void", "unknown"):
        expected = [one.id for one in everything if one.document_status == status]
        assert [one.id for one in await books.listed(document_status=status)] == expected, status


async def test_dates_are_filtered_exactly(books: Books) -> None:
    everything = await books.listed()
    days = sorted({one.issued_on for one in everything if one.issued_on is not None})
    first, last = days[len(days) // 3], days[2 * len(days) // 3]
    for filters, field in (
        ({"issued_from": first, "issued_to": last}, "issued_on"),
        ({"due_from": first, "due_to": last}, "due_on"),
    ):
        expected = {one.id for one in everything if first <= getattr(one, field) <= last}
        assert {one.id for one in await books.listed(**filters)} == expected
        unpaid = {one.id for one in everything if one.id in expected and one.payment_status == "unpaid"}
        assert {one.id for one in await books.listed(payment_status="unpaid", **filters)} == unpaid


async def test_a_number_is_filtered_to_the_letter(books: Books) -> None:
    everything = await books.listed()
    some = everything[3]
    assert [one.id for one in await books.listed(number=some.number)] == [some.id]
    for nobodys in ("1", some.number[:-1], f"{some.number}0", "0" + some.number):
        assert await books.listed(number=nobodys) == []
    for status in ("unpaid", "paid", "credited"):
        expected = [some.id] if some.payment_status == status else []
        assert [one.id for one in await books.listed(number=some.number, payment_status=status)] == expected


async def test_a_customers_invoices_are_found_his_drafts_too(books: Books) -> None:
    rows = live(books)
    customers = {row["customer_id"] for row in rows.values() if row["status"] == 0}
    assert customers
    for customer in customers:
        expected = {id for id, row in rows.items() if row["customer_id"] == customer}
        found = await books.listed(contact_id=str(customer))
        assert {one.id for one in found} == expected
        assert {one.contact_id for one in found} == {str(customer)}
    assert await books.listed(contact_id="987654") == []
    with books.calls(0):
        assert await books.listed(contact_id="abc") == []


async def test_words_are_looked_for_by_the_system(books: Books) -> None:
    some = (await books.listed(lines=True))[0]
    word = some.lines[0].description
    found = await books.listed(q=word, lines=True)
    assert some.id in {one.id for one in found}
    assert len(found) < len(live(books))


@pytest.mark.parametrize("open_includes_pastdue", [True, False])
async def test_what_is_due_around_today_is_unpaid_once(open_includes_pastdue: bool) -> None:
    async with connected(open_includes_pastdue=open_includes_pastdue) as books:
        customer = await books.contact()
        days = [TODAY + timedelta(days=number) for number in range(-3, 4)]
        issued = TODAY - timedelta(days=10)
        made = [await books.final(contact_id=customer.id, issued_on=issued, due_on=day) for day in days]
        for size in (1, 3, 200):
            found = await books.listed(payment_status="unpaid", size=size)
            assert sorted(one.id for one in found) == sorted(one.id for one in made)
        assert {one.id: one.is_overdue for one in found} == {
            one.id: one.due_on is not None and one.due_on < TODAY for one in made
        }
        assert {one.id: one.provider_status for one in found} == {
            one.id: "pastdue" if one.due_on and one.due_on < TODAY else "open" for one in made
        }


async def test_a_page_costs_one_more_call_for_each_state_that_matters() -> None:
    async with connected() as books:
        customer = await books.contact()
        made = [await books.final(contact_id=customer.id) for _ in range(3)]
        with books.calls(6):  # the page, the drafts, the page again; paid, credited; open, as nothing is due yet
            await books.listed()
        made.append(await books.final(contact_id=customer.id, issued_on=TODAY - timedelta(days=60)))
        with books.calls(7):  # as before; paid, credited; past due, open
            await books.listed()
        for one in made[:3]:
            await books.pay(one)
        with books.calls(6):  # as before; paid, credited; past due, as the rest is
            await books.listed()
        await books.pay(made[3])
        with books.calls(5):  # as before; paid, credited
            await books.listed()
        with books.calls(3):  # a page that is full of final ones; paid, credited
            await INVOICES.list(books.up(), Listing(Window(0, 4), {}))
        with books.calls(1):
            await books.listed(payment_status="paid")
        with books.calls(1):
            await books.listed(document_status="draft")
        await INVOICES.credit(books.up(), (await books.final(contact_id=customer.id)).id, CreditDraft())
        with books.calls(4):  # the page; paid, credited, credit
            await books.listed(document_status="final")


class Colleague:
    """Somebody who finalizes a draft before the numbered calls of a list, in TheNextInvoice itself."""

    def __init__(self, books: Books, befores: Sequence[int]) -> None:
        self._books, self._befores, self._searches = books, befores, 0
        self._send = books.link.send
        books.link.send = self._sent  # type: ignore[method-assign]  # who looks over the adapter's shoulder
        self.finalized: list[str] = []

    async def _sent(self, request: Request, headers: Mapping[str, str]) -> Reply:
        if self._searches in self._befores:
            service, company = self._books.emulator.service, self._books.emulator.company
            drafts = [one for one in company.invoices.values() if one.kind == "invoice" and not one.final]
            finalize(service, company, drafts[0])
            self.finalized.append(str(drafts[0].id))
        self._searches += 1
        return await self._send(request, headers)

    def leaves(self) -> None:
        self._books.link.send = self._send  # type: ignore[method-assign]  # as above


@pytest.mark.parametrize("befores", [(0,), (1,), (2,), (3,), (1, 2), (2, 3), (1, 2, 3)], ids=str)
@pytest.mark.parametrize("filters", [{}, {"q": "brood"}], ids=str)
async def test_what_is_finalized_while_a_list_is_read_is_in_it_once(
    befores: Sequence[int], filters: dict[str, Any]
) -> None:
    async with connected() as books:
        customer = await books.contact()
        finals = [await books.final(contact_id=customer.id) for _ in range(2)]
        drafts = [await books.invoice(contact_id=customer.id) for _ in range(4)]
        colleague = Colleague(books, befores)
        page = await INVOICES.list(books.up(), Listing(Window(0, 50), filters))
        colleague.leaves()
        assert len(colleague.finalized) == len(befores)
        assert sorted(one.item.id for one in page.items) == sorted(one.id for one in [*finals, *drafts])
        assert (page.more, page.total) == (False, 6)
        for one in page.items:
            said = one.item.document_status
            assert said == "final" or one.item.id in {draft.id for draft in drafts}
            assert said == "draft" or one.item.payment_status == "unpaid"


async def test_where_drafts_take_several_pages_what_is_passed_over_is_read_the_next_time(tmp_path: Path) -> None:
    """A draft of the first page that becomes final moves up those behind it: one is on neither page."""
    async with opened(tmp_path) as gateway:
        made = await gateway.invoice()
        service, company = gateway.emulator.service, gateway.emulator.company
        (draft,) = company.invoices.values()
        for _ in range(PAGE_CAP + 1):
            save_new(service, company, replace_field(draft, token=None))
        newest = company.invoices[max(company.invoices)]

        def becomes_final(seen: ReceivedRequest) -> bool:
            if not newest.final and "type=draft" in seen.query and "page=2" in seen.query:
                finalize(service, company, newest)
            return False

        gateway.emulator.fail(DOWN, when=becomes_final)
        listed = await gateway.done("GET", "invoices", limit="200")
        assert newest.final
        assert len(listed["data"]) == PAGE_CAP + 2
        assert {one["id"] for one in listed["data"]} == {str(id) for id in company.invoices} >= {made["id"]}


async def test_every_hundred_invoices_cost_the_same() -> None:
    async with connected() as books:
        customer = await books.contact()
        lines = [books.line()]
        for _ in range(200):
            await books.pay(await books.final(contact_id=customer.id, lines=lines))
        for size in (100, 200):
            with books.calls(6):  # for each hundred: the page; paid, credited
                listed = await books.listed(size=size, document_status="final")
            assert [one.payment_status for one in listed] == ["paid"] * 200


async def test_a_state_that_no_search_tells_is_asked_for() -> None:
    async with connected() as books:
        final = await books.final()
        books.emulator.company.invoices[int(final.id)].credited = False
        found = await books.listed()
        assert [one.payment_status for one in found] == ["unpaid"]
        send = books.link.send

        async def blind(request: Any, headers: Any) -> Any:
            """A system whose searches by state find nothing."""
            if any(name == "status" for name, _ in request.query):
                query = [*request.query, ("term", "niets dat iemand ooit schreef")]
                return await send(type(request)(request.method, request.path, query), headers)
            return await send(request, headers)

        books.link.send = blind  # type: ignore[method-assign]  # the blind system
        assert await books.listed(document_status="final") == found


@pytest.mark.parametrize("open_includes_pastdue", [True, False])
@pytest.mark.parametrize("reminded", ["mark", "state"])
async def test_what_was_reminded_of_is_unpaid_and_listed_once(reminded: str, open_includes_pastdue: bool) -> None:
    async with connected(reminded=reminded, open_includes_pastdue=open_includes_pastdue) as books:
        customer = await books.contact()
        issued = TODAY - timedelta(days=40)
        made = [
            await books.final(contact_id=customer.id, issued_on=issued, due_on=TODAY + timedelta(days=days))
            for days in (-30, -20, -10, 0, 10)
        ]
        for one in (made[0], made[1], made[3]):
            books.emulator.company.invoices[int(one.id)].reminders.append("2026-03-01 09:00:00")
        await books.pay(made[1])
        owed = {one.id for one in made} - {made[1].id}
        for size in (1, 2, 200):
            found = await books.listed(payment_status="unpaid", size=size)
            assert sorted(one.id for one in found) == sorted(owed)
        for one in found:
            assert await books.read(one.id) == replace(one, lines=ANY, tax_breakdown=ANY)
        assert await books.listed(payment_status="unpaid", due_to=issued + timedelta(days=10)) == [
            one for one in found if one.id == made[0].id
        ]


async def test_orders_are_always_asked_for() -> None:
    async with connected(populated=True) as books:
        await books.listed()
        searches = [target for target in books.sent("GET") if "/invoice/search" in target]
        assert searches
        assert all("order=" in target for target in searches)


@pytest.mark.parametrize("day", [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)])
async def test_due_dates_narrow_what_is_unpaid(day: date) -> None:
    async with connected() as books:
        customer = await books.contact()
        issued = TODAY - timedelta(days=10)
        for number in range(-3, 4):
            due = TODAY + timedelta(days=number)
            await books.final(contact_id=customer.id, issued_on=issued, due_on=due)
        found = await books.listed(payment_status="unpaid", due_from=day, due_to=day)
        assert [one.due_on for one in found] == [day]
        later = await books.listed(payment_status="unpaid", due_from=day)
        assert sorted(one.due_on for one in later) == [TODAY + timedelta(n) for n in range((day - TODAY).days, 4)]
