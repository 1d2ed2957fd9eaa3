"""What a reply of Memory Books is: data, or why not."""

import pytest

from adapters.memory.mapping.replies import read_envelope, read_error
from gateway.contract.errors import Problem
from gateway.contract.exact import dumps
from gateway.contract.upstream import Reply


def reply(status: int, body: bytes, **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def refusal(code: str) -> bytes:
    return dumps({"ok": False, "error": {"code": code, "message": "Nee.", "messageEn": "No.", "field": "email"}})


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (200, "invalid", "upstream_rejected"),
        (200, "unknown_field", "upstream_rejected"),
        (422, "duplicate", "conflict"),
        (200, "booked", "conflict"),
        (200, "a code of tomorrow", "upstream_rejected"),
        (401, "unauthorized", "connection_needs_reauth"),
        (403, "scope", "upstream_forbidden"),
        (403, "company_closed", "company_not_accessible"),
        (404, "not_found", "not_found"),
        (429, "slow_down", "upstream_rate_limited"),
    ],
)
def test_a_refusal_says_its_kind_and_its_own_words(status: int, code: str, kind: str) -> None:
    problem = read_error(reply(status, refusal(code), retry_after="30"))
    assert problem is not None
    assert (problem.code, problem.retry_after) == (kind, 30)
    assert problem.upstream is not None
    assert (problem.upstream.message, problem.upstream.message_en, problem.upstream.code) == ("Nee.", "No.", code)
    assert [error.provider_field for error in problem.errors] == ["email"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"42", b'{"ok":fal', b"[]", b"null", b'{"ok":false}', b"\xff", b"["])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "upstream_rejected"),
        (401, "connection_needs_reauth"),
        (404, "not_found"),
        (429, "upstream_rate_limited"),
        (500, "upstream_unavailable"),
        (503, "upstream_unavailable"),
        (599, "upstream_unavailable"),
    ],
)
def test_a_status_speaks_where_the_body_does_not(status: int, kind: str, body: bytes) -> None:
    problem = read_error(reply(status, body, retry_after="soon"))
    assert problem is not None
    assert (problem.code, problem.retry_after) == (kind, None)


def test_a_success_holds_its_result() -> None:
    answer = reply(200, b'{"ok":true,"result":{"price":1.10}}')
    assert read_error(answer) is None
    assert str(read_envelope(answer)["price"]) == "1.10"


@pytest.mark.parametrize(
    "body", [b"", b"42", b"{}", b'{"ok":true}', b'{"ok":1,"result":{}}', b'{"result":{}}', b"<html>"]
)
def test_a_success_without_its_envelope_is_malformed(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        read_envelope(reply(200, body))
    assert caught.value.code == "upstream_malformed"
