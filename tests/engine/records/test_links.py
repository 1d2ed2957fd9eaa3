"""What only Polder knows of records: who holds a value, claims on it, ids that change, and nothing lost in a race."""

import asyncio
import random
from collections.abc import Awaitable, Collection
from typing import Any
from uuid import UUID

import pytest

from gateway.contract.errors import Problem
from gateway.contract.models import Invoice, InvoicedContact, InvoiceDraft, Line, Totals
from gateway.engine.generations import in_memory
from gateway.engine.records.links import HELD, SYSTEM_ID, Book, LinkBooks, kept_values, translate
from gateway.engine.storage import LinkRow
from tests.engine.journal import MemoryOwner
from tests.engine.staging import MemoryLinks
from tests.house import ManualClock

ONE, TWO = UUID(int=1), UUID(int=2)
PLACE = ("con_1", "products")
IN_HAND = "idempotency_in_progress"


async def problem_of(work: Awaitable[Any]) -> Problem:
    with pytest.raises(Problem) as raised:
        await work
    return raised.value


# A book


def test_a_book_answers_by_record_and_by_value() -> None:
    book = Book([LinkRow("1", "external_ref", "a", True), LinkRow("1", SYSTEM_ID, "91", False)])
    assert dict(book.kept("1")) == {"external_ref": "a", SYSTEM_ID: "91"}
    assert book.holders("external_ref", "a") == ["1"]
    assert (book.theirs("1"), book.ours("91")) == ("91", "1")
    assert (book.theirs("7"), book.ours("7")) == ("7", "7")


def test_a_book_forgets_what_is_replaced_or_dropped() -> None:
    book = Book([LinkRow("1", "external_ref", "a", True)])
    book.add(LinkRow("1", "external_ref", "b", True))
    assert (book.holders("external_ref", "a"), book.holders("external_ref", "b")) == ([], ["1"])
    book.drop("1", "code")
    book.drop("1")
    assert (book.holders("external_ref", "b"), dict(book.kept("1"))) == ([], {})
    book.drop("never was")


# Claims


@pytest.fixture
def links() -> MemoryLinks:
    return MemoryLinks()


def opened(links: MemoryLinks, owner: str = "me", gone: Collection[str] = ()) -> LinkBooks:
    """The books of one process."""
    return LinkBooks(links, in_memory(random.Random(7)), ManualClock(), MemoryOwner(owner, gone.__contains__))


@pytest.fixture
def books(links: MemoryLinks) -> LinkBooks:
    return opened(links)


async def test_a_granted_claim_is_the_records_own(books: LinkBooks, links: MemoryLinks) -> None:
    claim = await books.claim(*PLACE, {"external_ref": "a", "code": "b", "other": "c"}, ONE)
    assert (await books.of(*PLACE)).holders("external_ref", "a") == []
    await claim.grant("7")
    assert sorted(links.rows[PLACE], key=lambda row: row.field) == [
        LinkRow("7", "code", "b", True),
        LinkRow("7", "external_ref", "a", True),
    ]
    assert (await books.of(*PLACE)).holders("code", "b") == ["7"]


async def test_a_value_under_claim_is_in_hand(books: LinkBooks) -> None:
    await books.claim(*PLACE, {"external_ref": "a"}, ONE)
    problem = await problem_of(books.claim(*PLACE, {"external_ref": "a"}, TWO))
    assert (problem.code, problem.outcome, problem.errors[0].pointer) == (IN_HAND, "not_sent", "/external_ref")
    await books.claim(*PLACE, {"external_ref": "b"}, TWO)
    await books.claim("con_1", "contacts", {"external_ref": "a"}, TWO)
    await books.claim("con_2", "products", {"external_ref": "a"}, TWO)


async def test_a_value_of_a_record_is_taken(books: LinkBooks) -> None:
    await (await books.claim(*PLACE, {"external_ref": "a"}, ONE)).grant("7")
    assert (await problem_of(books.claim(*PLACE, {"external_ref": "a"}, TWO))).code == "conflict"


async def test_a_value_that_is_not_free_is_not_repeated(books: LinkBooks) -> None:
    """It may be somebody's e-mail address, and callers log what problems say."""
    claim = await books.claim(*PLACE, {"external_ref": "an@peeters.example"}, ONE)
    for _ in ("under claim", "a record's"):
        problem = await problem_of(books.claim(*PLACE, {"external_ref": "an@peeters.example"}, TWO))
        assert "peeters" not in problem.detail + problem.errors[0].message
        await claim.grant("7")


async def test_of_a_value_in_hand_nobody_is_told_that_a_record_has_it(links: MemoryLinks) -> None:
    """The other write may be a change of the very same record, or come to nothing."""
    one, two = opened(links, "one"), opened(links, "two")
    claim = await one.claim(*PLACE, {"external_ref": "a"}, ONE)
    for process in (one, two):
        problem = await problem_of(process.claim(*PLACE, {"external_ref": "a"}, TWO))
        assert (problem.code, problem.retry_after, problem.errors[0].code) == (IN_HAND, 1, "in_progress")
        assert problem.kind.retryable  # whoever goes by that comes again, and then hears whose it is
        assert "not over yet" in problem.detail
    await claim.grant("7")
    two.close("con_1")  # as the end of its generation does
    for process in (one, two):
        problem = await problem_of(process.claim(*PLACE, {"external_ref": "a"}, TWO))
        assert (problem.code, problem.retry_after, problem.errors[0].code) == ("conflict", None, "taken")
        assert "Another record" in problem.detail


async def test_a_released_claim_leaves_nothing(books: LinkBooks, links: MemoryLinks) -> None:
    await (await books.claim(*PLACE, {"external_ref": "a", "code": "b"}, ONE)).release()
    assert links.rows[PLACE] == []
    claim = await books.claim(*PLACE, {"external_ref": "a"}, TWO)
    assert claim.creation_key == TWO


async def test_a_claim_of_unknown_fate_keeps_its_creation_key(books: LinkBooks, links: MemoryLinks) -> None:
    await (await books.claim(*PLACE, {"external_ref": "a"}, ONE)).leave()
    for reopened in (books, opened(links), opened(links, "another")):
        claim = await reopened.claim(*PLACE, {"external_ref": "a"}, TWO)
        assert claim.creation_key == ONE
        await claim.leave()


async def test_many_who_claim_one_value_at_once_are_one(books: LinkBooks) -> None:
    found = await asyncio.gather(
        *(books.claim(*PLACE, {"external_ref": "a"}, UUID(int=number)) for number in range(10)), return_exceptions=True
    )
    assert sum(not isinstance(one, Problem) for one in found) == 1
    assert {one.code for one in found if isinstance(one, Problem)} == {IN_HAND}


async def test_a_claim_that_could_not_be_kept_is_none(books: LinkBooks, links: MemoryLinks) -> None:
    await books.of(*PLACE)
    links.fails = True
    assert (await problem_of(books.claim(*PLACE, {"external_ref": "a"}, ONE))).code == "storage_unavailable"
    links.fails = False
    await (await books.claim(*PLACE, {"external_ref": "a"}, TWO)).grant("7")


@pytest.mark.parametrize("how", ["grant", "release"])
async def test_a_claim_that_could_not_be_settled_can_be_made_again(
    books: LinkBooks, links: MemoryLinks, how: str
) -> None:
    claim = await books.claim(*PLACE, {"external_ref": "a"}, ONE)
    links.fails = True
    await problem_of(claim.grant("7") if how == "grant" else claim.release())
    links.fails = False
    again = await books.claim(*PLACE, {"external_ref": "a"}, TWO)
    assert again.creation_key == ONE


async def test_of_two_processes_that_claim_a_value_one_gets_it(links: MemoryLinks) -> None:
    processes = [opened(links, "one"), opened(links, "two")]
    for books in processes:
        await books.of(*PLACE)
    claims = [books.claim(*PLACE, {"external_ref": "a"}, UUID(int=number)) for number, books in enumerate(processes)]
    found = await asyncio.gather(*claims, return_exceptions=True)
    assert sorted(getattr(one, "code", "held") for one in found) == ["held", IN_HAND]


async def test_a_claim_that_is_being_granted_is_nobody_elses() -> None:
    class Watched(MemoryLinks):
        """Another process claims the same before and after every step."""

        async def rename(self, connection_id: str, resource: str, old_id: str, new_id: str) -> None:
            await self.claimed_by_another()
            await super().rename(connection_id, resource, old_id, new_id)
            await self.claimed_by_another()

        async def remove(self, connection_id: str, resource: str, record_id: str, field: str | None = None) -> None:
            await super().remove(connection_id, resource, record_id, field)
            await self.claimed_by_another()

        async def claimed_by_another(self) -> None:
            problem = await problem_of(opened(self, "two").claim(*PLACE, {"external_ref": "a"}, TWO))
            assert problem.code in ("conflict", IN_HAND)

    links = Watched()
    await (await opened(links, "one").claim(*PLACE, {"external_ref": "a"}, ONE)).grant("7")
    assert links.rows[PLACE] == [LinkRow("7", "external_ref", "a", True)]


async def test_what_a_dead_process_claimed_is_taken_over_with_its_key(links: MemoryLinks) -> None:
    await opened(links, "one").claim(*PLACE, {"external_ref": "a"}, ONE)
    alive = opened(links, "two")
    assert (await problem_of(alive.claim(*PLACE, {"external_ref": "a"}, TWO))).code == IN_HAND
    told = opened(links, "two", gone=["one"])
    assert (await told.claim(*PLACE, {"external_ref": "a"}, TWO)).creation_key == ONE


async def test_what_is_left_of_a_claim_is_given_back_once_nothing_came_of_it(links: MemoryLinks) -> None:
    one, two = opened(links, "one"), opened(links, "two")
    await (await one.claim(*PLACE, {"external_ref": "a", "code": "b"}, ONE)).leave()
    await two.give_back(*PLACE, {"external_ref": "a", "code": "b"}, ONE)
    assert links.rows[PLACE] == []
    assert (await one.claim(*PLACE, {"external_ref": "a"}, TWO)).creation_key == TWO


async def test_what_is_held_again_or_is_anothers_is_not_given_back(links: MemoryLinks) -> None:
    one, two = opened(links, "one"), opened(links, "two")
    await (await one.claim(*PLACE, {"external_ref": "a"}, ONE)).leave()
    await two.of(*PLACE)
    held = await one.claim(*PLACE, {"external_ref": "a"}, ONE)
    rows = list(links.rows[PLACE])
    await two.give_back(*PLACE, {"external_ref": "a"}, ONE)  # which two has not read yet
    await two.give_back(*PLACE, {"external_ref": "a"}, ONE)
    assert (await problem_of(one.give_back(*PLACE, {"external_ref": "a"}, ONE))).code == "idempotency_in_progress"
    await two.give_back(*PLACE, {"external_ref": "a"}, TWO)
    assert links.rows[PLACE] == rows
    await held.grant("7")
    await two.give_back(*PLACE, {"external_ref": "a"}, ONE)
    assert links.rows[PLACE] == [LinkRow("7", "external_ref", "a", True)]


async def test_of_a_claim_that_fails_at_its_second_value_nothing_is_held(links: MemoryLinks) -> None:
    one, two = opened(links, "one"), opened(links, "two")
    await (await one.claim(*PLACE, {"external_ref": "a"}, ONE)).grant("7")
    rows = list(links.rows[PLACE])
    assert (await problem_of(one.claim(*PLACE, {"code": "b", "external_ref": "a"}, ONE))).code == "conflict"
    assert links.rows[PLACE] == rows
    assert (await two.claim(*PLACE, {"code": "b", "external_ref": "c"}, TWO)).creation_key == TWO


@pytest.mark.parametrize("taken", [True, False])
async def test_a_value_that_was_left_in_doubt_is_given_back_as_it_was_found(links: MemoryLinks, taken: bool) -> None:
    one, two = opened(links, "one"), opened(links, "two")
    await (await one.claim(*PLACE, {"code": "b"}, ONE)).leave()
    if taken:
        await (await two.claim(*PLACE, {"external_ref": "a"}, TWO)).grant("7")
        await problem_of(two.claim(*PLACE, {"code": "b", "external_ref": "a"}, TWO))
    else:
        await (await two.claim(*PLACE, {"code": "b"}, TWO)).release()
    one.close("con_1")  # as the end of its generation does
    assert (await one.claim(*PLACE, {"code": "b"}, TWO)).creation_key == ONE


async def test_what_became_of_a_claim_is_settled_once(books: LinkBooks, links: MemoryLinks) -> None:
    claim = await books.claim(*PLACE, {"external_ref": "a"}, ONE)
    links.fails = True
    await problem_of(claim.grant("7"))
    links.fails = False
    again = await books.claim(*PLACE, {"external_ref": "a"}, TWO)
    rows = list(links.rows[PLACE])
    await claim.leave()
    await claim.release()
    assert links.rows[PLACE] == rows
    assert (await problem_of(books.claim(*PLACE, {"external_ref": "a"}, UUID(int=3)))).code == IN_HAND
    await again.grant("7")


async def test_a_repeat_is_not_told_that_its_own_value_is_taken(links: MemoryLinks) -> None:
    one, two = opened(links, "one"), opened(links, "two")
    claim = await one.claim(*PLACE, {"external_ref": "a"}, ONE)
    for process in (one, two):
        problem = await problem_of(process.claim(*PLACE, {"external_ref": "a"}, ONE))
        assert (problem.code, problem.outcome, problem.retry_after) == ("idempotency_in_progress", "not_sent", 1)
    await claim.release()
    two.close("con_1")  # as the end of its generation does
    await (await two.claim(*PLACE, {"external_ref": "a"}, ONE)).grant("7")


async def test_a_claim_is_not_held_for_ever(links: MemoryLinks) -> None:
    await opened(links, "one").claim(*PLACE, {"external_ref": "a"}, ONE)
    later = opened(links, "two")
    assert isinstance(later.clock, ManualClock)
    later.clock.advance(HELD.total_seconds())
    assert (await later.claim(*PLACE, {"external_ref": "a"}, TWO)).creation_key == ONE


async def test_a_claim_sees_what_another_process_kept(links: MemoryLinks) -> None:
    late = opened(links, "two")
    await late.of(*PLACE)
    await (await opened(links, "one").claim(*PLACE, {"external_ref": "a"}, ONE)).grant("7")
    problem = await problem_of(late.claim(*PLACE, {"external_ref": "a"}, TWO))
    assert (problem.code, problem.outcome) == ("conflict", "not_sent")
    assert (await late.of(*PLACE)).holders("external_ref", "a") == ["7"]


async def test_a_book_is_read_again_when_its_generation_is_ended_elsewhere(links: MemoryLinks) -> None:
    shared = in_memory(random.Random(7))
    one, two = (LinkBooks(links, shared, ManualClock(), MemoryOwner(name)) for name in ("one", "two"))
    assert (await two.of(*PLACE)).kept("7") == {}
    changes = one.changes("con_1")
    await one.put(*PLACE, "7", {"external_ref": "a"})
    assert one.changes("con_1") != changes
    ended = await shared.end("con_1", "links")
    one.carry("con_1", ended["links"])
    assert (await two.of(*PLACE)).kept("7") == {"external_ref": "a"}
    links.fails = True
    assert (await one.of(*PLACE)).kept("7") == {"external_ref": "a"}, "who made the change need not read it"


async def test_nothing_to_hold_needs_nothing_kept(books: LinkBooks, links: MemoryLinks) -> None:
    await (await books.claim(*PLACE, {"credits_invoice_id": "9"}, ONE)).grant("7")
    assert links.rows.get(PLACE, []) == []


async def test_two_who_open_a_book_at_once_write_in_the_same_one(books: LinkBooks) -> None:
    await asyncio.gather(books.put(*PLACE, "1", {"external_ref": "a"}), books.put(*PLACE, "2", {"external_ref": "b"}))
    book = await books.of(*PLACE)
    assert (book.holders("external_ref", "a"), book.holders("external_ref", "b")) == (["1"], ["2"])


async def test_the_books_of_a_connection_are_read_together_and_those_of_no_other(
    books: LinkBooks, links: MemoryLinks
) -> None:
    links.rows = {
        PLACE: [LinkRow("1", "code", "a", True)],
        ("con_1", "contacts"): [LinkRow("1", "external_ref", "b", True)],
        ("con_2", "contacts"): [LinkRow("1", "external_ref", "c", True)],
    }
    assert (await books.of(*PLACE)).kept("1") == {"code": "a"}
    await books.put("con_1", "ledger-accounts", "4", {"external_ref": "d"})
    links.rows = {("con_2", "contacts"): links.rows["con_2", "contacts"]}
    assert (await books.of("con_1", "contacts")).kept("1") == {"external_ref": "b"}, "it was read with the other"
    assert (await books.of("con_1", "ledger-accounts")).kept("4") == {"external_ref": "d"}
    assert (await books.of("con_1", "vat-codes")).is_empty
    assert (await books.of("con_2", "contacts")).kept("1") == {"external_ref": "c"}
    assert (await books.of("con_2", "products")).is_empty


async def test_what_is_known_in_all_has_a_bound_though_every_connection_grows_with_the_years(
    links: MemoryLinks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.engine.records.links.KNOWN", 100)
    books = opened(links)
    for owner, orders in (("con_1", 40), ("con_2", 40), ("con_3", 500)):
        links.rows[owner, "invoices"] = [LinkRow(str(n), "external_ref", str(n), True) for n in range(orders)]
        assert len(await books.of(owner, "invoices")) == orders
    assert list(books._shelves) == ["con_3"], "one that has more than there is room for is kept by itself"
    assert len(await books.of("con_2", "invoices")) == 40
    await books.put("con_2", "invoices", "40", {"external_ref": "40"})
    assert (list(books._shelves), len(await books.of("con_2", "invoices"))) == (["con_2"], 41)


def test_a_value_that_went_to_another_record_stays_there_when_the_first_forgets_it() -> None:
    book = Book([LinkRow("1", "external_ref", "a", True), LinkRow("2", "external_ref", "b", True)])
    for record, value in (("1", "b"), ("2", "a")):
        book.add(LinkRow(record, "external_ref", value, True))
    assert (book.holders("external_ref", "b"), book.holders("external_ref", "a")) == (["1"], ["2"])


async def test_a_closed_book_is_read_anew(books: LinkBooks, links: MemoryLinks) -> None:
    await books.put(*PLACE, "1", {"external_ref": "a"})
    links.rows[PLACE] = []
    books.close("con_1")
    assert (await books.of(*PLACE)).holders("external_ref", "a") == []


# Ids in records


def test_ids_are_translated_wherever_they_stand() -> None:
    invoice = Invoice(
        id="1",
        document_type="invoice",
        document_status="draft",
        payment_status="not_applicable",
        contact_id="c1",
        contact=InvoicedContact(id="c1", name="J"),
        currency="EUR",
        prices_include_tax=False,
        lines=[Line(type="item", description="x", product_id="p1"), Line(type="text", description="y")],
        totals=Totals(),
    )
    for place in ("contact_id", "contact.id", "lines.product_id", "tax_breakdown.vat_code_id", "credits_invoice_id"):
        translate(invoice, place, str.upper)
    assert invoice.contact is not None
    assert invoice.lines is not None
    assert (invoice.contact_id, invoice.contact.id) == ("C1", "C1")
    assert [line.product_id for line in invoice.lines] == ["P1", None]
    assert (invoice.tax_breakdown, invoice.credits_invoice_id) == (None, None)


def test_what_polder_keeps_is_taken_from_a_body() -> None:
    draft = InvoiceDraft.model_validate(
        {"contact_id": "1", "external_ref": "a", "lines": [{"description": "x", "unit_price": "1"}]}
    )
    assert kept_values(frozenset({"external_ref", "code"}), draft.given()) == {"external_ref": "a"}
