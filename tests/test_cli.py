"""The command ``polder``: what it prints, and one line for what goes wrong."""

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from gateway.cli.terminal import table
from gateway.registry import discover
from gateway.settings import variable
from tests.command import NEW, ROOT, Command, complaint


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /dev/full")
def test_what_cannot_be_printed_is_told_in_one_line(polder: Command) -> None:
    polder.run("migrate")
    assert complaint(polder.unheard(">/dev/full", "keys", "list", "--json")) == "polder: No space left on device\n"
    reader_left = polder.unheard("", "keys", "list", "--json")
    assert (reader_left.returncode, reader_left.stderr) == (1, "")


def test_the_audit_log_is_listed_and_verified(polder: Command) -> None:
    assert polder.read("audit", "verify")["fault"] is None
    made = polder.read("keys", "create", "--tenant", "acme", "--name", "shop", "--scope", "*")
    polder.run("keys", "revoke", made["id"])
    rows = polder.read("audit", "list")
    assert [(row["seq"], row["action"], row["object"], row["actor"], row["outcome"]) for row in rows] == [
        (1, "keys.create", made["id"], "operator", "done"),
        (2, "keys.revoke", made["id"], "operator", "done"),
    ]
    assert polder.read("audit", "list", "--after", "1") == rows[1:]
    assert polder.read("audit", "list", "--limit", "1") == rows[:1]
    assert polder.read("audit", "list", "--tenant", "other") == []
    head = polder.read("audit", "verify")["head"]
    assert polder.run("audit", "verify", "--noted", head).returncode == 0
    assert "--noted" in polder.refused("audit", "verify", "--noted", "2:abc")
    with closing(sqlite3.connect(polder.home / "polder.db")) as database, database:
        database.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 2")
    assert "row 2 was altered" in polder.refused("audit", "verify")
    verdict = polder.run("audit", "verify", "--json")
    assert (verdict.returncode, json.loads(verdict.stdout)["bad_row"]) == (1, 2)


def test_the_readmes_lines_for_one_machine_back_up_and_restore(polder: Command, tmp_path: Path) -> None:
    """As they stand, but for the places and the user."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("### On one machine")[2].partition("\n### ")[0]
    made, script, lines = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    made = "\n".join(line for line in made.splitlines() if line.startswith("echo "))
    folders = {path: tmp_path / path.strip("/").replace("/", "-") for path in ("/elsewhere", "/somewhere/else")}
    for folder in folders.values():
        folder.mkdir()
    places = {
        "sudo -u polder ": "",
        "/opt/polder/bin/polder": f"{sys.executable} -m gateway",
        "/etc/polder.env": str(tmp_path / "polder.env"),
        "/var/lib/polder": str(polder.home),
        **{f" {path}/": f" {folder}/" for path, folder in folders.items()},
    }
    for name, place in places.items():
        made, script, lines = (text.replace(name, place) for text in (made, script, lines))
    program = tmp_path / "polder"
    program.write_text(script)
    program.chmod(0o755)

    def shell(text: str) -> str:
        environment = {**polder.environment, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(["sh", "-ec", text], env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    shell(made)
    shell("polder keys create --tenant acme --name 'my shop' --scope '*'")
    daily, once, put_back = lines.splitlines()
    shell(f"{daily}\n{once}")
    polder.home.rename(tmp_path / "lost")
    said = shell(put_back)
    assert "The database is restored." in said
    assert "polder connections check" in said
    assert [(one["name"], one["status"]) for one in polder.read("keys", "list")] == [("my shop", "active")]
    assert sorted(len(list(folder.iterdir())) for folder in folders.values()) == [1, 2]


def test_connections_are_listed_and_shown_without_secrets(polder: Command) -> None:
    assert polder.read("connections", "list", "--tenant", "acme") == []
    assert "there is no connection con_1" in polder.refused("connections", "show", "con_1")
    assert "there is no connection con_1" in polder.refused("connections", "check", "con_1")


def test_a_connection_is_suspended_and_resumed(polder: Command) -> None:
    assert polder.run("migrate").returncode == 0
    with closing(sqlite3.connect(polder.home / "polder.db")) as database, database:
        database.execute(
            "INSERT INTO connections (id, tenant, provider, name, status, settings, token_scopes, allowed_scopes,"
            " created_at, updated_at, token_seq, sealed_key, credentials_version)"
            " VALUES ('con_1', 'acme', 'memory', 'Books', 'needs_reauth', '{}', '[]', '[]', 1, 1, 0, x'00', 0)"
        )

    def listed() -> list[tuple[str, bool]]:
        found = polder.read("connections", "list", "--tenant", "acme")
        return [(one["status"], one["suspended_at"] is not None) for one in found]

    assert (
        "Connection con_1 was not suspended. It is needs_reauth." in polder.run("connections", "resume", "con_1").stdout
    )
    for said in ("Connection con_1 is suspended:", "Connection con_1 was suspended already, since 20"):
        done = polder.run("connections", "suspend", "con_1")
        assert (done.returncode, done.stdout.count("\n")) == (0, 1)
        assert said in done.stdout
        assert listed() == [("suspended", True)]
    assert "status=suspended" in polder.run("connections", "show", "con_1").stdout
    assert "The connection is suspended." in polder.refused("connections", "check", "con_1")
    assert "Connection con_1 is resumed. It is needs_reauth." in polder.run("connections", "resume", "con_1").stdout
    assert listed() == [("needs_reauth", False)]
    for command in ("suspend", "resume"):
        assert "there is no connection con_2" in polder.refused("connections", command, "con_2")
    actions = [(row["action"], row["object"], row["tenant"]) for row in polder.read("audit", "list")]
    assert actions == [(f"connections.{one}", "con_1", "acme") for one in ("resume", "suspend", "suspend", "resume")]


def test_tables_are_brought_up_to_date_as_often_as_one_likes(polder: Command) -> None:
    for _ in range(2):
        done = polder.run("migrate")
        assert (done.returncode, done.stdout) == (0, "The database is up to date.\n"), done.stderr
    assert (polder.home / "polder.db").exists()


def test_the_published_document_is_kept_true(polder: Command, tmp_path: Path) -> None:
    polder.monkeypatch.chdir(tmp_path)
    printed_document = polder.run("openapi").stdout
    assert json.loads(printed_document)["openapi"].startswith("3.1")
    published = tmp_path / "openapi" / "openapi.json"
    assert "stale" in polder.refused("openapi", "--check")
    published.parent.mkdir()
    published.write_text("{}")
    assert "stale" in polder.refused("openapi", "--check")
    assert polder.run("openapi", "--write").returncode == 0
    assert published.read_text() == printed_document
    assert polder.run("openapi", "--check").returncode == 0
    assert not polder.home.exists()


def test_the_doctor_says_what_is_wrong_and_how_to_mend_it(polder: Command) -> None:
    findings = polder.read("doctor", POLDER_DATABSE_URL="x")
    assert {one["level"] for one in findings} == {"ok", "warning"}
    by_text = {one["what"]: one for one in findings}
    assert by_text["POLDER_DATABSE_URL is set, but nothing reads it."]["mend"] == "Is it misspelled?"
    assert "The database can be written to." in by_text
    for adapter in discover().values():
        if not adapter.example:
            assert any(what.startswith(f"{adapter.title} cannot be reached at http://127.0.0.1") for what in by_text)
            for setting in adapter.operator_settings:
                assert f"{adapter.title}: {variable(adapter, setting.name)} is not set." in by_text


def test_the_doctor_fails_where_nothing_can_work(polder: Command) -> None:
    done = polder.run("doctor", "--json", POLDER_ENCRYPTION_KEYS="rubbish")
    assert done.returncode == 1
    (error,) = [one for one in json.loads(done.stdout) if one["level"] == "error"]
    assert "POLDER_ENCRYPTION_KEYS" in error["what"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"POLDER_ENCRYPTION_KEYS": "rubbish"}, "POLDER_ENCRYPTION_KEYS"),
        ({"POLDER_ENCRYPTION_KEYS": ""}, "POLDER_ENCRYPTION_KEYS"),
        pytest.param(
            {"POLDER_DEADLINE": "0"},
            "POLDER_DEADLINE",
        ),
    ],
)
def test_the_gateway_does_not_start_on_what_cannot_work(polder: Command, variables: dict[str, str], said: str) -> None:
    assert said in polder.refused("serve", "--port", "0", **variables)


@pytest.mark.parametrize(
    "address",
    [
        "mysql://polder:hunter2@db/x",
        "postgresql+asyncpg://polder:hunter2@db/x",
        "hunter2",
        "postgresql://polder:p@ss:hunter2@db/x",
        "postgresql://polder:p@hunter2@db/x",
        "postgresql://polder:p@hunter2/more?of@it",
    ],
)
def test_an_address_that_is_no_database_is_told_without_its_password(polder: Command, address: str) -> None:
    for command in (("serve", "--port", "0"), ("migrate",), ("keys", "list"), ("backup", "/nowhere")):
        said = polder.refused(*command, POLDER_DATABASE_URL=address)
        assert "POLDER_DATABASE_URL: " in said
        assert "hunter2" not in said
    [found] = polder.doctor(POLDER_DATABASE_URL=address)
    assert found["level"] == "error"
    assert "hunter2" not in str(found)


def test_what_the_system_refuses_is_told_in_one_line(polder: Command) -> None:
    """As a file of another user's would be; to root, who may run this, nothing is closed."""
    keys = polder.home / "encryption-keys"
    keys.mkdir(mode=0o700, parents=True)
    for command in (("serve", "--port", "0"), ("migrate",), ("keys", "list")):
        assert polder.refused(*command) == f"polder: {keys}: Is a directory\n"
    [found] = [one for one in polder.doctor() if one["level"] == "error"]
    assert found["what"] == f"{keys}: Is a directory"
    assert "the user that the gateway runs as" in found["mend"]
    keys.rmdir()
    polder.home.rmdir()
    polder.home.touch()
    assert polder.refused("keys", "list") == f"polder: {polder.home}: File exists\n"
    [found] = polder.doctor()
    assert found["what"] == f"{polder.home}: Not a directory"


def test_the_doctor_says_first_which_polder_it_looks_at(polder: Command) -> None:
    first = polder.doctor()[0]
    assert first["what"] == f"State is in {polder.home}, the database is sqlite:///{polder.home}/polder.db."
    elsewhere = "postgresql://polder:hunter2@127.0.0.1:1/books?connect_timeout=1&password=hunter2"
    first, *others = polder.doctor(POLDER_DATABASE_URL=elsewhere)
    assert first["what"] == f"State is in {polder.home}, the database is postgresql://127.0.0.1:1/books."
    assert "hunter2" not in str(others)


def test_production_does_not_start_without_keys(polder: Command) -> None:
    said = complaint(polder.spawn("serve", "--port", "0", POLDER_ENV="production"))
    assert "POLDER_ENCRYPTION_KEYS is not set" in said
    assert not polder.home.exists()


def test_the_gateway_says_where_it_cannot_listen(polder: Command) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in polder.refused("serve", "--port", str(port))
        for workers in ("1", "2"):
            given = {"POLDER_WORKERS": workers, "POLDER_METRICS_PORT": str(port)}
            said = complaint(polder.spawn("serve", "--port", "0", **given))
            assert f"cannot listen on 127.0.0.1:{port} " in said
            assert "POLDER_METRICS_PORT" in said


def test_what_strangers_call_things_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """The owner of an account names his administration, and a caller his connection, as they like."""
    named = "Café \x1b]0;owned\x07\x1b[2J\u009b31m\u202eknab\r\nid=con_2  tenant=acme\u2028\x00"
    table([{"id": "con_1", "company": named, "scopes": [named, "ok"]}], False)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert said.rstrip("\n").isprintable()
    assert said.startswith("id=con_1  company=Café \\x1b]0;owned\\x07")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("demo", "--port", "99999"), "--port"),
        (("emulate", "memory", "--port", "-1"), "--port"),
        (("audit", "list", "--after", f"{2**63}"), "--after"),
        (("audit", "list", "--limit", "0"), "--limit"),
    ],
)
def test_a_number_that_is_none_is_told_with_its_option(polder: Command, command: Sequence[str], said: str) -> None:
    answer = polder.run(*command)
    assert answer.returncode == 2
    assert f"'{said}'" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_host_that_is_none_is_named(polder: Command) -> None:
    assert "polder: 256.1.1.1:0: " in polder.refused("demo", "--host", "256.1.1.1")


def test_who_cannot_use_the_storage_is_sent_to_the_doctor(polder: Command) -> None:
    polder.home.mkdir(mode=0o700)
    (polder.home / "polder.db").write_bytes(b"no database" * 100)
    for command in (("keys", "list"), ("migrate",)):
        assert "`polder doctor` says more." in polder.refused(*command, POLDER_ENCRYPTION_KEYS=NEW)
