"""Servers that misbehave on the wire: each is a script of what it does with a connection."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.contract.upstream import Reply
from gateway.engine.clock import SystemClock
from gateway.engine.network.http import Timeouts, Wire
from gateway.engine.network.sockets import network

QUICK = Timeouts(connect=0.5, pool=0.2)
"""Patience for a connection, and for a place to send from."""
Script = Callable[["Talk"], Awaitable[None]]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def on_both_loops(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """On the loop that a gateway runs on, and on the one that it runs on where there is no uvloop."""
    return "asyncio", {"use_uvloop": request.param}


@dataclass
class Talk:
    """One connection, seen from the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: "RawServer"

    async def hear(self) -> bytes:
        """One whole request: it counts as received."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        request = head + await self.reader.readexactly(length)
        self.server.received.append(request)
        return request

    async def say(self, data: bytes) -> None:
        if self.writer.is_closing():  # uvloop calls it a RuntimeError
            raise ConnectionResetError
        self.writer.write(data)
        await self.writer.drain()

    async def reset(self) -> None:
        """Drop the connection at once, unsaid things and all."""
        self.writer.transport.abort()


@dataclass
class RawServer:
    """A listening script; ``received`` holds every request that arrived whole."""

    host: str = "127.0.0.1"
    port: int = 0
    received: list[bytes] = field(default_factory=list)
    opened: int = 0

    @property
    def name(self) -> str:
        """As a URL has it (RFC 3986 §3.2.2)."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"http://{self.name}"


@asynccontextmanager
async def serving(script: Script, host: str = "127.0.0.1") -> AsyncIterator[RawServer]:
    """Run a script for every connection while the block runs. Raises ``OSError`` for a host that is not ours."""
    served = RawServer(host)
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        served.opened += 1
        try:
            await script(Talk(reader, writer, served))
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # the client left first, or the test is over
        finally:
            talks.discard(task)
            writer.close()

    server = await asyncio.start_server(talk, host, 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


@contextmanager
def refusing() -> Iterator[int]:
    """A port of this machine that nobody listens on, and nobody else can take meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def silent() -> Iterator[int]:
    """A port at which nothing answers, not even with a refusal: its queue is full, and stays so."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole HTTP/1.1 answer."""
    lines = [b"HTTP/1.1 " + status, b"content-length: " + str(len(body)).encode(), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def certified(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server of that name proves itself with, signed by itself; and a client's that trusts that."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    proof = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    proof.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return proof, ssl.create_default_context(cafile=str(folder / "certificate.pem"))


async def send(
    origin: str, method: str = "POST", body: bytes = b"{}", *, within: float = 2.0, wire: Wire | None = None
) -> Reply:
    """One request to such a server, over the network."""
    one = wire or Wire(SystemClock(), network)
    try:
        headers = {"authorization": "Bearer t"}
        return await one.send(method, origin, "/books?x=1", headers, body, within=within, timeouts=QUICK)
    finally:
        if wire is None:
            await one.close()
