"""What goes out: a reply whole, with every header but the request's own id, and how it is sent."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.types import Send

from gateway.contract.errors import Problem
from gateway.contract.operations import Operation
from gateway.engine.call import Answer

_BODILESS = frozenset({204, 304})
_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"), (b"vary", b"authorization"))
OURS = frozenset({b"content-length", *(name for name, _ in _ALWAYS)})
"""Headers that are set for every reply alike."""

Headers = list[tuple[bytes, bytes]]


class Reply(NamedTuple):
    """A reply; ``headers`` is everything that is sent but ``X-Request-Id``. ``body`` may not be sent: see ``send``."""

    status: int
    headers: Headers
    body: bytes


def reply(status: int, headers: Headers, body: bytes) -> Reply:
    """A reply with the headers that all have."""
    whole = [*headers, *_ALWAYS]
    if status not in _BODILESS:
        whole.append((b"content-length", str(len(body)).encode("ascii")))
    return Reply(status, whole, body)


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


async def send_reply(send: Send, one: Reply, request_id: str, *, head: bool) -> None:
    """Send it; ``head`` leaves the body out, as whoever asks by HEAD wants."""
    headers = [*one.headers, (b"x-request-id", request_id.encode("ascii"))]
    await send({"type": "http.response.start", "status": one.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head or one.status in _BODILESS else one.body})


def _defaults(answer: Answer, operation: Operation) -> Headers:
    """How an answer may be kept where the engine does not say: never by a shared cache, and a write's not at all."""
    if any(name.lower() == "cache-control" for name in answer.headers):
        return []
    return [(b"cache-control", b"no-store" if operation.is_write else b"private, no-cache")]
