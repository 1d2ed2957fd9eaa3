"""API keys: kept as sealed digests that are bound to what the key allows, listed by tenant, revoked once."""

from collections.abc import Callable
from datetime import timedelta, timezone

import pytest

from gateway.store.seal import KeyRing, generate_key
from gateway.store.sql import SqlStorage
from tests.store.making import bytes_on_disk, key, later, look, refused

pytestmark = pytest.mark.anyio


async def test_a_key_comes_back_as_it_was(storage: SqlStorage) -> None:
    bound = key(
        scopes=("contacts:read", "*"),
        connections=("con_1", "con_2"),
        networks=("192.0.2.0/24", "2001:db8::/32"),
        expires_at=later(9).astimezone(timezone(timedelta(hours=2))),
        digest=bytes(32),
    )
    await storage.keys.add(bound)
    await storage.keys.add(key("key_2", connections=()))
    await storage.keys.add(key("key_3"))
    assert await storage.keys.find("key_1") == bound
    bound_to_nothing, unbound = await storage.keys.find("key_2"), await storage.keys.find("key_3")
    assert bound_to_nothing is not None
    assert bound_to_nothing.connections == ()
    assert unbound is not None
    assert unbound.connections is None


async def test_an_unknown_key_is_none(storage: SqlStorage) -> None:
    assert await storage.keys.find("key_1") is None


async def test_an_id_is_used_once(storage: SqlStorage) -> None:
    await storage.keys.add(key())
    with refused("conflict"):
        await storage.keys.add(key(tenant="other"))
    assert await storage.keys.find("key_1") == key()


async def test_keys_are_listed_by_tenant_oldest_first(storage: SqlStorage) -> None:
    for each in (key("key_c", created_at=later(2)), key("key_b"), key("key_a"), key("key_x", tenant="other")):
        await storage.keys.add(each)
    assert [each.id for each in await storage.keys.all("acme")] == ["key_a", "key_b", "key_c"]
    assert [each.id for each in await storage.keys.all(None)] == ["key_a", "key_b", "key_x", "key_c"]
    assert await storage.keys.all("nobody") == []


async def test_a_key_is_revoked_once_and_stays_findable(storage: SqlStorage) -> None:
    await storage.keys.add(key())
    assert await storage.keys.revoke("key_1", later(1)) is True
    assert await storage.keys.revoke("key_1", later(2)) is True
    revoked = await storage.keys.find("key_1")
    assert revoked is not None
    assert revoked == key(revoked_at=later(1), digest=b""), "a revoked key has no digest that could be compared with"
    assert await storage.keys.revoke("key_2", later(1)) is False


async def test_the_last_use_is_noted_and_never_goes_back(storage: SqlStorage) -> None:
    await storage.keys.add(key())
    await storage.keys.add(key("key_2"))
    await storage.keys.used({"key_1": later(2), "key_2": later(3), "gone": later(3)})
    await storage.keys.used({"key_1": later(1), "key_2": later(4)})
    assert {each.id: each.last_used_at for each in await storage.keys.all(None)} == {
        "key_1": later(2),
        "key_2": later(4),
    }
    assert await storage.keys.find("key_1") == key(last_used_at=later(2))


async def test_a_digest_is_in_no_file(opened: Callable[[str], SqlStorage], sqlite_url: str) -> None:
    digest = b"a digest that may be compared with"
    await opened(sqlite_url).keys.add(key(digest=digest))
    found = bytes_on_disk(sqlite_url)
    assert b"key_1" in found
    assert digest not in found


FORGERIES = {
    "of another tenant": "UPDATE api_keys SET tenant = 'other' WHERE id = 'key_1'",
    "with more scopes": """UPDATE api_keys SET scopes = '["*"]' WHERE id = 'key_1'""",
    "with all connections": "UPDATE api_keys SET connections = NULL WHERE id = 'key_1'",
    "from everywhere": "UPDATE api_keys SET networks = NULL WHERE id = 'key_1'",
    "for ever": "UPDATE api_keys SET expires_at = NULL WHERE id = 'key_1'",
    "with another's secret": "UPDATE api_keys SET sealed_digest ="
    " (SELECT sealed_digest FROM api_keys WHERE id = 'key_2') WHERE id = 'key_1'",
    "with a digest of one's own": "UPDATE api_keys SET sealed_digest = zeroblob(32) WHERE id = 'key_1'",
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
async def test_whoever_can_write_in_the_database_makes_no_key(
    opened: Callable[[str], SqlStorage], sqlite_url: str, forgery: str
) -> None:
    storage = opened(sqlite_url)
    narrow = key(scopes=("contacts:read",), connections=("con_1",), networks=("192.0.2.0/24",), expires_at=later(9))
    await storage.keys.add(narrow)
    await storage.keys.add(key("key_2"))
    look(sqlite_url, forgery)
    with refused("storage_unavailable"):
        await storage.keys.find("key_1")
    assert [each.digest for each in await storage.keys.all(None) if each.id == "key_1"] == [b""]


async def test_a_revoked_key_stays_revoked_whatever_is_written(
    opened: Callable[[str], SqlStorage], sqlite_url: str
) -> None:
    storage = opened(sqlite_url)
    await storage.keys.add(key())
    await storage.keys.revoke("key_1", later(1))
    look(sqlite_url, "UPDATE api_keys SET revoked_at = NULL")
    found = await storage.keys.find("key_1")
    assert found is not None
    assert found.digest == b""


async def test_without_its_ring_a_key_is_listed_and_good_for_nothing(
    storage: SqlStorage, opened: Callable[..., SqlStorage], url: str
) -> None:
    await storage.keys.add(key())
    stranger = opened(url, KeyRing.parse(generate_key(), environment="test"))
    assert await stranger.keys.all(None) == [key(digest=b"")]
    with refused("storage_unavailable"):
        await stranger.keys.find("key_1")
    assert await stranger.keys.revoke("key_1", later(1)) is True
