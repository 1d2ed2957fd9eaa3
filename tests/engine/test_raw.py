"""Raw paths: what a caller writes stays below what the connection owns, or nothing is sent (reliability.md §4.6)."""

from urllib.parse import unquote

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.errors import Problem
from gateway.contract.upstream import Facts, Reply, Request
from gateway.engine.call import Answer
from gateway.engine.raw import handed_back, raw_request
from tests.engine.staging import adapter

ADAPTER = adapter()
FACTS = Facts("con_1", "c1", "token", {})
PREFIX = "/api/c1/"


def raw(path: str, *query: tuple[str, str], headers: dict[str, str] | None = None, body: bytes = b"") -> Request:
    return raw_request(ADAPTER, FACTS, "GET", path, query, headers or {}, body)


def refusal_of(path: str) -> str:
    with pytest.raises(Problem) as raised:
        raw(path)
    return raised.value.code


ESCAPES = [
    *("..", "../other", "a/..", "a/../../x", "a/../b", "./a", "a/.", ".", "a/./b"),
    *("%2e%2e/x", "a/%2e%2e", "..%2fx", "%2e", "%zz", "a%", "%00", "a%0d%0aHost: x", "%25", "%252e"),
    *("a%2f%2e%2e", "a%2F..%2Fb", "a%252fb", "a%2f", "%2fa", "a%2f%2fb", "a%3fb", "a%23b", "caf%c3%a9", "a%5cb"),
    *("\\\\evil", "a\\b", "..\\x", "http://evil.test/", "//evil.test", "/", "/x", "", "a//b", "a/", "a///b"),
    *(
        "a?b",
        "a#b",
        "a b",
        "a\tb",
        "a\r\nX: y",
        "a\x00b",
        "é",
        "a/\uff11",
        "\u202e",
        "a;b|c",
        "a<b>",
        'a"b',
        "a{b}",
        "a^b",
        "a`b",
    ),
    *("x" * 201, "[::1]"),
]


@pytest.mark.parametrize("path", ESCAPES)
def test_a_path_that_could_mean_something_else_is_not_found(path: str) -> None:
    assert refusal_of(path) == "not_found"


@pytest.mark.parametrize(
    "path",
    [
        "settings",
        "settings/keyswords",
        "a/settings/keys",
        "contacts",
        "contacts/1",
        "invoices/1/pdf",
        "relaties(1)",
        "a,b",
        "a=b&c",
        "search:x",
        "v1.0/a-b_c~d",
        "a...b",
    ],
)
def test_a_plain_path_stands_below_the_prefix(path: str) -> None:
    assert raw(path).path == PREFIX + path


@pytest.mark.parametrize(
    ("path", "meant"),
    [("contacts%2F1%2fnotes", "contacts/1/notes"), ("relaties%281%29", "relaties(1)"), ("a%2Cb%3D%40c", "a,b=@c")],
)
def test_a_path_may_be_encoded_as_clients_made_from_the_document_do(path: str, meant: str) -> None:
    assert raw(path).path == PREFIX + meant


@pytest.mark.parametrize(
    "path",
    [
        *("oauth", "oauth/token", "OAuth/Token", "oauth.json", "OAUTH.v2/x"),
        *("settings/keys", "Settings/KEYS.json", "settings.v2/keys/1", "settings/keys/1/secret"),
        *("settings%2Fkeys", "%6Fauth", "oauth%2Etxt"),
    ],
)
def test_a_place_that_hands_out_credentials_is_forbidden(path: str) -> None:
    assert refusal_of(path) == "forbidden"


@given(st.text(st.sampled_from(list("ab./%2eF\\?#;@: \r\n\x00é~!$'()*+,=-_")), max_size=24))
@settings(max_examples=150)
def test_whatever_is_sent_stays_in_its_place(path: str) -> None:
    try:
        request = raw(path, ("q", path))
    except Problem:
        return
    url = httpx2.URL(scheme="http", host="books.test", raw_path=request.target.encode("ascii"))
    assert (url.scheme, url.host, url.port, url.fragment) == ("http", "books.test", None, "")
    assert url.path == PREFIX + unquote(path)
    assert "%" not in request.path
    assert dict(url.params) == {"q": path}


def test_a_query_is_handed_on_encoded() -> None:
    assert raw("x", ("$filter", "a eq 'b'"), ("a", "1&b=2")).target == f"{PREFIX}x?%24filter=a+eq+%27b%27&a=1%26b%3D2"


def test_no_header_goes_in_but_the_media_types() -> None:
    given = {
        *(("accept", "text/csv"), ("content-type", "text/xml"), ("authorization", "Bearer ours"), ("cookie", "a=b")),
        *(("host", "evil.test"), ("x-forwarded-for", "1.2.3.4"), ("content-length", "7"), ("idempotency-key", "k")),
    }
    request = raw("x", headers=dict(given), body=b"<a/>")
    assert request.headers == {"accept": "text/csv", "content-type": "text/xml"}
    assert request.body == b"<a/>"


def test_no_header_comes_out_that_is_about_the_connection() -> None:
    theirs = {
        *(("etag", '"e"'), ("x-total", "3"), ("set-cookie", "a=b"), ("server", "x"), ("connection", "close")),
        *(
            ("transfer-encoding", "chunked"),
            ("content-encoding", "gzip"),
            ("www-authenticate", "Bearer"),
            ("location", "/"),
        ),
    }
    assert handed_back(Request("GET", "/x"), Reply(200, dict(theirs), b"")).headers == {"etag": '"e"', "x-total": "3"}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('attachment; filename="a.pdf"; size=3', 'attachment; filename="a.pdf"; size=3'),
        (
            'attachment; filename="Factuur Zoë.pdf"',
            "attachment; filename=\"Factuur Zo_.pdf\"; filename*=UTF-8''Factuur%20Zo%C3%AB.pdf",
        ),
        (
            "Inline;size=3; filename=Zoë.pdf ; filename*=UTF-8''Zo%C3%AB.pdf",
            "Inline; filename=\"Zo_.pdf\"; filename*=UTF-8''Zo%C3%AB.pdf",
        ),
        (
            'attachment; filename="a\\"ë\\\\.pdf"',
            "attachment; filename=\"a___.pdf\"; filename*=UTF-8''a%22%C3%AB%5C.pdf",
        ),
        ('attachment;\tfilename="a.pdf"', 'attachment; filename="a.pdf"'),
        ('attachment; name="Zoë"', None),
        ("Zoë", None),
    ],
)
def test_a_file_keeps_its_name_whatever_is_in_it(said: str, told: str | None) -> None:
    given = handed_back(Request("GET", "/x"), Reply(200, {"content-disposition": said}, b""))
    assert given.headers.get("content-disposition") == told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('application/json; title="Zoe"', 'application/json; title="Zoe"'),
        ('application/json; title="Zoë"', "application/json"),
        ("zoë", None),
        ("", None),
    ],
)
def test_a_media_type_is_told_as_far_as_it_can_be_written(said: str, told: str | None) -> None:
    assert handed_back(Request("GET", "/x"), Reply(200, {"content-type": said, "etag": '"ë"'}, b"")) == Answer(
        200, b"", told, {}
    )


@pytest.mark.parametrize("status", [0, 199, 600, 700, 999])
@pytest.mark.parametrize(("method", "outcome"), [("GET", None), ("POST", "unknown")])
def test_a_status_that_does_not_exist_is_no_answer(status: int, method: str, outcome: str | None) -> None:
    with pytest.raises(Problem) as raised:
        handed_back(Request(method, "/x"), Reply(status, {}, b""))
    assert (raised.value.code, raised.value.outcome) == ("upstream_malformed", outcome)
