"""Cursors: opaque, signed, and good only for the list they came from."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

from gateway.contract.errors import Problem

_MAC = 12


class Cursors:
    """Makes and reads cursors with one key, which all nodes share."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, offset: int, context: Iterable[str]) -> str:
        """A cursor that stands for a position in the list that ``context`` identifies."""
        position = offset.to_bytes(8, "big").lstrip(b"\0") or b"\0"
        text = base64.urlsafe_b64encode(position + self._sign(position, context))
        return text.rstrip(b"=").decode("ascii")

    def read(self, cursor: str, context: Iterable[str]) -> int:
        """The position. Raises ``invalid_cursor`` for one that is empty, forged, or from another list."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        position, mac = raw[:-_MAC], raw[-_MAC:]
        if not 1 <= len(position) <= 8 or not hmac.compare_digest(mac, self._sign(position, context)):
            raise Problem("invalid_cursor", "Use `next_cursor` of the page before, with the same filters.")
        return int.from_bytes(position, "big")

    def _sign(self, position: bytes, context: Iterable[str]) -> bytes:
        message = b"\0".join([position.hex().encode(), *(part.encode() for part in context)])
        return hmac.new(self._key, message, hashlib.sha256).digest()[:_MAC]
