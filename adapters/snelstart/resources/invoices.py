"""Sales invoices and credit notes."""

import binascii
from base64 import b64decode
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

from adapters.snelstart.mapping import invoices
from adapters.snelstart.mapping.contacts import Relatie
from adapters.snelstart.mapping.errors import OF_CREDIT
from adapters.snelstart.mapping.invoices import (
    Boeking,
    Factuur,
    Reading,
    credit_body,
    invoice_of,
    is_foreign,
    whole_invoice_of,
)
from adapters.snelstart.mapping.lines import Charge, entry_amounts, reckoned
from adapters.snelstart.mapping.requirements import credit_requirements, invoice_requirements
from adapters.snelstart.mapping.values import (
    NOTHING,
    Identified,
    day_of,
    guid,
    guid_in_path,
    is_guid,
    new_id,
    quoted,
    refer,
    reference_of,
    rows,
    since,
    until,
)
from adapters.snelstart.resources.administration import countries, every, page_of, setting, setup
from adapters.snelstart.resources.crediting import credited_among, factuur_of, is_credited, of_entry, settle, shown_as
from adapters.snelstart.resources.invoice_lines import Document, as_expected, settled_lines
from adapters.snelstart.wire import request
from gateway.contract.adapter import File, Invoices, Listing, Record, Sent, Traces, file_stem
from gateway.contract.errors import Problem, invalid, malformed, repointed
from gateway.contract.exact import MalformedJson, Unread, loads
from gateway.contract.models import CreditDraft, Invoice, InvoiceDraft
from gateway.contract.paging import Page, SkipTop
from gateway.contract.schemas import Requirements
from gateway.contract.totals import check_sign
from gateway.contract.upstream import Reply, Upstream, found_or_none
from gateway.contract.wire import RawRecord

LONGEST_TERM = 999
DATES: Mapping[str, tuple[str, Callable[[str, date], str]]] = {
    "issued_from": ("FactuurDatum", since),
    "issued_to": ("FactuurDatum", until),
    "due_from": ("VervalDatum", since),
    "due_to": ("VervalDatum", until),
}
NUMBER_REQUIRED = "SnelStart has no numbering for booked invoices: the caller gives each its number."


class SalesEntries(Invoices):
    """``/verkoopboekingen``, listed as ``/verkoopfacturen``: entries themselves have no list (dossier 2.1)."""

    filters = frozenset({"number", "contact_id", "document_status", "document_type", *DATES})
    holds = invoices.HOLDS
    kept = frozenset({"external_ref", "credits_invoice_id"})
    calls: ClassVar[Mapping[str, str]] = {
        "list": "1 for each 200 invoices; where some are settled, 1 for credit notes and 1 for each "
        "that may be theirs; with include=lines 1 more for each customer on the page",
        "get": "2 at once: the entry and its invoice; 1 more where nothing is open, to see whether it was credited",
        "create": "2: the entry, and reading its invoice; 1 more for each product that lines name, and 1 for the "
        "customer where VAT is another country's",
        "credit": "7: reading the invoice, looking for a credit note, booking it, settling the two, reading back",
        "ubl": "2: finding the invoice, then the file",
    }
    limits: ClassVar[Mapping[str, str]] = {
        "list": "A payment may leave updated_at as it was. Whether prices include VAT is told with include=lines: "
        "without it, prices_include_tax is false.",
        "create": "The caller numbers invoices; every invoice is final at once. Quantity, unit, discount and prices "
        "with VAT are kept at the end of a line's text. There are no lines of text, and no currency but the euro.",
        "update": "Every invoice is booked, and what is booked is credited and not changed.",
        "finalize": "There are no drafts: every invoice is final at once.",
        "credit": "In full; the caller numbers credit notes. It is settled with the invoice by a memorial entry.",
        "pdf": "SnelStart does not give invoices as PDF.",
    }

    async def requirements(self, up: Upstream, verb: str) -> Requirements:
        if verb == "credit":
            return credit_requirements()
        return invoice_requirements(await setup(up), setting(up, "default_ledger_account_id"), up.today)

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Invoice]]:
        condition = _condition(listing)
        if condition is None:
            return Page([], more=False, total=0)

        async def fetch(skip: int, top: int) -> list[Unread]:
            return await page_of(up, "verkoopfacturen", skip, top, condition or None)

        page = await SkipTop(fetch).read(listing.window)
        number = listing.text("number")
        # Numbers are unique; whether ``eq`` minds their case is not documented, so that is settled here (dossier 2.2).
        found = [(Factuur.of(raw), raw) for raw in page.items]
        if number is not None:
            found = [(row, raw) for row, raw in found if row.factuurnummer == number]
        credited = await credited_among(up, [row for row, _ in found if row.is_settled])
        if "lines" in listing.include:
            return Page(await _with_lines(up, found, credited), more=page.more)
        records = [invoice_of(row, raw, up.today, credited=row.entry in credited) for row, raw in found]
        return Page(records, more=page.more)

    async def get(self, up: Upstream, id: str) -> Record[Invoice]:
        boeking, factuur = await _read(up, id)
        row = Factuur.of(factuur)
        credited = row.is_settled and await is_credited(up, row)
        return await _invoice(up, boeking, factuur, credited=credited)

    async def create(self, up: Upstream, draft: InvoiceDraft) -> Record[Invoice]:
        if draft.number is None:
            raise invalid("/number", NUMBER_REQUIRED, "required")
        issued_on = draft.issued_on or up.today
        body: dict[str, Any] = {
            "factuurnummer": draft.number,
            "factuurdatum": f"{issued_on.isoformat()}T00:00:00",
            "klant": refer(_customer(draft.contact_id)),
        }
        if draft.due_on is not None:
            body["betalingstermijn"] = _term(issued_on, draft.due_on)
        if draft.description is not None:
            body["omschrijving"] = draft.description
        document = Document(draft.prices_include_tax, issued_on, await setup(up))
        charges = await settled_lines(up, draft.lines, document)
        country = await _country_charged(up, draft.contact_id, charges)
        charges = as_expected(up, charges, draft.expected_totals, draft.on_rounding, document)
        if not charges:
            raise invalid("/lines", "An invoice needs a line that charges something.", "required")
        sign = -1 if draft.document_type == "credit_note" else 1
        includes_tax = draft.prices_include_tax
        body |= entry_amounts(charges, document.setup, includes_tax=includes_tax, sign=sign)
        total = reckoned(charges, includes_tax=includes_tax).total
        check_sign("SnelStart", draft.document_type, total.gross, "/document_type")
        up.plan.comes_to(total)
        boeking = await up.data(request("POST", "verkoopboekingen", json=body))
        record = await _invoice(up, boeking, await factuur_of(up, new_id(boeking)), country=country)
        booked = Boeking.of(boeking).factuurbedrag
        if booked.value != sign * total.gross:
            up.warn(
                "totals_differ",
                "/totals",
                en=f"SnelStart booked {booked.text} where {sign * total.gross} was foreseen.",
                nl=f"SnelStart boekte {booked.text} waar {sign * total.gross} was voorzien.",
            )
        return record

    async def delete(self, up: Upstream, id: str) -> None:
        await up.call(request("DELETE", "verkoopboekingen", guid_in_path(id)))

    async def credit(self, up: Upstream, id: str, draft: CreditDraft) -> Record[Invoice]:
        if draft.number is None:
            raise invalid("/number", NUMBER_REQUIRED, "required")
        boeking, factuur = await _read(up, id)
        entry, invoice = Boeking.of(boeking), Factuur.of(factuur)
        if entry.factuurbedrag.value <= 0:
            raise Problem("conflict", "Only an invoice can be credited, and only one of more than nothing.")
        if await is_credited(up, invoice):
            raise Problem("conflict", "The invoice was credited already.")
        if any(line.ledger is None for line in entry.boekingsregels):
            # Some lines come back without their ledger account, and a line without one is refused (dossier 2.3).
            hidden = "SnelStart hides the ledger account of a line: create a credit_note with lines of its own."
            raise Problem("conflict", hidden)
        body = credit_body(boeking, draft.number, draft.issued_on or up.today)
        if not invoice.is_settled:
            up.plan.goes_on(
                en="A memorial entry then settles the invoice with its credit note, whose id it needs.",
                nl="Daarna verrekent een memoriaalboeking de factuur met de creditfactuur; die heeft haar id nodig.",
            )
        with repointed(OF_CREDIT):
            note = await up.data(request("POST", "verkoopboekingen", json=body))
        made = new_id(note)
        await settle(up, invoice, Boeking.of(note))
        record = await _invoice(up, note, await factuur_of(up, made))
        record.item.credits_invoice_id = id
        return record

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Invoice]:
        """By the number it was sent with, which is unique (BOE-0021), if it is the same through and through.

        Any other invoice was in its way: then this one can only have been refused.
        """
        body = sent.request.json
        found = await every(up, "verkoopfacturen", f"Factuurnummer eq {quoted(body['factuurnummer'])}")
        ids = [row.entry for row in map(Factuur.of, found) if row.entry and _is_sent(row, body)]
        records = [record for record in [await self.get(up, id) for id in ids] if _is_same_entry(record.raw, body)]
        for record in records:
            record.item.credits_invoice_id = sent.id
            if sent.id is not None and record.item.totals.open not in (None, NOTHING.text):
                up.warn(
                    "not_settled",
                    en="Invoice and credit note are not settled with each other.",
                    nl="Factuur en creditfactuur zijn niet met elkaar verrekend.",
                )
        return Traces(records)

    async def ubl(self, up: Upstream, id: str) -> File:
        _, factuur = await _read(up, id)
        row = Factuur.of(factuur)
        reply = await up.call(request("GET", "verkoopfacturen", row.key, "ubl"))
        return File(_xml(reply), "application/xml", f"{file_stem(row.factuurnummer, row.key)}.xml")


def _is_sent(row: Factuur, body: Mapping[str, Any]) -> bool:
    same_customer = row.customer == body["klant"]["id"]
    sent = (body["factuurnummer"], body["factuurbedrag"])
    return same_customer and (row.factuurnummer, row.factuurBedrag.value) == sent


def _is_same_entry(raw: RawRecord, body: Mapping[str, Any]) -> bool:
    """Whether an entry is of the day that was sent, and has the texts and amounts of its lines."""
    entry = Boeking.of(raw)
    existing = [(line.omschrijving, line.bedrag.value) for line in entry.boekingsregels]
    sent = [(line.get("omschrijving"), Decimal(line["bedrag"])) for line in body["boekingsregels"]]
    return entry.issued_on == day_of(body["factuurdatum"]) and _spaceless(existing) == _spaceless(sent)


def _spaceless(lines: Sequence[tuple[str | None, Decimal]]) -> list[tuple[str, Decimal]]:
    """Lines in an order of their own, in which SnelStart may mind spaces in its own way."""
    return sorted(("".join((text or "").split()), amount) for text, amount in lines)


def _customer(id: str) -> str:
    if not is_guid(id):
        raise invalid("/contact_id", "There is no such contact in SnelStart.", "not_found")
    return id


def _term(issued_on: date, due_on: date) -> int:
    """The due date is told by a number of days (dossier 2.3)."""
    days = (due_on - issued_on).days
    if not 0 <= days <= LONGEST_TERM:
        raise invalid("/due_on", f"SnelStart wants it 0 to {LONGEST_TERM} days after issued_on.")
    return days


def _condition(listing: Listing) -> str | None:
    """The list's condition in OData, empty for none; null where nothing can meet it."""
    status, kind, contact = (listing.text(name) for name in ("document_status", "document_type", "contact_id"))
    if status not in (None, "final") or (contact is not None and not is_guid(contact)):
        return None
    parts = []
    number = listing.text("number")
    if number is not None:
        parts.append(f"Factuurnummer eq {quoted(number)}")
    if contact is not None:
        parts.append(f"Relatie/Id eq {guid(contact)}")
    if kind is not None:
        parts.append(f"FactuurBedrag {'lt' if kind == 'credit_note' else 'ge'} 0")
    for name, (theirs, condition) in DATES.items():
        day = listing.filters.get(name)
        if isinstance(day, date):
            parts.append(condition(theirs, day))
    return " and ".join(parts)


async def _read(up: Upstream, id: str) -> tuple[Mapping[str, Any], Unread]:
    """An entry and its invoice, at once."""
    condition = of_entry(guid_in_path(id))
    entry: Mapping[str, Any]
    found: Sequence[Unread]
    entry, found = await up.gather(
        up.data(request("GET", "verkoopboekingen", id)), page_of(up, "verkoopfacturen", 0, 2, condition)
    )
    return entry, shown_as(found, id)


async def _invoice(
    up: Upstream,
    boeking: Mapping[str, Any],
    factuur: Unread,
    *,
    credited: bool = False,
    country: str | None = None,
) -> Record[Invoice]:
    known = await setup(up)
    entry = Boeking.of(boeking)
    if country is None and entry.customer is not None and is_foreign(entry, known):
        country = await _country(up, entry.customer)
    return whole_invoice_of(
        Factuur.of(factuur), factuur, entry, boeking, up.today, Reading(known, country), credited=credited
    )


async def _country_charged(up: Upstream, contact: str, charges: Sequence[Charge]) -> str | None:
    """The country whose VAT lines charge, if not the Netherlands'; null where they charge none, or it is not known.

    A booked line names no country: SnelStart takes it for the customer's own (dossier 4.9), and the VAT of another one
    with that rate without a word.
    """
    wanted = sorted({one.way.code.country for one in charges if one.way.rate_code is not None and one.way.code.country})
    country = await _country(up, contact) if wanted else None
    other = next((one for one in wanted if country not in (None, one)), None)
    if other is not None:
        message = f"SnelStart charges VAT of the customer's own country, which is {country}: not that of {other}."
        raise invalid("/contact_id", message)
    return country


async def _country(up: Upstream, contact: str) -> str | None:
    """The country of a customer, on which foreign VAT depends; null where the customer cannot be read any more."""
    relation, known = await up.gather(found_or_none(up.data(request("GET", "relaties", contact))), countries(up))
    place = None if relation is None else Relatie.of(relation).vestigingsAdres
    land = known.get(reference_of(place.land) or "") if place is not None else None
    return None if land is None else land.code


Entry = tuple[Boeking, Unread]
"""An entry as it was read, and as it was said."""


async def _with_lines(
    up: Upstream, found: Sequence[tuple[Factuur, Unread]], credited: Container[str | None]
) -> list[Record[Invoice]]:
    """Listed invoices with their entries: one call for each customer of several invoices, else one for the entry."""
    by_customer: dict[str, list[str]] = {}
    ids = [row.invoice_id for row, _ in found]
    for id, (row, _) in zip(ids, found, strict=True):
        by_customer.setdefault(row.customer or "", []).append(id)
    parts = await up.each([_entries(up, customer, wanted) for customer, wanted in by_customer.items()])
    entries = {id: entry for part in parts for id, entry in part.items()}
    at_home, readings = await _readings(up, [entry for entry, _ in entries.values()])
    records = []
    for id, (row, raw) in zip(ids, found, strict=True):
        entry, text = entries[id]
        reading = readings.get(entry.customer or "", at_home) if readings else at_home
        records.append(whole_invoice_of(row, raw, entry, text, up.today, reading, credited=id in credited))
    return records


async def _readings(up: Upstream, entries: Sequence[Boeking]) -> tuple[Reading, Mapping[str, Reading]]:
    """What entries are read with; and what those of some customers are read with, where there is foreign VAT."""
    known = await setup(up)
    foreign = [one for one in entries if is_foreign(one, known)] if known.abroad else ()
    abroad = sorted({one.customer for one in foreign if one.customer is not None})
    places = await up.each([_country(up, customer) for customer in abroad])
    readings = {customer: Reading(known, country) for customer, country in zip(abroad, places, strict=True)}
    return Reading(known), readings


async def _entries(up: Upstream, customer: str, wanted: Sequence[str]) -> dict[str, Entry]:
    """Entries of one customer. The list of all of them has no pages, and none for a customer who is inactive."""
    entries: dict[str, Entry] = {}
    if len(wanted) > 1 and customer:
        found = await found_or_none(up.data(request("GET", "relaties", customer, "verkoopboekingen")))
        all_of_them = [] if found is None else rows(found)
        if len(all_of_them) > len(wanted):
            known = frozenset(wanted)
            all_of_them = [raw for raw in all_of_them if Identified.of(raw).key in known]
        read = [(Boeking.of(raw), raw) for raw in all_of_them]
        entries = {entry.key: (entry, raw) for entry, raw in read}
    missing = [id for id in wanted if id not in entries]
    replies = await up.each([up.call(request("GET", "verkoopboekingen", id)) for id in missing])
    for id, reply in zip(missing, replies, strict=True):
        raw = reply.unread()
        entries[id] = Boeking.of(raw), raw
    return entries


def _xml(reply: Reply) -> bytes:
    """XML as it is, or the first document of an array: the vendor's document and client disagree (dossier 2.4)."""
    body = reply.body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if body.startswith(b"["):
        body = _in_array(body)
    if not body.startswith(b"<") or b"<html" in body[:200].lower():
        raise malformed("SnelStart's answer is no UBL.")
    return body


def _in_array(body: bytes) -> bytes:
    try:
        content = loads(body)[0]["content"]
        return b64decode(content, validate=True)
    except (MalformedJson, LookupError, TypeError, binascii.Error) as error:
        raise malformed("SnelStart's answer is no UBL.") from error
