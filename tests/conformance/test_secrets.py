"""Laws of secrets: what opens the books appears nowhere but on the wire to the system."""

import base64
from pathlib import Path

import pytest

from gateway.contract.emulator import Fault
from tests.conformance.subject import Subject


def secrets_of(subject: Subject) -> set[str]:
    """Every secret field of the credentials, and every token that went over the wire."""
    credentials = subject.emulator.credentials()
    kind = subject.adapter.credential(credentials["type"])
    assert kind is not None
    known = {str(credentials[one.name]) for one in kind.fields if one.secret}
    for seen in subject.emulator.journal:
        presented = seen.headers.get(kind.header.lower())
        if presented is not None:
            known.add(presented.removeprefix(kind.prefix))
    return known


async def in_and_out(subject: Subject) -> list[str]:
    """Work, trouble and refusals of all sorts; every answer's text and headers."""
    told = []

    async def note(method: str, path: str, body: object = None) -> None:
        answer = await subject.ask(method, path, body=body, headers={"cache-control": "no-cache"})
        told.append(f"{answer.headers} {answer.text}")

    wrong = {**subject.emulator.credentials(), "type": "geen"}
    await note("POST", "contacts", await subject.draft("contacts"))
    for path in ("", "companies", "capabilities", "contacts", "company", "contacts/987654321", "raw/nergens"):
        await note("GET", path)
    await note("PATCH", "", {"credentials": wrong})
    await note("PATCH", "", {"credentials": {**subject.emulator.credentials(), "extra": "x"}})
    for kind, status in (("html", 500), ("status", 401), ("status", 403), ("scalar", 200), ("lost", 200)):
        subject.emulator.fail(Fault(kind, status=status), times=6)  # type: ignore[arg-type]  # the literals above
        await note("GET", "contacts")
        subject.emulator.heal()
        subject.house.clock.advance(120)
    metrics = await (await subject.house.anonymous()).get("/metrics")
    return [*told, metrics.text]


async def reprs(subject: Subject) -> str:
    """How everything that holds a secret shows itself to a debugger, a log or an exception."""
    storage = subject.house.polder.storage
    connection = await storage.connections.find(subject.connection)
    assert connection is not None
    credentials = await storage.connections.credentials(connection)
    token = await storage.tokens.newest(connection)
    provider = subject.house.polder.engine.providers.find(subject.name)
    shown = [connection, credentials, token, provider, subject.adapter, vars(subject.house.polder)]
    return " ".join(f"{one!r} {one!s} {one}" for one in shown)


async def test_a_secret_is_told_to_nobody(subject: Subject, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    told = await in_and_out(subject)
    secrets = secrets_of(subject)
    assert secrets
    output = capfdbinary.readouterr()
    written = {"an answer": "".join(told).encode(), "the log": output.err + output.out}
    written["a repr"] = (await reprs(subject)).encode()
    for path in sorted(Path(subject.house.home).rglob("*")):
        if path.is_file():
            written[path.name] = path.read_bytes()
    assert any(name.startswith("polder.db") for name in written)
    for place, text in written.items():
        for secret in secrets:
            assert secret.encode() not in text, f"a secret stands in {place}"
            assert base64.b64encode(secret.encode()).rstrip(b"=") not in text, f"a secret stands in {place}, in base 64"
            assert secret.encode().hex().encode() not in text, f"a secret stands in {place}, in hexadecimal"


async def test_a_deleted_connection_leaves_no_credentials(subject: Subject) -> None:
    storage = subject.house.polder.storage
    connection = await storage.connections.find(subject.connection)
    assert connection is not None
    assert await storage.connections.credentials(connection) or await storage.tokens.newest(connection)
    answer = await subject.ask("DELETE", "")
    assert answer.status_code == 204, answer.text
    assert await storage.connections.find(subject.connection) is None
    with subject.quiet():
        await subject.refused(404, "not_found", "GET", "")
        await subject.refused(404, "not_found", "GET", "contacts")
