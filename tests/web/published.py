"""The OpenAPI document as whoever fetches it has it."""

from functools import cache
from typing import Any

from gateway.contract.exact import loads
from gateway.contract.operations import Operation
from gateway.web.document import document_text


@cache
def published() -> dict[str, Any]:
    """All of it."""
    made: dict[str, Any] = loads(document_text())
    return made


def described(operation: Operation) -> dict[str, Any]:
    """What it says of one operation."""
    told: dict[str, Any] = published()["paths"][operation.path][operation.method.lower()]
    return told
