"""Records as they go out: spelled as the contract has it, and nothing that it does not allow.

A record is a struct that is not checked when an adapter makes it. Here it is, once, on its way out: every moment loses
its fraction of a second, and an id that cannot be one is refused. Its amounts are text by then, as they go out
(``money.py``). The same by way of pydantic (``model_of``, from which the OpenAPI document is made) takes ten times as
long; tests/contract/test_records.py proves that both say the same.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from pydantic import BaseModel, StringConstraints, create_model

from gateway.contract.models.base import RecordPart, Shape, instant_text
from gateway.contract.upstream import is_id

_encoder = msgspec.json.Encoder()

_Settle = Callable[[Any], None]


def records_json(records: Sequence[RecordPart]) -> bytes:
    """A JSON array of records of one type. Raises ``ValueError`` for a record that the contract does not allow."""
    settle = _settler(type(records[0])) if records else None
    if settle is not None:
        for record in records:
            settle(record)
    return _encoder.encode(records)


def record_json(record: RecordPart) -> bytes:
    """A record as JSON. Raises ``ValueError`` for one that the contract does not allow."""
    return records_json([record])[1:-1]


@cache
def model_of(record: type[RecordPart]) -> type[BaseModel]:
    """The pydantic model of the same fields: for the OpenAPI document, and to hold records against in tests."""
    hints = get_type_hints(record, include_extras=True)
    fields: dict[str, Any] = {
        field.name: (
            _modelled(hints[field.name]),
            ... if field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT else field.default,
        )
        for field in msgspec.structs.fields(record)
    }
    return create_model(record.__name__, __base__=Shape, __module__=record.__module__, __doc__=record.__doc__, **fields)


def schema_model(answer: type[Shape] | type[RecordPart]) -> type[BaseModel]:
    """The pydantic model of any answer, which knows its JSON Schema."""
    return model_of(answer) if issubclass(answer, RecordPart) else answer


def _modelled(hint: Any) -> Any:
    """A field's type with models instead of structs."""
    if _is_struct(hint):
        return model_of(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin is None or origin is Literal:
        return hint
    if origin is Annotated:
        return Annotated[(_modelled(args[0]), *args[1:])]
    inner = tuple(map(_modelled, args))
    return Union[inner] if origin in (Union, UnionType) else origin[inner]  # noqa: UP007 - made at run time


_WRITTEN: Mapping[str, str] = {
    "moment": """
    value = part.{name}
    if value is not None and (value.microsecond or value.tzinfo is not UTC):
        part.{name} = instant_text(value)
""",
    "id": """
    if not is_id(part.{name}):
        raise ValueError("an id is made of letters, digits, _, - and inner dots")
""",
    "part": """
    if part.{name} is not None:
        settle_{name}(part.{name})
""",
    "list": """
    for inner in part.{name} or ():
        settle_{name}(inner)
""",
}
"""What is done about a field, by the kind of what it holds."""
_NAMED: Mapping[str, Any] = {
    "UTC": UTC,
    "instant_text": instant_text,
    "is_id": is_id,
}
"""What that is written with."""


@cache
def _settler(record: type[RecordPart]) -> _Settle | None:
    """What gives every value of a struct its spelling, in place: it is good for nothing but going out then. None where
    there is nothing to settle.

    It is written out field by field, as dataclasses write their methods: to loop over names takes half as long again.
    """
    known, steps = dict(_NAMED), []
    for name, hint in get_type_hints(record, include_extras=True).items():
        kind = _kind_of(hint) if name in record.__struct_fields__ else "as it is"
        inner = _settler(_struct_in(hint)) if kind in ("part", "list") else None
        if inner is not None:
            known[f"settle_{name}"] = inner
        if kind in _WRITTEN and (inner is not None or kind not in ("part", "list")):
            steps.append(_WRITTEN[kind].format(name=name))
    if not steps:
        return None
    exec("def settle(part):" + "".join(steps), known)  # noqa: S102 - of the names of our own fields
    settle: _Settle = known["settle"]
    return settle


def _kind_of(hint: Any) -> str:
    hint = _present(hint)
    base, extras = (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())
    if base is datetime:
        return "moment"
    if base is str and any(isinstance(one, StringConstraints) for one in extras):
        return "id"
    if _is_struct(base):
        return "part"
    return "list" if get_origin(base) is list and _is_struct(get_args(base)[0]) else "as it is"


def _present(hint: Any) -> Any:
    """What a field holds where it is not null."""
    if get_origin(hint) not in (Union, UnionType):
        return hint
    return next(one for one in get_args(hint) if one is not NoneType)


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, RecordPart)


def _struct_in(hint: Any) -> type[RecordPart]:
    inner: Any = _present(hint)
    found: type[RecordPart] = get_args(inner)[0] if get_origin(inner) is list else inner
    return found
