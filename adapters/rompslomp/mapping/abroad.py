"""What is sold to another country without VAT, for which Rompslomp has no VAT type of its own.

There a line's VAT type, the customer's country and ``sale_type`` say together what it is: ``vat_zero`` to another
country of the EU wants a VAT number, ``sale_type`` is for customers abroad, and the accounts that VAT returns are made
of are one set for the Netherlands, one for the EU and one for elsewhere (dossier §4; accounts H1 to H3 of the recorded
chart). Bookkeepers do not agree on the VAT type, so a connection's settings name it. Each that they name is a VAT code,
with an id of our own: ``681363806-export``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from adapters.rompslomp.mapping.settings import EU_ABROAD, brings_own_rate
from gateway.contract.models import Contact, VatCode
from gateway.contract.models.base import like
from gateway.contract.models.ledger import VatCategory, VatTreatment
from gateway.contract.wire import country_of

HOME = "NL"
USUAL_SALE_TYPE = "supply"
"""What ``sale_type`` is where nothing is said (recorded)."""
_SERVICES = frozenset({"service", "service_digital"})


@dataclass(frozen=True, slots=True)
class Sale:
    """A kind of sale to another country; ``name`` is Dutch, ``sale_type`` Rompslomp's own."""

    treatment: VatTreatment
    category: VatCategory
    name: str
    within_eu: bool
    sale_type: str

    @property
    def setting(self) -> str:
        """The setting that names the VAT code it is booked with."""
        return f"{self.treatment}_vat_code_id"

    def is_to(self, country: str | None) -> bool:
        """Whether it may go to a country; a customer without one is at home."""
        return country not in (None, HOME) and (country in EU_ABROAD) == self.within_eu

    def code_id(self, type_id: str) -> str:
        """The id of its VAT code, where it is booked with this VAT type."""
        return f"{type_id}-{self.treatment}"


SALES: Mapping[str, Sale] = {
    one.treatment: one
    for one in (
        Sale("intra_eu_goods", "K", "goederen binnen de EU", within_eu=True, sale_type="supply"),
        Sale("intra_eu_services", "AE", "diensten binnen de EU", within_eu=True, sale_type="service"),
        Sale("export", "G", "export buiten de EU", within_eu=False, sale_type="supply"),
    )
}
"""By treatment."""


@lru_cache(1_000)
def sale_of(country_code: str | None, sale_type: str | None) -> Sale | None:
    """What an invoice to a country is, by its ``sale_type``; null at home, and for services outside the EU."""
    country, kind = country_of(country_code), "service" if sale_type in _SERVICES else USUAL_SALE_TYPE
    return next((one for one in SALES.values() if one.is_to(country) and one.sale_type == kind), None)


def codes_on(sale: Sale | None, codes: Mapping[str, VatCode]) -> Mapping[str, VatCode]:
    """The VAT code of each VAT type on an invoice: the sale's own, where the type is what that is booked with."""
    if sale is None:
        return codes
    return {**codes, **{type_id_of(id): code for id, code in codes.items() if code.treatment == sale.treatment}}


def sales_of(codes: Iterable[VatCode]) -> list[Sale]:
    """The kinds of sale to another country among some VAT codes."""
    return list(dict.fromkeys(SALES[code.treatment] for code in codes if code.treatment in SALES))


def codes_abroad(codes: Mapping[str, VatCode], settings: Mapping[str, Any]) -> Mapping[str, VatCode]:
    """The VAT codes that settings make of others. One that is taxed, or not there, makes none."""
    if not settings:
        return {}  # as of most connections
    pairs = [(sale, codes.get(settings.get(sale.setting, ""))) for sale in SALES.values()]
    made = [_code_of(sale, code) for sale, code in pairs if code is not None and _is_untaxed(code)]
    return {code.id: code for code in made}


def type_id_of(code_id: str) -> str:
    """The VAT type that a VAT code is booked with: itself, unless its id is one of ours."""
    type_id, _, treatment = code_id.partition("-")
    return type_id if treatment in SALES else code_id


def is_of(code: VatCode, country: str | None) -> bool:
    """Whether a VAT code may be used for a country: its own, or one that its sale may go to."""
    sale = SALES.get(code.treatment)
    return country is None or (code.country == country if sale is None else sale.is_to(country))


def fits(sale: Sale, customer: Contact) -> bool:
    """Whether a sale may be to this customer."""
    return sale.is_to(customer.address.country if customer.address is not None else None)


def _is_untaxed(code: VatCode) -> bool:
    return not code.percentage and code.country == HOME and not brings_own_rate(code)


def _code_of(sale: Sale, code: VatCode) -> VatCode:
    name = f"{code.name}, {sale.name}"
    id = sale.code_id(code.id)
    return like(code, id=id, name=name, treatment=sale.treatment, category=sale.category, country=None)
