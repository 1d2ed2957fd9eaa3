"""The system's own API through Polder: our credentials and pacing, their words, and no way out of its confines."""

import re
from collections.abc import Sequence
from urllib.parse import unquote

from gateway.contract.adapter import Adapter
from gateway.contract.errors import Problem, not_found
from gateway.contract.upstream import Facts, Reply, Request

_SEGMENT = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@-]{1,200}")
_HANDED_ON = ("content-type", "accept")
_HANDED_BACK = ("etag", "last-modified", "retry-after", "x-page", "x-per-page", "x-total", "content-disposition")


def raw_request(
    adapter: Adapter,
    facts: Facts,
    method: str,
    path: str,
    query: Sequence[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
) -> Request:
    """A request below the adapter's prefix. ``path`` is as it came on the wire.

    Raises ``not_found`` for a path that could mean something else than it says (a dot segment, an empty one, anything
    percent-encoded), and ``forbidden`` for a place that hands out credentials.
    """
    segments = path.split("/")
    for segment in segments:
        if not _SEGMENT.fullmatch(segment) or segment in (".", "..") or unquote(segment) != segment:
            not_found("There is no such path in the accounting system's API.")
    if segments[0].lower().partition(".")[0] in adapter.raw.refused:
        raise Problem("forbidden", "This part of the accounting system's API is not open through Polder.")
    return Request(
        method,
        adapter.raw.prefix(facts) + "/".join(segments),
        query=tuple(query),
        body=body or None,
        headers={name: headers[name] for name in _HANDED_ON if headers.get(name, "é").isascii()},
    )


def handed_back(reply: Reply) -> dict[str, str]:
    """The headers of a raw reply that are passed on; never a cookie or anything about the connection."""
    return {name: reply.headers[name] for name in _HANDED_BACK if name in reply.headers}
