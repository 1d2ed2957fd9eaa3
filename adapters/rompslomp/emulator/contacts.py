"""Contacts: customers and suppliers (dossier §4, "contact")."""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from adapters.rompslomp.emulator.call import Call, matches
from adapters.rompslomp.emulator.errors import BLANK, NOT_LISTED, TAKEN, WRONG, ApiError, Violations, humanised
from adapters.rompslomp.emulator.fields import Attributes, Given, assign, check
from adapters.rompslomp.emulator.noun import Noun
from adapters.rompslomp.emulator.records import Contact, Expense, SalesInvoice
from adapters.rompslomp.emulator.references import referred
from adapters.rompslomp.emulator.state import Company, State
from adapters.rompslomp.emulator.switches import Switches

ATTRIBUTES: Attributes = {
    "is_individual": "boolean",
    "is_supplier": "boolean",
    "company_name": "text",
    "contact_person_name": "text",
    "contact_person_email_address": "text",
    "address": "text",
    "zipcode": "text",
    "city": "text",
    "government_identification_number": "text",
    "country_code": "text",
    "kvk_number": "text",
    "phone": "text",
    "vat_number": "text",
    "contact_number": "text",
    "free_1": "text",
    "free_2": "text",
    "free_3": "text",
}
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_SEARCHED = (
    "company_name",
    "contact_person_name",
    "contact_person_email_address",
    "kvk_number",
    "contact_number",
    "address",
    "phone",
    "vat_number",
    "zipcode",
    "city",
)
_CACHED = (
    "name",
    "contact_person_name",
    "address",
    "zipcode",
    "city",
    "country_code",
    "contact_person_email_address",
    "contact_number",
)


def contact_after(
    company: Company, contact: Contact | None, given: Given, violations: Violations, prefix: str = ""
) -> Contact:
    """A contact, new or changed by ``given``, not yet kept. ``prefix`` begins the labels of what is wrong with it."""
    labels = {name: _label(prefix, name) for name in ATTRIBUTES}
    check(given, ATTRIBUTES, violations, labels)
    after = replace(contact) if contact else Contact()
    assign(after, given, *ATTRIBUTES)
    after.is_individual = bool(after.is_individual)
    after.is_supplier = bool(after.is_supplier)
    if after.name is None:
        required = "contact_person_name" if after.is_individual else "company_name"
        violations.add(labels[required], BLANK)
    if after.country_code is not None and not _COUNTRY.fullmatch(after.country_code):
        violations.add(labels["country_code"], NOT_LISTED)
    email = after.contact_person_email_address
    if email is not None and not _EMAIL.fullmatch(email):
        violations.add(labels["contact_person_email_address"], WRONG)
    if after.contact_number is not None and _taken(company, after):
        violations.add(labels["contact_number"], TAKEN)
    return after


def take_contact(
    state: State, company: Company, document: SalesInvoice | Expense, given: Given, violations: Violations
) -> Contact | None:
    """Set a document's contact; the contact given inline, still to be kept, where there is one."""
    if given.get("contact"):
        attributes = state.reader.permitted(given["contact"], ATTRIBUTES)
        document.contact = contact_after(company, None, attributes, violations, prefix="Contact")
        return document.contact
    if "contact_id" in given:
        document.contact = referred(company.contacts, given["contact_id"], "Contact", violations, state.switches)
    return None


def keep_contact(company: Company, contact: Contact) -> Contact:
    """Keep a contact that was found valid; a blank number is filled from the customers' or suppliers' series."""
    series = "L" if contact.is_supplier else "K"
    while contact.contact_number is None or _taken(company, contact):
        contact.contact_number = f"{series}{company.next_number(series):05}"
    return company.contacts.put(contact) if contact.id else company.contacts.add(contact)


def book_contact(state: State, company: Company, body: object, contact: Contact | None = None) -> Contact:
    """Make or change a contact. Raises ``ApiError``."""
    violations = Violations("Contact")
    after = contact_after(company, contact, state.reader.permitted(body, ATTRIBUTES), violations)
    violations.settle()
    return keep_contact(company, after)


def cached(contact: Contact | None) -> dict[str, str | None]:
    """What a document remembers of its contact."""
    return {name: getattr(contact, name) if contact else None for name in _CACHED}


def shown_contact(contact: Contact) -> dict[str, Any]:
    """A contact as answers have it."""
    flags = {"id": contact.id, "is_individual": contact.is_individual, "is_supplier": contact.is_supplier}
    rest = {field.name: getattr(contact, field.name) for field in fields(contact) if field.name not in flags}
    return {**flags, "name": contact.name, **rest}


def _label(prefix: str, name: str) -> str:
    return f"{prefix} {humanised(name).lower()}" if prefix else humanised(name)


def _taken(company: Company, contact: Contact) -> bool:
    others = (other for other in company.contacts.oldest_first() if other.id != contact.id)
    return any(other.contact_number == contact.contact_number for other in others)


def _in_use(company: Company, contact: Contact) -> str | None:
    """What depends on a contact."""
    documents: Mapping[str, list[Contact | None]] = {
        "facturen": [invoice.contact for invoice in company.sales_invoices.oldest_first()],
        "offertes": [quotation.contact for quotation in company.quotations.oldest_first()],
        "uitgaven": [expense.contact for expense in company.expenses.oldest_first()],
    }
    for kind, contacts in documents.items():
        if any(other is not None and other.id == contact.id for other in contacts):
            return kind
    return None


def refuse_if_in_use(dependents: str | None, model: str, switches: Switches) -> None:
    """Refuse to delete what documents refer to, unless such deletes only hide."""
    if dependents is not None and switches.in_use_delete == "refused":
        message = f"{model} is invalid: Kan item niet verwijderen omdat afhankelijke {dependents} bestaan."
        raise ApiError(422, "client.parameters.validation", message)


def _found(call: Call) -> list[Contact]:
    selection = call.selection("all", "customers", "suppliers", default="all")
    found = call.company.contacts.newest_first()
    if selection != "all":
        found = [contact for contact in found if contact.is_supplier == (selection == "suppliers")]
    query = call.query("search[q]")
    if query:
        found = [
            contact
            for contact in found
            if matches(query, (getattr(contact, name) for name in _SEARCHED), call.switches)
        ]
    email = call.query("search[contact_person_email_address]")
    if email:
        found = [contact for contact in found if _has_email(contact, email, call.switches)]
    return found


def _has_email(contact: Contact, email: str, switches: Switches) -> bool:
    kept = contact.contact_person_email_address or ""
    if switches.email_search == "case_insensitive":
        return kept.casefold() == email.casefold()
    return kept == email


def _let_go(call: Call, contact: Contact) -> None:
    refuse_if_in_use(_in_use(call.company, contact), "Contact", call.switches)


CONTACTS = Noun(
    root="contact",
    many="contacts",
    name="Contact",
    table=lambda company: company.contacts,
    found=_found,
    shown=lambda _, contact: shown_contact(contact),
    book=lambda call, contact: book_contact(call.state, call.company, call.wrapped("contact"), contact),
    let_go=_let_go,
)
