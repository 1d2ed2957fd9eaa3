"""What SnelStart's refusals become: five shapes, its codes, and whose turn it is."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from adapters.snelstart import wire
from adapters.snelstart.mapping.errors import ERROR_CODES
from gateway.contract.auth import Grant
from gateway.contract.errors import KINDS, Problem
from gateway.contract.exact import dumps
from gateway.contract.secret import Secret
from gateway.contract.upstream import Reply

KEY = "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
QUOTA = "Out of call volume quota. Quota will be replenished in {}."
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
GRANT = Grant({"connection_key": Secret(" a/b+c= \n")}, {}, None, NOW)


def reply(status: int, body: object = None, **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else b"" if body is None else dumps(body)
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def rule(code: str, message: str = "Nee") -> list[dict[str, object]]:
    return [{"errorCode": code, "message": message, "details": None}]


@pytest.mark.parametrize(
    ("given", "code", "fix"),
    [
        (reply(401, {"statusCode": 401, "message": KEY}), "provider_misconfigured", "operator"),
        (
            reply(401, {"statusCode": 401, "message": "Access denied due to missing subscription key."}),
            "provider_misconfigured",
            "operator",
        ),
        (reply(401, {"message": "Authorization has been denied."}), "connection_needs_reauth", "owner"),
        (reply(401), "connection_needs_reauth", "owner"),
        (reply(403), "upstream_forbidden", "owner"),
        (reply(403, {"statusCode": 403, "message": "Out of call volume quota."}), "upstream_rate_limited", "wait"),
        (reply(404), "not_found", "caller"),
        (reply(404, {"statusCode": 404, "message": "Resource not found"}), "not_found", "caller"),
        (reply(404, rule("REL-0005")), "not_found", "caller"),
        (reply(400, rule("REL-0005")), "not_found", "caller"),
        (reply(400, rule("ALG-0103")), "not_found", "caller"),
        (reply(404, b"<html>"), "not_found", "caller"),
        (reply(400, rule("BOE-0021")), "conflict", "caller"),
        (reply(400, rule("BOE-0083")), "conflict", "caller"),
        (reply(400, rule("BOE-0082")), "upstream_rejected", "caller"),
        (reply(400, rule("XYZ-9999")), "upstream_rejected", "caller"),
        (reply(400), "upstream_rejected", "caller"),
        (reply(400, {"Message": "Could not find a property named 'X'"}), "upstream_rejected", "caller"),
        (reply(429, {"statusCode": 429, "message": "Slow"}), "upstream_rate_limited", "wait"),
        (reply(500, {"message": "incident"}), "upstream_unavailable", "wait"),
        (reply(500, rule("ALG-0106")), "upstream_unavailable", "wait"),
        (reply(302, b"<html>"), "upstream_malformed", "operator"),
    ],
)
def test_every_refusal_is_somebodys_turn(given: Reply, code: str, fix: str) -> None:
    problem = wire.read_error(given)
    assert problem is not None
    assert (problem.code, problem.kind.fix) == (code, fix)
    assert problem.upstream is not None
    assert (problem.upstream.provider, problem.upstream.status) == ("snelstart", given.status)


def test_a_success_is_no_error() -> None:
    assert wire.read_error(reply(200)) is None
    assert wire.read_error(reply(201, {"id": 1})) is None


def test_a_broken_rule_is_told_in_both_languages_with_its_field() -> None:
    problem = wire.read_error(reply(400, rule("BOE-0021", "Het factuurnummer bestaat al")))
    assert problem is not None
    assert [(error.pointer, error.code) for error in problem.errors] == [("/number", "BOE-0021")]
    fault = problem.upstream
    assert fault is not None
    assert (fault.code, fault.message) == ("BOE-0021", "Het factuurnummer bestaat al")
    assert fault.message_en == "The invoice number is in use."


def test_all_broken_rules_are_told() -> None:
    problem = wire.read_error(reply(400, rule("REL-0011") + rule("REL-0088")))
    assert problem is not None
    assert [error.pointer for error in problem.errors] == ["/iban", "/vat_number"]


def test_model_state_names_their_fields() -> None:
    state = {"message": "The request is invalid.", "modelState": {"relatie.Naam": ["too long"]}}
    problem = wire.read_error(reply(400, state))
    assert problem is not None
    assert [(error.provider_field, error.message) for error in problem.errors] == [("relatie.Naam", "too long")]


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (reply(429, retry_after="7"), 7),
        (reply(429, {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 12 seconds."}), 12),
        (reply(403, {"statusCode": 403, "message": QUOTA.format("00:05:12")}), 312),
        (reply(403, {"statusCode": 403, "message": QUOTA.format("167:30:00")}), 603_000),
        (reply(403, {"statusCode": 403, "message": QUOTA.format("6.23:30:00")}), 603_000),
        (reply(403, {"statusCode": 403, "message": QUOTA.format("9999.00:00:00")}), 604_800),
        (reply(403, {"statusCode": 403, "message": QUOTA.format("soon")}), 60),
        (reply(429), wire.ASSUMED_WAIT),
    ],
)
def test_how_long_to_wait_is_told(given: Reply, seconds: int) -> None:
    problem = wire.read_error(given)
    assert problem is not None
    assert problem.retry_after == seconds


def test_every_code_has_a_meaning_and_a_kind() -> None:
    for code, meant in ERROR_CODES.items():
        assert meant.kind in KINDS, code
        assert meant.meaning.endswith("."), code
        assert not meant.pointer or meant.pointer.startswith("/"), code


@pytest.mark.parametrize("body", [b"7", b'"x"', b"null", b"true", b"<html>", b""])
def test_what_is_neither_record_nor_list_is_malformed(body: bytes) -> None:
    with pytest.raises(Problem, match="upstream_malformed"):
        wire.read_envelope(reply(200, body))


# --- tokens


def jwt(claims: object) -> str:
    return f"e30.{base64.urlsafe_b64encode(dumps(claims)).decode().rstrip('=')}.c2ln"


def test_the_key_goes_out_whole_and_without_white_space() -> None:
    request = wire.token_request(GRANT)
    assert (request.method, request.path, request.origin) == ("POST", "/b2b/token", "auth")
    assert request.form == {"grant_type": "clientkey", "clientkey": "a/b+c="}


def test_a_token_carries_its_end_and_its_scopes() -> None:
    token = jwt({"scopes": "relaties:read orders:write"})
    made = wire.read_token(reply(200, {"access_token": token, "token_type": "bearer", "expires_in": 3599}), GRANT)
    assert made.expires_at == NOW + timedelta(seconds=3599)
    assert made.scopes == {"relaties:read", "orders:write"}


@pytest.mark.parametrize("token", ["opaque", "a.b.c", jwt([]), jwt({"scopes": 7}), jwt({})])
def test_a_token_without_readable_scopes_is_still_one(token: str) -> None:
    made = wire.read_token(reply(200, {"access_token": token}), GRANT)
    assert (made.scopes, made.expires_at) == (frozenset(), NOW + wire.ASSUMED_LIFETIME)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (reply(400, {"error": "Parameter clientkey does not contain a valid value"}), "credentials_rejected"),
        (reply(401), "credentials_rejected"),
        (reply(429), "upstream_rate_limited"),
        (reply(503), "upstream_unavailable"),
        (reply(200, {}), "upstream_malformed"),
        (reply(200, b"<html>"), "upstream_malformed"),
    ],
)
def test_no_token_has_its_reason(given: Reply, code: str) -> None:
    with pytest.raises(Problem) as caught:
        wire.read_token(given, GRANT)
    assert caught.value.code == code
