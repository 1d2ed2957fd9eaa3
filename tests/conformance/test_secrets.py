"""Laws of secrets: what opens the books appears nowhere but on the wire to the system."""

import base64
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from urllib.parse import quote, quote_plus

import pytest

from gateway.contract.emulator import Fault
from gateway.contract.exact import dumps
from gateway.contract.secret import Secret
from tests.conformance.subject import Subject
from tests.conformance.test_tokens import exchanging

REFUSALS = (
    b'{"error": "invalid_grant", "error_description": %}',
    b'{"error": "invalid_client", "error_description": %}',
    b'{"error": %, "message": %}',
    b'{"success": false, "error": {"code": 401, "message": %}}',
    b'{"success": false, "error": {"code": 500, "message": %}}',
    b'[{"errorCode": "X", "message": %}]',
    b'{"ok": false, "error": {"code": "x", "message": %, "messageEn": %}}',
)
"""In the words of every kind of system."""

SEALED = ("connections", "credentials", "tokens", "intents", "authorizations")
"""The tables that hold what opens the books."""


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


def presented(subject: Subject) -> list[str]:
    """The secrets that the last request showed to the system."""
    kind = subject.adapter.credential(subject.emulator.credentials()["type"])
    assert kind is not None
    headers = subject.emulator.journal[-1].headers
    told = [headers[name.lower()] for name in kind.operator_headers]
    return [headers[kind.header.lower()].removeprefix(kind.prefix), *told]


async def in_and_out(subject: Subject) -> list[str]:
    """Work, trouble and refusals of all sorts; every answer's text and headers."""
    told = []

    async def note(method: str, path: str, body: object = None) -> None:
        answer = await subject.ask(method, path, body=body, headers={"cache-control": "no-cache"}, lacking=True)
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


@pytest.mark.parametrize("status", [200, 202, 400, 401, 422, 503])
async def test_a_system_that_quotes_what_it_refuses_betrays_nothing(subject: Subject, status: int) -> None:
    """Some refuse under a status that passes for a success."""
    for shape in REFUSALS:
        await subject.ask("GET", "contacts", headers={"cache-control": "no-cache"})  # so that there is a token
        secrets = presented(subject)
        quoted = " ".join(spelling for text in secrets for spelling in (text, quote(text, safe=""), quote_plus(text)))
        fault = Fault("status", status, {"content-type": "application/json"}, shape.replace(b"%", dumps(quoted)))
        subject.emulator.fail(fault, times=1_000, when=lambda seen: not subject.emulator.is_token_request(seen))
        answers = [
            await subject.ask("GET", "contacts", headers={"cache-control": "no-cache"}),
            await subject.ask("POST", "contacts", body=await subject.draft("contacts")),
        ]
        subject.emulator.heal()
        subject.house.clock.advance(120)
        for answer in answers:
            assert answer.status_code >= 400, "it was refused"
            assert [text for text in secrets if text in answer.text or quote(text) in answer.text] == []


@pytest.mark.parametrize("status", [200, 422])
async def test_a_refusal_without_end_is_told_by_its_beginning(subject: Subject, status: int) -> None:
    """And a secret that stands where it is cut is not told by half."""
    for shape in REFUSALS:
        await subject.ask("GET", "contacts", headers={"cache-control": "no-cache"})  # so that there is a token
        secrets = presented(subject)
        quoted = "\N{GRINNING FACE}" * 990 + " ".join(secrets) + "é" * 100_000
        fault = Fault("status", status, {"content-type": "application/json"}, shape.replace(b"%", dumps(quoted)))
        subject.emulator.fail(fault, times=1_000, when=lambda seen: not subject.emulator.is_token_request(seen))
        answer = await subject.ask("GET", "contacts", headers={"cache-control": "no-cache"})
        subject.emulator.heal()
        subject.house.clock.advance(120)
        assert answer.status_code >= 400, "it was refused"
        assert len(answer.json()["detail"]) < 1_200
        assert len(answer.content) < 20_000
        assert [text for text in secrets if text[:8] in answer.text] == []


@pytest.mark.parametrize("status", [200, 400, 401, 503])
async def test_a_token_endpoint_that_quotes_what_it_refuses_betrays_nothing(subject: Subject, status: int) -> None:
    """Neither to who asks for books, nor to who tries credentials: not in any words, nor under any status."""
    connection = await exchanging(subject)
    credentials = subject.widest_credentials()
    for shape in REFUSALS:
        secrets = await sent_to_token_endpoints(subject, connection)
        quoted = " ".join(spelling for text in secrets for spelling in (text, quote(text, safe=""), quote_plus(text)))
        fault = Fault("status", status, {"content-type": "application/json"}, shape.replace(b"%", dumps(quoted)))
        subject.emulator.expire_tokens()
        subject.emulator.fail(fault, times=1_000, when=subject.emulator.is_token_request)
        answers = [await subject.ask("GET", "contacts", connection=connection, headers={"cache-control": "no-cache"})]
        if "refresh_token" not in credentials:  # nobody asks for a token to try those that are brought
            answers.append(await subject.ask("PATCH", "", connection=connection, body={"credentials": credentials}))
        subject.emulator.heal()
        subject.house.clock.advance(120)
        for answer in answers:
            assert answer.status_code >= 400, "it was refused"
            assert [text for text in secrets if text in answer.text or quote(text) in answer.text] == []


async def sent_to_token_endpoints(subject: Subject, connection: str) -> list[str]:
    """What the next request for a token of that connection is made from, as far as it is secret."""
    storage = subject.house.polder.storage
    stored = await storage.connections.find(connection)
    assert stored is not None
    kind = subject.adapter.credential(stored.credential_type or "")
    newest = await storage.tokens.newest(stored)
    assert kind is not None
    fields = await storage.connections.credentials(stored)
    settings = subject.emulator.operator_settings()
    sent = [fields[one.name] for one in kind.fields if one.secret and one.name in fields]
    sent += [Secret(settings[one.name]) for one in subject.adapter.operator_settings if one.secret]
    sent += [newest.token.refresh_token] if newest is not None and newest.token.refresh_token is not None else []
    assert sent
    return [secret.reveal() for secret in sent]


async def test_a_deleted_connection_leaves_no_credentials(subject: Subject) -> None:
    storage = subject.house.polder.storage
    connection = await storage.connections.find(subject.connection)
    assert connection is not None
    assert {"connections"} < set(sealed_in(subject.house.home / "polder.db"))
    answer = await subject.ask("DELETE", "")
    assert answer.status_code == 204, answer.text
    assert await storage.connections.find(subject.connection) is None
    assert sealed_in(subject.house.home / "polder.db") == []
    with subject.quiet():
        await subject.refused(404, "not_found", "GET", "")
        await subject.refused(404, "not_found", "GET", "contacts")


def sealed_in(database: Path) -> list[str]:
    """The tables in which something is kept of anybody's credentials or tokens."""
    with closing(connect(database)) as opened:
        counted = {name: opened.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in SEALED}
    return [name for name, rows in counted.items() if rows]
