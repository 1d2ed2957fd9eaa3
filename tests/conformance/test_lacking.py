"""A law that needs what a system lacks is skipped and says so: no system fails for what it does not offer.

Each law is put to one of a handful of poor systems. ``POLDER_TEST_EVERY_LACK=1`` puts all of them, with all their
arguments, to each of these, and to every system that lacks one resource, one verb or one filter: half an hour's work.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from adapters.memory import ADAPTER
from gateway.contract.adapter import Adapter
from tests.conformance.laws import Law, all_laws
from tests.conformance.subject import Subject, open_subject
from tests.lacking import every_lack, without


def each(*verbs: str) -> list[str]:
    """These verbs of every resource that has them."""
    return [f"{name}.{verb}" for name, own in ADAPTER.resources.items() for verb in verbs if own.can(verb)]


DRAFTS = ("invoices.finalize", "invoices.update", "invoices.delete")
"""Where there are no drafts there is nothing to change or to delete: what is booked stays as it is."""
POOR: Mapping[str, Sequence[str]] = {
    "nothing is offered": [*ADAPTER.resources],
    "nothing is written": each("create", "update", "delete", "finalize", "credit"),
    "nothing is changed": each("update", "delete"),
    "nothing is listed": each("list"),
    "nothing is read by itself": each("get"),
    "nothing is found again": [f"{name}.find_written" for name in ADAPTER.resources],
    "nothing is filtered": [f"{name}?{one}" for name, own in ADAPTER.resources.items() for one in own.filters],
    "invoices are booked at once": ["products", "payments", "payment-methods", *DRAFTS, "invoices.pdf", "invoices.ubl"],
    "nobody tells the setup": ["vat-codes", "ledger-accounts", "payment-methods", "company"],
}
EVERY = {**POOR, "there are no drafts": DRAFTS, **{f"no {one}": [one] for one in every_lack() if one not in DRAFTS[:1]}}
LAWS = list(all_laws())
FULL = "POLDER_TEST_EVERY_LACK" in os.environ


def put_to(system: str) -> Sequence[Law]:
    """The laws to put to a system: a share of them, each with its first arguments, unless all are wanted."""
    if FULL:
        return LAWS
    first = {law.name: law for law in reversed(LAWS)}
    return [first[name] for name in sorted(first)][[*POOR].index(system) :: len(POOR)]


class Fresh:
    """Gives subjects of one system that nothing was done to: the last one again where a law did nothing."""

    def __init__(self, adapter: Adapter, stack: AsyncExitStack) -> None:
        self._adapter = adapter
        self._stack = stack
        self._last: tuple[Subject, list[int]] | None = None

    async def subject(self) -> Subject:
        """The next one."""
        if self._last is None or done_to(self._last[0]) != self._last[1]:
            await self._stack.aclose()
            home = self._stack.enter_context(TemporaryDirectory())
            opened = await self._stack.enter_async_context(open_subject(self._adapter, Path(home)))
            self._last = opened, done_to(opened)
        self._last[0].emulator.heal()
        return self._last[0]


def done_to(subject: Subject) -> list[int]:
    """How much was done: calls of the system, and what is in its books, which a law may fill by itself."""
    return [len(subject.emulator.journal), *map(len, subject.emulator.books().values())]


@pytest.mark.parametrize("system", EVERY if FULL else POOR)
async def test_no_law_fails_for_what_a_system_lacks(system: str, request: pytest.FixtureRequest) -> None:
    skipped: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        fresh = Fresh(without(*EVERY[system]), stack)
        for law in put_to(system):
            fixtures = {name: request.getfixturevalue(name) for name in law.fixtures - {"monkeypatch"}}
            with pytest.MonkeyPatch.context() as patch:
                if "monkeypatch" in law.fixtures:
                    fixtures["monkeypatch"] = patch
                try:
                    await law.holds(await fresh.subject(), **law.arguments, **fixtures)
                except pytest.skip.Exception as skip:
                    skipped[str(law)] = str(skip)
                except Exception as error:
                    raise AssertionError(f"{law} fails where {system}") from error
    assert {law: why for law, why in skipped.items() if not why.startswith(ADAPTER.name)} == {}, "what is lacking?"
