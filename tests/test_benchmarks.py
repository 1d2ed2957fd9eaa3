"""The benchmark's guard: what is held against what is recorded, in which direction, and what is not held at all."""

import pytest

from benchmarks.load import Parameters, Unmeasured
from benchmarks.memory import soak, with_connections
from benchmarks.processes import Server
from benchmarks.ratios import LESS_IS_BETTER, TARGETS, accepted, reached, recorded, regressions, unrecorded, worst


def test_what_is_recorded_is_what_can_be_measured() -> None:
    assert recorded().keys() <= TARGETS.keys()
    assert TARGETS.keys() >= LESS_IS_BETTER


@pytest.mark.parametrize(
    ("name", "ratio", "is_worse"),
    [
        ("cached_list_vs_hello", 0.79, True),
        ("cached_list_vs_hello", 0.81, False),
        ("memory_of_a_soak", 1.26, True),
        ("memory_of_a_soak", 1.24, False),
    ],
)
def test_a_ratio_that_is_a_fifth_worse_is_a_regression(name: str, ratio: float, is_worse: bool) -> None:
    assert bool(regressions({name: ratio}, {name: 1.0})) is is_worse


def test_a_case_that_is_new_is_no_regression_and_is_told() -> None:
    now = {"memory_of_a_soak": 1.0, "create_vs_httpx2_passthrough": 0.1}
    assert regressions(now, {"memory_of_a_soak": 1.0}) == []
    assert unrecorded(now, {"memory_of_a_soak": 1.0}) == ["create_vs_httpx2_passthrough"]


def test_of_several_systems_the_worst_counts() -> None:
    assert worst("cached_list_vs_hello", [0.7, 0.6]) == 0.6
    assert worst("growth_with_page_size", [1.1, 1.3]) == 1.3
    assert not reached("growth_with_page_size", 1.3)
    assert reached("create_vs_httpx2_passthrough", 0.1), "nothing was set"


def test_a_soak_sees_memory_that_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    held = iter([101.0, 102.0, 102.0, 103.0, 110.0, 110.0, 110.0, 110.0])
    monkeypatch.setattr("benchmarks.memory.resident_megabytes", lambda pid: next(held))
    several = [Parameters(Server("http://127.0.0.1:1", 1), ["/"], {}) for _ in range(4)]
    assert soak(several, 0, lambda asked, seconds: 1) == (101.5, 110)


def test_every_connection_is_used_and_one_that_was_not_answered_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.memory.resident_megabytes", lambda pid: 100.0)
    several = Parameters(Server("http://127.0.0.1:1", 1), [f"/{number}" for number in range(10)], {})
    asked: list[tuple[str, str]] = []

    def drive(some: Parameters, seconds: int) -> int:
        asked.append((some.paths[0], some.paths[-1]))
        return 6

    assert with_connections(several, [1, 10], drive, 60) == [100.0, 100.0]
    assert asked == [("/0", "/0"), ("/1", "/9"), ("/7", "/9")]
    with pytest.raises(Unmeasured, match="only 0 connections"):
        with_connections(several, [1], lambda some, seconds: 0, 0)


def test_what_was_not_measured_stays_as_it_was_recorded() -> None:
    before = {
        "ratios": {"get": 2.0, "list": 1.0, "soak": 1.0},
        "busy": ["get", "list"],
        "facts": {"ready_seconds": 0.7, "resident_megabytes": 90, "by_system": {"soak": {"all": 1.0}}},
        "commit": "a",
        "python": "3.11.7",
        "machine": "this",
    }
    now = {
        "ratios": {"list": 1.5, "growth": 1.1},
        "busy": ["growth"],
        "facts": {"ready_seconds": 0.6, "by_system": {"growth": {"memory": 1.1}}},
        "commit": "b",
        "python": "3.11.7",
        "machine": "that",
        "cases": [],
    }
    assert accepted(now, before) == {
        "ratios": {"get": 2.0, "list": 1.5, "soak": 1.0, "growth": 1.1},
        "busy": ["get", "growth"],
        "facts": {
            "ready_seconds": 0.6,
            "resident_megabytes": 90,
            "by_system": {"soak": {"all": 1.0}, "growth": {"memory": 1.1}},
        },
        "commit": "b",
        "python": "3.11.7",
        "machine": "that",
    }
    assert accepted(now, {}) == {name: said for name, said in now.items() if name != "cases"}
