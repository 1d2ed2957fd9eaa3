"""A sealed value opens in its place with its key, and nowhere else."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.secret import Secret
from gateway.store.seal import CannotOpen, DataKey, KeyRing, generate_key

ONE = "one:" + base64.b64encode(b"1" * 32).decode()
TWO = "two:" + base64.b64encode(b"2" * 32).decode()
PLACE = {"tenant": "acme", "connection": "con_1", "field": "credentials.token"}


def ring(text: str = ONE, environment: str = "test") -> KeyRing:
    return KeyRing.parse(text, environment=environment)


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_again(plaintext: bytes) -> None:
    assert ring().open(ring().seal(plaintext, **PLACE), **PLACE) == plaintext


def test_the_sealed_form_hides_the_plaintext_and_never_repeats() -> None:
    first, second = ring().seal(b"canary", **PLACE), ring().seal(b"canary", **PLACE)
    assert b"canary" not in first
    assert first != second


def test_the_form_is_version_key_id_nonce_and_ciphertext_with_its_tag() -> None:
    sealed = KeyRing.parse(ONE, environment="test", randomness=lambda count: b"n" * count).seal(b"canary", **PLACE)
    assert sealed.startswith(b"\x01\x03one" + b"n" * 12)
    assert len(sealed) == 2 + 3 + 12 + len(b"canary") + 16


@pytest.mark.parametrize("part", ["tenant", "connection", "field"])
def test_another_place_does_not_open_it(part: str) -> None:
    sealed = ring().seal(b"canary", **PLACE)
    with pytest.raises(CannotOpen):
        ring().open(sealed, **PLACE | {part: PLACE[part] + "x"})


def test_another_environment_does_not_open_it() -> None:
    sealed = ring(environment="production").seal(b"canary", **PLACE)
    with pytest.raises(CannotOpen):
        ring(environment="staging").open(sealed, **PLACE)


def test_the_same_letters_divided_otherwise_are_another_place() -> None:
    sealed = ring().seal(b"canary", tenant="ab", connection="c", field="f")
    with pytest.raises(CannotOpen):
        ring().open(sealed, tenant="a", connection="bc", field="f")


def test_any_altered_byte_is_refused() -> None:
    # Both keys are in the ring, and differ in their ids: an altered id may then be the other's, and still is refused.
    two_of_a_kind = KeyRing({"a": b"1" * 32, "b": b"2" * 32}, environment="test")
    sealed = two_of_a_kind.seal(b"canary", **PLACE)
    for position in range(len(sealed)):
        for flipped in (0x01, 0x03, 0x80, 0xFF):
            altered = bytearray(sealed)
            altered[position] ^= flipped
            with pytest.raises(CannotOpen):
                two_of_a_kind.open(bytes(altered), **PLACE)


def test_a_value_cut_short_or_made_longer_is_refused() -> None:
    sealed = ring().seal(b"canary", **PLACE)
    for length in range(len(sealed)):
        with pytest.raises(CannotOpen):
            ring().open(sealed[:length], **PLACE)
    with pytest.raises(CannotOpen):
        ring().open(sealed + b"x", **PLACE)


def test_an_older_key_still_opens_and_the_primary_seals() -> None:
    old = ring(ONE).seal(b"canary", **PLACE)
    rotated = ring(f"{TWO}, {ONE}")
    assert rotated.open(old, **PLACE) == b"canary"
    assert rotated.primary == "two"
    assert ring(TWO).open(rotated.seal(b"new", **PLACE), **PLACE) == b"new"


def test_a_key_no_longer_in_the_ring_is_named() -> None:
    sealed = ring(ONE).seal(b"canary", **PLACE)
    with pytest.raises(CannotOpen, match=r"credentials\.token of connection con_1 .* 'one'"):
        ring(TWO).open(sealed, **PLACE)


def test_what_cannot_be_opened_is_not_told() -> None:
    sealed = ring().seal(b"canary", **PLACE)
    with pytest.raises(CannotOpen) as caught:
        ring().open(sealed[:-1] + b"x", **PLACE)
    assert "canary" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_a_ring_shows_the_ids_of_its_keys_only() -> None:
    assert repr(ring(f"{TWO},{ONE}")) == "KeyRing(two, one)"


def own_key(text: str = ONE, *, tenant: str = "acme", connection: str = "con_1", key: str = "07" * 32) -> DataKey:
    return ring(text).data_key(Secret(key), tenant=tenant, connection=connection)


def test_a_data_key_comes_back_out_of_its_wrapping() -> None:
    wrapped = ring(ONE).wrap(Secret("07" * 32), tenant="acme", connection="con_1")
    assert bytes([7]) * 32 not in wrapped
    assert ring(f"{TWO},{ONE}").unwrap(wrapped, tenant="acme", connection="con_1") == Secret("07" * 32)
    for elsewhere in ({"tenant": "other", "connection": "con_1"}, {"tenant": "acme", "connection": "con_2"}):
        with pytest.raises(CannotOpen):
            ring(ONE).unwrap(wrapped, **elsewhere)


def test_what_a_data_key_sealed_opens_whatever_wraps_that_key() -> None:
    sealed = own_key(ONE).seal(b"canary", field="f")
    assert sealed[0] == 2
    assert own_key(TWO).open(sealed, field="f") == b"canary"


@pytest.mark.parametrize(
    "other",
    [own_key(key="08" * 32), own_key(tenant="other"), own_key(connection="con_2")],
    ids=["key", "tenant", "connection"],
)
def test_another_data_key_or_place_does_not_open_it(other: DataKey) -> None:
    with pytest.raises(CannotOpen):
        other.open(own_key().seal(b"canary", field="f"), field="f")
    with pytest.raises(CannotOpen):
        own_key().open(own_key().seal(b"canary", field="f"), field="g")


def test_one_form_is_never_taken_for_the_other() -> None:
    with pytest.raises(CannotOpen):
        own_key().open(ring().seal(b"canary", **PLACE), field=PLACE["field"])
    with pytest.raises(CannotOpen):
        ring().open(own_key().seal(b"canary", field=PLACE["field"]), **PLACE)


def test_a_generated_key_makes_a_ring_and_is_never_the_same() -> None:
    first, second = generate_key(), generate_key()
    assert first != second
    assert ring(f"{first},{second}").primary == first.partition(":")[0]


SECRET = base64.b64encode(b"not to be shown, in any error..!").decode()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "key 1 is not of the form"),
        (SECRET, "key 1 is not of the form"),
        (f"{ONE},", "key 2 is not of the form"),
        (f"one:{SECRET[:-1]}", "key 1 is not base64"),
        (f"one:{SECRET[:-1]}é", "key 1 is not base64"),
        (f"one:{SECRET[:40]}", "key 1 has 30 bytes instead of 32"),
        (f":{SECRET}", "id of encryption key 1"),
        (f"{SECRET}:one=", "key 1"),
        (f"{SECRET}:{SECRET}", "id of encryption key 1"),
        (f"one:{SECRET},one:{SECRET}", "Two encryption keys have the id 'one'"),
        (f"one:{SECRET},two:{SECRET}", "Two encryption keys are the same"),
    ],
)
def test_a_bad_key_is_told_without_showing_it(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)) as caught:
        ring(text)
    assert SECRET[:10] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_empty_ring_is_refused() -> None:
    with pytest.raises(ValueError, match="no encryption key"):
        KeyRing({}, environment="test")
