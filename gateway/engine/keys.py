"""API keys: how they are made, read and checked.

``polder_live_<8 lookup id>_<30 secret><6 checksum>``, all base 62. The checksum is CRC-32 over everything before it, so
that a mistyped key, or a scanner's false find, is told apart without looking anything up. The secret has 178 bits of
randomness, so a plain SHA-256 of it is all that is stored.
"""

import hashlib
import hmac
import re
import string
import zlib
from collections.abc import Sequence
from datetime import datetime
from random import Random

from cachetools import TTLCache

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.contract.operations import SCOPES
from gateway.engine.call import EVERYTHING, Caller
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
"""Seconds a key that was found good is believed: how long a revoked key may live on in another process."""
REFUSED_FOR = 10.0
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
) -> tuple[str, StoredKey]:
    """A new key: its text, to be shown once, and what is kept of it.

    ``random`` must be a ``secrets.SystemRandom`` anywhere but in a test. Raises ``ValueError`` for an unknown scope.
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


class Callers:
    """Who holds a key. Keys that were looked up lately are remembered by the digest of their text."""

    def __init__(self, keys: Keys, clock: Clock, *, size: int = 10_000) -> None:
        self._keys = keys
        self._clock = clock
        self._known: TTLCache[bytes, tuple[Caller, datetime | None]] = TTLCache(size, KNOWN_FOR, clock.monotonic)
        self._refused: TTLCache[bytes, bool] = TTLCache(size, REFUSED_FOR, clock.monotonic)

    async def resolve(self, text: str) -> Caller:
        """The caller whose key this is. Raises ``unauthenticated``, or ``storage_unavailable`` if nobody can tell.

        The refusal is the same for a key that is malformed, unknown, wrong, revoked or expired.
        """
        fingerprint = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(fingerprint)
        if known is None:
            known = await self._look_up(text, fingerprint)
        caller, expires_at = known
        if expires_at is not None and self._clock.now() >= expires_at:
            self._known.pop(fingerprint, None)
            raise refusal()
        return caller

    def forget(self) -> None:
        """Look every key up again: one was revoked or changed."""
        self._known.clear()
        self._refused.clear()

    async def _look_up(self, text: str, fingerprint: bytes) -> tuple[Caller, datetime | None]:
        parts = parse(text)
        if parts is None or fingerprint in self._refused:
            raise refusal()
        id, secret = parts
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
        )
        self._known[fingerprint] = caller, stored.expires_at
        return caller, stored.expires_at


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
