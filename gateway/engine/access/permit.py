"""Whether a call may be made at all: settled before anything is sent, from facts at hand."""

from collections.abc import Mapping
from typing import Any

from gateway.contract.adapter import Adapter, Resource
from gateway.contract.errors import Problem
from gateway.contract.operations import RESOURCE_OPERATIONS, Operation
from gateway.engine.call import Caller
from gateway.engine.storage import StoredConnection

CONNECTION_UNKNOWN = "There is no such connection."


def permit_caller(caller: Caller, operation: Operation) -> None:
    """Raises ``forbidden`` where the key lacks the operation's scope."""
    if not caller.may(operation.scope):
        raise Problem(
            "forbidden",
            f"The API key lacks the scope `{operation.scope}`.",
            extra={"required_scope": operation.scope},
        )


def permit_connection(caller: Caller, connection: StoredConnection) -> StoredConnection:
    """The connection, if it is the caller's. Raises ``not_found``: another tenant's is as good as none."""
    if connection.tenant != caller.tenant or not caller.reaches(connection.id):
        raise unknown_connection()
    return connection


def unknown_connection() -> Problem:
    """``not_found``, about a connection that is not there or not the caller's."""
    return Problem("not_found", CONNECTION_UNKNOWN)


def permit_new_connection(caller: Caller) -> None:
    """Raises ``forbidden`` where the key is bound to some connections: it could not use another one."""
    if caller.connections is not None:
        raise Problem("forbidden", "The API key is bound to some connections and makes no others.")


def permit_use(connection: StoredConnection) -> None:
    """Raises ``connection_suspended`` or ``connection_pending`` where callers cannot use a connection.

    One that needs new credentials is tried all the same: the token layer knows when not to ask.
    """
    if connection.effective_status in ("suspended", "revoked"):
        raise Problem("connection_suspended", "The connection is suspended.")
    permit_inspection(connection)


def permit_inspection(connection: StoredConnection) -> None:
    """Raises ``connection_pending`` where Polder itself cannot look either; a suspension holds up callers only."""
    if connection.status == "pending":
        raise Problem("connection_pending", "The connection has no credentials yet: PATCH them, or send the link.")


def offered(adapter: Adapter, operation: Operation) -> Resource[Any, Any] | None:
    """The adapter's resource, if it can do this."""
    resource = adapter.resources.get(operation.resource)
    return resource if resource is not None and resource.can(operation.verb) else None


def resource_for(adapter: Adapter, operation: Operation) -> Resource[Any, Any]:
    """The adapter's resource, if it can do this. Raises ``operation_unsupported`` with a complete ``Allow``."""
    able = offered(adapter, operation)
    if able is not None:
        return able
    resource = adapter.resources.get(operation.resource)
    allowed = {"OPTIONS"} | {
        one.method
        for one in RESOURCE_OPERATIONS
        if one.path == operation.path and resource is not None and resource.can(one.verb)
    }
    if "GET" in allowed:
        allowed.add("HEAD")
    reason = (resource.limits if resource is not None else {}).get(operation.verb)
    raise Problem(
        "operation_unsupported",
        reason or f"{adapter.title} cannot do this: {operation.title.lower()}.",
        headers={"Allow": ", ".join(sorted(allowed))},
    )


def missing_scope(adapter: Adapter, connection: StoredConnection, operation: str) -> str | None:
    """The provider's scope that an operation needs and the connection lacks; None where it lacks nothing."""
    needed = adapter.scope_for(operation)
    if needed is None:
        return None
    held = needed in connection.allowed_scopes and (not connection.token_scopes or needed in connection.token_scopes)
    return None if held else needed


def scope_missing(adapter: Adapter, connection: StoredConnection, needed: str) -> Problem:
    """``scope_missing``, naming what is needed and what there is."""
    extra: Mapping[str, Any] = {"required_scope": needed, "allowed_scopes": list(connection.allowed_scopes)}
    return Problem(
        "scope_missing",
        f"{adapter.title} allows this with `{needed}` only; the account's owner has not granted it. Nothing was sent.",
        extra=extra,
        outcome="not_sent",
    )
