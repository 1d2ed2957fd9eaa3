"""A start with keys that open nothing of what is kept is refused; one with keys that open something is not."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway.store.seal import KeyRing, generate_key
from gateway.store.sql import SqlStorage
from tests.store.filling import fill
from tests.store.making import NOON, connection, refused

pytestmark = pytest.mark.anyio


async def test_an_empty_database_opens_with_any_keys(storage: SqlStorage) -> None:
    await storage.prove()


async def test_what_is_kept_opens_with_the_keys_and_the_environment_that_it_was_sealed_with(
    storage: SqlStorage, opened: Callable[..., SqlStorage], url: str, keys: str
) -> None:
    await fill(storage)
    await storage.prove()
    new = generate_key()
    await opened(url, KeyRing.parse(f"{new},{keys}", environment="test")).prove()
    of_same_id = f"{keys.partition(':')[0]}:{new.partition(':')[2]}"
    for other, environment in ((new, "test"), (of_same_id, "test"), (keys, "staging")):
        with refused("storage_unavailable"):
            await opened(url, KeyRing.parse(other, environment=environment)).prove()


async def test_one_value_that_opens_is_enough(
    storage: SqlStorage, opened: Callable[..., SqlStorage], url: str, keys: str
) -> None:
    """A value may have been altered, or a key taken away before all was brought under the next: the rest works."""
    await fill(storage)
    new = generate_key()
    await opened(url, KeyRing.parse(f"{new},{keys}", environment="test")).connections.add(
        connection("con_new", created_at=NOON + timedelta(days=1)), None
    )
    await opened(url, KeyRing.parse(new, environment="test")).prove()
