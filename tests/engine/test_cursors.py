"""Cursors: opaque, and good for the list they came from and no other."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.errors import Problem
from gateway.engine.cursors import Cursors

CURSORS = Cursors(b"k" * 32)
OFFSETS = st.integers(0, 2**64 - 1)
CONTEXTS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8), max_size=4)
QUICK = settings(max_examples=100)


def refused(cursor: str, context: list[str], cursors: Cursors = CURSORS) -> None:
    with pytest.raises(Problem) as raised:
        cursors.read(cursor, context)
    assert raised.value.code == "invalid_cursor"


@given(OFFSETS, CONTEXTS)
@QUICK
def test_a_cursor_leads_back_to_its_place(offset: int, context: list[str]) -> None:
    cursor = CURSORS.write(offset, context)
    assert CURSORS.read(cursor, context) == offset
    assert Cursors(b"k" * 32).read(cursor, context) == offset
    assert cursor.isascii()
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert len(cursor) <= 27


@given(OFFSETS, CONTEXTS, CONTEXTS)
@QUICK
def test_a_cursor_of_another_list_is_refused(offset: int, context: list[str], other: list[str]) -> None:
    if context != other:
        refused(CURSORS.write(offset, context), other)


@pytest.mark.parametrize(
    ("here", "there"), [(["a", "b"], ["ab"]), (["a", ""], ["a"]), (["", "a"], ["a", ""]), ([], [""])]
)
def test_contexts_do_not_run_into_each_other(here: list[str], there: list[str]) -> None:
    refused(CURSORS.write(7, here), there)


@given(OFFSETS, st.integers(0, 40), st.integers(1, 255))
@QUICK
def test_a_cursor_with_one_letter_changed_is_refused(offset: int, place: int, shift: int) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    cursor = CURSORS.write(offset, ["a"])
    place %= len(cursor) - 1  # the last letter holds bits that stand for nothing
    letter = alphabet[(alphabet.index(cursor[place]) + shift) % 64]
    if letter != cursor[place]:
        refused(cursor[:place] + letter + cursor[place + 1 :], ["a"])


@given(st.text(max_size=60))
@QUICK
def test_what_is_no_cursor_is_refused(text: str) -> None:
    refused(text, [])


@pytest.mark.parametrize("text", ["", "=", "====", "AAAA", "é", "\0", "A" * 10_000, " ", "null", "0"])
def test_nonsense_is_refused(text: str) -> None:
    refused(text, [])


def test_a_cursor_of_another_key_is_refused() -> None:
    refused(CURSORS.write(7, ["a"]), ["a"], Cursors(b"x" * 32))


def test_a_cursor_cut_short_is_refused() -> None:
    cursor = CURSORS.write(2**40, ["a"])
    for length in range(len(cursor)):
        refused(cursor[:length], ["a"])
    refused(cursor + "A", ["a"])


def test_a_cursor_survives_that_its_key_is_replaced() -> None:
    before = Cursors(b"k" * 32).write(7, ["a"])
    assert Cursors(b"n" * 32, b"k" * 32).read(before, ["a"]) == 7
    after = Cursors(b"n" * 32, b"k" * 32).write(7, ["a"])
    assert Cursors(b"k" * 32, b"n" * 32).read(after, ["a"]) == 7
    refused(after, ["a"], Cursors(b"k" * 32))
