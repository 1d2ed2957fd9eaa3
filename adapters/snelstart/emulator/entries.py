"""Sales and purchase entries. Posting one books it, and makes the invoice that shows what is open (dossier 3.3)."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from adapters.snelstart.emulator import chart, models, moments, relations, vat
from adapters.snelstart.emulator.administration import Administration
from adapters.snelstart.emulator.amounts import ZERO, booked
from adapters.snelstart.emulator.calls import Answer, Call
from adapters.snelstart.emulator.errors import Violations
from adapters.snelstart.emulator.fields import Model, Record, refer
from adapters.snelstart.emulator.posting import (
    Posting,
    check_account,
    check_changeable,
    check_date,
    check_texts,
    post,
    unpost,
)

_REFUSED_ACCOUNTS = chart.JOURNAL_FUNCTIONS | chart.VAT_FUNCTIONS


@dataclass(frozen=True, slots=True)
class Side:
    """Sales or purchases: the words in which the two differ."""

    entries: str
    invoices: str
    party: str
    entry_field: str
    model: Model
    invoice_model: Model
    parameter: str
    journal: str
    control_account: int
    sign: int
    """+1 where the party owes the invoice, -1 where it is owed."""


SALES = Side(
    "verkoopboekingen",
    "verkoopfacturen",
    "klant",
    "verkoopBoeking",
    models.SALES_ENTRY,
    models.SALES_INVOICE,
    "verkoopBoeking",
    "Verkoop",
    chart.DEBTORS,
    1,
)
PURCHASES = Side(
    "inkoopboekingen",
    "inkoopfacturen",
    "leverancier",
    "inkoopBoeking",
    models.PURCHASE_ENTRY,
    models.PURCHASE_INVOICE,
    "inkoopBoeking",
    "Inkoop",
    chart.CREDITORS,
    -1,
)


class Entries:
    """The calls on the entries and invoices of one side."""

    def __init__(self, side: Side) -> None:
        self.side = side

    def get(self, call: Call) -> Answer:
        return Answer(200, _shown(call, call.record(self.side.entries)))

    def create(self, call: Call) -> Answer:
        record = call.bind(self.side.model, self.side.parameter)
        call.check_new(record)
        return Answer(201, _shown(call, add(call.administration, self.side, record, call.violations())))

    def update(self, call: Call) -> Answer:
        """Replaces the whole entry; what was paid of it stays paid."""
        held = call.record(self.side.entries)
        record = call.bind(self.side.model, self.side.parameter)
        call.check_same(record, held["id"])
        violations = call.violations()
        check_changeable(call.administration, held["factuurdatum"], violations)
        _check(call.administration, self.side, record, held, violations)
        record["documents"] = held["documents"]
        return Answer(200, _shown(call, _store(call.administration, self.side, record, held["id"])))

    def delete(self, call: Call) -> Answer:
        """Takes the entry, its invoice and its ledger lines away, unless something was paid."""
        held = call.record(self.side.entries)
        administration = call.administration
        violations = call.violations()
        check_changeable(administration, held["factuurdatum"], violations)
        violations.check(is_settled_by_payments(administration, held["id"]), "BOE-0083")
        violations.settle()
        unpost(administration, held)
        del administration.records[self.side.invoices][administration.invoice_of.pop(held["id"])]
        del administration.records[self.side.entries][held["id"]]
        administration.settled.pop(held["id"], None)
        return call.deleted()

    def list_of_relation(self, call: Call) -> Answer:
        """All entries of an active relation: a list that ignores all query options."""
        relation = relations.active(call)
        rows = [row for row in call.everything(self.side.entries) if row[self.side.party]["id"] == relation["id"]]
        return Answer(200, [_shown(call, row) for row in rows])


def add(administration: Administration, side: Side, record: Record, violations: Violations) -> Record:
    """Book a new entry as bound from a body. Raises ``Refused``."""
    _check(administration, side, record, None, violations)
    return _store(administration, side, record, administration.new_id())


def is_settled_by_payments(administration: Administration, entry_id: str) -> bool:
    """Whether any bank, cash or memorial entry has a line on it."""
    payments = (
        payment
        for resource in ("bankboekingen", "kasboekingen", "memoriaalboekingen")
        for payment in administration.records[resource].values()
    )
    return any(
        line["boekingId"]["id"] == entry_id
        for payment in payments
        for line in payment["verkoopboekingBoekingsRegels"] + payment["inkoopboekingBoekingsRegels"]
    )


def _shown(call: Call, entry: Record) -> Record:
    if not call.switches.hide_ledgers:
        return entry
    *lines, last = entry["boekingsregels"]
    return entry | {"boekingsregels": [*lines, last | {"grootboek": None}]}


def _check(
    administration: Administration, side: Side, record: Record, held: Record | None, violations: Violations
) -> None:
    """Refuse an entry that breaks a rule; amounts are settled to how they are booked. Raises ``Refused``."""
    record["boekingsregels"] = record["boekingsregels"] or []
    record["btw"] = record["btw"] or []
    sub_cent = administration.switches.sub_cent
    record["factuurbedrag"] = booked(record["factuurbedrag"], sub_cent)
    for line in record["boekingsregels"]:
        line["bedrag"] = booked(line["bedrag"], sub_cent)
    for row in record["btw"]:
        row["btwBedrag"] = booked(row["btwBedrag"], sub_cent)
    _check_number(administration, side, record, held, violations)
    party = _check_party(administration, side, record, violations)
    check_date(administration, record["factuurdatum"], violations)
    check_texts(record, record["boekingsregels"], violations)
    lines = _check_lines(administration, record, violations)
    if record["factuurdatum"] is not None and len(lines) == len(record["boekingsregels"]):
        _check_vat(administration, side, record, lines, party, violations)
    total = sum((line["bedrag"] for line in record["boekingsregels"]), ZERO)
    total += sum((row["btwBedrag"] for row in record["btw"]), ZERO)
    violations.check(total != record["factuurbedrag"], "BOE-0039")
    if side is SALES:
        _check_mandate(record, party, violations)
    violations.settle()


def _check_number(
    administration: Administration, side: Side, record: Record, held: Record | None, violations: Violations
) -> None:
    number = (record["factuurnummer"] or "").strip()
    violations.check(not 1 <= len(number) <= 25, "BOE-0058")
    record["factuurnummer"] = number
    per_supplier = side is PURCHASES and administration.switches.purchase_numbers_unique == "per_supplier"
    for other in administration.records[side.entries].values():
        if other is not held and other["factuurnummer"] == number:
            same_party = record[side.party] is not None and other[side.party]["id"] == record[side.party]["id"]
            violations.check(same_party or not per_supplier, "BOE-0021")


def _check_party(administration: Administration, side: Side, record: Record, violations: Violations) -> Record | None:
    party = administration.find("relaties", record[side.party])
    if side is SALES:
        violations.check(party is None or not relations.is_customer(party), "BOE-0060")
    else:
        violations.check(party is None, "BOE-0002")
        violations.check(party is not None and "Leverancier" not in party["relatiesoort"], "BOE-0003")
    violations.check(party is not None and party["nonactief"], "BOE-0054")
    return party


def _check_lines(administration: Administration, record: Record, violations: Violations) -> list[vat.Line]:
    violations.check(not record["boekingsregels"], "BOE-0023")
    found: list[vat.Line] = []
    for line in record["boekingsregels"]:
        violations.check(not line["bedrag"], "BOE-0028")
        ledger = check_account(administration, line, violations, refused=_REFUSED_ACCOUNTS)
        if ledger is not None:
            found.append((line, ledger))
    return found


def _check_vat(
    administration: Administration,
    side: Side,
    record: Record,
    lines: list[vat.Line],
    party: Record | None,
    violations: Violations,
) -> None:
    if side is PURCHASES:
        vat.check_purchase(administration, record, lines, violations)
        return
    oss_country = None
    if party is not None:
        functions = {chart.function_number(ledger["grootboekfunctie"]) for _line, ledger in lines}
        if functions & {chart.EU_GOODS, chart.EU_SERVICES} and administration.switches.eu_ledger_needs_vat_number:
            business = relations.has_foreign_eu_vat_number(administration, party)
            violations.check(not business, "BOE-0080")
        if administration.company["factureerBuitenlandsBtw"] and relations.is_foreign_eu_consumer(
            administration, party
        ):
            oss_country = administration.country_of(party)
    vat.check_sales(administration, record, lines, oss_country=oss_country, violations=violations)


def _check_mandate(record: Record, party: Record | None, violations: Violations) -> None:
    """Direct debit: one mandate at most, from a customer who has agreed to it and has an IBAN."""
    once, recurring = record["eenmaligeIncassoMachtiging"], record["doorlopendeIncassoMachtiging"]
    if once is None and recurring is None:
        return
    violations.check(once is not None and recurring is not None, "BOE-0064")
    # No call makes a recurring mandate, so whichever is named is not this customer's.
    violations.check(recurring is not None, "BOE-0066")
    if once is not None:
        violations.check(len(once["kenmerk"] or "") > 50, "BOE-0057")
        violations.check(len(once["omschrijving"] or "") > 50, "BOE-0056")
    if party is not None:
        violations.check(not party["iban"], "BOE-0052")
        violations.check(party["incassoSoort"] == "Geen", "BOE-0055")


def _store(administration: Administration, side: Side, record: Record, guid: str) -> Record:
    """Book an entry: the entry itself, its invoice, and its lines in the general ledger."""
    party = administration.records["relaties"][record[side.party]["id"]]
    record |= {
        "modifiedOn": administration.stamp(),
        "gewijzigdDoorAccountant": bool(record["gewijzigdDoorAccountant"]),
        "markering": bool(record["markering"]),
        "documents": record["documents"] or [],
        **refer(side.entries, guid),
    }
    term = record.get("betalingstermijn")
    if term is None:
        term = (party["krediettermijn"] or 0) if administration.switches.due_date_from_relation else 0
    if side is SALES:
        record["betalingstermijn"] = max(term, 0)
    administration.keep(side.entries, record)
    _store_invoice(administration, side, record, term)
    _post(administration, side, record, party)
    return record


def _store_invoice(administration: Administration, side: Side, entry: Record, term: int) -> None:
    if entry["id"] not in administration.invoice_of:
        administration.invoice_of[entry["id"]] = administration.new_id()
    guid = administration.invoice_of[entry["id"]]
    due = moments.day_of(entry["factuurdatum"]) + timedelta(days=term)
    invoice: Record = dict.fromkeys(side.invoice_model.properties)
    if side is SALES:
        invoice["verkoopOrders"] = []
    invoice |= {
        side.entry_field: refer(side.entries, entry["id"]),
        "modifiedOn": entry["modifiedOn"],
        "openstaandSaldo": entry["factuurbedrag"] - administration.settled.get(entry["id"], ZERO),
        "factuurnummer": entry["factuurnummer"],
        "vervalDatum": moments.midnight(due),
        "relatie": entry[side.party],
        "factuurDatum": entry["factuurdatum"],
        "factuurBedrag": entry["factuurbedrag"],
        **refer(side.invoices, guid),
    }
    administration.keep(side.invoices, invoice)


def _post(administration: Administration, side: Side, entry: Record, party: Record) -> None:
    """Sales: the debtor is debited, revenue and VAT are credited. Purchases are the mirror image of it."""
    text, number = entry["omschrijving"], entry["factuurnummer"]

    def line(account: Record, amount: Decimal, text: str | None, centre: Record | None = None) -> Posting:
        return Posting(account, amount * side.sign, text, centre, number, party)

    lines = [line(administration.account(side.control_account), entry["factuurbedrag"], text)]
    for row in entry["boekingsregels"]:
        ledger = administration.records["grootboeken"][row["grootboek"]["id"]]
        lines.append(line(ledger, -row["bedrag"], row["omschrijving"] or text, row["kostenplaats"]))
    for row in entry["btw"]:
        if row["btwBedrag"]:
            lines.append(line(vat_account(administration, row["btwSoort"]), -row["btwBedrag"], text))
    post(administration, entry, administration.journal(side.journal), entry["factuurdatum"], lines)


_VAT_ACCOUNTS = {
    "VerkopenLaag": 21,
    "VerkopenHoog": 22,
    "VerkopenOverig": 23,
    "VerkopenVerlegd": 24,
    "InkopenLaag": 41,
    "InkopenHoog": 42,
    "InkopenOverig": 43,
    "InkopenVerlegd": 45,
}


def vat_account(administration: Administration, kind: str) -> Record:
    """The account that VAT of a kind is booked on, in the vocabulary of VAT rows."""
    return administration.account_with(_VAT_ACCOUNTS[kind])
