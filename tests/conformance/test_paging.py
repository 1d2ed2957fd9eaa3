"""Laws of lists: every record once, whatever the size of the steps; and a cursor opens nothing but its own list."""

import pytest

from tests.conformance.subject import Json, Subject, body_of

MANY = 213
MOST_STEPS = 15
LISTS = ("contacts", "products", "invoices", "payments", "vat-codes", "ledger-accounts", "payment-methods")


async def test_pages_of_any_size_meet_every_record_once(subject: Subject) -> None:
    subject.emulator.populate()
    for _ in range(MANY - len(subject.books("contacts"))):
        await subject.make("contacts")
    archived = {one["id"] for one in await subject.walk("contacts", include="archived") if one["archived"]}
    rows = {str(row["id"]) for row in subject.books("contacts")} - archived
    for size in (200, 100, 7, 3):
        met = [one["id"] for one in await subject.walk("contacts", limit=size)]
        assert len(met) == len(set(met)), f"pages of {size} meet a record twice"
        assert set(met) == rows, f"pages of {size} miss {rows - set(met)}"


@pytest.mark.parametrize("resource", LISTS)
async def test_small_steps_through_a_small_list(subject: Subject, resource: str) -> None:
    subject.emulator.populate()
    whole = await subject.walk(resource)
    least = max(1, len(whole) // MOST_STEPS)
    for size in (least, least + 1):
        assert await subject.walk(resource, limit=size) == whole


async def test_a_page_says_what_follows(subject: Subject) -> None:
    for _ in range(5):
        await subject.make("contacts")
    answer = await subject.ask("GET", "contacts", limit="2")
    page = body_of(answer)
    assert (len(page["data"]), page["total_count"] in (5, None)) == (2, True)
    assert answer.headers["link"].endswith('; rel="next"')
    address = answer.headers["link"].removeprefix("<").partition(">")[0]
    following = await subject.house.client.get(address)
    again = await subject.ask("GET", "contacts", limit="2", cursor=page["next_cursor"])
    assert following.json()["data"] == again.json()["data"]
    last = await subject.ask("GET", "contacts", limit="200")
    assert body_of(last)["next_cursor"] is None
    assert "link" not in last.headers


@pytest.mark.parametrize("resource", LISTS)
async def test_a_total_is_right_or_null(subject: Subject, resource: str) -> None:
    subject.emulator.populate()
    page = await subject.get(resource, limit="1")
    assert page["total_count"] in (None, len(await subject.walk(resource)))


async def test_a_wrong_limit_costs_no_call(subject: Subject) -> None:
    with subject.quiet():
        for limit in ("0", "201", "abc", "-1", "1.5", "", " 5", "\u0665", "9" * 20):
            await subject.refused(422, "validation_failed", "GET", "contacts", limit=limit)


async def test_a_cursor_opens_only_its_own_list(subject: Subject) -> None:
    for _ in range(3):
        await subject.make("contacts")
    cursor: str = (await subject.get("contacts", limit="1", q="bakkerij"))["next_cursor"]
    other = await subject.house.connect(subject.name)
    flipped = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    with subject.quiet():
        for wrong in ("", "x", flipped, cursor[:-4], "é", "A" * 5_000):
            await subject.refused(400, "invalid_cursor", "GET", "contacts", q="bakkerij", cursor=wrong)
        await subject.refused(400, "invalid_cursor", "GET", "contacts", q="brood", cursor=cursor)
        await subject.refused(400, "invalid_cursor", "GET", "contacts", cursor=cursor)
        await subject.refused(400, "invalid_cursor", "GET", "products", q="bakkerij", cursor=cursor)
        await subject.refused(400, "invalid_cursor", "GET", "contacts", q="bakkerij", cursor=cursor, connection=other)
    page: Json = await subject.get("contacts", limit="2", q="bakkerij", cursor=cursor)
    assert len(page["data"]) == 2
