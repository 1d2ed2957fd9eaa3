"""Small faults in what is read: caching, lists, filters, capabilities and records, and the law that must catch each."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from msgspec import structs
from starlette.types import Scope

from adapters.memory import ADAPTER
from adapters.memory import resources as memory
from gateway.contract.adapter import Adapter, FilterValue, Listing, Record, Resource
from gateway.contract.errors import Problem
from gateway.contract.models import Company, Contact, ContactDraft, LedgerAccount, Payment, VatCode
from gateway.contract.operations import Operation
from gateway.contract.paging import Page
from gateway.contract.upstream import Upstream
from gateway.engine import inputs, perform
from gateway.engine.access.permit import resource_for
from gateway.engine.call import Answer
from gateway.engine.connections import capabilities
from gateway.engine.malformed import missing_as_malformed
from gateway.engine.outbound.upstream import Outbound
from gateway.engine.reads import answering, reading
from gateway.engine.reads.answering import Reads
from gateway.engine.reads.cache import AnswerCache
from gateway.engine.reads.filters import divide
from gateway.engine.reads.freshness import Directives
from gateway.engine.reads.revalidation import ReadOutbound
from gateway.engine.records.links import LinkBooks
from gateway.engine.records.recording import refuse_unsupported
from gateway.engine.single_flight import SingleFlight
from gateway.engine.writes import writing
from gateway.engine.writes.answering import Writes
from gateway.web import app, replay
from gateway.web.replies import Reply, replied, send_reply
from gateway.web.routes import Route, Routes
from tests.conformance import test_caching, test_capabilities, test_filters, test_invoices, test_paging, test_reading
from tests.conformance.planting import FRUGAL, MOVING, SEARCHED_BY_POLDER, Bugs, with_resource

BUGS = Bugs()


def unremembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries are understood anew, so that nothing of a fault is remembered after it."""
    monkeypatch.setattr(inputs, "_understood", inputs._understood.__wrapped__)


@BUGS.caught_by(test_caching.test_a_second_question_costs_no_call)
def nothing_is_cached(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What was answered is not kept."""
    monkeypatch.setattr(AnswerCache, "put", lambda self, key, entry: None)
    return ADAPTER


@BUGS.caught_by(test_caching.test_a_caller_may_insist_on_fresh_answers)
def directives_passed_over(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What a caller says of how fresh an answer must be is passed over."""
    monkeypatch.setattr(answering, "read_directives", lambda headers: Directives())
    return ADAPTER


@BUGS.caught_by(test_caching.test_an_answer_does_not_live_for_ever)
def stale_is_as_good(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An answer that may be given in need is given at any time."""
    monkeypatch.setattr(Directives, "accept", lambda self, age, fresh: self.max_age is None or age < self.max_age)
    return ADAPTER


@BUGS.caught_by(test_caching.test_a_write_of_one_resource_shows_in_another)
def payment_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A write ends what was known of its own resource: a payment changes no invoice."""
    honest, ending = Writes._written, LinkBooks.ending
    writing: list[str] = []

    async def noted(self: Writes, task: Any, *rest: Any) -> Answer:
        writing.append(task.operation.resource)
        return await honest(self, task, *rest)

    def broken(self: LinkBooks, connection_id: str, sent: Callable[[], bool]) -> AbstractAsyncContextManager[None]:
        return ending(self, connection_id, lambda: sent() and writing[-1] != "payments")

    monkeypatch.setattr(Writes, "_written", noted)
    monkeypatch.setattr(LinkBooks, "ending", broken)
    return ADAPTER


@BUGS.caught_by(test_caching.test_a_write_of_unknown_fate_is_seen_too)
def only_what_was_answered(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Only a write that was answered ends what was known before it."""
    honest, ending = perform.Engine._noted, LinkBooks.ending
    problems: list[Problem] = []

    async def noted(self: perform.Engine, task: Any, up: Any, problem: Problem | None) -> None:
        if problem is not None:
            problems.append(problem)
        await honest(self, task, up, problem)

    def broken(self: LinkBooks, connection_id: str, sent: Callable[[], bool]) -> AbstractAsyncContextManager[None]:
        return ending(self, connection_id, lambda: sent() and not problems)

    monkeypatch.setattr(perform.Engine, "_noted", noted)
    monkeypatch.setattr(LinkBooks, "ending", broken)
    return ADAPTER


@BUGS.caught_by(test_caching.test_an_answer_crosses_no_connection)
def kept_for_all(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An answer is kept under what was asked, and not under who was."""

    def broken(self: Reads, task: Any, generation: int) -> tuple[str, ...]:
        return task.operation.name, *task.call.what

    monkeypatch.setattr(Reads, "_key", broken)
    return ADAPTER


@BUGS.caught_by(test_caching.test_who_read_the_same_often_reads_what_a_newcomer_reads)
def said_again_unheard(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Who read the same before is told the same again, without listening to what the system says."""

    async def broken(self: ReadOutbound, before: object, links: object) -> bool:
        return True

    monkeypatch.setattr(ReadOutbound, "repeats", broken)
    return ADAPTER


@BUGS.caught_by(test_caching.test_settings_outlive_the_systems_trouble_and_say_so, resource="vat-codes")
def trouble_is_told(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A system's trouble is told, whatever there is to tell instead."""
    monkeypatch.setattr(answering, "is_passing", lambda problem: False)
    return ADAPTER


@BUGS.caught_by(test_caching.test_records_do_not_outlive_the_systems_trouble)
def records_in_need(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Records too are told as they were, where the system is in trouble."""
    honest = Reads._fetch
    told: dict[tuple[str, ...], Any] = {}

    async def broken(self: Reads, task: Any, key: tuple[str, ...], directives: Directives) -> Any:
        try:
            told[task.call.what] = await honest(self, task, key, directives)
        except Problem:
            if task.call.what not in told:
                raise
        return told[task.call.what]

    monkeypatch.setattr(Reads, "_fetch", broken)
    return ADAPTER


@BUGS.caught_by(test_caching.test_equal_questions_share_one_call)
def every_question_for_itself(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Whoever asks what is being asked already asks it again."""

    async def broken(self: object, key: object, work: Callable[[], Awaitable[object]]) -> object:
        return await work()

    monkeypatch.setattr(SingleFlight, "share", broken)
    return ADAPTER


@BUGS.caught_by(test_caching.test_an_answer_given_again_unrouted_is_the_one_that_the_long_way_gives)
def told_what_he_knows(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Who has an answer already is given it again where nothing is routed."""
    monkeypatch.setattr(replay, "etag_matches", lambda if_none_match, etag: False)
    return ADAPTER


@BUGS.caught_by(test_capabilities.test_every_operation_has_its_say, SEARCHED_BY_POLDER)
def only_native_filters(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Of the filters only those are told that the system has itself."""
    honest = capabilities._support

    def broken(adapter: Adapter, operation: Operation, *rest: Any) -> Any:
        told = honest(adapter, operation, *rest)
        return told.model_copy(update={"filters": {name: how for name, how in told.filters.items() if how == "native"}})

    monkeypatch.setattr(capabilities, "_support", broken)
    return SEARCHED_BY_POLDER


@BUGS.caught_by(test_capabilities.test_an_absent_verb_costs_no_call, FRUGAL)
def allowed_by_the_contract(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Where a system cannot do something, what others can do there is told as allowed."""

    def broken(adapter: Adapter, operation: Operation) -> Resource[Any, Any]:
        try:
            return resource_for(adapter, operation)
        except Problem as problem:
            problem.headers = {"Allow": "GET, HEAD, OPTIONS, PATCH, DELETE, POST"}
            raise

    monkeypatch.setattr(perform, "resource_for", broken)
    return FRUGAL


@BUGS.caught_by(test_invoices.test_a_system_without_drafts_says_so, FRUGAL)
def draft_made_final(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Where there are no drafts, a draft is made final unasked."""

    def broken(resource: Resource[Any, Any], body: Any, up: Outbound) -> None:
        body.finalize = True
        refuse_unsupported(resource, body, up)

    monkeypatch.setattr(writing, "refuse_unsupported", broken)
    return FRUGAL


@BUGS.caught_by(test_filters.test_a_filter_finds_exactly_the_right_records, resource="contacts", name="role")
def role_of_everybody(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A filter by role is passed over: nearly everybody is a customer."""
    names = {ours: theirs for ours, theirs in memory.MemoryContacts.names.items() if ours != "role"}
    monkeypatch.setattr(memory.MemoryContacts, "names", names)
    return ADAPTER


@BUGS.caught_by(test_filters.test_a_filter_finds_exactly_the_right_records, resource="products", name="updated_since")
def changed_at_any_time(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A filter by when a record was changed is passed over."""
    names = {ours: theirs for ours, theirs in memory.MemoryProducts.names.items() if ours != "updated_since"}
    monkeypatch.setattr(memory.MemoryProducts, "names", names)
    return ADAPTER


@BUGS.caught_by(test_filters.test_a_filter_finds_exactly_the_right_records, resource="payments", name="paid_to")
def last_day_left_out(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Payments up to a day are those before it."""

    class Broken(memory.MemoryPayments):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[Payment]]:
            until = listing.filters.get("paid_to")
            before = {"paid_to": until - timedelta(days=1)} if isinstance(until, date) else {}
            return await super().list(up, replace(listing, filters={**listing.filters, **before}))

    return with_resource("payments", Broken())


@BUGS.caught_by(test_filters.test_filters_narrow_each_other)
def one_filter_at_a_time(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Of several filters the first is passed on."""
    honest = memory._query

    def broken(listing: Listing, names: Mapping[str, str], choices: memory.Choices) -> Any:
        return honest(replace(listing, filters=dict(list(listing.filters.items())[:1])), names, choices)

    monkeypatch.setattr(memory, "_query", broken)
    return ADAPTER


@BUGS.caught_by(test_filters.test_a_status_that_no_record_has_finds_nothing)
def unheard_of_status(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A status that the system has no word for is left out of the question."""
    honest = memory._query

    def broken(listing: Listing, names: Mapping[str, str], choices: memory.Choices) -> Any:
        known = {
            name: value
            for name, value in listing.filters.items()
            if name not in choices or value in choices[name].values()
        }
        return honest(replace(listing, filters=known), names, choices)

    monkeypatch.setattr(memory, "_query", broken)
    return ADAPTER


def dividing(monkeypatch: pytest.MonkeyPatch, *passed_over: str) -> None:
    """Let problems of these codes be passed over where filters are divided."""

    def broken(
        operation: Operation, resource: Resource[Any, Any], filters: Mapping[str, FilterValue]
    ) -> tuple[dict[str, FilterValue], dict[str, FilterValue]]:
        try:
            return divide(operation, resource, filters)
        except Problem as problem:
            if problem.code not in passed_over:
                raise
            return {name: value for name, value in filters.items() if name in resource.filters}, {}

    monkeypatch.setattr(reading, "divide", broken)


@BUGS.caught_by(test_filters.test_a_filter_that_cannot_be_applied_costs_no_call, FRUGAL)
def filter_left_out(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A filter that a system does not have is left out of the question."""
    dividing(monkeypatch, "filter_unsupported")
    return FRUGAL


@BUGS.caught_by(test_filters.test_a_required_filter_is_asked_for_without_a_call, MOVING)
def list_without_its_filter(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A list that there is by a filter only is asked for without it."""
    dividing(monkeypatch, "filter_required")
    return MOVING


@BUGS.caught_by(test_filters.test_a_wrong_filter_value_costs_no_call)
def day_of_any_form(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A date in a query is passed on as it was written."""
    unremembered(monkeypatch)
    honest = inputs._value
    monkeypatch.setattr(inputs, "_value", lambda one, text: text if one.kind == "date" else honest(one, text))
    return ADAPTER


@BUGS.caught_by(test_filters.test_the_right_customer_is_found_among_hundreds)
def sought_on_the_first_page(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A customer is sought on the first page of all."""

    class Broken(memory.MemoryContacts):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[Contact]]:
            sought = (listing.text("email") or "").strip().casefold()
            page = await super().list(up, replace(listing, filters={}))
            items = [one for one in page.items if sought in (one.item.email or "").casefold()]
            return Page(items, more=False)

    return with_resource("contacts", Broken())


@BUGS.caught_by(test_paging.test_pages_of_any_size_meet_every_record_once)
def cut_off_by_the_system(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The system gives fewer at once than it is asked for, and nobody notices."""

    class Broken(memory.MemoryContacts):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[Contact]]:
            page = await super().list(up, listing)
            return replace(page, items=page.items[: memory.PAGE_CAP])

    return with_resource("contacts", Broken())


@BUGS.caught_by(test_paging.test_a_page_says_what_follows)
def next_page_of_another_size(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The address of the next page has its cursor, and nothing else that was asked."""

    def broken(answer: Answer, operation: Operation, url: str, path: bytes, query: Sequence[tuple[str, str]]) -> Reply:
        return replied(answer, operation, url, path, ())

    monkeypatch.setattr(app, "replied", broken)
    return ADAPTER


@BUGS.caught_by(test_paging.test_a_wrong_limit_costs_no_call)
def limit_in_any_script(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A limit is written in whatever Unicode calls digits."""
    unremembered(monkeypatch)
    monkeypatch.setattr(inputs, "_LIMIT", re.compile(r"\d{1,4}"))
    return ADAPTER


@BUGS.caught_by(test_reading.test_what_was_created_is_readable, resource="contacts")
def answered_as_asked(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A create answers what it was asked for, without what the system made of it."""

    class Broken(memory.MemoryContacts):
        async def create(self, up: Upstream, draft: ContactDraft) -> Record[Contact]:
            record = await super().create(up, draft)
            return structs.replace(record, item=structs.replace(record.item, address=None, created_at=None))

    return with_resource("contacts", Broken())


@BUGS.caught_by(test_reading.test_a_listed_record_equals_the_record, resource="contacts")
def listed_in_short(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A list leaves out what a record has in it."""

    class Broken(memory.MemoryContacts):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[Contact]]:
            page = await super().list(up, listing)
            short = [structs.replace(one, item=structs.replace(one.item, address=None)) for one in page.items]
            return replace(page, items=short)

    return with_resource("contacts", Broken())


@BUGS.caught_by(test_reading.test_what_never_was_is_not_found, resource="contacts")
def missed_record_is_nonsense(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A system that has no such record is taken to make no sense."""
    monkeypatch.setattr(reading, "nullcontext", missing_as_malformed)
    return ADAPTER


@BUGS.caught_by(test_reading.test_settings_are_all_there, resource="vat-codes")
def ended_codes_left_out(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A VAT code that has ended is left out, though old invoices have it."""

    class Broken(memory.MemoryVatCodes):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[VatCode]]:
            page = await super().list(up, listing)
            return replace(page, items=[one for one in page.items if one.item.valid_to is None])

    return with_resource("vat-codes", Broken())


@BUGS.caught_by(test_reading.test_the_company_is_the_one_connected)
def company_of_the_log_in(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The company is the last of those that the credentials reach."""

    class Broken(memory.MemoryCompany):
        async def get(self, up: Upstream, id: str) -> Record[Company]:
            return await super().get(up, [one.id for one in await memory.companies(up) if one.accessible][-1])

    return with_resource("company", Broken())


@BUGS.caught_by(test_reading.test_archived_records_are_left_out_unless_asked_for)
def archived_among_the_rest(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Archived records are listed among the rest."""

    class Broken(memory.MemoryLedgerAccounts):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[LedgerAccount]]:
            return await super().list(up, replace(listing, include=listing.include | {"archived"}))

    return with_resource("ledger-accounts", Broken())


@BUGS.caught_by(test_reading.test_lists_show_lines_only_when_asked)
def lines_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """That a list is to show lines is not passed on."""
    monkeypatch.setattr(memory, "INCLUDES", {"archived": "archived"})
    return ADAPTER


@BUGS.caught_by(test_reading.test_head_and_get_say_the_same)
def head_of_nothing(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A HEAD is told the length of what it is sent: nothing."""

    async def broken(scope: Scope, send: Any, one: Reply, request_id: str) -> None:
        empty = re.sub(rb"content-length: [0-9]+", b"content-length: 0", one.head)
        await send_reply(scope, send, one._replace(head=empty) if scope["method"] == "HEAD" else one, request_id)

    monkeypatch.setattr(app, "send_reply", broken)
    return ADAPTER


@BUGS.caught_by(test_reading.test_an_address_that_leads_nowhere_is_not_found)
def unknown_is_theirs(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What is no address of Polder's is taken for one of the system's."""
    honest = Routes.match

    def broken(self: Routes, raw_path: bytes) -> tuple[Route, dict[str, bytes]] | None:
        parent, _, last = raw_path.rpartition(b"/")
        return honest(self, raw_path) or honest(self, parent + b"/raw/" + last)

    monkeypatch.setattr(Routes, "match", broken)
    return ADAPTER
