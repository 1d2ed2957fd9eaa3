"""Relations: customers, suppliers, the administration's own and the two of the system (dossier 2.4, 3.1)."""

from adapters.snelstart.emulator import mailing, models
from adapters.snelstart.emulator.administration import Administration
from adapters.snelstart.emulator.amounts import ZERO, plain
from adapters.snelstart.emulator.calls import Answer, Call
from adapters.snelstart.emulator.countries import EU_RATES
from adapters.snelstart.emulator.errors import Violations, model_state, rules_broken
from adapters.snelstart.emulator.fields import Record, refer
from adapters.snelstart.emulator.identifiers import (
    is_bic,
    is_iban,
    is_kvk,
    is_vat_number,
    is_web_address,
    vat_prefix,
)

FIRST_CODE = 10001
UNKNOWN_SUPPLIER, UNKNOWN_CUSTOMER = -1, -2
_MALFORMED = "REL-0066"
_ADDRESS_CODES = {
    "vestigingsAdres": {
        "straat": (50, "20"),
        "postcode": (25, "21"),
        "plaats": (50, "22"),
        "contactpersoon": (50, "23"),
    },
    "correspondentieAdres": {
        "straat": (50, "25"),
        "postcode": (25, "26"),
        "plaats": (50, "27"),
        "contactpersoon": (50, "28"),
    },
}
_COUNTRY_CODES = {"vestigingsAdres": "REL-0056", "correspondentieAdres": "REL-0055"}


def furnish(administration: Administration) -> None:
    """The relations every administration ships: its own, and one unknown of either kind."""
    for code, name, kind in (
        (1, "<Vul hier uw bedrijfsnaam in>", "Eigen"),
        (UNKNOWN_SUPPLIER, "Leverancier onbekend", "Leverancier"),
        (UNKNOWN_CUSTOMER, "Klant onbekend", "Klant"),
    ):
        record: Record = dict.fromkeys(models.RELATION.properties)
        record |= {"relatiesoort": [kind], "relatiecode": code, "naam": name}
        _store(administration, record, administration.fixed_id("relaties", code))


def list_all(call: Call) -> Answer:
    rows = call.everything("relaties")
    if not call.switches.inactive_listed:
        rows = [row for row in rows if not row["nonactief"]]
    return call.page(rows, models.RELATION)


def get(call: Call) -> Answer:
    return Answer(200, active(call))


def create(call: Call) -> Answer:
    record = call.bind(models.RELATION_WRITE, "relatie", _MALFORMED)
    call.check_new(record, "REL-0063")
    return Answer(201, _written(add(call.administration, record, call.violations())))


def add(administration: Administration, record: Record, violations: Violations) -> Record:
    """Store a new relation as bound from a body. Raises ``Refused``."""
    _check(administration, record, None, violations)
    return _store(administration, record, administration.new_id())


def update(call: Call) -> Answer:
    """Replaces the whole record: what the body leaves out is gone."""
    held = call.record("relaties")
    if held["nonactief"]:
        raise rules_broken(["ALG-0105"])
    record = call.bind(models.RELATION_WRITE, "relatie", _MALFORMED)
    call.check_same(record, held["id"], "REL-0047")
    record["relatiecode"] = record["relatiecode"] or held["relatiecode"]
    _check(call.administration, record, held, call.violations())
    kept = {"documents": held["documents"], "extraVeldenKlant": held["extraVeldenKlant"]}
    return Answer(200, _written(_store(call.administration, record | kept, held["id"])))


def delete(call: Call) -> Answer:
    """Deactivates: the record stays, and cannot be read by its id any more."""
    held = active(call)
    violations = call.violations()
    violations.check("Eigen" in held["relatiesoort"] or held["relatiecode"] == UNKNOWN_CUSTOMER, "REL-0103")
    violations.check(held["relatiecode"] == UNKNOWN_SUPPLIER, "REL-0067")
    books = call.administration.records
    violations.check(_owes(books["verkoopfacturen"], held["id"]), "REL-0049")
    violations.check(_owes(books["inkoopfacturen"], held["id"]), "REL-0053")
    orders = books["verkooporders"].values()
    violations.check(any(order["relatie"]["id"] == held["id"] for order in orders), "REL-0050")
    payers = [row["factuurRelatie"] for row in books["relaties"].values() if not row["nonactief"]]
    violations.check(any(payer and payer["id"] == held["id"] for payer in payers), "REL-0051")
    violations.settle()
    held["nonactief"] = True
    held["modifiedOn"] = call.administration.stamp()
    return call.deleted()


def mandates(call: Call) -> Answer:
    """No API call makes a recurring mandate, so there are none."""
    active(call)
    return Answer(200, [])


def is_customer(relation: Record) -> bool:
    """Whether sales may be booked on it."""
    return "Klant" in relation["relatiesoort"]


def has_foreign_eu_vat_number(administration: Administration, relation: Record) -> bool:
    """Whether it is a business elsewhere in the EU, which EU revenue accounts are for."""
    country = administration.country_of(relation)
    return country in EU_RATES and country != "NL" and bool(relation["btwNummer"])


def is_foreign_eu_consumer(administration: Administration, relation: Record) -> bool:
    """Whether it is in the EU, abroad, and without a VAT number: foreign VAT may be due."""
    country = administration.country_of(relation)
    return country in EU_RATES and country != "NL" and not relation["btwNummer"]


def active(call: Call) -> Record:
    """The relation the path names, if it is active. Raises ``Refused``."""
    relation = call.record("relaties")
    if relation["nonactief"]:
        raise call.not_found("relaties")
    return relation


def _owes(invoices: dict[str, Record], relation_id: str) -> bool:
    return any(row["relatie"]["id"] == relation_id and row["openstaandSaldo"] for row in invoices.values())


def _written(record: Record) -> Record:
    return {name: record[name] for name in models.RELATION_WRITE.properties}


def _check(administration: Administration, record: Record, held: Record | None, violations: Violations) -> None:
    """Refuse a relation that breaks a rule, tidying what the API tidies. Raises ``Refused``."""
    _check_kind(administration, record, held, violations)
    _check_name_and_code(administration, record, held, violations)
    _check_addresses(administration, record, violations)
    _check_identifiers(record, violations)
    _check_vat_number(administration, record, violations)
    mailing.check(record, violations)
    payer = record["factuurRelatie"]
    if payer is not None:
        found = administration.find("relaties", payer)
        violations.check(found is None, "REL-0017")
        violations.check(found is not None and not is_customer(found), "REL-0018")
    violations.settle()


def _check_kind(administration: Administration, record: Record, held: Record | None, violations: Violations) -> None:
    kinds = set(record["relatiesoort"] or ())
    switches = administration.switches
    violations.check(not kinds or "Geen" in kinds, "REL-0001")
    violations.check("Eigen" in kinds, "REL-0048")
    violations.check({"Klant", "Leverancier"} <= kinds and not switches.both_kinds_allowed, "REL-0065")
    changed = held is not None and set(held["relatiesoort"]) != kinds
    violations.check(changed and not switches.kind_change_allowed, "REL-0064")
    if "Klant" not in kinds:
        violations.check(record["aanmaningsoort"] not in (None, "Nee"), "REL-0002")
        violations.check(bool(record["factuurkorting"]), "REL-0004")
        violations.check(record["incassoSoort"] not in (None, "Geen"), "REL-0016")
        violations.check(bool(record["kredietLimiet"]), "REL-0062")
    violations.check(bool(record["bankieren"]) and "Leverancier" not in kinds, "REL-0014")


def _check_name_and_code(
    administration: Administration, record: Record, held: Record | None, violations: Violations
) -> None:
    name = (record["naam"] or "").strip()
    violations.check(not name, "REL-0007")
    if len(name) > 50 and not administration.switches.long_name_code:
        text = "The field Naam must be a string with a minimum length of 0 and a maximum length of 50."
        raise model_state({"relatie.Naam": [text]})
    violations.check(len(name) > 50, "REL-0007")
    codes = {row["relatiecode"] for row in administration.records["relaties"].values() if row is not held}
    if not record["relatiecode"]:
        record["relatiecode"] = max(codes | {FIRST_CODE - 1}) + 1
    violations.check(record["relatiecode"] in codes, "REL-0008")
    term = record["krediettermijn"]
    violations.check(term is not None and not -365 <= term <= 1000, "REL-0003")
    violations.check(len(record["mobieleTelefoon"] or "") > 25, "REL-0012")
    violations.check(len(record["telefoon"] or "") > 25, "REL-0013")


def _check_addresses(administration: Administration, record: Record, violations: Violations) -> None:
    for field, limits in _ADDRESS_CODES.items():
        address = record[field]
        if address is None:
            continue
        for part, (most, code) in limits.items():
            violations.check(len(address[part] or "") > most, f"REL-00{code}")
        country = address["land"]
        violations.check(country is not None and not administration.find("landen", country), _COUNTRY_CODES[field])
        needed = [address["straat"], address["postcode"], address["plaats"]]
        if administration.switches.address_needs_country:
            needed.append(country)
        some = any(needed) or address["contactpersoon"] or country
        if field == "vestigingsAdres":
            violations.check(bool(some) and not all(needed), "REL-0060")
        if some and country is None:
            # The Netherlands is the default of the vendor's own client (dossier 3.1).
            address["land"] = refer("landen", administration.country("NL")["id"])


def _check_identifiers(record: Record, violations: Violations) -> None:
    for name in ("iban", "bic"):
        if record[name]:
            record[name] = "".join(record[name].split()).upper()
    violations.check(bool(record["iban"]) and not is_iban(record["iban"]), "REL-0011")
    violations.check(bool(record["bic"]) and not is_bic(record["bic"]), "REL-0010")
    collects = record["incassoSoort"] not in (None, "Geen")
    violations.check(bool(record["bankieren"] or collects) and not record["iban"], "REL-0009")
    violations.check(bool(record["kvkNummer"]) and not is_kvk(record["kvkNummer"]), "REL-0006")
    oin = record["oin"]
    violations.check(oin is not None and not (len(oin) == 20 and oin.isascii() and oin.isdigit()), "REL-0086")
    violations.check(bool(record["websiteUrl"]) and not is_web_address(record["websiteUrl"]), "REL-0015")


def _check_vat_number(administration: Administration, record: Record, violations: Violations) -> None:
    """A prefix must be that of the country; a number without one is taken for that country's."""
    number = record["btwNummer"]
    if not number:
        return
    violations.check(len(number) > 50, "REL-0057")
    violations.check(len(number) < 2, "REL-0058")
    if not (number.isascii() and number.isalnum()):
        violations.add("REL-0059")
        return
    country = administration.country_of(record)
    number = number.upper()
    prefix = vat_prefix(country)
    prefixes = {vat_prefix(member) for member in EU_RATES}
    if number[:2] in prefixes and number[:2] != prefix:
        violations.add("REL-0087")
        return
    bare = number.removeprefix(prefix)
    violations.check(not is_vat_number(bare, country), "REL-0088")
    strip = country == "NL" and administration.switches.strip_nl_prefix
    record["btwNummer"] = bare if strip else number


def _store(administration: Administration, record: Record, guid: str) -> Record:
    """Give a relation what the server fills in, and keep it."""
    complete: Record = {name: record.get(name) for name in models.RELATION.properties}
    complete |= refer("relaties", guid)
    complete |= {
        "modifiedOn": administration.stamp(),
        "factuurkorting": plain(record["factuurkorting"] or ZERO),
        "kredietLimiet": None if record["kredietLimiet"] is None else plain(record["kredietLimiet"]),
        "bankieren": bool(record["bankieren"]),
        "nonactief": bool(record["nonactief"]),
        "ublBestandAlsBijlage": bool(record["ublBestandAlsBijlage"]),
        "aanmaningsoort": record["aanmaningsoort"] or "Nee",
        "incassoSoort": record["incassoSoort"] or "Geen",
        "memo": record["memo"] or "",
        "inkoopBoekingenUri": f"/relaties/{guid}/inkoopboekingen",
        "verkoopBoekingenUri": f"/relaties/{guid}/verkoopboekingen",
        "documents": record.get("documents") or [],
        "extraVeldenKlant": record.get("extraVeldenKlant") or [],
    }
    for name in mailing.MAILINGS:
        if complete[name] is not None:
            complete[name] = complete[name] | {"shouldSend": bool(complete[name]["shouldSend"])}
    return administration.keep("relaties", complete)
