"""What all models share: strictness, text that can be printed, and the three roles a shape plays.

A *record* is what we answer, a *draft* is what creates one, a *change* is what a PATCH names. Unknown fields are
refused everywhere. In a draft null means the same as absent; in a change null clears a field and absence keeps it.

What callers send is checked by pydantic as it comes in. A record is a plain struct, because a page of them is made in
the time that pydantic needs to check one or two: what is checked of it, is checked as it goes out (``records.py``).
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from types import NoneType
from typing import Annotated, Any, ClassVar, Self, TypeVar, Union, get_args, get_type_hints

import msgspec
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    create_model,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

PRINTABLE = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F]*$"
"""No control characters but tab and line ends: XML 1.0 (and so every e-invoice) cannot hold the others."""

Text = Annotated[str, StringConstraints(max_length=500, pattern=PRINTABLE)]
LongText = Annotated[str, StringConstraints(max_length=10_000, pattern=PRINTABLE)]
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1F\x7F]*[^\x00-\x20\x7F][^\x00-\x1F\x7F]*$"),
]
"""Text of one line that is not blank."""
ID_PATTERN = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
LONGEST_ID = 100
Id = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID, pattern=ID_PATTERN)]
"""An opaque id: the same in list, get, write and reference."""
ExternalRef = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1F\x7F]+$")]
"""The caller's own reference to a record, unique per connection and resource."""
Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00-\x1F\x7F]+@[^@\s\x00-\x1F\x7F]+$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(examples=["NL"])]
"""ISO 3166-1 alpha-2."""
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(examples=["EUR"])]
"""ISO 4217."""
Language = Annotated[
    str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"), Field(examples=["nl"])
]
"""BCP 47."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _day_of(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("a date is written YYYY-MM-DD")
    return date.fromisoformat(value)


Day = Annotated[date, BeforeValidator(_day_of)]
"""A plain date, ``2026-03-02``."""


def instant_text(value: datetime) -> str:
    """A UTC timestamp, ``2026-03-02T09:00:00Z``, with no fraction of a second."""
    moment = value if value.tzinfo is None else value.astimezone(UTC)
    # strftime would write the year 999 in three digits.
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


_InstantText = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Instant = Annotated[
    datetime, PlainSerializer(instant_text, return_type=_InstantText), Field(examples=["2026-03-02T09:00:00Z"])
]
"""A moment in UTC."""


class Shape(BaseModel):
    """Every JSON object of the contract: strict, closed."""

    # A start builds no validator: most processes are asked about few of the resources, and each is built when it is.
    model_config = ConfigDict(defer_build=True, extra="forbid", strict=True)

    usual: ClassVar[Mapping[str, Any]] = {}
    """What fields say, beside null and their default, that is so anyway wherever a system has no place for them."""

    def given(self) -> dict[str, Any]:
        """Exactly what was sent, null among it."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


class Part(Shape):
    """A nested object of a draft or a change."""

    whole: ClassVar[frozenset[str]] = frozenset()
    """Fields without which it would be something else: where one may be dropped, all of it is, and by the adapter."""

    def clearing_nothing(self) -> Self:
        """The same where nothing was before."""
        part = self.model_copy()
        part.model_fields_set.difference_update([name for name, value in self.given().items() if value is None])
        return part


class _New(Shape):
    """What nothing was before: null clears nothing, and is as good as absent. Of a list that cannot be empty so is an
    empty one. Clients made from an OpenAPI document send them for what nobody set.
    """

    @model_validator(mode="before")
    @classmethod
    def _drop_unset(cls, body: object) -> object:
        if not isinstance(body, dict):
            return body
        unset = _unset_values(cls)
        return {name: value for name, value in body.items() if value not in unset.get(name, ())}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        whole = handler(core)
        properties = handler.resolve_ref_schema(whole)["properties"]
        for name in _unset_values(cls):
            properties[name] = _nullable(properties[name])
        return whole

    def given(self) -> dict[str, Any]:
        """What the caller said: every field that is not null and was sent, and so of its parts."""
        values = {name: value for name, value in super().given().items() if value is not None}
        return {name: value.clearing_nothing() if isinstance(value, Part) else value for name, value in values.items()}


@cache
def _unset_values(new: type[_New]) -> Mapping[str, tuple[object, ...]]:
    """What leaves a field to its default, by the names of those that have one other than null."""
    defaults = {
        name: info.get_default(call_default_factory=True)
        for name, info in new.model_fields.items()
        if not info.is_required()
    }
    return {
        name: (None, []) if default and isinstance(default, list) else (None,)
        for name, default in defaults.items()
        if default is not None
    }


def _nullable(schema: JsonSchemaValue) -> JsonSchemaValue:
    """The schema of a field with null beside it; what is said of it as a field stays outside."""
    schema.pop("minItems", None)
    annotations: JsonSchemaValue = {
        name: schema.pop(name) for name in ("default", "description", "title") if name in schema
    }
    return {"anyOf": [schema, {"type": "null"}], **annotations}


class Draft(_New):
    """A body that creates something."""


class NewPart(_New, Part):
    """A nested object that a draft or a change gives anew, as each of a list is."""


class Change(Shape):
    """A body that changes something (JSON merge patch, RFC 7396, one level deep; lists are replaced whole)."""


class ProviderView(BaseModel):
    """What the system said that the model does not hold (``include=provider``)."""

    name: str
    id: str | None
    status: str | None = None
    unmapped: dict[str, Any] = Field(default_factory=dict)


class RecordPart(msgspec.Struct, kw_only=True, gc=False):
    """A nested object of a record."""


like = msgspec.structs.replace
"""A record (or part of one, or a row) like another, but for the fields that are named."""


class Resource(RecordPart, kw_only=True):
    """A record as answered. ``provider`` and ``raw`` stand beside its fields only when ``include`` asks for them."""

    referred: ClassVar[dict[str, str]] = {}
    """Fields (dotted) that hold the id of a record of another resource, by resource name."""

    id: Id


DEFAULT_CLAUSE = "where it is not said."
"""The end of what tells a draft's default."""


def _none() -> None:
    return None


ShapeT = TypeVar("ShapeT", bound=Draft)


def _without_none(hint: Any) -> Any:
    return Union[tuple(one for one in get_args(hint) if one is not NoneType)]  # noqa: UP007 - made at run time


def _of_change(description: str | None) -> str | None:
    """What is said of a draft's field that holds of a change's too: what is not said there stays as it is."""
    return None if description is None or description.endswith(DEFAULT_CLAUSE) else description


def change_of(
    draft: type[ShapeT], *, leave_out: frozenset[str] = frozenset(), never_null: frozenset[str] = frozenset()
) -> type[Change]:
    """The change that goes with a draft: the same fields, each of which may be absent; null only where it is allowed.

    ``never_null`` names fields that a draft may leave to a default, and a record cannot be without.

    The default is a factory, so that a JSON Schema made from it promises no default.
    """
    hints = get_type_hints(draft, include_extras=True)
    fields: dict[str, Any] = {}
    for name, info in draft.model_fields.items():
        if name in leave_out:
            continue
        hint = _without_none(hints[name]) if name in never_null else hints[name]
        fields[name] = (hint, Field(default_factory=_none, description=_of_change(info.description)))
    name = draft.__name__.removesuffix("Draft") + "Change"
    change = create_model(name, __base__=Change, __module__=draft.__module__, __doc__=draft.__doc__, **fields)
    change.usual = {name: draft.model_fields[name].get_default(call_default_factory=True) for name in fields}
    return change
