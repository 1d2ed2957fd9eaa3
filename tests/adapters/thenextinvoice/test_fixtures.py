"""Every documented example, read and written as the golden pairs say."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters import thenextinvoice
from adapters.thenextinvoice.mapping import contacts, invoices, products
from adapters.thenextinvoice.mapping.invoices import DRAFT, Heading, Sheet, standing_of
from adapters.thenextinvoice.mapping.lines import Charge, line_bodies
from adapters.thenextinvoice.mapping.payments import payment_of
from adapters.thenextinvoice.mapping.settings import (
    Profile,
    company_of,
    ledger_account_of,
    payment_method_of,
    vat_code_of,
)
from gateway.contract.errors import Problem
from gateway.contract.exact import Unread, dumps, loads
from gateway.contract.models import ContactDraft, InvoiceDraft, ProductChange, ProductDraft, RecordPart
from gateway.contract.wire import RawRecord
from tests.shown import shown

FOLDER = Path(str(thenextinvoice.__file__)).parent / "fixtures"
PAIRS: Mapping[str, Any] = {path.stem: loads(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))}
WRITES = ("create", "update")

Raw = Any
Form = Callable[[Any], RawRecord]
Read = Callable[[Raw, Form], Any]


def unread(value: Any) -> RawRecord:
    """A record as its text."""
    return Unread(dumps(value))


def read_already(value: Any) -> RawRecord:
    """A record as its members."""
    members: RawRecord = value
    return members


def read_invoice(raw: Raw, form: Form) -> Any:
    sheet = Sheet.of(form(raw["invoice"]))
    standing = DRAFT if sheet.row.draft else standing_of(form(raw["status"]))
    codes = {(code := vat_code_of(form(one)).item).id: code for one in raw["vat_codes"]}
    return invoices.invoice_of(sheet, standing, codes, today=date.fromisoformat(raw["today"])).item


def read_payment(raw: Raw, form: Form) -> Any:
    methods = {(method := payment_method_of(form(one)).item).id: method for one in raw["payment_methods"]}
    record = payment_of(form(raw["invoice"]), form(raw["status"]), methods)
    assert record is not None
    return record.item


def read_profile(raw: Raw, form: Form) -> Any:
    profile = Profile.of(form(raw))
    return {
        "id": profile.key,
        "default": profile.is_default,
        "language": profile.invoice_language,
        "expiration": str(profile.term_days),
        "vatNumber": profile.vatNumber,
        "email": profile.email,
        "footer": profile.footer,
    }


READERS: Mapping[str, Read] = {
    "contacts": lambda raw, form: contacts.contact_of(form(raw)).item,
    "products": lambda raw, form: products.product_of(form(raw)).item,
    "invoices": read_invoice,
    "payments": read_payment,
    "vat-codes": lambda raw, form: vat_code_of(form(raw)).item,
    "ledger-accounts": lambda raw, form: ledger_account_of(form(raw)).item,
    "payment-methods": lambda raw, form: payment_method_of(form(raw)).item,
    "company": lambda raw, form: company_of(form(raw["company"]), Profile.of(form(raw["profile"]))).item,
    "profiles": read_profile,
}


@pytest.mark.parametrize("form", [read_already, unread])
@pytest.mark.parametrize("name", [name for name in PAIRS if not name.endswith(WRITES)])
def test_a_documented_record_reads_as_written(name: str, form: Form) -> None:
    pair = PAIRS[name]
    read = READERS[name.partition(".")[0]](pair["raw"], form)
    assert (shown(read) if isinstance(read, RecordPart) else read) == pair["unified"]


def refuse(pointer: str, *, en: str, nl: str) -> None:
    raise AssertionError(f"{pointer}: {en} {nl}")


def as_body(value: Any) -> Any:
    """A body as it is on the wire."""
    return loads(dumps(value))


def test_the_documented_customer_is_written() -> None:
    pair = PAIRS["contacts.create"]
    said = ContactDraft.model_validate(pair["unified"]).given()
    assert as_body(contacts.merged(contacts.blank(), said, refuse)) == pair["raw"]


def test_the_documented_product_is_written() -> None:
    pair = PAIRS["products.create"]
    said = ProductDraft.model_validate(pair["unified"]).given()
    assert as_body(products.merged(products.blank(), said)) == pair["raw"]


def test_the_documented_product_is_updated() -> None:
    pair = PAIRS["products.update"]
    before = products.as_written({"id": 1, "description": "Description", "price": 100})
    said = ProductChange.model_validate(pair["unified"]).given()
    assert as_body(products.merged(before, said)) == pair["raw"]


def test_the_documented_invoice_is_written() -> None:
    pair = PAIRS["invoices.create"]
    draft = InvoiceDraft.model_validate(pair["unified"])
    assert draft.issued_on is not None
    assert draft.due_on is not None
    charges = [
        Charge(line.description, line.quantity, line.unit_price, line.ledger_account_id, line.vat_code_id)
        for line in draft.lines
    ]
    heading = Heading(
        receiver=draft.contact_id,
        sender="1",
        credit=False,
        includes_vat=draft.prices_include_tax,
        discount=Decimal(0),
        currency=draft.currency,
        language="nl",
        issued_on=draft.issued_on,
        due_on=draft.due_on,
        description=draft.description,
        notes=draft.notes,
        footer=pair["raw"]["text"]["footer"],
        final=draft.finalize,
    )
    assert as_body(invoices.new_body(heading, line_bodies(charges, credit=False))) == pair["raw"]


@pytest.mark.parametrize("form", [read_already, unread])
@pytest.mark.parametrize("name", [name for name in PAIRS if not name.endswith(WRITES)])
@pytest.mark.parametrize("nonsense", [None, 42, "text", [], {}, {"id": "x"}])
def test_what_cannot_be_a_record_is_malformed(name: str, nonsense: object, form: Form) -> None:
    bundled = name.startswith(("company", "payments", "invoices"))
    read: Read = (lambda raw, form: Sheet.of(form(raw))) if bundled else READERS[name.partition(".")[0]]
    with pytest.raises(Problem) as caught:
        read(nonsense, form)
    assert caught.value.code == "upstream_malformed"
