"""An invoice as UBL 2.1. The vendor's document types the answer as an array of objects, its client reads XML text."""

import base64
from decimal import Decimal
from xml.etree import ElementTree

from adapters.snelstart.emulator.administration import Administration
from adapters.snelstart.emulator.amounts import ZERO
from adapters.snelstart.emulator.calls import Answer, Call
from adapters.snelstart.emulator.fields import Record

_UBL = "urn:oasis:names:specification:ubl:schema:xsd"
_INVOICE, _AGGREGATE, _BASIC = (
    f"{_UBL}:Invoice-2",
    f"{_UBL}:CommonAggregateComponents-2",
    f"{_UBL}:CommonBasicComponents-2",
)
_TAX_CODES = {"Geen": "E", "Laag": "S", "Hoog": "S", "Overig": "S"}


def get(call: Call) -> Answer:
    invoice = call.record("verkoopfacturen")
    text = document(call.administration, invoice)
    if call.switches.ubl == "xml":
        return Answer(200, text, "application/xml; charset=utf-8")
    content = base64.b64encode(text).decode()
    return Answer(200, [{"fileName": f"{invoice['factuurnummer']}.xml", "content": content}])


def document(administration: Administration, invoice: Record) -> bytes:
    """The XML of an invoice; a negative entry is an invoice with negative amounts."""
    entry = administration.records["verkoopboekingen"][invoice["verkoopBoeking"]["id"]]
    customer = administration.records["relaties"][invoice["relatie"]["id"]]
    root = ElementTree.Element(f"{{{_INVOICE}}}Invoice")
    for name, text in (
        ("UBLVersionID", "2.1"),
        ("ID", invoice["factuurnummer"]),
        ("IssueDate", invoice["factuurDatum"][:10]),
        ("DueDate", invoice["vervalDatum"][:10]),
        ("InvoiceTypeCode", "380"),
        ("DocumentCurrencyCode", "EUR"),
    ):
        _basic(root, name, text)
    company = administration.company
    _party(root, "AccountingSupplierParty", company["bedrijfsnaam"], company["btwIdentificatieNummer"])
    _party(root, "AccountingCustomerParty", customer["naam"], customer["btwNummer"])
    net = sum((line["bedrag"] for line in entry["boekingsregels"]), ZERO)
    _amount(_aggregate(root, "TaxTotal"), "TaxAmount", invoice["factuurBedrag"] - net)
    totals = _aggregate(root, "LegalMonetaryTotal")
    _amount(totals, "LineExtensionAmount", net)
    _amount(totals, "TaxExclusiveAmount", net)
    _amount(totals, "TaxInclusiveAmount", invoice["factuurBedrag"])
    _amount(totals, "PayableAmount", invoice["factuurBedrag"])
    for number, line in enumerate(entry["boekingsregels"], start=1):
        _line(root, number, line)
    xml: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml


def _line(root: ElementTree.Element, number: int, line: Record) -> None:
    element = _aggregate(root, "InvoiceLine")
    _basic(element, "ID", str(number))
    _basic(element, "InvoicedQuantity", "1")
    _amount(element, "LineExtensionAmount", line["bedrag"])
    item = _aggregate(element, "Item")
    _basic(item, "Name", line["omschrijving"] or "Omzet")
    category = _aggregate(item, "ClassifiedTaxCategory")
    _basic(category, "ID", _TAX_CODES[line["btwSoort"]])
    _basic(_aggregate(category, "TaxScheme"), "ID", "VAT")


def _party(root: ElementTree.Element, role: str, name: str, vat_number: str | None) -> None:
    party = _aggregate(_aggregate(root, role), "Party")
    _basic(_aggregate(party, "PartyName"), "Name", name)
    if vat_number:
        scheme = _aggregate(party, "PartyTaxScheme")
        _basic(scheme, "CompanyID", vat_number)
        _basic(_aggregate(scheme, "TaxScheme"), "ID", "VAT")


def _aggregate(parent: ElementTree.Element, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, f"{{{_AGGREGATE}}}{name}")


def _basic(parent: ElementTree.Element, name: str, text: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, f"{{{_BASIC}}}{name}")
    element.text = text
    return element


def _amount(parent: ElementTree.Element, name: str, amount: Decimal) -> None:
    _basic(parent, name, format(amount, "f")).set("currencyID", "EUR")
