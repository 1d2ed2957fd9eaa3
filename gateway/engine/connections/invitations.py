"""One-time links for the end user: a page on which the owner of an account gives credentials to a waiting connection.

A link is signed, not stored. It names its connection, which credentials that has and which company: giving either is
what a link is for, so one that was used, or that was overtaken by whoever gave them otherwise, opens nothing any more.
Whatever else changes meanwhile ends no link: that the old credentials are refused by now is why its owner was sent it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from gateway.contract.clock import Clock
from gateway.contract.errors import Problem, invalid
from gateway.contract.models import ConnectionChange, Link
from gateway.contract.upstream import is_id
from gateway.engine.access.audit import Auditor
from gateway.engine.connections.connections import Connections
from gateway.engine.providers import Provider, Providers
from gateway.engine.shielded import ShieldedTasks
from gateway.engine.signing import Signer, as_bytes, as_text
from gateway.engine.storage import Storage, StoredConnection

VALID_FOR = timedelta(hours=24)
_MAC = 20
_GONE = "This link was used already, or is too old. Ask whoever sent it for a new one."


@dataclass(frozen=True, slots=True)
class Invitation:
    """An open link: the connection that waits, and the system it is for."""

    connection: StoredConnection
    provider: Provider


class Invitations:
    """Makes and honours links. The first of ``keys`` signs them; ``public_url`` is where the pages are."""

    def __init__(
        self,
        connections: Connections,
        providers: Providers,
        storage: Storage,
        clock: Clock,
        keys: Sequence[bytes],
        public_url: str,
        shielded: ShieldedTasks,
    ) -> None:
        self._connections = connections
        self._providers = providers
        self._storage = storage
        self._clock = clock
        self._signer = Signer(keys, _MAC)
        self._public_url = public_url
        self._shielded = shielded
        self._auditor = Auditor(storage.audit, clock)

    def write(self, connection: StoredConnection) -> Link:
        """A link for a connection."""
        expires_at = (self._clock.now() + VALID_FOR).replace(microsecond=0)
        payload = int(expires_at.timestamp()).to_bytes(5, "big") + connection.id.encode()
        signature = self._signer.sign(_message(payload, connection))
        return Link(url=f"{self._public_url}/connect/{as_text(signature + payload)}", expires_at=expires_at)

    async def open(self, token: str) -> Invitation:
        """What a link is for. Raises ``not_found`` for one that opens nothing (any more)."""
        try:
            raw = as_bytes(token)
            mac, payload = raw[:_MAC], raw[_MAC:]
            expires_at = datetime.fromtimestamp(int.from_bytes(payload[:5], "big"), UTC)
            id = payload[5:].decode()
        except (ValueError, OverflowError, OSError) as error:
            raise Problem("not_found", _GONE) from error
        # Anybody can write a link: not every database can be asked for every text, such as one with a NUL in it.
        connection = await self._storage.connections.find(id) if is_id(id) else None
        if connection is None or not self._signer.signed(_message(payload, connection), mac):
            raise Problem("not_found", _GONE)
        if expires_at <= self._clock.now():
            raise Problem("not_found", _GONE)
        return Invitation(connection, self._providers.of(connection))

    async def accept(self, token: str, credentials: Mapping[str, str], company_id: str | None) -> StoredConnection:
        """Give a waiting connection its credentials. Raises ``Problem``; then the link stays open."""
        invitation = await self.open(token)
        if not credentials and company_id is None:
            raise Problem("validation_failed", "Nothing was filled in.")
        given: dict[str, object] = {"credentials": dict(credentials)} if credentials else {}
        if company_id is not None:
            given["company_id"] = company_id
        try:
            change = ConnectionChange.model_validate(given)
        except ValidationError as error:
            raise invalid("/company_id", "There is no such administration.") from error
        connection = invitation.connection

        def unspent(current: StoredConnection) -> StoredConnection:
            if _lacking(current) != _lacking(connection):
                raise Problem("not_found", _GONE)
            return current

        async def accepted() -> StoredConnection:
            async with self._auditor.recording("connections.authorize", connection.tenant, connection.id):
                return await self._connections.update(connection, change, permit=unspent)

        return await self._shielded.to_the_end(accepted)


def _message(payload: bytes, connection: StoredConnection) -> bytes:
    return b"\0".join((b"invitation", payload, _lacking(connection)))


def _lacking(connection: StoredConnection) -> bytes:
    """What a link is to give, as it is before that."""
    return f"{connection.credentials_version} {connection.company_id or ''}".encode()
