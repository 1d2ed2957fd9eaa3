"""Rompslomp in memory: its REST API under ``/api/v1`` and its OAuth server under ``/oauth``.

``Emulator(clock, seed=0, switches=Switches())`` is an ASGI application. What the vendor's documents leave open is a
field of ``Switches``; the rest behaves as documented, and as strictly as it can.
"""

from adapters.rompslomp.emulator.provider import Emulator
from adapters.rompslomp.emulator.switches import Rotation, Switches

__all__ = ["Emulator", "Rotation", "Switches"]
