"""What is said of a body that is not right."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from gateway.contract.errors import Problem
from gateway.contract.exact import Json
from gateway.contract.models import ContactDraft, InvoiceDraft
from gateway.contract.models.base import Shape
from gateway.engine.validation import LONGEST_POINTER, MOST, pointer_of, problem_of_validation

LINE = {"description": "Vaas", "unit_price": "1.00"}


def refused(model: type[Shape], body: Json) -> Problem:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    return problem_of_validation(caught.value)


def said(problem: Problem) -> list[tuple[str, str, str]]:
    return [(error.pointer, error.code, error.message) for error in problem.errors]


def test_only_unknown_fields_are_unknown_field() -> None:
    problem = refused(ContactDraft, {"company_name": "De Tulp", "compny": 1, "address": {"town": "x"}})
    assert problem.code == "unknown_field"
    assert sorted(said(problem)) == [
        ("/address/town", "unknown_field", "is not known here"),
        ("/compny", "unknown_field", "is not known here"),
    ]


def test_anything_else_besides_is_validation_failed() -> None:
    problem = refused(ContactDraft, {"company_name": 5, "compny": 1})
    assert problem.code == "validation_failed"
    assert ("/company_name", "wrong_type", "must be text") in said(problem)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"contact_id": None}, ("/contact_id", "wrong_type", "must be text")),
        ({"lines": []}, ("/lines", "too_short", "must have at least 1 item(s)")),
        ({"lines": {}}, ("/lines", "wrong_type", "must be a list")),
        ({"finalize": "yes"}, ("/finalize", "wrong_type", "must be true or false")),
        ({"on_rounding": "x"}, ("/on_rounding", "not_allowed", "must be one of 'reject' or 'add_line'")),
        ({"issued_on": "02-03-2026"}, ("/issued_on", "invalid", "a date is written YYYY-MM-DD")),
        ({"number": "x" * 300}, ("/number", "too_long", "must be at most 255 long")),
        (
            {"lines": [LINE, {**LINE, "discount_percent": "100.5"}]},
            ("/lines/1/discount_percent", "out_of_range", "must be 100 or less"),
        ),
        (
            {"lines": [{**LINE, "vat_code_id": "1", "vat_treatment": "zero"}]},
            ("/lines/0", "invalid", "give vat_code_id or vat_treatment, not both"),
        ),
        ({"lines": [{"unit_price": Decimal(1)}]}, ("/lines/0/description", "required", "is required")),
    ],
)
def test_each_mistake_is_pointed_at_in_plain_words(change: dict[str, Json], expected: tuple[str, str, str]) -> None:
    assert said(refused(InvoiceDraft, {"contact_id": "1", "lines": [LINE], **change})) == [expected]


def test_a_body_that_is_no_object_is_pointed_at_as_a_whole() -> None:
    problem = refused(ContactDraft, ["x"])
    assert said(problem) == [("", "wrong_type", "must be an object")]
    assert problem.detail == "The body: must be an object."


def test_what_was_sent_is_not_repeated() -> None:
    canary = "canary-7f3a"
    wrong = {
        "contact_id": f"{canary}/",
        "issued_on": canary,
        "currency": canary,
        "lines": [{"description": canary, "unit_price": canary, "discount_percent": canary, "type": canary}],
        "finalize": canary,
        "document_type": canary,
    }
    problem = refused(InvoiceDraft, wrong)
    assert len(problem.errors) >= 7
    assert canary not in repr((problem.detail, problem.errors))


def test_a_flood_of_mistakes_is_cut() -> None:
    problem = refused(InvoiceDraft, {"contact_id": "1", "lines": [{"a": 1, "b": 2}] * 400})
    assert len(problem.errors) == MOST
    assert problem.detail.startswith("1200 things")


def test_pointers_are_escaped_and_bounded() -> None:
    assert pointer_of(("lines", 0, "a/b~c")) == "/lines/0/a~1b~0c"
    assert pointer_of(("lines", "x" * 1_000_000)) == "/lines"
    assert len(pointer_of(tuple("abc" * 1000))) <= LONGEST_POINTER
