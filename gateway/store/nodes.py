"""Generations of several nodes, which tell each other through Valkey or Redis what they end.

A node answers from memory only on a *lease*: for ``LEASE`` seconds after it asked the server for everything that was
ended, and was answered. Ended generations stand in a log on the server, in order. A node that renews its lease says how
far it has read; whoever ends a generation adds it to the log, and waits until every node with a lease has read so far,
or has not renewed its lease for so long that it must have run out. So a node that hangs, sleeps or is cut off serves
nothing from memory that it cannot vouch for, and delays a write by little more than a lease.

No clocks are compared: a node measures its own lease from the moment it asked, and others' from the moment it saw them
renewed for the last time. Nothing on the server need survive: a server that starts anew, was emptied, or had to evict
one of the keys for want of memory, begins another epoch. Then every node forgets what it has in memory, and until a
lease after it noticed the new epoch, no write is answered, as the leases of the epoch before are not known any more.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.contract.clock import Clock
from gateway.engine.generations import MATTERS, Ended, Mark, Matter, Slots, slot_of
from gateway.engine.observe import stumbled
from gateway.store.valkey import FAILURES

LEASE: Final = 1.0
MARGIN: Final = 0.25
"""Seconds longer that another's lease is held for valid: clocks need not run equally fast."""
_RENEWED_EVERY_MS: Final = 250
_CALL_WAIT: Final = 0.5
_ANNOUNCED_WITHIN: Final = 10.0
_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_CONNECTIONS: Final = 200
_OWED: Final = 10_000
_KEYS: Final = ("{polder}:meta", "{polder}:log", "{polder}:nodes")
_EVERYTHING: Final = "*"
_AS_IN: Final = (
    "Write redis://user:password@host:6379/0, or rediss:// for TLS, with %40, %3A, %2F, %3F and %23 for @, :, /, ? and "
    "# in a password."
)

_SAME_SERVER = """
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local known = redis.call('HMGET', KEYS[1], 'run', 'joined')
local evicted = redis.call('EXISTS', KEYS[2]) == 0 or (known[2] and redis.call('EXISTS', KEYS[3]) == 0)
if known[1] ~= run or evicted then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[1], 'run', run, 'epoch', ARGV[1], 'seq', 0)
  redis.call('XADD', KEYS[2], '0-1', 'begun', ARGV[1])
end
local epoch = redis.call('HGET', KEYS[1], 'epoch')
local seq = tonumber(redis.call('HGET', KEYS[1], 'seq'))
"""
_RENEW = (
    _SAME_SERVER
    + """
local entries = {}
local applied = tonumber(ARGV[4])
if ARGV[3] ~= epoch then applied = seq end
if applied < seq then entries = redis.call('XRANGE', KEYS[2], (applied + 1) .. '-0', '+', 'COUNT', 1000) end
redis.call('HSET', KEYS[3], ARGV[2], applied .. ' ' .. ARGV[5])
redis.call('HSET', KEYS[1], 'joined', 1)
return {epoch, seq, redis.call('HGETALL', KEYS[3]), entries}
"""
)
_END = (
    _SAME_SERVER
    + """
seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, seq .. '-0', 'ended', ARGV[2])
return {epoch, seq, redis.call('HGETALL', KEYS[3])}
"""
)
_LOOK = _SAME_SERVER + "return {epoch, seq, redis.call('HGETALL', KEYS[3])}"
_BURY = (
    _SAME_SERVER
    + """
local buried = 0
if redis.call('HGET', KEYS[3], ARGV[2]) == ARGV[3] then
  redis.call('HDEL', KEYS[3], ARGV[2])
  seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, seq .. '-0', 'ended', ARGV[4])
  buried = 1
end
return {epoch, seq, redis.call('HGETALL', KEYS[3]), buried}
"""
)


@dataclass(slots=True)
class _Log:
    """What this node knows of the log: where each slot was ended last.

    Of what came before ``floor`` it may not know everything.
    """

    floor: int = 0
    ended: dict[int, int] = field(default_factory=dict)
    unannounced: Counter[int] = field(default_factory=Counter)
    """Slots that are ended here, and are not surely in the log yet."""

    def begin(self, place: int) -> None:
        """Another log, written so far."""
        self.floor = place
        self.ended.clear()

    def note(self, place: int, slots: Sequence[int]) -> None:
        """They were ended at that place."""
        for slot in slots:
            self.ended[slot] = max(place, self.ended.get(slot, 0))

    def forget(self, place: int) -> None:
        """Nothing is known of what came before that place."""
        self.floor = max(self.floor, place)

    @contextlib.contextmanager
    def announcing(self, slots: Sequence[int]) -> Iterator[None]:
        """These are being written in the log."""
        self.unannounced.update(slots)
        try:
            yield
        finally:
            self.unannounced.subtract(slots)

    def unended_since(self, place: int, slot: int) -> bool:
        """Whether a slot was surely not ended since that place."""
        return not self.unannounced[slot] and place >= max(self.floor, self.ended.get(slot, 0))


@dataclass(slots=True)
class _Others:
    """Other nodes: how far each has read, and since when (by our own clock) it has renewed its lease no more."""

    own: str
    seen: dict[str, tuple[str, float]] = field(default_factory=dict)

    def look(self, flat: Sequence[bytes], now: float) -> None:
        """Take note of what the server knows of them now."""
        found = {flat[n].decode(): flat[n + 1].decode() for n in range(0, len(flat), 2) if flat[n].decode() != self.own}
        self.seen = {
            name: self.seen[name] if name in self.seen and self.seen[name][0] == state else (state, now)
            for name, state in found.items()
        }

    def expired(self, now: float) -> dict[str, str]:
        """Those whose lease surely ran out, with the state they were seen in last."""
        return {name: state for name, (state, since) in self.seen.items() if now >= since + LEASE + MARGIN}

    def behind(self, seq: int, now: float) -> bool:
        """Whether one that may have a lease has not read so far."""
        gone = self.expired(now)
        return any(int(state.split()[0]) < seq for name, (state, _) in self.seen.items() if name not in gone)


class NodeGenerations:
    """Generations shared by all nodes that reach one server. Its loss costs hits, and nothing but time besides.

    Raises ``ValueError``, which never shows a password, for an address that is of no use.
    """

    def __init__(self, url: str, slots: Slots, clock: Clock, dice: random.Random) -> None:
        self._slots = slots
        self._clock = clock
        self._dice = dice
        self._name = f"{dice.getrandbits(128):032x}"
        self._redis = _client(url)
        self._others = _Others(self._name)
        self._log = _Log()
        self._until = float("-inf")
        self._epoch = ""
        self._noticed_at = float("-inf")
        self._applied = 0
        self._renewals = 0
        self._down_since: float | None = None
        self._owed: set[str] = set()
        self._leaving = False
        self._loop: asyncio.Task[None] | None = None

    @property
    def vouched(self) -> bool:
        """Whether this node has a lease."""
        return self._clock.monotonic() < self._until

    def of(self, id: str, matter: Matter) -> int:
        """The generation that now is; without a lease a number that nobody else gets."""
        return self._slots.of(id, matter) if self.vouched else self._dice.getrandbits(64)

    async def start(self) -> None:
        """Join, if the server is there; otherwise as soon as it is."""
        with contextlib.suppress(*FAILURES):
            await self._renew()
        self._loop = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Leave, so that nobody waits for this node."""
        await self._stop_listening()
        self._until = float("-inf")
        with contextlib.suppress(*FAILURES):
            await self._publish_owed()
            await self._call(self._redis.hdel(_KEYS[2], self._name))
        with contextlib.suppress(*FAILURES):
            await self._redis.aclose()
        await self._slots.close()

    async def _stop_listening(self) -> None:
        # The client at times swallows a cancellation that comes with an answer: then the flag ends the loop soon.
        self._leaving = True
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def end(self, id: str, *matters: Matter) -> Mapping[Matter, Ended]:
        """End generations on every node; when this returns, none answers from those before."""
        ended = self._slots.end_here(id, matters)
        entry = f"{self._name} {id} {','.join(matters)}"
        with self._log.announcing([slot_of(id, matter) for matter in matters]):
            try:
                await self._announce(entry)
            except BaseException:
                self._owe(entry)  # it was called off, and nobody knows whether it is in the log
                raise
        return ended

    @property
    def mark(self) -> Mark | None:
        """As far as this node has read the log; None without a lease.

        Not as far as it is written: an answer also stands on what is remembered here of the connection and its facts,
        which an end that is not read yet has not taken away.
        """
        return Mark(self._epoch, self._applied) if self.vouched else None

    def unended_since(self, mark: Mark, id: str, matter: Matter) -> bool:
        """Whether this node has a lease, has told all that it ended, and knows that nobody ended it since."""
        if not self.vouched or self._owed or mark.epoch != self._epoch:
            return False
        return self._log.unended_since(mark.place, slot_of(id, matter))

    def forsake(self) -> None:
        """Nodes notice by themselves which of them died, wherever that is."""

    # --- telling

    async def _announce(self, entry: str) -> None:
        """Have it known, or every lease run out that was given before the server was lost."""
        give_up_at = self._clock.monotonic() + _ANNOUNCED_WITHIN
        while True:
            try:
                seq = await self._publish(entry)
                await self._acknowledged(self._epoch, seq, give_up_at)
            except FAILURES:
                now = self._clock.monotonic()
                lost = self._down_since is not None and now >= self._down_since + LEASE + MARGIN
                if lost or now >= give_up_at:
                    return self._owe(entry)
                await self._clock.sleep(_PAUSE)
            else:
                return None

    async def _publish(self, entry: str) -> int:
        epoch, seq, nodes = await self._script(_END, self._seed(), entry)
        self._look(epoch, seq, nodes)
        self._note(int(seq), entry)
        return int(seq)

    def _note(self, seq: int, entry: str) -> Sequence[Matter]:
        """Remember where an entry stands in the log: what it ends."""
        _, id, named = entry.split(" ")
        matters = [matter for matter in MATTERS if matter in named.split(",")]
        if id == _EVERYTHING:
            self._log.forget(seq)
        self._log.note(seq, [slot_of(id, matter) for matter in matters])
        return matters

    async def _acknowledged(self, epoch: str, seq: int, give_up_at: float) -> None:
        """Wait until no other node with a lease is behind an entry of the log. Raises ``TimeoutError``."""
        pause = 0.001
        while self._others.behind(seq, self._clock.monotonic()) and epoch == self._epoch:
            if self._clock.monotonic() >= give_up_at:
                raise TimeoutError
            await self._clock.sleep(pause)
            pause = min(pause * 2, 0.02)
            self._look(*await self._script(_LOOK, self._seed()))
        while (left := self._noticed_at + LEASE + MARGIN - self._clock.monotonic()) > 0:
            await self._clock.sleep(left)

    def _owe(self, entry: str) -> None:
        """What could not be told is told when the server is back, or all at once where it is too much."""
        self._owed.add(entry if len(self._owed) < _OWED else f"{self._name} {_EVERYTHING} ")

    async def _publish_owed(self) -> None:
        for entry in list(self._owed):
            await self._publish(entry)
            self._owed.discard(entry)

    # --- hearing

    async def _run(self) -> None:
        """Renew the lease, in time and whenever something was ended, until this node leaves."""
        pause = _PAUSE
        while not self._leaving:
            try:
                await self._publish_owed()
                if await self._renew():
                    await self._bell()
                pause = _PAUSE
            except Exception as error:
                if not isinstance(error, FAILURES):
                    # The client is known to trip over connections that end; without this there is no lease any more.
                    stumbled(error)
                await self._clock.sleep(pause * (1 + self._dice.random()))
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _renew(self) -> bool:
        """Ask what was ended, and for a lease. Whether there was nothing, so that all have been told we know."""
        asked_at, known = self._clock.monotonic(), self._epoch
        self._renewals += 1
        epoch, seq, nodes, entries = await self._script(
            _RENEW, self._seed(), self._name, known, self._applied, self._renewals
        )
        self._look(epoch, seq, nodes)
        if known != self._epoch or asked_at >= self._until:
            # We join, or the lease ran out and others did not wait for us any more: who knows what was ended meanwhile.
            self._forget(int(seq))
        if not entries:
            self._applied = int(seq)
        for id, (_, entry) in entries:
            self._apply(int(id.partition(b"-")[0]), entry.decode())
        if self._applied == int(seq):
            self._until = asked_at + LEASE
        await self._bury()
        return not entries

    def _apply(self, seq: int, entry: str) -> None:
        origin, id, _ = entry.split(" ")
        matters = self._note(seq, entry)
        if seq != self._applied + 1 or id == _EVERYTHING:
            self._forget(seq)
        elif origin != self._name:
            self._slots.end_here(id, matters)
        self._applied = seq

    def _forget(self, place: int) -> None:
        """All that is known may be out of date, and so may be what others knew before that place of the log."""
        self._slots.end_all()
        self._log.forget(place)

    async def _bell(self) -> None:
        """Wait until something was ended, or the lease is to be renewed."""
        position = {_KEYS[1]: f"{self._applied}-0"}
        async with asyncio.timeout(_RENEWED_EVERY_MS / 1000 + _CALL_WAIT):
            await self._redis.xread(position, count=1, block=_RENEWED_EVERY_MS)  # type: ignore[arg-type]  # keys may be str

    async def _bury(self) -> None:
        """Strike off nodes that are gone. One that was killed may not have told what it ended: all is forgotten.

        Both in one piece, as who strikes one off may be cut off right after.
        """
        everything = f"{self._name} {_EVERYTHING} "
        for name, state in self._others.expired(self._clock.monotonic()).items():
            epoch, seq, nodes, buried = await self._script(_BURY, self._seed(), name, state, everything)
            self._look(epoch, seq, nodes)
            if buried:
                self._forget(int(seq))

    def _look(self, epoch: bytes, seq: int, nodes: Sequence[bytes]) -> None:
        """Take note of the epoch and of the other nodes. In another epoch than before all that was known is void."""
        now = self._clock.monotonic()
        if epoch.decode() != self._epoch:
            self._epoch = epoch.decode()
            self._noticed_at = now
            self._applied = int(seq)
            self._until = float("-inf")
            self._slots.end_all()
            self._log.begin(int(seq))
        self._others.look(nodes, now)

    # --- the server

    def _seed(self) -> str:
        """The name of the next epoch, should one have to begin."""
        return f"{self._dice.getrandbits(64):016x}"

    async def _script(self, script: str, *arguments: str | int) -> Any:
        return await self._call(self._redis.eval(script, len(_KEYS), *_KEYS, *arguments))

    async def _call(self, call: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(_CALL_WAIT):
                answer = await call
        except FAILURES:
            if self._down_since is None:
                self._down_since = self._clock.monotonic()
            raise
        self._down_since = None
        return answer


def _client(url: str) -> Redis:
    user, at, _ = url.partition("://")[2].partition("@")
    try:
        if at and any(sign in user for sign in "/?#"):
            raise ValueError  # the password would end there, and the rest of it be taken for a database
        # A call that fails is not repeated by the library: who made it knows whether that makes sense.
        client = Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=_CALL_WAIT, max_connections=_CONNECTIONS
        )
        # It connects to nothing, but reads all that the address asks for.
        client.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # it has no annotations
    except (ValueError, TypeError, RedisError):
        # The library's words quote what it takes for a port, or for an option: the rest of a password, perhaps.
        raise ValueError(f"the Redis URL cannot be read. {_AS_IN}") from None
    return client
