"""Laws of filters: they find exactly the right records among many, say when Polder did the work, or say they cannot."""

from collections.abc import Callable, Mapping

import pytest

from gateway.contract.operations import BY_NAME
from tests.conformance.subject import Json, Subject, body_of

Holds = Callable[[Json, str], bool]


def words_of(*fields: str) -> Holds:
    """Every word somewhere in these fields; case does not matter."""

    def holds(record: Json, value: str) -> bool:
        text = " ".join(str(record[field] or "") for field in fields).casefold()
        return all(word in text for word in value.casefold().split())

    return holds


def at_least(field: str) -> Holds:
    return lambda record, value: record[field] is not None and record[field] >= value


def at_most(field: str) -> Holds:
    return lambda record, value: record[field] is not None and record[field] <= value


def equals(field: str) -> Holds:
    return lambda record, value: record[field] == value


def email_is(record: Json, value: str) -> bool:
    return (record["email"] or "").strip().casefold() == value.strip().casefold()


PREDICATES: Mapping[tuple[str, str], Holds] = {
    ("contacts", "email"): email_is,
    ("contacts", "q"): words_of("name", "company_name", "contact_person", "email", "number"),
    ("contacts", "role"): lambda record, value: value in record["roles"],
    ("contacts", "number"): equals("number"),
    ("contacts", "vat_number"): equals("vat_number"),
    ("contacts", "updated_since"): at_least("updated_at"),
    ("products", "q"): words_of("code", "name", "description"),
    ("products", "code"): equals("code"),
    ("products", "updated_since"): at_least("updated_at"),
    ("invoices", "number"): equals("number"),
    ("invoices", "contact_id"): equals("contact_id"),
    ("invoices", "document_status"): equals("document_status"),
    ("invoices", "payment_status"): equals("payment_status"),
    ("invoices", "document_type"): equals("document_type"),
    ("invoices", "issued_from"): at_least("issued_on"),
    ("invoices", "issued_to"): at_most("issued_on"),
    ("invoices", "due_from"): at_least("due_on"),
    ("invoices", "due_to"): at_most("due_on"),
    ("invoices", "updated_since"): at_least("updated_at"),
    ("payments", "paid_from"): at_least("paid_on"),
    ("payments", "paid_to"): at_most("paid_on"),
    ("vat-codes", "direction"): lambda record, value: record["direction"] in (value, "both"),
    ("vat-codes", "on"): lambda record, value: (record["valid_from"] or "") <= value <= (record["valid_to"] or "9999"),
    ("ledger-accounts", "type"): equals("type"),
}
FIELDS = {"issued_from": "issued_on", "issued_to": "issued_on", "due_from": "due_on", "due_to": "due_on"}
FIELDS |= {
    "paid_from": "paid_on",
    "paid_to": "paid_on",
    "on": "valid_to",
    "updated_since": "updated_at",
    "role": "roles",
}


@pytest.mark.parametrize(("resource", "name"), PREDICATES, ids=str)
async def test_a_filter_finds_exactly_the_right_records(subject: Subject, resource: str, name: str) -> None:
    support = subject.need_filter(f"{resource}.list", name)
    subject.emulator.populate()
    for code in ("A-1", "A-10", "B-2") if name == "code" else ():
        await subject.make(resource, code=code)
    everything = await subject.walk(resource)
    holds = PREDICATES[resource, name]
    for value in [*values(everything, name), *telling(everything, resource, name)]:
        expected = [one["id"] for one in everything if holds(one, value)]
        answer = await subject.ask("GET", resource, limit="200", query={name: value})
        assert answer.status_code == 200, answer.text
        assert (name in answer.headers.get("polder-emulated", "").split(", ")) is (support == "emulated")
        found = await subject.walk(resource, limit=60, **{name: value})
        assert sorted(one["id"] for one in found) == sorted(expected), f"{name}={value}"
        assert body_of(answer)["total_count"] in (None, len(expected))


def values(everything: list[Json], name: str) -> list[str]:
    """Values to ask for: of the first, a middle and the last record that has one, in other letters; and nobody's."""
    if name == "q":
        told = [one["name"] for one in everything if one.get("name")]
        words = [text.split()[-1] for text in (told[0], told[len(told) // 2])]
        return [told[-1].upper(), *words, words[0][:3].lower(), "zzz-niemand"]
    found = [one[FIELDS.get(name, name)] for one in everything if one[FIELDS.get(name, name)]]
    if not found:
        pytest.skip(f"the system's lifelike books have no record with {name}")
    flat = [value for one in found for value in (one if isinstance(one, list) else [one])]
    chosen = list(dict.fromkeys([flat[0], flat[len(flat) // 2], flat[-1]]))
    if name == "email":
        return [*chosen, f" {chosen[0].upper()} ", "niemand@voorbeeld.example", chosen[0][1:]]
    return chosen


def telling(everything: list[Json], resource: str, name: str) -> list[str]:
    """A value that not every record has: by one that all have, a filter that is passed over finds the same."""
    if name == "updated_since":
        return ["2031-01-01T00:00:00Z"]
    known = BY_NAME[f"{resource}.list"].filter(name)
    choices = known.choices if known is not None else ()
    holds = PREDICATES[resource, name]
    return [value for value in choices if not all(holds(one, value) for one in everything)][:1]


async def test_an_accent_is_the_same_however_it_is_written(subject: Subject) -> None:
    """One sign, or a letter and a sign behind it: they look alike, and some programs write one and some the other."""
    if subject.need_filter("contacts.list", "q") == "native":
        pytest.skip(f"{subject.name} searches itself")
    one, other = [await subject.make("contacts", company_name=name) for name in ("Café Zoë", "Cafe\u0301 Zoe\u0308")]
    for asked in ("CAFÉ zoë", "cafe\u0301 ZOE\u0308"):
        assert {found["id"] for found in await subject.walk("contacts", q=asked)} == {one["id"], other["id"]}
    assert await subject.walk("contacts", q="cafe zoe") == []


async def test_the_right_customer_is_found_among_hundreds(subject: Subject) -> None:
    subject.need_filter("contacts.list", "email")
    subject.emulator.populate()
    made = await subject.make("contacts", email="Een.Ander@Voorbeeld.example")
    written = [one for one in await subject.walk("contacts") if one["email"]]
    for wanted in (written[0], written[-1], made):
        alike = [one["id"] for one in written if email_is(one, wanted["email"])]
        for asked in (wanted["email"].lower(), wanted["email"].upper(), f" {wanted['email']} "):
            found = await subject.walk("contacts", limit=2, email=asked)
            assert sorted(one["id"] for one in found) == sorted(alike)
    assert await subject.walk("contacts", email="ander@voorbeeld.example") == []


async def test_filters_narrow_each_other(subject: Subject) -> None:
    subject.need_filter("invoices.list", "issued_from")
    subject.emulator.populate()
    everything = await subject.walk("invoices")

    def expected(query: Mapping[str, str]) -> set[str]:
        holding = [(PREDICATES["invoices", name], value) for name, value in query.items()]
        return {one["id"] for one in everything if all(holds(one, value) for holds, value in holding)}

    def narrowing(query: Mapping[str, str]) -> list[str]:
        """The filters without which more is found."""
        rest = {name: {other: query[other] for other in query if other != name} for name in query}
        return [name for name in query if expected(rest[name]) != expected(query)]

    each = {"contact_id": "contact_id", "issued_from": "issued_on", "payment_status": "payment_status"}
    questions = [{name: str(one[field]) for name, field in each.items()} for one in everything]
    query = max(questions, key=lambda query: len(narrowing(query)))
    assert narrowing(query) == [*each], "these books put filters to no test"
    assert {one["id"] for one in await subject.walk("invoices", limit=3, **query)} == expected(query)


async def test_a_status_that_no_record_has_finds_nothing(subject: Subject) -> None:
    subject.emulator.populate()
    everything = await subject.walk("invoices")
    for value in ("void", "unknown"):
        expected = [one["id"] for one in everything if one["document_status"] == value]
        assert [one["id"] for one in await subject.walk("invoices", document_status=value)] == expected


async def test_a_filter_that_cannot_be_applied_costs_no_call(subject: Subject) -> None:
    samples = {"date": "2026-01-01", "instant": "2026-01-01T00:00:00Z"}
    refused = 0
    for name, support in subject.capabilities.items():
        for one in BY_NAME[name].filters:
            if support["support"] != "native" or support["filters"][one.name] != "unsupported":
                continue
            value = one.choices[0] if one.choices else samples.get(one.kind, "x")
            with subject.quiet():
                asked = {"query": {one.name: value}, "lacking": True}
                problem = await subject.refused(422, "filter_unsupported", "GET", BY_NAME[name].resource, **asked)
            for other, how in support["filters"].items():
                assert how == "unsupported" or f"{other}" in problem["detail"], f"{other} is not named"
            refused += 1
    if not refused:
        pytest.skip(f"{subject.name}: every filter works")


async def test_a_required_filter_is_asked_for_without_a_call(subject: Subject) -> None:
    required = [name for name, support in subject.capabilities.items() if support["requires"]]
    if not required:
        pytest.skip(f"{subject.name}: no list requires a filter")
    for name in required:
        with subject.quiet():
            problem = await subject.refused(422, "filter_required", "GET", BY_NAME[name].resource, lacking=True)
        assert all(one in str(problem["errors"]) for one in subject.capabilities[name]["requires"])


async def test_a_wrong_filter_value_costs_no_call(subject: Subject) -> None:
    wrong = {"issued_from": "2026-2-3", "issued_to": "vandaag", "document_status": "finished", "number": " "}
    wrong |= {"contact_id": "1,2,3", "payment_status": ""}
    with subject.quiet():
        for name, value in wrong.items():
            await subject.refused(422, "validation_failed", "GET", "invoices", query={name: value})
        await subject.refused(422, "validation_failed", "GET", "invoices", issued_from="2026-02-30")


async def test_no_two_questions_share_an_answer(subject: Subject) -> None:
    """A value that looks like another question's text is still only a value."""
    subject.need_filter("contacts.list", "email")
    made = await subject.make("contacts")
    asked = await subject.ask("GET", "contacts", email=made["email"], q="bakkerij")
    assert [one["id"] for one in body_of(asked)["data"]] == [made["id"]]
    sly = await subject.ask("GET", "contacts", email=f"{made['email']}&q=bakkerij")
    assert body_of(sly)["data"] == []
