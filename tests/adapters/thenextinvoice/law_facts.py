"""What the laws must know of TheNextInvoice: a draft gets another id when it is changed, and a log-in buys tokens."""

from collections.abc import Callable
from operator import methodcaller
from typing import Any

from gateway.contract.adapter import Record
from tests.adapters.thenextinvoice.documented import READERS, Read, read_already
from tests.conformance.subjects import Facts


def _of_members(read: Read) -> Callable[[Any], Record[Any]]:
    return lambda raw: read(raw, read_already)


FACTS = Facts(
    moving=frozenset({"id"}),
    exchange=methodcaller("password_credentials"),
    reads={resource: _of_members(read) for resource, read in READERS.items()},
)
