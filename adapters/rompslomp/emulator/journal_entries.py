"""Journal entries: debit equals credit, and each line has one of the two (dossier §4, "others", §6)."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from adapters.rompslomp.emulator.arithmetic import written
from adapters.rompslomp.emulator.call import Call
from adapters.rompslomp.emulator.errors import BLANK, Violations
from adapters.rompslomp.emulator.fields import Attributes, Given, assign, check, date_text
from adapters.rompslomp.emulator.lines import rows_after
from adapters.rompslomp.emulator.noun import Noun
from adapters.rompslomp.emulator.records import JournalEntry, JournalLine
from adapters.rompslomp.emulator.references import account_of

_ATTRIBUTES: Attributes = {"description": "long_text", "date": "date", "lines": "objects"}
_LINE: Attributes = {
    "account_id": "id",
    "account_path": "long_text",
    "debit_amount": "decimal",
    "credit_amount": "decimal",
}
_KEPT_LINE: Attributes = {**_LINE, "id": "id", "_destroy": "boolean"}


def _shown(_: Call, entry: JournalEntry) -> dict[str, Any]:
    lines = [
        {
            "id": line.id,
            "account_id": line.account.id if line.account else None,
            "account_path": line.account.path if line.account else None,
            "debit_amount": None if line.debit_amount is None else written(line.debit_amount),
            "credit_amount": None if line.credit_amount is None else written(line.credit_amount),
        }
        for line in entry.lines
    ]
    return {"id": entry.id, "description": entry.description, "date": date_text(entry.date), "lines": lines}


def _line(call: Call, line: JournalLine | None, given: Given, violations: Violations) -> JournalLine:
    line = line or JournalLine()
    check(given, _KEPT_LINE, violations)
    assign(line, given, "debit_amount", "credit_amount")
    if "account_id" in given or "account_path" in given:
        line.account = account_of(given, call.company, violations, call.switches)
    if line.account is None and not violations.sentences:
        violations.add("Lines account", BLANK)
    if (line.debit_amount is None) == (line.credit_amount is None):
        violations.add("Lines", "moeten elk een debet- of een creditbedrag hebben")
    return line


def _book(call: Call, entry: JournalEntry | None) -> JournalEntry:
    given = call.reader.permitted(call.wrapped("journal_entry"), _ATTRIBUTES)
    violations = Violations("Boeking")
    after = replace(entry) if entry else JournalEntry(date=call.today)
    assign(after, given, "description")
    if given.get("date") is not None:
        after.date = given["date"]
    elif entry is None or "date" in given:
        violations.add("Date", BLANK)
    attributes = _KEPT_LINE if entry else _LINE
    bodies = [call.reader.permitted(body, attributes) for body in given.get("lines") or ()]
    before = entry.lines if entry else None
    after.lines = rows_after(before, bodies, lambda line, one: _line(call, line, one, violations), "Boekingsregel")
    if not violations.sentences and _balance(after) != 0:
        violations.add("Boeking", "is niet in balans")
    violations.settle()
    for line in after.lines:
        line.id = line.id or call.state.ids.next("journal_lines")
    return call.company.journal_entries.put(after) if entry else call.company.journal_entries.add(after)


def _balance(entry: JournalEntry) -> Decimal:
    sides = ((line.debit_amount or Decimal(0)) - (line.credit_amount or Decimal(0)) for line in entry.lines)
    return sum(sides, Decimal(0))


JOURNAL_ENTRIES = Noun(
    root="journal_entry",
    many="journal_entries",
    name="Boeking",
    table=lambda company: company.journal_entries,
    found=lambda call: call.company.journal_entries.newest_first(),
    shown=_shown,
    book=_book,
)
