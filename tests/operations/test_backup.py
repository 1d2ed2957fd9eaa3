"""Backup and restore of the embedded database: whole, private, never over what is there, never under a gateway."""

import errno
import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text

from gateway.app import build, storage_of
from gateway.backup import STAMP, InUse, back_up, last_backup, restore, serving_from
from gateway.registry import discover
from gateway.settings import KEY_FILE, Misconfigured, Settings
from gateway.store import copies as copying
from gateway.store import pending
from gateway.store.copies import CannotCopy
from gateway.store.database import migrating
from gateway.store.migrations import _config
from gateway.store.revisions import revisions
from tests.house import House, ManualClock, open_house

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def settings_at(home: Path, **given: Any) -> Settings:
    return Settings(home=home, env="test", **given)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with a database in it, and keys that it made itself."""
    made = settings_at(tmp_path / "home")
    storage_of(made)
    return made


@pytest.fixture
def elsewhere(tmp_path: Path) -> Settings:
    """A home with nothing in it."""
    return settings_at(tmp_path / "elsewhere")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    home = tmp_path / "house"
    home.mkdir()
    async with open_house(home, adapters={"memory": discover()["memory"]}) as opened:
        yield opened


def entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_backup_is_one_file_that_its_owner_alone_can_read(settings: Settings, tmp_path: Path) -> None:
    target = tmp_path / "copies" / "polder.db"
    target.parent.mkdir()
    back_up(settings, target, None, NOW)
    assert entries(target.parent) == {"polder.db"}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert last_backup(settings.home) == NOW.timestamp()


def test_the_stamp_of_a_backup_is_a_new_file_each_time(settings: Settings, tmp_path: Path) -> None:
    """The last one may be another user's: its time cannot be set, but it can be taken from a folder of one's own."""
    back_up(settings, tmp_path / "first.db", None, NOW)
    os.link(settings.home / STAMP, tmp_path / "theirs")
    back_up(settings, tmp_path / "second.db", None, NOW + timedelta(days=1))
    assert last_backup(settings.home) == (NOW + timedelta(days=1)).timestamp()
    assert (tmp_path / "theirs").stat().st_mtime == NOW.timestamp()


async def test_a_backup_while_it_is_written_to_is_whole(house: House, tmp_path: Path) -> None:
    await house.connect("memory")
    target = tmp_path / "copy.db"
    with closing(sqlite3.connect(house.home / "polder.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        back_up(house.polder.settings, target, None, NOW)
        writer.rollback()
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT count(*) FROM connections").fetchone() == (1,)


async def test_what_is_restored_works(house: House, tmp_path: Path) -> None:
    """A connection made before the backup still gets in, with the secrets that came with it."""
    connection = await house.connect("memory")
    target = tmp_path / "copy.db"
    back_up(house.polder.settings, target, None, NOW)
    restored = house.polder.settings.model_copy(update={"home": tmp_path / "elsewhere"})
    restore(restored, target, None)
    polder = await build(restored, adapters={"memory": discover()["memory"]}, environment={}, clock=ManualClock())
    try:
        found = await polder.storage.connections.find(connection)
        assert found is not None
        before = await house.polder.storage.connections.credentials(found)
        after = await polder.storage.connections.credentials(found)
        assert {name: secret.reveal() for name, secret in after.items()} == {
            name: secret.reveal() for name, secret in before.items()
        }
        assert after
    finally:
        await polder.close()


def test_keys_come_along_only_when_they_are_asked_for(settings: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    database, keys = tmp_path / "copy.db", tmp_path / "copy.keys"
    back_up(settings, database, keys, NOW)
    text = (settings.home / KEY_FILE).read_text()
    assert keys.read_text() == text
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    secret = text.strip().partition(":")[2]
    assert secret.encode() not in database.read_bytes()
    restore(elsewhere, database, keys)
    assert (elsewhere.home / KEY_FILE).read_text() == text
    assert stat.S_IMODE((elsewhere.home / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE((elsewhere.home / "polder.db").stat().st_mode) == 0o600


def test_keys_that_the_disk_has_no_room_for_leave_nothing_behind(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(CannotCopy, match=r"keys cannot be written \(No space left on device\)"):
            back_up(settings, tmp_path / "copy.db", tmp_path / "keys", NOW)
    back_up(settings, tmp_path / "copy.db", tmp_path / "keys", NOW)


def test_keys_that_are_configured_elsewhere_are_not_made_up(settings: Settings, tmp_path: Path) -> None:
    (settings.home / KEY_FILE).unlink()
    with pytest.raises(CannotCopy, match="back them up where they are configured"):
        back_up(settings, tmp_path / "copy.db", tmp_path / "keys", NOW)
    assert not (tmp_path / "copy.db").exists()


# Nothing is overwritten, and what fails leaves nothing behind


@pytest.mark.parametrize("there", ["copy.db", "copy.keys"])
def test_a_backup_overwrites_nothing(settings: Settings, tmp_path: Path, there: str) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    (folder / there).write_text("precious")
    with pytest.raises(CannotCopy, match="nothing is overwritten"):
        back_up(settings, folder / "copy.db", folder / "copy.keys", NOW)
    assert entries(folder) == {there}
    assert (folder / there).read_text() == "precious"
    assert last_backup(settings.home) is None


@pytest.mark.parametrize("there", [False, True])
def test_a_drive_that_gives_no_file_two_names_takes_a_backup_too(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    folder = tmp_path / "copies"
    folder.mkdir()
    copy = folder / "copy.db"
    if there:
        copy.write_text("precious")
        with pytest.raises(CannotCopy, match="nothing is overwritten"):
            back_up(settings, copy, None, NOW)
        assert copy.read_text() == "precious"
    else:
        back_up(settings, copy, None, NOW)
        assert copy.read_bytes().startswith(b"SQLite format 3")
    assert entries(folder) == {"copy.db"}


@pytest.mark.parametrize("there", ["polder.db", "polder.db-wal", KEY_FILE])
def test_a_restore_overwrites_nothing(settings: Settings, elsewhere: Settings, tmp_path: Path, there: str) -> None:
    database, keys = tmp_path / "copy.db", tmp_path / "copy.keys"
    back_up(settings, database, keys, NOW)
    elsewhere.make_home()
    (elsewhere.home / there).write_text("precious")
    with pytest.raises(CannotCopy, match="nothing is overwritten"):
        restore(elsewhere, database, keys)
    assert entries(elsewhere.home) - {"serving"} == {there}
    assert (elsewhere.home / there).read_text() == "precious"


def test_what_is_no_backup_is_refused(settings: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    text, empty, other, damaged = (tmp_path / name for name in ("text", "empty.db", "other.db", "damaged.db"))
    text.write_text("This is a text. " * 100)
    empty.touch()
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE something (a)")
    back_up(settings, damaged, None, NOW)
    content = bytearray(damaged.read_bytes())
    content[8192:16384] = os.urandom(8192)
    damaged.write_bytes(content)
    for source in (text, empty, other, damaged, tmp_path / "none"):
        with pytest.raises(CannotCopy):
            restore(elsewhere, source, None)
        assert entries(elsewhere.home) == {"serving"}, source
    assert empty.stat().st_size == 0


def test_a_backup_needs_a_database_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(CannotCopy, match="There is no database"):
        back_up(settings_at(tmp_path), tmp_path / "copy.db", None, NOW)
    with pytest.raises(Misconfigured, match="pg_dump"):
        back_up(settings_at(tmp_path, database_url="postgresql://db/polder"), tmp_path / "copy.db", None, NOW)


# A gateway that runs


def test_a_copy_clears_away_what_one_that_was_killed_had_begun_and_no_other_file(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    for left in ("monday.db.polder-8zkq2m1x.draft", "notes.draft"):
        (copies / left).touch()
    running, sync = list[Path](), copying._sync

    def meanwhile(path: Path) -> None:
        if not running:
            running.append(path)
            back_up(settings, copies / "wednesday.db", None, NOW)
        sync(path)

    monkeypatch.setattr(copying, "_sync", meanwhile)
    back_up(settings, copies / "tuesday.db", None, NOW)
    assert entries(copies) == {"notes.draft", "tuesday.db", "wednesday.db"}


def test_nothing_is_restored_under_a_running_gateway(settings: Settings, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    back_up(settings, copy, None, NOW)
    with serving_from(settings), serving_from(settings):
        (settings.home / "polder.db").unlink()
        with pytest.raises(InUse, match="stop it first"):
            restore(settings, copy, None)
    for beside in ("polder.db-wal", "polder.db-shm"):
        (settings.home / beside).unlink(missing_ok=True)
    restore(settings, copy, None)
    assert (settings.home / "polder.db").exists()


def test_the_tables_do_not_become_newer_under_a_running_gateway(settings: Settings) -> None:
    """A newer `polder keys list` beside it would leave it with a database that it refuses at its next start."""
    with migrating(settings.database) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, revisions()[-2])
        connection.execute(
            text("INSERT INTO api_keys (id, tenant, name, scopes, created_at) VALUES ('k', '', '', '[]', 1)")
        )
    with serving_from(settings), pytest.raises(InUse, match="restart it with this one, or run `polder migrate`"):
        storage_of(settings)
    assert pending(settings.database)
    storage_of(settings)
    assert not pending(settings.database)
