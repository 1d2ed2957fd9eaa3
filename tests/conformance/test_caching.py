"""Laws of freshness: a second question costs no call, and no answer is older than the last write."""

import pytest

from gateway.contract.emulator import Fault
from tests.conformance.subject import Subject, body_of, problem_of
from tests.exchange import Listening

SLOW = ("vat-codes", "ledger-accounts", "payment-methods", "company")


async def test_a_second_question_costs_no_call(subject: Subject) -> None:
    made = await subject.make("contacts")
    slow = [path for path in SLOW if subject.can(f"{path}.{'get' if path == 'company' else 'list'}")]
    for path in (f"contacts/{made['id']}", "contacts", *slow):
        first = await subject.ask("GET", path, headers={"cache-control": "no-cache"})
        subject.house.clock.advance(2)
        with subject.quiet():
            second = await subject.ask("GET", path)
        assert second.content == first.content
        assert "hit" in second.headers["cache-status"]
        assert second.headers["age"] == "2"
        assert second.headers["etag"] == first.headers["etag"]
        with subject.quiet():
            unchanged = await subject.ask("GET", path, headers={"if-none-match": first.headers["etag"]})
        assert (unchanged.status_code, unchanged.content) == (304, b"")


async def test_a_caller_may_insist_on_fresh_answers(subject: Subject) -> None:
    made = await subject.make("contacts")
    path = f"contacts/{made['id']}"
    await subject.ask("GET", path)
    for directive, calls in (("no-cache", True), ("max-age=0", True), ("max-age=60", False)):
        before = len(subject.emulator.journal)
        answer = await subject.ask("GET", path, headers={"cache-control": directive})
        assert (len(subject.emulator.journal) > before) is calls, directive
        assert ("hit" in answer.headers["cache-status"]) is not calls
    subject.house.clock.advance(10)
    before = len(subject.emulator.journal)
    await subject.ask("GET", path, headers={"cache-control": "max-age=5"})
    assert len(subject.emulator.journal) > before


async def test_an_answer_does_not_live_for_ever(subject: Subject) -> None:
    made = await subject.make("contacts")
    for path in (f"contacts/{made['id']}", "vat-codes"):
        await subject.ask("GET", path)
        subject.house.clock.advance(3600)
        before = len(subject.emulator.journal)
        await subject.ask("GET", path)
        assert len(subject.emulator.journal) > before


async def test_a_write_is_seen_by_the_very_next_read(subject: Subject) -> None:
    first = await subject.make("contacts")
    listed = await subject.ask("GET", "contacts", limit="200")
    assert first["id"] in {one["id"] for one in body_of(listed)["data"]}
    second = await subject.make("contacts")
    listed = await subject.ask("GET", "contacts", limit="200")
    assert second["id"] in {one["id"] for one in body_of(listed)["data"]}
    await subject.ask("GET", f"contacts/{first['id']}")
    await subject.ask("PATCH", f"contacts/{first['id']}", body={"email": "nieuw@voorbeeld.example"})
    read = await subject.ask("GET", f"contacts/{first['id']}")
    assert body_of(read)["email"] == "nieuw@voorbeeld.example"
    await subject.ask("DELETE", f"contacts/{first['id']}")
    assert (await subject.ask("GET", f"contacts/{first['id']}")).status_code == 404
    listed = await subject.ask("GET", "contacts", limit="200")
    assert first["id"] not in {one["id"] for one in body_of(listed)["data"]}


async def test_a_write_of_one_resource_shows_in_another(subject: Subject) -> None:
    invoice = await subject.final_invoice()
    await subject.ask("GET", f"invoices/{invoice['id']}")
    paid = await subject.pay(invoice)
    assert paid.status_code == 201, paid.text
    read = await subject.ask("GET", f"invoices/{invoice['id']}")
    assert body_of(read)["payment_status"] == "paid"


async def test_a_write_of_unknown_fate_is_seen_too(subject: Subject) -> None:
    draft = await subject.draft("contacts")
    await subject.ask("GET", "contacts", limit="200")
    subject.emulator.fail(Fault("lost"), when=lambda seen: seen.method != "GET")
    await subject.ask("POST", "contacts", body=draft)
    subject.emulator.heal()
    listed = await subject.ask("GET", "contacts", limit="200")
    assert draft["email"] in {one["email"] for one in body_of(listed)["data"]}


async def test_an_answer_crosses_no_connection(subject: Subject) -> None:
    made = await subject.make("contacts")
    await subject.ask("GET", f"contacts/{made['id']}")
    other = await subject.house.connect(subject.name)
    before = len(subject.emulator.journal)
    answer = await subject.ask("GET", f"contacts/{made['id']}", connection=other)
    assert answer.status_code == 200, answer.text
    assert len(subject.emulator.journal) > before


async def test_who_read_the_same_often_reads_what_a_newcomer_reads(subject: Subject) -> None:
    """Others write to the same books: what is heard again is not translated, and shows in no answer and no call."""
    invoice = await subject.final_invoice()
    contact = f"contacts/{invoice['contact_id']}"
    paths = ("contacts", contact, "invoices", "invoices?include=lines", f"invoices/{invoice['id']}")
    other = await subject.house.connect(subject.name)

    async def told(path: str, connection: str) -> tuple[object, int]:
        before = len(subject.emulator.journal)
        answer = await subject.ask("GET", path, connection=connection, headers={"cache-control": "no-cache"})
        assert answer.status_code == 200, answer.text
        calls = len(subject.emulator.journal) - before
        return body_of(answer) | {"next_cursor": None}, calls

    for path in paths:
        await told(path, subject.connection)
        translated = await told(path, subject.connection)
        assert await told(path, subject.connection) == translated
    for change in ("nobody writes", "a contact changes", "an invoice is paid"):
        if change == "a contact changes":
            await subject.ask("PATCH", contact, connection=other, body={"email": "elders@voorbeeld.example"})
        elif change == "an invoice is paid":
            subject.connection, regular = other, subject.connection
            assert (await subject.pay(invoice)).status_code == 201
            subject.connection = regular
        newcomer = await subject.house.connect(subject.name)
        for path in paths:
            assert (await told(path, subject.connection))[0] == (await told(path, newcomer))[0], change


@pytest.mark.parametrize("resource", SLOW)
async def test_settings_outlive_the_systems_trouble_and_say_so(subject: Subject, resource: str) -> None:
    first = await subject.ask("GET", resource)
    told_at = subject.house.clock.monotonic()
    subject.house.clock.advance(1800)
    subject.emulator.fail(Fault("html", status=503), times=50)
    stale = await subject.ask("GET", resource)
    assert (stale.status_code, stale.content) == (200, first.content)
    assert "stale" in stale.headers["cache-status"]
    # The system was asked a few times first, with a rest between: time that the answer is older by, too.
    assert 1800 <= int(stale.headers["age"]) <= subject.house.clock.monotonic() - told_at
    subject.house.clock.advance(3 * 24 * 3600)
    subject.emulator.heal()
    subject.emulator.fail(Fault("html", status=503), times=50)
    assert (await subject.ask("GET", resource)).status_code in (502, 503, 504)


async def test_records_do_not_outlive_the_systems_trouble(subject: Subject) -> None:
    made = await subject.make("contacts")
    await subject.ask("GET", f"contacts/{made['id']}")
    await subject.ask("GET", "contacts")
    subject.house.clock.advance(1800)
    subject.emulator.fail(Fault("html", status=503), times=50)
    for path in (f"contacts/{made['id']}", "contacts"):
        answer = await subject.ask("GET", path)
        assert answer.status_code in (502, 503, 504), "a stale record was served"
        problem_of(answer)


async def test_equal_questions_share_one_call(subject: Subject) -> None:
    import asyncio

    made = await subject.make("contacts")
    await subject.get("contacts")
    before = len(subject.emulator.journal)
    subject.emulator.fail(Fault("slow", seconds=1.0), times=10)  # so that all have asked when the first is answered
    answers = await asyncio.gather(*(subject.ask("GET", f"contacts/{made['id']}") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(subject.emulator.journal) == before + 1


async def test_an_answer_given_again_unrouted_is_the_one_that_the_long_way_gives(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    await subject.final_invoice()
    key = await subject.house.polder.create_key(tenant="acme", name="law", scopes=["*"])
    listening = Listening(subject.house, key, monkeypatch)
    named = {"x-request-id": "law-1", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    for target in await _read_targets(subject):
        subject.house.clock.advance(60)  # nothing that is known now, of key or connection, runs out meanwhile
        await listening.get(target)
        first = await listening.get(target)
        tag = first.header("etag")
        for seconds, known in ((0, None), (1.5, tag), (0, f'"x", W/{tag}'), (0, '"other"')):
            subject.house.clock.advance(seconds)
            sent = named if known is None else {**named, "if-none-match": known}
            short, long = await listening.get(target, sent), await listening.get(target, {**sent, "pragma": "x"})
            assert (short.performed, long.performed) == (0, 1), target
            assert short == long
            assert short.status == (200 if known in (None, '"other"') else 304)


async def _read_targets(subject: Subject) -> list[str]:
    """Every read that the cache answers, in several forms."""
    targets = []
    base = f"/v1/connections/{subject.connection}"
    can_get = {operation.resource: operation.verb == "get" for operation in subject.offered("list", "get")}
    for operation in subject.offered("list", "get"):
        path = f"{base}/{operation.resource}"
        if operation.shape == "list":
            targets += [path, f"{path}?include=provider&limit=1"]
            listed = (await subject.get(operation.resource, limit="1"))["data"]
            targets += [f"{path}/{one['id']}" for one in listed if can_get[operation.resource]]
        elif operation.resource == "company":
            targets.append(f"{path}?include=raw")
    return targets
