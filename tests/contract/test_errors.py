"""Every kind of problem can be told, says who can put it right, and is the one its page names."""

import re
from typing import get_args

import pytest

from gateway.contract import errors
from gateway.contract.errors import KINDS, Fix, Problem, invalid, malformed, not_found

# contract.md §5, and internal_error, which no caller should ever meet.
STATUSES = {
    400: {"malformed_json", "invalid_cursor"},
    401: {"unauthenticated"},
    403: {"forbidden", "scope_missing", "company_not_accessible", "upstream_forbidden"},
    404: {"not_found"},
    405: {"operation_unsupported"},
    413: {"too_large"},
    415: {"unsupported_media_type"},
    409: {"conflict", "idempotency_in_progress"},
    422: {
        *("validation_failed", "unknown_field", "filter_unsupported", "totals_mismatch", "credentials_rejected"),
        *("company_required", "field_unsupported", "draft_unsupported", "filter_required", "idempotency_mismatch"),
        *("partial_payment_unsupported", "upstream_rejected"),
    },
    424: {"connection_needs_reauth", "connection_pending", "connection_suspended"},
    429: {"rate_limited", "upstream_rate_limited"},
    500: {"internal_error"},
    502: {"upstream_malformed", "provider_misconfigured"},
    503: {"upstream_unavailable", "storage_unavailable"},
    504: {"upstream_timeout"},
}


def test_the_codes_and_their_statuses_are_the_published_ones() -> None:
    found: dict[int, set[str]] = {}
    for code, kind in KINDS.items():
        found.setdefault(kind.status, set()).add(code)
    assert found == STATUSES


@pytest.mark.parametrize("code", KINDS)
def test_every_code_makes_a_problem(code: str) -> None:
    problem = Problem(code, "Something.")
    assert problem.kind is KINDS[code]
    assert problem.kind.fix in get_args(Fix)
    assert problem.kind.title
    assert str(problem) == f"{code}: Something."
    assert problem.args == (f"{code}: Something.",)
    with pytest.raises(Problem) as raised:
        raise problem
    assert raised.value is problem


def test_only_what_time_or_repair_mends_is_retryable() -> None:
    assert all(kind.fix in ("wait", "operator") for kind in KINDS.values() if kind.retryable)
    assert all(kind.retryable for kind in KINDS.values() if kind.fix == "wait")


def test_the_module_tells_of_every_code_who_can_put_it_right() -> None:
    _, *groups = re.split(r"\n- ", errors.__doc__ or "")
    told = {re.split(r"\W", group)[0]: set(re.findall(r"\w+", group.partition(": ")[2])) for group in groups}
    assert told == {fix: {code for code, kind in KINDS.items() if kind.fix == fix} for fix in get_args(Fix)}


def test_a_code_that_is_none_is_refused() -> None:
    with pytest.raises(KeyError, match="teapot"):
        Problem("teapot", "Short and stout.")


def test_an_outcome_is_said_once_and_stays() -> None:
    problem = Problem("conflict", "No.")
    assert problem.as_outcome("rejected") is problem
    assert problem.as_outcome("unknown").outcome == "rejected"


def test_that_nothing_was_sent_is_believed_of_nobody_who_knows_of_more() -> None:
    problem = Problem("conflict", "No.", outcome="not_sent")
    assert problem.as_outcome("not_sent").outcome == "not_sent"
    assert problem.as_outcome("applied").outcome == "applied"


def test_problems_are_told_apart_by_identity() -> None:
    assert len({Problem("conflict", "No."), Problem("conflict", "No.")}) == 2


def test_the_short_ways_to_say_it() -> None:
    with pytest.raises(Problem) as raised:
        not_found()
    assert raised.value.code == "not_found"
    wrong = invalid("/lines/0/quantity", "No such quantity.")
    assert (wrong.code, wrong.errors[0].pointer) == ("validation_failed", "/lines/0/quantity")
    assert malformed("x").code == "upstream_malformed"
