"""What is shipped: locks any index can serve, a bootstrap that explains itself, an image that runs as nobody."""

import ast
import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-runtime.lock", "requirements-build.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

NOBODY = 65532


# Lock files


def pins(lock: str) -> dict[str, str]:
    """Each pinned package with the text of its entry, continued lines and all."""
    entries = re.split(r"\n(?=[a-z0-9])", "\n" + (ROOT / lock).read_text())[1:]
    return {canonicalize_name(entry.partition("==")[0].partition("[")[0]): entry for entry in entries}


def version(entry: str) -> str:
    found = re.match(r"[^=]+==([^\s;\\]+)", entry)
    assert found, entry
    return found.group(1)


def names(requirements: list[Any]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements if isinstance(text, str)}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_version_and_hashes(lock: str) -> None:
    assert pins(lock)
    assert [name for name, entry in pins(lock).items() if not re.match(r"\S+==\d", entry)] == []
    assert [name for name, entry in pins(lock).items() if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_and_no_path(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert re.findall(r"^-.*|.*://.*|.*file:.*| @ .*", text, re.MULTILINE) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_says_how_it_is_made(lock: str) -> None:
    assert (ROOT / lock).read_text().startswith("# Made by `./dev lock`")


def test_the_locks_cover_what_the_project_declares() -> None:
    runtime = names(PROJECT["project"]["dependencies"])
    extras = names([text for extra in PROJECT["project"]["optional-dependencies"].values() for text in extra])
    groups = {name: names(texts) for name, texts in PROJECT["dependency-groups"].items()}
    assert runtime | extras <= set(pins("requirements-runtime.lock"))
    assert runtime | extras | groups["build"] | groups["dev"] <= set(pins("requirements.lock"))
    assert groups["build"] | groups["install"] <= set(pins("requirements-build.lock"))


def test_the_locks_satisfy_the_declared_bounds() -> None:
    declared = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    locked = pins("requirements.lock")
    bounds = [Requirement(text) for text in declared if isinstance(text, str)]
    assert [str(r) for r in bounds if not r.specifier.contains(version(locked[canonicalize_name(r.name)]))] == []


def test_the_image_runs_the_versions_that_were_tested() -> None:
    tested = {name: version(entry) for name, entry in pins("requirements.lock").items()}
    shipped = {name: version(entry) for name, entry in pins("requirements-runtime.lock").items()}
    assert shipped.items() <= tested.items()


def test_no_test_tool_is_shipped() -> None:
    assert not {"pytest", "mypy", "ruff", "hypothesis", "playwright", "hatchling"} & set(pins(LOCKS[1]))


# ./dev


@pytest.fixture
def dev() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("dev_script", str(ROOT / "dev"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    script = importlib.util.module_from_spec(spec)
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # or it would lie beside ./dev
    try:
        loader.exec_module(script)
    finally:
        sys.dont_write_bytecode = writes_bytecode
    return script


def test_an_old_python_is_told_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    code = compile((ROOT / "dev").read_text(), "dev", "exec")
    old = SimpleNamespace(version_info=(3, 10, 13), version="3.10.13 (main)", executable="/usr/bin/python3")
    monkeypatch.setitem(sys.modules, "sys", old)
    old.exit = sys.exit
    with pytest.raises(SystemExit) as left:
        exec(code, {"__name__": "__main__"})
    message = str(left.value.code)
    assert "Python 3.11 or newer" in message
    assert "3.10.13" in message
    assert "/usr/bin/python3" in message


def test_an_old_python_can_read_as_far_as_that_message() -> None:
    assert ast.parse((ROOT / "dev").read_text(), feature_version=(3, 6))


def test_dev_needs_nothing_but_the_standard_library() -> None:
    tree = ast.parse((ROOT / "dev").read_text())
    tops = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    tops |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {top.partition(".")[0] for top in tops} <= set(sys.stdlib_module_names)


def test_dev_keeps_caches_inside_the_folder(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", "/elsewhere")
    env = dev.environment()
    assert Path(env["PYTHONPYCACHEPREFIX"]).is_relative_to(ROOT)
    assert "PYTHONDONTWRITEBYTECODE" not in env
    assert Path(env["UV_CACHE_DIR"]).is_relative_to(ROOT)
    assert Path(env["PIP_CACHE_DIR"]).is_relative_to(ROOT)
    assert env["UV_PYTHON_DOWNLOADS"] == "never"
    assert "PYTHONPATH" not in env
    assert env["PATH"].split(os.pathsep)[0].startswith(str(ROOT))


def test_dev_installs_anew_when_the_pins_the_place_or_the_interpreter_change(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("a==1")
    marks = [dev.fingerprint(lock)]
    assert dev.fingerprint(lock) == marks[0]
    lock.write_text("a==2")
    marks.append(dev.fingerprint(lock))
    monkeypatch.setattr(sys, "version", "3.99.0")
    marks.append(dev.fingerprint(lock))
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    marks.append(dev.fingerprint(lock))
    assert len(set(marks)) == len(marks)


def test_a_failed_check_stops_no_other_and_fails_the_run(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def python(*argv: str) -> list[str]:
        return [sys.executable, "-c", *argv]

    monkeypatch.setattr(dev, "module", python)
    with pytest.raises(SystemExit) as left:
        dev.run_checks(
            [("first", ["print('why'); raise SystemExit(3)"]), ("second", ["print('well')"])],
            ("last", ["print('reached')"]),
        )
    said = capfd.readouterr().out
    assert left.value.code == "failed: first"
    assert re.search(r"^why\n\[1/3\] first: failed, \d+\.\d s\n\[2/3\] second: ok, \d+\.\d s$", said, re.MULTILINE)
    assert "reached" in said
    with pytest.raises(SystemExit) as left:
        dev.run_checks([("first", ["pass"])], ("last", ["raise SystemExit(3)"]))
    assert left.value.code == 1
    with pytest.raises(SystemExit) as left:
        dev.run_checks([("first", ["raise SystemExit(3)"])], ("last", ["raise SystemExit(3)"]))
    assert left.value.code == "failed: first, last"


def test_unknown_commands_show_the_help() -> None:
    done = subprocess.run([sys.executable, ROOT / "dev", "brew"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "./dev test" in done.stderr


@pytest.mark.parametrize("program", ["dev", ".ci/run"])
def test_it_can_be_run(program: str) -> None:
    assert os.access(ROOT / program, os.X_OK)


# Dockerfile


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def last_stage() -> list[tuple[str, str]]:
    lines = instructions()
    start = max(number for number, (word, _) in enumerate(lines) if word == "FROM")
    return lines[start:]


def test_the_image_is_built_apart_from_where_it_runs() -> None:
    assert [text for word, text in instructions() if word == "FROM"] == ["${BASE} AS build", "${BASE}"]
    assert ("ARG", "BASE=python:3.13-slim") in instructions()


def test_the_image_runs_as_nobody() -> None:
    assert [text for word, text in last_stage() if word == "USER"] == [f"{NOBODY}:{NOBODY}"]


def test_the_image_starts_polder_without_a_shell() -> None:
    assert ("CMD", '["polder", "serve"]') in last_stage()
    assert ("HEALTHCHECK", "NONE") in last_stage()
    assert ("VOLUME", "/data") in last_stage()
    assert PROJECT["project"]["scripts"]["polder"] == "gateway.cli:main"


def test_everything_in_the_image_is_hash_pinned() -> None:
    commands = " && ".join(text for word, text in instructions() if word == "RUN").split("&&")
    installs = [command for command in commands if "pip install" in command]
    assert installs
    assert [c for c in installs if "--require-hashes" not in c and not ("--no-deps" in c and "dist/" in c)] == []


def test_what_the_image_needs_is_given_to_the_builder() -> None:
    lines = [text.split() for word, text in instructions() if word == "COPY" and not text.startswith("--from")]
    copied = {path for words in lines for path in words[:-1]}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
