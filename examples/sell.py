"""One script, whatever keeps the books: a customer, a product, an invoice with three kinds of VAT, paid, and a credit.

Where systems differ it asks what this connection wants: ``capabilities`` say what can be done, ``schemas`` how.
"""

import asyncio
import secrets
import sys
from collections.abc import Mapping
from decimal import Decimal
from itertools import count
from typing import Any

import httpx2
from jsonschema import Draft202012Validator

Json = dict[str, Any]
WRITTEN = ("contacts", "products", "invoices", "payments")
SOLD = (("Bakcursus", "40.00", "domestic_high"), ("Brood", "4.50", "domestic_low"), ("Gist", "1.25", "zero"))


class Books:
    """One connection to somebody's books."""

    def __init__(self, api: httpx2.AsyncClient, connection: str) -> None:
        self._api, self._path = api, f"/v1/connections/{connection}"
        # Unlike every number that is in the books: a system that lets us number takes each only once.
        self._run, self._numbers = secrets.token_hex(4), count(1)
        self.can: dict[str, Json] = {}
        self.wants: dict[str, Json] = {}

    async def ask(
        self, method: str, path: str, body: Json | None = None, query: Mapping[str, str] | None = None
    ) -> Json:
        """What one call answers."""
        answer = await self._api.request(method, f"{self._path}/{path}", json=body, params=query)
        if answer.is_error:
            raise SystemExit(answer.text)
        told: Json = answer.json()
        return told

    async def learn(self) -> None:
        """What can be done here, and what each write must look like."""
        known = (await self.ask("GET", "capabilities"))["operations"]
        self.can = {name: one for name, one in known.items() if one["support"] == "native"}
        for operation in self.can.keys() & {*(f"{name}.create" for name in WRITTEN), "invoices.credit"}:
            resource, _, verb = operation.partition(".")
            want = await self.ask("GET", f"schemas/{resource}?operation={verb}")
            self.wants[resource if verb == "create" else verb] = want

    def said(self, want: Json, *bodies: Mapping[str, Any]) -> Json:
        """The first of some bodies that fits, without what has no place here, and numbered where we number."""
        told: list[Json] = [{name: one for name, one in body.items() if name in want["properties"]} for body in bodies]
        if "number" in want.get("required", ()):
            told = [{"number": f"2026-{self._run}-{next(self._numbers)}", **body} for body in told]
        return next((body for body in told if Draft202012Validator(want).is_valid(body)), told[-1])

    async def make(self, resource: str, *bodies: Mapping[str, Any]) -> Json:
        """A new record, of the first body that fits."""
        return await self.ask("POST", resource, self.said(self.wants[resource], *bodies))

    async def all(self, resource: str, **query: str) -> list[Json]:
        """Every record of a list; none where there is no such list here."""
        if f"{resource}.list" not in self.can:
            return []
        page = await self.ask("GET", resource, query={"limit": "200", **query})
        found: list[Json] = page["data"]
        while page["next_cursor"] is not None:
            page = await self.ask("GET", resource, query={"limit": "200", "cursor": page["next_cursor"], **query})
            found += page["data"]
        return found


async def sell(books: Books) -> Json:
    """Sell some bread, be paid, and take one sale back. What the books then say of it."""
    await books.learn()
    address = {"line1": "Sluiskade 12", "postal_code": "2611 AB", "city": "Delft", "country": "NL"}
    bakery = {"company_name": "De Sluis", "email": "a@sluis.example", "address": address}
    customer = await books.make("contacts", bakery)

    codes = [one for one in await books.all("vat-codes") if one["valid_to"] is None]
    high = [one["id"] for one in codes if one["treatment"] == "domestic_high"]
    revenue = [one["id"] for one in await books.all("ledger-accounts") if one["type"] in ("revenue", "unknown")]
    booked = {"ledger_account_id": revenue[0]} if revenue else {}
    product = None
    if "products" in books.wants:
        bread = {"name": "Desembrood", "price": "4.50", **({"vat_code_id": high[0]} if high else {})}
        product = await books.make("products", bread, {**bread, **booked})

    line = books.wants["invoices"]["properties"]["lines"]["items"]
    lines = []
    for text, price, vat in SOLD:
        sold = {"description": text, "quantity": "2", "unit": "stuk", "unit_price": price, "vat_treatment": vat}
        lines.append(books.said(line, sold, {**sold, **booked}))
    sale = {"contact_id": customer["id"], "issued_on": "2026-03-02", "lines": lines, "finalize": True}
    invoice, mistake = await books.make("invoices", sale), await books.make("invoices", sale)

    if "payments" in books.wants:
        await pay(books, invoice)
    ids = {"paid": invoice["id"], "credited": mistake["id"]}
    if "credit" in books.wants:
        credit = await books.ask("POST", f"invoices/{mistake['id']}/credit", books.said(books.wants["credit"], {}))
        ids["credit_note"] = credit["id"]
    return {**await read_back(books, customer, product, invoice), "ids": ids}


async def pay(books: Books, invoice: Json) -> None:
    """Pay an invoice in two parts, or at once where it cannot be paid in parts."""
    methods = [{"payment_method_id": one["id"]} for one in await books.all("payment-methods")]
    whole = books.wants["payments"]["properties"]["allocations"].get("x-in-full", False)
    for amount in [invoice["totals"]["gross"]] if whole else ["50.00", str(Decimal(invoice["totals"]["gross"]) - 50)]:
        paid = {"paid_on": "2026-03-09", "amount": amount, **(methods[0] if methods else {})}
        await books.make("payments", {**paid, "allocations": [{"invoice_id": invoice["id"], "amount": amount}]})


async def read_back(books: Books, customer: Json, product: Json | None, invoice: Json) -> Json:
    """What the books say of them now."""
    of_invoice = {"invoice_id": invoice["id"]}
    only = {name: of_invoice[name] for name in books.can.get("payments.list", {}).get("requires", ())}
    payments = await books.all("payments", **only)
    return {
        "contacts": [one for one in await books.all("contacts") if one["id"] == customer["id"]],
        "products": [one for one in await books.all("products") if product is not None and one["id"] == product["id"]],
        "invoices": {one["id"]: one for one in await books.all("invoices", contact_id=customer["id"], include="lines")},
        "payments": [one for one in payments if invoice["id"] in [part["invoice_id"] for part in one["allocations"]]],
    }


async def main(url: str, key: str, connection: str) -> None:
    """``python examples/sell.py http://localhost:8080 polder_live_… con_…``"""
    async with httpx2.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}) as api:
        for id, invoice in (await sell(Books(api, connection)))["invoices"].items():
            print(id, invoice["number"], invoice["totals"]["gross"], invoice["payment_status"])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
