"""Laws of reading: what was made can be found, in a list as by its id, and what never was cannot."""

import pytest

from tests.conformance.subject import Subject, problem_of

WRITABLE = ("contacts", "products", "invoices")
SETTINGS = ("vat-codes", "ledger-accounts", "payment-methods")


@pytest.mark.parametrize("resource", WRITABLE)
async def test_what_was_created_is_readable(subject: Subject, resource: str) -> None:
    made = await subject.make(resource)
    read = await subject.get(f"{resource}/{made['id']}")
    assert read == {**made, "updated_at": read["updated_at"]}
    listed = {one["id"]: one for one in await subject.walk(resource)}
    assert made["id"] in listed


@pytest.mark.parametrize("resource", [*WRITABLE, *SETTINGS])
async def test_a_listed_record_equals_the_record(subject: Subject, resource: str) -> None:
    subject.emulator.populate()
    for listed in (await subject.get(resource, limit="5"))["data"]:
        whole = await subject.get(f"{resource}/{listed['id']}")
        lacking = {"lines", "tax_breakdown", "description", "notes", "reference", "totals"}
        for name, value in listed.items():
            assert value == whole[name] or (resource == "invoices" and name in lacking), f"{name} of {listed['id']}"
        for name in ("paid", "open", "gross"):
            assert resource != "invoices" or listed["totals"][name] in (None, whole["totals"][name])


async def test_a_list_goes_back_for_years(subject: Subject) -> None:
    """Also where the system's own begins with this year, or this quarter, unless it is asked for more."""
    old = await subject.make("invoices", issued_on="2023-06-30")
    for found in (await subject.walk("invoices"), await subject.walk("invoices", contact_id=old["contact_id"])):
        assert old["id"] in {one["id"] for one in found}


@pytest.mark.parametrize("resource", [*WRITABLE, *SETTINGS, "payments"])
async def test_what_never_was_is_not_found(subject: Subject, resource: str) -> None:
    problem = await subject.refused(404, "not_found", "GET", f"{resource}/987654321")
    assert problem["fix"] == "caller"


@pytest.mark.parametrize("resource", SETTINGS)
async def test_settings_are_all_there(subject: Subject, resource: str) -> None:
    if resource in subject.facts.derived:
        pytest.skip(f"{subject.name}: {resource} are made from other things than records")
    listed = (
        await subject.walk(resource, include="archived")
        if resource == "ledger-accounts"
        else (await subject.walk(resource))
    )
    assert {one["id"] for one in listed} == {str(row["id"]) for row in subject.books(resource)}


async def test_the_company_is_the_one_connected(subject: Subject) -> None:
    connection = (await subject.get(""))["company"]
    company = await subject.get("company")
    assert (company["id"], company["name"]) == (connection["id"], connection["name"])
    assert company["accessible"] is True


async def test_archived_records_are_left_out_unless_asked_for(subject: Subject) -> None:
    subject.emulator.populate()
    found = 0
    listed = [resource for resource in ("contacts", "products", "ledger-accounts") if subject.can(f"{resource}.list")]
    for resource in listed:
        usual = await subject.walk(resource)
        everything = await subject.walk(resource, include="archived")
        assert not any(one["archived"] for one in usual)
        archived = [one["id"] for one in everything if one["archived"]]
        assert len(everything) == len(usual) + len(archived)
        found += len(archived)
    if not found:
        pytest.skip(f"{subject.name}: nothing can be archived")


@pytest.mark.parametrize("resource", WRITABLE)
async def test_include_shows_what_the_system_said(subject: Subject, resource: str) -> None:
    made = await subject.make(resource)
    plain = await subject.get(f"{resource}/{made['id']}")
    assert "provider" not in plain
    assert "raw" not in plain
    told = await subject.get(f"{resource}/{made['id']}", include="provider,raw")
    assert told["provider"]["name"] == subject.name
    row = subject.row(resource, told["provider"]["id"])
    assert str(told["raw"]["id"]) == str(row["id"])
    assert told["provider"]["unmapped"].keys() <= told["raw"].keys()
    assert {name: value for name, value in told.items() if name not in ("provider", "raw")} == plain


async def test_lists_show_lines_only_when_asked(subject: Subject) -> None:
    made = await subject.make("invoices")
    usual = next(one for one in await subject.walk("invoices") if one["id"] == made["id"])
    assert (usual["lines"], usual["tax_breakdown"]) == (None, None)
    whole = next(one for one in await subject.walk("invoices", include="lines") if one["id"] == made["id"])
    assert whole["lines"] == made["lines"]
    assert whole["tax_breakdown"] == made["tax_breakdown"]


@pytest.mark.parametrize("resource", WRITABLE)
async def test_unknown_parameters_cost_no_call(subject: Subject, resource: str) -> None:
    with subject.quiet():
        problem = await subject.refused(422, "unknown_field", "GET", resource, colour="blue")
        assert "colour" in str(problem["errors"])
        await subject.refused(422, "unknown_field", "GET", f"{resource}/1", limit="5")
        await subject.refused(422, "validation_failed", "GET", resource, include="everything")


async def test_head_and_get_say_the_same(subject: Subject) -> None:
    made = await subject.make("contacts")
    answer = await subject.ask("GET", f"contacts/{made['id']}")
    head = await subject.ask("HEAD", f"contacts/{made['id']}")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-type", "content-length"):
        assert head.headers[name] == answer.headers[name]


async def test_an_address_that_leads_nowhere_is_not_found(subject: Subject) -> None:
    with subject.quiet():
        answer = await subject.ask("GET", "dividends")
        assert problem_of(answer)["code"] == "not_found"
