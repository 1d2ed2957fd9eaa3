"""A request from end to end: what is answered from memory, what is asked again, and what a write ends."""

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from gateway.contract.adapter import Record
from gateway.contract.emulator import Fault
from gateway.contract.models import Change, Product
from gateway.contract.money import amount_text
from gateway.contract.upstream import Upstream
from gateway.engine.access.permit import missing_scope
from gateway.web.logs import Line, Log
from tests.engine.shelf import SHELF, Aisle, ShelfProducts

PRODUCTS = ("GET", "/products")
DOWN = Fault("status", 503)


def status_of(answer: httpx2.Response) -> str:
    """``hit``, ``fwd=miss; stored``: what ``Cache-Status`` says after the name."""
    return answer.headers["cache-status"].partition("; ")[2].partition("; ttl")[0]


async def until(aisle: Aisle, calls: int) -> None:
    """Let others go on until the system has heard so many requests."""
    for _ in range(2_000):
        if len(aisle.shelf.journal) >= calls:
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"only {len(aisle.shelf.journal)} calls came")


# Answers that are kept


async def test_an_equal_question_is_answered_from_memory(aisle: Aisle) -> None:
    aisle.shelf.populate()
    first = await aisle.ask("GET", "products", limit="5")
    aisle.house.clock.advance(10)
    second = await aisle.ask("GET", "products", limit="5")
    assert second.content == first.content
    assert (status_of(first), status_of(second)) == ("fwd=miss; stored", "hit")
    assert (first.headers["age"], second.headers["age"]) == ("0", "10")
    assert aisle.shelf.heard(*PRODUCTS) == 1
    aisle.house.clock.advance(20)
    assert status_of(await aisle.ask("GET", "products", limit="5")) == "fwd=miss; stored"


async def test_another_question_is_another_answer(aisle: Aisle) -> None:
    aisle.shelf.populate()
    for query in ("", "?limit=3", "?include=archived", "?include=raw", "?q=product"):
        assert status_of(await aisle.ask("GET", f"products{query}")) == "fwd=miss; stored"
    assert status_of(await aisle.ask("GET", "products", limit="3")) == "hit"


async def test_a_value_that_looks_like_two_parameters_is_one(aisle: Aisle) -> None:
    await aisle.make(code="a")
    assert len((await aisle.ask("GET", "products", code="a", q="brood")).json()["data"]) == 1
    assert (await aisle.ask("GET", "products", code="a&q=brood")).json()["data"] == []


@pytest.mark.parametrize("said", ["no-cache", "no-store", "max-age=0", "max-age=5"])
async def test_a_caller_may_want_it_fresh(aisle: Aisle, said: str) -> None:
    await aisle.ask("GET", "products")
    aisle.house.clock.advance(10)
    answer = await aisle.ask("GET", "products", headers={"cache-control": said})
    assert status_of(answer) == "fwd=request; stored"
    assert aisle.shelf.heard(*PRODUCTS) == 2
    again = await aisle.ask("GET", "products", headers={"cache-control": "max-age=20"})
    assert (status_of(again), again.headers["age"]) == ("hit", "0")


async def test_who_has_the_answer_is_told_so(aisle: Aisle) -> None:
    first = await aisle.ask("GET", "products")
    tag = first.headers["etag"]
    same = await aisle.ask("GET", "products", headers={"if-none-match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    fresh = await aisle.ask("GET", "products", headers={"if-none-match": tag, "cache-control": "no-cache"})
    assert (fresh.status_code, status_of(fresh)) == (304, "fwd=request; stored")
    await aisle.make()
    other = await aisle.ask("GET", "products", headers={"if-none-match": tag})
    assert (other.status_code, other.headers["etag"] != tag) == (200, True)


async def test_no_answer_crosses_a_connection(aisle: Aisle) -> None:
    await aisle.ask("GET", "products")
    other = await aisle.house.connect("shelf")
    answer = await aisle.house.client.get(f"/v1/connections/{other}/products")
    assert status_of(answer) == "fwd=miss; stored"


async def test_equal_questions_under_way_are_asked_once(aisle: Aisle) -> None:
    aisle.shelf.gate.clear()
    before = len(aisle.shelf.journal)
    asked = [asyncio.ensure_future(aisle.ask("GET", "products")) for _ in range(10)]
    await until(aisle, before + 1)
    await asyncio.sleep(0.01)
    aisle.shelf.gate.set()
    answers = await asyncio.gather(*asked)
    assert {answer.content for answer in answers} == {answers[0].content}
    assert aisle.shelf.heard(*PRODUCTS) == 1


async def test_who_leaves_does_not_spoil_the_answer_for_the_others(aisle: Aisle) -> None:
    aisle.shelf.gate.clear()
    before = len(aisle.shelf.journal)
    asked = [asyncio.ensure_future(aisle.ask("GET", "products")) for _ in range(3)]
    await until(aisle, before + 1)
    asked[0].cancel()
    await asyncio.sleep(0.005)
    aisle.shelf.gate.set()
    answers = await asyncio.gather(*asked[1:])
    assert [answer.status_code for answer in answers] == [200, 200]
    assert aisle.shelf.heard(*PRODUCTS) == 1


async def test_a_failure_is_not_kept(aisle: Aisle) -> None:
    aisle.shelf.fail(DOWN, times=3)
    assert (await aisle.ask("GET", "products")).status_code == 503
    assert (await aisle.ask("GET", "products")).status_code == 200


# What a write ends


async def test_a_write_is_seen_by_the_very_next_read(aisle: Aisle) -> None:
    assert (await aisle.ask("GET", "products")).json()["data"] == []
    made = (await aisle.make()).json()
    assert [one["id"] for one in (await aisle.ask("GET", "products")).json()["data"]] == [made["id"]]
    await aisle.ask("PATCH", f"products/{made['id']}", {"name": "Koek"})
    assert (await aisle.ask("GET", f"products/{made['id']}")).json()["name"] == "Koek"
    await aisle.ask("DELETE", f"products/{made['id']}")
    assert (await aisle.ask("GET", f"products/{made['id']}")).status_code == 404


async def test_a_read_that_began_before_a_write_is_not_what_is_read_after(aisle: Aisle) -> None:
    """Who asks after the write does not even wait for the early read, which still hangs."""
    aisle.shelf.gate.clear()
    before = len(aisle.shelf.journal)
    early = asyncio.ensure_future(aisle.ask("GET", "products"))
    await until(aisle, before + 1)
    waiting, aisle.shelf.gate = aisle.shelf.gate, asyncio.Event()
    aisle.shelf.gate.set()
    made = await aisle.make()
    assert made.status_code == 201
    found = (await aisle.ask("GET", "products")).json()["data"]
    waiting.set()
    await early
    assert [one["id"] for one in found] == [made.json()["id"]]
    again = await aisle.ask("GET", "products")
    assert status_of(again) == "hit"
    assert [one["id"] for one in again.json()["data"]] == [made.json()["id"]]


async def test_what_an_early_read_brings_late_is_kept_where_nobody_looks(aisle: Aisle) -> None:
    made = (await aisle.make()).json()
    path = f"products/{made['id']}"
    aisle.shelf.gate.clear()
    before = len(aisle.shelf.journal)
    early = asyncio.ensure_future(aisle.ask("GET", path))
    await until(aisle, before + 1)
    old, aisle.shelf.gate = aisle.shelf.gate, asyncio.Event()
    aisle.shelf.gate.set()
    row = dict(aisle.shelf.rows[made["id"]])
    await aisle.ask("PATCH", path, {"name": "Koek"})
    aisle.shelf.rows[made["id"]], new = row, aisle.shelf.rows[made["id"]]  # the early read saw what was before
    old.set()
    assert (await early).json()["name"] == "Brood"
    aisle.shelf.rows[made["id"]] = new
    assert (await aisle.ask("GET", path)).json()["name"] == "Koek"


async def test_a_write_of_unknown_fate_ends_what_was_known_too(aisle: Aisle) -> None:
    await aisle.ask("GET", "products")
    aisle.shelf.fail(Fault("lost"), when=lambda seen: seen.method == "POST")
    answer = await aisle.make()
    assert (answer.status_code, answer.json()["outcome"]) == (504, "unknown")
    assert len((await aisle.ask("GET", "products")).json()["data"]) == 1


async def test_an_answer_to_a_write_that_cannot_be_told_is_put_beside_what_is_there(
    aisle: Aisle, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, update = (await aisle.make()).json(), ShelfProducts.update

    async def no_amount(self: ShelfProducts, up: Upstream, id: str, change: Change) -> Record[Product]:
        record = await update(self, up, id, change)
        record.item.price = amount_text(Decimal("NaN"))
        return record

    monkeypatch.setattr(ShelfProducts, "update", no_amount)
    answer = await aisle.ask("PATCH", f"products/{made['id']}", {"name": "Koek"})
    assert (answer.status_code, answer.json()["name"], answer.json()["price"]) == (200, "Koek", None)
    assert aisle.shelf.heard("PUT", f"/products/{made['id']}") == 1


async def test_a_refused_read_of_a_write_that_was_not_sent_keeps_what_is_known(aisle: Aisle) -> None:
    await aisle.ask("GET", "products")
    assert (await aisle.ask("POST", "products", {"name": ""})).status_code == 422
    assert status_of(await aisle.ask("GET", "products")) == "hit"


async def test_a_write_whose_caller_left_is_carried_through(aisle: Aisle) -> None:
    aisle.shelf.gate.clear()
    before = len(aisle.shelf.journal)
    leaving = asyncio.ensure_future(aisle.make(external_ref="order-1"))
    await until(aisle, before + 1)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    aisle.shelf.gate.set()
    for _ in range(200):
        if await aisle.found(external_ref="order-1"):
            break
        await asyncio.sleep(0.005)
    assert [one["name"] for one in await aisle.found(external_ref="order-1")] == ["Brood"]


# Slow-changing facts


async def test_settings_outlive_a_write_of_records_but_not_a_raw_one(aisle: Aisle) -> None:
    await aisle.ask("GET", "ledger-accounts")
    await aisle.make()
    assert status_of(await aisle.ask("GET", "ledger-accounts")) == "hit"
    assert (await aisle.ask("POST", "raw/anything", {})).status_code == 200
    assert status_of(await aisle.ask("GET", "ledger-accounts")) == "fwd=miss; stored"


async def test_a_stale_answer_is_better_than_none_for_settings(aisle: Aisle) -> None:
    first = await aisle.ask("GET", "ledger-accounts")
    aisle.house.clock.advance(3600)
    aisle.shelf.fail(DOWN, times=100)
    answer = await aisle.ask("GET", "ledger-accounts")
    assert (answer.status_code, answer.content) == (200, first.content)
    assert answer.headers["cache-status"] == "polder; fwd=stale; fwd-status=503; detail=stale-if-error"
    assert int(answer.headers["age"]) >= 3600
    aisle.house.clock.advance(24 * 3600)
    assert (await aisle.ask("GET", "ledger-accounts")).status_code == 503


async def test_a_stale_answer_is_worse_than_none_for_records(aisle: Aisle) -> None:
    await aisle.ask("GET", "products")
    aisle.house.clock.advance(31)
    aisle.shelf.fail(DOWN, times=100)
    assert (await aisle.ask("GET", "products")).status_code == 503


async def test_a_refusal_is_told_even_where_something_stale_is_at_hand(aisle: Aisle) -> None:
    await aisle.ask("GET", "ledger-accounts")
    aisle.house.clock.advance(3600)
    aisle.shelf.fail(Fault("status", 401), times=100)
    answer = await aisle.ask("GET", "ledger-accounts")
    assert (answer.status_code, answer.json()["code"]) == (424, "connection_needs_reauth")


# Scopes


async def test_a_missing_scope_costs_no_call(aisle: Aisle) -> None:
    aisle.shelf.scopes = []
    denied = await aisle.house.connect("shelf")
    before = len(aisle.shelf.journal)
    answer = await aisle.house.client.get(f"/v1/connections/{denied}/company")
    assert (answer.status_code, answer.json()["required_scope"]) == (403, "admin")
    assert len(aisle.shelf.journal) == before


async def test_a_missing_scope_is_looked_up_again_once_a_minute_at_most(aisle: Aisle) -> None:
    aisle.shelf.scopes = []
    denied = await aisle.house.connect("shelf")
    aisle.house.clock.advance(3600)
    before = len(aisle.shelf.journal)
    for _ in range(5):
        assert (await aisle.house.client.get(f"/v1/connections/{denied}/company")).status_code == 403
    assert len(aisle.shelf.journal) <= before + 1


async def test_a_scope_that_was_granted_meanwhile_is_found(aisle: Aisle) -> None:
    aisle.shelf.scopes = []
    denied = await aisle.house.connect("shelf")
    aisle.shelf.scopes = ["admin"]
    aisle.house.clock.advance(61)
    assert (await aisle.house.client.get(f"/v1/connections/{denied}/company")).status_code == 200


# Documents and raw answers


async def test_a_document_with_an_awkward_name_can_be_fetched(aisle: Aisle) -> None:
    answer = await aisle.ask("GET", "invoices/F-1/pdf")
    assert (answer.status_code, answer.content) == (200, b"%PDF-1.7")
    disposition = answer.headers["content-disposition"]
    assert disposition.isascii()
    assert disposition.count('"') == 2


async def test_a_raw_answer_is_theirs_without_their_cookies(aisle: Aisle) -> None:
    answer = await aisle.ask("PUT", "raw/anything", {"a": 1})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (200, b'{"a":1}', '"theirs"')
    assert "set-cookie" not in answer.headers
    assert aisle.shelf.heard("PUT", "/c/c1/anything") == 1


async def test_a_raw_header_that_cannot_be_passed_on_is_no_fault_of_ours(aisle: Aisle) -> None:
    path = f"/v1/connections/{aisle.connection}/raw/anything"
    answer = await aisle.house.client.get(path, headers=[(b"accept", b"text/\xe9")])
    assert answer.status_code < 500


async def test_a_token_that_cannot_be_a_header_is_refused(aisle: Aisle) -> None:
    body = {"provider": "shelf", "name": "x", "credentials": {"type": "token", "token": "tök€n"}}
    answer = await aisle.house.client.post("/v1/connections", json=body)
    assert answer.status_code == 422


async def test_a_number_beyond_all_reason_is_malformed_json(aisle: Aisle) -> None:
    path = f"/v1/connections/{aisle.connection}/products"
    sent = {"content-type": "application/json"}
    answer = await aisle.house.client.post(path, content=b'{"name":"x","price":1e9999999999999999999}', headers=sent)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


# Connections that change while they are used


async def test_a_call_that_ends_late_does_not_undo_a_change_of_its_connection(aisle: Aisle) -> None:
    aisle.shelf.gate.clear()
    before = len(aisle.shelf.journal)
    reading = asyncio.ensure_future(aisle.ask("GET", "products"))
    await until(aisle, before + 1)
    early, aisle.shelf.gate = aisle.shelf.gate, asyncio.Event()
    aisle.shelf.gate.set()
    path = f"/v1/connections/{aisle.connection}"
    changed = await aisle.house.client.patch(path, json={"name": "Renamed"})
    assert changed.json()["name"] == "Renamed"
    aisle.shelf.locked = True
    early.set()
    assert (await reading).json()["code"] == "connection_needs_reauth"
    shown = (await aisle.house.client.get(path)).json()
    assert (shown["name"], shown["status"]) == ("Renamed", "needs_reauth")


async def test_a_refused_token_is_not_sent_again_at_once(aisle: Aisle) -> None:
    aisle.shelf.locked = True
    assert (await aisle.ask("GET", "products")).status_code == 424
    before = len(aisle.shelf.journal)
    for _ in range(3):
        assert (await aisle.ask("GET", "products")).json()["code"] == "connection_needs_reauth"
    assert len(aisle.shelf.journal) == before


async def test_a_connection_that_was_refused_heals_with_the_first_success(aisle: Aisle) -> None:
    path = f"/v1/connections/{aisle.connection}"
    aisle.shelf.locked = True
    assert (await aisle.ask("GET", "products")).status_code == 424
    assert (await aisle.house.client.get(path)).json()["status"] == "needs_reauth"
    aisle.shelf.locked = False
    aisle.house.clock.advance(61)
    assert (await aisle.ask("GET", "products")).status_code == 200
    shown = (await aisle.house.client.get(path)).json()
    assert (shown["status"], shown["health"]["state"]) == ("active", "ok")


async def test_who_wants_it_fresh_does_not_wait_for_a_question_that_was_asked_before(aisle: Aisle) -> None:
    aisle.shelf.gate.clear()
    before = len(aisle.shelf.journal)
    early = asyncio.ensure_future(aisle.ask("GET", "products"))
    await until(aisle, before + 1)
    fresh = asyncio.ensure_future(aisle.ask("GET", "products", headers={"cache-control": "no-cache"}))
    await until(aisle, before + 2)
    aisle.shelf.gate.set()
    assert [(await one).status_code for one in (early, fresh)] == [200, 200]


@pytest.mark.parametrize(
    ("allowed", "token", "lacks"),
    [
        (["admin"], [], None),
        (["admin"], ["admin"], None),
        (["admin"], ["read"], "admin"),
        (["read"], ["admin"], "admin"),
    ],
)
def test_a_scope_is_held_where_the_owner_and_the_token_have_it(
    allowed: list[str], token: list[str], lacks: str | None
) -> None:
    connection: Any = SimpleNamespace(allowed_scopes=allowed, token_scopes=token)
    assert missing_scope(SHELF, connection, "company.get") == lacks
    assert missing_scope(SHELF, connection, "products.list") is None


async def test_the_log_names_what_an_adapter_tripped_over_whoever_waited_for_it(
    aisle: Aisle, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[Line] = []
    monkeypatch.setattr(Log, "write", lambda _, *told: lines.extend(told))
    aisle.shelf.populate()
    del aisle.shelf.rows["p1"]["name"]
    answers = await asyncio.gather(*(aisle.ask("GET", "products") for _ in range(2)))
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(502, "upstream_malformed")] * 2
    await asyncio.sleep(0)  # they are told of when the loop comes round
    assert [(line.level, line.exception) for line in lines] == [("error", ["builtins.KeyError"])] * 2


@pytest.mark.parametrize("path", ["products", "products?q=product"])
async def test_a_record_that_a_list_repeats_is_told_once_and_two_under_one_id_are_not_told(
    aisle: Aisle, path: str
) -> None:
    """One that comes while pages are read moves the others on; of two under one id nobody knows which is meant."""
    for key, id in (("a", "p1"), ("b", "p2"), ("c", "p1"), ("d", "p3")):
        aisle.shelf.rows[key] = {"id": id, "name": f"Product {id}", "unit": None, "archived": False}
    told = await aisle.ask("GET", path)
    assert [one["id"] for one in told.json()["data"]] == ["p1", "p2", "p3"]
    aisle.shelf.rows["c"]["name"] = "Another product"
    aisle.house.clock.advance(60)
    told = await aisle.ask("GET", path)
    assert (told.status_code, told.json()["code"]) == (502, "upstream_malformed")
