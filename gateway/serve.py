"""Running ASGI applications on sockets, one process, until a signal says stop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.garbage_collection import trimming
from gateway.web.protocol import Protocol

if TYPE_CHECKING:
    from gateway.app import Polder

T = TypeVar("T")

GRACE = 5
"""Seconds beyond its deadline that a request under way is given when the process is asked to stop."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to whoever runs it, so that several can live in one process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. Raises ``OSError``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only on sockets that say they are TCP; with it on, answers take 40 ms more.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from error
    return listener


def port_of(listener: socket.socket) -> int:
    """The port a socket listens on."""
    port: int = listener.getsockname()[1]
    return port


def grace_with(deadline: float) -> int:
    """Seconds that requests under way are given when the process is asked to stop: until each must have its answer."""
    return ceil(deadline) + GRACE


@contextlib.asynccontextmanager
async def serving(
    app: Any,
    listener: socket.socket,
    *,
    deadline: float = 0.0,
    protocol: type[HttpToolsProtocol] = Protocol,
) -> AsyncIterator[None]:
    """Serve an application while the block runs; on leaving, requests under way are finished first.

    ``deadline`` is how many seconds one may take. Raises ``RuntimeError`` where the server does not start.
    """
    config = uvicorn.Config(
        app,
        http=protocol,
        lifespan="off",  # it tells of a start that failed in a hundred lines, and ends the process
        access_log=False,
        log_level="error",
        server_header=False,
        # Whom a proxy speaks for is read where POLDER_TRUSTED_PROXIES is known; uvicorn would believe this machine's.
        proxy_headers=False,
        date_header=True,
        timeout_graceful_shutdown=grace_with(deadline),
    )
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if task.done():
                raise RuntimeError("the server did not start; the log above says why")
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def answering(polder: "Polder", listener: socket.socket, metrics: socket.socket | None) -> AsyncIterator[None]:
    """Let a Polder answer while the block runs, and its metrics at a socket of their own where there is one.

    On leaving, ``/readyz`` says no first, while requests are let in, and served like any other, for as long as is
    configured; then those under way are finished. Metrics can be scraped to the end. Raises ``storage_unavailable``.
    """
    async with contextlib.AsyncExitStack() as stack:
        if metrics is not None:
            await stack.enter_async_context(serving(polder.telemetry, metrics))
        await stack.enter_async_context(polder.running())
        deadline = polder.settings.deadline
        await stack.enter_async_context(serving(polder.asgi, listener, deadline=deadline))
        await stack.enter_async_context(trimming())
        try:
            yield
        finally:
            polder.asgi.drain()
            await asyncio.sleep(polder.settings.drain)


@contextlib.contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C or SIGTERM sets, from now on: whoever says "Ctrl-C stops it" must be listening already."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the fastest event loop there is."""
    factory = uvicorn.Config(app="").get_loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)
