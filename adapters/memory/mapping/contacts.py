"""Relations and contacts."""

from collections.abc import Mapping
from typing import Any

from adapters.memory import wire
from gateway.contract.adapter import Record
from gateway.contract.errors import invalid
from gateway.contract.models import Address, AddressDraft, Contact
from gateway.contract.models.contacts import Role

SAME: Mapping[str, str] = {
    "company_name": "companyName",
    "contact_person": "contactPerson",
    "email": "email",
    "invoice_email": "invoiceEmail",
    "phone": "phone",
    "mobile": "mobile",
    "website": "website",
    "vat_number": "vatNumber",
    "coc_number": "cocNumber",
    "iban": "iban",
    "bic": "bic",
    "number": "debtorNumber",
    "language": "language",
    "currency": "currency",
    "payment_term_days": "paymentTermDays",
    "external_ref": "externalReference",
}
"""Fields that are the same on both sides but for their name."""

ADDRESS: Mapping[str, str] = {
    "line1": "addressLine",
    "street": "street",
    "house_number": "houseNumber",
    "house_number_addition": "houseNumberSuffix",
    "line2": "addressLine2",
    "postal_code": "postalCode",
    "city": "city",
    "region": "region",
    "country": "country",
}
ADDRESSES: Mapping[str, str] = {"address": "address", "delivery_address": "deliveryAddress"}
_FIRST_LINE_PARTS = ("street", "house_number", "house_number_addition")

ROLES: Mapping[str, Role] = {"C": "customer", "S": "supplier"}
RELATION_TYPES: Mapping[str, str] = {role: letter for letter, role in ROLES.items()}

HOLDS = frozenset({*SAME, "kind", "roles", *(f"{place}.{part}" for place in ADDRESSES for part in ADDRESS)})
READ_ONLY = frozenset({"id", "createdAt", "updatedAt"})
"""Members Memory Books sends and does not accept back."""


def contact_of(raw: Mapping[str, Any]) -> Record[Contact]:
    """A relation as a contact."""
    row = wire.Contact.of(raw)
    contact = Contact(
        id=row.id,
        kind="person" if row.isPerson else "company",
        roles=[ROLES[letter] for letter in row.relationTypes],
        name=(row.contactPerson if row.isPerson else row.companyName) or "",
        address=address_of(row.address),
        delivery_address=address_of(row.deliveryAddress),
        archived=row.archived,
        created_at=row.createdAt,
        updated_at=row.updatedAt,
        **{ours: getattr(row, theirs) for ours, theirs in SAME.items()},
    )
    return Record(contact, raw, mapped=frozenset(wire.Contact.__struct_fields__))


def contact_body(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """A relation to write: what is given on top of what was. ``before`` is empty for a new one."""
    body = {name: value for name, value in before.items() if name not in READ_ONLY}
    body |= {theirs: given[ours] for ours, theirs in SAME.items() if ours in given}
    if "kind" in given:
        body["isPerson"] = given["kind"] == "person"
    if "roles" in given:
        body["relationTypes"] = [RELATION_TYPES[role] for role in given["roles"]]
    for ours, theirs in ADDRESSES.items():
        if ours in given:
            body[theirs] = address_body(given[ours], before.get(theirs) or {}, f"/{ours}")
    return body


def address_of(row: wire.Address | None) -> Address | None:
    """An address as ours."""
    if row is None:
        return None
    return Address(**{ours: getattr(row, theirs) for ours, theirs in ADDRESS.items()})


def address_body(
    address: AddressDraft | None, before: Mapping[str, Any], pointer: str = "/address"
) -> dict[str, Any] | None:
    """An address to write, on top of what was. Raises ``validation_failed`` for a number of no street that is known.

    The first line and its parts say the same thing: whichever of them is given decides about the other, and where the
    line is taken away they are too.
    """
    if address is None:
        return None
    given = address.given()
    whole = before.get("addressLine") is not None and before.get("street") is None
    if whole and not given.keys() & {"line1", "street"}:
        if given.get("house_number") or given.get("house_number_addition"):
            raise invalid(f"{pointer}/street", "A house number needs its street.", "required")
    elif not given.get("line1") and any(part in given for part in _FIRST_LINE_PARTS):
        parts = {part: given.get(part, before.get(ADDRESS[part])) for part in _FIRST_LINE_PARTS}
        line = AddressDraft(**parts).first_line()
        given = {**(parts if line else {}), **given, "line1": line}
    if "line1" in given:
        given = {**dict.fromkeys(_FIRST_LINE_PARTS), **given}
    return {**before, **{ADDRESS[name]: value for name, value in given.items()}}
