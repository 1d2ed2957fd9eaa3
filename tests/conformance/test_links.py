"""Laws of what only the caller knows: his references and codes are kept, echoed, findable, and nobody else's."""

import asyncio

import pytest

from tests.conformance.subject import Subject, body_of

WRITABLE = ("contacts", "products", "invoices")


@pytest.mark.parametrize("resource", WRITABLE)
async def test_an_external_ref_is_kept_and_finds_its_record(subject: Subject, resource: str) -> None:
    await subject.make(resource)
    made = await subject.make(resource, external_ref="winkel/ordér #7")
    assert made["external_ref"] == "winkel/ordér #7"
    assert (await subject.get(f"{resource}/{made['id']}"))["external_ref"] == "winkel/ordér #7"
    found = await subject.walk(resource, external_ref="winkel/ordér #7")
    assert [one["id"] for one in found] == [made["id"]]
    assert found[0]["external_ref"] == "winkel/ordér #7"
    assert await subject.walk(resource, external_ref="winkel/ordér") == []
    listed = {one["id"]: one["external_ref"] for one in await subject.walk(resource)}
    assert listed[made["id"]] == "winkel/ordér #7"


@pytest.mark.parametrize("resource", WRITABLE)
async def test_an_external_ref_belongs_to_one_record(subject: Subject, resource: str) -> None:
    made = await subject.make(resource, external_ref="een")
    other = await subject.make(resource)
    before = len(subject.books(resource))
    draft = await subject.draft(resource, external_ref="een")
    await subject.refused(409, "conflict", "POST", resource, body=draft)
    assert len(subject.books(resource)) == before
    if subject.can(f"{resource}.update"):
        await subject.refused(409, "conflict", "PATCH", f"{resource}/{other['id']}", body={"external_ref": "een"})
        same = await subject.ask("PATCH", f"{resource}/{made['id']}", body={"external_ref": "een"})
        assert same.status_code == 200, same.text


@pytest.mark.parametrize("resource", WRITABLE)
async def test_an_external_ref_survives_an_update(subject: Subject, resource: str) -> None:
    made = await subject.make(resource, external_ref="blijft")
    changed = await subject.ask("PATCH", f"{resource}/{made['id']}", body=subject.news(resource))
    assert body_of(changed)["external_ref"] == "blijft"
    moved = await subject.ask("PATCH", f"{resource}/{made['id']}", body={"external_ref": "verhuist"})
    assert body_of(moved)["external_ref"] == "verhuist"
    assert await subject.walk(resource, external_ref="blijft") == []
    assert [one["id"] for one in await subject.walk(resource, external_ref="verhuist")] == [made["id"]]


@pytest.mark.parametrize("resource", WRITABLE)
async def test_a_deleted_record_gives_its_reference_back(subject: Subject, resource: str) -> None:
    made = await subject.make(resource, external_ref="vrij")
    assert (await subject.ask("DELETE", f"{resource}/{made['id']}")).status_code == 204
    assert await subject.walk(resource, external_ref="vrij") == []
    again = await subject.make(resource, external_ref="vrij")
    assert [one["id"] for one in await subject.walk(resource, external_ref="vrij")] == [again["id"]]


@pytest.mark.parametrize("resource", WRITABLE)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_record_that_others_deleted_gives_its_reference_back(
    subject: Subject, resource: str, method: str
) -> None:
    """Who works in the system itself tells Polder nothing: what is not there keeps its reference from nobody."""
    if subject.resource(resource).changes_ids:
        pytest.skip(f"{subject.name} gives {resource} new ids: one that is not found may be there under another")
    made = await subject.make(resource, external_ref="weg")
    path, body = resource, await subject.draft(resource, external_ref="weg")
    if method == "PATCH":
        path, body = f"{resource}/{(await subject.make(resource))['id']}", {"external_ref": "weg"}
    others = await subject.house.connect(subject.name)
    deleted = await subject.ask("DELETE", f"{resource}/{made['id']}", connection=others)
    assert deleted.status_code == 204, deleted.text
    for foreseen in ("true", "false"):
        answer = await subject.ask(method, path, body=body, dry_run=foreseen)
        assert answer.status_code in (200, 201), answer.text
    found = await subject.walk(resource, external_ref="weg")
    assert [one["id"] for one in found] == [body_of(answer)["id"]]


async def test_of_many_at_once_one_gets_the_reference(subject: Subject) -> None:
    drafts = [await subject.draft("contacts", external_ref="begeerd") for _ in range(8)]
    before = len(subject.books("contacts"))
    answers = await asyncio.gather(*(subject.ask("POST", "contacts", body=draft) for draft in drafts))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 7]
    assert len(subject.books("contacts")) == before + 1


async def test_a_reference_of_one_connection_is_free_in_another(subject: Subject) -> None:
    made = await subject.make("contacts", external_ref="gedeeld")
    other = await subject.house.connect(subject.name)
    found = body_of(await subject.ask("GET", "contacts", connection=other, external_ref="gedeeld"))["data"]
    kept_by_polder = "external_ref" in subject.resource("contacts").kept
    assert [one["id"] for one in found] == ([] if kept_by_polder else [made["id"]])


async def test_a_product_code_is_kept_and_finds_its_product(subject: Subject) -> None:
    await subject.make("products", code="MEEL-4")
    made = await subject.make("products", code="MEEL-5")
    assert (await subject.get(f"products/{made['id']}"))["code"] == "MEEL-5"
    assert [one["id"] for one in await subject.walk("products", code="MEEL-5")] == [made["id"]]
    assert await subject.walk("products", code="MEEL") == []
    await subject.refused(409, "conflict", "POST", "products", body=await subject.draft("products", code="MEEL-5"))
    changed = await subject.ask("PATCH", f"products/{made['id']}", body={"name": "Anders"})
    assert body_of(changed)["code"] == "MEEL-5"


async def test_a_refused_record_leaves_no_reference(subject: Subject) -> None:
    draft = await subject.draft("invoices", external_ref="mislukt", contact_id="987654321")
    answer = await subject.ask("POST", "invoices", body=draft)
    assert answer.status_code in (404, 422), answer.text
    made = await subject.make("invoices", external_ref="mislukt")
    assert made["external_ref"] == "mislukt"
