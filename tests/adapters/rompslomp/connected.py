"""A whole Polder in front of the emulator with its switches set, and what every body it sends is held against."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from jsonschema import Draft202012Validator

import adapters.rompslomp
from adapters.rompslomp import ADAPTER
from adapters.rompslomp.emulator import Emulator, Switches
from gateway.contract.emulator import ReceivedRequest
from gateway.contract.exact import Json, dumps, loads
from tests.house import House, open_house

FIXTURES = Path(str(adapters.rompslomp.__file__)).parent / "fixtures"
SCHEMAS: Mapping[str, Any] = loads((FIXTURES / "vendor-schemas.json").read_bytes())
DAY = "2026-03-02"


def line(price: str, treatment: str = "domestic_high", **fields: object) -> Json:
    """A line to write."""
    return {"description": "Iets", "unit_price": price, "vat_treatment": treatment, **fields}


@dataclass
class Connected:
    """One connection to the emulator's company that works."""

    house: House
    emulator: Emulator
    connection: str

    async def send(self, method: str, path: str, body: object = None) -> httpx2.Response:
        """One request below the connection, fresh from Rompslomp."""
        headers = {"content-type": "application/json", "cache-control": "no-cache"}
        content = None if body is None else dumps(body)
        url = f"/v1/connections/{self.connection}/{path}".rstrip("/")
        return await self.house.client.request(method, url, content=content, headers=headers)

    async def ask(self, method: str, path: str, body: object = None) -> Json:
        """A success's JSON."""
        answer = await self.send(method, path, body)
        assert answer.status_code in (200, 201, 204), f"{method} {path}: {answer.text}"
        return loads(answer.content) if answer.content else None

    async def refused(self, status: int, code: str, method: str, path: str, body: object = None) -> Json:
        """The problem that a request ends in."""
        answer = await self.send(method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        return answer.json()

    async def contact(self, **fields: object) -> str:
        draft = {"company_name": "Müller GmbH", "vat_number": "NL123456789B01", **fields}
        return str((await self.ask("POST", "contacts", draft))["id"])

    async def vat(self, treatment: str, country: str = "NL") -> str:
        codes = (await self.ask("GET", "vat-codes?limit=200"))["data"]
        return next(str(one["id"]) for one in codes if (one["treatment"], one["country"]) == (treatment, country))

    async def draft(self, *lines: Json, **fields: object) -> Json:
        """An invoice to create: 3 x 33.33 and 21 %, unless other lines are given."""
        usual = [{"description": "Advies", "quantity": "3", "unit_price": "33.33", "vat_treatment": "domestic_high"}]
        body = {"issued_on": DAY, "lines": list(lines) or usual, **fields}
        return body if "contact_id" in body else {**body, "contact_id": await self.contact()}

    async def final(self, *lines: Json, **fields: object) -> Json:
        return await self.ask("POST", "invoices", await self.draft(*lines, finalize=True, **fields))

    async def bank(self) -> str:
        methods = (await self.ask("GET", "payment-methods"))["data"]
        return next(str(one["id"]) for one in methods if one["kind"] == "bank")

    async def rounds(self) -> str:
        """Let the connection have an account for rounding lines; its id."""
        accounts = (await self.ask("GET", "ledger-accounts?limit=200"))["data"]
        account = next(str(one["id"]) for one in accounts if one["name"] == "Afrondingsverschillen")
        await self.ask("PATCH", "", {"settings": {"rounding_ledger_account_id": account}})
        return account

    async def leave_company(self) -> None:
        """Take the company out of the token's reach."""
        headers = {"authorization": f"Bearer {self.emulator.personal_token('manage:companies')}"}
        transport = httpx2.ASGITransport(self.emulator)
        async with httpx2.AsyncClient(transport=transport, base_url="http://rompslomp.test") as owner:
            answer = await owner.delete(f"/api/v1/companies/{self.emulator.company_id}", headers=headers)
            assert answer.status_code == 204, answer.text

    async def pay(self, invoice: Json, amount: str, **fields: object) -> Json:
        return await self.ask("POST", "payments", await self.payment(invoice, amount, **fields))

    async def payment(self, invoice: Json, amount: str, **fields: object) -> Json:
        allocations = [{"invoice_id": invoice["id"], "amount": amount}]
        return {"amount": amount, "payment_method_id": await self.bank(), "allocations": allocations, **fields}


def check_bodies(journal: Sequence[ReceivedRequest]) -> int:
    """Hold every body sent to the API against the vendor's own schema; how many there were."""
    sent = [one for one in journal if one.method in ("POST", "PATCH") and one.body and one.path.startswith("/api/")]
    for one in sent:
        ((root, record),) = loads(one.body).items()
        assert f"/{root}s" in one.path
        schema = SCHEMAS[f"{root}_{'given' if one.method == 'POST' else 'changed'}"]
        errors = [error.message for error in Draft202012Validator(_with_line_ids(schema)).iter_errors(record)]
        assert not errors, f"{one.method} {one.path}: {errors}"
    return len(sent)


def _with_line_ids(schema: Json) -> Json:
    """The schema with what only its description and the recorded example have: ``id`` and ``_destroy`` of a line."""
    if "invoice_lines" not in schema["properties"]:
        return schema
    copy: Json = loads(dumps(schema))
    lines = copy["properties"]["invoice_lines"]["items"]["properties"]
    lines |= {"id": {"type": "integer"}, "_destroy": {"type": "boolean"}}
    return copy


@asynccontextmanager
async def connected(home: Path, **switches: Any) -> AsyncIterator[Connected]:
    """Open it; when all is done, every body that went out is held against the vendor's schema."""
    made = {"rompslomp": lambda clock: Emulator(clock, switches=Switches(**switches))}
    async with open_house(home, adapters={"rompslomp": ADAPTER}, emulators=made) as house:
        emulator = house.emulator("rompslomp")
        assert isinstance(emulator, Emulator)
        connection = await house.connect("rompslomp", company_id=emulator.company_id)
        subject = Connected(house, emulator, connection)
        yield subject
        check_bodies(emulator.journal)
