"""Problems as they go out: RFC 9457, contract §5."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NoReturn
from urllib.parse import quote

from gateway.contract.errors import KINDS, Kind, Outcome, Problem
from gateway.contract.exact import dumps
from gateway.web.remedies import REMEDIES

MEDIA_TYPE = "application/problem+json"
_DEFAULT_WAIT = {429: 1, 503: 5}
"""Seconds to wait where nobody knows better: these statuses always say."""

EDGE_KINDS: Mapping[str, Kind] = {
    "invalid_host": Kind(400, "The request does not say whom it asks", "caller"),
    "request_timeout": Kind(408, "The body did not arrive in time", "caller", True),
    "address_too_long": Kind(414, "The request's address is too long", "caller"),
    "headers_too_large": Kind(431, "The request's headers are too large", "caller"),
}
"""What only the HTTP edge can trip over."""

ALL_KINDS: Mapping[str, Kind] = {**KINDS, **EDGE_KINDS}

_PATH_SAFE = "/%:@!$&'()*+,;=-._~"
_LONGEST_INSTANCE = 500


class EdgeProblem(Exception):
    """A problem of a kind that only the edge has."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A problem's status, its headers beside the media type, and its body."""

    status: int
    headers: dict[str, str]
    body: bytes


def render(problem: Problem | EdgeProblem, *, docs: str, raw_path: bytes, request_id: str) -> Rendered:
    """Write a problem. ``docs`` is where the codes are described; members without a value are left out."""
    kind, remedy = ALL_KINDS[problem.code], REMEDIES[problem.code]
    instance = quote(raw_path[:_LONGEST_INSTANCE], safe=_PATH_SAFE)
    by_hand = isinstance(problem, Problem) and problem.extra.get("state") == "manual"
    members = {
        "type": f"{docs}/{problem.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail,
        "instance": instance,
        "code": problem.code,
        "request_id": request_id,
        "fix": "caller" if by_hand else kind.fix,
        # What was done would be done twice; of it, and of what only a person can tell, the same would be told again.
        "retryable": kind.retryable and problem.outcome != "applied" and not by_hand,
        "owner_message": {"nl": remedy.nl, "en": remedy.en},
    }
    headers = {"Cache-Control": "no-store"}
    wait = _DEFAULT_WAIT.get(kind.status)
    if problem.outcome is not None:
        members["outcome"] = problem.outcome
    if isinstance(problem, Problem):
        wait = problem.retry_after if problem.retry_after is not None else wait
        members = {**problem.extra, **members, **_particulars(problem)}
        headers |= problem.headers
    if wait is not None:
        members["retry_after"] = wait
        headers["Retry-After"] = str(wait)
    if kind.status == 401:
        headers.setdefault("WWW-Authenticate", 'Bearer realm="polder"')
    return Rendered(kind.status, headers, dumps(members))


def too_large(limit: int) -> NoReturn:
    """Raise ``too_large``."""
    raise Problem("too_large", f"The body may have {limit} bytes at most.")


def _particulars(problem: Problem) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if problem.errors:
        members["errors"] = [_without_none(asdict(error)) for error in problem.errors]
    if problem.upstream is not None:
        members["upstream"] = _without_none(asdict(problem.upstream))
    return members


def _without_none(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
