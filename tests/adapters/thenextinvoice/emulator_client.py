"""TheNextInvoice's emulator under an in-process client, and bodies to send it."""

import copy
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from adapters.thenextinvoice.emulator import Emulator, Switches
from gateway.contract.exact import Json, dumps, loads
from tests.house import ManualClock

JSON = {"content-type": "application/json"}


@dataclass
class Books:
    """The emulator, and a client that presents ``headers``."""

    emulator: Emulator
    clock: ManualClock
    client: httpx2.AsyncClient
    headers: Mapping[str, str]

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> httpx2.Response:
        """One request below ``/api/v1``; ``headers`` in place of the usual credentials."""
        said = dict(headers or self.headers)
        content = None
        if body is not None:
            said |= JSON
            content = dumps(body)
        return await self.client.request(method, f"/api/v1{path}", headers=said, content=content)

    async def ask(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        """The ``data`` of an answer that must be a success under ``status``."""
        answer = await self.send(method, path, body)
        assert answer.status_code == status, answer.text
        envelope = loads(answer.content)
        assert envelope["success"] is True
        assert set(envelope) <= {"success", "data"}
        return envelope.get("data")

    async def refused(self, method: str, path: str, body: object = None, status: int = 400) -> str:
        """The message of an answer that must be a refusal under ``status``."""
        answer = await self.send(method, path, body)
        assert answer.status_code == status, answer.text
        envelope = loads(answer.content)
        assert envelope["success"] is False
        assert set(envelope) == {"success", "error"}
        assert set(envelope["error"]) == {"code", "message"}
        message = envelope["error"]["message"]
        assert isinstance(message, str)
        assert message
        return message

    async def customer(self, **fields: Json) -> int:
        """The id of a new customer."""
        created = await self.ask("POST", "/customer", {**CUSTOMER, **fields})
        return int(created["id"])

    async def invoice(self, *lines: Mapping[str, Json], **fields: Json) -> int:
        """The id of a new invoice to a new customer."""
        receiver = fields.pop("receiver", None) or await self.customer()
        body = {**self.draft(receiver), **fields}
        if lines:
            body["lines"] = list(lines)
        return int(await self.ask("POST", "/invoice", body))

    def draft(self, receiver: Json) -> dict[str, Any]:
        """The body of a valid draft."""
        return {
            "discount": 0,
            "includesVat": False,
            "lines": [self.line(), TEXT_LINE],
            "meta": {"currency": "EUR", "dueDate": "2026-03-16", "language": "nl", "sendDate": "2026-03-02"},
            "receiver": receiver,
            "sender": self.emulator.company.default_profile["id"],
            "status": 0,
            "text": {"top": "Item 1425", "bottom": "Bedankt.", "footer": ""},
            "type": "",
        }

    def vat(self, kind: str = "high") -> int:
        return next(vat.id for vat in self.emulator.company.vat_codes.values() if vat.type == kind)

    def ledger(self) -> int:
        return next(number for number, row in self.emulator.company.ledgers.items() if row["ledgernumber"] == "8000")

    def line(self, price: Json = 100, quantity: Json = 1, vat: str = "high", **fields: Json) -> dict[str, Json]:
        row = {"description": "Product 1", "ledger": self.ledger(), "price": price, "quantity": quantity}
        return {**row, "vat": self.vat(vat), **fields}

    def method(self) -> int:
        return next(iter(self.emulator.company.payment_methods))


CUSTOMER: Mapping[str, Json] = {
    "companyname": "Company name",
    "companycontact": "Contact name",
    "address": "Address Street 101",
    "postalcode": "1111AA",
    "city": "Amsterdam",
    "country": "NL",
    "email": "company@example.com",
    "person": False,
}
TEXT_LINE: Mapping[str, Json] = {
    "description": "Description-only line",
    "ledger": None,
    "price": None,
    "quantity": None,
    "vat": None,
}


@asynccontextmanager
async def books(*, populated: bool = False, rate_limit: int | None = None, **switches: Any) -> AsyncIterator[Books]:
    """The emulator with these switches, and a client with its API token."""
    clock = ManualClock()
    emulator = Emulator(clock, 7, Switches(**switches), rate_limit=rate_limit)
    if populated:
        emulator.populate()
    transport = httpx2.ASGITransport(app=emulator)
    headers = {"X-Api-Token": emulator.credentials()["api_token"]}
    async with httpx2.AsyncClient(transport=transport, base_url="http://tni.test") as client:
        yield Books(emulator, clock, client, headers)


def differences(example: Json, answer: Json, where: str = "") -> Sequence[str]:
    """Where ``answer`` has other keys or types than ``example``; null goes with anything."""
    if example is None or answer is None:
        return []
    if _kind(example) != _kind(answer):
        return [f"{where}: {_kind(answer)} for {_kind(example)}"]
    if isinstance(example, dict):
        if set(example) != set(answer):
            return [f"{where}: {sorted(set(example) ^ set(answer))}"]
        return [text for name in example for text in differences(example[name], answer[name], f"{where}.{name}")]
    if isinstance(example, list) and example:
        return [
            text
            for position, item in enumerate(answer)
            for text in differences(example[0], item, f"{where}[{position}]")
        ]
    return []


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, dict | list | str):
        return type(value).__name__
    return "number"


def without(body: Mapping[str, Json], *names: str) -> dict[str, Json]:
    """A deep copy of ``body`` without these names."""
    return {name: copy.deepcopy(value) for name, value in body.items() if name not in names}
