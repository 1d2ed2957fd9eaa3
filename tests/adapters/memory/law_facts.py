"""What the laws must know of Memory Books."""

from adapters.memory.mapping import contacts, invoices, payments, products, settings
from tests.conformance.subjects import Facts

FACTS = Facts(
    moving=frozenset({"updatedAt"}),
    reads={
        "contacts": contacts.contact_of,
        "products": products.product_of,
        "invoices": invoices.invoice_of,
        "payments": payments.payment_of,
        "vat-codes": settings.vat_code_of,
        "ledger-accounts": settings.ledger_account_of,
        "payment-methods": settings.payment_method_of,
        "company": settings.company_of,
    },
)
