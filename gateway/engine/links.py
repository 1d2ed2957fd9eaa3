"""What only Polder knows of records: the caller's own references, fields a system has no room for, ids that changed.

A record keeps its first id for ever on our side. Where a system hands out a new one, the field ``system_id`` holds it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from cachetools import LRUCache

from gateway.contract.errors import FieldError, Problem
from gateway.contract.models.base import Shape
from gateway.engine.storage import LinkRow, Links

SYSTEM_ID = "system_id"
UNIQUE = frozenset({"external_ref", "code"})
"""Kept fields whose value belongs to one record of a resource only."""
_CLAIM = "claim:"
_CREATION_KEY = "creation_key"


class Book:
    """All that is known of one connection's records of one resource."""

    def __init__(self, rows: Iterable[LinkRow]) -> None:
        self._fields: dict[str, dict[str, str]] = {}
        self._records: dict[tuple[str, str], list[str]] = {}
        for row in rows:
            self.add(row)

    def add(self, row: LinkRow) -> None:
        """Know one thing more."""
        self.drop(row.record_id, row.field)
        self._fields.setdefault(row.record_id, {})[row.field] = row.value
        self._records.setdefault((row.field, row.value), []).append(row.record_id)

    def drop(self, record_id: str, field: str | None = None) -> None:
        """Forget one field of a record, or all of it."""
        known = self._fields.get(record_id, {})
        for name in [field] if field is not None else list(known):
            value = known.pop(name, None)
            if value is not None:
                self._records[name, value].remove(record_id)

    def rename(self, old_id: str, new_id: str) -> None:
        """What was known of one id is known of another."""
        for field, value in list(self._fields.get(old_id, {}).items()):
            self.drop(old_id, field)
            self.add(LinkRow(new_id, field, value, field in UNIQUE))

    def kept(self, record_id: str) -> Mapping[str, str]:
        """What Polder keeps of a record, by field."""
        return self._fields.get(record_id, {})

    def holders(self, field: str, value: str) -> list[str]:
        """The records that hold a value; claims under way are none."""
        return [one for one in self._records.get((field, value), []) if not one.startswith(_CLAIM)]

    def ours(self, system_id: str) -> str:
        """The id we give the record that the system calls so."""
        records = self._records.get((SYSTEM_ID, system_id))
        return records[0] if records else system_id

    def theirs(self, id: str) -> str:
        """What the system calls the record of our id."""
        return self._fields.get(id, {}).get(SYSTEM_ID, id)


class LinkBooks:
    """The books of all connections, read once and kept up by what goes through here."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._books: LRUCache[tuple[str, str], Book] = LRUCache(10_000)
        self._claims: set[tuple[str, str, str, str]] = set()

    async def of(self, connection_id: str, resource: str) -> Book:
        """The book of one resource."""
        book: Book | None = self._books.get((connection_id, resource))
        if book is None:
            read = Book(await self._links.of(connection_id, resource))
            # Another request may have read the same meanwhile, and have written in its book already.
            book = self._books.setdefault((connection_id, resource), read)
        return book

    async def put(self, connection_id: str, resource: str, record_id: str, fields: Mapping[str, str | None]) -> None:
        """Keep these fields of a record; None forgets one. Raises ``conflict`` where a unique value is another's."""
        book = await self.of(connection_id, resource)
        rows = [LinkRow(record_id, name, value, name in UNIQUE) for name, value in fields.items() if value is not None]
        if rows:
            await self._links.put(connection_id, resource, rows)
            for row in rows:
                book.add(row)
        for name, value in fields.items():
            if value is None:
                await self._links.remove(connection_id, resource, record_id, name)
                book.drop(record_id, name)

    async def forget(self, connection_id: str, resource: str, record_id: str) -> None:
        """The record is gone."""
        book = await self.of(connection_id, resource)
        if book.kept(record_id):
            await self._links.remove(connection_id, resource, record_id)
            book.drop(record_id)

    async def claim(self, connection_id: str, resource: str, fields: Mapping[str, str], creation_key: UUID) -> "Claim":
        """Reserve unique values for a record that is about to be made. Raises ``conflict`` where one is taken."""
        unique = {name: value for name, value in fields.items() if name in UNIQUE}
        book = await self.of(connection_id, resource)
        for name, value in unique.items():
            if book.holders(name, value) or (connection_id, resource, name, value) in self._claims:
                raise _taken(name, value)
        claim = Claim(self, connection_id, resource, unique, creation_key)
        self._claims |= claim.marks
        try:
            await claim.write(book)
        except BaseException:
            self._claims -= claim.marks
            raise
        return claim

    def end(self, marks: frozenset[tuple[str, str, str, str]]) -> None:
        """Claims that are settled."""
        self._claims -= marks

    async def rename(self, connection_id: str, resource: str, old_id: str, new_id: str) -> None:
        """What was known of one id is known of another."""
        await self._links.rename(connection_id, resource, old_id, new_id)
        (await self.of(connection_id, resource)).rename(old_id, new_id)

    def close(self, connection_id: str) -> None:
        """The connection is gone."""
        for key in [key for key in self._books if key[0] == connection_id]:
            del self._books[key]


class Claim:
    """Unique values held for a record that has no id yet.

    The claim is written before the record is made, so that a value can be lost to another record at no moment; where
    the making surely failed, it is taken back. Where its fate is unknown the claim stays, with the creation key that
    was used: whoever makes a record of the same value next uses the same key, and a system that knows creation keys
    answers the record it made before instead of making a second one.
    """

    def __init__(
        self, books: LinkBooks, connection_id: str, resource: str, values: Mapping[str, str], creation_key: UUID
    ) -> None:
        self._books = books
        self._connection_id = connection_id
        self._resource = resource
        self._values = values
        self.creation_key = creation_key
        self.marks = frozenset((connection_id, resource, name, value) for name, value in values.items())

    def _id(self, name: str) -> str:
        return f"{_CLAIM}{name}:{self._values[name]}"

    async def write(self, book: Book) -> None:
        """Hold every value durably."""
        for name, value in self._values.items():
            before = book.kept(self._id(name)).get(_CREATION_KEY)
            if before is not None:
                self.creation_key = UUID(before)
            held = {name: value, _CREATION_KEY: str(self.creation_key)}
            await self._books.put(self._connection_id, self._resource, self._id(name), held)

    async def grant(self, record_id: str) -> None:
        """The record was made: the values are its own."""
        try:
            for name in self._values:
                await self._books.put(self._connection_id, self._resource, self._id(name), {_CREATION_KEY: None})
                await self._books.rename(self._connection_id, self._resource, self._id(name), record_id)
        finally:
            self._books.end(self.marks)

    async def release(self) -> None:
        """The record surely was not made."""
        try:
            for name in self._values:
                await self._books.forget(self._connection_id, self._resource, self._id(name))
        finally:
            self._books.end(self.marks)

    def leave(self) -> None:
        """Nobody knows whether the record was made."""
        self._books.end(self.marks)


def _taken(name: str, value: str) -> Problem:
    message = f"Another record of this connection has the {name} {value!r}."
    return Problem("conflict", message, errors=[FieldError(f"/{name}", "taken", message)], outcome="not_sent")


def kept_values(fields: frozenset[str], given: Mapping[str, Any]) -> dict[str, str]:
    """What a body says of fields that Polder keeps."""
    return {name: given[name] for name in sorted(fields) if isinstance(given.get(name), str)}


def translate(record: Shape, dotted: str, rename: Callable[[str], str]) -> None:
    """Replace the id at a dotted place of a record, in every item where the way leads through a list."""
    *way, last = dotted.split(".")
    places: list[Any] = [record]
    for step in way:
        deeper = [getattr(place, step, None) for place in places]
        places = [one for found in deeper if found for one in (found if isinstance(found, list) else [found])]
    for place in places:
        value = getattr(place, last, None)
        if isinstance(value, str):
            setattr(place, last, rename(value))
