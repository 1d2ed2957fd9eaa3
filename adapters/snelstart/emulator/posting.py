"""What every entry has in common: dates that may be posted on, accounts that may be posted to, ledger mutations."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from adapters.snelstart.emulator import chart, moments
from adapters.snelstart.emulator.administration import Administration
from adapters.snelstart.emulator.amounts import ZERO
from adapters.snelstart.emulator.errors import Violations
from adapters.snelstart.emulator.fields import Record, refer

_LAST_YEAR = 2400
"""The last year that the vendor's dates hold (its limit on dates in custom fields, REF-0015)."""
_LINKED = frozenset({"BOE-0046"})
"""Locks that hold on to what is booked, but let new entries in: a filed VAT return."""


@dataclass(frozen=True, slots=True)
class Posting:
    """One line in the general ledger: what is debited, or where negative credited, to an account."""

    account: Record
    debit: Decimal
    text: str | None
    cost_centre: Record | None = None
    number: str | None = None
    relation: Record | None = None


def check_date(administration: Administration, text: str | None, violations: Violations) -> None:
    """Note why nothing may be posted on a date."""
    if text is None:
        violations.add("BOE-0070")
        return
    day = moments.day_of(text)
    violations.check(day.year > _LAST_YEAR, "BOE-0070")
    violations.check(day.year < administration.company["huidigBoekjaar"] - 5, "BOE-0033")
    for lock in administration.locks:
        violations.check(day <= lock.until and lock.code not in _LINKED, lock.code)


def check_changeable(administration: Administration, text: str, violations: Violations) -> None:
    """Note why an entry that was posted on a date may not be changed or deleted any more."""
    day = moments.day_of(text)
    for lock in administration.locks:
        violations.check(day <= lock.until, lock.code)


def check_texts(record: Record, lines: Iterable[Record], violations: Violations) -> None:
    """Note voucher numbers and descriptions that are too long."""
    violations.check(len(record["boekstuk"] or "") > 25, "BOE-0068")
    texts = [record["omschrijving"], *(line["omschrijving"] for line in lines)]
    violations.check(any(len(text or "") > 250 for text in texts), "BOE-0071")


def check_account(
    administration: Administration, line: Record, violations: Violations, *, refused: frozenset[int] = frozenset()
) -> Record | None:
    """The account of a line that names one; note why nothing may be posted to it. ``refused`` are functions."""
    ledger = administration.find("grootboeken", line["grootboek"])
    if ledger is None:
        violations.add("BOE-0037")
        return None
    function = chart.function_number(ledger["grootboekfunctie"])
    violations.check(ledger["nonactief"], "BOE-0008")
    violations.check(function in refused, "BOE-0061")
    violations.check(function in chart.MEMORIAL_FUNCTIONS, "BOE-0075")
    centre = administration.find("kostenplaatsen", line["kostenplaats"])
    violations.check(ledger["kostenplaatsVerplicht"] and line["kostenplaats"] is None, "BOE-0022")
    violations.check(line["kostenplaats"] is not None and centre is None, "BOE-0019")
    violations.check(centre is not None and centre["nonactief"], "BOE-0026")
    return ledger


def post(administration: Administration, entry: Record, journal: Record, day: str, lines: Iterable[Posting]) -> None:
    """Write an entry's lines into the general ledger, in place of those it had."""
    administration.mutations[entry["id"]] = [
        _mutation(administration, entry, journal, day, index, line)
        for index, line in enumerate(line for line in lines if line.debit)
    ]


def unpost(administration: Administration, entry: Record) -> None:
    """Take an entry's lines out of the general ledger."""
    administration.mutations.pop(entry["id"], None)


def settle(administration: Administration, invoices: str, entry_id: str, amount: Decimal) -> None:
    """Let a payment settle that much of an invoice, or where negative undo it.

    Whether the invoice's ``modifiedOn`` moves along is unreliable (dossier 2.2): by default every second time.
    """
    administration.settled[entry_id] = administration.settled.get(entry_id, ZERO) + amount
    invoice = administration.records[invoices][administration.invoice_of[entry_id]]
    invoice["openstaandSaldo"] = invoice["factuurBedrag"] - administration.settled[entry_id]
    administration.settlements += 1
    stamps = administration.switches.payment_stamps_invoice
    if stamps == "always" or (stamps == "sometimes" and administration.settlements % 2):
        invoice["modifiedOn"] = administration.stamp()


def _mutation(
    administration: Administration, entry: Record, journal: Record, day: str, index: int, line: Posting
) -> Record:
    relation = line.relation
    return {
        "grootboek": refer("grootboeken", line.account["id"]),
        "kostenplaats": line.cost_centre,
        "datum": day,
        "modifiedOn": entry["modifiedOn"],
        "dagboek": refer("dagboeken", journal["id"]),
        "omschrijving": line.text,
        "debet": max(line.debit, ZERO),
        "credit": max(-line.debit, ZERO),
        "saldo": line.debit,
        "documents": [],
        "boekstuk": entry["boekstuk"],
        "factuurNummer": line.number,
        "relatiePublicIdentifier": None if relation is None else refer("relaties", relation["id"]),
        **refer("grootboekmutaties", administration.fixed_id("grootboekmutaties", entry["id"], index)),
    }
