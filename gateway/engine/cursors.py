"""Cursors: opaque, signed, and good only for the list they came from."""

from collections.abc import Iterable

from gateway.contract.errors import Problem
from gateway.engine.signing import Signer, as_bytes, as_text

_MAC = 12


class Cursors:
    """Makes cursors with the first of some keys, which all nodes share, and reads those that any of them made."""

    def __init__(self, *keys: bytes) -> None:
        self._signer = Signer(keys, _MAC)

    def write(self, offset: int, context: Iterable[str]) -> str:
        """A cursor that stands for a position in the list that ``context`` identifies."""
        position = offset.to_bytes(8, "big").lstrip(b"\0") or b"\0"
        return as_text(position + self._signer.sign(_message(position, context)))

    def read(self, cursor: str, context: Iterable[str]) -> int:
        """The position. Raises ``invalid_cursor`` for one that is empty, forged, or from another list."""
        try:
            raw = as_bytes(cursor)
        except ValueError:
            raw = b""
        position, mac = raw[:-_MAC], raw[-_MAC:]
        if not 1 <= len(position) <= 8 or not self._signer.signed(_message(position, context), mac):
            raise Problem("invalid_cursor", "Use `next_cursor` of the page before, with the same filters.")
        return int.from_bytes(position, "big")


def _message(position: bytes, context: Iterable[str]) -> bytes:
    return b"\0".join([position.hex().encode(), *(part.encode() for part in context)])
