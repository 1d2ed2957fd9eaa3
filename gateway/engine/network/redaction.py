"""Words of a system as callers are told them: without the secrets that it was sent, as some quote what they refuse, and
not longer than anybody reads. Secrets are taken out first: half of one would not be known for what it is.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import quote, quote_plus

from gateway.contract.exact import MalformedJson, dumps, loads
from gateway.contract.secret import Secret
from gateway.contract.upstream import Reply

SHORT = 8_000
"""Bytes of a refusal that is read as it is."""
_CHARACTERS, _ITEMS, _LEVELS = 1_000, 50, 8
"""What a longer one is cut to: each text, each list or object, and how deep they lie in each other."""


def without_secrets(reply: Reply, sent: Iterable[Secret]) -> Reply:
    """The reply with ``***`` for each of these secrets, however it is spelled there."""
    body = reply.body
    for secret in sent:
        for spelling in _spellings(secret.reveal()):
            body = body.replace(spelling, b"***")
    return replace(reply, body=body)


def _spellings(text: str) -> Iterable[bytes]:
    """As it is, as a form or a URL has it, and as a JSON text does; a key that was pasted with blanks also without."""
    bare = "".join(text.split())
    for plain in dict.fromkeys(one for one in (text, bare) if one):
        in_json = dumps(plain)[1:-1], json.dumps(plain)[1:-1].encode()
        yield from dict.fromkeys((plain.encode(), quote(plain, safe="").encode(), quote_plus(plain).encode(), *in_json))


def abridged(reply: Reply) -> Reply:
    """The reply; of a long one the beginning of each text and list of its JSON, and nothing of what is no JSON."""
    if len(reply.body) <= SHORT:
        return reply
    try:
        return replace(reply, body=dumps(_beginning(loads(reply.body), _LEVELS)))
    except MalformedJson:
        return replace(reply, body=b"")


class Abridged:
    """The last reply, abridged once: what it says is asked twice or more, and megabytes take a fifth of a second."""

    def __init__(self) -> None:
        self._last: tuple[Reply, Reply] | None = None

    def of(self, reply: Reply) -> Reply:
        """The reply, ``abridged``."""
        if self._last is None or self._last[0] is not reply:
            self._last = reply, abridged(reply)
        return self._last[1]


def _beginning(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _CHARACTERS else f"{value[:_CHARACTERS]}…"
    if not isinstance(value, dict | list):
        return value
    if not levels:
        return None
    if isinstance(value, list):
        return [_beginning(one, levels - 1) for one in value[:_ITEMS]]
    return {name[:_CHARACTERS]: _beginning(one, levels - 1) for name, one in islice(value.items(), _ITEMS)}
