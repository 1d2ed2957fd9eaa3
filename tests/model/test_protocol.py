"""Every interleaving of two processes, and every fault: what is proved of the refresh protocol, and what of naive ones.

The numbers are the states looked at; a model that became smaller looks at less than it should.
"""

import pytest

from tests.model.explore import Found, explore
from tests.model.issuers import Mode
from tests.model.protocol import HASTY, LEASE, NAIVE, OURS, OURS_ON_LEASE, UNFENCED, Protocol

UNAVOIDABLE = {frozenset({"crash"}), frozenset({"answer lost"}), frozenset({"timeout"})}
"""The provider used the old token up, and its answer never became durable: no client can help that."""
HEALING = (Mode.STATIC, Mode.ON_USE, Mode.GRACE)
RELIABLE = frozenset({"wrong refusal"})
CUT_OFF = frozenset({"cut off"})


@pytest.mark.parametrize("mode", HEALING)
def test_no_two_faults_lose_a_connection_where_the_provider_can_be_asked_again(mode: Mode) -> None:
    found = explore(OURS, mode, faults=2, lives=1, without=RELIABLE)
    assert (found.lost, found.false) == ({}, {})
    assert found.states > 3_000


@pytest.mark.parametrize(("mode", "without"), [(Mode.AT_ONCE, RELIABLE), (Mode.REUSE, RELIABLE | CUT_OFF)])
def test_elsewhere_only_an_answer_that_never_became_durable_does(mode: Mode, without: frozenset[str]) -> None:
    found = explore(OURS, mode, faults=2, lives=1, without=without)
    assert found.causes == UNAVOIDABLE
    assert found.false == {}


def test_only_to_who_detects_reuse_a_connection_is_lost_by_taking_one_for_dead_who_was_cut_off() -> None:
    assert explore(OURS, Mode.REUSE, faults=1, lives=1, without=RELIABLE).causes == UNAVOIDABLE | {CUT_OFF}


def test_without_fencing_one_who_comes_back_loses_a_connection_that_heals_otherwise() -> None:
    assert explore(UNFENCED, Mode.GRACE, faults=1, lives=1, without=RELIABLE).causes == {CUT_OFF}
    assert explore(OURS, Mode.GRACE, faults=1, lives=1, without=RELIABLE).causes == set()


@pytest.mark.parametrize("mode", Mode)
def test_no_connection_is_given_up_for_one_wrong_refusal(mode: Mode) -> None:
    found = explore(OURS, mode, faults=1, lives=2)
    assert found.false == {}
    assert RELIABLE not in found.causes


@pytest.mark.parametrize("mode", Mode)
def test_a_connection_is_given_up_only_where_it_is_lost_or_was_refused_wrongly_twice(mode: Mode) -> None:
    found = explore(OURS, mode, faults=2, lives=1, without=CUT_OFF)
    assert all("wrong refusal" in cause for cause in found.false)


def ends(found: Found) -> set[str]:
    """The kinds of bad end, with the least that leads there."""
    return {f"lost: {' + '.join(sorted(cause))}" for cause in found.causes} | {
        f"false: {' + '.join(sorted(cause))}" for cause in found.false
    }


@pytest.mark.parametrize("mode", [Mode.ON_USE, Mode.AT_ONCE])
def test_without_a_lock_a_living_connection_is_given_up_with_no_fault_at_all(mode: Mode) -> None:
    assert "false: " in ends(explore(NAIVE, mode, faults=0, lives=1))


@pytest.mark.parametrize("mode", [Mode.GRACE, Mode.REUSE])
def test_without_a_lock_a_connection_is_lost_with_no_fault_at_all(mode: Mode) -> None:
    assert "lost: " in ends(explore(NAIVE, mode, faults=0, lives=1))


@pytest.mark.parametrize("protocol", [LEASE, OURS_ON_LEASE])
@pytest.mark.parametrize("mode", [Mode.GRACE, Mode.REUSE])
def test_a_lease_that_ends_under_its_holder_loses_a_connection(protocol: Protocol, mode: Mode) -> None:
    assert "lost: lease stolen" in ends(explore(protocol, mode, faults=1, lives=1, without=RELIABLE))


def test_a_crash_loses_a_connection_whose_token_was_used_before_it_was_kept() -> None:
    assert ends(explore(HASTY, Mode.ON_USE, faults=1, lives=1, without=RELIABLE | CUT_OFF)) == {"lost: crash"}
