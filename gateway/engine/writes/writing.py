"""Writing: what a caller gave, checked, in the system's words, done once, and told truthfully.

Whatever happens, the problem that is raised says what became of the write (``outcome``), and what was cached is
forgotten as soon as something may have changed.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any
from uuid import UUID

from gateway.contract.adapter import Record
from gateway.contract.errors import Problem
from gateway.contract.models.base import Change, Draft, Shape
from gateway.engine.inputs import Parameters
from gateway.engine.malformed import errors_as_malformed, missing_as_rejected
from gateway.engine.outbound.upstream import Outbound
from gateway.engine.records.links import SYSTEM_ID, UNIQUE, Claim, kept_values
from gateway.engine.records.recording import Recording, identified, refuse_unsupported
from gateway.engine.records.render import record_json, with_warnings


class Writer:
    """Writes for one request."""

    def __init__(self, up: Outbound, recording: Recording, provider: str) -> None:
        self._operation, self._resource = recording.operation, recording.resource
        self._up = up
        self._recording = recording
        self._provider = provider

    async def write(self, id: str | None, body: Shape | None, parameters: Parameters, creation_key: UUID) -> bytes:
        """Do it; the record as it now is, or nothing for a delete. Raises ``Problem`` with an outcome."""
        try:
            with errors_as_malformed():
                record = await self._carried_out(id, body, creation_key)
            return b"" if record is None else self.body_of(record, parameters)
        except Problem as problem:
            problem.as_outcome(self._up.fate)
            raise

    def body_of(self, record: Record[Any], parameters: Parameters) -> bytes:
        """The answer that tells of a record as it now is. Raises ``upstream_malformed`` for what cannot be told."""
        with errors_as_malformed():
            body = record_json(record, self._provider, parameters.include)
        return with_warnings(body, [one.json for one in self._up.warnings])

    async def _carried_out(self, id: str | None, body: Shape | None, creation_key: UUID) -> Record[Any] | None:
        if body is not None:
            refuse_unsupported(self._resource, body, self._up)
            await self._recording.outgoing(body)
        if id is None:
            assert isinstance(body, Draft)
            return await self._created(body, creation_key, None)
        if self._operation.verb == "delete":
            await self._deleted(id)
            return None
        if isinstance(body, Change):
            return await self._changed(id, body, creation_key)
        if isinstance(body, Draft):
            return await self._created(body, creation_key, id)
        return await self._acted(id)

    async def _created(self, draft: Draft, creation_key: UUID, origin: str | None) -> Record[Any]:
        """Make a record, or (with ``origin``, our id) one that follows from another, such as a credit note."""
        kept = self._kept(draft, origin)
        async with self._claimed(kept, creation_key) as claim:
            self._up.creation_key = claim.creation_key
            if origin is None:
                with missing_as_rejected():
                    record = await self._resource.create(self._up, draft)
            else:
                theirs = await self._recording.theirs(origin)
                record = await getattr(self._resource, self._operation.verb)(self._up, theirs, draft)
            return await self._granted(claim, identified(record, self._resource).item.id, kept, record)

    async def _completed_create(
        self, draft: Draft, origin: str | None, creation_key: UUID, record: Record[Any]
    ) -> Record[Any]:
        """A record that was found to be made: it gets what it lacks of what its write had claimed.

        Whoever made it may have died, or the store have failed, between any two of the steps that give it that.
        What became another's while the write was in doubt stays so.
        """
        book = await self._recording.book()
        id = book.ours(record.item.id)
        lacking = {name: value for name, value in self._kept(draft, origin).items() if name not in book.kept(id)}
        async with self._claimed(book.free(lacking), creation_key) as claim:
            return await self._granted(claim, id, lacking, record)

    @asynccontextmanager
    async def _claimed(self, kept: Mapping[str, str], creation_key: UUID) -> AsyncIterator[Claim]:
        """Claim the unique ones of these values before anything is sent, and settle the claim where that fails."""
        await self._take_from_gone(kept)
        claim = await self._recording.claim(kept, creation_key)
        try:
            yield claim
        except BaseException:
            # What became of the write is told whether or not this can be kept: the claim ends by itself.
            with suppress(Problem):
                await (claim.release() if self._up.fate in ("not_sent", "rejected") else claim.leave())
            raise

    async def _take_from_gone(self, kept: Mapping[str, str]) -> None:
        """Take unique values from records that were deleted in the system itself: of that nobody tells Polder.

        Where a record may have got a new id, which only a lost answer told, it is not known to be gone.
        """
        if self._resource.changes_ids or not self._resource.can("get"):
            return
        book = await self._recording.book()
        for name, value in kept.items():
            for id in book.holders(name, value) if name in UNIQUE else ():
                if await self._is_gone(book.theirs(id)):
                    await self._recording.forget(id)

    async def _is_gone(self, theirs: str) -> bool:
        try:
            await self._resource.get(self._up, theirs)
        except Problem as problem:
            return problem.code == "not_found"
        return False

    def _kept(self, draft: Draft, origin: str | None) -> dict[str, str]:
        kept = kept_values(self._resource.kept, draft.given())
        if origin is not None and "credits_invoice_id" in self._resource.kept:
            kept["credits_invoice_id"] = origin
        return kept

    async def _granted(self, claim: Claim, id: str, kept: Mapping[str, Any], record: Record[Any]) -> Record[Any]:
        """The record of our id, after its write: what was claimed for it is its own, and the rest is kept too."""
        await claim.grant(id)
        rest = {name: value for name, value in kept.items() if name not in UNIQUE or value is None}
        await self._recording.keep(id, await self._with_our_ids(rest))
        return await self._translated(record)

    async def _changed(self, id: str, change: Change, creation_key: UUID) -> Record[Any]:
        theirs = await self._recording.theirs(id)
        given = change.given()
        self._up.creation_key = creation_key
        own = (await self._recording.book()).kept(id)
        kept = kept_values(self._resource.kept, given)
        new = {name: value for name, value in kept.items() if own.get(name) != value}
        async with self._claimed(new, creation_key) as claim:
            if given.keys() - ((self._resource.kept & UNIQUE) - self._resource.holds):
                await self._remind(id, change)
                self._up.follow = partial(self._follow, id)
                record = await self._resource.update(self._up, theirs, change)
                self._warn_uncleared(given, record)
            else:
                record = await self._resource.get(self._up, theirs)
            return await self._changed_to(claim, id, theirs, given, record)

    def _warn_uncleared(self, given: Mapping[str, Any], record: Record[Any]) -> None:
        """Warn of what was to be cleared, and has a value of the system's own instead, such as a number or a rate."""
        for name, value in given.items():
            if value is None and name not in self._resource.kept and getattr(record.item, name, None) is not None:
                self._up.warn(
                    "not_cleared",
                    f"/{name}",
                    en=f"The accounting system does not leave {name} empty: it has the value that is told.",
                    nl=f"Het boekhoudsysteem laat {name} niet leeg: het heeft de waarde die hier staat.",
                )

    async def _completed_change(
        self, id: str, theirs: str, change: Change, creation_key: UUID, record: Record[Any]
    ) -> Record[Any]:
        """A record that was found to be changed: it gets what its write had claimed, as far as that is still free."""
        given = change.given()
        book = await self._recording.book()
        async with self._claimed(book.free(kept_values(self._resource.kept, given)), creation_key) as claim:
            return await self._changed_to(claim, id, theirs, given, record)

    async def _changed_to(
        self, claim: Claim, id: str, theirs: str, given: Mapping[str, Any], record: Record[Any]
    ) -> Record[Any]:
        """A record after its change: what Polder keeps of it changes too."""
        await self._follow(id, identified(record, self._resource, theirs).item.id)
        kept = {name: given[name] for name in self._resource.kept if name in given}
        return await self._granted(claim, id, kept, record)

    async def _remind(self, id: str, change: Change) -> None:
        """Add to a change what the system hides and Polder kept, such as the customer of a draft."""
        referred = self._recording.referred
        kept = (await self._recording.book()).kept(id)
        for name in self._resource.kept - UNIQUE - change.model_fields_set:
            if name in kept and name in type(change).model_fields:
                value = kept[name]
                setattr(
                    change, name, await self._recording.theirs(value, referred[name]) if name in referred else value
                )

    async def _acted(self, id: str) -> Record[Any]:
        theirs = await self._recording.theirs(id)
        self._up.follow = partial(self._follow, id)
        record: Record[Any] = await getattr(self._resource, self._operation.verb)(self._up, theirs)
        await self._follow(id, identified(record, self._resource, theirs).item.id)
        return await self._translated(record)

    async def _deleted(self, id: str) -> None:
        theirs = await self._recording.theirs(id)
        await self._resource.delete(self._up, theirs)
        await self._recording.forget(id)

    async def _follow(self, id: str, theirs: str) -> None:
        """Where the system gave the record a new id, keep answering to the first one."""
        if theirs != await self._recording.theirs(id):
            await self._recording.keep(id, {SYSTEM_ID: theirs})

    async def _with_our_ids(self, kept: dict[str, Any]) -> dict[str, str | None]:
        """Ids among kept values are kept as we say them."""
        referred = self._recording.referred
        translated: dict[str, str | None] = {}
        for name, value in kept.items():
            book = await self._recording.book(referred[name]) if name in referred else None
            translated[name] = book.ours(value) if book is not None and value is not None else value
        return translated

    async def _translated(self, record: Record[Any]) -> Record[Any]:
        await self._recording.incoming([record])
        return record
