"""Expenses: what suppliers charge (dossier §4, "expense"). They have no totals and take no attachments."""

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from adapters.rompslomp.emulator.answers import answer
from adapters.rompslomp.emulator.arithmetic import document_amounts
from adapters.rompslomp.emulator.call import Call
from adapters.rompslomp.emulator.contacts import cached, keep_contact, take_contact
from adapters.rompslomp.emulator.directories import shown_account
from adapters.rompslomp.emulator.errors import BLANK, NOT_LISTED, Violations
from adapters.rompslomp.emulator.fields import Attributes, check, date_text
from adapters.rompslomp.emulator.invoicing import numbered
from adapters.rompslomp.emulator.lines import lines_after, number_lines, shown_line
from adapters.rompslomp.emulator.noun import Noun
from adapters.rompslomp.emulator.records import Expense
from adapters.rompslomp.emulator.references import referred

_ATTRIBUTES: Attributes = {
    "date": "date",
    "state": "text",
    "type_account_id": "id",
    "type_account": "object",
    "currency": "text",
    "contact_id": "id",
    "contact": "object",
    "invoice_lines": "objects",
}
"""``type_account`` is in the vendor's list of what may be sent, though nothing comes of it."""


def _shown(_: Call, expense: Expense) -> dict[str, Any]:
    account = expense.type_account
    return {
        "id": expense.id,
        "date": date_text(expense.date),
        "state": expense.state,
        "type_account_id": account.id if account else None,
        "currency": expense.currency,
        "contact_id": expense.contact.id if expense.contact else None,
        "invoice_number": expense.invoice_number,
        "type_account": shown_account(account) if account else None,
        "cached_contact": cached(expense.contact),
        "invoice_lines": [shown_line(line) for line in expense.lines],
    }


def _book(call: Call, expense: Expense | None) -> Expense:
    given = call.reader.permitted(call.wrapped("expense"), _ATTRIBUTES)
    violations = Violations("Uitgave")
    check(given, _ATTRIBUTES, violations)
    after = replace(expense) if expense else Expense(date=call.today)
    if given.get("date") is not None:
        after.date = given["date"]
    elif "date" in given and expense is not None:
        violations.add("Factuurdatum", BLANK)
    after.currency = given.get("currency") or after.currency
    after.state = given.get("state") or after.state
    if after.state not in ("concept", "published"):
        violations.add("State", NOT_LISTED)
    if "type_account_id" in given:
        account = referred(call.company.accounts, given["type_account_id"], "Type account", violations, call.switches)
        after.type_account = account
    if after.type_account is None and not violations.sentences:
        violations.add("Type account", BLANK)
    new_contact = take_contact(call.state, call.company, after, given, violations)
    bodies = given.get("invoice_lines")
    after.lines = lines_after(call.state, call.company, expense.lines if expense else None, bodies, violations)
    violations.settle()
    if new_contact is not None:
        keep_contact(call.company, new_contact)
    number_lines(call.state, after.lines)
    return call.company.expenses.put(after) if expense else call.company.expenses.add(after)


def _found(call: Call) -> list[Expense]:
    selection = call.selection("all", "unpaid", "investments", "overpaid", "credit_invoices", default="all")
    found = call.company.expenses.newest_first()
    if selection == "credit_invoices":
        rounding = call.switches.vat_rounding
        found = [one for one in found if document_amounts((line.charge for line in one.lines), rounding).gross < 0]
    elif selection in ("investments", "overpaid"):
        found = []
    first, last = call.query_date("search[from]"), call.query_date("search[till]")
    return [one for one in found if (not first or one.date >= first) and (not last or one.date <= last)]


class _Expenses(Noun[Expense]):
    def create(self, call: Call) -> Response:
        """The answer has no number yet; the next reading has (recorded)."""
        expense = _book(call, None)
        shown = _shown(call, expense)
        expense.invoice_number = numbered(call.company, "expenses", expense.date)
        return answer({"expense": shown}, 201)


EXPENSES = _Expenses(
    root="expense",
    many="expenses",
    name="Uitgave",
    table=lambda company: company.expenses,
    found=_found,
    shown=_shown,
    book=_book,
)
