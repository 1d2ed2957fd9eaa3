"""Laws of the raw passage: the system's own words, untouched, and no way out of what the connection owns."""

from decimal import Decimal
from itertools import product
from urllib.parse import urlsplit

import pytest

from gateway.contract.emulator import Fault
from gateway.contract.upstream import Facts
from tests.conformance.subject import Subject, body_of, problem_of

WAYS_OUT = (
    "..",
    "../companies",
    "../../login",
    "a/../../x",
    "./x",
    "%2e%2e/companies",
    "%2e%2e%2fcompanies",
    "..%2f..%2flogin",
    "..%5c..%5clogin",
    "%zz",
    "contacts%00",
    "contacts%0d%0aX-Evil:%201",
    "http://evil.example/",
    "http:%2f%2fevil.example",
    "//evil.example/x",
    "/evil.example",
    "contacts//1",
    "contacts/",
    "\\\\evil",
    "@evil.example/",
    "%2e",
    "%252e%252e/x",
    "contacts/%2e%2e/%2e%2e/companies",
)


def prefix(subject: Subject, company_id: str) -> str:
    """Where everything of the connection is."""
    return subject.adapter.raw.prefix(Facts(subject.connection, company_id, "", {}))


async def test_there_is_no_way_out(subject: Subject) -> None:
    for method, way in product(("GET", "POST", "DELETE"), WAYS_OUT):
        with subject.quiet():
            answer = await subject.ask(method, f"raw/{way}")
        assert answer.status_code in (403, 404), f"{method} {way}: {answer.text}"


async def test_the_answer_is_theirs_to_the_byte(subject: Subject) -> None:
    body = b'{"ok" :true,  "result":[1.10, 1e2],"\\u00e9":"\xc3\xa9"}\n'
    for status in (200, 201, 404, 418, 500):
        fault = Fault("status", status=status, headers={"content-type": "application/json; x=1"}, body=body)
        subject.emulator.fail(fault, times=1, when=lambda seen: "nergens" in seen.path)
        answer = await subject.ask("POST", "raw/nergens", body={"a": 1})
        assert (answer.status_code, answer.content) == (status, body)
        assert answer.headers["content-type"] == "application/json; x=1"


async def test_a_request_goes_out_as_it_came(subject: Subject) -> None:
    sent = b'{"amount": 12345678901.123456789, "a":  "\xc3\xa9"}'
    subject.emulator.fail(Fault("status", status=200, body=b"{}"), when=lambda seen: "nergens" in seen.path)
    secret = {"cookie": "a=b", "x-forwarded-for": "1.2.3.4", "host": "evil.example"}
    await subject.ask("PUT", "raw/nergens/1", body=sent, headers=secret, a="1 2", b="é&x=y")
    seen = subject.emulator.journal[-1]
    company = (await subject.get(""))["company"]["id"]
    assert seen.method == "PUT"
    assert seen.path == f"{prefix(subject, company).rstrip('/')}/nergens/1"
    assert seen.body == sent
    assert {"cookie", "x-forwarded-for"}.isdisjoint(seen.headers)
    assert seen.headers["host"] != "evil.example"
    assert "polder_live_" not in str(seen.headers)
    assert seen.query.replace("%20", "+") == "a=1+2&b=%C3%A9%26x%3Dy"


async def test_a_raw_write_is_seen_by_the_very_next_read(subject: Subject) -> None:
    await subject.make("contacts")
    first = await subject.ask("GET", "contacts")
    second = await subject.ask("GET", "contacts")
    assert "hit" in second.headers["cache-status"]
    await subject.ask("POST", "raw/nergens", body={})
    third = await subject.ask("GET", "contacts")
    assert "hit" not in third.headers["cache-status"]
    assert third.content == first.content


async def test_a_lost_raw_write_leaves_its_fate_open(subject: Subject) -> None:
    before = len(subject.emulator.journal)
    subject.emulator.fail(Fault("lost"), times=5, when=lambda seen: "nergens" in seen.path)
    answer = await subject.ask("POST", "raw/nergens", body={})
    assert answer.status_code in (502, 503, 504), answer.text
    assert problem_of(answer)["outcome"] == "unknown"
    assert len([seen for seen in subject.emulator.journal[before:] if "nergens" in seen.path]) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_dry_run_of_a_raw_write_sends_nothing(subject: Subject, method: str) -> None:
    company = (await subject.get(""))["company"]["id"]
    query, body = {"dry_run": "true", "a": "1 &"}, {"naam": "x", "amount": 1.10}
    with subject.quiet():
        told = await subject.ask(method, "raw/nergens", body=body, query=query, headers={"idempotency-key": "raw-dry"})
    assert told.status_code == 200, told.text
    assert told.headers["content-type"] == "application/vnd.polder.dry-run+json"
    said = body_of(told)
    assert (said["dry_run"], said["complete"]) == (True, True)
    [planned] = said["requests"]
    assert (planned["method"], planned["body"]) == (method, {"naam": "x", "amount": Decimal("1.10")})
    assert urlsplit(planned["url"]).path == f"{prefix(subject, company)}nergens"
    assert urlsplit(planned["url"]).query == "a=1+%26"
    before = len(subject.emulator.journal)
    await subject.ask(method, "raw/nergens", body=body, query={"dry_run": "false", "a": "1 &"})
    heard = subject.emulator.journal[before:]
    [seen] = [one for one in heard if not subject.emulator.is_token_request(one)]
    assert (seen.method, seen.query) == (method, "a=1+%26")
    with subject.quiet():
        await subject.refused(422, "validation_failed", method, "raw/nergens", query={"dry_run": "yes"})
        await subject.refused(404, "not_found", method, "raw/a//b", query={"dry_run": "true"})
        await subject.refused(404, "not_found", "GET", "operations/raw-dry")
