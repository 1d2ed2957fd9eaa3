"""TheNextInvoice behind a whole gateway: for what the engine and the adapter do together."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.thenextinvoice import ADAPTER
from adapters.thenextinvoice.emulator import Emulator, Switches
from gateway.contract.emulator import Fault, ReceivedRequest
from gateway.contract.exact import dumps, loads
from tests.house import House, open_house

Json = dict[str, Any]
PROVIDER = "thenextinvoice"
CUSTOMER = {
    "company_name": "Eetcafé De Sluis",
    "email": "anna@desluis.example",
    "address": {"line1": "Sluiskade 12", "postal_code": "2611 AB", "city": "Delft", "country": "NL"},
}
LINE = {"description": "Volkoren brood", "unit_price": "100", "vat_treatment": "domestic_high"}
MISSING = Fault("status", 404, {"content-type": "application/json"}, dumps({"success": False, "error": "Not found"}))
DOWN = Fault("status", 503)


@dataclass
class Gateway:
    """A connection through the gateway."""

    house: House
    connection: str

    @property
    def emulator(self) -> Emulator:
        found = self.house.emulator(PROVIDER)
        assert isinstance(found, Emulator)
        return found

    async def ask(
        self, method: str, path: str, body: Json | None = None, *, key: str | None = None, **query: str
    ) -> tuple[int, Json]:
        """The status and the body of an answer, never from the cache."""
        headers = {"cache-control": "no-cache", **({} if key is None else {"idempotency-key": key})}
        if body is not None:
            headers["content-type"] = "application/json"
        answer = await self.house.client.request(
            method,
            f"/v1/connections/{self.connection}/{path}",
            content=None if body is None else dumps(body),
            headers=headers,
            params=query,
        )
        return answer.status_code, loads(answer.content) if answer.content else {}

    async def done(
        self, method: str, path: str, body: Json | None = None, *, key: str | None = None, **query: str
    ) -> Json:
        """The body of an answer that is a success."""
        status, said = await self.ask(method, path, body, key=key, **query)
        assert status < 300, said
        return said

    async def draft(self, **said: Any) -> Json:
        """What a new invoice of 121.00 to a new customer is asked for with."""
        customer = await self.done("POST", "contacts", CUSTOMER)
        return {"contact_id": customer["id"], "lines": [LINE], **said}

    async def invoice(self, **said: Any) -> Json:
        return await self.done("POST", "invoices", await self.draft(**said))

    def written(self, resource: str = "invoices") -> list[Mapping[str, Any]]:
        """What is really in the books."""
        return list(self.emulator.books()[resource])

    def sent(self, method: str, end: str = "") -> int:
        """How many requests went out with that method, to a path with that end."""
        return sum(seen.method == method and seen.path.endswith(end) for seen in self.emulator.journal)

    def fail_after(self, write: str, fault: Fault, *, times: int = 1) -> None:
        """Let reads of invoices go wrong from the moment on that something was written."""
        before = self.sent(write)

        def when(seen: ReceivedRequest) -> bool:
            return seen.method == "GET" and "/invoice/" in seen.path and self.sent(write) > before

        self.emulator.fail(fault, times=times, when=when)

    async def later(self, minutes: int = 12) -> None:
        """Time passes, and Polder looks after what it does not know the fate of."""
        for _ in range(minutes):
            self.house.clock.advance(60)
            await self.house.polder.engine.reconciliation.sweep()


@asynccontextmanager
async def opened(home: Path, **switches: Any) -> AsyncIterator[Gateway]:
    """A gateway with one connection, which has a ledger account for every line."""
    emulators = {PROVIDER: lambda clock: Emulator(clock, 7, Switches(**switches))}
    async with open_house(home, adapters={PROVIDER: ADAPTER}, emulators=emulators) as house:
        emulator = house.emulator(PROVIDER)
        assert isinstance(emulator, Emulator)
        settings = {"default_ledger_account_id": str(next(iter(emulator.company.ledgers)))}
        yield Gateway(house, await house.connect(PROVIDER, settings=settings))
