"""A call that has been let in, what can be read from it, and what may be answered."""

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.snelstart.emulator import errors
from adapters.snelstart.emulator.administration import Administration
from adapters.snelstart.emulator.errors import Refused, Violations
from adapters.snelstart.emulator.fields import Binding, Json, Model, Record, guid_or_none
from adapters.snelstart.emulator.query import DEFAULT_TOP, options, page_of
from adapters.snelstart.emulator.switches import Switches
from gateway.contract import exact

_NOT_FOUND = {
    "relaties": "REL-0005",
    "artikelen": "ART-0001",
    "grootboeken": "BOE-0089",
    "kostenplaatsen": "KPL-0001",
    "verkooporders": "VOR-0001",
    "documenten": "BLG-0001",
    "verkoopboekingen": "BOE-0001",
    "inkoopboekingen": "BOE-0001",
    "bankboekingen": "BOE-0001",
    "kasboekingen": "BOE-0001",
    "memoriaalboekingen": "BOE-0001",
}
_JSON_TYPES = ("application/json", "text/json")


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON value, or bytes of another ``media_type``; None is an empty body."""

    status: int
    value: Json = None
    media_type: str = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Call:
    """A request of someone who may make it: ``parts`` are the variable parts of its path."""

    administration: Administration
    parts: Mapping[str, str]
    query: tuple[tuple[str, str], ...]
    body: bytes
    content_type: str

    @property
    def switches(self) -> Switches:
        """The emulator's settings."""
        return self.administration.switches

    def violations(self) -> Violations:
        """Room for the rules this call breaks."""
        return Violations(all_of_them=self.switches.all_violations)

    def parameter(self, name: str) -> str | None:
        """A query parameter, its name in any casing; None where it is not given."""
        for key, value in self.query:
            if key.lower() == name.lower():
                return value
        return None

    def json(self, model_parameter: str, malformed: str | None = None) -> Json:
        """The body as JSON. Raises ``Refused``; text that is no JSON is the code ``malformed``, or model state."""
        if not self.body.strip():
            raise errors.rules_broken(["ALG-0106"])
        if self.content_type.partition(";")[0].strip().lower() not in _JSON_TYPES:
            raise Refused(415, exact.dumps({"Message": "The request entity's media type is not supported."}))
        try:
            value = exact.loads(self.body)
        except exact.MalformedJson as error:
            if malformed is not None:
                raise errors.rules_broken([malformed]) from error
            raise errors.model_state({model_parameter: ["Unexpected end when deserializing object."]}) from error
        if value is None:
            raise errors.rules_broken(["ALG-0106"])
        return value

    def bind(self, model: Model, model_parameter: str, malformed: str | None = None) -> Record:
        """The body read into a model. Raises ``Refused`` with model state for what cannot be read."""
        value = self.json(model_parameter, malformed)
        binding = Binding(strict=self.switches.model_state_first, enum_integers=self.switches.enum_integers)
        record = model.read(value, model_parameter, binding)
        if binding.problems:
            raise errors.model_state(binding.problems)
        assert isinstance(record, dict)
        return record

    def id(self, resource: str, part: str = "id") -> str:
        """The GUID in the path. Raises ``Refused`` where it is none."""
        guid = guid_or_none(self.parts[part])
        if guid is not None:
            return guid
        if self.switches.malformed_id == "code":
            raise errors.rules_broken(["ALG-0103"])
        raise self.not_found(resource)

    def record(self, resource: str) -> Record:
        """The record the path names. Raises ``Refused`` where there is none."""
        record = self.administration.records[resource].get(self.id(resource))
        if record is None:
            raise self.not_found(resource)
        return record

    def not_found(self, resource: str) -> Refused:
        """The refusal of an unknown id in the path."""
        code = _NOT_FOUND.get(resource, "REF-0001")
        if self.switches.not_found == "code_400":
            return errors.rules_broken([code])
        if self.switches.not_found == "code":
            return errors.rules_broken([code], status=404)
        if self.switches.not_found == "message":
            return Refused(404, exact.dumps({"Message": errors.MESSAGES[code]}))
        return Refused(404)

    def page(
        self, records: list[Record], model: Model, *, most: int = DEFAULT_TOP, default: int = DEFAULT_TOP
    ) -> Answer:
        """The part of a list that the query options ask for. Raises ``Refused``."""
        given = options(self.query)
        return Answer(200, page_of(records, model, given, self.switches, most=most, default=default))

    def everything(self, resource: str) -> list[Record]:
        """All records of a resource, as booked."""
        return list(self.administration.records[resource].values())

    def deleted(self) -> Answer:
        """The answer to a DELETE that was done."""
        return Answer(200, {} if self.switches.deleted_body == "object" else None)

    def check_new(self, record: Record, code: str = "ALG-0100") -> None:
        """Refuse a POST whose body carries an id; an all-zero one was read as none."""
        if record["id"]:
            raise errors.rules_broken([code])

    def check_same(self, record: Record, guid: str, code: str = "ALG-0101") -> None:
        """Refuse a PUT whose body does not carry the id of its path."""
        missing = record["id"] is None and self.switches.update_without_id == "accepted"
        if record["id"] != guid and not missing:
            raise errors.rules_broken([code])
