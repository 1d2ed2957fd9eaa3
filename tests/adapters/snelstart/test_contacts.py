"""Persons and companies: SnelStart tells them by their names only, and what it cannot tell is never called done."""

from pathlib import Path
from typing import Any

import pytest

from adapters.snelstart.emulator import Switches
from tests.adapters.snelstart.connected import ADDRESS, Books, connected

SAME = {"kind": "company", "company_name": "Jan Jansen", "contact_person": "Jan Jansen", "address": ADDRESS}


async def person(books: Books) -> Any:
    made = await books.make("contacts", {"kind": "person", "contact_person": "Jan Jansen", "address": ADDRESS})
    assert (made["kind"], made["company_name"]) == ("person", None)
    return made


async def test_a_company_called_as_its_contact_person_is_told_to_be_a_person(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        foreseen = await books.ask("POST", "contacts", SAME, dry_run="true")
        made = await books.make("contacts", SAME)
        for said in (foreseen, made):
            assert [(one["code"], one["pointer"]) for one in said["warnings"]] == [("kind_not_kept", "/kind")]
        assert (made["kind"], made["company_name"], made["contact_person"]) == ("person", None, "Jan Jansen")
        assert (await person(books)).get("warnings") is None


@pytest.mark.parametrize("change", [{"company_name": "Jan Jansen"}, {"contact_person": "Bakkerij Jansen"}])
async def test_a_company_that_becomes_a_person_by_its_name_is_told(change: dict[str, Any], tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        made = await books.contact(company_name="Bakkerij Jansen", contact_person="Jan Jansen")
        changed = await books.ask("PATCH", f"contacts/{made['id']}", change)
        assert (changed["kind"], [one["code"] for one in changed["warnings"]]) == ("person", ["kind_not_kept"])
        again = await books.ask("PATCH", f"contacts/{made['id']}", {"phone": "015 2123456"})
        assert (again["kind"], again.get("warnings")) == ("person", None)


@pytest.mark.parametrize("change", [{"kind": "company"}, {"kind": "company", "contact_person": "Piet"}])
async def test_a_person_becomes_a_company_by_a_name_of_its_own(change: dict[str, Any], tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        made = await person(books)
        problem = await books.ask("PATCH", f"contacts/{made['id']}", change, status=422)
        assert (problem["code"], problem["outcome"]) == ("validation_failed", "not_sent")
        assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [("/company_name", "required")]
        assert await books.ask("GET", f"contacts/{made['id']}") == made
        named = {**change, "company_name": "Bakkerij Jansen"}
        company = await books.ask("PATCH", f"contacts/{made['id']}", named)
        assert (company["kind"], company["company_name"]) == ("company", "Bakkerij Jansen")
        assert company["contact_person"] == change.get("contact_person", "Jan Jansen")


async def test_a_company_becomes_a_person_by_the_name_of_its_contact_person(tmp_path: Path) -> None:
    """The company's name has no place then: it is given up by who says so, and no name is put in another's place."""
    async with connected(tmp_path) as books:
        made = await books.contact(company_name="Bakkerij Jansen", contact_person="Jan Jansen")
        for change in ({"kind": "person"}, {"kind": "person", "contact_person": "Piet Jansen"}):
            problem = await books.ask("PATCH", f"contacts/{made['id']}", change, status=422)
            assert (problem["code"], problem["errors"][0]["pointer"]) == ("field_unsupported", "/company_name")
        assert await books.ask("GET", f"contacts/{made['id']}") == made
        person = await books.ask("PATCH", f"contacts/{made['id']}", {"kind": "person", "company_name": None})
        assert (person["kind"], person["name"], person["company_name"]) == ("person", "Jan Jansen", None)
        assert (person["contact_person"], person["address"]) == ("Jan Jansen", made["address"])


async def test_a_company_without_a_contact_person_becomes_no_person(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        made = await books.contact(company_name="Bakkerij Jansen")
        change = {"kind": "person", "company_name": None}
        problem = await books.ask("PATCH", f"contacts/{made['id']}", change, status=422)
        assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [("/contact_person", "required")]
        named = {**change, "contact_person": "Jan Jansen"}
        person = await books.ask("PATCH", f"contacts/{made['id']}", named)
        assert (person["kind"], person["name"]) == ("person", "Jan Jansen")


async def test_what_a_person_cannot_keep_of_a_company_is_dropped_where_that_is_asked_for(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        made = await books.contact(company_name="Bakkerij Jansen", contact_person="Jan Jansen")
        person = await books.ask("PATCH", f"contacts/{made['id']}", {"kind": "person"}, on_unsupported="drop")
        assert [(one["code"], one["pointer"]) for one in person["warnings"]] == [("field_dropped", "/company_name")]
        assert (person["kind"], person["contact_person"]) == ("person", "Jan Jansen")


async def test_the_rest_of_an_address_without_a_street_goes_with_a_person_and_is_told(tmp_path: Path) -> None:
    """Its country decides about VAT: nobody may think that it is there."""
    async with connected(tmp_path) as books:
        draft = {"contact_person": "An Peeters", "address": {"city": "Gent", "country": "BE"}}
        problem = await books.ask("POST", "contacts", draft, status=422)
        assert (problem["code"], problem["errors"][0]["pointer"]) == ("field_unsupported", "/address")
        made = await books.ask("POST", "contacts", draft, status=201, on_unsupported="drop")
        assert made["address"] is None
        assert [one["pointer"] for one in made["warnings"]] == ["/address", "/kind"]
        nowhere = {"contact_person": "An Peeters"}
        assert (await books.ask("POST", "contacts", nowhere, status=422))["errors"][0]["pointer"] == "/kind"


async def test_a_contact_that_was_made_inactive_is_found_by_its_reference_among_the_archived(tmp_path: Path) -> None:
    """By its id it is not found, and its reference is still its own until another contact is given it."""
    async with connected(tmp_path) as books:
        made = await books.contact(external_ref="shop-1")
        books.emulator.administration.records["relaties"][made["id"]]["nonactief"] = True
        await books.ask("GET", f"contacts/{made['id']}", status=404)
        assert (await books.ask("GET", "contacts", external_ref="shop-1"))["data"] == []
        (archived,) = (await books.ask("GET", "contacts", external_ref="shop-1", include="archived"))["data"]
        assert (archived["id"], archived["external_ref"], archived["archived"]) == (made["id"], "shop-1", True)
        assert (await books.ask("GET", "contacts", external_ref="shop-2", include="archived"))["data"] == []
        another = await books.contact(external_ref="shop-1")
        (found,) = (await books.ask("GET", "contacts", external_ref="shop-1", include="archived"))["data"]
        assert found["id"] == another["id"]


async def test_a_country_without_a_code_leaves_contacts_readable(tmp_path: Path) -> None:
    async with connected(tmp_path, Switches(country_without_codes=True)) as books:
        made = await books.contact()
        assert (await books.ask("GET", "contacts"))["data"] == [made]
        countries = await books.ask("GET", "raw/landen")
        nowhere = {"id": next(country["id"] for country in countries if country["landcode"] is None)}
        place = {"straat": "Kade 1", "postcode": "1", "plaats": "Verweg", "land": nowhere}
        relation = {"naam": "De Verte", "relatiesoort": ["Klant"], "vestigingsAdres": place}
        id = (await books.ask("POST", "raw/relaties", relation, status=201))["id"]
        told = await books.ask("GET", f"contacts/{id}")
        assert (told["address"]["country"], told["address"]["city"]) == (None, "Verweg")
        assert (await books.ask("PATCH", f"contacts/{id}", {"phone": "0152123456"}))["phone"] == "0152123456"
        assert (await books.ask("GET", f"raw/relaties/{id}"))["vestigingsAdres"]["land"]["id"] == nowhere["id"]


async def test_contacts_are_looked_through_as_many_at_a_time_as_is_announced(tmp_path: Path) -> None:
    """A webshop looks for each customer by e-mail: calls for half as many were twice as many calls."""
    async with connected(tmp_path) as books:
        since = len(books.heard())
        await books.ask("GET", "contacts", email="nobody@example.com")
        (asked,) = (seen for seen in books.heard(since) if seen.path == "/v2/relaties")
        assert asked.query.endswith("%24skip=0&%24top=201")  # one more, to know whether there are more
        announced = (await books.ask("GET", "capabilities"))["operations"]["contacts.list"]["calls"]
        assert "for each 200 contacts" in announced
