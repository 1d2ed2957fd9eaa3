"""Reading what a caller sends, within bounds: headers, query, body."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import parse_qsl

from starlette.types import Receive

from gateway.contract.errors import Problem
from gateway.web.problems import EdgeProblem, too_large

MOST_HEADERS = 100
MOST_HEADER_BYTES = 16 * 1024
MOST_ADDRESS_BYTES = 8 * 1024
MOST_PARAMETERS = 100
_AUTHORITY = re.compile(r"(?:\[[0-9A-Za-z:.%~_-]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?")
"""A host and perhaps a port (RFC 3986 §3.2.2); or nothing, as who asks of no authority says so (RFC 9112 §3.2)."""
_JSON = re.compile(r'application/(?:[a-z0-9.!#$&^_-]+\+)?json(?:\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)


class Disconnected(Exception):
    """The caller went away before the body was whole."""


def headers_of(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; what comes more than once is joined with commas (RFC 9110 §5.3).

    Raises ``headers_too_large`` for more than 100 fields or 16 KB.
    """
    headers: dict[str, str] = {}
    size = 0
    for count, (name, value) in enumerate(pairs, start=1):
        size += len(name) + len(value)
        if count > MOST_HEADERS or size > MOST_HEADER_BYTES:
            raise EdgeProblem(
                "headers_too_large",
                f"A request may have {MOST_HEADERS} header fields and {MOST_HEADER_BYTES} bytes of them.",
            )
        key = name.decode("latin-1").lower()
        text = field_text(value)
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def is_addressed(version: str | None, host: str | None) -> bool:
    """Whether a request says as it must whom it asks (RFC 9112 §3.2): once, with what can be a host; HTTP/1.0 need not.

    A proxy that reads another ``Host`` than we do, or none, may keep our answer for somebody else's.
    """
    return version != "1.1" if host is None else _is_authority(host)


@lru_cache(256)
def _is_authority(text: str) -> bool:
    return _AUTHORITY.fullmatch(text) is not None  # of two, joined, there is a blank between them


def require_short(raw_path: bytes, query: bytes) -> None:
    """Raises ``address_too_long`` for more than 8 KB: what was asked lately is remembered in several places."""
    if len(raw_path) + len(query) > MOST_ADDRESS_BYTES:
        raise EdgeProblem("address_too_long", f"A request's path and query may have {MOST_ADDRESS_BYTES} bytes.")


def field_text(value: bytes) -> str:
    """A header field's value: white space around it is no part of it (RFC 9110 §5.5), and the server leaves it on."""
    return value.decode("latin-1").strip(" \t")


def query_of(raw: bytes) -> Sequence[tuple[str, str]]:
    """The query's pairs in their order, decoded. Raises ``validation_failed`` for one that is not UTF-8 or endless."""
    return _pairs(raw) if raw else ()


@lru_cache(1024)
def _pairs(raw: bytes) -> tuple[tuple[str, str], ...]:
    try:
        pairs = parse_qsl(raw.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
        return tuple(pairs)
    except UnicodeDecodeError:
        raise Problem("validation_failed", "The query is not percent-encoded UTF-8.") from None
    except ValueError:
        raise Problem("validation_failed", f"The query may have {MOST_PARAMETERS} parameters at most.") from None


async def read_body(receive: Receive, headers: Mapping[str, str], *, limit: int, timeout: float) -> bytes:
    """The whole body. Raises ``too_large`` as soon as that is known, ``request_timeout``, or ``Disconnected``.

    ``timeout`` is how long, in seconds, all of it may take: of each piece, a body that trickles could take for ever.
    """
    declared = headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > len(str(limit)) or int(declared) > limit):
        too_large(limit)
    try:
        async with asyncio.timeout(timeout):
            return await _whole(receive, limit)
    except TimeoutError:
        raise EdgeProblem("request_timeout", f"The body was not whole after {timeout:.3g} seconds.") from None


async def _whole(receive: Receive, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            too_large(limit)
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


def require_unpacked(coding: str | None) -> None:
    """Raises ``unsupported_media_type`` for a body that is packed: nobody here unpacks it (RFC 9110 §8.4, §15.5.16)."""
    if coding is not None and coding.lower() not in ("", "identity"):
        raise Problem(
            "unsupported_media_type",
            "Send the body as it is, without `Content-Encoding`.",
            headers={"Accept-Encoding": "identity"},
        )


def require_json(media_type: str | None) -> None:
    """Raises ``unsupported_media_type`` unless a body is said to be JSON in UTF-8."""
    if media_type != "application/json" and (media_type is None or not _JSON.fullmatch(media_type)):
        raise Problem("unsupported_media_type", "Send the body as `Content-Type: application/json`, in UTF-8.")
