"""Generations: what one process ends, none that shares them believes any more."""

import os
import random
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from gateway.engine.generations import MATTERS, SIZE, Matter, Slots, in_memory
from gateway.store.generations import SharedSlots, network_filesystem


@pytest.fixture
def slots() -> Slots:
    return in_memory(random.Random(7))


async def test_an_ended_generation_has_another_number_and_no_other_matter_or_connection_has(slots: Slots) -> None:
    def numbers(connection_id: str) -> dict[Matter, int]:
        return {matter: slots.of(connection_id, matter) for matter in MATTERS}

    mine, anothers = numbers("con_a"), numbers("con_b")
    ended = await slots.end("con_a", "answers", "links")
    assert {matter for matter in MATTERS if numbers("con_a")[matter] != mine[matter]} == {"answers", "links"}
    assert numbers("con_b") == anothers
    assert (ended["links"].before, ended["links"].after) == (mine["links"], slots.of("con_a", "links"))


async def test_no_number_comes_back(slots: Slots) -> None:
    seen = {slots.of("con_a", "answers")}
    for _ in range(1000):
        await slots.end("con_a", "answers")
        seen.add(slots.of("con_a", "answers"))
    assert len(seen) == 1001


async def test_everything_can_be_ended_at_once(slots: Slots) -> None:
    before = [slots.of(f"con_{number}", matter) for number in range(100) for matter in MATTERS]
    slots.end_all()
    after = [slots.of(f"con_{number}", matter) for number in range(100) for matter in MATTERS]
    assert not set(before) & set(after)


async def test_a_file_is_shared_memory(tmp_path: Path) -> None:
    one, other = (SharedSlots(tmp_path / "generations", random.Random(seed)) for seed in (1, 2))
    assert (tmp_path / "generations").stat().st_size == SIZE
    assert (tmp_path / "generations").stat().st_mode & 0o777 == 0o600
    before = other.of("con_a", "answers")
    await one.end("con_a", "answers")
    assert other.of("con_a", "answers") == one.of("con_a", "answers") != before
    await one.close()
    await other.end("con_a", "answers")
    third = SharedSlots(tmp_path / "generations", random.Random(3))
    assert third.of("con_a", "answers") == other.of("con_a", "answers")
    await other.close()
    await third.close()


async def test_who_is_disturbed_does_not_know_what_it_ended() -> None:
    memory = bytearray(SIZE)
    intruder = Slots(memory, random.Random(1), lambda slot: nullcontext(False))

    calm = Slots(memory, random.Random(2))
    assert (await calm.end("con_a", "links"))["links"].before is not None
    assert (await intruder.end("con_a", "links"))["links"].before is None

    class Interrupted(random.Random):
        """Its dice fall when the number before was read and the next is not written."""

        def getrandbits(self, k: int) -> int:
            intruder.end_here("con_a", ["links"])
            return super().getrandbits(k)

    disturbed = Slots(memory, Interrupted(3))
    assert (await disturbed.end("con_a", "links"))["links"].before is None


def test_a_network_filesystem_is_told_from_a_disk() -> None:
    mounts = (
        "/dev/sda1 / ext4 rw 0 0\n"
        "server:/a /srv/my\\040share nfs4 rw 0 0\n"
        "/dev/sdb1 /srv/my\\040share/disk xfs rw 0 0\n"
    )
    assert network_filesystem(Path("/srv/my share/polder/polder.db"), mounts) == "nfs4"
    assert network_filesystem(Path("/srv/my share/disk/polder.db"), mounts) is None
    assert network_filesystem(Path("/srv/polder.db"), mounts) is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no way to ask for it")
@pytest.mark.parametrize("left_behind", [None, SIZE])
async def test_a_disk_that_fills_up_later_kills_nobody(tmp_path: Path, left_behind: int | None) -> None:
    path = tmp_path / "generations"
    if left_behind is not None:  # by a version that had no room made for it
        path.touch()
        os.truncate(path, left_behind)
    slots = SharedSlots(path, random.Random(1))
    assert path.stat().st_blocks * 512 >= path.stat().st_size == SIZE
    await slots.close()
