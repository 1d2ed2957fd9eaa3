"""``polder keys`` and ``polder rotate-keys``: a key is shown once, and belongs to somebody."""

import json
import re
import sys
from datetime import datetime, timedelta

import pytest

from gateway.engine.access.keys import parse
from tests.command import NEW, OLD, Command, complaint, printed


def test_the_life_of_a_key(polder: Command) -> None:
    made = printed(
        polder.spawn(
            *("keys", "create", "--tenant", "acme", "--name", "shop", "--json"),
            *("--scope", "contacts:read", "--scope", "raw:read", "--connection", "con_1"),
        )
    )
    key = parse(made["key"])
    assert key is not None
    assert made["id"] == key[0]
    assert (made["tenant"], made["scopes"], made["connections"]) == ("acme", ["contacts:read", "raw:read"], ["con_1"])
    listed = polder.read("keys", "list")
    assert [one["id"] for one in listed] == [made["id"]]
    assert key[1] not in json.dumps(listed)
    assert polder.read("keys", "list", "--tenant", "other") == []
    assert polder.run("keys", "revoke", made["id"]).returncode == 0
    assert polder.read("keys", "list")[0]["revoked_at"] is not None
    assert "there is no key nobody" in polder.refused("keys", "revoke", "nobody")
    modes = [path.stat().st_mode & 0o777 for path in (polder.home, polder.home / "encryption-keys")]
    assert modes == [0o700, 0o600]


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /dev/full")
@pytest.mark.parametrize(
    ("redirected", "unbuffered", "reason"),
    [
        (">/dev/full", "", "No space left on device"),
        (">/dev/full", "1", "No space left on device"),
        (">&-", "", "Bad file descriptor"),
        ("", "", "Broken pipe"),
    ],
)
def test_a_key_that_nobody_saw_does_not_stay(polder: Command, redirected: str, unbuffered: str, reason: str) -> None:
    make = ("keys", "create", "--tenant", "acme", "--name", "shop", "--scope", "*")
    said = complaint(polder.unheard(redirected, *make, PYTHONUNBUFFERED=unbuffered))
    assert re.fullmatch(rf"polder: key \w+ could not be shown \({reason}\), and is revoked\.\n", said)
    assert [one["status"] for one in polder.read("keys", "list")] == ["revoked"]
    assert [one["action"] for one in polder.read("audit", "list")] == ["keys.create", "keys.revoke"]


def test_a_key_needs_scopes_that_there_are(polder: Command) -> None:
    assert "contacts:read" in polder.refused("keys", "create", "--tenant", "a", "--name", "b")
    said = polder.refused("keys", "create", "--tenant", "a", "--name", "b", "--scope", "contacts:burn")
    assert "there is no scope contacts:burn" in said


def test_a_key_that_expires_and_belongs_to_networks(polder: Command) -> None:
    made = polder.read(
        *("keys", "create", "--tenant", "acme", "--name", "shop", "--scope", "*"),
        *("--expires-in", "90d", "--cidr", "192.0.2.0/24", "--cidr", "2001:db8::/32"),
    )
    assert made["networks"] == ["192.0.2.0/24", "2001:db8::/32"]
    lives = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert lives == timedelta(days=90)
    (listed,) = polder.read("keys", "list")
    assert (listed["status"], listed["last_used_at"]) == ("active", None)
    assert polder.run("keys", "revoke", made["id"]).returncode == 0
    assert polder.read("keys", "list")[0]["status"] == "revoked"
    create = ("keys", "create", "--tenant", "a", "--name", "b", "--scope", "*")
    for life in ("90", "0d", "d", "-1d", "1y", "1.5h", "99999999w"):
        assert "--expires-in" in polder.refused(*create, f"--expires-in={life}")
    assert "192.0.2.1/24" in polder.refused(*create, "--cidr", "192.0.2.1/24")
    assert len(polder.read("keys", "list")) == 1


@pytest.mark.parametrize("option", ["--tenant", "--name", "--connection"])
@pytest.mark.parametrize("text", ["", " ", "two\nlines"])
def test_a_key_belongs_to_somebody(polder: Command, option: str, text: str) -> None:
    """A shell's variable that is not set is a text too: all whose variable was not would share one tenant."""
    given = {"--tenant": "acme", "--name": "shop", "--scope": "*", option: text}
    said = polder.refused("keys", "create", *(f"{name}={value}" for name, value in given.items()))
    assert option in said
    assert polder.read("keys", "list") == []


def test_a_gateway_whose_keys_open_nothing_does_not_start(polder: Command) -> None:
    """Else it would be ready, and take the place of those that work, and fail every request."""
    create = ("keys", "create", "--tenant", "acme", "--name", "shop", "--scope", "*")
    polder.read(*create, POLDER_ENCRYPTION_KEYS=OLD)
    for command in ("serve", "work"):
        said = polder.spawn(command, "--port", "0", POLDER_ENCRYPTION_KEYS=NEW)
        assert "does not open with Polder's encryption keys" in complaint(said)
    (found,) = [one for one in polder.doctor(POLDER_ENCRYPTION_KEYS=NEW) if one["level"] == "error"]
    assert "key1" in found["what"]


def test_a_key_that_no_gateway_could_read_is_not_made(polder: Command) -> None:
    """As from a shell that has other variables than the gateway."""
    create = ("keys", "create", "--tenant", "acme", "--name", "shop", "--scope", "*")
    polder.read(*create, POLDER_ENCRYPTION_KEYS=OLD)
    for variables in ({"POLDER_ENCRYPTION_KEYS": NEW}, {"POLDER_ENCRYPTION_KEYS": OLD, "POLDER_ENV": "staging"}):
        assert "does not open with Polder's encryption keys" in polder.refused(*create, **variables)
    (key,) = polder.read("keys", "list", POLDER_ENCRYPTION_KEYS=OLD)
    assert key["status"] == "active"


def test_no_keys_are_made_up_for_a_database_that_has_some(polder: Command) -> None:
    """They would open nothing, and stand in the way of those that do when these are found again."""
    polder.read("keys", "create", "--tenant", "acme", "--name", "shop", "--scope", "*")
    file = polder.home / "encryption-keys"
    kept = file.rename(polder.home / "elsewhere")
    for command in (("serve", "--port", "0"), ("migrate",), ("keys", "list")):
        assert f"put {file} back, or set POLDER_ENCRYPTION_KEYS" in polder.refused(*command)
    (found,) = [one for one in polder.doctor() if one["level"] == "error"]
    assert str(file) in found["what"]
    assert not file.exists()
    kept.rename(file)
    (key,) = polder.read("keys", "list")
    assert key["status"] == "active"


def test_everything_is_brought_under_a_new_key_once(polder: Command) -> None:
    create = ("keys", "create", "--tenant", "acme", "--name", "shop", "--scope", "*")
    polder.read(*create, POLDER_ENCRYPTION_KEYS=OLD)
    both = f"{NEW},{OLD}"
    (warned,) = [one for one in polder.doctor(POLDER_ENCRYPTION_KEYS=both) if "key1" in one["what"]]
    assert (warned["level"], warned["mend"]) == ("warning", "Run `polder rotate-keys`.")
    # A key, and the head of the audit log; with the row that tells of the rotation that head is written once more.
    rotated = polder.read("rotate-keys", POLDER_ENCRYPTION_KEYS=both)
    assert rotated == {"primary": "key2", "data_keys": 0, "values": 2, "unopened": 0, "in_use": {"key2": 2, "key1": 0}}
    again = polder.run("rotate-keys", POLDER_ENCRYPTION_KEYS=both)
    assert (again.returncode, again.stderr) == (0, "")
    assert "Wrapped 0 data keys and sealed 0 values anew, under key key2." in again.stdout
    assert "Key key1: nothing is sealed with it: it may go." in again.stdout
    actions = [row["action"] for row in polder.read("audit", "list", POLDER_ENCRYPTION_KEYS=NEW)]
    assert actions == ["keys.create", "keys.rotate"]
    assert polder.read("keys", "list", POLDER_ENCRYPTION_KEYS=NEW)[0]["status"] == "active"
    assert not [one for one in polder.doctor(POLDER_ENCRYPTION_KEYS=NEW) if "sealed with" in one["what"]]


def test_a_key_that_is_missing_is_told_by_whoever_needs_it(polder: Command) -> None:
    create = ("keys", "create", "--tenant", "acme", "--name", "shop", "--scope", "*")
    polder.read(*create, POLDER_ENCRYPTION_KEYS=OLD)
    (error,) = [one for one in polder.doctor(POLDER_ENCRYPTION_KEYS=NEW) if one["level"] == "error"]
    assert "2 values are sealed with key 'key1'" in error["what"]
    done = polder.run("rotate-keys", POLDER_ENCRYPTION_KEYS=NEW)
    assert done.returncode == 1
    assert "2 values could not be opened" in done.stderr
    assert polder.read("keys", "list", POLDER_ENCRYPTION_KEYS=NEW)[0]["status"] == "unreadable"
