"""What every command has in common: the store it works on, how it fails, and how it prints what it found."""

import asyncio
import errno
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, NoReturn, TypeVar

import typer

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def fail(message: str) -> NoReturn:
    """Say what is wrong in one line, and exit with 1."""
    print(f"polder: {message}", file=sys.stderr)
    raise SystemExit(1)


def deliver(text: str = "") -> None:
    """Print it, and have all that was printed where it is to go.

    Raises ``OSError`` where that cannot be; what is still to be printed then leads nowhere.
    """
    if text and sys.__stdout__ is None:  # what stands in its place leads nowhere
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    try:
        print(text, end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else it is tried again, and told, at the end
        raise


def with_storage(work: Callable[[Any, Any], Awaitable[T]]) -> T:
    """What comes of some work on the configured store, with a clock."""
    from gateway.app import storage_of
    from gateway.engine.clock import SystemClock
    from gateway.settings import read_settings

    async def go() -> T:
        storage = storage_of(read_settings())
        try:
            return await work(storage, SystemClock())
        finally:
            await storage.close()

    return asyncio.run(go())


def with_generations(work: Callable[[Any, Any, Any], Awaitable[T]]) -> T:
    """The same for work that must be known to every gateway at once: it is given what those are told by, too."""
    from gateway.app import generations_of
    from gateway.settings import read_settings

    async def go(storage: Any, clock: Any) -> T:
        generations = generations_of(read_settings(), clock)
        try:
            return await work(storage, generations, clock)
        finally:
            await generations.close()

    return with_storage(go)


def table(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print rows: a line each, without what is null, or as JSON."""
    if as_json:
        print(json.dumps([dict(row) for row in rows], indent=2))
        return
    for row in rows:
        print("  ".join(f"{name}={_cell(value)}" for name, value in row.items() if value is not None))


def _cell(value: Any) -> str:
    return plain(",".join(map(str, value)) if isinstance(value, list) else str(value))


def plain(text: str) -> str:
    """A text as one line that commands no terminal: tenants and owners of accounts choose names as they like."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
