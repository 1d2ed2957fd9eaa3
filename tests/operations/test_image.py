"""The image: its recipe is clean, and where the tools are there it is built, without a Docker engine, and answers."""

import os
import shutil
import socket
import subprocess
import sysconfig
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.operations.prometheus import ROOT

BASE = os.environ.get("POLDER_TEST_BASE_IMAGE", "")
PATIENCE = 60.0
NOBODY = "65532:65532"
_LINTER = shutil.which("hadolint", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]))
_STORE = {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}


@pytest.mark.skipif(_LINTER is None, reason="hadolint is not installed; its wheel is for x86_64 only")
def test_the_recipe_is_clean() -> None:
    assert _LINTER
    done = subprocess.run([_LINTER, ROOT / "Dockerfile"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def buildah(*arguments: str | Path) -> str:
    done = subprocess.run(
        ["buildah", *arguments], capture_output=True, text=True, check=False, timeout=900, env={**os.environ, **_STORE}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def settings_of_pip() -> Iterator[str]:
    """This machine's way to its package index, for the time of the build."""
    pairs = {"/etc/pip.conf": "/etc/pip.conf"}
    if "SSL_CERT_FILE" in os.environ:
        pairs[os.environ["SSL_CERT_FILE"]] = "/etc/ssl/certs/ca-certificates.crt"
    for here, there in pairs.items():
        if Path(here).exists():
            yield from ("-v", f"{here}:{there}:ro")


@pytest.mark.skipif(shutil.which("buildah") is None, reason="buildah, which builds without an engine, is not installed")
@pytest.mark.skipif(not BASE, reason="POLDER_TEST_BASE_IMAGE names no local image with Python to build on")
def test_the_image_is_built_and_answers() -> None:
    tag = f"polder-{uuid.uuid4().hex}"
    buildah("bud", "--net", "host", *settings_of_pip(), "--build-arg", f"BASE={BASE}", "-t", tag, ROOT)
    container = buildah("from", "--pull-never", tag)
    try:
        assert answers_as_nobody(container) == b'{"status":"ok"}'
    finally:
        buildah("rm", container)
        buildah("rmi", tag)


def answers_as_nobody(container: str) -> bytes:
    """What `/readyz` of a container says, which runs as the image has it but listens to this machine only."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = [f"POLDER_PORT={port}", f"POLDER_METRICS_PORT={port}", "POLDER_HOST=127.0.0.1"]
    environment = [part for one in given for part in ("--env", one)]
    command = ["buildah", "run", "--user", NOBODY, *environment, container, "--", "polder", "serve"]
    process = subprocess.Popen(command, env={**os.environ, **_STORE})
    try:
        return patiently(f"http://127.0.0.1:{port}/readyz", process)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def patiently(url: str, process: subprocess.Popen[bytes]) -> bytes:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            with urlopen(url, timeout=5) as answer:
                body: bytes = answer.read()
                return body
        except (URLError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(f"{url} gave no answer")
