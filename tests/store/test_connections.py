"""Connections come back as they were kept, each tenant's apart, and go without a trace."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from gateway.contract.errors import Problem
from gateway.engine.storage import LinkRow, StoredConnection
from gateway.store.sql import SqlStorage
from tests.store.making import NOON, connection, later, refused, secrets, token

pytestmark = pytest.mark.anyio


async def page_ids(storage: SqlStorage, tenant: str = "acme", **asked: object) -> tuple[list[str], int]:
    window = {"offset": 0, "size": 10, "filters": {}, "among": None} | asked
    items, total = await storage.connections.page(tenant, **window)  # type: ignore[arg-type] # given by name above
    return [item.id for item in items], total


async def test_a_connection_comes_back_as_it_was(storage: SqlStorage) -> None:
    kept = connection(
        external_ref="shop-1",
        company_id="42",
        company_name="Acme B.V. “é”",
        credential_type="api_token",
        settings={"layout_id": 3, "deep": {"factor": Decimal("0.10"), "on": True, "none": None}},
        token_scopes=("b", "a"),
        allowed_scopes=("c",),
        updated_at=later(1),
        suspended_at=later(2),
    )
    await storage.connections.add(kept, None)
    found = await storage.connections.find("con_1")
    assert found == kept
    assert str(found.settings["deep"]["factor"]) == "0.10"


async def test_times_come_back_in_utc_to_the_microsecond(storage: SqlStorage) -> None:
    amsterdam = datetime(2026, 7, 1, 0, 0, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    await storage.connections.add(connection(created_at=amsterdam), None)
    found = await storage.connections.find("con_1")
    assert found is not None
    assert found.created_at.isoformat() == "2026-06-30T22:00:00.000001+00:00"


async def test_a_time_without_a_zone_is_refused(storage: SqlStorage) -> None:
    with pytest.raises(Exception, match="without a zone"):
        await storage.connections.add(connection(created_at=datetime(2026, 1, 1)), None)


async def test_what_was_never_kept_is_none(storage: SqlStorage) -> None:
    assert await storage.connections.find("con_1") is None
    assert await storage.connections.credentials(connection()) == {}


async def test_credentials_come_back_and_are_none_without(storage: SqlStorage) -> None:
    given = secrets(email="a@b.nl", password="p“é” \U0001f511", empty="")
    await storage.connections.add(connection(), given)
    await storage.connections.add(connection("con_2"), None)
    assert await storage.connections.credentials(connection()) == given
    assert await storage.connections.credentials(connection("con_2")) == {}


async def test_credentials_do_not_open_for_another_tenant(storage: SqlStorage) -> None:
    await storage.connections.add(connection(), secrets(token="t"))
    with refused("storage_unavailable"):
        await storage.connections.credentials(connection(tenant="other"))


async def test_an_external_ref_belongs_to_one_connection_of_a_tenant(storage: SqlStorage) -> None:
    await storage.connections.add(connection(external_ref="shop"), None)
    with pytest.raises(Problem, match="conflict: The external_ref 'shop' belongs to another connection"):
        await storage.connections.add(connection("con_2", external_ref="shop"), secrets(token="t"))
    assert await storage.connections.find("con_2") is None
    await storage.connections.add(connection("con_3", external_ref="shop", tenant="other"), None)
    await storage.connections.add(connection("con_4"), None)
    await storage.connections.add(connection("con_5"), None)


async def test_saving_meets_the_same_rule(storage: SqlStorage) -> None:
    await storage.connections.add(connection(external_ref="shop"), None)
    await storage.connections.add(connection("con_2"), None)
    with refused("conflict"):
        await storage.connections.change(connection("con_2"), lambda _: connection("con_2", external_ref="shop"))
    with refused("conflict"):
        await storage.connections.replace_credentials(
            connection("con_2"), lambda _: connection("con_2", external_ref="shop"), secrets(token="new")
        )
    assert await storage.connections.credentials(connection("con_2")) == {}


async def test_an_id_is_used_once(storage: SqlStorage) -> None:
    await storage.connections.add(connection(), None)
    with pytest.raises(Problem, match="conflict: There is a connection of id 'con_1' already"):
        await storage.connections.add(connection(tenant="other"), None)


async def test_of_two_processes_claiming_an_external_ref_one_gets_it(
    opened: Callable[[str], SqlStorage], url: str
) -> None:
    storages = [opened(url), opened(url)]
    outcomes = await asyncio.gather(
        *(storages[n % 2].connections.add(connection(f"con_{n}", external_ref="shop"), None) for n in range(8)),
        return_exceptions=True,
    )
    assert sorted(getattr(outcome, "code", "kept") for outcome in outcomes) == ["conflict"] * 7 + ["kept"]
    assert (await page_ids(storages[0]))[1] == 1


async def test_saving_replaces_all_but_the_credentials(storage: SqlStorage) -> None:
    await storage.connections.add(connection(external_ref="shop", settings={"a": 1}), secrets(token="t"))
    await storage.tokens.append(connection(), token(), NOON)
    changed = connection(name="New", status="needs_reauth", company_id="7", settings={}, updated_at=later(5))
    await storage.connections.change(connection(), lambda _: changed)
    assert await storage.connections.find("con_1") == changed
    assert await storage.connections.credentials(connection()) == secrets(token="t")
    assert await storage.tokens.newest(connection()) is not None


async def test_of_changes_by_several_processes_none_is_lost(opened: Callable[[str], SqlStorage], url: str) -> None:
    storages = [opened(url), opened(url)]
    await storages[0].connections.add(connection(), None)

    def adding(number: int) -> Callable[[StoredConnection], StoredConnection]:
        return lambda now: replace(now, settings={**now.settings, f"s{number}": number})

    changes = [storages[n % 2].connections.change(connection(), adding(n)) for n in range(8)]
    replaced = storages[1].connections.replace_credentials(connection(), adding(8), secrets(token="new"))
    await asyncio.gather(*changes, replaced)
    found = await storages[0].connections.find("con_1")
    assert found is not None
    assert found.settings == {f"s{number}": number for number in range(9)}
    assert await storages[0].connections.credentials(found) == secrets(token="new")


async def test_what_a_change_raises_calls_it_off(storage: SqlStorage) -> None:
    await storage.connections.add(connection(), secrets(token="t"))

    def refusing(now: StoredConnection) -> StoredConnection:
        raise Problem("conflict", f"{now.name} is not to be changed.")

    with refused("conflict"):
        await storage.connections.change(connection(name="Old"), refusing)
    with refused("conflict"):
        await storage.connections.replace_credentials(connection(name="Old"), refusing, secrets(token="new"))
    assert await storage.connections.find("con_1") == connection()
    assert await storage.connections.credentials(connection()) == secrets(token="t")


async def test_a_status_is_set_at_a_moment_after_the_last_change(storage: SqlStorage) -> None:
    await storage.connections.add(connection(updated_at=later(5)), None)
    assert await storage.connections.amend("con_1", later(1), status="needs_reauth", version=0)
    found = await storage.connections.find("con_1")
    assert found is not None
    assert (found.status, found.updated_at) == ("needs_reauth", later(5) + timedelta(microseconds=1))


async def test_a_status_that_is_set_again_changes_nothing(storage: SqlStorage) -> None:
    await storage.connections.add(connection(), None)
    for moment in (1, 2):
        assert await storage.connections.amend("con_1", later(moment), status="needs_reauth", version=0)
    assert await storage.connections.find("con_1") == connection(status="needs_reauth", updated_at=later(1))


async def test_a_status_that_is_of_other_credentials_is_not_set(storage: SqlStorage) -> None:
    await storage.connections.add(connection(), secrets(token="t"))
    changed, _ = await storage.connections.replace_credentials(connection(), lambda now: now, secrets(token="u"))
    assert not await storage.connections.amend("con_1", later(1), status="needs_reauth", version=0)
    assert await storage.connections.find("con_1") == changed
    assert not await storage.connections.amend("con_2", later(1), status="needs_reauth", version=0)


async def test_a_suspension_outlives_whatever_befalls_the_credentials(storage: SqlStorage) -> None:
    await storage.connections.add(connection(suspended_at=NOON), secrets(token="t"))
    await storage.connections.amend("con_1", later(1), status="needs_reauth", version=0)
    await storage.tokens.append(connection(), token(), later(2))
    changed, _ = await storage.connections.replace_credentials(
        connection(), lambda now: replace(now, status="active"), secrets(token="u"), token(), later(3)
    )
    await storage.tokens.suspect(changed, later(4), since=NOON, version=1, owner=None)
    await storage.connections.amend("con_1", later(5), status="active", version=1)
    found = await storage.connections.find("con_1")
    assert found is not None
    assert (found.status, found.suspended_at, found.effective_status) == ("active", NOON, "suspended")


async def test_a_connection_that_is_gone_is_not_brought_back(storage: SqlStorage) -> None:
    gone = connection()
    for attempt in (
        storage.connections.change(gone, lambda _: gone),
        storage.connections.replace_credentials(gone, lambda _: gone, secrets(token="t")),
        storage.tokens.append(gone, token(), NOON),
        storage.links.put("con_1", "contacts", [LinkRow("1", "external_ref", "a", True)]),
    ):
        with refused("not_found"):
            await attempt
    await storage.links.remove("con_1", "contacts", "1")
    await storage.connections.destroy(gone)
    assert await storage.connections.find("con_1") is None


async def test_another_tenant_can_neither_save_nor_destroy_it(storage: SqlStorage) -> None:
    await storage.connections.add(connection(), secrets(token="t"))
    stranger = connection(tenant="other", name="Mine now")
    with refused("not_found"):
        await storage.connections.change(stranger, lambda _: stranger)
    await storage.connections.destroy(stranger)
    assert await storage.connections.find("con_1") == connection()
    assert await storage.connections.credentials(connection()) == secrets(token="t")


async def test_new_credentials_replace_the_old_and_the_tokens_bought_with_them(storage: SqlStorage) -> None:
    await storage.connections.add(connection(status="needs_reauth"), secrets(email="e", password="p"))
    first = await storage.tokens.append(connection(), token("old"), NOON)
    active = connection(status="active", credential_type="api_token")
    changed, _ = await storage.connections.replace_credentials(connection(), lambda _: active, secrets(api_token="new"))
    assert await storage.connections.find("con_1") == changed == replace(active, credentials_version=1)
    assert await storage.connections.change(changed, lambda _: active) == changed
    assert await storage.connections.credentials(changed) == secrets(api_token="new")
    assert await storage.tokens.newest(changed) is None
    assert (await storage.tokens.append(changed, token("new"), NOON)).seq > first.seq
    # Whoever read the connection before gets nothing of what it has by now: that may be of another administration.
    assert await storage.connections.credentials(active) == {}
    assert await storage.tokens.newest(active) is None


async def test_destroying_takes_everything_of_that_connection_only(storage: SqlStorage) -> None:
    for each in (connection(), connection("con_2")):
        await storage.connections.add(each, secrets(token="t"))
        await storage.tokens.append(each, token(), NOON)
        await storage.links.put(each.id, "contacts", [LinkRow("1", "external_ref", "a", True)])
    await storage.connections.destroy(connection())
    assert await storage.connections.find("con_1") is None
    assert await storage.connections.credentials(connection()) == {}
    assert await storage.tokens.newest(connection()) is None
    assert await storage.links.of("con_1") == {}
    assert await storage.connections.credentials(connection("con_2")) == secrets(token="t")
    assert await storage.tokens.newest(connection("con_2")) is not None
    assert len((await storage.links.of("con_2"))["contacts"]) == 1


@pytest.fixture
async def five(storage: SqlStorage) -> list[StoredConnection]:
    """Five of one tenant, of which the second and third are equally old, and one of another."""
    kept = [
        connection("con_e", created_at=later(0), provider="ledgerly", external_ref="x"),
        connection("con_b", created_at=later(1), provider="ledgerly", status="pending"),
        connection("con_c", created_at=later(1), provider="booker"),
        connection("con_a", created_at=later(2), provider="booker", status="pending"),
        connection("con_d", created_at=later(3), provider="ledgerly", suspended_at=later(4)),
    ]
    for each in (*reversed(kept), connection("con_z", tenant="other", external_ref="x")):
        await storage.connections.add(each, None)
    return kept


async def test_pages_meet_every_connection_of_the_tenant_once_oldest_first(
    storage: SqlStorage, five: list[StoredConnection]
) -> None:
    for size in (1, 2, 3, 5, 6):
        walked = []
        for offset in range(0, 6, size):
            ids, total = await page_ids(storage, offset=offset, size=size)
            assert total == 5
            walked += ids
        assert walked == [each.id for each in five]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"filters": {"provider": "booker"}}, ["con_c", "con_a"]),
        ({"filters": {"status": "pending"}}, ["con_b", "con_a"]),
        ({"filters": {"status": "suspended"}}, ["con_d"]),
        ({"filters": {"status": "active"}}, ["con_e", "con_c"]),
        ({"filters": {"external_ref": "x"}}, ["con_e"]),
        ({"filters": {"provider": "booker", "status": "pending"}}, ["con_a"]),
        ({"filters": {"provider": "none"}}, []),
        ({"among": frozenset({"con_a", "con_b", "con_z"})}, ["con_b", "con_a"]),
        ({"among": frozenset()}, []),
        ({"tenant": "other"}, ["con_z"]),
        ({"tenant": "nobody"}, []),
    ],
)
async def test_a_page_may_be_narrowed(
    storage: SqlStorage, five: list[StoredConnection], asked: dict[str, object], expected: list[str]
) -> None:
    assert await page_ids(storage, **asked) == (expected, len(expected))  # type: ignore[arg-type] # tenant is a text


async def test_all_are_counted_by_provider_and_the_status_that_is_told(
    storage: SqlStorage, five: list[StoredConnection]
) -> None:
    counted = {("ledgerly", "active"): 2, ("booker", "active"): 1, ("ledgerly", "suspended"): 1}
    assert await storage.connections.census() == {**counted, ("ledgerly", "pending"): 1, ("booker", "pending"): 1}


async def test_an_unknown_filter_is_not_ignored(storage: SqlStorage) -> None:
    with pytest.raises(KeyError):
        await page_ids(storage, filters={"name": "x"})
