"""What Polder is compared with: bare Starlette, alone and passing through what an upstream says.

``python -m benchmarks.references NAME UPSTREAM_ORIGIN CALLS_JSON`` serves one of ``hello``, ``httpx`` and ``httpx2``
with uvicorn as it is, and Polder's settings of it, and prints its port. A pass-through makes the upstream calls that
Polder would make, method, target and body, and sends the bytes on untouched: no key, no count, no log line. Asked with
GET it makes them at once; asked with POST one after the other, since a write follows what it has to know.
"""

import asyncio
import importlib
import json
import sys
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from benchmarks.conversation import Sent
from gateway.serve import listen, port_of, run, serving

_IN_FLIGHT = 128
_JSON = {"content-type": "application/json"}


async def _hello(request: Request) -> Response:
    del request
    return JSONResponse({"hello": "world"})


def _passing(client: Any, calls: list[Sent]) -> Any:
    async def call(method: str, target: str, body: str) -> Any:
        if not body:
            return await client.request(method, target)
        return await client.request(method, target, content=body.encode(), headers=_JSON)

    async def ask(request: Request) -> Response:
        if request.method == "POST":
            await request.body()
            replies = [await call(*one) for one in calls]
        else:
            replies = await asyncio.gather(*(call(*one) for one in calls))
        return Response(b"".join(reply.content for reply in replies), media_type="application/json")

    return ask


async def _serve(name: str, origin: str, calls: dict[str, list[Sent]]) -> None:
    if name == "hello":
        routes = [Route("/hello", _hello)]
    else:
        client_library = importlib.import_module(name)
        limits = client_library.Limits(max_connections=_IN_FLIGHT, max_keepalive_connections=_IN_FLIGHT)
        client = client_library.AsyncClient(base_url=origin, limits=limits, timeout=30)
        routes = [
            Route(f"/{place}", _passing(client, upstream), methods=["GET", "POST"]) for place, upstream in calls.items()
        ]
    listener = listen("127.0.0.1", 0)
    async with serving(Starlette(routes=routes), listener, protocol=HttpToolsProtocol):
        print(port_of(listener), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    run(_serve(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
