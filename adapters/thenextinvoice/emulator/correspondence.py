"""The settings of what is sent: e-mail addresses and templates, SMS templates, attachments, terms and conditions."""

import hashlib
from collections.abc import Callable

from adapters.thenextinvoice.emulator.fields import Field, not_blank, read, texts
from adapters.thenextinvoice.emulator.invoice_actions import decoded
from adapters.thenextinvoice.emulator.profiles import content_of, file_type, uploaded
from adapters.thenextinvoice.emulator.state import Company, Row
from adapters.thenextinvoice.emulator.wire import Answer, Binary, Call, Data, Done, Operation, Refusal

SMS_PLACEHOLDERS = ("{paymentlink}", "{betaallink}", "{viewinvoice}", "{bekijkfactuur}")


def templates(
    path: str, kind: str, shelf: Callable[[Company], dict[int, Row]], names: tuple[str, ...]
) -> tuple[Operation, ...]:
    """The five operations on a shelf of templates whose texts are ``names``."""

    def checked(call: Call) -> Row:
        given = read(call.json(), texts(*names, required=True))
        not_blank(given, *names)
        if kind == "sms_text" and not any(placeholder in given["text"] for placeholder in SMS_PLACEHOLDERS):
            raise Refusal(400, "text must contain a payment or invoice link")
        return given

    def find(call: Call) -> Row:
        return call.one(shelf(call.company), "Template not found")

    def list_all(call: Call) -> Answer:
        return Data(list(shelf(call.company).values()))

    def get(call: Call) -> Answer:
        return Data(find(call))

    def create(call: Call) -> Answer:
        return Data(call.service.keep(shelf(call.company), kind, checked(call)))

    def update(call: Call) -> Answer:
        template = find(call)
        template.update(checked(call))
        return Data(template)

    def delete(call: Call) -> Answer:
        del shelf(call.company)[find(call)["id"]]
        return Done()

    return (
        Operation("GET", path, list_all),
        Operation("POST", path, create, body="json"),
        Operation("GET", f"{path}/{{id}}", get),
        Operation("PUT", f"{path}/{{id}}", update, body="json"),
        Operation("DELETE", f"{path}/{{id}}", delete),
    )


def list_addresses(call: Call) -> Answer:
    """``GET /settings/email/address``."""
    return Data(list(call.company.email_addresses.values()))


def add_address(call: Call) -> Answer:
    """``POST /settings/email/address``: unverified until the key of the mail comes back."""
    given = read(call.json(), {**texts("type", "email", required=True), **texts("redirect")})
    if given["type"] not in ("from", "cc"):
        raise Refusal(400, "Invalid type")
    if "@" not in given["email"]:
        raise Refusal(400, "email is not a valid email address")
    row = {"type": given["type"], "email": given["email"], "verified": False}
    return Data(call.service.keep(call.company.email_addresses, "email_address", row))


def verification_key(company: Company, email: str) -> str:
    """The key in the mail that verifies the address: SHA-256, in hexadecimal."""
    return hashlib.sha256(f"{company.id} {email}".encode()).hexdigest()


def verify_address(call: Call) -> Answer:
    """``POST /settings/email/verify``."""
    given = read(call.json(), {**texts("email", "key", required=True), "company": Field("integer", True)})
    found = [row for row in call.company.email_addresses.values() if row["email"] == given["email"]]
    right = given["company"] == call.company.id and given["key"] == verification_key(call.company, given["email"])
    if not found or not right:
        raise Refusal(400, "Invalid verify request")
    for row in found:
        row["verified"] = True
    return Done()


def remove_address(call: Call) -> Answer:
    """``DELETE /settings/email/address/{id}/{type}``."""
    if call.path["type"] not in ("from", "cc"):
        raise Refusal(400, "Invalid type")
    row = call.company.email_addresses.get(call.number() or 0)
    if row is None or row["type"] != call.path["type"]:
        raise Refusal(404, "Address not found")
    del call.company.email_addresses[row["id"]]
    return Done()


def list_attachments(call: Call) -> Answer:
    """``GET /settings/attachments``."""
    return Data([row for row, _ in call.company.attachments.values()])


def create_attachment(call: Call) -> Answer:
    """``POST /settings/attachments``."""
    given = read(call.json(), texts("name", "filename", "content", required=True))
    not_blank(given, "name", "filename", "content")
    content = decoded(given["content"], "content")
    row = {"id": call.service.next_id("attachment"), "name": given["name"], "filename": given["filename"]}
    call.company.attachments[row["id"]] = (row, content)
    return Data(row)


def update_attachment(call: Call) -> Answer:
    """``PUT /settings/attachments/{id}``: a file name and its content go together."""
    row, content = _attachment(call)
    given = read(call.json(), texts("name", "filename", "content"))
    if (given.get("filename") is None) != (given.get("content") is None):
        raise Refusal(400, "filename and content are required together")
    if given.get("content") is not None:
        content = decoded(given["content"], "content")
        row["filename"] = given["filename"]
    row["name"] = given.get("name") or row["name"]
    call.company.attachments[row["id"]] = (row, content)
    return Data(row)


def delete_attachment(call: Call) -> Answer:
    """``DELETE /settings/attachments/{id}``."""
    row, _ = _attachment(call)
    del call.company.attachments[row["id"]]
    return Done()


def _attachment(call: Call) -> tuple[Row, bytes]:
    return call.one(call.company.attachments, "Attachment not found")


def get_terms(call: Call) -> Answer:
    """``GET`` and ``HEAD /settings/termsandconditions``."""
    if call.company.terms is None:
        raise Refusal(404, "No terms and conditions set")
    content_type, content = call.company.terms
    return Binary(content, content_type)


def upload_terms(call: Call) -> Answer:
    """``POST /settings/termsandconditions``: exactly one file."""
    files = uploaded(call)
    if len(files) != 1:
        raise Refusal(400, "Upload exactly one file")
    call.company.terms = (file_type(files[0]), content_of(files[0]))
    return Done()


def delete_terms(call: Call) -> Answer:
    """``DELETE /settings/termsandconditions``."""
    call.company.terms = None
    return Done()


OPERATIONS = (
    *templates("/settings/email/text", "email_text", lambda company: company.email_texts, ("subject", "name", "text")),
    *templates("/settings/sms/text", "sms_text", lambda company: company.sms_texts, ("name", "text")),
    Operation("GET", "/settings/email/address", list_addresses),
    Operation("POST", "/settings/email/address", add_address, body="json"),
    Operation("POST", "/settings/email/verify", verify_address, body="json"),
    Operation("DELETE", "/settings/email/address/{id}/{type}", remove_address),
    Operation("GET", "/settings/attachments", list_attachments),
    Operation("POST", "/settings/attachments", create_attachment, body="json"),
    Operation("PUT", "/settings/attachments/{id}", update_attachment, body="json"),
    Operation("DELETE", "/settings/attachments/{id}", delete_attachment),
    Operation("GET", "/settings/termsandconditions", get_terms),
    Operation("HEAD", "/settings/termsandconditions", get_terms),
    Operation("POST", "/settings/termsandconditions", upload_terms, body="multipart"),
    Operation("DELETE", "/settings/termsandconditions", delete_terms),
)
