"""Records as the bytes that go out."""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any

from pydantic import BaseModel

from gateway.contract.adapter import Record
from gateway.contract.exact import dumps
from gateway.contract.records import record_json as item_json
from gateway.contract.records import records_json as items_json
from gateway.engine.gmac import gmac

Warnings = Sequence[dict[str, str | None]]


def etags(key: bytes) -> Callable[[bytes], str]:
    """What gives a strong validator of a body (RFC 9110 §8.8.3), the same on every node that has this key of 32 bytes.

    Strangers write in books: whoever orders in a shop gives his name. A GMAC under a key that he knew, he could keep as
    it is while his data change. Its own tags tell its key, as all have one nonce, so what is told is a digest of them.
    """
    tag, digest = gmac(key[:16]), partial(blake2b, key=key[16:], digest_size=16)

    def etag_of(body: bytes) -> str:
        return f'"{digest(tag(body)).hexdigest()}"'

    return etag_of


def record_json(record: Record[Any], provider: str, include: Collection[str]) -> bytes:
    """One record, with ``provider`` and ``raw`` where they are asked for."""
    body = item_json(record.item)
    included: dict[str, Any] = {}
    if "provider" in include:
        unmapped = {name: value for name, value in record.raw_members.items() if name not in record.mapped}
        system_id = record.raw_members.get("id")
        included["provider"] = {
            "name": provider,
            "id": None if system_id is None else str(system_id),
            "status": record.status,
            "unmapped": unmapped,
        }
    if "raw" in include:
        included["raw"] = record.raw_members
    return body[:-1] + b"," + dumps(included)[1:] if included else body


def model_json(model: BaseModel) -> bytes:
    """A model as JSON."""
    return model.__pydantic_serializer__.to_json(model)


def with_warnings(record: bytes, warnings: Warnings) -> bytes:
    """A record's JSON with ``warnings`` as its last member, where there are any."""
    if not warnings:
        return record
    return record[:-1] + b',"warnings":' + dumps(list(warnings)) + b"}"


def records_json(records: Sequence[Record[Any]], provider: str, include: Collection[str]) -> bytes:
    """A JSON array of records."""
    if "provider" in include or "raw" in include:
        return array_json(record_json(one, provider, include) for one in records)
    return items_json([one.item for one in records])


def array_json(values: Iterable[bytes]) -> bytes:
    """A JSON array of values that are JSON already."""
    return b"[" + b",".join(values) + b"]"


def list_json(data: bytes, next_cursor: str | None, total: int | None) -> bytes:
    """A list: ``{"data", "next_cursor", "total_count"}``, of a JSON array."""
    end = dumps({"next_cursor": next_cursor, "total_count": total})[1:]
    return b"".join((b'{"data":', data, b",", end))  # one copy of what may be long, where each + would make another
