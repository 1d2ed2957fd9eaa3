"""Quotations: concept, published, then approved or denied (dossier §4, "quotation")."""

from dataclasses import replace
from typing import Any

from adapters.rompslomp.emulator.call import Call
from adapters.rompslomp.emulator.errors import BLANK, Violations
from adapters.rompslomp.emulator.fields import Attributes, Given, assign, check, date_text
from adapters.rompslomp.emulator.identifiers import id_in
from adapters.rompslomp.emulator.invoicing import numbered
from adapters.rompslomp.emulator.lines import lines_after, number_lines, shown_line
from adapters.rompslomp.emulator.noun import Noun
from adapters.rompslomp.emulator.records import Quotation
from adapters.rompslomp.emulator.references import referred

_ATTRIBUTES: Attributes = {
    "contact_id": "id",
    "template_id": "id",
    "invoice_number": "text",
    "date": "date",
    "creates_sign_url_on_publish": "boolean",
    "_publish": "boolean",
    "_deny": "boolean",
    "_approve": "boolean",
    "invoice_lines": "objects",
}
_TRIGGERS = {
    "_publish": (("concept",), "published", "kan niet worden gepubliceerd"),
    "_deny": (("published", "approved"), "denied", "kan niet worden afgewezen"),
    "_approve": (("published", "denied"), "approved", "kan niet worden goedgekeurd"),
}
"""Per trigger: the states it starts from, the state it leads to, and what is said otherwise."""


def _shown(_: Call, quotation: Quotation) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "contact_id": quotation.contact.id if quotation.contact else None,
        "template_id": quotation.template.id if quotation.template else None,
        "invoice_number": quotation.invoice_number,
        "date": date_text(quotation.date),
        "id": quotation.id,
        "status": quotation.status,
        "invoice_lines": [shown_line(line) for line in quotation.lines],
    }
    if quotation.creates_sign_url_on_publish and quotation.status == "concept":
        shown["creates_sign_url_on_publish"] = True
    if quotation.sign_url is not None:
        shown["sign_url"] = quotation.sign_url
    return shown


def _book(call: Call, quotation: Quotation | None) -> Quotation:
    extra: Attributes = {"api_reference": "text"} if call.switches.quotation_api_reference else {}
    attributes: Attributes = {**_ATTRIBUTES, **extra}
    given = call.reader.permitted(call.wrapped("quotation"), attributes)
    violations = Violations("Offerte")
    check(given, attributes, violations)
    after = replace(quotation) if quotation else Quotation(date=call.today)
    assign(after, given, "invoice_number", "api_reference")
    if "creates_sign_url_on_publish" in given:
        after.creates_sign_url_on_publish = bool(given["creates_sign_url_on_publish"])
    if given.get("date") is not None:
        after.date = given["date"]
    elif "date" in given and quotation is not None:
        violations.add("Offertedatum", BLANK)
    if "contact_id" in given:
        after.contact = referred(call.company.contacts, given["contact_id"], "Contact", violations, call.switches)
    if after.contact is None and not violations.sentences:
        violations.add("Contact", BLANK)
    if "template_id" in given:
        after.template = referred(call.company.templates, given["template_id"], "Template", violations, call.switches)
    bodies = given.get("invoice_lines")
    after.lines = lines_after(call.state, call.company, quotation.lines if quotation else None, bodies, violations)
    _pull(after, given, violations)
    violations.settle()
    number_lines(call.state, after.lines)
    if given.get("_publish"):
        after.invoice_number = after.invoice_number or numbered(call.company, "quotations", after.date)
        if after.creates_sign_url_on_publish:
            after.sign_url = f"https://sign.example/{call.state.random.getrandbits(64):016x}"
    return call.company.quotations.put(after) if quotation else call.company.quotations.add(after)


def _pull(quotation: Quotation, given: Given, violations: Violations) -> None:
    """Pull the triggers. A new quotation is a concept, so it can only be published."""
    for trigger, (sources, target, refusal) in _TRIGGERS.items():
        if not given.get(trigger):
            continue
        if quotation.status not in sources:
            violations.add("Offerte", refusal)
        else:
            quotation.status = target


def _found(call: Call) -> list[Quotation]:
    selection = call.selection("all", "approved", "stopped", "published", "concept", "invoiced", default="all")
    found = call.company.quotations.newest_first()
    if selection != "all":
        status = "denied" if selection == "stopped" else selection
        found = [quotation for quotation in found if quotation.status == status]
    first, last = call.query_date("search[from]"), call.query_date("search[till]")
    found = [one for one in found if (not first or one.date >= first) and (not last or one.date <= last)]
    contact, reference = call.query("search[contact_id]"), call.query("search[api_reference]")
    if contact:
        identity = id_in(contact, "whole")
        found = [quotation for quotation in found if quotation.contact and quotation.contact.id == identity]
    if reference:
        found = [quotation for quotation in found if quotation.api_reference == reference]
    return found


QUOTATIONS = Noun(
    root="quotation",
    many="quotations",
    name="Offerte",
    table=lambda company: company.quotations,
    found=_found,
    shown=_shown,
    book=_book,
)
