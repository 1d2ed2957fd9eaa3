"""A process that has something under way, as the others know it; ``gateway.store.owners`` says how they tell."""

from typing import Protocol


class Owner(Protocol):
    """This process, as the others know it: what it has under way bears its name, and is anybody's once it is dead."""

    @property
    def name(self) -> str:
        """A name that no other process has or had."""

    async def vouch(self) -> int:
        """See to it that others can tell that this process lives; before anything is kept under its name.

        Gives a number. While it stays the same, nobody can have taken this process for dead in between. Raises
        ``storage_unavailable`` where others cannot be told.
        """

    def is_gone(self, name: str) -> bool:
        """Whether the process of that name surely is no more. False proves nothing."""

    async def close(self) -> None:
        """This process has nothing under way any more."""
