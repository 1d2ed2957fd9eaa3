"""What callers ask for, and what they know of the records that came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

End = Literal["done", "refused", "manual", ""]
"""How it ended: ``manual`` where nobody can tell, nothing as long as it did not."""


@dataclass
class Errand:
    """One write under one key."""

    operation: str
    method: str
    path: str
    key: str
    body: Mapping[str, Any] | None = None
    group: str = ""
    """What it adds to, or takes from, in the books."""
    counts: int = 0
    """How many records there are more for it."""
    version: int = 0
    end: End = ""
    id: str = ""
    told: list[str] = field(default_factory=list)

    @property
    def record(self) -> str:
        """The path of the record that it is about."""
        resource, _, rest = self.path.partition("/")
        return f"{resource}/{rest.partition('/')[0] or self.id}"


@dataclass(frozen=True)
class Seen:
    """What was told of a record at a moment: what is read from then on is no older."""

    version: int
    ref: str | None
    gone: bool


@dataclass
class Kept:
    """A record, as whoever made it knows it."""

    resource: str
    id: str
    mark: str
    ref: str | None = None
    told: int = 0
    begun: int = 0
    """The last version that was told as written, and that was asked for."""
    going: bool = False
    gone: bool = False
    lost: bool = False
    """Nobody can tell any more what became of it."""

    def seen(self) -> Seen:
        """What is known by now."""
        return Seen(self.told, self.ref, self.gone)
