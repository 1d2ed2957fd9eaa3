"""Rompslomp's errors: one Dutch sentence and a dotted type, and nothing per field (dossier §5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

BLANK = "moet opgegeven zijn"
TAKEN = "is al in gebruik"
NOT_A_NUMBER = "is geen getal"
NOT_LISTED = "is niet in de lijst opgenomen"
WRONG = "is ongeldig"
MISSING = "moet bestaan"

REALM = "Rompslomp API v1"


def too_long(maximum: int) -> str:
    """What is said of a text of more than ``maximum`` characters."""
    return f"is te lang (maximaal {maximum} tekens)"


class ApiError(Exception):
    """An answer of the API that is an error. ``kind`` is the ``type`` of its body."""

    def __init__(self, status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.headers = dict(headers or {})


def challenge(error: str, description: str) -> dict[str, str]:
    """The ``WWW-Authenticate`` of Doorkeeper."""
    return {"WWW-Authenticate": f'Bearer realm="{REALM}", error="{error}", error_description="{description}"'}


def no_such_record(name: str) -> ApiError:
    return ApiError(404, "client.not_found.resource", f"{name} kan niet worden gevonden")


def no_such_endpoint() -> ApiError:
    return ApiError(404, "client.not_found.endpoint", "Endpoint does not exist")


def access_denied(message: str, status: int = 403) -> ApiError:
    if status == 401:
        return ApiError(401, "client.authentication", message, challenge("invalid_token", message))
    return ApiError(status, "client.authorization.access_denied", message)


@dataclass(slots=True)
class Violations:
    """What is wrong with a record, in the order of its validations."""

    model: str
    sentences: list[str] = field(default_factory=list)

    def add(self, label: str, message: str) -> None:
        """Say it of an attribute, once."""
        sentence = f"{label} {message}"
        if sentence not in self.sentences:
            self.sentences.append(sentence)

    def settle(self) -> None:
        """Raise the 422 of everything that was said, if anything was."""
        if self.sentences:
            sentences = ". ".join(self.sentences)
            raise ApiError(422, "client.parameters.validation", f"{self.model} is invalid: {sentences}.")


def humanised(attribute: str) -> str:
    """Rails' label for an attribute that has no Dutch one: ``company_name`` → ``Company name``."""
    return attribute.removesuffix("_id").replace("_", " ").strip().capitalize()
