"""What only Polder knows of records: the caller's own references, fields a system has no room for, ids that changed.

A record keeps its first id for ever on our side. Where a system hands out a new one, the field ``system_id`` holds it.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cachetools import LRUCache

from gateway.contract.clock import Clock
from gateway.contract.errors import FieldError, Problem
from gateway.contract.models.base import RecordPart, Shape
from gateway.engine.generations import Ended, Generations, Matter
from gateway.engine.owner import Owner
from gateway.engine.storage import LinkRow, Links, LinkState

SYSTEM_ID = "system_id"
UNIQUE = frozenset({"external_ref", "code"})
"""Kept fields whose value belongs to one record of a resource only."""
_FOUND_BY = UNIQUE | {SYSTEM_ID}
_CLAIM = "claim:"
_CREATION_KEY = "creation_key"
"""Of a claim: the key its record is made with and, while that is under way, until when at most, and by whom."""
HELD = timedelta(minutes=6)
"""How long making a record can take: more than the longest deadline that can be configured."""


_Mark = tuple[str, str, str, str]
"""A value that this process has in hand: connection, resource, field and value."""


class Book:
    """All that is known of one connection's records of one resource.

    Kept by field, as a year's orders are many records with one or two fields each: a third of the memory.
    """

    __slots__ = ("_records", "_values")

    def __init__(self, rows: Iterable[LinkRow]) -> None:
        self._values: dict[str, dict[str, str]] = {}
        self._records: dict[str, dict[str, str]] = {}
        for row in rows:
            self._insert(row)

    def _insert(self, row: LinkRow) -> None:
        record_id, field, value, _ = row
        self._values.setdefault(field, {})[record_id] = value
        if field in _FOUND_BY:
            self._records.setdefault(field, {})[value] = record_id

    def __len__(self) -> int:
        """How many things it knows."""
        return sum(map(len, self._values.values()))

    def add(self, row: LinkRow) -> None:
        """Know one thing more."""
        self.drop(row.record_id, row.field)
        self._insert(row)

    def drop(self, record_id: str, field: str | None = None) -> None:
        """Forget one field of a record, or all of it."""
        for name in [field] if field is not None else list(self._values):
            value = self._values.get(name, {}).pop(record_id, None)
            found = self._records.get(name, {})
            if value is not None and found.get(value) == record_id:  # else it is another's by now
                del found[value]

    def rename(self, old_id: str, new_id: str) -> None:
        """What was known of one id is known of another."""
        for field, value in self.kept(old_id).items():
            self.drop(old_id, field)
            self.add(LinkRow(new_id, field, value, field in UNIQUE))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of any record."""
        return not any(self._values.values())

    @property
    def renames(self) -> bool:
        """Whether the system calls any record otherwise than we do."""
        return bool(self._values.get(SYSTEM_ID))

    def kept(self, record_id: str) -> Mapping[str, str]:
        """What Polder keeps of a record, by field."""
        return {name: values[record_id] for name, values in self._values.items() if record_id in values}

    def holders(self, field: str, value: str) -> list[str]:
        """The record that holds a unique value, if any; a claim under way is none."""
        found = self._records.get(field, {}).get(value)
        return [] if found is None or found.startswith(_CLAIM) else [found]

    def free(self, fields: Mapping[str, str]) -> dict[str, str]:
        """The unique ones of these values that no record holds."""
        return {name: value for name, value in fields.items() if name in UNIQUE and not self.holders(name, value)}

    def ours(self, system_id: str) -> str:
        """The id we give the record that the system calls so."""
        return self._records.get(SYSTEM_ID, {}).get(system_id, system_id)

    def is_known(self, system_id: str) -> bool:
        """Whether the record that the system calls so is one that Polder keeps anything of."""
        return self.ours(system_id) != system_id or bool(self.kept(system_id))

    def theirs(self, id: str) -> str:
        """What the system calls the record of our id."""
        return self._values.get(SYSTEM_ID, {}).get(id, id)


_Shelf = dict[str, Book]
"""The books of one connection, by resource."""
KNOWN = 200_000
"""How much is known in all, some 100 MB of it; of one connection that has more still, all."""
_OF_A_SHELF = 20
"""What a connection of which nothing is known counts for."""


def _size(shelf: tuple[int, _Shelf]) -> int:
    return min(_OF_A_SHELF + sum(map(len, shelf[1].values())), KNOWN)


def _book_on(shelf: _Shelf, resource: str) -> Book:
    book = shelf.get(resource)
    if book is None:
        book = shelf[resource] = Book(())
    return book


class LinkBooks:
    """The books of all connections, read at need, kept up by what goes through here, and read again when another
    process may have changed them.

    A change is kept in the database first, then written in the book. The book's generation is ended with the write it
    belongs to, before that is answered (``ending``).
    """

    def __init__(self, links: Links, generations: Generations, clock: Clock, owner: Owner) -> None:
        self._links = links
        self._generations = generations
        self.clock = clock
        self.owner = owner
        self._shelves: LRUCache[str, tuple[int, _Shelf]] = LRUCache(KNOWN, getsizeof=_size)
        self._changes: LRUCache[str, int] = LRUCache(100_000)
        self._counted = 0
        self._claims: dict[_Mark, UUID] = {}

    async def of(self, connection_id: str, resource: str) -> Book:
        """The book of one resource. Those of a connection are read together: nearly every answer needs most of them."""
        return (await self.of_each(connection_id, [resource]))[resource]

    async def of_each(self, connection_id: str, resources: Iterable[str]) -> Mapping[str, Book]:
        """The books of several resources, as of one moment."""
        generation = self._generations.of(connection_id, "links")
        shelf = self._known(connection_id, generation)
        if shelf is None:
            shelf = await self._read(connection_id, generation)
        return {resource: _book_on(shelf, resource) for resource in resources}

    def _known(self, connection_id: str, generation: int | None) -> _Shelf | None:
        known: tuple[int, _Shelf] | None = self._shelves.get(connection_id)
        return known[1] if known is not None and known[0] == generation else None

    async def _read(self, connection_id: str, generation: int) -> _Shelf:
        changes = self.changes(connection_id)
        read = {resource: Book(rows) for resource, rows in (await self._links.of(connection_id)).items()}
        # Another request may have read the same meanwhile, and have written in its books already.
        shelf = self._known(connection_id, generation)
        if shelf is not None:
            return shelf
        # What was kept while this was read may not be in it: whoever comes next reads again.
        if changes == self.changes(connection_id):
            self._shelves[connection_id] = generation, read
        return read

    def changes(self, connection_id: str) -> int:
        """A number that differs after any change of the connection's books here: of a write that made one, then."""
        changes: int = self._changes.get(connection_id, 0)
        return changes

    def state(self, connection_id: str) -> tuple[int, int]:
        """Numbers that are the same again only while no book of the connection changed, here or elsewhere."""
        return self._generations.of(connection_id, "links"), self.changes(connection_id)

    def _changed(self, connection_id: str, resource: str) -> Book:
        """The book to write a change in that was just kept."""
        self._counted += 1
        self._changes[connection_id] = self._counted
        known: tuple[int, _Shelf] | None = self._shelves.get(connection_id)
        return _book_on(known[1], resource) if known is not None else Book(())

    @asynccontextmanager
    async def ending(self, connection_id: str, sent: Callable[[], bool]) -> AsyncIterator[None]:
        """From the end of the block on nobody answers from what was known before a write: no process at all.

        ``sent`` is asked then whether the connection's records may have changed. Of its books that is known here.
        """
        changes = self.changes(connection_id)
        try:
            yield
        finally:
            ended: list[Matter] = ["answers"] if sent() else []
            if changes != self.changes(connection_id):
                ended += ["answers", "links"]
            if ended:
                done = await self._generations.end(connection_id, *dict.fromkeys(ended))
                if "links" in done:
                    self.carry(connection_id, done["links"])

    def carry(self, connection_id: str, ended: Ended) -> None:
        """The generation was ended here, for changes that these books hold: they belong to the next one too."""
        shelf = self._known(connection_id, ended.before)
        if shelf is not None:
            self._shelves[connection_id] = ended.after, shelf

    async def put(
        self,
        connection_id: str,
        resource: str,
        record_id: str,
        fields: Mapping[str, str | None],
        *,
        only_if: LinkState | None = None,
    ) -> None:
        """Keep these fields of a record; None forgets one.

        Raises ``conflict`` where a unique value is another's, or ``only_if`` is not so.
        """
        await self.of(connection_id, resource)
        rows = [LinkRow(record_id, name, value, name in UNIQUE) for name, value in fields.items() if value is not None]
        if rows:
            await self._links.put(connection_id, resource, rows, only_if=only_if)
            book = self._changed(connection_id, resource)
            for row in rows:
                book.add(row)
        for name, value in fields.items():
            if value is None:
                await self._links.remove(connection_id, resource, record_id, name)
                self._changed(connection_id, resource).drop(record_id, name)

    async def forget(self, connection_id: str, resource: str, record_id: str) -> None:
        """The record is gone."""
        if (await self.of(connection_id, resource)).kept(record_id):
            await self._links.remove(connection_id, resource, record_id)
            self._changed(connection_id, resource).drop(record_id)

    async def forget_if(self, connection_id: str, resource: str, state: LinkState) -> None:
        """The record is gone if that is so of it."""
        if await self._links.remove_if(connection_id, resource, state):
            self._changed(connection_id, resource).drop(state.record_id)
        else:
            self.close(connection_id)

    async def claim(self, connection_id: str, resource: str, fields: Mapping[str, str], creation_key: UUID) -> "Claim":
        """Reserve unique values for a record that is about to be made.

        Raises ``conflict`` where one is taken, ``idempotency_in_progress`` where another write, or an earlier attempt
        of the very same one, still has it in hand.
        """
        claim = self._begun(connection_id, resource, fields, creation_key)
        try:
            if claim.marks:
                await self.owner.vouch()
            await claim.write()
        except BaseException:
            self.end(claim.marks)
            raise
        return claim

    async def give_back(self, connection_id: str, resource: str, fields: Mapping[str, str], creation_key: UUID) -> None:
        """No record was made with that key: what is left of its claim is free again, unless somebody holds it now.

        Raises as ``claim`` does where this process holds it.
        """
        claim = self._begun(connection_id, resource, fields, creation_key)
        try:
            await claim.give_back()
        finally:
            self.end(claim.marks)

    def _begun(self, connection_id: str, resource: str, fields: Mapping[str, str], creation_key: UUID) -> "Claim":
        unique = {name: value for name, value in fields.items() if name in UNIQUE}
        claim = Claim(self, connection_id, resource, unique, creation_key)
        for mark in claim.marks:
            if mark in self._claims:
                raise _unfinished() if self._claims[mark] == creation_key else _in_hand(mark[2])
        self._claims |= dict.fromkeys(claim.marks, creation_key)
        return claim

    def end(self, marks: Iterable[_Mark]) -> None:
        """Claims that are settled."""
        for mark in marks:
            self._claims.pop(mark, None)

    async def rename(self, connection_id: str, resource: str, old_id: str, new_id: str) -> None:
        """What was known of one id is known of another."""
        await self.of(connection_id, resource)
        await self._links.rename(connection_id, resource, old_id, new_id)
        self._changed(connection_id, resource).rename(old_id, new_id)

    def close(self, connection_id: str) -> None:
        """Read its books anew when they are asked for: the connection is gone, or they are behind."""
        self._shelves.pop(connection_id, None)


class Claim:
    """Unique values held for a record that has no id yet.

    The claim is written before the record is made, so that a value can be lost to another record at no moment; where
    the making surely failed, it is taken back. Where its fate is unknown the claim stays, with the creation key that
    was used: whoever makes a record of the same value next uses the same key, and a system that knows creation keys
    answers the record it made before instead of making a second one.

    While the making is under way the claim says whose it is and how long that can last at most: nobody else takes it
    over before, unless its process is known to be gone.
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
        self._held: dict[str, UUID | None] = {}
        """The names of the values in hand, each with the creation key that an earlier attempt had left with it."""

    def _id(self, name: str) -> str:
        return f"{_CLAIM}{name}:{self._values[name]}"

    async def write(self) -> None:
        """Hold every value durably, or none. Raises ``conflict`` where one is taken."""
        try:
            for name, value in self._values.items():
                if not await self._hold(name, value) and not await self._hold(name, value):
                    raise _in_hand(name)
        except Problem:
            with suppress(Problem):  # it ends by itself
                await self._put_back()
            raise

    async def _hold(self, name: str, value: str) -> bool:
        """Hold one value; False where another process was faster, which the book now says."""
        book = await self._books.of(self._connection_id, self._resource)
        before = book.kept(self._id(name)).get(_CREATION_KEY)
        if book.holders(name, value):
            raise taken(name)
        if before is not None and self._is_held(before):
            raise _unfinished() if _key_in(before) == self.creation_key else _in_hand(name)
        left = None if before is None else _key_in(before)
        key = left or self.creation_key
        until = (self._books.clock.now() + HELD).isoformat()
        held = {name: value, _CREATION_KEY: f"{key} {until} {self._books.owner.name}"}
        only_if = LinkState(self._id(name), _CREATION_KEY, before)
        try:
            await self._books.put(self._connection_id, self._resource, self._id(name), held, only_if=only_if)
        except Problem as problem:
            if problem.code != "conflict":
                raise
            self._books.close(self._connection_id)
            return False
        self.creation_key = key
        self._held[name] = left
        return True

    def _is_held(self, claimed: str) -> bool:
        """Whether somebody else may be making the record at this moment."""
        _, until, owner = (*claimed.split(" ", 2), "", "")[:3]
        if not until or owner == self._books.owner.name:
            return False  # the attempt left it, or was this process's own and is not under way
        return datetime.fromisoformat(until) > self._books.clock.now() and not self._books.owner.is_gone(owner)

    async def grant(self, record_id: str) -> None:
        """The record was made: the values are its own."""
        try:
            for name in self._held:
                # The whole claim in one step: without its key, another process could take what is left of it for free.
                await self._books.rename(self._connection_id, self._resource, self._id(name), record_id)
            if self._values:
                await self._books.put(self._connection_id, self._resource, record_id, {_CREATION_KEY: None})
        finally:
            self._let_go()

    async def release(self) -> None:
        """The write surely was not done."""
        try:
            await self._put_back()
        finally:
            self._let_go()

    async def _put_back(self) -> None:
        """Leave what is in hand as it was found: free, or with the creation key of an attempt of unknown fate."""
        for name, left in self._held.items():
            if left is None:
                await self._books.forget(self._connection_id, self._resource, self._id(name))
            else:
                await self._leave(name, left)

    async def give_back(self) -> None:
        """What an attempt left is free; what another key took over, or somebody holds again, stays as it is."""
        for name in self._values:
            id = self._id(name)
            left = (await self._books.of(self._connection_id, self._resource)).kept(id).get(_CREATION_KEY)
            if left is None or _key_in(left) != self.creation_key or self._is_held(left):
                continue
            await self._books.forget_if(self._connection_id, self._resource, LinkState(id, _CREATION_KEY, left))

    async def leave(self) -> None:
        """Nobody knows whether the write was done."""
        try:
            for name in self._held:
                await self._leave(name, self.creation_key)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        """However that ended, it is not in hand any more: what is done with it from now on is another claim's."""
        self._books.end(self.marks)
        self.marks, self._held = frozenset(), {}

    async def _leave(self, name: str, creation_key: UUID) -> None:
        key = {_CREATION_KEY: str(creation_key)}
        await self._books.put(self._connection_id, self._resource, self._id(name), key)


def _key_in(claimed: str) -> UUID:
    return UUID(claimed.partition(" ")[0])


def _unfinished() -> Problem:
    # Not "taken": that would be told for good, of a value that no record has.
    message = "An earlier attempt of this write is not quite over."
    return Problem("idempotency_in_progress", message, retry_after=1, outcome="not_sent")


def _in_hand(name: str) -> Problem:
    # Not "taken" either: the other write may be for the very same record, or come to nothing.
    message = f"Another write, which is not over yet, is for this {name}."
    errors = [FieldError(f"/{name}", "in_progress", message)]
    return Problem("idempotency_in_progress", message, errors=errors, retry_after=1, outcome="not_sent")


def taken(name: str) -> Problem:
    """``conflict``, without the value, which may be a person's: callers log what problems say."""
    message = f"Another record of this connection has this {name}."
    return Problem("conflict", message, errors=[FieldError(f"/{name}", "taken", message)], outcome="not_sent")


def kept_values(fields: frozenset[str], given: Mapping[str, Any]) -> dict[str, str]:
    """What a body says of fields that Polder keeps."""
    return {name: given[name] for name in sorted(fields) if isinstance(given.get(name), str)}


def translate(record: Shape | RecordPart, dotted: str, rename: Callable[[str], str]) -> None:
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
