"""What Rompslomp can do, verb by verb: each says which of its endpoints does it."""

from collections.abc import Mapping
from typing import Any

from adapters.rompslomp.resources.contacts import RompslompContacts
from adapters.rompslomp.resources.invoices import RompslompInvoices
from adapters.rompslomp.resources.payments import RompslompPayments
from adapters.rompslomp.resources.products import RompslompProducts
from adapters.rompslomp.resources.settings import (
    RompslompCompany,
    RompslompLedgerAccounts,
    RompslompPaymentMethods,
    RompslompVatCodes,
)
from gateway.contract.adapter import Resource

RESOURCES: Mapping[str, Resource[Any, Any]] = {
    "contacts": RompslompContacts(),
    "invoices": RompslompInvoices(),
    "products": RompslompProducts(),
    "payments": RompslompPayments(),
    "vat-codes": RompslompVatCodes(),
    "ledger-accounts": RompslompLedgerAccounts(),
    "payment-methods": RompslompPaymentMethods(),
    "company": RompslompCompany(),
}
