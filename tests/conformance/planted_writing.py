"""Small faults in what is written, rehearsed and said beforehand of a body, and the law that must catch each."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from msgspec import structs

from adapters.memory import ADAPTER
from adapters.memory import resources as memory
from adapters.memory.mapping import contacts, invoices
from gateway.contract.adapter import Adapter, Record, Resource
from gateway.contract.errors import Problem
from gateway.contract.exact import MalformedJson, dumps, loads
from gateway.contract.models import Change, Contact, ContactDraft, Invoice, LineDraft, Product
from gateway.contract.models.base import Shape
from gateway.contract.operations import BY_NAME, Operation
from gateway.contract.schemas import Requirements, Schema, body_schema
from gateway.contract.upstream import Upstream
from gateway.engine import inputs
from gateway.engine.call import Answer, Call
from gateway.engine.connections import management, schemas
from gateway.engine.connections.schemas import Rows, all_settings
from gateway.engine.inputs import read_body
from gateway.engine.outbound import upstream
from gateway.engine.records.links import Claim
from gateway.engine.records.recording import Recording
from gateway.engine.writes import answering, dry_run
from gateway.engine.writes.answering import Writes
from gateway.engine.writes.writing import Writer
from tests.conformance import test_dry_run, test_schemas, test_writing
from tests.conformance.planted_answers import unremembered
from tests.conformance.planting import FRUGAL, REFERENCES_IN_POLDER, WITHOUT_DISCOUNTS, Bugs, with_resource

BUGS = Bugs()


@BUGS.caught_by(test_writing.test_an_invoice_keeps_what_is_given)
def notes_left_out(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An invoice's notes are read and never written."""
    honest = invoices.changed_body

    def broken(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        return honest({name: value for name, value in given.items() if name != "notes"}, before)

    monkeypatch.setattr(invoices, "changed_body", broken)
    return ADAPTER


@BUGS.caught_by(test_writing.test_null_clears_a_field)
def null_is_nothing_said(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Null in a change is taken for nothing said."""
    honest = contacts.contact_body

    def broken(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        return honest({name: value for name, value in given.items() if value is not None}, before)

    monkeypatch.setattr(contacts, "contact_body", broken)
    return ADAPTER


@BUGS.caught_by(test_writing.test_what_is_cleared_is_empty_or_told_or_refused)
def price_kept_untold(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A price that cannot be cleared stays, and nobody is told."""

    class Broken(memory.MemoryProducts):
        async def update(self, up: Upstream, id: str, change: Change) -> Record[Product]:
            given = {name: value for name, value in change.given().items() if (name, value) != ("price", None)}
            return await super().update(up, id, type(change).model_validate(given))

    monkeypatch.setattr(Writer, "_warn_uncleared", lambda self, given, record: None)
    return with_resource("products", Broken())


@BUGS.caught_by(test_writing.test_what_is_cleared_is_empty_or_told_or_refused)
def cleared_for_show(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A unit that cannot be cleared is told as empty, and stays."""

    class Broken(memory.MemoryProducts):
        async def update(self, up: Upstream, id: str, change: Change) -> Record[Product]:
            given = {name: value for name, value in change.given().items() if (name, value) != ("unit", None)}
            record = await super().update(up, id, type(change).model_validate(given))
            if given.keys() == change.given().keys():
                return record
            return structs.replace(record, item=structs.replace(record.item, unit=None))

    return with_resource("products", Broken())


@BUGS.caught_by(test_writing.test_lines_are_replaced_whole)
def lines_added(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """New lines are put behind those that there were."""

    class Broken(memory.MemoryInvoices):
        async def update(self, up: Upstream, id: str, change: Change) -> Record[Invoice]:
            before = await memory.request(up, "GET", "invoices", id)
            body = invoices.changed_body(change.given(), before)
            new = await memory._with_lines(up, body, change.given().get("lines"), change)
            both = [*invoices.changed_body({}, before)["lines"], *new["lines"]]
            return invoices.invoice_of(await memory.request(up, "PUT", "invoices", id, json={**new, "lines": both}))

    return with_resource("invoices", Broken())


@BUGS.caught_by(test_writing.test_an_empty_update_sends_nothing, resource="contacts")
def empty_update_sent(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A change of nothing is written like any other."""

    async def broken(self: Writer, id: str, change: Change, creation_key: UUID) -> Record[Any]:
        return await self._translated(await self._resource.update(self._up, id, change))

    monkeypatch.setattr(Writer, "_changed", broken)
    return ADAPTER


@BUGS.caught_by(test_writing.test_an_update_of_what_never_was_is_not_found, resource="contacts")
def update_makes_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A change of what is not there makes it."""

    class Broken(memory.MemoryContacts):
        async def update(self, up: Upstream, id: str, change: Change) -> Record[Contact]:
            try:
                return await super().update(up, id, change)
            except Problem:
                return await self.create(up, ContactDraft.model_validate({"company_name": "Nieuw", **change.given()}))

    return with_resource("contacts", Broken())


@BUGS.caught_by(test_writing.test_nonsense_in_a_body_costs_no_call, resource="contacts")
def unknown_field_ignored(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A field of a body that nobody knows is ignored."""

    def broken(operation: Operation, body: bytes) -> Shape | None:
        try:
            said = loads(body)
        except MalformedJson:
            return read_body(operation, body)
        if isinstance(said, dict) and operation.accepts is not None:
            said = {name: value for name, value in said.items() if name in operation.accepts.model_fields}
        return read_body(operation, dumps(said))

    monkeypatch.setattr(answering, "read_body", broken)
    return ADAPTER


@BUGS.caught_by(test_writing.test_what_is_so_anyway_may_be_said, WITHOUT_DISCOUNTS)
def no_discount_is_one(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A discount of nothing is refused where there are no discounts."""
    monkeypatch.setattr(LineDraft, "usual", {})
    return WITHOUT_DISCOUNTS


@BUGS.caught_by(test_writing.test_a_field_without_a_place_is_refused_or_dropped, FRUGAL, resource="contacts")
def dropped_without_a_word(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What a system has no place for is dropped without a word."""
    monkeypatch.setattr(upstream.Outbound, "unsupported", lambda self, pointer, **told: None)
    return FRUGAL


@BUGS.caught_by(test_dry_run.test_what_is_shown_is_what_is_then_sent, operation="contacts.create")
def rehearsal_remembered(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A rehearsal is kept under its key, and is the answer to the write that it rehearsed."""
    honest = Writes._rehearsed

    async def broken(self: Writes, task: Any, body: Shape, creation_key: UUID) -> Answer:
        named = self._idempotency.keyed(task.call, body.model_dump_json(exclude_unset=True).encode())
        return await self._idempotency.once(
            named, lambda run: honest(self, task, body, creation_key), task.call.deadline
        )

    monkeypatch.setattr(Writes, "_rehearsed", broken)
    return ADAPTER


@BUGS.caught_by(test_dry_run.test_a_dry_run_tells_how_lines_are_taxed_and_what_they_come_to)
def english_for_all(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A dry run speaks English to everybody."""
    monkeypatch.setattr(answering, "language_of", lambda headers: "en")
    return ADAPTER


@BUGS.caught_by(test_dry_run.test_a_dry_run_tells_what_is_dropped, FRUGAL)
def dropped_among_the_warnings(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What is dropped is told among the warnings, and not where a caller looks for it."""
    monkeypatch.setattr(dry_run, "DROPPED", "dropped")
    return FRUGAL


@BUGS.caught_by(test_dry_run.test_a_dry_run_keeps_no_reference, REFERENCES_IN_POLDER)
def rehearsal_without_references(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A dry run does not look whether a reference is free."""

    async def broken(self: dry_run.Untouched, fields: object, creation_key: UUID) -> Claim:
        return await Recording.claim(self, {}, creation_key)

    monkeypatch.setattr(dry_run.Untouched, "claim", broken)
    return REFERENCES_IN_POLDER


@BUGS.caught_by(test_dry_run.test_a_dry_run_is_true_or_false_and_for_writes)
def yes_is_no(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Whatever is not `true` is no dry run."""
    unremembered(monkeypatch)
    monkeypatch.setattr(inputs, "_flag", lambda name, text: text == "true")
    return ADAPTER


@BUGS.caught_by(test_schemas.test_what_fits_is_accepted, operation="invoices.create")
def demands_unsaid(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A schema leaves out what the system wants of a body besides."""

    class Broken(memory.MemoryInvoices):
        async def requirements(self, up: Upstream, verb: str) -> Requirements:
            return {}

    return with_resource("invoices", Broken())


@BUGS.caught_by(test_schemas.test_a_change_that_fits_is_accepted, operation="invoices.update")
def demands_of_creates_only(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """The schema of a change leaves out what the system wants of its lines."""

    class Broken(memory.MemoryInvoices):
        async def requirements(self, up: Upstream, verb: str) -> Requirements:
            return await super().requirements(up, verb) if verb == "create" else {}

    return with_resource("invoices", Broken())


def schema_that(monkeypatch: pytest.MonkeyPatch, change: Callable[[Schema], None]) -> None:
    """Let every body's schema be changed so."""
    honest = body_schema

    def broken(model: type[Shape]) -> Schema:
        schema = honest(model)
        change(schema)
        return schema

    monkeypatch.setattr(schemas, "body_schema", broken)


@BUGS.caught_by(test_schemas.test_what_does_not_fit_is_refused_and_changes_nothing, operation="contacts.create")
def open_schema(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A schema lets fields pass that nobody knows."""
    schema_that(monkeypatch, lambda schema: schema.pop("additionalProperties"))
    return ADAPTER


@BUGS.caught_by(test_schemas.test_what_the_laws_send_fits, operation="products.create")
def price_in_whole_euros(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A schema has a narrower idea of a price than what reads it."""

    def narrow(schema: Schema) -> None:
        if "price" in schema["properties"]:
            schema["properties"]["price"] = {"type": "integer"}

    schema_that(monkeypatch, narrow)
    return ADAPTER


@BUGS.caught_by(test_schemas.test_a_schema_names_the_administrations_own_records_at_no_further_call)
def settings_read_anew(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """For every schema the administration's settings are read anew."""

    async def broken(name: str, call: Call, *rest: Any) -> Rows | None:
        return await all_settings(name, replace(call, headers={"cache-control": "no-cache"}), *rest)

    monkeypatch.setattr(management, "all_settings", broken)
    return ADAPTER


@BUGS.caught_by(test_schemas.test_a_schema_has_the_fields_that_the_system_holds_and_no_other, FRUGAL)
def schema_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A schema has every field of the contract, whatever the system holds."""
    monkeypatch.setattr(schemas, "_cut", lambda schema, at, held: None)
    return FRUGAL


@BUGS.caught_by(test_schemas.test_a_write_that_the_system_cannot_do_has_no_schema, FRUGAL)
def schema_of_nothing(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """There is a schema for what the system cannot do."""

    def broken(adapter: Adapter, operation: Operation) -> Resource[Any, Any]:
        return adapter.resources[operation.resource]

    monkeypatch.setattr(management, "resource_for", broken)
    return FRUGAL


@BUGS.caught_by(test_schemas.test_a_key_sees_in_a_schema_only_what_it_may_list)
def seen_by_every_key(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A schema shows the administration's settings to every key."""

    async def broken(name: str, call: Call, *rest: Any) -> Rows | None:
        caller = replace(call.caller, scopes=call.caller.scopes | {BY_NAME[f"{name}.list"].scope or ""})
        return await all_settings(name, replace(call, caller=caller), *rest)

    monkeypatch.setattr(management, "all_settings", broken)
    return ADAPTER


@BUGS.caught_by(test_schemas.test_crediting_has_a_schema)
def number_wanted_of_all(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Whoever credits must give a number, also where the system does."""

    def want(schema: Schema) -> None:
        schema["required"] = ["number"]

    schema_that(monkeypatch, want)
    return ADAPTER


@BUGS.caught_by(
    test_schemas.test_a_schema_names_no_record_that_its_reader_may_not_list, FRUGAL, operation="products.create"
)
def demands_name_records(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What the system wants is told with the records that it names, to every key."""
    monkeypatch.setattr(management, "redacted", lambda requirements, operation, sees: requirements)
    return FRUGAL
