"""Secrets at rest: every one sealed by itself with AES-256-GCM, and bound to the place it was sealed for.

What belongs to a connection is sealed under a data key of its own, and the ring's primary key wraps that: so a new
primary re-wraps one small value per connection, and who destroys the data key destroys all that was ever sealed under
it, also in copies. What belongs to no connection is sealed by the ring itself. Version 1 is the ring's, 2 a data key's:

    1 | length of key id (1 byte) | key id | nonce (12 bytes) | ciphertext and tag
    2 | nonce (12 bytes) | ciphertext and tag

A sealed value opens only in the environment, and for the tenant, connection and field, that it was sealed for: moved to
another row or column, or into another installation's database, it is refused. What is authenticated besides is the head
up to the nonce, then the environment, tenant, connection and field, each after its length in four bytes.

Nonces are random, so a key should seal fewer than 2**32 values (NIST SP 800-38D, 8.3).
"""

import base64
import binascii
import re
import secrets
from collections.abc import Callable, Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.contract.secret import Secret

Randomness = Callable[[int], bytes]
"""Gives that many unpredictable bytes."""

BY_THE_RING = 1
BY_A_DATA_KEY = 2
DATA_KEY = "connections.sealed_key"
"""What a data key is sealed for."""
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

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all its keys, the primary first."""
        return tuple(self._ciphers)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._ciphers)})"

    def seal(self, plaintext: bytes, *, tenant: str, connection: str, field: str) -> bytes:
        """Seal a value for that field of that connection of that tenant, in this ring's environment."""
        head = head_of(self._primary)
        nonce = self._randomness(_NONCE_BYTES)
        bound = _bound(head, self._environment, tenant, connection, field)
        return head + nonce + self._ciphers[self._primary].encrypt(nonce, plaintext, bound)

    def open(self, sealed: bytes, *, tenant: str, connection: str, field: str) -> bytes:
        """The value that was sealed for exactly this place. Raises ``CannotOpen``."""
        what = f"{field} of connection {connection}"
        key_id = key_id_of(sealed)
        if key_id is None:
            raise CannotOpen(f"{what} is not sealed in a form this version knows.")
        if key_id not in self._ciphers:
            raise CannotOpen(f"{what} was sealed with key {key_id!r}, which is not in the ring.")
        head, rest = sealed[: 2 + sealed[1]], sealed[2 + sealed[1] :]
        bound = _bound(head, self._environment, tenant, connection, field)
        return _decrypted(self._ciphers[key_id], rest, bound, what)

    def wrap(self, key: Secret, *, tenant: str, connection: str) -> bytes:
        """Seal the data key of a connection, which is 32 bytes in hexadecimal."""
        return self.seal(bytes.fromhex(key.reveal()), tenant=tenant, connection=connection, field=DATA_KEY)

    def unwrap(self, sealed: bytes, *, tenant: str, connection: str) -> Secret:
        """The data key of a connection. Raises ``CannotOpen``."""
        return Secret(self.open(sealed, tenant=tenant, connection=connection, field=DATA_KEY).hex())

    def data_key(self, key: Secret, *, tenant: str, connection: str) -> "DataKey":
        """What seals and opens with the data key of a connection."""
        return DataKey(
            key, environment=self._environment, tenant=tenant, connection=connection, randomness=self._randomness
        )


class DataKey:
    """The key of one connection, under which all that belongs to it is sealed. ``key`` is 32 bytes in hexadecimal."""

    def __init__(self, key: Secret, *, environment: str, tenant: str, connection: str, randomness: Randomness) -> None:
        self._cipher = AESGCM(bytes.fromhex(key.reveal()))
        self._environment = environment
        self._tenant = tenant
        self._connection = connection
        self._randomness = randomness

    def seal(self, plaintext: bytes, *, field: str) -> bytes:
        """Seal a value for that field of its connection."""
        nonce = self._randomness(_NONCE_BYTES)
        return _HEAD_OF_A_DATA_KEY + nonce + self._cipher.encrypt(nonce, plaintext, self._bound(field))

    def open(self, sealed: bytes, *, field: str) -> bytes:
        """The value that was sealed for exactly this place. Raises ``CannotOpen``."""
        what = f"{field} of connection {self._connection}"
        if sealed[:1] != _HEAD_OF_A_DATA_KEY:
            raise CannotOpen(f"{what} is not sealed in a form this version knows.")
        return _decrypted(self._cipher, sealed[1:], self._bound(field), what)

    def _bound(self, field: str) -> bytes:
        return _bound(_HEAD_OF_A_DATA_KEY, self._environment, self._tenant, self._connection, field)


def head_of(key_id: str) -> bytes:
    """How everything begins that a ring's key of that id sealed."""
    return bytes((BY_THE_RING, len(key_id))) + key_id.encode()


def key_id_of(sealed: bytes) -> str | None:
    """The id of the ring's key that sealed a value; None where none did."""
    if len(sealed) < 2 or sealed[0] != BY_THE_RING:
        return None
    return sealed[2 : 2 + sealed[1]].decode("ascii", "replace")


_HEAD_OF_A_DATA_KEY = bytes((BY_A_DATA_KEY,))


def _bound(head: bytes, *places: str) -> bytes:
    encoded = (part.encode() for part in places)
    return head + b"".join(len(place).to_bytes(4, "big") + place for place in encoded)


def _decrypted(cipher: AESGCM, nonce_and_ciphertext: bytes, bound: bytes, what: str) -> bytes:
    nonce, ciphertext = nonce_and_ciphertext[:_NONCE_BYTES], nonce_and_ciphertext[_NONCE_BYTES:]
    if len(nonce) < _NONCE_BYTES:
        raise CannotOpen(f"{what} is cut short.")
    try:
        return cipher.decrypt(nonce, ciphertext, bound)
    except InvalidTag:
        raise CannotOpen(f"{what} was sealed for another place or by another key, or was altered.") from None


def generate_key() -> str:
    """A new key as an entry of ``POLDER_ENCRYPTION_KEYS``, under an id of its own."""
    return f"k{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"


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
