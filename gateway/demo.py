"""``polder demo``: an emulated accounting system, Polder in front of it, a connection and a key; nothing else needed.

Polder talks HTTP to the emulators exactly as it would to the vendors.
"""

import contextlib
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.app import Polder, build
from gateway.contract.adapter import Adapter
from gateway.contract.emulator import Emulator
from gateway.contract.errors import Problem
from gateway.contract.exact import dumps, loads
from gateway.contract.operations import BY_NAME
from gateway.engine.call import EVERYTHING, Call, Caller
from gateway.engine.clock import SystemClock
from gateway.engine.connections.capabilities import capabilities_of
from gateway.registry import discover, emulator_of
from gateway.serve import listen, port_of, serving, stop_signals
from gateway.settings import Settings, address, variable

TENANT = "demo"


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demonstration: where it is, the key that opens it, and by provider its connections and operations."""

    url: str
    key: str
    connections: Mapping[str, str]
    can: Mapping[str, Collection[str]]


async def show(host: str, port: int) -> None:
    """Run the demonstration until Ctrl-C."""
    home = Path(tempfile.mkdtemp(prefix="polder-demo-"))
    with stop_signals() as stop, contextlib.ExitStack() as leaving:
        leaving.callback(shutil.rmtree, home, ignore_errors=True)
        listener = listen_near(host, port)
        if port not in (0, port_of(listener)):
            print(f"Port {port} is taken; using another.", flush=True)
        async with running(home, listener) as demo:
            print(welcome(demo), flush=True)
            await stop.wait()
            print("\nStopping. Nothing of this demonstration is kept.", flush=True)


@asynccontextmanager
async def running(home: Path, listener: socket.socket) -> AsyncIterator[Demo]:
    """The demonstration, while the block runs."""
    clock = SystemClock()
    adapters = {name: one for name, one in discover().items() if emulator_of(name) is not None and not one.example}
    async with AsyncExitStack() as stack:
        emulators: dict[str, Emulator] = {}
        environment: dict[str, str] = {}
        for name, adapter in adapters.items():
            emulators[name] = emulator = populated(name, clock)
            socket_ = listen("127.0.0.1", 0)
            await stack.enter_async_context(serving(emulator, socket_))
            environment |= pointed_at(adapter, f"http://127.0.0.1:{port_of(socket_)}", emulator)
        url = address(_shown_host(listener), port_of(listener))
        settings = Settings(env="demo", home=home, public_url=url, log_level="warning")
        polder = await build(settings, clock=clock, adapters=adapters, environment=environment)
        await stack.enter_async_context(polder.running())
        await stack.enter_async_context(serving(polder.asgi, listener))
        key = await polder.create_key(tenant=TENANT, name="demo", scopes=[EVERYTHING])
        connections = {name: await connect(polder, name, emulator) for name, emulator in emulators.items()}
        yield Demo(url, key, connections, {name: operations_of(adapter) for name, adapter in adapters.items()})


def populated(name: str, clock: SystemClock) -> Emulator:
    """An adapter's emulator with lifelike books."""
    kind = emulator_of(name)
    if kind is None:
        raise LookupError(f"{name} brings no emulator")
    emulator = kind(clock)
    emulator.populate()
    return emulator


def operations_of(adapter: Adapter) -> Collection[str]:
    """The operations that a system has."""
    return [name for name, can in capabilities_of(adapter).items() if can.support != "unsupported"]


def pointed_at(adapter: Adapter, url: str, emulator: Emulator) -> dict[str, str]:
    """The environment in which Polder takes an emulator for the vendor."""
    variables = {variable(adapter, origin.setting): url for origin in adapter.origins.values()}
    return variables | {variable(adapter, name): value for name, value in emulator.operator_settings().items()}


async def connect(polder: Polder, provider: str, emulator: Emulator) -> str:
    """Make the demonstration's connection to one system, as a caller would: to its first administration."""
    body: dict[str, Any] = {"provider": provider, "name": "Demo", "credentials": dict(emulator.credentials())}
    try:
        created = await _post_connection(polder, body)
    except Problem as problem:
        if problem.code != "company_required":
            raise
        first = next(company["id"] for company in problem.extra["companies"] if company["accessible"])
        created = await _post_connection(polder, {**body, "company_id": first})
    id: str = created["id"]
    return id


async def _post_connection(polder: Polder, body: dict[str, Any]) -> dict[str, Any]:
    call = Call(
        operation=BY_NAME["connections.create"],
        caller=Caller("demo", TENANT, frozenset({EVERYTHING})),
        path={},
        query=(),
        headers={},
        body=dumps(body),
        request_id="demo",
        deadline=polder.clock.monotonic() + 30,
    )
    answer = await polder.engine.perform(call)
    created: dict[str, Any] = loads(answer.body)
    return created


def listen_near(host: str, port: int) -> socket.socket:
    """The port that was asked for, or any free one where that is taken."""
    try:
        return listen(host, port)
    except OSError:
        return listen(host, 0)


def _shown_host(listener: socket.socket) -> str:
    host: str = listener.getsockname()[0]
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared with, not bound to


def welcome(demo: Demo) -> str:
    """What the demonstration prints: every line of it works as it stands."""
    lines = [
        "Polder is running, with emulated accounting systems behind it. Their books are made up, and go when it stops.",
        "Paste these into another terminal:",
        "",
        f"  export POLDER={demo.url} KEY={demo.key} CONNECTION={next(iter(demo.connections.values()))}",
    ]
    for provider, connection in demo.connections.items():
        call = f'curl -s -H "Authorization: Bearer $KEY" "$POLDER/v1/connections/{connection}'
        lines += ["", f"  # {provider}"]
        for operation, what, query in _TRIED:
            if operation in demo.can[provider]:
                lines += [f"  # {what}", f"  {call}/{query}; echo"]
    lines += ["", f"Documentation: {demo.url}/docs    Stop with Ctrl-C."]
    return "\n".join(lines)


_CONTACT = (
    '{"company_name": "Kaasboer De Graaf B.V.", "email": "info@kaasboer.example", '
    '"address": {"line1": "Waagplein 2", "postal_code": "1811JP", "city": "Alkmaar", "country": "NL"}}'
)
_TRIED = (
    ("contacts.list", "who are the customers?", 'contacts?limit=2"'),
    ("invoices.list", "what have they not paid?", 'invoices?document_status=final&payment_status=unpaid&limit=2"'),
    ("vat-codes.list", "how is VAT booked?", 'vat-codes"'),
    ("contacts.create", "add a customer", f"contacts\" -H 'Content-Type: application/json' -d '{_CONTACT}'"),
    ("contacts.list", "find one by e-mail", 'contacts?email=info%40kaasboer.example"'),
)
"""What can be tried of a system that has the operation."""
