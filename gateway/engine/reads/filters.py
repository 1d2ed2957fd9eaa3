"""Filters that a system cannot apply itself, applied by us to what it lists.

A guaranteed filter that a resource does not declare as its own is *emulated*: the list is scanned in bounded steps and
every record is held against the predicate here. Capabilities and the answer (``Polder-Emulated``) say so.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from operator import ge, le
from typing import Any
from unicodedata import normalize

from gateway.contract.adapter import FilterValue, Resource
from gateway.contract.errors import FieldError, Problem
from gateway.contract.models import Contact, instant_text
from gateway.contract.operations import Operation

Predicate = Callable[[Any, FilterValue], bool]

SCAN_STEP = 200
"""Records that are looked at together: the largest window there is, as a system that gives so many is called once."""
SCAN_LIMIT = 5_000
"""Records one request looks at, at most; what is not reached is behind the answer's cursor."""


def _fold(text: str | None) -> str:
    """A text without what no caller minds: its case, and whether an accent is a sign of its own (Unicode, D145)."""
    stripped = (text or "").strip()
    return stripped.lower() if stripped.isascii() else normalize("NFC", normalize("NFC", stripped).casefold())


def _words_of(texts_of: Callable[[Any], Iterable[str | None]]) -> Predicate:
    """Every word of a value is somewhere in what a record says."""

    def matches_words(record: Any, value: FilterValue) -> bool:
        text = " ".join(_fold(one) for one in texts_of(record))
        return all(word in text for word in _fold(str(value)).split())

    return matches_words


def _equals(field: str) -> Predicate:
    return lambda record, value: bool(getattr(record, field) == value)


def _compared(field: str, compare: Callable[[Any, Any], bool]) -> Predicate:
    """A date that a record says is so to the one that is asked for."""

    def matches_day(record: Any, value: FilterValue) -> bool:
        day = getattr(record, field)
        return day is not None and isinstance(value, date) and compare(day, value)

    return matches_day


def _updated_since(record: Any, value: FilterValue) -> bool:
    return record.updated_at is not None and instant_text(record.updated_at) >= str(value)


def _has_role(contact: Contact, value: FilterValue) -> bool:
    return value in contact.roles


def _same_email(contact: Contact, value: FilterValue) -> bool:
    return _fold(contact.email) == _fold(str(value))


PREDICATES: Mapping[tuple[str, str], Predicate] = {
    ("contacts", "email"): _same_email,
    ("contacts", "q"): _words_of(lambda one: (one.name, one.company_name, one.contact_person, one.email, one.number)),
    ("contacts", "external_ref"): _equals("external_ref"),
    ("products", "code"): _equals("code"),
    ("products", "q"): _words_of(lambda one: (one.code, one.name, one.description)),
    ("products", "external_ref"): _equals("external_ref"),
    ("invoices", "number"): _equals("number"),
    ("invoices", "external_ref"): _equals("external_ref"),
    ("invoices", "contact_id"): _equals("contact_id"),
    ("invoices", "document_status"): _equals("document_status"),
    ("invoices", "payment_status"): _equals("payment_status"),
    ("invoices", "issued_from"): _compared("issued_on", ge),
    ("invoices", "issued_to"): _compared("issued_on", le),
    ("contacts", "role"): _has_role,
    ("contacts", "number"): _equals("number"),
    ("contacts", "vat_number"): _equals("vat_number"),
    ("contacts", "updated_since"): _updated_since,
    ("invoices", "due_from"): _compared("due_on", ge),
    ("invoices", "due_to"): _compared("due_on", le),
    ("invoices", "q"): _words_of(
        lambda one: (one.number, one.reference, one.contact and one.contact.name, one.description)
    ),
    ("invoices", "updated_since"): _updated_since,
    ("invoices", "document_type"): _equals("document_type"),
    ("products", "updated_since"): _updated_since,
}
"""One for every filter of a resource that Polder may look up by what it keeps; only guaranteed ones are emulated."""


def divide(
    operation: Operation, resource: Resource[Any, Any], filters: Mapping[str, FilterValue]
) -> tuple[dict[str, FilterValue], dict[str, FilterValue]]:
    """Divide filters into those the system applies and those we emulate.

    Raises ``filter_unsupported`` for one that is neither, ``filter_required`` where the system has no list without one.
    """
    native = {name: value for name, value in filters.items() if name in resource.filters}
    emulated = {name: value for name, value in filters.items() if name not in resource.filters}
    for name in emulated:
        known = operation.filter(name)
        if known is None or not known.guaranteed:
            supported = ", ".join(supported_filters(operation, resource)) or "none"
            message = f"This accounting system cannot filter by `{name}`. Here these work: {supported}."
            raise Problem("filter_unsupported", message, errors=[FieldError(name, "filter_unsupported", message)])
    for name in sorted(resource.required - filters.keys()):
        message = f"This accounting system lists {operation.resource} only by `{name}`."
        raise Problem("filter_required", message, errors=[FieldError(name, "required", message)])
    return native, emulated


def supported_filters(operation: Operation, resource: Resource[Any, Any]) -> list[str]:
    """The filters of a list that work on this system, natively or emulated."""
    return [one.name for one in operation.filters if one.guaranteed or one.name in resource.filters]


def matches(resource: str, record: Any, filters: Mapping[str, FilterValue]) -> bool:
    """Whether a record passes every one of these filters."""
    return all(PREDICATES[resource, name](record, value) for name, value in filters.items())
