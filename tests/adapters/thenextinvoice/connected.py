"""The adapter connected to its emulator, and what tests make with it."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from adapters.thenextinvoice import ADAPTER
from adapters.thenextinvoice.emulator import Emulator, Switches
from adapters.thenextinvoice.resources.contacts import CustomerContacts
from adapters.thenextinvoice.resources.invoices import SalesInvoices
from adapters.thenextinvoice.resources.payments import InvoicePayments
from adapters.thenextinvoice.resources.products import PlainProducts
from gateway.contract.adapter import Listing
from gateway.contract.errors import Problem
from gateway.contract.models import (
    AddressDraft,
    Change,
    Contact,
    ContactChange,
    ContactDraft,
    Invoice,
    InvoiceChange,
    InvoiceDraft,
    LineDraft,
    PaymentDraft,
    Product,
    ProductChange,
    ProductDraft,
)
from gateway.contract.models.base import Resource
from gateway.contract.models.payments import AllocationDraft
from gateway.contract.paging import Window
from gateway.contract.upstream import Facts
from tests.adapters.upstream import DirectUpstream, Link
from tests.house import START, ManualClock

TODAY = START.date()
CONTACTS = CustomerContacts()
INVOICES = SalesInvoices()
PRODUCTS = PlainProducts()
PAYMENTS = InvoicePayments()


def contact_change(**said: Any) -> Change:
    return ContactChange.model_validate(said)


def product_change(**said: Any) -> Change:
    return ProductChange.model_validate(said)


def invoice_change(**said: Any) -> Change:
    return InvoiceChange.model_validate(said)


def all_of(*values: object) -> tuple[object, ...]:
    """Values to compare together: a decimal equals a whole number."""
    return values


@dataclass
class Books:
    """An administration in the emulator, through the adapter."""

    emulator: Emulator
    clock: ManualClock
    link: Link

    def up(self, **asked: Any) -> DirectUpstream:
        return self.link.up(**asked)

    def settle(self, **settings: str) -> None:
        """Give the connection these settings."""
        self.link.facts = replace(self.link.facts, settings=settings)

    def sent(self, method: str) -> list[str]:
        """The targets asked for with a method."""
        return [request.target for request in self.link.requests if request.method == method]

    @contextmanager
    def writes_nothing(self) -> Iterator[None]:
        before = len(self.link.requests)
        yield
        assert {request.method for request in self.link.requests[before:]} <= {"GET"}

    @contextmanager
    def calls(self, count: int) -> Iterator[None]:
        """So many requests go out meanwhile."""
        before = len(self.link.requests)
        yield
        made = [f"{request.method} {request.target}" for request in self.link.requests[before:]]
        assert len(made) == count, made

    def vat(self, kind: str = "high") -> str:
        return str(next(vat.id for vat in self.emulator.company.vat_codes.values() if vat.type == kind))

    def ledger(self, number: str = "8000") -> str:
        ledgers = self.emulator.company.ledgers.items()
        return str(next(identity for identity, row in ledgers if row["ledgernumber"] == number))

    def methods(self) -> list[str]:
        return [str(identity) for identity in self.emulator.company.payment_methods]

    def line(self, price: str = "100", quantity: str = "1", vat: str = "high", **said: Any) -> LineDraft:
        fields: dict[str, Any] = {"description": "Volkoren brood", "ledger_account_id": self.ledger(), **said}
        if not fields.keys() & {"vat_code_id", "vat_treatment"}:
            fields["vat_code_id"] = self.vat(vat)
        return LineDraft(quantity=Decimal(quantity), unit_price=Decimal(price), **fields)

    async def contact(self, **said: Any) -> Contact:
        fields: dict[str, Any] = {
            "company_name": "Eetcafé De Sluis",
            "email": "anna@desluis.example",
            "address": AddressDraft(line1="Sluiskade 12", postal_code="2611 AB", city="Delft", country="NL"),
        }
        record = await CONTACTS.create(self.up(), ContactDraft(**{**fields, **said}))
        return record.item

    async def change_contact(self, id: str, **said: Any) -> Contact:
        record = await CONTACTS.update(self.up(), id, contact_change(**said))
        return record.item

    async def product(self, **said: Any) -> Product:
        fields: dict[str, Any] = {"name": "Volkoren brood", "price": Decimal("2.50"), **said}
        record = await PRODUCTS.create(self.up(), ProductDraft(**fields))
        return record.item

    async def change_product(self, id: str, **said: Any) -> Product:
        record = await PRODUCTS.update(self.up(), id, product_change(**said))
        return record.item

    async def draft(self, **said: Any) -> InvoiceDraft:
        """A draft to a new customer, of one line of 100.00 and 21% VAT."""
        if "contact_id" not in said:
            said["contact_id"] = (await self.contact()).id
        return InvoiceDraft(**{"lines": [self.line()], "issued_on": TODAY, **said})

    async def invoice(self, up: DirectUpstream | None = None, **said: Any) -> Invoice:
        record = await INVOICES.create(up or self.up(), await self.draft(**said))
        return record.item

    async def final(self, **said: Any) -> Invoice:
        return await self.invoice(finalize=True, **said)

    async def change_invoice(self, id: str, up: DirectUpstream | None = None, **said: Any) -> Invoice:
        record = await INVOICES.update(up or self.up(), id, invoice_change(**said))
        return record.item

    async def read(self, id: str) -> Invoice:
        record = await INVOICES.get(self.up(), id)
        return record.item

    def payment(self, invoice: Invoice, amount: str | None = None, **others: Any) -> PaymentDraft:
        said = amount or invoice.totals.gross
        assert said is not None
        paid = Decimal(said)
        fields: dict[str, Any] = {
            "amount": paid,
            "paid_on": TODAY,
            "payment_method_id": self.methods()[0],
            "allocations": [AllocationDraft(invoice_id=invoice.id, amount=paid)],
        }
        return PaymentDraft(**{**fields, **others})

    async def pay(self, invoice: Invoice) -> None:
        await PAYMENTS.create(self.up(), self.payment(invoice))

    async def listed(
        self, resource: str = "invoices", *, size: int = 200, lines: bool = False, **filters: str | date
    ) -> list[Any]:
        """Every record of a list, window by window."""
        found: list[Resource] = []
        include = frozenset({"lines"} if lines else ())
        while True:
            listing = Listing(Window(len(found), size), filters, include)
            page = await ADAPTER.resources[resource].list(self.up(), listing)
            found += [record.item for record in page.items]
            assert page.total is None or page.total >= len(found)
            if not page.more:
                assert page.total in (None, len(found))
                return found
            assert page.items, "a window is empty and yet not the last"

    async def refused(self, code: str, asked: Any) -> Problem:
        """The problem that a call of the adapter ends in."""
        with pytest.raises(Problem) as caught:
            await asked
        assert caught.value.code == code, caught.value
        return caught.value


@asynccontextmanager
async def connected(
    *, password: bool = False, company_id: str | None = None, populated: bool = False, **switches: Any
) -> AsyncIterator[Books]:
    """A connection to the emulator's first company, by API token or by log-in."""
    clock = ManualClock()
    emulator = Emulator(clock, 7, Switches(**switches))
    if populated:
        emulator.populate()
    credentials: Mapping[str, str] = emulator.password_credentials() if password else emulator.credentials()
    facts = Facts("con_test", company_id or str(emulator.company.id), credentials["type"], {})
    transport = httpx2.ASGITransport(app=emulator)
    async with httpx2.AsyncClient(transport=transport, base_url="http://tni.test") as client:
        yield Books(emulator, clock, Link(ADAPTER, client, clock, credentials, facts))
