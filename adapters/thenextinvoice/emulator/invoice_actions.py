"""What can be done with invoices besides writing them: mail, remind, book, collect, approve, archive, download."""

import base64
import binascii

from adapters.thenextinvoice.emulator import documents
from adapters.thenextinvoice.emulator.fields import Field, not_blank, read, texts
from adapters.thenextinvoice.emulator.invoice_search import FILTERS, ORDERING, matching, sorted_invoices
from adapters.thenextinvoice.emulator.invoices import find, find_final, find_many
from adapters.thenextinvoice.emulator.paging import flag
from adapters.thenextinvoice.emulator.state import Invoice, SepaBatch
from adapters.thenextinvoice.emulator.ubl import ubl
from adapters.thenextinvoice.emulator.wire import Answer, Binary, Call, Data, Done, Operation, Refusal, day

LETTER = texts("subject", "body", required=True)


def mail(call: Call) -> Answer:
    """``POST /invoice/{id}/send/mail``: the mail is delivered at once; an attachment is kept with the invoice."""
    invoice = find_final(call)
    given = read(call.json(), {**LETTER, "attachments": Field("object")})
    not_blank(given, "subject", "body")
    if (attached := given.get("attachments")) is not None:
        read(attached, texts("content", "filename", required=True), "attachments.")
        content = decoded(attached["content"], "attachments.content")
        invoice.attachments[call.service.next_id("attachment")] = (attached["filename"], content)
    _deliver(call, invoice)
    return Data(invoice.id)


def decoded(content: str, name: str) -> bytes:
    """The bytes that Base64 text stands for; refuses with 400."""
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error:
        raise Refusal(400, f"{name} is not valid base64") from None


def _deliver(call: Call, invoice: Invoice) -> None:
    receiver = invoice.kept_receiver or {}
    for event in ("queued", "delivered"):
        row = {"recipient": receiver.get("email", ""), "event": event, "time": call.stamp()}
        invoice.mails.append(row)


def queue(call: Call) -> Answer:
    """``POST /invoice/{id}/queue``: mailed at once as well."""
    given = read(call.json(), LETTER)
    not_blank(given, "subject", "body")
    invoices = find_many(call)
    if not all(invoice.final for invoice in invoices):
        raise Refusal(400, "Invoice is not finalized")
    for invoice in invoices:
        _deliver(call, invoice)
    return Done()


def resend(call: Call) -> Answer:
    """``POST /invoice/{id}/resend``."""
    _deliver(call, find_final(call))
    return Done()


def book(call: Call) -> Answer:
    """``POST /invoice/{id}/book``: booked at once where bookkeeping is connected; else 500, and so for a draft."""
    invoices = find_many(call)
    connected = [row for row in call.company.integrations.values() if row["class"] == "bookkeeping"]
    if not connected or not all(invoice.final for invoice in invoices):
        raise Refusal(500, "Could not add invoice to queue")
    for invoice in invoices:
        invoice.booking = {
            "status": True,
            "method": connected[0]["name"],
            "message": f"Invoice {invoice.number} has been booked",
            "time": call.stamp(),
        }
    return Done()


def remind(call: Call) -> Answer:
    """``POST /invoice/{id}/remind``: 500 for what is not waiting for money."""
    invoices = find_many(call, call.service.switches.missing_status)
    if not all(invoice.is_unpaid for invoice in invoices):
        raise Refusal(500, "Could not save reminder")
    for invoice in invoices:
        invoice.reminders.append(call.stamp())
    return Done()


def approve(call: Call) -> Answer:
    """``POST /invoice/{id}/approve``: quotations only, once."""
    quotations = find_many(call)
    if any(invoice.kind != "quotation" or invoice.approved or invoice.archived for invoice in quotations):
        raise Refusal(400, "Invalid state")
    for quotation in quotations:
        quotation.approved = call.stamp()
    return Done()


def archive(call: Call) -> Answer:
    """``POST /invoice/{id}/archive``: quotations only, once."""
    quotations = find_many(call)
    if any(invoice.kind != "quotation" or invoice.archived for invoice in quotations):
        raise Refusal(400, "Invalid state")
    for quotation in quotations:
        quotation.archived = True
    return Done()


def collect(call: Call) -> Answer:
    """``POST /invoice/{id}/sepa``: one batch of unpaid automatic collections."""
    given = read(call.json(), texts("date", required=True))
    collected_on = day(given["date"], "date")
    invoices = find_many(call)
    if any(not invoice.is_unpaid or invoice.type != "I" or invoice.sepa_batch for invoice in invoices):
        raise Refusal(400, "Invoice is not an open automatic collection")
    batch = SepaBatch(call.service.next_id("batch"), collected_on, [invoice.id for invoice in invoices])
    call.company.batches[batch.id] = batch
    for invoice in invoices:
        invoice.sepa_batch, invoice.sepa_time = batch.id, call.stamp()
    return Done()


def text_message(call: Call) -> Answer:
    """``POST /invoice/{id}/send/sms``."""
    invoice = find_final(call)
    if not call.company.sms:
        raise Refusal(403, "SMS is not enabled")
    if not (invoice.kept_receiver or {}).get("phone"):
        raise Refusal(400, "Receiver has no phone number")
    call.company.sms_sent += 1
    return Done()


def send_over_peppol(call: Call) -> Answer:
    """``POST /invoice/{id}/send/peppol``: needs a verified profile as the sender."""
    invoice = find_final(call)
    if not (invoice.kept_sender or {}).get("peppol_verified"):
        raise Refusal(403, "Sender profile is not Peppol verified")
    return Done()


def track(call: Call) -> Answer:
    """``POST /invoice/{id}/tracking-number``."""
    invoice = find(call)
    given = read(call.json(), texts("tracking_number", required=True))
    invoice.tracking_number = given["tracking_number"]
    return Done()


def payment_url(call: Call) -> Answer:
    """``GET /invoice/{id}/payment-url``."""
    invoice = find(call)
    if not invoice.final and not call.service.switches.draft_payment_url:
        raise Refusal(404, "Invoice not found")
    scheme = "https://" if call.service.switches.payment_url_scheme else ""
    return Data(f"{scheme}thenextinvoice.com/t/{documents.payment_key(invoice)}")


def sync_payments(call: Call) -> Answer:
    """``POST /invoice/syncpayments``: 500 without a connected payment provider, as nothing can be asked then."""
    if not any(row["class"] == "payment" for row in call.company.integrations.values()):
        raise Refusal(500, "Could not request payment sync")
    return Done()


def view(call: Call) -> Answer:
    """``GET /invoice/{id}/view`` and ``POST /invoice/{id}/send/pdf``: the PDF, of a draft too."""
    return Binary(documents.invoice_pdf(call.service, call.company, find(call)), "application/pdf")


def packing_slip(call: Call) -> Answer:
    """``GET /invoice/{id}/packing-slip``."""
    return Binary(documents.packing_slip_pdf(call.company, find(call)), "application/pdf")


def electronic(call: Call) -> Answer:
    """``GET /invoice/{id}/ubl``: 400 for a draft."""
    invoice = find(call)
    if not invoice.final:
        raise Refusal(400, "Cannot generate UBL from a draft")
    document = ubl(call.service, call.company, invoice, flag(call.query, "peppol"))
    return Binary(document, "application/xml")


def archive_of_files(call: Call) -> Answer:
    """``GET /invoice/{id}/zip``: PDFs and attachments of one or many."""
    return Binary(documents.archive(call.service, call.company, find_many(call)), "application/zip")


def attachment(call: Call) -> Answer:
    """``GET /invoice/{id}/attachment/{attachmentId}``."""
    found = find(call).attachments.get(call.number("attachmentId") or 0)
    if found is None:
        raise Refusal(404, "Attachment not found")
    filename, content = found
    return Binary(content, documents.media_type(filename))


def csv(call: Call) -> Answer:
    """``GET /invoice/csv``."""
    invoices = sorted_invoices(call, matching(call))
    return Binary(documents.csv_of(call.service, call.company, invoices, call.today()), "text/csv")


OPERATIONS = (
    Operation("GET", "/invoice/csv", csv, FILTERS | ORDERING),
    Operation("POST", "/invoice/syncpayments", sync_payments),
    Operation("POST", "/invoice/{id}/send/mail", mail, body="json"),
    Operation("POST", "/invoice/{id}/send/sms", text_message),
    Operation("POST", "/invoice/{id}/send/peppol", send_over_peppol),
    Operation("POST", "/invoice/{id}/send/pdf", view),
    Operation("POST", "/invoice/{id}/resend", resend),
    Operation("POST", "/invoice/{id}/queue", queue, body="json"),
    Operation("POST", "/invoice/{id}/book", book),
    Operation("POST", "/invoice/{id}/remind", remind),
    Operation("POST", "/invoice/{id}/approve", approve),
    Operation("POST", "/invoice/{id}/archive", archive),
    Operation("POST", "/invoice/{id}/sepa", collect, body="json"),
    Operation("POST", "/invoice/{id}/tracking-number", track, body="json"),
    Operation("GET", "/invoice/{id}/payment-url", payment_url),
    Operation("GET", "/invoice/{id}/view", view),
    Operation("GET", "/invoice/{id}/ubl", electronic, frozenset({"peppol"})),
    Operation("GET", "/invoice/{id}/zip", archive_of_files),
    Operation("GET", "/invoice/{id}/packing-slip", packing_slip),
    Operation("GET", "/invoice/{id}/attachment/{attachmentId}", attachment),
)
