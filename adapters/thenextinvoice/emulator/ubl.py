"""The invoice as UBL 2.1: an ``Invoice``, or a ``CreditNote`` with positive amounts, whose totals are the invoice's."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from adapters.thenextinvoice.emulator.arithmetic import DIGITS, Totals, plain, rounded
from adapters.thenextinvoice.emulator.invoicing import totals
from adapters.thenextinvoice.emulator.state import Company, Invoice, Line, Row, Service, VatCode

_OASIS = "urn:oasis:names:specification:ubl:schema:xsd"
CBC = f"{_OASIS}:CommonBasicComponents-2"
CAC = f"{_OASIS}:CommonAggregateComponents-2"
NLCIUS = "urn:cen.eu:en16931:2017#compliant#urn:fdc:nen.nl:nlcius:v1.0"
PEPPOL = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
PEPPOL_PROCESS = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"

CATEGORIES: Mapping[str | None, str] = {"exempt": "E", "none": "Z", "ICPS": "AE", "ICPG": "K", "EBU": "G"}
"""EN 16931 categories of a rate of nought, by type of VAT code; any other rate is standard."""

register_namespace("cbc", CBC)
register_namespace("cac", CAC)


@dataclass(frozen=True, slots=True)
class _Tax:
    category: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class _Priced:
    line: Line
    tax: _Tax
    net: Decimal
    price: Decimal


def ubl(service: Service, company: Company, invoice: Invoice, peppol: bool) -> bytes:
    """The document of a finalized invoice, in UTF-8."""
    with localcontext() as context:
        context.prec = DIGITS
        written: bytes = tostring(_document(service, company, invoice, peppol), encoding="utf-8", xml_declaration=True)
        return written


def _document(service: Service, company: Company, invoice: Invoice, peppol: bool) -> Element:
    amounts = totals(service, company, invoice)
    sign = -1 if invoice.is_credit else 1
    kind = "CreditNote" if invoice.is_credit else "Invoice"
    currency = invoice.meta["currency"]
    root = Element(f"{{{_OASIS}:{kind}-2}}{kind}")
    _text(root, "CustomizationID", PEPPOL if peppol else NLCIUS)
    if peppol:
        _text(root, "ProfileID", PEPPOL_PROCESS)
    _text(root, "ID", invoice.number or "")
    _text(root, "IssueDate", invoice.meta["sendDate"])
    if kind == "Invoice":
        _text(root, "DueDate", invoice.meta["dueDate"])
    _text(root, f"{kind}TypeCode", "381" if invoice.is_credit else "380")
    if note := invoice.text["top"]:
        _text(root, "Note", note)
    _text(root, "DocumentCurrencyCode", currency)
    _text(root, "BuyerReference", invoice.number or "")
    _supplier(root, invoice.kept_sender or {})
    _customer(root, invoice.kept_receiver or {})
    means = _part(root, "PaymentMeans")
    _text(means, "PaymentMeansCode", "58" if invoice.type == "I" else "30")
    if kind == "CreditNote":
        _text(means, "PaymentDueDate", invoice.meta["dueDate"])
    if iban := (invoice.kept_sender or {}).get("iban"):
        _text(_part(means, "PayeeFinancialAccount"), "ID", iban)
    priced = [line for line in (_priced(company, invoice, line, sign) for line in invoice.lines) if line is not None]
    _totals(root, priced, amounts, sign, currency)
    for position, line in enumerate(priced, start=1):
        _line(root, kind, position, line, currency)
    return root


def _priced(company: Company, invoice: Invoice, line: Line, sign: int) -> _Priced | None:
    if line.quantity is None or line.price is None or line.vat is None:
        return None
    vat: VatCode = company.vat_codes[line.vat]
    divisor = vat.factor if invoice.includes_vat else Decimal(1)
    tax = _Tax("S" if vat.rate else CATEGORIES.get(vat.type, "Z"), vat.rate)
    return _Priced(line, tax, rounded(sign * line.quantity * line.price / divisor), abs(line.price) / divisor)


def _totals(root: Element, priced: list[_Priced], amounts: Totals, sign: int, currency: str) -> None:
    """Allowances, taxes and the monetary total.

    One allowance per rate takes up the discount and the cents between the rounded lines and the rounded base, so that
    every sum in the document is exact.
    """
    taxes = list(dict.fromkeys(line.tax for line in priced))
    shares = _bases(priced, taxes, amounts, sign)
    listed = sum((line.net for line in priced), Decimal(0))
    for tax in taxes:
        if difference := _difference(priced, tax, shares):
            allowance = _part(root, "AllowanceCharge")
            _text(allowance, "ChargeIndicator", "true" if difference < 0 else "false")
            _text(allowance, "AllowanceChargeReason", "Korting")
            _money(allowance, "Amount", abs(difference), currency)
            _category(allowance, "TaxCategory", tax)
    total = _part(root, "TaxTotal")
    _money(total, "TaxAmount", sign * amounts.tax, currency)
    for tax in taxes:
        subtotal = _part(total, "TaxSubtotal")
        _money(subtotal, "TaxableAmount", shares[tax], currency)
        _money(subtotal, "TaxAmount", sign * amounts.rates[tax.rate].tax if tax.rate else Decimal(0), currency)
        _category(subtotal, "TaxCategory", tax)
    allowed = sum((max(_difference(priced, tax, shares), Decimal(0)) for tax in taxes), Decimal(0))
    charged = sum((max(-_difference(priced, tax, shares), Decimal(0)) for tax in taxes), Decimal(0))
    monetary = _part(root, "LegalMonetaryTotal")
    _money(monetary, "LineExtensionAmount", listed, currency)
    _money(monetary, "TaxExclusiveAmount", sign * amounts.net, currency)
    _money(monetary, "TaxInclusiveAmount", sign * amounts.gross, currency)
    _money(monetary, "AllowanceTotalAmount", allowed, currency)
    _money(monetary, "ChargeTotalAmount", charged, currency)
    _money(monetary, "PayableAmount", sign * amounts.gross, currency)


def _difference(priced: list[_Priced], tax: _Tax, shares: Mapping[_Tax, Decimal]) -> Decimal:
    return sum((line.net for line in priced if line.tax == tax), Decimal(0)) - shares[tax]


def _bases(priced: list[_Priced], taxes: list[_Tax], amounts: Totals, sign: int) -> dict[_Tax, Decimal]:
    """The base of each category. Categories of one rate share its base by their lines; the last takes the rest."""
    shares: dict[_Tax, Decimal] = {}
    for rate, booked in amounts.rates.items():
        alike = [tax for tax in taxes if tax.rate == rate]
        base = sign * booked.base
        lines = {tax: sum((line.net for line in priced if line.tax == tax), Decimal(0)) for tax in alike}
        whole = sum(lines.values(), Decimal(0))
        for tax in alike[:-1]:
            shares[tax] = rounded(base * lines[tax] / whole) if whole else Decimal(0)
        shares[alike[-1]] = base - sum((shares[tax] for tax in alike[:-1]), Decimal(0))
    return shares


def _line(root: Element, kind: str, position: int, priced: _Priced, currency: str) -> None:
    element = _part(root, f"{kind}Line")
    _text(element, "ID", str(position))
    quantity = abs(priced.line.quantity or Decimal(0)) * (-1 if priced.net < 0 else 1)
    quantity_name = "InvoicedQuantity" if kind == "Invoice" else "CreditedQuantity"
    _text(element, quantity_name, str(plain(quantity)), unitCode="C62")
    _money(element, "LineExtensionAmount", priced.net, currency)
    item = _part(element, "Item")
    _text(item, "Name", priced.line.description.partition("\n")[0])
    _category(item, "ClassifiedTaxCategory", priced.tax)
    amount = _text(_part(element, "Price"), "PriceAmount", str(plain(priced.price.quantize(Decimal("0.00000001")))))
    amount.set("currencyID", currency)


def _supplier(root: Element, sender: Row) -> None:
    party = _part(_part(root, "AccountingSupplierParty"), "Party")
    _address(party, sender.get("address"), sender.get("city"), sender.get("postalCode"), sender.get("country"))
    _registration(party, sender.get("vatNumber"), sender.get("companyName"), sender.get("coc"))


def _customer(root: Element, receiver: Row) -> None:
    party = _part(_part(root, "AccountingCustomerParty"), "Party")
    city, postal_code = receiver.get("city"), receiver.get("postalcode")
    _address(party, receiver.get("address"), city, postal_code, receiver.get("country"))
    _registration(party, receiver.get("vatnumber"), receiver.get("companyname"), None)


def _address(party: Element, street: str | None, city: str | None, zone: str | None, country: str | None) -> None:
    address = _part(party, "PostalAddress")
    for name, value in (("StreetName", street), ("CityName", city), ("PostalZone", zone)):
        if value:
            _text(address, name, value)
    _text(_part(address, "Country"), "IdentificationCode", country or "NL")


def _registration(party: Element, vat_number: str | None, name: str | None, coc: str | None) -> None:
    if vat_number:
        scheme = _part(party, "PartyTaxScheme")
        _text(scheme, "CompanyID", vat_number)
        _text(_part(scheme, "TaxScheme"), "ID", "VAT")
    entity = _part(party, "PartyLegalEntity")
    _text(entity, "RegistrationName", name or "")
    if coc:
        _text(entity, "CompanyID", coc, schemeID="0106")


def _category(parent: Element, name: str, tax: _Tax) -> None:
    category = _part(parent, name)
    _text(category, "ID", tax.category)
    _text(category, "Percent", str(plain(tax.rate)))
    if name == "TaxCategory" and tax.category in ("E", "AE", "K", "G") and parent.tag == f"{{{CAC}}}TaxSubtotal":
        _text(category, "TaxExemptionReason", {"E": "Vrijgesteld", "AE": "Btw verlegd"}.get(tax.category, "Btw 0%"))
    _text(_part(category, "TaxScheme"), "ID", "VAT")


def _part(parent: Element, name: str) -> Element:
    return SubElement(parent, f"{{{CAC}}}{name}")


def _text(parent: Element, name: str, value: str, **attributes: str) -> Element:
    element = SubElement(parent, f"{{{CBC}}}{name}", attributes)
    element.text = value
    return element


def _money(parent: Element, name: str, amount: Decimal, currency: str) -> None:
    _text(parent, name, str(rounded(amount)), currencyID=currency)
