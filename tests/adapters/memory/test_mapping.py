"""What the mapping of Memory Books decides, and what makes no sense to it."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import adapters.memory
from adapters.memory.mapping import contacts, invoices, lines
from gateway.contract.errors import Problem
from gateway.contract.exact import loads
from gateway.contract.models import AddressDraft, ExpectedTotals, LineDraft, VatCode
from gateway.contract.money import NumberText
from tests.adapters.memory.law_facts import FACTS

FIXTURES = Path(adapters.memory.__file__).parent / "fixtures"


def test_what_has_no_name_of_ours_is_told_as_unmapped() -> None:
    raw = loads((FIXTURES / "contacts.company.json").read_bytes())["raw"]
    record = contacts.contact_of(raw)
    assert raw.keys() - record.mapped == {"creditLimit"}


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda path: path.stem)
def test_a_shape_that_cannot_be_is_malformed(path: Path) -> None:
    raw = loads(path.read_bytes())["raw"]
    reader = FACTS.reads[path.name.partition(".")[0]]
    for name in reader(raw).mapped & raw.keys():
        for wrong in ({"what": "else"}, 7.5 if name == "id" else {}):
            with pytest.raises(Problem) as caught:
                reader({**raw, name: wrong})
            assert caught.value.code == "upstream_malformed"
            assert name in caught.value.detail
            assert str(wrong) not in caught.value.detail


def test_an_update_writes_everything_back_but_what_it_names() -> None:
    raw = loads((FIXTURES / "contacts.company.json").read_bytes())["raw"]
    body = contacts.contact_body({"email": "nieuw@desluis.example"}, raw)
    kept = {name: value for name, value in raw.items() if name not in contacts.READ_ONLY}
    assert body == {**kept, "email": "nieuw@desluis.example"}
    assert body["creditLimit"] == "1500.00"


@pytest.mark.parametrize(
    ("given", "line", "street", "number"),
    [
        ({"line1": "Kade 9"}, "Kade 9", None, None),
        ({"street": "Kade", "house_number": "9"}, "Kade 9a", "Kade", "9"),
        ({"house_number": "14"}, "Sluiskade 14a", "Sluiskade", "14"),
        ({"city": "Goes"}, "Sluiskade 12a", "Sluiskade", "12"),
    ],
)
def test_first_line_and_parts_say_the_same(
    given: dict[str, str], line: str, street: str | None, number: str | None
) -> None:
    before = loads((FIXTURES / "contacts.company.json").read_bytes())["raw"]["address"]
    body = contacts.address_body(AddressDraft(**given), before)
    assert body is not None
    assert (body["addressLine"], body["street"], body["houseNumber"]) == (line, street, number)
    assert body["postalCode"] == "2611 AB"


@pytest.mark.parametrize("given", [{"line1": None}, {"street": None}, {"line1": None, "street": None}], ids=str)
def test_an_address_without_its_first_line_has_no_parts_of_it(given: dict[str, None]) -> None:
    before = loads((FIXTURES / "contacts.company.json").read_bytes())["raw"]["address"]
    body = contacts.address_body(AddressDraft.model_validate(given), before)
    gone = dict.fromkeys(["addressLine", "street", "houseNumber", "houseNumberSuffix"])
    assert body == {**before, **gone}


CODES = {
    "hoog": VatCode(
        id="hoog", name="Hoog", rate=NumberText("21"), category="S", treatment="domestic_high", direction="both"
    ),
    "geen": VatCode(
        id="geen", name="Geen", rate=NumberText("0"), category="O", treatment="outside_scope", direction="both"
    ),
}
SETUP = lines.Setup(CODES, {}, None, "afronding")


def document(price: str, kind: str = "invoice") -> dict[str, Any]:
    draft = LineDraft(description="Brood", quantity=Decimal(3), unit_price=Decimal(price), vat_code_id="hoog")
    return {"kind": kind, "lines": invoices.line_bodies([draft], kind)}


def test_a_credit_note_is_written_below_zero_and_counted_above() -> None:
    body = document("33.33", "creditNote")
    assert body["lines"][0]["price"] == "-33.33"
    assert lines.sum_of(body, CODES).total.gross == Decimal("120.99")


def test_a_mismatch_tells_the_exact_difference() -> None:
    with pytest.raises(Problem) as caught:
        lines.as_expected(document("33.33"), ExpectedTotals(gross=Decimal("121.06")), "add_line", SETUP)
    assert caught.value.code == "totals_mismatch"
    assert caught.value.extra["difference"] == {"gross": "0.07"}


@pytest.mark.parametrize(("gross", "rounding"), [("121.00", "0.01"), ("120.94", "-0.05")])
def test_a_rounding_line_closes_a_gap_of_five_cents_at_most(gross: str, rounding: str) -> None:
    body = lines.as_expected(document("33.33"), ExpectedTotals(gross=Decimal(gross)), "add_line", SETUP)
    assert (body["lines"][-1]["price"], body["lines"][-1]["ledger"]) == (rounding, "afronding")
    assert lines.sum_of(body, CODES).total.gross == Decimal(gross)


def test_a_line_needs_to_say_how_it_is_taxed() -> None:
    line = LineDraft(description="Brood", unit_price=Decimal(1))
    with pytest.raises(Problem) as caught:
        lines.filled([line], SETUP, date(2026, 3, 2), prices_include_tax=False)
    assert caught.value.errors[0].pointer == "/lines/0/vat_code_id"
