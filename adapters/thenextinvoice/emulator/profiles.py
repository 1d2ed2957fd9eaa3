"""Invoice profiles: who sends. Reading a missing one answers 401, changing it 404, as the documentation insists."""

import base64
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP

from adapters.thenextinvoice.emulator.documents import media_type
from adapters.thenextinvoice.emulator.fields import Field, not_blank, read, texts
from adapters.thenextinvoice.emulator.opening import new_profile
from adapters.thenextinvoice.emulator.state import Row
from adapters.thenextinvoice.emulator.wire import Answer, Call, Data, Done, Operation, Refusal, whole
from gateway.contract.exact import Json

SENDER_REQUIRED = ("companyName", "address", "postalCode", "city", "country", "email")
SENDER = {
    **texts(*SENDER_REQUIRED, required=True),
    **texts("contact", "vatNumber", "coc", "iban", "phone", "extra"),
    "config": Field("object", True),
}
TEXTS = texts(
    "extratext", "extratextbottom", "footer", "quotationextratext", "quotationextratextbottom", "quotationfooter"
)
LAYOUT = {
    "logo_position": Field("text", True),
    "margin_global": Field("integer", True),
    "margin_header": Field("integer", True),
    "sender_position": Field("text", True),
    "merge_mail_attachments": Field("boolean"),
}
SENDING = {
    name: Field("integer")
    for name in (
        "email_from_id",
        "email_cc_id",
        "email_text_id",
        "email_text_reminder_id",
        "email_text_quotation_id",
        "sms_text_id",
        "email_attachment_id",
        "email_attachment_quotation_id",
    )
}
LOGO_TYPES = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/svg+xml": "svg"}


def _find(call: Call, text: str, missing_status: int) -> Row:
    if text == "default":
        return call.company.default_profile
    profile = call.company.profiles.get(whole(text) or 0)
    if profile is None:
        raise Refusal(missing_status, "Profile not found")
    return profile


def _to_change(call: Call) -> Row:
    return _find(call, call.path["id"], 404)


def list_all(call: Call) -> Answer:
    """``GET /settings/profile``."""
    return Data(list(call.company.profiles.values()))


def get(call: Call) -> Answer:
    """``GET /settings/profile/{id}``, ``…/default`` and, for the logo as a data URI, ``…/{id}.png``."""
    text, dot, ending = call.path["id"].partition(".")
    profile = _find(call, text, 401)
    if not dot:
        return Data(profile)
    content_type, content = call.company.logos.get(profile["id"], ("", b""))
    if LOGO_TYPES.get(content_type) != ending:
        raise Refusal(404, "Logo not found")
    return Data(f"data:{content_type};base64,{base64.b64encode(content).decode()}")


def create(call: Call) -> Answer:
    """``POST /settings/profile``: answers the bare id."""
    return Data(new_profile(call.service, call.company)["id"])


def _changed(profile: Row, given: dict[str, Json]) -> Answer:
    profile.update(given)
    return Data(profile["id"])


def update(call: Call) -> Answer:
    """``PUT /settings/profile/{id}``: only what is given changes."""
    profile = _to_change(call)
    fields = {name: Field("text", nullable=False) for name in ("name", "language")}
    given = read(call.json(), {**fields, "expiration": Field("integer", nullable=False)})
    not_blank(given, "name", "language")
    if given.get("expiration", 0) < 0:
        raise Refusal(400, "expiration must not be negative")
    return _changed(profile, given)


def update_sender(call: Call) -> Answer:
    """``PUT /settings/profile/{id}/sender``: all of it; with Peppol, a VAT number too."""
    profile = _to_change(call)
    given = read(call.json(), SENDER)
    not_blank(given, *SENDER_REQUIRED)
    if not (len(given["country"]) == 2 and given["country"].isupper()):
        raise Refusal(400, "country must be an uppercase country code")
    if call.company.peppol and not given.get("vatNumber"):
        raise Refusal(400, "vatNumber is required for Peppol")
    return _changed(profile, {name: given.get(name) for name in SENDER})


def update_texts(call: Call) -> Answer:
    """``PUT /settings/profile/{id}/text``."""
    profile = _to_change(call)
    return _changed(profile, read(call.json(), TEXTS))


def update_layout(call: Call) -> Answer:
    """``PUT /settings/profile/{id}/invoice``."""
    profile = _to_change(call)
    given = read(call.json(), LAYOUT)
    if given["logo_position"] not in ("left", "right", "center"):
        raise Refusal(400, "logo_position must be left, right or center")
    if given["sender_position"] not in ("left", "right"):
        raise Refusal(400, "sender_position must be left or right")
    return _changed(profile, given)


def update_sending(call: Call) -> Answer:
    """``PUT /settings/profile/{id}/sending``."""
    profile = _to_change(call)
    return _changed(profile, read(call.json(), SENDING))


def make_default(call: Call) -> Answer:
    """``POST /settings/profile/{id}/default``."""
    chosen = _to_change(call)
    for profile in call.company.profiles.values():
        profile["default"] = profile is chosen
    return Data(chosen["id"])


def delete(call: Call) -> Answer:
    """``DELETE /settings/profile/{id}``: never the default one."""
    profile = _to_change(call)
    if profile["default"]:
        raise Refusal(403, "Default profile cannot be deleted")
    del call.company.profiles[profile["id"]]
    return Done()


def upload_logo(call: Call) -> Answer:
    """``POST`` or ``PUT /settings/profile/{id}/logo``: the field ``file`` of a form."""
    profile = _to_change(call)
    files = [part for part in uploaded(call) if _name(part) == "file"]
    if len(files) != 1:
        raise Refusal(400, "file is required")
    content_type = files[0].get_content_type()
    if content_type not in LOGO_TYPES:
        raise Refusal(415, "Unsupported logo media type")
    call.company.logos[profile["id"]] = (content_type, content_of(files[0]))
    profile["logo"] = f"{profile['id']}.{LOGO_TYPES[content_type]}"
    return Data(profile["id"])


def delete_logo(call: Call) -> Answer:
    """``DELETE /settings/profile/{id}/logo``."""
    profile = _to_change(call)
    profile["logo"] = None
    call.company.logos.pop(profile["id"], None)
    return Data(profile["id"])


def uploaded(call: Call) -> list[Message]:
    """The files of a ``multipart/form-data`` body."""
    if not call.content_type.lower().startswith("multipart/form-data"):
        raise Refusal(400, "No file uploaded")
    head = f"Content-Type: {call.content_type}\r\n\r\n".encode("latin-1")
    form = BytesParser(policy=HTTP).parsebytes(head + call.raw)
    return [part for part in form.walk() if part.get_filename() is not None]


def _name(part: Message) -> object:
    return part.get_param("name", header="content-disposition")


def content_of(part: Message) -> bytes:
    """The bytes of an uploaded file."""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def file_type(part: Message) -> str:
    """The content type of an uploaded file: as sent, else by its name."""
    return part.get_content_type() if part["content-type"] else media_type(part.get_filename() or "")


OPERATIONS = (
    Operation("GET", "/settings/profile", list_all),
    Operation("POST", "/settings/profile", create),
    Operation("GET", "/settings/profile/{id}", get),
    Operation("PUT", "/settings/profile/{id}", update, body="json"),
    Operation("DELETE", "/settings/profile/{id}", delete),
    Operation("PUT", "/settings/profile/{id}/sender", update_sender, body="json"),
    Operation("PUT", "/settings/profile/{id}/text", update_texts, body="json"),
    Operation("PUT", "/settings/profile/{id}/invoice", update_layout, body="json"),
    Operation("PUT", "/settings/profile/{id}/sending", update_sending, body="json"),
    Operation("POST", "/settings/profile/{id}/default", make_default),
    Operation("POST", "/settings/profile/{id}/logo", upload_logo, body="multipart"),
    Operation("PUT", "/settings/profile/{id}/logo", upload_logo, body="multipart"),
    Operation("DELETE", "/settings/profile/{id}/logo", delete_logo),
)
