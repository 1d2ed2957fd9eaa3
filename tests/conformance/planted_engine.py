"""Small faults in the engine, each of the kind that happens, and the law that must catch it."""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from adapters.memory import ADAPTER
from adapters.memory import resources as memory
from gateway.contract.adapter import Adapter, Listing, Record, Sent, Traces
from gateway.contract.auth import AccessToken
from gateway.contract.emulator import Fault
from gateway.contract.models import Contact, ContactDraft, LineDraft
from gateway.contract.paging import Window
from gateway.contract.secret import Secret
from gateway.contract.upstream import Reply, Request, Upstream
from gateway.engine import perform, raw
from gateway.engine.call import Caller
from gateway.engine.connections import connections
from gateway.engine.cursors import Cursors
from gateway.engine.generations import Slots
from gateway.engine.inputs import Parameters, parameters, read_query
from gateway.engine.outbound import upstream
from gateway.engine.outbound.calls import Calls
from gateway.engine.raw import raw_request
from gateway.engine.reads import filters, reading
from gateway.engine.reads.answering import Reads
from gateway.engine.single_flight import SingleFlight
from gateway.engine.storage import Attempt, StoredConnection
from gateway.engine.tokens import broker
from gateway.engine.tokens.refusals import Refusals
from gateway.engine.writes import inspection
from gateway.engine.writes.inspection import Inspection
from gateway.engine.writes.reconciliation import Finding
from gateway.engine.writes.writing import Writer
from gateway.store.attempts import SqlAttempts
from gateway.store.seal import DataKey
from tests.conformance import (
    test_caching,
    test_capabilities,
    test_errors,
    test_filters,
    test_links,
    test_paging,
    test_raw,
    test_reading,
    test_secrets,
    test_tenants,
    test_tokens,
    test_writing,
)
from tests.conformance import test_reconciliation as test_reconciling
from tests.conformance.planting import (
    REFERENCES_IN_POLDER,
    SEARCHED_BY_POLDER,
    WITHOUT_DISCOUNTS,
    WITHOUT_TEXTS,
    Bugs,
    with_resource,
)

BUGS = Bugs()


@BUGS.caught_by(test_caching.test_a_write_is_seen_by_the_very_next_read)
def cache_outlives_a_write(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A write leaves what was cached."""
    monkeypatch.setattr(Slots, "end_here", lambda self, connection_id, matters: {})
    return ADAPTER


@BUGS.caught_by(test_filters.test_no_two_questions_share_an_answer)
def questions_look_alike(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The cache tells questions apart by their text, unquoted."""
    honest = Reads._key

    def broken(self: Reads, task: Any, generation: int) -> tuple[str, ...]:
        text = "&".join(f"{name}={value}" for name, value in sorted(task.call.query))
        return *honest(self, replace(task, call=replace(task.call, query=())), generation), text

    monkeypatch.setattr(Reads, "_key", broken)
    return ADAPTER


@BUGS.caught_by(test_tokens.test_many_askers_of_an_expired_token_cause_one_request)
def every_asker_for_himself(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Everybody who finds the token expired gets himself a new one."""

    async def broken(self: object, key: object, work: Callable[[], Awaitable[object]]) -> object:
        return await work()

    monkeypatch.setattr(SingleFlight, "share", broken)
    # Who comes second finds the first one's token in the journal, unless he does not look there either.
    monkeypatch.setattr(broker, "newest_if", lambda serves: lambda journal: None)
    return ADAPTER


@BUGS.caught_by(test_tokens.test_refusal_without_end_has_an_end)
def refused_for_ever(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A refused token is replaced again and again."""

    async def broken(self: upstream.Outbound, request: Request) -> Reply:
        token: AccessToken = await self._tokens.current()
        for _ in range(20):
            reply = await self._calls.send(request, token, self._announce)
            if not self._rejects_token(reply):
                break
            token = await self._tokens.replace(token)
        return reply

    monkeypatch.setattr(upstream.Outbound, "exchange", broken)
    monkeypatch.setattr(Refusals, "refuse_endless", lambda self, connection_id: None)
    return ADAPTER


@BUGS.caught_by(test_errors.test_a_write_whose_answer_is_lost_is_not_repeated_blindly)
def lost_write_repeated(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A write whose answer was lost is simply sent again."""
    monkeypatch.setattr(Request, "is_write", property(lambda request: False))
    return ADAPTER


@BUGS.caught_by(test_reconciling.test_what_was_done_is_told_or_left_to_a_person, what="contacts", fault=Fault("lost"))
def doubt_is_denial(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A write that nobody answered counts as not done, and is done again."""

    async def blinkered(self: Inspection, attempt: Attempt, deadline: float) -> Finding:
        return Finding("absent")

    monkeypatch.setattr(Inspection, "look", blinkered)
    return ADAPTER


@BUGS.caught_by(test_reconciling.test_what_was_not_done_is_told_and_can_be_asked_for_again, what="contacts")
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


@BUGS.caught_by(test_reconciling.test_what_was_not_done_to_a_record_is_not_told_as_done, what="contacts.update")
def record_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A change whose fate is unknown counts as done as long as its record is there."""
    monkeypatch.setattr(inspection, "reflects", lambda item, given: True)
    return ADAPTER


@BUGS.caught_by(test_errors.test_what_is_always_there_is_never_told_as_gone)
def list_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A system that says its list is not there is believed."""
    monkeypatch.setattr(reading, "missing_as_malformed", nullcontext)
    return ADAPTER


@BUGS.caught_by(test_filters.test_an_accent_is_the_same_however_it_is_written, SEARCHED_BY_POLDER)
def accents_told_apart(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A search tells an accent from the same one written as a sign of its own."""
    monkeypatch.setattr(filters, "_fold", lambda text: (text or "").strip().casefold())
    return SEARCHED_BY_POLDER


@BUGS.caught_by(test_raw.test_a_dry_run_of_a_raw_write_sends_nothing, method="POST")
def rehearsal_sent(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A dry run of a raw write is sent."""
    monkeypatch.setattr(raw, "read_raw_query", lambda query: (False, query))
    return ADAPTER


@BUGS.caught_by(test_reconciling.test_two_equal_writes_in_doubt_share_no_record)
def record_given_twice(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The record of another write, known to be its own, is given to a second one."""

    async def nobody(self: SqlAttempts, attempt: Attempt, record_ids: Sequence[str]) -> Sequence[Attempt]:
        return []

    monkeypatch.setattr(SqlAttempts, "others", nobody)
    return ADAPTER


@BUGS.caught_by(test_paging.test_a_cursor_opens_only_its_own_list)
def cursor_for_any_list(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A cursor is not bound to its filters."""
    read, write = Cursors.read, Cursors.write
    monkeypatch.setattr(Cursors, "read", lambda self, text, context: read(self, text, ()))
    monkeypatch.setattr(Cursors, "write", lambda self, at, context: write(self, at, ()))
    return ADAPTER


@BUGS.caught_by(test_reading.test_unknown_parameters_cost_no_call, resource="contacts")
def unknown_parameter_ignored(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A query parameter that nobody knows is ignored."""

    def broken(operation: Any, query: Sequence[tuple[str, str]]) -> Parameters:
        return read_query(operation, [pair for pair in query if pair[0] in parameters(operation)])

    monkeypatch.setattr(perform, "read_query", broken)
    return ADAPTER


@BUGS.caught_by(test_tenants.test_anothers_connection_is_as_good_as_none)
def anyones_connection(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Nobody asks whose a connection is."""

    def broken(caller: Caller, connection: StoredConnection) -> StoredConnection:
        return connection

    monkeypatch.setattr(connections, "permit_connection", broken)
    return ADAPTER


@BUGS.caught_by(test_capabilities.test_a_missing_scope_costs_no_call)
def scopes_left_to_the_system(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A missing scope is found out by asking the system."""
    monkeypatch.setattr(perform, "missing_scope", lambda adapter, connection, operation: None)
    return ADAPTER


@BUGS.caught_by(test_raw.test_there_is_no_way_out)
def raw_unconfined(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A raw path is pasted behind the prefix as it is."""

    def broken(adapter: Adapter, facts: Any, method: str, path: str, *rest: Any) -> Request:
        honest = raw_request(adapter, facts, method, "x", *rest)
        return replace(honest, path=adapter.raw.prefix(facts) + path)

    monkeypatch.setattr(raw, "raw_request", broken)
    return ADAPTER


@BUGS.caught_by(test_secrets.test_a_secret_is_told_to_nobody)
def nothing_is_sealed(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Credentials are stored as they are."""
    monkeypatch.setattr(DataKey, "seal", lambda self, plaintext, **where: b"\x02" + plaintext)
    monkeypatch.setattr(DataKey, "open", lambda self, sealed, **where: sealed[1:])
    return ADAPTER


@BUGS.caught_by(test_secrets.test_a_secret_is_told_to_nobody)
def headers_in_the_log(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The log tells the headers of every call."""
    honest = Calls._exchanged

    async def broken(self: Calls, request: Request, token: AccessToken) -> Reply:
        print(f"calling with {token.value.reveal()}", file=sys.stderr)
        return await honest(self, request, token)

    monkeypatch.setattr(Calls, "_exchanged", broken)
    return ADAPTER


@BUGS.caught_by(test_secrets.test_a_secret_is_told_to_nobody)
def secret_that_shows_itself(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A secret's repr is the secret."""
    monkeypatch.setattr(Secret, "__repr__", Secret.reveal)
    return ADAPTER


@BUGS.caught_by(test_links.test_of_many_at_once_one_gets_the_reference)
def reference_not_claimed(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A reference that the system does not keep is taken by whoever comes, and dropped where it is taken."""

    class Broken(memory.MemoryContacts):
        async def create(self, up: Upstream, draft: ContactDraft) -> Record[Contact]:
            return await super().create(up, draft.model_copy(update={"external_ref": None}))

    return with_resource("contacts", Broken())


@BUGS.caught_by(
    test_links.test_a_record_that_others_deleted_gives_its_reference_back,
    REFERENCES_IN_POLDER,
    resource="contacts",
    method="POST",
)
def reference_of_nobody(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A record that was deleted in the system itself keeps its reference."""

    async def broken(self: Writer, kept: Mapping[str, str]) -> None:
        """Nobody looks whether a holder is still there."""

    monkeypatch.setattr(Writer, "_take_from_gone", broken)
    return REFERENCES_IN_POLDER


@BUGS.caught_by(test_writing.test_what_is_dropped_changes_no_amount, WITHOUT_DISCOUNTS)
def discount_dropped(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A discount that has no place is dropped like anything else, and its lines are charged in full."""
    monkeypatch.setattr(upstream, "_NEVER_DROPPED", frozenset())
    return WITHOUT_DISCOUNTS


@BUGS.caught_by(test_writing.test_a_line_of_text_that_has_no_place_is_refused_or_dropped_whole, WITHOUT_TEXTS)
def text_without_a_price(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A line of text that has no place becomes one that charges something, without a price."""
    monkeypatch.setattr(LineDraft, "whole", frozenset())
    return WITHOUT_TEXTS
