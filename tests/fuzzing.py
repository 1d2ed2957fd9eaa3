"""What schemathesis loads beside the published document (``SCHEMATHESIS_HOOKS``); see ``test_schemathesis.py``.

The checks are its own, all of them. A document cannot say everything that a right answer depends on: this module names
what it leaves open, code by code, so that any other refusal of a request that the document allows stays a failure.
"""

import itertools
import json
import os
import re
from collections.abc import Mapping
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

REFUSALS: Mapping[str, str] = {
    "invalid_cursor": "a cursor is signed, so that no made-up text is one",
    "operation_unsupported": "this accounting system cannot do it; its capabilities say so",
    "filter_unsupported": "this accounting system cannot filter so; its capabilities say so",
    "filter_required": "this accounting system lists only with that filter; its capabilities say so",
    "field_unsupported": "this accounting system has no place for the field",
    "draft_unsupported": "this accounting system has no drafts",
    "partial_payment_unsupported": "this accounting system marks an invoice as paid in full only",
    "upstream_rejected": "the accounting system's own rules, and ids of records that it does not have",
    "totals_mismatch": "asserted totals are about the lines beside them",
    "credentials_rejected": "made-up credentials open nothing",
    "company_required": "the credentials reach several administrations",
}
"""Problems that a request may end in although the document allows it, and why. 401, 403, 404 and 409 may be met anyway:
schemathesis knows that they speak of keys, rights and the state of records, not of the request's form."""

_OF_THE_CONNECTION = re.compile(
    r"/(provider|credentials|settings|company_id)(/.*)?"
    r"|/(payment_method_id|ledger_account_id)"
    r"|(/allocations/\d+)?/amount"
    r"|/lines/\d+/(unit_price|product_id|vat_code_id|vat_treatment|vat_rate|vat_country|ledger_account_id)"
)
"""Fields whose rules are an adapter's or an administration's, as the connection's schemas tell: the settings there are,
a product without a price, payments in whole cents and of more than nothing."""

OWN_RULES = "FUZZ_OWN_RULES"
"""Set where a real system's adapter is behind the gateway: it has rules for fields of its own, which that connection's
schemas tell. Over the perfect system no field is refused but those above."""

_KEY = re.compile(r"[!-~]{1,255}")
_numbers = itertools.count(1)
_rehearsals = itertools.count(1)


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Every write is a new one: a key that two cases share would have the second refused, whatever else it holds.

    And every other dry run is meant: a generator that gives every parameter a value would do nothing for real.
    """
    if case.query.get("dry_run") in (True, "true") and next(_rehearsals) % 2:
        case.query["dry_run"] = "false"
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and _KEY.fullmatch(key):
        case.headers["Idempotency-Key"] = f"{key[:240]}.{next(_numbers)}"


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Whether a failure is one: what a document cannot say is none."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    problem = _problem(response)
    if not problem:
        return not case.operation.path.endswith("/raw/{path}")  # what a raw call answers is the system's own
    return not _is_open(problem)


@schemathesis.check
def unauthenticated(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Only run where no key is sent: nothing is answered but that."""
    assert response.status_code == 401, f"{response.status_code} without a key"
    problem = _problem(response)
    assert problem.get("code") == "unauthenticated"
    assert "www-authenticate" in response.headers


def _is_open(problem: Mapping[str, Any]) -> bool:
    if problem.get("code") in REFUSALS:
        return True
    errors = problem.get("errors", [])
    return bool(errors) and all(
        error["code"] == "not_found"
        or _OF_THE_CONNECTION.fullmatch(error["pointer"])
        or (OWN_RULES in os.environ and error["pointer"].startswith("/"))
        for error in errors
    )


def _problem(response: Response) -> Mapping[str, Any]:
    if "application/problem+json" not in response.headers.get("content-type", [""])[0]:
        return {}
    told: Mapping[str, Any] = json.loads(response.content)
    return told
