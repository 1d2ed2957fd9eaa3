"""Every documented example, read and written as the golden pairs say."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters import thenextinvoice
from adapters.thenextinvoice.mapping import contacts, invoices, products
from adapters.thenextinvoice.mapping.invoices import Heading, Sheet
from adapters.thenextinvoice.mapping.lines import Charge, line_bodies
from adapters.thenextinvoice.mapping.settings import Profile
from gateway.contract.errors import Problem
from gateway.contract.exact import dumps, loads
from gateway.contract.models import ContactDraft, InvoiceDraft, ProductChange, ProductDraft
from tests.adapters.thenextinvoice.documented import READERS, Form, read_already, unread
from tests.shown import shown

FOLDER = Path(str(thenextinvoice.__file__)).parent / "fixtures"
PAIRS: Mapping[str, Any] = {path.stem: loads(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))}
WRITES = ("create", "update")


@pytest.mark.parametrize(
    "name", [name for name in PAIRS if name.partition(".")[0] in READERS and not name.endswith(WRITES)]
)
def test_a_documented_record_reads_as_written_from_its_text(name: str) -> None:
    """From its members it is read by a law of all systems."""
    pair = PAIRS[name]
    assert shown(READERS[name.partition(".")[0]](pair["raw"], unread).item) == pair["unified"]


@pytest.mark.parametrize("form", [read_already, unread])
def test_the_documented_profile_reads_as_written(form: Form) -> None:
    pair = PAIRS["profiles.default"]
    profile = Profile.of(form(pair["raw"]))
    assert pair["unified"] == {
        "id": profile.key,
        "default": profile.is_default,
        "language": profile.invoice_language,
        "expiration": str(profile.term_days),
        "vatNumber": profile.vatNumber,
        "email": profile.email,
        "footer": profile.footer,
    }


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
    before = products.existing_body({"id": 1, "description": "Description", "price": 100})
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
    resource = name.partition(".")[0]
    bundled = resource in ("company", "payments", "invoices")
    read = (lambda raw, form: Sheet.of(form(raw))) if bundled else READERS.get(resource, key_of_profile)
    with pytest.raises(Problem) as caught:
        read(nonsense, form)
    assert caught.value.code == "upstream_malformed"


def key_of_profile(raw: object, form: Form) -> str:
    return Profile.of(form(raw)).key
