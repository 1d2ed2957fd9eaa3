"""Finding a customer by his e-mail address, whether Rompslomp's search heeds case or not."""

from pathlib import Path

import pytest

from tests.adapters.rompslomp.connected import Connected, connected


async def many(books: Connected, count: int = 250) -> None:
    """Contacts, straight into the books."""
    for number in range(count):
        own = {"company_name": f"Bedrijf {number}", "contact_person_email_address": f"info@bedrijf{number}.example"}
        assert (await books.send("POST", "raw/contacts", {"contact": own})).status_code == 201


async def found(books: Connected, email: str) -> tuple[list[str], int]:
    """The contacts of an address, and how many calls that took."""
    before = len(books.emulator.journal)
    listed = await books.ask("GET", f"contacts?email={email}")
    assert listed["next_cursor"] is None
    return [one["id"] for one in listed["data"]], len(books.emulator.journal) - before


async def test_a_customer_is_found_by_his_address_in_one_call_among_hundreds(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        jan = await books.contact(email="Jan@Voorbeeld.example")
        await books.contact(email="Jan@Voorbeeld.example.org")
        await many(books)
        assert await found(books, "jan@voorbeeld.EXAMPLE") == ([jan], 3)  # the first time it is seen how to search
        assert await found(books, "%20JAN@voorbeeld.example%20") == ([jan], 1)
        assert await found(books, "niemand@voorbeeld.example") == ([], 1)
        other = await books.contact(email="jan@voorbeeld.example")
        assert sorted((await found(books, "Jan@voorbeeld.example"))[0]) == sorted([jan, other])
        both = await books.ask("GET", "contacts?email=jan@voorbeeld.example&role=supplier")
        assert both["data"] == []


@pytest.mark.parametrize("matching", ["phrase", "words"])
async def test_no_customer_is_overlooked_where_search_heeds_case(matching: str, tmp_path: Path) -> None:
    async with connected(tmp_path, q_case="heeded", q_matching=matching) as books:
        jan = await books.contact(email="Jan@Voorbeeld.example")
        await many(books, 120)
        assert await found(books, "jan@voorbeeld.example") == ([jan], 4)  # two to see how, and both pages
        assert await found(books, "Jan@Voorbeeld.example") == ([jan], 2)


async def test_an_address_in_letters_of_other_scripts_is_looked_for_among_all(tmp_path: Path) -> None:
    """How search folds those is nowhere said, and what it does with plain ones says nothing of it."""
    async with connected(tmp_path, q_case="ignored_in_ascii") as books:
        await books.contact(email="jan@voorbeeld.example")
        made = await books.contact(email="renée@voorbeeld.example")
        assert (await found(books, "REN%C3%89E@voorbeeld.example"))[0] == [made]


async def test_where_nobody_has_an_address_there_is_nobody_to_find(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        await books.contact()
        assert await found(books, "jan@voorbeeld.example") == ([], 2)
        jan = await books.contact(email="12@34.56")
        assert (await found(books, "12@34.56"))[0] == [jan]
