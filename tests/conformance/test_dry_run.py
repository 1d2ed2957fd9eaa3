"""A dry run shows what would be sent, byte for byte, and does nothing."""

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.contract.exact import dumps
from tests.conformance.subject import Json, Subject, body_of

pytestmark = pytest.mark.anyio

WRITES = [
    *("contacts.create", "contacts.update", "contacts.delete", "products.create", "products.update", "products.delete"),
    *("invoices.create", "invoices.update", "invoices.finalize", "invoices.credit", "invoices.delete"),
    *("payments.create", "payments.delete"),
]
DRY = {"dry_run": "true"}


async def written(subject: Subject, operation: str) -> tuple[str, str, Json | None]:
    """A write that can be done now: method, path and body."""
    resource, _, verb = operation.partition(".")
    if operation == "payments.create":
        return "POST", "payments", await subject.payment(await subject.final_invoice())
    if verb == "create":
        return "POST", resource, await subject.draft(resource)
    if operation == "payments.delete":
        paid = await subject.pay(await subject.final_invoice())
        return "DELETE", f"payments/{body_of(paid)['id']}", None
    if verb == "credit":
        invoice = await subject.final_invoice()
        body = {"number": subject.settled()["number"]} if subject.facts.numbered else {}
        return "POST", f"invoices/{invoice['id']}/credit", body
    record = await subject.make(resource)
    if verb == "update":
        return "PATCH", f"{resource}/{record['id']}", subject.news(resource)
    if verb == "delete":
        return "DELETE", f"{resource}/{record['id']}", None
    return "POST", f"invoices/{record['id']}/finalize", None


def standing(subject: Subject) -> bytes:
    return dumps({noun: list(rows) for noun, rows in subject.emulator.books().items()})


def sent(subject: Subject, since: int) -> list[tuple[str, str, bytes]]:
    """The writes that reached the system; tokens are no part of it."""
    found = []
    for seen in subject.emulator.journal[since:]:
        if seen.method not in ("GET", "HEAD") and not seen.path.endswith(("/token", "/login", "/session")):
            query = f"?{seen.query}" if seen.query else ""
            found.append((seen.method, f"{seen.path}{query}", seen.body))
    return found


def shown(subject: Subject, told: Json) -> list[tuple[str, str, bytes]]:
    origins = [origin.default for origin in subject.adapter.origins.values()]
    found = []
    for one in told["requests"]:
        origin = next(origin for origin in origins if one["url"].startswith(origin))
        body = b"" if one["body"] is None else dumps(one["body"])
        found.append((one["method"], one["url"].removeprefix(origin), body))
    return found


@pytest.mark.parametrize("operation", WRITES)
async def test_what_is_shown_is_what_is_then_sent(subject: Subject, operation: str) -> None:
    method, path, body = await written(subject, operation)
    before, heard = standing(subject), len(subject.emulator.journal)
    key = {"idempotency-key": f"dry-{operation}"}
    dry = await subject.ask(method, path, body=body, headers=key, query=DRY)
    assert dry.status_code == 200, dry.text
    assert dry.headers["content-type"] == "application/vnd.polder.dry-run+json"
    told = body_of(dry)
    assert (told["dry_run"], told["requests"] != []) == (True, True)
    assert sent(subject, heard) == []
    assert standing(subject) == before
    heard = len(subject.emulator.journal)
    done = await subject.ask(method, path, body=body, headers=key)
    assert done.status_code in (200, 201, 204), f"a dry run uses up nothing: {done.text}"
    assert "idempotency-replayed" not in done.headers
    real = sent(subject, heard)
    assert real[: len(told["requests"])] == shown(subject, told)
    assert told["complete"] == (len(real) == len(told["requests"]))
    assert (told["incomplete_reason"] is None) == told["complete"]


async def test_a_dry_run_tells_how_lines_are_taxed_and_what_they_come_to(subject: Subject) -> None:
    draft = await subject.draft("invoices")
    del draft["issued_on"]
    answer = await subject.ask("POST", "invoices", body=draft, query=DRY)
    told = body_of(answer)
    assert [(one["line"], one["treatment"], one["rate"]) for one in told["vat"]] == [(0, "domestic_high", "21")]
    assert told["totals"] == {"net": "20.00", "tax": "4.20", "gross": "24.20"}
    by_pointer = {one["pointer"]: one for one in told["defaulted"]}
    assert by_pointer["/issued_on"]["value"] == "2026-03-02"
    assert by_pointer["/issued_on"]["reason"] == "It is today in the Netherlands."
    dutch = await subject.ask("POST", "invoices", body=draft, query=DRY, headers={"accept-language": "nl, en;q=0.5"})
    assert dutch.headers["content-language"] == "nl"
    reasons = {one["pointer"]: one["reason"] for one in body_of(dutch)["defaulted"]}
    assert reasons["/issued_on"] == "Dit is vandaag."


async def test_a_dry_run_tells_what_is_dropped(subject: Subject) -> None:
    places: Mapping[str, Any] = {
        "mobile": "0612345678",
        "language": "nl",
        "bic": "ABNANL2A",
        "iban": "NL91ABNA0417164300",
    }
    lost = [name for name in places if name not in subject.holds("contacts")]
    if not lost:
        pytest.skip(f"{subject.name}: it holds everything")
    draft = {**await subject.draft("contacts"), **places}
    refused = await subject.ask("POST", "contacts", body=draft, query=DRY)
    assert (refused.status_code, body_of(refused)["code"]) == (422, "field_unsupported")
    answer = await subject.ask("POST", "contacts", body=draft, query={**DRY, "on_unsupported": "drop"})
    dropped = {one["pointer"]: one["reason"] for one in body_of(answer)["dropped"]}
    assert dropped.keys() == {f"/{name}" for name in lost}
    asked = {**DRY, "on_unsupported": "drop"}
    dutch = await subject.ask("POST", "contacts", body=draft, query=asked, headers={"accept-language": "nl"})
    told = {one["pointer"]: one["reason"] for one in body_of(dutch)["dropped"]}
    assert told.keys() == dropped.keys()
    assert all(told[pointer] != reason for pointer, reason in dropped.items())
    assert body_of(answer)["warnings"] == []


async def test_a_dry_run_keeps_no_reference(subject: Subject) -> None:
    if "external_ref" not in subject.holds("contacts"):
        pytest.skip(f"{subject.name}: it keeps no reference")
    draft = {**await subject.draft("contacts"), "external_ref": "shop-1"}
    assert (await subject.ask("POST", "contacts", body=draft, query=DRY)).status_code == 200
    assert (await subject.ask("POST", "contacts", body=draft)).status_code == 201
    other = {**await subject.draft("contacts"), "external_ref": "shop-1"}
    if "external_ref" in subject.resource("contacts").kept:
        await subject.refused(409, "conflict", "POST", "contacts", body=other, query=DRY)


async def test_a_dry_run_is_true_or_false_and_for_writes(subject: Subject) -> None:
    with subject.quiet():
        await subject.refused(422, "validation_failed", "DELETE", "contacts/1", query={"dry_run": "yes"})
        await subject.refused(422, "unknown_field", "GET", "contacts", query=DRY)
