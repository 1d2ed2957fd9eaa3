"""What an accounting system says to Polder, recorded once so that a stub can say it again at no cost.

Each provider's emulator is filled through Polder's own API, then the questions of the benchmark are asked once and
every exchange with the emulator is kept: method and target, and the reply. A description in every invoice holds
``MARK``, which the stub replaces with another number in every reply where no two replies shall be the same.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx2
from pydantic import SecretStr

from gateway.app import Polder, build
from gateway.contract.emulator import Emulator
from gateway.contract.exact import dumps, loads
from gateway.engine.clock import SystemClock
from gateway.registry import discover, emulator_of
from gateway.settings import Settings, variable

MARK = "BENCH-00000000"
INVOICES = 50
_LINES = (
    ("Verhuur steiger, per dag", "3", "148.50"),
    ("Transport en opbouw", "1", "385.00"),
    ("Huur dieplader", "0.5", "219.95"),
)


_JSON = {"content-type": "application/json"}
Said = tuple[int, Mapping[str, str], bytes]
"""A reply: status, headers and body."""


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


class _Recording(httpx2.ASGITransport):
    def __init__(self, emulator: Emulator, heard: dict[str, Said], asked: list[str]) -> None:
        super().__init__(emulator)
        self._heard = heard
        self._asked = asked

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        body = await response.aread()
        name = f"{request.method} {request.url.raw_path.decode()}"
        self._asked.append(name)
        said = {name: text for name, text in response.headers.items() if name != "content-length"}
        self._heard[name] = (response.status_code, said, body)
        return httpx2.Response(response.status_code, headers=response.headers, content=body, request=request)


async def record(provider: str, home: Path) -> Conversation:
    """Fill a provider's emulator with invoices and record what the benchmark will ask."""
    adapter = discover()[provider]
    make = emulator_of(provider)
    assert make is not None
    clock = SystemClock()
    emulator = make(clock)
    environment = {variable(adapter, name): text for name, text in emulator.operator_settings().items()}
    heard: dict[str, Said] = {}
    asked: list[str] = []
    polder = await build(
        Settings(
            home=home, env="bench", encryption_keys=SecretStr(key_ring()), public_url="http://bench", log_level="error"
        ),
        clock=clock,
        adapters={provider: adapter},
        transport_for=lambda _: _Recording(emulator, heard, asked),
        environment=environment,
    )
    await polder.start()
    try:
        return await _recorded(polder, emulator, provider, environment, heard, asked)
    finally:
        await polder.close()


def settings_of(home: Path, log_level: Literal["info", "error"] = "info") -> Settings:
    """The settings of a Polder of the benchmark."""
    keys = SecretStr(key_ring())
    return Settings(home=home, env="bench", encryption_keys=keys, public_url="http://bench", log_level=log_level)


def key_ring() -> str:
    """Encryption keys of the benchmark: they guard nothing."""
    return f"bench:{base64.b64encode(bytes(range(32))).decode()}"


async def _recorded(
    polder: Polder,
    emulator: Emulator,
    provider: str,
    environment: Mapping[str, str],
    heard: dict[str, Said],
    asked: list[str],
) -> Conversation:
    key = await polder.create_key(tenant="bench", name="recording", scopes=["*"])
    transport = httpx2.ASGITransport(polder.asgi)
    headers = {"authorization": f"Bearer {key}", "cache-control": "no-cache"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://bench", headers=headers) as client:
        connection = await _connected(client, provider, emulator)
        draft = await _filled(client, connection["id"], polder)
        page = f"/v1/connections/{connection['id']}/invoices"
        listed = await _told(client, "GET", f"{page}?limit={INVOICES}&include=lines")  # slow facts are known after this
        invoice = listed["data"][0]["id"]
        list_targets = await _asked(client, f"{page}?limit={INVOICES}&include=lines", asked)
        plain_targets = await _asked(client, f"{page}?limit={INVOICES}", asked)
        get_targets = await _asked(client, f"{page}/{invoice}", asked)
        await _told(client, "GET", f"/v1/connections/{connection['id']}/companies")
        await _connected(client, provider, emulator)
        return Conversation(
            provider=provider,
            replies=dict(heard),
            environment=environment,
            credentials=emulator.credentials(),
            company_id=connection["company"]["id"],
            allowed_scopes=connection["scopes"]["allowed"],
            token_scopes=connection["scopes"]["token"],
            invoice_id=invoice,
            list_targets=list_targets,
            get_targets=get_targets,
            carries_lines=len(list_targets) <= len(plain_targets),
            draft=draft,
        )


async def _asked(client: httpx2.AsyncClient, path: str, asked: list[str]) -> Sequence[str]:
    """What one read of ours asks of the system."""
    asked.clear()
    await _told(client, "GET", path)
    return [name.partition(" ")[2] for name in asked]


async def _connected(client: httpx2.AsyncClient, provider: str, emulator: Emulator) -> Any:
    body: dict[str, Any] = {"provider": provider, "name": "Bench", "credentials": dict(emulator.credentials())}
    answer = await client.post("/v1/connections", json=body)
    if answer.status_code == 422:
        reachable = [one["id"] for one in loads(answer.content)["companies"] if one["accessible"]]
        answer = await client.post("/v1/connections", json={**body, "company_id": reachable[0]})
    assert answer.status_code == 201, answer.text
    return loads(answer.content)


async def _filled(client: httpx2.AsyncClient, connection: str, polder: Polder) -> Mapping[str, Any]:
    base = f"/v1/connections/{connection}"
    contact = await _told(
        client,
        "POST",
        f"{base}/contacts",
        {
            "kind": "company",
            "roles": ["customer"],
            "company_name": "Bouwbedrijf De Paal B.V.",
            "contact_person": "Anna de Boer",
            "email": "administratie@depaal.example",
            "address": {
                "street": "Kade",
                "house_number": "1",
                "postal_code": "2611 AB",
                "city": "Delft",
                "country": "NL",
            },
        },
        on_unsupported="drop",
    )
    accounts = (await _told(client, "GET", f"{base}/ledger-accounts?limit=200"))["data"]
    revenue = [one["id"] for one in accounts if one["type"] in ("revenue", "unknown")]
    provider = next(iter(polder.engine.providers))
    numbered = "number" in provider.adapter.resources["invoices"].holds
    account = revenue[0]
    draft: dict[str, Any] = {}
    for count in range(INVOICES):
        draft = _draft(contact["id"], account, count, numbered=numbered)
        if count == 0:
            account = await _fitting(client, base, draft, revenue)
            continue
        await _told(client, "POST", f"{base}/invoices", draft)
    return draft


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
                "unit_price": price,
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
