"""What an administration is set up with: ledgers, journals, cost centres, countries, VAT rates (dossier 2.4, 3.7-9)."""

from adapters.snelstart.emulator import chart, models
from adapters.snelstart.emulator.amounts import plain
from adapters.snelstart.emulator.calls import Answer, Call
from adapters.snelstart.emulator.countries import BY_ALPHA2, EU_RATES, RATE_KINDS
from adapters.snelstart.emulator.errors import Violations
from adapters.snelstart.emulator.fields import Record, guid_or_none, refer


def create_ledger(call: Call) -> Answer:
    """The allowed VAT kinds and the section cannot be given: they follow from the function and the number."""
    record = call.bind(models.LEDGER, "grootboek")
    call.check_new(record)
    violations = call.violations()
    name = record["omschrijving"] or ""
    violations.check(not name.strip(), "BOE-0084")
    violations.check(len(name) > 50, "BOE-0088")
    function = record["grootboekfunctie"]
    violations.check(function is None, "BOE-0085")
    held = call.everything("grootboeken")
    violations.check(record["nummer"] in {row["nummer"] for row in held}, "BOE-0086")
    violations.check(not record["nummer"] or record["nummer"] < 0, "BOE-0086")
    if function is not None and chart.function_number(function) in chart.SINGLE_USE:
        violations.check(any(row["grootboekfunctie"] == function for row in held), "BOE-0087")
    violations.settle()
    account = chart.Account(record["nummer"], name, chart.function_number(function))
    record |= {
        "modifiedOn": call.administration.stamp(),
        "kostenplaatsVerplicht": bool(record["kostenplaatsVerplicht"]),
        "rekeningCode": record["rekeningCode"] or ("Balans" if account.on_balance else "WinstEnVerlies"),
        "nonactief": bool(record["nonactief"]),
        "grootboekRubriek": account.section,
        "rgsCode": [],
        "btwSoort": list(chart.vat_kinds(account.function)),
        "vatRateCode": record["vatRateCode"] if account.function == chart.OSS else None,
        **refer("grootboeken", call.administration.new_id()),
    }
    return Answer(201, call.administration.keep("grootboeken", record))


def list_vat_rates(call: Call) -> Answer:
    """The whole history of Dutch VAT: a list that ignores all query options."""
    return Answer(200, list(call.administration.vat_rates()))


def list_foreign_rate_kinds(call: Call) -> Answer:
    rows: list[Record] = [
        {"rateCode": code, "shortName": short, "name": name} for code, (short, name) in RATE_KINDS.items()
    ]
    return call.page(rows, models.FOREIGN_RATE_KIND)


def list_foreign_rates(call: Call) -> Answer:
    return call.page([_foreign_rates(alpha2) for alpha2 in EU_RATES], models.FOREIGN_RATES)


def get_foreign_rates(call: Call) -> Answer:
    """By country code of three letters, not by id."""
    for alpha2 in EU_RATES:
        if BY_ALPHA2[alpha2].alpha3 == call.parts["id"].upper():
            return Answer(200, _foreign_rates(alpha2))
    raise call.not_found("vatrates")


def create_cost_centre(call: Call) -> Answer:
    record = call.bind(models.COST_CENTRE, "kostenplaats")
    call.check_new(record)
    violations = call.violations()
    violations.check(bool(record["nonactief"]), "KPL-0009")
    _check_cost_centre(call, record, None, violations)
    return Answer(201, _store_cost_centre(call, record, call.administration.new_id()))


def update_cost_centre(call: Call) -> Answer:
    held = call.record("kostenplaatsen")
    record = call.bind(models.COST_CENTRE, "kostenplaats")
    call.check_same(record, held["id"])
    _check_cost_centre(call, record, held, call.violations())
    return Answer(200, _store_cost_centre(call, record, held["id"]))


def delete_cost_centre(call: Call) -> Answer:
    held = call.record("kostenplaatsen")
    del call.administration.records["kostenplaatsen"][held["id"]]
    return call.deleted()


def has_user_access(call: Call) -> Answer:
    """Whether a user may enter the administration; any GUID may, here."""
    user = call.parameter("userIdentifier")
    return Answer(200, {"hasAccess": user is not None and guid_or_none(user) is not None})


def _foreign_rates(alpha2: str) -> Record:
    rates = EU_RATES[alpha2].items()
    rows = [{"rateCode": code, "rate": plain(rate), "validFrom": "2021-01-01T00:00:00"} for code, rate in rates]
    return {"countryCode": BY_ALPHA2[alpha2].alpha3, "vatRates": rows}


def _check_cost_centre(call: Call, record: Record, held: Record | None, violations: Violations) -> None:
    name, number = record["omschrijving"] or "", record["nummer"]
    violations.check(not name.strip(), "KPL-0004")
    violations.check(len(name) > 50, "KPL-0005")
    violations.check(number is None, "KPL-0006")
    violations.check(number is not None and not 1 <= number <= 999_999_999, "KPL-0007")
    others = {row["nummer"] for row in call.everything("kostenplaatsen") if row is not held}
    violations.check(number in others, "KPL-0008")
    violations.settle()


def _store_cost_centre(call: Call, record: Record, guid: str) -> Record:
    record |= {"nonactief": bool(record["nonactief"]), **refer("kostenplaatsen", guid)}
    return call.administration.keep("kostenplaatsen", record)
