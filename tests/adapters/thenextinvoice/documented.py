"""How the documented examples are read, as text or as members; an invoice and a payment are made of several answers."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from adapters.thenextinvoice.mapping import contacts, invoices, products
from adapters.thenextinvoice.mapping.invoices import DRAFT, Sheet, standing_of
from adapters.thenextinvoice.mapping.payments import payment_of
from adapters.thenextinvoice.mapping.settings import (
    Profile,
    company_of,
    ledger_account_of,
    payment_method_of,
    vat_code_of,
)
from gateway.contract.adapter import Record
from gateway.contract.exact import Unread, dumps
from gateway.contract.wire import RawRecord

Raw = Any
Form = Callable[[Any], RawRecord]
Read = Callable[[Raw, Form], Record[Any]]


def unread(value: Any) -> RawRecord:
    """A record as its text."""
    return Unread(dumps(value))


def read_already(value: Any) -> RawRecord:
    """A record as its members."""
    members: RawRecord = value
    return members


def read_invoice(raw: Raw, form: Form) -> Record[Any]:
    sheet = Sheet.of(form(raw["invoice"]))
    standing = DRAFT if sheet.row.draft else standing_of(form(raw["status"]))
    codes = {(code := vat_code_of(form(one)).item).id: code for one in raw["vat_codes"]}
    return invoices.invoice_of(sheet, standing, codes, today=date.fromisoformat(raw["today"]))


def read_payment(raw: Raw, form: Form) -> Record[Any]:
    methods = {(method := payment_method_of(form(one)).item).id: method for one in raw["payment_methods"]}
    record = payment_of(form(raw["invoice"]), form(raw["status"]), methods)
    assert record is not None
    return record


READERS: Mapping[str, Read] = {
    "contacts": lambda raw, form: contacts.contact_of(form(raw)),
    "products": lambda raw, form: products.product_of(form(raw)),
    "invoices": read_invoice,
    "payments": read_payment,
    "vat-codes": lambda raw, form: vat_code_of(form(raw)),
    "ledger-accounts": lambda raw, form: ledger_account_of(form(raw)),
    "payment-methods": lambda raw, form: payment_method_of(form(raw)),
    "company": lambda raw, form: company_of(form(raw["company"]), Profile.of(form(raw["profile"]))),
}
