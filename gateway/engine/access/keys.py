"""API keys: how they are made, read and checked.

``polder_live_<8 lookup id>_<30 secret><6 checksum>``, all base 62. The checksum is CRC-32 over everything before it, so
that a mistyped key, or a scanner's false find, is told apart without looking anything up. The secret has 178 bits of
randomness, so a SHA-256 of it is all that is kept, and the store seals that.
"""

import asyncio
import contextlib
import hashlib
import hmac
import re
import string
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from random import Random

from cachetools import LRUCache, TTLCache

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.contract.operations import SCOPES
from gateway.engine.call import EVERYTHING, Caller
from gateway.engine.generations import Generations
from gateway.engine.storage import Keys, StoredKey

PREFIX = "polder_live_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_LENGTH = 8
SECRET_LENGTH = 30
CHECKSUM_LENGTH = 6
PATTERN = (
    rf"{PREFIX}(?P<id>[0-9A-Za-z]{{{ID_LENGTH}}})_"
    rf"(?P<secret>[0-9A-Za-z]{{{SECRET_LENGTH}}})(?P<checksum>[0-9A-Za-z]{{{CHECKSUM_LENGTH}}})"
)
"""What a secret scanner looks for."""

KNOWN_FOR = 30.0
"""Seconds a key that was found good is believed, if nobody says that it changed: there may be nobody who could."""
REFUSED_FOR = 10.0
USE_NOTED_EVERY = 60.0
"""Seconds within which further uses of a key are not noted."""
USES_KEPT_EVERY = 10.0
"""Seconds between two writes of what was noted of all keys."""
_SHAPE = re.compile(PATTERN)
_NO_DIGEST = bytes(hashlib.sha256().digest_size)


def mint(
    *,
    tenant: str,
    name: str,
    scopes: Sequence[str],
    now: datetime,
    random: Random,
    connections: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    networks: Sequence[str] | None = None,
) -> tuple[str, StoredKey]:
    """A new key: its text, to be shown once, and what is kept of it. ``networks`` are in CIDR notation, v4 or v6.

    ``random`` must be a ``secrets.SystemRandom`` anywhere but in a test. Raises ``ValueError`` for an unknown scope, or
    for what is no network.
    """
    unknown = [scope for scope in scopes if scope not in SCOPES and scope != EVERYTHING]
    if unknown:
        raise ValueError(f"there is no scope {unknown[0]}; the scopes are {', '.join(SCOPES)} and {EVERYTHING}")
    id = _letters(random, ID_LENGTH)
    secret = _letters(random, SECRET_LENGTH)
    body = f"{PREFIX}{id}_{secret}"
    stored = StoredKey(
        id=id,
        tenant=tenant,
        name=name,
        digest=digest(secret),
        scopes=tuple(dict.fromkeys(scopes)),
        created_at=now,
        connections=None if connections is None else tuple(dict.fromkeys(connections)),
        expires_at=expires_at,
        networks=None if networks is None else tuple(dict.fromkeys(str(ip_network(one)) for one in networks)),
    )
    return body + _checksum(body), stored


def parse(text: str) -> tuple[str, str] | None:
    """The lookup id and the secret of a key's text; None where it has not a key's shape or its checksum is wrong."""
    match = _SHAPE.fullmatch(text)
    if match is None or match["checksum"] != _checksum(text[:-CHECKSUM_LENGTH]):
        return None
    return match["id"], match["secret"]


def digest(secret: str) -> bytes:
    """What is stored of a secret: its SHA-256."""
    return hashlib.sha256(secret.encode()).digest()


def fingerprint_of(text: bytes) -> bytes:
    """What a key's whole text is remembered by, so that it is kept nowhere itself."""
    return hashlib.sha256(text).digest()


@dataclass(frozen=True, slots=True)
class _Known:
    """A key that was found good: whose it is, when it expires, in which generation of it, and until when (monotonic)
    that is believed.
    """

    caller: Caller
    expires_at: datetime | None
    generation: int
    until: float

    def is_expired(self, now: datetime) -> bool:
        """Whether its own time is over."""
        return self.expires_at is not None and now >= self.expires_at


class Callers:
    """Who holds a key. Keys that were looked up lately are remembered by the digest of their text, each until its
    generation ends: then some process revoked or changed it.
    """

    def __init__(self, keys: Keys, clock: Clock, generations: Generations, *, size: int = 10_000) -> None:
        self._keys = keys
        self._clock = clock
        self._generations = generations
        self._known: LRUCache[bytes, _Known] = LRUCache(size)
        self._refused: TTLCache[bytes, bool] = TTLCache(size, REFUSED_FOR, clock.monotonic)
        self._uses = _Uses(keys, clock, size)

    async def resolve(self, text: str) -> Caller:
        """The caller whose key this is. Raises ``unauthenticated``, or ``storage_unavailable`` if nobody can tell.

        The refusal is the same for a key that is malformed, unknown, wrong, revoked or expired.
        """
        fingerprint = fingerprint_of(text.encode("utf-8", "surrogatepass"))
        caller = self.known(fingerprint, self._clock.monotonic())
        if caller is not None:
            return caller
        known = await self._look_up(text, fingerprint)
        if known.is_expired(self._clock.now()):
            raise refusal()
        self._uses.note(known.caller.key_id, self._clock.monotonic())
        return known.caller

    def known(self, fingerprint: bytes, now: float) -> Caller | None:
        """The caller whose key has this fingerprint, if it was looked up lately and is good still ``now``."""
        known: _Known | None = self._known.get(fingerprint)
        if known is None or now >= known.until or known.is_expired(self._clock.now()):
            return None
        if known.generation != self._generations.of(known.caller.key_id, "keys"):
            return None
        self._uses.note(known.caller.key_id, now)
        return known.caller

    async def close(self) -> None:
        """Keep what was noted of the use of keys."""
        await self._uses.close()

    async def _look_up(self, text: str, fingerprint: bytes) -> _Known:
        parts = parse(text)
        if parts is None or fingerprint in self._refused:
            raise refusal()
        id, secret = parts
        # Before it is read: what is revoked while it is read is of another generation.
        generation = self._generations.of(id, "keys")
        stored = await self._keys.find(id)
        # An unknown id is compared too, so that the time taken does not tell it from a wrong secret.
        right = hmac.compare_digest(digest(secret), stored.digest if stored is not None else _NO_DIGEST)
        if stored is None or not right or stored.revoked_at is not None:
            self._refused[fingerprint] = True
            raise refusal()
        caller = Caller(
            key_id=stored.id,
            tenant=stored.tenant,
            scopes=frozenset(stored.scopes),
            connections=None if stored.connections is None else frozenset(stored.connections),
            networks=None if stored.networks is None else tuple(map(ip_network, stored.networks)),
        )
        until = self._clock.monotonic() + KNOWN_FOR
        known = self._known[fingerprint] = _Known(caller, stored.expires_at, generation, until)
        return known


class _Uses:
    """When keys were last used: noted in memory, and kept now and then by a task that no caller waits for.

    What is noted and not kept yet is lost with the process, or waits for the next use of any key: it is there to find
    keys that nobody uses any more.
    """

    def __init__(self, keys: Keys, clock: Clock, size: int) -> None:
        self._keys = keys
        self._clock = clock
        self._size = size
        self._noted: dict[str, float] = {}
        self._to_keep: dict[str, datetime] = {}
        self._next = clock.monotonic()
        self._keeping: asyncio.Task[None] | None = None

    def note(self, id: str, now: float) -> None:
        last = self._noted.get(id)
        if last is None or now - last >= USE_NOTED_EVERY:
            self._noted.pop(id, None)
            if len(self._noted) >= self._size:
                del self._noted[next(iter(self._noted))]
            self._noted[id] = now
            self._to_keep[id] = self._clock.now()
        if self._to_keep and now >= self._next and self._keeping is None:
            self._next = now + USES_KEPT_EVERY
            self._keeping = asyncio.create_task(self._keep())
            self._keeping.add_done_callback(self._kept)

    async def close(self) -> None:
        if self._keeping is not None:
            await self._keeping
        await self._keep()

    async def _keep(self) -> None:
        uses, self._to_keep = self._to_keep, {}
        # Where the storage is away, that is told to those who need it.
        with contextlib.suppress(Problem):
            if uses:
                await self._keys.used(uses)

    def _kept(self, task: asyncio.Task[None]) -> None:
        del task
        self._keeping = None


def refusal() -> Problem:
    """``unauthenticated``, about a key that was sent and is not good."""
    return Problem(
        "unauthenticated",
        "The API key is malformed, unknown, revoked or expired.",
        headers={"WWW-Authenticate": 'Bearer realm="polder", error="invalid_token"'},
    )


def _letters(random: Random, count: int) -> str:
    return "".join(random.choices(ALPHABET, k=count))


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode("ascii"))
    letters = ""
    for _ in range(CHECKSUM_LENGTH):
        number, place = divmod(number, len(ALPHABET))
        letters = ALPHABET[place] + letters
    return letters
