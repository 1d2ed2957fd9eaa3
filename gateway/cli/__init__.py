"""The command ``polder``. Each command imports what only it needs, so that ``polder --help`` is quick."""

import asyncio
import json
import os
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import audit, keys
from gateway.cli.terminal import Json, deliver, fail, plain, table, with_generations, with_storage
from gateway.contract.errors import Problem
from gateway.garbage_collection import put_off

app = typer.Typer(
    help="One API over Dutch bookkeeping.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
connections = typer.Typer(help="Connections to administrations.", no_args_is_help=True)
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")
app.command("rotate-keys")(keys.rotate)
app.add_typer(connections, name="connections")

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.", min=0, max=65535)]

OPENAPI = Path("openapi")


def main() -> None:
    """Run the command; what is not Polder's own fault is told in one line and exits with 1."""
    from gateway.settings import Misconfigured, reason_of

    _open_streams()
    try:
        try:
            app()
        finally:
            deliver()
    except BrokenPipeError:  # whoever read it has read enough
        raise SystemExit(1) from None
    except Misconfigured as error:
        fail(str(error))
    except Problem as problem:
        fail(f"{problem} `polder doctor` says more." if problem.code == "storage_unavailable" else str(problem))
    except OSError as error:
        fail(reason_of(error))


def _open_streams() -> None:
    """Let standard streams that whoever started us had closed lead nowhere: what is opened next would take their place,
    and be written to as if it were they.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for as long as the process lives


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (POLDER_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (POLDER_PORT).")] = None,
) -> None:
    """Run the gateway until it is told to stop."""
    with put_off():
        from gateway.serve import run

        settings = _settings_with(host, port)
    if settings.workers == 1:
        run(_serve(settings))
        return
    from gateway.supervise import supervise

    supervise(settings, _listeners)


@app.command()
def work(
    host: Annotated[str | None, typer.Option(help="Address to listen on (POLDER_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (POLDER_PORT).")] = None,
) -> None:
    """Do what nobody waits for, beside gateways with POLDER_BACKGROUND=false; only probes and metrics are answered."""
    with put_off():
        from gateway.serve import run

        settings = _settings_with(host, port)
    run(_serve(settings, serves=False))


def _settings_with(host: str | None, port: int | None) -> Any:
    from gateway.settings import read_settings

    given: dict[str, Any] = {"host": host, "port": port}
    return read_settings(**{name: value for name, value in given.items() if value is not None})


async def _serve(settings: Any, *, serves: bool = True) -> None:
    with put_off():
        from gateway.app import build
        from gateway.backup import serving_from
        from gateway.serve import answering, port_of, stop_signals
        from gateway.settings import address

        polder = await build(settings, serves=serves)
    listener, metrics = _listeners(settings)
    with stop_signals() as stop, serving_from(settings):
        async with answering(polder, listener, metrics):
            if sys.stderr.isatty():
                hint = "(docs at /docs)" if serves else "and answers probes only"
                print(f"Polder is at {address(settings.host, port_of(listener))} {hint}. Ctrl-C stops it.")
            await stop.wait()


def _listeners(settings: Any) -> tuple[socket.socket, socket.socket | None]:
    """Where requests are heard, and where metrics are where that is apart."""
    with ExitStack() as undo:
        listener, metrics = undo.enter_context(_listening(settings.host, settings.port, "--port")), None
        if settings.has_metrics_apart:
            metrics = _listening(settings.host, settings.metrics_at, "POLDER_METRICS_PORT")
        undo.pop_all()
    return listener, metrics


def _listening(host: str, port: int, choice: str) -> socket.socket:
    from gateway.serve import listen

    try:
        return listen(host, port)
    except OSError as error:
        fail(f"cannot listen on {host}:{port} ({error.strerror}). Choose another with {choice}.")


@app.command()
def demo(host: Host = "127.0.0.1", port: Port = 8080) -> None:
    """Run the gateway in front of emulated accounting systems: nothing to configure, nothing kept."""
    from gateway.demo import show
    from gateway.serve import run

    run(show(host, port))


@app.command()
def emulate(
    provider: Annotated[str, typer.Argument(help="The accounting system, such as those of `GET /v1/providers`.")],
    host: Host = "127.0.0.1",
    port: Port = 9000,
) -> None:
    """Run the emulator of one accounting system, with lifelike books."""
    from gateway.registry import discover, emulator_of
    from gateway.serve import run

    known = [name for name in discover() if emulator_of(name) is not None]
    if provider not in known:
        fail(f"there is no emulator of {provider}; there are: {', '.join(known)}")
    run(_emulate(provider, host, port))


async def _emulate(provider: str, host: str, port: int) -> None:
    from gateway.demo import pointed_at, populated
    from gateway.engine.clock import SystemClock
    from gateway.registry import discover
    from gateway.serve import port_of, serving, stop_signals
    from gateway.settings import address

    listener = _listening(host, port, "--port")
    emulator = populated(provider, SystemClock())
    url = address(host, port_of(listener))
    with stop_signals() as stop:
        async with serving(emulator, listener):
            print(f"{provider} is emulated at {url}. For a Polder that takes it for the vendor:\n")
            for name, value in pointed_at(discover()[provider], url, emulator).items():
                print(f"  export {name}={value}")
            print(f"\nCredentials that work: {json.dumps(dict(emulator.credentials()))}\nCtrl-C stops it.", flush=True)
            await stop.wait()


@app.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    from gateway.app import is_behind, ring_of
    from gateway.settings import read_settings
    from gateway.store import migrate as bring_up_to_date

    settings = read_settings()
    ring = ring_of(settings)
    settings.make_home()
    if is_behind(settings):
        bring_up_to_date(settings.database, ring)
    print("The database is up to date.")


@app.command()
def openapi(
    write: Annotated[bool, typer.Option("--write", help=f"Write {OPENAPI}/.")] = False,
    check: Annotated[bool, typer.Option("--check", help=f"Fail if {OPENAPI}/ is not what would be written.")] = False,
) -> None:
    """Print the OpenAPI document, or keep the committed one true."""
    from gateway.web import document

    if write:
        document.write(OPENAPI)
        print(f"Wrote {OPENAPI}/.")
    elif check:
        stale = document.check(OPENAPI)
        if stale:
            fail(f"stale in {OPENAPI}/: {', '.join(stale)}. Run `./dev generate` and commit it.")
        print(f"{OPENAPI}/ is what it should be.")
    else:
        print(document.document_text(), end="")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to put the copy of the database; it may not be there yet.")],
    keys: Annotated[Path | None, typer.Option(help="Copy the encryption keys too, to this file.")] = None,
) -> None:
    """Copy the embedded database, while the gateway runs. Without its encryption keys the copy opens for nobody."""
    from gateway.backup import back_up
    from gateway.engine.clock import SystemClock
    from gateway.settings import read_settings
    from gateway.store.copies import CannotCopy

    try:
        back_up(read_settings(), file, keys, SystemClock().now())
    except CannotCopy as error:
        fail(str(error))
    print(f"The database is in {file}." if keys is None else f"The database is in {file}, its keys are in {keys}.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A copy that `polder backup` made.")],
    keys: Annotated[Path | None, typer.Option(help="The copy of its encryption keys.")] = None,
) -> None:
    """Put a backup back, where there is no database and no gateway runs."""
    from gateway.backup import restore as put_back
    from gateway.settings import read_settings
    from gateway.store.copies import CannotCopy

    try:
        put_back(read_settings(), file, keys)
    except CannotCopy as error:
        fail(str(error))
    print(
        "The database is restored. Tokens that were refreshed after the backup are old now: a connection whose\n"
        "accounting system takes a refresh token only once has to be authorized again. Try one with\n"
        "`polder connections check con_…`."
    )


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what is wrong and how to mend it: configuration, database, Valkey, keys, files, disk, clock and providers.

    Exits with 1 if anything is an error, with 0 if there are warnings at most.
    """
    from gateway.doctor import examine, report

    findings = asyncio.run(examine())
    print(json.dumps([one.as_dict() for one in findings], indent=2) if as_json else report(findings))
    if any(one.level == "error" for one in findings):
        raise SystemExit(1)


@connections.command("list")
def list_connections(tenant: Annotated[str, typer.Option(help="Whose.")], as_json: Json = False) -> None:
    """List a tenant's connections."""

    async def read(storage: Any, clock: Any) -> list[dict[str, Any]]:
        del clock
        found: list[dict[str, Any]] = []
        while True:
            page, total = await storage.connections.page(tenant, offset=len(found), size=200, filters={}, among=None)
            found += [_connection_facts(one) for one in page]
            if not page or len(found) >= total:
                return found

    table(with_storage(read), as_json)


@connections.command("show")
def show_connection(id: Annotated[str, typer.Argument(help="`con_…`")], as_json: Json = False) -> None:
    """Show one connection, without its secrets."""
    found = with_storage(lambda storage, _: storage.connections.find(id))
    if found is None:
        fail(f"there is no connection {id}")
    if as_json:
        print(json.dumps(_connection_facts(found), indent=2))
    else:
        table([_connection_facts(found)], as_json)


@connections.command("check")
def check_connection(id: Annotated[str, typer.Argument(help="`con_…`")]) -> None:
    """Call the accounting system with a connection's credentials, and say how that went."""
    from gateway.app import build
    from gateway.settings import read_settings

    async def check() -> None:
        polder = await build(read_settings())
        try:
            connection = await polder.storage.connections.find(id)
            if connection is None:
                fail(f"there is no connection {id}")
            companies = await polder.engine.connections.companies(connection)
        finally:
            await polder.close()
        reached = ", ".join(plain(one.name) for one in companies)
        print(f"{connection.provider} answers; the credentials reach: {reached}")

    asyncio.run(check())


@connections.command("suspend")
def suspend_connection(id: Annotated[str, typer.Argument(help="`con_…`")]) -> None:
    """Let nobody use a connection until it is resumed. It keeps its credentials, and its tokens stay alive."""
    from gateway.engine.connections.suspension import suspend

    done = with_generations(lambda storage, generations, clock: suspend(storage, generations, clock, id))
    if done is None:
        fail(f"there is no connection {id}")
    since = done.before.suspended_at
    if since is None:
        print(f"Connection {id} is suspended: its callers get 424 until `polder connections resume {id}`.")
    else:
        print(f"Connection {id} was suspended already, since {since.isoformat()}.")


@connections.command("resume")
def resume_connection(id: Annotated[str, typer.Argument(help="`con_…`")]) -> None:
    """Let a suspended connection be used again, as far as its credentials are good."""
    from gateway.engine.connections.suspension import resume

    done = with_generations(lambda storage, generations, clock: resume(storage, generations, clock, id))
    if done is None:
        fail(f"there is no connection {id}")
    said = "was not suspended" if done.before.suspended_at is None else "is resumed"
    print(f"Connection {id} {said}. It is {done.now.effective_status}.")


def _connection_facts(connection: Any) -> dict[str, Any]:
    suspended_at = connection.suspended_at
    return {
        "id": connection.id,
        "tenant": connection.tenant,
        "provider": connection.provider,
        "name": connection.name,
        "status": connection.effective_status,
        "suspended_at": None if suspended_at is None else suspended_at.isoformat(),
        "company": connection.company_name,
        "external_ref": connection.external_ref,
        "created_at": connection.created_at.isoformat(),
    }


if __name__ == "__main__":
    main()
