"""One call on a usable connection, with everything looked up that it takes to do it."""

from dataclasses import dataclass
from typing import Any

from gateway.contract.adapter import Resource
from gateway.contract.operations import Operation
from gateway.engine.call import Call
from gateway.engine.inputs import Parameters
from gateway.engine.providers import Provider
from gateway.engine.storage import StoredConnection


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done. The connection is of that ``generation``, and believed ``until`` that moment (monotonic)."""

    call: Call
    operation: Operation
    connection: StoredConnection
    generation: int
    until: float
    provider: Provider
    resource: Resource[Any, Any]
    parameters: Parameters
