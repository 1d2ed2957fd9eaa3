"""The VAT rules of sales and purchase entries: two vocabularies, kinds by ledger, rates by date (dossier 4, 6)."""

from collections.abc import Sequence
from decimal import Decimal

from adapters.snelstart.emulator import chart, moments
from adapters.snelstart.emulator.administration import Administration
from adapters.snelstart.emulator.amounts import ZERO, vat_over
from adapters.snelstart.emulator.countries import EU_RATES
from adapters.snelstart.emulator.errors import Violations
from adapters.snelstart.emulator.fields import Record
from adapters.snelstart.emulator.models import PURCHASE_ROWS, SALES_ROWS, VAT_KINDS

_TAXED = ("Laag", "Hoog", "Overig")
_OSS_START = "2021-07-01"
Line = tuple[Record, Record]
"""A line of an entry with its ledger account."""


def settle_line_kinds(lines: Sequence[Line], violations: Violations) -> None:
    """Give each line its VAT kind: its own if the account allows it, else the only one the account has."""
    for line, ledger in lines:
        function = chart.function_number(ledger["grootboekfunctie"])
        kind = line["btwSoort"]
        if kind is None and function not in (chart.ANY_COST, chart.OPEN_QUESTION):
            kind = ledger["btwSoort"][0]
        violations.check(kind not in VAT_KINDS or kind not in ledger["btwSoort"], "BOE-0082")
        line["btwSoort"] = kind


def check_sales(
    administration: Administration,
    record: Record,
    lines: Sequence[Line],
    *,
    oss_country: str | None,
    violations: Violations,
) -> None:
    """Note the VAT rules a sales entry breaks.

    ``oss_country`` is the customer's country where foreign VAT is due (the one-stop shop is on, and the customer a
    consumer elsewhere in the EU).
    """
    settle_line_kinds(lines, violations)
    functions = {chart.function_number(ledger["grootboekfunctie"]) for _line, ledger in lines}
    if oss_country is not None and record["factuurdatum"] >= _OSS_START:
        _check_oss(administration, record, lines, oss_country, violations)
        return
    violations.check(chart.OSS in functions, "BOE-0061")
    rows = record["btw"]
    _check_vocabulary(rows, SALES_ROWS, violations)
    reclaims = any((row["btwSoort"] or "").startswith("Inkopen") for row in rows)
    violations.check(reclaims and not functions & chart.PURCHASE_FUNCTIONS, "BOE-0053")
    if any(row["btwSoort"] == "VerkopenVerlegd" for row in rows):
        others = {row["btwSoort"] for row in rows} - {"VerkopenVerlegd", "Geen"}
        taxed = any(line["btwSoort"] != "Geen" for line, _ledger in lines)
        violations.check(bool(others) or taxed, "BOE-0062")
    _check_kinds_and_rates(administration, record, lines, violations)


def check_purchase(
    administration: Administration, record: Record, lines: Sequence[Line], violations: Violations
) -> None:
    """Note the VAT rules a purchase entry breaks. VAT that is shifted to the buyer is not recomputed."""
    settle_line_kinds(lines, violations)
    rows = record["btw"]
    _check_vocabulary(rows, PURCHASE_ROWS, violations)
    if any(row["btwSoort"] == "InkopenVerlegd" for row in rows):
        violations.check(bool({row["btwSoort"] for row in rows} - {"InkopenVerlegd", "Geen"}), "BOE-0062")
        return
    _check_kinds_and_rates(administration, record, lines, violations)


def _check_vocabulary(rows: Sequence[Record], names: Sequence[str], violations: Violations) -> None:
    violations.check(any(row["btwSoort"] not in names for row in rows), "BOE-0082")


def _check_kinds_and_rates(
    administration: Administration, record: Record, lines: Sequence[Line], violations: Violations
) -> None:
    """Each taxed kind of the lines has its row, each row its lines, and the VAT is about what the rate makes it.

    What it should be: the lines of one kind added up, times the rate on the invoice date, rounded once to the cent;
    a cent per line may be off, for those who round per line.
    """
    rows = record["btw"]
    tolerance = administration.switches.vat_tolerance
    for kind in _TAXED:
        amounts = [line["bedrag"] for line, _ledger in lines if line["btwSoort"] == kind]
        taxes = [row["btwBedrag"] for row in rows if row["btwSoort"] in (f"Verkopen{kind}", f"Inkopen{kind}")]
        violations.check(bool(amounts) != bool(taxes) and (bool(amounts) or any(taxes)), "BOE-0082")
        if amounts and taxes and tolerance is not None:
            rate = administration.vat_rate(kind, moments.day_of(record["factuurdatum"]))
            expected = vat_over(sum(amounts, ZERO), rate)
            violations.check(abs(sum(taxes, ZERO) - expected) > tolerance * len(amounts), "BOE-0069")
    untaxed = [row["btwBedrag"] for row in rows if row["btwSoort"] in ("Geen", "VerkopenVerlegd")]
    violations.check(any(untaxed), "BOE-0069")


def _check_oss(
    administration: Administration, record: Record, lines: Sequence[Line], country: str, violations: Violations
) -> None:
    """Foreign VAT is a line on its own account, and no row: the sum there is the VAT of the other lines."""
    violations.check(bool(record["btw"]), "BOE-0082")
    foreign = administration.company["buitenlandseBtwGrootboek"]
    booked, due, taxed_lines = ZERO, Decimal(0), 0
    for line, ledger in lines:
        if foreign is not None and ledger["id"] == foreign["id"]:
            booked += line["bedrag"]
        elif chart.function_number(ledger["grootboekfunctie"]) == chart.OSS:
            rate = EU_RATES[country].get(ledger["vatRateCode"] or "")
            violations.check(rate is None, "BOE-0069")
            due += vat_over(line["bedrag"], rate or ZERO)
            taxed_lines += 1
        else:
            violations.add("BOE-0061")
    violations.check(abs(booked - due) > Decimal("0.01") * taxed_lines, "BOE-0069")
