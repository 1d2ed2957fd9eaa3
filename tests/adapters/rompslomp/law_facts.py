"""What the laws must know of Rompslomp: it rotates refresh tokens in one of two ways, and both must do."""

from collections.abc import Mapping
from datetime import date
from operator import methodcaller
from typing import Any, Literal

from adapters.rompslomp.emulator import Emulator, Switches
from adapters.rompslomp.mapping import contacts, invoices, payments, products, settings
from gateway.contract.adapter import Record
from tests.adapters.rompslomp.connected import check_bodies
from tests.conformance.subjects import Facts
from tests.house import EmulatorFactory


def _rotating(mode: Literal["immediate", "on_use"]) -> EmulatorFactory:
    return lambda clock: Emulator(clock, switches=Switches(refresh_rotation=mode))


HIGH = settings.vat_code_of({"id": 708176756, "name": "vat_high", "friendly_name": "hoog", "value": "0.21"}).item
"""The VAT type of every recorded line."""


def _invoice(raw: Mapping[str, Any]) -> Record[Any]:
    return invoices.invoice_of(invoices.InvoiceRow.of(raw), raw, {HIGH.id: HIGH}, date(2024, 3, 2))


FACTS = Facts(
    moving=frozenset({"price_with_vat", "price_without_vat", "vat_amount"}),
    exchange=methodcaller("oauth_credentials"),
    modes={"immediate": _rotating("immediate"), "on_use": _rotating("on_use")},
    inspect=check_bodies,
    reads={
        "contacts": contacts.contact_of,
        "invoices": _invoice,
        "products": products.product_of,
        "payments": payments.payment_of,
        "vat-codes": settings.vat_code_of,
        "ledger-accounts": settings.ledger_account_of,
        "payment-methods": settings.payment_method_of,
        "company": settings.company_of,
    },
)
