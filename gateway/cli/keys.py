"""``polder keys`` and ``polder rotate-keys``: API keys, and the keys that everything is sealed with."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from gateway.cli.terminal import Json, deliver, fail, table, with_generations, with_storage

app = typer.Typer(help="API keys.", no_args_is_help=True)

_LIFE = re.compile(r"(?P<count>[1-9][0-9]{0,4})(?P<unit>[mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@app.command("create")
def create(
    tenant: Annotated[str, typer.Option(help="Whose key it is.")],
    name: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[list[str] | None, typer.Option(help="A scope it carries; repeatable. '*' is all.")] = None,
    connection: Annotated[list[str] | None, typer.Option(help="A connection it is bound to; repeatable.")] = None,
    expires_in: Annotated[str | None, typer.Option(help="How long it works: 30m, 12h, 90d or 52w.")] = None,
    cidr: Annotated[
        list[str] | None, typer.Option(help="A network it may be used from, such as 192.0.2.0/24; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an API key. It is shown this once; one that cannot be shown is revoked."""
    from gateway.app import new_key, revoke_key

    if not scope:
        fail("a key needs at least one --scope, such as --scope contacts:read, or --scope '*' for all")
    for option, text in (("--tenant", tenant), ("--name", name), *(("--connection", one) for one in connection or ())):
        if not text.strip() or not text.isprintable():
            fail(f"{option} is a text of one line that is not blank")
    lives = None if expires_in is None else _life(expires_in)

    async def make(storage: Any, clock: Any) -> tuple[str, Any]:
        await storage.prove()  # else there would be a key that no gateway can read
        return await new_key(
            storage, clock, tenant, name, scope, connection or None, lives=lives, networks=cidr or None
        )

    try:
        text, key = with_storage(make)
    except ValueError as error:
        fail(str(error))
    facts = json.dumps({**_facts(key), "key": text}, indent=2)
    told = f"{text}\n\nKey {key.id} of {tenant}. It is shown this once: keep it where secrets are kept."
    try:
        deliver(f"{facts if as_json else told}\n")
    except OSError as error:
        with_generations(lambda storage, generations, clock: revoke_key(storage, generations, clock, key.id))
        fail(f"key {key.id} could not be shown ({error.strerror}), and is revoked.")


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None, as_json: Json = False
) -> None:
    """List API keys, without their secrets."""

    async def read(storage: Any, clock: Any) -> list[dict[str, Any]]:
        return [{**_facts(key), "status": _status(key, clock.now())} for key in await storage.keys.all(tenant)]

    table(with_storage(read), as_json)


@app.command("revoke")
def revoke(id: Annotated[str, typer.Argument(help="The key's id, from `polder keys list`.")]) -> None:
    """Revoke an API key: it stops working at once, for ever."""
    from gateway.app import revoke_key

    if not with_generations(lambda storage, generations, clock: revoke_key(storage, generations, clock, id)):
        fail(f"there is no key {id}")
    print(f"Key {id} is revoked.")


def rotate(as_json: Json = False) -> None:
    """Bring all that is sealed under the first of POLDER_ENCRYPTION_KEYS. Gateways may serve meanwhile.

    First give every gateway a list that holds the new key too, then put it first, then run this. An old key may go from
    the list once nothing is sealed with it.
    """
    from gateway.app import rotate_keys

    shown = sys.stderr.isatty()

    def progress(done: int, of: int) -> None:
        if shown:
            print(f"\r{done} of {of} connections", end="\n" if done >= of else "", file=sys.stderr, flush=True)

    rotated, in_use, primary = with_storage(lambda storage, clock: rotate_keys(storage, clock, progress))
    if as_json:
        print(
            json.dumps(
                {
                    "primary": primary,
                    "data_keys": rotated.wrapped,
                    "values": rotated.sealed,
                    "unopened": rotated.unopened,
                    "in_use": dict(in_use),
                },
                indent=2,
            )
        )
    else:
        print(_report(rotated, in_use, primary))
    if rotated.unopened:
        fail(f"{rotated.unopened} values could not be opened, and are as they were. Run `polder doctor`.")


def _report(rotated: Any, in_use: Mapping[str, int], primary: str) -> str:
    lines = [f"Wrapped {rotated.wrapped} data keys and sealed {rotated.sealed} values anew, under key {primary}."]
    for id, count in in_use.items():
        if id != primary:
            kept = f"{count} values are still sealed with it" if count else "nothing is sealed with it: it may go"
            lines.append(f"Key {id}: {kept}.")
    return "\n".join(lines)


def _life(text: str) -> timedelta:
    match = _LIFE.fullmatch(text)
    if match is None:
        fail(f"--expires-in is a number and m, h, d or w, such as 90d, and not {text!r}")
    return timedelta(**{_UNITS[match["unit"]]: int(match["count"])})


def _facts(key: Any) -> dict[str, Any]:
    return {
        "id": key.id,
        "tenant": key.tenant,
        "name": key.name,
        "scopes": list(key.scopes),
        "connections": _listed(key.connections),
        "networks": _listed(key.networks),
        "created_at": key.created_at.isoformat(),
        "expires_at": _instant(key.expires_at),
        "last_used_at": _instant(key.last_used_at),
        "revoked_at": _instant(key.revoked_at),
    }


def _status(key: Any, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    return "active" if key.digest else "unreadable"


def _listed(values: Sequence[str] | None) -> list[str] | None:
    return None if values is None else list(values)


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
