"""What the laws must know of a system and cannot find out from its adapter: one row for each, all of it optional."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

from gateway.contract.emulator import Emulator


@dataclass(frozen=True, slots=True)
class Facts:
    """``moving`` names members of the system's records that change by themselves when a record is written.

    ``exchange`` gives credentials that buy short-lived tokens, where the emulator's own do not.
    """

    moving: frozenset[str] = frozenset()
    exchange: Callable[[Emulator], Mapping[str, Any]] | None = None


SUBJECTS: Mapping[str, Facts] = {
    "memory": Facts(moving=frozenset({"updatedAt"})),
    "rompslomp": Facts(moving=frozenset({"price_with_vat", "price_without_vat", "vat_amount"})),
    "thenextinvoice": Facts(moving=frozenset({"id"}), exchange=methodcaller("password_credentials")),
}


def facts_of(name: str) -> Facts:
    """What is known of a system; nothing, for most."""
    return SUBJECTS.get(name, Facts())
