"""One script, whatever keeps the books: a customer, a product, an invoice with three kinds of VAT, paid, and a credit.

Where systems differ it asks what this connection wants: ``capabilities`` say what can be done, ``schemas`` how. What it
writes has a reference of its own, which is its idempotency key too: sent again after a crash, or by another worker, it
is done once.
"""

import asyncio
import secrets
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx2
from jsonschema import Draft202012Validator

Json = dict[str, Any]
TRIES = 5
WRITTEN = ("contacts", "products", "invoices", "payments")
SOLD = (("Bakcursus", "40.00", "domestic_high"), ("Brood", "4.50", "domestic_low"), ("Gist", "1.25", "zero"))


class Books:
    """One connection to somebody's books."""

    def __init__(self, api: httpx2.AsyncClient, connection: str) -> None:
        self._api, self._path = api, f"/v1/connections/{connection}"
        self._run = secrets.token_hex(4)
        self.can: dict[str, Json] = {}
        self.wants: dict[str, Json] = {}

    async def ask(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        query: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Json:
        """What one call answers, asked again while the problem says that this may help."""
        headers = {} if key is None else {"idempotency-key": key}
        for left in reversed(range(TRIES)):
            answer = await self._api.request(method, f"{self._path}/{path}", json=body, params=query, headers=headers)
            told: Json = answer.json()
            if not answer.is_error:
                return told
            if not (left and told["retryable"]):
                raise SystemExit(answer.text)
            await asyncio.sleep(told.get("retry_after", 1))
        raise AssertionError("the loop always returns or raises")

    async def learn(self) -> None:
        """What can be done here, and what each write must look like."""
        known = (await self.ask("GET", "capabilities"))["operations"]
        self.can = {name: one for name, one in known.items() if one["support"] == "native"}
        for operation in self.can.keys() & {*(f"{name}.create" for name in WRITTEN), "invoices.credit"}:
            resource, _, verb = operation.partition(".")
            want = await self.ask("GET", f"schemas/{resource}?operation={verb}")
            self.wants[resource if verb == "create" else verb] = want

    def said(self, want: Json, *bodies: Mapping[str, Any], reference: str | None = None) -> Json:
        """The first of some bodies that fits, without what has no place here; where we number, its reference does."""
        told: list[Json] = [{name: one for name, one in body.items() if name in want["properties"]} for body in bodies]
        if "number" in want.get("required", ()):
            told = [{"number": reference, **body} for body in told]
        return next((body for body in told if Draft202012Validator(want).is_valid(body)), told[-1])

    async def make(self, resource: str, name: str, *bodies: Mapping[str, Any]) -> Json:
        """A new record, of the first body that fits."""
        reference = self.reference(name)
        named = [{"external_ref": reference, **one} for one in bodies]
        body = self.said(self.wants[resource], *named, reference=reference)
        return await self.ask("POST", resource, body, key=reference)

    def reference(self, name: str) -> str:
        """What something is called by us, for good: a shop takes its order's number, here each run has its own."""
        return f"{self._run}-{name}"

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
    customer = await books.make("contacts", "customer", bakery)

    codes = [one for one in await books.all("vat-codes") if one["valid_to"] is None]
    high = [one["id"] for one in codes if one["treatment"] == "domestic_high"]
    revenue = [one["id"] for one in await books.all("ledger-accounts") if one["type"] in ("revenue", "unknown")]
    booked = {"ledger_account_id": revenue[0]} if revenue else {}
    product = None
    if "products" in books.wants:
        bread = {"name": "Desembrood", "price": "4.50", **({"vat_code_id": high[0]} if high else {})}
        product = await books.make("products", "bread", bread, {**bread, **booked})

    line = books.wants["invoices"]["properties"]["lines"]["items"]
    lines = []
    for text, price, vat in SOLD:
        sold = {"description": text, "quantity": "2", "unit": "stuk", "unit_price": price, "vat_treatment": vat}
        lines.append(books.said(line, sold, {**sold, **booked}))
    sale = {"contact_id": customer["id"], "issued_on": "2026-03-02", "lines": lines, "finalize": True}
    invoice = await books.make("invoices", "order-1", sale)
    mistake = await books.make("invoices", "order-2", sale)

    if "payments" in books.wants:
        await pay(books, invoice)
    ids = {"paid": invoice["id"], "credited": mistake["id"]}
    if "credit" in books.wants:
        reference = books.reference("order-2-credit")
        taken_back = books.said(books.wants["credit"], {"external_ref": reference}, reference=reference)
        credit = await books.ask("POST", f"invoices/{mistake['id']}/credit", taken_back, key=reference)
        ids["credit_note"] = credit["id"]
    return {**await read_back(books, customer, product, invoice), "ids": ids}


async def pay(books: Books, invoice: Json) -> None:
    """Pay an invoice in two parts, or at once where it cannot be paid in parts."""
    methods = [{"payment_method_id": one["id"]} for one in await books.all("payment-methods")]
    whole = books.wants["payments"]["properties"]["allocations"].get("x-in-full", False)
    for amount in [invoice["totals"]["gross"]] if whole else ["50.00", str(Decimal(invoice["totals"]["gross"]) - 50)]:
        paid = {"paid_on": "2026-03-09", "amount": amount, **(methods[0] if methods else {})}
        settled = [{"invoice_id": invoice["id"], "amount": amount}]
        await books.make("payments", f"order-1-paid-{amount}", {**paid, "allocations": settled})


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
