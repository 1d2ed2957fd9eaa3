"""API keys: their text, and whom they stand for."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.errors import Problem
from gateway.engine.access.keys import (
    ALPHABET,
    KNOWN_FOR,
    PATTERN,
    REFUSED_FOR,
    USES_KEPT_EVERY,
    Callers,
    digest,
    mint,
    parse,
)
from gateway.engine.generations import in_memory
from gateway.engine.storage import StoredKey
from tests.house import START, ManualClock
from tests.web.edge import KeysInMemory

pytestmark = pytest.mark.anyio


def test_a_key_has_the_published_shape_and_its_secret_is_not_kept() -> None:
    text, stored = mint(
        tenant="acme", name="shop", scopes=["contacts:read", "contacts:read"], now=START, random=Random(1)
    )
    assert re.fullmatch(PATTERN, text)
    assert text.startswith("polder_live_")
    id, secret = parse(text) or ("", "")
    assert (stored.id, stored.digest, stored.scopes) == (id, digest(secret), ("contacts:read",))
    assert secret not in repr(stored)


def test_two_keys_share_nothing() -> None:
    random = Random(1)
    texts = [mint(tenant="a", name="n", scopes=["*"], now=START, random=random)[0] for _ in range(100)]
    assert len({parse(text) for text in texts}) == 100


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no scope contacts:delete"):
        mint(tenant="acme", name="n", scopes=["contacts:delete"], now=START, random=Random(1))


@given(st.integers(0, 2**32), st.data())
def test_every_mistyped_letter_is_noticed_without_a_look_up(seed: int, data: st.DataObject) -> None:
    text, _ = mint(tenant="acme", name="n", scopes=["*"], now=START, random=Random(seed))
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from(ALPHABET))
    wrong = text[:place] + letter + text[place + 1 :]
    assert (parse(wrong) is not None) == (wrong == text)


@pytest.mark.parametrize("text", ["", "polder_live_", "x" * 10_000, "polder_live_é", "\ud800"])
async def test_nonsense_is_refused_without_a_look_up(text: str) -> None:
    keys = KeysInMemory()
    with pytest.raises(Problem, match="unauthenticated"):
        await Callers(keys, ManualClock(), in_memory(Random(3))).resolve(text)
    assert keys.looked_up == 0


async def test_a_key_stands_for_its_tenant_scopes_and_connections() -> None:
    keys = KeysInMemory()
    text, stored = mint(
        tenant="acme", name="n", scopes=["raw:read"], connections=["con_a"], now=START, random=Random(1)
    )
    await keys.add(stored)
    caller = await Callers(keys, ManualClock(), in_memory(Random(3))).resolve(text)
    assert (caller.tenant, caller.key_id) == ("acme", stored.id)
    assert caller.may("raw:read")
    assert not caller.may("raw:write")
    assert caller.reaches("con_a")
    assert not caller.reaches("con_b")


async def test_a_known_key_is_looked_up_once_in_its_time() -> None:
    keys, clock = KeysInMemory(), ManualClock()
    text, stored = mint(tenant="acme", name="n", scopes=["*"], now=START, random=Random(1))
    await keys.add(stored)
    callers = Callers(keys, clock, in_memory(Random(3)))
    for _ in range(5):
        await callers.resolve(text)
    assert keys.looked_up == 1
    clock.advance(KNOWN_FOR)
    await callers.resolve(text)
    assert keys.looked_up == 2


async def test_a_revoked_key_is_refused_at_once_by_all_who_are_told_and_soon_by_others() -> None:
    keys, clock, shared = KeysInMemory(), ManualClock(), in_memory(Random(3))
    text, stored = mint(tenant="acme", name="n", scopes=["*"], now=START, random=Random(1))
    await keys.add(stored)
    told = [Callers(keys, clock, shared), Callers(keys, clock, shared)]
    apart = Callers(keys, clock, in_memory(Random(3)))
    for each in (*told, apart):
        await each.resolve(text)
    await keys.revoke(stored.id, clock.now())
    await shared.end(stored.id, "keys")
    for each in told:
        with pytest.raises(Problem, match="unauthenticated"):
            await each.resolve(text)
    assert (await apart.resolve(text)).tenant == "acme"
    clock.advance(KNOWN_FOR)
    with pytest.raises(Problem, match="unauthenticated"):
        await apart.resolve(text)


async def test_a_key_that_is_revoked_while_it_is_looked_up_is_looked_up_again() -> None:
    keys, clock, shared = KeysInMemory(), ManualClock(), in_memory(Random(3))
    text, stored = mint(tenant="acme", name="n", scopes=["*"], now=START, random=Random(1))
    await keys.add(stored)
    find = keys.find

    async def overtaken(id: str) -> StoredKey | None:
        found = await find(id)
        await keys.revoke(id, clock.now())
        await shared.end(id, "keys")
        return found

    callers = Callers(keys, clock, shared)
    keys.find = overtaken  # type: ignore[method-assign]  # the moment at which it happens
    await callers.resolve(text)
    keys.find = find  # type: ignore[method-assign]  # from here on nothing happens
    with pytest.raises(Problem, match="unauthenticated"):
        await callers.resolve(text)


async def test_a_key_ends_when_it_expires_though_it_is_known() -> None:
    keys, clock = KeysInMemory(), ManualClock()
    text, stored = mint(
        tenant="acme", name="n", scopes=["*"], now=START, random=Random(1), expires_at=START + timedelta(seconds=5)
    )
    await keys.add(stored)
    callers = Callers(keys, clock, in_memory(Random(3)))
    await callers.resolve(text)
    clock.advance(5)
    with pytest.raises(Problem, match="unauthenticated"):
        await callers.resolve(text)


async def test_a_wrong_secret_of_a_known_id_is_refused_and_remembered_for_a_while() -> None:
    keys, clock = KeysInMemory(), ManualClock()
    text, stored = mint(tenant="acme", name="n", scopes=["*"], now=START, random=Random(1))
    await keys.add(replace(stored, digest=digest("another secret")))
    callers = Callers(keys, clock, in_memory(Random(3)))
    for _ in range(3):
        with pytest.raises(Problem, match="unauthenticated"):
            await callers.resolve(text)
    assert keys.looked_up == 1
    clock.advance(REFUSED_FOR)
    with pytest.raises(Problem, match="unauthenticated"):
        await callers.resolve(text)
    assert keys.looked_up == 2


async def test_every_refusal_says_the_same() -> None:
    keys, clock = KeysInMemory(), ManualClock()
    unknown, _ = mint(tenant="acme", name="n", scopes=["*"], now=START, random=Random(1))
    revoked, stored = mint(tenant="acme", name="n", scopes=["*"], now=START, random=Random(2))
    await keys.add(replace(stored, revoked_at=START))
    told = set()
    for text in (unknown, revoked, "nonsense"):
        with pytest.raises(Problem) as caught:
            await Callers(keys, clock, in_memory(Random(3))).resolve(text)
        told.add((str(caught.value), tuple(caught.value.headers.items())))
    assert len(told) == 1


async def test_a_storage_that_is_away_refuses_nobody_for_good() -> None:
    keys, clock = KeysInMemory(), ManualClock()
    text, stored = mint(tenant="acme", name="n", scopes=["*"], now=START, random=Random(1))
    await keys.add(stored)
    callers = Callers(keys, clock, in_memory(Random(3)))
    keys.broken = True
    with pytest.raises(Problem, match="storage_unavailable"):
        await callers.resolve(text)
    keys.broken = False
    assert (await callers.resolve(text)).tenant == "acme"


async def test_what_is_remembered_is_bounded() -> None:
    keys, clock, random = KeysInMemory(), ManualClock(), Random(1)
    callers = Callers(keys, clock, in_memory(Random(3)), size=10)
    texts = []
    for _ in range(50):
        text, stored = mint(tenant="acme", name="n", scopes=["*"], now=START, random=random)
        await keys.add(stored)
        texts.append(text)
        await callers.resolve(text)
    await callers.resolve(texts[0])
    assert keys.looked_up == 51


async def settled() -> None:
    """Let what nobody waits for come to its end."""
    for _ in range(5):
        await asyncio.sleep(0)


async def used_keys(count: int = 1) -> tuple[KeysInMemory, ManualClock, Callers, list[str], list[str]]:
    """Keys, their texts and their ids."""
    keys, clock, random = KeysInMemory(), ManualClock(), Random(1)
    minted = [mint(tenant="acme", name="n", scopes=["*"], now=START, random=random) for _ in range(count)]
    for _, stored in minted:
        await keys.add(stored)
    return (
        keys,
        clock,
        Callers(keys, clock, in_memory(Random(3))),
        [text for text, _ in minted],
        [stored.id for _, stored in minted],
    )


async def test_the_use_of_a_key_is_written_once_a_minute_by_nobody_who_waits() -> None:
    keys, clock, callers, (text,), (id,) = await used_keys()
    await callers.resolve(text)
    assert keys.writes_of_uses == []
    await settled()
    assert keys.writes_of_uses == [{id: START}]
    for _ in range(59):
        clock.advance(1)
        await callers.resolve(text)
    await settled()
    assert len(keys.writes_of_uses) == 1
    clock.advance(1)
    await callers.resolve(text)
    await settled()
    assert keys.writes_of_uses[1:] == [{id: START + timedelta(seconds=60)}]


async def test_the_uses_of_many_keys_are_written_together() -> None:
    keys, clock, callers, texts, ids = await used_keys(50)
    for text in texts:
        await callers.resolve(text)
        await settled()
    assert [list(written) for written in keys.writes_of_uses] == [ids[:1]]
    clock.advance(USES_KEPT_EVERY)
    await callers.resolve(texts[0])
    await settled()
    assert [list(written) for written in keys.writes_of_uses] == [ids[:1], ids[1:]]


async def test_what_was_noted_is_written_at_the_end() -> None:
    keys, _, callers, texts, ids = await used_keys(3)
    for text in texts:
        await callers.resolve(text)
    await callers.close()
    assert {id for written in keys.writes_of_uses for id in written} == set(ids)
    await callers.close()
    assert all(keys.writes_of_uses)


async def test_a_key_that_is_refused_is_not_used() -> None:
    keys, clock, callers, (text,), (id,) = await used_keys()
    await keys.revoke(id, clock.now())
    with pytest.raises(Problem, match="unauthenticated"):
        await callers.resolve(text)
    await callers.close()
    assert keys.writes_of_uses == []


async def test_uses_that_cannot_be_kept_disturb_nobody() -> None:
    keys, _, callers, (text,), _ = await used_keys()
    await callers.resolve(text)
    keys.broken = True
    await callers.close()
    assert (await callers.resolve(text)).tenant == "acme"


async def test_two_keys_of_one_tenant_work_while_one_replaces_the_other() -> None:
    keys, clock, callers, (old, new), (id, _) = await used_keys(2)
    assert (await callers.resolve(old)).tenant == (await callers.resolve(new)).tenant == "acme"
    await keys.revoke(id, clock.now())
    clock.advance(KNOWN_FOR)
    with pytest.raises(Problem, match="unauthenticated"):
        await callers.resolve(old)
    assert (await callers.resolve(new)).tenant == "acme"
