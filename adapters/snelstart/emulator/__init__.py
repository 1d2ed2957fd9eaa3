"""SnelStart in memory, as strict and as lenient as the vendor's own API."""

from adapters.snelstart.emulator.server import SnelStart as Emulator
from adapters.snelstart.emulator.switches import LIVE_SCOPES, Limits, Switches

__all__ = ["LIVE_SCOPES", "Emulator", "Limits", "Switches"]
