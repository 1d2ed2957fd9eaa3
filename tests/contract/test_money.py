"""Decimals read, written, rounded and added up; sums are held against an oracle in exact fractions."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from math import floor
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway.contract.money import (
    NOTHING,
    Amount,
    Amounts,
    Percentage,
    Priced,
    Quantity,
    Sum,
    TaxRounding,
    add_up,
    amount_from,
    amount_or_none,
    amount_text,
    cents_from,
    charged,
    decimal_of,
    exact,
    number_from,
    number_or_none,
    number_text,
    plain,
    round_to_cents,
    signed,
    split,
)

QUICK = settings(max_examples=60)

# Reading


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("12.40", "12.40"),
        ("0", "0"),
        ("-0.01", "-0.01"),
        ("007", "7"),
        ("999999999999999.999999999999", "999999999999999.999999999999"),
        (12, "12"),
        (-3, "-3"),
        (0, "0"),
        (10**15 - 1, "999999999999999"),
        (Decimal("12345678901.123456789"), "12345678901.123456789"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-12"), "0.000000000001"),
        (Decimal("-0"), "0"),
    ],
)
def test_a_decimal_is_read_exactly(said: object, read: str) -> None:
    assert decimal_of(said) == Decimal(read)


@pytest.mark.parametrize(
    "said",
    [
        *(1.5, 0.1, float("nan"), float("inf"), True, False, None, [], {}, b"1", complex(1)),
        *("", " ", "1 ", " 1", "+1", "1.", ".5", "1,5", "1_000", "1e3", "1E3", "0x1", "NaN", "Infinity", "-", "--1"),
        *("\u0661\u0662", "\uff11", "1\uff0e5", "\u22121", "½", "1\n", "1\x00", "1e", "1.2.3"),
        *("1" * 16, "0." + "1" * 13, "-" + "9" * 16),
        *(10**15, -(10**15), 10**400),
        *(Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1E+15"), Decimal("1E-13")),
        *(Decimal("1E+999999"), Decimal("1E-999999"), Decimal("0E+999999"), Decimal("1." + "0" * 13)),
    ],
)
def test_what_is_no_decimal_is_refused(said: object) -> None:
    with pytest.raises(ValueError, match="decimal"):
        decimal_of(said)


@pytest.mark.parametrize(
    "said",
    [
        Decimal("1E+999999999999999999"),
        Decimal("1E-999999999999999999"),
        Decimal("0E+999999999999999999"),
        Decimal("0." + "1" * 500_000),
        "1" * 1_000_000,
        10**4000,
    ],
    ids=["vast", "tiny", "vast zero", "long fraction", "long text", "long number"],
)
def test_a_monstrous_number_is_refused_quickly(said: object) -> None:
    before = time.process_time()
    with pytest.raises(ValueError, match="decimal"):
        decimal_of(said)
    assert time.process_time() - before < 0.2


@given(st.decimals(min_value=-(10**15) + 1, max_value=10**15 - 1, places=12))
@QUICK
def test_every_decimal_within_bounds_is_read_back_from_its_text(value: Decimal) -> None:
    assert decimal_of(format(value, "f")) == value
    assert decimal_of(value) == value


# Writing


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        ("12.4", 2, "12.40"),
        ("12.400", 2, "12.40"),
        ("12.345", 2, "12.345"),
        ("12", 2, "12.00"),
        ("12.0", 0, "12"),
        ("100", 0, "100"),
        ("1E+3", 0, "1000"),
        ("1E+3", 2, "1000.00"),
        ("0E-7", 0, "0"),
        ("-0", 0, "0"),
        ("-0.00", 2, "0.00"),
        ("-0.001", 2, "-0.001"),
        ("-0.5", 0, "-0.5"),
        ("1E-9", 0, "0.000000001"),
    ],
)
def test_a_decimal_is_written_plainly(value: str, places: int, text: str) -> None:
    assert plain(Decimal(value), places) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12), st.integers(0, 4))
@QUICK
def test_what_is_written_plainly_is_the_same_number(value: Decimal, places: int) -> None:
    text = plain(value, places)
    assert Decimal(text) == value
    assert "E" not in text
    assert not text.startswith("-0") or Decimal(text) != 0
    fraction = text.partition(".")[2]
    assert len(fraction) >= places
    assert len(fraction) <= places or not fraction.endswith("0")


DECIMALS = st.decimals(allow_nan=True, allow_infinity=True) | st.decimals(places=2, allow_nan=False, max_value=10**17)


def in_twelve_decimals(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent >= -12:
        return value
    return value.quantize(Decimal("1E-12"), ROUND_HALF_UP, Context(prec=1000))


@pytest.mark.parametrize(("spelled_by", "type_"), [(amount_text, Amount), (number_text, Quantity)])
def test_a_record_has_the_spelling_of_a_checked_model_or_none(spelled_by: Callable[[Decimal], str], type_: Any) -> None:
    model: TypeAdapter[Decimal] = TypeAdapter(type_)

    @given(DECIMALS)
    def compare(value: Decimal) -> None:
        try:
            expected = model.dump_python(model.validate_python(in_twelve_decimals(value)))
        except ValidationError:
            with pytest.raises(ValueError, match="a decimal"):
                spelled_by(value)
        else:
            assert spelled_by(value) == expected

    compare()


@pytest.mark.parametrize(
    ("price", "spelled"),
    [
        ("1E+2", "100.00"),
        ("12.4", "12.40"),
        ("12.40000", "12.40"),
        ("-0.00", "0.00"),
        ("0.00", "0.00"),
        ("0.000001", "0.000001"),
        ("1E-8", "0.00000001"),
        ("123456789012345.67", "123456789012345.67"),
        ("12345678901.123456789", "12345678901.123456789"),
        ("8.264462809917356", "8.264462809917"),
        ("0.0000000000005", "0.000000000001"),
        ("-0.0000000000004", "0.00"),
    ],
)
def test_an_amount_has_one_spelling(price: str, spelled: str) -> None:
    assert amount_text(Decimal(price)) == spelled
    assert amount_from(price) == spelled
    assert amount_or_none(Decimal(price)) == spelled


@pytest.mark.parametrize(("rate", "spelled"), [("21.0", "21"), ("0", "0"), ("-0", "0"), ("00", "0"), ("9.50", "9.5")])
def test_a_rate_has_one_spelling(rate: str, spelled: str) -> None:
    assert number_text(Decimal(rate)) == spelled
    assert number_from(rate) == spelled
    assert number_or_none(Decimal(rate)) == spelled


def test_what_is_missing_stays_so() -> None:
    assert (amount_or_none(None), number_or_none(None)) == (None, None)


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "1E+999999", "1234567890123456", "1234567890123456.00"])
def test_what_is_no_amount_is_not_spelled(amount: str) -> None:
    for spelled_by in (amount_text, number_text):
        with pytest.raises(ValueError, match="a decimal"):
            spelled_by(Decimal(amount))


# As systems write them


@given(st.decimals(-(10**15) + 1, 10**15 - 1, places=12) | st.decimals(-(10**6), 10**6, places=2))
@QUICK
def test_a_text_says_the_number_that_it_spells(value: Decimal) -> None:
    for text in (format(value, "f"), str(value)):
        assert exact(text) == value
        assert amount_from(text) == amount_text(value)
        assert cents_from(text) == amount_text(round_to_cents(value))
        assert number_from(text) == number_text(value)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "1 ",
            " 1",
            "+1",
            "1.",
            ".5",
            "1,5",
            "1_000",
            "0x1",
            "NaN",
            "Infinity",
            "-",
            "--1",
            "1\n",
            "1e",
            "e1",
        ),
        *("\u0661\u0662", "\uff11", "\u22121", "½", "1\x00", "1.2.3", "1e31", "1e-31", "1e999", "1e99999", "9" * 32),
    ],
)
def test_a_text_that_is_no_number_says_nothing(text: str) -> None:
    for said in (exact, amount_from, cents_from, number_from):
        with pytest.raises(ValueError, match="a number is"):
            said(text)


# On the wire


class Priceless(BaseModel):
    amount: Amount
    quantity: Quantity
    percentage: Percentage


def test_amounts_have_two_decimals_and_quantities_none_they_do_not_need() -> None:
    model = Priceless.model_validate({"amount": "12.4", "quantity": "0.50", "percentage": "21.00"})
    assert model.model_dump() == {"amount": "12.40", "quantity": "0.5", "percentage": "21"}
    assert model.model_dump_json() == '{"amount":"12.40","quantity":"0.5","percentage":"21"}'
    assert (model.amount, model.quantity) == (Decimal("12.4"), Decimal("0.5"))


def test_an_amount_of_a_million_is_written_without_an_exponent() -> None:
    assert TypeAdapter(Amount).dump_json(Decimal("1E+6")) == b'"1000000.00"'


@pytest.mark.parametrize("said", [12.4, True, "1e2", "€ 12", None, {"amount": "1"}])
def test_a_model_refuses_what_is_no_decimal(said: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Amount).validate_python(said)


@pytest.mark.parametrize(("type_", "example"), [(Amount, "12.40"), (Quantity, "0.5"), (Percentage, "21")])
def test_the_schema_says_a_string_out_and_a_string_or_number_in(type_: Any, example: str) -> None:
    adapter: TypeAdapter[Decimal] = TypeAdapter(type_)
    out = adapter.json_schema(mode="serialization")
    assert out["type"] == "string"
    assert out["examples"] == [example]
    taken = adapter.json_schema(mode="validation")
    assert [one["type"] for one in taken["anyOf"]] == ["string", "number"]
    assert taken["anyOf"][0]["pattern"] == out["pattern"]
    number = taken["anyOf"][1]
    assert (number["exclusiveMinimum"], number["exclusiveMaximum"]) == (-(10**15), 10**15)


# Rounding


@pytest.mark.parametrize(
    ("exact", "cents"),
    [
        ("0.005", "0.01"),
        ("-0.005", "-0.01"),
        ("0.004999", "0.00"),
        ("1.005", "1.01"),
        ("1.015", "1.02"),
        ("2.675", "2.68"),
        ("-2.675", "-2.68"),
        ("2.665", "2.67"),
        ("1E+3", "1000.00"),
    ],
)
def test_half_a_cent_goes_away_from_zero(exact: str, cents: str) -> None:
    rounded = round_to_cents(Decimal(exact))
    assert (rounded, rounded.as_tuple().exponent) == (Decimal(cents), -2)


# Adding up


def half_away(value: Fraction) -> int:
    """Whole cents of an amount, half a cent away from zero."""
    cents = floor(abs(value) * 100 + Fraction(1, 2))
    return cents if value >= 0 else -cents


@dataclass(frozen=True)
class Cents:
    net: int
    tax: int
    gross: int


def cents_of(amounts: Amounts) -> Cents:
    return Cents(*(int(Fraction(value) * 100) for value in (amounts.net, amounts.tax, amounts.gross)))


def taxed(charge: Fraction, rate: Fraction, included: bool) -> Cents:
    said = half_away(charge)
    part = rate / (100 + rate) if included else rate / 100
    tax = half_away(Fraction(said, 100) * part)
    return Cents(said - tax, tax, said) if included else Cents(said, tax, said + tax)


def exactly(line: Priced) -> Fraction:
    return Fraction(line.quantity) * Fraction(line.unit_price) * (100 - Fraction(line.discount_percent)) / 100


def expected(lines: list[Priced], included: bool, rounding: TaxRounding) -> tuple[list[Cents], dict[str, Cents], Cents]:
    each = [taxed(exactly(line), Fraction(line.rate), included) for line in lines]
    groups: dict[str, Cents] = {}
    for group in dict.fromkeys(line.group for line in lines):
        mine = [number for number, line in enumerate(lines) if line.group == group]
        if rounding == "per_line":
            groups[group] = total_of([each[number] for number in mine])
        else:
            charges = [exactly(lines[number]) for number in mine]
            if rounding == "per_rate_of_lines":
                charges = [Fraction(half_away(charge), 100) for charge in charges]
            charge = sum(charges, Fraction(0))
            groups[group] = taxed(charge, Fraction(lines[mine[0]].rate), included)
    return each, groups, total_of(list(groups.values()))


def total_of(parts: list[Cents]) -> Cents:
    return Cents(sum(one.net for one in parts), sum(one.tax for one in parts), sum(one.gross for one in parts))


RATES = {"high": Decimal(21), "low": Decimal(9), "zero": Decimal(0), "old low": Decimal(6), "abroad": Decimal("5.5")}


def priced(quantity: str, unit_price: str, group: str = "high", discount: str = "0") -> Priced:
    return Priced(Decimal(quantity), Decimal(unit_price), Decimal(discount), RATES[group], group)


LINES = st.builds(
    lambda quantity, price, discount, group: Priced(quantity, price, discount, RATES[group], group),
    st.one_of(st.just(Decimal("0.333")), st.decimals(-500, 5_000, places=3)),
    st.decimals(-1_000, 100_000, places=5),
    st.one_of(st.just(Decimal(0)), st.decimals(0, 100, places=2)),
    st.sampled_from(sorted(RATES)),
)
ROUNDINGS: tuple[TaxRounding, ...] = get_args(TaxRounding)


@given(st.lists(LINES, max_size=8), st.booleans(), st.sampled_from(ROUNDINGS))
@example([priced("0.333", "10.00")] * 3, True, "per_rate")
@example([priced("1", "0.005"), priced("-1", "0.005")], False, "per_line")
@settings(max_examples=120)
def test_a_sum_is_what_the_oracle_says(lines: list[Priced], included: bool, rounding: TaxRounding) -> None:
    found = add_up(lines, prices_include_tax=included, rounding=rounding)
    each, groups, total = expected(lines, included, rounding)
    assert [cents_of(one) for one in found.lines] == each
    assert {group: cents_of(one) for group, one in found.groups.items()} == groups
    assert cents_of(found.total) == total
    assert list(found.groups) == list(dict.fromkeys(line.group for line in lines))
    assert_whole(found)


def assert_whole(found: Sum) -> None:
    """Net and tax make gross everywhere, all of it in whole cents, and the groups make the total."""
    for amounts in (*found.lines, *found.groups.values(), found.total):
        assert amounts.net + amounts.tax == amounts.gross
        for value in (amounts.net, amounts.tax, amounts.gross):
            assert value.as_tuple().exponent == -2
    total = NOTHING
    for amounts in found.groups.values():
        total = total + amounts
    assert total == found.total


@given(st.lists(LINES, min_size=1, max_size=8), st.booleans())
@QUICK
def test_per_line_the_lines_make_the_total(lines: list[Priced], included: bool) -> None:
    found = add_up(lines, prices_include_tax=included, rounding="per_line")
    total = NOTHING
    for amounts in found.lines:
        total = total + amounts
    assert total == found.total


WIDE = st.decimals(-(10**9), 10**9, places=12)


@given(st.lists(st.builds(lambda q, p: Priced(q, p, Decimal(0), Decimal(21), "high"), WIDE, WIDE), max_size=3))
@example([Priced(Decimal(10**15 - 1), Decimal(10**15 - 1), Decimal(0), Decimal(21), "high")])
@QUICK
def test_a_sum_is_exact_for_every_decimal_that_is_accepted(lines: list[Priced]) -> None:
    found = add_up(lines, prices_include_tax=False, rounding="per_line")
    assert [cents_of(one) for one in found.lines] == expected(lines, False, "per_line")[0]


@pytest.mark.parametrize(
    ("rounding", "tax"),
    [("per_rate", "6.30"), ("per_line", "6.30")],
)
def test_three_thirds_of_ten(rounding: TaxRounding, tax: str) -> None:
    lines = [priced("0.333", "30.03")] * 3
    found = add_up(lines, prices_include_tax=False, rounding=rounding)
    assert (found.total.net, found.total.tax) == (Decimal("30.00"), Decimal(tax))


def test_ways_to_round_differ_by_cents() -> None:
    """Three times 21.875: together 65.625; a line is 21.88, of which the tax is 4.59."""
    lines = [priced("0.25", "87.50")] * 3
    totals = {way: add_up(lines, prices_include_tax=False, rounding=way).total for way in ROUNDINGS}
    assert {way: (str(total.net), str(total.tax)) for way, total in totals.items()} == {
        "per_rate": ("65.63", "13.78"),
        "per_rate_of_lines": ("65.64", "13.78"),
        "per_line": ("65.64", "13.77"),
    }


@given(st.lists(LINES, min_size=1, max_size=8), st.booleans())
@QUICK
def test_per_rate_of_lines_the_lines_make_what_prices_say(lines: list[Priced], included: bool) -> None:
    """EN 16931, BR-CO-10: without tax the nets of the lines make the net; with tax it is their gross that counts."""
    found = add_up(lines, prices_include_tax=included, rounding="per_rate_of_lines")
    name = "gross" if included else "net"
    assert sum(getattr(one, name) for one in found.lines) == getattr(found.total, name)


def test_prices_with_tax_keep_their_gross() -> None:
    found = add_up([priced("1", "121.00"), priced("2", "10.90", "low")], prices_include_tax=True, rounding="per_rate")
    assert found.total == Amounts(Decimal("120.00"), Decimal("22.80"), Decimal("142.80"))
    assert found.groups["low"] == Amounts(Decimal("20.00"), Decimal("1.80"), Decimal("21.80"))


def test_a_discount_is_taken_before_rounding() -> None:
    assert charged(priced("3", "9.99999", discount="33.33")) == Decimal("20.0009799990")
    assert charged(priced("1", "100", discount="100")) == 0


def test_a_negative_line_takes_away() -> None:
    lines = [priced("2", "50.00"), priced("-1", "50.00")]
    found = add_up(lines, prices_include_tax=False, rounding="per_rate")
    assert found.total == Amounts(Decimal("50.00"), Decimal("10.50"), Decimal("60.50"))
    assert found.lines[1] == Amounts(Decimal("-50.00"), Decimal("-10.50"), Decimal("-60.50"))


def test_nothing_adds_up_to_nothing() -> None:
    assert add_up([], prices_include_tax=True, rounding="per_rate") == Sum((), {}, NOTHING)


@pytest.mark.parametrize("included", [True, False])
def test_a_line_without_tax_has_none(included: bool) -> None:
    amounts = split(Decimal("12.345"), Decimal(0), prices_include_tax=included)
    assert amounts == Amounts(Decimal("12.35"), Decimal("0.00"), Decimal("12.35"))


@given(st.decimals(min_value=-(10**15) + 1, max_value=10**15 - 1, places=12))
def test_a_sign_is_turned_and_no_digit_lost(amount: Decimal) -> None:
    assert signed(amount, 1) is amount
    assert Fraction(signed(amount, -1)) == -Fraction(amount)
    assert signed(signed(amount, -1), -1).as_tuple() == amount.as_tuple()
