"""Contacts, verb by verb, against TheNextInvoice in memory."""

from typing import Any, Literal

import pytest
from msgspec.structs import replace

from gateway.contract.models import AddressDraft, ContactDraft
from tests.adapters.thenextinvoice.connected import CONTACTS, connected, contact_change


@pytest.mark.parametrize("person_read", ["text", "boolean"])
@pytest.mark.parametrize("option_expiration_read", ["text", "number"])
async def test_a_contact_is_made_read_changed_and_deleted(person_read: str, option_expiration_read: str) -> None:
    async with connected(person_read=person_read, option_expiration_read=option_expiration_read) as books:
        made = await books.contact(payment_term_days=30, language="nl", number="20417")
        assert (made.kind, made.payment_term_days, made.language, made.number) == ("company", 30, "nl", "20417")
        assert (await CONTACTS.get(books.up(), made.id)).item == made
        changed = await books.change_contact(made.id, email="bram@desluis.example")
        assert changed == replace(made, email="bram@desluis.example")
        person = await books.contact(company_name=None, contact_person="Çelik Özdemir")
        assert (person.kind, person.name, person.contact_person) == ("person", "Çelik Özdemir", "Çelik Özdemir")
        await CONTACTS.delete(books.up(), made.id)
        await books.refused("not_found", CONTACTS.get(books.up(), made.id))
        await books.refused("not_found", CONTACTS.delete(books.up(), made.id))
        change = contact_change(email="een@ander.example")
        await books.refused("not_found", CONTACTS.update(books.up(), made.id, change))


async def test_a_change_keeps_what_our_model_does_not_know() -> None:
    async with connected() as books:
        made = await books.contact()
        fields = books.emulator.company.customers[int(made.id)].fields
        odd = {"optionalfield_1": "Veld", "option_extratext": "Boven", "option_extratextbottom": "Onder"}
        fields.update(odd)
        await books.change_contact(made.id, phone="0152123456")
        now = books.emulator.company.customers[int(made.id)].fields
        assert {name: now[name] for name in odd} == odd
        assert now["phone"] == "0152123456"


@pytest.mark.parametrize("null_optional", ["refused", "accepted"])
async def test_what_is_nothing_is_left_out_and_so_goes_back_to_nothing(null_optional: str) -> None:
    async with connected(null_optional=null_optional) as books:
        made = await books.contact(contact_person=None, phone="0152123456", payment_term_days=30, language="nl")
        cleared = {"phone": None, "payment_term_days": None, "language": None}
        changed = await books.change_contact(made.id, **cleared)
        assert changed == replace(made, **cleared)
        assert (await CONTACTS.get(books.up(), made.id)).item == changed
        sent = [request.json for request in books.link.requests if request.method in ("POST", "PUT")]
        assert len(sent) == 2
        assert not any(value is None for body in sent for value in body.values())


@pytest.mark.parametrize("past_end", ["empty", "last"])
@pytest.mark.parametrize("size", [1, 7, 100, 200])
async def test_every_contact_is_met_once(past_end: str, size: int) -> None:
    async with connected(past_end=past_end) as books:
        made = {(await books.contact(company_name=f"Bakkerij {number % 30}")).id for number in range(103)}
        listed = await books.listed("contacts", size=size)
        assert [one.id for one in listed] == list(dict.fromkeys(one.id for one in listed))
        assert {one.id for one in listed} == made


async def test_all_are_customers() -> None:
    async with connected() as books:
        made = await books.contact()
        assert [one.id for one in await books.listed("contacts", role="customer")] == [made.id]
        with books.calls(0):
            assert await books.listed("contacts", role="supplier") == []


@pytest.mark.parametrize("blank_required", ["refused", "accepted"])
async def test_what_is_missing_is_for_the_system_to_judge(blank_required: Literal["refused", "accepted"]) -> None:
    async with connected(blank_required=blank_required) as books:
        draft = ContactDraft(company_name="Bakkerij", address=AddressDraft(line1="Kade 1", city="Delft", country="NL"))
        if blank_required == "accepted":
            made = (await CONTACTS.create(books.up(), draft)).item
            assert made.email is None
            assert made.address is not None
            assert made.address.postal_code is None
            return
        problem = await books.refused("upstream_rejected", CONTACTS.create(books.up(), draft))
        assert [(one.pointer, one.provider_field) for one in problem.errors] == [("/address/postal_code", "postalcode")]
        assert problem.upstream is not None
        assert problem.upstream.message == "postalcode is required"


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"roles": ["supplier"]}, "/roles"),
        ({"language": "nl-BE"}, "/language"),
        ({"kind": "person", "contact_person": "Jan"}, "/company_name"),
    ],
)
async def test_what_cannot_be_held_is_refused_or_dropped(said: dict[str, Any], pointer: str) -> None:
    async with connected() as books:
        address = AddressDraft(line1="Kade 1", postal_code="2611 AB", city="Delft", country="NL")
        draft = ContactDraft.model_validate({"company_name": "Bakkerij", "email": "een@bakkerij.example", **said})
        draft.address = address
        with books.writes_nothing():
            problem = await books.refused("field_unsupported", CONTACTS.create(books.up(), draft))
        assert [one.pointer for one in problem.errors] == [pointer]
        up = books.up(drop=True)
        made = (await CONTACTS.create(up, draft)).item
        assert made.roles == ["customer"]
        assert up.warnings == [("field_dropped", pointer)]


async def test_an_id_of_another_place_reaches_nothing() -> None:
    async with connected() as books:
        with books.calls(0):
            for id in ("search", "merge", "1,2", "01"):
                await books.refused("not_found", CONTACTS.get(books.up(), id))
                await books.refused("not_found", CONTACTS.delete(books.up(), id))
                await books.refused("not_found", CONTACTS.update(books.up(), id, contact_change(phone="1")))


@pytest.mark.parametrize("missing_status", [400, 404, 500])
async def test_a_contact_that_is_not_there_is_not_found_before_it_is_written(missing_status: int) -> None:
    async with connected(missing_status=missing_status) as books:
        with books.writes_nothing():
            change = contact_change(phone="1")
            await books.refused("not_found", CONTACTS.update(books.up(), "987654", change))
