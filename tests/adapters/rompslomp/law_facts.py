"""What the laws must know of Rompslomp: it rotates refresh tokens in one of two ways, and both must do."""

from operator import methodcaller
from typing import Literal

from adapters.rompslomp.emulator import Emulator, Switches
from tests.adapters.rompslomp.connected import check_bodies
from tests.conformance.subjects import Facts
from tests.house import EmulatorFactory


def _rotating(mode: Literal["immediate", "on_use"]) -> EmulatorFactory:
    return lambda clock: Emulator(clock, switches=Switches(refresh_rotation=mode))


FACTS = Facts(
    moving=frozenset({"price_with_vat", "price_without_vat", "vat_amount"}),
    exchange=methodcaller("oauth_credentials"),
    modes={"immediate": _rotating("immediate"), "on_use": _rotating("on_use")},
    inspect=check_bodies,
)
