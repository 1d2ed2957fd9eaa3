"""What the laws must know of a system and cannot find out from its adapter. It stands beside the adapter's tests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from gateway.contract.adapter import Record
from gateway.contract.emulator import Emulator, ReceivedRequest
from tests.house import EmulatorFactory


@dataclass(frozen=True, slots=True)
class Facts:
    """``moving`` names members of the system's records that change by themselves when a record is written.

    ``exchange`` gives credentials that buy short-lived tokens, where the emulator's own do not. ``numbered``: the
    caller numbers invoices and credit notes. ``account_taxes``: a line's ledger account decides about its VAT, so the
    laws leave it open. ``unmixed`` names VAT treatments that stand on an invoice alone; ``no_empty_lines``: a line of
    0.00 is refused. ``derived`` names resources whose records Polder makes itself. ``added`` names lists of the
    system's invoices and the amount in each that only together make a total. ``modes`` names other ways the system may
    be, in which the laws hold as well, with the credentials of ``exchange``. ``inspect`` is given all that was sent in
    a law, to hold it against the vendor's own schemas. ``reads`` has for every resource what reads the ``raw`` of its
    golden pairs.
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
    inspect: Callable[[Sequence[ReceivedRequest]], object] | None = None
    reads: Mapping[str, Callable[[Any], Record[Any]]] = field(default_factory=dict)


def facts_of(name: str) -> Facts:
    """What is known of a system: the ``FACTS`` of ``tests/adapters/<name>/law_facts.py``; nothing, for most."""
    module = f"tests.adapters.{name}.law_facts"
    if find_spec(f"tests.adapters.{name}") is None or find_spec(module) is None:
        return Facts()
    facts: Facts = import_module(module).FACTS
    return facts
