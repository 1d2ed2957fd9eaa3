"""Configuration: keys that are made once and privately, never in production, and words that name the variable."""

import base64
import errno
import os
import stat
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.contract.adapter import Adapter
from gateway.engine.clock import SystemClock
from gateway.settings import (
    KEY_FILE,
    Misconfigured,
    Settings,
    derived_keys,
    operator_settings,
    origins,
    read_environment,
    read_settings,
    unknown_variables,
    variable,
)
from tests.engine.staging import adapter

KEY = f"a:{base64.b64encode(bytes(range(32))).decode()}"
OTHER = f"b:{base64.b64encode(bytes(32)).decode()}"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment with nothing of Polder in it but a home."""
    for name in [name for name in os.environ if name.startswith("POLDER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("POLDER_HOME", str(tmp_path / "home"))


def generate() -> str:
    return KEY


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Keys


def test_a_key_file_is_made_at_need_and_is_its_owners_alone() -> None:
    settings = Settings()
    assert settings.key_text(generate) == KEY
    file = settings.home / KEY_FILE
    assert (mode_of(file), mode_of(settings.home)) == (0o600, 0o700)
    assert file.read_text() == f"{KEY}\n"
    assert os.listdir(settings.home) == [KEY_FILE]


def test_a_key_file_is_private_whatever_the_umask_is() -> None:
    before = os.umask(0)
    try:
        settings = Settings()
        settings.key_text(generate)
    finally:
        os.umask(before)
    assert (mode_of(settings.home / KEY_FILE), mode_of(settings.home)) == (0o600, 0o700)


def test_a_key_file_that_the_disk_has_no_room_for_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        Settings().key_text(lambda: KEY)
    assert os.listdir(Settings().home) == []


def test_a_key_file_is_made_once() -> None:
    Settings().key_text(generate)
    assert Settings().key_text(lambda: OTHER) == KEY


MAKES_KEYS = """
import sys
from gateway.settings import Settings
from gateway.store.seal import generate_key

def late():
    made = generate_key()
    print("ready", flush=True)
    sys.stdin.readline()
    return made

print(Settings().key_text(late))
"""


def test_of_processes_that_make_a_key_file_at_once_all_use_the_same() -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", MAKES_KEYS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    told = {process.communicate("go\n")[0].strip() for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(told) == 1
    assert told == {Settings().key_text(generate)}
    assert os.listdir(Settings().home) == [KEY_FILE]


def test_a_draft_that_a_crash_left_behind_is_in_nobodys_way() -> None:
    """In a container every start has the same process id."""
    settings = Settings()
    settings.make_home()
    (settings.home / f"{KEY_FILE}.{os.getpid()}").write_text("half a k")
    assert settings.key_text(generate) == KEY


def test_configured_keys_need_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLDER_ENCRYPTION_KEYS", OTHER)
    settings = Settings()
    assert settings.key_text(generate) == OTHER
    assert not settings.home.exists()
    assert OTHER[3:] not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize("file_there", [False, True])
def test_production_makes_no_keys_and_takes_none_from_a_file(monkeypatch: pytest.MonkeyPatch, file_there: bool) -> None:
    if file_there:
        Settings().key_text(generate)
    monkeypatch.setenv("POLDER_ENV", "production")
    settings = Settings()
    assert settings.is_production
    with pytest.raises(Misconfigured, match="POLDER_ENCRYPTION_KEYS is not set") as raised:
        settings.key_text(generate)
    assert KEY[3:] not in str(raised.value)
    assert settings.home.exists() is file_there


def test_a_derived_key_is_the_same_wherever_its_encryption_key_is() -> None:
    (made,), (other,) = derived_keys(KEY, "cursors"), derived_keys(OTHER, "cursors")
    assert len(made) == 32
    assert made != other
    assert derived_keys(f"{KEY},{OTHER}", "cursors") == (made, other)
    assert derived_keys(f"{OTHER}, {KEY}", "cursors") == (other, made)
    assert derived_keys(KEY, "links") != (made,)


# Values


def test_everything_has_a_default_that_works_on_one_machine() -> None:
    settings = Settings()
    assert (settings.env, settings.is_production, settings.base_url) == ("local", False, "http://127.0.0.1:8080")
    assert settings.database == f"sqlite:///{settings.home.resolve()}/polder.db"


def test_what_is_configured_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLDER_PUBLIC_URL", "https://api.example/")
    monkeypatch.setenv("POLDER_DATABASE_URL", "postgresql://db/polder")
    settings = Settings()
    assert (settings.base_url, settings.database) == ("https://api.example", "postgresql://db/polder")


def test_an_address_to_listen_on_may_stand_in_brackets() -> None:
    """As it does wherever a port follows it."""
    assert Settings(host="[::1]").host == "::1"


@pytest.mark.parametrize("host", ["", " ", "a b", "[]", "http://localhost", "127.0.0.1/8"])
def test_what_is_no_address_to_listen_on_is_refused(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing at all would be every address there is, also those that strangers reach."""
    monkeypatch.setenv("POLDER_HOST", host)
    with pytest.raises(Misconfigured, match=r"POLDER_HOST: .*an address to listen on"):
        read_settings()


@pytest.mark.parametrize("host", ["::1", "::"])
def test_an_address_of_ipv6_stands_in_brackets(host: str) -> None:
    assert Settings(host=host).base_url == f"http://[{host}]:8080"


@pytest.mark.parametrize("url", ["https://api.example", "http://[::1]:8080/", "https://api.example/books/polder/"])
def test_a_public_address_may_have_a_path(url: str) -> None:
    assert Settings(public_url=url).base_url == url.rstrip("/")


def test_trusted_proxies_are_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().proxies == ()
    monkeypatch.setenv("POLDER_TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8,192.0.2.1")
    assert Settings().proxies == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("192.0.2.1"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("PORT", "65536"), ("PORT", "http"), ("WORKERS", "0"), ("WORKERS", "65")),
        *(("DEADLINE", "0"), ("DEADLINE", "301"), ("BODY_LIMIT", "1")),
        *(("TRUSTED_PROXIES", "10.0.0.1/8"), ("TRUSTED_PROXIES", "10.0.0.0/8,proxy.local")),
        *(("PUBLIC_URL", "api.example"), ("PUBLIC_URL", "ftp://api.example"), ("PUBLIC_URL", "https://api.example/?a")),
        *(("PUBLIC_URL", "https://u:p@api.example"), ("PUBLIC_URL", "https://api.example/a b"), ("PUBLIC_URL", "/")),
    ],
)
def test_a_value_that_cannot_work_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"POLDER_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


async def test_several_nodes_need_a_database_that_all_can_reach(tmp_path: Path) -> None:
    from gateway.app import build

    settings = Settings(home=tmp_path, redis_url="redis://127.0.0.1:1")
    with pytest.raises(Misconfigured, match="several nodes need a PostgreSQL database"):
        await build(settings)


@pytest.mark.parametrize(
    "url",
    [
        *("geheim", "redis://:ge/heim@h:6379/0", "redis://:ge#heim@h:6379/0", "redis://:12/geheim@h:6379/0"),
        *("redis://h:6379/0?geheim=1", "redis://h:6379/0?db=geheim", "rediss://h:6380?ssl_cert_reqs=geheim"),
    ],
)
def test_an_address_of_valkey_that_cannot_work_is_refused_and_not_shown(tmp_path: Path, url: str) -> None:
    from gateway.app import generations_of

    settings = Settings(home=tmp_path, database_url="postgresql://db/polder", redis_url=url)
    with pytest.raises(Misconfigured, match=r"POLDER_REDIS_URL.*redis://user:password@host") as raised:
        generations_of(settings, SystemClock())
    told = [raised.value, raised.value.__cause__, raised.value.__cause__ and raised.value.__cause__.__cause__]
    assert not any(part in str(told) for part in ("geheim", "'ge'"))


# Providers

BOOKS: Adapter = adapter()


def test_a_provider_is_where_it_says_unless_the_operator_says_otherwise() -> None:
    assert origins(BOOKS, {}) == {"api": "http://books.test"}
    assert origins(BOOKS, {"POLDER_BOOKS_API_URL": ""}) == {"api": "http://books.test"}
    assert origins(BOOKS, {"POLDER_BOOKS_API_URL": "https://localhost:8443/"}) == {"api": "https://localhost:8443"}
    assert origins(BOOKS, {"POLDER_BOOKS_API_URL": "http://[::1]:9000"}) == {"api": "http://[::1]:9000"}


@pytest.mark.parametrize(
    "url",
    [
        *("books.test", "ftp://books.test", "https://", "https:///x", "://x", "file:///etc/passwd"),
        *("https://books.test/api/v1", "https://books.test?x=1", "https://books.test#x", "https://user@books.test"),
        *("https://books test", "http:books.test", "HTTPS//books.test"),
    ],
)
def test_what_is_no_origin_is_refused_by_the_name_of_its_variable(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"POLDER_BOOKS_API_URL must be an origin such as http://books\.test"):
        origins(BOOKS, {"POLDER_BOOKS_API_URL": url})


@pytest.mark.parametrize("url", ["https://books.test:port", "https://books.test:99999", "https://[::1", "https://a\tb"])
def test_an_origin_that_no_client_can_read_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="POLDER_BOOKS_API_URL"):
        origins(BOOKS, {"POLDER_BOOKS_API_URL": url})


def test_an_operators_secrets_do_not_show() -> None:
    from gateway.registry import discover

    for one in discover().values():
        given = {variable(one, setting.name): "canary" for setting in one.operator_settings}
        found = operator_settings(one, given)
        assert found.keys() == {setting.name for setting in one.operator_settings}
        assert "canary" not in repr(found)
        assert operator_settings(one, dict.fromkeys(given, "")) == {}


def test_a_misspelled_variable_is_found() -> None:
    given = {
        **dict.fromkeys(("POLDER_HOME", "POLDER_PORT", "POLDER_BOOKS_API_URL", "PATH", "POLDERS"), "x"),
        **dict.fromkeys(("POLDER_DATABSE_URL", "POLDER_BOOKS_API_KEY", "POLDER_OTHER_API_URL"), "x"),
    }
    found = unknown_variables(given, [BOOKS])
    assert found == ["POLDER_BOOKS_API_KEY", "POLDER_DATABSE_URL", "POLDER_OTHER_API_URL"]


# Secrets in files


def test_a_variable_may_be_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {"POLDER_ENCRYPTION_KEYS": KEY, "POLDER_DEADLINE": "7", "POLDER_BOOKS_API_URL": "https://other.test"}
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    (tmp_path / "..data").mkdir()  # Kubernetes keeps the files there, and links to them
    monkeypatch.setenv("POLDER_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("POLDER_PORT", "8081")
    settings = read_settings()
    assert (settings.key_text(generate), settings.deadline, settings.port) == (KEY, 7, 8081)
    assert origins(BOOKS, read_environment(settings)) == {"api": "https://other.test"}


def test_a_variable_goes_before_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "POLDER_DEADLINE").write_text("7")
    (tmp_path / "POLDER_BOOKS_API_URL").write_text("https://other.test")
    monkeypatch.setenv("POLDER_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("POLDER_DEADLINE", "8")
    monkeypatch.setenv("POLDER_BOOKS_API_URL", "https://books.test")
    settings = read_settings()
    assert settings.deadline == 8
    assert origins(BOOKS, read_environment(settings)) == {"api": "https://books.test"}


def test_a_folder_of_secrets_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POLDER_SECRETS_DIR", str(tmp_path / "none"))
    with pytest.raises(Misconfigured, match="POLDER_SECRETS_DIR is no folder"):
        read_settings()
