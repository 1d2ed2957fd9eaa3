"""A process that has imported all of Polder and forks a gateway at a word, so that a restart costs no imports.

What it forks runs the command ``polder`` itself. It is spoken to in lines of JSON on its standard input and
answers in lines of JSON on its standard output:

- ``{"start": {"environment": {...}, "log": path, "plant": name or null, "arguments": ["serve"]}}`` → ``{"pid": 123}``
- ``{"reap": 123}`` → ``{"status": -9}``, once that one has ended: what ``os.waitstatus_to_exitcode`` says of it.

When its input ends, or at SIGTERM, it kills and reaps what it started and has not reaped yet, so nothing outlives
whoever started it.
"""

import gc
import json
import os
import signal
import sys
import tempfile
import threading
import traceback
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any, NoReturn

import httpx2

from gateway import cli
from gateway.app import build
from gateway.serve import listen, port_of, run, serving
from gateway.settings import Settings
from tests.chaos import plants
from tests.chaos.processes import PATIENCE
from tests.chaos.provider import Mode, provided
from tests.statements import compile_once


def main() -> None:
    """Serve until the input ends."""
    compile_once()
    run(_rehearse())
    assert threading.active_count() == 1, "a thread would not be in the forks"
    gc.freeze()
    running: set[int] = set()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        for line in sys.stdin:
            asked = json.loads(line)
            if "start" in asked:
                pid = _fork(asked["start"])
                running.add(pid)
                told = {"pid": pid}
            else:
                told = {"status": _reap(asked["reap"])}
                running.discard(asked["reap"])
            print(json.dumps(told), flush=True)
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)
            _reap(pid)


async def _rehearse() -> None:
    """Serve, and refresh a token of each kind, so that everything is there that is made or imported when first used."""
    rehearsed: tuple[Mode, ...] = ("M0", "M1")
    for mode in rehearsed:
        async with AsyncExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            provider = await stack.enter_async_context(provided(mode, Random(0)))
            polder = await build(
                Settings(home=home, env="rehearsal", log_level="warning"), environment=provider.environment()
            )
            listener = listen("127.0.0.1", 0)
            await stack.enter_async_context(polder.running())
            await stack.enter_async_context(serving(polder.asgi, listener))
            key = await polder.create_key(tenant="rehearsal", name="rehearsal", scopes=["*"])
            client = await stack.enter_async_context(
                httpx2.AsyncClient(
                    base_url=f"http://127.0.0.1:{port_of(listener)}",
                    headers={"authorization": f"Bearer {key}", "cache-control": "no-cache"},
                    timeout=PATIENCE,
                    verify=False,
                    trust_env=False,
                )
            )
            (await client.get("/readyz")).raise_for_status()
            body = {"provider": provider.kind.adapter, "name": mode, **provider.kind.connection(provider.emulator)}
            made = (await client.post("/v1/connections", json=body)).raise_for_status().json()
            for _ in range(2):
                provider.expire()
                (await client.get(f"/v1/connections/{made['id']}/{provider.kind.path}")).raise_for_status()


def _reap(pid: int) -> int:
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _fork(start: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _become_gateway(start)
    return pid


def _become_gateway(start: dict[str, Any]) -> NoReturn:
    """Run the command in this process, with nothing of the fork server's in reach, and never return."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    status = 1
    try:
        log = os.open(start["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.update(start["environment"])
        if start["plant"] is not None:
            plants.PLANTS[start["plant"]]()
        sys.argv = ["polder", *start["arguments"]]
        cli.main()
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
