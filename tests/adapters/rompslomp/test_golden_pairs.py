"""The vendor's own examples read as they should, field for field."""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import adapters.rompslomp
from adapters.rompslomp.mapping import contacts, invoices, payments, products, settings
from gateway.contract.adapter import Record
from gateway.contract.exact import Json, loads
from tests.shown import shown

FIXTURES = Path(str(adapters.rompslomp.__file__)).parent / "fixtures"
PAIRS = sorted(path.name for path in FIXTURES.glob("*.json") if path.name != "vendor-schemas.json")
HIGH = settings.vat_code_of({"id": 708176756, "name": "vat_high", "friendly_name": "hoog", "value": "0.21"}).item
"""The VAT type of every recorded line."""


def invoice_of(raw: Mapping[str, Any]) -> Record[Any]:
    return invoices.told(invoices.InvoiceRow.of(raw), raw, {HIGH.id: HIGH}, date(2024, 3, 2))


READERS: Mapping[str, Callable[[Mapping[str, Any]], Record[Any]]] = {
    "contacts": contacts.contact_of,
    "invoices": invoice_of,
    "products": products.product_of,
    "payments": payments.payment_of,
    "vat-codes": settings.vat_code_of,
    "ledger-accounts": settings.ledger_account_of,
    "payment-methods": settings.payment_method_of,
    "company": settings.company_of,
}


@pytest.mark.parametrize("name", PAIRS)
def test_an_example_reads_as_written(name: str) -> None:
    pair: Json = loads((FIXTURES / name).read_bytes())
    record = READERS[name.partition(".")[0]](pair["raw"])
    assert shown(record.item) == pair["unified"]
    assert record.mapped <= pair["raw"].keys() | set(invoices.InvoiceRow.__struct_fields__)


def test_there_are_pairs_of_every_resource() -> None:
    assert {name.partition(".")[0] for name in PAIRS} == READERS.keys()
