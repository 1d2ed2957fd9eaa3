"""Files with a sales invoice: base64 in, bytes out; they are listed in the invoice only (dossier §3, §4)."""

import base64
import binascii
from typing import Any

from starlette.responses import Response

from adapters.rompslomp.emulator.answers import answer, no_content
from adapters.rompslomp.emulator.call import Call, Endpoint
from adapters.rompslomp.emulator.errors import BLANK, WRONG, Violations, no_such_record
from adapters.rompslomp.emulator.fields import Attributes
from adapters.rompslomp.emulator.records import Attachment, SalesInvoice
from adapters.rompslomp.emulator.state import Company

_ATTRIBUTES: Attributes = {"attachment": "long_text", "attachment_file_name": "long_text"}
_SIGNATURES = {b"%PDF-": "application/pdf", b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}


def shown_attachment(company: Company, invoice: SalesInvoice, attachment: Attachment) -> dict[str, Any]:
    """An attachment as answers have it, with a path in place of its contents."""
    path = f"/api/v1/companies/{company.id}/sales_invoices/{invoice.id}/attachments/{attachment.id}"
    return {
        "id": attachment.id,
        "attachment": path,
        "attachment_file_name": attachment.file_name,
        "attachment_content_type": attachment.content_type,
        "attachment_file_size": len(attachment.data),
    }


def _content_type(data: bytes) -> str:
    """Told by the contents: seven bytes named ``file_name.pdf`` are recorded as an octet stream."""
    found = (kind for signature, kind in _SIGNATURES.items() if data.startswith(signature))
    return next(found, "application/octet-stream")


def _upload(call: Call) -> Response:
    invoice = call.record(call.company.sales_invoices, "Factuur", "sales_invoice_id")
    given = call.reader.permitted(call.wrapped("attachment_object"), _ATTRIBUTES)
    violations = Violations("Bijlage")
    data = b""
    if given.get("attachment") is None:
        violations.add("Attachment", BLANK)
    else:
        try:
            data = base64.b64decode(given["attachment"], validate=True)
        except (binascii.Error, ValueError):
            violations.add("Attachment", WRONG)
    if given.get("attachment_file_name") is None:
        violations.add("Attachment file name", BLANK)
    violations.settle()
    attachment = Attachment(given["attachment_file_name"], _content_type(data), data)
    attachment.id = call.state.ids.next("attachments")
    invoice.attachments.append(attachment)
    return answer({"attachment_object": shown_attachment(call.company, invoice, attachment)})


def _find(call: Call) -> tuple[SalesInvoice, Attachment]:
    invoice = call.record(call.company.sales_invoices, "Factuur", "sales_invoice_id")
    identity = call.identity("id")
    for attachment in invoice.attachments:
        if attachment.id == identity:
            return invoice, attachment
    raise no_such_record("Bijlage")


def _download(call: Call) -> Response:
    _, attachment = _find(call)
    name = attachment.file_name.encode("ascii", "replace").decode().replace('"', "_")
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(attachment.data, headers=headers, media_type=attachment.content_type)


def _delete(call: Call) -> Response:
    invoice, attachment = _find(call)
    invoice.attachments.remove(attachment)
    return no_content()


_SCOPE = ("manage:sales_invoices",)
ENDPOINTS = (
    Endpoint("POST", "/sales_invoices/{sales_invoice_id}/attachments", _upload, _SCOPE),
    Endpoint("GET", "/sales_invoices/{sales_invoice_id}/attachments/{id}", _download, _SCOPE),
    Endpoint("DELETE", "/sales_invoices/{sales_invoice_id}/attachments/{id}", _delete, _SCOPE),
)
