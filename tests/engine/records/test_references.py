"""References and codes that Polder keeps, from end to end: echoed, found, unique, and never lost or taken by halves."""

import asyncio

import pytest

from gateway.contract.adapter import Record
from gateway.contract.emulator import Fault
from gateway.contract.exact import dumps
from gateway.contract.models import Change, Product
from gateway.contract.upstream import Request, Upstream, path_of
from tests.engine.shelf import Aisle, ShelfProducts


async def test_a_reference_is_echoed_found_and_unique(aisle: Aisle) -> None:
    made = (await aisle.make(external_ref="order-1", code="SKU-1")).json()
    assert (made["external_ref"], made["code"]) == ("order-1", "SKU-1")
    for query in ({"external_ref": "order-1"}, {"code": "SKU-1"}, {"code": "SKU-1", "q": "brood"}):
        assert [one["id"] for one in await aisle.found(**query)] == [made["id"]]
    assert await aisle.found(external_ref="order-1", q="koek") == []
    again = await aisle.make(external_ref="order-1")
    assert (again.status_code, again.json()["code"], again.json()["outcome"]) == (409, "conflict", "not_sent")
    assert len(aisle.shelf.rows) == 1


async def test_a_rehearsal_refuses_a_taken_reference_as_the_write_does(aisle: Aisle) -> None:
    await aisle.make(external_ref="order-1")
    body = {"name": "Brood", "external_ref": "order-1"}
    done = (await aisle.ask("POST", "products", body)).json()
    rehearsed = (await aisle.ask("POST", "products", body, dry_run="true")).json()
    same = [{name: told[name] for name in ("code", "detail", "errors", "outcome")} for told in (done, rehearsed)]
    assert same[0] == same[1]
    assert rehearsed["errors"][0]["pointer"] == "/external_ref"


async def test_references_given_at_once_are_all_found(aisle: Aisle) -> None:
    made = await asyncio.gather(*(aisle.make(external_ref=f"order-{number}") for number in range(6)))
    assert [one.status_code for one in made] == [201] * 6
    for number, one in enumerate(made):
        assert [found["id"] for found in await aisle.found(external_ref=f"order-{number}")] == [one.json()["id"]]


async def test_one_reference_given_many_times_at_once_makes_one_record(aisle: Aisle) -> None:
    made = await asyncio.gather(*(aisle.make(external_ref="order-1") for _ in range(6)))
    assert sorted(one.status_code for one in made) == [201] + [409] * 5
    assert len(aisle.shelf.rows) == 1


async def test_a_reference_of_a_refused_record_is_free_again(aisle: Aisle) -> None:
    aisle.shelf.fail(Fault("status", 422), when=lambda seen: seen.method == "POST")
    assert (await aisle.make(external_ref="order-1")).json()["outcome"] == "rejected"
    assert (await aisle.make(external_ref="order-1")).status_code == 201


async def test_a_record_of_unknown_fate_is_not_made_twice(aisle: Aisle) -> None:
    aisle.shelf.fail(Fault("lost"), when=lambda seen: seen.method == "POST")
    lost = await aisle.make(external_ref="order-1")
    assert (lost.status_code, lost.json()["outcome"]) == (504, "unknown")
    assert len(aisle.shelf.rows) == 1
    again = await aisle.make(external_ref="order-1")
    assert (again.status_code, len(aisle.shelf.rows)) == (201, 1)
    assert [one["id"] for one in await aisle.found(external_ref="order-1")] == [again.json()["id"]]


async def test_an_id_survives_every_update(aisle: Aisle) -> None:
    aisle.shelf.new_ids = True
    made = (await aisle.make(external_ref="order-1")).json()
    first = made["id"]
    for name in ("Koek", "Taart", "Cake"):
        changed = (await aisle.ask("PATCH", f"products/{first}", {"name": name})).json()
        assert (changed["id"], changed["name"], changed["external_ref"]) == (first, name, "order-1")
    assert list(aisle.shelf.rows) != [first]
    assert [one["id"] for one in await aisle.found()] == [first]
    assert [one["id"] for one in await aisle.found(external_ref="order-1")] == [first]
    told = (await aisle.ask("GET", f"products/{first}", include="provider")).json()
    assert told["provider"]["id"] == next(iter(aisle.shelf.rows))
    assert (await aisle.ask("DELETE", f"products/{first}")).status_code == 204
    assert aisle.shelf.rows == {}
    assert (await aisle.ask("GET", f"products/{first}")).status_code == 404


async def test_a_new_id_is_kept_before_the_record_is_read_back(aisle: Aisle, monkeypatch: pytest.MonkeyPatch) -> None:
    async def update(self: ShelfProducts, up: Upstream, id: str, change: Change) -> Record[Product]:
        row = await up.data(Request("PUT", path_of("products", id), json={"name": change.given()["name"]}))
        await up.id_changed(row["id"])
        return await self.get(up, row["id"])

    monkeypatch.setattr(ShelfProducts, "update", update)
    aisle.shelf.new_ids = True
    first = (await aisle.make(external_ref="order-1")).json()["id"]
    aisle.shelf.fail(Fault("status", 503), times=200, when=lambda seen: seen.method == "GET")
    answer = await aisle.ask("PATCH", f"products/{first}", {"name": "Koek"}, {"idempotency-key": "k-1"})
    assert (answer.status_code, answer.json()["outcome"]) == (503, "applied")
    aisle.shelf.heal()
    aisle.house.clock.advance(60)
    assert [(one["id"], one["name"], one["external_ref"]) for one in await aisle.found()] == [
        (first, "Koek", "order-1")
    ]
    assert (await aisle.ask("PATCH", f"products/{first}", {"name": "Taart"})).json()["id"] == first
    assert len(aisle.shelf.rows) == 1


async def test_an_answer_about_another_record_is_taken_for_nothing(
    aisle: Aisle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ShelfProducts, "changes_ids", False)
    mine, other = [(await aisle.make(external_ref=ref)).json()["id"] for ref in ("order-1", "order-2")]
    strangers = Fault("status", 200, body=dumps(aisle.shelf.rows[other]))
    for method, body in (("GET", None), ("PATCH", {"name": "Koek"})):
        aisle.shelf.fail(strangers)
        answer = await aisle.ask(method, f"products/{mine}", body)
        assert (answer.status_code, answer.json()["code"]) == (502, "upstream_malformed")
        aisle.shelf.heal()
    told = (await aisle.ask("GET", f"products/{mine}")).json()
    assert (told["id"], told["name"], told["external_ref"]) == (mine, "Brood", "order-1")
    aisle.shelf.fail(Fault("status", 200, body=dumps([{**aisle.shelf.rows[mine], "id": "../1"}])))
    assert (await aisle.ask("GET", "products")).json()["code"] == "upstream_malformed"


async def test_a_kept_field_is_changed_and_cleared_without_a_write_upstream(aisle: Aisle) -> None:
    id = (await aisle.make(external_ref="order-1", code="A")).json()["id"]
    before = len(aisle.shelf.journal)
    changed = (await aisle.ask("PATCH", f"products/{id}", {"external_ref": "order-2", "code": None})).json()
    assert (changed["external_ref"], changed["code"]) == ("order-2", None)
    assert {seen.method for seen in aisle.shelf.journal[before:]} == {"GET"}
    assert await aisle.found(external_ref="order-1") == []
    assert [one["id"] for one in await aisle.found(external_ref="order-2")] == [id]
    assert (await aisle.make(code="A", external_ref="order-1")).status_code == 201


async def test_anothers_reference_cannot_be_taken_by_a_change(aisle: Aisle) -> None:
    await aisle.make(external_ref="order-1")
    other = (await aisle.make(external_ref="order-2")).json()["id"]
    before = len(aisle.shelf.journal)
    answer = await aisle.ask("PATCH", f"products/{other}", {"external_ref": "order-1", "name": "Koek"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert len(aisle.shelf.journal) == before
    same = await aisle.ask("PATCH", f"products/{other}", {"external_ref": "order-2"})
    assert same.status_code == 200


async def test_a_change_may_take_the_reference_of_a_create_in_doubt(aisle: Aisle) -> None:
    """Whoever finds the record that a lost create made gives it the reference himself."""
    aisle.shelf.fail(Fault("lost"), when=lambda seen: seen.method == "POST")
    assert (await aisle.make(external_ref="order-1")).json()["outcome"] == "unknown"
    (made,) = aisle.shelf.rows
    changed = await aisle.ask("PATCH", f"products/{made}", {"name": "Koek", "external_ref": "order-1"})
    assert (changed.status_code, changed.json()["external_ref"]) == (200, "order-1")
    assert [one["id"] for one in await aisle.found(external_ref="order-1")] == [made]
    assert (await aisle.make(external_ref="order-1")).json()["code"] == "conflict"


async def test_a_reference_that_is_being_given_to_another_is_refused_before_anything_is_sent(aisle: Aisle) -> None:
    id = (await aisle.make(external_ref="order-1")).json()["id"]
    aisle.shelf.gate.clear()
    making = asyncio.ensure_future(aisle.make(external_ref="order-2"))
    while len(aisle.house.polder.engine._books._claims) == 0:
        await asyncio.sleep(0.001)
    change = aisle.ask("PATCH", f"products/{id}", {"name": "Koek", "external_ref": "order-2"})
    refused = await asyncio.wait_for(change, 5)
    told = refused.json()
    assert (refused.status_code, told["code"], told["outcome"]) == (409, "idempotency_in_progress", "not_sent")
    assert (told["retryable"], told["fix"], told["errors"][0]["pointer"]) == (True, "wait", "/external_ref")
    aisle.shelf.gate.set()
    assert (await making).status_code == 201
    assert (aisle.shelf.rows[id]["name"], aisle.shelf.heard("PUT", f"/products/{id}")) == ("Brood", 0)


async def test_a_reference_that_a_lost_change_gave_is_the_records(aisle: Aisle) -> None:
    id = (await aisle.make(external_ref="order-1")).json()["id"]
    aisle.shelf.fail(Fault("lost"), when=lambda seen: seen.method == "PUT")
    changed = await aisle.ask("PATCH", f"products/{id}", {"name": "Koek", "external_ref": "order-2"})
    assert (changed.status_code, changed.json()["external_ref"]) == (200, "order-2")
    assert await aisle.found(external_ref="order-1") == []
    assert [one["id"] for one in await aisle.found(external_ref="order-2")] == [id]


async def test_a_reference_of_a_change_that_did_not_happen_is_free_again(aisle: Aisle) -> None:
    id = (await aisle.make(external_ref="order-1")).json()["id"]
    aisle.shelf.fail(Fault("status", status=502), when=lambda seen: seen.method == "PUT")
    lost = await aisle.ask("PATCH", f"products/{id}", {"name": "Koek", "external_ref": "order-2"})
    assert lost.json()["outcome"] == "unknown"
    aisle.house.clock.advance(600)
    await aisle.house.polder.engine.reconciliation.sweep()
    kept = await aisle.house.polder.storage.links.of(aisle.connection)
    assert [(row.record_id, row.value) for row in kept["products"]] == [(id, "order-1")]


async def test_a_deleted_records_reference_is_free(aisle: Aisle) -> None:
    id = (await aisle.make(external_ref="order-1")).json()["id"]
    await aisle.ask("DELETE", f"products/{id}")
    assert await aisle.found(external_ref="order-1") == []
    assert (await aisle.make(external_ref="order-1")).status_code == 201


async def test_a_record_deleted_in_the_system_itself_is_not_found_by_its_reference(aisle: Aisle) -> None:
    id = (await aisle.make(external_ref="order-1")).json()["id"]
    del aisle.shelf.rows[id]
    assert await aisle.found(external_ref="order-1") == []


async def test_an_archived_record_is_found_by_its_reference_only_when_asked_for(aisle: Aisle) -> None:
    id = (await aisle.make(external_ref="order-1")).json()["id"]
    aisle.shelf.rows[id]["archived"] = True
    assert await aisle.found(q="brood") == []
    assert [one["id"] for one in await aisle.found(external_ref="order-1", include="archived")] == [id]
    assert await aisle.found(external_ref="order-1") == []


async def test_what_has_no_place_is_refused_before_any_call(aisle: Aisle) -> None:
    before = len(aisle.shelf.journal)
    answer = await aisle.make(description="Lekker", price="2.50")
    assert (answer.status_code, answer.json()["code"]) == (422, "field_unsupported")
    assert len(aisle.shelf.journal) == before
    body = {"name": "Brood", "description": "Lekker", "price": "2.50"}
    dropped = await aisle.ask("POST", "products", body, on_unsupported="drop")
    assert dropped.status_code == 201
    assert [one["pointer"] for one in dropped.json()["warnings"]] == ["/description", "/price"]


async def test_emulated_filters_page_through_everything_once(aisle: Aisle) -> None:
    for number in range(230):
        aisle.shelf.put({"name": f"{'Koek' if number % 3 else 'Brood'} {number}"})
    wanted = [row["id"] for row in aisle.shelf.rows.values() if row["name"].startswith("Koek")]
    for limit in ("7", "50", "200"):
        found: list[str] = []
        target = f"products?q=koek&limit={limit}"
        cursor = ""
        while True:
            answer = await aisle.ask("GET", target + cursor)
            assert answer.headers["polder-emulated"] == "q"
            page = answer.json()
            assert page["total_count"] is None
            found += [one["id"] for one in page["data"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert found == wanted
