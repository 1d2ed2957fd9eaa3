"""Records as the bytes that go out."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel

from gateway.contract.adapter import Record
from gateway.contract.exact import dumps

Warnings = Sequence[dict[str, str | None]]


def etag_of(body: bytes) -> str:
    """A strong validator of a body (RFC 9110 §8.8.3)."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def record_json(record: Record[Any], provider: str, include: Iterable[str]) -> bytes:
    """One record, with ``provider`` and ``raw`` where they are asked for."""
    asked = frozenset(include) & {"provider", "raw"}
    if not asked:
        return model_json(record.item)
    value: dict[str, Any] = record.item.model_dump(mode="json")
    if "provider" in asked:
        unmapped = {name: said for name, said in record.raw.items() if name not in record.mapped}
        system_id = record.raw.get("id")
        value["provider"] = {
            "name": provider,
            "id": None if system_id is None else str(system_id),
            "status": record.status,
            "unmapped": unmapped,
        }
    if "raw" in asked:
        value["raw"] = record.raw
    return dumps(value)


def model_json(model: BaseModel) -> bytes:
    """A model as JSON."""
    return model.__pydantic_serializer__.to_json(model)


def with_warnings(record: bytes, warnings: Warnings) -> bytes:
    """A record's JSON with ``warnings`` as its last member, where there are any."""
    if not warnings:
        return record
    return record[:-1] + b',"warnings":' + dumps(list(warnings)) + b"}"


def list_json(records: Iterable[bytes], next_cursor: str | None, total: int | None) -> bytes:
    """A list: ``{"data", "next_cursor", "total_count"}``."""
    end = dumps({"next_cursor": next_cursor, "total_count": total})
    return b'{"data":[' + b",".join(records) + b"]," + end[1:]
