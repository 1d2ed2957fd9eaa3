"""What was made though its answer was lost is recognised, also where nothing in it is the caller's own."""

from pathlib import Path

import pytest

from gateway.contract.emulator import Fault, ReceivedRequest
from gateway.contract.errors import Problem
from gateway.contract.exact import Json
from gateway.engine.storage import Attempt
from gateway.store.attempts import SqlAttempts
from tests.adapters.rompslomp.connected import DAY, Connected, connected, line


def lose(books: Connected) -> None:
    """Let the next write's answer be lost."""

    def is_write(seen: ReceivedRequest) -> bool:
        return seen.method == "POST" and seen.path.startswith("/api/")

    books.emulator.fail(Fault("lost"), when=is_write)


async def test_a_payment_of_no_invoice_is_known_by_its_mark(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        body: Json = {"amount": "12.50", "paid_on": DAY, "description": "Fooi", "payment_method_id": await books.bank()}
        before = await books.ask("POST", "payments", body)
        lose(books)
        made = await books.ask("POST", "payments", body)
        booked = books.emulator.books()["payments"]
        assert len(booked) == 2
        assert [row["description"].startswith("Fooi [polder:") for row in booked] == [True, True]
        assert made["id"] == str(booked[-1]["id"]) != before["id"]
        assert (made["description"], made["allocations"], made["unallocated"]) == ("Fooi", [], "12.50")


@pytest.mark.parametrize("code", [{}, {"code": "BR-1"}], ids=["no code", "code"])
async def test_a_product_is_known_by_its_code_or_as_the_new_one_of_its_name(tmp_path: Path, code: Json) -> None:
    async with connected(tmp_path) as books:
        body = {"name": "Roggebrood", "price": "2.50", "vat_code_id": await books.vat("domestic_high")}
        older = await books.ask("POST", "products", body)
        lose(books)
        made = await books.ask("POST", "products", {**body, **code})
        assert {str(row["id"]) for row in books.emulator.books()["products"]} == {older["id"], made["id"]}
        assert (made["id"] != older["id"], made["name"]) == (True, "Roggebrood")


@pytest.mark.parametrize("tidies", [False, True])
async def test_an_invoice_is_known_however_rompslomp_writes_it_down(tmp_path: Path, tidies: bool) -> None:
    async with connected(tmp_path, tidies=tidies) as books:
        contact = await books.contact()
        for reference, said in (
            (" order  1 ", line("10")),
            ("order-2", line("10", description="Een  regel")),
            ("order-3", line("8.264462809917")),
            ("order-4", line("10", quantity="0.333")),
        ):
            before = len(books.emulator.books()["invoices"])
            draft = await books.draft(said, external_ref=reference, contact_id=contact, finalize=True)
            lose(books)
            made = await books.ask("POST", "invoices", draft)
            assert made["external_ref"] == reference
            assert [str(row["id"]) for row in books.emulator.books()["invoices"]][before:] == [made["id"]]


async def test_the_refusal_of_a_repeat_is_not_told_as_that_of_the_invoice(tmp_path: Path) -> None:
    """The answer is lost, Rompslomp refuses the repeat as it has the invoice, and it cannot be searched meanwhile."""
    async with connected(tmp_path) as books:
        body, key = await books.draft(finalize=True), {"idempotency-key": "k-1"}
        path = f"/v1/connections/{books.connection}/invoices"
        lose(books)
        books.emulator.fail(
            Fault("status", status=503), times=100, when=lambda seen: "search%5Bapi_reference%5D" in seen.query
        )
        for _ in range(2):
            doubted = await books.house.client.post(path, json=body, headers=key)
            assert doubted.json()["outcome"] == "unknown", doubted.text
        assert [seen.method for seen in books.emulator.journal if seen.path.endswith("/sales_invoices")].count(
            "POST"
        ) == 2
        books.emulator.heal()
        books.house.clock.advance(60)
        told = await books.house.client.post(path, json=body, headers=key)
        assert told.status_code == 201, told.text
        assert [str(row["id"]) for row in books.emulator.books()["invoices"]] == [told.json()["id"]]


async def test_a_refused_product_or_contact_is_not_told_as_the_one_that_was_there(tmp_path: Path) -> None:
    """Somebody else's has the code and the name already, so that Rompslomp refuses ours, and its refusal is lost."""
    async with connected(tmp_path) as books:
        vat = await books.vat("domestic_high")
        line = {"description": "Roggebrood", "price_per_unit": "1.00", "vat_type_id": int(vat), "product_code": "BR-1"}
        await books.ask("POST", "raw/products", {"product": {"invoice_line": line}})
        await books.ask("POST", "raw/contacts", {"contact": {"company_name": "Bakker", "contact_number": "D-1"}})
        product = {"name": "Roggebrood", "price": "2.50", "vat_code_id": vat, "code": "BR-1"}
        for path, body in (("products", product), ("contacts", {"company_name": "Bakker", "number": "D-1"})):
            lose(books)
            answer = await books.send("POST", path, body)
            assert answer.status_code != 201, answer.text
            assert answer.json()["outcome"] in ("rejected", "unknown"), answer.text


ROUNDED: Json = {"prices_include_tax": True, "on_rounding": "add_line", "finalize": True, "external_ref": "order-1"}


@pytest.mark.parametrize("lost", ["the rounding line", "the publication"])
async def test_an_invoice_is_its_writes_own_after_its_concept_was_completed(tmp_path: Path, lost: str) -> None:
    """How three prices with VAT round only a concept tells: it gets a line that was not sent with the others."""
    async with connected(tmp_path) as books:
        await books.rounds()
        prices = ("22.49", "47.58", "13.68")
        draft = await books.draft(*(line(price) for price in prices), **ROUNDED)

        def is_lost(seen: ReceivedRequest) -> bool:
            return seen.method == "PATCH" and (b"_publish" in seen.body) == (lost == "the publication")

        books.emulator.fail(Fault("lost"), when=is_lost)
        told = await books.ask("POST", "invoices", draft)
        assert (told["totals"]["gross"], told["external_ref"]) == ("83.75", "order-1")
        assert (told["document_status"] == "final") == (lost == "the publication")
        assert [str(row["id"]) for row in books.emulator.books()["invoices"]] == [told["id"]]
        assert [one["id"] for one in (await books.ask("GET", "invoices?external_ref=order-1"))["data"]] == [told["id"]]


async def test_a_concept_that_could_not_be_taken_back_is_told_with_a_warning(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        draft = await books.draft(*[line("0.03")] * 3, expected_totals={"gross": "0.11"})
        path, key = f"/v1/connections/{books.connection}/invoices", {"idempotency-key": "k-1"}
        books.emulator.fail(Fault("status", status=503), times=10, when=lambda seen: seen.method == "DELETE")
        await books.house.client.post(path, json=draft, headers=key)
        books.emulator.heal()
        books.house.clock.advance(60)
        told = (await books.house.client.post(path, json=draft, headers=key)).json()
        assert (told["document_status"], told["totals"]["gross"]) == ("draft", "0.12")
        assert [one["code"] for one in told["warnings"]] == ["totals_differ"]


async def test_an_invoice_is_found_although_its_product_costs_more_by_now(tmp_path: Path) -> None:
    """What its lines left to the product is not what it would be today: that is no reason not to know it."""
    async with connected(tmp_path) as books:
        vat = await books.vat("domestic_high")
        product = await books.ask("POST", "products", {"name": "Roggebrood", "price": "10.00", "vat_code_id": vat})
        asked = {"description": "Roggebrood", "product_id": product["id"]}
        draft = await books.draft(asked, expected_totals={"gross": "12.10"}, finalize=True)
        path, key = f"/v1/connections/{books.connection}/invoices", {"idempotency-key": "k-1"}
        lose(books)
        books.emulator.fail(Fault("status", status=503), times=100, when=lambda seen: "api_reference" in seen.query)
        doubted = await books.house.client.post(path, json=draft, headers=key)
        assert doubted.json()["outcome"] == "unknown", doubted.text
        books.emulator.heal()
        books.house.clock.advance(60)
        await books.ask("PATCH", f"products/{product['id']}", {"price": "11.00"})
        told = await books.house.client.post(path, json=draft, headers=key)
        assert told.status_code == 201, told.text
        assert [str(row["id"]) for row in books.emulator.books()["invoices"]] == [told.json()["id"]]
        assert (told.json()["totals"]["gross"], told.json().get("warnings")) == ("12.10", None)


async def an_invoice_in_doubt(books: Connected) -> tuple[str, Json, dict[str, str]]:
    """How an invoice is asked for that was made, though nobody could say so, and nothing can be read any more."""
    draft, key = await books.draft(finalize=True), {"idempotency-key": "k-1"}
    path = f"/v1/connections/{books.connection}/invoices"
    await books.ask("GET", "vat-codes")
    lose(books)

    def comes_after(seen: ReceivedRequest) -> bool:
        made = any(one.method == "POST" and one.path.endswith("/sales_invoices") for one in books.emulator.journal)
        return seen.method == "GET" and made

    books.emulator.fail(Fault("status", status=503), times=1_000, when=comes_after)
    doubted = await books.house.client.post(path, json=draft, headers=key)
    assert doubted.json()["outcome"] == "unknown", doubted.text
    books.house.clock.advance(700)  # what is known of the VAT types is forgotten: the repeat fails before it sends
    return path, draft, key


async def found_to_be_made(books: Connected) -> None:
    """The system is itself again, and a look later the only invoice there is told as the one in doubt."""
    books.emulator.heal()
    books.house.clock.advance(60)
    await books.house.polder.engine.reconciliation.sweep()
    fate = await books.ask("GET", "operations/k-1")
    made = [str(row["id"]) for row in books.emulator.books()["invoices"]]
    assert (fate["state"], [fate["record_id"]]) == ("applied", made)


async def test_a_repeat_that_is_not_sent_leaves_the_invoice_in_doubt(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        path, draft, key = await an_invoice_in_doubt(books)
        repeated = await books.house.client.post(path, json=draft, headers=key)
        assert (repeated.status_code, repeated.json()["outcome"]) == (504, "unknown"), repeated.text
        assert (await books.ask("GET", "operations/k-1"))["state"] == "unknown"
        await found_to_be_made(books)


async def test_a_repeat_whose_owner_dies_before_it_sends_leaves_the_invoice_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(tmp_path) as books:
        path, draft, key = await an_invoice_in_doubt(books)
        honest = SqlAttempts.replace

        async def dies(self: SqlAttempts, before: Attempt, after: Attempt) -> bool:
            if before.state == "claimed":
                raise Problem("storage_unavailable", "Nobody is there to write this down.")
            return await honest(self, before, after)

        monkeypatch.setattr(SqlAttempts, "replace", dies)
        repeated = await books.house.client.post(path, json=draft, headers=key)
        assert (repeated.status_code, repeated.json()["outcome"]) == (504, "unknown"), repeated.text
        monkeypatch.undo()
        await found_to_be_made(books)


CHANGED: dict[str, Json] = {
    "prices with VAT": {"prices_include_tax": True, "lines": [line("12.10")]},
    "a rounding line": {"lines": [line("10")], "expected_totals": {"gross": "12.12"}, "on_rounding": "add_line"},
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
async def test_a_change_that_rompslomp_says_in_its_own_words_shows_all_the_same(change: Json, tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        await books.rounds()
        draft = await books.ask("POST", "invoices", await books.draft())
        books.emulator.fail(Fault("lost"), when=lambda seen: seen.method == "PATCH" and "sales_invoices" in seen.path)
        changed = await books.ask("PATCH", f"invoices/{draft['id']}", change)
        assert changed["totals"]["gross"] == change.get("expected_totals", {}).get("gross", "12.10")
        assert (await books.ask("GET", f"invoices/{draft['id']}"))["lines"] == changed["lines"]


async def test_what_another_connection_made_of_the_same_reference_is_not_taken_back(tmp_path: Path) -> None:
    """Only of its own concept may a write find out what it comes to, and take it back."""
    async with connected(tmp_path) as books:
        other = await books.house.connect("rompslomp", company_id=books.emulator.company_id)
        draft = await books.draft(*[line("0.03")] * 3, external_ref="order-1")
        theirs = await books.ask("POST", f"../{other}/invoices", draft)
        assert theirs["totals"]["gross"] == "0.12"
        problem = await books.refused(
            409, "conflict", "POST", "invoices", {**draft, "expected_totals": {"gross": "0.11"}}
        )
        assert (problem["outcome"], problem["errors"][0]["pointer"]) == ("rejected", "/external_ref")
        assert [str(row["id"]) for row in books.emulator.books()["invoices"]] == [theirs["id"]]


@pytest.mark.parametrize("what", ["contacts", "products"])
async def test_what_is_written_down_without_needless_spaces_is_found(what: str, tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        body: Json = {"company_name": "Zuivelhoeve  bv"}
        tidied: Json = {"contact": {"company_name": "Zuivelhoeve bv"}}
        if what == "products":
            body = {"name": "Schroef  10 mm", "price": "1", "vat_code_id": await books.vat("domestic_high")}
            tidied = {"product": {"invoice_line": {"description": "Schroef 10 mm"}}}
        key = {"idempotency-key": "k-1"}
        lose(books)
        posted = [seen.method for seen in books.emulator.journal].count("POST")

        def comes_after(seen: ReceivedRequest) -> bool:
            return seen.method == "GET" and [one.method for one in books.emulator.journal].count("POST") > posted

        books.emulator.fail(Fault("status", status=503), times=100, when=comes_after)
        answer = await books.house.client.post(f"/v1/connections/{books.connection}/{what}", json=body, headers=key)
        assert answer.json()["outcome"] == "unknown", answer.text
        books.emulator.heal()
        books.house.clock.advance(60)
        (made,) = books.emulator.books()[what]
        await books.ask("PATCH", f"raw/{what}/{made['id']}", tidied)
        await books.house.polder.engine.reconciliation.sweep()
        assert (await books.ask("GET", "operations/k-1"))["state"] == "applied"


async def test_a_total_that_cannot_be_is_not_read_to_its_end(tmp_path: Path) -> None:
    """Who makes a contact looks first who is called so already."""
    async with connected(tmp_path) as books:
        nothing = Fault("status", 200, {"content-type": "application/json", "x-total": "99999"}, b'{"contacts": []}')
        books.emulator.fail(nothing, times=2000, when=lambda seen: seen.method == "GET")
        before = len(books.emulator.journal)
        await books.contact()
        assert len(books.emulator.journal) - before == 2
