"""What Memory Books can do, verb by verb: each says which of its endpoints does it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date
from typing import Any, ClassVar

from adapters.memory import wire
from adapters.memory.mapping import contacts, invoices, lines, payments, products, settings
from gateway.contract.adapter import (
    Companies,
    Contacts,
    File,
    Invoices,
    ItemT,
    LedgerAccounts,
    Listing,
    PaymentMethods,
    Payments,
    Products,
    Record,
    Resource,
    Sent,
    Traces,
    VatCodes,
)
from gateway.contract.errors import malformed
from gateway.contract.exact import Json
from gateway.contract.matching import (
    CLOCKS,
    is_contact,
    is_new,
    is_payment,
    is_product,
    new_among,
    note_existing,
    same_text,
)
from gateway.contract.models import (
    Change,
    Company,
    CompanyAccess,
    Contact,
    ContactDraft,
    CreditDraft,
    Invoice,
    InvoiceDraft,
    LedgerAccount,
    LineDraft,
    Payment,
    PaymentDraft,
    PaymentMethod,
    Product,
    ProductDraft,
    VatCode,
)
from gateway.contract.money import amount_text, number_or_none
from gateway.contract.paging import Page, PageNumber, Slice
from gateway.contract.plan import reason_of
from gateway.contract.schemas import ABOVE_ZERO_IN_CENTS, NOTE_STATUS, TAXED_LINE, Requirement, Requirements
from gateway.contract.upstream import Facts, Query, Request, Upstream, found_or_none, path_of

PAGE_CAP = 100
"""Memory Books never answers more items at once."""
LIST_CALLS = f"1 for each {PAGE_CAP} records"
INCLUDES: Mapping[str, str] = {"archived": "archived", "lines": "withLines"}
"""What a list may be asked to hold besides, as it calls it."""

Reader = Callable[[Mapping[str, Any]], Record[ItemT]]
Choices = Mapping[str, Mapping[str, str]]


def companies_path(*segments: str) -> str:
    """A path below ``/api/companies``. Raises ``not_found`` for an id that is none."""
    return "/api" + path_of("companies", *segments)


def prefix(facts: Facts) -> str:
    """Where everything of the connection's company is."""
    return companies_path(facts.company_id or "") + "/"


async def companies(up: Upstream) -> list[CompanyAccess]:
    """The administrations the credentials reach: ``GET /companies``."""
    page = wire.Listed.of(await up.data(Request("GET", companies_path())))
    return [settings.company_access_of(raw) for raw in page.items]


async def request(up: Upstream, method: str, *segments: str, query: Query = (), json: Json = None) -> Json:
    """What one of the company's endpoints answers."""
    return await up.data(Request(method, companies_path(up.facts.company_id or "", *segments), query, json))


async def _before(up: Upstream, row: type[wire.Wire], noun: str, id: str) -> Mapping[str, Any]:
    """What a change goes on top of, if it makes sense: what is read as nonsense would be written as nonsense."""
    raw: Mapping[str, Any] = await request(up, "GET", noun, id)
    row.of(raw)
    return raw


async def page_of(
    up: Upstream,
    noun: str,
    read: Reader[ItemT],
    listing: Listing,
    names: Mapping[str, str],
    choices: Choices | None = None,
) -> Page[Record[ItemT]]:
    """A window of one of its lists: ``?page=…&perPage=…``, counted from 1. ``names`` are its words for our filters."""
    query = _query(listing, names, choices or {})
    if query is None:
        return Page([], more=False, total=0)

    async def fetch(page: int, size: int) -> Slice[Record[ItemT]]:
        answer = await request(up, "GET", noun, query=[*query, ("page", str(page)), ("perPage", str(size))])
        listed = wire.Listed.of(answer)
        return Slice([read(raw) for raw in listed.items], listed.total)

    return await PageNumber(fetch, PAGE_CAP).read(listing.window)


def _query(listing: Listing, names: Mapping[str, str], choices: Choices) -> list[tuple[str, str]] | None:
    """The filters in its own words; None where one has a value that nothing in Memory Books can have."""
    query = []
    for ours, theirs in names.items():
        value = listing.text(ours)
        if value is not None and ours in choices:
            value = next((word for word, meaning in choices[ours].items() if meaning == value), None)
            if value is None:
                return None
        if value is not None:
            query.append((theirs, value))
    return [*query, *((INCLUDES[name], "true") for name in sorted(listing.include) if name in INCLUDES)]


def _since(sent: Sent, **filters: str | None) -> Mapping[str, str]:
    """What was made since a write was sent, and has what else is said; by its reference alone where it has one."""
    if filters.get("external_ref"):
        return {"external_ref": filters["external_ref"] or ""}
    given = {name: text for name, text in filters.items() if text is not None}
    changed = (sent.at - CLOCKS).astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {**given, "updated_since": changed}


class MemoryContacts(Contacts):
    """``/contacts``. A PUT replaces the whole, so an update reads first and writes everything back."""

    names: ClassVar[Mapping[str, str]] = {
        "email": "email",
        "q": "q",
        "external_ref": "externalReference",
        "role": "relationType",
        "number": "debtorNumber",
        "vat_number": "vatNumber",
        "updated_since": "changedSince",
    }
    filters = frozenset(names)
    holds = contacts.HOLDS
    kept = frozenset()
    calls: ClassVar[Mapping[str, str]] = {"list": LIST_CALLS, "update": "2: it is read, then replaced whole"}

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Contact]]:
        return await page_of(up, "contacts", contacts.contact_of, listing, self.names, {"role": contacts.ROLES})

    async def get(self, up: Upstream, id: str) -> Record[Contact]:
        return contacts.contact_of(await request(up, "GET", "contacts", id))

    async def create(self, up: Upstream, draft: ContactDraft) -> Record[Contact]:
        given = {**draft.given(), "kind": draft.kind, "roles": draft.roles}
        return contacts.contact_of(await request(up, "POST", "contacts", json=contacts.contact_body(given, {})))

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Contact]:
        assert isinstance(sent.draft, ContactDraft)
        found = await self.whole(up, _since(sent, external_ref=sent.draft.external_ref))
        return Traces([one for one in found if is_contact(one.item, sent.draft)])

    async def update(self, up: Upstream, id: str, change: Change) -> Record[Contact]:
        before = await _before(up, wire.Contact, "contacts", id)
        body = contacts.contact_body(change.given(), before)
        return contacts.contact_of(await request(up, "PUT", "contacts", id, json=body))

    async def delete(self, up: Upstream, id: str) -> None:
        await request(up, "DELETE", "contacts", id)


class MemoryProducts(Products):
    """``/products``. A PUT replaces the whole, so an update reads first and writes everything back."""

    names: ClassVar[Mapping[str, str]] = {
        "code": "sku",
        "q": "q",
        "external_ref": "externalReference",
        "updated_since": "changedSince",
    }
    filters = frozenset(names)
    holds = products.HOLDS
    kept = frozenset()
    calls: ClassVar[Mapping[str, str]] = {"list": LIST_CALLS, "update": "2: it is read, then replaced whole"}

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Product]]:
        return await page_of(up, "products", products.product_of, listing, self.names)

    async def get(self, up: Upstream, id: str) -> Record[Product]:
        return products.product_of(await request(up, "GET", "products", id))

    async def create(self, up: Upstream, draft: ProductDraft) -> Record[Product]:
        return products.product_of(await request(up, "POST", "products", json=products.product_body(draft.given(), {})))

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Product]:
        assert isinstance(sent.draft, ProductDraft)
        found = await self.whole(up, _since(sent, external_ref=sent.draft.external_ref, code=sent.draft.code))
        return Traces([one for one in found if is_product(one.item, sent.draft)])

    async def update(self, up: Upstream, id: str, change: Change) -> Record[Product]:
        before = await _before(up, wire.Product, "products", id)
        body = products.product_body(change.given(), before)
        return products.product_of(await request(up, "PUT", "products", id, json=body))

    async def delete(self, up: Upstream, id: str) -> None:
        await request(up, "DELETE", "products", id)


class MemoryInvoices(Invoices):
    """``/invoices``. Concepts are replaced whole by a PUT; what is booked stays as it is and can only be credited."""

    names: ClassVar[Mapping[str, str]] = {
        "number": "number",
        "external_ref": "externalReference",
        "contact_id": "contact",
        "document_status": "state",
        "payment_status": "paymentState",
        "issued_from": "dateFrom",
        "issued_to": "dateTo",
        "due_from": "dueFrom",
        "due_to": "dueTo",
        "q": "q",
        "updated_since": "changedSince",
        "document_type": "kind",
    }
    choices: ClassVar[Choices] = {
        "document_status": invoices.STATES,
        "payment_status": invoices.PAYMENT_STATES,
        "document_type": invoices.KINDS,
    }
    filters = frozenset(names)
    holds = invoices.HOLDS
    kept = frozenset()
    calls: ClassVar[Mapping[str, str]] = {
        "list": LIST_CALLS,
        "create": "1, and 1 for each product named; VAT codes are remembered",
        "update": "2: it is read, then replaced whole; and 1 for each product named",
    }

    async def requirements(self, up: Upstream, verb: str) -> Requirements:
        del up
        if verb == "credit":
            return {"": Requirement(schema={NOTE_STATUS: "paid"})}
        return {"lines.*": Requirement(schema={"allOf": [TAXED_LINE]})}

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Invoice]]:
        return await page_of(up, "invoices", invoices.invoice_of, listing, self.names, self.choices)

    async def get(self, up: Upstream, id: str) -> Record[Invoice]:
        return invoices.invoice_of(await request(up, "GET", "invoices", id))

    async def create(self, up: Upstream, draft: InvoiceDraft) -> Record[Invoice]:
        body = invoices.new_body(draft.given(), draft.document_type, up.today)
        body = await _with_lines(up, body, draft.lines, draft)
        record = invoices.invoice_of(await request(up, "POST", "invoices", json={**body, "book": draft.finalize}))
        await _warn_of_differences(up, body, record)
        return record

    async def update(self, up: Upstream, id: str, change: Change) -> Record[Invoice]:
        given = change.given()
        body = invoices.changed_body(given, await _before(up, wire.Invoice, "invoices", id))
        body = await _with_lines(up, body, given.get("lines"), change)
        record = invoices.invoice_of(await request(up, "PUT", "invoices", id, json=body))
        await _warn_of_differences(up, body, record)
        return record

    async def delete(self, up: Upstream, id: str) -> None:
        await request(up, "DELETE", "invoices", id)

    async def finalize(self, up: Upstream, id: str) -> Record[Invoice]:
        return invoices.invoice_of(await request(up, "POST", "invoices", id, "book"))

    async def credit(self, up: Upstream, id: str, draft: CreditDraft) -> Record[Invoice]:
        body = invoices.credit_body(draft, up.today)
        return invoices.invoice_of(await request(up, "POST", "invoices", id, "credit", json=body))

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Invoice]:
        """By its reference, else by its customer and lines; a credit note by the invoice it credits."""
        draft = sent.draft
        assert isinstance(draft, InvoiceDraft | CreditDraft)
        contact_id = draft.contact_id if isinstance(draft, InvoiceDraft) else None
        found = await self.whole(up, _since(sent, external_ref=draft.external_ref, contact_id=contact_id))
        records = [await self.get(up, one.item.id) for one in found if is_new(one.item.created_at, sent.at)]
        if isinstance(draft, CreditDraft):
            return Traces([one for one in records if one.item.credits_invoice_id == sent.id])
        return Traces([one for one in records if _has_lines(one.item, draft)])

    async def pdf(self, up: Upstream, id: str) -> File:
        return await _file(up, id, "pdf", "application/pdf")

    async def ubl(self, up: Upstream, id: str) -> File:
        return await _file(up, id, "ubl", "application/xml")


def _has_lines(invoice: Invoice, draft: InvoiceDraft) -> bool:
    """Whether an invoice has the texts and quantities of a draft."""
    existing, wanted = invoice.lines or [], draft.lines
    pairs = zip(existing, wanted, strict=False)
    return len(existing) >= len(wanted) and all(
        same_text(one.description, other.description) and number_or_none(other.quantity) in (None, one.quantity)
        for one, other in pairs
    )


async def _file(up: Upstream, id: str, kind: str, media_type: str) -> File:
    path = companies_path(up.facts.company_id or "", "invoices", id, kind)
    reply = await up.call(Request("GET", path))
    if reply.media_type != media_type:
        raise malformed(f"Memory Books sent something that is no {kind.upper()}.")
    return File(reply.body, media_type, f"invoice-{id}.{'xml' if kind == 'ubl' else kind}")


async def _vat_codes(up: Upstream) -> Mapping[str, VatCode]:
    async def load() -> Mapping[str, VatCode]:
        return {record.item.id: record.item for record in await MemoryVatCodes().whole(up, {})}

    return await up.known("vat-codes", load)


async def _setup(up: Upstream, drafts: Sequence[LineDraft]) -> lines.Setup:
    """What lines need to know. One with an unknown product is refused by Memory Books itself, which names the line."""
    named = sorted({line.product_id for line in drafts if line.product_id is not None})
    codes, found = await up.gather(_vat_codes(up), up.each([found_or_none(_product(up, id)) for id in named]))
    chosen = up.facts.settings
    return lines.Setup(
        vat_codes=codes,
        products={product.id: product for product in found if product is not None},
        ledger_account_id=chosen.get("default_ledger_account_id"),
        rounding_ledger_account_id=chosen.get("rounding_ledger_account_id"),
    )


async def _product(up: Upstream, id: str) -> Product:
    return products.product_of(await request(up, "GET", "products", id)).item


async def _with_lines(
    up: Upstream, body: dict[str, Any], drafts: Sequence[LineDraft] | None, wanted: InvoiceDraft | Change
) -> dict[str, Any]:
    """The document with the lines that are given, its totals proved to be those that are expected."""
    setup = await _setup(up, drafts or ())
    if drafts is not None:
        on = date.fromisoformat(body["date"])
        whole = lines.filled(drafts, setup, on, prices_include_tax=body.get("pricesIncludeVat", False))
        body = {**body, "lines": invoices.line_bodies(whole, body["kind"])}
        _explain(up, drafts, whole, setup)
    given = wanted.given()
    expected = given.get("expected_totals")
    if expected is not None:
        body = lines.as_expected(body, expected, given.get("on_rounding", "reject"), setup)
    if drafts is not None:
        up.plan.comes_to(lines.sum_of(body, setup.vat_codes).total)
    return body


def _explain(up: Upstream, drafts: Sequence[LineDraft], whole: Sequence[LineDraft], setup: lines.Setup) -> None:
    """Note how lines are taxed, and on which accounts those are booked that name none."""
    for number, (draft, line) in enumerate(zip(drafts, whole, strict=True)):
        if line.vat_code_id is not None:
            chosen = {"vat_code_id": draft.vat_code_id, "vat_treatment": draft.vat_treatment}
            up.plan.taxed(number, setup.vat_codes[line.vat_code_id], reason_of(**chosen, product_id=draft.product_id))
        if draft.ledger_account_id is None and line.ledger_account_id is not None:
            by_setting = line.ledger_account_id == setup.ledger_account_id
            pointer = f"/lines/{number}/ledger_account_id"
            up.plan.defaulted(pointer, line.ledger_account_id, "setting" if by_setting else "of_product")


async def _warn_of_differences(up: Upstream, body: Mapping[str, Any], record: Record[Invoice]) -> None:
    """What was written is read back: Memory Books' own totals count, and a difference from ours is said."""
    ours = lines.sum_of(body, await _vat_codes(up)).total
    theirs = record.item.totals
    if tuple(map(amount_text, (ours.net, ours.tax, ours.gross))) != (theirs.net, theirs.tax, theirs.gross):
        up.warn(
            "totals_differ",
            "/totals",
            en=f"Memory Books makes {theirs.gross} where {ours.gross} was foreseen.",
            nl=f"Memory Books komt op {theirs.gross} waar {ours.gross} was voorzien.",
        )


class MemoryPayments(Payments):
    """``/payments``."""

    names: ClassVar[Mapping[str, str]] = {"invoice_id": "invoice", "paid_from": "dateFrom", "paid_to": "dateTo"}
    filters = frozenset(names)
    holds = payments.HOLDS
    calls: ClassVar[Mapping[str, str]] = {"list": LIST_CALLS, "create": "2: which payments like it there are, and it"}

    async def requirements(self, up: Upstream, verb: str) -> Requirements:
        del up, verb
        amount = Requirement(schema=ABOVE_ZERO_IN_CENTS, why="In whole cents.")
        return {"amount": amount, "allocations.amount": amount}

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Payment]]:
        return await page_of(up, "payments", payments.payment_of, listing, self.names)

    async def get(self, up: Upstream, id: str) -> Record[Payment]:
        return payments.payment_of(await request(up, "GET", "payments", id))

    async def create(self, up: Upstream, draft: PaymentDraft) -> Record[Payment]:
        body = payments.payment_body(draft, up.today)
        note_existing(up, await self._alike(up, draft))
        return payments.payment_of(await request(up, "POST", "payments", json=body))

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Payment]:
        """Equal payments are nothing unusual, and no payment says when it was made: what was there is left out."""
        assert isinstance(sent.draft, PaymentDraft)
        return new_among(sent, await self._alike(up, sent.draft))

    async def _alike(self, up: Upstream, draft: PaymentDraft) -> Sequence[Record[Payment]]:
        settled = {"invoice_id": draft.allocations[0].invoice_id} if draft.allocations else {}
        day = {} if draft.paid_on is None else {"paid_from": draft.paid_on, "paid_to": draft.paid_on}
        return [one for one in await self.whole(up, {**settled, **day}) if is_payment(one.item, draft)]

    async def delete(self, up: Upstream, id: str) -> None:
        await request(up, "DELETE", "payments", id)


class MemoryVatCodes(VatCodes):
    """``/vatcodes``."""

    names: ClassVar[Mapping[str, str]] = {"direction": "use", "on": "validOn"}
    filters = frozenset(names)

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[VatCode]]:
        return await page_of(up, "vatcodes", settings.vat_code_of, listing, self.names, {"direction": settings.USES})

    async def get(self, up: Upstream, id: str) -> Record[VatCode]:
        return settings.vat_code_of(await request(up, "GET", "vatcodes", id))


class MemoryLedgerAccounts(LedgerAccounts):
    """``/ledgers``."""

    names: ClassVar[Mapping[str, str]] = {"type": "kind", "q": "q"}
    filters = frozenset(names)

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[LedgerAccount]]:
        return await page_of(
            up, "ledgers", settings.ledger_account_of, listing, self.names, {"type": settings.ACCOUNT_TYPES}
        )

    async def get(self, up: Upstream, id: str) -> Record[LedgerAccount]:
        return settings.ledger_account_of(await request(up, "GET", "ledgers", id))


class MemoryPaymentMethods(PaymentMethods):
    """``/methods``."""

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[PaymentMethod]]:
        return await page_of(up, "methods", settings.payment_method_of, listing, {})

    async def get(self, up: Upstream, id: str) -> Record[PaymentMethod]:
        return settings.payment_method_of(await request(up, "GET", "methods", id))


class MemoryCompany(Companies):
    """``/companies/{id}``."""

    async def get(self, up: Upstream, id: str) -> Record[Company]:
        return settings.company_of(await up.data(Request("GET", companies_path(id))))


RESOURCES: Mapping[str, Resource[Any, Any]] = {
    "contacts": MemoryContacts(),
    "invoices": MemoryInvoices(),
    "products": MemoryProducts(),
    "payments": MemoryPayments(),
    "vat-codes": MemoryVatCodes(),
    "ledger-accounts": MemoryLedgerAccounts(),
    "payment-methods": MemoryPaymentMethods(),
    "company": MemoryCompany(),
}
