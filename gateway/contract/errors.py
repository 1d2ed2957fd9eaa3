"""Everything that can go wrong, as a closed set of kinds (RFC 9457 problems).

``Problem`` is the only exception that crosses a room of Polder on purpose. Its ``code`` names a row of ``KINDS``, which
settles the status, the title, who can put it right and whether trying again can help.

- caller: malformed_json, invalid_cursor, unauthenticated, forbidden, not_found, operation_unsupported, too_large,
  unsupported_media_type, conflict, validation_failed, unknown_field, filter_unsupported, filter_required,
  totals_mismatch, credentials_rejected, company_required, field_unsupported, draft_unsupported,
  partial_payment_unsupported, idempotency_mismatch, upstream_rejected
- owner (the person whose books they are): scope_missing, company_not_accessible, upstream_forbidden,
  connection_needs_reauth, connection_pending, connection_suspended
- wait: idempotency_in_progress, rate_limited, upstream_rate_limited, upstream_unavailable, upstream_timeout
- operator: provider_misconfigured, upstream_malformed, storage_unavailable, internal_error
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NoReturn

Fix = Literal["caller", "owner", "wait", "operator"]
Outcome = Literal["not_sent", "rejected", "applied", "unknown"]


@dataclass(frozen=True, slots=True)
class Kind:
    """What every problem of one code has in common."""

    status: int
    title: str
    fix: Fix
    retryable: bool = False


KINDS: Mapping[str, Kind] = {
    "malformed_json": Kind(400, "The body is not JSON", "caller"),
    "invalid_cursor": Kind(400, "The cursor is not one of ours", "caller"),
    "unauthenticated": Kind(401, "A valid API key is needed", "caller"),
    "forbidden": Kind(403, "The API key may not do this", "caller"),
    "scope_missing": Kind(403, "The connected account does not allow this", "owner"),
    "company_not_accessible": Kind(403, "The administration cannot be reached", "owner"),
    "upstream_forbidden": Kind(403, "The accounting system forbids this", "owner"),
    "not_found": Kind(404, "There is no such record", "caller"),
    "operation_unsupported": Kind(405, "The accounting system cannot do this", "caller"),
    "conflict": Kind(409, "The record's state does not allow this", "caller"),
    "idempotency_in_progress": Kind(409, "A request for the same is still running", "wait", True),
    "too_large": Kind(413, "The body is too large", "caller"),
    "unsupported_media_type": Kind(415, "The body's media type is not accepted", "caller"),
    "validation_failed": Kind(422, "The request is not valid", "caller"),
    "unknown_field": Kind(422, "The request names something unknown", "caller"),
    "filter_unsupported": Kind(422, "The accounting system cannot filter by this", "caller"),
    "filter_required": Kind(422, "A filter is required", "caller"),
    "totals_mismatch": Kind(422, "The totals are not the expected ones", "caller"),
    "credentials_rejected": Kind(422, "The accounting system refuses the credentials", "caller"),
    "company_required": Kind(422, "Which administration must be said", "caller"),
    "field_unsupported": Kind(422, "The accounting system cannot hold this", "caller"),
    "draft_unsupported": Kind(422, "The accounting system has no drafts", "caller"),
    "partial_payment_unsupported": Kind(422, "The accounting system knows full payments only", "caller"),
    "idempotency_mismatch": Kind(422, "The idempotency key was used for another request", "caller"),
    "upstream_rejected": Kind(422, "The accounting system refuses the request", "caller"),
    "connection_needs_reauth": Kind(424, "The connection must be authorized again", "owner"),
    "connection_pending": Kind(424, "The connection has no credentials yet", "owner"),
    "connection_suspended": Kind(424, "The connection is suspended", "owner"),
    "rate_limited": Kind(429, "Too many requests", "wait", True),
    "upstream_rate_limited": Kind(429, "The accounting system asks to wait", "wait", True),
    "internal_error": Kind(500, "Something went wrong in Polder", "operator"),
    "upstream_malformed": Kind(502, "The accounting system's answer makes no sense", "operator", True),
    "provider_misconfigured": Kind(502, "Polder is not configured for this system", "operator"),
    "storage_unavailable": Kind(503, "Polder's storage cannot be reached", "operator", True),
    "upstream_unavailable": Kind(503, "The accounting system cannot be reached", "wait", True),
    "upstream_timeout": Kind(504, "The accounting system did not answer in time", "wait", True),
}


_MEANINGS: Mapping[int, str] = {
    401: "connection_needs_reauth",
    403: "upstream_forbidden",
    404: "not_found",
    408: "upstream_unavailable",
    409: "conflict",
    429: "upstream_rate_limited",
}


def meaning_of(status: int) -> str:
    """The kind of a refusal of which nothing is known but its status."""
    if status >= 500:
        return "upstream_unavailable"
    return _MEANINGS.get(status, "upstream_rejected" if status >= 400 else "upstream_malformed")


UNDECIDED = frozenset({"upstream_timeout", "upstream_malformed", "upstream_unavailable"})
"""Ends of a write that leave open whether it was done."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field. ``pointer`` is an RFC 6901 pointer into the request body, or a parameter's name."""

    pointer: str
    code: str
    message: str
    provider_field: str | None = None


@dataclass(frozen=True, slots=True)
class UpstreamFault:
    """What the accounting system itself said, in its own words and, where known, in English."""

    provider: str
    status: int | None = None
    code: str | None = None
    message: str | None = None
    message_en: str | None = None
    request_id: str | None = None


@dataclass(slots=True, eq=False)
class Problem(Exception):
    """One problem, ready to be told. ``code`` must be a key of ``KINDS``.

    ``outcome`` says of a write whether it happened; ``retry_after`` is in seconds; ``extra`` holds the members a code
    adds, such as ``required_scope``.
    """

    code: str
    detail: str
    errors: Sequence[FieldError] = ()
    upstream: UpstreamFault | None = None
    outcome: Outcome | None = None
    retry_after: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.code not in KINDS:
            raise KeyError(f"{self.code} is not a kind of problem")
        Exception.__init__(self, f"{self.code}: {self.detail}")

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"

    @property
    def kind(self) -> Kind:
        """The row of ``KINDS`` this problem belongs to."""
        return KINDS[self.code]

    def copy(self) -> "Problem":
        """The same problem for one more who hears it, who then says of it what is true of himself only.

        What it came of is told with it: the log line of nonsense names what an adapter tripped over.
        """
        copied = replace(self)
        copied.__cause__ = self.__cause__
        return copied

    def as_outcome(self, outcome: Outcome) -> "Problem":
        """The same problem, saying of the write what became of it, unless that was said already.

        That nothing was sent is no such word: it is true of one call, and another of the same write may have been done.
        """
        if self.outcome in (None, "not_sent"):
            self.outcome = outcome
        return self


def not_found(detail: str = "There is no such record in this connection.") -> NoReturn:
    """Raise ``not_found``."""
    raise Problem("not_found", detail)


def invalid(pointer: str, message: str, code: str = "invalid") -> Problem:
    """``validation_failed`` about one field."""
    return Problem("validation_failed", message, errors=[FieldError(pointer, code, message)])


def unsupported(pointer: str, reason: str, code: str = "field_unsupported") -> Problem:
    """What a system cannot hold, and what may not be dropped either, because the rest would mean something else."""
    return Problem(code, reason, errors=[FieldError(pointer, code, reason)])


def no_vat_code(line: str, *, rate: object, country: object) -> Problem:
    """``validation_failed``: no VAT code is what the line at that pointer asks for, by treatment or more closely."""
    narrowed = [f"this {name}" for name, value in (("vat_rate", rate), ("vat_country", country)) if value is not None]
    sought = " and ".join(narrowed)
    message = f"The administration has no VAT code for this treatment{f' with {sought}' if sought else ''}."
    return invalid(f"{line}/vat_treatment", message, "not_found")


@contextmanager
def repointed(pointers: Mapping[str, str]) -> Iterator[None]:
    """Let a problem point into the body that was sent, where what is said of it is said of a larger one.

    ``pointers`` goes from the fields of that one to those of the body; what is in no field of it points nowhere.
    """
    try:
        yield
    except Problem as problem:
        problem.errors = [replace(error, pointer=pointers.get(error.pointer, "")) for error in problem.errors]
        raise


def malformed(detail: str) -> Problem:
    """``upstream_malformed``: the reply cannot be what its documentation promises."""
    return Problem("upstream_malformed", detail)
