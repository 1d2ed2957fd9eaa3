"""Every law is put to every adapter that brings an emulator."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from tests.conformance.subject import Subject, open_subject
from tests.conformance.subjects import facts_of
from tests.house import emulated

ADAPTERS = emulated()
SUBJECTS = [(name, mode) for name in sorted(ADAPTERS) for mode in (None, *facts_of(name).modes)]


UNINSPECTED = frozenset({"test_raw"})
"""Laws that send the system what no adapter would."""
UNAGED = frozenset(
    f"test_{matter}"
    for matter in (
        *("dry_run", "filters", "fixtures", "ids", "invoices", "links"),
        *("money", "paging", "reading", "schemas", "writing"),
    )
)
"""Laws in which no token is renewed: a system that renews tokens in several ways is put to them in one of those only.

Its modes differ in nothing else, and that nothing is renewed is proved of each of these laws in the mode that is left.
"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Put every law to every system, in all the modes that can make a difference to it."""
    if "subject" in metafunc.fixturenames:
        chosen = list(_unaged()) if _file(metafunc.module.__name__) in UNAGED else SUBJECTS
        metafunc.parametrize("subject", chosen, ids=_named, indirect=True)


def _unaged() -> Iterator[tuple[str, str | None]]:
    """Every system once: in the first of the modes in which its tokens are renewed, if there are several."""
    for name in sorted(ADAPTERS):
        yield name, next(iter(facts_of(name).modes), None)


def _file(module: str) -> str:
    return module.rpartition(".")[2]


def _named(subject: tuple[str, str | None]) -> str:
    return "-".join(filter(None, subject))


@contextmanager
def _nothing_renewed(subject: Subject) -> Iterator[None]:
    """No time passes and no token is asked for meanwhile."""
    began, asked = subject.house.clock.now(), len(subject.emulator.journal)
    yield
    assert subject.house.clock.now() == began, "time passes in this law, so that a token may grow old: see UNAGED"
    renewed = [seen for seen in subject.emulator.journal[asked:] if subject.emulator.is_token_request(seen)]
    assert renewed == [], "this law meets the renewal of a token: see UNAGED"


@pytest.fixture
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    """A system under law."""
    name, mode = request.param
    async with open_subject(ADAPTERS[name], tmp_path, mode) as opened:
        file = _file(request.module.__name__)
        with _nothing_renewed(opened) if mode and file in UNAGED else nullcontext():
            yield opened
        if opened.facts.inspect is not None and file not in UNINSPECTED:
            opened.facts.inspect(opened.emulator.journal)
