"""A record as the wire shows it, for tests that hold adapters' records against examples."""

from copy import deepcopy
from typing import Any

from gateway.contract.exact import loads
from gateway.contract.models import RecordPart
from gateway.contract.records import model_of, record_json


def shown(record: RecordPart) -> dict[str, Any]:
    """The record's JSON, which is the same by way of the checked model."""
    said: dict[str, Any] = loads(record_json(deepcopy(record)))
    assert model_of(type(record)).model_validate_json(record_json(deepcopy(record))).model_dump(mode="json") == said
    return said
