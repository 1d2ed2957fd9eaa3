"""Customers and products: documented shapes, strictness, and what a PUT forgets."""

import pytest

from gateway.contract.exact import Json
from tests.adapters.thenextinvoice.emulator_client import CUSTOMER, Books, books, differences, without

EXAMPLE = {
    "id": "1",
    "debnumber": "debtor number",
    "companyname": "Company name",
    "companycontact": "Contact name",
    "address": "Address Street 101",
    "postalcode": "1111AA",
    "city": "Amsterdam",
    "country": "NL",
    "vatnumber": "VAT NUMBER",
    "email": "company@example.com",
    "ccaddress": "companycc@example.com",
    "phone": "+31699999999",
    "iban": "NL73EXMPL000000000",
    "optionalfield_1": None,
    "optionalfield_2": None,
    "person": "0",
    "option_expiration": None,
    "option_extratext": None,
    "option_extratextbottom": None,
    "option_language": None,
    "option_currency": None,
}
PRODUCT = {"description": "Description", "price": 100, "vat_id": None, "ledgernumber_id": None}


async def test_customers_read_as_documented() -> None:
    async with books() as tni:
        created = await tni.ask("POST", "/customer", {**CUSTOMER, "option_expiration": 30})
        assert created == {"id": 1}
        customer = await tni.ask("GET", "/customer/1")
        assert differences(EXAMPLE, customer) == []
        assert (customer["id"], customer["person"], customer["option_expiration"]) == ("1", "0", "30")
        assert differences([EXAMPLE], await tni.ask("GET", "/customer")) == []
        page = await tni.ask("GET", "/customer/search")
        numbers = {"current": "1", "first": "1", "last": "1", "limit": "50", "next": "1", "previous": "1"}
        assert page == {**numbers, "total_items": "1", "items": [customer]}


async def test_how_person_and_expiration_are_read_are_switches() -> None:
    async with books(person_read="boolean", option_expiration_read="number") as tni:
        customer = await tni.ask("GET", f"/customer/{await tni.customer(person=True, option_expiration=14)}")
        assert (customer["person"], customer["option_expiration"]) == (True, 14)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"person": "1"}, "person"),
        ({"person": 1}, "person"),
        ({"option_expiration": "30"}, "option_expiration"),
        ({"option_expiration": True}, "option_expiration"),
        ({"phone": 31699999999}, "phone"),
        ({"id": "1"}, "id"),
        ({"kvk": "12345678"}, "kvk"),
        ({"companyname": " "}, "companyname"),
        ({"email": ""}, "email"),
        ({"email": "nobody"}, "email"),
        ({"country": "Nederland"}, "country"),
        ({"email": None}, "email"),
        ({"phone": None}, "phone"),
    ],
)
async def test_unknown_wrong_and_blank_fields_are_refused(change: dict[str, Json], named: str) -> None:
    async with books() as tni:
        assert named in await tni.refused("POST", "/customer", {**CUSTOMER, **change})
        assert tni.emulator.books()["contacts"] == []


@pytest.mark.parametrize("name", ["companyname", "address", "postalcode", "city", "country", "email", "person"])
async def test_required_fields_are_required_on_create_and_update(name: str) -> None:
    async with books() as tni:
        body = without(CUSTOMER, name)
        assert await tni.refused("POST", "/customer", body) == f"{name} is required"
        assert await tni.refused("PUT", f"/customer/{await tni.customer()}", body) == f"{name} is required"


async def test_blank_texts_are_taken_by_a_switch() -> None:
    async with books(blank_required="accepted") as tni:
        await tni.customer(email="", city="", address="", postalcode="", country="")
        await tni.refused("POST", "/customer", {**CUSTOMER, "companyname": ""})


async def test_a_put_resets_what_it_is_not_given() -> None:
    async with books() as tni:
        number = await tni.customer(phone="+31301234567", vatnumber="NL857494454B01", option_language="en", person=True)
        assert await tni.ask("PUT", f"/customer/{number}", without(CUSTOMER, "companycontact")) == {"id": number}
        customer = await tni.ask("GET", f"/customer/{number}")
        assert (customer["phone"], customer["vatnumber"], customer["option_language"]) == (None, "", None)
        assert (customer["companycontact"], customer["person"]) == (None, "0")


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_an_update_of_what_is_not_there_is_a_switch(status: int) -> None:
    async with books(missing_status=status) as tni:
        await tni.refused("PUT", "/customer/9", CUSTOMER, status)
        await tni.refused("PUT", "/product/9", PRODUCT, status)
        await tni.refused("PUT", "/invoice/9", tni.draft(1), status)
        await tni.refused("POST", "/invoice/9/send", None, status)
        await tni.refused("POST", "/invoice/9/remind", None, status)


async def test_deleted_customers_are_gone() -> None:
    async with books() as tni:
        number = await tni.customer()
        await tni.ask("DELETE", f"/customer/{number}")
        await tni.refused("GET", f"/customer/{number}", status=404)
        await tni.refused("DELETE", f"/customer/{number}", status=404)
        for other in ("x", "-1", "1,2", "%31x", "99999999999999999999"):
            await tni.refused("GET", f"/customer/{other}", status=404)


async def test_term_searches_name_and_contact_and_not_the_email() -> None:
    async with books() as tni:
        await tni.customer(companyname="Bakkerij Bos", companycontact="", email="piet@example.com")
        await tni.customer(companyname="Drukkerij", companycontact="Piet Bos")
        for term, found in (("bos", 2), ("PIET", 1), ("example.com", 0), ("", 2)):
            assert len(await tni.ask("GET", f"/customer?term={term}")) == found
            assert (await tni.ask("GET", f"/customer/search?term={term}"))["total_items"] == str(found)


async def walk(tni: Books, path: str, limit: int, first: int = 1) -> list[Json]:
    items: list[Json] = []
    page = first
    while True:
        answer = await tni.ask("GET", f"{path}{'&' if '?' in path else '?'}limit={limit}&page={page}")
        items += answer["items"]
        if page >= int(answer["last"]):
            return items
        page += 1


async def test_pages_of_customers_meet_everyone_once() -> None:
    async with books(populated=True) as tni:
        for limit in (7, 50, 100):
            ids = [customer["id"] for customer in await walk(tni, "/customer/search", limit)]
            assert len(ids) == len(set(ids)) == 250


async def test_limits_and_pages_out_of_range() -> None:
    async with books(populated=True) as tni:
        assert (await tni.ask("GET", "/customer/search?limit=500"))["limit"] == "100"
        assert (await tni.ask("GET", "/customer/search?page=99"))["items"] == []
        for query in ("limit=0", "limit=-1", "limit=ten", "page=0", "page=1.5"):
            await tni.refused("GET", f"/customer/search?{query}")
    async with books(populated=True, over_limit="refuse", past_end="last") as tni:
        await tni.refused("GET", "/customer/search?limit=101")
        past = await tni.ask("GET", "/customer/search?page=99")
        assert (past["current"], past["last"], len(past["items"])) == ("5", "5", 50)


async def test_an_import_is_all_or_nothing() -> None:
    async with books() as tni:
        rows = [{**CUSTOMER, "companyname": "A"}, without(CUSTOMER, "email")]
        assert await tni.refused("POST", "/customer/import", rows) == "Row 2: email is required"
        assert tni.emulator.books()["contacts"] == []
        await tni.ask("POST", "/customer/import", [rows[0], CUSTOMER])
        assert len(tni.emulator.books()["contacts"]) == 2


async def test_a_merge_moves_invoices_and_removes_the_others() -> None:
    async with books() as tni:
        master, other, third = [await tni.customer() for _ in range(3)]
        draft = await tni.invoice(receiver=other)
        assert [len(group) for group in await tni.ask("GET", "/customer/duplicates")] == [3]
        await tni.refused("PUT", f"/customer/merge/{master}", [other, 99], 404)
        await tni.refused("PUT", f"/customer/merge/{master}", [str(other)], 400)
        await tni.refused("PUT", f"/customer/merge/{master}", [master], 400)
        await tni.ask("PUT", f"/customer/merge/{master}", [other, third])
        assert [contact["id"] for contact in tni.emulator.books()["contacts"]] == [str(master)]
        found = await tni.ask("GET", f"/invoice/search?type=draft&customer_id={master}")
        assert [item["id"] for item in found["items"]] == [draft]
        assert await tni.ask("GET", "/customer/duplicates") == []


async def test_registers_answer_as_documented() -> None:
    example = {
        "name": "Thenextinvoice b.v.",
        "street": "Condensatorweg 00054",
        "zip": "1014AX",
        "city": "Amsterdam",
    }
    async with books() as tni:
        assert await tni.ask("GET", "/customer/checkvat?countryCode=NL&vatNumber=857494454B01") == example
        await tni.refused("GET", "/customer/checkvat?countryCode=NL")
        await tni.refused("GET", "/customer/checkvat?countryCode=NL&vatNumber=1", status=404)
        assert differences(example, await tni.ask("GET", "/customer/checkcoc?number=12345678")) == []
        assert (await tni.ask("GET", "/customer/checkcoc?name=korenaar"))["city"] == "Utrecht"
        await tni.refused("GET", "/customer/checkcoc")
        await tni.refused("GET", "/customer/checkcoc?number=1", status=404)
        number = await tni.customer(vatnumber="NL857494454B01")
        await tni.refused("GET", f"/customer/verifypeppol/{number}", status=403)
        await tni.ask("PUT", "/settings/peppol", {"enabled": True})
        assert await tni.ask("GET", f"/customer/verifypeppol/{number}") == {"verified": True}
        await tni.refused("GET", "/customer/verifypeppol/99", status=404)


async def test_products_as_documented_and_created_without_an_id() -> None:
    async with books() as tni:
        assert await tni.ask("POST", "/product", PRODUCT) == "Product has been created"
        product = {**PRODUCT, "id": 1}
        assert await tni.ask("GET", "/product/1") == product
        page = {"before": 1, "current": 1, "first": 1, "items": [product], "last": 1, "limit": 10, "next": 1}
        assert await tni.ask("GET", "/product/search") == {**page, "total_items": 1, "total_pages": 1}
        change = {"description": "Updated", "price": 1000, "vat_id": tni.vat("low"), "ledgernumber_id": None}
        assert await tni.ask("PUT", "/product/1", change) == {**change, "id": 1}
        assert await tni.ask("DELETE", "/product/1") == "Product has been removed"
        await tni.refused("GET", "/product/1", status=404)
        await tni.refused("DELETE", "/product/1", status=404)


@pytest.mark.parametrize(
    "change",
    [{"price": "100"}, {"price": None}, {"price": True}, {"vat_id": 999}, {"ledgernumber_id": "1"}, {"code": "A"},
     {"description": ""}, {"description": None}],
)  # fmt: skip
async def test_wrong_products_are_refused(change: dict[str, Json]) -> None:
    async with books() as tni:
        await tni.refused("POST", "/product", {**PRODUCT, **change})
        assert tni.emulator.books()["products"] == []


async def test_prices_of_products_are_exact() -> None:
    async with books() as tni:
        headers = {**tni.headers, "content-type": "application/json"}
        content = b'{"description": "Long", "price": 12345678901.12345}'
        await tni.client.post("/api/v1/product", headers=headers, content=content)
        assert b'"price":12345678901.12345' in (await tni.send("GET", "/product/1")).content


@pytest.mark.parametrize(("style", "kept"), [("keep", True), ("clear", False)])
async def test_what_a_put_on_a_product_leaves_out_is_a_switch(style: str, kept: bool) -> None:
    async with books(product_put_absent=style) as tni:
        await tni.ask("POST", "/product", {**PRODUCT, "vat_id": tni.vat(), "ledgernumber_id": tni.ledger()})
        answer = await tni.ask("PUT", "/product/1", {"description": "Description", "price": 100})
        expected = (tni.vat(), tni.ledger()) if kept else (None, None)
        assert (answer["vat_id"], answer["ledgernumber_id"]) == expected


async def test_page_zero_of_products_is_the_first_or_refused() -> None:
    async with books(populated=True) as tni:
        zero, one, two = [await tni.ask("GET", f"/product/search?page={page}") for page in (0, 1, 2)]
        assert zero == one
        assert [item["id"] for item in two["items"]] == list(range(11, 21))
        assert (two["before"], two["current"], two["next"], two["total_pages"]) == (1, 2, 3, 4)
    async with books(populated=True, product_page_zero="refused") as tni:
        await tni.refused("GET", "/product/search?page=0")
        assert await tni.ask("GET", "/product/search?page=1") == one


async def test_products_are_ordered_reversed_and_found() -> None:
    async with books(populated=True) as tni:
        newest = await tni.ask("GET", "/product/search?term=cadeau&order=id&reverse=true&limit=3")
        assert [item["id"] for item in newest["items"]] == [40, 39, 38]
        assert newest["total_items"] == 10
        prices = [item["price"] for item in await walk(tni, "/product/search?order=price", 100)]
        assert prices == sorted(prices)
        tied = {
            tuple(item["id"] for item in await walk(tni, "/product/search?order=description&term=cadeau", 100))
            for _ in range(5)
        }
        assert len(tied) > 1
        await tni.refused("GET", "/product/search?order=code")
        await tni.refused("GET", "/product/search?reverse=maybe")
    async with books(populated=True, ties="by_id") as tni:
        alike = await walk(tni, "/product/search?order=description&term=cadeau", 4)
        assert [item["id"] for item in alike] == list(range(31, 41))
