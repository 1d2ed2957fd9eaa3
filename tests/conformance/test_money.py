"""Laws of money: to the last cent what the system itself says, and no number goes through a float."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import strategies as st

from gateway.contract.exact import dumps
from gateway.contract.money import CENT, round_to_cents
from tests.conformance.comparing import leaves, number
from tests.conformance.drafts import CONTACT, held
from tests.conformance.subject import Json, Subject, body_of, examples

LONG = Decimal("12345678901.123456789")
TREATMENTS = ("domestic_high", "domestic_low", "zero", "reverse_charge")

prices = st.decimals(min_value=0, max_value=5_000, places=5, allow_nan=False)
quantities = st.sampled_from(["0.333", "1", "2", "3", "7", "12.5", "0.001", "1000"])
discounts = st.sampled_from([None, "5", "10", "12.5", "33.33"])
lines = st.tuples(quantities, prices, discounts, st.integers(0, len(TREATMENTS) - 1))
documents = st.tuples(st.booleans(), st.lists(lines, min_size=1, max_size=6))


async def rates(subject: Subject) -> list[str]:
    """VAT codes to mix: those of the usual treatments that there are."""
    codes = await subject.settings("vat-codes")
    usable = [one for one in codes if one["direction"] != "purchase" and one["valid_to"] is None]
    wanted = [treatment for treatment in TREATMENTS if treatment not in subject.facts.unmixed]
    found = [one["id"] for treatment in wanted for one in usable if one["treatment"] == treatment]
    assert found
    return found


async def test_totals_are_those_of_the_system(subject: Subject) -> None:
    codes = await rates(subject)
    taxed = held({"vat_number": CONTACT["vat_number"]}, subject.holds("contacts"))
    contact = (await subject.make("contacts", **taxed))["id"]
    fields_held = subject.holds("invoices")
    for includes_tax, drawn in examples(documents, 25):
        draft: Json = {"contact_id": contact, "issued_on": "2026-03-02", **subject.settled()}
        if "prices_include_tax" in fields_held:
            draft["prices_include_tax"] = includes_tax
        draft["lines"] = []
        for quantity, price, discount, code in drawn:
            charge = Decimal(quantity) * price * (100 - Decimal(discount or 0)) / 100
            if subject.facts.no_empty_lines and not round_to_cents(charge):
                continue
            fields: Json = {"quantity": quantity, "unit_price": str(price), "vat_code_id": codes[code % len(codes)]}
            if discount is not None and "lines.discount_percent" in fields_held:
                fields["discount_percent"] = discount
            draft["lines"].append(await subject.line(**fields))
        if not draft["lines"]:
            continue
        invoice = await booked(subject, draft)
        agree_with_books(subject, invoice, subject.row("invoices", await subject.system_id("invoices", invoice["id"])))
        adds_up(invoice)


async def booked(subject: Subject, draft: Json) -> Json:
    """The invoice, made final where the system can, so that it has amounts of its own; read back."""
    answer = await subject.ask("POST", "invoices", body={**draft, "finalize": True})
    if answer.status_code == 422 and body_of(answer)["code"] == "field_unsupported":
        answer = await subject.ask("POST", "invoices", body={**one_discount(draft), "finalize": True})
    assert answer.status_code == 201, answer.text
    # A system that takes prices without tax only cannot make every gross amount: then it must say so.
    fitting = {"totals_differ"} if draft.get("prices_include_tax") else set()
    assert {one["code"] for one in body_of(answer).get("warnings", [])} <= fitting, answer.text
    return await subject.get(f"invoices/{body_of(answer)['id']}")


def one_discount(draft: Json) -> Json:
    """The same invoice for a system that has one discount for the whole document."""
    discount = {"discount_percent": draft["lines"][0].get("discount_percent", "0")}
    return {**draft, "lines": [{**line, **discount} for line in draft["lines"]]}


def agree_with_books(subject: Subject, invoice: Json, row: Mapping[str, Any]) -> None:
    """Net, tax and gross stand in the system's own record, or are what its own amounts make together."""
    amounts = {abs(amount) for _, text in leaves(row) if (amount := number(text)) is not None}
    amounts |= {
        abs(sum((Decimal(part[name]) for part in row[place]), Decimal(0))) for place, name in subject.facts.added
    }
    for name in ("net", "tax", "gross"):
        said = Decimal(invoice["totals"][name])
        assert abs(said) in amounts, (
            f"the books do not have {name} {said}; `added` in law_facts.py names a list whose amounts make it: {row}"
        )


def adds_up(invoice: Json) -> None:
    """The totals are those of the tax groups, net and tax make gross, on every line too, and so do its own numbers."""
    totals = {name: Decimal(invoice["totals"][name]) for name in ("net", "tax", "gross")}
    assert totals["net"] + totals["tax"] == totals["gross"]
    groups = invoice["tax_breakdown"]
    assert sum(Decimal(group["base"]) for group in groups) == totals["net"]
    assert sum(Decimal(group["tax"]) for group in groups) == totals["tax"]
    for line in invoice["lines"]:
        if line["type"] == "item":
            assert Decimal(line["net"]) + Decimal(line["tax"]) == Decimal(line["gross"])
            assert all(len(line[name].partition(".")[2]) == 2 for name in ("net", "tax", "gross"))
            charge = Decimal(line["quantity"]) * Decimal(line["unit_price"])
            charge *= 1 - Decimal(line["discount_percent"] or 0) / 100
            told = Decimal(line["gross" if invoice["prices_include_tax"] else "net"])
            assert abs(told - charge) <= CENT, f"{line} comes to {charge}"


async def test_the_issues_own_invoice_is_exact(subject: Subject) -> None:
    """Mixed VAT, 0.333 quantities, five decimals, a discount, prices with tax: cents worked out by hand."""
    if not {"prices_include_tax", "lines.discount_percent"} <= subject.holds("invoices"):
        pytest.skip(f"{subject.name}: no prices with tax, or no discount on lines")
    low = await subject.vat_code("domestic_low")
    lines = [
        await subject.line(quantity="0.333", unit_price="19.99999", discount_percent="10"),
        await subject.line(quantity="3", unit_price="1.00005", discount_percent="10", vat_code_id=low),
    ]
    invoice = await booked(subject, await subject.draft("invoices", prices_include_tax=True, lines=lines))
    # 0.333 × 19.99999 × 0.9 → 5.99, of which 21/121 is 1.04; 3 × 1.00005 × 0.9 → 2.70, of which 9/109 is 0.22
    totals = {name: invoice["totals"][name] for name in ("net", "tax", "gross")}
    assert totals == {"net": "7.43", "tax": "1.26", "gross": "8.69"}


async def test_a_long_number_survives(subject: Subject) -> None:
    """A JSON number with twenty digits goes to the system and back unchanged."""
    draft = await subject.draft("products")
    if not await subject.takes("products", {**draft, "price": str(LONG)}):
        pytest.skip(f"{subject.name}: its schema says that no price is that long")
    answer = await subject.ask("POST", "products", body=dumps({**draft, "price": LONG}))
    assert answer.status_code == 201, answer.text
    made = body_of(answer)
    assert made["price"] == str(LONG)
    assert (await subject.get(f"products/{made['id']}"))["price"] == str(LONG)
    row = subject.row("products", await subject.system_id("products", made["id"]))
    assert LONG in {number(text) for _, text in leaves(row)}


async def test_a_number_is_read_exactly_and_written_as_text(subject: Subject) -> None:
    for text in ("0.1", "0.10", "2.675", "1234567890.12", "0.00001"):
        draft = await subject.draft("products")
        if text == "1234567890.12" and not await subject.takes("products", {**draft, "price": text}):
            continue
        answer = await subject.ask("POST", "products", body=dumps({**draft, "price": Decimal(text)}))
        assert answer.status_code == 201, answer.text
        price = body_of(answer)["price"]
        assert isinstance(price, str)
        assert Decimal(price) == Decimal(text)


async def test_what_is_no_decimal_costs_no_call(subject: Subject) -> None:
    draft = await subject.draft("products")
    none: tuple[Any, ...] = ("1e5", "NaN", "Infinity", "1,50", "", "\u0663", "1_000", "0x1F", "1" * 16, True, [], "--1")
    with subject.quiet():
        for price in none:
            await subject.refused(422, "validation_failed", "POST", "products", body={**draft, "price": price})


async def test_more_than_an_amount_can_say_is_refused_and_not_written(subject: Subject) -> None:
    """Were it written, no list that holds it could be read again: such as a bar code where the quantity should be."""
    lines = [await subject.line(quantity="8712345678", unit_price=price) for price in ("999999.99", "-999999.99")]
    draft = await subject.draft("invoices")
    asked = [("POST", "invoices", {**draft, "lines": given}) for given in (lines[:1], lines)]
    if subject.can("invoices.update"):
        asked.append(("PATCH", f"invoices/{(await subject.make('invoices'))['id']}", {"lines": lines}))
    before = len(subject.emulator.journal)
    for method, path, body in asked:
        for query in ({"dry_run": "true"}, {}):
            problem = await subject.refused(422, "validation_failed", method, path, body=body, query=query)
            assert problem["errors"][0]["pointer"] == "/lines"
    assert {seen.method for seen in subject.emulator.journal[before:]} <= {"GET"}


async def test_expected_totals_are_checked_before_anything_is_sent(subject: Subject) -> None:
    draft = await subject.draft("invoices", lines=[await subject.line(quantity="3", unit_price="33.33")])
    right = {"net": "99.99", "tax": "21.00", "gross": "120.99"}
    books = len(subject.books("invoices"))
    before = len(subject.emulator.journal)
    problem = await subject.refused(
        422, "totals_mismatch", "POST", "invoices", body={**draft, "expected_totals": {**right, "gross": "121.00"}}
    )
    assert problem["difference"] == {"gross": "0.01"}, "the exact difference is told"
    assert problem["errors"][0]["message"].startswith("Expected 0.01 more than ")
    assert problem["outcome"] == "not_sent"
    low = {**draft, "expected_totals": {**right, "gross": "120.97"}}
    less = await subject.refused(422, "totals_mismatch", "POST", "invoices", body=low)
    assert less["difference"] == {"gross": "-0.02"}
    assert less["errors"][0]["message"].startswith("Expected 0.02 less than ")
    assert {seen.method for seen in subject.emulator.journal[before:]} <= {"GET"}
    assert len(subject.books("invoices")) == books
    answer = await subject.ask("POST", "invoices", body={**draft, "expected_totals": right})
    assert answer.status_code == 201, answer.text
    for name, amount in right.items():
        assert body_of(answer)["totals"][name] == amount


async def test_expected_totals_of_a_change_are_checked_before_anything_is_sent(subject: Subject) -> None:
    """Of new lines, and of those that there are."""
    made = await subject.make("invoices")
    path = f"invoices/{made['id']}"
    before, lines = dumps(list(subject.books("invoices"))), [await subject.line(quantity="3")]
    for change in ({"lines": lines, "expected_totals": {"gross": "36.29"}}, {"expected_totals": {"gross": "24.21"}}):
        problem = await subject.refused(422, "totals_mismatch", "PATCH", path, body=change)
        assert (problem["outcome"], problem["errors"][0]["pointer"]) == ("not_sent", "/expected_totals/gross")
        assert dumps(list(subject.books("invoices"))) == before
    right = {"lines": lines, "expected_totals": {"net": "30.00", "tax": "6.30", "gross": "36.30"}}
    answer = await subject.ask("PATCH", path, body=right)
    assert (answer.status_code, body_of(answer)["totals"]["gross"]) == (200, "36.30"), answer.text


async def test_a_rounding_line_closes_a_small_gap(subject: Subject) -> None:
    if "rounding_ledger_account_id" not in {one.name for one in subject.adapter.settings}:
        pytest.skip(f"{subject.name}: there are no rounding lines")
    draft = await subject.draft("invoices", lines=[await subject.line(quantity="3", unit_price="33.33")])
    asked = {**draft, "on_rounding": "add_line"}
    closed = {**asked, "expected_totals": {"gross": "121.00"}}
    unset = await subject.refused(422, "validation_failed", "POST", "invoices", body=closed)
    assert [(one["pointer"], one["code"]) for one in unset["errors"]] == [("/on_rounding", "required")]
    account = await subject.revenue_account()
    changed = await subject.ask("PATCH", "", body={"settings": {"rounding_ledger_account_id": account}})
    assert changed.status_code == 200, changed.text
    shown = await subject.ask("POST", "invoices", body=closed, dry_run="true")
    answer = await subject.ask("POST", "invoices", body=closed)
    assert answer.status_code == 201, answer.text
    made = body_of(answer)
    told = body_of(shown)["totals"]
    assert told == {name: made["totals"][name] for name in ("net", "tax", "gross")}, "a dry run counts the line too"
    assert (made["totals"]["gross"], len(made["lines"]), made["lines"][-1]["gross"]) == ("121.00", 2, "0.01")
    await subject.refused(
        422, "totals_mismatch", "POST", "invoices", body={**asked, "expected_totals": {"gross": "121.05"}}
    )
