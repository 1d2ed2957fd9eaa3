"""VAT codes. SnelStart has none: how a line is taxed is the function of its ledger account, the line's VAT kind and
the kind of the VAT row, from two vocabularies (dossier 4). Each usual triple is a code here, its id of our own making.

- ``hoog-2012-10-01``: the kind Hoog at the rate that came into force that day; ``laag-…`` and ``overig-…`` alike
- ``onbelast`` 0 %, ``vrijgesteld`` exempt, ``verlegd`` domestic reverse charge
- ``icp-goederen`` and ``icp-diensten`` supplies within the EU, ``export`` outside it
- ``oss-de-sr``: foreign VAT by country and rate code, only while ``factureerBuitenlandsBtw`` is on
- ``buiten-btw``: no VAT, on any account that is not for revenue
"""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from adapters.snelstart.mapping.contacts import Countries
from adapters.snelstart.mapping.values import Identified, Reference, Wire, day_of, text_or_none
from gateway.contract.adapter import Record
from gateway.contract.models import VatCode
from gateway.contract.models.ledger import VatCategory, VatTreatment
from gateway.contract.money import ZERO, number_text

ENDLESS = 2400
"""The year of the last day of a rate without an end; 1900 is that of the first of one without a beginning."""
BEGINNINGLESS = 1900


class Grootboek(Identified, frozen=True):
    """A ledger account."""

    nummer: int
    grootboekfunctie: str
    omschrijving: str | None = None
    rekeningCode: str | None = None
    nonactief: bool | None = False
    btwSoort: list[str] | None = None
    vatRateCode: str | None = None

    @property
    def kinds(self) -> Sequence[str]:
        """The VAT kinds that a line on it may have."""
        return self.btwSoort or ()

    @property
    def own_kind(self) -> str | None:
        """The kind of a line on it that names none."""
        return "Geen" if "Geen" in self.kinds else next((kind for kind in self.kinds if kind in RATED), None)

    @property
    def rate_code(self) -> str | None:
        """The rate of foreign VAT it is for."""
        return text_or_none(self.vatRateCode)


class Btwtarief(Wire, frozen=True):
    """A rate of a VAT kind, from a day to a day, both inclusive."""

    btwSoort: str
    btwPercentage: Decimal
    datumVanaf: str
    datumTotEnMet: str

    @property
    def first_day(self) -> date:
        """The first day of it."""
        return day_of(self.datumVanaf)

    @property
    def last_day(self) -> date:
        """The last day of it."""
        return day_of(self.datumTotEnMet)


class CompanyInfo(Wire, frozen=True):
    """The administration."""

    administratieIdentifier: str
    administratieNaam: str | None = None
    bedrijfsnaam: str | None = None
    adres: str | None = None
    postcode: str | None = None
    plaats: str | None = None
    btwNummer: str | None = None
    btwIdentificatieNummer: str | None = None
    kvKNummer: str | None = None
    email: str | None = None
    verkoopprijsArtikelbestandExclusiefBtw: bool | None = None
    artikelcodeSoort: str | None = None
    artikelcodeMaxLengte: int | None = None
    buitenlandseBtwGrootboek: Reference = None
    factureerBuitenlandsBtw: bool | None = False


class ForeignRate(Wire, frozen=True):
    """A rate of a member state, from a day on."""

    rateCode: str
    rate: Decimal
    validFrom: str

    @property
    def first_day(self) -> date:
        """The first day of it."""
        return day_of(self.validFrom)


class ForeignRates(Wire, frozen=True):
    """The rates of one member state, by its three letters."""

    countryCode: str
    vatRates: list[ForeignRate] | None


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """One way to tax a line: which accounts, the line's kind and the row's kind. An administration has one of each."""

    code: VatCode
    functions: frozenset[str] | None
    """The ledger functions it goes with; null for every account that is in no other way."""
    kind: str
    row: str | None = None
    rate_code: str | None = None


@dataclass(frozen=True, slots=True)
class _Family:
    id: str
    name: str
    function: str
    treatment: VatTreatment
    category: VatCategory
    row: str | None = None
    country: str | None = "NL"
    """Null for what leaves the country: to which one, the customer's address says."""


RATED: Mapping[str, tuple[str, VatTreatment]] = {
    "Hoog": ("VerkopenOmzetHoog", "domestic_high"),
    "Laag": ("VerkopenOmzetLaag", "domestic_low"),
    "Overig": ("VerkopenOmzetOverig", "unknown"),
}
"""The taxed kinds: the ledger function of each and its treatment. What Overig is the user decides (dossier 4.9)."""
REVERSED = "VerkopenVerlegd"
"""The kind of VAT row that tells reverse charge."""
ROWS = frozenset({"Geen", REVERSED, *(f"{trade}{kind}" for trade in ("Verkopen", "Inkopen") for kind in RATED)})
"""The kinds that VAT rows of a sales entry may have (dossier 4.2)."""
UNTAXED_FUNCTION = "VerkopenOmzetOnbelastVerlegd"
"""The function of accounts for 0 % and for reverse charge alike: the kind of VAT row tells them apart."""
UNRATED = (
    _Family("onbelast", "Onbelast (0%)", UNTAXED_FUNCTION, "zero", "Z"),
    _Family("verlegd", "Btw verlegd", UNTAXED_FUNCTION, "reverse_charge", "AE", REVERSED),
    _Family("vrijgesteld", "Btw-vrij", "VerkopenBtwVrij", "exempt", "E"),
    _Family("icp-goederen", "Goederen binnen de EU", "VerkopenExportBinnenEU", "intra_eu_goods", "K", country=None),
    _Family(
        "icp-diensten", "Diensten binnen de EU", "DienstverleningBinnenEU", "intra_eu_services", "AE", country=None
    ),
    _Family("export", "Export buiten de EU", "VerkopenExportBuitenEU", "export", "G", country=None),
)
OSS_FUNCTION = "InstallatieTeleverkoopBinnenEUgeen"
OUTSIDE = Way(
    VatCode(
        id="buiten-btw",
        name="Buiten de btw",
        code="Geen",
        rate=number_text(ZERO),
        category="O",
        treatment="outside_scope",
        direction="sale",
    ),
    None,
    "Geen",
)
SALES_FUNCTIONS = frozenset(
    {*(function for function, _ in RATED.values()), *(family.function for family in UNRATED), OSS_FUNCTION}
)
REVENUE = SALES_FUNCTIONS | frozenset(
    {"VerkoopGlobalisatieLaag", "VerkoopGlobalisatieHoog", "VerkoopGlobalisatieOverig", "BpmVerkopen"}
)


class Ways:
    """All ways of one administration, in a fixed order, by the id of their code."""

    def __init__(self, ways: Sequence[Way]) -> None:
        self.by_id: Mapping[str, Way] = {way.code.id: way for way in ways}
        self.any_foreign = any(way.rate_code is not None for way in ways)
        self._by_kind = {kind: [way for way in self.by_id.values() if way.kind == kind] for kind in RATED}

    def of_line(self, ledger: Grootboek | None, kind: str | None, reversed_charge: bool | None, on: date) -> Way | None:
        """How a booked line is taxed; null where nothing tells, as its ledger account may be hidden (dossier 2.3).

        Only the entry's VAT rows tell reverse charge from 0 % (dossier 4.9); null where they do not. Which foreign rate
        a line on an OSS account has is told by the customer's country: see ``foreign``.
        """
        if kind is not None and kind in RATED:
            return self._rated(kind, on)
        if not is_documented(kind):
            return None
        if ledger is None:
            return self.by_id["verlegd"] if reversed_charge else None
        if ledger.grootboekfunctie == OSS_FUNCTION:
            return None
        if ledger.grootboekfunctie == UNTAXED_FUNCTION:
            return None if reversed_charge is None else self.by_id["verlegd" if reversed_charge else "onbelast"]
        fitting = (way for way in self.by_id.values() if way.functions and ledger.grootboekfunctie in way.functions)
        return next((way for way in fitting if way.kind == "Geen"), OUTSIDE)

    def _rated(self, kind: str, on: date) -> Way | None:
        return next((way for way in self._by_kind[kind] if in_force(way.code, on)), None)

    def of_ledger(self, ledger: Grootboek, on: date) -> Way:
        """How a line on an account is taxed by itself."""
        return self.of_line(ledger, ledger.own_kind, False, on) or OUTSIDE

    def foreign(self, country: str | None, rate_code: str | None, on: date) -> Way | None:
        """The foreign VAT of a country and rate code."""
        for way in self.by_id.values():
            named = way.rate_code is not None and (way.code.country, way.rate_code) == (country, rate_code)
            if named and in_force(way.code, on):
                return way
        return None

    def for_treatment(
        self, treatment: VatTreatment, *, rate: Decimal | None, country: str | None, on: date
    ) -> Way | None:
        """The way for a treatment on a day; null where the administration has none."""
        if treatment == "unknown":
            return None
        for way in self.by_id.values():
            code = way.code
            if (
                code.treatment == treatment
                and (rate is None or code.percentage == rate)
                and is_of(code, country)
                and in_force(code, on)
            ):
                return way
        return None


def is_documented(kind: str | None) -> bool:
    """Whether it is known what a line of this VAT kind means."""
    return kind is None or kind == "Geen" or kind in RATED


def allows(account: Grootboek, way: Way) -> bool:
    """Whether lines on an account may be taxed so (dossier 4.9)."""
    if way.rate_code is not None:
        return account.grootboekfunctie == OSS_FUNCTION and account.rate_code == way.rate_code
    if way.functions is None:
        return "Geen" in account.kinds
    return account.grootboekfunctie in way.functions


def in_force(code: VatCode, on: date) -> bool:
    """Whether a code may be used on a day."""
    return (code.valid_from is None or code.valid_from <= on) and (code.valid_to is None or on <= code.valid_to)


def is_of(code: VatCode, country: str | None) -> bool:
    """Whether a code may be used for a country: its own, or any but the Netherlands where it leaves it open."""
    if country is None:
        return True
    return country != "NL" if code.country is None else code.country == country


def ways_of(
    rates: Sequence[Btwtarief], foreign: Sequence[ForeignRates], ledgers: Sequence[Grootboek], countries: Countries
) -> Ways:
    """All ways: the newest rate of a kind first. Foreign VAT where the administration has an account for its rate."""
    ways = [_rated(rate) for rate in sorted(rates, key=lambda rate: rate.first_day, reverse=True) if _has_code(rate)]
    ways.sort(key=lambda way: list(RATED).index(way.kind))
    ways += [_unrated(family) for family in UNRATED]
    ways.append(OUTSIDE)
    accounts = {ledger.rate_code for ledger in ledgers if ledger.grootboekfunctie == OSS_FUNCTION}
    two_letters = {text_or_none(country.landcodeISO): country.code for country in countries.values()}
    for state in sorted(foreign, key=lambda one: one.countryCode):
        country = two_letters.get(state.countryCode)
        if country is not None and country != "NL":
            ways += [way for way in _foreign(country, state) if way.rate_code in accounts]
    return Ways(ways)


def _has_code(rate: Btwtarief) -> bool:
    return rate.btwSoort in RATED


def _rated(rate: Btwtarief) -> Way:
    function, treatment = RATED[rate.btwSoort]
    endless = rate.last_day.year >= ENDLESS
    return Way(
        VatCode(
            id=f"{rate.btwSoort.lower()}-{rate.first_day.isoformat()}",
            name=f"Btw {rate.btwSoort.lower()}",
            code=rate.btwSoort,
            rate=number_text(rate.btwPercentage),
            category="S" if rate.btwPercentage else "Z",
            treatment=treatment,
            direction="sale",
            country="NL",
            valid_from=None if rate.first_day.year <= BEGINNINGLESS else rate.first_day,
            valid_to=None if endless else rate.last_day,
        ),
        frozenset({function}),
        rate.btwSoort,
        f"Verkopen{rate.btwSoort}",
    )


def _unrated(family: _Family) -> Way:
    return Way(
        VatCode(
            id=family.id,
            name=family.name,
            code="Geen",
            rate=number_text(ZERO),
            category=family.category,
            treatment=family.treatment,
            direction="sale",
            country=family.country,
        ),
        frozenset({family.function}),
        "Geen",
        family.row,
    )


def _foreign(country: str, state: ForeignRates) -> list[Way]:
    """The rates of a member state, each until the day before the next of its kind."""
    ways = []
    newest = sorted(state.vatRates or (), key=lambda rate: rate.first_day)
    for rate in newest:
        of_kind = [other.first_day for other in newest if other.rateCode == rate.rateCode]
        later = [day for day in of_kind if day > rate.first_day]
        suffix = f"-{rate.first_day.isoformat()}" if later else ""
        code = VatCode(
            id=f"oss-{country.lower()}-{rate.rateCode.lower()}{suffix}",
            name=f"Btw {country} {rate.rateCode}",
            code=rate.rateCode,
            rate=number_text(rate.rate),
            category="S",
            treatment="oss",
            direction="sale",
            country=country,
            valid_from=rate.first_day,
            valid_to=None if not later else date.fromordinal(min(later).toordinal() - 1),
        )
        ways.append(Way(code, frozenset({OSS_FUNCTION}), "Geen", None, rate.rateCode))
    return ways


def vat_code_of(way: Way) -> Record[VatCode]:
    """A way as a record; what SnelStart itself calls it is its raw side."""
    raw: dict[str, Any] = {
        "grootboekfunctie": sorted(way.functions or ()),
        "regelBtwSoort": way.kind,
        "btwBtwSoort": way.row,
        "vatRateCode": way.rate_code,
    }
    return Record(copy(way.code), raw, mapped=frozenset(raw))
