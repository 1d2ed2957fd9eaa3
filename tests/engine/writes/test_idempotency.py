"""The same write sent again, through the whole gateway: once is once."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from gateway.contract.adapter import Record
from gateway.contract.emulator import Fault, ReceivedRequest
from gateway.contract.errors import Problem
from gateway.contract.exact import dumps
from gateway.contract.models import Product, ProductDraft
from gateway.contract.upstream import Request, Upstream
from gateway.engine.signing import Signer
from gateway.engine.storage import Attempt
from gateway.engine.writes.idempotency import GRACE, fingerprint_of
from gateway.serve import listen, port_of, serving
from gateway.settings import derived_keys
from gateway.store.attempts import SqlAttempts
from tests.engine.shelf import Aisle, ShelfProducts
from tests.house import ENCRYPTION_KEY, House
from tests.store.making import look

PROVIDER = "memory"
DRAFT = {"company_name": "Kaasboer De Graaf B.V.", "email": "info@kaasboer.example"}


def named(key: str) -> dict[str, str]:
    return {"idempotency-key": key}


async def post(house: House, connection: str, key: str, body: dict[str, Any] | None = None) -> httpx2.Response:
    path = f"/v1/connections/{connection}/contacts"
    return await house.client.post(path, json=DRAFT if body is None else body, headers=named(key))


async def fate(house: House, connection: str, key: str) -> dict[str, Any]:
    answer = await house.client.get(f"/v1/connections/{connection}/operations/{key}")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def is_write(seen: ReceivedRequest) -> bool:
    return seen.method == "POST" and "/contacts" in seen.path


async def test_the_same_write_again_gets_the_same_answer_and_happens_once(house: House) -> None:
    connection = await house.connect(PROVIDER)
    before = len(house.emulator(PROVIDER).books()["contacts"])
    first = await post(house, connection, "k-1")
    again = await post(house, connection, "k-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert len(house.emulator(PROVIDER).books()["contacts"]) == before + 1
    told = await fate(house, connection, "k-1")
    assert (told["state"], told["status"], told["record_id"]) == ("applied", 201, first.json()["id"])
    assert told["operation"] == "contacts.create"


async def test_a_quoted_key_is_the_same_key(house: House) -> None:
    connection = await house.connect(PROVIDER)
    first = await post(house, connection, "k-1")
    assert (await post(house, connection, '"k-1"')).content == first.content


async def test_another_body_under_the_same_key_is_refused(house: House) -> None:
    connection = await house.connect(PROVIDER)
    await post(house, connection, "k-1")
    other = await post(house, connection, "k-1", {**DRAFT, "email": "other@kaasboer.example"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


async def test_the_same_body_spelled_otherwise_is_the_same_body(house: House) -> None:
    connection = await house.connect(PROVIDER)
    first = await post(house, connection, "k-1")
    again = await post(house, connection, "k-1", dict(reversed(DRAFT.items())))
    assert again.content == first.content


async def test_a_connection_that_is_spelled_otherwise_is_the_same_too(house: House) -> None:
    given = dict(house.emulator(PROVIDER).credentials())
    connected = (await house.client.get(f"/v1/connections/{await house.connect(PROVIDER)}")).json()
    body = {"provider": PROVIDER, "name": "Books", "company_id": connected["company"]["id"], "credentials": given}
    other = {**dict(reversed(body.items())), "credentials": dict(reversed(given.items()))}
    first, again = [await house.client.post("/v1/connections", json=one, headers=named("k-1")) for one in (body, other)]
    assert (first.status_code, again.content) == (201, first.content)
    url = f"/v1/connections/{first.json()['id']}"
    renamed = [
        await house.client.patch(url, content=text, headers={**named("k-2"), "content-type": "application/json"})
        for text in (b'{"name":"Shop"}', b' { "name" : "Shop" } ')
    ]
    assert [one.status_code for one in renamed] == [200, 200]
    refused = await house.client.patch(url, json={"name": "Other"}, headers=named("k-2"))
    assert refused.json()["code"] == "idempotency_mismatch"


async def test_no_digest_of_credentials_is_kept_that_just_anybody_can_compute(house: House) -> None:
    """Who reads the database could try words until one of them fits: a password is not long enough for that."""
    url = f"/v1/connections/{await house.connect(PROVIDER)}"
    company = (await house.client.get(url)).json()["company"]["id"]
    given = {"credentials": dict(house.emulator(PROVIDER).credentials()), "company_id": company}
    created, changed = dumps({"provider": PROVIDER, "name": "Books", **given}), dumps(given)
    headers = {"content-type": "application/json", "idempotency-key": "k-1"}
    made = await house.client.post("/v1/connections", content=created, headers=headers)
    assert (made.status_code, (await house.client.patch(url, content=changed, headers=headers)).status_code) == (
        201,
        200,
    )
    kept = look(f"sqlite:///{house.home}/polder.db", "SELECT operation, fingerprint FROM attempts", [])
    assert sorted(operation for operation, _ in kept) == ["connections.create", "connections.update"]
    assert not {fingerprint for _, fingerprint in kept} & {fingerprint_of(created), fingerprint_of(changed)}


async def test_a_repeat_is_known_after_the_encryption_key_was_replaced(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"content-type": "application/json", "idempotency-key": "k-1"}
    body = dumps({"provider": PROVIDER, "name": "Books"})
    first = await house.client.post("/v1/connections", content=body, headers=headers)
    renewed = derived_keys(f"new:{'A' * 43}=,{ENCRYPTION_KEY}", "signatures")
    monkeypatch.setattr(house.polder.engine._idempotency, "_signer", Signer(renewed, 32))
    again = await house.client.post("/v1/connections", content=body, headers=headers)
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")


async def test_a_key_means_nothing_to_another_connection_operation_or_tenant(house: House) -> None:
    one, two = await house.connect(PROVIDER), await house.connect(PROVIDER)
    assert (await post(house, one, "k-1")).headers.get("idempotency-replayed") is None
    assert (await post(house, two, "k-1")).headers.get("idempotency-replayed") is None
    product = await house.client.post(f"/v1/connections/{one}/products", json={"name": "Kaas"}, headers=named("k-1"))
    assert product.status_code == 201
    stranger = await house.client_for(tenant="other")
    assert (await stranger.get(f"/v1/connections/{one}/operations/k-1")).status_code == 404


async def test_sixty_four_at_once_are_one(house: House) -> None:
    connection = await house.connect(PROVIDER)
    before = len(house.emulator(PROVIDER).books()["contacts"])
    answers = await asyncio.gather(*(post(house, connection, "k-1") for _ in range(64)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert sum(answer.status_code == 201 for answer in answers) >= 1
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"idempotency_in_progress"}
    assert len(house.emulator(PROVIDER).books()["contacts"]) == before + 1


async def test_many_at_once_under_some_keys_are_as_many_as_there_are_keys(house: House) -> None:
    connections = [await house.connect(PROVIDER) for _ in range(2)]
    emulator = house.emulator(PROVIDER)
    before = len(emulator.journal)
    keys = [f"k-{number}" for number in range(8)]
    asked = [(connection, key) for connection in connections for key in keys for _ in range(32)]
    answers = await asyncio.gather(*(post(house, *one, {"company_name": one[1]}) for one in asked))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert sum(is_write(seen) for seen in emulator.journal[before:]) == len(keys) * len(connections)


async def test_a_raw_write_that_ended_in_trouble_is_told_again_as_it_was(house: House) -> None:
    connection = await house.connect(PROVIDER)
    house.emulator(PROVIDER).fail(Fault("status", status=500, body=b"oops"), when=is_write)
    path = f"/v1/connections/{connection}/raw/contacts"
    first = await house.client.post(path, json={}, headers=named("k-1"))
    again = await house.client.post(path, json={}, headers=named("k-1"))
    assert (first.status_code, first.content) == (again.status_code, again.content) == (500, b"oops")
    assert again.headers["idempotency-replayed"] == "true"
    assert sum(map(is_write, house.emulator(PROVIDER).journal)) == 1
    assert (await fate(house, connection, "k-1"))["state"] == "manual"


@pytest.mark.parametrize(
    "said",
    [
        {"content-type": 'application/json; title="Zoë"'},
        {"content-disposition": 'attachment; filename="Factuur Zoë.pdf"', "etag": '"é"'},
        {"content-type": "application/json"},
    ],
)
async def test_a_raw_write_that_was_done_is_told_whatever_its_answer_says(house: House, said: dict[str, str]) -> None:
    connection = await house.connect(PROVIDER)
    house.emulator(PROVIDER).fail(Fault("status", status=201, headers=said, body=b"{oops"), when=is_write)
    done = await house.client.post(f"/v1/connections/{connection}/raw/contacts", json={})
    assert (done.status_code, done.content) == (201, b"{oops")
    key = done.headers["idempotency-key"]
    assert (await fate(house, connection, key))["state"] == "applied"


async def test_a_raw_write_answered_with_a_status_that_does_not_exist_is_of_unknown_fate(house: House) -> None:
    connection = await house.connect(PROVIDER)
    house.emulator(PROVIDER).fail(Fault("status", status=700, body=b"oops"), when=is_write)
    lost = await house.client.post(f"/v1/connections/{connection}/raw/contacts", json={})
    assert (lost.status_code, lost.json()["code"], lost.json()["outcome"]) == (502, "upstream_malformed", "unknown")
    told = await house.client.get(lost.json()["operation"])
    assert told.json()["key"] == lost.headers["idempotency-key"]
    assert told.json()["state"] in ("unknown", "manual")


async def test_what_was_not_sent_gives_the_key_back(house: House) -> None:
    connection = await house.connect(PROVIDER)
    refused = await post(house, connection, "k-1", {**DRAFT, "unknown": 1})
    assert refused.json()["outcome"] == "not_sent"
    assert (await post(house, connection, "k-1")).status_code == 201


async def test_a_429_gives_the_key_back(house: House) -> None:
    connection = await house.connect(PROVIDER)
    house.emulator(PROVIDER).fail(Fault("status", status=429, headers={"Retry-After": "7"}), when=is_write)
    waiting = await post(house, connection, "k-1")
    assert (waiting.status_code, waiting.headers["retry-after"]) == (429, "7")
    house.clock.advance(8)
    assert (await post(house, connection, "k-1")).status_code == 201


async def test_what_the_system_refused_is_told_again(house: House) -> None:
    connection = await house.connect(PROVIDER)
    body = {**DRAFT, "external_ref": "r-1"}
    assert (await post(house, connection, "k-1", body)).status_code == 201
    refused = await post(house, connection, "k-2", {**body, "email": "b@kaasboer.example"})
    assert refused.status_code == 409
    again = await post(house, connection, "k-2", {**body, "email": "b@kaasboer.example"})
    assert again.status_code == 409


async def test_a_lost_answer_is_found_out_and_told_as_the_first(house: House) -> None:
    connection = await house.connect(PROVIDER)
    emulator = house.emulator(PROVIDER)
    before = len(emulator.books()["contacts"])
    emulator.fail(Fault("lost"), when=is_write)
    first = await post(house, connection, "k-1")
    assert (first.status_code, first.json()["email"]) == (201, DRAFT["email"])
    assert "idempotency-replayed" not in first.headers
    again = await post(house, connection, "k-1")
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert len(emulator.books()["contacts"]) == before + 1
    told = await fate(house, connection, "k-1")
    assert (told["state"], told["record_id"], told["next_check_at"]) == ("applied", first.json()["id"], None)


async def test_an_unknown_fate_is_never_tried_blindly(house: House) -> None:
    connection = await house.connect(PROVIDER)
    emulator = house.emulator(PROVIDER)
    before = len(emulator.books()["contacts"])
    emulator.fail(Fault("status", status=502), when=is_write)
    emulator.fail(Fault("status", status=500), times=1_000, when=lambda seen: seen.method == "GET")
    lost = await post(house, connection, "k-1")
    assert (lost.status_code, lost.json()["outcome"], lost.json()["state"]) == (503, "unknown", "unknown")
    place = f"/v1/connections/{connection}/operations/k-1"
    assert lost.json()["operation"] == place
    told = (await house.client.get(place)).json()
    assert (told["state"], told["next_check_at"]) == ("unknown", lost.json()["next_check_at"])
    assert int(lost.headers["retry-after"]) == lost.json()["retry_after"] > 0
    again = await post(house, connection, "k-1")
    assert (again.status_code, again.json()["outcome"]) == (503, "unknown")
    assert again.headers["idempotency-replayed"] == "true"
    assert len(emulator.books()["contacts"]) == before


VISIBLE = "".join(map(chr, range(0x21, 0x7F)))


@pytest.mark.parametrize("key", ["order:2026/118", "..%2f", VISIBLE + "k" * (255 - len(VISIBLE))])
async def test_the_address_that_an_unknown_fate_is_told_with_answers(house: House, key: str) -> None:
    connection = await house.connect(PROVIDER)
    house.emulator(PROVIDER).fail(Fault("status", status=502), when=is_write)
    house.emulator(PROVIDER).fail(Fault("status", status=500), times=1_000, when=lambda seen: seen.method == "GET")
    listener = listen("127.0.0.1", 0)
    async with (
        serving(house.polder.asgi, listener),
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port_of(listener)}", headers=house.client.headers) as client,
    ):
        lost = await client.post(f"/v1/connections/{connection}/contacts", json=DRAFT, headers=named(key))
        assert (lost.status_code, lost.json()["outcome"]) == (503, "unknown")
        told = await client.get(lost.json()["operation"])
    assert (told.status_code, told.json()["key"], told.json()["state"]) == (200, key, "unknown")


async def test_a_store_that_fails_after_the_write_makes_no_lie_of_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await house.connect(PROVIDER)
    honest = SqlAttempts.replace

    async def fails(self: SqlAttempts, before: Attempt, after: Attempt) -> bool:
        if after.state != "sending":
            raise Problem("storage_unavailable", "The disk is full.")
        return await honest(self, before, after)

    monkeypatch.setattr(SqlAttempts, "replace", fails)
    done = await post(house, connection, "k-1")
    assert done.status_code == 201
    house.emulator(PROVIDER).fail(Fault("lost"), when=is_write)
    lost = await post(house, connection, "k-2", {"company_name": "Een ander"})
    assert (lost.status_code, lost.json()["outcome"]) == (504, "unknown")
    house.emulator(PROVIDER).fail(Fault("status", status=422), when=is_write)
    refused = await post(house, connection, "k-3", {"company_name": "Een derde"})
    assert (refused.status_code, refused.json()["outcome"]) == (422, "rejected")
    monkeypatch.undo()
    house.clock.advance(60)
    again = await post(house, connection, "k-1")
    assert (again.status_code, again.json()) == (201, done.json())


async def test_a_store_that_fails_before_the_write_keeps_it_from_leaving(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await house.connect(PROVIDER)

    async def fails(self: SqlAttempts, before: Attempt, after: Attempt) -> bool:
        raise Problem("storage_unavailable", "The disk is full.")

    monkeypatch.setattr(SqlAttempts, "replace", fails)
    refused = await post(house, connection, "k-1")
    assert (refused.status_code, refused.json()["outcome"]) == (503, "not_sent")
    assert not any(map(is_write, house.emulator(PROVIDER).journal))


async def test_who_names_no_write_is_told_a_name_for_it(house: House) -> None:
    connection = await house.connect(PROVIDER)
    path = f"/v1/connections/{connection}/contacts"
    made, refused = await house.client.post(path, json=DRAFT), await house.client.post(path, json={"unknown": 1})
    assert (made.status_code, refused.status_code) == (201, 422)
    key = made.headers["idempotency-key"]
    assert (await fate(house, connection, key))["record_id"] == made.json()["id"]
    assert (await post(house, connection, key)).content == made.content
    assert "idempotency-key" not in (await post(house, connection, "k-1")).headers


async def test_a_deleted_connection_stays_deleted_and_says_so_again(house: House) -> None:
    connection, other = await house.connect(PROVIDER), await house.connect(PROVIDER)
    path = f"/v1/connections/{connection}"
    first = await house.client.delete(path, headers=named("k-1"))
    again = await house.client.delete(path, headers=named("k-1"))
    assert (first.status_code, again.status_code) == (204, 204)
    assert again.headers["idempotency-replayed"] == "true"
    assert (await house.client.delete(path, headers=named("k-2"))).status_code == 404
    assert (await house.client.delete(f"/v1/connections/{other}", headers=named("k-1"))).status_code == 204
    stranger = await house.client_for(tenant="other")
    assert (await stranger.delete(path, headers=named("k-1"))).status_code == 404
    bound = await house.client_for(connections=[other])
    assert (await bound.delete(path, headers=named("k-1"))).status_code == 404


async def test_keys_are_forgotten_after_three_days(house: House) -> None:
    connection = await house.connect(PROVIDER)
    await post(house, connection, "k-1")
    house.clock.advance(72 * 3600 + 1)
    assert (await house.client.get(f"/v1/connections/{connection}/operations/k-1")).status_code == 404
    later = await post(house, connection, "k-1")
    assert later.status_code == 201
    assert "idempotency-replayed" not in later.headers


@pytest.mark.parametrize("key", ["", " ", "a b", "k" * 256, "é"])
async def test_what_can_be_no_key_is_refused(house: House, key: str) -> None:
    connection = await house.connect(PROVIDER)
    path = f"/v1/connections/{connection}/contacts"
    headers = [(b"idempotency-key", key.encode())]
    answer = await house.client.post(path, json=DRAFT, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_a_key_is_that_of_one_record_and_one_way_of_asking(aisle: Aisle) -> None:
    one, other = (await aisle.make()).json()["id"], (await aisle.make()).json()["id"]
    first = await aisle.ask("PATCH", f"products/{one}", {"name": "Koek"}, named("k-1"))
    assert first.status_code == 200
    for path, query in ((f"products/{other}", {}), (f"products/{one}", {"on_unsupported": "drop"})):
        answer = await aisle.ask("PATCH", path, {"name": "Koek"}, named("k-1"), **query)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
    assert aisle.shelf.rows[other]["name"] == "Brood"


async def test_a_forgotten_key_makes_what_is_asked_now(aisle: Aisle) -> None:
    """The system itself knows creation keys, and longer than Polder: another body is another creation."""
    first = await aisle.ask("POST", "products", {"name": "Brood"}, named("k-1"))
    aisle.house.clock.advance(73 * 3600)
    later = await aisle.ask("POST", "products", {"name": "Koek"}, named("k-1"))
    assert (later.status_code, later.json()["name"]) == (201, "Koek")
    assert later.json()["id"] != first.json()["id"]


async def test_a_429_of_a_raw_write_gives_the_key_back(house: House) -> None:
    connection = await house.connect(PROVIDER)
    house.emulator(PROVIDER).fail(Fault("status", status=429, headers={"Retry-After": "7"}), when=is_write)
    path = f"/v1/connections/{connection}/raw/contacts"
    waiting = await house.client.post(path, json={"name": "De Graaf"}, headers=named("k-1"))
    assert waiting.status_code == 429
    house.clock.advance(8)
    again = await house.client.post(path, json={"name": "De Graaf"}, headers=named("k-1"))
    assert again.status_code != 429
    assert "idempotency-replayed" not in again.headers


async def test_a_bug_after_the_first_byte_left_is_no_reason_to_do_it_again(
    aisle: Aisle, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def trips(self: ShelfProducts, up: Upstream, draft: ProductDraft) -> Record[Product]:
        await up.data(Request("POST", "/products", json={"name": draft.name, "unit": None, "creationKey": "x"}))
        raise RuntimeError("a bug")

    monkeypatch.setattr(ShelfProducts, "create", trips)
    for _ in range(2):
        answer = await aisle.ask("POST", "products", {"name": "Brood"}, named("k-1"))
        assert answer.status_code >= 500
    assert aisle.shelf.heard("POST", "/products") == 1
    assert (await aisle.ask("GET", "operations/k-1")).json()["state"] in ("unknown", "manual")


async def test_who_carries_out_a_write_has_until_its_callers_deadline(aisle: Aisle) -> None:
    aisle.shelf.gate.clear()
    asked = asyncio.ensure_future(aisle.ask("POST", "products", {"name": "Brood"}, named("k-1")))
    while not aisle.shelf.heard("POST", "/products"):
        await asyncio.sleep(0.001)
    attempt = await aisle.house.polder.storage.attempts.newest("acme", aisle.connection, "k-1")
    assert attempt is not None
    assert attempt.next_check_at is not None
    deadline = timedelta(seconds=aisle.house.polder.settings.deadline)
    assert attempt.next_check_at - attempt.created_at == deadline + GRACE
    aisle.shelf.gate.set()
    assert (await asked).status_code == 201


async def test_who_names_no_write_is_told_its_name_in_doubt_too(house: House) -> None:
    connection = await house.connect(PROVIDER)
    house.emulator(PROVIDER).fail(Fault("status", status=502), when=is_write)
    house.emulator(PROVIDER).fail(Fault("status", status=500), times=1_000, when=lambda seen: seen.method == "GET")
    lost = await house.client.post(f"/v1/connections/{connection}/contacts", json=DRAFT)
    assert lost.json()["outcome"] == "unknown"
    assert (await fate(house, connection, lost.headers["idempotency-key"]))["state"] == "unknown"


async def test_a_process_that_ends_waits_for_no_look(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await house.connect(PROVIDER)
    house.emulator(PROVIDER).fail(Fault("status", status=502), when=is_write)
    asleep = asyncio.Event()

    async def sleep(seconds: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(house.clock, "sleep", sleep)
    lost = asyncio.ensure_future(post(house, connection, "k-1"))
    await asyncio.wait_for(asleep.wait(), 5)
    closing = asyncio.ensure_future(house.polder.engine.close())
    answer = await asyncio.wait_for(lost, 5)
    assert (answer.json()["outcome"], answer.json()["state"]) == ("unknown", "unknown")
    await closing


@pytest.mark.parametrize(("verb", "first"), [("update", "sweep"), ("create", "told"), ("refused", "repeat")])
async def test_what_was_answered_stays_true_though_it_could_not_be_written_down(
    house: House, monkeypatch: pytest.MonkeyPatch, verb: str, first: str
) -> None:
    """To look for it shows nothing any more where others changed or deleted the record since."""
    connection = await house.connect(PROVIDER)
    record = (await post(house, connection, "k-0")).json()
    path = f"/v1/connections/{connection}/contacts"
    honest = SqlAttempts.replace

    async def fails(self: SqlAttempts, before: Attempt, after: Attempt) -> bool:
        if after.state != "sending":
            raise Problem("storage_unavailable", "The disk is full.")
        return await honest(self, before, after)

    async def ask() -> httpx2.Response:
        if verb == "update":
            return await house.client.patch(f"{path}/{record['id']}", json={"phone": "06"}, headers=named("k-1"))
        return await post(house, connection, "k-1", {**DRAFT, "external_ref": "c-1"})

    if verb == "refused":
        house.emulator(PROVIDER).fail(Fault("status", status=422), when=is_write)
    monkeypatch.setattr(SqlAttempts, "replace", fails)
    done = await ask()
    monkeypatch.undo()
    assert done.status_code == {"update": 200, "create": 201, "refused": 422}[verb]
    await house.client.delete(f"{path}/{done.json().get('id', record['id'])}")
    house.clock.advance(600)
    if first == "repeat":
        assert (await ask()).status_code == done.status_code
    elif first == "sweep":
        await house.polder.engine.reconciliation.settle()
        await house.polder.engine.reconciliation.sweep()
    told = await fate(house, connection, "k-1")
    assert (told["state"], told["status"]) == ("rejected" if verb == "refused" else "applied", done.status_code)
    assert (await ask()).status_code == done.status_code
