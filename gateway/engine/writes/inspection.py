"""One look at what a write of unknown fate did: the record itself tells, or its adapter says what to look for."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from gateway.contract.adapter import Record, Sent
from gateway.contract.errors import Problem
from gateway.contract.models.base import Change, Draft, Part
from gateway.contract.models.contacts import AddressDraft
from gateway.contract.money import exact
from gateway.contract.operations import BY_NAME, RESOURCE_OPERATIONS, Operation
from gateway.contract.upstream import Request
from gateway.engine.access.permit import permit_inspection, resource_for
from gateway.engine.call import Answer
from gateway.engine.inputs import Parameters, read_body, read_query
from gateway.engine.malformed import errors_as_malformed
from gateway.engine.outbound.opener import Opener
from gateway.engine.outbound.upstream import Outbound
from gateway.engine.providers import Providers
from gateway.engine.records.links import UNIQUE, LinkBooks, kept_values
from gateway.engine.records.recording import CONTROLS, Recording, refuse_unsupported
from gateway.engine.storage import Attempt, Attempts, Connections
from gateway.engine.writes.evidence import Evidence
from gateway.engine.writes.reconciliation import Finding
from gateway.engine.writes.writing import Writer

ABSENT = Finding("absent")
BLIND = Finding("blind")
STREET = frozenset({"street", "house_number", "house_number_addition"})
"""Parts of an address's first line."""


class _Unreadable(Exception):
    """What was written down of a write tells this release nothing, and never will: another release wrote it."""


class _Notes(dict[str, str]):
    """What an adapter noted; a release before may not have noted what this one asks for."""

    def __missing__(self, name: str) -> str:
        raise _Unreadable


@contextlib.contextmanager
def _written_by_another_release() -> Iterator[None]:
    """What was let in once and is refused now."""
    try:
        yield
    except Problem as problem:
        raise _Unreadable from problem


class Inspection:
    """Looks for what attempts did, on any connection (``gateway.engine.writes.reconciliation.Inspector``)."""

    def __init__(
        self,
        attempts: Attempts,
        connections: Connections,
        providers: Providers,
        books: LinkBooks,
        opener: Opener,
    ) -> None:
        self._attempts = attempts
        self._connections = connections
        self._providers = providers
        self._books = books
        self._opener = opener

    async def look(self, attempt: Attempt, deadline: float) -> Finding:
        """One look. Raises ``Problem`` where nothing can be seen just now."""
        operation = BY_NAME.get(attempt.operation)
        if operation not in RESOURCE_OPERATIONS or operation is None:
            return BLIND
        if attempt.evidence is None or attempt.connection_id is None:
            return BLIND
        evidence = Evidence.opened(attempt.evidence)
        try:
            look = await self._look(attempt.connection_id, operation, evidence, deadline)
            return BLIND if look is None else await self._finding(look, attempt.connection_id, attempt, evidence)
        except _Unreadable:
            return BLIND

    async def _finding(self, look: "_Look", connection_id: str, attempt: Attempt, evidence: Evidence) -> Finding:
        finding = None
        async with self._books.ending(connection_id, lambda: finding is not None and finding.kind == "applied"):
            finding = await look.finding(attempt, evidence)
        return finding

    async def let_go(self, attempt: Attempt) -> None:
        """Give back the unique values that were claimed for a record that is not there.

        Whoever claims one next has a creation key of his own: under this one the system may answer what is gone.
        """
        operation = BY_NAME.get(attempt.operation)
        if attempt.evidence is None or operation is None or operation.accepts is None or attempt.connection_id is None:
            return
        evidence = Evidence.opened(attempt.evidence)
        body = read_body(operation, evidence.call["body"].encode())
        connection = await self._connections.find(attempt.connection_id)
        if connection is None or body is None:
            return
        resource = resource_for(self._providers.of(connection).adapter, operation)
        kept = kept_values(resource.kept, body.given())
        async with self._books.ending(connection.id, lambda: False):
            with contextlib.suppress(Problem):  # it is in use again, or ends by itself
                await self._books.give_back(connection.id, operation.resource, kept, evidence.creation_key)

    async def _look(
        self, connection_id: str, operation: Operation, evidence: Evidence, deadline: float
    ) -> "_Look | None":
        connection = await self._connections.find(connection_id)
        if connection is None:
            return None
        if evidence.call.get("company_id", connection.company_id) != connection.company_id:
            return None  # it went to other books: what is in these says nothing of it
        permit_inspection(connection)
        provider = self._providers.of(connection)
        resource = resource_for(provider.adapter, operation)
        with _written_by_another_release():
            parameters = read_query(operation, [(name, value) for name, value in evidence.call["query"]])
        up = self._opener.open(
            connection, provider, operation.name, deadline, drop_unsupported=parameters.drop_unsupported
        )
        up.creation_key = evidence.creation_key
        recording = Recording(self._books, connection.id, operation, resource)
        return _Look(up, recording, provider.name, parameters, self._attempts)


class _Look(Writer):
    """One look, which knows what the writer would have done after a success."""

    def __init__(
        self, up: Outbound, recording: Recording, provider: str, parameters: Parameters, attempts: Attempts
    ) -> None:
        super().__init__(up, recording, provider)
        self._parameters = parameters
        self._attempts = attempts

    async def finding(self, attempt: Attempt, evidence: Evidence) -> Finding:
        """What became of it."""
        call = evidence.call
        id: str | None = call["path"].get("id")
        with _written_by_another_release():
            body = read_body(self._operation, call["body"].encode())
            if body is not None:
                refuse_unsupported(self._resource, body, self._up)
        if body is not None:
            await self._recording.outgoing(body)
        with errors_as_malformed():
            if isinstance(body, Draft):
                return await self._inspect_created(attempt, evidence, body, id)
            change = body if isinstance(body, Change) else None
            return BLIND if id is None else await self._inspect_record(id, change, evidence)

    async def _inspect_record(self, id: str, change: Change | None, evidence: Evidence) -> Finding:
        """What an update, a delete or a finalize did, as the record itself tells."""
        if not self._resource.can("get"):
            return BLIND
        theirs = await self._recording.theirs(id)
        try:
            record = await self._resource.get(self._up, theirs)
        except Problem as problem:
            if problem.code != "not_found":
                raise
            if self._operation.verb != "delete":
                return await self._renamed(id, theirs, change, evidence)
            await self._recording.forget(id)
            return Finding("applied", Answer(self._operation.status, b"", None))
        if self._operation.verb == "delete":
            return ABSENT
        if change is not None and self._reflects(record, change, evidence.request):
            return self._applied(await self._completed_change(id, theirs, change, evidence.creation_key, record))
        if self._operation.verb == "finalize" and record.item.document_status == "final":
            return self._applied(await self._translated(record))
        return ABSENT

    async def _renamed(self, id: str, theirs: str, change: Change | None, evidence: Evidence) -> Finding:
        """What a change did whose record is not there any more: the lost answer may have told another id of it."""
        if change is None:
            return BLIND
        book = await self._recording.book()
        found = await self._resource.find_renamed(self._up, theirs, evidence.request)
        free = [record for record in found if not book.is_known(record.item.id)]
        if len(free) > 1:
            return Finding("ambiguous", candidates=tuple(record.item.id for record in free))
        if not free:
            return BLIND
        return self._applied(await self._completed_change(id, theirs, change, evidence.creation_key, free[0]))

    def _reflects(self, record: Record[Any], change: Change, sent: Request) -> bool:
        """Whether a record says what was asked for; or what was sent, where the system says that in words of its own,
        such as prices without the VAT that was in them.
        """
        return reflects(record.item, self._system_fields(change)) or any(
            echoes(record.raw_members, body) for body in _bodies(sent.json)
        )

    def _system_fields(self, change: Change) -> dict[str, Any]:
        """What a change asked of the system itself, rather than of Polder."""
        ours = self._resource.kept - self._resource.holds
        return {name: value for name, value in change.given().items() if name not in ours}

    async def _inspect_created(self, attempt: Attempt, evidence: Evidence, draft: Draft, origin: str | None) -> Finding:
        """What a create or a credit made, by what its adapter recognises."""
        theirs = None if origin is None else await self._recording.theirs(origin)
        at = attempt.sent_at or attempt.created_at
        sent = Sent(self._operation.verb, theirs, draft, evidence.request, _Notes(evidence.notes), at)
        traces = await self._resource.find_written(self._up, sent)
        if traces is None:
            return BLIND
        records = traces.records if traces.certain else await self._unclaimed(attempt, traces.records)
        if not records:
            return ABSENT
        if len(records) > 1:
            return Finding("ambiguous", candidates=tuple(record.item.id for record in records))
        made = await self._completed_create(draft, origin, evidence.creation_key, records[0])
        self._warn_of_missing(draft, made)
        return self._applied(made)

    async def _unclaimed(self, attempt: Attempt, records: Sequence[Record[Any]]) -> Sequence[Record[Any]]:
        """Those that are no other attempt's. Raises ``idempotency_in_progress`` while it may be a twin's that runs."""
        book = await self._recording.book()
        ours = {id(record): book.ours(record.item.id) for record in records}
        others = await self._attempts.others(attempt, list(ours.values()))
        twins = [one for one in others if one.fingerprint == attempt.fingerprint]
        if records and any(one.state in ("claimed", "sending") for one in twins):
            raise Problem("idempotency_in_progress", "The same write runs under another key.", retry_after=1)
        accounted = {one.record_id for one in others}
        free = [record for record in records if ours[id(record)] not in accounted]
        if len(free) == 1 and any(one.state in ("unknown", "manual") for one in twins):
            # Two equal writes are in doubt and one record came of them: it cannot be said whose it is.
            return [*free, *free]
        return free

    def _warn_of_missing(self, draft: Draft, record: Record[Any]) -> None:
        if getattr(draft, "finalize", False) and getattr(record.item, "document_status", None) == "draft":
            self._up.warn(
                "not_finalized",
                "/document_status",
                en="The connection broke before the invoice was finalized: it is a draft. Finalize it.",
                nl="De verbinding viel weg voordat de factuur definitief was: het is een concept. Maak het definitief.",
            )
        for name in sorted(UNIQUE & self._resource.kept):
            if getattr(draft, name, None) not in (None, getattr(record.item, name)):
                self._up.warn(
                    "not_kept",
                    f"/{name}",
                    en=f"Another record got this {name} before it was known what became of this one.",
                    nl=f"Een ander record kreeg deze {name} voordat bekend was wat er van dit record geworden was.",
                )

    def _applied(self, record: Record[Any]) -> Finding:
        return Finding("applied", Answer(self._operation.status, self.body_of(record, self._parameters)))


def reflects(item: Any, wanted: dict[str, Any]) -> bool:
    """Whether a record says what a change asked for, as far as a record can say it."""
    names = [name for name in wanted if name not in CONTROLS and hasattr(item, name)]
    return all(_same(getattr(item, name), wanted[name]) for name in names)


def _as_stored(wanted: AddressDraft, address: Any) -> dict[str, Any]:
    """An address as asked for, its first line whole where the system does not keep street and number apart."""
    given = wanted.given()
    if not given.get("street") or address.street is not None:
        return given
    return {**{name: value for name, value in given.items() if name not in STREET}, "line1": wanted.first_line()}


def _bodies(json: Any) -> Sequence[Mapping[str, Any]]:
    """What was sent of a record: the whole body, or what it holds under its one name."""
    held = list(json.values()) if isinstance(json, Mapping) and len(json) == 1 else []
    return [one for one in (json, *held) if isinstance(one, Mapping) and one]


def echoes(value: Any, sent: Any) -> bool:
    """Whether a system says all that was sent to it; it may say more, and spell values in its own way."""
    if isinstance(sent, Mapping):
        return isinstance(value, Mapping) and all(echoes(value.get(name), part) for name, part in sent.items())
    if isinstance(sent, list):
        same_length = isinstance(value, list) and len(value) == len(sent)
        return same_length and all(echoes(one, other) for one, other in zip(value, sent, strict=True))
    return value == sent or (value in (None, "") and sent in (None, "")) or _number(value) == _number(sent) is not None


def _number(value: Any) -> Decimal | None:
    """The number that a value is or spells; true is 1 to those who write it so."""
    try:
        return exact(str(int(value) if isinstance(value, bool) else value))
    except ValueError:
        return None


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, AddressDraft) and value is not None:
        return reflects(value, _as_stored(wanted, value))
    if isinstance(wanted, Part):
        return value is not None and reflects(value, wanted.given())
    if isinstance(wanted, list):
        if not isinstance(value, list) or len(value) != len(wanted):
            return False
        return all(_same(one, other) for one, other in zip(value, wanted, strict=True))
    if isinstance(wanted, Decimal):
        return value is not None and exact(value) == wanted
    return (value or None) == (wanted or None) or str(value).strip() == str(wanted).strip()
