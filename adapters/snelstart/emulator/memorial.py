"""Memorial entries: journal lines that can settle an invoice without money (dossier 2.5, 3.11)."""

from collections.abc import Iterator
from decimal import Decimal

from adapters.snelstart.emulator import models
from adapters.snelstart.emulator.administration import Administration
from adapters.snelstart.emulator.amounts import ZERO, booked
from adapters.snelstart.emulator.calls import Answer, Call
from adapters.snelstart.emulator.errors import Violations
from adapters.snelstart.emulator.fields import Record, refer
from adapters.snelstart.emulator.payments import settlement
from adapters.snelstart.emulator.posting import (
    Posting,
    check_account,
    check_changeable,
    check_date,
    check_texts,
    post,
    settle,
    unpost,
)

_LISTS = ("memoriaalBoekingsRegels", "inkoopboekingBoekingsRegels", "verkoopboekingBoekingsRegels")


def create(call: Call) -> Answer:
    record = call.bind(models.MEMORIAL_ENTRY, "memoriaalboeking")
    call.check_new(record)
    _check(call.administration, record, call.violations())
    return Answer(201, _store(call.administration, record, call.administration.new_id()))


def update(call: Call) -> Answer:
    held = call.record("memoriaalboekingen")
    record = call.bind(models.MEMORIAL_ENTRY, "memoriaalboeking")
    call.check_same(record, held["id"])
    violations = call.violations()
    check_changeable(call.administration, held["datum"], violations)
    violations.check(record["dagboek"] != held["dagboek"], "BOE-0077")
    _check(call.administration, record, violations)
    _settle(call.administration, held, -1)
    return Answer(200, _store(call.administration, record, held["id"]))


def delete(call: Call) -> Answer:
    """Answers with the entry it deleted, unlike every other delete (OpenAPI document)."""
    held = call.record("memoriaalboekingen")
    violations = call.violations()
    check_changeable(call.administration, held["datum"], violations)
    violations.settle()
    _settle(call.administration, held, -1)
    unpost(call.administration, held)
    return Answer(200, call.administration.records["memoriaalboekingen"].pop(held["id"]))


def _lines(record: Record) -> Iterator[Record]:
    for name in _LISTS:
        yield from record[name]


def _settled_debits(administration: Administration, record: Record) -> Iterator[tuple[str, Record, Decimal]]:
    """Each settling line with what it debits: a positive amount credits debtors, or debits creditors (a switch)."""
    sign = 1 if administration.switches.memorial_sign == "positive_settles" else -1
    for line in record["verkoopboekingBoekingsRegels"]:
        yield "verkoopboekingen", line, -line["bedrag"] * sign
    for line in record["inkoopboekingBoekingsRegels"]:
        yield "inkoopboekingen", line, line["bedrag"] * sign


def _check(administration: Administration, record: Record, violations: Violations) -> None:
    sub_cent = administration.switches.sub_cent
    for name in _LISTS:
        record[name] = record[name] or []
    for line in record["memoriaalBoekingsRegels"]:
        line["debet"], line["credit"] = booked(line["debet"], sub_cent), booked(line["credit"], sub_cent)
        violations.check(bool(line["debet"] and line["credit"]), "BOE-0091")
        check_account(administration, line, violations)
    for name in _LISTS[1:]:
        for line in record[name]:
            line["bedrag"] = booked(line["bedrag"], sub_cent)
            entries = "verkoopboekingen" if name.startswith("verkoop") else "inkoopboekingen"
            violations.check(administration.find(entries, line["boekingId"]) is None, "BOE-0001")
    check_date(administration, record["datum"], violations)
    check_texts(record, _lines(record), violations)
    violations.check(any(not (line["omschrijving"] or "").strip() for line in _lines(record)), "BOE-0084")
    least = 2 if administration.switches.journal_needs_two_lines else 1
    violations.check(len(list(_lines(record))) < least, "BOE-0094")
    journal = administration.find("dagboeken", record["dagboek"])
    violations.check(journal is None or journal["soort"] != "Memoriaal" or journal["nonactief"], "BOE-0095")
    balance = sum((line["debet"] - line["credit"] for line in record["memoriaalBoekingsRegels"]), ZERO)
    balance += sum((debit for _entries, _line, debit in _settled_debits(administration, record)), ZERO)
    violations.check(bool(balance), "BOE-0039")
    violations.settle()


def _settle(administration: Administration, record: Record, times: int) -> None:
    for entries, line, debit in _settled_debits(administration, record):
        if entries == "verkoopboekingen":
            settle(administration, "verkoopfacturen", line["boekingId"]["id"], -debit * times)
        else:
            settle(administration, "inkoopfacturen", line["boekingId"]["id"], debit * times)


def _store(administration: Administration, record: Record, guid: str) -> Record:
    record |= {
        "modifiedOn": administration.stamp(),
        "markering": bool(record["markering"]),
        "gewijzigdDoorAccountant": bool(record["gewijzigdDoorAccountant"]),
        **refer("memoriaalboekingen", guid),
    }
    _settle(administration, record, +1)
    journal = administration.records["dagboeken"][record["dagboek"]["id"]]
    post(administration, record, journal, record["datum"], _postings(administration, record))
    return administration.keep("memoriaalboekingen", record)


def _postings(administration: Administration, record: Record) -> Iterator[Posting]:
    for line in record["memoriaalBoekingsRegels"]:
        ledger = administration.records["grootboeken"][line["grootboek"]["id"]]
        yield Posting(ledger, line["debet"] - line["credit"], line["omschrijving"], line["kostenplaats"])
    for entries, line, debit in _settled_debits(administration, record):
        yield settlement(administration, entries, line, debit)
