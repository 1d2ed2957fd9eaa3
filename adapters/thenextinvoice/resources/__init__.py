"""What TheNextInvoice can do, verb by verb."""

from collections.abc import Mapping
from typing import Any

from adapters.thenextinvoice.resources.administration import companies
from adapters.thenextinvoice.resources.contacts import CustomerContacts
from adapters.thenextinvoice.resources.invoices import SalesInvoices
from adapters.thenextinvoice.resources.payments import InvoicePayments
from adapters.thenextinvoice.resources.products import PlainProducts
from adapters.thenextinvoice.resources.settings import (
    LedgerNumbers,
    OwnCompany,
    SettingsPaymentMethods,
    SettingsVatCodes,
)
from gateway.contract.adapter import Resource

RESOURCES: Mapping[str, Resource[Any, Any]] = {
    "contacts": CustomerContacts(),
    "invoices": SalesInvoices(),
    "products": PlainProducts(),
    "payments": InvoicePayments(),
    "vat-codes": SettingsVatCodes(),
    "ledger-accounts": LedgerNumbers(),
    "payment-methods": SettingsPaymentMethods(),
    "company": OwnCompany(),
}

__all__ = ["RESOURCES", "companies"]
