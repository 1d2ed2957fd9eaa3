"""What a model's properties are made of, and how a JSON body is read into one, as leniently as the API does.

Property names match in any casing, unknown ones are dropped, numbers may be text and text numbers, enum values may be
numbers, an all-zero GUID is no GUID, and the ``uri`` of a reference is not read (dossier 2.3). What cannot be read
becomes model state; so do the limits of the OpenAPI document for which no business rule with a code exists.
"""

import base64
import binascii
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

from adapters.snelstart.emulator import moments

Json = Any
Record = dict[str, Any]

MOST_MONEY = Decimal("922337203685477.5807")
"""The most that the database type money holds; no amount, price or quantity goes beyond it."""
NIL = "00000000-0000-0000-0000-000000000000"
_WHOLE = re.compile(r"[+-]?\d{1,18}\Z", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][+-]?\d{1,2})?\Z", re.ASCII)


class Binding:
    """One reading of one body: the problems met, by the path of the property in .NET's spelling."""

    def __init__(self, *, strict: bool, enum_integers: bool) -> None:
        self.problems: dict[str, list[str]] = {}
        self.strict = strict
        self.enum_integers = enum_integers

    def problem(self, path: str, text: str) -> None:
        """Note what is wrong with the property at ``path``."""
        self.problems.setdefault(path, []).append(text)

    def mistyped(self, path: str, value: Json, wanted: str) -> None:
        """Note that a value cannot be converted, in Json.NET's words."""
        shown = f'"{value}"' if isinstance(value, str) else str(value)
        self.problem(path, f"Error converting value {shown} to type '{wanted}'. Path '{path}'.")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a property holds. ``edm`` is its OData type; None where $filter cannot compare it."""

    edm: ClassVar[str | None] = None

    def read(self, value: Json, path: str, binding: Binding) -> Json:
        """The value as the records keep it; None for nothing, and for what was noted as a problem."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Text(Kind):
    """Text, up to ``limit`` characters; ``coded`` where too long a text is a business rule's to refuse."""

    limit: int | None = None
    coded: bool = False
    edm: ClassVar[str | None] = "Edm.String"

    def read(self, value: Json, path: str, binding: Binding) -> Json:
        if isinstance(value, bool):
            value = "True" if value else "False"
        elif isinstance(value, int | Decimal):
            value = str(value)
        if not isinstance(value, str):
            binding.mistyped(path, value, "System.String")
            return None
        if self.limit is not None and len(value) > self.limit and (binding.strict or not self.coded):
            name = path.rsplit(".", 1)[-1]
            text = f"The field {name} must be a string with a minimum length of 0 and a maximum length of {self.limit}."
            binding.problem(path, text)
        return value


@dataclass(frozen=True, slots=True)
class Whole(Kind):
    """A 32-bit integer, within ``least`` and ``most`` where the document limits it."""

    least: int = -(2**31)
    most: int = 2**31 - 1
    edm: ClassVar[str | None] = "Edm.Int32"

    def read(self, value: Json, path: str, binding: Binding) -> Json:
        number: int | None = None
        if isinstance(value, int) and not isinstance(value, bool):
            number = value
        elif isinstance(value, str) and not value.strip():
            return None
        elif isinstance(value, str):
            number = int(value) if _WHOLE.match(value.strip()) else None
        elif isinstance(value, Decimal) and abs(value) < 2**31 and value == value.to_integral_value():
            number = int(value)
        if number is None or not -(2**31) <= number < 2**31:
            binding.mistyped(path, value, "System.Nullable`1[System.Int32]")
            return None
        if not self.least <= number <= self.most:
            name = path.rsplit(".", 1)[-1]
            binding.problem(path, f"The field {name} must be between {self.least} and {self.most}.")
        return number


@dataclass(frozen=True, slots=True)
class Number(Kind):
    """An amount, quantity or percentage: exact here, whatever the vendor keeps it in."""

    edm: ClassVar[str | None] = "Edm.Decimal"

    def read(self, value: Json, path: str, binding: Binding) -> Json:
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            number = Decimal(value)
        elif isinstance(value, str) and not value.strip():
            return None
        elif isinstance(value, str) and _NUMBER.match(value.strip()):
            number = Decimal(value.strip())
        else:
            binding.mistyped(path, value, "System.Nullable`1[System.Decimal]")
            return None
        if abs(number) > MOST_MONEY:
            binding.mistyped(path, value, "System.Nullable`1[System.Decimal]")
            return None
        return number


@dataclass(frozen=True, slots=True)
class Flag(Kind):
    """True or false."""

    edm: ClassVar[str | None] = "Edm.Boolean"

    def read(self, value: Json, path: str, binding: Binding) -> Json:
        if isinstance(value, bool):
            return value
        if isinstance(value, int):
            return value != 0
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        binding.mistyped(path, value, "System.Nullable`1[System.Boolean]")
        return None


@dataclass(frozen=True, slots=True)
class Moment(Kind):
    """A date and time without a zone."""

    edm: ClassVar[str | None] = "Edm.DateTime"

    def read(self, value: Json, path: str, binding: Binding) -> Json:
        if isinstance(value, str) and not value:
            return None
        moment = moments.read(value) if isinstance(value, str) else None
        if moment is None:
            binding.mistyped(path, value, "System.Nullable`1[System.DateTime]")
            return None
        return moments.write(moment)


@dataclass(frozen=True, slots=True)
class Guid(Kind):
    """A GUID in any of .NET's spellings; all zeros is none."""

    edm: ClassVar[str | None] = "Edm.Guid"

    def read(self, value: Json, path: str, binding: Binding) -> Json:
        if isinstance(value, str) and not value:
            return None
        guid = guid_or_none(value) if isinstance(value, str) else None
        if guid is None:
            binding.mistyped(path, value, "System.Nullable`1[System.Guid]")
            return None
        return None if guid == NIL else guid


@dataclass(frozen=True, slots=True)
class Bytes(Kind):
    """Base64 text."""

    def read(self, value: Json, path: str, binding: Binding) -> Json:
        try:
            if not isinstance(value, str):
                raise binascii.Error
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            binding.problem(path, f"Error converting value to type 'System.Byte[]'. Path '{path}'.")
            return None
        return value


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """One of some names, in any casing, or its number.

    ``numbers`` where they do not count up from 0; ``also`` are names that bind but are a business rule's to refuse.
    """

    names: tuple[str, ...]
    numbers: tuple[int, ...] = ()
    also: tuple[str, ...] = ()
    edm: ClassVar[str | None] = "Edm.String"

    def read(self, value: Json, path: str, binding: Binding) -> Json:
        if isinstance(value, str):
            for name in self.names + self.also:
                if name.lower() == value.strip().lower():
                    return name
            if not value.strip():
                return None
            value = int(value) if _WHOLE.match(value) else value
        if isinstance(value, int) and not isinstance(value, bool) and binding.enum_integers:
            numbered = dict(zip(self.numbers or range(len(self.names)), self.names, strict=True))
            if value in numbered:
                return numbered[value]
        binding.mistyped(path, value, "System.Enum")
        return None


@dataclass(frozen=True, slots=True)
class Model(Kind):
    """An object with named properties, in the order in which the API writes them.

    ``required`` is refused as model state when missing; ``coded_required`` has a business rule that refuses it.
    ``name`` is that of the OpenAPI document, after ``SnelStart.B2B.Api.V2.Models.``
    """

    name: str
    properties: Mapping[str, Kind]
    required: Sequence[str] = ()
    coded_required: Sequence[str] = ()
    _names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._names.update({name.lower(): name for name in self.properties})

    @property
    def type_name(self) -> str:
        """The .NET type, as OData's messages name it."""
        return f"SnelStart.B2B.Api.V2.Models.{self.name}"

    def read(self, value: Json, path: str, binding: Binding) -> Json:
        if not isinstance(value, dict):
            binding.mistyped(path, value, self.type_name)
            return None
        record: Record = dict.fromkeys(self.properties)
        for key, given in value.items():
            name = self._names.get(key.lower())
            if name is not None and given is not None:
                record[name] = self.properties[name].read(given, f"{path}.{pascal(name)}", binding)
        missing = [*self.required, *self.coded_required] if binding.strict else self.required
        given_names = {self._names.get(key.lower()) for key, given in value.items() if given is not None}
        for name in missing:
            if name not in given_names:
                binding.problem(f"{path}.{pascal(name)}", f"The {pascal(name)} field is required.")
        return record


@dataclass(frozen=True, slots=True)
class Reference(Model):
    """``{id, uri}``: another record. None where the id is missing or all zeros; the uri is not read."""

    resource: str = ""

    def read(self, value: Json, path: str, binding: Binding) -> Json:
        record = Model.read(self, value, path, binding)
        return refer(self.resource, record["id"]) if record and record["id"] else None


@dataclass(frozen=True, slots=True)
class Many(Kind):
    """A list. Nothing stays None: the rules tell a missing list from an empty one."""

    of: Kind

    def read(self, value: Json, path: str, binding: Binding) -> Json:
        if not isinstance(value, list):
            binding.mistyped(path, value, "System.Collections.ICollection")
            return None
        return [self.of.read(item, f"{path}[{index}]", binding) for index, item in enumerate(value) if item is not None]


def refer(resource: str, guid: str) -> Record:
    """A reference to a record: the uri is relative and without /v2."""
    return {"id": guid, "uri": f"/{resource}/{guid}"}


def pascal(name: str) -> str:
    """The property's name in .NET: ``vestigingsAdres`` is ``VestigingsAdres``."""
    return name[:1].upper() + name[1:]


def guid_or_none(text: str) -> str | None:
    """The GUID a text spells, in the usual form; None where it spells none."""
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError:
        return None
