"""Polder itself, as ``polder serve`` runs it, printing the port it listens on; its log goes to standard error."""

from gateway.app import build
from gateway.serve import listen, port_of, run, serving, stop_signals
from gateway.settings import read_settings


async def _serve() -> None:
    settings = read_settings()
    polder = await build(settings)
    listener = listen(settings.host, settings.port)
    with stop_signals() as stop:
        async with serving(polder.asgi, listener):
            print(port_of(listener), flush=True)
            await stop.wait()


if __name__ == "__main__":
    run(_serve())
