"""Sales to other countries without VAT: Rompslomp has no VAT type for them, so that settings name one for each."""

from pathlib import Path
from typing import Any

import pytest

from tests.adapters.rompslomp.connected import DAY, Connected, connected, line

GOODS, SERVICES, EXPORT = "intra_eu_goods", "intra_eu_services", "export"


async def set_up(books: Connected, **types: str) -> dict[str, str]:
    """Let settings name a VAT type for each treatment; the ids of the VAT codes that makes."""
    ids = {treatment: await books.vat(theirs) for treatment, theirs in types.items()}
    await books.ask("PATCH", "", {"settings": {f"{treatment}_vat_code_id": id for treatment, id in ids.items()}})
    return {treatment: f"{id}-{treatment}" for treatment, id in ids.items()}


async def usual(books: Connected) -> dict[str, str]:
    return await set_up(books, intra_eu_goods="zero", intra_eu_services="reverse_charge", export="zero")


async def german(books: Connected, **fields: object) -> str:
    return await books.contact(**{"address": {"country": "DE"}, "vat_number": "DE123456789", **fields})


async def american(books: Connected) -> str:
    return await books.contact(address={"country": "US"}, vat_number=None)


def booked(books: Connected) -> Any:
    return books.emulator.books()["invoices"][-1]


@pytest.mark.parametrize(
    ("treatment", "category", "sale_type", "vat_type", "vat_number"),
    [
        (GOODS, "K", "supply", "vat_zero", "DE123456789"),
        (SERVICES, "AE", "service", "vat_reverse_charged", "DE123456789"),
        (EXPORT, "G", "supply", "vat_zero", None),
    ],
)
async def test_a_sale_abroad_is_booked_with_the_vat_code_that_a_setting_names(
    treatment: str, category: str, sale_type: str, vat_type: str, vat_number: str | None, tmp_path: Path
) -> None:
    async with connected(tmp_path) as books:
        codes = await usual(books)
        customer = await (american(books) if treatment == EXPORT else german(books))
        made = await books.final(line("100", treatment), contact_id=customer)
        (told,) = made["lines"]
        assert (told["vat_treatment"], told["vat_code_id"], told["vat_country"]) == (treatment, codes[treatment], None)
        assert [(one["vat_code_id"], one["category"]) for one in made["tax_breakdown"]] == [
            (codes[treatment], category)
        ]
        assert made["totals"]["gross"] == "100.00"
        types = {row["id"]: row["name"] for row in (await books.ask("GET", "raw/vat_types?selection=all"))["vat_types"]}
        row = booked(books)
        assert (row["sale_type"], row["vat_number"]) == (sale_type, vat_number)
        assert types[row["invoice_lines"][0]["vat_type_id"]] == vat_type
        assert await books.ask("GET", f"invoices/{made['id']}") == made
        (listed,) = (await books.ask("GET", "invoices?include=lines"))["data"]
        assert listed == made
        note = await books.ask("POST", f"invoices/{made['id']}/credit")
        assert [one["vat_treatment"] for one in note["lines"]] == [treatment]
        assert booked(books)["sale_type"] == sale_type


async def test_the_vat_codes_and_the_schema_tell_of_what_is_set(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        before = (await books.ask("GET", "vat-codes?limit=200"))["data"]
        codes = await usual(books)
        listed = await books.ask("GET", "vat-codes?limit=200")
        made = listed["data"][len(before) :]
        assert (listed["data"][: len(before)], listed["total_count"]) == (before, len(before) + 3)
        told = [(one["id"], one["treatment"], one["category"], one["rate"], one["country"]) for one in made]
        assert told == [
            (codes[GOODS], GOODS, "K", "0", None),
            (codes[SERVICES], SERVICES, "AE", "0", None),
            (codes[EXPORT], EXPORT, "G", "0", None),
        ]
        assert [await books.ask("GET", f"vat-codes/{one['id']}") for one in made] == made
        first = await books.ask("GET", f"vat-codes?limit={len(before) + 1}")
        rest = await books.ask("GET", f"vat-codes?limit=2&cursor={first['next_cursor']}")
        assert (first["data"] + rest["data"], rest["next_cursor"]) == (listed["data"], None)
        schema = str((await books.ask("GET", "schemas/invoices?operation=create"))["properties"]["lines"])
        assert all(f"'{treatment}'" in schema and codes[treatment] in schema for treatment in codes)
        schema = await books.ask("GET", "schemas/products?operation=create")
        (branch,) = [one for one in schema["properties"]["vat_code_id"]["anyOf"] if one["type"] == "string"]
        product = str([one["not"] for one in branch["allOf"] if "not" in one])
        assert all(id in product for id in codes.values())


async def test_an_unset_sale_abroad_names_its_setting(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        draft = await books.draft(line("100", EXPORT), contact_id=await american(books))
        for wrong in (None, await books.vat("domestic_high"), "no-such-code"):
            await books.ask("PATCH", "", {"settings": {"export_vat_code_id": wrong}})
            problem = await books.refused(422, "validation_failed", "POST", "invoices", draft)
            assert (problem["errors"][0]["pointer"], problem["outcome"]) == ("/lines/0/vat_treatment", "not_sent")
            assert "export_vat_code_id" in problem["detail"]
            schema = await books.ask("GET", "schemas/invoices?operation=create")
            assert f"'{EXPORT}'" not in str(schema["properties"]["lines"])
        assert books.emulator.books()["invoices"] == []
        zero = await books.vat("zero")
        await books.refused(404, "not_found", "GET", f"vat-codes/{zero}-export")
        asked = len(books.emulator.journal)
        for id in (f"{zero}-vat", f"{zero}-oss", f"{zero}-1"):
            await books.refused(404, "not_found", "GET", f"vat-codes/{id}")
        assert len(books.emulator.journal) == asked


@pytest.mark.parametrize(
    ("treatment", "country"), [(GOODS, "NL"), (GOODS, "US"), (EXPORT, "DE"), (EXPORT, "NL"), (SERVICES, None)]
)
async def test_a_sale_abroad_is_to_a_customer_who_is_there(treatment: str, country: str, tmp_path: Path) -> None:
    """To anybody else Rompslomp would book another kind of sale, and say nothing."""
    async with connected(tmp_path) as books:
        codes = await usual(books)
        customer = await german(books, address={"country": country})
        by_code = {"description": "Iets", "unit_price": "100", "vat_code_id": codes[treatment]}
        for one in (line("100", treatment), by_code):
            draft = await books.draft(one, contact_id=customer)
            problem = await books.refused(422, "validation_failed", "POST", "invoices", draft)
            assert (problem["errors"][0]["pointer"], problem["outcome"]) == ("/contact_id", "not_sent")
        assert books.emulator.books()["invoices"] == []


async def test_a_country_beside_a_sale_abroad_is_one_that_it_may_go_to(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        codes = await usual(books)
        customer = await german(books)
        named = {"description": "Iets", "unit_price": "100", "vat_code_id": codes[GOODS]}
        for country in ("NL", "US"):
            draft = await books.draft({**named, "vat_country": country}, contact_id=customer)
            problem = await books.refused(422, "validation_failed", "POST", "invoices", draft)
            assert problem["errors"][0]["pointer"] == "/lines/0/vat_country"
            draft = await books.draft(line("100", GOODS, vat_country=country), contact_id=customer)
            problem = await books.refused(422, "validation_failed", "POST", "invoices", draft)
            assert problem["errors"][0]["pointer"] == "/lines/0/vat_treatment"
        for one in (line("100", GOODS), named):
            made = await books.final({**one, "vat_country": "DE"}, contact_id=customer)
            assert made["lines"][0]["vat_treatment"] == GOODS


async def test_goods_and_services_abroad_stand_on_invoices_of_their_own(tmp_path: Path) -> None:
    """``sale_type`` is one for the whole invoice (dossier §4)."""
    async with connected(tmp_path) as books:
        await usual(books)
        draft = await books.draft(line("100", GOODS), line("50", SERVICES), contact_id=await german(books))
        problem = await books.refused(422, "validation_failed", "POST", "invoices", draft)
        assert (problem["errors"][0]["pointer"], problem["outcome"]) == ("/lines", "not_sent")


async def test_a_concept_stays_the_sale_abroad_that_it_is(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        await usual(books)
        made = await books.ask(
            "POST", "invoices", await books.draft(line("9", SERVICES), contact_id=await german(books))
        )
        path = f"invoices/{made['id']}"
        goods = await books.ask("PATCH", path, {"lines": [line("100", GOODS)]})
        assert ([one["vat_treatment"] for one in goods["lines"]], booked(books)["sale_type"]) == ([GOODS], "supply")
        for elsewhere in (await books.contact(), await american(books)):
            problem = await books.refused(422, "validation_failed", "PATCH", path, {"contact_id": elsewhere})
            assert problem["errors"][0]["pointer"] == "/contact_id"
        both = {"contact_id": await american(books), "lines": [line("100", EXPORT)]}
        assert [one["vat_treatment"] for one in (await books.ask("PATCH", path, both))["lines"]] == [EXPORT]


async def test_a_line_at_home_is_told_by_its_vat_type_alone(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        await usual(books)
        made = await books.final(line("100", "zero"), line("100", "reverse_charge"))
        assert [one["vat_treatment"] for one in made["lines"]] == ["zero", "reverse_charge"]


async def test_a_dry_run_says_that_a_setting_named_the_vat_code(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        codes = await usual(books)
        draft = await books.draft(line("100", EXPORT), contact_id=await american(books))
        told = await books.ask("POST", "invoices?dry_run=true", draft)
        assert told["vat"] == [
            {
                "line": 0,
                "vat_code_id": codes[EXPORT],
                "treatment": EXPORT,
                "rate": "0",
                "reason": "The connection is set to it.",
            }
        ]
        assert told["requests"][0]["body"]["sales_invoice"]["sale_type"] == "supply"


async def test_a_concept_of_nobody_is_no_sale_abroad(tmp_path: Path) -> None:
    """One that was begun in Rompslomp itself: to which country it goes, nobody knows yet."""
    async with connected(tmp_path, concept_needs_contact=False) as books:
        await usual(books)
        raw = await books.ask("POST", "raw/sales_invoices", {"sales_invoice": {"invoice_lines": [], "date": DAY}})
        path = f"invoices/{raw['sales_invoice']['id']}"
        change: dict[str, object] = {"lines": [line("100", SERVICES)]}
        problem = await books.refused(422, "validation_failed", "PATCH", path, change)
        assert (problem["errors"][0]["pointer"], problem["outcome"]) == ("/contact_id", "not_sent")
        made = await books.ask("PATCH", path, {**change, "contact_id": await german(books)})
        assert [one["vat_treatment"] for one in made["lines"]] == [SERVICES]


async def test_a_sale_abroad_to_a_customer_whom_the_token_may_not_see_is_not_made(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        codes = await usual(books)
        customer = await german(books)
        scopes = ("public", "manage:sales_invoices")
        blind = await books.house.connect(
            "rompslomp",
            company_id=books.emulator.company_id,
            credentials={"type": "personal_token", "token": books.emulator.personal_token(*scopes)},
            settings={"intra_eu_goods_vat_code_id": codes[GOODS].partition("-")[0]},
        )
        books.connection = blind
        draft = await books.draft(line("100", GOODS), contact_id=customer)
        await books.refused(403, "scope_missing", "POST", "invoices", draft)
        assert books.emulator.books()["invoices"] == []
        assert await books.ask("POST", "invoices", await books.draft(line("100"), contact_id=customer))


async def test_lines_that_are_no_sale_abroad_any_more_leave_no_sale_type(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        await usual(books)
        customer = await german(books)
        made = await books.ask("POST", "invoices", await books.draft(line("9", SERVICES), contact_id=customer))
        await books.ask("PATCH", f"invoices/{made['id']}", {"lines": [line("9", "oss", vat_country="DE")]})
        assert (booked(books)["sale_type"], booked(books)["distance_sale"]) == ("supply", True)
        by_hand = {"sales_invoice": {"sale_type": "service"}}
        await books.ask("PATCH", f"raw/sales_invoices/{made['id']}", by_hand)
        await books.ask("PATCH", f"invoices/{made['id']}", {"lines": [line("8")]})
        assert booked(books)["sale_type"] == "service"
