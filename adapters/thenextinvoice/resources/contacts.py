"""Customers as contacts."""

from collections.abc import Mapping
from typing import ClassVar

from adapters.thenextinvoice.mapping import contacts
from adapters.thenextinvoice.mapping.requirements import contact_requirements
from adapters.thenextinvoice.mapping.values import new_id
from adapters.thenextinvoice.wire import PAGE_CAP, pointing, read_search, request
from gateway.contract.adapter import Contacts, Listing, Record, Sent, Traces
from gateway.contract.exact import Unread
from gateway.contract.matching import is_contact, longest_word, name_of, new_among, note_existing
from gateway.contract.models import Change, Contact, ContactDraft
from gateway.contract.paging import Page, PageNumber, Slice
from gateway.contract.schemas import Requirements
from gateway.contract.upstream import Upstream, number_in_path


class CustomerContacts(Contacts):
    """``/customer``. Customers only; a PUT replaces the whole, so an update reads first and writes everything back.

    ``/customer/search`` is paged and ``/customer`` is not: the list is read from the former, for an administration of
    ten thousand customers is no one answer. Its ``term`` looks in name and contact only, so it is no filter of ours.
    """

    filters = frozenset({"role"})
    holds = contacts.HOLDS
    calls: ClassVar[Mapping[str, str]] = {
        "list": "1 for each 100 contacts",
        "create": "3: who has that name already, the customer, and reading it back",
        "update": "3: reading the customer, writing it whole, reading it back",
    }
    limits: ClassVar[Mapping[str, str]] = {
        "create": "Address, postal code, city, country and e-mail are required there; what is missing goes out empty.",
    }

    async def requirements(self, up: Upstream, verb: str) -> Requirements:
        del up
        return contact_requirements(create=verb == "create")

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Contact]]:
        if listing.text("role") == "supplier":
            return Page([], more=False, total=0)

        return await _searched(up).read(listing.window)

    async def get(self, up: Upstream, id: str) -> Record[Contact]:
        return contacts.contact_of(await _read(up, id))

    async def create(self, up: Upstream, draft: ContactDraft) -> Record[Contact]:
        given = {**draft.given(), "kind": draft.kind}
        body = contacts.merged(contacts.blank(), given, up.unsupported)
        note_existing(up, await _named_alike(up, draft))
        with pointing(contacts.POINTERS):
            made = await up.data(request("POST", "customer", json=body))
        return await self.get(up, new_id(made))

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Contact]:
        """By its name and e-mail address, among those that were not there before; nothing else marks a customer."""
        assert isinstance(sent.draft, ContactDraft)
        new = new_among(sent, await _named_alike(up, sent.draft))
        return Traces([await self.get(up, record.item.id) for record in new.records])

    async def update(self, up: Upstream, id: str, change: Change) -> Record[Contact]:
        raw = await _read(up, id)
        body = contacts.merged(contacts.existing_body(raw), change.given(), up.unsupported)
        with pointing(contacts.POINTERS):
            await up.data(request("PUT", "customer", number_in_path(id), json=body))
        return await self.get(up, id)

    async def delete(self, up: Upstream, id: str) -> None:
        await up.data(request("DELETE", "customer", number_in_path(id)))


async def _read(up: Upstream, id: str) -> Unread:
    raw: Unread = await up.data(request("GET", "customer", number_in_path(id)))
    return raw


def _searched(up: Upstream, term: str = "") -> PageNumber[Record[Contact]]:
    async def fetch(page: int, size: int) -> Slice[Record[Contact]]:
        query = [*([("term", term)] if term else []), ("limit", str(size)), ("page", str(page))]
        found = read_search(await up.call(request("GET", "customer", "search", query=query)))
        return Slice([contacts.contact_of(raw) for raw in found.items], found.total)

    return PageNumber(fetch, PAGE_CAP)


async def _named_alike(up: Upstream, draft: ContactDraft) -> list[Record[Contact]]:
    """The customers that have a draft's name and e-mail address: ``term`` looks in names, for a text as it stands."""
    found = await _searched(up, longest_word(name_of(draft))).whole()
    return [record for record in found if is_contact(record.item, draft)]
