"""Invoices and payments: what they add up to, what may happen to them, and how they look on paper."""

from decimal import Decimal
from fractions import Fraction
from math import floor
from xml.sax.saxutils import escape

from adapters.memory.emulator import fields
from adapters.memory.emulator.books import Company, Refused, Row
from gateway.contract.exact import Json
from gateway.contract.pdf import pdf_of

CENTS = Decimal("0.01")


def cents(value: Fraction) -> Decimal:
    """To the cent, half a cent away from zero. Fractions, so that nothing is lost on the way and nothing is shared."""
    whole = floor(abs(value) * 100 + Fraction(1, 2))
    return (Decimal(whole if value >= 0 else -whole) / 100).quantize(CENTS)


def add_up(company: Company, invoice: Row) -> None:
    """Fill in the amounts of every line, of every VAT code and of the whole. VAT is rounded once for each code."""
    charges: dict[str, Fraction] = {}
    for line in invoice["lines"]:
        if line["price"] is None:
            continue
        code = company.all("vatcodes")[line["vatCode"]]
        discount = Fraction(line["discount"] or 0)
        charge = Fraction(line["quantity"]) * Fraction(line["price"]) * (100 - discount) / 100
        net, vat = _split(charge, Fraction(code["vatRate"]), invoice["pricesIncludeVat"])
        line |= {"net": str(net), "vat": str(vat), "gross": str(net + vat), "vatRate": code["vatRate"]}
        line |= {"vatRegime": code["regime"], "vatCountry": code["country"]}
        charges[code["id"]] = charges.get(code["id"], Fraction(0)) + charge
    groups, net_total, vat_total = [], Decimal("0.00"), Decimal("0.00")
    for code_id, charge in charges.items():
        code = company.all("vatcodes")[code_id]
        net, vat = _split(charge, Fraction(code["vatRate"]), invoice["pricesIncludeVat"])
        net_total, vat_total = net_total + net, vat_total + vat
        rate = {"vatRate": code["vatRate"], "vatRegime": code["regime"]}
        groups.append({"vatCode": code_id, **rate, "base": str(net), "vat": str(vat)})
    invoice["vatGroups"] = groups
    invoice["totals"] = {"net": str(net_total), "vat": str(vat_total), "gross": str(net_total + vat_total)}
    settle(company, invoice)


def _split(charge: Fraction, rate: Fraction, includes_vat: bool) -> tuple[Decimal, Decimal]:
    rounded = cents(charge)
    if includes_vat:
        vat = cents(Fraction(rounded) * rate / (1 + rate))
        return rounded - vat, vat
    return rounded, cents(Fraction(rounded) * rate)


def settle(company: Company, invoice: Row) -> None:
    """Work out how far it is paid. A credit note is set off against what its invoice owes."""
    totals = invoice["totals"]
    gross, paid = Decimal(totals["gross"]), _paid(company, invoice)
    credited = any(other["creditOf"] == invoice["id"] for other in company.all("invoices").values())
    undone = company.all("invoices").get(invoice["creditOf"])
    owed = (
        Decimal(0) if undone is None else max(Decimal(0), Decimal(undone["totals"]["gross"]) - _paid(company, undone))
    )
    left = min(Decimal("0.00"), gross - paid + owed) if owed else gross - paid
    totals |= {"paid": str(paid), "open": "0.00" if credited else str(left)}
    invoice["paymentState"] = _payment_state(invoice, gross, gross - left, credited)
    due = invoice["dueDate"]
    late = due is not None and due < company.today.isoformat()
    invoice["overdue"] = late and invoice["paymentState"] in ("open", "part")


def _paid(company: Company, invoice: Row) -> Decimal:
    """What was paid of it."""
    allocations = (part for payment in company.all("payments").values() for part in payment["allocations"])
    parts = (Decimal(part["amount"]) for part in allocations if part["invoice"] == invoice["id"])
    return sum(parts, Decimal("0.00"))


def _payment_state(invoice: Row, gross: Decimal, paid: Decimal, credited: bool) -> str:
    if invoice["state"] == "concept":
        return "none"
    if credited:
        return "credited"
    if paid == gross:
        return "paid"
    if paid == 0 or (paid < 0) != (gross < 0):
        return "open"
    return "part" if abs(paid) < abs(gross) else "over"


def write_invoice(company: Company, body: Json, before: Row | None) -> Row:
    """A new concept, or one instead of what it was before."""
    given = fields.read(body, fields.INVOICE if before else fields.NEW_INVOICE)
    known = {line["id"] for line in before["lines"]} if before else set()
    given["lines"] = [_line(company, line, f"lines.{place}.", known) for place, line in enumerate(given["lines"])]
    if not given["lines"]:
        raise Refused("invalid", "Geen regels.", "There are no lines.", field="lines")
    contact = company.all("contacts").get(given["contact"])
    if contact is None:
        raise Refused("invalid", "Relatie onbekend.", "There is no such contact.", field="contact")
    book = given.pop("book", False)
    invoice: Row = {
        "id": before["id"] if before else company.new_id("invoices"),
        "state": "concept",
        **given,
        "contactName": contact["contactPerson"] if contact["isPerson"] else contact["companyName"],
        "sentAt": None,
        "createdAt": before["createdAt"] if before else company.stamp(),
        "updatedAt": company.stamp(),
    }
    company.keep_unique("invoices", invoice, ("number", "externalReference"))
    add_up(company, invoice)
    company.all("invoices")[invoice["id"]] = invoice
    return book_invoice(company, invoice) if book else invoice


def _line(company: Company, body: Json, place: str, known: set[str]) -> Row:
    """A line; one that names an id it had before keeps it."""
    line = fields.read(body, fields.LINE, place)
    id = line.pop("id")
    if id is not None and id not in known:
        raise Refused("invalid", "Regel onbekend.", "There is no such line.", field=f"{place}id")
    if line["price"] is None:
        charged = [name for name, value in line.items() if value is not None and name != "text"]
        if charged:
            raise Refused("invalid", "Prijs ontbreekt.", "The price is missing.", field=f"{place}price")
    else:
        if line["quantity"] is None:
            raise Refused("invalid", "Aantal ontbreekt.", "The quantity is missing.", field=f"{place}quantity")
        for name, noun in (("vatCode", "vatcodes"), ("product", "products"), ("ledger", "ledgers")):
            there = line[name] in company.all(noun) or (line[name] is None and name != "vatCode")
            if not there:
                raise Refused("invalid", f"{name} onbekend.", f"There is no such {name}.", field=f"{place}{name}")
        line["ledger"] = line["ledger"] or "le1001"
    nothing = dict.fromkeys(("vatRate", "vatRegime", "vatCountry", "net", "vat", "gross"))
    return {"id": id or company.new_id("rows"), **line, **nothing}


def book_invoice(company: Company, invoice: Row) -> Row:
    """Make a concept final: it gets its number."""
    if invoice["state"] == "booked":
        raise Refused("booked", "De factuur is al geboekt.", "The invoice is booked already.")
    if invoice["number"] is None:
        invoice["number"] = str(company.next_number)
        company.next_number += 1
    invoice |= {"state": "booked", "updatedAt": company.stamp()}
    settle(company, invoice)
    return invoice


def credit_invoice(company: Company, invoice: Row, body: Json) -> Row:
    """A booked credit note that undoes a booked invoice."""
    given = fields.read(body, fields.CREDIT)
    if invoice["state"] == "concept":
        raise Refused("concept", "De factuur is nog een concept.", "The invoice is a concept still.")
    if invoice["kind"] != "invoice" or invoice["paymentState"] == "credited":
        raise Refused("credited", "Dit kan niet (nog eens) gecrediteerd worden.", "This cannot be credited (again).")
    kept = {name: invoice[name] for name in fields.INVOICE if name not in ("dueDate", "deliveryDate")}
    lines = [{name: line[name] for name in fields.LINE if name != "id"} for line in invoice["lines"]]
    for line in lines:
        line["price"] = None if line["price"] is None else format(-Decimal(line["price"]), "f")
    own = {
        "kind": "creditNote",
        "number": given["number"],
        "date": given["date"] or company.today.isoformat(),
        "externalReference": given["externalReference"],
        "creditOf": invoice["id"],
        "lines": lines,
        "book": True,
    }
    note = write_invoice(company, {**kept, **own}, None)
    settle(company, invoice)
    invoice["updatedAt"] = company.stamp()
    return note


def write_payment(company: Company, body: Json) -> Row:
    """A new payment; the invoices it settles know at once."""
    given = fields.read(body, fields.PAYMENT)
    amount = Decimal(given["amount"])
    if amount == 0:
        raise Refused("invalid", "Het bedrag is nul.", "The amount is zero.", field="amount")
    for name, noun in (("method", "methods"), ("ledger", "ledgers")):
        if given[name] is not None and given[name] not in company.all(noun):
            raise Refused("invalid", "Onbekend.", "There is no such record.", field=name)
    parts = [fields.read(part, fields.ALLOCATION, "allocations.") for part in given["allocations"]]
    for part in parts:
        invoice = company.all("invoices").get(part["invoice"])
        if invoice is None:
            raise Refused("invalid", "Factuur onbekend.", "There is no such invoice.", field="allocations.invoice")
        if invoice["state"] == "concept":
            raise Refused("concept", "De factuur is nog een concept.", "The invoice is a concept still.")
        if invoice["currency"] != given["currency"]:
            raise Refused("invalid", "Andere valuta.", "The invoice is in another currency.", field="currency")
        if (Decimal(part["amount"]) < 0) != (amount < 0):
            raise Refused("invalid", "Verkeerde richting.", "The wrong direction.", field="allocations.amount")
    allocated = sum((Decimal(part["amount"]) for part in parts), Decimal(0))
    if abs(allocated) > abs(amount):
        raise Refused("invalid", "Meer verdeeld dan betaald.", "More allocated than paid.", field="allocations")
    payment: Row = {"id": company.new_id("payments"), **given, "allocations": parts}
    company.all("payments")[payment["id"]] = payment
    _settle_all(company, payment)
    return payment


def delete_payment(company: Company, payment: Row) -> None:
    """Take a payment back."""
    del company.all("payments")[payment["id"]]
    _settle_all(company, payment)


def _settle_all(company: Company, payment: Row) -> None:
    for part in payment["allocations"]:
        invoice = company.one("invoices", part["invoice"])
        settle(company, invoice)
        invoice["updatedAt"] = company.stamp()


def pdf(company: Company, invoice: Row) -> bytes:
    """The invoice on paper."""
    _booked(invoice)
    return pdf_of([company.details["name"], invoice["number"], f"EUR {invoice['totals']['gross']}"])


def ubl(company: Company, invoice: Row) -> bytes:
    """The invoice as UBL 2.1, as far as anyone here looks."""
    _booked(invoice)
    document = "Invoice" if invoice["kind"] == "invoice" else "CreditNote"
    basic = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
    total = f'<cbc:TaxInclusiveAmount currencyID="{escape(invoice["currency"])}">{invoice["totals"]["gross"]}'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{document} '
        f'xmlns="urn:oasis:names:specification:ubl:schema:xsd:{document}-2" xmlns:cbc="{basic}">'
        f"<cbc:ID>{escape(invoice['number'])}</cbc:ID><cbc:IssueDate>{invoice['date']}</cbc:IssueDate>"
        f"<cbc:Note>{escape(company.details['name'])}</cbc:Note>{total}</cbc:TaxInclusiveAmount></{document}>"
    ).encode()


def _booked(invoice: Row) -> None:
    if invoice["state"] == "concept":
        raise Refused("concept", "De factuur is nog een concept.", "The invoice is a concept still.")
