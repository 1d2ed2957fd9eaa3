"""Laws of days and moments: days are those of the Netherlands, moments are told in UTC."""

from datetime import UTC, datetime

import pytest

from tests.conformance.subject import Subject, body_of
from tests.conformance.test_invoices import credit

NIGHT, DAY_OF_NIGHT = datetime(2026, 7, 1, 22, 30, tzinfo=UTC), "2026-07-02"
"""Past midnight in summer, when Dutch clocks are two hours ahead of UTC."""


async def test_a_day_that_is_left_open_is_the_one_that_it_is_in_the_netherlands(subject: Subject) -> None:
    """Past midnight in summer, when it is still the day before in UTC."""
    subject.house.clock.turn_to(NIGHT)
    final = await subject.final_invoice(issued_on=None)
    assert final["issued_on"] == DAY_OF_NIGHT
    if subject.can("payments.create"):
        answer = await subject.pay(final, paid_on=None)
        assert answer.status_code == 201, answer.text
        assert body_of(answer)["paid_on"] == DAY_OF_NIGHT
    if subject.can("invoices.credit") and await dates_credit_notes(subject):
        answer = await credit(subject, await subject.final_invoice(issued_on=None))
        assert answer.status_code == 201, answer.text
        assert body_of(answer)["issued_on"] == DAY_OF_NIGHT


async def dates_credit_notes(subject: Subject) -> bool:
    """Whether it is not the system that settles of which day a credit note is."""
    return "issued_on" in (await subject.schema("invoices.credit"))["properties"]


@pytest.mark.parametrize("resource", ["contacts", "products", "invoices"])
async def test_when_a_record_was_made_is_told_in_utc(subject: Subject, resource: str) -> None:
    """In summer too, when Dutch clocks are two hours ahead of it."""
    subject.house.clock.turn_to(NIGHT)
    made = await subject.make(resource)
    for record in (made, await subject.get(f"{resource}/{made['id']}")):
        assert {record.get("created_at"), record.get("updated_at")} <= {None, "2026-07-01T22:30:00Z"}
