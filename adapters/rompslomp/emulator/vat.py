"""The VAT types, one set for all companies: the Dutch ones, and a row per other EU country for OSS (dossier §4)."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from adapters.rompslomp.emulator.records import Table, VatType
from adapters.rompslomp.emulator.switches import Switches

_DUTCH = (
    VatType("vat_high", "hoog", Decimal("0.21"), known_from=date(2012, 10, 1)),
    VatType("vat_high", "hoog oud (19%)", Decimal("0.19"), known_till=date(2012, 9, 30)),
    VatType("vat_low", "laag oud (6%)", Decimal("0.06"), known_till=date(2018, 12, 31)),
    VatType("vat_low_new", "laag", Decimal("0.09"), known_from=date(2019, 1, 1)),
    VatType("vat_zero", "0%", Decimal("0.0")),
    VatType("vat_none", "vrijgesteld", Decimal("0.0")),
    VatType("vat_reverse_charged", "verlegd", Decimal("0.0")),
    VatType("vat_custom", "aangepast", None),
)
_UNTAXED = frozenset({"vat_none", "vat_reverse_charged"})
_ABROAD = (
    ("HU", "Hongarije", "27"),
    ("FI", "Finland", "25.5"),
    ("HR", "Kroatië", "25"),
    ("DK", "Denemarken", "25"),
    ("SE", "Zweden", "25"),
    ("EL", "Griekenland", "24"),
    ("IE", "Ierland", "23"),
    ("PT", "Portugal", "23"),
    ("PL", "Polen", "23"),
    ("SK", "Slowakije", "23"),
    ("SI", "Slovenië", "22"),
    ("IT", "Italië", "22"),
    ("EE", "Estland", "24"),
    ("LV", "Letland", "21"),
    ("LT", "Litouwen", "21"),
    ("CZ", "Tsjechië", "21"),
    ("BE", "België", "21"),
    ("ES", "Spanje", "21"),
    ("RO", "Roemenië", "21"),
    ("AT", "Oostenrijk", "20"),
    ("FR", "Frankrijk", "20"),
    ("BG", "Bulgarije", "20"),
    ("DE", "Duitsland", "19"),
    ("CY", "Cyprus", "19"),
    ("MT", "Malta", "18"),
    ("LU", "Luxemburg", "17"),
)
EU_ABROAD = frozenset(code for code, _, _ in _ABROAD) | {"GR"}
"""The EU without the Netherlands, in ISO codes; VAT calls Greece EL, addresses call it GR."""


def open_vat_types(types: Table[VatType], switches: Switches) -> None:
    """Make the VAT types that every company shares."""
    for dutch in _DUTCH:
        tells_rate = switches.untaxed_rate == "zero" or dutch.name not in _UNTAXED
        types.add(replace(dutch, tells_rate=tells_rate))
    for code, country, percentage in _ABROAD:
        label = country if switches.foreign_vat_label == "country_name" else code
        rate = Decimal(percentage).scaleb(-2)
        types.add(VatType(switches.foreign_vat_name, f"{label} {percentage.replace('.', ',')}%", rate, country=code))
