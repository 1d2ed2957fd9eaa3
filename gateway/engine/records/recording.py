"""What stands between a system's record and ours: ids that survive, fields kept by Polder, fields nobody can hold."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from gateway.contract.adapter import Record, Resource
from gateway.contract.errors import malformed, unsupported
from gateway.contract.models.base import Part, Shape
from gateway.contract.operations import Operation
from gateway.contract.upstream import is_id
from gateway.engine.outbound.upstream import Outbound
from gateway.engine.records.links import Book, Claim, LinkBooks, translate

CONTROLS = frozenset({"finalize", "expected_totals", "on_rounding"})
"""Fields of a body that tell Polder what to do and stand for nothing in a system."""


def identified(record: Record[Any], resource: Resource[Any, Any], expected_id: str | None = None) -> Record[Any]:
    """The record, if it can be told from others and is the one of that id that was asked for.

    Raises ``upstream_malformed``: to go on with another one's would answer, change or remember a stranger's books.
    """
    id = record.item.id
    if not is_id(id) or (expected_id and id != expected_id and not resource.changes_ids):
        raise malformed("The accounting system answers another record than the one that was asked for.")
    return record


def referred_by(operation: Operation) -> Mapping[str, str]:
    """Where an operation's record names records of other resources."""
    return getattr(operation.answers, "referred", {})


class Recording:
    """Turns ids and kept fields of the records of one operation on a connection into ours, and back, and keeps them."""

    def __init__(
        self, books: LinkBooks, connection_id: str, operation: Operation, resource: Resource[Any, Any]
    ) -> None:
        self._books = books
        self._connection_id = connection_id
        self.operation = operation
        self.resource = resource
        self.referred = referred_by(operation)
        """Where the operation's record names records of other resources."""

    async def book(self, of: str | None = None) -> Book:
        """What Polder knows of the connection's records: of the operation's resource, unless another is named."""
        return await self._books.of(self._connection_id, of or self.operation.resource)

    async def theirs(self, id: str, of: str | None = None) -> str:
        """What the system calls the record of our id."""
        return (await self.book(of)).theirs(id)

    async def claim(self, fields: Mapping[str, str], creation_key: UUID) -> Claim:
        """Reserve unique values for a record. Raises as ``LinkBooks.claim``."""
        return await self._books.claim(self._connection_id, self.operation.resource, fields, creation_key)

    async def keep(self, id: str, fields: Mapping[str, str | None]) -> None:
        """Keep these fields of a record; None forgets one. Raises ``conflict`` where a unique value is another's."""
        if fields:
            await self._books.put(self._connection_id, self.operation.resource, id, fields)

    async def forget(self, id: str) -> None:
        """The record is gone."""
        await self._books.forget(self._connection_id, self.operation.resource, id)

    async def outgoing(self, body: Shape) -> None:
        """Name other records in a body as the system does."""
        for place, referred in self.referred.items():
            translate(body, place, (await self.book(referred)).theirs)

    async def incoming(self, records: Sequence[Record[Any]]) -> Sequence[Record[Any]]:
        """The records with their first ids, with other records named as we do, and with what Polder keeps filled in."""
        books = await self._books.of_each(self._connection_id, {*self.referred.values(), self.operation.resource})
        for place, referred in self.referred.items():
            if books[referred].renames:
                for record in records:
                    translate(record.item, place, books[referred].ours)
        if not all(map(is_id, [record.item.id for record in records])):
            raise malformed("The accounting system gives a record an id that cannot be one.")
        book = books[self.operation.resource]
        for record in () if book.is_empty else records:
            item = record.item
            item.id = book.ours(item.id)
            kept = book.kept(item.id)
            for name in self.resource.kept if kept else ():
                if getattr(item, name) is None and name in kept:
                    setattr(item, name, kept[name])
        return records


def refuse_unsupported(resource: Resource[Any, Any], body: Shape, up: Outbound) -> None:
    """Refuse (or drop, with a warning) every field of a body that the system cannot hold.

    A field that is null or says what would be so anyway asks for nothing, and is let through. A draft is refused where
    none can be finalized: there are none.
    """
    if getattr(body, "finalize", True) is False and not resource.can("finalize"):
        reason = "The accounting system has no drafts: invoices are booked at once, or not at all. Give finalize: true."
        raise unsupported("/finalize", reason, "draft_unsupported")
    _refuse(body, "", "", resource.holds | resource.kept, up)


def _refuse(body: Shape, pointer: str, dotted: str, held: frozenset[str], up: Outbound) -> None:
    for name in sorted(body.model_fields_set):
        value = getattr(body, name)
        if not dotted and name in CONTROLS:
            continue
        if value is None or value == type(body).model_fields[name].get_default(call_default_factory=True):
            continue
        if isinstance(value, Part):
            _refuse(value, f"{pointer}/{name}", f"{dotted}{name}.", held, up)
        elif isinstance(value, list) and value and isinstance(value[0], Part):
            for position, part in enumerate(value):
                _refuse(part, f"{pointer}/{name}/{position}", f"{dotted}{name}.", held, up)
        elif f"{dotted}{name}" not in held:
            if value != body.usual.get(name):
                up.unsupported(
                    f"{pointer}/{name}",
                    en=f"The accounting system has no place for `{dotted}{name}`.",
                    nl=f"Het boekhoudpakket kan `{dotted}{name}` niet bewaren.",
                )
            if isinstance(body, Part) and name in body.whole:
                continue
            setattr(body, name, type(body).model_fields[name].get_default(call_default_factory=True))
            body.model_fields_set.discard(name)
