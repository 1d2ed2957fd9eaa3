"""Contacts (dossier §4, "contact"): a customer or a supplier, with one address in which the street has its number."""

from collections.abc import Mapping
from typing import Any

from adapters.rompslomp.mapping.values import Wire
from gateway.contract.adapter import Record
from gateway.contract.models import Contact
from gateway.contract.upstream import Refuse
from gateway.contract.wire import PositiveId, RawRecord, address_body, address_of, country_of

SAME: Mapping[str, str] = {
    "company_name": "company_name",
    "contact_person": "contact_person_name",
    "email": "contact_person_email_address",
    "phone": "phone",
    "vat_number": "vat_number",
    "coc_number": "kvk_number",
    "number": "contact_number",
}
"""Fields that are the same on both sides but for their name."""

ADDRESS: Mapping[str, str] = {"line1": "address", "postal_code": "zipcode", "city": "city", "country": "country_code"}
_PARTS = (*ADDRESS, "street", "house_number", "house_number_addition")

HOLDS = frozenset({*SAME, "kind", "roles", *(f"address.{part}" for part in _PARTS)})


class ContactRow(Wire, frozen=True, kw_only=True):
    """A contact as it is read."""

    id: PositiveId
    is_individual: bool | None
    is_supplier: bool | None
    name: str | None = None
    company_name: str | None = None
    contact_person_name: str | None = None
    contact_person_email_address: str | None = None
    address: str | None = None
    zipcode: str | None = None
    city: str | None = None
    country_code: str | None = None
    kvk_number: str | None = None
    phone: str | None = None
    vat_number: str | None = None
    contact_number: str | None = None


def contact_of(raw: RawRecord) -> Record[Contact]:
    """A contact as ours. A supplier is no customer here: one flag tells the two apart."""
    row = ContactRow.of(raw)
    own_name = row.contact_person_name if row.is_individual else row.company_name
    contact = Contact(
        id=str(row.id),
        kind="person" if row.is_individual else "company",
        roles=["supplier" if row.is_supplier else "customer"],
        name=row.name or own_name or "",
        address=address_of(row.address, row.zipcode, row.city, row.country_code),
        archived=False,
        **{ours: getattr(row, theirs) or None for ours, theirs in SAME.items()},
    )
    lost = {"country_code"} if row.country_code and not country_of(row.country_code) else set[str]()
    return Record(contact, raw, frozenset(ContactRow.__struct_fields__) - lost)


def contact_body(given: Mapping[str, Any], refuse: Refuse) -> dict[str, Any]:
    """What to write of a contact: only what was said (``given()``), because a PATCH leaves the rest as it is."""
    body = {theirs: given[ours] for ours, theirs in SAME.items() if ours in given}
    if "kind" in given:
        body["is_individual"] = given["kind"] == "person"
    if "roles" in given:
        body["is_supplier"] = _is_supplier(given["roles"] or ["customer"], refuse)
    if "address" in given:
        address = given["address"]
        body |= dict.fromkeys(ADDRESS.values()) if address is None else address_body(address, ADDRESS)
    return body


def _is_supplier(roles: list[str], refuse: Refuse) -> bool:
    if {"customer", "supplier"} <= set(roles):
        refuse(
            "/roles",
            en="A contact is either a customer or a supplier in Rompslomp.",
            nl="Een relatie is in Rompslomp klant of leverancier, niet beide.",
        )
        return False
    return "supplier" in roles
