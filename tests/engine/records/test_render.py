"""Validators of bodies: nobody makes two bodies of one, whatever he writes in the books and however many he sees."""

from collections.abc import Callable, Iterable

from gateway.engine.gmac import gmac
from gateway.engine.records.render import etags

KEY = bytes(range(32))
BEFORE = b'{"name":"' + b"@" * 44 + b'","iban":"NL91ABNA0417164300"}'
AFTER = BEFORE.replace(b"NL91ABNA0417164300", b"NL44RABO0123456789")
FREE = range(9, 9 + 44)
"""Where anything may stand, such as in a name; of its letters only bits that leave them letters are changed."""


def flipped(body: bytes, bits: Iterable[tuple[int, int]]) -> bytes:
    changed = bytearray(body)
    for place, bit in bits:
        changed[place] ^= bit
    return bytes(changed)


def made_alike(tag: Callable[[bytes], bytes], before: bytes, after: bytes) -> bytes:
    """The body of after, changed in its free text until it has the tag of before: a GMAC is linear in every bit."""
    number = int.from_bytes(tag(after), "big")
    basis: dict[int, tuple[int, frozenset[tuple[int, int]]]] = {}

    def reduced(rest: int, bits: frozenset[tuple[int, int]]) -> tuple[int, frozenset[tuple[int, int]]]:
        while rest and rest.bit_length() in basis:
            value, more = basis[rest.bit_length()]
            rest, bits = rest ^ value, bits ^ more
        return rest, bits

    for one in ((place, bit) for place in FREE for bit in (1, 2, 4, 8)):
        effect = int.from_bytes(tag(flipped(after, [one])), "big") ^ number
        rest, bits = reduced(effect, frozenset([one]))
        if rest:
            basis[rest.bit_length()] = rest, bits
    rest, bits = reduced(int.from_bytes(tag(before), "big") ^ number, frozenset())
    assert rest == 0
    return flipped(after, bits)


def test_who_knows_all_but_the_key_makes_no_two_bodies_of_one_validator() -> None:
    known = gmac(bytes(16))
    forged = made_alike(known, BEFORE, AFTER)
    assert known(forged) == known(BEFORE)
    assert forged.decode().isprintable()
    etag_of = etags(KEY)
    assert etag_of(forged) != etag_of(BEFORE)


def test_validators_are_not_linear_so_that_they_tell_nothing_of_the_key() -> None:
    one, other = (9, 1), (12, 4)
    bodies = [BEFORE, flipped(BEFORE, [one]), flipped(BEFORE, [other]), flipped(BEFORE, [one, other])]

    def all_together(tag: Callable[[bytes], bytes]) -> int:
        found = 0
        for body in bodies:
            found ^= int.from_bytes(tag(body), "big")
        return found

    assert all_together(gmac(KEY[:16])) == 0
    etag_of = etags(KEY)
    assert all_together(lambda body: bytes.fromhex(etag_of(body).strip('"'))) != 0


def test_equal_bodies_have_equal_validators_on_every_node_and_no_others() -> None:
    assert etags(KEY)(BEFORE) == etags(KEY)(bytes(BEFORE))
    assert etags(KEY)(BEFORE) != etags(KEY)(AFTER)
    assert etags(KEY)(BEFORE) != etags(bytes(32))(BEFORE)
