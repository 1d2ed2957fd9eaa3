"""One invoice: create, read, update, finalize, credit, delete, its status, its payment and its comments."""

from collections.abc import Sequence

from adapters.thenextinvoice.emulator.fields import Field, not_blank, read
from adapters.thenextinvoice.emulator.invoice_search import collected_on
from adapters.thenextinvoice.emulator.invoicing import (
    checked,
    credit,
    finalize,
    invoice_row,
    put,
    save_new,
    state_of,
)
from adapters.thenextinvoice.emulator.state import Invoice, Payment, Row
from adapters.thenextinvoice.emulator.wire import Answer, Call, Data, Done, Operation, Refusal, day, whole

NOT_FOUND = "Invoice not found"


def find(call: Call, missing_status: int = 404) -> Invoice:
    """The invoice in the path, or a refusal."""
    invoice = call.company.live_invoice(call.number())
    if invoice is None:
        raise Refusal(missing_status, NOT_FOUND)
    return invoice


def find_final(call: Call) -> Invoice:
    """The finalized invoice in the path; 404 if there is none, 400 if it is a draft or no invoice."""
    invoice = find(call)
    if not invoice.final or invoice.kind != "invoice":
        raise Refusal(400, "Invoice is not finalized")
    return invoice


def find_many(call: Call, missing_status: int = 404) -> Sequence[Invoice]:
    """The invoices of a comma-separated path. Unknown ids refuse everything or are passed over, as the switch says."""
    texts = [text.strip() for text in call.path["id"].split(",")]
    found = [call.company.live_invoice(whole(text)) for text in texts]
    known = list({invoice.id: invoice for invoice in found if invoice is not None}.values())
    if not known or (None in found and call.service.switches.bulk == "all_or_nothing"):
        raise Refusal(missing_status, NOT_FOUND)
    return known


def create(call: Call) -> Answer:
    """``POST /invoice``: answers the bare id. A ``creationToken`` seen before answers the id it made then."""
    invoice, final = checked(call.service, call.company, call.json())
    if invoice.token in call.company.tokens:
        return Data(call.company.tokens[invoice.token])
    if final:
        finalize(call.service, call.company, invoice)
    return Data(save_new(call.service, call.company, invoice).id)


def get(call: Call) -> Answer:
    """``GET /invoice/{id}``."""
    return Data(invoice_row(call.service, call.company, find(call)))


def update(call: Call) -> Answer:
    """``PUT /invoice/{id}``: a draft is replaced, under a new id; a finalized invoice refuses with 500."""
    old = find(call, call.service.switches.missing_status)
    new, final = checked(call.service, call.company, call.json())
    if old.final or old.kind != "invoice":
        raise Refusal(500, "Invoice saving failed: invoice was finalized")
    if final:
        finalize(call.service, call.company, new)
    return Data(put(call.service, call.company, old, new).id)


def send(call: Call) -> Answer:
    """``POST /invoice/{id}/send``: finalizes, mails nothing."""
    invoice = find(call, call.service.switches.missing_status)
    if invoice.final or invoice.kind != "invoice":
        raise Refusal(400, "Invoice not valid: invoice was already finalized")
    finalize(call.service, call.company, invoice)
    return Data(invoice.id)


def make_credit(call: Call) -> Answer:
    """``POST /invoice/{id}/credit/``: 201 and the id of the credit invoice."""
    original = find(call)
    if not original.final or original.kind != "invoice" or original.credited or original.is_credit:
        raise Refusal(400, "Invoice not valid or invalid state transition")
    return Data(credit(call.service, call.company, original, call.today()).id, 201)


def delete(call: Call) -> Answer:
    """``DELETE /invoice/{id}``: one or many, finalized or not. Soft: the numbers and tokens stay used."""
    for invoice in find_many(call):
        del call.company.invoices[invoice.id]
    return Done()


def pay(call: Call) -> Answer:
    """``POST /invoice/{id}/payment``: the whole invoice is paid. There is no amount."""
    invoice = find(call)
    given = read(call.json(), {"date": Field("text", True), "method": Field("integer", True)})
    paid_on = day(given["date"], "date")
    if not invoice.final or invoice.kind != "invoice" or invoice.credited:
        raise Refusal(400, "Invoice is not valid")
    method = call.company.payment_methods.get(given["method"])
    if method is None:
        raise Refusal(404, "Payment method not found")
    if invoice.payment is not None:
        raise Refusal(409, "Invoice is already paid")
    invoice.payment = Payment(method["id"], method["name"], paid_on)
    notification = {
        "id": call.service.next_id("notification"),
        "company_id": call.company.id,
        "message": f"Invoice {invoice.number} has been paid",
        "data": {"invoice_id": invoice.id},
        "time": call.stamp(),
    }
    call.company.notifications.append(notification)
    return Done(201)


def take_back_payment(call: Call) -> Answer:
    """``DELETE /invoice/{id}/payment``."""
    invoice = find(call)
    if invoice.payment is None:
        raise Refusal(409, "Invoice is not paid")
    invoice.payment = None
    return Done()


def comment(call: Call) -> Answer:
    """``POST /invoice/{id}/comment``."""
    invoice = find(call)
    given = read(call.json(), {"message": Field("text", True)})
    not_blank(given, "message")
    row: Row = {
        "id": call.service.next_id("comment"),
        "invoice_id": invoice.id,
        "user_id": call.user.id,
        "time": call.stamp(),
        "message": given["message"],
    }
    invoice.comments.append(row)
    return Data(row)


def status(call: Call) -> Answer:
    """``GET /invoice/{id}/status``: every documented block, those without news with nulls."""
    invoice = find(call)
    payment, reminded = invoice.payment, invoice.reminders
    collected = collected_on(call.company, invoice) or None
    no_booking = {"status": False, "method": None, "message": None, "time": None}
    return Data(
        {
            "invoice": {"state": state_of(invoice, call.today(), call.service.switches)},
            "booking": no_booking if invoice.booking is None else invoice.booking,
            "mail": {"status": bool(invoice.mails), "events": list(invoice.mails)},
            "comments": {
                "status": bool(invoice.comments),
                "comments": [_remark(call, row) for row in invoice.comments],
            },
            "sepa": {
                "status": invoice.sepa_batch is not None,
                "message": None if invoice.sepa_batch is None else f"SEPA batch {invoice.sepa_batch}",
                "time": invoice.sepa_time,
            },
            "collection": {
                "status": collected is not None,
                "date": collected,
                "type": None if collected is None else "RCUR",
            },
            "payment": {
                "status": payment is not None,
                "message": None if payment is None else payment.method_name,
                "time": None if payment is None else f"{payment.paid_on.isoformat()} 00:00:00",
            },
            "reminder": {
                "status": bool(reminded),
                "count": str(len(reminded)),
                "time": reminded[-1] if reminded else None,
            },
            "recurring": {"status": invoice.kind == "recurring", "time": None},
            "quotation": {
                "status": invoice.approved is not None,
                "message": None if invoice.approved is None else "approved",
                "time": invoice.approved,
            },
        }
    )


def _remark(call: Call, row: Row) -> Row:
    user = call.service.users[row["user_id"]]
    return {"user": {"id": user.id, "name": user.name}, "message": row["message"], "time": row["time"]}


OPERATIONS = (
    Operation("POST", "/invoice", create, body="json"),
    Operation("GET", "/invoice/{id}", get),
    Operation("PUT", "/invoice/{id}", update, body="json"),
    Operation("DELETE", "/invoice/{id}", delete),
    Operation("GET", "/invoice/{id}/status", status),
    Operation("POST", "/invoice/{id}/send", send),
    Operation("POST", "/invoice/{id}/credit", make_credit),
    Operation("POST", "/invoice/{id}/credit/", make_credit),
    Operation("POST", "/invoice/{id}/payment", pay, body="json"),
    Operation("DELETE", "/invoice/{id}/payment", take_back_payment),
    Operation("POST", "/invoice/{id}/comment", comment, body="json"),
)
