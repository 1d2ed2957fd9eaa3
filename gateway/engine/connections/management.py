"""What is asked of the connections themselves, and of what there is to connect to (contract §3)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from gateway.contract.errors import Problem
from gateway.contract.exact import dumps
from gateway.contract.models import ConnectionChange, ConnectionDraft
from gateway.contract.models.base import Shape
from gateway.engine.access.audit import Auditor
from gateway.engine.access.permit import permit_new_connection, permit_use, resource_for
from gateway.engine.call import Answer, Call
from gateway.engine.connections.capabilities import connection_capabilities, provider_facts
from gateway.engine.connections.connections import Connections, new_id
from gateway.engine.connections.invitations import Invitations
from gateway.engine.connections.schemas import (
    Rows,
    all_settings,
    connection_schema,
    redacted,
    schema_operation,
    sees_settings,
)
from gateway.engine.cursors import Cursors
from gateway.engine.inputs import Parameters, read_body, read_query
from gateway.engine.malformed import errors_as_malformed
from gateway.engine.outbound.opener import Opener
from gateway.engine.providers import Providers
from gateway.engine.records.links import LinkBooks
from gateway.engine.records.render import array_json, list_json, model_json
from gateway.engine.shielded import ShieldedTasks
from gateway.engine.storage import StoredConnection
from gateway.engine.writes.idempotency import Idempotency, Run, key_of


class Management:
    """Answers such calls. ``perform`` answers any call."""

    def __init__(
        self,
        connections: Connections,
        providers: Providers,
        invitations: Invitations,
        books: LinkBooks,
        auditor: Auditor,
        idempotency: Idempotency,
        cursors: Cursors,
        opener: Opener,
        shielded: ShieldedTasks,
        *,
        perform: Callable[[Call], Awaitable[Answer]],
    ) -> None:
        self._connections = connections
        self._providers = providers
        self._invitations = invitations
        self._books = books
        self._auditor = auditor
        self._idempotency = idempotency
        self._cursors = cursors
        self._opener = opener
        self._shielded = shielded
        self._perform = perform

    async def answer(self, call: Call) -> Answer:
        """The answer. Raises ``Problem``."""
        operation = call.operation
        parameters = read_query(operation, call.query)
        if operation.is_write:
            key_of(call.headers.get("idempotency-key"))  # also where doing it twice does no harm
        if operation.verb == "delete":
            read_body(operation, call.body)
            return await self._shielded.to_the_end(lambda: self._deleted_once(call))
        if operation.resource == "providers":
            return self._provider_answer(call, parameters)
        if operation.verb == "list":
            return await self._connection_list(call, parameters)
        if operation.verb == "create":
            permit_new_connection(call.caller)
            draft = read_body(operation, call.body)
            assert isinstance(draft, ConnectionDraft)
            return await self._shielded.to_the_end(
                lambda: self._once_if_keyed(call, _canonical(draft), lambda run: self._created(call, draft, run))
            )
        if operation.verb == "busiest":
            used = await self._connections.busiest(call.caller)
            return self._page(call, parameters, [model_json(one) for one in used])
        connection = await self._connections.of(call.caller, call.path["connection_id"])
        if operation.verb == "update":
            change = read_body(operation, call.body)
            assert isinstance(change, ConnectionChange)
            return await self._shielded.to_the_end(
                lambda: self._once_if_keyed(call, _canonical(change), lambda _: self._updated(call, connection, change))
            )
        if operation.verb == "link":
            read_body(operation, call.body)
            return await self._once_if_keyed(call, b"", lambda _: self._linked(connection))
        if operation.verb == "operation":
            return _record(await self._idempotency.status(call.caller.tenant, connection.id, call.path["key"]))
        if operation.verb == "companies":
            reached = await self._connections.companies(connection, call.deadline)
            return self._page(call, parameters, [model_json(one) for one in reached])
        if operation.verb == "schema":
            return await self._schema(call, connection, str(parameters.filters.get("operation", "create")))
        if operation.verb == "capabilities":
            return _record(model_json(connection_capabilities(self._providers.of(connection).adapter, connection)))
        return _record(model_json(self._connections.view(connection)))

    async def _schema(self, call: Call, connection: StoredConnection, verb: str) -> Answer:
        operation = schema_operation(call.path["resource"], verb)
        permit_use(connection)
        provider = self._providers.of(connection)
        resource = resource_for(provider.adapter, operation)
        up = self._opener.open(connection, provider, operation.name, call.deadline)
        with errors_as_malformed():
            requirements = await resource.requirements(up, verb)

        def sees(name: str) -> bool:
            return sees_settings(name, call, connection, provider.adapter)

        async def listed(name: str) -> Rows | None:
            return await all_settings(name, call, connection, provider.adapter, self._perform)

        schema = await connection_schema(operation, resource, redacted(requirements, operation, sees), listed, up.today)
        return Answer(200, dumps(schema), call.operation.media_type)

    async def _once_if_keyed(self, call: Call, body: bytes, work: Callable[[Run | None], Awaitable[Answer]]) -> Answer:
        """Do what changes nothing but Polder's own records, once if its caller named it."""
        if "idempotency-key" not in call.headers:
            return await work(None)
        return await self._idempotency.once(self._idempotency.keyed(call, body), work, call.deadline)

    async def _deleted_once(self, call: Call) -> Answer:
        """Delete a connection. Its attempts go with it, save this one."""
        write = replace(self._idempotency.keyed(call, b""), outlives=True)
        if not write.generated and call.caller.reaches(call.path["connection_id"]):
            before = await self._idempotency.replayed(write)
            if before is not None:
                return before
        connection = await self._connections.of(call.caller, call.path["connection_id"])
        if write.generated:
            return await self._deleted(connection)
        return await self._idempotency.once(write, lambda _: self._deleted(connection), call.deadline)

    async def _created(self, call: Call, draft: ConnectionDraft, run: Run | None) -> Answer:
        async with self._auditor.recording("connections.create", call.caller.tenant) as subject:
            id = None if run is None else await run.reserve_id(new_id())
            connection = await self._connections.create(call.caller, draft, call.deadline, id=id)
            subject.object = connection.id
        return Answer(201, model_json(self._connections.view(connection)))

    async def _linked(self, connection: StoredConnection) -> Answer:
        async with self._auditor.recording("connections.link", connection.tenant, connection.id):
            return _record(model_json(self._invitations.write(connection)))

    async def _updated(self, call: Call, connection: StoredConnection, change: ConnectionChange) -> Answer:
        async with self._auditor.recording("connections.update", connection.tenant, connection.id):
            changed = await self._connections.update(connection, change, call.deadline)
        return _record(model_json(self._connections.view(changed)))

    async def _deleted(self, connection: StoredConnection) -> Answer:
        async with self._auditor.recording("connections.delete", connection.tenant, connection.id):
            await self._connections.delete(connection)
        self._books.close(connection.id)
        return Answer(204, b"", None)

    async def _connection_list(self, call: Call, parameters: Parameters) -> Answer:
        context = ("connections", call.caller.tenant, call.caller.key_id, *parameters.context())
        offset = 0 if parameters.cursor is None else self._cursors.read(parameters.cursor, context)
        filters = {name: str(value) for name, value in parameters.filters.items()}
        found, total = await self._connections.page(call.caller, offset=offset, size=parameters.limit, filters=filters)
        end = offset + parameters.limit
        cursor = self._cursors.write(end, context) if end < total else None
        body = list_json(array_json(model_json(self._connections.view(one)) for one in found), cursor, total)
        return Answer(200, body, next_cursor=cursor)

    def _provider_answer(self, call: Call, parameters: Parameters) -> Answer:
        if call.operation.verb == "list":
            return self._page(call, parameters, [model_json(provider_facts(one.adapter)) for one in self._providers])
        provider = self._providers.find(call.path["provider"])
        if provider is None:
            raise Problem("not_found", "There is no such accounting system here.")
        return _record(model_json(provider_facts(provider.adapter)))

    def _page(self, call: Call, parameters: Parameters, items: list[bytes]) -> Answer:
        """A window of a list that is at hand whole."""
        context = (call.operation.name, call.path.get("connection_id", ""), *parameters.context())
        offset = 0 if parameters.cursor is None else self._cursors.read(parameters.cursor, context)
        end = offset + parameters.limit
        cursor = self._cursors.write(end, context) if end < len(items) else None
        return Answer(200, list_json(array_json(items[offset:end]), cursor, len(items)), next_cursor=cursor)


def _canonical(body: Shape) -> bytes:
    """What a body says, however it is spelled."""
    return dumps(_in_order(body.model_dump(mode="json", exclude_unset=True)))


def _in_order(value: Any) -> Any:
    return {name: _in_order(value[name]) for name in sorted(value)} if isinstance(value, dict) else value


def _record(body: bytes) -> Answer:
    return Answer(200, body)
