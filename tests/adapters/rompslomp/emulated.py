"""The emulator under an in-process client, and a clock that the tests turn."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2

from adapters.rompslomp.emulator import Emulator, Switches
from gateway.contract.exact import Json, dumps, loads
from tests.house import ManualClock

RECORDED = datetime(2024, 3, 2, 9, 0, tzinfo=UTC)
"""The day of the vendor's recordings, 10:00 in Amsterdam."""


@dataclass
class Provider:
    """The emulator with a client that presents ``token`` and speaks to ``company``, unless told otherwise."""

    emulator: Emulator
    clock: ManualClock
    client: httpx2.AsyncClient
    token: str
    company: str

    async def send(
        self, method: str, path: str, body: object = None, *, token: str | None = None, company: str | None = None
    ) -> httpx2.Response:
        """``path`` begins at the company, or with ``/api`` where it belongs to none."""
        url = path if path.startswith("/api") else f"/api/v1/companies/{company or self.company}/{path}"
        headers = {"authorization": f"Bearer {token or self.token}"}
        if body is None:
            return await self.client.request(method, url, headers=headers)
        headers["content-type"] = "application/json"
        return await self.client.request(method, url, headers=headers, content=dumps(body))

    async def ask(self, method: str, path: str, body: object = None, *, status: int = 0) -> Json:
        """The JSON that is answered under ``status`` (by default the one documented for the method)."""
        answer = await self.send(method, path, body)
        expected = status or {"GET": 200, "PATCH": 200, "POST": 201, "DELETE": 204}[method]
        assert answer.status_code == expected, answer.text
        return loads(answer.content) if answer.content else None

    async def error(self, method: str, path: str, body: object = None, *, status: int = 422) -> tuple[str, str]:
        """The type and the message of an error."""
        error = (await self.ask(method, path, body, status=status))["error"]
        assert error.keys() == {"type", "message"}
        return error["type"], error["message"]

    async def contact(self, **attributes: object) -> int:
        """A new contact's id."""
        body = {"contact": {"company_name": "Rompslomp.nl BV", **attributes}}
        return int((await self.ask("POST", "contacts", body))["contact"]["id"])

    async def vat_type(self, name: str) -> int:
        """The id of today's first VAT type of that name; Dutch ones come first."""
        types = (await self.ask("GET", "vat_types?per_page=100"))["vat_types"]
        return next(int(found["id"]) for found in types if found["name"] == name)

    async def bank(self) -> int:
        """The id of the bank account."""
        path = "activa.current_assets.liquid_assets.bank"
        return int((await self.ask("GET", f"accounts?selection=payment&search[paths][]={path}"))["accounts"][0]["id"])

    async def invoice(self, lines: Sequence[object] | None = None, **attributes: object) -> Json:
        """A new invoice: by default for a new contact, with one line of 4 x 75.00 at 21 %."""
        default = [{"description": "Adviesuren", "price_per_unit": "75.0", "quantity": "4.0"}]
        body = {"contact_id": 0, "invoice_lines": default if lines is None else lines, **attributes}
        body["contact_id"] = attributes.get("contact_id") or await self.contact()
        return (await self.ask("POST", "sales_invoices", {"sales_invoice": body}))["sales_invoice"]

    async def listed(self, root: str, query: str = "") -> list[Json]:
        """A whole list, read in pages of a hundred."""
        found: list[Json] = []
        while True:
            page = len(found) // 100 + 1
            answer = await self.ask("GET", f"{root}?per_page=100&page={page}&{query}")
            found += answer[root]
            if len(answer[root]) < 100:
                return found


@asynccontextmanager
async def provided(switches: Switches | None = None, *, populated: bool = False) -> AsyncIterator[Provider]:
    """A fresh provider."""
    clock = ManualClock(RECORDED)
    emulator = Emulator(clock, seed=7, switches=switches or Switches())
    if populated:
        emulator.populate()
    transport = httpx2.ASGITransport(app=emulator)
    async with httpx2.AsyncClient(transport=transport, base_url="http://rompslomp.test") as client:
        yield Provider(emulator, clock, client, emulator.credentials()["token"], emulator.company_id)
