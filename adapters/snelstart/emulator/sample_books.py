"""Lifelike Dutch books, the same every time: customers, articles, and half a year of invoices and payments."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from adapters.snelstart.emulator import articles, company, models, moments, relations, sample_names
from adapters.snelstart.emulator.administration import Administration
from adapters.snelstart.emulator.amounts import ZERO, vat_over
from adapters.snelstart.emulator.countries import EU_RATES
from adapters.snelstart.emulator.entries import PURCHASES, SALES, Side
from adapters.snelstart.emulator.entries import add as add_entry
from adapters.snelstart.emulator.errors import Violations
from adapters.snelstart.emulator.fields import Binding, Json, Model, Record, refer
from adapters.snelstart.emulator.payments import BANK, CASH, Drawer
from adapters.snelstart.emulator.payments import add as add_payment

Pick = Callable[[int], int]
"""A whole number from 0 up to, not including, the one given."""

_RELATIONS, _ARTICLES, _INVOICES, _PURCHASES = 220, 40, 150, 20
_DAYS = 200
"""How far the books go back."""


def fill(administration: Administration, pick: Pick) -> None:
    """Fill a fresh administration: relations of every kind, articles, invoices, credits, payments and purchases."""
    company.charge_foreign_vat(administration, on=True)
    own = administration.fixed_id("relaties", 1)
    administration.records["relaties"][own]["naam"] = administration.company["bedrijfsnaam"]
    for number, name in ((100, "Vestiging Alkmaar"), (200, "Vestiging Utrecht"), (300, "Project Noorderhaven")):
        identity = refer("kostenplaatsen", administration.new_id())
        administration.keep("kostenplaatsen", {"omschrijving": name, "nonactief": False, "nummer": number, **identity})
    for index in range(_RELATIONS):
        _add_relation(administration, sample_names.relation(index, pick), pick)
    for index in range(_ARTICLES):
        _add_article(administration, index, pick)
    invoices = add_invoices(administration, _INVOICES, pick)
    for index, invoice in enumerate(invoices):
        _pay_or_credit(administration, index, invoice, pick)
    for index in range(_PURCHASES):
        _add_purchase(administration, index, pick)
    _retire(administration)


def add_invoices(administration: Administration, count: int, pick: Pick) -> list[Record]:
    """Book that many sales entries, oldest first, and give them back."""
    rows = administration.records["relaties"].values()
    customers = [row for row in rows if relations.is_customer(row) and row["relatiecode"] > 0 and not row["nonactief"]]
    while len(customers) < 5:
        body = sample_names.dutch_company(len(customers), pick)
        customers.append(_add_relation(administration, body, pick))
    before = len(administration.records["verkoopboekingen"])
    return [
        _add_sale(administration, before + index + 1, customers[pick(len(customers))], count - index, count, pick)
        for index in range(count)
    ]


def _bound(model: Model, body: Json) -> Record:
    binding = Binding(strict=True, enum_integers=True)
    record = model.read(body, "", binding)
    assert isinstance(record, dict)
    assert not binding.problems, binding.problems
    return record


def _rules() -> Violations:
    return Violations(all_of_them=True)


def _days_ago(administration: Administration, days: int) -> date:
    return administration.today() - timedelta(days=days)


def _backdate(administration: Administration, record: Record, day: date, pick: Pick) -> None:
    """As if it was made in office hours of that day, but never later than now."""
    moment = datetime.combine(day, time(8 + pick(9), pick(60), pick(60), pick(1000) * 1000))
    record["modifiedOn"] = moments.write(min(moment, administration.now()))
    for line in administration.mutations.get(record["id"], ()):
        line["modifiedOn"] = record["modifiedOn"]
    if record["id"] in administration.invoice_of:
        invoices = "verkoopfacturen" if "klant" in record else "inkoopfacturen"
        invoice = administration.records[invoices][administration.invoice_of[record["id"]]]
        invoice["modifiedOn"] = record["modifiedOn"]


def _add_relation(administration: Administration, body: Record, pick: Pick) -> Record:
    country = body.pop("land")
    if body["vestigingsAdres"] is not None:
        body["vestigingsAdres"]["land"] = {"id": administration.country(country)["id"]}
    record = relations.add(administration, _bound(models.RELATION_WRITE, body), _rules())
    _backdate(administration, record, _days_ago(administration, 1 + pick(_DAYS)), pick)
    return record


def _add_article(administration: Administration, index: int, pick: Pick) -> None:
    name, unit, price, group = sample_names.ARTICLES[index]
    numeric = administration.switches.article_codes == "Numeriek"
    body = {
        "artikelcode": str(300 + index) if numeric else f"{unit[:2].upper()}-{300 + index}",
        "omschrijving": name,
        "eenheid": unit,
        "verkoopprijs": Decimal(price),
        "inkoopprijs": Decimal(price) / 2,
        "artikelOmzetgroep": {"id": administration.fixed_id("artikelomzetgroepen", group)},
    }
    article = articles.add(administration, _bound(models.ARTICLE, body), _rules())
    _backdate(administration, article, _days_ago(administration, 1 + pick(_DAYS)), pick)


def _add_sale(
    administration: Administration, number: int, customer: Record, left: int, count: int, pick: Pick
) -> Record:
    day = _days_ago(administration, left * _DAYS // count)
    numbered = f"{day.year}-{number:04d}"
    lines = _sale_lines(administration, customer, pick)
    return _book_sale(administration, customer, day, numbered, lines, pick)


def _sale_lines(administration: Administration, customer: Record, pick: Pick) -> list[Record]:
    """What is sold, on the accounts that the customer's place asks for."""
    country = administration.country_of(customer)
    if country == "NL" and customer["btwNummer"] and pick(12) == 0:
        # Reverse charge stands alone on its invoice (BOE-0062).
        return [_line(administration, "Detachering verlegd", 8250, Decimal(68) * (8 + pick(80)))]
    lines = []
    for _index in range(1 + pick(4)):
        name, _unit, price, group = sample_names.ARTICLES[pick(_ARTICLES)]
        account = {1: 8000, 2: 8010, 4: 8040, 5: 8200, 6: 8210, 7: 8240, 8: 8150}[group]
        if relations.is_foreign_eu_consumer(administration, customer):
            account = 8400
        elif relations.has_foreign_eu_vat_number(administration, customer):
            account = 8300 if group < 5 else 8320
        elif country not in EU_RATES:
            account = 8310
        amount = Decimal(price) * (1 + pick(6)) + Decimal(pick(100)) / 100
        lines.append(_line(administration, name, account, amount))
    return lines


def _line(administration: Administration, name: str, account: int, amount: Decimal) -> Record:
    return {"omschrijving": name, "grootboek": {"id": administration.account(account)["id"]}, "bedrag": amount}


def _book_sale(
    administration: Administration, customer: Record, day: date, number: str, lines: list[Record], pick: Pick
) -> Record:
    if lines[0]["grootboek"]["id"] == administration.account(8400)["id"]:
        lines = [*lines, _foreign_vat(administration, customer, lines)]
    rows = _vat_rows(administration, lines, day, "Verkopen")
    shifted = not rows and lines[0]["grootboek"]["id"] == administration.account(8250)["id"]
    total = sum((line["bedrag"] for line in lines), ZERO) + sum((row["btwBedrag"] for row in rows), ZERO)
    body = {
        "factuurdatum": moments.midnight(day),
        "factuurnummer": number,
        "klant": {"id": customer["id"]},
        "omschrijving": f"Factuur {number} {customer['naam']}"[:250],
        "factuurbedrag": total,
        "betalingstermijn": 14 if customer["krediettermijn"] is None else customer["krediettermijn"],
        "boekingsregels": lines,
        "btw": [{"btwSoort": "VerkopenVerlegd", "btwBedrag": ZERO}] if shifted else rows,
    }
    return _enter(administration, SALES, body, day, pick)


def _enter(administration: Administration, side: Side, body: Record, day: date, pick: Pick) -> Record:
    entry = add_entry(administration, side, _bound(side.model, body), _rules())
    _backdate(administration, entry, day, pick)
    return entry


def _foreign_vat(administration: Administration, customer: Record, lines: list[Record]) -> Record:
    rate = EU_RATES[administration.country_of(customer)]["SR"]
    tax = sum((vat_over(line["bedrag"], rate) for line in lines), ZERO)
    return _line(administration, "Buitenlandse btw", 1695, tax)


def _vat_rows(administration: Administration, lines: list[Record], day: date, prefix: str) -> list[Record]:
    bases: dict[str, Decimal] = {}
    for line in lines:
        ledger = administration.records["grootboeken"][line["grootboek"]["id"]]
        kind = line.get("btwSoort") or ledger["btwSoort"][0]
        bases[kind] = bases.get(kind, ZERO) + line["bedrag"]
    return [
        {"btwSoort": f"{prefix}{kind}", "btwBedrag": vat_over(base, administration.vat_rate(kind, day))}
        for kind, base in bases.items()
        if kind != "Geen"
    ]


def _pay_or_credit(administration: Administration, index: int, entry: Record, pick: Pick) -> None:
    """By turns: one in fifteen is credited, six in ten paid in full, one in ten in part, some by cash; others open."""
    day = min(moments.day_of(entry["factuurdatum"]) + timedelta(days=3 + pick(25)), administration.today())
    if index % 15 == 7:
        _credit(administration, index, entry, day, pick)
    elif index % 10 < 6:
        _pay(administration, CASH if index % 20 == 5 else BANK, entry, entry["factuurbedrag"], day, pick)
    elif index % 10 == 6:
        part = (entry["factuurbedrag"] / 3).quantize(Decimal("0.01"))
        _pay(administration, BANK, entry, part, day, pick)


def _credit(administration: Administration, index: int, entry: Record, day: date, pick: Pick) -> None:
    """The whole invoice again, negative, and on every second one both settled against each other over the bank."""
    customer = administration.records["relaties"][entry["klant"]["id"]]
    number = f"C{entry['factuurnummer']}"
    names = ("omschrijving", "grootboek", "btwSoort")
    lines = [{name: line[name] for name in names} | {"bedrag": -line["bedrag"]} for line in entry["boekingsregels"]]
    rows = [row | {"btwBedrag": -row["btwBedrag"]} for row in entry["btw"]]
    body = {
        "factuurdatum": moments.midnight(day),
        "factuurnummer": number,
        "klant": {"id": customer["id"]},
        "omschrijving": f"Creditnota {number} {customer['naam']}"[:250],
        "factuurbedrag": -entry["factuurbedrag"],
        "betalingstermijn": 0,
        "boekingsregels": lines,
        "btw": rows,
    }
    credit = _enter(administration, SALES, body, day, pick)
    if index % 2:
        text = f"Verrekening {entry['factuurnummer']}"
        settled = [
            {"boekingId": {"id": entry["id"]}, "omschrijving": text, "credit": entry["factuurbedrag"]},
            {"boekingId": {"id": credit["id"]}, "omschrijving": text, "debet": entry["factuurbedrag"]},
        ]
        _book_payment(administration, BANK, settled, ZERO, text, day, pick)


def _pay(administration: Administration, drawer: Drawer, entry: Record, amount: Decimal, day: date, pick: Pick) -> None:
    text = f"Betaling {entry['factuurnummer']}"
    line = {"boekingId": {"id": entry["id"]}, "omschrijving": text, "debet": ZERO, "credit": amount}
    _book_payment(administration, drawer, [line], amount, text, day, pick)


def _book_payment(
    administration: Administration,
    drawer: Drawer,
    lines: list[Record],
    amount: Decimal,
    text: str,
    day: date,
    pick: Pick,
) -> None:
    body = {
        "datum": moments.midnight(day),
        "dagboek": {"id": administration.journal(drawer.kind)["id"]},
        "omschrijving": text,
        "bedragOntvangen": amount,
        "bedragUitgegeven": ZERO,
        "verkoopboekingBoekingsRegels": lines,
    }
    payment = add_payment(administration, drawer, _bound(drawer.model, body), _rules())
    _backdate(administration, payment, day, pick)


def _add_purchase(administration: Administration, index: int, pick: Pick) -> None:
    rows = administration.records["relaties"].values()
    suppliers = [row for row in rows if "Leverancier" in row["relatiesoort"] and row["relatiecode"] > 0]
    supplier = suppliers[pick(len(suppliers))]
    day = _days_ago(administration, 1 + pick(_DAYS))
    line = _line(administration, "Inkoop", 7000, Decimal(1000 + pick(90000)) / 100) | {"btwSoort": "Hoog"}
    rows_of_vat = _vat_rows(administration, [line], day, "Inkopen")
    body = {
        "factuurdatum": moments.midnight(day),
        "factuurnummer": f"INV-{7000 + index}",
        "leverancier": {"id": supplier["id"]},
        "omschrijving": f"Inkoop {supplier['naam']}",
        "factuurbedrag": line["bedrag"] + rows_of_vat[0]["btwBedrag"],
        "boekingsregels": [line],
        "btw": rows_of_vat,
    }
    _enter(administration, PURCHASES, body, day, pick)


def _retire(administration: Administration) -> None:
    """A few relations without open invoices, and an article, that are in use no more."""
    open_ids = {
        row["relatie"]["id"]
        for name in ("verkoopfacturen", "inkoopfacturen")
        for row in administration.records[name].values()
        if row["openstaandSaldo"]
    }
    idle = [row for row in administration.records["relaties"].values() if row["id"] not in open_ids]
    for row in [row for row in idle if row["relatiecode"] >= relations.FIRST_CODE][::25]:
        row["nonactief"] = True
    list(administration.records["artikelen"].values())[-1]["isNonActief"] = True
