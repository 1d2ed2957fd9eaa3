"""Secrets at rest: every one sealed by itself with AES-256-GCM, and bound to the place it was sealed for.

A sealed value opens only in the environment, and for the tenant, connection and field, that it was sealed for: moved to
another row or column, or into another installation's database, it is refused. It is laid out as

    version (1 byte) | length of key id (1 byte) | key id | nonce (12 bytes) | ciphertext and tag

and what is authenticated besides is that head up to the nonce, then the environment, tenant, connection and field, each
after its length in four bytes. Callers know none of it. A later version may seal under a data key of the connection's
own, which the ring's keys wrap (issue 5): the version byte tells the two apart, and ``seal`` and ``open`` stay.

Nonces are random, so a key should seal fewer than 2**32 values (NIST SP 800-38D, 8.3).
"""

import base64
import binascii
import re
import secrets
from collections.abc import Callable, Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Randomness = Callable[[int], bytes]
"""Gives that many unpredictable bytes."""

_VERSION = 1
_KEY_BYTES = 32
_NONCE_BYTES = 12
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class CannotOpen(Exception):
    """A sealed value does not open here. It says which value and why, and holds no part of it."""


class KeyRing:
    """The keys of one environment: the primary, which seals, and older ones that still open.

    ``keys`` maps key ids (1 to 32 of ``A-Z a-z 0-9 _ -``) to 32 bytes each, the primary first. Raises ``ValueError``
    saying what is wrong with them, without showing one.
    """

    def __init__(
        self, keys: Mapping[str, bytes], *, environment: str, randomness: Randomness = secrets.token_bytes
    ) -> None:
        _refuse_unusable(keys)
        self._environment = environment
        self._randomness = randomness
        self._primary = next(iter(keys))
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}

    @classmethod
    def parse(cls, text: str, *, environment: str, randomness: Randomness = secrets.token_bytes) -> "KeyRing":
        """Read ``POLDER_ENCRYPTION_KEYS``: ``keyid:base64(32 bytes)``, comma-separated, the primary first."""
        keys: dict[str, bytes] = {}
        for position, entry in enumerate(text.split(","), start=1):
            key_id, key = _parsed(entry.strip(), position)
            if key_id in keys:
                raise ValueError(f"Two encryption keys have the id {key_id!r}.")
            keys[key_id] = key
        return cls(keys, environment=environment, randomness=randomness)

    @property
    def primary(self) -> str:
        """The id of the key that seals."""
        return self._primary

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._ciphers)})"

    def seal(self, plaintext: bytes, *, tenant: str, connection: str, field: str) -> bytes:
        """Seal a value for that field of that connection of that tenant, in this ring's environment."""
        key_id = self._primary.encode()
        head = bytes((_VERSION, len(key_id))) + key_id
        nonce = self._randomness(_NONCE_BYTES)
        bound = self._bound(head, tenant, connection, field)
        return head + nonce + self._ciphers[self._primary].encrypt(nonce, plaintext, bound)

    def open(self, sealed: bytes, *, tenant: str, connection: str, field: str) -> bytes:
        """The value that was sealed for exactly this place. Raises ``CannotOpen``."""
        what = f"{field} of connection {connection}"
        if len(sealed) < 2 or sealed[0] != _VERSION:
            raise CannotOpen(f"{what} is not sealed in a form this version knows.")
        end = 2 + sealed[1]
        head, nonce, ciphertext = sealed[:end], sealed[end : end + _NONCE_BYTES], sealed[end + _NONCE_BYTES :]
        key_id = head[2:].decode("ascii", "replace")
        if len(nonce) < _NONCE_BYTES:
            raise CannotOpen(f"{what} is cut short.")
        if key_id not in self._ciphers:
            raise CannotOpen(f"{what} was sealed with key {key_id!r}, which is not in the ring.")
        try:
            return self._ciphers[key_id].decrypt(nonce, ciphertext, self._bound(head, tenant, connection, field))
        except InvalidTag:
            raise CannotOpen(f"{what} was sealed for another place or by another key, or was altered.") from None

    def _bound(self, head: bytes, tenant: str, connection: str, field: str) -> bytes:
        places = (part.encode() for part in (self._environment, tenant, connection, field))
        return head + b"".join(len(place).to_bytes(4, "big") + place for place in places)


def generate_key(randomness: Randomness = secrets.token_bytes) -> str:
    """A new key as an entry of ``POLDER_ENCRYPTION_KEYS``, under an id of its own."""
    return f"k{randomness(4).hex()}:{base64.b64encode(randomness(_KEY_BYTES)).decode()}"


def _parsed(entry: str, position: int) -> tuple[str, bytes]:
    key_id, colon, encoded = entry.partition(":")
    if not colon:
        raise ValueError(f"Encryption key {position} is not of the form keyid:base64.")
    try:
        return key_id, base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        # The text is not quoted, nor the cause kept: a key with a typing error in it is still most of a key.
        raise ValueError(f"Encryption key {position} is not base64 after its colon.") from None


def _refuse_unusable(keys: Mapping[str, bytes]) -> None:
    if not keys:
        raise ValueError("There is no encryption key.")
    for position, (key_id, key) in enumerate(keys.items(), start=1):
        if not _KEY_ID.fullmatch(key_id):
            # Not quoted: where id and key were swapped, this is the key.
            raise ValueError(f"The id of encryption key {position} is not 1 to 32 of A-Z a-z 0-9 _ -.")
        if len(key) != _KEY_BYTES:
            raise ValueError(f"Encryption key {position} has {len(key)} bytes instead of {_KEY_BYTES}.")
    _refuse_repeated(tuple(keys.values()))


def _refuse_repeated(keys: Sequence[bytes]) -> None:
    if len(set(keys)) < len(keys):
        raise ValueError("Two encryption keys are the same under different ids: nothing would be rotated.")
