"""Ids as Rompslomp gives them: a row number, scrambled into 31 bits.

One scrambling serves every table and each table counts its own rows, so the same number names a contact *and* an
invoice *and* a product, and a later record may well have the smaller id (dossier §4, "IDs"). The permutation is the
emulator's own, so that nobody comes to rely on the vendor's.
"""

import re
from collections.abc import Iterator
from itertools import count
from typing import Literal

_MASK = (1 << 31) - 1
_FIRST_FACTOR = 0x2C9277B5
_SECOND_FACTOR = 0x5AC635D9
_DIGITS = re.compile(r"[0-9]+", re.ASCII)


def scrambled(row: int) -> int:
    """The id of a row: a bijection on 31 bits (odd factors and xor-shifts), which leaves only row 0 at 0."""
    value = (row * _FIRST_FACTOR) & _MASK
    value ^= value >> 16
    value = (value * _SECOND_FACTOR) & _MASK
    return value ^ (value >> 15)


def ids() -> Iterator[int]:
    """The ids of one table, in the order of its rows."""
    return map(scrambled, count(1))


def id_in(text: str, reading: Literal["leading_digits", "whole"]) -> int:
    """The id that a piece of a path or a query names; 0, which no record has, where it names none."""
    found = _DIGITS.match(text) if reading == "leading_digits" else _DIGITS.fullmatch(text)
    return int(found[0]) if found and len(found[0]) <= 18 else 0
