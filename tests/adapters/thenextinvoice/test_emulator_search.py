"""Finding invoices: pages, order, and every documented filter."""

from collections.abc import Callable, Mapping
from decimal import Decimal

import pytest

from gateway.contract.emulator import Record
from gateway.contract.exact import Json
from tests.adapters.thenextinvoice.emulator_client import Books, books, differences
from tests.adapters.thenextinvoice.test_emulator_invoices import EXAMPLE

PAGE = {
    "current": 1,
    "first": 1,
    "previous": 1,
    "next": 1,
    "last": 1,
    "limit": 20,
    "total_items": 1,
    "items": [EXAMPLE],
}


async def found(tni: Books, query: str) -> list[Json]:
    """Everything that a query finds, page by page."""
    items: list[Json] = []
    page, last = 1, 1
    while page <= last:
        answer = await tni.ask("GET", f"/invoice/search?{query}&limit=100&page={page}")
        items += answer["items"]
        page, last = page + 1, answer["last"]
    return items


async def ids(tni: Books, query: str) -> list[int]:
    return [item["id"] for item in await found(tni, f"{query}&order=id")]


def states(tni: Books) -> Mapping[int, Record]:
    return {invoice["id"]: invoice for invoice in tni.emulator.books()["invoices"]}


async def test_a_page_reads_as_documented() -> None:
    async with books(populated=True) as tni:
        query = "/invoice/search?limit=10&reverse=true&status=&type=invoice&order=number&page=1"
        page = await tni.ask("GET", query)
        vat_totals = [item["calculated"].pop("vatTotals") for item in page["items"]]
        assert all(isinstance(value, Decimal | int) for totals in vat_totals if totals for value in totals.values())
        calculated = {"totalExclVat", "totalInclVat", "discountApplied", "vatApplied"}
        assert all(set(item["calculated"]) == calculated for item in page["items"])
        example = {**EXAMPLE, "calculated": dict.fromkeys(calculated, 1)}
        assert differences({**PAGE, "items": [example]}, page) == []
        numbers = [item["number"] for item in page["items"]]
        assert numbers == sorted(numbers, reverse=True)
        assert (page["limit"], page["next"], page["total_items"]) == (10, 2, 129)
        assert (await tni.ask("GET", "/invoice/search?order=id"))["limit"] == 20


async def test_without_an_order_pages_cannot_be_relied_on() -> None:
    async with books(populated=True) as tni:
        first = [item["id"] for item in (await tni.ask("GET", "/invoice/search"))["items"]]
        again = [item["id"] for item in (await tni.ask("GET", "/invoice/search"))["items"]]
        assert first != again
        by_customer = [[item["id"] for item in await found(tni, "order=customer")] for _ in range(3)]
        assert len({tuple(row) for row in by_customer}) > 1
        assert await ids(tni, "") == sorted(await ids(tni, ""))
    async with books(populated=True, default_order="documented", ties="by_id") as tni:
        numbers = [item["number"] for item in (await tni.ask("GET", "/invoice/search"))["items"]]
        assert numbers == sorted(numbers)
        drafts = [item["id"] for item in (await tni.ask("GET", "/invoice/search?type=draft"))["items"]]
        assert drafts == sorted(drafts)


@pytest.mark.parametrize("order", ["id", "customer", "number", "date", "duedate", "collection_date", "amount"])
@pytest.mark.parametrize("reverse", ["true", "false"])
async def test_every_order_meets_everything_once(order: str, reverse: str) -> None:
    async with books(populated=True, ties="by_id") as tni:
        items = await found(tni, f"order={order}&reverse={reverse}")
        assert len({item["id"] for item in items}) == len(items) == 129
        key = {
            "id": lambda item: item["id"],
            "number": lambda item: item["number"],
            "date": lambda item: item["meta"]["sendDate"],
            "duedate": lambda item: item["meta"]["dueDate"],
            "amount": lambda item: item["calculated"]["totalInclVat"],
        }.get(order)
        if key is not None:
            values = [key(item) for item in items]
            assert values == sorted(values, reverse=reverse == "true")


async def test_types_are_apart() -> None:
    async with books(populated=True) as tni:
        known = states(tni)
        assert set(await ids(tni, "type=draft")) == {n for n, row in known.items() if row["state"] == "draft"}
        assert set(await ids(tni, "type=invoice")) == {n for n, row in known.items() if row["state"] != "draft"}
        assert set(await ids(tni, "type=sepa")) == {n for n, row in known.items() if row["type"] == "I"}
        assert len(await ids(tni, "type=quotation")) == 6
        assert len(await ids(tni, "type=recurring")) == 3
        await tni.refused("GET", "/invoice/search?type=credit")


async def test_statuses_select_and_several_are_any_of_them() -> None:
    async with books(populated=True) as tni:
        known = states(tni)

        def having(*words: str) -> set[int]:
            return {number for number, row in known.items() if row["state"] in words}

        for word in ("paid", "pastdue", "credit", "credited"):
            assert set(await ids(tni, f"status={word}")) == having(word) != set()
        assert set(await ids(tni, "status=open")) == having("open", "pastdue")
        assert set(await ids(tni, "status=paid,credited")) == having("paid", "credited")
        booked, notbooked = set(await ids(tni, "status=booked")), set(await ids(tni, "status=notbooked"))
        assert booked | notbooked == set(await ids(tni, ""))
        assert booked & notbooked == set()
        late = min(having("pastdue"))
        reminded = set(await ids(tni, "status=reminded"))
        await tni.ask("POST", f"/invoice/{late}/remind")
        assert set(await ids(tni, "status=reminded")) == reminded | {late} <= having("pastdue")
        assert await ids(tni, "status=paid&type=draft") == []
        await tni.refused("GET", "/invoice/search?status=late")
        await tni.refused("GET", "/invoice/search?status=open,paid,pastdue,credit,credited,booked")
    async with books(populated=True, open_includes_pastdue=False, several_statuses="all") as tni:
        assert set(await ids(tni, "status=open")) == having("open")
        assert await ids(tni, "status=paid,credited") == []
        assert set(await ids(tni, "status=paid,booked")) == booked & having("paid")


async def test_ranges_include_their_ends() -> None:
    async with books(populated=True) as tni:
        rows = await found(tni, "order=id")
        middle = sorted(rows, key=lambda row: row["number"])[64]
        measures: dict[str, Callable[[Json], Json]] = {
            "number": lambda row: row["number"],
            "date": lambda row: row["meta"]["sendDate"],
            "duedate": lambda row: row["meta"]["dueDate"],
            "amount": lambda row: row["calculated"]["totalInclVat"],
        }
        for name, of in measures.items():
            end = of(middle)
            above = {row["id"] for row in rows if of(row) >= end}
            below = {row["id"] for row in rows if of(row) <= end}
            assert set(await ids(tni, f"min{name}={end}")) == above
            assert set(await ids(tni, f"max{name}={end}")) == below
            assert set(await ids(tni, f"min{name}={end}&max{name}={end}")) == above & below
        assert await ids(tni, "type=draft&minnumber=1") == []
        for wrong in ("mindate=2026-13-01", "minamount=ten", "maxamount=NaN", "customer_id=x", "order=name"):
            await tni.refused("GET", f"/invoice/search?{wrong}")


async def test_customer_and_term_find_drafts_too() -> None:
    async with books() as tni:
        receiver = await tni.customer(companyname="Bakkerij Bos")
        draft = await tni.invoice(tni.line(description="Speciaal brood"), receiver=receiver)
        final = await tni.invoice(receiver=receiver, status=1)
        other = await tni.invoice(status=1)
        assert await ids(tni, f"type=draft&customer_id={receiver}") == [draft]
        assert await ids(tni, f"customer_id={receiver}") == [final]
        assert await ids(tni, "type=draft&term=speciaal") == [draft]
        assert await ids(tni, "term=BAKKERIJ") == [final]
        assert await ids(tni, "term=202600002") == [other]
        assert await ids(tni, "term=company@example.com") == []


async def test_a_draft_counts_by_the_amount_it_would_have() -> None:
    async with books() as tni:
        draft = await tni.invoice(tni.line(100))
        assert await ids(tni, "type=draft&minamount=121&maxamount=121.00") == [draft]
        assert await ids(tni, "type=draft&minamount=121.01") == []


async def test_limits_and_pages_out_of_range_are_switches() -> None:
    async with books(populated=True) as tni:
        assert (await tni.ask("GET", "/invoice/search?limit=101&order=id"))["limit"] == 100
        past = await tni.ask("GET", "/invoice/search?page=50&order=id")
        assert (past["items"], past["total_items"], past["last"]) == ([], 129, 7)
        for wrong in ("limit=0", "page=0", "page=two", "reverse=1"):
            await tni.refused("GET", f"/invoice/search?{wrong}")
    async with books(populated=True, over_limit="refuse", past_end="last") as tni:
        await tni.refused("GET", "/invoice/search?limit=101")
        past = await tni.ask("GET", "/invoice/search?page=50&order=id")
        assert (past["current"], len(past["items"])) == (7, 9)
    async with books() as tni:
        empty = await tni.ask("GET", "/invoice/search?order=id")
        assert (empty["current"], empty["last"], empty["total_items"], empty["items"]) == (1, 1, 0, [])


async def test_totals_sum_what_the_filters_find() -> None:
    async with books(populated=True) as tni:
        rows = await found(tni, "order=id&status=paid")
        sums = (await tni.ask("GET", "/invoice/totals?status=paid"))["EUR"]
        assert sums["amount_incl"] == sum(row["calculated"]["totalInclVat"] for row in rows)
        assert sums["amount_excl"] == sum(row["calculated"]["totalExclVat"] for row in rows)
        await tni.refused("GET", "/invoice/totals?mindate=2030-01-01", status=404)
