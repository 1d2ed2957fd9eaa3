"""Questions answered again before routing: when they are, and that whatever changes ends it at once."""

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any, cast

import pytest

from gateway.app import generations_of, new_key
from gateway.contract.operations import BY_NAME
from gateway.engine.access.keys import KNOWN_FOR as KEY_KNOWN_FOR
from gateway.engine.call import Caller, Standing
from gateway.engine.connections.lookup import KNOWN_FOR as CONNECTION_KNOWN_FOR
from gateway.engine.connections.suspension import resume, suspend
from gateway.engine.generations import Matter
from gateway.engine.reads.cache import CachedAnswer
from gateway.web import app, bodies, replay
from gateway.web.replay import Question, Replays, question_of
from tests.exchange import Exchange, Listening
from tests.house import House

pytestmark = pytest.mark.anyio

PROVIDER = "memory"
RECORDS, FACTS = "contacts", "vat-codes"


@dataclass
class Asker:
    """Somebody who asked twice, so that the next time the answer is given again."""

    house: House
    listening: Listening
    connection: str
    key: str

    async def prime(self) -> None:
        for resource in (RECORDS, FACTS):
            for _ in range(2):
                assert (await self.ask(resource)).status == 200
            assert (await self.ask(resource)).performed == 0

    async def ask(self, resource: str, **sent: Any) -> Exchange:
        return await self.listening.get(f"/v1/connections/{self.connection}/{resource}", **sent)

    def end_elsewhere(self, matter: Matter) -> Callable[[], Any]:
        """Another process of this host ends a generation."""
        return lambda: generations_of(self.house.polder.settings, self.house.clock).end(self.connection, matter)


@pytest.fixture
async def asker(house: House, monkeypatch: pytest.MonkeyPatch) -> Asker:
    key = await house.polder.create_key(tenant="acme", name="asker", scopes=["*"])
    connection = await house.connect(PROVIDER)
    return Asker(house, Listening(house, key, monkeypatch), connection, key)


async def test_a_question_is_answered_again_from_the_third_time_on(asker: Asker) -> None:
    ways = [(await asker.ask(RECORDS)).performed for _ in range(5)]
    assert ways == [1, 1, 0, 0, 0]


# What ends it


async def written(asker: Asker) -> None:
    path = f"/v1/connections/{asker.connection}/contacts"
    assert (await asker.house.client.post(path, json={"company_name": "De Graaf B.V."})).status_code == 201


async def written_raw(asker: Asker) -> None:
    path = f"/v1/connections/{asker.connection}/raw/contacts"
    await asker.house.client.post(path, json={})


async def renamed(asker: Asker) -> None:
    path = f"/v1/connections/{asker.connection}"
    assert (await asker.house.client.patch(path, json={"name": "Another"})).status_code == 200


async def deleted(asker: Asker) -> None:
    assert (await asker.house.client.delete(f"/v1/connections/{asker.connection}")).status_code == 204


async def answers_ended_elsewhere(asker: Asker) -> None:
    await asker.end_elsewhere("answers")()


async def facts_ended_elsewhere(asker: Asker) -> None:
    await asker.end_elsewhere("facts")()


async def connection_ended_elsewhere(asker: Asker) -> None:
    await asker.end_elsewhere("connection")()


async def a_worker_died(asker: Asker) -> None:
    asker.house.polder.generations.forsake()


async def grown_old(asker: Asker) -> None:
    asker.house.clock.advance(CONNECTION_KNOWN_FOR)


async def suspended(asker: Asker) -> None:
    """By a process of this host."""
    polder, clock = asker.house.polder, asker.house.clock
    assert await suspend(polder.storage, generations_of(polder.settings, clock), clock, asker.connection)


async def suspended_and_resumed(asker: Asker) -> None:
    await suspended(asker)
    polder = asker.house.polder
    assert await resume(polder.storage, polder.generations, polder.clock, asker.connection)


async def suspended_in_silence(asker: Asker) -> None:
    """By somebody who tells nobody: then what was looked up is believed for some seconds, and no longer."""
    connection = await asker.house.polder.storage.connections.find(asker.connection)
    assert connection is not None
    await asker.house.polder.storage.connections.change(
        connection, lambda now: replace(now, suspended_at=now.updated_at)
    )
    asker.house.clock.advance(CONNECTION_KNOWN_FOR)


async def key_changed(asker: Asker) -> None:
    await asker.house.polder.generations.end(asker.key.split("_")[2], "keys")


async def key_grown_old(asker: Asker) -> None:
    asker.house.clock.advance(KEY_KNOWN_FOR)


async def key_revoked(asker: Asker) -> None:
    id = asker.key.split("_")[2]
    assert await asker.house.polder.storage.keys.revoke(id, asker.house.clock.now())
    await asker.house.polder.generations.end(id, "keys")


@pytest.mark.parametrize(
    ("change", "resource", "status"),
    [
        (written, RECORDS, 200),
        (written_raw, RECORDS, 200),
        (written_raw, FACTS, 200),
        (renamed, RECORDS, 200),
        (renamed, FACTS, 200),
        (deleted, RECORDS, 404),
        (deleted, FACTS, 404),
        (answers_ended_elsewhere, RECORDS, 200),
        (facts_ended_elsewhere, FACTS, 200),
        (connection_ended_elsewhere, RECORDS, 200),
        (connection_ended_elsewhere, FACTS, 200),
        (a_worker_died, RECORDS, 200),
        (a_worker_died, FACTS, 200),
        (grown_old, RECORDS, 200),
        (suspended, RECORDS, 424),
        (suspended, FACTS, 424),
        (suspended_in_silence, RECORDS, 424),
        (suspended_in_silence, FACTS, 424),
        (suspended_and_resumed, RECORDS, 200),
        (key_changed, RECORDS, 200),
        (key_grown_old, FACTS, 200),
        (key_revoked, RECORDS, 401),
    ],
)
async def test_a_change_ends_it_at_once(
    asker: Asker, change: Callable[[Asker], Any], resource: str, status: int
) -> None:
    await asker.prime()
    await change(asker)
    after = await asker.ask(resource)
    assert after.status == status
    if status != 401:
        assert after.performed == 1
    if change is written:
        assert b"De Graaf" in after.body


async def test_a_write_of_records_leaves_settled_facts_alone(asker: Asker) -> None:
    await asker.prime()
    await written(asker)
    assert (await asker.ask(FACTS)).performed == 0


async def test_an_answer_that_is_not_fresh_any_more_is_asked_for(asker: Asker) -> None:
    fresh_for = BY_NAME[f"{RECORDS}.list"].fresh_for
    await asker.ask(RECORDS)
    asker.house.clock.advance(fresh_for - 1)
    for _ in range(2):
        last = await asker.ask(RECORDS)
    assert (last.performed, last.header("age")) == (0, str(fresh_for - 1))
    asker.house.clock.advance(1)
    called = len(asker.house.emulator(PROVIDER).journal)
    assert ((await asker.ask(RECORDS)).performed, len(asker.house.emulator(PROVIDER).journal)) == (1, called + 1)


async def test_where_nobody_vouches_for_what_is_known_nothing_is_answered_from_it(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asker.prime()
    dice = Random(1)
    monkeypatch.setattr(asker.house.polder.generations, "of", lambda id, matter: dice.getrandbits(64))
    assert (await asker.ask(RECORDS)).performed == 1


async def test_an_expired_key_is_refused(asker: Asker) -> None:
    polder = asker.house.polder
    key, _ = await new_key(polder.storage, polder.clock, "acme", "short", ["*"], lives=timedelta(seconds=3))
    for way in (1, 1, 0):
        assert (await asker.ask(RECORDS, key=key)).performed == way
        asker.house.clock.advance(0.9)
    asker.house.clock.advance(0.3)
    assert (await asker.ask(RECORDS, key=key)).status == 401


async def test_a_key_bound_to_networks_is_refused_from_elsewhere(asker: Asker) -> None:
    polder = asker.house.polder
    key, _ = await new_key(polder.storage, polder.clock, "acme", "bound", ["*"], networks=["192.0.2.0/24"])
    for way in (1, 1, 0):
        found = await asker.ask(RECORDS, key=key, peer="192.0.2.7")
        assert (found.status, found.performed) == (200, way)
    assert (await asker.ask(RECORDS, key=key, peer="198.51.100.7")).status == 403
    untrusted = {"x-forwarded-for": "192.0.2.7"}
    assert (await asker.ask(RECORDS, key=key, peer="198.51.100.7", sent=untrusted)).status == 403


@pytest.mark.parametrize(
    ("tenant", "scopes", "status"),
    [("other", ["*"], 404), ("acme", ["products:read"], 403), ("acme", ["contacts:read"], 200)],
)
async def test_what_one_key_was_told_is_told_to_no_other(
    asker: Asker, tenant: str, scopes: list[str], status: int
) -> None:
    await asker.prime()
    key = await asker.house.polder.create_key(tenant=tenant, name="other", scopes=scopes)
    found = await asker.ask(RECORDS, key=key)
    assert (found.status, found.performed) == (status, 1)


async def test_the_use_of_a_key_is_noted(asker: Asker) -> None:
    await asker.prime()
    asker.house.clock.advance(2)
    used_at = asker.house.clock.now()
    await asker.house.polder.callers.close()
    noted = {one.id: one.last_used_at for one in await asker.house.polder.storage.keys.all("acme")}
    assert noted[asker.key.split("_")[2]] == used_at - timedelta(seconds=2)


# What a request says


def asked(
    *headers: tuple[str, str], method: str = "GET", key: str = "Bearer k", version: str = "1.0"
) -> Question | None:
    pairs = [("authorization", key), *headers]
    scope = {
        "method": method,
        "http_version": version,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in pairs],
    }
    return question_of(scope, b"/v1/x")


@pytest.mark.parametrize("name", [name.decode() for name, heeded in replay._HEEDED.items() if not heeded])
def test_what_could_make_another_answer_goes_the_long_way(name: str) -> None:
    assert asked() is not None
    assert asked((name, "x")) is None


@pytest.mark.parametrize(
    "question",
    [
        asked(method="HEAD"),
        asked(method="POST"),
        asked(key="bearer k"),
        asked(key="Basic k"),
        asked(("authorization", "Bearer other")),
        asked(("if-none-match", '"a"'), ("if-none-match", '"b"')),
        asked(("host", "a"), ("host", "a")),
        asked(("host", "a b")),
        asked(version="1.1"),
        asked(*(("x-more", "1") for _ in range(100))),
        asked(("x-more", "1" * 16_384)),
    ],
)
def test_what_is_for_the_long_way_to_judge_goes_there(question: Question | None) -> None:
    assert question is None


async def test_the_long_way_heeds_no_header_that_is_not_known_here(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    heeded: set[str] = set()

    class Heeding(dict[str, str]):
        def __contains__(self, name: object) -> bool:
            heeded.add(str(name))
            return super().__contains__(name)

        def get(self, name: str, default: Any = None) -> Any:
            heeded.add(name)
            return super().get(name, default)

        def __getitem__(self, name: str) -> str:
            heeded.add(name)
            return super().__getitem__(name)

    monkeypatch.setattr(app, "headers_of", lambda pairs: Heeding(bodies.headers_of(pairs)))
    for _ in range(2):
        await asker.ask(RECORDS)
    assert {"authorization", "if-none-match", "cache-control"} <= heeded
    assert heeded <= {name.decode() for name in replay._HEEDED}


# What is remembered

CALLER = Caller("k", "acme", frozenset("*"))
STANDING = Standing(CALLER, BY_NAME["contacts.list"], "con_1", (), 60.0, ("key",))


class _Shelf:
    """A cache of one answer."""

    def __init__(self) -> None:
        json = (("Content-Type", "application/json"),)
        self.kept: CachedAnswer | None = CachedAnswer(b"{}", '"e"', None, json, 0.0, 60.0, 60.0)

    def recall(self, standing: Standing, now: float) -> CachedAnswer | None:
        return self.kept

    def known(self, fingerprint: bytes, now: float) -> Caller | None:
        return CALLER


def question(number: int) -> Question:
    return Question(f"/{number}".encode(), b"", b"f", {})


def test_no_body_is_kept_in_memory_for_it() -> None:
    shelf = _Shelf()
    replays = Replays(shelf, shelf, "https://polder.test", ())
    replays.remember(question(1), "/", STANDING)
    found = replays.answer(question(1), {}, 1.0)
    assert found is not None
    assert found.reply.body == b"{}"
    kept = weakref.ref(cast(CachedAnswer, shelf.kept))
    del found
    shelf.kept = None
    gc.collect()
    assert kept() is None
    assert replays.answer(question(1), {}, 1.0) is None


def test_questions_are_bounded_and_the_first_goes_first() -> None:
    shelf = _Shelf()
    replays = Replays(shelf, shelf, "https://polder.test", (), size=2)
    for number in (1, 2, 1, 3):
        replays.remember(question(number), "/", STANDING)
    assert [number for number in (1, 2, 3) if replays.answer(question(number), {}, 1.0) is not None] == [1, 3]
