"""Generations that all processes of one host share: a file of numbers, mapped into the memory of each."""

import contextlib
import mmap
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from gateway.engine.generations import SIZE, Slots

if sys.platform != "win32":
    import fcntl


_OF_A_NETWORK = frozenset({"afs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "lustre", "nfs", "nfs4", "smb3"})
_MOUNTS = Path("/proc/self/mounts")


def network_filesystem(path: Path, mounts: str) -> str | None:
    """The kind of network filesystem that a path is on, by a table as in ``/proc/self/mounts``; None for a disk."""
    kinds = {line.split(" ")[1].replace("\\040", " "): line.split(" ")[2] for line in mounts.splitlines()}
    for place in (path, *path.parents):
        if str(place) in kinds:
            kind = kinds[str(place)]
            return kind if kind in _OF_A_NETWORK else None
    return None


class SharedSlots(Slots):
    """Generations in a file, which is made where there is none. Raises ``OSError``.

    The file must be on a disk of this host, because two hosts never share memory: ``ValueError`` where it is not.
    """

    def __init__(self, path: Path, dice: random.Random) -> None:
        kind = network_filesystem(path.resolve(), _MOUNTS.read_text()) if _MOUNTS.exists() else None
        if kind is not None:
            raise ValueError(f"{path.parent} is on a network filesystem ({kind}): it must be on a disk of this host.")
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _make_room(self._descriptor)
        except OSError:
            os.close(self._descriptor)
            raise
        super().__init__(
            memoryview(mmap.mmap(self._descriptor, SIZE)), dice, lambda slot: _turn(self._descriptor, slot)
        )

    async def close(self) -> None:
        """Let go of the file; what is mapped goes with the last who reads it."""
        os.close(self._descriptor)


def _make_room(descriptor: int) -> None:
    """Have the whole file on the disk, now: to write to a part of it that a full disk has no room for kills a process
    (SIGBUS), and every write to an accounting system writes to it.
    """
    if sys.platform == "linux":
        os.posix_fallocate(descriptor, 0, SIZE)
    elif os.fstat(descriptor).st_size < SIZE:
        os.truncate(descriptor, SIZE)


@contextlib.contextmanager
def _turn(descriptor: int, slot: int) -> Iterator[bool]:
    """Alone with a slot, if nobody else is at it: this never waits, because a process that is stopped may hold on."""
    if sys.platform == "win32":
        yield False
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 8, slot * 8)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 8, slot * 8)
