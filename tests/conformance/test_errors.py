"""Laws of trouble: nonsense is never data, waiting is passed on, and nobody is left guessing what became of a write."""

import pytest

from gateway.contract.emulator import Fault, FaultKind, ReceivedRequest
from gateway.contract.operations import Operation
from tests.conformance.subject import Json, Subject, body_of, problem_of

NONSENSE: tuple[FaultKind, ...] = ("html", "empty", "truncated", "scalar")
PASSING = (502, 503, 504)
FRESH = {"cache-control": "no-cache"}


def strike(subject: Subject, fault: Fault, *, times: int = 10, writes: bool = False) -> None:
    """Let the next requests that ask for no token (only writes, if so wanted) go wrong."""

    def when(seen: ReceivedRequest) -> bool:
        return not subject.emulator.is_token_request(seen) and (not writes or seen.method != "GET")

    subject.emulator.fail(fault, times=times, when=when)


async def reads(subject: Subject) -> list[tuple[Operation, str]]:
    """Every read that the system offers, with a path that answers."""
    subject.emulator.populate()
    found: list[tuple[Operation, str]] = []
    listable = {operation.resource for operation in subject.offered("list")}
    for operation in subject.offered("list", "get"):
        if operation.verb == "list" or operation.resource == "company":
            found.append((operation, operation.resource))
        elif operation.resource in listable:
            listed = (await subject.get(operation.resource, limit="1"))["data"]
            found.append((operation, f"{operation.resource}/{listed[0]['id']}"))
    return found


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("kind", NONSENSE)
async def test_nonsense_is_never_taken_for_data(subject: Subject, kind: FaultKind, status: int) -> None:
    for operation, path in await reads(subject):
        strike(subject, Fault(kind, status=status))
        answer = await subject.ask("GET", path, headers=FRESH)
        assert answer.status_code in PASSING, f"{operation.name}: {answer.status_code} {answer.text}"
        problem_of(answer)
        subject.emulator.heal()
        assert (await subject.ask("GET", path)).status_code == 200, f"{operation.name} does not recover"


async def test_what_is_always_there_is_never_told_as_gone(subject: Subject) -> None:
    """404 of a list would say that the connection is none of the caller's: who believes it forgets the connection."""
    always = [path for operation, path in await reads(subject) if operation.verb == "list" or path == "company"]
    for path in [*always, "companies"]:
        strike(subject, Fault("status", status=404))
        answer = await subject.ask("GET", path, headers=FRESH)
        subject.emulator.heal()
        assert answer.status_code in (200, 403, 502), f"{path}: {answer.text}"
        assert (await subject.ask("GET", path)).status_code == 200, f"{path} does not recover"
    strike(subject, Fault("status", status=404))
    body = {"provider": subject.name, "name": "Another", "credentials": dict(subject.emulator.credentials())}
    made = await subject.house.client.post("/v1/connections", json=body)
    assert (made.status_code, made.json()["code"]) == (502, "upstream_malformed")
    assert made.json()["upstream"]["status"] == 404


async def test_what_a_new_record_names_is_never_told_as_the_connection_gone(subject: Subject) -> None:
    """404 of what is to be made can only be about what its draft names: the address that was asked is there."""
    for resource in ("contacts", "products"):
        if not subject.can(f"{resource}.create"):
            continue
        draft, before = await subject.draft(resource), len(subject.books(resource))
        strike(subject, Fault("status", status=404), writes=True)
        answer = await subject.ask("POST", resource, body=draft)
        subject.emulator.heal()
        problem = problem_of(answer)
        told = (answer.status_code, problem["code"], problem["outcome"], problem["upstream"]["status"])
        assert told == (422, "upstream_rejected", "rejected", 404), answer.text
        assert len(subject.books(resource)) == before
        assert (await subject.ask("POST", resource, body=draft)).status_code == 201, "it is in nobody's way"


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("kind", NONSENSE)
async def test_nonsense_after_a_write_leaves_its_fate_open(subject: Subject, kind: FaultKind, status: int) -> None:
    draft = await subject.draft("contacts")
    before = len(subject.books("contacts"))
    strike(subject, Fault(kind, status=status), writes=True)
    answer = await subject.ask("POST", "contacts", body=draft)
    subject.emulator.heal()
    assert len(subject.books("contacts")) <= before + 1, "a write was repeated blindly"
    if answer.status_code == 201:  # found out in time
        assert (await subject.get(f"contacts/{body_of(answer)['id']}"))["email"] == draft["email"]
        return
    assert answer.status_code in PASSING, answer.text
    assert problem_of(answer)["outcome"] == "unknown"


async def test_a_write_whose_answer_is_lost_is_not_repeated_blindly(subject: Subject) -> None:
    draft = await subject.draft("contacts")
    before = len(subject.books("contacts"))
    strike(subject, Fault("lost"), writes=True)
    answer = await subject.ask("POST", "contacts", body=draft)
    subject.emulator.heal()
    assert len(subject.books("contacts")) == before + 1
    if answer.status_code != 201:
        assert answer.status_code in PASSING, answer.text
        assert problem_of(answer)["outcome"] == "unknown"
    found = await subject.walk("contacts", email=draft["email"])
    assert len(found) == 1, "the very next read shows what was done"


async def test_a_lost_answer_to_a_read_is_asked_for_again(subject: Subject) -> None:
    made = await subject.make("contacts")
    strike(subject, Fault("lost"), times=1)
    assert (await subject.get(f"contacts/{made['id']}"))["id"] == made["id"]
    strike(subject, Fault("lost"))
    answer = await subject.ask("GET", f"contacts/{made['id']}", headers=FRESH)
    assert answer.status_code in PASSING, answer.text


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_passing_trouble_of_a_read_is_sat_out(subject: Subject, status: int) -> None:
    made = await subject.make("contacts")
    strike(subject, Fault("status", status=status), times=2)
    assert (await subject.get(f"contacts/{made['id']}"))["id"] == made["id"]
    strike(subject, Fault("status", status=status))
    answer = await subject.ask("GET", f"contacts/{made['id']}", headers=FRESH)
    assert answer.status_code in PASSING
    assert problem_of(answer)["retryable"] is True


async def test_too_late_an_answer_is_none(subject: Subject) -> None:
    made = await subject.make("contacts")
    strike(subject, Fault("slow", seconds=31.0), times=1)
    problem = await subject.refused(504, "upstream_timeout", "GET", f"contacts/{made['id']}", headers=FRESH)
    assert problem["fix"] == "wait"


async def test_too_late_an_answer_to_a_write_leaves_its_fate_open(subject: Subject) -> None:
    draft = await subject.draft("contacts")
    before = len(subject.books("contacts"))
    strike(subject, Fault("slow", seconds=60.0), writes=True)
    problem = await subject.refused(504, "upstream_timeout", "POST", "contacts", body=draft)
    assert problem["outcome"] == "unknown"
    assert len(subject.books("contacts")) <= before + 1


async def test_a_request_to_wait_is_passed_on_and_heeded(subject: Subject) -> None:
    made = await subject.make("contacts")
    fault = Fault("status", status=429, headers={"retry-after": "7", "content-type": "application/json"}, body=b"{}")
    strike(subject, fault, times=1)
    answer = await subject.ask("GET", f"contacts/{made['id']}", headers=FRESH)
    problem = problem_of(answer)
    assert (answer.status_code, problem["code"]) == (429, "upstream_rate_limited"), answer.text
    assert 7 <= int(answer.headers["retry-after"]) <= 8
    assert problem["retry_after"] == int(answer.headers["retry-after"])
    with subject.quiet():
        again = await subject.ask("GET", f"contacts/{made['id']}", headers=FRESH)
        assert again.status_code == 429
        assert 1 <= int(again.headers["retry-after"]) <= 8
    subject.house.clock.advance(8)
    assert (await subject.get(f"contacts/{made['id']}"))["id"] == made["id"]


async def test_a_write_that_was_told_to_wait_was_not_done(subject: Subject) -> None:
    draft = await subject.draft("contacts")
    before = len(subject.books("contacts"))
    strike(subject, Fault("status", status=429, headers={"retry-after": "30"}), writes=True)
    answer = await subject.ask("POST", "contacts", body=draft)
    assert answer.status_code == 429, answer.text
    assert problem_of(answer)["outcome"] in ("rejected", "not_sent")
    assert len(subject.books("contacts")) == before


async def test_every_problem_says_what_became_of_the_write(subject: Subject) -> None:
    made = await subject.make("contacts")
    wrong: list[tuple[str, str, Json | None]] = [
        ("POST", "contacts", {"colour": "blue"}),
        ("PATCH", f"contacts/{made['id']}", {"email": "no address"}),
        ("PATCH", "contacts/987654321", {"email": "een@ander.example"}),
        ("DELETE", "contacts/987654321", None),
    ]
    for method, path, body in wrong:
        problem = problem_of(await subject.ask(method, path, body=body, lacking=True))
        assert problem["outcome"] in ("not_sent", "rejected"), f"{method} {path}: {problem}"


async def test_a_caller_learns_the_request_id(subject: Subject) -> None:
    answer = await subject.ask("GET", "contacts", headers={"x-request-id": "mijn-vraag-1"})
    assert answer.headers["x-request-id"] == "mijn-vraag-1"
    answer = await subject.ask("GET", "contacts/987654321", headers={"x-request-id": "met spaties\t"})
    assert "spaties" not in problem_of(answer)["request_id"]
