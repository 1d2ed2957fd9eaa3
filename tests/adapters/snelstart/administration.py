"""A small administration, and the golden pairs as they read in it."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from adapters.snelstart.mapping import contacts, invoices, lines, payments, products, settings, vat
from gateway.contract.adapter import Record

TODAY = date(2026, 8, 20)
HIGH, LOW, UNTAXED = (
    "7a7b3888-7620-47c0-b248-98424219771c",
    "51fdb7b3-0ddb-420f-858f-7b78280eeb49",
    "99999999-7620-47c0-b248-98424219771c",
)
CUSTOMER = "0d1c6a3e-6a0a-4a5d-9f63-0b4f0f6f3a11"
ENTRY = "2f1d7f0c-7e0e-4c55-8a4f-5c0b3b0f2b77"
NETHERLANDS = "c4335f00-c6a6-48fd-b89f-108657d12ccf"
COUNTRIES = {NETHERLANDS: contacts.Land(id=NETHERLANDS, landcode="NL", landcodeISO="NLD")}


def _ledger(id: str, number: int, function: str, kind: str) -> vat.Grootboek:
    return vat.Grootboek(id=id, nummer=number, grootboekfunctie=function, btwSoort=[kind])


def _rate(kind: str, percentage: str, start: str, end: str = "2400-12-31") -> vat.Btwtarief:
    said = {"btwSoort": kind, "btwPercentage": percentage, "datumVanaf": start, "datumTotEnMet": end}
    return vat.Btwtarief.of(said)


LEDGERS = [
    _ledger(HIGH, 8200, "VerkopenOmzetHoog", "Hoog"),
    _ledger(LOW, 8210, "VerkopenOmzetLaag", "Laag"),
    _ledger(UNTAXED, 8240, "VerkopenOmzetOnbelastVerlegd", "Geen"),
]
RATES = [
    _rate("Laag", "6.0", "1986-10-01", "2018-12-31"),
    _rate("Laag", "9.0", "2019-01-01"),
    _rate("Hoog", "21.0", "2012-10-01"),
]
WAYS = vat.ways_of(RATES, (), LEDGERS, COUNTRIES)
SETUP = lines.Setup(WAYS, {ledger.id: ledger for ledger in LEDGERS})
COMPANY = vat.CompanyInfo(administratieIdentifier=ENTRY, artikelcodeSoort="Numeriek", artikelcodeMaxLengte=10)
GROUP = products.Omzetgroep.of(
    {
        "id": "94d9cbef-ec40-4e53-af50-a5f1da7b94db",
        "nummer": 1,
        "verkoopGrootboekNederlandIdentifier": {"id": HIGH},
        "verkoopNederlandBtwSoort": "Hoog",
    }
)
SHELF = products.Shelf(SETUP, [GROUP], COMPANY, TODAY)


def invoice_of(raw: Mapping[str, Any]) -> Record[Any]:
    if invoices.JOINED in raw:
        said = raw[invoices.JOINED]
        factuur, boeking = invoices.Factuur.of(said), invoices.Boeking.of(raw)
        return invoices.whole_invoice_of(factuur, said, boeking, raw, TODAY, invoices.Reading(SETUP))
    return invoices.invoice_of(invoices.Factuur.of(raw), raw, date(2026, 9, 20))


def _vat_code(raw: Mapping[str, Any]) -> Record[Any]:
    """The way with that function and those kinds, in force."""
    triple = (raw["grootboekfunctie"], raw["regelBtwSoort"], raw["btwBtwSoort"])
    for way in WAYS.by_id.values():
        if (sorted(way.functions or ()), way.kind, way.row) == triple and vat.in_force(way.code, TODAY):
            return vat.vat_code_of(way)
    raise AssertionError(f"no way to tax as {triple}")


READS: Mapping[str, Callable[[Mapping[str, Any]], Record[Any]]] = {
    "contacts": lambda raw: contacts.contact_of(raw, COUNTRIES),
    "products": lambda raw: products.product_of(raw, SHELF),
    "invoices": invoice_of,
    "payments": lambda raw: payments.payment_of(raw, "bank"),
    "vat-codes": _vat_code,
    "ledger-accounts": settings.ledger_account_of,
    "payment-methods": lambda raw: settings.payment_method_of(raw, {}),
    "company": settings.company_of,
}
