"""Small faults in what becomes of a write and of its record's ids and references, and the law that must catch each."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from msgspec import structs

from adapters.memory import ADAPTER
from adapters.memory import resources as memory
from adapters.memory.mapping import contacts, replies
from gateway.contract.adapter import Adapter, Listing, Record, Sent
from gateway.contract.errors import Outcome, Problem, meaning_of
from gateway.contract.exact import dumps, loads
from gateway.contract.models import Contact, Product, ProductDraft
from gateway.contract.models.base import Shape
from gateway.contract.operations import Operation
from gateway.contract.paging import Page
from gateway.contract.upstream import Reply, Request, Upstream
from gateway.engine.inputs import read_body
from gateway.engine.network.http import Unanswered, Wire
from gateway.engine.outbound import calls
from gateway.engine.outbound.calls import Calls
from gateway.engine.records import links
from gateway.engine.records.links import Book, Claim, LinkBooks
from gateway.engine.writes import answering, inspection, writing
from gateway.engine.writes.inspection import BLIND
from gateway.engine.writes.reconciliation import Finding
from gateway.engine.writes.writing import Writer
from gateway.web import app
from tests.conformance import test_errors, test_ids, test_links
from tests.conformance import test_reconciliation as test_reconciling
from tests.conformance.planting import MOVING, REFERENCES_IN_POLDER, Bugs, with_resource

BUGS = Bugs()


@BUGS.caught_by(test_errors.test_what_a_new_record_names_is_never_told_as_the_connection_gone)
def new_record_not_found(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A system that misses what a new record names is passed on as missing what was asked."""
    monkeypatch.setattr(writing, "missing_as_rejected", nullcontext)
    return ADAPTER


@BUGS.caught_by(test_errors.test_nonsense_after_a_write_leaves_its_fate_open, kind="html", status=200)
def nonsense_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A write that was answered nonsense counts as refused."""
    honest = Calls.became

    def broken(self: Calls, request: Request, fate: Outcome) -> None:
        honest(self, request, "rejected" if fate == "unknown" else fate)

    monkeypatch.setattr(Calls, "became", broken)
    return ADAPTER


@BUGS.caught_by(test_errors.test_a_lost_answer_to_a_read_is_asked_for_again)
def read_given_up(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A read is tried once."""
    monkeypatch.setattr(calls, "ATTEMPTS", 1)
    return ADAPTER


@BUGS.caught_by(test_errors.test_passing_trouble_of_a_read_is_sat_out, status=503)
def unwell_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A system that is unwell for a moment is not asked again."""
    monkeypatch.setattr(calls, "UNWELL", frozenset())
    return ADAPTER


@BUGS.caught_by(test_errors.test_too_late_an_answer_is_none)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Nobody looks how long an answer took."""
    honest = Wire.send

    async def broken(self: Wire, *request: Any, within: float, **rest: Any) -> Reply:
        return await honest(self, *request, within=within + 3600, **rest)

    monkeypatch.setattr(Wire, "send", broken)
    return ADAPTER


@BUGS.caught_by(test_errors.test_too_late_an_answer_to_a_write_leaves_its_fate_open)
def unanswered_is_unsent(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A write that nobody answers in time is told as not sent."""
    honest = Calls.became

    def broken(self: Calls, request: Request, fate: Outcome) -> None:
        if fate != "unknown":
            honest(self, request, fate)

    def told(self: Calls, error: Unanswered) -> Problem:
        return self._unanswered(error)

    monkeypatch.setattr(Calls, "became", broken)
    monkeypatch.setattr(Calls, "_unknown", told)
    return ADAPTER


@BUGS.caught_by(test_errors.test_a_write_that_was_told_to_wait_was_not_done)
def wait_is_trouble(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A system that asks to wait is taken for one in trouble."""
    monkeypatch.setattr(replies, "meaning_of", lambda status: meaning_of(503 if status == 429 else status))
    return ADAPTER


@BUGS.caught_by(test_errors.test_every_problem_says_what_became_of_the_write)
def refusal_leaves_doubt(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A write that was refused counts as one of which nobody knows."""
    honest = Calls.became

    def broken(self: Calls, request: Request, fate: Outcome) -> None:
        honest(self, request, "unknown" if fate == "rejected" else fate)

    monkeypatch.setattr(Calls, "became", broken)
    return ADAPTER


@BUGS.caught_by(test_errors.test_a_caller_learns_the_request_id)
def any_request_id(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Whatever a caller calls a request is repeated as its id."""
    monkeypatch.setattr(app, "_REQUEST_ID", re.compile(".*"))
    return ADAPTER


@BUGS.caught_by(test_reconciling.test_what_was_done_to_a_record_shows_in_it, change=None)
def gone_says_nothing(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """That a record is gone is no sign that it was deleted."""
    honest = inspection._Look._inspect_record

    async def broken(self: Any, *asked: Any) -> Finding:
        finding = await honest(self, *asked)
        return BLIND if self._operation.verb == "delete" and finding.kind == "applied" else finding

    monkeypatch.setattr(inspection._Look, "_inspect_record", broken)
    return ADAPTER


@BUGS.caught_by(
    test_reconciling.test_what_polder_keeps_of_a_record_is_kept_though_its_store_fails_once,
    REFERENCES_IN_POLDER,
    what="products",
    step=0,
)
def found_without_its_reference(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A record that was found to be made does not get the reference that it was made with."""

    async def broken(self: Writer, draft: object, origin: object, key: object, record: Record[Any]) -> Record[Any]:
        return await self._translated(record)

    monkeypatch.setattr(Writer, "_completed_create", broken)
    return REFERENCES_IN_POLDER


@BUGS.caught_by(test_reconciling.test_what_was_there_before_is_not_taken_for_it, what="contacts")
def of_any_day(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Nobody asks when a record was made that is like the one that was to be made."""

    def broken(sent: Sent, **filters: str | None) -> Mapping[str, str]:
        return {name: text for name, text in filters.items() if text is not None}

    monkeypatch.setattr(memory, "_since", broken)
    return ADAPTER


@BUGS.caught_by(test_links.test_an_external_ref_is_kept_and_finds_its_record, resource="contacts")
def reference_by_its_beginning(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A reference finds every record whose reference begins with it."""

    class Broken(memory.MemoryContacts):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[Contact]]:
            asked = listing.text("external_ref") or ""
            rest = {name: value for name, value in listing.filters.items() if name != "external_ref"}
            page = await super().list(up, replace(listing, filters=rest))
            items = [one for one in page.items if (one.item.external_ref or "").startswith(asked)]
            return replace(page, items=items, total=None)

    return with_resource("contacts", Broken())


@BUGS.caught_by(test_links.test_an_external_ref_belongs_to_one_record, REFERENCES_IN_POLDER, resource="contacts")
def reference_of_several(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What Polder keeps of a record may be kept of another one too."""
    monkeypatch.setattr(links, "UNIQUE", frozenset())
    monkeypatch.setattr(writing, "UNIQUE", frozenset())
    return REFERENCES_IN_POLDER


@BUGS.caught_by(test_links.test_an_external_ref_survives_an_update, resource="contacts")
def reference_forgotten(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A change leaves out the reference, which the system then takes for none."""
    honest = contacts.contact_body

    def broken(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        return honest(given, {name: value for name, value in before.items() if name != "externalReference"})

    monkeypatch.setattr(contacts, "contact_body", broken)
    return ADAPTER


@BUGS.caught_by(test_links.test_a_deleted_record_gives_its_reference_back, REFERENCES_IN_POLDER, resource="contacts")
def reference_of_the_deleted(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What Polder keeps of a record outlives it."""

    async def broken(self: Writer, id: str) -> None:
        await self._resource.delete(self._up, id)

    async def nobody(self: Writer, kept: Mapping[str, str]) -> None:
        """Nobody looks whether a holder is still there."""

    monkeypatch.setattr(Writer, "_deleted", broken)
    monkeypatch.setattr(Writer, "_take_from_gone", nobody)
    return REFERENCES_IN_POLDER


@BUGS.caught_by(test_links.test_a_reference_of_one_connection_is_free_in_another, REFERENCES_IN_POLDER)
def one_book_for_all(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What Polder keeps of one connection's records is told of another's."""
    honest = LinkBooks.of_each
    first: list[str] = []

    async def broken(self: LinkBooks, connection_id: str, resources: Iterable[str]) -> Mapping[str, Book]:
        first.append(connection_id)
        return await honest(self, first[0], resources)

    monkeypatch.setattr(LinkBooks, "of_each", broken)
    return REFERENCES_IN_POLDER


@BUGS.caught_by(test_links.test_a_product_code_is_kept_and_finds_its_product)
def code_among_words(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A product's code is looked for as words are."""

    class Broken(memory.MemoryProducts):
        names: ClassVar[Mapping[str, str]] = {**memory.MemoryProducts.names, "code": "q"}

    return with_resource("products", Broken())


@BUGS.caught_by(test_links.test_a_refused_record_leaves_no_reference, REFERENCES_IN_POLDER)
def reference_of_the_refused(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A reference that was claimed for what the system then refused stays claimed."""

    async def broken(self: Claim) -> None:
        """It is not given back."""

    monkeypatch.setattr(Claim, "release", broken)
    return REFERENCES_IN_POLDER


@BUGS.caught_by(test_ids.test_what_can_be_no_id_is_refused_in_a_body)
def id_in_a_body_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An id in a body is not looked at: the system will say."""

    def broken(operation: Operation, body: bytes) -> Shape | None:
        said = loads(body)
        if operation.name != "invoices.create":
            return read_body(operation, body)
        draft = read_body(operation, dumps({**said, "contact_id": "1"}))
        return draft and draft.model_copy(update={"contact_id": said["contact_id"]})

    monkeypatch.setattr(answering, "read_body", broken)
    return ADAPTER


@BUGS.caught_by(test_ids.test_an_id_is_the_same_everywhere, resource="contacts")
def id_of_the_list(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A list has another id of a record than the record itself."""

    class Broken(memory.MemoryContacts):
        async def list(self, up: Upstream, listing: Listing) -> Page[Record[Contact]]:
            page = await super().list(up, listing)
            items = [structs.replace(one, item=structs.replace(one.item, id=f"0{one.item.id}")) for one in page.items]
            return replace(page, items=items)

    return with_resource("contacts", Broken())


@BUGS.caught_by(test_ids.test_an_id_that_the_system_changes_still_finds_its_record, MOVING)
def new_id_not_kept(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The new id that a system gives a record is not kept."""

    async def broken(self: Writer, id: str, theirs: str) -> None:
        """Nobody follows."""

    monkeypatch.setattr(Writer, "_follow", broken)
    return MOVING


@BUGS.caught_by(test_ids.test_ten_alike_are_ten)
def alike_is_the_same(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A product of the same name as another is taken for that one."""

    class Broken(memory.MemoryProducts):
        async def create(self, up: Upstream, draft: ProductDraft) -> Record[Product]:
            found: Sequence[Record[Product]] = [one for one in await self.whole(up, {}) if one.item.name == draft.name]
            return found[0] if found else await super().create(up, draft)

    return with_resource("products", Broken())
