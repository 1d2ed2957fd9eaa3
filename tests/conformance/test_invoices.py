"""Laws of invoices: what a draft is, how it becomes final, how it is credited, and how it looks on paper."""

import httpx2
import pytest

from gateway.contract.exact import dumps
from tests.conformance.subject import Json, Subject, body_of, problem_of


async def test_a_draft_is_neither_numbered_nor_payable(subject: Subject) -> None:
    subject.need("invoices.finalize")
    draft = await subject.make("invoices")
    said = (draft["document_type"], draft["document_status"], draft["payment_status"], draft["number"])
    assert said == ("invoice", "draft", "not_applicable", None)
    assert draft["totals"] == {"net": "20.00", "tax": "4.20", "gross": "24.20", "paid": "0.00", "open": "24.20"}


async def test_finalizing_gives_number_and_totals(subject: Subject) -> None:
    subject.need("invoices.finalize")
    draft = await subject.make("invoices")
    answer = await subject.ask("POST", f"invoices/{draft['id']}/finalize")
    assert answer.status_code == 200, answer.text
    final = body_of(answer)
    assert final["id"] == draft["id"]
    is_final(final)
    read = await subject.get(f"invoices/{draft['id']}")
    assert {**read, "updated_at": final["updated_at"]} == final
    await subject.refused(409, "conflict", "POST", f"invoices/{draft['id']}/finalize")


async def test_an_invoice_can_be_final_at_once(subject: Subject) -> None:
    made = await subject.make("invoices", finalize=True)
    is_final(made)
    is_final(await subject.get(f"invoices/{made['id']}"))


def is_final(invoice: Json) -> None:
    assert (invoice["document_status"], invoice["payment_status"]) == ("final", "unpaid")
    assert invoice["number"]
    totals = {name: invoice["totals"][name] for name in ("net", "tax", "gross", "paid", "open")}
    assert totals == {"net": "20.00", "tax": "4.20", "gross": "24.20", "paid": "0.00", "open": "24.20"}


async def test_no_two_final_invoices_share_a_number(subject: Subject) -> None:
    numbers = [(await subject.make("invoices", finalize=True))["number"] for _ in range(4)]
    assert len(set(numbers)) == 4
    for number in numbers:
        found = await subject.walk("invoices", number=number)
        assert [one["number"] for one in found] == [number]


async def test_a_system_without_drafts_says_so(subject: Subject) -> None:
    if subject.can("invoices.finalize"):
        pytest.skip(f"{subject.name}: there are drafts")
    draft = await subject.draft("invoices", finalize=False)
    with subject.quiet():
        await subject.refused(422, "draft_unsupported", "POST", "invoices", body=draft)


async def test_a_final_invoice_stays_as_it_is(subject: Subject) -> None:
    final = await subject.final_invoice()
    for method, body in (("PATCH", {"reference": "Te laat"}), ("DELETE", None)):
        if not subject.can(f"invoices.{'update' if method == 'PATCH' else 'delete'}"):
            continue
        answer = await subject.ask(method, f"invoices/{final['id']}", body=body)
        if method == "PATCH":
            assert answer.status_code in (409, 422), answer.text
        else:
            assert answer.status_code in (204, 409), answer.text
        assert answer.status_code == 204 or (await subject.get(f"invoices/{final['id']}"))["reference"] is None


@pytest.mark.parametrize(("name", "other"), [("vat_rate", "9"), ("vat_country", "DE")])
async def test_a_vat_code_is_of_its_rate_and_country(subject: Subject, name: str, other: str) -> None:
    """What stands beside a code is what its caller takes it for: another would be VAT that nobody asked for."""
    if f"lines.{name}" not in subject.holds("invoices"):
        pytest.skip(f"{subject.name}: lines have no {name}")
    coded = await subject.line(vat_code_id=await subject.vat_code("domestic_high"))
    draft = await subject.draft("invoices", lines=[{**coded, name: other}])
    before = len(subject.books("invoices"))
    problem = await subject.refused(422, "validation_failed", "POST", "invoices", body=draft)
    assert (problem["outcome"], problem["errors"][0]["pointer"]) == ("not_sent", f"/lines/0/{name}")
    assert len(subject.books("invoices")) == before


@pytest.mark.parametrize("kind", ["invoice", "credit_note"])
async def test_a_document_stays_of_the_kind_that_was_asked_for(subject: Subject, kind: str) -> None:
    """Some systems tell a credit note by its sign only: what would be told as the other kind is never sent."""
    below = [await subject.line(unit_price="-10.00")]
    asked = {**await subject.draft("invoices"), "document_type": kind}
    ways = [("POST", "invoices", {**asked, "lines": below})]
    if subject.can("invoices.update"):
        made = await subject.make("invoices", document_type=kind)
        ways.append(("PATCH", f"invoices/{made['id']}", {"lines": below}))
    for method, path, body in ways:
        before = dumps(list(subject.books("invoices")))
        answer = await subject.ask(method, path, body=body)
        if answer.status_code == 422:
            problem = problem_of(answer)
            assert (problem["code"], problem["outcome"]) == ("validation_failed", "not_sent")
            assert dumps(list(subject.books("invoices"))) == before
            continue
        assert answer.status_code in (200, 201), answer.text
        read = await subject.get(f"invoices/{body_of(answer)['id']}")
        assert (read["document_type"], read["totals"]["net"]) == (kind, "-20.00")


async def test_a_credit_note_undoes_an_invoice(subject: Subject) -> None:
    final = await subject.final_invoice()
    answer = await credit(subject, final)
    assert answer.status_code == 201, answer.text
    note = await subject.get(f"invoices/{body_of(answer)['id']}")
    assert note["id"] != final["id"]
    assert (note["document_type"], note["credits_invoice_id"]) == ("credit_note", final["id"])
    for name in ("net", "tax", "gross"):
        assert note["totals"][name] == final["totals"][name], "the amounts of a credit note are positive"
    charging = [[line["net"] for line in one["lines"] if line["type"] == "item"] for one in (note, final)]
    assert charging[0] == charging[1], "beside its lines a system may say in words what is credited"
    assert note["tax_breakdown"] == final["tax_breakdown"]
    assert not note["totals"]["paid"].startswith("-")
    assert note["totals"]["open"] == "0.00", "nobody is owed what was never paid"
    credited = await subject.get(f"invoices/{final['id']}")
    assert (credited["payment_status"], credited["totals"]["open"]) == ("credited", "0.00")
    found = await subject.walk("invoices", contact_id=final["contact_id"], payment_status="credited")
    assert [one["id"] for one in found] == [final["id"]], "a filter finds what was credited"
    listed = {one["id"]: one for one in await subject.walk("invoices", include="lines")}
    assert listed[final["id"]]["payment_status"] == "credited"
    assert listed[final["id"]]["totals"] == credited["totals"]
    assert (listed[note["id"]]["payment_status"], listed[note["id"]]["totals"]) == (
        note["payment_status"],
        note["totals"],
    )
    again = await credit(subject, final)
    assert problem_of(again)["code"] == "conflict"


async def credit(subject: Subject, invoice: Json) -> httpx2.Response:
    """Credit an invoice; with a number where the caller gives it."""
    body = {"number": subject.settled()["number"]} if subject.facts.numbered else None
    return await subject.ask("POST", f"invoices/{invoice['id']}/credit", body=body)


async def test_an_invoice_of_nothing_is_credited_or_told_to_be_one(subject: Subject) -> None:
    """Where a credit note is known by its sign nobody can write one of nothing; the invoice is none for that."""
    lines = [await subject.line(unit_price=price) for price in ("10.00", "-10.00")]
    answer = await credit(subject, await subject.final_invoice(lines=lines))
    if answer.status_code != 201:
        assert (problem_of(answer)["code"], "of more than nothing" in answer.text) == ("conflict", True), answer.text
        return
    assert (body_of(answer)["document_type"], body_of(answer)["totals"]["gross"]) == ("credit_note", "0.00")


async def test_a_draft_cannot_be_credited(subject: Subject) -> None:
    subject.need("invoices.finalize")
    draft = await subject.make("invoices")
    await subject.refused(409, "conflict", "POST", f"invoices/{draft['id']}/credit")


@pytest.mark.parametrize(("kind", "start"), [("pdf", b"%PDF-"), ("ubl", b"<")])
async def test_a_final_invoice_is_on_paper(subject: Subject, kind: str, start: bytes) -> None:
    final = await subject.final_invoice()
    answer = await subject.ask("GET", f"invoices/{final['id']}/{kind}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == {"pdf": "application/pdf", "ubl": "application/xml"}[kind]
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.content.lstrip().startswith(start)
    await subject.refused(404, "not_found", "GET", f"invoices/987654321/{kind}")


@pytest.mark.parametrize("kind", ["pdf", "ubl"])
async def test_a_draft_has_no_paper(subject: Subject, kind: str) -> None:
    subject.need("invoices.finalize")
    draft = await subject.make("invoices")
    await subject.refused(409, "conflict", "GET", f"invoices/{draft['id']}/{kind}")


@pytest.mark.parametrize("treatment", ["domestic_high", "domestic_low"])
async def test_a_line_may_say_its_treatment_instead_of_a_code(subject: Subject, treatment: str) -> None:
    """That of a sale, in force on the day: an administration has codes for what it buys too, and for what was."""
    if "lines.vat_treatment" not in subject.holds("invoices"):
        pytest.skip(f"{subject.name}: lines take codes only")
    line = await subject.line(vat_treatment=treatment)
    made = await subject.make("invoices", lines=[line])
    assert made["lines"][0]["vat_code_id"] == await subject.vat_code(treatment)


async def test_a_treatment_without_a_code_costs_no_write(subject: Subject) -> None:
    if "lines.vat_treatment" not in subject.holds("invoices"):
        pytest.skip(f"{subject.name}: lines take codes only")
    lacking = {"margin", "oss", "small_business"} - {one["treatment"] for one in await subject.settings("vat-codes")}
    line = await subject.line(vat_treatment=min(lacking))
    draft = await subject.draft("invoices", lines=[line])
    before = len(subject.emulator.journal)
    await subject.refused(422, "validation_failed", "POST", "invoices", body=draft)
    assert {seen.method for seen in subject.emulator.journal[before:]} <= {"GET"}


async def test_a_treatment_that_is_there_at_another_rate_is_not_said_to_be_missing(subject: Subject) -> None:
    if "lines.vat_treatment" not in subject.holds("invoices"):
        pytest.skip(f"{subject.name}: lines take codes only")
    for narrowed in ({"vat_rate": "20.5"}, {"vat_country": "DE"}, {"vat_rate": "20.5", "vat_country": "DE"}):
        line = await subject.line(vat_treatment="domestic_high", **narrowed)
        draft = await subject.draft("invoices", lines=[line])
        problem = await subject.refused(422, "validation_failed", "POST", "invoices", body=draft)
        assert problem["errors"][0]["pointer"] == "/lines/0/vat_treatment"
        assert all(name in problem["detail"] for name in narrowed)


async def test_a_line_takes_from_its_product_what_it_leaves_open(subject: Subject) -> None:
    subject.need("vat-codes.list")
    if "lines.product_id" not in subject.holds("invoices"):
        pytest.skip(f"{subject.name}: lines name no products")
    product = await subject.make("products", price="7.50")
    made = await subject.make("invoices", lines=[{"description": "Brood", "product_id": product["id"]}])
    line = made["lines"][0]
    assert (line["quantity"], line["unit_price"]) == ("1", "7.50")
    assert line["product_id"] in (product["id"], None), "null where lines forget what they were made from"
    told = [one["pointer"] for one in made.get("warnings") or () if one["code"] == "product_not_kept"]
    assert told == ([] if line["product_id"] else ["/lines/0/product_id"]), "and that is told, by every system alike"


async def test_a_product_without_tax_is_charged_with_it_where_prices_have_it(subject: Subject) -> None:
    """Which is exact; a price with tax is not always one without, and nobody is charged something like it."""
    subject.need("vat-codes.list")
    if not {"lines.product_id", "prices_include_tax"} <= subject.holds("invoices"):
        pytest.skip(f"{subject.name}: lines name no products, or prices have no tax")
    product = await subject.make("products", price="7.50")
    line = {"description": "Brood", "product_id": product["id"], "quantity": "3"}
    made = await subject.make("invoices", lines=[line], prices_include_tax=True)
    totals = {name: made["totals"][name] for name in ("net", "tax", "gross")}
    assert totals == {"net": "22.50", "tax": "4.73", "gross": "27.23"}
    assert "totals_differ" not in [one["code"] for one in made.get("warnings") or ()]


async def test_a_line_of_text_charges_nothing(subject: Subject) -> None:
    if "lines.type" not in subject.holds("invoices"):
        pytest.skip(f"{subject.name}: there are no lines of text")
    text = {"type": "text", "description": "Met dank voor uw bezoek"}
    made = await subject.make("invoices", lines=[await subject.line(), text])
    last = (await subject.get(f"invoices/{made['id']}"))["lines"][-1]
    assert (last["type"], last["description"], last["gross"]) == ("text", text["description"], None)
    assert made["totals"]["gross"] == "24.20"


async def test_an_invoice_for_nobody_is_refused(subject: Subject) -> None:
    draft = await subject.draft("invoices", contact_id="987654321")
    answer = await subject.ask("POST", "invoices", body=draft)
    assert answer.status_code in (404, 422), answer.text
    assert problem_of(answer)["outcome"] in ("rejected", "not_sent")
    with subject.quiet():
        await subject.refused(422, "validation_failed", "POST", "invoices", body={**draft, "contact_id": "1,2"})
