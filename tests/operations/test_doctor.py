"""`polder doctor`: it finds what is wrong, says how to mend it, and finds nothing where nothing is wrong."""

import os
import sqlite3
import stat
from collections import namedtuple
from contextlib import closing
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import httpx2
import pytest

from gateway.backup import back_up
from gateway.doctor import Finding, examine, report
from gateway.settings import KEY_FILE, read_settings
from tests.house import ENCRYPTION_KEY, START, ManualClock
from tests.services import Valkey

pytestmark = pytest.mark.anyio

Usage = namedtuple("Usage", "total used free")


class Elsewhere(httpx2.AsyncBaseTransport):
    """A provider that says what time it is there."""

    def __init__(self, date: str | None) -> None:
        self.date = date

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(404, headers={} if self.date is None else {"date": self.date})


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home of its own, and nothing else configured."""
    for name in [name for name in os.environ if name.startswith("POLDER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("POLDER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


async def findings(date: datetime | str | None = START) -> list[Finding]:
    shown = format_datetime(date, usegmt=True) if isinstance(date, datetime) else date
    return await examine(ManualClock(), lambda origin: Elsewhere(shown))


async def wrong(date: datetime | str | None = START) -> dict[str, Finding]:
    """What is wrong, but for what a provider's operator has not configured yet and the backup that nobody made."""
    found = [one for one in await findings(date) if one.level != "ok"]
    return {one.what: one for one in found if "is not set." not in one.what and "No backup" not in one.what}


async def test_a_first_start_is_in_order(home: Path) -> None:
    assert await wrong() == {}
    told_ = report(await findings())
    assert "The database can be written to." in told_
    assert f"Encryption keys are made up, in {home / KEY_FILE}: back it up." in told_
    assert "answers at https://" in told_


async def test_every_finding_that_is_not_well_says_how_to_mend_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLDER_DATABSE_URL", "x")
    found = await findings(datetime(2026, 1, 1, tzinfo=UTC))
    assert {one.level for one in found} == {"ok", "warning", "error"}
    assert [one for one in found if one.level != "ok" and not one.mend] == []


async def test_a_setting_that_cannot_be_is_found_and_nothing_is_made(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("POLDER_PORT", "http")
    [found] = await findings()
    assert found.level == "error"
    assert "POLDER_PORT" in found.what
    assert not home.exists()


async def test_an_address_that_is_no_database_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLDER_DATABASE_URL", "mysql://user:hunter2@db/polder")
    [found] = [one for one in await findings() if one.level == "error"]
    assert "mysql" in found.what
    assert "hunter2" not in found.what


async def test_a_database_of_a_newer_polder_needs_that_one(home: Path) -> None:
    await findings()
    with closing(sqlite3.connect(home / "polder.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    [found] = [one for one in await findings() if one.level == "error"]
    assert "written by a newer version of Polder" in found.what
    assert found.mend.startswith("Install that version again")


@pytest.mark.parametrize("name", [KEY_FILE, "polder.db"])
async def test_files_that_others_can_read_are_found(home: Path, name: str) -> None:
    await findings()
    path = home / name
    path.touch(mode=0o600)
    assert await wrong() == {}
    path.touch()
    path.chmod(0o640)
    found = (await wrong())[f"{path} can be read by others."]
    assert (found.level, found.mend) == ("error", f"chmod 600 {path}")
    path.chmod(0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await wrong() == {}


async def test_keys_in_two_places_are_found(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    await findings()
    monkeypatch.setenv("POLDER_ENCRYPTION_KEYS", ENCRYPTION_KEY)
    [found] = await wrong()
    assert found == f"There are keys in {home / KEY_FILE} too, which are not used."


@pytest.mark.parametrize(
    ("date", "level", "said"),
    [
        (datetime(2026, 3, 2, 9, 1, tzinfo=UTC), "warning", "60 seconds behind"),
        (datetime(2026, 3, 2, 8, 50, tzinfo=UTC), "error", "600 seconds ahead of"),
    ],
)
async def test_a_clock_that_is_wrong_is_found(date: datetime, level: str, said: str) -> None:
    found = await wrong(date)
    assert found
    assert all(said in what for what in found)
    assert {one.level for one in found.values()} == {level}


@pytest.mark.parametrize("date", [None, "yesterday", "Mon, 02 Mar 2026 08:00:00 -0000"])
async def test_a_date_that_says_nothing_is_nothing(date: str | None) -> None:
    assert await wrong(date) == {}


async def test_a_backup_that_is_old_is_found(home: Path, tmp_path: Path) -> None:
    assert "No backup was ever made." in {one.what for one in await findings()}
    back_up(read_settings(), tmp_path / "new.db", None, START)
    assert await wrong() == {}
    assert "No backup was ever made." not in {one.what for one in await findings()}
    back_up(read_settings(), tmp_path / "old.db", None, datetime(2026, 2, 27, 9, 0, tzinfo=UTC))
    assert "The last backup is of 2026-02-27 09:00 UTC." in await wrong()


async def test_a_full_disk_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for free, level in ((50_000_000, "error"), (500_000_000, "warning")):
        monkeypatch.setattr("gateway.doctor.shutil.disk_usage", lambda path, free=free: Usage(10**12, 0, free))
        [found] = (await wrong()).values()
        assert found.level == level
        assert f"{free // 1_000_000} MB left" in found.what


async def test_a_full_disk_that_only_the_database_is_on_is_found(
    monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path
) -> None:
    apart = tmp_path / "apart"
    monkeypatch.setenv("POLDER_DATABASE_URL", f"sqlite:///{apart}/polder.db")

    def usage(path: Path) -> Usage:
        return Usage(10**12, 0, 0 if path == apart else 10**11)

    monkeypatch.setattr("gateway.doctor.shutil.disk_usage", usage)
    [found] = (await wrong()).values()
    assert found.level == "error"
    assert f"0 MB left where {apart} is" in found.what


async def test_a_production_that_is_open_to_all_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    await findings()  # so that there are tables
    monkeypatch.setenv("POLDER_ENV", "production")
    monkeypatch.setenv("POLDER_ENCRYPTION_KEYS", ENCRYPTION_KEY)
    monkeypatch.setenv("POLDER_PUBLIC_URL", "http://polder.example")
    monkeypatch.setenv("POLDER_METRICS_PORT", "8080")
    found = " ".join(await wrong())
    assert "http://polder.example" in found
    assert "Whoever reaches the API can read the metrics." in found


async def test_a_database_of_several_nodes_that_cannot_tell_each_other_is_found(
    monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    monkeypatch.setenv("POLDER_DATABASE_URL", postgres_url)
    [(what, found)] = (await wrong()).items()
    assert (found.level, "POLDER_REDIS_URL is not set" in what) == ("warning", True)


async def test_a_valkey_that_cannot_be_used_is_found(
    monkeypatch: pytest.MonkeyPatch, postgres_url: str, valkey: Valkey
) -> None:
    monkeypatch.setenv("POLDER_DATABASE_URL", postgres_url)
    monkeypatch.setenv("POLDER_REDIS_URL", valkey.url)
    assert await wrong() == {}
    monkeypatch.setenv("POLDER_REDIS_URL", "redis://127.0.0.1:1")
    [found] = (await wrong()).values()
    assert (found.level, found.what.startswith("Valkey cannot be used")) == ("warning", True)
    monkeypatch.setenv("POLDER_REDIS_URL", "redis://:ge/heim@127.0.0.1:1")
    [found] = (await wrong()).values()
    assert (found.level, "POLDER_REDIS_URL" in found.what) == ("error", True)


async def test_production_is_not_migrated_by_looking_at_it(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("POLDER_ENV", "production")
    monkeypatch.setenv("POLDER_ENCRYPTION_KEYS", ENCRYPTION_KEY)
    monkeypatch.setenv("POLDER_PUBLIC_URL", "https://polder.example")
    [found] = (await wrong()).values()
    assert "polder migrate" in found.what
    assert not (home / "polder.db").exists()


async def test_a_collector_that_nothing_can_send_to_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    assert await wrong() == {}
    monkeypatch.setattr("gateway.doctor.find_spec", lambda name: None)
    [found] = (await wrong()).values()
    assert (found.level, found.mend) == ("error", "Install polder[otel], or unset it.")
