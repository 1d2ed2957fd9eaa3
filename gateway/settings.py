"""Configuration: every ``POLDER_…`` variable that is not a provider's own, with a default that works on one machine."""

import base64
import hashlib
import hmac
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.contract.adapter import Adapter
from gateway.contract.secret import Secret
from gateway.engine.call import Network

PRODUCTION = "production"
METRICS_PORT = 9464
"""Where an exporter of metrics is looked for by custom."""
KEY_FILE = "encryption-keys"
_HOST = re.compile(r"[A-Za-z0-9._:%-]+")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")
"""What may follow the origin of the public address: no query, and nothing to be encoded."""


class Misconfigured(Exception):
    """What is configured cannot work; the message says which variable, and what it should be."""


class Settings(BaseSettings):
    """Read from the environment with the prefix ``POLDER_``."""

    model_config = SettingsConfigDict(env_prefix="POLDER_", extra="ignore")

    secrets_dir: Path | None = Field(
        default=None, description="A folder with a file for each variable that is not in the environment."
    )
    env: str = Field(default="local", description="The environment's name; sealed secrets open in no other.")
    home: Path = Field(
        default=Path(".polder"), description="Where state lives that is configured to live nowhere else."
    )
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=64, description="Processes that answer on the one port.")
    metrics_port: int | None = Field(default=None, ge=0, le=65535, description="Where metrics are, on the same host.")
    public_url: str = ""
    database_url: str = ""
    redis_url: str = Field(default="", description="What several nodes tell each other of writes by.")
    encryption_keys: SecretStr | None = Field(
        default=None, description="`id:base64 of 32 bytes`, the first seals, all open; comma-separated."
    )
    trusted_proxies: str = Field(
        default="", description="Networks whose `X-Forwarded-For` is believed, in CIDR notation, comma-separated."
    )
    background: bool = Field(
        default=True,
        description="Whether `polder serve` also does what `polder work` does.",
    )
    log_level: Literal["info", "warning", "error"] = "info"
    trace_upstream: bool = Field(default=False, description="Whether calls to accounting systems carry `traceparent`.")
    deadline: float = Field(default=30.0, gt=0, le=300, description="Seconds one request may take.")
    zombie_time: float = Field(
        default=300.0,
        gt=0,
        le=86_400,
        description="Seconds after which a write whose answer never came, and that left no trace, counts as not done.",
    )
    drain: float = Field(
        default=0.0, ge=0, le=60, description="Seconds that requests are let in after a signal, while /readyz says no."
    )
    rate_limit: int = Field(
        default=0, ge=0, le=1_000_000, description="Requests a minute that one API key may make; 0 is no limit."
    )
    shared_cache: int = Field(
        default=16_000_000,
        ge=0,
        description="Bytes of Valkey that a process may fill with answers for other nodes; 0 is none.",
    )
    body_limit: int = Field(default=1_000_000, ge=1_000)
    raw_body_limit: int = Field(default=25_000_000, ge=1_000)

    @field_validator("host")
    @classmethod
    def _listened_on(cls, text: str) -> str:
        bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
        # An empty one, as of a variable that is not set, would be all addresses there are.
        if not _HOST.fullmatch(bare):
            raise ValueError("must be an address to listen on, such as 127.0.0.1 or ::1")
        return bare

    @field_validator("public_url")
    @classmethod
    def _address(cls, text: str) -> str:
        origin, path = _split(text.rstrip("/"))
        if text and not (is_origin(origin) and _PATH.fullmatch(path)):
            raise ValueError("must be an address such as https://polder.example")
        return text

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, text: str) -> str:
        _parsed_networks(text)
        return text

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks whose ``X-Forwarded-For`` is believed."""
        return _parsed_networks(self.trusted_proxies)

    @property
    def is_production(self) -> bool:
        """Whether nothing may be made up."""
        return self.env == PRODUCTION

    @property
    def base_url(self) -> str:
        """Where callers reach us, with no slash at the end."""
        return (self.public_url or address(self.host, self.port)).rstrip("/")

    @property
    def metrics_at(self) -> int:
        """The port of ``/metrics``: one of its own in production, which the outside cannot reach, unless configured."""
        if self.metrics_port is not None:
            return self.metrics_port
        return METRICS_PORT if self.is_production else self.port

    @property
    def has_metrics_apart(self) -> bool:
        """Whether ``/metrics`` is at a port of its own."""
        return self.metrics_at != self.port

    @property
    def database(self) -> str:
        """Where the database is: a SQLite file in ``home`` unless another is configured."""
        return self.database_url or f"sqlite:///{(self.home / 'polder.db').resolve()}"

    @property
    def lacks_keys(self) -> bool:
        """Whether ``key_text`` would make keys up."""
        return self.encryption_keys is None and not self.is_production and not (self.home / KEY_FILE).exists()

    def key_text(self, generate: Callable[[], str]) -> str:
        """The encryption keys as configured, or from a key file that is made at need (never in production).

        Raises ``Misconfigured`` where production has none.
        """
        if self.encryption_keys is not None:
            return self.encryption_keys.get_secret_value()
        path = self.home / KEY_FILE
        if self.is_production:
            raise Misconfigured(
                "POLDER_ENCRYPTION_KEYS is not set. In production Polder makes no keys of its own: set it to "
                "`<id>:<base64 of 32 random bytes>`, from a secret store. See README.md, Configuration."
            )
        self.make_home()
        if not path.exists():
            _write_private(path, generate())
        return path.read_text().strip()

    def make_home(self) -> None:
        """Have the folder, readable by its owner only."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)


def address(host: str, port: int) -> str:
    """Where a listener is reached; an address of IPv6 stands in brackets (RFC 3986 §3.2.2)."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _split(url: str) -> tuple[str, str]:
    """A URL's origin, and what follows it."""
    end = url.find("/", url.find("://") + 3)
    return (url, "") if end < 0 else (url[:end], url[end:])


def _parsed_networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())


def _write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner only; whoever comes second keeps the first one's."""
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass  # another process made it in the meantime
    finally:
        draft.unlink()


def operator_settings(adapter: Adapter, environment: Mapping[str, str]) -> dict[str, Secret]:
    """What the operator configured for a provider: ``POLDER_<PROVIDER>_<NAME>``, by setting name."""
    found = {one.name: environment.get(variable(adapter, one.name), "") for one in adapter.operator_settings}
    return {name: Secret(text) for name, text in found.items() if text}


def origins(adapter: Adapter, environment: Mapping[str, str]) -> dict[str, str]:
    """Where a provider is reached. Raises ``Misconfigured`` for what is no origin (scheme and host, nothing after)."""
    found = {}
    for name, origin in adapter.origins.items():
        url = environment.get(variable(adapter, origin.setting)) or origin.default
        if not is_origin(url.rstrip("/")):
            raise Misconfigured(f"{variable(adapter, origin.setting)} must be an origin such as {origin.default}.")
        found[name] = url.rstrip("/")
    return found


def is_origin(url: str) -> bool:
    """Whether a URL is a scheme, a host and perhaps a port, and nothing else."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return False
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    named = bool(host) and all(sign.isalnum() or sign in ".-_:" for sign in host)
    return named and parts.scheme in ("http", "https") and url.lower() == f"{parts.scheme}://{shown}{port}"


def read_settings(**given: Any) -> Settings:
    """The settings of the environment, and those that are given. Raises ``Misconfigured``, naming each wrong one."""
    folder = os.environ.get("POLDER_SECRETS_DIR")
    if folder and not Path(folder).is_dir():
        raise Misconfigured("POLDER_SECRETS_DIR is no folder. See README.md, Configuration.")
    try:
        return Settings(_secrets_dir=folder or None, **given)
    except ValidationError as error:
        wrong = "; ".join(f"POLDER_{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors())
        raise Misconfigured(f"{wrong}. See README.md, Configuration.") from error


def reason_of(error: OSError) -> str:
    """What the system says of a file or an address, in one line."""
    named = [] if error.filename is None else [str(error.filename)]
    return ": ".join([*named, error.strerror or str(error) or type(error).__name__])


def read_environment(settings: Settings) -> dict[str, str]:
    """The process's environment, and the files of ``secrets_dir`` by their names; a variable goes before a file."""
    files = [] if settings.secrets_dir is None else sorted(settings.secrets_dir.glob("POLDER_*"))
    return {**{path.name: path.read_text().strip() for path in files if path.is_file()}, **os.environ}


def variable(adapter: Adapter, setting: str) -> str:
    """The environment variable of a provider's setting."""
    return f"POLDER_{adapter.name}_{setting}".upper()


def derived_keys(key_text: str, purpose: str) -> tuple[bytes, ...]:
    """Keys for one purpose (signing cursors), one of each encryption key, in their order: the same on every node."""
    encoded = [entry.partition(":")[2].strip() for entry in key_text.split(",")]
    return tuple(hmac.new(base64.b64decode(key), purpose.encode(), hashlib.sha256).digest() for key in encoded)


def unknown_variables(environment: Mapping[str, str], adapters: Iterable[Adapter]) -> list[str]:
    """``POLDER_…`` variables that nothing reads: a misspelling, most often."""
    known = {f"POLDER_{name}".upper() for name in Settings.model_fields}
    for adapter in adapters:
        known |= {variable(adapter, one.name) for one in adapter.operator_settings}
        known |= {variable(adapter, origin.setting) for origin in adapter.origins.values()}
    return sorted(name for name in environment if name.startswith("POLDER_") and name not in known)
