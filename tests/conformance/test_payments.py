"""Laws of payments: an invoice knows how far it is paid, and a payment taken back never was."""

import pytest

from gateway.contract.exact import dumps
from tests.conformance.subject import Json, Subject, body_of, problem_of


async def paid(subject: Subject, invoice: Json, amount: str | None = None) -> Json:
    """A payment of an invoice."""
    answer = await subject.pay(invoice, amount)
    assert answer.status_code == 201, answer.text
    return body_of(answer)


async def test_a_paid_invoice_says_so(subject: Subject) -> None:
    invoice = await subject.final_invoice()
    payment = await paid(subject, invoice)
    assert (payment["amount"], payment["direction"], payment["paid_on"]) == ("24.20", "in", "2026-03-02")
    assert payment["allocations"] == [{"invoice_id": invoice["id"], "amount": "24.20"}]
    assert payment["unallocated"] == "0.00"
    read = await subject.get(f"invoices/{invoice['id']}")
    assert read["payment_status"] == "paid"
    assert (read["totals"]["paid"], read["totals"]["open"]) == ("24.20", "0.00")
    if subject.can("payments.get"):
        assert await subject.get(f"payments/{payment['id']}") == payment


async def test_a_payment_is_listed_with_its_invoice(subject: Subject) -> None:
    subject.need_filter("payments.list", "invoice_id")
    invoice, other = await subject.final_invoice(), await subject.final_invoice()
    payment = await paid(subject, invoice)
    await paid(subject, other)
    assert [one["id"] for one in await subject.walk("payments", invoice_id=invoice["id"])] == [payment["id"]]


async def test_a_payment_taken_back_never_was(subject: Subject) -> None:
    invoice = await subject.final_invoice()
    payment = await paid(subject, invoice)
    answer = await subject.ask("DELETE", f"payments/{payment['id']}")
    assert answer.status_code == 204, answer.text
    read = await subject.get(f"invoices/{invoice['id']}")
    assert (read["payment_status"], read["totals"]["open"]) == ("unpaid", "24.20")
    await subject.refused(404, "not_found", "DELETE", f"payments/{payment['id']}")
    if subject.can("payments.list") and subject.capabilities["payments.list"]["filters"]["invoice_id"] == "native":
        assert await subject.walk("payments", invoice_id=invoice["id"]) == []


async def test_an_invoice_is_overdue_from_the_day_after_it_was_due_until_it_is_paid(subject: Subject) -> None:
    invoice = await subject.final_invoice(due_on="2026-03-05")

    async def told() -> list[object]:
        listed = next(one for one in await subject.walk("invoices") if one["id"] == invoice["id"])
        return [listed["is_overdue"], (await subject.get(f"invoices/{invoice['id']}"))["is_overdue"]]

    subject.house.clock.advance(3 * 86_400)  # the fifth, at ten in the morning
    assert await told() == [False, False]
    subject.house.clock.advance(86_400)
    assert await told() == [True, True]
    await paid(subject, invoice)
    assert await told() == [False, False]


async def test_a_credit_note_is_never_overdue(subject: Subject) -> None:
    """Its customer owes nothing."""
    if "document_type" not in subject.holds("invoices"):
        pytest.skip(f"{subject.name}: nobody writes credit notes but by crediting")
    note = await subject.final_invoice(document_type="credit_note", due_on="2026-03-05")
    subject.house.clock.advance(9 * 86_400)
    listed = next(one for one in await subject.walk("invoices") if one["id"] == note["id"])
    read = await subject.get(f"invoices/{note['id']}")
    assert (listed["document_type"], listed["is_overdue"], read["is_overdue"]) == ("credit_note", False, False)


async def test_money_that_goes_out_is_told_so(subject: Subject) -> None:
    """The payment of a credit note: what is above zero with us may be below it in the system."""
    if "document_type" not in subject.holds("invoices"):
        pytest.skip(f"{subject.name}: nobody writes credit notes but by crediting")
    note = await subject.final_invoice(document_type="credit_note")
    answer = await subject.pay(note, direction="out")
    if answer.status_code in (409, 422):
        pytest.skip(f"{subject.name}: {problem_of(answer)['detail']}")
    assert answer.status_code == 201, answer.text
    told = [body_of(answer)]
    if subject.capabilities["payments.get"]["support"] == "native":
        told.append(await subject.get(f"payments/{told[0]['id']}"))
    assert {(one["direction"], one["amount"]) for one in told} == {("out", note["totals"]["gross"])}
    read = await subject.get(f"invoices/{note['id']}")
    assert (read["payment_status"], read["totals"]["open"]) == ("paid", "0.00")


async def test_an_invoice_in_another_currency_is_told_in_it(subject: Subject) -> None:
    asked = {"currency": "USD", **({"exchange_rate": "1.08"} if "exchange_rate" in subject.holds("invoices") else {})}
    answer = await subject.ask("POST", "invoices", body=await subject.draft("invoices", **asked))
    if answer.status_code == 422:
        pytest.skip(f"{subject.name}: {problem_of(answer)['detail']}")
    assert answer.status_code == 201, answer.text
    listed = {one["id"]: one["currency"] for one in await subject.walk("invoices")}
    assert (body_of(answer)["currency"], listed[body_of(answer)["id"]]) == ("USD", "USD")


async def test_an_invoice_is_not_paid_in_another_currency(subject: Subject) -> None:
    """Nobody knows how much of the one the other is."""
    invoice = await subject.final_invoice()
    answer = await subject.pay(invoice, currency="USD")
    assert (answer.status_code, problem_of(answer)["outcome"] in ("not_sent", "rejected")) == (422, True), answer.text
    assert (await subject.get(f"invoices/{invoice['id']}"))["payment_status"] == "unpaid"


async def test_an_invoice_of_nothing_is_never_overdue(subject: Subject) -> None:
    """A free order, or one that was paid with a voucher: its customer owes nothing either."""
    lines = [await subject.line(unit_price=price) for price in ("10.00", "-10.00")]
    invoice = await subject.final_invoice(lines=lines, due_on="2026-03-05")
    assert (invoice["totals"]["gross"], invoice["totals"]["open"]) == ("0.00", "0.00")
    subject.house.clock.advance(9 * 86_400)
    listed = next(one for one in await subject.walk("invoices") if one["id"] == invoice["id"])
    assert (listed["is_overdue"], (await subject.get(f"invoices/{invoice['id']}"))["is_overdue"]) == (False, False)


async def test_a_part_payment_counts_or_is_refused(subject: Subject) -> None:
    invoice = await subject.final_invoice()
    before = len(subject.emulator.journal)
    answer = await subject.pay(invoice, "10.00")
    read = await subject.get(f"invoices/{invoice['id']}")
    if answer.status_code == 422:
        assert body_of(answer)["code"] == "partial_payment_unsupported"
        assert {seen.method for seen in subject.emulator.journal[before:]} <= {"GET"}
        assert read["payment_status"] == "unpaid"
        return
    assert answer.status_code == 201, answer.text
    assert (read["payment_status"], read["totals"]["paid"]) == ("partially_paid", "10.00")
    assert read["totals"]["open"] == "14.20"
    await paid(subject, invoice, "14.20")
    assert (await subject.get(f"invoices/{invoice['id']}"))["payment_status"] == "paid"


async def test_a_paid_invoice_is_not_paid_twice_unsaid(subject: Subject) -> None:
    """A second payment is refused, or the invoice says that too much was paid."""
    invoice = await subject.final_invoice()
    await paid(subject, invoice)
    answer = await subject.pay(invoice, "24.20")
    read = await subject.get(f"invoices/{invoice['id']}")
    if answer.status_code == 201:
        assert (read["payment_status"], read["totals"]["paid"]) == ("overpaid", "48.40")
    else:
        assert body_of(answer)["code"] in ("conflict", "partial_payment_unsupported", "validation_failed"), answer.text
        assert (read["payment_status"], read["totals"]["paid"]) == ("paid", "24.20")


async def test_an_invoice_that_is_not_there_cannot_be_paid(subject: Subject) -> None:
    invoice = await subject.make("invoices")
    assert (await subject.ask("DELETE", f"invoices/{invoice['id']}")).status_code == 204
    answer = await subject.pay(invoice)
    problem = problem_of(answer)
    assert (answer.status_code, problem["outcome"] in ("not_sent", "rejected")) == (422, True), answer.text
    assert {error["pointer"] for error in problem["errors"]} <= {"/allocations/0/invoice_id", ""}


async def test_a_draft_cannot_be_paid(subject: Subject) -> None:
    subject.need("invoices.finalize")
    draft = await subject.make("invoices")
    answer = await subject.pay(draft)
    assert answer.status_code in (409, 422), answer.text
    assert (await subject.get(f"invoices/{draft['id']}"))["payment_status"] == "not_applicable"


@pytest.mark.parametrize(("name", "wrong"), [("paid_on", "0001-01-01"), ("payment_method_id", "987654321")])
async def test_what_is_wrong_with_a_payment_is_pointed_at_in_it(subject: Subject, name: str, wrong: str) -> None:
    """There or nowhere, also where the system books it as a part, or a kind, of something else."""
    answer = await subject.pay(await subject.final_invoice(), **{name: wrong})
    if answer.status_code == 201:
        pytest.skip(f"{subject.name} takes {name} {wrong}")
    assert answer.status_code == 422, answer.text
    assert {one["pointer"] for one in problem_of(answer)["errors"]} <= {f"/{name}", ""}


async def test_a_paid_status_can_be_filtered(subject: Subject) -> None:
    subject.need_filter("invoices.list", "payment_status")
    one, other = await subject.final_invoice(), await subject.final_invoice()
    await paid(subject, one)
    assert [found["id"] for found in await subject.walk("invoices", payment_status="paid")] == [one["id"]]
    assert [found["id"] for found in await subject.walk("invoices", payment_status="unpaid")] == [other["id"]]


async def test_a_payment_is_of_more_than_nothing_and_in_whole_cents(subject: Subject) -> None:
    """Its direction says which way the money went: less than nothing would go the other way, and say so."""
    invoice = await subject.final_invoice()
    before = dumps(list(subject.books("payments")))
    for amount, part in (("-24.20", "-24.20"), ("0.00", "0.00"), ("24.205", "24.205"), ("24.20", "0.00")):
        body = await subject.payment(invoice, amount)
        body["allocations"][0]["amount"] = part
        problem = problem_of(await subject.ask("POST", "payments", body=body))
        assert (problem["status"], problem["outcome"]) == (422, "not_sent")
        assert problem["code"] in ("validation_failed", "partial_payment_unsupported")
        assert problem["errors"][0]["pointer"] in ("/amount", "/allocations/0/amount")
    assert dumps(list(subject.books("payments"))) == before
    assert (await subject.get(f"invoices/{invoice['id']}"))["payment_status"] == "unpaid"


async def test_what_is_given_back_of_an_invoice_that_nobody_paid_pays_nothing(subject: Subject) -> None:
    invoice = await subject.final_invoice()
    answer = await subject.pay(invoice, direction="out")
    told = {201: ("-24.20", "48.40"), 422: ("0.00", "24.20")}[answer.status_code]
    read = await subject.get(f"invoices/{invoice['id']}")
    assert (read["payment_status"], read["totals"]["paid"], read["totals"]["open"]) == ("unpaid", *told)


async def test_a_payment_of_nonsense_costs_no_call(subject: Subject) -> None:
    with subject.quiet():
        for amount in ("abc", None, "1e3"):
            await subject.refused(422, "validation_failed", "POST", "payments", body={"amount": amount})
