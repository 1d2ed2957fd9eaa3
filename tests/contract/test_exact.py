"""JSON in and out with every number as its text spells it, and every text that is no JSON refused as just that."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.exact import MalformedJson, dumps, items_under, loads, loads_once


@pytest.mark.parametrize(
    "text", ["12345678901.123456789", "0.1000000000000000055", "-0.10", "79228162514264337593543950335.01", "1.50"]
)
def test_a_number_goes_in_and_out_as_it_is_spelled(text: str) -> None:
    read = loads(text)
    assert isinstance(read, Decimal)
    assert str(read) == text
    assert dumps({"amount": read}) == b'{"amount":' + text.encode() + b"}"


def test_a_whole_number_is_an_int_however_long() -> None:
    assert loads(b"123456789012345678901234567890") == 123456789012345678901234567890
    assert type(loads(b"7")) is int
    assert dumps([10**30]) == b"[1" + b"0" * 30 + b"]"


@pytest.mark.parametrize(("text", "value"), [("1e3", "1000"), ("1.5E-2", "0.015"), ("1e400", "1E+400")])
def test_an_exponent_is_read_as_a_decimal(text: str, value: str) -> None:
    read = loads(text)
    assert isinstance(read, Decimal)
    assert read == Decimal(value)
    assert loads(dumps(read)) == read


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False, places=6)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc é😀", max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
@settings(max_examples=50)
def test_every_value_survives_the_wire(value: Any) -> None:
    assert loads(dumps(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b" ", b"nul", b"{", b"[1,]", b'{"a" 1}', b"1 2", b"01", b"+1", b".5", b"1.", b"'a'", b"{a:1}"),
        *(b"NaN", b"Infinity", b"-Infinity", b"nan"),
        *(b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xed\xa0\x80"', b"\xff", b'"\xff"', b'"\x01"', b'"\\x41"'),
        *(b"\xef\xbb\xbf1", b"// 1\n1", b"1" * 5_000),
        *(b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000),
    ],
    ids=lambda text: f"{text[:12]!r}+{len(text)}",
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedJson):
        loads(text)


@pytest.mark.parametrize(
    "text", [b"1e9999999999999999999", b"[1e-9999999999999999999]", b'{"a":-1E+9999999999999999999}']
)
def test_a_number_no_decimal_can_hold_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedJson):
        loads(text)


def test_a_surrogate_pair_is_one_character() -> None:
    assert loads(b'"\\ud83d\\ude00"') == "😀"


def test_a_name_given_twice_counts_once_and_the_last_one_stands() -> None:
    """What RFC 8259 §4 calls unpredictable is at least settled: one reading, that of every common parser."""
    assert loads(b'{"a": 1, "b": 2, "a": 3}') == {"a": 3, "b": 2}


def test_reasonable_nesting_is_read() -> None:
    depth = 200
    value = loads(b"[" * depth + b"]" * depth)
    for _ in range(depth - 1):
        (value,) = value
    assert value == []


@pytest.mark.parametrize("value", [object(), {1, 2}.__iter__(), Exception()])
def test_what_is_no_json_value_is_not_written(value: object) -> None:
    with pytest.raises(TypeError):
        dumps(value)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'[{"b":{"a":null,"c":1,"a":0}}]',
        b'{"' + b"x" * 99 + b'":1,"' + b"x" * 99 + b'":2}',
    ],
)
def test_a_member_given_twice_is_refused(text: bytes) -> None:
    assert loads(text)
    with pytest.raises(MalformedJson, match="is given twice"):
        loads_once(text)


@given(JSON)
def test_what_is_given_once_is_read_as_ever(value: Any) -> None:
    assert loads_once(dumps(value)) == loads(dumps(value))


@pytest.mark.parametrize(("opens", "closes"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_what_a_caller_sends_is_nested_so_deep_and_no_deeper(opens: bytes, closes: bytes) -> None:
    levels = len(closes)
    for depth in (31, 32):
        text = opens * (depth // levels) + b"1" + closes * (depth // levels)
        assert loads_once(text) == loads(text)
    for depth in (34, 200, 900):
        text = opens * (depth // levels) + b"1" + closes * (depth // levels)
        assert loads(text)
        with pytest.raises(MalformedJson, match="more than 32 levels"):
            loads_once(text)


@pytest.mark.parametrize("text", [b"[" * 100_000, b"NaN", b'{"a":1', b"\xff", b'[{"a":1}, {"a":2}]x'])
def test_what_is_no_json_is_refused_by_both(text: bytes) -> None:
    for read in (loads, loads_once):
        with pytest.raises(MalformedJson):
            read(text)


def test_the_items_under_a_name_are_found_and_not_read() -> None:
    found = items_under("rows", b'{"count":3,"rows":[ {"a":1.50}, null,"x"],"more":{"rows":[]}}')
    assert [bytes(one) for one in found] == [b'{"a":1.50}', b"null", b'"x"']


@pytest.mark.parametrize(
    "text", [b"[]", b"{}", b'{"rows":null}', b'{"rows":{}}', b'{"rows":[1}', b'{"rows":[]}x', b'{"rows":5,"rows":[]}']
)
def test_where_there_are_no_items_under_a_name_that_is_told(text: bytes) -> None:
    with pytest.raises(MalformedJson):
        items_under("rows", text)
