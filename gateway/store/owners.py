"""Who holds what is under way, and whether that process is no more."""

import os
import secrets
import socket
from pathlib import Path

from gateway.engine.storage import Owner


def this_process() -> Owner:
    """This process, by a name that no other has or had, anywhere."""
    own = f"{_host()} {os.getpid()} {secrets.token_hex(8)}"
    return Owner(own, lambda name: is_gone(name, own))


def is_gone(name: str, own: str) -> bool:
    """Whether the process of that name surely ended. What runs on another host may run on."""
    host, _, process = name.rpartition(" ")[0].rpartition(" ")
    own_host, _, own_process = own.rpartition(" ")[0].rpartition(" ")
    if host != own_host or not process.isdecimal():
        return False
    if process == own_process:
        return name != own
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # there is one, and it is another user's
    return False


def _host() -> str:
    """The host as far as process numbers go: a container counts its own."""
    space = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()}/{space.stat().st_ino if space.exists() else ''}"
