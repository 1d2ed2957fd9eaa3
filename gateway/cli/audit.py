"""``polder audit``: what was done to connections and keys, and proof that the log of it is whole."""

import json
import re
from typing import Annotated, Any

import typer

from gateway.cli.terminal import Json, fail, table, with_storage

app = typer.Typer(help="What was done to connections and keys.", no_args_is_help=True)

_NOTED = re.compile(r"(?P<seq>[0-9]{1,18}):(?P<hash>[0-9a-f]{64})")


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option(help="Only what concerns this tenant.")] = None,
    after: Annotated[int, typer.Option(help="Only what came after this seq.", min=0, max=2**63 - 1)] = 0,
    limit: Annotated[int, typer.Option(help="No more than so many.", min=1, max=10_000)] = 100,
    as_json: Json = False,
) -> None:
    """List what was done, oldest first."""
    rows = with_storage(lambda storage, _: storage.audit.page(after=after, size=limit, tenant=tenant))
    table([_facts(row) for row in rows], as_json)


@app.command("verify")
def verify(
    noted: Annotated[
        str | None, typer.Option(help="`seq:hash` as an earlier run printed it: the log must still hold that row.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Prove that no row was changed, removed, added or moved; exit with 1 and name the first bad row otherwise."""
    known = None if noted is None else _noted(noted)
    verdict = with_storage(lambda storage, _: storage.audit.verify(known))
    if as_json:
        facts = {"rows": verdict.good, "head": f"{verdict.good}:{verdict.hash}"}
        print(json.dumps({**facts, "fault": verdict.fault, "bad_row": verdict.bad_seq}, indent=2))
    if verdict.fault is not None:
        fail(f"the audit log is not whole: {verdict.fault}")
    if not as_json:
        print(f"{verdict.good} rows, all whole. Note elsewhere: {verdict.good}:{verdict.hash}")


def _noted(text: str) -> tuple[int, str]:
    match = _NOTED.fullmatch(text)
    if match is None:
        fail("--noted is the `seq:hash` that an earlier `polder audit verify` printed")
    return int(match["seq"]), match["hash"]


def _facts(row: Any) -> dict[str, Any]:
    entry = row.entry
    return {
        "seq": row.seq,
        "at": entry.at.isoformat(),
        "tenant": entry.tenant,
        "actor": entry.actor,
        "action": entry.action,
        "object": entry.object,
        "outcome": entry.outcome,
        "request_id": entry.request_id,
        "ip": entry.ip,
    }
