"""What a system, or a connection to it, can do: read from its adapter's code, never kept by hand."""

from gateway.contract.adapter import Adapter
from gateway.contract.auth import OAuth2
from gateway.contract.models.connections import (
    Capabilities,
    CredentialFacts,
    CredentialFieldFacts,
    OperationSupport,
    ProviderFacts,
    SettingFacts,
    Support,
)
from gateway.contract.operations import RESOURCE_OPERATIONS, Operation
from gateway.engine.access.permit import missing_scope, offered
from gateway.engine.storage import StoredConnection


def capabilities_of(adapter: Adapter, connection: StoredConnection | None = None) -> dict[str, OperationSupport]:
    """Every operation of the contract, as this system (or this connection) has it."""
    return {one.name: _support(adapter, one, connection) for one in RESOURCE_OPERATIONS}


def connection_capabilities(adapter: Adapter, connection: StoredConnection) -> Capabilities:
    """The same for one connection, with the scopes it lacks."""
    return Capabilities(provider=adapter.name, operations=capabilities_of(adapter, connection))


def _support(adapter: Adapter, operation: Operation, connection: StoredConnection | None) -> OperationSupport:
    resource = offered(adapter, operation)
    scope = adapter.scope_for(operation.name)
    if resource is None:
        declared = adapter.resources.get(operation.resource)
        return OperationSupport(
            support="unsupported",
            reason=(declared.limits if declared is not None else {}).get(operation.verb)
            or f"{adapter.title} cannot do this.",
            filters={one.name: "unsupported" for one in operation.filters},
        )
    support: Support = "native"
    if connection is not None and missing_scope(adapter, connection, operation.name):
        support = "missing_scope"
    filters: dict[str, Support] = {}
    for one in operation.filters:
        if one.name in resource.filters:
            filters[one.name] = "native"
        else:
            filters[one.name] = "emulated" if one.guaranteed else "unsupported"
    return OperationSupport(
        support=support,
        scope=scope,
        reason=resource.limits.get(operation.verb),
        calls=resource.calls.get(operation.verb),
        filters=filters,
        requires=sorted(resource.required) if operation.verb == "list" else [],
    )


def provider_facts(adapter: Adapter) -> ProviderFacts:
    """An accounting system as ``GET /v1/providers`` tells of it."""
    return ProviderFacts(
        provider=adapter.name,
        title=adapter.title,
        documentation=adapter.documentation,
        credentials=[
            CredentialFacts(
                type=kind.type,
                title=kind.title,
                fields=[
                    CredentialFieldFacts(
                        name=one.name, title=one.title, secret=one.secret, required=one.required, help=one.help
                    )
                    for one in kind.fields
                ],
                interactive=isinstance(kind.scheme, OAuth2),
            )
            for kind in adapter.credentials
        ],
        settings=[SettingFacts(name=one.name, title=one.title, help=one.help) for one in adapter.settings],
        operations=capabilities_of(adapter),
        gotchas=list(adapter.gotchas),
    )
