"""A database, reached: its address, its transactions, and its failures as ``Problem``.

Everything that only SQLite or only PostgreSQL understands is in this module, in ``sqlite`` and in ``locks``. SQLite
runs in WAL mode with ``synchronous=FULL``, as nothing less survives a power cut once a commit was reported; a
transaction that writes takes the write lock when it begins, since one that finds out later that it must write fails at
once where another does.
"""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from os.path import realpath
from pathlib import Path
from typing import Any, Final, NoReturn

from sqlalchemy import URL, Connection, Engine, Executable, Row, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from gateway.contract.errors import Problem
from gateway.store import sqlite
from gateway.store.timing import UNMEASURED, Measuring

_AS_IN = (
    "Write postgresql://user:password@host/database, with %40, %3A and %2F for @, : and / in a password, "
    "or sqlite:///path."
)
_MIGRATION_LOCK = 0x506F6C646572  # "Polder": any number will do that nothing else in the database locks.
_POOL_TIMEOUT_S = 10
_SESSIONS_KEPT, _SESSIONS = 5, 15
"""How many sessions one process keeps open, and how many it may have at a time."""
_PATIENCE: Final = {
    "connect_timeout": "5",
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""Of us with a PostgreSQL server that is gone without a word; an address may say another."""
LIMITS: Final = {
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "lock_timeout": "5s",
    "statement_timeout": "20s",
    "idle_in_transaction_session_timeout": "10s",
}
"""Of the server with each of our sessions: it notices within five seconds that a host is gone, and who hangs in the
middle of a transaction keeps what that has locked, and who waits for it, no longer than a request may take.
"""
_OF_MIGRATIONS: Final = {**LIMITS, "lock_timeout": "60s", "statement_timeout": "0"}
_SQLITE_BUSY_TIMEOUT_S = "5"
_SECONDS: Final = re.compile(r"[0-9]{1,4}(\.[0-9]+)?")
_PREPARES: Final = "prepare_threshold"
_PREPARING: Final = re.compile(r"none|[0-9]{1,4}")
_SWEEP_PATIENCE_MS = 250
_MIGRATION_PATIENCE_S = "60"
"""Another process may be bringing the tables up to date: whoever comes second waits for it, and begins only then."""
_READ_ONLY: Final = "25006"
_BEGIN = "polder_begin"
_BEGUN = "polder_begun"
_WRITING: Final[Mapping[str, Any]] = {_BEGIN: "BEGIN IMMEDIATE"}
_BARE: Final[Mapping[str, Any]] = {_BEGIN: None}


class Database:
    """An asynchronous engine whose every failure but a broken constraint is ``Problem("storage_unavailable")``."""

    def __init__(self, database_url: str, measuring: Measuring = UNMEASURED) -> None:
        url = parsed(database_url)
        self._is_sqlite = _is_sqlite(url)
        self._measuring = measuring
        self._engine = _async_engine(url)
        _measure(self._engine.sync_engine, measuring)
        self._writer = self._engine.execution_options(**_WRITING)
        alone = _BARE if self._is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._looker = self._engine.execution_options(**alone)
        # SQLite has one writer at a time and no queue: who must wait tries again after ever longer naps.
        self._turn: AbstractAsyncContextManager[None] = _Turn() if self._is_sqlite else nullcontext()
        self._unswept = False

    async def rows(self, query: Executable, values: Mapping[str, Any] | None = None) -> Sequence[Row[*tuple[Any, ...]]]:
        """What one statement finds. It sees one state by itself: a transaction costs two trips to the server more.

        ``values`` are those of its parameters that have names.
        """
        with self._guarded():
            started = self._measuring.now()
            async with self._session(self._looker) as connection:
                self._measuring.waited(started)
                return (await connection.execute(query, values)).all()

    async def row(self, query: Executable) -> Row[*tuple[Any, ...]] | None:
        """The same of a statement that finds one row or none."""
        rows = await self.rows(query)
        return rows[0] if rows else None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction for statements that belong together."""
        with self._guarded():
            started = self._measuring.now()
            async with self._session(self._engine) as connection:
                self._measuring.waited(started)
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that is durable once the block is left, or undone where the block raises.

        ``IntegrityError`` passes as it is: what it means is for those to say who know what was written.
        """
        with self._guarded():
            started = self._measuring.now()
            async with self._turn, self._session(self._writer) as connection, connection.begin() as transaction:
                self._measuring.waited(started)
                yield connection
                ended = self._measuring.now()
                try:
                    await transaction.commit()
                except DBAPIError:
                    # SQLAlchemy takes it for over and rolls nothing back: the session would keep what it has locked.
                    await connection.invalidate()
                    raise
                self._measuring.took("commit", ended)

    async def sweep(self) -> None:
        """Leave no trace of what was deleted: SQLite's log still has it until it is emptied into the file.

        A reader that takes longer keeps the log in use; then the next ``resweep`` empties it. Whoever writes waits for
        as long as this waits for readers: so it does not for long.
        """
        if not self._is_sqlite:
            return
        self._unswept = True
        with errors_as_problems():
            # The log cannot be emptied from within a transaction.
            async with self._engine.execution_options(**_BARE).connect() as connection:
                patience = await connection.scalar(text("PRAGMA busy_timeout"))
                await connection.execute(text(f"PRAGMA busy_timeout={_SWEEP_PATIENCE_MS}"))
                try:
                    busy = await connection.scalar(text("PRAGMA wal_checkpoint(TRUNCATE)"))
                finally:
                    await connection.execute(text(f"PRAGMA busy_timeout={patience}"))
        self._unswept = bool(busy)

    @asynccontextmanager
    async def _session(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        try:
            async with engine.connect() as connection:
                self._count()
                yield connection
        finally:
            self._count()

    def _count(self) -> None:
        pool = self._engine.sync_engine.pool
        assert isinstance(pool, QueuePool)
        self._measuring.in_use(pool.checkedout(), _SESSIONS)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with self._measuring.failures(), errors_as_problems():
            yield

    async def resweep(self) -> None:
        """Sweep again where the last time did not succeed."""
        if self._unswept:
            await self.sweep()

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


class _Turn:
    """One at a time, first come, first served; nobody waits longer than for a session of a server.

    Where somebody else has the file locked, each in the queue waits for that in vain: together, for minutes.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        try:
            async with asyncio.timeout(_POOL_TIMEOUT_S):
                await self._lock.acquire()
        except TimeoutError as error:
            raise PoolTimeout("Too many wait for their turn to write.") from error

    async def __aexit__(self, *raised: object) -> None:
        self._lock.release()


def parsed(database_url: str) -> URL:
    """The address with the driver for it. Raises ``ValueError``, which never shows a password, for what is no use."""
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):  # the latter quotes what it takes for a port: the rest of a password, perhaps
        raise ValueError(f"The database URL cannot be read: it is no URL. {_AS_IN}") from None
    if url.drivername in ("sqlite", "sqlite+aiosqlite"):
        if not url.database or url.database == ":memory:":
            raise ValueError("The database URL names no file: SQLite needs one, as in sqlite:///polder.db.")
        # "timeout" is the driver's own name for the busy timeout, so that an address may say another.
        patient = {"timeout": _SQLITE_BUSY_TIMEOUT_S, **url.query}
        if not _SECONDS.fullmatch(str(patient["timeout"])):
            raise ValueError("The timeout of the database URL is no number of seconds.")
        return url.set(drivername="sqlite+aiosqlite", query=patient)
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        if database_url.count("@") > 1:
            # The password would end at the first, and the rest of it be taken for a host and be shown as one.
            raise ValueError(f"The database URL has more than one @. {_AS_IN}")
        if not _PREPARING.fullmatch(str(url.query.get(_PREPARES, "none"))):
            raise ValueError("The prepare_threshold of the database URL is neither a number nor none.")
        return url.set(drivername="postgresql+psycopg", query={**_PATIENCE, **url.query})
    raise ValueError(f"The database URL is of {url.drivername}: only sqlite and postgresql are known.")


def location_of(database_url: str) -> str:
    """Where a database is, and not who uses it, for people to read. Raises ``ValueError`` as ``parsed`` does."""
    url = parsed(database_url)
    return URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database).render_as_string()


def sqlite_file(database_url: str) -> Path | None:
    """The file of a SQLite database; None for another. Raises ``ValueError`` as ``parsed`` does.

    The file itself, whatever links lead to it, as SQLite has it: what processes tell each other by lies beside that.
    """
    url = parsed(database_url)
    return Path(realpath(_path(url))) if _is_sqlite(url) else None


@contextmanager
def errors_as_problems() -> Iterator[None]:
    """Turn what a database reports into ``storage_unavailable``, all but a broken constraint."""
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        _unavailable(error, error.orig)
    except PoolTimeout as error:
        raise Problem("storage_unavailable", "Polder's storage is too busy.") from error


@contextmanager
def migrating(database_url: str) -> Iterator[Connection]:
    """A transaction in which one process at a time may change the tables; the others wait for it.

    A SQLite file that is not there is made, readable by its owner only.
    """
    url = parsed(database_url)
    engine = _migration_engine(url)
    try:
        with errors_as_problems():
            if _is_sqlite(url):
                _make_file(url)
            with engine.execution_options(**_WRITING).begin() as connection:
                if not _is_sqlite(url):
                    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATION_LOCK})
                yield connection
                if _is_sqlite(url):
                    _prove_references(connection)
    finally:
        engine.dispose()


@contextmanager
def looking(database_url: str) -> Iterator[Connection | None]:
    """A connection to look at the tables, or None where there is no database file yet."""
    url = parsed(database_url)
    if _is_sqlite(url) and not _path(url).exists():
        yield None
        return
    engine = _migration_engine(url)
    try:
        with errors_as_problems(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _unavailable(error: DBAPIError, cause: BaseException | None) -> NoReturn:
    # A driver's message may quote a path or a statement; its code says as much to an operator and nothing to others.
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or type(cause).__name__
    raise Problem("storage_unavailable", f"Polder's storage cannot be used ({code}).") from (cause or error)


def _async_engine(url: URL) -> AsyncEngine:
    # hide_parameters: an error's text would otherwise quote the values of the statement.
    if _is_sqlite(url):
        engine = create_async_engine(
            url,
            hide_parameters=True,
            pool_timeout=_POOL_TIMEOUT_S,
            pool_size=_SESSIONS_KEPT,
            max_overflow=_SESSIONS - _SESSIONS_KEPT,
            connect_args={"async_creator_fn": sqlite.opened},
        )
        _prepare_sqlite(engine.sync_engine, references=True)
        return engine
    return _postgres_engine(url, pool_size=_SESSIONS_KEPT, max_overflow=_SESSIONS - _SESSIONS_KEPT)


def postgres_engine(database_url: str, sessions: int, **options: str) -> AsyncEngine:
    """Sessions apart from those of ``Database``, so many and no more, whose address has these options too.

    Raises ``ValueError`` without the driver.
    """
    return _postgres_engine(parsed(database_url).update_query_dict(options), pool_size=sessions, max_overflow=0)


def _postgres_engine(url: URL, **pool: int) -> AsyncEngine:
    url, options = _preparing(url)
    with _driver_needed():
        engine = create_async_engine(
            url, hide_parameters=True, pool_timeout=_POOL_TIMEOUT_S, pool_pre_ping=True, connect_args=options, **pool
        )
    _limit(engine.sync_engine, LIMITS)
    _let_go_of_what_only_reads(engine.sync_engine)
    return engine


def _migration_engine(url: URL) -> Engine:
    if not _is_sqlite(url):
        url, options = _preparing(url)
        with _driver_needed():
            engine = create_engine(url, hide_parameters=True, poolclass=NullPool, connect_args=options)
        _limit(engine, _OF_MIGRATIONS)
        return engine
    patient = url.set(drivername="sqlite+pysqlite", query={**url.query, "timeout": _MIGRATION_PATIENCE_S})
    engine = create_engine(patient, hide_parameters=True, poolclass=NullPool)
    # A table is altered by making another and dropping the first, and dropping would delete all that refers to it.
    _prepare_sqlite(engine, references=False)
    return engine


def _preparing(url: URL) -> tuple[URL, Mapping[str, int | None]]:
    """The address, and what the driver is told of statements that come again: after how many times the server is to
    keep one for its session. A pooler that gives out another session for the next transaction may not find it there.
    """
    threshold = url.query.get(_PREPARES)
    options = {} if threshold is None else {_PREPARES: None if threshold == "none" else int(str(threshold))}
    return url.difference_update_query([_PREPARES]), options


def limited(limits: Mapping[str, str], *, of_transaction: bool) -> str:
    """The statement that sets these of a session, or of its transaction only."""
    each = (f"set_config('{name}', '{value}', {of_transaction})" for name, value in limits.items())
    return f"SELECT {', '.join(each)}"


def _limit(engine: Engine, limits: Mapping[str, str]) -> None:
    statement = limited(limits, of_transaction=False)

    # Not as ``options`` of the address, which poolers refuse; behind one that shares sessions, all of us set the same.
    @event.listens_for(engine, "connect")
    def limit(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:  # noqa: ARG001 - the event passes both
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()
        connection.commit()


def _let_go_of_what_only_reads(engine: Engine) -> None:
    """Let go of a session that may not write: it may be of a time when nobody might, or with a server whose place
    another has taken, and would go on so for ever.
    """

    @event.listens_for(engine, "handle_error")
    def let_go(context: ExceptionContext) -> None:
        if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
            context.is_disconnect = True


@contextmanager
def _driver_needed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError("PostgreSQL needs its driver, which comes with polder[postgres].") from error


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _path(url: URL) -> Path:
    assert url.database is not None
    return Path(url.database)


def _make_file(url: URL) -> None:
    """Make it before SQLite does, which would let everybody read it; its log takes the mode of the file."""
    try:
        _path(url).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _path(url).touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise Problem("storage_unavailable", f"Polder's storage cannot be made ({type(error).__name__}).") from error


def _prepare_sqlite(engine: Engine, *, references: bool) -> None:
    pragmas = (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA secure_delete=ON",
        f"PRAGMA foreign_keys={'ON' if references else 'OFF'}",
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:  # noqa: ARG001 - the event passes both
        # The driver would begin transactions by itself, and only when a statement writes.
        connection.isolation_level = None
        cursor = connection.cursor()
        try:
            for pragma in pragmas:
                cursor.execute(pragma)
            cursor.close()
        except sqlite3.Error:
            # The pool forgets a connection that could not be prepared, but leaves it open, with its thread.
            connection.close()
            raise

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get(_BEGIN, "BEGIN")
        if statement is not None:
            connection.exec_driver_sql(statement)


def _measure(engine: Engine, measuring: Measuring) -> None:
    """Tell of every statement that ends; one that fails is told of as a failure, and with no time."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(connection: Connection, *of_the_statement: object) -> None:  # noqa: ARG001 - the event passes all
        connection.info[_BEGUN] = measuring.now()

    @event.listens_for(engine, "after_cursor_execute")
    def end(connection: Connection, cursor: object, statement: str, *rest: object) -> None:  # noqa: ARG001 - as above
        measuring.executed(statement, connection.info[_BEGUN])


def _prove_references(connection: Connection) -> None:
    if broken := connection.execute(text("PRAGMA foreign_key_check")).all():
        raise RuntimeError(f"A migration left {len(broken)} rows that belong to nothing.")
