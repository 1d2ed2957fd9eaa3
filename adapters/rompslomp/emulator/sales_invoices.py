"""Sales invoices: the endpoints, and how an invoice reads (dossier §3.1, §4, "sales_invoice")."""

from decimal import Decimal
from typing import Any

from starlette.responses import Response

from adapters.rompslomp.emulator.answers import answer
from adapters.rompslomp.emulator.arithmetic import written
from adapters.rompslomp.emulator.attachments import shown_attachment
from adapters.rompslomp.emulator.call import Call, Endpoint
from adapters.rompslomp.emulator.contacts import cached
from adapters.rompslomp.emulator.errors import ApiError
from adapters.rompslomp.emulator.fields import date_text
from adapters.rompslomp.emulator.identifiers import id_in
from adapters.rompslomp.emulator.invoicing import amounts_of, book_invoice, open_amount
from adapters.rompslomp.emulator.lines import shown_line
from adapters.rompslomp.emulator.noun import Noun
from adapters.rompslomp.emulator.payments import paid_on
from adapters.rompslomp.emulator.records import SalesInvoice
from adapters.rompslomp.emulator.state import Company, State
from gateway.contract.exact import Json
from gateway.contract.pdf import pdf_of

_SELECTIONS = (
    "all",
    "published",
    "concept",
    "unpaid",
    "questionable_or_unpayable",
    "expired",
    "overpaid",
    "imported",
    "credit_invoices",
    "debt_collector",
)
NOT_PUBLISHED = {"message": "Factuur wordt niet gepubliceerd"}


def shown_invoice(state: State, company: Company, invoice: SalesInvoice) -> dict[str, Any]:
    """An invoice as answers have it: some keys are absent, not null, where they do not apply."""
    amounts = amounts_of(invoice, state.switches)
    left, payment_status = open_amount(amounts.gross, paid_on(company, invoice), state.switches)
    rate = invoice.currency_exchange_rate
    shown: dict[str, Any] = {
        "id": invoice.id,
        "date": date_text(invoice.date),
        "due_date": date_text(invoice.due_date),
        "payment_method": invoice.payment_method,
        "description": invoice.description,
        "status": invoice.status,
        "price_without_vat": written(amounts.net),
        "price_with_vat": written(amounts.gross),
        "vat_amount": written(amounts.vat),
        "contact_id": invoice.contact.id if invoice.contact else None,
        "invoice_number": invoice.invoice_number,
        "published_at": date_text(invoice.published_at),
        "payment_status": payment_status,
        "open_amount": written(left),
        "currency": invoice.currency,
        "currency_exchange_rate": None if rate is None else written(rate),
        "template_id": invoice.template.id if invoice.template else None,
        "vat_number": invoice.vat_number,
        "payment_reference": invoice.payment_reference,
        "sale_type": invoice.sale_type,
        "distance_sale": invoice.distance_sale,
        "cached_contact": invoice.cached_contact or cached(invoice.contact),
        "attachment_objects": [shown_attachment(company, invoice, file) for file in invoice.attachments],
        "invoice_lines": [shown_line(line, state.switches.vat_rounding) for line in invoice.lines],
    }
    if invoice.payment_method == "pay_custom":
        shown["custom_payment_instructions"] = invoice.custom_payment_instructions
    if invoice.api_reference is not None:
        shown["api_reference"] = invoice.api_reference
    if not invoice.validates_vat_number:
        shown["validates_vat_number"] = False
    if invoice.pay_url is not None and payment_status == "unpaid":
        shown["pay_url"] = invoice.pay_url
    for name in ("creates_pay_url_on_publish", "sends_copy_by_email_on_publish"):
        if getattr(invoice, name) and invoice.status == "concept":
            shown[name] = True
    return shown


def _shown(call: Call, invoice: SalesInvoice) -> Json:
    return shown_invoice(call.state, call.company, invoice)


def _selected(call: Call, invoices: list[SalesInvoice]) -> list[SalesInvoice]:
    """What the selection keeps. Nothing here makes an invoice uncollectable or hands it to a debt collector."""
    selection = call.selection(*_SELECTIONS, default="all")
    if selection == "all":
        return invoices
    if selection in ("questionable_or_unpayable", "debt_collector"):
        return []
    if selection in ("published", "concept", "imported"):
        return [invoice for invoice in invoices if invoice.status == selection]
    if selection == "credit_invoices":
        return [invoice for invoice in invoices if amounts_of(invoice, call.switches).gross < 0]
    wanted = "overpaid" if selection == "overpaid" else "unpaid"
    found = [invoice for invoice in invoices if invoice.status != "concept" and _owing(call, invoice)[1] == wanted]
    return [invoice for invoice in found if invoice.due_date < call.today] if selection == "expired" else found


def _owing(call: Call, invoice: SalesInvoice) -> tuple[Decimal, str]:
    gross = amounts_of(invoice, call.switches).gross
    return open_amount(gross, paid_on(call.company, invoice), call.switches)


def _found(call: Call) -> list[SalesInvoice]:
    found = _selected(call, call.company.sales_invoices.newest_first())
    first, last = call.query_date("search[from]"), call.query_date("search[till]")
    if first is not None:
        found = [invoice for invoice in found if invoice.date >= first]
    if last is not None:
        found = [invoice for invoice in found if invoice.date <= last]
    contact = call.query("search[contact_id]")
    if contact:
        identity = id_in(contact, "whole")
        found = [invoice for invoice in found if invoice.contact and invoice.contact.id == identity]
    reference = call.query("search[api_reference]")
    if reference:
        exact = call.switches.api_reference_search == "exact"
        found = [
            invoice
            for invoice in found
            if invoice.api_reference == reference or (not exact and reference in (invoice.api_reference or ""))
        ]
    return found


def _book(call: Call, invoice: SalesInvoice | None) -> SalesInvoice:
    body = call.wrapped("sales_invoice")
    if isinstance(body, dict) and body.get("payments"):
        call.demand("manage:payments")
    return book_invoice(call.state, call.company, body, call.today, invoice)


def _let_go(call: Call, invoice: SalesInvoice) -> None:
    if invoice.status != "concept" and call.switches.published_delete == "refused":
        message = "Factuur is invalid: Factuur is gepubliceerd en kan niet worden verwijderd."
        raise ApiError(422, "client.parameters.validation", message)
    for payment in call.company.payments.oldest_first():
        if payment.invoice_id == invoice.id:
            payment.invoice_id = None


def _pdf(call: Call) -> Response:
    """The PDF; a concept has a JSON message in its stead, under whatever status the switch says."""
    invoice = call.record(call.company.sales_invoices, "Factuur")
    if invoice.status == "concept":
        return answer(NOT_PUBLISHED, call.switches.concept_pdf_status)
    shown = _shown(call, invoice)
    lines = [f"Factuur {invoice.invoice_number}", str(shown["date"]), f"EUR {shown['price_with_vat']}"]
    headers = {"Content-Disposition": f'attachment; filename="factuur_{invoice.invoice_number}.pdf"'}
    return Response(pdf_of(lines), headers=headers, media_type="application/pdf")


SALES_INVOICES = Noun(
    root="sales_invoice",
    many="sales_invoices",
    name="Factuur",
    table=lambda company: company.sales_invoices,
    found=_found,
    shown=_shown,
    book=_book,
    let_go=_let_go,
)
PDF = Endpoint("GET", "/sales_invoices/{id}/pdf", _pdf, ("manage:sales_invoices",))
