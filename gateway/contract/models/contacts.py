"""Contacts: customers and suppliers, companies and persons."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from gateway.contract.models.base import (
    Country,
    Currency,
    Draft,
    Email,
    ExternalRef,
    Instant,
    Language,
    Name,
    Part,
    RecordPart,
    Resource,
    Text,
    change_of,
)

ContactKind = Literal["company", "person"]
Role = Literal["customer", "supplier"]
Roles = Annotated[list[Role], Field(min_length=1, max_length=2)]


def _whole(value: object) -> object:
    """98.0 is a whole number in JSON Schema, and so it is here."""
    if isinstance(value, Decimal) and abs(value) < 1_000_000 and value == value.to_integral_value():
        return int(value)
    return value


TermDays = Annotated[int, Field(ge=0, le=3650), BeforeValidator(_whole)]


class AddressDraft(Part):
    """A postal address to write: ``line1``, or ``street`` with ``house_number``."""

    line1: Text | None = Field(default=None, description="Street and house number.")
    street: Text | None = None
    house_number: Text | None = None
    house_number_addition: Text | None = None
    line2: Text | None = None
    postal_code: Text | None = None
    city: Text | None = None
    region: Text | None = None
    country: Country | None = None

    @property
    def lacks_street(self) -> bool:
        """Whether a number is given, and nothing of where it would stand."""
        return bool(self.house_number or self.house_number_addition) and not (self.line1 or self.street)

    def first_line(self) -> str | None:
        """``line1``, else street, number and addition in one line; None where the body gave neither."""
        if self.line1:
            return self.line1
        if not self.street:
            return None
        number = f"{self.house_number or ''}{self.house_number_addition or ''}"
        return f"{self.street} {number}".strip()


def _customer() -> list[Role]:
    return ["customer"]


class ContactDraft(Draft):
    """A contact to create. A company needs ``company_name``, a person ``contact_person``."""

    kind: ContactKind = Field(default="company", description="Guessed from the names where it is not said.")
    roles: Roles = Field(default_factory=_customer)
    company_name: Name | None = None
    contact_person: Name | None = None
    email: Email | None = None
    invoice_email: Email | None = Field(default=None, description="Where invoices are sent, if not to `email`.")
    phone: Text | None = None
    mobile: Text | None = None
    website: Text | None = None
    address: AddressDraft | None = None
    delivery_address: AddressDraft | None = None
    vat_number: Text | None = Field(default=None, examples=["NL857494454B01"])
    coc_number: Text | None = Field(default=None, description="Chamber of Commerce (KvK) number.")
    iban: Text | None = None
    bic: Text | None = None
    number: Text | None = Field(default=None, description="Debtor number.")
    language: Language | None = None
    currency: Currency | None = None
    payment_term_days: TermDays | None = None
    external_ref: ExternalRef | None = None

    @model_validator(mode="after")
    def _named(self) -> "ContactDraft":
        if "kind" not in self.model_fields_set and self.company_name is None and self.contact_person is not None:
            self.kind = "person"
        if self.kind == "company" and self.company_name is None:
            raise ValueError("a company needs company_name")
        if self.kind == "person" and self.contact_person is None:
            raise ValueError("a person needs contact_person")
        return self


ContactChange = change_of(ContactDraft)


class Address(RecordPart, kw_only=True):
    """A postal address. ``line1`` is always there, the parts of it where the system keeps them apart."""

    line1: str | None = None
    street: str | None = None
    house_number: str | None = None
    house_number_addition: str | None = None
    line2: str | None = None
    postal_code: str | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None


class Contact(Resource, kw_only=True):
    """A customer or supplier. ``name`` is the company's name, or a person's."""

    kind: ContactKind
    roles: list[Role]
    name: str
    company_name: str | None = None
    contact_person: str | None = None
    email: str | None = None
    invoice_email: str | None = None
    phone: str | None = None
    mobile: str | None = None
    website: str | None = None
    address: Address | None = None
    delivery_address: Address | None = None
    vat_number: str | None = None
    coc_number: str | None = None
    iban: str | None = None
    bic: str | None = None
    number: str | None = None
    language: str | None = None
    currency: str | None = None
    payment_term_days: int | None = None
    external_ref: str | None = None
    archived: bool
    created_at: Instant | None = None
    updated_at: Instant | None = None
