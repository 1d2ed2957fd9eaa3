"""Contacts and products."""

from typing import Literal

import pytest

from adapters.rompslomp.emulator import Switches
from tests.adapters.rompslomp.emulated import Provider, provided


async def test_a_contact_is_made_read_changed_and_deleted() -> None:
    async with provided() as provider:
        made = (
            await provider.ask("POST", "contacts", {"contact": {"company_name": "Rompslomp.nl BV", "city": "Utrecht"}})
        )["contact"]
        assert (made["name"], made["contact_number"], made["is_supplier"]) == ("Rompslomp.nl BV", "K00001", False)
        path = f"contacts/{made['id']}"
        changed = await provider.ask("PATCH", path, {"contact": {"company_name": "Rompslomp.nl B.V."}})
        assert changed["contact"] == {**made, "name": "Rompslomp.nl B.V.", "company_name": "Rompslomp.nl B.V."}
        assert await provider.ask("GET", path) == changed
        assert await provider.ask("DELETE", path) is None
        await provider.error("GET", path, status=404)


async def test_numbers_come_from_two_series_and_pass_over_what_is_taken() -> None:
    async with provided() as provider:
        await provider.contact(contact_number="K00002")
        numbers = []
        for supplier in (False, True, False):
            made = await provider.ask("GET", f"contacts/{await provider.contact(is_supplier=supplier)}")
            numbers.append(made["contact"]["contact_number"])
        assert numbers == ["K00001", "L00001", "K00003"]
        taken = await provider.error("POST", "contacts", {"contact": {"company_name": "A", "contact_number": "L00001"}})
        assert taken == ("client.parameters.validation", "Contact is invalid: Contact number is al in gebruik.")


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"city": "Utrecht"}, "Company name moet opgegeven zijn."),
        ({"company_name": ""}, "Company name moet opgegeven zijn."),
        ({"is_individual": True, "company_name": "A"}, "Contact person name moet opgegeven zijn."),
        ({"company_name": "A" * 256}, "Company name is te lang (maximaal 255 tekens)."),
        ({"company_name": "A", "country_code": "Nederland"}, "Country code is niet in de lijst opgenomen."),
        ({"company_name": "A", "contact_person_email_address": "a"}, "Contact person email address is ongeldig."),
        (
            {"country_code": "nl", "contact_person_email_address": "a"},
            "Company name moet opgegeven zijn. Country code is niet in de lijst opgenomen. "
            "Contact person email address is ongeldig.",
        ),
    ],
)
async def test_what_is_wrong_with_a_contact_is_said_in_one_sentence_each(
    attributes: dict[str, object], sentence: str
) -> None:
    async with provided() as provider:
        error = await provider.error("POST", "contacts", {"contact": attributes})
        assert error == ("client.parameters.validation", f"Contact is invalid: {sentence}")


async def test_a_change_is_validated_with_what_was_there() -> None:
    async with provided() as provider:
        path = f"contacts/{await provider.contact()}"
        _, message = await provider.error("PATCH", path, {"contact": {"is_individual": True}})
        assert message == "Contact is invalid: Contact person name moet opgegeven zijn."
        assert (await provider.ask("GET", path))["contact"]["is_individual"] is False


async def test_contacts_are_searched() -> None:
    async with provided() as provider:
        anna = await provider.contact(
            company_name="Bloemen Zuid",
            contact_person_name="Anna de Vries",
            contact_person_email_address="Anna@Example.org",
            city="Zwolle",
        )
        supplier = await provider.contact(company_name="Groothandel Zuid", is_supplier=True)

        async def found(query: str) -> set[int]:
            return {contact["id"] for contact in (await provider.ask("GET", f"contacts?{query}"))["contacts"]}

        assert await found("search[q]=zuid") == {anna, supplier}
        assert await found("search[q]=ANNA@example") == {anna}
        assert await found("search[q]=zwolle&selection=customers") == {anna}
        assert await found("search[q]=zuid&selection=suppliers") == {supplier}
        assert await found("search[q]=anna zwolle") == set()
        assert await found("search[contact_person_email_address]=Anna@Example.org") == {anna}
        assert await found("search[contact_person_email_address]=anna@example.org") == set()
        assert await found("search[contact_person_email_address]=Example.org") == set()


async def test_how_searches_match_is_a_switch() -> None:
    async with provided(Switches(q_matching="words", email_search="case_insensitive")) as provider:
        await provider.contact(city="Zwolle", contact_person_email_address="Anna@Example.org")
        for query in ("search[q]=rompslomp zwolle", "search[contact_person_email_address]=anna@example.org"):
            assert len((await provider.ask("GET", f"contacts?{query}"))["contacts"]) == 1


@pytest.mark.parametrize(
    ("q_case", "found"),
    [("ignored", {"renée", "RENÉE", "RENéE"}), ("ignored_in_ascii", {"renée", "RENéE"}), ("heeded", {"renée"})],
)
async def test_whether_a_search_heeds_case_is_a_switch(
    q_case: Literal["ignored", "ignored_in_ascii", "heeded"], found: set[str]
) -> None:
    async with provided(Switches(q_case=q_case)) as provider:
        await provider.contact(city="renée")
        asked = [query for query in ("renée", "RENÉE", "RENéE") if await _finds(provider, query)]
        assert set(asked) == found


async def _finds(provider: Provider, query: str) -> bool:
    return bool((await provider.ask("GET", f"contacts?search[q]={query}"))["contacts"])


async def test_a_contact_or_product_in_use_stays_or_is_hidden() -> None:
    for in_use in ("refused", "soft"):
        switches = Switches(in_use_delete="soft" if in_use == "soft" else "refused")
        async with provided(switches) as provider:
            body = {"product": {"invoice_line": {"description": "Machine", "price_per_unit": "1895.0"}}}
            product = (await provider.ask("POST", "products", body))["product"]["id"]
            contact = await provider.contact()
            lines = [{"price_per_unit": "1.0", "product_id": product}]
            invoice = await provider.invoice(lines, contact_id=contact)
            for path in (f"contacts/{contact}", f"products/{product}"):
                if in_use == "refused":
                    _, message = await provider.error("DELETE", path)
                    assert "Kan item niet verwijderen omdat afhankelijke" in message
                else:
                    await provider.ask("DELETE", path)
                    await provider.error("GET", path, status=404)
            shown = (await provider.ask("GET", f"sales_invoices/{invoice['id']}"))["sales_invoice"]
            assert shown["contact_id"] == contact
            assert shown["invoice_lines"][0]["product_id"] == product
            assert shown["cached_contact"]["name"] == "Rompslomp.nl BV"


async def test_a_product_keeps_price_and_code_in_its_line() -> None:
    async with provided() as provider:
        body = {"product": {"has_stock": True, "invoice_line": {"description": "Machine", "price_per_unit": 1895}}}
        made = (await provider.ask("POST", "products", body))["product"]
        line = made["invoice_line"]
        assert (made["has_stock"], made["number_sold"], line["product_code"]) == (True, 0, "P1")
        assert (line["price_per_unit"], line["price_with_vat"], line["vat_amount"]) == ("1895.0", "2292.95", "397.95")
        path = f"products/{made['id']}"
        changed = await provider.ask("PATCH", path, {"product": {"invoice_line": {"price_per_unit": "1995.00"}}})
        assert changed["product"]["invoice_line"] == {
            **line,
            "price_per_unit": "1995.0",
            "price_without_vat": "1995.0",
            "price_with_vat": "2413.95",
            "vat_amount": "418.95",
        }
        assert await provider.ask("GET", path) == changed


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ({"description": "Machine"}, "Stuksprijs moet opgegeven zijn."),
        ({"price_per_unit": ""}, "Stuksprijs moet opgegeven zijn."),
        ({"price_per_unit": "twaalf"}, "Stuksprijs is geen getal."),
        ({"price_per_unit": "1.0", "description": "M" * 256}, "Description is te lang (maximaal 255 tekens)."),
        ({"price_per_unit": "1.0", "product_code": "C" * 101}, "Product code is te lang (maximaal 100 tekens)."),
        ({"price_per_unit": "1.0", "product_code": "a b"}, "Product code is ongeldig."),
        ({"price_per_unit": "1.0", "product_code": "SHIP-NL"}, "Product code is al in gebruik."),
        ({"price_per_unit": "1.0", "vat_type_id": 1}, "Vat type moet bestaan."),
        ({"price_per_unit": "1.0", "account_path": "activa.nergens"}, "Account moet bestaan."),
    ],
)
async def test_what_is_wrong_with_a_product(line: dict[str, object], sentence: str) -> None:
    async with provided() as provider:
        taken = {"product": {"invoice_line": {"price_per_unit": "1.0", "product_code": "SHIP-NL"}}}
        await provider.ask("POST", "products", taken)
        error = await provider.error("POST", "products", {"product": {"invoice_line": line}})
        assert error == ("client.parameters.validation", f"Product is invalid: {sentence}")


async def test_the_charset_and_uniqueness_of_codes_are_switches() -> None:
    body = {"product": {"invoice_line": {"price_per_unit": "1.0", "product_code": "A-1"}}}
    async with provided(Switches(product_code_charset="alphanumeric")) as provider:
        _, message = await provider.error("POST", "products", body)
        assert message == "Product is invalid: Product code is ongeldig."
    async with provided(Switches(product_code_unique=False)) as provider:
        await provider.ask("POST", "products", body)
        await provider.ask("POST", "products", body)
        codes = [product["invoice_line"]["product_code"] for product in provider.emulator.books()["products"]]
        assert codes == ["A-1", "A-1"]


async def test_products_are_found_by_word_and_by_codes() -> None:
    async with provided(populated=True) as provider:
        pots = (await provider.ask("GET", "products?search[q]=BLOEMPOT"))["products"]
        assert len(pots) == 2
        codes = [pot["invoice_line"]["product_code"] for pot in pots]
        query = "&".join(f"search[product_codes][]={code}" for code in [*codes, "P"])
        assert (await provider.ask("GET", f"products?{query}"))["products"] == pots
