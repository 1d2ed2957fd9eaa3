"""A write through any process is visible to the very next read through any other: on one host, and on several nodes."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import cycle

import pytest

from tests.nodes.gateways import PROVIDER, Gateways, System, company, emulated_system, gateways
from tests.services import Valkey, postgres_database

ROUNDS = 300


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with emulated_system(tmp_path_factory.mktemp("system")) as emulated:
        yield emulated


@pytest.fixture(scope="module")
def on_one_file(tmp_path_factory: pytest.TempPathFactory, system: System) -> Iterator[Gateways]:
    """Two gateways with one home, so with one SQLite file; the second is two workers, which makes three processes."""
    folder = tmp_path_factory.mktemp("one-file")
    home = {"POLDER_HOME": str(folder / "home")}
    with gateways(folder, system, [home, {**home, "POLDER_WORKERS": "2"}]) as opened:
        yield opened


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    valkey = Valkey()
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture(scope="module")
def on_nodes(
    tmp_path_factory: pytest.TempPathFactory,
    system: System,
    postgres_server: str,
    postgres_template: str,
    server: Valkey,
) -> Iterator[Gateways]:
    """Three gateways that share nothing but a PostgreSQL database and a Valkey."""
    folder = tmp_path_factory.mktemp("nodes")
    with ExitStack() as stack:
        database = stack.enter_context(postgres_database(postgres_server, postgres_template))
        shared = {"POLDER_DATABASE_URL": database, "POLDER_REDIS_URL": server.url}
        homes = [{**shared, "POLDER_HOME": str(folder / f"home-{number}")} for number in range(3)]
        yield stack.enter_context(gateways(folder, system, homes))


def rounds(opened: Gateways, count: int, label: str) -> list[str]:
    """Write through each node in turn, then read through all: what was stale."""
    stale = []
    for number, node in zip(range(count), cycle(opened.nodes), strict=False):
        opened.rename(node, f"{label} {number}")
        for place, other in enumerate(opened.nodes):
            said = opened.name(other)
            if said != f"{label} {number}":
                stale.append(f"{place} said {said!r} in round {number}")
    return stale


def await_hits(opened: Gateways) -> None:
    """Wait until every node answers from memory again."""
    until = time.monotonic() + 30
    for node in opened.nodes:
        while "hit" not in node.get(f"{opened.path}/{opened.contact}").headers["cache-status"]:
            assert time.monotonic() < until, "it never answers from memory"
            time.sleep(0.01)


def test_processes_on_one_file_see_each_others_writes_at_once(on_one_file: Gateways) -> None:
    await_hits(on_one_file)
    assert rounds(on_one_file, ROUNDS, "File") == []
    await_hits(on_one_file)


def test_what_only_polder_knows_is_shared_too(on_one_file: Gateways) -> None:
    found_everywhere(on_one_file, "file")


def test_nodes_see_each_others_writes_at_once(on_nodes: Gateways) -> None:
    await_hits(on_nodes)
    assert rounds(on_nodes, ROUNDS, "Node") == []
    await_hits(on_nodes)


def test_nodes_share_what_only_polder_knows(on_nodes: Gateways) -> None:
    found_everywhere(on_nodes, "node")


def found_everywhere(opened: Gateways, label: str) -> None:
    """A reference that was given through one node is found, and taken, on every other."""
    nexts = [*opened.nodes[1:], opened.nodes[0]]
    for number, (node, other) in enumerate(zip([*opened.nodes] * 4, nexts * 4, strict=True)):
        reference = f"{label}-{number}"
        before = other.get(opened.path, external_ref=reference).json()["data"]
        body = company(reference, external_ref=reference)
        made = node.client.post(opened.path, json=body)
        assert made.status_code == 201, made.text
        after = other.get(opened.path, external_ref=reference).json()["data"]
        assert (before, [one["id"] for one in after]) == ([], [made.json()["id"]])
        again = other.client.post(opened.path, json=body)
        assert (again.status_code, again.json()["code"]) == (409, "conflict")


def test_a_connection_that_is_changed_or_ended_is_so_everywhere(on_one_file: Gateways, on_nodes: Gateways) -> None:
    for opened in (on_one_file, on_nodes):
        first, *others = opened.nodes
        place = f"/v1/connections/{opened.connection}"
        for number in range(10):
            first.patch(place, {"name": f"Books {number}"})
            assert [node.get(place).json()["name"] for node in others] == [f"Books {number}"] * len(others)
        pending = first.client.post("/v1/connections", json={"provider": PROVIDER, "name": "Short"}).json()
        gone = f"/v1/connections/{pending['id']}"
        assert [node.get(gone).json()["name"] for node in others] == ["Short"] * len(others)
        assert first.client.delete(gone).status_code == 204
        assert [node.client.get(gone).status_code for node in others] == [404] * len(others)


def test_a_revoked_key_is_refused_by_every_process_at_once(on_one_file: Gateways, on_nodes: Gateways) -> None:
    for opened in (on_one_file, on_nodes):
        for _ in range(3):
            id, text = opened.create_key()
            headers = {"authorization": f"Bearer {text}"}
            for node in [*opened.nodes] * 3:
                assert node.client.get("/v1/providers", headers=headers).status_code == 200
            opened.revoke_key(id)
            assert {node.client.get("/v1/providers", headers=headers).status_code for node in [*opened.nodes] * 3} == {
                401
            }


def test_a_suspended_connection_is_refused_by_every_process_at_once(on_one_file: Gateways, on_nodes: Gateways) -> None:
    for opened in (on_one_file, on_nodes):
        for _ in range(3):
            for node in [*opened.nodes] * 3:
                node.get(opened.path)
            opened.set_suspended(suspended=True)
            assert {node.client.get(opened.path).status_code for node in [*opened.nodes] * 3} == {424}
            opened.set_suspended(suspended=False)
            assert {node.client.get(opened.path).status_code for node in [*opened.nodes] * 3} == {200}


def test_of_all_who_give_a_reference_at_once_one_may(on_nodes: Gateways) -> None:
    with ThreadPoolExecutor(len(on_nodes.nodes)) as pool:
        for number in range(10):
            body = company("Once", external_ref=f"once-{number}")
            answers = list(pool.map(lambda node, body=body: node.client.post(on_nodes.path, json=body), on_nodes.nodes))
            assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
            found = on_nodes.nodes[0].get(on_nodes.path, external_ref=f"once-{number}").json()["data"]
            assert len(found) == 1


def test_a_node_that_slept_serves_nothing_stale(on_nodes: Gateways) -> None:
    awake, sleeper, _ = on_nodes.nodes
    with ThreadPoolExecutor(1) as pool:
        for number in range(3):
            on_nodes.rename(awake, f"Before {number}")
            await_hits(on_nodes)
            sleeper.pause()
            on_nodes.rename(awake, f"After {number}")
            asked = pool.submit(on_nodes.name, sleeper)
            time.sleep(0.05)
            sleeper.resume()
            assert asked.result() == f"After {number}"


def test_what_one_node_was_answered_the_others_need_not_ask_for(on_nodes: Gateways) -> None:
    await_hits(on_nodes)
    one, *others = on_nodes.nodes
    for attempt in range(50):  # an answer is given some time soon, and a lease may run out on a busy machine
        asked = {"q": f"attempt {attempt}", "limit": "5"}
        first = one.get(on_nodes.path, **asked)
        time.sleep(0.05)
        found = [other.get(on_nodes.path, **asked) for other in others]
        assert {answer.content for answer in found} == {first.content}
        if all(answer.headers["cache-status"].startswith("polder-shared; hit") for answer in found):
            return
    raise AssertionError("every node asked for itself")


def test_the_loss_of_valkey_costs_time_and_nothing_else(on_nodes: Gateways, server: Valkey) -> None:
    await_hits(on_nodes)
    done = threading.Event()

    def kill_and_restart() -> None:
        for down_for in (0.0, 0.3, 2.0):
            time.sleep(0.5)
            server.kill()
            time.sleep(down_for)
            server.start()
        done.set()

    killer = threading.Thread(target=kill_and_restart)
    killer.start()
    stale: list[str] = []
    batch = 0
    while not done.is_set() and batch < 100:
        stale += rounds(on_nodes, 6, f"Killed {batch}")
        batch += 1
    killer.join()
    assert stale == []
    assert batch > 1
    await_hits(on_nodes)
    assert rounds(on_nodes, 9, "Back") == []


def test_a_node_that_is_killed_holds_nobody_up_for_long(on_nodes: Gateways) -> None:
    killed, node, other = on_nodes.nodes
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.process.wait()
    for number in range(20):
        on_nodes.rename(node, f"Killed {number}")
        assert on_nodes.name(other) == f"Killed {number}"
    await_hits(replace(on_nodes, nodes=[node, other]))
