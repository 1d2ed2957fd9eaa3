"""Articles and their revenue groups (dossier 2.4, 3.2)."""

from adapters.snelstart.emulator import models
from adapters.snelstart.emulator.administration import Administration
from adapters.snelstart.emulator.amounts import ZERO, plain
from adapters.snelstart.emulator.calls import Answer, Call
from adapters.snelstart.emulator.errors import Violations, rules_broken
from adapters.snelstart.emulator.fields import Record, guid_or_none, refer


def list_all(call: Call) -> Answer:
    """The list with the low $top."""
    _known_customer(call)
    rows = call.everything("artikelen")
    if not call.switches.inactive_listed:
        rows = [row for row in rows if not row["isNonActief"]]
    return call.page(rows, models.ARTICLE_QUERY, most=call.switches.article_top, default=call.switches.article_default)


def get(call: Call) -> Answer:
    article = _readable(call)
    _known_customer(call)
    return Answer(200, article)


def create(call: Call) -> Answer:
    record = call.bind(models.ARTICLE, "artikel")
    call.check_new(record)
    return Answer(201, _written(add(call.administration, record, call.violations())))


def add(administration: Administration, record: Record, violations: Violations) -> Record:
    """Store a new article as bound from a body. Raises ``Refused``."""
    _check(administration, record, None, violations)
    return _store(administration, record, administration.new_id())


def update(call: Call) -> Answer:
    """Replaces the whole record: what the body leaves out is gone."""
    held = _readable(call)
    record = call.bind(models.ARTICLE, "artikel")
    call.check_same(record, held["id"])
    _check(call.administration, record, held, call.violations())
    return Answer(200, _written(_store(call.administration, record, held["id"])))


def delete(call: Call) -> Answer:
    """Deactivates, unless an order holds it."""
    held = call.record("artikelen")
    if held["isNonActief"]:
        raise call.not_found("artikelen")
    lines = [line for order in call.everything("verkooporders") for line in order["regels"]]
    if any(line["artikel"] and line["artikel"]["id"] == held["id"] for line in lines):
        raise rules_broken(["ART-0011"])
    held["isNonActief"] = True
    held["modifiedOn"] = call.administration.stamp()
    return call.deleted()


def _readable(call: Call) -> Record:
    article = call.record("artikelen")
    if article["isNonActief"] and not call.switches.deleted_article_readable:
        raise call.not_found("artikelen")
    return article


def _known_customer(call: Call) -> None:
    """``relatieId`` adds a customer's price agreement; no agreements exist here, but an unknown customer is refused."""
    asked = call.parameter("relatieId")
    if asked is not None and guid_or_none(asked) not in call.administration.records["relaties"]:
        raise rules_broken(["ART-0014"])


def _written(record: Record) -> Record:
    return {name: record[name] for name in models.ARTICLE.properties}


def _check(administration: Administration, record: Record, held: Record | None, violations: Violations) -> None:
    switches = administration.switches
    code = (record["artikelcode"] or "").strip()
    violations.check(not code, "ART-0002")
    numeric = code.isascii() and code.isdigit()
    violations.check(bool(code) and switches.article_codes == "Numeriek" and not numeric, "ART-0003")
    violations.check(len(code) > switches.article_code_length, "ART-0004")
    others = {row["artikelcode"] for row in administration.records["artikelen"].values() if row is not held}
    violations.check(code in others, "ART-0005")
    violations.check(not (record["omschrijving"] or "").strip(), "ART-0006")
    violations.check(len(record["omschrijving"] or "") > 250, "ART-0007")
    group = record["artikelOmzetgroep"]
    violations.check(group is None, "ART-0008")
    violations.check(group is not None and not administration.find("artikelomzetgroepen", group), "ART-0009")
    if record["relatie"] is not None:
        supplier = administration.find("relaties", record["relatie"])
        if supplier is None:
            violations.add("ART-0016")
        else:
            violations.check(not {"Leverancier", "Eigen"} & set(supplier["relatiesoort"]), "ART-0017")
            violations.check(supplier["nonactief"], "ART-0018")
    violations.settle()
    record["artikelcode"] = code


def _store(administration: Administration, record: Record, guid: str) -> Record:
    price = record["verkoopprijs"]
    unpriced = price is None and administration.switches.unpriced_article == "null"
    complete: Record = {name: record.get(name) for name in models.ARTICLE_QUERY.properties}
    complete |= refer("artikelen", guid)
    complete |= {
        "isHoofdartikel": False,
        "subartikelen": [],
        "verkoopprijs": None if unpriced else plain(price or ZERO),
        "inkoopprijs": plain(record["inkoopprijs"] or ZERO),
        "modifiedOn": administration.stamp(),
        "isNonActief": bool(record["isNonActief"]),
        "voorraadControle": bool(record["voorraadControle"]),
        # Stock cannot be written (read-only in the OpenAPI document), and nothing here moves it.
        "technischeVoorraad": plain(ZERO),
        "vrijeVoorraad": plain(ZERO),
        "extraVelden": record.get("extraVelden") or [],
    }
    return administration.keep("artikelen", complete)
