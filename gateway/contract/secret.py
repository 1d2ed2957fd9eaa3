"""A secret that cannot be printed by accident."""

import hmac
from typing import NoReturn


class Secret:
    """A password, key or token. Its ``str``, ``repr`` and format are ``***``; only ``reveal`` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: for the wire and the seal, never for a log, an error or an answer."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True  # as nearly always, of the token that a call was made with
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(("Secret", self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")
