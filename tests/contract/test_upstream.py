"""Paths that an id cannot leave, requests as they go on the wire, and what a reply says."""

from decimal import Decimal
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.errors import Problem
from gateway.contract.models import ContactDraft, InvoiceDraft, PaymentDraft
from gateway.contract.upstream import Reply, Request, is_id, is_number, number_in_path, path_of

QUICK = settings(max_examples=100)

NO_IDS = [
    *("", " ", ".", "..", "...", ".hidden", "a..b", "1,2,3", "1;2", "1/2", "/", "\\", "a\\b", "%2e%2e", "%2F", "%00"),
    *(
        "search?limit=100",
        "a#b",
        "a b",
        "a\n",
        "\na",
        "a\x00",
        "a\r\nX: y",
        "é",
        "\uff11",
        "a'b",
        "a''b",
        'a"b',
        "a(b)",
    ),
    *("a&b", "a=b", "a+b", "a:b", "a@b", "a*b", "$filter", "~", "a" * 101, "http://evil.test/", "//evil.test"),
]
IDS = ["1", "42", "a", "A-b_c.d", "7e3f2c1a-0b9d-4c8e-9f10-1234567890ab", "-1", "_", "a.b.c", "a" * 100]


@pytest.mark.parametrize("text", NO_IDS)
def test_what_no_record_is_called_is_no_id(text: str) -> None:
    assert not is_id(text)
    with pytest.raises(Problem) as raised:
        path_of("contacts", text)
    assert raised.value.code == "not_found"


@pytest.mark.parametrize("text", IDS)
def test_an_id_stands_in_a_path_as_it_is(text: str) -> None:
    assert is_id(text)
    assert path_of("contacts", text, "pdf") == f"/contacts/{text}/pdf"


@given(st.text(max_size=120))
@QUICK
def test_a_path_has_as_many_segments_as_were_given_or_is_refused(text: str) -> None:
    try:
        path = path_of("contacts", text)
    except Problem:
        assert not is_id(text)
    else:
        assert path.split("/") == ["", "contacts", text]
        assert unquote(path) == path
        assert text not in (".", "..")


@pytest.mark.parametrize("text", ["..", ".", ".hidden", "a..b"])
def test_a_body_names_only_what_could_stand_in_a_path(text: str) -> None:
    with pytest.raises(ValueError, match="contact_id"):
        InvoiceDraft.model_validate({"contact_id": text, "lines": [{"description": "x", "unit_price": "1"}]})


@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=12)), min_size=1, max_size=5))
@QUICK
def test_a_query_arrives_as_it_was_meant(query: list[tuple[str, str]]) -> None:
    target = Request("GET", "/v2/relaties", query).target
    path, _, rest = target.partition("?")
    assert path == "/v2/relaties"
    assert target.isascii()
    assert not set(" #\r\n\t") & set(target)
    assert parse_qsl(rest, keep_blank_values=True, strict_parsing=True) == query


def test_a_request_without_a_query_is_its_path() -> None:
    assert Request("GET", "/a/b").target == "/a/b"


@pytest.mark.parametrize(
    ("method", "writes"),
    [("GET", False), ("HEAD", False), ("POST", True), ("PUT", True), ("PATCH", True), ("DELETE", True)],
)
def test_only_get_and_head_can_be_repeated_freely(method: str, writes: bool) -> None:
    assert Request(method, "/").is_write is writes


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("0", 0),
        ("1", 1),
        (" 30 ", 30),
        ("3600", 3600),
        ("86400", 3600),
        ("999999999", 3600),
        ("9" * 5_000, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("0.493", 1),
        ("59.00000000000001", 60),
        ("1.5", 2),
        ("2.0", 2),
        ("1.", None),
        ("1." + "5" * 5_000, None),
        ("1e3", None),
        ("inf", None),
        ("1772442120", None),
        ("12345678901", None),
        ("٣", None),
        ("²", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_seconds_and_never_more_than_an_hour(said: str, seconds: int | None) -> None:
    assert Reply(429, {"retry-after": said}, b"").retry_after == seconds


@pytest.mark.parametrize(
    ("then", "now", "seconds"),
    [
        ("Mon, 02 Mar 2026 09:02:00 GMT", "Mon, 02 Mar 2026 09:00:00 GMT", 120),
        ("Mon, 02 Mar 2026 09:02:00 GMT", "Mon, 02 Mar 2026 09:02:30 GMT", 0),
        ("Tue, 03 Mar 2026 09:02:00 GMT", "Mon, 02 Mar 2026 09:00:00 GMT", 3600),
        ("Mon, 02 Mar 2026 09:02:00 GMT", "Mon, 02 Mar 2026 10:00:00 +0100", 120),
        ("Monday, 02-Mar-26 09:02:00 GMT", "Mon Mar  2 09:00:00 2026", 120),
        ("1772442120", "Mon, 02 Mar 2026 09:00:00 GMT", 120),
        ("1772442120250", "Mon, 02 Mar 2026 09:00:00 GMT", 120),
        ("1772442120", "Mon, 02 Mar 2026 09:02:30 GMT", 0),
        ("1000000000", "Mon, 02 Mar 2026 09:02:30 GMT", 0),
        ("9999999999", "Mon, 02 Mar 2026 09:02:30 GMT", 3600),
        ("9999999999999", "Mon, 02 Mar 2026 09:02:30 GMT", 3600),
        ("1772442120", "now", None),
        ("Mon, 02 Mar 2026 09:02:00 GMT", "now", None),
        ("Mon, 32 Mar 2026 09:02:00 GMT", "Mon, 02 Mar 2026 09:00:00 GMT", None),
        ("Mon, 02 Mar 99999 09:02:00 GMT", "Mon, 02 Mar 2026 09:00:00 GMT", None),
    ],
)
def test_retry_after_may_be_a_moment_by_the_clock_of_who_sends_it(then: str, now: str, seconds: int | None) -> None:
    assert Reply(429, {"retry-after": then, "date": now}, b"").retry_after == seconds


@given(st.text(max_size=40))
def test_no_retry_after_is_too_odd_to_be_read(said: str) -> None:
    Reply(429, {"retry-after": said, "date": "Mon, 02 Mar 2026 09:00:00 GMT"}, b"").retry_after  # noqa: B018


def test_a_reply_without_retry_after_has_none() -> None:
    assert Reply(429, {}, b"").retry_after is None


@pytest.mark.parametrize(
    ("said", "media_type"),
    [("application/json; charset=utf-8", "application/json"), ("TEXT/HTML", "text/html"), (None, ""), (" ;x", "")],
)
def test_a_media_type_is_read_without_its_parameters(said: str | None, media_type: str) -> None:
    headers = {} if said is None else {"content-type": said}
    assert Reply(200, headers, b"").media_type == media_type


def test_a_reply_is_read_exactly() -> None:
    assert Reply(200, {}, b'{"total": 0.10}').json() == {"total": Decimal("0.10")}


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":', b"\xff", b"NaN"])
def test_a_reply_that_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Problem) as raised:
        Reply(200, {}, body).json()
    assert raised.value.code == "upstream_malformed"


def test_drafts_take_every_id_that_a_path_takes() -> None:
    for text in IDS:
        PaymentDraft.model_validate({"amount": "1", "payment_method_id": text})
    assert ContactDraft.model_validate({"company_name": "x", "external_ref": "1,2/3 ..é"}).external_ref == "1,2/3 ..é"


@pytest.mark.parametrize(
    "id", ["", "0", "01", "-1", "1,2,3", "search", "default", "merge", "1 ", "٣", "1/2", "..", "9" * 19, "1\n"]
)
def test_what_is_no_number_is_no_id(id: str) -> None:
    with pytest.raises(Problem) as caught:
        number_in_path(id)
    assert caught.value.code == "not_found"
    assert not is_number(id)
