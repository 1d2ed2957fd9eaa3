"""Laws of tenants and keys: what is not yours is not there, and a key does what it carries."""

from collections import defaultdict

from gateway.contract.operations import OPERATIONS
from gateway.engine.access.keys import PREFIX, _checksum, parse
from tests.conformance.subject import Json, Subject, problem_of

NOBODYS = "con_bestaatniet000000"


def paths(connection: str) -> list[tuple[str, str]]:
    """Every operation on a connection, with ids that could be."""
    return [
        (one.method, one.path.format_map(defaultdict(lambda: "1", connection_id=connection)))
        for one in OPERATIONS
        if "{connection_id}" in one.path
    ]


async def test_anothers_connection_is_as_good_as_none(subject: Subject) -> None:
    stranger = await subject.house.client_for(tenant="buren")
    with subject.quiet():
        for (method, theirs), (_, nobodys) in zip(paths(subject.connection), paths(NOBODYS), strict=True):
            body = b"{}" if method in ("POST", "PATCH", "PUT") else None
            headers = {"x-request-id": "vast", "content-type": "application/json"} if body else {"x-request-id": "vast"}
            one = await stranger.request(method, theirs, content=body, headers=headers)
            other = await stranger.request(method, nobodys, content=body, headers=headers)
            assert one.status_code == 404, f"{method} {theirs}: {one.status_code} {one.text}"
            assert one.text.replace(subject.connection, NOBODYS) == other.text
            assert one.headers.keys() == other.headers.keys()
    listed = (await stranger.get("/v1/connections")).json()
    assert (listed["data"], listed["total_count"] in (0, None)) == ([], True)


async def test_a_bound_key_reaches_its_own_connections_only(subject: Subject) -> None:
    other = await subject.house.connect(subject.name)
    bound = await subject.house.client_for(connections=[other])
    assert (await subject.ask("GET", "contacts", client=bound, connection=other)).status_code == 200
    with subject.quiet():
        answer = await subject.ask("GET", "contacts", client=bound)
        assert answer.status_code in (403, 404), answer.text
        problem_of(answer)
    listed = (await bound.get("/v1/connections")).json()["data"]
    assert [one["id"] for one in listed] == [other]


async def test_a_key_does_only_what_its_scopes_say(subject: Subject) -> None:
    reader = await subject.house.client_for(scopes=["contacts:read"])
    assert (await subject.ask("GET", "contacts", client=reader)).status_code == 200
    tried: list[tuple[str, str, Json | None, str]] = [
        ("POST", "contacts", {}, "contacts:write"),
        ("DELETE", "contacts/1", None, "contacts:write"),
        ("GET", "invoices", None, "invoices:read"),
        ("POST", "invoices/1/finalize", None, "invoices:write"),
        ("GET", "raw/contacts", None, "raw:read"),
        ("DELETE", "raw/contacts", None, "raw:write"),
        ("GET", "", None, "connections:read"),
        ("DELETE", "", None, "connections:manage"),
    ]
    with subject.quiet():
        for method, path, body, scope in tried:
            answer = await subject.ask(method, path, body=body, client=reader, lacking=True)
            problem = problem_of(answer)
            assert (answer.status_code, problem["code"]) == (403, "forbidden"), f"{method} {path}: {answer.text}"
            assert problem["required_scope"] == scope


async def test_nobody_comes_in_without_a_key(subject: Subject) -> None:
    anonymous = await subject.house.anonymous()
    for key in ("", "polder_live_x", "Bearer", "\u00e9", *keys_of_nobody(subject)):
        headers = {b"authorization": f"Bearer {key}".encode("latin-1")} if key else {}
        with subject.quiet():
            for method, path in paths(subject.connection):
                answer = await anonymous.request(method, path, headers=headers)
                problem = problem_of(answer)
                assert (answer.status_code, problem["code"]) == (401, "unauthenticated"), f"{method} {path}"


def keys_of_nobody(subject: Subject) -> list[str]:
    """Keys as they should be, but for their secret: one of an id that no key has, and one of the id of a good key."""
    good = parse(subject.house.client.headers["authorization"].removeprefix("Bearer "))
    assert good is not None
    bodies = [f"{PREFIX}{id}_{good[1][::-1]}" for id in ("00000000", good[0])]
    return [body + _checksum(body) for body in bodies]
