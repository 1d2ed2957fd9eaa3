"""Words of a system, without the secrets that it was sent: some quote what they refuse, and callers are told that."""

import json
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import quote, quote_plus

from gateway.contract.exact import dumps
from gateway.contract.secret import Secret
from gateway.contract.upstream import Reply


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
