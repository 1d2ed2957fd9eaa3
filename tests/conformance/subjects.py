"""What the laws must know of a system and cannot find out from its adapter: one row for each, all of it optional."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import methodcaller
from typing import Any, Literal

from adapters.rompslomp.emulator import Emulator as Rompslomp
from adapters.rompslomp.emulator import Switches as RompslompSwitches
from gateway.contract.emulator import Emulator
from tests.house import EmulatorFactory


@dataclass(frozen=True, slots=True)
class Facts:
    """``moving`` names members of the system's records that change by themselves when a record is written.

    ``exchange`` gives credentials that buy short-lived tokens, where the emulator's own do not. ``numbered``: the
    caller numbers invoices and credit notes. ``account_taxes``: a line's ledger account decides about its VAT, so the
    laws leave it open. ``unmixed`` names VAT treatments that stand on an invoice alone; ``no_empty_lines``: a line of
    0.00 is refused. ``derived`` names resources whose records Polder makes itself. ``added`` names lists of the
    system's invoices and the amount in each that only together make a total. ``modes`` names other ways the system may
    be, in which the laws hold as well, with the credentials of ``exchange``.
    """

    moving: frozenset[str] = frozenset()
    exchange: Callable[[Emulator], Mapping[str, Any]] | None = None
    numbered: bool = False
    account_taxes: bool = False
    unmixed: frozenset[str] = frozenset()
    no_empty_lines: bool = False
    derived: frozenset[str] = frozenset()
    added: tuple[tuple[str, str], ...] = ()
    modes: Mapping[str, EmulatorFactory] = field(default_factory=dict)


def _rotating(mode: Literal["immediate", "on_use"]) -> EmulatorFactory:
    return lambda clock: Rompslomp(clock, switches=RompslompSwitches(refresh_rotation=mode))


SUBJECTS: Mapping[str, Facts] = {
    "memory": Facts(moving=frozenset({"updatedAt"})),
    "rompslomp": Facts(
        moving=frozenset({"price_with_vat", "price_without_vat", "vat_amount"}),
        exchange=methodcaller("oauth_credentials"),
        modes={"immediate": _rotating("immediate"), "on_use": _rotating("on_use")},
    ),
    "snelstart": Facts(
        moving=frozenset({"modifiedOn"}),
        numbered=True,
        account_taxes=True,
        unmixed=frozenset({"reverse_charge"}),
        no_empty_lines=True,
        derived=frozenset({"vat-codes"}),
        added=(("boekingsregels", "bedrag"), ("btw", "btwBedrag")),
    ),
    "thenextinvoice": Facts(moving=frozenset({"id"}), exchange=methodcaller("password_credentials")),
}


def facts_of(name: str) -> Facts:
    """What is known of a system; nothing, for most."""
    return SUBJECTS.get(name, Facts())
