"""Making, changing and publishing a sales invoice: its rules, in order (dossier §3.1, §4, §6)."""

import re
from dataclasses import fields, replace
from datetime import date, timedelta
from decimal import Decimal

from adapters.rompslomp.emulator.arithmetic import Amounts, document_amounts
from adapters.rompslomp.emulator.contacts import cached, keep_contact, take_contact
from adapters.rompslomp.emulator.errors import BLANK, NOT_LISTED, TAKEN, WRONG, Violations
from adapters.rompslomp.emulator.fields import Attributes, Given, assign, check
from adapters.rompslomp.emulator.lines import lines_after, number_lines
from adapters.rompslomp.emulator.payments import ATTRIBUTES as PAYMENT_ATTRIBUTES
from adapters.rompslomp.emulator.payments import payment_after
from adapters.rompslomp.emulator.records import Payment, SalesInvoice
from adapters.rompslomp.emulator.references import referred
from adapters.rompslomp.emulator.state import Company, State
from adapters.rompslomp.emulator.switches import Switches
from adapters.rompslomp.emulator.vat import EU_ABROAD

_PLAIN: Attributes = {
    "date": "date",
    "due_date": "date",
    "payment_method": "text",
    "custom_payment_instructions": "long_text",
    "creates_pay_url_on_publish": "boolean",
    "description": "long_text",
    "currency": "text",
    "currency_exchange_rate": "decimal",
    "sends_copy_by_email_on_publish": "boolean",
    "vat_number": "text",
    "validates_vat_number": "boolean",
    "api_reference": "text",
    "payment_reference": "text",
    "sale_type": "text",
    "distance_sale": "boolean",
}
ATTRIBUTES: Attributes = {
    **_PLAIN,
    "contact_id": "id",
    "template_id": "id",
    "contact": "object",
    "invoice_lines": "objects",
    "payments": "objects",
    "_publish": "boolean",
}
_DEFAULTS = {
    "payment_method": "pay_transfer",
    "currency": "eur",
    "sale_type": "supply",
    "creates_pay_url_on_publish": False,
    "sends_copy_by_email_on_publish": False,
    "validates_vat_number": True,
    "distance_sale": False,
}
"""What a blank value of these becomes."""

_FREE_AFTER_PUBLICATION = frozenset({"api_reference", "payment_reference", "attachments"})
_METHODS = ("pay_transfer", "paid_cash", "paid_pin", "paid_already", "pay_ideal", "paid_sepa", "pay_custom")
_SALE_TYPES = ("supply", "service", "service_digital")
_FIRST_DAY = date(1990, 1, 1)
_DATE_LABEL = "Factuurdatum"
_LABELS = {"date": _DATE_LABEL, "vat_number": "Btw-nummer"}
_CURRENCY = re.compile(r"[a-z]{3}", re.ASCII)
_VAT_NUMBER = re.compile(r"(?!NL)[A-Z]{2}[0-9A-Z+*]{2,13}|NL[0-9]{9}B[0-9]{2}", re.ASCII)
"""The format only: the vendor's own example fails the checksum, so no checksum is kept (dossier §6)."""


def book_invoice(
    state: State, company: Company, body: object, today: date, invoice: SalesInvoice | None = None
) -> SalesInvoice:
    """Make or change an invoice, with all that its body brings along, or nothing at all. Raises ``ApiError``."""
    given = state.reader.permitted(body, ATTRIBUTES)
    violations = Violations("Factuur")
    check(given, ATTRIBUTES, violations, _LABELS)
    after = replace(invoice) if invoice else SalesInvoice(date=today, due_date=today)
    _take_plain(after, given, company, violations, is_new=invoice is None)
    new_contact = take_contact(state, company, after, given, violations)
    if "template_id" in given:
        found = referred(company.templates, given["template_id"], "Template", violations, state.switches)
        after.template = found
    after.lines = lines_after(
        state, company, invoice.lines if invoice else None, given.get("invoice_lines"), violations
    )
    payments = _new_payments(state, company, given, violations)
    if invoice is not None and invoice.status != "concept" and state.switches.published_mutability == "locked":
        _refuse_changes(invoice, after, violations)
    _validate(company, after, violations, state.switches)
    publish = bool(given.get("_publish"))
    if publish:
        _check_publication(after, violations, state.switches)
    violations.settle()
    if new_contact is not None:
        keep_contact(company, new_contact)
    number_lines(state, after.lines)
    if publish:
        _publish(company, after, today)
    kept = company.sales_invoices.put(after) if invoice else company.sales_invoices.add(after)
    for payment in payments:
        payment.invoice_id = kept.id
        company.payments.add(payment)
    return kept


def amounts_of(invoice: SalesInvoice, switches: Switches) -> Amounts:
    """The totals of an invoice."""
    return document_amounts((line.charge for line in invoice.lines), switches.vat_rounding)


def _take_plain(after: SalesInvoice, given: Given, company: Company, violations: Violations, *, is_new: bool) -> None:
    assign(after, given, *(name for name in _PLAIN if name not in ("date", "due_date")))
    for name, default in _DEFAULTS.items():
        if getattr(after, name) is None:
            setattr(after, name, default)
    if given.get("date") is not None:
        after.date = given["date"]
    elif "date" in given and not is_new:
        violations.add(_DATE_LABEL, BLANK)
    if given.get("due_date") is not None:
        after.due_date = given["due_date"]
    elif is_new or "due_date" in given:
        after.due_date = after.date + timedelta(days=company.payment_period_days)
    if after.currency == "eur":
        after.currency_exchange_rate = Decimal(1)
    elif "currency" in given and "currency_exchange_rate" not in given:
        after.currency_exchange_rate = None


def _new_payments(state: State, company: Company, given: Given, violations: Violations) -> list[Payment]:
    bodies = [state.reader.permitted(body, PAYMENT_ATTRIBUTES) for body in given.get("payments") or ()]
    return [payment_after(state, company, None, body, violations, prefix="payments ") for body in bodies]


def _refuse_changes(before: SalesInvoice, after: SalesInvoice, violations: Violations) -> None:
    changed = (field.name for field in fields(before) if getattr(before, field.name) != getattr(after, field.name))
    if not set(changed) <= _FREE_AFTER_PUBLICATION:
        violations.add("Factuur", "is gepubliceerd en kan niet meer worden gewijzigd")


def _validate(company: Company, invoice: SalesInvoice, violations: Violations, switches: Switches) -> None:
    if invoice.date <= _FIRST_DAY:
        violations.add(_DATE_LABEL, "moet na 01/01/1990 liggen")
    if invoice.payment_method not in _METHODS:
        violations.add("Payment method", NOT_LISTED)
    if invoice.payment_method == "pay_custom" and invoice.custom_payment_instructions is None:
        violations.add("Custom payment instructions", BLANK)
    if invoice.sale_type not in _SALE_TYPES:
        violations.add("Sale type", NOT_LISTED)
    if not _CURRENCY.fullmatch(invoice.currency):
        violations.add("Currency", NOT_LISTED)
    if invoice.currency_exchange_rate is None:
        violations.add("Currency exchange rate", BLANK)
    if switches.concept_needs_contact and invoice.contact is None and not _mentioned("Contact", violations):
        violations.add("Contact", BLANK)
    if invoice.api_reference is not None and any(
        other.api_reference == invoice.api_reference and other.id != invoice.id
        for other in company.sales_invoices.oldest_first()
    ):
        violations.add("Api reference", TAKEN)
    _settle_vat_number(invoice, violations, switches)


def _mentioned(label: str, violations: Violations) -> bool:
    return any(sentence.startswith(label) for sentence in violations.sentences)


def _settle_vat_number(invoice: SalesInvoice, violations: Violations, switches: Switches) -> None:
    if invoice.vat_number is None and switches.vat_number_from_contact and invoice.contact is not None:
        invoice.vat_number = invoice.contact.vat_number
    if invoice.vat_number is None:
        if _needs_vat_number(invoice):
            violations.add("Btw-nummer", BLANK)
        return
    if invoice.validates_vat_number:
        invoice.vat_number = re.sub(r"[\s.]", "", invoice.vat_number).upper()
        if not _VAT_NUMBER.fullmatch(invoice.vat_number):
            violations.add("Btw-nummer", WRONG)


def _needs_vat_number(invoice: SalesInvoice) -> bool:
    names = {line.vat_type.name for line in invoice.lines}
    in_eu_abroad = invoice.contact is not None and invoice.contact.country_code in EU_ABROAD
    return "vat_reverse_charged" in names or ("vat_zero" in names and in_eu_abroad)


def _check_publication(invoice: SalesInvoice, violations: Violations, switches: Switches) -> None:
    if invoice.status != "concept":
        violations.add("Factuur", "is al gepubliceerd")
    if invoice.contact is None and not _mentioned("Contact", violations):
        violations.add("Contact", BLANK)
    if switches.publish_needs_lines and not invoice.lines:
        violations.add("Factuurregels", BLANK)


def _publish(company: Company, invoice: SalesInvoice, today: date) -> None:
    invoice.status = "published"
    invoice.published_at = today
    invoice.invoice_number = numbered(company, "sales_invoices", invoice.date)
    invoice.cached_contact = cached(invoice.contact)
    if invoice.creates_pay_url_on_publish and company.takes_ideal:
        invoice.pay_url = f"https://pay.example/{company.id}/{invoice.invoice_number}"
    for line in invoice.lines:
        if line.product is not None:
            line.product.number_sold += line.quantity


def numbered(company: Company, kind: str, day: date) -> str:
    """The next number of a kind of document: year, month and four digits, without gaps (recorded: 2024030001)."""
    series = f"{day:%Y%m}"
    return f"{series}{company.next_number(f'{kind} {series}'):04}"


def open_amount(gross: Decimal, paid: Decimal, switches: Switches) -> tuple[Decimal, str]:
    """What is still open, and the payment status.

    Two payments of 363.00 on 514.25 are recorded to give ``0.0`` and ``paid``, so too much paid counts as just paid.
    The open amount of a credit is negative; there, too much repaid counts as just repaid.
    """
    rest = gross - paid
    over = rest < 0 if gross >= 0 else rest > 0
    if over and switches.overpayment == "overpaid":
        return rest, "overpaid"
    if over or rest == 0:
        return Decimal(0), "paid"
    return rest, "unpaid"
