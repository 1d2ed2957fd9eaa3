"""The answers that every part of the provider gives."""

from collections.abc import Mapping

from starlette.responses import Response

from gateway.contract.exact import Json, dumps


def answer(body: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(dumps(body), status, headers, media_type="application/json; charset=utf-8")


def no_content() -> Response:
    return Response(status_code=204)
