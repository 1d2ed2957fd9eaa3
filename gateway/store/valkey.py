"""Clients of Valkey or Redis for what may fail: who asks waits a moment at most, and goes on without."""

from typing import Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

FAILURES: Final = (RedisError, OSError, TimeoutError)
"""What a call ends with where the server is away, slow, full or somebody else."""


def pooled(url: str, connections: int, wait: float) -> Redis:
    """A client with so many connections, one of which is waited for so many seconds, and which repeats nothing."""
    return Redis(
        connection_pool=BlockingConnectionPool.from_url(
            url, max_connections=connections, timeout=wait, retry=Retry(NoBackoff(), 0), socket_connect_timeout=wait
        )
    )
