"""What a release wrote down, and what it told its callers, is good for the releases after it.

``kept/`` holds a database as a release left it, and what its callers hold of it: a key, a cursor, a link, and writes
that they may send again. ``python -m tests.operations.test_upgrades NAME`` adds another, to be made when the tables
changed, or anything that is sealed, signed or compared; those before stay, for as long as somebody may come from there.
"""

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from gateway.contract.emulator import Fault
from gateway.engine.connections.suspension import suspend
from gateway.store import migrate
from gateway.store.seal import KeyRing
from tests import house as houses
from tests.house import House, open_house

KEPT = Path(__file__).parent / "kept"
CONTACT = {"company_name": "Kaasboer De Graaf B.V.", "email": "info@kaasboer.example", "external_ref": "order-1"}
BOOKS = {"provider": "memory", "name": "Books"}


async def written(house: House) -> dict[str, Any]:
    """What callers of a release hold when it is replaced."""
    connection = await house.connect("memory")
    place = f"/v1/connections/{connection}"
    made = await house.client.post(f"{place}/contacts", json=CONTACT, headers={"idempotency-key": "made"})
    created = await house.client.post("/v1/connections", json=BOOKS, headers={"idempotency-key": "created"})
    house.emulator("memory").fail(Fault("status", status=400), when=lambda seen: seen.method == "POST")
    refused = await house.client.post(
        f"{place}/products", json={"name": "Kaas"}, headers={"idempotency-key": "refused"}
    )
    doubted, system = {"company_name": "Bakkerij Smit"}, house.emulator("memory")
    system.journal.clear()
    system.fail(Fault("lost"), when=lambda seen: seen.method == "POST")
    system.fail(Fault("status", status=500), times=99, when=lambda _: any(s.method == "POST" for s in system.journal))
    lost = await house.client.post(f"{place}/contacts", json=doubted, headers={"idempotency-key": "doubted"})
    assert (made.status_code, created.status_code, refused.status_code, lost.status_code) == (201, 201, 422, 504)
    system.heal()
    await house.connect("memory")
    return {
        "connection": connection,
        "key": house.client.headers["authorization"].removeprefix("Bearer ").split("_"),
        "made": made.json(),
        "created": created.json(),
        "refused": refused.json()["code"],
        "cursor": (await house.client.get("/v1/connections?limit=1")).json()["next_cursor"],
        "link": (await house.client.post(f"/v1/connections/{created.json()['id']}/link")).json()["url"],
    }


@pytest.mark.parametrize("release", sorted(file.stem for file in KEPT.glob("*.sql")))
async def test_what_a_release_before_wrote_and_told_holds(
    release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json.loads((KEPT / f"{release}.json").read_text())
    with closing(sqlite3.connect(tmp_path / "before.db")) as database:
        database.executescript((KEPT / f"{release}.sql").read_text())
    migrate(f"sqlite:///{tmp_path}/before.db", KeyRing.parse(houses.ENCRYPTION_KEY, environment="test"))
    kept = (tmp_path / "before.db").read_bytes(), "_".join(told["key"])
    monkeypatch.setattr(houses, "_FURNISHED", [kept])
    (tmp_path / "home").mkdir()
    async with open_house(tmp_path / "home") as house:
        place = f"/v1/connections/{told['connection']}"
        for name, path, body, status, answer in (
            ("made", f"{place}/contacts", CONTACT, 201, told["made"]),
            ("created", "/v1/connections", BOOKS, 201, told["created"]),
            ("refused", f"{place}/products", {"name": "Kaas"}, 422, None),
        ):
            again = await house.client.post(path, json=body, headers={"idempotency-key": name})
            assert (again.status_code, again.headers["idempotency-replayed"]) == (status, "true"), name
            assert again.json() == answer if answer else again.json()["code"] == told["refused"]
        assert (await house.client.get(f"/v1/connections?limit=1&cursor={told['cursor']}")).status_code == 200
        assert (await house.client.get(told["link"])).status_code == 200
        house.clock.advance(3600)
        await house.polder.engine.reconciliation.sweep()
        fate = await house.client.get(f"{place}/operations/doubted")
        assert fate.json()["state"] == "not_executed", "what to look for can be read; in new books it is not there"
        assert (await house.polder.storage.audit.verify()).fault is None
        assert (await house.client.get(f"{place}/contacts")).status_code == 200, "its credentials open"
        polder = house.polder
        assert await suspend(polder.storage, polder.generations, polder.clock, told["connection"])
        assert (await house.client.get(f"{place}/contacts")).json()["code"] == "connection_suspended"


async def write(release: str) -> None:
    """Keep what this release writes and tells."""
    with TemporaryDirectory() as folder:
        async with open_house(Path(folder)) as house:
            told = await written(house)
        with closing(sqlite3.connect(Path(folder) / "polder.db")) as database:
            (KEPT / f"{release}.sql").write_text("\n".join(database.iterdump()) + "\n")
    (KEPT / f"{release}.json").write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1]))
