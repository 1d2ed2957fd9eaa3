"""Laws of ids: an id names one record and cannot leave its place in a path."""

from contextlib import nullcontext
from itertools import product

import pytest

from tests.conformance.subject import Subject, body_of, problem_of

POISON = (
    "1,2,3",
    "..",
    ".",
    "../contacts",
    "..%2fcontacts",
    "%2e%2e",
    "%2E%2E%2Fcompany",
    "1%2F..%2F2",
    "1%2f2",
    "1%5C..%5C2",
    "1%3Flimit=100",
    "1?limit=100",
    "1%23x",
    "1;a=b",
    "1%00",
    "%00",
    "1%0a2",
    "1%0D%0AX-Evil:%201",
    "1%20OR%201=1",
    "1%27",
    "(1)",
    "1*",
    "a" * 300,
    "9" * 300,
    "%C3%A9",
    "%F0%9F%98%80",
    "%ff",
    "%EF%BC%8E%EF%BC%8E",
    "%252e%252e",
    "1%2C2",
    "$count",
    "_",
    "null%20",
)
RESOURCES = ("contacts", "invoices", "products", "payments")


async def test_what_can_be_no_id_reaches_no_system(subject: Subject) -> None:
    for resource, poison in product(RESOURCES, POISON):
        for method, path, body in (
            ("GET", f"{resource}/{poison}", None),
            ("DELETE", f"{resource}/{poison}", None),
            ("PATCH", f"{resource}/{poison}", {"external_ref": "x"}),
            ("POST", f"invoices/{poison}/finalize", None),
            ("POST", f"invoices/{poison}/credit", None),
            ("GET", f"invoices/{poison}/pdf", None),
        ):
            before = len(subject.emulator.journal)
            answer = await subject.ask(method, path, body=body, lacking=True)
            assert answer.status_code in (404, 405, 422), f"{method} {path}: {answer.status_code} {answer.text}"
            heard = [seen.path for seen in subject.emulator.journal[before:]]
            if poison != "_":
                assert heard == [], f"{method} {path} reached {heard}"


async def test_what_can_be_no_id_is_refused_in_a_body(subject: Subject) -> None:
    draft = await subject.draft("invoices")
    books = {name: len(rows) for name, rows in subject.emulator.books().items()}
    for poison in POISON:
        with nullcontext() if poison == "_" else subject.quiet():
            answer = await subject.ask("POST", "invoices", body={**draft, "contact_id": poison})
        assert answer.status_code in (404, 422), f"{poison}: {answer.text}"
        problem_of(answer)
        assert {name: len(rows) for name, rows in subject.emulator.books().items()} == books, poison


@pytest.mark.parametrize("resource", ["contacts", "products", "invoices"])
async def test_an_id_is_the_same_everywhere(subject: Subject, resource: str) -> None:
    made = await subject.make(resource)
    change = subject.news(resource)
    changed = await subject.ask("PATCH", f"{resource}/{made['id']}", body=change)
    assert body_of(changed)["id"] == made["id"]
    again = await subject.ask("PATCH", f"{resource}/{made['id']}", body=change)
    assert body_of(again)["id"] == made["id"]
    assert (await subject.get(f"{resource}/{made['id']}"))["id"] == made["id"]
    ids = [one["id"] for one in await subject.walk(resource)]
    assert ids.count(made["id"]) == 1
    assert len(ids) == len(subject.books(resource))


async def test_an_id_that_the_system_changes_still_finds_its_record(subject: Subject) -> None:
    """Whatever the system calls the record now, ours is the first id: final, paid, credited and filtered too."""
    subject.need("invoices.finalize")
    draft = await subject.make("invoices")
    for quantity in ("3", "4"):
        lines = [await subject.line(quantity=quantity)]
        answer = await subject.ask("PATCH", f"invoices/{draft['id']}", body={"lines": lines})
        assert answer.status_code == 200, answer.text
    answer = await subject.ask("POST", f"invoices/{draft['id']}/finalize")
    assert body_of(answer)["id"] == draft["id"]
    paid = await subject.pay(body_of(answer))
    assert paid.status_code == 201, paid.text
    assert body_of(paid)["allocations"][0]["invoice_id"] == draft["id"]
    read = await subject.get(f"invoices/{draft['id']}")
    assert (read["totals"]["gross"], read["payment_status"]) == ("48.40", "paid")
    subject.need_filter("invoices.list", "contact_id")
    found = await subject.walk("invoices", contact_id=draft["contact_id"])
    assert [one["id"] for one in found] == [draft["id"]]


async def test_an_id_has_one_spelling(subject: Subject) -> None:
    """A number with a zero before it is the same number to many systems: by that, too, a record has two ids."""
    subject.need_filter("invoices.list", "contact_id")
    made = await subject.make("invoices")
    other = f"0{made['contact_id']}"
    await subject.refused(404, "not_found", "GET", f"contacts/{other}")
    assert await subject.walk("invoices", contact_id=other) == []


async def test_ten_alike_are_ten(subject: Subject) -> None:
    """Records that say the same are told apart: each create answers its own id."""
    fields = {"name": "Volkoren brood"}
    made = [await subject.make("products", **fields) for _ in range(10)]
    assert len({one["id"] for one in made}) == 10
    assert {one["id"] for one in await subject.walk("products")} == {one["id"] for one in made}
    for one in made:
        assert (await subject.get(f"products/{one['id']}"))["id"] == one["id"]
