"""Tokens that could not be put into the database when they were received: each in a sealed file of this host.

A file is written whole or not at all, and is on the disk when ``put`` returns. It is sealed under the key ring itself,
because the database may be what cannot be reached. Whoever removes a file, or seals it anew, locks it first: else what
was put into the database and removed could come back, by now of an old token.
"""

import base64
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from gateway.contract.auth import AccessToken
from gateway.contract.errors import Problem
from gateway.contract.exact import MalformedJson, dumps, loads
from gateway.contract.secret import Secret
from gateway.engine.storage import StoredConnection
from gateway.store.drafts import clear_away, drafted
from gateway.store.locks import locked
from gateway.store.seal import CannotOpen, KeyRing, key_id_of

_FIELD = "spool.token"
_SUFFIX = ".token"


@dataclass(frozen=True, slots=True)
class Spooled:
    """A token that waits in a file."""

    file: Path
    tenant: str
    connection_id: str
    version: int
    received_at: datetime
    token: AccessToken
    owner: str | None
    """Who asked for it; None in a file of a version that did not say so."""


class Spool:
    """The files of one folder, which is made at need."""

    def __init__(self, folder: Path, ring: KeyRing) -> None:
        self._folder = folder
        self._ring = ring

    def put(
        self, connection: StoredConnection, token: AccessToken, received_at: datetime, version: int, owner: str
    ) -> None:
        """Keep a token, and who asked for it. Raises ``storage_unavailable`` where the disk refuses that too."""
        content = dumps(
            {
                "value": token.value.reveal(),
                "refresh_token": None if token.refresh_token is None else token.refresh_token.reveal(),
                "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
                "scopes": sorted(token.scopes),
                "received_at": received_at.isoformat(),
                "version": version,
                "owner": owner,
            }
        )
        sealed = self._ring.seal(content, tenant=connection.tenant, connection=connection.id, field=_FIELD)
        outside = {
            "tenant": connection.tenant,
            "connection": connection.id,
            "sealed": base64.b64encode(sealed).decode(),
        }
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(self._folder / f"{connection.id}.{uuid4().hex}{_SUFFIX}", dumps(outside))
        except OSError as error:
            raise Problem("storage_unavailable", f"A token could not be spooled ({error.strerror}).") from error

    def waiting(self, connection_id: str = "*") -> Iterator[Spooled]:
        """Those of a connection, or all, in the order they were received.

        One that does not open is left where it is: another key of the ring may open it once it is back.
        """
        found = [self._read(file) for file in self._folder.glob(f"{connection_id}.*{_SUFFIX}")]
        yield from sorted((one for one in found if one is not None), key=lambda one: one.received_at)

    def clear_away(self) -> None:
        """Remove what processes that were killed had begun to write: the folder is Polder's, and so is every draft."""
        clear_away(self._folder, "*.draft")

    def done(self, spooled: Spooled) -> bool:
        """It is in the database, or of use to nobody: remove its file. False where it is just being sealed anew."""
        with _locked(spooled.file) as is_ours:
            if is_ours:
                spooled.file.unlink(missing_ok=True)
        return not spooled.file.exists()

    def reseal(self) -> tuple[int, int]:
        """Seal under the ring's primary key what an older one sealed: how much that was, and how much did not open.

        Raises ``storage_unavailable``; whatever fails, every file is either as it was or sealed anew.
        """
        done = unopened = 0
        try:
            for file in sorted(self._folder.glob(f"*{_SUFFIX}")):
                key_id = _key_id(file)
                if key_id is None or key_id == self._ring.primary:
                    continue
                with _locked(file) as is_ours:
                    # Where it is not, it is being removed, or sealed anew by another.
                    if is_ours and self._reseal(file):
                        done += 1
                    elif is_ours:
                        unopened += 1
        except OSError as error:
            raise Problem("storage_unavailable", f"A spooled token could not be sealed ({error.strerror}).") from error
        return done, unopened

    def _reseal(self, file: Path) -> bool:
        outside = loads(file.read_bytes())
        place = {"tenant": outside["tenant"], "connection": outside["connection"], "field": _FIELD}
        try:
            content = self._ring.open(base64.b64decode(outside["sealed"]), **place)
        except CannotOpen:
            return False
        sealed = base64.b64encode(self._ring.seal(content, **place)).decode()
        self._write(file, dumps({**outside, "sealed": sealed}))
        return True

    def in_use(self) -> Counter[str]:
        """How many files each key of a ring sealed, by its id."""
        return Counter(id for file in self._folder.glob(f"*{_SUFFIX}") if (id := _key_id(file)) is not None)

    def _write(self, path: Path, content: bytes) -> None:
        with drafted(path) as draft:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
        folder = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _read(self, file: Path) -> Spooled | None:
        try:
            outside = loads(file.read_bytes())
            tenant, connection_id = outside["tenant"], outside["connection"]
            sealed = base64.b64decode(outside["sealed"], validate=True)
            inside = loads(self._ring.open(sealed, tenant=tenant, connection=connection_id, field=_FIELD))
            refresh, expires_at = inside["refresh_token"], inside["expires_at"]
            token = AccessToken(
                Secret(inside["value"]),
                None if expires_at is None else datetime.fromisoformat(expires_at),
                None if refresh is None else Secret(refresh),
                frozenset(inside["scopes"]),
            )
            received_at = datetime.fromisoformat(inside["received_at"])
            return Spooled(file, tenant, connection_id, inside["version"], received_at, token, inside.get("owner"))
        except (OSError, MalformedJson, CannotOpen, LookupError, TypeError, ValueError):
            return None


@contextmanager
def _locked(file: Path) -> Iterator[bool]:
    """The file, for as long as the block runs; whether it is there, and nobody else has it."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        yield locked(descriptor) and os.fstat(descriptor).st_nlink > 0
    finally:
        os.close(descriptor)


def _key_id(file: Path) -> str | None:
    """The id of the key that sealed a file; None where it is gone, or none of ours."""
    try:
        return key_id_of(base64.b64decode(loads(file.read_bytes())["sealed"], validate=True))
    except (OSError, MalformedJson, LookupError, TypeError, ValueError):
        return None
