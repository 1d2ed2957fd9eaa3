"""A process that rotates, or reads and writes meanwhile, to be killed: ``python -m tests.store.rotating …``.

``rotate URL``: for every line on its input, which is a list of encryption keys, a child of its own process begins a
rotation with them; it prints the child's id, then a line for every transaction of the child that is done, then how the
child ended. Whoever started it kills the child.

``traffic URL KEYS``: reads and writes until its input ends, then prints how often it did either.
"""

import asyncio
import os
import random
import sys

from gateway.contract.secret import Secret
from gateway.store import KeyRing, open_storage
from gateway.store.seal import generate_key
from gateway.store.sql import SqlStorage
from tests.store.making import NOON, connection, secrets, token

CONNECTIONS = 60


def name_of(number: int) -> str:
    return f"con_{number:03}"


async def prove_readable(storage: SqlStorage, number: int) -> None:
    """Read one connection with all that belongs to it, as a gateway does that sees it for the first time."""
    found = await storage.connections.find(name_of(number))
    assert found is not None
    assert await storage.connections.credentials(found) == secrets(password=f"of {found.id}")
    newest = await storage.tokens.newest(found)
    assert newest is not None
    assert newest.token.refresh_token == Secret(f"refresh {found.id}")


async def write(storage: SqlStorage, number: int) -> None:
    """Write anew what is written of one connection."""
    mine = connection(name_of(number))
    await storage.connections.replace_credentials(mine, lambda now: now, secrets(password=f"of {mine.id}"))
    await storage.tokens.append(mine, token("access", refresh=f"refresh {mine.id}"), NOON)


async def _traffic(url: str, keys: str) -> None:
    storage = open_storage(url, KeyRing.parse(keys, environment="test"))
    chosen = random.Random(7)
    stop = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print("begun", flush=True)
    reads = writes = 0
    while not stop.done():
        await prove_readable(storage, chosen.randrange(CONNECTIONS // 2, CONNECTIONS))
        reads += 1
        if reads % 5 == 0:
            # Others than those that are read: between the two steps of a write there is no token.
            await write(storage, chosen.randrange(CONNECTIONS // 2))
            writes += 1
        await asyncio.sleep(0.005)
    await storage.close()
    print(f"{reads} {writes}", flush=True)


async def _rotation(url: str, keys: str) -> None:
    storage = open_storage(url, KeyRing.parse(keys, environment="test"))
    await storage.rotation.run(lambda done, of: print(f"{done} of {of}", flush=True))
    await storage.close()


def _rotate(url: str) -> None:
    # Nothing is connected to; what it imports, no child need import again.
    open_storage(url, KeyRing.parse(generate_key(), environment="test"))
    for keys in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            asyncio.run(_rotation(url, keys.strip()))
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(f"ended {os.waitstatus_to_exitcode(status)}", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "rotate":
        _rotate(sys.argv[2])
    else:
        asyncio.run(_traffic(sys.argv[2], sys.argv[3]))
