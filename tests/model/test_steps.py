"""The model's steps are the code's: the real token layer is run with every step recorded, and killed after each."""

import asyncio

import pytest

from gateway.contract.auth import AccessToken
from gateway.contract.errors import Problem
from gateway.engine.storage import StoredToken
from gateway.engine.tokens.renewal import _Renewal
from tests.engine.journal import Died, Steps
from tests.engine.rotating import LIFETIME, PROVIDER, Life, RotatingProvider
from tests.model.issuers import Mode
from tests.model.protocol import OURS, Process, World, is_lost, moves

FLIGHT = [
    *("lock", "read", "intend", "request", "the provider answers", "answer"),
    *("append", "unlock", "use", "mark"),
]


def alone(mode: Mode, world: World, *, at_most: int = 40) -> tuple[list[str], World]:
    """What one process does where nothing befalls it, by the model."""
    names: list[str] = []
    for _ in range(at_most):
        following = list(moves(OURS, mode, world))
        if not following:
            return names, world
        assert len(following) == 1, [name for name, _ in following]
        name, world = following[0]
        names.append(name)
    raise AssertionError("the model goes on and on")


def crashed(mode: Mode, after: int) -> World:
    """The model's world where its one process died after so many steps; no request is under way any more."""
    world = World(processes=(Process(),))
    for _ in range(after):
        ((_, world),) = moves(OURS, mode, world)
    world = next((dead for name, dead in moves(OURS, mode, world._replace(faults=1)) if name == "crash"), world)
    return world._replace(faults=0, requests=frozenset(), answers=frozenset(), owed=frozenset())


@pytest.mark.parametrize("mode", Mode)
async def test_undisturbed_the_code_does_what_the_model_does(mode: Mode) -> None:
    life = Life(RotatingProvider(mode))
    made = life.begin()
    life.clock.advance(LIFETIME)
    await life.call(made)
    assert life.steps.names == FLIGHT
    assert alone(mode, World(processes=(Process(),)))[0] == FLIGHT


@pytest.mark.parametrize("after", range(1, len(FLIGHT)), ids=lambda number: f"after-{FLIGHT[number - 1]}")
@pytest.mark.parametrize("mode", Mode)
async def test_killed_after_any_step_the_next_process_goes_on_as_in_the_model(mode: Mode, after: int) -> None:
    first = Life(RotatingProvider(mode), steps=Steps(dies_after=after))
    made = first.begin()
    first.clock.advance(LIFETIME)
    with pytest.raises(Died):
        await first.call(made)
    assert first.steps.names == FLIGHT[:after]
    left = crashed(mode, after)

    second = Life(first.books, first.disk, first.clock, owner="two")
    if is_lost(left):
        with pytest.raises(Problem, match="connection_needs_reauth"):
            await second.call(made)
        assert mode in (Mode.AT_ONCE, Mode.REUSE)
        return
    await second.call(made)
    expected, world = alone(mode, left)
    assert not world.given_up
    # By the model nobody has anything to do where the token is there: it is used at once, with no lock and no request.
    assert second.steps.names == (expected or ["use", "mark"])
    assert second.disk.of(made).intent is None


@pytest.mark.parametrize("mode", [Mode.STATIC, Mode.ON_USE, Mode.GRACE])
@pytest.mark.parametrize("late", ["before", "after"])
async def test_a_request_that_arrives_after_its_process_died_loses_nothing(mode: Mode, late: str) -> None:
    """A zombie: the provider handles the dead process's request before, or after, the next one's."""
    first = Life(RotatingProvider(mode), steps=Steps(dies_after=FLIGHT.index("request") + 1))
    made = first.begin()
    first.clock.advance(LIFETIME)
    with pytest.raises(Died):
        await first.call(made)
    second = Life(first.books, first.disk, first.clock, owner="two")
    if late == "before":
        first.books.refresh(made.id, 0)
    await second.tokens.current(made, PROVIDER)
    if late == "after":
        first.books.refresh(made.id, 0)
    await second.call(made)
    for _ in range(2):
        second.clock.advance(LIFETIME)
        await second.call(made)


# Proof that the comparison bites


async def test_a_token_that_is_used_before_it_is_kept_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the token is handed out, and kept a moment later. A crash between the two loses the connection."""
    honest, moment = _Renewal._keep, asyncio.Event()
    keeping: list[asyncio.Task[StoredToken]] = []

    async def hasty(self: _Renewal, token: AccessToken, version: int) -> StoredToken:
        async def later() -> StoredToken:
            await moment.wait()
            return await honest(self, token, version)

        keeping.append(asyncio.ensure_future(later()))
        return StoredToken(2, token, self._clock.now())

    monkeypatch.setattr(_Renewal, "_keep", hasty)
    life = Life(RotatingProvider(Mode.ON_USE))
    made = life.begin()
    life.clock.advance(LIFETIME)
    token = await life.tokens.current(made, PROVIDER)
    life.books.use(token)
    assert life.steps.names == [name for name in FLIGHT if name not in ("append", "mark")]
    keeping[0].cancel()
    monkeypatch.undo()
    with pytest.raises(Problem, match="connection_needs_reauth"):
        await Life(life.books, life.disk, life.clock, owner="two").call(made)
