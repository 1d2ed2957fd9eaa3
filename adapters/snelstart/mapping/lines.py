"""Invoice lines as booked lines, both ways, and what they come to.

A booked line holds a text, a ledger account, an amount without VAT and a VAT kind: no quantity, no price (dossier 3.3).
So that nothing is lost, whatever the amount alone does not say stands at the end of the text, in one readable form::

    Volkoren brood (2 stuk x 10.00)
    Advies (1.5 uur x 121.00 -10% incl. btw)

It is written where the quantity is not 1, or there is a unit, a discount, a price with VAT or one with parts of a cent;
and it is believed only where it comes to the line's amount, so that people may write what they like.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from adapters.snelstart.mapping.values import Number, Reference, Wire, refer, reference_of, text_or_none
from adapters.snelstart.mapping.vat import OSS_FUNCTION, Grootboek, Way, Ways
from gateway.contract.money import (
    ZERO,
    Amounts,
    AmountText,
    NumberText,
    Priced,
    add_up,
    amount_text,
    charged,
    exact,
    number_from,
    number_text,
    plain,
    round_to_cents,
)
from gateway.contract.totals import check_length
from gateway.contract.wire import Filled, json_number

TEXT_LIMIT = 250
"""The longest text of a line (BOE-0071)."""
_NUMBER = r"-?[0-9]{1,15}(?:\.[0-9]{1,12})?"
_TERMS = re.compile(
    rf"(?P<quantity>{_NUMBER})(?: (?P<unit>[^()]*?))? x (?P<price>{_NUMBER})"
    rf"(?: -(?P<discount>{_NUMBER})%)?(?P<included> incl\. btw)?\)"
)


class Regel(Wire, frozen=True):
    """A line of a sales entry."""

    bedrag: Number
    omschrijving: str | None = None
    grootboek: Reference = None
    btwSoort: str | None = None

    @property
    def ledger(self) -> str | None:
        """The id of its ledger account."""
        return reference_of(self.grootboek)


class BtwRegel(Wire, frozen=True):
    """The VAT of one kind, in the other vocabulary."""

    btwSoort: Filled
    btwBedrag: Number | None


@dataclass(frozen=True, slots=True, eq=False)
class Booked:
    """Where a line is booked: the id of its ledger account, and how it is taxed; null where nothing tells.

    It is known by itself, and a setup has one of each (``Setup.at``): what is made of it is cheap to remember.
    """

    ledger: str | None
    way: Way | None
    rate: Decimal
    """The percentage of VAT."""


def _booked_at(ledger: str | None, way: Way | None) -> Booked:
    return Booked(ledger, way, ZERO if way is None else way.code.percentage)


@dataclass(frozen=True)
class Setup:
    """What lines need to know of an administration."""

    ways: Ways
    ledgers: Mapping[str, Grootboek]
    foreign_ledger: str | None = None
    """The account for foreign VAT, while it is invoiced (dossier 4.9, OSS)."""

    @cached_property
    def abroad(self) -> frozenset[str]:
        """The ids of the accounts for what is sold with foreign VAT; none while it is not invoiced."""
        if self.foreign_ledger is None and not self.ways.any_foreign:
            return frozenset()
        return frozenset(id for id, ledger in self.ledgers.items() if ledger.grootboekfunctie == OSS_FUNCTION)

    @cached_property
    def booked(self) -> Callable[[Reference, str | None, bool | None, date], Booked]:
        """Where a line is booked, by its account, VAT kind, reverse charge and day: few of these make a page.

        How is null for foreign VAT, which the customer's country tells.
        """
        return lru_cache(maxsize=1_000)(self._booked)

    def _booked(self, reference: Reference, vat_kind: str | None, reversed_charge: bool | None, on: date) -> Booked:
        id, kind = reference_of(reference), text_or_none(vat_kind)
        ledger = self.ledgers.get(id or "")
        if ledger is not None and ledger.grootboekfunctie == OSS_FUNCTION:
            return self.at(id, None)
        if ledger is not None and kind is None:
            kind = ledger.own_kind
        return self.at(id, self.ways.of_line(ledger, kind, reversed_charge, on))

    @cached_property
    def at(self) -> Callable[[str | None, Way | None], Booked]:
        """What is booked on an account and taxed in a way: the same at every call, whatever the day."""
        return lru_cache(maxsize=1_000)(_booked_at)


@dataclass(frozen=True, slots=True)
class Charge:
    """A line to write, settled. ``price`` is before discount, positive on a credit note too."""

    description: str
    quantity: Decimal
    price: Decimal
    discount: Decimal
    unit: str | None
    way: Way
    ledger: str

    @property
    def priced(self) -> Priced:
        """What it charges, and how that is taxed."""
        return Priced(self.quantity, self.price, self.discount, self.way.code.percentage, self.way.code.id)

    def amount(self) -> Decimal:
        """What it charges, with or without VAT as the price is, to the cent."""
        return round_to_cents(charged(self.priced))


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What lines come to: each line without VAT, each VAT code, and the whole."""

    nets: tuple[Decimal, ...]
    groups: Mapping[str, Amounts]
    total: Amounts


def reckoned(charges: Sequence[Charge], *, includes_tax: bool) -> Reckoned:
    """Add lines up as they are booked: every line to the cent, VAT once for each code.

    SnelStart wants lines and VAT rows to make the whole to the cent (BOE-0039). Of prices with VAT, the cents by which
    lines without VAT miss their group's base are put on its largest line. Raises ``validation_failed`` for more than an
    amount can say.
    """
    priced = [one.priced for one in charges]
    sum = add_up(priced, prices_include_tax=includes_tax, rounding="per_rate_of_lines")
    check_length((*sum.lines, sum.total))
    nets = [amounts.net for amounts in sum.lines]
    for group, amounts in sum.groups.items():
        own = [place for place, one in enumerate(priced) if one.group == group]
        largest = max(own, key=lambda place: abs(nets[place]))
        nets[largest] += amounts.net - Decimal(_total([nets[place] for place in own]))
    return Reckoned(tuple(nets), sum.groups, sum.total)


def _total(amounts: Sequence[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total += amount
    return total


def entry_amounts(charges: Sequence[Charge], setup: Setup, *, includes_tax: bool, sign: int) -> dict[str, Any]:
    """The members of a sales entry that hold its lines, VAT rows and total.

    Foreign VAT is no row but a line on its own account (dossier 4.9).
    """
    sums = reckoned(charges, includes_tax=includes_tax)
    lines = [
        _line(text_of(charge, includes_tax=includes_tax), charge.ledger, sign * net, charge.way.kind)
        for charge, net in zip(charges, sums.nets, strict=True)
    ]
    rows: dict[str, Decimal] = {}
    foreign = ZERO
    for group, amounts in sums.groups.items():
        way = setup.ways.by_id[group]
        if way.row is not None:
            rows[way.row] = rows.get(way.row, ZERO) + amounts.tax
        elif way.rate_code is not None:
            foreign += amounts.tax
    if foreign and setup.foreign_ledger is not None:
        lines.append(_line("Buitenlandse btw", setup.foreign_ledger, sign * foreign, "Geen"))
    return {
        "boekingsregels": lines,
        "btw": [{"btwSoort": row, "btwBedrag": json_number(sign * tax)} for row, tax in rows.items()],
        "factuurbedrag": json_number(sign * sums.total.gross),
    }


def _line(text: str, ledger: str, amount: Decimal, kind: str) -> dict[str, Any]:
    return {"omschrijving": text, "grootboek": refer(ledger), "bedrag": json_number(amount), "btwSoort": kind}


def text_of(charge: Charge, *, includes_tax: bool) -> str:
    """The text of a booked line, with what its amount does not say."""
    bare = charge.quantity == 1 and charge.unit is None and not charge.discount and not includes_tax
    if bare and charge.price == charge.amount() and _divided(charge.description) is None:
        return charge.description
    unit = f" {charge.unit}" if charge.unit is not None else ""
    discount = f" -{plain(charge.discount)}%" if charge.discount else ""
    included = " incl. btw" if includes_tax else ""
    return f"{charge.description} ({plain(charge.quantity)}{unit} x {plain(charge.price, 2)}{discount}{included})"


class Terms(NamedTuple):
    """What a line's text says besides what it is for."""

    quantity: NumberText = number_text(Decimal(1))
    unit: str | None = None
    price: AmountText | None = None
    discount: NumberText | None = None
    included: bool = False
    amount: Decimal = ZERO
    """What the line charges by its text, to the cent."""


BARE = Terms()
"""A text that says nothing else."""


class LineText(NamedTuple):
    """What a line's text says of it."""

    description: str
    terms: Terms = BARE


def _divided(text: str) -> LineText | None:
    """What a text says, believed or not; null where it is only a text. What stands at its end holds no parenthesis."""
    if not text.endswith(")"):
        return None
    description, found, end = text.rpartition(" (")
    terms = terms_of(end) if found else None
    return None if terms is None else LineText(description, terms)


def terms_of(end: str) -> Terms | None:
    """The terms at the end of a text; null where it says none."""
    found = _TERMS.fullmatch(end)
    if found is None:
        return None
    quantity, unit, price, discount, included = found.groups()
    each = Decimal(price)
    charge = charged(Priced(exact(quantity), each, exact(discount or "0"), ZERO, ""))
    return Terms(
        number_from(quantity),
        unit,
        amount_text(each),
        None if discount is None else number_from(discount),
        included is not None,
        round_to_cents(charge),
    )


def survives(charge: Charge, *, includes_tax: bool) -> bool:
    """Whether a line is read back as it was given."""
    parsed = _divided(text_of(charge, includes_tax=includes_tax))
    if parsed is None:
        return charge.unit is None
    return (parsed.description, parsed.terms.unit) == (charge.description, charge.unit)
