"""Bodies, read strictly: an unknown field, a wrong type or a missing required one is refused, naming the field."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from adapters.memory.emulator.books import Refused, Row
from gateway.contract.exact import Json

Check = Callable[[Json], bool]

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_CENTS = re.compile(r"-?[0-9]+(\.[0-9]{1,2})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a body: what it must be, whether it must be there, and what it is where it is not."""

    check: Check
    required: bool = False
    default: Json = None


def text(value: Json) -> bool:
    return isinstance(value, str) and value.strip() != ""


def flag(value: Json) -> bool:
    return isinstance(value, bool)


def whole(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def number(value: Json) -> bool:
    return isinstance(value, Decimal) or whole(value)


def decimal(value: Json) -> bool:
    """Text that spells a decimal: how Memory Books writes amounts and percentages."""
    return isinstance(value, str) and _DECIMAL.fullmatch(value) is not None


def cents(value: Json) -> bool:
    """A decimal without parts of a cent."""
    return isinstance(value, str) and _CENTS.fullmatch(value) is not None


def day(value: Json) -> bool:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def rows(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def row(value: Json) -> bool:
    return isinstance(value, dict)


def one_of(*choices: str) -> Check:
    return lambda value: value in choices


def some_of(*choices: str) -> Check:
    return lambda value: (
        isinstance(value, list) and 0 < len(value) == len(set(map(str, value))) and set(value) <= set(choices)
    )


def read(body: Json, fields: Mapping[str, Field], place: str = "") -> Row:
    """Every field of ``fields``: as given, or its default. So a PUT forgets what it does not hear of."""
    if not isinstance(body, dict):
        raise Refused("invalid", "Geen JSON-object.", "Not a JSON object.", field=place or None)
    for name in body:
        if name not in fields:
            raise Refused("unknown_field", f"Onbekend veld {name}.", f"Unknown field {name}.", field=f"{place}{name}")
    whole_row: Row = {}
    for name, one in fields.items():
        value = body.get(name)
        if value is None:
            if one.required:
                raise Refused("invalid", f"{name} ontbreekt.", f"{name} is missing.", field=f"{place}{name}")
            value = one.default
        elif not one.check(value):
            raise Refused("invalid", f"{name} is ongeldig.", f"{name} is not valid.", field=f"{place}{name}")
        whole_row[name] = value
    return whole_row


ADDRESS = {
    name: Field(text)
    for name in (
        "addressLine",
        "street",
        "houseNumber",
        "houseNumberSuffix",
        "addressLine2",
        "postalCode",
        "city",
        "region",
        "country",
    )
}
CONTACT = {
    "isPerson": Field(flag, required=True),
    "relationTypes": Field(some_of("C", "S"), required=True),
    "companyName": Field(text),
    "contactPerson": Field(text),
    "email": Field(text),
    "invoiceEmail": Field(text),
    "phone": Field(text),
    "mobile": Field(text),
    "website": Field(text),
    "address": Field(row),
    "deliveryAddress": Field(row),
    "vatNumber": Field(text),
    "cocNumber": Field(text),
    "iban": Field(text),
    "bic": Field(text),
    "debtorNumber": Field(text),
    "language": Field(text),
    "currency": Field(text),
    "paymentTermDays": Field(whole),
    "externalReference": Field(text),
    "archived": Field(flag, default=False),
    "creditLimit": Field(decimal),
}
PRODUCT = {
    "sku": Field(text),
    "externalReference": Field(text),
    "name": Field(text, required=True),
    "description": Field(text),
    "kind": Field(one_of("goods", "service")),
    "unit": Field(text),
    "price": Field(decimal),
    "priceIncludesVat": Field(flag, default=False),
    "vatCode": Field(text),
    "ledger": Field(text),
    "archived": Field(flag, default=False),
    "stock": Field(number),
}
LINE = {
    "id": Field(text),
    "text": Field(text, required=True),
    "product": Field(text),
    "quantity": Field(number),
    "unit": Field(text),
    "price": Field(decimal),
    "discount": Field(decimal),
    "vatCode": Field(text),
    "ledger": Field(text),
}
INVOICE = {
    "kind": Field(one_of("invoice", "creditNote"), required=True),
    "number": Field(text),
    "reference": Field(text),
    "externalReference": Field(text),
    "creditOf": Field(text),
    "contact": Field(text, required=True),
    "date": Field(day, required=True),
    "dueDate": Field(day),
    "deliveryDate": Field(day),
    "currency": Field(text, default="EUR"),
    "exchangeRate": Field(number),
    "pricesIncludeVat": Field(flag, default=False),
    "lines": Field(rows, required=True),
    "description": Field(text),
    "notes": Field(text),
    "layout": Field(text),
}
NEW_INVOICE = {**INVOICE, "book": Field(flag, default=False)}
CREDIT = {"number": Field(text), "date": Field(day), "externalReference": Field(text)}
ALLOCATION = {"invoice": Field(text, required=True), "amount": Field(cents, required=True)}
PAYMENT = {
    "date": Field(day, required=True),
    "amount": Field(cents, required=True),
    "currency": Field(text, default="EUR"),
    "method": Field(text),
    "ledger": Field(text),
    "reference": Field(text),
    "description": Field(text),
    "allocations": Field(rows, default=()),
}
LOGIN = {"user": Field(text, required=True), "password": Field(text, required=True)}
