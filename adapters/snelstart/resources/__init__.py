"""What SnelStart can do, verb by verb."""

from collections.abc import Mapping
from typing import Any

from adapters.snelstart.resources.administration import companies
from adapters.snelstart.resources.contacts import Relations
from adapters.snelstart.resources.invoices import SalesEntries
from adapters.snelstart.resources.payments import MoneyEntries
from adapters.snelstart.resources.products import Articles
from adapters.snelstart.resources.settings import Administration, GeneralLedger, Journals, WaysToTax
from gateway.contract.adapter import Resource

RESOURCES: Mapping[str, Resource[Any, Any]] = {
    "contacts": Relations(),
    "invoices": SalesEntries(),
    "products": Articles(),
    "payments": MoneyEntries(),
    "vat-codes": WaysToTax(),
    "ledger-accounts": GeneralLedger(),
    "payment-methods": Journals(),
    "company": Administration(),
}

__all__ = ["RESOURCES", "companies"]
