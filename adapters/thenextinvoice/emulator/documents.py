"""The files an invoice can be had as: PDF, packing slip, ZIP, CSV. Small, but real: viewers open them."""

import csv
import hashlib
import io
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from adapters.thenextinvoice.emulator.invoice_search import customer_name
from adapters.thenextinvoice.emulator.invoicing import state_of, totals
from adapters.thenextinvoice.emulator.state import Company, Invoice, Service
from gateway.contract.pdf import pdf_of

_MEDIA_TYPES = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "svg": "image/svg+xml",
    "txt": "text/plain",
    "csv": "text/csv",
    "xml": "application/xml",
    "zip": "application/zip",
}
_CSV_HEADER = ("id", "number", "date", "duedate", "customer", "currency", "amount_excl", "vat", "amount_incl", "status")


def media_type(filename: str) -> str:
    """The content type that the ending of a file name stands for."""
    return _MEDIA_TYPES.get(filename.rpartition(".")[2].lower(), "application/octet-stream")


def payment_key(invoice: Invoice) -> str:
    """The twelve characters by which a payment link names the invoice."""
    return hashlib.sha256(f"payment of invoice {invoice.id}".encode()).hexdigest()[:12]


def invoice_pdf(service: Service, company: Company, invoice: Invoice) -> bytes:
    """The invoice as one page of text."""
    amounts = totals(service, company, invoice)
    currency = invoice.meta["currency"]
    return pdf_of(
        [
            company.name,
            f"Factuur {invoice.number}" if invoice.final else "Conceptfactuur",
            f"Aan: {customer_name(company, invoice)}",
            f"Datum: {invoice.meta['sendDate']}   Vervaldatum: {invoice.meta['dueDate']}",
            "",
            *(_printed(line.quantity, line.description, line.price) for line in invoice.lines),
            "",
            f"Totaal exclusief btw: {currency} {amounts.net}",
            *(f"Btw {rate}%: {currency} {amounts.rates[rate].tax}" for rate in sorted(amounts.rates)),
            f"Totaal: {currency} {amounts.gross}",
        ]
    )


def _printed(quantity: Decimal | None, description: str, price: Decimal | None) -> str:
    return description if quantity is None or price is None else f"{quantity} x {description}   {price}"


def packing_slip_pdf(company: Company, invoice: Invoice) -> bytes:
    """What is in the parcel, without prices."""
    packed = (f"{line.quantity} x {line.description}" for line in invoice.lines if line.quantity is not None)
    return pdf_of([company.name, f"Pakbon {invoice.number or ''}", customer_name(company, invoice), "", *packed])


def archive(service: Service, company: Company, invoices: Sequence[Invoice]) -> bytes:
    """A ZIP of the invoices' PDFs and attachments."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as files:
        for invoice in invoices:
            name = invoice.number or f"concept-{invoice.id}"
            files.writestr(_entry(f"{name}.pdf"), invoice_pdf(service, company, invoice))
            for attachment_id, (filename, content) in invoice.attachments.items():
                files.writestr(_entry(f"{name}/{attachment_id}-{filename.replace('/', '_')}"), content)
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    # A ZipInfo made from a name alone carries a fixed date, so equal contents give equal bytes.
    return zipfile.ZipInfo(name)


def csv_of(service: Service, company: Company, invoices: Iterable[Invoice], today: date) -> bytes:
    """The invoices as CSV separated by semicolons; the columns are a guess."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(_CSV_HEADER)
    for invoice in invoices:
        amounts = totals(service, company, invoice)
        writer.writerow(
            (
                invoice.id,
                invoice.number or "",
                invoice.meta["sendDate"],
                invoice.meta["dueDate"],
                customer_name(company, invoice),
                invoice.meta["currency"],
                amounts.net,
                amounts.tax,
                amounts.gross,
                state_of(invoice, today, service.switches),
            )
        )
    return text.getvalue().encode()
