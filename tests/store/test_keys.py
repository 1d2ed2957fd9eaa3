"""API keys: kept as digests, listed by tenant, revoked once."""

import pytest

from gateway.store.sql import SqlStorage
from tests.store.making import key, later, refused

pytestmark = pytest.mark.anyio


async def test_a_key_comes_back_as_it_was(storage: SqlStorage) -> None:
    bound = key(scopes=("contacts:read", "*"), connections=("con_1", "con_2"), expires_at=later(9), digest=bytes(32))
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
    assert await storage.keys.find("key_1") == key(revoked_at=later(1))
    assert await storage.keys.revoke("key_2", later(1)) is False
