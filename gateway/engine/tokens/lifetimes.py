"""When a token is due to be replaced: well before its end, and not all connections' at once."""

from datetime import datetime, timedelta
from zlib import crc32

from gateway.engine.storage import StoredToken

MARGIN = timedelta(minutes=5)
"""A token is replaced so long before its end, or in the last tenth of its life where that is longer."""
SHORT = 4
"""A short-lived token is used for all but this part of its life: a quarter."""
LAST_MOMENT = timedelta(seconds=30)
"""A token this close to its end (or in its last tenth, where that is shorter) may expire on its way."""


def fresh_until(stored: StoredToken, connection_id: str) -> datetime | None:
    """Until when there is no reason to ask for another; None where the token has no end."""
    expires_at = stored.token.expires_at
    if expires_at is None:
        return None
    lifetime = expires_at - stored.received_at
    margin = min(max(MARGIN, lifetime / 10), lifetime / SHORT)
    return expires_at - margin * _spread(connection_id)


def valid_until(stored: StoredToken) -> datetime | None:
    """Until when it may be sent; None where it has no end."""
    expires_at = stored.token.expires_at
    if expires_at is None:
        return None
    return expires_at - min(LAST_MOMENT, (expires_at - stored.received_at) / 10)


def is_fresh(stored: StoredToken, connection_id: str, now: datetime) -> bool:
    """Whether there is no reason to ask for another."""
    until = fresh_until(stored, connection_id)
    return until is None or now < until


def is_valid(stored: StoredToken, now: datetime) -> bool:
    """Whether it may be sent."""
    until = valid_until(stored)
    return until is None or now < until


def _spread(connection_id: str) -> float:
    """From 0.8 to 1.2, always the same for a connection: those that were made together are not renewed together."""
    return 0.8 + 0.4 * (crc32(connection_id.encode()) / 0xFFFFFFFF)
