"""One script on every system, unchanged: it ends in the same records, save where the connection said beforehand."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.house import emulated, open_house
from tests.lacking import without

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "examples" / "sell.py"
SELLING = sorted(emulated("contacts.create", "contacts.list", "invoices.create", "invoices.list"))
Json = dict[str, Any]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sell", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kept(record: Json, *names: str) -> Json:
    return {name: record[name] for name in names}


def told(end: Json) -> Json:
    """What the books say, without what is each system's own: ids, numbers it gives, moments."""
    by_role = {role: end["invoices"][id] for role, id in end["ids"].items()}
    return {
        "contacts": [kept(one, "kind", "roles", "name", "email") for one in end["contacts"]],
        "products": [kept(one, "name", "price", "price_includes_tax") for one in end["products"]],
        "payments": sorted(one["amount"] for one in end["payments"]),
        "invoices": {role: told_of(invoice) for role, invoice in by_role.items()},
    }


def told_of(invoice: Json) -> Json:
    """An invoice's own: a system may say in a line of text what a credit note credits."""
    line = ("description", "quantity", "unit", "unit_price", "vat_treatment", "net")
    return {
        **kept(invoice, "document_type", "document_status", "payment_status", "issued_on", "currency"),
        **kept(invoice["totals"], "net", "tax", "gross"),
        "groups": sorted((part["rate"], part["base"], part["tax"]) for part in invoice["tax_breakdown"]),
        "lines": [kept(one, *line) for one in invoice["lines"] if one["type"] == "item"],
    }


def foretold(wants: dict[str, Json]) -> Json:
    """The same, from the story of the script and from what this connection's schemas announce."""
    line = wants["invoices"]["properties"]["lines"]["items"]["properties"]
    unit = "stuk" if "unit" in line else None
    settles = wants.get("payments", {}).get("properties", {}).get("allocations", {})
    paid = [] if "payments" not in wants else ["109.11"] if settles.get("x-in-full") else ["50.00", "59.11"]
    invoice = {
        "document_status": "final",
        "issued_on": "2026-03-02",
        "currency": "EUR",
        "net": "91.50",
        "tax": "17.61",
        "gross": "109.11",
        "groups": [("0", "2.50", "0.00"), ("21", "80.00", "16.80"), ("9", "9.00", "0.81")],
        "lines": [
            sold("Bakcursus", unit, "40.00", "domestic_high", "80.00"),
            sold("Brood", unit, "4.50", "domestic_low", "9.00"),
            sold("Gist", unit, "1.25", "zero", "2.50"),
        ],
    }
    end: Json = {
        "contacts": [{"kind": "company", "roles": ["customer"], "name": "De Sluis", "email": "a@sluis.example"}],
        "products": [{"name": "Desembrood", "price": "4.50", "price_includes_tax": False}] * ("products" in wants),
        "payments": paid,
        "invoices": {
            "paid": {**invoice, "document_type": "invoice", "payment_status": "paid" if paid else "unpaid"},
            "credited": {**invoice, "document_type": "invoice", "payment_status": "unpaid"},
        },
    }
    if "credit" in wants:
        status = wants["credit"].get("x-credit-note-payment-status", "unpaid")
        end["invoices"]["credited"]["payment_status"] = "credited"
        end["invoices"]["credit_note"] = {**invoice, "document_type": "credit_note", "payment_status": status}
    return end


def sold(text: str, unit: str | None, price: str, vat: str, net: str) -> Json:
    return {"description": text, "quantity": "2", "unit": unit, "unit_price": price, "vat_treatment": vat, "net": net}


@pytest.mark.parametrize("system", SELLING)
async def test_one_script_ends_in_the_same_records(system: str, tmp_path: Path) -> None:
    sell = script()
    async with open_house(tmp_path, adapters={system: emulated()[system]}) as house:
        books = sell.Books(house.client, await house.connect(system))
        sale = await sell.sell(books)
        again = await sell.sell(books)
    assert told(sale) == foretold(books.wants)
    assert again == sale, "whoever died after any step may begin again: nothing is done twice"


@pytest.mark.parametrize("system", SELLING)
async def test_it_does_so_again_in_books_that_are_in_use(system: str, tmp_path: Path) -> None:
    sell = script()
    async with open_house(tmp_path, adapters={system: emulated()[system]}) as house:
        house.emulator(system).populate()
        connection = await house.connect(system)
        for _ in range(2):
            books = sell.Books(house.client, connection)
            assert told(await sell.sell(books)) == foretold(books.wants)


@pytest.mark.parametrize("lacking", ["products vat-codes payment-methods", "payments invoices.credit ledger-accounts"])
async def test_it_sells_where_something_is_lacking(lacking: str, tmp_path: Path) -> None:
    """What capabilities do not say is there is left out, and all else ends as it does everywhere."""
    sell = script()
    async with open_house(tmp_path, adapters={"memory": without(*lacking.split())}) as house:
        books = sell.Books(house.client, await house.connect("memory"))
        end = told(await sell.sell(books))
    assert books.wants.keys() < {"contacts", "products", "invoices", "payments", "credit"}
    assert end == foretold(books.wants)


def test_the_systems_differ_and_the_script_is_shown() -> None:
    assert len(SELLING) > 3
    assert "(examples/sell.py)" in (ROOT / "README.md").read_text(encoding="utf-8")
