"""The envelope, the refusals and the log-in of TheNextInvoice, as pure functions."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.thenextinvoice import ADAPTER, wire
from gateway.contract.auth import Grant
from gateway.contract.errors import FieldError, Problem
from gateway.contract.exact import dumps, loads
from gateway.contract.secret import Secret
from gateway.contract.upstream import Facts, Reply
from gateway.engine.raw import raw_request

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
JSON = {"content-type": "application/json"}
FACTS = Facts("con_1", "1", "api_token", {})


def reply(value: object, status: int = 200, **headers: str) -> Reply:
    body = value if isinstance(value, bytes) else dumps(value)
    return Reply(status, {**JSON, **{name.replace("_", "-"): text for name, text in headers.items()}}, body)


def refusal(message: str | None, status: int, code: int = 0, **headers: str) -> Reply:
    return reply({"success": False, "error": {"code": code, "message": message}}, status, **headers)


def problem(said: Reply) -> Problem:
    found = wire.read_error(said)
    assert found is not None
    return found


@pytest.mark.parametrize("data", [{"id": 1}, [], 45311, "Product has been created", None])
def test_the_envelope_comes_off(data: object) -> None:
    assert loads(wire.read_envelope(reply({"success": True, "data": data}))) == data
    assert wire.read_error(reply({"success": True, "data": data})) is None


def test_an_absent_body_is_null() -> None:
    assert loads(wire.read_envelope(reply({"success": True}))) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"42",
        b"null",
        b"[]",
        b"<html>Oops</html>",
        b'{"success": tr',
        b'{"data": 1}',
        b'{"success": "true"}',
        b'{"success": 1, "data": {}}',
        b'{"success": true, "data": {"a": NaN}}',
        b'{"success": true, "data": [1}',
        b'{"success": true} {"success": true}',
        b'"x"',
    ],
)
def test_nonsense_under_a_success_is_malformed(body: bytes) -> None:
    assert wire.read_error(reply(body)) is None
    with pytest.raises(Problem) as caught:
        wire.read_envelope(reply(body))
    assert caught.value.code == "upstream_malformed"


FOUND = {"total_items": "2", "items": [{"id": 7}, {"id": "8"}]}


def test_a_search_is_read_with_its_envelope() -> None:
    found = wire.read_search(reply({"success": True, "data": FOUND}))
    assert (found.total, [loads(item) for item in found.items]) == (2, FOUND["items"])
    assert wire.read_search_ids(reply({"success": True, "data": FOUND})) == {"7", "8"}


@pytest.mark.parametrize("read", [wire.read_search, wire.read_search_ids])
@pytest.mark.parametrize(
    "answer",
    [
        {"success": False, "data": FOUND},
        {"success": True},
        {"success": True, "data": None},
        {"success": True, "data": []},
        {"success": True, "data": {**FOUND, "items": None}},
        {"success": True, "data": {**FOUND, "items": {"id": 7}}},
        FOUND,
        b"<html>Oops</html>",
    ],
    ids=str,
)
def test_a_search_that_found_nonsense_is_malformed(read: Callable[[Reply], object], answer: object) -> None:
    with pytest.raises(Problem) as caught:
        read(reply(answer))
    assert caught.value.code == "upstream_malformed"


def test_a_failure_is_seen_wherever_it_stands() -> None:
    said = b'{"error": {"code": 404, "message": "Invoice not found"},\n "data": {"success": true}, "success" : false}'
    assert problem(reply(said)).code == "not_found"
    assert wire.read_error(reply(b' {"success" :true, "data": {"text": "\\"success\\": false"}}')) is None


def test_a_file_that_speaks_of_failure_is_a_file() -> None:
    assert wire.read_error(Reply(200, {"content-type": "application/pdf"}, b'%PDF-1.4 "success": false')) is None


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (refusal("Invalid request", 400), "upstream_rejected"),
        (refusal("Invoice not valid or invalid state transition", 400), "conflict"),
        (refusal("Cannot generate UBL from a draft", 400), "conflict"),
        (refusal("Token is invalid or expired", 401), "connection_needs_reauth"),
        (refusal("Peppol not enabled", 403), "upstream_forbidden"),
        (refusal("Invoice not found", 404), "not_found"),
        (refusal("Invoice already paid", 409), "conflict"),
        (refusal("Unsupported media type", 415), "upstream_rejected"),
        (refusal("Too many requests", 429), "upstream_rate_limited"),
        (refusal("Invoice saving failed: invoice was finalized", 500), "conflict"),
        (refusal("De factuur is al definitief gemaakt", 500), "conflict"),
        (refusal("Deze factuur is al betaald", 500), "conflict"),
        (refusal("Invoice saving failed", 500), "upstream_unavailable"),
        (refusal(None, 500), "upstream_unavailable"),
        (refusal("Maintenance", 503), "upstream_unavailable"),
        (refusal("email is required", 200), "upstream_rejected"),
        (refusal("Invoice not found", 200, code=404), "not_found"),
        (refusal("Invoice was finalized", 200, code=500), "conflict"),
        (reply({"success": False}, 200), "upstream_rejected"),
        (reply({"success": False, "error": "kapot"}, 400), "upstream_rejected"),
        (reply(b"<html>Bad gateway</html>", 502), "upstream_unavailable"),
        (reply(b"", 404), "not_found"),
        (reply(b"42", 500), "upstream_unavailable"),
        (reply(b"", 408), "upstream_unavailable"),
        (reply(b"", 302), "upstream_malformed"),
    ],
    ids=str,
)
def test_a_refusal_is_classified(said: Reply, code: str) -> None:
    assert problem(said).code == code


@given(st.binary(max_size=60), st.integers(100, 599))
def test_any_reply_is_read_without_raising(body: bytes, status: int) -> None:
    found = wire.read_error(reply(body, status))
    assert (found is None) or found.upstream is not None
    assert found is not None or 200 <= status < 300


def test_the_systems_own_words_are_kept_whole() -> None:
    message = "Factuur opslaan mislukt: ongeldige invoer — probeer het opnieuw"
    upstream = problem(refusal(message, 400, code=17)).upstream
    assert upstream is not None
    assert (upstream.status, upstream.code, upstream.message) == (400, "17", message)


def test_a_wait_is_passed_on() -> None:
    assert problem(refusal("Too many requests", 429, retry_after="7")).retry_after == 7
    assert problem(refusal("Too many requests", 429)).retry_after == wire.ASSUMED_WAIT


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("email is not a valid email address", "email"),
        ("postalcode is required", "postalcode"),
        ("lines[3].price is required, or quantity, ledger, price and vat are all null", "lines[3].price"),
        ("meta.dueDate lies before meta.sendDate", "meta.dueDate"),
        ("Unknown field: colour", "colour"),
        ("Invoice is not finalized", None),
        ("Invalid request", None),
    ],
)
def test_a_message_may_name_its_field(message: str, field: str | None) -> None:
    assert [error.provider_field for error in problem(refusal(message, 400)).errors] == ([field] if field else [])


def test_a_field_of_theirs_is_named_as_ours() -> None:
    pointers = {"email": "/email", "lines[].price": "/lines/{line}/unit_price"}
    for theirs, ours in (("email", "/email"), ("lines[12].price", "/lines/12/unit_price"), ("colour", "")):
        error = FieldError("", "rejected", "…", theirs)
        with pytest.raises(Problem) as caught, wire.pointing(pointers):
            raise Problem("upstream_rejected", "…", errors=[error])
        assert [(one.pointer, one.provider_field) for one in caught.value.errors] == [(ours, theirs)]


@pytest.mark.parametrize(
    "path",
    [
        *("session/jwt", "session/jwt/switch", "token/lilium", "settings/user", "settings/user/1"),
        *("settings/2fa", "settings/2fa/recovery", "settings/integrations", "settings/integrations/thenextinvoice"),
    ],
)
def test_raw_reaches_nothing_that_hands_out_credentials(path: str) -> None:
    with pytest.raises(Problem) as raised:
        raw_request(ADAPTER, FACTS, "POST", path, (), {}, b"{}")
    assert raised.value.code == "forbidden"


@pytest.mark.parametrize("path", ["settings", "settings/profile/1", "settings/ledgernumbers", "invoice/1/view"])
def test_raw_reaches_all_else(path: str) -> None:
    assert raw_request(ADAPTER, FACTS, "GET", path, (), {}, b"").path == f"/api/v1/{path}"


# Logging in


def grant(company_id: str | None = None) -> Grant:
    fields = {"email": Secret("user@example.com"), "password": Secret("pa$$word")}
    return Grant(fields=fields, operator={}, company_id=company_id, now=NOW)


def jwt(claims: object) -> str:
    parts = [dumps({"alg": "HS256"}), claims if isinstance(claims, bytes) else dumps(claims), b"signature"]
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def test_the_documented_log_in_is_written() -> None:
    request = wire.log_in(grant("1"))
    assert (request.method, request.path) == ("POST", "/api/v1/session/jwt")
    assert request.json == {"email": "user@example.com", "password": "pa$$word", "company": 1}
    assert wire.log_in(grant()).json == {"email": "user@example.com", "password": "pa$$word"}


def test_a_company_that_cannot_be_one_costs_no_log_in() -> None:
    with pytest.raises(Problem) as caught:
        wire.log_in(grant("acme"))
    assert caught.value.code == "company_not_accessible"


def read_token(token: Any) -> datetime | None:
    data = {"token": token, "status": "confirmed"}
    return wire.read_log_in(reply({"success": True, "data": data}), grant()).expires_at


@given(st.integers(1, 400 * 24 * 3600))
def test_a_token_ends_when_it_says(seconds: int) -> None:
    ends = NOW + timedelta(seconds=seconds)
    assert read_token(jwt({"exp": int(ends.timestamp()), "company": 1})) == ends


@pytest.mark.parametrize(
    "token",
    [
        "jwt.auth.token",
        "opaque",
        "a.b",
        jwt({}),
        jwt([]),
        jwt(b"{"),
        jwt(b"\xff\xfe"),
        jwt({"exp": None}),
        jwt({"exp": "tomorrow"}),
        jwt({"exp": True}),
        jwt({"exp": 10**30}),
        jwt({"exp": int(NOW.timestamp()) - 60}),
        jwt({"exp": int(NOW.timestamp())}),
    ],
)
def test_a_token_that_says_no_useful_end_is_used_briefly(token: str) -> None:
    assert read_token(token) == NOW + wire.ASSUMED_LIFETIME


@pytest.mark.parametrize("company_id", [None, "1"])
def test_a_wrong_log_in_is_the_owners_fault(company_id: str | None) -> None:
    with pytest.raises(Problem) as caught:
        wire.read_log_in(refusal("Invalid login", 401), grant(company_id))
    assert caught.value.code == "credentials_rejected"
    assert ("company" in caught.value.detail) is (company_id is not None)
    assert "pa$$word" not in str(caught.value)


@pytest.mark.parametrize("token", [None, "", 7])
def test_a_log_in_without_a_token_is_malformed(token: object) -> None:
    with pytest.raises(Problem) as caught:
        read_token(token)
    assert caught.value.code == "upstream_malformed"


def test_other_trouble_at_the_log_in_stays_what_it_is() -> None:
    with pytest.raises(Problem) as caught:
        wire.read_log_in(refusal("Too many requests", 429, retry_after="9"), grant())
    assert (caught.value.code, caught.value.retry_after) == ("upstream_rate_limited", 9)
