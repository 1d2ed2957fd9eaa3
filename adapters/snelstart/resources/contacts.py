"""Relations as contacts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from adapters.snelstart.mapping import contacts
from adapters.snelstart.mapping.contacts import KINDS, Relatie, contact_body, contact_of, is_person
from adapters.snelstart.mapping.requirements import changed_contact_requirements, new_contact_requirements
from adapters.snelstart.mapping.values import guid_in_path, moment, quoted
from adapters.snelstart.resources.administration import countries, every, page_of, written
from adapters.snelstart.wire import request
from gateway.contract.adapter import Contacts, Listing, Record, Sent, Traces
from gateway.contract.errors import not_found
from gateway.contract.matching import is_contact, longest_word, name_of, new_among, note_existing
from gateway.contract.models import Change, Contact, ContactDraft
from gateway.contract.paging import Page, SkipTop
from gateway.contract.schemas import Requirements
from gateway.contract.upstream import Upstream

CUSTOMERS_AND_SUPPLIERS = (
    "(Relatiesoort/any(r:r eq 'Klant') or Relatiesoort/any(r:r eq 'Leverancier')) and Relatiecode gt 0"
)
"""Neither the administration's own relation nor the unknown customer and supplier it ships (dossier 2.4)."""
OVERLAP = "updated_since may give what was changed up to two hours before it too: SnelStart's timestamps say no zone."


class Relations(Contacts):
    """``/relaties``. A PUT replaces the whole, so an update reads first and writes everything back.

    ``eq`` of text may mind case or not (dossier 2.2), so an e-mail address is looked for by Polder.
    """

    filters = frozenset({"role", "number", "updated_since"})
    holds = contacts.HOLDS
    calls: ClassVar[Mapping[str, str]] = {
        "list": "1 for each 200 contacts; countries are remembered",
        "create": "2: who is called so already is noted before it, to know the new one from them",
        "update": "2: it is read, then replaced whole",
    }
    limits: ClassVar[Mapping[str, str]] = {
        "list": OVERLAP,
        "create": "One role: who is customer and supplier needs two contacts. A person needs an address.",
        "update": "SnelStart refuses a change of role.",
        "delete": "SnelStart keeps the contact as inactive; it is listed with include=archived.",
    }

    async def requirements(self, up: Upstream, verb: str) -> Requirements:
        known = await countries(up)
        return new_contact_requirements(known) if verb == "create" else changed_contact_requirements(known)

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Contact]]:
        condition = _condition(listing)
        if condition is None:
            return Page([], more=False)
        known = await countries(up)

        async def fetch(skip: int, top: int) -> list[Record[Contact]]:
            return [contact_of(raw, known) for raw in await page_of(up, "relaties", skip, top, condition)]

        return await SkipTop(fetch).read(listing.window)

    async def get(self, up: Upstream, id: str) -> Record[Contact]:
        known, raw = await up.gather(countries(up), read(up, id))
        return contact_of(raw, known)

    async def create(self, up: Upstream, draft: ContactDraft) -> Record[Contact]:
        given = {**draft.given(), "kind": draft.kind, "roles": draft.roles}
        known = await countries(up)
        body = contact_body(given, {}, known, up.unsupported)
        _warn_of_kind(up, draft.kind, body)
        note_existing(up, await _alike(up, draft))
        return contact_of(await written(up, "POST", "relaties", body=body), known)

    async def update(self, up: Upstream, id: str, change: Change) -> Record[Contact]:
        known, before = await up.gather(countries(up), read(up, id))
        given = change.given()
        body = contact_body(given, before, known, up.unsupported)
        _warn_of_kind(up, given.get("kind") or ("person" if is_person(before) else "company"), body)
        return contact_of(await written(up, "PUT", "relaties", id, body=body), known)

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Contact]:
        """By name and e-mail address, among those that were not there before: names are not unique (dossier 4)."""
        assert isinstance(sent.draft, ContactDraft)
        return new_among(sent, await _alike(up, sent.draft))

    async def delete(self, up: Upstream, id: str) -> None:
        await up.call(request("DELETE", "relaties", guid_in_path(id)))


def _warn_of_kind(up: Upstream, kind: str, body: Mapping[str, Any]) -> None:
    """No field there says the kind, and a company may be called as its contact person."""
    if kind == "company" and is_person(body):
        up.warn(
            "kind_not_kept",
            "/kind",
            en="SnelStart has no kinds: a company that is called as its contact person is told as a person.",
            nl="SnelStart kent geen soorten: een bedrijf dat heet als zijn contactpersoon geldt als persoon.",
        )


async def read(up: Upstream, id: str) -> Mapping[str, Any]:
    """A relation by its id. Raises ``not_found`` for those that are hidden, and for inactive ones as SnelStart does."""
    raw: Mapping[str, Any] = await up.data(request("GET", "relaties", guid_in_path(id)))
    row = Relatie.of(raw)
    if row.hidden or row.nonactief:
        not_found()
    return raw


async def _alike(up: Upstream, draft: ContactDraft) -> list[Record[Contact]]:
    """The contacts that have a draft's name and e-mail address."""
    condition = f"{CUSTOMERS_AND_SUPPLIERS} and substringof({quoted(longest_word(name_of(draft)))},Naam) eq true"
    known = await countries(up)
    found = [contact_of(raw, known) for raw in await every(up, "relaties", condition)]
    return [one for one in found if is_contact(one.item, draft)]


def _condition(listing: Listing) -> str | None:
    """The list's condition in OData; null where nothing can meet it."""
    parts = [CUSTOMERS_AND_SUPPLIERS]
    if "archived" not in listing.include:
        parts.append("Nonactief eq false")
    role, number, since = (listing.text(name) for name in ("role", "number", "updated_since"))
    if role is not None:
        parts.append(f"Relatiesoort/any(r:r eq '{KINDS[role]}')")
    if number is not None:
        if not (number.isascii() and number.isdigit() and number == str(int(number)) and int(number) < 2**31):
            return None
        parts.append(f"Relatiecode eq {number}")
    if since is not None:
        parts.append(changed_since(since))
    return " and ".join(parts)


def changed_since(instant: str) -> str:
    """What was changed at or after a UTC timestamp, and some of the two hours before it.

    ``ModifiedOn`` says no zone: a UTC clock shows the earliest of what it may have been, and nothing may be left out
    (dossier 2.3).
    """
    return f"ModifiedOn ge {moment(datetime.fromisoformat(instant))}"
