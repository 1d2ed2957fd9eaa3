"""Canaries: marked secrets and marked personal data go down every path, and are then looked for where they must not be.

A real process of the gateway is asked for good and for bad, meets providers that break and that quote what they were
sent, breaks down itself, and is killed in the middle of a write. Afterwards its log, its metrics, every problem it told
and every byte of its home are searched.

- A *secret* opens something: credentials, tokens, API keys, signed links, the keys that seal. It stands nowhere.
- *Personal data* is what books hold of people. It goes to who asks for it, and else nowhere: into no log line, metric
  or problem, and into the store only sealed. What a caller names things by (``external_ref``, the name of a connection,
  an idempotency key) is the caller's own handle and is kept as it is.
"""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, quote

import httpx2
from pydantic import SecretStr

from gateway.app import build, new_key, storage_of
from gateway.contract.emulator import Emulator, Fault
from gateway.contract.exact import MalformedJson, loads
from gateway.demo import pointed_at
from gateway.engine.access.keys import mint
from gateway.engine.clock import SystemClock
from gateway.registry import discover, emulator_of
from gateway.serve import listen, port_of, serving
from gateway.settings import Settings
from gateway.store.seal import generate_key
from tests.chaos.processes import Gateway, fork_server, http_client
from tests.conformance.subjects import facts_of
from tests.house import emulated

PERSONAL: Mapping[str, Any] = {
    "company_name": "Kanarievogel Zevenhoven",
    "contact_person": "Quirina Kanariekooi",
    "email": "quirina@kanarie-een.example",
    "invoice_email": "nota@kanarie-twee.example",
    "phone": "0297556611",
    "mobile": "0655661177",
    "website": "https://kanarie-drie.example",
    "address": {
        "street": "Kanariestraatje",
        "house_number": "417",
        "postal_code": "2435XG",
        "city": "Kanariedorp",
        "country": "NL",
    },
    "vat_number": "NL001234560B01",
    "coc_number": "27998811",
    "iban": "NL91ABNA0417164300",
    "number": "88991177",
}
"""Of a contact. What a system cannot hold is left out on the way (``on_unsupported=drop``)."""
MENTIONED = (
    "zoek-kanarie-een@mail.example",  # in a filter
    "KanarieInVrijeTekst",  # in a search
    "kanarie-in-pad",  # in a path that leads nowhere
    "kanarie-in-vraag",  # in a query parameter that nobody knows
    "kanarie-in-raw",  # in a raw query
    "kanarie-kapot-json",  # in a body that is no JSON
    "kanarie-onbekend-veld",  # the value of a field that nobody knows
    "kanarie-geen-adres",  # where an address is wanted
    "kanarie-in-afgebroken",  # in a write that is killed
    "kanarie-in-ontploffing",  # in a request that breaks the gateway
    "kanarie-van-leverancier",  # in what a provider says when it breaks
    "kanarie-in-kop",  # in a header that nobody knows
)
"""Personal data in places where requests go wrong."""
OPEN = frozenset({"type", "email", "expires_at"})
"""Members of credentials that open nothing."""
ENOUGH = 40


@dataclass
class Aviary:
    """A gateway, its providers, and every marker that was let out."""

    gateway: Gateway
    emulators: Mapping[str, Emulator]
    secrets: dict[str, str] = field(default_factory=dict)
    """What they are, by their text."""
    problems: list[str] = field(default_factory=list)
    exposed: list[str] = field(default_factory=list)
    """Metrics, and answers that are no one's data."""

    async def ask(self, method: str, path: str, body: object = None, **more: Any) -> httpx2.Response | None:
        """One request; what goes wrong is noted as it was told. None where the gateway dies meanwhile."""
        headers = {
            "authorization": f"Bearer {self.gateway.key}",
            "cache-control": "no-cache",
            **more.pop("headers", {}),
        }
        url = f"http://127.0.0.1:{self.gateway.port}{path}"
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        if isinstance(body, bytes):
            headers["content-type"] = "application/json"
        try:
            answer = await self.gateway.client.request(method, url, headers=headers, **content, **more)
        except httpx2.TransportError:
            return None
        if answer.status_code >= 400:
            self.problems.append(f"{answer.headers} {answer.text}")
        return answer

    def listen_in(self) -> None:
        """Note every secret that went over the wire to a provider."""
        for name, emulator in self.emulators.items():
            for seen in emulator.journal:
                for text in _secrets_in(seen.headers, seen.body):
                    self.secrets.setdefault(text, f"sent to {name}")


_TELLING = re.compile(r"token|secret|password|wachtwoord|clientkey|verifier|subscription-key", re.IGNORECASE)


def _secrets_in(headers: Mapping[str, str], body: bytes) -> Iterator[str]:
    for name, value in headers.items():
        if name == "authorization" or _TELLING.search(name):
            yield value.rpartition(" ")[2]
    form = dict(parse_qsl(body.decode("utf-8", "replace")))
    try:
        said = loads(body)
    except MalformedJson:
        said = {}
    for given in (form, said if isinstance(said, dict) else {}):
        for name, value in given.items():
            if _TELLING.search(name) and isinstance(value, str) and len(value) > 11:
                yield value


@asynccontextmanager
async def aviary(home: Path) -> AsyncIterator[Aviary]:
    """All that can be emulated but the example, and one gateway in front of it."""
    async with AsyncExitStack() as stack:
        starter = await stack.enter_async_context(fork_server())
        client = await stack.enter_async_context(http_client())
        adapters = {name: adapter for name, adapter in emulated().items() if not adapter.example}
        sealing = generate_key()
        environment = {"POLDER_ENV": "chaos", "POLDER_ENCRYPTION_KEYS": sealing}
        emulators = {}
        for name, adapter in adapters.items():
            kind = emulator_of(name)
            assert kind is not None
            emulators[name] = emulator = kind(SystemClock())
            listener = listen("127.0.0.1", 0)
            await stack.enter_async_context(serving(emulator, listener))
            environment |= pointed_at(adapter, f"http://127.0.0.1:{port_of(listener)}", emulator)
        gateway = Gateway(starter, home, environment, client, plant="break_on_demand")
        stack.push_async_callback(gateway.close)
        gateway.key = await _key(home, sealing)
        made = Aviary(gateway, emulators)
        made.secrets[gateway.key] = "the API key"
        made.secrets[gateway.key.rpartition("_")[2]] = "the API key's secret part"
        made.secrets[sealing.partition(":")[2]] = "the sealing key"
        for name, emulator in emulators.items():
            for setting in discover()[name].operator_settings:
                if setting.secret:
                    made.secrets[emulator.operator_settings()[setting.name]] = f"{name}'s {setting.name}"
        await gateway.start()
        yield made


async def _key(home: Path, sealing: str) -> str:
    storage = storage_of(Settings(env="chaos", home=home, encryption_keys=SecretStr(sealing)))
    try:
        text, _ = await new_key(storage, SystemClock(), "acme", "kanaries", ["*"])
    finally:
        await storage.close()
    return text


async def go_through(birds: Aviary, provider: str) -> None:
    """One provider's connection: made, used, misused, broken and mended."""
    emulator = birds.emulators[provider]
    base = f"/v1/connections/{await connected(birds, provider)}"
    await write(birds, base, provider)
    await misuse(birds, base, provider)
    await break_provider(birds, base, emulator)
    await break_token_endpoint(birds, provider)
    await birds.ask("PATCH", base, {"credentials": lie_about(emulator)})
    await birds.ask("GET", f"{base}/contacts?limit=1")
    link = await birds.ask("POST", f"{base}/link")
    assert link is not None
    assert link.status_code == 200, link.text
    token = link.json()["url"].rpartition("/")[2]
    birds.secrets[token] = "a link"
    page = await birds.ask("GET", f"/connect/{token}")
    assert page is not None
    assert page.status_code == 200


def lie_about(emulator: Emulator) -> dict[str, Any]:
    """Credentials that are refused: those of the emulator, with other secrets."""
    return {name: value if name in OPEN else f"kanarie-{value[::-1]}" for name, value in emulator.credentials().items()}


async def connected(birds: Aviary, provider: str, credentials: Mapping[str, Any] | None = None) -> str:
    """A connection with those credentials, or the emulator's own; its id."""
    emulator = birds.emulators[provider]
    lie = lie_about(emulator)
    birds.secrets |= {value: f"a refused {name}" for name, value in lie.items() if name not in OPEN}
    refused = await birds.ask("POST", "/v1/connections", {"provider": provider, "name": "x", "credentials": lie})
    assert refused is not None
    assert refused.json()["code"] == "credentials_rejected", refused.text
    given = dict(credentials or emulator.credentials())
    birds.secrets |= {value: f"{provider}'s {name}" for name, value in given.items() if name not in OPEN}
    body: dict[str, Any] = {"provider": provider, "name": "x", "credentials": given}
    key = f"maak-{provider}-{given['type']}"
    made = await birds.ask("POST", "/v1/connections", body, headers={"idempotency-key": key})
    assert made is not None
    if made.status_code == 422:
        company = next(one["id"] for one in made.json()["companies"] if one["accessible"])
        made = await birds.ask("POST", "/v1/connections", {**body, "company_id": company})
        assert made is not None
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def write(birds: Aviary, base: str, provider: str) -> None:
    """Personal data as it should come, under a key: the answer is then kept."""
    draft = {"kind": "company", "roles": ["customer"], **PERSONAL}
    path = f"{base}/contacts?on_unsupported=drop"
    for _ in range(2):
        made = await birds.ask("POST", path, draft, headers={"idempotency-key": f"contact-{provider}"})
        assert made is not None
        assert made.status_code == 201, made.text
    listed = await birds.ask("GET", f"{base}/contacts?email={PERSONAL['email']}")
    assert listed is not None
    assert listed.json()["data"], "the books have it"
    await birds.ask("GET", f"{base}/contacts?email={MENTIONED[0]}")
    await birds.ask("GET", f"{base}/contacts?q={MENTIONED[1]}")


async def misuse(birds: Aviary, base: str, provider: str) -> None:
    """Requests that are refused."""
    (_, _, path, query, raw, broken, unknown, no_address, _, explosive, _, header) = MENTIONED
    await birds.ask("GET", f"{base}/contacts/{path}")
    await birds.ask("GET", f"/v1/{path}/{path}")
    await birds.ask("GET", f"{base}/contacts?geheim={query}&{query}=1")
    await birds.ask("GET", f"{base}/contacts?limit={query}")
    await birds.ask("GET", f"{base}/contacts?cursor={query}")
    await birds.ask("GET", f"{base}/raw/contacts?zoek={raw}")
    await birds.ask("POST", f"{base}/contacts", f'{{"company_name": "{broken}'.encode())
    await birds.ask("POST", f"{base}/contacts", {"kind": "company", "company_name": unknown, "bijzonder": unknown})
    await birds.ask("POST", f"{base}/contacts", {"kind": "company", "company_name": "x", "email": no_address})
    await birds.ask("POST", f"{base}/contacts", b"x" * 1_100_000)
    await birds.ask("GET", f"{base}/contacts", headers={"x-iets": header, "cookie": header, "traceparent": header})
    await birds.ask("POST", f"{base}/contacts", {"company_name": explosive}, headers={"x-break": explosive})
    stranger, _ = mint(tenant="x", name="x", scopes=["*"], now=SystemClock().now(), random=Random(provider))
    birds.secrets[stranger] = "an API key that was refused"
    for headers in ({"authorization": f"Bearer {stranger}"}, {"authorization": f"Bearer {stranger}x"}):
        refused = await birds.ask("GET", f"{base}/contacts", headers=headers)
        assert refused is not None
        assert refused.status_code == 401


async def break_provider(birds: Aviary, base: str, emulator: Emulator) -> None:
    """Answers that are none, and that quote what they were asked with."""
    for status in (400, 401, 403, 404, 422, 429, 500, 503):
        for shape in (
            '{"error": "%", "message": "%", "errors": [{"message": "%"}]}',
            '[{"errorCode": "X", "message": "%"}]',
            "<html>%</html>",
        ):
            asked = [seen for seen in emulator.journal if not emulator.is_token_request(seen)]
            body = shape.replace("%", " ".join([MENTIONED[10], *_secrets_in(asked[-1].headers, b"")]))
            # A token that is refused is replaced, and the next answer would quote the next one.
            fault = Fault("status", status, {"content-type": "application/json"}, body.encode())
            emulator.fail(fault, times=1 if status == 401 else 3, when=lambda seen: not emulator.is_token_request(seen))
            await birds.ask("GET", f"{base}/contacts?limit=1")
            emulator.heal()
    for kind in ("html", "scalar", "truncated", "empty", "lost"):
        emulator.fail(Fault(kind), times=3)
        await birds.ask("GET", f"{base}/contacts?limit=2")
        emulator.heal()
    emulator.expire_tokens()


async def break_token_endpoint(birds: Aviary, provider: str) -> None:
    """Answers of a token endpoint that quote the secrets they were asked with, in all sorts of words."""
    emulator = birds.emulators[provider]
    exchange = facts_of(provider).exchange
    given = dict(emulator.credentials() if exchange is None else exchange(emulator))
    settings = {one.name: one.secret for one in discover()[provider].operator_settings}
    secrets = [text for name, text in emulator.operator_settings().items() if settings[name]]
    secrets += [str(text) for name, text in given.items() if name not in OPEN]
    birds.secrets |= dict.fromkeys(secrets, f"what {provider}'s token endpoint was sent")
    quoted = " ".join([*secrets, *(quote(text, safe="") for text in secrets)])
    base = f"/v1/connections/{await connected(birds, provider, given)}"
    for status in (400, 401, 500, 200):
        for shape in (
            '{"error": "invalid_client", "error_description": "%", "message": "%"}',
            '{"success": false, "error": {"code": 401, "message": "%"}}',
        ):
            emulator.expire_tokens()
            fault = Fault("status", status, {"content-type": "application/json"}, shape.replace("%", quoted).encode())
            emulator.fail(fault, times=1_000, when=emulator.is_token_request)
            if "refresh_token" in given:
                await birds.ask("GET", f"{base}/contacts?limit=3")
            else:  # tried anew each time: what is stored is not asked with again for a while
                await birds.ask("PATCH", base, {"credentials": given})
            emulator.heal()


async def die_writing(birds: Aviary, provider: str) -> None:
    """Killed while a provider takes its time over a write that has a name."""
    birds.emulators[provider].fail(Fault("slow", seconds=5.0), when=lambda seen: seen.method == "POST")
    base = f"/v1/connections/{await connected(birds, provider)}"
    heard = len(birds.emulators[provider].journal)
    body = {"kind": "company", "company_name": MENTIONED[8]}
    writing = asyncio.create_task(birds.ask("POST", f"{base}/contacts", body, headers={"idempotency-key": "dood"}))
    async with asyncio.timeout(10):
        while not any(seen.method == "POST" for seen in birds.emulators[provider].journal[heard:]):
            await asyncio.sleep(0.01)
    birds.gateway.strike()
    await birds.gateway.bury()
    await writing
    birds.emulators[provider].heal()
    await birds.gateway.start()
    await birds.ask("GET", f"{base}/operations/dood")
    await birds.ask("POST", f"{base}/contacts", body, headers={"idempotency-key": "dood"})


def hits(where: str, content: bytes, markers: Mapping[str, str]) -> list[str]:
    """Which markers stand there, as they are or in a coat that is easily taken off."""
    return [f"{what} stands in {where}" for text, what in markers.items() if any(one in content for one in coats(text))]


def coats(text: str) -> set[bytes]:
    """A text, and it quoted for a URL, in hexadecimal, and in base 64 wherever in a longer text it may have begun."""
    plain = text.encode()
    found = {plain, quote(text, safe="").encode(), plain.hex().encode(), text.encode("utf-16-le")}
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + plain)
        found.add(coded[(0, 2, 3)[before] : len(coded) - 4].replace(b"=", b""))
    return {one for one in found if len(one) >= min(8, len(plain))}


def personal() -> dict[str, str]:
    """Every personal marker and what it is."""
    flat = {**PERSONAL, **PERSONAL["address"]}
    short = {"country", "house_number", "address"}
    told = {str(value): f"a contact's {name}" for name, value in flat.items() if name not in short}
    return told | {text: f"personal data ({text})" for text in MENTIONED}


def files_of(home: Path) -> Sequence[Path]:
    return [path for path in sorted(home.rglob("*")) if path.is_file()]


async def test_no_canary_is_heard(tmp_path: Path) -> None:
    async with aviary(tmp_path / "home") as birds:
        # Side by side, as most of it is waiting: for systems that break, before they are asked again.
        await asyncio.gather(*(go_through(birds, provider) for provider in birds.emulators))
        await die_writing(birds, "rompslomp")
        metrics = await birds.ask("GET", "/metrics")
        assert metrics is not None
        birds.exposed.append(metrics.text)
        birds.listen_in()
        log, home = birds.gateway.log, birds.gateway.home
        stored = {path.name: path.read_bytes() for path in files_of(home) if path != log}
        private = personal()
        assert len(birds.secrets) + len(private) >= ENOUGH, (len(birds.secrets), len(private))
        assert "internal_error" in "".join(birds.problems), "the gateway broke down once"
        assert {"polder.db", "polder.db-wal"} <= stored.keys()
        # A problem names the address that was asked for, and gives a system's own words of the caller's own books.
        told = {
            text: what for text, what in private.items() if text not in ("kanarie-in-pad", "kanarie-van-leverancier")
        }
        found = [
            *hits("the log", log.read_bytes(), birds.secrets | private),
            *hits("the metrics", "".join(birds.exposed).encode(), birds.secrets | private),
            *hits("a problem", "\n".join(birds.problems).encode(), birds.secrets | told),
        ]
        for name, content in stored.items():
            found += hits(name, content, birds.secrets | private)
        assert not found, "\n".join(found)


async def test_nothing_in_memory_shows_a_secret(tmp_path: Path) -> None:
    """What a debugger, an exception or a careless log line would print of all that the gateway is made of."""
    sealing = generate_key()
    secret = "kanarie-instelling-77"
    environment = {"POLDER_ROMPSLOMP_CLIENT_SECRET": secret, "POLDER_SNELSTART_SUBSCRIPTION_KEY": secret}
    settings = Settings(env="chaos", home=tmp_path, encryption_keys=SecretStr(sealing))
    polder = await build(settings, environment=environment)
    try:
        shown = [polder.settings, vars(polder), vars(polder.engine), vars(polder.storage), *polder.engine.providers]
        text = " ".join(f"{one!r} {one!s}" for one in shown)
    finally:
        await polder.close()
    assert hits("a repr", text.encode(), {secret: "a setting", sealing.partition(":")[2]: "the sealing key"}) == []


def test_a_canary_that_is_there_is_heard() -> None:
    """The search itself: in every coat, and cut out of a longer text."""
    for text in ("kanarie-verkeerd-token-91", PERSONAL["iban"], "quirina@kanarie-een.example"):
        marker = {text: "a marker"}
        for before in ("", "a", "ab", "abc", "user:"):
            for content in (
                f"{before}{text}, more".encode(),
                base64.b64encode(f"{before}{text}, more".encode()),
                f"{before}{text}".encode().hex().encode(),
                quote(f"{before}{text}", safe="").encode(),
            ):
                assert hits("there", content, marker) == ["a marker stands in there"], content
    assert hits("there", b"nothing of the kind", {"kanarie-verkeerd-token-91": "a marker"}) == []
