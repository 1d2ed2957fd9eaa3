"""Signatures by one of several keys, so that what was signed before a key was replaced is still good after."""

import base64
import hashlib
import hmac
from collections.abc import Sequence


class Signer:
    """Signs with the first key; what any of them signed is good. Signatures have ``size`` bytes, at most 32."""

    def __init__(self, keys: Sequence[bytes], size: int) -> None:
        self._keys = tuple(keys)
        self._size = size

    def sign(self, message: bytes) -> bytes:
        """The signature of a message."""
        return self._by(self._keys[0], message)

    def signatures(self, message: bytes) -> tuple[bytes, ...]:
        """The signatures of a message that are good, that of the first key first."""
        return tuple(self._by(key, message) for key in self._keys)

    def signed(self, message: bytes, signature: bytes) -> bool:
        """Whether that is a signature of the message."""
        return any(hmac.compare_digest(signature, self._by(key, message)) for key in self._keys)

    def _by(self, key: bytes, message: bytes) -> bytes:
        return hmac.new(key, message, hashlib.sha256).digest()[: self._size]


def as_text(signed: bytes) -> str:
    """What was signed, as an address can hold it: base64url without its padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


def as_bytes(text: str) -> bytes:
    """The same, back again. Raises ``ValueError``."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
