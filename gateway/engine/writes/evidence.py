"""What is kept of an attempt, as sealed JSON: what it sent, and what it was answered."""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from gateway.contract.errors import FieldError, Problem, UpstreamFault
from gateway.contract.exact import MalformedJson, dumps, loads
from gateway.contract.secret import Secret
from gateway.contract.upstream import Request
from gateway.engine.call import Answer


@dataclass(frozen=True, slots=True)
class Evidence:
    """What to look for: what the caller said, and the first write that went out for it, with its creation key.

    Of a request only what is JSON or a form is kept; another body is handed through and nobody looks for it.
    """

    call: Mapping[str, Any]
    creation_key: UUID
    request: Request
    notes: Mapping[str, str]

    def sealed(self) -> Secret:
        """All of it as one text."""
        request = {
            "method": self.request.method,
            "path": self.request.path,
            "query": [list(pair) for pair in self.request.query],
            "json": self.request.json,
            "form": None if self.request.form is None else dict(self.request.form),
            "origin": self.request.origin,
        }
        kept = {"said": dict(self.call), "creation_key": str(self.creation_key), "notes": dict(self.notes)}
        return Secret(dumps({**kept, "request": request}).decode())

    @classmethod
    def opened(cls, kept: Secret) -> "Evidence":
        """What ``sealed`` wrote."""
        members: dict[str, Any] = loads(kept.reveal())
        request = members["request"]
        query = [(name, value) for name, value in request.pop("query")]
        return cls(members["said"], UUID(members["creation_key"]), Request(query=query, **request), members["notes"])


def record_id_of(answer: Answer) -> str | None:
    """The id of the record that an answer tells of; a raw answer may be anything, whatever it calls itself."""
    if answer.media_type != "application/json" or not answer.body:
        return None
    try:
        record = loads(answer.body)
    except MalformedJson:
        return None
    id = record.get("id") if isinstance(record, dict) else None
    return id if isinstance(id, str) else None


def seal_answer(answer: Answer) -> Secret:
    """An answer as it is kept."""
    kept = {
        "status": answer.status,
        "media_type": answer.media_type,
        "headers": dict(answer.headers),
        "body": base64.b64encode(answer.body).decode(),
    }
    return Secret(dumps({"answer": kept}).decode())


def seal_problem(problem: Problem) -> Secret:
    """A problem as it is kept."""
    kept = {
        "code": problem.code,
        "detail": problem.detail,
        "errors": [asdict(error) for error in problem.errors],
        "upstream": None if problem.upstream is None else asdict(problem.upstream),
        "outcome": problem.outcome,
        "retry_after": problem.retry_after,
        "extra": dict(problem.extra),
        "headers": dict(problem.headers),
    }
    return Secret(dumps({"problem": kept}).decode())


def open_answer(kept: Secret, headers: Mapping[str, str]) -> Answer:
    """The answer as it was, with some more headers; a kept problem is raised again."""
    members: dict[str, Any] = loads(kept.reveal())
    if "problem" in members:
        raise open_problem(kept, headers)
    answer = members["answer"]
    body = base64.b64decode(answer["body"])
    return Answer(answer["status"], body, answer["media_type"], {**answer["headers"], **headers})


def holds_problem(kept: Secret) -> bool:
    """Whether what is kept is a problem of ours, rather than an answer."""
    return "problem" in loads(kept.reveal())


def open_problem(kept: Secret, headers: Mapping[str, str]) -> Problem:
    """A kept problem, with some more headers."""
    problem: dict[str, Any] = loads(kept.reveal())["problem"]
    upstream = problem["upstream"]
    return Problem(
        **{
            **problem,
            "errors": [FieldError(**error) for error in problem["errors"]],
            "upstream": None if upstream is None else UpstreamFault(**upstream),
            "headers": {**problem["headers"], **headers},
        }
    )
