"""Generations: how every process knows at once that what it keeps in memory is out of date.

Whatever is kept of a connection, or of an API key, is kept under the number of its *generation*. Ending a generation
gives it another number, at random, so that no number comes back: not when two end it at once, and not when one of them
slept in between. Reading a number is a memory access and no I/O.
"""

import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol
from zlib import crc32

Matter = Literal["answers", "facts", "links", "connection", "keys"]
MATTERS: Mapping[Matter, int] = {
    "answers": 1,
    "facts": 2,
    "links": 3,
    "connection": 4,
    "keys": 6,
}
"""What has generations of its own, and its column in a row of slots; the first column of all is the epoch's.

All are a connection's but ``keys``: those are of API keys, by the key's id.
"""
COLUMNS = 8
_INTRUDED = 7
"""The column in which those leave a mark who end a generation while another does."""
ROWS = 8192
SIZE = ROWS * COLUMNS * 8
"""Bytes that the slots take."""


@dataclass(frozen=True, slots=True)
class Ended:
    """One generation that was ended: its number, or None where that could not be told for sure, and the next one's."""

    before: int | None
    after: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment as all nodes understand it: a place in the log of what they end, of that epoch.

    What was ended before it in the log had been done before it in the system.
    """

    epoch: str
    place: int


class Generations(Protocol):
    """The generations of all connections and API keys."""

    @property
    def vouched(self) -> bool:
        """Whether the numbers that ``of`` gives now are those of every process."""

    def of(self, id: str, matter: Matter) -> int:
        """The generation that now is; where nobody can vouch for any, a number that nobody else gets."""

    async def end(self, id: str, *matters: Matter) -> Mapping[Matter, Ended]:
        """End generations. When this returns, no process anywhere answers from the ones before."""

    @property
    def mark(self) -> Mark | None:
        """Now, for other nodes; None where there are none, or where this one can vouch for nothing."""

    def unended_since(self, mark: Mark, id: str, matter: Matter) -> bool:
        """Whether a generation surely is the one that was at a mark, of this node's or another's."""

    def forsake(self) -> None:
        """A process of this host died, perhaps between a write and the end of its generation: nothing known holds."""

    async def start(self) -> None:
        """Begin to hear of what others end."""

    async def close(self) -> None:
        """Be no part of it any more."""


class Turn(Protocol):
    """Keeps other processes out of a slot for a moment, or says that it could not."""

    def __call__(self, slot: int) -> AbstractContextManager[bool]:
        """Entered, it says whether the others are kept out."""


def _alone(slot: int) -> AbstractContextManager[bool]:
    del slot
    return nullcontext(True)


class Slots:
    """Generations in memory: of this process, or shared by those of one host where the memory is a mapped file.

    There is a slot for each matter of a row, and an id has the row that it hashes to. Two that share a row
    share its endings, which costs one a miss and neither a stale answer. A slot is written in one piece, and even half
    a number would be one that nothing was kept under.
    """

    def __init__(self, memory: bytearray | memoryview, dice: random.Random, turn: Turn = _alone) -> None:
        self._slots = memoryview(memory).cast("B").cast("Q")
        self._dice = dice
        self._turn = turn

    @property
    def vouched(self) -> bool:
        """Memory is always there."""
        return True

    def of(self, id: str, matter: Matter) -> int:
        """The generation that now is."""
        return self._slots[0] ^ self._slots[slot_of(id, matter)]

    async def end(self, id: str, *matters: Matter) -> Mapping[Matter, Ended]:
        """End generations, for every process that shares the memory."""
        return self.end_here(id, matters)

    def end_here(self, id: str, matters: Sequence[Matter]) -> dict[Matter, Ended]:
        """End generations without waiting for anything."""
        return {matter: self._end(id, matter) for matter in matters}

    @property
    def mark(self) -> Mark | None:
        """Nobody else would understand one."""
        return None

    def unended_since(self, mark: Mark, id: str, matter: Matter) -> bool:
        """No mark is understood."""
        del mark, id, matter
        return False

    def _end(self, id: str, matter: Matter) -> Ended:
        slot = slot_of(id, matter)
        intruded = slot // COLUMNS * COLUMNS + _INTRUDED
        with self._turn(slot) as alone:
            if not alone:
                self._slots[intruded] = self._dice.getrandbits(64)
            before, intrusion = self.of(id, matter), self._slots[intruded]
            self._slots[slot] = self._dice.getrandbits(64)
            # Whoever did not wait for its turn said so before it wrote: what it ended must not be taken for known.
            sure = alone and intrusion == self._slots[intruded]
            return Ended(before if sure else None, self.of(id, matter))

    def end_all(self) -> None:
        """End every generation there is."""
        self._slots[0] = self._dice.getrandbits(64)

    def forsake(self) -> None:
        """A process that shares the memory died."""
        self.end_all()

    async def start(self) -> None:
        """Memory needs nothing."""

    async def close(self) -> None:
        """Let go of what the memory is made of."""


def in_memory(dice: random.Random) -> Slots:
    """Generations of this process alone."""
    return Slots(bytearray(SIZE), dice)


@lru_cache(4096)
def slot_of(id: str, matter: Matter) -> int:
    """The place of its number among all of them, which others may share."""
    return crc32(id.encode()) % ROWS * COLUMNS + MATTERS[matter]
