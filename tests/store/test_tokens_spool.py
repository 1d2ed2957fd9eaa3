"""A token that the database does not take waits in a sealed file until it does."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.contract.errors import Problem
from gateway.engine.storage import Intent
from gateway.store.seal import KeyRing, generate_key
from gateway.store.spool import Spool
from gateway.store.sql import SqlStorage
from tests.store.making import NOON, connection, later, refused, secrets, token

pytestmark = pytest.mark.anyio

CANARY = "canary-9fLwQz7Rk2"


@pytest.fixture
async def kept(storage: SqlStorage) -> SqlStorage:
    await storage.connections.add(connection(), None)
    await storage.tokens.append(connection(), token("old", refresh="old"), NOON)
    return storage


def files(home: Path) -> list[Path]:
    return sorted((home / "spool").glob("*"))


async def test_a_spooled_token_is_the_newest_once_the_journal_is_read(kept: SqlStorage, home: Path) -> None:
    received = token("spooled", refresh="r", expires_at=later(60))
    await kept.tokens.spool(connection(), received, later(1), 0, owner="one")
    assert len(files(home)) == 1
    journal = await kept.tokens.journal(connection())
    assert [row.token for row in journal.tokens] == [received, token("old", refresh="old")]
    assert journal.tokens[0].received_at == later(1)
    assert files(home) == []


async def test_a_token_that_is_in_the_journal_already_is_not_put_in_again(kept: SqlStorage, home: Path) -> None:
    """A crash came between the commit and the end of the file: by now there may be a newer token."""
    await kept.tokens.spool(connection(), token("spooled"), later(1), 0, owner="one")
    (file,) = files(home)
    content = file.read_bytes()
    await kept.tokens.unspool()
    newer = await kept.tokens.append(connection(), token("newer"), later(2))
    file.write_bytes(content)
    await kept.tokens.unspool()
    assert await kept.tokens.newest(connection()) == newer
    assert files(home) == []


async def test_a_connection_whose_key_is_not_here_holds_up_no_start_and_no_other_connection(
    kept: SqlStorage, opened: Callable[..., SqlStorage], url: str, home: Path, keys: str
) -> None:
    new = generate_key()
    rotating = opened(url, KeyRing.parse(f"{new},{keys}", environment="test"))
    await rotating.connections.add(connection("con_2"), None)
    for name in ("con_1", "con_2"):  # con_1 is of the old key still
        await rotating.tokens.spool(connection(name), token(f"of {name}"), later(1), 0, owner="one")
    too_early = opened(url, KeyRing.parse(new, environment="test"))
    await too_early.tokens.unspool()
    newest = await too_early.tokens.newest(connection("con_2"))
    assert newest is not None
    assert newest.token == token("of con_2")
    assert len(files(home)) == 1
    await rotating.tokens.unspool()
    newest = await rotating.tokens.newest(connection("con_1"))
    assert newest is not None
    assert newest.token == token("of con_1")
    assert files(home) == []


async def test_a_start_reads_the_spool_of_all_connections(
    kept: SqlStorage, opened: Callable[[str], SqlStorage], url: str, home: Path
) -> None:
    await kept.connections.add(connection("con_2"), None)
    for name in ("con_1", "con_2"):
        await kept.tokens.spool(connection(name), token(f"of {name}"), later(1), 0, owner="one")
    await kept.close()
    again = opened(url)
    await again.tokens.unspool()
    for name in ("con_1", "con_2"):
        newest = await again.tokens.newest(connection(name))
        assert newest is not None
        assert newest.token == token(f"of {name}")
    assert files(home) == []


async def test_it_ends_the_intent_and_the_suspicion_as_any_token_does(kept: SqlStorage) -> None:
    await kept.tokens.suspect(connection(), NOON, since=NOON, version=0, owner=None)
    known = await kept.tokens.journal(connection())
    await kept.tokens.intend(connection(), Intent("one", NOON, later(1)), known)
    await kept.tokens.spool(connection(), token("spooled"), later(1), 0, owner="one")
    journal = await kept.tokens.journal(connection())
    assert (journal.intent, journal.suspect_since, journal.refused_at) == (None, None, None)


async def test_what_belongs_to_replaced_credentials_or_to_nobody_is_thrown_away(kept: SqlStorage, home: Path) -> None:
    await kept.tokens.spool(connection(), token("too late"), later(1), 0, owner="one")
    await kept.connections.replace_credentials(connection(), lambda now: now, secrets(token="new"))
    await kept.connections.add(connection("con_2"), None)
    await kept.tokens.spool(connection("con_2"), token("of nobody"), later(1), 0, owner="one")
    await kept.connections.destroy(connection("con_2"))
    await kept.tokens.unspool()
    assert await kept.tokens.newest(connection()) is None
    assert files(home) == []


async def test_no_secret_is_in_the_file_and_only_its_owner_reads_it(kept: SqlStorage, home: Path) -> None:
    await kept.tokens.spool(connection(), token(CANARY, refresh=CANARY), later(1), 0, owner="one")
    (file,) = files(home)
    assert b"con_1" in file.read_bytes(), "the search itself must find what is there"
    assert CANARY.encode() not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_a_file_that_does_not_open_is_left_for_whoever_has_the_key(
    kept: SqlStorage, opened: Callable[..., SqlStorage], url: str, home: Path, ring: KeyRing
) -> None:
    await kept.tokens.spool(connection(), token("spooled"), later(1), 0, owner="one")
    stranger = opened(url, KeyRing.parse(generate_key(), environment="test"))
    await stranger.tokens.unspool()
    assert len(files(home)) == 1
    await opened(url, ring).tokens.unspool()
    assert files(home) == []


async def test_a_half_written_file_is_no_token(kept: SqlStorage, home: Path) -> None:
    await kept.tokens.spool(connection(), token("spooled"), later(1), 0, owner="one")
    (file,) = files(home)
    (home / "spool" / "con_1.cut.token").write_bytes(file.read_bytes()[:40])
    await kept.tokens.unspool()
    newest = await kept.tokens.newest(connection())
    assert newest is not None
    assert newest.token == token("spooled")


async def test_a_start_clears_away_what_the_killed_had_begun_to_write_and_nothing_that_is_being_written(
    kept: SqlStorage, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "spool").mkdir(parents=True)
    for left in ("con_1.never-renamed.draft", "con_1.c0ffee.token.polder-8zkq2m1x.draft"):
        (home / "spool" / left).write_bytes(b"{")
    rename, seen = Path.rename, list[str]()

    def meanwhile(self: Path, target: Path) -> Path:
        Spool(home / "spool", ring_of(NEW)).clear_away()
        seen.extend(file.name for file in files(home))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", meanwhile)
    await kept.tokens.spool(connection(), token("spooled"), later(1), 0, owner="one")
    assert len(seen) == 1, "the draft that is about to get its name"
    await kept.tokens.unspool()
    assert files(home) == []
    newest = await kept.tokens.newest(connection())
    assert newest is not None
    assert newest.token == token("spooled")


async def test_a_disk_that_takes_no_file_is_told(kept: SqlStorage, home: Path) -> None:
    home.mkdir()
    (home / "spool").write_text("a file where a folder should be")
    with refused("storage_unavailable"):
        await kept.tokens.spool(connection(), token(), NOON, 0, owner="one")


async def test_a_disk_that_is_full_is_left_as_it_was(
    kept: SqlStorage, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for _ in range(2):
        with pytest.raises(Problem, match="No space left on device"):
            await kept.tokens.spool(connection(), token("t"), NOON, 0, owner="one")
    assert list((home / "spool").iterdir()) == []


async def test_a_file_moved_to_another_connection_does_not_open_there(kept: SqlStorage, home: Path) -> None:
    await kept.connections.add(connection("con_2"), None)
    await kept.tokens.spool(connection(), token("of con_1"), later(1), 0, owner="one")
    (file,) = files(home)
    text = file.read_text().replace('"con_1"', '"con_2"')
    file.with_name("con_2.moved.token").write_text(text)
    file.unlink()
    await kept.tokens.unspool()
    with pytest.raises(Problem, match="not_found"):
        await kept.tokens.journal(connection("con_3"))
    assert await kept.tokens.newest(connection("con_2")) is None


# Other keys


NEW = generate_key()


def ring_of(*keys: str) -> KeyRing:
    return KeyRing.parse(",".join(keys), environment="test")


async def test_a_rotation_seals_anew_what_waits_and_the_old_key_may_go(
    kept: SqlStorage, opened: Callable[..., SqlStorage], url: str, home: Path, keys: str
) -> None:
    received = token("spooled", refresh="r", expires_at=later(60))
    await kept.tokens.spool(connection(), received, later(1), 0, owner="one")
    both, old = opened(url, ring_of(NEW, keys)), keys.partition(":")[0]
    assert (await both.rotation.in_use())[old] == 2, "the connection's data key, and the spooled token"
    assert (await both.rotation.run()).sealed == 1
    assert (await both.rotation.in_use())[old] == 0
    assert (await both.rotation.run()).sealed == 0
    new_only = opened(url, ring_of(NEW))
    await new_only.tokens.unspool()
    newest = await new_only.tokens.newest(connection())
    assert newest is not None
    assert (newest.token, newest.received_at) == (received, later(1))
    assert files(home) == []


async def test_a_rotation_that_ends_in_the_middle_leaves_every_token_readable(
    kept: SqlStorage,
    opened: Callable[..., SqlStorage],
    url: str,
    home: Path,
    keys: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(3):
        await kept.tokens.spool(connection(), token(f"{number}"), later(number), 0, owner="one")
    both = opened(url, ring_of(NEW, keys))
    rename, fits = Path.rename, [True, False]

    def filling_up(self: Path, target: Path) -> Path:
        if not fits.pop(0):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", filling_up)
        with refused("storage_unavailable"):
            await both.rotation.run()
    in_use = await both.rotation.in_use()
    assert (in_use[keys.partition(":")[0]], in_use[NEW.partition(":")[0]]) == (2, 2), "one is done, two are not"
    assert (await both.rotation.run()).sealed == 2
    new_only = opened(url, ring_of(NEW))
    journal = await new_only.tokens.journal(connection())
    assert [row.token for row in journal.tokens][:3] == [token("2"), token("1"), token("0")]
    assert [file for file in files(home) if file.suffix == ".token"] == []


async def test_a_token_that_is_put_in_while_it_is_sealed_anew_does_not_come_back(
    kept: SqlStorage, home: Path, keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept.tokens.spool(connection(), token("spooled"), later(1), 0, owner="one")
    serving, rotating = Spool(home / "spool", ring_of(keys)), Spool(home / "spool", ring_of(NEW, keys))
    (waiting,) = serving.waiting()
    seal, removed = KeyRing.seal, []

    def meanwhile(self: KeyRing, plaintext: bytes, **place: str) -> bytes:
        removed.append(serving.done(waiting))
        return seal(self, plaintext, **place)

    monkeypatch.setattr(KeyRing, "seal", meanwhile)
    assert rotating.reseal() == (1, 0)
    assert removed == [False], "a file that is removed now would come back"
    assert serving.done(waiting)
    assert files(home) == []


async def test_what_no_key_opens_is_told_and_left(
    kept: SqlStorage, opened: Callable[..., SqlStorage], url: str, home: Path, keys: str
) -> None:
    await kept.tokens.spool(connection(), token("spooled"), later(1), 0, owner="one")
    (file,) = files(home)
    before = file.read_bytes()
    stranger = opened(url, ring_of(NEW))
    assert (await stranger.rotation.run()).unopened == 2, "the data key, and the spooled token"
    assert file.read_bytes() == before
    await opened(url, ring_of(keys)).tokens.unspool()
    assert files(home) == []
