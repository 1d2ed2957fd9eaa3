"""Queries and bodies at the door: understood, or refused with a word on what is wrong and nothing of what was sent."""

import time
from datetime import date

import pytest

from gateway.contract.errors import Problem
from gateway.contract.models import ContactDraft, CreditDraft
from gateway.contract.operations import BY_NAME, OPERATIONS, Operation
from gateway.engine.inputs import parameters, read_body, read_query
from gateway.engine.validation import LONGEST_POINTER, MOST

CONTACTS = BY_NAME["contacts.list"]
INVOICES = BY_NAME["invoices.list"]
CREATE = BY_NAME["contacts.create"]
CREDIT = BY_NAME["invoices.credit"]
FINALIZE = BY_NAME["invoices.finalize"]


def refused_query(operation: Operation, *query: tuple[str, str]) -> Problem:
    with pytest.raises(Problem) as raised:
        read_query(operation, query)
    return raised.value


def refused_body(operation: Operation, body: bytes) -> Problem:
    with pytest.raises(Problem) as raised:
        read_body(operation, body)
    return raised.value


# Queries


def test_nothing_asked_is_the_first_fifty() -> None:
    asked = read_query(CONTACTS, [])
    assert (asked.filters, asked.include, asked.limit, asked.cursor, asked.drop_unsupported) == (
        *({}, frozenset(), 50, None, False),
    )


def test_a_query_is_understood() -> None:
    query = [("limit", "200"), ("cursor", "abc"), ("include", "raw,lines"), ("issued_from", "2026-03-02"), ("q", "a b")]
    asked = read_query(INVOICES, query)
    assert (asked.limit, asked.cursor, asked.include) == (200, "abc", frozenset({"raw", "lines"}))
    assert asked.filters == {"issued_from": date(2026, 3, 2), "q": "a b"}


def test_filters_keep_the_order_of_the_table_so_that_a_cursor_does_not_mind() -> None:
    one = read_query(CONTACTS, [("q", "a"), ("email", "b")])
    two = read_query(CONTACTS, [("email", "b"), ("q", "a")])
    assert one.context() == two.context()
    assert one.context() != read_query(CONTACTS, [("email", "b")]).context()
    archived = read_query(CONTACTS, [("q", "a"), ("email", "b"), ("include", "archived")])
    assert archived.context() != one.context()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_an_unknown_parameter_is_refused_everywhere(operation: Operation) -> None:
    problem = refused_query(operation, ("colour", "blue"))
    assert (problem.code, problem.errors[0].pointer) == ("unknown_field", "colour")
    assert all(name in problem.detail for name in parameters(operation))


def test_a_parameters_name_is_not_repeated_where_it_is_odd() -> None:
    for name in ("\x1b[31m", "é", "x" * 51, "<script>" * 9):
        problem = refused_query(CONTACTS, (name, "1"))
        assert name not in problem.detail
        assert problem.errors[0].pointer == "a parameter"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("limit", text) for text in ("", "0", "201", "-1", "1.0", "1e1", " 5", "5 ", "\u0665", "99999999999", "0x1")),
        *(("include", text) for text in ("", "lines", "raw,", "RAW", "raw, provider", "everything")),
        *(("email", text) for text in ("", "   ", "a\x00b", "x" * 256, "a\x1bb")),
        *(("role", text) for text in ("", "Customer", "debtor")),
        *(("updated_since", text) for text in ("2026-03-02", "2026-03-02T09:00:00", "2026-03-02T09:00:00+24:00")),
        *(("updated_since", text) for text in ("2026-13-02T09:00:00Z", "2026-03-02T25:00:00Z", "now", "1772442000")),
        *(
            ("updated_since", text)
            for text in ("0001-01-01T00:00:00+01:00", "2026-03-02T09:00:00.Z", "2026-03-02 09:00Z")
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(name: str, value: str) -> None:
    problem = refused_query(CONTACTS, (name, value))
    assert (problem.code, problem.errors[0].pointer) == ("validation_failed", name)


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-02T09:00:00Z",
        "2026-03-02T09:00:00.000Z",  # JavaScript
        "2026-03-02T09:00:00.123456+00:00",  # Python
        "2026-03-02T09:00:00.123456+0000",
        "2026-03-02T10:00:00.1234567+01:00",  # C#
        "2026-03-02T03:30:00-05:30",
    ],
)
def test_a_moment_may_be_written_as_a_client_that_is_made_from_the_document_writes_it(written: str) -> None:
    assert read_query(CONTACTS, [("updated_since", written)]).filters == {"updated_since": "2026-03-02T09:00:00Z"}


@pytest.mark.parametrize(
    "value", ["", "2026-3-2", "2026-02-30", "20260302", "2026-03-02T00:00:00Z", "vandaag", "0000-01-01"]
)
def test_a_day_is_a_day(value: str) -> None:
    assert refused_query(INVOICES, ("issued_to", value)).code == "validation_failed"


@pytest.mark.parametrize("value", ["1,2", "..", "%2e%2e", "a/b", "a'b", "1 "])
def test_an_id_is_an_id(value: str) -> None:
    assert refused_query(INVOICES, ("contact_id", value)).code == "validation_failed"


def test_an_empty_cursor_is_refused_as_a_cursor() -> None:
    assert refused_query(CONTACTS, ("cursor", "")).code == "invalid_cursor"


def test_a_parameter_given_twice_is_refused() -> None:
    for value in ("a", "b"):
        assert refused_query(CONTACTS, ("q", "a"), ("q", value)).errors[0].pointer == "q"


def test_what_to_include_may_be_said_one_by_one() -> None:
    query = [("include", "raw"), ("include", "lines,provider"), ("include", "raw")]
    assert read_query(INVOICES, query).include == {"raw", "lines", "provider"}
    assert refused_query(INVOICES, ("include", "raw"), ("include", "")).errors[0].pointer == "include"


def test_what_is_not_a_list_has_no_limit() -> None:
    for name in ("contacts.get", "contacts.create", "company.get"):
        assert refused_query(BY_NAME[name], ("limit", "5")).code == "unknown_field"


@pytest.mark.parametrize(("value", "drops"), [("drop", True), ("reject", False)])
def test_on_unsupported_is_drop_or_reject(value: str, drops: bool) -> None:
    assert read_query(CREATE, [("on_unsupported", value)]).drop_unsupported is drops
    assert refused_query(CREATE, ("on_unsupported", f"{value}!")).code == "validation_failed"


# Bodies


def test_a_body_is_its_model() -> None:
    draft = read_body(CREATE, b'{"company_name": "Jansen"}')
    assert isinstance(draft, ContactDraft)
    assert draft.company_name == "Jansen"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nul", b'{"a":NaN}', b"\xff", b'"\\ud800"', b"[" * 50_000, b'{"company_name":"\x01"}']
)
def test_a_body_that_is_no_json_is_malformed(body: bytes) -> None:
    assert refused_body(CREATE, body).code == "malformed_json"


def test_a_body_that_says_a_thing_twice_is_malformed() -> None:
    problem = refused_body(CREATE, b'{"company_name":"Bakkerij","address":{"city":"Utrecht","city":"Urk"}}')
    assert (problem.code, "`city` is given twice" in problem.detail) == ("malformed_json", True)


@pytest.mark.parametrize(
    ("body", "code", "pointers"),
    [
        (b"[]", "validation_failed", [""]),
        (b"null", "validation_failed", [""]),
        (b"{}", "validation_failed", [""]),
        (b'{"company_name": 7}', "validation_failed", ["/company_name"]),
        (b'{"company_name": "a", "colour": "b"}', "unknown_field", ["/colour"]),
        (b'{"company_name": 7, "colour": "b"}', "validation_failed", ["/company_name", "/colour"]),
        (b'{"company_name": "a", "address": {"stad": "x"}}', "unknown_field", ["/address/stad"]),
        (b'{"company_name": "a", "a/b~c": 1}', "unknown_field", ["/a~1b~0c"]),
    ],
)
def test_what_is_wrong_is_pointed_at(body: bytes, code: str, pointers: list[str]) -> None:
    problem = refused_body(CREATE, body)
    assert problem.code == code
    assert [error.pointer for error in problem.errors] == pointers


def test_what_was_sent_is_not_repeated() -> None:
    problem = refused_body(CREATE, b'{"company_name": "a", "email": "canary at x", "language": "canary canary"}')
    told = problem.detail + "".join(error.message + error.code for error in problem.errors)
    assert len(problem.errors) == 2
    assert "canary" not in told


def test_a_body_with_thousands_of_faults_is_answered_briefly() -> None:
    fields = b",".join(b'"f%d":1' % number for number in range(5_000))
    problem = refused_body(CREATE, b'{"company_name":"a",' + fields + b"}")
    assert (problem.code, len(problem.errors)) == ("unknown_field", MOST)
    assert "5000" in problem.detail


def test_an_endless_name_makes_no_endless_pointer() -> None:
    problem = refused_body(CREATE, b'{"company_name":"a","address":{"' + b"x" * 100_000 + b'":1}}')
    assert [error.pointer for error in problem.errors] == ["/address"]
    assert len(problem.detail) <= LONGEST_POINTER + 100


def test_an_operation_without_a_body_takes_none() -> None:
    assert read_body(FINALIZE, b"") is None
    assert read_body(FINALIZE, b" {} \n") is None
    for body in (b'{"a":1}', b"null", b"[]", b"x"):
        assert refused_body(FINALIZE, body).code == "validation_failed"


def test_a_body_that_need_not_be_may_be_left_out() -> None:
    assert read_body(CREDIT, b"") == CreditDraft()
    assert read_body(CREDIT, b'{"number":"C-1"}') == CreditDraft(number="C-1")
    assert refused_body(CREDIT, b"x").code == "malformed_json"


@pytest.mark.parametrize("letter", ["x", " ", "é", "@", "\t"])
def test_long_texts_are_judged_quickly(letter: str) -> None:
    long = (letter * 50_000).encode()
    before = time.process_time()
    for name in (b"company_name", b"email", b"language", b"phone", b"external_ref", b"currency"):
        refused_body(CREATE, b'{"company_name":"a","' + name + b'":"' + long.replace(b"\t", b"\\t") + b'"}')
    refused_query(CONTACTS, ("q", letter * 50_000))
    assert time.process_time() - before < 0.5


def test_nothing_of_a_connection_can_be_dropped() -> None:
    """It is Polder's own: there is no system that could lack a field."""
    for name in ("connections.create", "connections.update"):
        assert refused_query(BY_NAME[name], ("on_unsupported", "drop")).code == "unknown_field"
