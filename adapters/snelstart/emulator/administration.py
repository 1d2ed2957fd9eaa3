"""One administration: its records by resource, its clock, and what other records need to look up."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from adapters.snelstart.emulator import chart, moments
from adapters.snelstart.emulator.countries import COUNTRIES
from adapters.snelstart.emulator.fields import Record, refer
from adapters.snelstart.emulator.models import LEDGER_FUNCTIONS
from adapters.snelstart.emulator.switches import Switches
from gateway.contract.clock import Clock

RESOURCES = (
    "relaties",
    "artikelen",
    "artikelomzetgroepen",
    "verkoopboekingen",
    "verkoopfacturen",
    "inkoopboekingen",
    "inkoopfacturen",
    "bankboekingen",
    "kasboekingen",
    "memoriaalboekingen",
    "grootboeken",
    "dagboeken",
    "kostenplaatsen",
    "landen",
    "verkooporders",
    "verkoopordersjablonen",
    "documenten",
)


@dataclass(frozen=True, slots=True)
class Lock:
    """No entry up to and including ``until`` may be made or changed; ``code`` says who locked it."""

    until: date
    code: str


class Administration:
    """The records of one customer, and nothing about how they are asked for."""

    def __init__(self, identifier: str, name: str, clock: Clock, new_id: Callable[[], str], switches: Switches) -> None:
        self.identifier = identifier
        self.name = name
        self.clock = clock
        self.new_id = new_id
        self.switches = switches
        self.records: dict[str, dict[str, Record]] = {resource: {} for resource in RESOURCES}
        self.company: Record = {}
        self.settled: dict[str, Decimal] = {}
        """By sales or purchase entry: what bank, cash and memorial entries settled of it."""
        self.mutations: dict[str, list[Record]] = {}
        """By entry: its lines in the general ledger."""
        self.locks: list[Lock] = []
        self.invoice_of: dict[str, str] = {}
        """By sales or purchase entry: the invoice it shows up as."""
        self.settlements = 0
        """How often an invoice was settled, for the unreliable ``modifiedOn``."""
        self._furnish()

    def fixed_id(self, *parts: object) -> str:
        """An id that is the same for every administration of this identifier; ids never carry over to another."""
        name = "/".join(str(part) for part in (self.identifier, *parts))
        digest = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"

    def now(self) -> datetime:
        """The wall clock, in the zone that ``modifiedOn`` is written in."""
        return moments.wall_clock(self.clock.now(), self.switches.modified_on_zone)

    def stamp(self) -> str:
        """Now, as ``modifiedOn`` has it."""
        return moments.write(self.now())

    def today(self) -> date:
        """The day it is in the Netherlands."""
        return moments.wall_clock(self.clock.now(), "Europe/Amsterdam").date()

    def find(self, resource: str, reference: Record | None) -> Record | None:
        """The record a reference names; None for no reference and for an unknown one."""
        return None if reference is None else self.records[resource].get(reference["id"])

    def keep(self, resource: str, record: Record) -> Record:
        """Store a record under its id."""
        self.records[resource][record["id"]] = record
        return record

    def account(self, number: int) -> Record:
        """The ledger account of that number, which the chart is known to hold."""
        return next(ledger for ledger in self.records["grootboeken"].values() if ledger["nummer"] == number)

    def account_with(self, function: int) -> Record:
        """The first ledger account of that function, which the chart is known to hold."""
        name = LEDGER_FUNCTIONS[function]
        return next(ledger for ledger in self.records["grootboeken"].values() if ledger["grootboekfunctie"] == name)

    def journal(self, kind: str) -> Record:
        """The first journal of that kind."""
        return next(journal for journal in self.records["dagboeken"].values() if journal["soort"] == kind)

    def country(self, alpha2: str) -> Record:
        """The country with that code of two letters."""
        return self.records["landen"][self.fixed_id("landen", alpha2)]

    def country_of(self, relation: Record) -> str:
        """The code of the country a relation is established in; the Netherlands where nothing says otherwise."""
        address = relation["vestigingsAdres"]
        country = self.find("landen", address["land"]) if address else None
        return str(country["landcode"] or "") if country else "NL"

    def vat_rates(self) -> Iterator[Record]:
        """The whole history of Dutch VAT rates, as /btwtarieven tells it."""
        for kind, steps in chart.VAT_HISTORY.items():
            ends = [_day_before(start) for start, _rate in steps[1:]] + [chart.LAST_DAY]
            for (start, rate), end in zip(steps, ends, strict=True):
                yield {
                    "btwSoort": kind,
                    "btwPercentage": rate,
                    "datumVanaf": f"{start}T00:00:00",
                    "datumTotEnMet": f"{end}T00:00:00",
                }

    def vat_rate(self, kind: str, day: date) -> Decimal:
        """The percentage of a VAT kind on a day; before the history begins, its first."""
        (_first, percentage), *later = chart.VAT_HISTORY[kind]
        for start, rate in later:
            percentage = rate if date.fromisoformat(start) <= day else percentage
        return percentage

    def _furnish(self) -> None:
        """What every new administration has."""
        for country in COUNTRIES:
            identity = refer("landen", self.fixed_id("landen", country.alpha2))
            codes = {"landcodeISO": country.alpha3, "landcode": country.alpha2}
            self.keep("landen", {"naam": country.name, **codes, **identity})
        if self.switches.country_without_codes:
            nowhere = {"naam": "Onbekend", "landcodeISO": None, "landcode": None}
            self.keep("landen", {**nowhere, **refer("landen", self.fixed_id("landen", "Onbekend"))})
        since = f"{self.today().year - 1}-01-05T12:00:00"
        for account in chart.ACCOUNTS:
            self.keep("grootboeken", self._ledger(account, since))
        for name, kind, number, inactive in chart.JOURNALS:
            identity = refer("dagboeken", self.fixed_id("dagboeken", number))
            journal = {"omschrijving": name, "soort": kind, "nonactief": inactive, "nummer": number, **identity}
            self.keep("dagboeken", journal)
        for number, name, ledger_number in chart.REVENUE_GROUPS:
            self.keep("artikelomzetgroepen", self._revenue_group(number, name, ledger_number))

    def _ledger(self, account: chart.Account, since: str) -> Record:
        return {
            "modifiedOn": since,
            "omschrijving": account.name,
            "kostenplaatsVerplicht": account.needs_cost_centre,
            "rekeningCode": "Balans" if account.on_balance else "WinstEnVerlies",
            "nonactief": account.inactive,
            "nummer": account.number,
            "grootboekfunctie": LEDGER_FUNCTIONS[account.function],
            "grootboekRubriek": account.section,
            "rgsCode": [],
            "btwSoort": list(chart.vat_kinds(account.function)),
            "vatRateCode": account.rate_code,
            **refer("grootboeken", self.fixed_id("grootboeken", account.number)),
        }

    def _revenue_group(self, number: int, name: str, ledger_number: int) -> Record:
        ledger = self.account(ledger_number)
        return {
            "nummer": number,
            "omschrijving": name,
            "verkoopGrootboekNederlandIdentifier": refer("grootboeken", ledger["id"]),
            "verkoopNederlandBtwSoort": ledger["btwSoort"][0],
            **refer("artikelomzetgroepen", self.fixed_id("artikelomzetgroepen", number)),
        }


def _day_before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()
