"""What an accounting system says to Polder, recorded once so that a stub can say it again at no cost.

Each provider's emulator is filled through Polder's own API, then the questions of the benchmark are asked once and
every exchange with the emulator is kept: method and target, and the reply. A description in every invoice holds
``MARK``, which the stub replaces with another number in every reply where no two replies shall be the same.

Then the books are made larger: 200 invoices for a longer page, and 5,000 contacts for a filter that Polder applies.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal

import httpx2
from pydantic import SecretStr

from gateway.app import Polder, build
from gateway.contract.emulator import Emulator
from gateway.contract.exact import dumps, loads
from gateway.engine.clock import SystemClock
from gateway.engine.reads.filters import SCAN_STEP
from gateway.registry import discover, emulator_of
from gateway.settings import Settings, variable

MARK = "BENCH-00000000"
INVOICES = 50
MANY_INVOICES = 200
CONTACTS = 5_000
SCAN = "contacts?email=nobody@depaal.example"
"""A filter that looks at every contact and finds none, where the system does not apply it itself."""
_LINES = (
    ("Verhuur steiger, per dag", "3", "148.50"),
    ("Transport en opbouw", "1", "385.00"),
    ("Huur dieplader", "0.5", "219.95"),
)


_JSON = {"content-type": "application/json"}
Said = tuple[int, Mapping[str, str], bytes]
"""A reply: status, headers and body."""
Sent = tuple[str, str, str]
"""A request: method, target and body."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One provider: what it answers, and what the questions of the benchmark need to know."""

    provider: str
    replies: Mapping[str, Said]
    """By ``METHOD target``."""
    environment: Mapping[str, str]
    credentials: Mapping[str, Any]
    company_id: str
    allowed_scopes: Sequence[str]
    token_scopes: Sequence[str]
    invoice_id: str
    list_targets: Sequence[str]
    """The upstream targets that a page of invoices with lines costs: what a pass-through forwards in its stead."""
    get_targets: Sequence[str]
    """Those of one invoice."""
    carries_lines: bool
    """Whether the system's lists carry lines, so that asking for them costs no further call."""
    draft: Mapping[str, Any]
    """An invoice that can be made."""
    create_calls: Sequence[Sent]
    """What making it costs, in that order."""
    larger: Mapping[str, Said]
    """The replies, by ``METHOD target``, when there are 200 invoices."""
    scan_targets: Sequence[str]
    """The upstream targets that ``SCAN`` costs; none where the system applies that filter itself."""


class _Recorder(httpx2.ASGITransport):
    """Carries requests to the emulator, and keeps what was asked and what was heard."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(emulator)
        self.heard: dict[str, Said] = {}
        self.asked: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        body = await response.aread()
        self.asked.append(request)
        said = {name: text for name, text in response.headers.items() if name != "content-length"}
        self.heard[f"{request.method} {_target(request)}"] = (response.status_code, said, body)
        return httpx2.Response(response.status_code, headers=response.headers, content=body, request=request)

    async def again(self, request: httpx2.Request) -> None:
        """Send a request once more, and keep nothing."""
        copy = httpx2.Request(request.method, request.url, headers=request.headers, content=request.content)
        response = await super().handle_async_request(copy)
        assert response.status_code < 300, await response.aread()


def _target(request: httpx2.Request) -> str:
    return request.url.raw_path.decode()


async def record(provider: str, home: Path) -> Conversation:
    """Fill a provider's emulator with invoices and record what the benchmark will ask."""
    adapter = discover()[provider]
    make = emulator_of(provider)
    assert make is not None
    clock = SystemClock()
    emulator = make(clock)
    environment = {variable(adapter, name): text for name, text in emulator.operator_settings().items()}
    recorder = _Recorder(emulator)
    polder = await build(
        settings_of(home, "error"),
        clock=clock,
        adapters={provider: adapter},
        transport_for=lambda _: recorder,
        environment=environment,
    )
    await polder.start()
    try:
        return await _recorded(polder, emulator, provider, environment, recorder)
    finally:
        await polder.close()


def settings_of(home: Path, log_level: Literal["info", "error"] = "info") -> Settings:
    """The settings of a Polder of the benchmark."""
    return Settings(
        home=home,
        env="bench",
        encryption_keys=SecretStr(key_ring()),
        public_url="http://bench",
        log_level=log_level,
        deadline=300,  # an emulator takes its time to list thousands of contacts
    )


def key_ring() -> str:
    """Encryption keys of the benchmark: they guard nothing."""
    return f"bench:{base64.b64encode(bytes(range(32))).decode()}"


async def _recorded(
    polder: Polder,
    emulator: Emulator,
    provider: str,
    environment: Mapping[str, str],
    recorder: _Recorder,
) -> Conversation:
    key = await polder.create_key(tenant="bench", name="recording", scopes=["*"])
    transport = httpx2.ASGITransport(polder.asgi)
    headers = {"authorization": f"Bearer {key}", "cache-control": "no-cache"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://bench", headers=headers) as client:
        connection = await _connected(client, provider, emulator)
        base = f"/v1/connections/{connection['id']}"
        draft = await _filled(client, base, polder)
        page = f"{base}/invoices"
        listed = await _told(client, "GET", f"{page}?limit={INVOICES}&include=lines")  # slow facts are known after this
        invoice = listed["data"][0]["id"]
        list_targets = await _asked(client, f"{page}?limit={INVOICES}&include=lines", recorder)
        plain_targets = await _asked(client, f"{page}?limit={INVOICES}", recorder)
        get_targets = await _asked(client, f"{page}/{invoice}", recorder)
        await _told(client, "GET", f"{base}/companies")
        await _connected(client, provider, emulator)
        recorder.asked.clear()
        await _told(client, "POST", page, draft(INVOICES))
        create_calls = [(one.method, _target(one), one.content.decode()) for one in recorder.asked]
        replies = dict(recorder.heard)
        for count in range(INVOICES + 1, MANY_INVOICES):
            await _told(client, "POST", page, draft(count))
        await _told(client, "GET", f"{page}?limit={MANY_INVOICES}&include=lines")
        larger = dict(recorder.heard)
        scan_targets = await _scanned(client, base, recorder)
        replies |= {f"GET {target}": recorder.heard[f"GET {target}"] for target in scan_targets}
        return Conversation(
            provider=provider,
            replies=replies,
            environment=environment,
            credentials=emulator.credentials(),
            company_id=connection["company"]["id"],
            allowed_scopes=connection["scopes"]["allowed"],
            token_scopes=connection["scopes"]["token"],
            invoice_id=invoice,
            list_targets=list_targets,
            get_targets=get_targets,
            carries_lines=len(list_targets) <= len(plain_targets),
            draft=draft(INVOICES),
            create_calls=create_calls,
            larger=larger,
            scan_targets=scan_targets,
        )


async def _scanned(client: httpx2.AsyncClient, base: str, recorder: _Recorder) -> Sequence[str]:
    """Fill the books with contacts, and record what it costs to look at all of them."""
    await _told(client, "POST", f"{base}/contacts", _contact(f"{MARK} B.V."), on_unsupported="drop")
    make = next(one for one in reversed(recorder.asked) if one.method == "POST")
    for _ in range(CONTACTS - 2):  # there are two by now
        await recorder.again(make)
    recorder.asked.clear()
    answer = await client.get(f"{base}/{SCAN}")
    assert answer.status_code == 200, answer.text
    assert loads(answer.content)["data"] == []
    if "polder-emulated" not in answer.headers:
        return []
    assert len(recorder.asked) >= CONTACTS // SCAN_STEP, "every contact is looked at"
    return [_target(one) for one in recorder.asked]


async def _asked(client: httpx2.AsyncClient, path: str, recorder: _Recorder) -> Sequence[str]:
    """What one read of ours asks of the system."""
    recorder.asked.clear()
    await _told(client, "GET", path)
    return [_target(one) for one in recorder.asked]


async def _connected(client: httpx2.AsyncClient, provider: str, emulator: Emulator) -> Any:
    body: dict[str, Any] = {"provider": provider, "name": "Bench", "credentials": dict(emulator.credentials())}
    answer = await client.post("/v1/connections", json=body)
    if answer.status_code == 422:
        reachable = [one["id"] for one in loads(answer.content)["companies"] if one["accessible"]]
        answer = await client.post("/v1/connections", json={**body, "company_id": reachable[0]})
    assert answer.status_code == 201, answer.text
    return loads(answer.content)


async def _filled(client: httpx2.AsyncClient, base: str, polder: Polder) -> Callable[[int], dict[str, Any]]:
    """Make a contact and the invoices: what makes the draft of one more, by its number."""
    contact = await _told(
        client, "POST", f"{base}/contacts", _contact("Bouwbedrijf De Paal B.V."), on_unsupported="drop"
    )
    accounts = (await _told(client, "GET", f"{base}/ledger-accounts?limit=200"))["data"]
    revenue = [one["id"] for one in accounts if one["type"] in ("revenue", "unknown")]
    provider = next(iter(polder.engine.providers))
    numbered = "number" in provider.adapter.resources["invoices"].holds
    account = await _fitting(client, base, _draft(contact["id"], revenue[0], 0, numbered=numbered), revenue)
    draft = partial(_draft, contact["id"], account, numbered=numbered)
    for count in range(1, INVOICES):
        await _told(client, "POST", f"{base}/invoices", draft(count))
    return draft


def _contact(name: str) -> dict[str, Any]:
    return {
        "kind": "company",
        "roles": ["customer"],
        "company_name": name,
        "contact_person": "Anna de Boer",
        "email": "administratie@depaal.example",
        "address": {
            "street": "Kade",
            "house_number": "1",
            "postal_code": "2611 AB",
            "city": "Delft",
            "country": "NL",
        },
    }


def _draft(contact_id: str, account: str, count: int, *, numbered: bool) -> dict[str, Any]:
    number = {"number": f"BENCH{count:05d}"} if numbered else {}
    return number | {
        "contact_id": contact_id,
        "issued_on": f"2026-{1 + count % 9:02d}-{1 + count % 28:02d}",
        "finalize": True,
        "lines": [
            {
                "description": f"{MARK} {text}",
                "quantity": quantity,
                "unit_price": str(Decimal(price) + Decimal(count * 137) / 100),  # no two invoices come to the same
                "vat_treatment": "domestic_high",
                "ledger_account_id": account,
            }
            for text, quantity, price in _LINES
        ],
    }


async def _fitting(client: httpx2.AsyncClient, base: str, draft: dict[str, Any], accounts: Sequence[str]) -> str:
    """The first ledger account on which the system books this draft: some take no VAT, or no sales."""
    for account in accounts:
        for line in draft["lines"]:
            line["ledger_account_id"] = account
        answer = await client.post(
            f"{base}/invoices", content=dumps(draft), headers={"content-type": "application/json"}
        )
        if answer.status_code == 201:
            return account
    raise RuntimeError(f"no ledger account takes the draft: {answer.text}")


async def _told(
    client: httpx2.AsyncClient, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str
) -> Any:
    headers = {} if body is None else _JSON
    content = None if body is None else dumps(body)
    answer = await client.request(method, path, content=content, headers=headers, params=query or None)
    assert answer.status_code < 300, f"{method} {path}: {answer.text}"
    return loads(answer.content)
