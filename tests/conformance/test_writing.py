"""Laws of writing: what is said is kept, what is not said stays, what is deleted is gone, nonsense costs no call."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.conformance.comparing import address_said, changes, same, tells
from tests.conformance.drafts import CONTACT, INVOICE, NEWS, held
from tests.conformance.subject import Json, Subject, body_of, problem_of

WRITABLE = ("contacts", "products", "invoices")
FOLLOWING = frozenset({"updated_at", "name", "contact", "is_overdue", "warnings"})
"""Fields of an answer that follow from others."""
ON_ONE_LINE: Json = {"line1": "Sluiskade 12", "postal_code": "2611 AB", "city": "Delft", "country": "NL"}


async def whole(subject: Subject, resource: str) -> Json:
    """A record of everything that the system can hold."""
    if resource == "invoices":
        return await subject.make("invoices", **held(INVOICE, subject.holds("invoices")))
    answer = await subject.ask("POST", resource, body=await subject.full_draft(resource))
    assert answer.status_code == 201, answer.text
    return body_of(answer)


@pytest.mark.parametrize("resource", ["contacts", "products"])
async def test_everything_that_is_given_is_kept(subject: Subject, resource: str) -> None:
    draft = await subject.full_draft(resource)
    answer = await subject.ask("POST", resource, body=draft)
    assert answer.status_code == 201, answer.text
    made = body_of(answer)
    read = await subject.get(f"{resource}/{made['id']}")
    for name, given in draft.items():
        said = address_said(given) if name in ("address", "delivery_address") else given
        assert same(said, made[name]), f"{name}: given {given}, answered {made[name]}"
        assert same(said, read[name]), f"{name}: given {given}, read {read[name]}"


async def test_an_invoice_keeps_what_is_given(subject: Subject) -> None:
    fields = held(INVOICE, subject.holds("invoices"))
    made = await subject.make("invoices", **fields)
    read = await subject.get(f"invoices/{made['id']}")
    for name, given in fields.items():
        assert same(given, read[name]), f"{name}: given {given}, read {read[name]}"


@pytest.mark.parametrize("resource", WRITABLE)
async def test_an_update_changes_only_what_it_names(subject: Subject, resource: str) -> None:
    made = await whole(subject, resource)
    for name, news in held(NEWS[resource], subject.holds(resource)).items():
        path = f"{resource}/{made['id']}"
        before, in_books = await read_and_row(subject, resource, made["id"])
        answer = await subject.ask("PATCH", path, body={name: news})
        assert answer.status_code == 200, answer.text
        after, now_in_books = await read_and_row(subject, resource, made["id"])
        assert same({**body_of(answer), "updated_at": after["updated_at"]}, after)
        assert same(news, after[name]), f"{name} was to become {news}, and is {after[name]}"
        for other in before.keys() - FOLLOWING - {name}:
            assert after[other] == before[other], f"a change of {name} made {other} {after[other]}"
        for place, (old, new) in changes(in_books, now_in_books).items():
            moved = bool(subject.facts.moving & set(place.split(".")))
            assert moved or tells(new, news), f"a change of {name} made {place} {new} in the books; it was {old}"


async def read_and_row(subject: Subject, resource: str, id: str) -> tuple[Json, Mapping[str, Any]]:
    """A record as we say it, and as the system has it."""
    record = await subject.get(f"{resource}/{id}")
    return record, subject.row(resource, await subject.system_id(resource, id))


async def test_part_of_an_address_changes_alone(subject: Subject) -> None:
    if not {"address.city", "address.postal_code"} <= subject.holds("contacts"):
        pytest.skip(f"{subject.name}: an address has no parts")
    made = await subject.make("contacts")
    answer = await subject.ask("PATCH", f"contacts/{made['id']}", body={"address": {"city": "Goes"}})
    assert answer.status_code == 200, answer.text
    read = await subject.get(f"contacts/{made['id']}")
    assert read["address"] == {**made["address"], "city": "Goes"}


async def test_a_street_is_not_lost_for_want_of_a_number(subject: Subject) -> None:
    """Its first line is kept whole: that no number is said is nothing to change, and a number alone is no line."""
    if not {"address.line1", "address.house_number"} <= subject.holds("contacts"):
        pytest.skip(f"{subject.name}: an address has no house number")
    made = await subject.make("contacts", address=ON_ONE_LINE)
    path = f"contacts/{made['id']}"
    none = dict.fromkeys(("house_number", "house_number_addition"))
    answer = await subject.ask("PATCH", path, body={"address": none})
    assert answer.status_code == 200, answer.text
    assert body_of(answer)["address"] == (await subject.get(path))["address"] == made["address"]
    for alone in ({"house_number": "7"}, {"house_number_addition": "b"}):
        problem = await subject.refused(422, "validation_failed", "PATCH", path, body={"address": alone})
        assert (problem["outcome"], problem["errors"][0]["pointer"]) == ("not_sent", "/address/street")
    assert (await subject.get(path))["address"] == made["address"]


async def test_null_clears_a_field(subject: Subject) -> None:
    made = await whole(subject, "contacts")
    for name in ("phone", "mobile", "website", "invoice_email", "vat_number", "external_ref"):
        if name not in subject.holds("contacts"):
            continue
        answer = await subject.ask("PATCH", f"contacts/{made['id']}", body={name: None})
        assert answer.status_code == 200, answer.text
        read = await subject.get(f"contacts/{made['id']}")
        assert read[name] is None
        assert read["email"] == made["email"]


async def test_what_is_cleared_is_empty_or_told_or_refused(subject: Subject) -> None:
    """A system may give a field a value of its own where it has none, such as a number or a price: that is said."""
    for resource in ("contacts", "products"):
        if not subject.can(f"{resource}.update"):
            continue
        made, cleared = await whole(subject, resource), []
        for name in sorted(NEWS[resource].keys() & made.keys() | {"price", "vat_code_id"} & made.keys()):
            answer = await subject.ask("PATCH", f"{resource}/{made['id']}", body={name: None})
            if answer.status_code != 200:
                assert problem_of(answer)["outcome"] in ("not_sent", "rejected")
                continue
            told = body_of(answer)
            warned = {one["pointer"] for one in told.get("warnings", ())}
            assert told[name] is None or f"/{name}" in warned, f"{resource}.{name}: {told[name]}"
            cleared += [name] if told[name] is None else []
        read = await subject.get(f"{resource}/{made['id']}")
        assert {name: read[name] for name in cleared} == dict.fromkeys(cleared), "told as empty, and not"


async def test_lines_are_replaced_whole(subject: Subject) -> None:
    subject.need("invoices.finalize")
    made = await subject.make("invoices", lines=[await subject.line(), await subject.line(quantity="3")])
    lines = [await subject.line(description="Speltbrood", unit_price="4.10")]
    answer = await subject.ask("PATCH", f"invoices/{made['id']}", body={"lines": lines})
    assert answer.status_code == 200, answer.text
    read = await subject.get(f"invoices/{made['id']}")
    assert [line["description"] for line in read["lines"]] == ["Speltbrood"]
    assert same(lines, read["lines"])
    assert read["contact_id"] == made["contact_id"]


@pytest.mark.parametrize("resource", WRITABLE)
async def test_an_empty_update_sends_nothing(subject: Subject, resource: str) -> None:
    made = await subject.make(resource)
    before = len(subject.emulator.journal)
    answer = await subject.ask("PATCH", f"{resource}/{made['id']}", body={})
    assert answer.status_code == 200, answer.text
    assert body_of(answer)["id"] == made["id"]
    heard = {seen.method for seen in subject.emulator.journal[before:]}
    assert heard <= {"GET"}, f"an empty update sent {heard}"


@pytest.mark.parametrize("resource", WRITABLE)
async def test_what_is_deleted_is_gone(subject: Subject, resource: str) -> None:
    stays = await subject.make(resource)
    goes = await subject.make(resource)
    system_id = await subject.system_id(resource, goes["id"])
    answer = await subject.ask("DELETE", f"{resource}/{goes['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    await subject.refused(404, "not_found", "GET", f"{resource}/{goes['id']}")
    await subject.refused(404, "not_found", "DELETE", f"{resource}/{goes['id']}")
    if subject.can(f"{resource}.update"):
        await subject.refused(404, "not_found", "PATCH", f"{resource}/{goes['id']}", body=subject.news(resource))
    left = {one["id"] for one in await subject.walk(resource)}
    assert goes["id"] not in left
    assert stays["id"] in left
    assert system_id not in {str(row["id"]) for row in subject.books(resource)}


@pytest.mark.parametrize("resource", WRITABLE)
async def test_an_update_of_what_never_was_is_not_found(subject: Subject, resource: str) -> None:
    await subject.refused(404, "not_found", "PATCH", f"{resource}/987654321", body=subject.news(resource))


@pytest.mark.parametrize("resource", WRITABLE)
async def test_nonsense_in_a_body_costs_no_call(subject: Subject, resource: str) -> None:
    draft = await subject.draft(resource)
    with subject.quiet():
        problem = await subject.refused(422, "unknown_field", "POST", resource, body={**draft, "colour": "blue"})
        assert [error["pointer"] for error in problem["errors"]] == ["/colour"]
        assert problem["outcome"] == "not_sent"
        await subject.refused(422, "validation_failed", "POST", resource, body={**draft, "external_ref": 7})
        await subject.refused(422, "validation_failed", "POST", resource, body=[draft])
        await subject.refused(422, "validation_failed", "POST", resource, body={})
        await subject.refused(400, "malformed_json", "POST", resource, body=b'{"name": ')
        await subject.refused(422, "unknown_field", "POST", resource, body=draft, colour="blue")


async def test_what_is_so_anyway_may_be_said(subject: Subject) -> None:
    """A caller writes to all systems alike: no discount, and euros, are what there is where there is nothing else."""
    line = await subject.line(discount_percent="0.00")
    made = await subject.make("invoices", lines=[line], currency="EUR")
    assert made["lines"][0]["discount_percent"] in (None, "0")
    assert made["totals"]["gross"] == "24.20"
    answer = await subject.ask("PATCH", f"invoices/{made['id']}", body={"currency": "EUR", "prices_include_tax": False})
    assert answer.status_code == 200, answer.text
    assert (await subject.get(f"invoices/{made['id']}"))["totals"] == made["totals"]


@pytest.mark.parametrize("resource", ["contacts", "products"])
async def test_a_field_without_a_place_is_refused_or_dropped(subject: Subject, resource: str) -> None:
    everything = {"contacts": CONTACT, "products": {"unit": "kg", "description": "Wit", "type": "goods"}}[resource]
    homeless = [
        name
        for name, value in everything.items()
        if not isinstance(value, Mapping | list) and name not in (*subject.holds(resource), "kind", "currency")
    ]
    if not homeless:
        pytest.skip(f"{subject.name}: {resource} hold every field")
    draft = await subject.draft(resource)
    for name in homeless:
        body = {**draft, name: everything[name]}
        if body == draft:
            continue
        with subject.quiet():
            problem = await subject.refused(422, "field_unsupported", "POST", resource, body=body)
        assert [error["pointer"] for error in problem["errors"]] == [f"/{name}"]
    body = {**draft, **{name: everything[name] for name in homeless}}
    answer = await subject.ask("POST", resource, body=body, on_unsupported="drop")
    assert answer.status_code == 201, answer.text
    pointers = {warning["pointer"] for warning in body_of(answer)["warnings"]}
    assert pointers <= {f"/{name}" for name in homeless}
    assert pointers


async def test_what_is_dropped_changes_no_amount(subject: Subject) -> None:
    """A discount that has no place is not left out of what is charged."""
    lines = [await subject.line(discount_percent="10"), await subject.line(discount_percent="5")]
    draft = await subject.draft("invoices", lines=lines)
    answer = await subject.ask("POST", "invoices", body=draft, on_unsupported="drop")
    if answer.status_code == 201:
        assert body_of(answer)["totals"]["net"] == "37.00"
        return
    problem = problem_of(answer)
    assert (problem["code"], problem["outcome"]) == ("field_unsupported", "not_sent")
    assert [error["pointer"] for error in problem["errors"]] == ["/lines/0/discount_percent"]


async def test_a_line_of_text_that_has_no_place_is_refused_or_dropped_whole(subject: Subject) -> None:
    lines = [{"type": "text", "description": "Met dank"}, await subject.line(), await subject.line(quantity="1")]
    draft = await subject.draft("invoices", lines=lines)
    if "lines.type" in subject.holds("invoices"):
        pytest.skip(f"{subject.name} has lines of text")
    problem = await subject.refused(422, "field_unsupported", "POST", "invoices", body=draft)
    assert [error["pointer"] for error in problem["errors"]] == ["/lines/0/type"]
    foreseen = await subject.ask("POST", "invoices", body=draft, on_unsupported="drop", dry_run="true")
    assert foreseen.status_code == 200, foreseen.text
    assert [one["line"] for one in body_of(foreseen)["vat"]] == [1, 2]
    answer = await subject.ask("POST", "invoices", body=draft, on_unsupported="drop")
    assert answer.status_code == 201, answer.text
    assert [one["pointer"] for one in body_of(answer)["warnings"]] == ["/lines/0/type"]
    assert [line["quantity"] for line in body_of(answer)["lines"]] == ["2", "1"]
    nothing = {**draft, "lines": lines[:1]}
    asked = {"body": nothing, "query": {"on_unsupported": "drop"}}
    problem = await subject.refused(422, "validation_failed", "POST", "invoices", **asked)
    assert [error["pointer"] for error in problem["errors"]] == ["/lines"]
