"""Attachments of sales entries, purchase entries and relations (dossier 2.4)."""

import base64
import binascii

from adapters.snelstart.emulator import models
from adapters.snelstart.emulator.calls import Answer, Call
from adapters.snelstart.emulator.errors import Violations, model_state
from adapters.snelstart.emulator.fields import Record, refer

MOST_BYTES = 10 * 1024 * 1024
_MOST_NAME = 255
_ILLEGAL = frozenset('\\/:*?"<>|')
_PARENTS = ("verkoopboekingen", "inkoopboekingen", "relaties")


def create(call: Call) -> Answer:
    """Adds a document; posting it again adds another."""
    kind = _kind(call)
    record = call.bind(models.DOCUMENT_CONTENT, "document")
    call.check_new(record)
    parent = call.administration.records[kind].get(record["parentIdentifier"] or "")
    if parent is None:
        raise call.not_found(kind)
    _check(record, call.violations())
    document = _store(call, record, call.administration.new_id())
    parent["documents"] = [*parent["documents"], _reference(document)]
    return Answer(call.switches.document_created_status, refer("documenten", document["id"]))


def update(call: Call) -> Answer:
    """Replaces the content; the document stays with its parent."""
    held = call.record("documenten")
    record = call.bind(models.DOCUMENT_CONTENT, "document")
    call.check_same(record, held["id"])
    _check(record, call.violations())
    record["parentIdentifier"] = held["parentIdentifier"]
    document = _store(call, record, held["id"])
    _replace(call, document["parentIdentifier"], document["id"], _reference(document))
    return Answer(200, refer("documenten", document["id"]))


def delete(call: Call) -> Answer:
    held = call.record("documenten")
    del call.administration.records["documenten"][held["id"]]
    _replace(call, held["parentIdentifier"], held["id"], None)
    return call.deleted()


def list_of_parent(call: Call) -> Answer:
    kind = _kind(call)
    parent = call.administration.records[kind].get(call.id(kind, "pid"))
    if parent is None:
        raise call.not_found(kind)
    rows = [
        {"verkoopBoekingId": parent["id"], **{name: row[name] for name in ("fileName", "readOnly", "id", "uri")}}
        for row in parent["documents"]
    ]
    return Answer(200, rows)


def _kind(call: Call) -> str:
    kind = call.parts["documenttype"].lower()
    if kind not in _PARENTS:
        text = f"The value '{call.parts['documenttype']}' is not valid for DocumentType."
        raise model_state({"documentType": [text]})
    return kind


def _check(record: Record, violations: Violations) -> None:
    name = record["fileName"] or ""
    violations.check(not name.strip(), "BLG-0007")
    violations.check(len(name) > _MOST_NAME, "BLG-0017")
    violations.check(any(sign in _ILLEGAL or ord(sign) < 32 for sign in name), "BLG-0016")
    content = _decoded(record["content"])
    violations.check(not content, "BLG-0011")
    violations.check(len(content) > MOST_BYTES, "BLG-0006")
    violations.settle()


def _decoded(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "", validate=True)
    except binascii.Error:
        return b""


def _store(call: Call, record: Record, guid: str) -> Record:
    record |= {"readOnly": bool(record["readOnly"]), **refer("documenten", guid)}
    return call.administration.keep("documenten", record)


def _reference(document: Record) -> Record:
    return {name: document[name] for name in models.DOCUMENT.properties}


def _replace(call: Call, parent_id: str, guid: str, by: Record | None) -> None:
    for kind in _PARENTS:
        parent = call.administration.records[kind].get(parent_id)
        if parent is not None:
            kept = [by if row["id"] == guid else row for row in parent["documents"]]
            parent["documents"] = [row for row in kept if row is not None]
