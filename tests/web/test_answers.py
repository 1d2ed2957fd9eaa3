"""What goes back: the engine's bytes, headers, links, and problems of every kind."""

from typing import Any

import pytest

from gateway.contract.errors import KINDS, FieldError, Outcome, Problem, UpstreamFault
from gateway.engine.call import Answer
from gateway.web.problems import ALL_KINDS
from gateway.web.remedies import REMEDIES
from tests.web.edge import PUBLIC_URL, Edge, send_raw

pytestmark = pytest.mark.anyio

CONTACTS = "/v1/connections/con_1/contacts"


# Answers


async def test_the_engines_bytes_and_headers_go_out_as_they_are(edge: Edge) -> None:
    body = b'{"a": 12.40,"b":"\xc3\xa9"}'
    edge.engine.answers(Answer(201, body, headers={"ETag": '"x"', "Age": "3", "Cache-Control": "max-age=9"}))
    answer = await edge.client.post(CONTACTS, json={})
    assert (answer.status_code, answer.content) == (201, body)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(body))
    assert (answer.headers["etag"], answer.headers["age"]) == ('"x"', "3")
    assert answer.headers.get_list("cache-control") == ["max-age=9"]


@pytest.mark.parametrize(("method", "kept"), [("GET", "private, no-cache"), ("POST", "no-store")])
async def test_no_shared_cache_may_keep_an_answer(edge: Edge, method: str, kept: str) -> None:
    answer = await edge.client.request(method, CONTACTS)
    assert answer.headers["cache-control"] == kept
    assert answer.headers["vary"] == "authorization"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_304_has_neither_body_nor_type(edge: Edge) -> None:
    edge.engine.answers(Answer(304, b"", None, {"ETag": '"x"'}))
    answer = await edge.client.get(CONTACTS)
    assert (answer.status_code, answer.content) == (304, b"")
    assert "content-type" not in answer.headers
    assert "content-length" not in answer.headers


async def test_a_204_has_neither_body_nor_type(edge: Edge) -> None:
    edge.engine.answers(Answer(204, b"", None))
    answer = await edge.client.delete(f"{CONTACTS}/1")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "cursor=next%2B%3D"),
        ("?limit=2&q=a+b", "limit=2&q=a+b&cursor=next%2B%3D"),
        ("?cursor=old&email=x%40y.nl", "email=x%40y.nl&cursor=next%2B%3D"),
        ('?q=%3E%3B+rel%3D%22prev%22%0d%0a"', "q=%3E%3B+rel%3D%22prev%22%0D%0A%22&cursor=next%2B%3D"),
    ],
)
async def test_a_list_links_to_its_next_page_with_the_same_filters(edge: Edge, query: str, expected: str) -> None:
    edge.engine.answers(Answer(200, b"{}", next_cursor="next+="))
    answer = await edge.client.get(CONTACTS + query)
    assert answer.headers["link"] == f'<{PUBLIC_URL}{CONTACTS}?{expected}>; rel="next"'
    followed = await edge.client.get(answer.links["next"]["url"])
    assert followed.status_code == 200
    assert edge.engine.calls[1].query[-1] == ("cursor", "next+=")


async def test_the_last_page_links_nowhere(edge: Edge) -> None:
    edge.engine.answers(Answer(200, b"{}"))
    assert "link" not in (await edge.client.get(CONTACTS)).headers


@pytest.mark.parametrize("value", ["x\r\nset-cookie: a=b", "x\x00", "naïef.pdf", "x\n"])
async def test_a_header_that_could_break_out_is_502(edge: Edge, value: str) -> None:
    edge.engine.answers(Answer(200, b"", "application/pdf", {"Content-Disposition": value}))
    answer = await edge.client.get("/v1/connections/con_1/invoices/1/pdf")
    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_malformed")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(201, b"", 'text/html; title="Zoë"', {"Idempotency-Key": "k-1"}), "applied"),
        (Answer(422, b"", "text/html", {"Idempotency-Key": "k-1", "Content-Disposition": "naïef.pdf"}), "rejected"),
        (Answer(200, b"", "text/html\r\nx: y", {"Idempotency-Key": "k-1"}), "applied"),
        (Answer(502, b"", "text/html\r\nx: y", {"Idempotency-Key": "k-1"}), "unknown"),
    ],
)
async def test_an_answer_that_cannot_be_passed_on_tells_what_became_of_the_write(
    edge: Edge, answer: Answer, outcome: str
) -> None:
    edge.engine.answers(answer)
    told = await edge.client.post("/v1/connections/con_1/raw/contacts", json={})
    assert (told.status_code, told.json()["outcome"]) in [(500, outcome), (502, outcome)]
    assert told.headers["idempotency-key"] == "k-1"
    assert "exception" in edge.lines()[-1]


# Problems


@pytest.mark.parametrize("code", KINDS)
async def test_every_kind_is_told(edge: Edge, code: str) -> None:
    edge.engine.raises(Problem(code, "What happened."))
    answer = await edge.client.get(f"{CONTACTS}?email=secret@example.nl", headers={"x-request-id": "abc"})
    kind = KINDS[code]
    assert answer.status_code == kind.status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    wait = told.pop("retry_after", None)
    assert told == {
        "type": f"{PUBLIC_URL}/docs/problems/{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": "What happened.",
        "instance": CONTACTS,
        "code": code,
        "request_id": "abc",
        "fix": kind.fix,
        "retryable": kind.retryable,
        "owner_message": {"nl": REMEDIES[code].nl, "en": REMEDIES[code].en},
    }
    assert (wait is not None) == (kind.status in (429, 503))
    assert answer.headers.get("retry-after") == (None if wait is None else str(wait))
    assert ("www-authenticate" in answer.headers) == (kind.status == 401)
    assert (await edge.anonymous.get(told["type"])).status_code == 200


async def test_a_problem_with_everything(edge: Edge) -> None:
    edge.engine.raises(
        Problem(
            "upstream_rejected",
            "No.",
            errors=[FieldError("/number", "taken", "is taken", "factuurnummer"), FieldError("/a~1b", "x", "y")],
            upstream=UpstreamFault("memory", 422, message="Bestaat al", message_en="Exists"),
            outcome="rejected",
            retry_after=7,
            extra={"allowed_scopes": ["a"], "status": 200, "code": "planted"},
            headers={"X-Upstream-RateLimit-Remaining": "3"},
        )
    )
    answer = await edge.client.post(CONTACTS, json={})
    told = answer.json()
    assert told["errors"] == [
        {"pointer": "/number", "code": "taken", "message": "is taken", "provider_field": "factuurnummer"},
        {"pointer": "/a~1b", "code": "x", "message": "y"},
    ]
    assert told["upstream"] == {
        "provider": "memory",
        "status": 422,
        "message": "Bestaat al",
        "message_en": "Exists",
    }
    assert (told["outcome"], told["retry_after"], told["allowed_scopes"]) == ("rejected", 7, ["a"])
    assert (told["status"], told["code"]) == (422, "upstream_rejected")
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["x-upstream-ratelimit-remaining"] == "3"


@pytest.mark.parametrize(
    ("outcome", "retryable"), [("not_sent", True), ("rejected", True), ("unknown", True), ("applied", False)]
)
async def test_what_was_done_is_not_to_be_asked_for_again(edge: Edge, outcome: Outcome, retryable: bool) -> None:
    edge.engine.raises(Problem("upstream_timeout", "It was done; what it came to could not be read.", outcome=outcome))
    told = (await edge.client.post(CONTACTS, json={})).json()
    assert (told["outcome"], told["retryable"]) == (outcome, retryable)


@pytest.mark.parametrize(("state", "repeats", "fix"), [("unknown", True, "wait"), ("manual", False, "caller")])
async def test_what_only_a_person_can_tell_is_not_to_be_asked_for_again(
    edge: Edge, state: str, repeats: bool, fix: str
) -> None:
    """A repeat of the key is answered from what is kept, for days: who goes by `retryable` asked all the while."""
    edge.engine.raises(Problem("upstream_timeout", "Look first.", outcome="unknown", extra={"state": state}))
    told = (await edge.client.post(CONTACTS, json={})).json()
    assert (told["state"], told["retryable"], told["fix"]) == (state, repeats, fix)


REFUSED = {
    "no key": (401, b"/contacts", []),
    "no id": (404, b"/contacts/1,2", [b"{}"]),
    "too much": (413, b"/contacts", [b"x" * 600_000] * 2),
    "no JSON": (415, b"/contacts", [b"{}"]),
    "no query": (422, b"/contacts?q=%FF", []),
}


@pytest.mark.parametrize(("status", "target", "chunks"), REFUSED.values(), ids=REFUSED)
async def test_of_a_write_that_came_no_further_than_here_it_is_told_that_nothing_was_sent(
    edge: Edge, status: int, target: bytes, chunks: list[bytes]
) -> None:
    path, _, query = (b"/v1/connections/con_1" + target).partition(b"?")
    method = "POST" if path.endswith(b"s") else "PATCH"
    sent = await send_raw(edge, method, path, query=query, chunks=chunks or [b""], authorized=status != 401)
    assert (sent.status, sent.problem()["outcome"]) == (status, "not_sent")
    assert edge.engine.calls == []
    read = await send_raw(edge, "GET", b"/v1/connections/con_1/contacts/1,2")
    assert "outcome" not in read.problem()


async def test_allow_of_an_unsupported_operation_is_the_engines(edge: Edge) -> None:
    edge.engine.raises(Problem("operation_unsupported", "No.", headers={"Allow": "GET"}))
    answer = await edge.client.delete(f"{CONTACTS}/1")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


async def test_the_instance_is_a_safe_bounded_path(edge: Edge) -> None:
    sent = await send_raw(edge, "GET", b'/caf\xc3\xa9"<b>' + b"x" * 5000)
    instance = sent.problem()["instance"]
    assert instance.startswith("/caf%C3%A9%22%3Cb%3E")
    assert len(instance) < 600


async def test_an_unexpected_error_tells_its_request_id_and_nothing_else(edge: Edge) -> None:
    edge.engine.raises(RuntimeError("token canary-3f9a of jan@example.nl"))
    answer = await edge.client.get(CONTACTS)
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["code"]) == (500, "internal_error")
    assert told["request_id"] == answer.headers["x-request-id"]
    assert "canary" not in answer.text
    assert "Traceback" not in answer.text
    line = edge.lines()[-1]
    assert (line["level"], line["request_id"]) == ("error", told["request_id"])
    assert line["exception"] == ["builtins.RuntimeError"]
    assert any("edge.py" in place for place in line["traceback"])
    assert b"canary" not in edge.told()


@pytest.mark.parametrize(("method", "outcome"), [("POST", "unknown"), ("GET", None)])
async def test_nobody_knows_what_became_of_a_write_that_ended_in_an_unexpected_error(
    edge: Edge, method: str, outcome: str | None
) -> None:
    edge.engine.raises(RuntimeError())
    assert (await edge.client.request(method, CONTACTS)).json().get("outcome") == outcome


async def test_an_edge_goes_on_after_an_error(edge: Edge) -> None:
    edge.engine.raises(RuntimeError())
    await edge.client.get(CONTACTS)
    edge.engine.answers(Answer(200, b"{}"))
    assert (await edge.client.get(CONTACTS)).status_code == 200


def test_every_kind_of_the_edge_is_its_own() -> None:
    assert len({kind.title for kind in ALL_KINDS.values()}) == len(ALL_KINDS)
    assert KINDS.keys() < ALL_KINDS.keys()
