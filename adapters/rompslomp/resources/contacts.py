"""``/contacts``."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from adapters.rompslomp import wire
from adapters.rompslomp.mapping.contacts import HOLDS, contact_body, contact_of
from adapters.rompslomp.mapping.requirements import contact_requirements
from adapters.rompslomp.resources import calls
from gateway.contract.adapter import Contacts, Listing, Record, Sent, Traces
from gateway.contract.matching import is_contact, longest_word, name_of, new_among, note_existing, same_text
from gateway.contract.models import Change, Contact, ContactDraft
from gateway.contract.paging import Page, cut
from gateway.contract.schemas import Requirements
from gateway.contract.upstream import Query, Upstream

SELECTIONS: Mapping[str | None, str] = {None: "all", "customer": "customers", "supplier": "suppliers"}
SEARCHED: Mapping[str, Callable[[Contact, str], bool]] = {
    "number": lambda contact, text: contact.number == text,
    "vat_number": lambda contact, text: contact.vat_number == text,
    "email": lambda contact, text: same_text(contact.email, text),
}
"""Filters that ``search[q]`` narrows to some records, of which those that hold the very text are kept."""


class RompslompContacts(Contacts):
    """A PATCH changes only what it names."""

    filters = frozenset({"role", *SEARCHED})
    holds = HOLDS
    calls: ClassVar[Mapping[str, str]] = {
        "list": f"{calls.LIST_CALLS}; with number, vat_number or email, of those it may be. With email, 2 more every "
        "few minutes, to see whether search heeds case: then it is of all",
        "create": "2: what is there of its number or name is looked up first, to know the new contact from it",
    }

    async def requirements(self, up: Upstream, verb: str) -> Requirements:
        del up, verb
        return contact_requirements()

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Contact]]:
        query = [("selection", SELECTIONS[listing.text("role")])]
        wanted = {name: text for name in SEARCHED if (text := listing.text(name)) is not None}
        if not wanted:
            return await calls.page_of(up, "contacts", query, listing, contact_of)
        return cut(await _holding(up, query, wanted), listing.window)

    async def get(self, up: Upstream, id: str) -> Record[Contact]:
        return contact_of(await calls.record(up, "GET", "contact", id))

    async def create(self, up: Upstream, draft: ContactDraft) -> Record[Contact]:
        given = {**draft.given(), "kind": draft.kind, "roles": draft.roles}
        body = contact_body(given, up.unsupported)
        note_existing(up, await _alike(up, draft))
        return contact_of(await calls.record(up, "POST", "contact", body=body))

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Contact]:
        """By its number or its name, among those that were not there before."""
        assert isinstance(sent.draft, ContactDraft)
        return new_among(sent, await _alike(up, sent.draft))

    async def update(self, up: Upstream, id: str, change: Change) -> Record[Contact]:
        body = contact_body(change.given(), up.unsupported)
        if not body:
            return await self.get(up, id)
        return contact_of(await calls.record(up, "PATCH", "contact", id, body=body))

    async def delete(self, up: Upstream, id: str) -> None:
        await calls.delete(up, "contacts", id)


async def _alike(up: Upstream, draft: ContactDraft) -> list[Record[Contact]]:
    """The contacts that have a draft's name and e-mail address, and its number where it has one."""
    word = longest_word(draft.number or name_of(draft))
    found = map(contact_of, await calls.read_all(up, "contacts", [("selection", "all"), ("search[q]", word)]))
    alike = [one for one in found if is_contact(one.item, draft)]
    return [one for one in alike if not draft.number or same_text(one.item.number, draft.number)]


async def _holding(up: Upstream, query: Query, wanted: Mapping[str, str]) -> list[Record[Contact]]:
    """The contacts that hold every wanted text."""
    found = map(contact_of, await calls.read_all(up, "contacts", [*query, *await _narrowing(up, wanted)]))
    return [one for one in found if all(SEARCHED[name](one.item, text) for name, text in wanted.items())]


async def _narrowing(up: Upstream, wanted: Mapping[str, str]) -> Query:
    """What leaves out most contacts that do not hold the wanted texts, and none that does."""
    for name, text in wanted.items():
        if name != "email" or (text.isascii() and await up.known("search-ignores-case", lambda: _ignores_case(up))):
            return [("search[q]", text.strip())]
    return []


async def _ignores_case(up: Upstream) -> bool:
    """Whether a search for an address in other letters finds it, which is not documented (dossier §3).

    It is asked for one that is there. Where there is none on the first page, nobody knows.
    """
    listed = await calls.slice_of(up, "contacts", [("selection", "all")], 1, wire.PAGE_CAP)
    addresses = (contact_of(raw).item.email or "" for raw in listed.items)
    address = next((one for one in addresses if one.isascii() and one.swapcase() != one), None)
    if address is None:
        return False
    found = await calls.read_all(up, "contacts", [("selection", "all"), ("search[q]", address.swapcase())])
    return any(contact_of(raw).item.email == address for raw in found)
