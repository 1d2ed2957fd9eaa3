"""Sales orders: what a human may turn into an invoice later; only the basics (dossier 2.4, 3.5)."""

from decimal import Decimal

from adapters.snelstart.emulator import models, moments, relations
from adapters.snelstart.emulator.administration import Administration
from adapters.snelstart.emulator.amounts import ZERO, plain, to_cents
from adapters.snelstart.emulator.calls import Answer, Call
from adapters.snelstart.emulator.errors import Violations, model_state, rules_broken
from adapters.snelstart.emulator.fields import NIL, Record, refer

_NOT_BY_API = ("Contantbon", "Factuur")
_ADDRESS_CODES = {
    "straat": (50, "VOR-0006"),
    "postcode": (25, "VOR-0007"),
    "plaats": (50, "VOR-0008"),
    "contactpersoon": (50, "VOR-0009"),
}


def furnish(administration: Administration) -> None:
    """The template every administration comes with."""
    template: Record = {
        "omschrijving": "Standaard",
        "nonactief": False,
        "prijsIngaveExclusiefBtw": True,
        "nieuweOrdersBlokkeren": False,
        "extraHoofdVelden": [],
        "extraRegelVelden": [],
        **refer("verkoopordersjablonen", administration.fixed_id("verkoopordersjablonen", 1)),
    }
    administration.keep("verkoopordersjablonen", template)


def create(call: Call) -> Answer:
    record = call.bind(models.ORDER, "verkoopOrder")
    call.check_new(record)
    violations = call.violations()
    violations.check(bool(record["nummer"]), "VOR-0005")
    _check(call.administration, record, violations)
    company = call.administration.company
    record["nummer"] = company["volgendVerkoopordernummer"]
    company["volgendVerkoopordernummer"] += 1
    return Answer(201, _store(call.administration, record, call.administration.new_id()))


def update(call: Call) -> Answer:
    """Replaces the whole order; its number stays."""
    held = call.record("verkooporders")
    record = call.bind(models.ORDER, "verkoopOrder")
    call.check_same(record, held["id"])
    _check(call.administration, record, call.violations())
    record["nummer"] = held["nummer"]
    return Answer(200, _store(call.administration, record, held["id"]))


def delete(call: Call) -> Answer:
    held = call.record("verkooporders")
    del call.administration.records["verkooporders"][held["id"]]
    return Answer(call.switches.order_deleted_status, call.deleted().value)


def update_process(call: Call) -> Answer:
    held = call.record("verkooporders")
    record = call.bind(models.ORDER_PROCESS, "procesStatus")
    if record["id"] not in (None, held["id"]):
        raise rules_broken(["ALG-0101"])
    _check_process(record["procesStatus"])
    held["procesStatus"] = record["procesStatus"] or "Order"
    held["modifiedOn"] = call.administration.stamp()
    return Answer(200, {})


def _check_process(status: str | None) -> None:
    """Refused without a known code (dossier 6), so as model state."""
    if status in _NOT_BY_API:
        raise model_state({"verkoopOrder.ProcesStatus": [f"The value '{status}' is not valid for ProcesStatus."]})


def _check(administration: Administration, record: Record, violations: Violations) -> None:
    _check_process(record["procesStatus"])
    relation = administration.find("relaties", record["relatie"])
    violations.check(relation is None or not relations.is_customer(relation), "VOR-0002")
    violations.check(relation is not None and relation["nonactief"], "BOE-0054")
    violations.check(len(record["orderreferentie"] or "") > 50, "VOR-0011")
    violations.check(record["incassomachtiging"] is not None, "VOR-0013")
    for address in (record["afleveradres"], record["factuuradres"]):
        for part, (most, code) in _ADDRESS_CODES.items() if address else ():
            violations.check(len(address[part] or "") > most, code)
        country = address and address["land"]
        violations.check(bool(country) and administration.find("landen", country) is None, "VOR-0010")
    centre = record["kostenplaats"]
    violations.check(centre is not None and administration.find("kostenplaatsen", centre) is None, "KPL-0001")
    record["regels"] = record["regels"] or []
    for line in record["regels"]:
        violations.check(
            line["artikel"] is not None and not administration.find("artikelen", line["artikel"]), "ART-0001"
        )
    violations.settle()


def _store(administration: Administration, record: Record, guid: str) -> Record:
    relation = administration.records["relaties"][record["relatie"]["id"]]
    template = record["verkoopordersjabloon"]
    record |= {
        "procesStatus": record["procesStatus"] or "Order",
        "modifiedOn": administration.stamp(),
        "krediettermijn": record["krediettermijn"]
        if record["krediettermijn"] is not None
        else relation["krediettermijn"],
        "geblokkeerd": bool(record["geblokkeerd"]),
        "verkooporderBtwIngaveModel": record["verkooporderBtwIngaveModel"] or "Exclusief",
        "factuurkorting": plain(record["factuurkorting"] or ZERO),
        "verkoopfactuur": None,
        "verkoopordersjabloon": template or refer("verkoopordersjablonen", NIL),
        "verkoopOrderStatus": record["verkoopOrderStatus"] or "InBehandeling",
        "extraHoofdVelden": record["extraHoofdVelden"] or [],
        **refer("verkooporders", guid),
    }
    for line in record["regels"]:
        _complete(administration, line)
    _total(administration, record)
    return administration.keep("verkooporders", record)


def _complete(administration: Administration, line: Record) -> None:
    """Fill a line in from its article; its total is quantity times price less discount, rounded to the cent."""
    article = administration.find("artikelen", line["artikel"]) or {"omschrijving": None, "verkoopprijs": ZERO}
    price = article["verkoopprijs"] if line["stuksprijs"] is None else line["stuksprijs"]
    quantity = Decimal(1) if line["aantal"] is None else line["aantal"]
    discount = line["kortingsPercentage"] or ZERO
    line |= {
        "omschrijving": line["omschrijving"] or article["omschrijving"],
        "stuksprijs": plain(price),
        "aantal": plain(quantity),
        "kortingsPercentage": plain(discount),
        "totaal": to_cents(quantity * price * (1 - discount / 100)),
        "extraRegelVelden": line["extraRegelVelden"] or [],
    }


def _total(administration: Administration, record: Record) -> None:
    """Both totals of an order: per VAT rate one base, less the order's discount, and VAT rounded once to the cent."""
    bases: dict[Decimal, Decimal] = {}
    for line in record["regels"]:
        rate = _rate(administration, line, record["datum"])
        bases[rate] = bases.get(rate, ZERO) + line["totaal"]
    net = gross = ZERO
    for rate, base in bases.items():
        amount = to_cents(base * (1 - record["factuurkorting"] / 100))
        if record["verkooporderBtwIngaveModel"] == "Inclusief":
            gross += amount
            net += to_cents(amount * 100 / (100 + rate))
        else:
            net += amount
            gross += to_cents(amount * (100 + rate) / 100)
    record |= {"totaalExclusiefBtw": net, "totaalInclusiefBtw": gross}


def _rate(administration: Administration, line: Record, day: str) -> Decimal:
    """VAT follows the article's revenue group."""
    article = administration.find("artikelen", line["artikel"])
    group = administration.find("artikelomzetgroepen", article["artikelOmzetgroep"]) if article else None
    kind = group["verkoopNederlandBtwSoort"] if group else "Geen"
    return administration.vat_rate(kind, moments.day_of(day))
