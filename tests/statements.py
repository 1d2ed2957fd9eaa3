"""SQL statements, compiled once in a process for all databases of a kind.

SQLAlchemy keeps what it compiled beside an engine. A gateway has one engine for as long as it lives, but every house of
a test has its own, and to compile the same twenty statements again was a fifth of what most tests took.
"""

from sqlalchemy import Connection, Dialect, Engine, event

_DIALECTS: dict[type[Dialect], Dialect] = {}
_COMPILED: dict[object, object] = {}


def compile_once() -> None:
    """Let all engines of this process share what is compiled, from now on."""
    event.listen(Engine, "engine_connect", _share)


def _share(connection: Connection) -> None:
    # What was compiled is known by its dialect, which is an engine's own as well.
    connection.dialect = _DIALECTS.setdefault(type(connection.dialect), connection.dialect)
    connection.execution_options(compiled_cache=_COMPILED)
