"""What goes out: a reply whole, with every header but the request's own id, and how it is sent.

A server that can write a head and a body at once says so in the ASGI scope's ``extensions``, and is handed both: a
reply is one call of the operating system then, and one packet of news for whoever reads it. Any other server, and ours
where the reader is slow, gets ASGI's two messages.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias
from urllib.parse import urlencode

from starlette.types import Scope, Send

from gateway.contract.errors import Problem
from gateway.contract.operations import Operation
from gateway.engine.access.rate_limit import WINDOW, Allowance
from gateway.engine.call import Answer

AT_ONCE = "polder.http.response.at_once"
"""The extension; it is a ``WriteAtOnce``."""
WriteAtOnce: TypeAlias = Callable[[int, bytes, bytes, bool], bool]
"""Writes a reply of this status, these lines of the head (each with its CRLF) and this body; false if it cannot now.

Last, whether the head says that the connection ends here.
"""

_CONTROLS = bytes({*range(32), 127} - {ord("\t")})
"""What no header may hold (RFC 9110 §5.5): a tab may stand in one."""
_BODILESS = frozenset({204, 304})
_LAST = frozenset({408, 413})
"""Who is told so is not listened to any longer: the rest of the request may never end (RFC 9110 §15.5.9, §15.5.14)."""
_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"), (b"vary", b"authorization"))
OURS = frozenset({b"content-length", b"connection", *(name for name, _ in _ALWAYS)})
"""Headers that are set for every reply here, and nowhere else."""

Headers = list[tuple[bytes, bytes]]


class Reply(NamedTuple):
    """A reply; ``head`` has a line for every header but ``X-Request-Id``. ``send_reply`` may leave its body out.

    ``last`` where the head says that the connection ends here.
    """

    status: int
    head: bytes
    body: bytes
    last: bool = False


def reply(status: int, headers: Headers, body: bytes) -> Reply:
    """A reply with the headers that all have.

    Raises ``ValueError`` for a header that would break out of its line, and a status that is none of an answer.
    """
    if not 200 <= status <= 599:
        raise ValueError(f"{status} is no status")
    whole = [*headers, *_ALWAYS]
    if status not in _BODILESS:
        whole.append((b"content-length", str(len(body)).encode("ascii")))
    if status in _LAST:
        whole.append((b"connection", b"close"))
    return Reply(status, _written(whole), body, status in _LAST)


def replied(
    answer: Answer, operation: Operation, public_url: str, raw_path: bytes, query: Sequence[tuple[str, str]]
) -> Reply:
    """The engine's answer to a question as it goes out, with the address of the next page where there is one."""
    headers = encoded(answer.headers, answer.media_type) + _defaults(answer, operation)
    if answer.next_cursor is not None:
        pairs = [*(pair for pair in query if pair[0] != "cursor"), ("cursor", answer.next_cursor)]
        address = f"{public_url}{raw_path.decode('ascii')}?{urlencode(pairs)}"
        headers.append((b"link", f'<{address}>; rel="next"'.encode("ascii")))
    return reply(answer.status, headers, answer.body)


def limited(one: Reply, allowance: Allowance) -> Reply:
    """The reply with what its caller may still ask (draft-ietf-httpapi-ratelimit-headers-10)."""
    policy = b'ratelimit-policy: "default";q=%d;w=%d\r\n' % (allowance.limit, WINDOW)
    left = b'ratelimit: "default";r=%d;t=%d\r\n' % (allowance.remaining, allowance.reset)
    return one._replace(head=one.head + policy + left)


def encoded(headers: Mapping[str, str], media_type: str | None) -> Headers:
    """Headers as bytes. One that could break out of its line comes from a system's answer: ``upstream_malformed``."""
    found: Headers = []
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise Problem("upstream_malformed", f"The value of the header {name} cannot be passed on.")
        found.append((name.lower().encode("ascii"), value.encode("ascii")))
    if media_type is not None:
        found.append((b"content-type", media_type.encode("ascii")))
    return found


async def send_reply(scope: Scope, send: Send, one: Reply, request_id: str) -> None:
    """Send it: without its body where it has none, and to whoever asks by HEAD."""
    head = b"%bx-request-id: %b\r\n" % (one.head, request_id.encode("ascii"))
    body = b"" if one.status in _BODILESS or scope["method"] == "HEAD" else one.body
    write_at_once: WriteAtOnce | None = scope.get("extensions", {}).get(AT_ONCE)
    if write_at_once is None or not write_at_once(one.status, head, body, one.last):
        await send({"type": "http.response.start", "status": one.status, "headers": _read(head)})
        await send({"type": "http.response.body", "body": body})


def _written(headers: Headers) -> bytes:
    lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
    # The two that end each line, and no other.
    if len(lines) - len(lines.translate(None, _CONTROLS)) != 2 * len(headers):
        raise ValueError("a header would break out of its line")
    return lines


def _read(head: bytes) -> Headers:
    return [(name, text) for name, _, text in (line.partition(b": ") for line in head.split(b"\r\n")[:-1])]


def _defaults(answer: Answer, operation: Operation) -> Headers:
    """How an answer may be kept where the engine does not say: never by a shared cache, and a write's not at all."""
    if any(name.lower() == "cache-control" for name in answer.headers):
        return []
    return [(b"cache-control", b"no-store" if operation.is_write else b"private, no-cache")]
