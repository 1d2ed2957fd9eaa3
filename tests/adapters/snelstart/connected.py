"""A house with one connection to the emulator, and what the tests of the adapter say again and again."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.snelstart import ADAPTER
from adapters.snelstart.emulator import Emulator, Limits, Switches
from gateway.contract.emulator import ReceivedRequest
from gateway.contract.exact import dumps, loads
from tests.house import House, open_house

ADDRESS = {"line1": "Sluiskade 12", "postal_code": "2611 AB", "city": "Delft", "country": "NL"}


@dataclass
class Books:
    """One connection. Paths are below it."""

    house: House
    connection: str
    numbers: int = 0

    @property
    def emulator(self) -> Emulator:
        emulator = self.house.emulator("snelstart")
        assert isinstance(emulator, Emulator)
        return emulator

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        status: int = 200,
        where: Mapping[str, str] | None = None,
        **query: str,
    ) -> Any:
        """The JSON that is answered under ``status``, numbers exact; always fresh."""
        answer = await self.house.client.request(
            method,
            f"/v1/connections/{self.connection}/{path}".rstrip("/"),
            params={**query, **(where or {})},
            content=None if body is None else dumps(body),
            headers={"cache-control": "no-cache", "content-type": "application/json"},
        )
        assert answer.status_code == status, answer.text
        return loads(answer.content) if answer.content else None

    async def make(self, resource: str, body: Mapping[str, Any]) -> Any:
        return await self.ask("POST", resource, body, status=201)

    async def contact(self, **fields: object) -> Any:
        return await self.make("contacts", {"company_name": "Eetcafé De Sluis", "address": ADDRESS, **fields})

    async def invoice(self, contact_id: str, *lines: Mapping[str, Any], **fields: object) -> Any:
        """A new booked invoice, by default of 2 x 10.00 and the high rate."""
        return await self.make("invoices", self.draft(contact_id, *lines, **fields))

    def draft(self, contact_id: str, *lines: Mapping[str, Any], **fields: object) -> dict[str, Any]:
        self.numbers += 1
        return {
            "number": f"2026-{self.numbers:04}",
            "contact_id": contact_id,
            "issued_on": "2026-03-02",
            "finalize": True,
            "lines": list(lines) or [line("domestic_high")],
            **fields,
        }

    async def method(self, kind: str = "bank") -> str:
        """The id of a payment method."""
        methods = (await self.ask("GET", "payment-methods"))["data"]
        return str(next(one["id"] for one in methods if one["kind"] == kind))

    async def pay(self, invoice: Mapping[str, Any], amount: str, **fields: object) -> Any:
        allocations = [{"invoice_id": invoice["id"], "amount": amount}]
        body = {"amount": amount, "payment_method_id": await self.method(), "allocations": allocations, **fields}
        return await self.make("payments", body)

    async def read(self, invoice: Mapping[str, Any]) -> Any:
        return await self.ask("GET", f"invoices/{invoice['id']}")

    def heard(self, since: int = 0) -> list[ReceivedRequest]:
        """What reached the API, without token requests."""
        return [seen for seen in self.emulator.journal[since:] if not self.emulator.is_token_request(seen)]


def line(treatment: str, **fields: object) -> dict[str, Any]:
    """A line of 20.00 without VAT."""
    return {
        "description": "Volkoren brood",
        "quantity": "2",
        "unit_price": "10.00",
        "vat_treatment": treatment,
        **fields,
    }


@asynccontextmanager
async def connected(
    home: Path, switches: Switches | None = None, limits: Limits | None = None, **settings: str
) -> AsyncIterator[Books]:
    """A house with an emulator that is set so, and a connection to it."""
    factory = {"snelstart": lambda clock: Emulator(clock, 7, switches or Switches(), limits=limits or Limits())}
    async with open_house(home, adapters={"snelstart": ADAPTER}, emulators=factory) as house:
        yield Books(house, await house.connect("snelstart", settings=settings or None))
