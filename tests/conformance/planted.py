"""Small faults, each of the kind that happens, and the law that must catch it.

A fault is planted in a copy of the memory adapter, or in a piece of the engine for as long as one test runs.
"""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from msgspec import structs

from adapters.memory import ADAPTER
from adapters.memory import resources as memory
from adapters.memory.mapping import contacts, invoices, lines, products
from adapters.memory.mapping import settings as set_up
from adapters.memory.mapping.replies import read_envelope, read_error
from gateway.contract.adapter import Adapter, Listing, Record, Sent, Traces
from gateway.contract.auth import AccessToken
from gateway.contract.emulator import Fault
from gateway.contract.errors import Problem
from gateway.contract.models import Change, Contact, ContactDraft, VatCode
from gateway.contract.money import number_text
from gateway.contract.paging import Page, Window
from gateway.contract.secret import Secret
from gateway.contract.upstream import Reply, Request, Upstream
from gateway.engine import connections, perform, upstream
from gateway.engine.asked import Asked, parameters, read_query
from gateway.engine.cache import Flights
from gateway.engine.call import Caller
from gateway.engine.cursors import Cursors
from gateway.engine.generations import Slots
from gateway.engine.looking import Looking
from gateway.engine.raw import raw_request
from gateway.engine.reconciling import Sight
from gateway.engine.storage import Attempt, StoredConnection
from gateway.engine.tokens import broker
from gateway.engine.tokens.refusals import Refusals
from gateway.store.attempts import SqlAttempts
from gateway.store.seal import DataKey
from gateway.web import routes
from tests.conformance import (
    test_caching,
    test_capabilities,
    test_errors,
    test_filters,
    test_ids,
    test_invoices,
    test_links,
    test_money,
    test_paging,
    test_payments,
    test_raw,
    test_reading,
    test_reconciling,
    test_secrets,
    test_tenants,
    test_tokens,
    test_writing,
)

Law = Callable[..., Awaitable[None]]
Plant = Callable[[pytest.MonkeyPatch], Adapter]


@dataclass(frozen=True)
class Bug:
    """A fault, how it is planted (giving the adapter to try), and the law that must fail with its arguments."""

    name: str
    plant: Plant
    law: Law
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def caught_by(self) -> str:
        """The law as the README calls it."""
        return f"{self.law.__module__.rpartition('.')[2]}.{self.law.__name__}"


BUGS: list[Bug] = []


def caught_by(law: Law, **arguments: Any) -> Callable[[Plant], Plant]:
    """Plant a fault under the name that its docstring gives."""

    def plant(bug: Plant) -> Plant:
        BUGS.append(Bug((bug.__doc__ or "").strip(), bug, law, arguments))
        return bug

    return plant


def with_resource(name: str, resource: object) -> Adapter:
    """The memory adapter with one resource replaced."""
    return replace(ADAPTER, resources={**ADAPTER.resources, name: resource})  # type: ignore[dict-item]  # a broken one


# --- in an adapter


@caught_by(test_writing.test_an_update_changes_only_what_it_names, resource="contacts")
def forgetful_update(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An update writes what was sent, and so clears the rest."""

    class Broken(memory.MemoryContacts):
        async def update(self, up: Upstream, id: str, change: Change) -> Record[Contact]:
            before = await memory.ask(up, "GET", "contacts", id)
            needed = {name: before[name] for name in ("isPerson", "relationTypes", "companyName")}
            body = contacts.contact_body(change.given(), needed)
            return contacts.contact_of(await memory.ask(up, "PUT", "contacts", id, json=body))

    return with_resource("contacts", Broken())


@caught_by(test_writing.test_part_of_an_address_changes_alone)
def forgetful_address(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An update of a city clears the street."""
    whole = contacts.address_body
    monkeypatch.setattr(contacts, "address_body", lambda address, before: whole(address, {}))
    return ADAPTER


@caught_by(test_writing.test_everything_that_is_given_is_kept, resource="contacts")
def dropped_field(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A field that is said to be held is not sent."""

    class Broken(memory.MemoryContacts):
        async def create(self, up: Upstream, draft: ContactDraft) -> Record[Contact]:
            return await super().create(up, draft.model_copy(update={"mobile": None}))

    return with_resource("contacts", Broken())


@caught_by(test_writing.test_what_is_deleted_is_gone, resource="contacts")
def idle_delete(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A delete reports success and does nothing."""

    class Broken(memory.MemoryContacts):
        async def delete(self, up: Upstream, id: str) -> None:
            await self.get(up, id)

    return with_resource("contacts", Broken())


@caught_by(test_paging.test_small_steps_through_a_small_list, resource="vat-codes")
def off_by_one(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Every page but the first begins one record too late."""

    class Broken(memory.MemoryVatCodes):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[VatCode]]:
            window = Window(listing.window.offset + (listing.window.offset > 0), listing.window.size)
            return await super().list(up, replace(listing, window=window))

    return with_resource("vat-codes", Broken())


@caught_by(test_paging.test_a_total_is_right_or_null, resource="contacts")
def total_of_the_page(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The total of a list is that of its page."""

    class Broken(memory.MemoryContacts):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[Contact]]:
            page = await super().list(up, listing)
            return Page(page.items, page.more, len(page.items))

    return with_resource("contacts", Broken())


@caught_by(test_filters.test_a_filter_finds_exactly_the_right_records, resource="contacts", name="email")
def filter_that_minds_case(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A filter by e-mail minds upper and lower case."""

    class Broken(memory.MemoryContacts):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[Contact]]:
            page = await super().list(up, listing)
            wanted = listing.text("email")
            items = [one for one in page.items if wanted in (None, one.item.email)]
            return Page(items, page.more, len(items))

    return with_resource("contacts", Broken())


@caught_by(test_filters.test_a_filter_finds_exactly_the_right_records, resource="invoices", name="issued_to")
def filter_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A filter is declared and never passed on."""

    class Broken(memory.MemoryInvoices):
        names: ClassVar[Mapping[str, str]] = {
            ours: theirs for ours, theirs in memory.MemoryInvoices.names.items() if ours != "issued_to"
        }

    return with_resource("invoices", Broken())


@caught_by(test_money.test_a_long_number_survives)
def amount_through_a_float(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An amount goes through a float."""
    honest = products.product_body

    def broken(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        body = honest(given, before)
        return {**body, "price": format(Decimal(float(body["price"])), "f")[:24]} if body.get("price") else body

    monkeypatch.setattr(products, "product_body", broken)
    return ADAPTER


@caught_by(test_money.test_totals_are_those_of_the_system)
def rate_ten_times_too_low(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A VAT rate of 0.21 is read as 2.1 per cent."""
    honest = set_up.vat_code_of

    def broken(raw: Mapping[str, Any]) -> Record[VatCode]:
        record = honest(raw)
        return structs.replace(record, item=structs.replace(record.item, rate=number_text(record.item.percentage / 10)))

    monkeypatch.setattr(set_up, "vat_code_of", broken)
    return ADAPTER


@caught_by(test_money.test_expected_totals_are_checked_before_anything_is_sent)
def expectations_ignored(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Expected totals are accepted and not looked at."""
    monkeypatch.setattr(lines, "as_expected", lambda body, expected, on_rounding, setup: body)
    return ADAPTER


@caught_by(test_invoices.test_a_credit_note_undoes_an_invoice)
def negative_credit_note(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The amounts of a credit note are negative, as the system writes them."""
    monkeypatch.setattr(invoices, "sign_of", lambda kind: 1)
    return ADAPTER


@caught_by(test_payments.test_a_part_payment_counts_or_is_refused)
def part_is_taken_for_all(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A part payment makes an invoice paid."""
    monkeypatch.setattr(invoices, "PAYMENT_STATES", {**invoices.PAYMENT_STATES, "part": "paid"})
    return ADAPTER


@caught_by(test_invoices.test_a_draft_has_no_paper, kind="pdf")
def envelope_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A refusal with status 200 is taken for a success."""
    return replace(ADAPTER, read_error=lambda reply: read_error(reply) if reply.status >= 400 else None)


@caught_by(test_errors.test_nonsense_is_never_taken_for_data, kind="html", status=200)
def nonsense_is_an_empty_list(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An answer that is no JSON is an empty list."""

    def broken(reply: Reply) -> object:
        try:
            return read_envelope(reply)
        except Problem:
            return {"items": [], "total": 0}

    return replace(ADAPTER, read_envelope=broken)


@caught_by(test_errors.test_a_request_to_wait_is_passed_on_and_heeded)
def wait_not_told(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """How long to wait is not passed on."""

    def broken(reply: Reply) -> Problem | None:
        problem = read_error(reply)
        if problem is not None:
            problem.retry_after = None
        return problem

    return replace(ADAPTER, read_error=broken)


@caught_by(test_ids.test_what_can_be_no_id_reaches_no_system)
def id_pasted_into_a_path(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Nobody looks at an id, and it is pasted into the path."""
    monkeypatch.setattr(routes, "is_id", lambda text: True)

    class Broken(memory.MemoryContacts):
        async def get(self, up: Upstream, id: str) -> Record[Contact]:
            return contacts.contact_of(await up.data(Request("GET", f"/api/companies/m1/contacts/{id}")))

    return with_resource("contacts", Broken())


@caught_by(test_reading.test_include_shows_what_the_system_said, resource="contacts")
def wrong_raw(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What is shown as the system's own record is another one's."""
    honest = contacts.contact_of
    monkeypatch.setattr(contacts, "contact_of", lambda raw: replace(honest(raw), raw={**raw, "id": "co1"}))
    return ADAPTER


@caught_by(test_writing.test_what_is_deleted_is_gone, resource="contacts")
def not_found_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A record that is not there is called a bad request."""

    def broken(reply: Reply) -> Problem | None:
        problem = read_error(reply)
        known = problem is None or problem.code != "not_found"
        return problem if known else Problem("upstream_rejected", "Not found.")

    return replace(ADAPTER, read_error=broken)


# --- in the engine


@caught_by(test_caching.test_a_write_is_seen_by_the_very_next_read)
def cache_outlives_a_write(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A write leaves what was cached."""
    monkeypatch.setattr(Slots, "end_here", lambda self, connection_id, matters: {})
    return ADAPTER


@caught_by(test_filters.test_no_two_questions_share_an_answer)
def questions_look_alike(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The cache tells questions apart by their text, unquoted."""
    honest = perform.Engine._key

    def broken(self: perform.Engine, task: Any, generation: int) -> tuple[str, ...]:
        text = "&".join(f"{name}={value}" for name, value in sorted(task.call.query))
        return *honest(self, replace(task, call=replace(task.call, query=())), generation), text

    monkeypatch.setattr(perform.Engine, "_key", broken)
    return ADAPTER


@caught_by(test_tokens.test_many_askers_of_an_expired_token_cause_one_request)
def every_asker_for_himself(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Everybody who finds the token expired gets himself a new one."""

    async def broken(self: object, key: object, work: Callable[[], Awaitable[object]]) -> object:
        return await work()

    monkeypatch.setattr(Flights, "share", broken)
    # Who comes second finds the first one's token in the journal, unless he does not look there either.
    monkeypatch.setattr(broker, "newest_if", lambda serves: lambda journal: None)
    return ADAPTER


@caught_by(test_tokens.test_refusal_without_end_has_an_end)
def refused_for_ever(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A refused token is replaced again and again."""

    async def broken(self: upstream.Outbound, request: Request) -> Reply:
        token: AccessToken = await self._tokens.current()
        for _ in range(20):
            reply = await self._patiently(request, token)
            if not self._rejects_token(reply):
                break
            token = await self._tokens.replace(token)
        return reply

    monkeypatch.setattr(upstream.Outbound, "exchange", broken)
    monkeypatch.setattr(Refusals, "refuse_endless", lambda self, connection_id, rejected: None)
    return ADAPTER


@caught_by(test_errors.test_a_write_whose_answer_is_lost_is_not_repeated_blindly)
def lost_write_repeated(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A write whose answer was lost is simply sent again."""
    monkeypatch.setattr(Request, "is_write", property(lambda request: False))
    return ADAPTER


@caught_by(test_reconciling.test_what_was_done_is_told_or_left_to_a_person, what="contacts", fault=Fault("lost"))
def doubt_is_denial(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A write that nobody answered counts as not done, and is done again."""

    async def blinkered(self: Looking, attempt: Attempt, deadline: float) -> Sight:
        return Sight("absent")

    monkeypatch.setattr(Looking, "look", blinkered)
    return ADAPTER


@caught_by(test_reconciling.test_what_was_not_done_is_told_and_can_be_asked_for_again, what="contacts")
def any_trace_will_do(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The record of somebody else is taken for the one that was to be made."""

    class Broken(memory.MemoryContacts):
        async def find_written(self, up: Upstream, sent: Sent) -> Traces[Contact]:
            page = await self.list(up, Listing(Window(0, 1)))
            return Traces(page.items)

        async def create(self, up: Upstream, draft: ContactDraft) -> Record[Contact]:
            if not (await self.list(up, Listing(Window(0, 1)))).items:
                await super().create(up, draft.model_copy(update={"company_name": "Een ander"}))
            return await super().create(up, draft)

    return with_resource("contacts", Broken())


@caught_by(test_reconciling.test_two_equal_writes_in_doubt_share_no_record)
def record_given_twice(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The record of another write, known to be its own, is given to a second one."""

    async def nobody(self: SqlAttempts, attempt: Attempt, record_ids: Sequence[str]) -> Sequence[Attempt]:
        return []

    monkeypatch.setattr(SqlAttempts, "others", nobody)
    return ADAPTER


@caught_by(test_paging.test_a_cursor_opens_only_its_own_list)
def cursor_for_any_list(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A cursor is not bound to its filters."""
    read, write = Cursors.read, Cursors.write
    monkeypatch.setattr(Cursors, "read", lambda self, text, context: read(self, text, ()))
    monkeypatch.setattr(Cursors, "write", lambda self, at, context: write(self, at, ()))
    return ADAPTER


@caught_by(test_reading.test_unknown_parameters_cost_no_call, resource="contacts")
def unknown_parameter_ignored(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A query parameter that nobody knows is ignored."""

    def broken(operation: Any, query: Sequence[tuple[str, str]]) -> Asked:
        return read_query(operation, [pair for pair in query if pair[0] in parameters(operation)])

    monkeypatch.setattr(perform, "read_query", broken)
    return ADAPTER


@caught_by(test_tenants.test_anothers_connection_is_as_good_as_none)
def anyones_connection(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Nobody asks whose a connection is."""

    def broken(caller: Caller, connection: StoredConnection) -> StoredConnection:
        return connection

    monkeypatch.setattr(connections, "permit_connection", broken)
    return ADAPTER


@caught_by(test_capabilities.test_a_missing_scope_costs_no_call)
def scopes_left_to_the_system(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A missing scope is found out by asking the system."""
    monkeypatch.setattr(perform, "missing_scope", lambda adapter, connection, operation: None)
    return ADAPTER


@caught_by(test_raw.test_there_is_no_way_out)
def raw_unconfined(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A raw path is pasted behind the prefix as it is."""

    def broken(adapter: Adapter, facts: Any, method: str, path: str, *rest: Any) -> Request:
        honest = raw_request(adapter, facts, method, "x", *rest)
        return replace(honest, path=adapter.raw.prefix(facts) + path)

    monkeypatch.setattr(perform, "raw_request", broken)
    return ADAPTER


@caught_by(test_secrets.test_a_secret_is_told_to_nobody)
def nothing_is_sealed(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Credentials are stored as they are."""
    monkeypatch.setattr(DataKey, "seal", lambda self, plaintext, **where: b"\x02" + plaintext)
    monkeypatch.setattr(DataKey, "open", lambda self, sealed, **where: sealed[1:])
    return ADAPTER


@caught_by(test_secrets.test_a_secret_is_told_to_nobody)
def headers_in_the_log(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The log tells the headers of every call."""
    honest = upstream.Outbound._send

    async def broken(self: upstream.Outbound, request: Request, token: AccessToken) -> Reply:
        print(f"calling with {token.value.reveal()}", file=sys.stderr)
        return await honest(self, request, token)

    monkeypatch.setattr(upstream.Outbound, "_send", broken)
    return ADAPTER


@caught_by(test_secrets.test_a_secret_is_told_to_nobody)
def secret_that_shows_itself(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A secret's repr is the secret."""
    monkeypatch.setattr(Secret, "__repr__", Secret.reveal)
    return ADAPTER


@caught_by(test_links.test_of_many_at_once_one_gets_the_reference)
def reference_not_claimed(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A reference that the system does not keep is taken by whoever comes, and dropped where it is taken."""

    class Broken(memory.MemoryContacts):
        async def create(self, up: Upstream, draft: ContactDraft) -> Record[Contact]:
            return await super().create(up, draft.model_copy(update={"external_ref": None}))

    return with_resource("contacts", Broken())
