"""What a VAT code means, which one a line is charged with, and the one discount of a document."""

from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace

from adapters.thenextinvoice.mapping.lines import code_for, one_discount
from adapters.thenextinvoice.mapping.settings import vat_code_of
from gateway.contract.models import VatCode
from gateway.contract.models.ledger import VatTreatment
from gateway.contract.money import number_text

TODAY = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("factor", "type", "treatment", "category"),
    [
        ("1.21", None, "domestic_high", "S"),
        ("1.09", None, "domestic_low", "S"),
        ("1.06", None, "domestic_low", "S"),
        ("1", None, "zero", "Z"),
        ("1.19", None, "unknown", "S"),
        ("1.19", "high", "domestic_high", "S"),
        ("1", "none", "zero", "Z"),
        ("1", "exempt", "exempt", "E"),
        ("1", "ICPS", "intra_eu_services", "AE"),
        ("1", "ICPG", "intra_eu_goods", "K"),
        ("1", "EBU", "export", "G"),
        ("1.21", "exempt", "unknown", "S"),
        ("1", "high", "unknown", "Z"),
        ("1.21", "OSS", "unknown", "S"),
    ],
)
def test_a_vat_code_means_what_its_type_or_rate_says(
    factor: str, type: str | None, treatment: str, category: str
) -> None:
    code = vat_code_of({"id": 1, "name": "x", "code": "", "factor": Decimal(factor), "type": type}).item
    assert (code.treatment, code.category, code.direction) == (treatment, category, "sale")
    assert code.rate == number_text((Decimal(factor) - 1) * 100)


def code_of(id: str, rate: str, treatment: str = "domestic_low") -> VatCode:
    code = vat_code_of({"id": id, "name": "x", "factor": 1 + Decimal(rate) / 100, "type": None}).item
    return replace(code, treatment=treatment)


@pytest.mark.parametrize(
    ("on", "rate", "country", "expected"),
    [
        (date(2026, 1, 1), None, None, "2"),
        (date(2019, 1, 1), None, "NL", "2"),
        (date(2018, 12, 31), None, None, "1"),
        (date(2026, 1, 1), Decimal(6), None, "1"),
        (date(2026, 1, 1), Decimal(5), None, None),
        (date(2026, 1, 1), None, "BE", None),
    ],
)
def test_a_treatment_finds_the_code_in_force(
    on: date, rate: Decimal | None, country: str | None, expected: str | None
) -> None:
    codes = {one.id: one for one in (code_of("1", "6"), code_of("3", "9"), code_of("2", "9"))}
    found = code_for("domestic_low", codes, rate=rate, country=country, on=on)
    assert (found and found.id) == expected


def test_an_unknown_treatment_finds_nothing() -> None:
    assert code_for("unknown", {"1": code_of("1", "19", "unknown")}, rate=None, country=None, on=TODAY) is None


def test_one_discount_is_that_of_all_lines() -> None:
    assert one_discount([]) == 0
    assert one_discount([("/lines/0", Decimal(5)), ("/lines/1", Decimal("5.0"))]) == 5
    assert one_discount([("/lines/0", Decimal(5)), ("/lines/1", Decimal(0))]) is None


@pytest.mark.parametrize("treatment", ["intra_eu_goods", "intra_eu_services", "export"])
def test_what_leaves_the_country_is_not_dutch(treatment: VatTreatment) -> None:
    codes = {"1": code_of("1", "0", treatment)}
    found = [code_for(treatment, codes, rate=None, country=country, on=TODAY) for country in (None, "DE", "NL")]
    assert found == [codes["1"], codes["1"], None]
