"""The amounts: exact, consistent, and by the rule that ``arithmetic.totals_of`` states."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.thenextinvoice.emulator.arithmetic import Amount, VatRounding, plain, totals_of
from gateway.contract.exact import Json
from tests.adapters.thenextinvoice.emulator_client import TEXT_LINE, books

CENT = Decimal("0.01")
RATES = st.sampled_from([Decimal(rate) for rate in ("0", "6", "9", "21", "6.5")])
NUMBERS = st.decimals(-99999, 99999, places=5, allow_nan=False, allow_infinity=False)
AMOUNTS = st.lists(st.builds(lambda p, q, r: Amount(p * q, r), NUMBERS, NUMBERS, RATES), max_size=6)
DISCOUNTS = st.sampled_from([Decimal(value) for value in ("0", "5", "12.5", "33.33", "100")])
ROUNDING = st.sampled_from([way for way in get_args(VatRounding) if way != "unrounded"])


def half_up(value: Fraction) -> Decimal:
    """To cents, half away from zero, without a ``Decimal`` division on the way."""
    cents = abs(value) * 100 + Fraction(1, 2)
    size = Decimal(cents.numerator // cents.denominator) / 100
    return size if value >= 0 else -size


@settings(max_examples=150, deadline=None)
@given(AMOUNTS, DISCOUNTS, st.booleans(), ROUNDING)
def test_totals_agree_with_themselves_and_with_fractions(
    amounts: list[Amount], discount: Decimal, includes_vat: bool, rounding: VatRounding
) -> None:
    result = totals_of(amounts, discount=discount, includes_vat=includes_vat, rounding=rounding)
    assert result.gross == result.net + result.tax
    assert result.net == sum(rate.base for rate in result.rates.values())
    assert result.tax == sum(rate.tax for rate in result.rates.values())
    assert all(amount == amount.quantize(CENT) for amount in (result.net, result.tax, result.gross, result.discount))
    kept = 1 - Fraction(discount) / 100
    for rate, total in result.rates.items():
        mine = [Fraction(amount.value) * kept for amount in amounts if amount.rate == rate]
        if rounding == "per_rate_of_lines":
            mine = [Fraction(half_up(part)) for part in mine]
        sums = mine if rounding == "per_line" else [sum(mine, Fraction(0))]
        share = Fraction(rate) / 100
        if includes_vat:
            gross = [half_up(part) for part in sums]
            assert total.base + total.tax == sum(gross)
            assert total.tax == sum(half_up(Fraction(part) - Fraction(part) / (1 + share)) for part in gross)
        else:
            bases = [half_up(part) for part in sums]
            assert total.base == sum(bases)
            assert total.tax == sum(half_up(Fraction(base) * share) for base in bases)


@settings(max_examples=50, deadline=None)
@given(AMOUNTS, DISCOUNTS, st.booleans(), ROUNDING)
def test_opposite_lines_give_exactly_opposite_totals(
    amounts: list[Amount], discount: Decimal, includes_vat: bool, rounding: VatRounding
) -> None:
    opposite = [Amount(-amount.value, amount.rate) for amount in amounts]
    result = totals_of(amounts, discount=discount, includes_vat=includes_vat, rounding=rounding)
    assert totals_of(opposite, discount=discount, includes_vat=includes_vat, rounding=rounding) == result.negated()


@pytest.mark.parametrize(
    ("value", "written"),
    [("100.00", 100), ("1E+2", 100), ("12.50", Decimal("12.5")), ("0.33333", Decimal("0.33333"))],
)
def test_whole_numbers_have_no_fraction(value: str, written: int | Decimal) -> None:
    assert plain(Decimal(value)) == written
    assert str(plain(Decimal(value))) == str(written)


@pytest.mark.parametrize(
    ("rounding", "prices", "includes_vat", "expected"),
    [
        # 3 x 0.045: half up once (0.14), or three times (0.15).
        ("per_rate", ["0.045"] * 3, False, {"totalExclVat": "0.14", "vatApplied": "0.03", "totalInclVat": "0.17"}),
        (
            "per_rate_of_lines",
            ["21.875"] * 3,
            False,
            {"totalExclVat": "65.64", "vatApplied": "13.78", "totalInclVat": "79.42"},
        ),
        ("per_line", ["0.045"] * 3, False, {"totalExclVat": "0.15", "vatApplied": "0.03", "totalInclVat": "0.18"}),
        (
            "unrounded",
            ["0.045"] * 3,
            False,
            {"totalExclVat": "0.135", "vatApplied": "0.02835", "totalInclVat": "0.16335"},
        ),
        ("per_rate", ["12.40", "2.29"], True, {"totalExclVat": "12.14", "vatApplied": "2.55", "totalInclVat": "14.69"}),
        ("per_rate", ["2.29"] * 3, True, {"totalExclVat": "5.68", "vatApplied": "1.19", "totalInclVat": "6.87"}),
        ("per_line", ["2.29"] * 3, True, {"totalExclVat": "5.67", "vatApplied": "1.20", "totalInclVat": "6.87"}),
    ],
)
async def test_vat_is_rounded_per_rate_or_per_line(
    rounding: str, prices: list[str], includes_vat: bool, expected: dict[str, str]
) -> None:
    async with books(vat_rounding=rounding) as tni:
        lines = [tni.line(Decimal(price)) for price in prices]
        final = await tni.ask("GET", f"/invoice/{await tni.invoice(*lines, includesVat=includes_vat, status=1)}")
        assert {name: final["calculated"][name] for name in expected} == {
            name: Decimal(amount) for name, amount in expected.items()
        }


async def test_long_prices_part_quantities_and_a_discount() -> None:
    async with books() as tni:
        lines = [tni.line(Decimal("1.23456"), Decimal("0.333")), tni.line(Decimal("49.95"), 3, "low"), TEXT_LINE]
        final_id = await tni.invoice(*lines, discount=Decimal("12.5"), status=1)
        final = await tni.ask("GET", f"/invoice/{final_id}")
        assert final["discount"] == Decimal("12.5")
        assert (final["lines"][0]["price"], final["lines"][0]["quantity"]) == (Decimal("1.23456"), Decimal("0.333"))
        # 0.41110848 x 0.875 = 0.3597…; 149.85 x 0.875 = 131.11875.
        assert final["calculated"] == {
            "totalExclVat": Decimal("131.48"),
            "totalInclVat": Decimal("143.36"),
            "discountApplied": Decimal("18.78"),
            "vatApplied": Decimal("11.88"),
            "vatTotals": {"9": Decimal("11.8"), "21": Decimal("0.08")},
        }


@pytest.mark.parametrize(
    ("zero_row", "empty", "only_zero", "mixed"),
    [
        (False, "list", [], {"21": 21}),
        (False, "object", {}, {"21": 21}),
        (True, "list", {"0": 0}, {"0": 0, "21": 21}),
    ],
)
async def test_rows_of_vat_totals_are_switches(zero_row: bool, empty: str, only_zero: Json, mixed: Json) -> None:
    async with books(zero_vat_row=zero_row, empty_vat_totals=empty) as tni:
        untaxed = await tni.invoice(tni.line(10, vat="none"), tni.line(10, vat="ICPG"), status=1)
        assert (await tni.ask("GET", f"/invoice/{untaxed}"))["calculated"]["vatTotals"] == only_zero
        both = await tni.invoice(tni.line(10, vat="exempt"), tni.line(100), status=1)
        assert (await tni.ask("GET", f"/invoice/{both}"))["calculated"]["vatTotals"] == mixed
        text = await tni.invoice(TEXT_LINE, status=1)
        empty_value: Json = [] if empty == "list" else {}
        assert (await tni.ask("GET", f"/invoice/{text}"))["calculated"]["vatTotals"] == empty_value


async def test_populated_totals_are_those_of_their_lines() -> None:
    async with books(populated=True) as tni:
        rates = {vat.id: vat.rate for vat in tni.emulator.company.vat_codes.values()}
        for invoice in tni.emulator.books()["invoices"]:
            amounts = [
                Amount(Decimal(line["price"]) * Decimal(line["quantity"]), rates[line["vat"]])
                for line in invoice["lines"]
                if line["price"] is not None
            ]
            expected = totals_of(
                amounts,
                discount=Decimal(invoice["discount"]),
                includes_vat=invoice["includesVat"],
                rounding="per_rate",
            )
            assert invoice["amounts"] == {"net": expected.net, "tax": expected.tax, "gross": expected.gross}


def test_half_up_is_away_from_zero() -> None:
    assert half_up(Fraction(-5, 1000)) == Decimal("-0.005").quantize(CENT, ROUND_HALF_UP) == Decimal("-0.01")
