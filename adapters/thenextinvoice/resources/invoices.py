"""Sales invoices and credit notes."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from adapters.thenextinvoice.mapping import invoices
from adapters.thenextinvoice.mapping.contacts import Customer
from adapters.thenextinvoice.mapping.invoices import Heading, InvoiceRow, Sheet
from adapters.thenextinvoice.mapping.requirements import credit_requirements, invoice_requirements
from adapters.thenextinvoice.mapping.settings import Profile
from adapters.thenextinvoice.mapping.values import day_of, language_of, new_id, reference_of
from adapters.thenextinvoice.resources.administration import profiles, sender, setting
from adapters.thenextinvoice.resources.invoice_lines import Document, as_expected, settled_lines
from adapters.thenextinvoice.resources.invoice_list import FILTERS, list_invoices
from adapters.thenextinvoice.resources.invoice_reading import drafts_of, read, record_of, records_of
from adapters.thenextinvoice.wire import pointing, request
from gateway.contract.adapter import File, Invoices, Listing, Record, Sent, Traces, file_stem
from gateway.contract.errors import Problem, invalid, malformed
from gateway.contract.models import Change, CreditDraft, Invoice, InvoiceDraft
from gateway.contract.money import Amounts, exact
from gateway.contract.paging import Page
from gateway.contract.schemas import Requirements
from gateway.contract.upstream import Request, Upstream, found_or_none, is_number
from gateway.contract.wire import json_number

HELD_ELSEWHERE = frozenset({"external_ref"})


class SalesInvoices(Invoices):
    """``/invoice``. A draft hides whom it is for, and a credit note what it credits: Polder keeps both."""

    filters = FILTERS
    holds = invoices.HOLDS
    kept = frozenset({"external_ref", "contact_id", "credits_invoice_id"})
    repeatable = frozenset({"create"})
    changes_ids = True  # PUT /invoice answers another id (README, 19)
    calls: ClassVar[Mapping[str, str]] = {
        "list": "1 to 6 for each 100 final invoices (the page, and its numbers once for each state), 1 for each 100 "
        "drafts, with which final ones of the same page are read twice; 1 more for an invoice whose state no search "
        "tells",
        "get": "2: the invoice and its status",
        "create": "4: the customer, the invoice, and reading it back; 1 more for each product that lines name",
        "update": "5: reading the draft, writing it whole, reading it back",
        "delete": "3: making sure that it is one invoice, then deleting it",
        "finalize": "5: reading the draft, finalizing it, reading it back",
        "credit": "5: reading the invoice, crediting it, reading the credit note",
        "pdf": "3: making sure that it is final, then the file",
        "ubl": "3: making sure that it is final, then the file",
    }
    limits: ClassVar[Mapping[str, str]] = {
        "create": "One discount_percent for all item lines; product_id fills a line in and is not kept.",
        "update": "Drafts only. The sender of a draft made elsewhere is hidden: writing it sets this connection's.",
        "credit": "On the day itself, in full, with the system's own number.",
    }

    async def requirements(self, up: Upstream, verb: str) -> Requirements:
        if verb == "credit":
            return credit_requirements()
        return invoice_requirements(account_required=setting(up, "default_ledger_account_id") is None)

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Invoice]]:
        return await list_invoices(up, listing)

    async def get(self, up: Upstream, id: str) -> Record[Invoice]:
        sheet, standing = await read(up, id)
        return await record_of(up, sheet, standing)

    async def create(self, up: Upstream, draft: InvoiceDraft) -> Record[Invoice]:
        customer, profile = await up.gather(_customer(up, draft.contact_id), sender(up))
        issued_on = draft.issued_on or up.today
        credit = draft.document_type == "credit_note"
        document = Document(draft.prices_include_tax, issued_on, credit)
        lines, discount = await settled_lines(up, draft.lines, document)
        heading = Heading(
            receiver=customer.key,
            sender=profile.key,
            credit=credit,
            includes_vat=draft.prices_include_tax,
            discount=discount,
            currency=draft.currency,
            language=_language(customer, profile),
            issued_on=issued_on,
            due_on=draft.due_on or _usual_due_on(up, issued_on, customer, profile),
            description=draft.description,
            notes=draft.notes,
            footer=profile.footer or None,
            final=draft.finalize,
        )
        body = invoices.new_body(heading, lines)
        body, totals = await as_expected(up, body, draft.expected_totals, draft.on_rounding)
        with pointing(invoices.POINTERS):
            made = await up.data(request("POST", "invoice", json={**body, "creationToken": str(up.creation_key)}))
        record = await self._read_back(up, new_id(made))
        _compare(up, record, totals)
        return record

    async def _read_back(self, up: Upstream, id: str) -> Record[Invoice]:
        """The invoice that a write answered. That it is not there is no mistake of the caller's, and may pass."""
        found = await found_or_none(self.get(up, id))
        if found is None:
            raise malformed(f"TheNextInvoice says it wrote invoice {id}, but that is not to be found.")
        return found

    async def update(self, up: Upstream, id: str, change: Change) -> Record[Invoice]:
        sheet, standing = await read(up, id)
        row = sheet.row
        if not row.draft:
            raise Problem("conflict", "The invoice is final: it cannot change any more.")
        given = change.given()
        if not given.keys() - HELD_ELSEWHERE:
            return await record_of(up, sheet, standing)
        parties = await self._parties(up, row, given)
        body = {**invoices.merged(invoices.existing_body(sheet), await self._dated(up, row, given, parties)), **parties}
        if given.get("lines") is not None:
            issued_on = date.fromisoformat(body["meta"]["sendDate"])
            document = Document(body["includesVat"], issued_on, row.credit)
            lines, discount = await settled_lines(up, given["lines"], document)
            body |= {"lines": lines, "discount": json_number(discount)}
        expected, on_rounding = given.get("expected_totals"), given.get("on_rounding") or "reject"
        body, _ = await as_expected(up, body, expected, on_rounding)
        with pointing(invoices.POINTERS):
            written = new_id(await up.data(request("PUT", "invoice", row.key, json=body)))
        await up.id_changed(written)
        return await self._read_back(up, written)

    async def _parties(self, up: Upstream, row: InvoiceRow, given: Mapping[str, Any]) -> dict[str, int]:
        """Receiver and sender, which a draft hides and a PUT needs.

        Polder knows whom its own drafts are for (``kept``) and says so with the change.
        """
        shown = reference_of(row.receiver)
        receiver: str | None = given.get("contact_id") or shown
        if receiver is None:
            raise invalid(
                "/contact_id",
                "TheNextInvoice hides whom a draft is for, and this one was made elsewhere: give contact_id too.",
                "required",
            )
        if not is_number(receiver):
            raise _no_customer()
        if len(await profiles(up)) > 1:
            up.warn(
                "sender_assumed",
                en="A draft hides its sender; this connection's invoice profile was written.",
                nl="Een concept verbergt zijn afzender; het factuurprofiel van deze koppeling is ingevuld.",
            )
        return {"receiver": int(receiver), "sender": int((await sender(up)).key)}

    async def _dated(
        self, up: Upstream, row: InvoiceRow, given: Mapping[str, Any], parties: Mapping[str, int]
    ) -> Mapping[str, Any]:
        """The change, with the usual due date in the place of one that is cleared."""
        if "due_on" not in given or given["due_on"] is not None:
            return given
        issued_on = given.get("issued_on") or day_of(row.meta.sendDate) or up.today
        customer, profile = await up.gather(_customer(up, str(parties["receiver"])), sender(up))
        return {**given, "due_on": _usual_due_on(up, issued_on, customer, profile)}

    async def delete(self, up: Upstream, id: str) -> None:
        sheet, _ = await read(up, id)
        await up.data(request("DELETE", "invoice", sheet.row.key))

    async def finalize(self, up: Upstream, id: str) -> Record[Invoice]:
        sheet, standing = await read(up, id)
        draft = await record_of(up, sheet, standing)
        if draft.item.document_status != "draft":
            raise Problem("conflict", "The invoice is final already.")
        with pointing(invoices.POINTERS):
            final = new_id(await up.data(request("POST", "invoice", draft.item.id, "send")))
        await up.id_changed(final)
        record = await self._read_back(up, final)
        _compare(up, record, _known_totals(draft))
        return record

    async def credit(self, up: Upstream, id: str, draft: CreditDraft) -> Record[Invoice]:
        for name in ("number", "issued_on"):
            if getattr(draft, name) is not None:
                up.unsupported(
                    f"/{name}",
                    en="TheNextInvoice numbers and dates a credit note itself.",
                    nl="TheNextInvoice nummert en dateert een creditfactuur zelf.",
                )
        sheet, standing = await read(up, id)
        original = await record_of(up, sheet, standing)
        if original.item.document_status != "final" or standing.payment_status == "credited":
            raise Problem("conflict", "Only a final invoice can be credited, and only once.")
        try:
            note = new_id(await up.data(request("POST", "invoice", original.item.id, "credit")))
        except Problem as problem:
            if problem.code != "upstream_rejected":
                raise
            # Crediting takes no body, so what is "not valid" can only be the invoice's state.
            raise Problem("conflict", problem.detail, upstream=problem.upstream) from problem
        record = await self._read_back(up, note)
        record.item.credits_invoice_id = original.item.id
        _compare(up, record, _known_totals(original))
        return record

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Invoice] | None:
        """A create is sent once more: its ``creationToken`` answers the invoice it made, and nothing can tell besides.

        Where it never arrived it is carried out now, as its caller wished. Where the invoice is not there, it was
        deleted, or shows later. A credit shows in the invoice's own state.
        """
        if sent.id is None:
            made = await found_or_none(self.get(up, new_id(await up.data(sent.request))))
            return Traces([] if made is None else [made], certain=True)
        sheet, standing = await read(up, sent.id)
        if standing.payment_status != "credited":
            return Traces([])
        original = await record_of(up, sheet, standing)
        found = [one.item for one in await self.whole(up, _credit_notes(original, sent.at))]
        alike = [one.id for one in found if one.totals.gross == original.item.totals.gross]
        notes = [note for note in [await self.get(up, id) for id in alike] if note.item.document_type == "credit_note"]
        for note in notes:
            note.item.credits_invoice_id = original.item.id
        if not notes:
            return None  # it was credited all the same: its note cannot be told
        return Traces([note for note in notes if note.item.lines == original.item.lines] or notes)

    async def find_renamed(self, up: Upstream, id: str, sent: Request) -> Sequence[Record[Invoice]]:
        """The customer's drafts that are newer than the one that is gone, and say to the letter what was written."""
        written = {name: value for name, value in sent.json.items() if name not in ("receiver", "sender")}
        sheets = [Sheet.of(glance.raw) for glance in await drafts_of(up, sent.json["receiver"])]
        newer = [sheet for sheet in sheets if int(sheet.key) > int(id)]
        return await records_of(up, [(one, invoices.DRAFT) for one in newer if invoices.existing_body(one) == written])

    async def pdf(self, up: Upstream, id: str) -> File:
        return await _file(up, id, "view", "application/pdf", b"%PDF-")

    async def ubl(self, up: Upstream, id: str) -> File:
        return await _file(up, id, "ubl", "application/xml", b"<")


def _credit_notes(original: Record[Invoice], at: datetime) -> Mapping[str, str | date]:
    """Filters for the credit notes to an invoice's customer since it was credited: nothing else ties them to it."""
    filters: dict[str, str | date] = {"payment_status": "not_applicable", "document_status": "final"}
    filters["issued_from"] = (at - timedelta(days=1)).date()
    if original.item.contact_id is not None:
        filters["contact_id"] = original.item.contact_id
    return filters


async def _customer(up: Upstream, id: str) -> Customer:
    """The customer an invoice is for. Raises ``validation_failed`` where there is none."""
    found = await found_or_none(up.data(request("GET", "customer", id))) if is_number(id) else None
    if found is None:
        raise _no_customer()
    return Customer.of(found)


def _no_customer() -> Problem:
    return invalid("/contact_id", "There is no such customer in TheNextInvoice.", "not_found")


def _usual_due_on(up: Upstream, issued_on: date, customer: Customer, profile: Profile) -> date:
    """Where none is given: after the customer's own term, else the profile's. Raises ``validation_failed``."""
    days = customer.term_days
    try:
        due_on = issued_on + timedelta(days=profile.term_days if days is None else days)
    except OverflowError as error:
        raise invalid("/due_on", "The term of payment ends after the last day there is: give due_on.") from error
    up.plan.defaulted("/due_on", due_on.isoformat(), "customer_term")
    return due_on


def _language(customer: Customer, profile: Profile) -> str:
    """The customer's own language, else the profile's: two letters."""
    return (language_of(customer.option_language) or profile.invoice_language)[:2]


def _known_totals(record: Record[Invoice]) -> Sequence[Amounts]:
    """What an invoice comes to, where that is known."""
    totals = record.item.totals
    if totals.net is None or totals.tax is None or totals.gross is None:
        return []
    return [Amounts(exact(totals.net), exact(totals.tax), exact(totals.gross))]


def _compare(up: Upstream, record: Record[Invoice], expected: Sequence[Amounts]) -> None:
    """Warn where TheNextInvoice booked other totals than its lines come to, or than those of them that are expected."""
    booked = _known_totals(record)
    if not booked or not expected or booked[0] in expected:
        return
    off = ", ".join(
        f"{name} {getattr(booked[0], name) - getattr(expected[0], name)}" for name in ("net", "tax", "gross")
    )
    up.warn(
        "totals_differ",
        "/totals",
        en=f"TheNextInvoice's totals differ from what was foreseen by {off}.",
        nl=f"De totalen van TheNextInvoice verschillen van wat voorzien was: {off}.",
    )


async def _file(up: Upstream, id: str, place: str, media_type: str, start: bytes) -> File:
    """A final invoice as a file. That a draft has none is ours to say: TheNextInvoice may draw one all the same."""
    sheet, _ = await read(up, id)
    row = sheet.row
    if row.draft:
        raise Problem("conflict", "A draft has no document yet: finalize it first.")
    reply = await up.call(request("GET", "invoice", row.key, place))
    body = reply.body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not body.startswith(start) or "html" in reply.media_type or body[:9].lower() == b"<!doctype":
        raise malformed(f"TheNextInvoice's answer is no {media_type}.")
    extension = "pdf" if place == "view" else "xml"
    return File(reply.body, media_type, f"{file_stem(row.number, row.key)}.{extension}")
