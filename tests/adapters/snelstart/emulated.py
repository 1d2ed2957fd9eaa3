"""The emulator under an in-process client that holds a token, and a clock that the tests turn."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx2

from adapters.snelstart.emulator import Emulator, Limits, Switches
from gateway.contract.exact import Json, dumps, loads
from tests.house import ManualClock

FORM = "application/x-www-form-urlencoded"
NOBODY = "11111111-2222-3333-4444-555555555555"


@dataclass
class Provider:
    """The emulator with a client whose calls carry the subscription key and ``token``."""

    emulator: Emulator
    clock: ManualClock
    client: httpx2.AsyncClient
    token: str = ""

    async def log_in(self, key: str | None = None) -> str:
        """A token for a connection key; the first administration's unless told otherwise."""
        form = {"grant_type": "clientkey", "clientkey": key or self.emulator.credentials()["connection_key"]}
        answer = await self.client.post("/b2b/token", data=form)
        assert answer.status_code == 200, answer.text
        return str(loads(answer.content)["access_token"])

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> httpx2.Response:
        """``path`` is below ``/v2/``; a query option's ``$`` is left out of its name."""
        sent = {
            "ocp-apim-subscription-key": self.emulator.operator_settings()["subscription_key"],
            "authorization": f"Bearer {self.token}",
            **(headers or {}),
        }
        params = {
            name if name in ("relatieId", "userIdentifier") else f"${name}": str(query[name]) for name in query
        } or None
        if body is None:
            return await self.client.request(method, f"/v2/{path}", headers=sent, params=params)
        content = body if isinstance(body, bytes) else dumps(body)
        sent.setdefault("content-type", "application/json")
        return await self.client.request(method, f"/v2/{path}", headers=sent, params=params, content=content)

    async def ask(self, method: str, path: str, body: object = None, *, status: int = 0, **query: Any) -> Json:
        """The JSON that is answered under ``status``, by default 200, and 201 for a POST."""
        answer = await self.send(method, path, body, **query)
        assert answer.status_code == (status or (201 if method == "POST" else 200)), answer.text
        return loads(answer.content) if answer.content else None

    async def get(self, path: str, **query: Any) -> Json:
        return await self.ask("GET", path, **query)

    async def codes(self, method: str, path: str, body: object = None) -> list[str]:
        """The codes of the business rules that a call breaks."""
        refused = await self.ask(method, path, body, status=400)
        assert isinstance(refused, list), refused
        assert all(item.keys() == {"errorCode", "message", "details"} and item["message"] for item in refused)
        return [item["errorCode"] for item in refused]

    async def state(self, method: str, path: str, body: object = None) -> list[str]:
        """The properties that a body cannot be bound to."""
        refused = await self.ask(method, path, body, status=400)
        assert refused["message"] == "The request is invalid."
        return sorted(refused["modelState"])

    async def odata(self, path: str, **query: Any) -> str:
        """OData's words for a query that cannot be understood."""
        refused = await self.ask("GET", path, status=400, **query)
        assert refused.keys() == {"Message"}
        return str(refused["Message"])

    async def ledger(self, number: int) -> Json:
        """A reference to the ledger account of that number."""
        found = await self.get("grootboeken", filter=f"Nummer eq {number}")
        return {"id": found[0]["id"]}

    async def country(self, alpha2: str) -> Json:
        """A reference to a country."""
        return {"id": next(row["id"] for row in await self.get("landen") if row["landcode"] == alpha2)}

    async def journal(self, kind: str) -> Json:
        """A reference to the first journal of that kind."""
        return {"id": next(row["id"] for row in await self.get("dagboeken") if row["soort"] == kind)}

    async def relation(self, kind: str = "Klant", **fields: object) -> Json:
        """A new relation."""
        return await self.ask("POST", "relaties", {"relatiesoort": [kind], "naam": "Bakkerij Jansen", **fields})

    async def sale(self, number: str = "2026-1", **fields: object) -> Json:
        """A body of a sales entry: by default 100.00 and 21 % VAT, for a new customer."""
        customer = {"id": (await self.relation())["id"]} if "klant" not in fields else None
        body = {
            "factuurnummer": number,
            "factuurdatum": "2026-03-01",
            "klant": customer,
            "factuurbedrag": Decimal("121.00"),
            "betalingstermijn": 14,
            "boekingsregels": [await self.line("100.00")],
            "btw": [row("VerkopenHoog", "21.00")],
        }
        return body | fields

    async def line(self, amount: str, account: int = 8200, **fields: object) -> Json:
        """A line of a sales or purchase entry."""
        return {"omschrijving": "Hosting", "grootboek": await self.ledger(account), "bedrag": Decimal(amount), **fields}

    async def booked(self, number: str = "2026-1", **fields: object) -> Json:
        """A new sales entry, by default of 121.00."""
        return await self.ask("POST", "verkoopboekingen", await self.sale(number, **fields))

    async def invoice_of(self, entry: Json) -> Json:
        """The invoice that a sales entry shows up as."""
        rows = await self.get("verkoopfacturen", filter=f"VerkoopBoeking/Id eq guid'{entry['id']}'")
        assert len(rows) == 1
        return rows[0]

    async def payment(self, *settled: tuple[Json, str], **fields: object) -> Json:
        """A body of a bank entry that receives and settles amounts of sales entries."""
        lines = [
            {"boekingId": {"id": entry["id"]}, "omschrijving": "Betaling", "debet": 0, "credit": Decimal(amount)}
            for entry, amount in settled
        ]
        body = {
            "datum": "2026-03-02",
            "dagboek": await self.journal("Bank"),
            "omschrijving": "Betaling",
            "bedragOntvangen": sum((Decimal(amount) for _entry, amount in settled), Decimal(0)),
            "bedragUitgegeven": 0,
            "verkoopboekingBoekingsRegels": lines,
        }
        return body | fields


def row(kind: str, amount: str) -> Json:
    """A row of VAT."""
    return {"btwSoort": kind, "btwBedrag": Decimal(amount)}


@asynccontextmanager
async def provided(
    switches: Switches | None = None, *, limits: Limits | None = None, populated: bool = False
) -> AsyncIterator[Provider]:
    """A fresh provider, logged in."""
    clock = ManualClock()
    emulator = Emulator(clock, seed=7, switches=switches or Switches(), limits=limits or Limits())
    if populated:
        emulator.populate()
    transport = httpx2.ASGITransport(app=emulator)
    async with httpx2.AsyncClient(transport=transport, base_url="http://snelstart.test") as client:
        provider = Provider(emulator, clock, client)
        provider.token = await provider.log_in()
        yield provider
