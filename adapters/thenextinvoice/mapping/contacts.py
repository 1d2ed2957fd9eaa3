"""Customers (documentation, "Customer") and contacts."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from adapters.thenextinvoice.mapping.values import Flag, Numbered, currency_of, flag_of, language_of
from gateway.contract.adapter import Record
from gateway.contract.errors import invalid
from gateway.contract.models import Contact
from gateway.contract.upstream import Refuse
from gateway.contract.wire import RawRecord, address_body, address_of, country_of, json_number, members_of

TEXTS: Mapping[str, str] = {
    "email": "email",
    "invoice_email": "ccaddress",
    "phone": "phone",
    "vat_number": "vatnumber",
    "iban": "iban",
    "number": "debnumber",
}
"""Plain texts, by our name."""

ADDRESS: Mapping[str, str] = {"line1": "address", "postal_code": "postalcode", "city": "city", "country": "country"}
"""Parts of the address, by our name."""

REQUIRED = ("companyname", "address", "postalcode", "city", "country", "email")
"""Texts that every write must hold. One that is not known goes out empty: whether that will do is theirs to say."""

WRITABLE = (
    *REQUIRED,
    "companycontact",
    "ccaddress",
    "debnumber",
    "vatnumber",
    "phone",
    "iban",
    "optionalfield_1",
    "optionalfield_2",
    "person",
    "option_expiration",
    "option_extratext",
    "option_extratextbottom",
    "option_language",
    "option_currency",
)
"""Every property a customer is written with. A PUT resets the ones it is not given, so all of them go out."""

POINTERS: Mapping[str, str] = {
    **{theirs: f"/{ours}" for ours, theirs in TEXTS.items()},
    **{theirs: f"/address/{ours}" for ours, theirs in ADDRESS.items()},
    "companyname": "/company_name",
    "companycontact": "/contact_person",
    "person": "/kind",
    "option_expiration": "/payment_term_days",
    "option_language": "/language",
    "option_currency": "/currency",
}

HOLDS = frozenset(
    {
        *TEXTS,
        *("kind", "roles", "company_name", "contact_person", "payment_term_days", "language", "currency"),
        *(f"address.{part}" for part in (*ADDRESS, "street", "house_number", "house_number_addition")),
    }
)

_MAPPED = frozenset({"id", *POINTERS})
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,12})?", re.ASCII)
_TWO_LETTERS = re.compile(r"[A-Za-z]{2}")


class Customer(Numbered, frozen=True):
    """A customer as it is read: ids, booleans and numbers in text."""

    companyname: str | None = None
    companycontact: str | None = None
    address: str | None = None
    postalcode: str | None = None
    city: str | None = None
    country: str | None = None
    email: str | None = None
    ccaddress: str | None = None
    debnumber: str | None = None
    vatnumber: str | None = None
    phone: str | None = None
    iban: str | None = None
    person: Flag = False
    option_expiration: int | str | None = None
    option_language: str | None = None
    option_currency: str | None = None

    @property
    def is_person(self) -> bool:
        """Whether it is a person, not a company."""
        return flag_of(self.person)

    @property
    def term(self) -> Decimal | None:
        """How many days an invoice may stay open, however many there are; null where no number is said."""
        text = "" if self.option_expiration is None else str(self.option_expiration)
        return Decimal(text) if _NUMBER.fullmatch(text) else None

    @property
    def term_days(self) -> int | None:
        """Days an invoice may stay open; null where that is not a whole number of days."""
        days = self.term
        return int(days) if days is not None and days == days.to_integral_value() and days >= 0 else None


def contact_of(raw: RawRecord) -> Record[Contact]:
    """A customer as a contact. A person's name stands in ``companyname`` (documentation, "Listing Customers")."""
    customer = Customer.of(raw)
    person, name, other_name = customer.is_person, customer.companyname or None, customer.companycontact or None
    country, language = country_of(customer.country), language_of(customer.option_language)
    currency, term_days = currency_of(customer.option_currency), customer.term_days
    unheld = {
        "country": customer.country and not country,
        "option_expiration": customer.option_expiration not in (None, "") and term_days is None,
        "option_language": customer.option_language and not language,
        "option_currency": customer.option_currency and not currency,
        "companycontact": person and other_name,
    }
    # No more than 15 fields at once: of more, Python makes a dictionary first, which takes as long as all the rest.
    item = Contact(
        id=customer.key,
        kind="person" if person else "company",
        roles=["customer"],
        name=name or "",
        company_name=None if person else name,
        contact_person=name if person else other_name,
        email=customer.email or None,
        invoice_email=customer.ccaddress or None,
        phone=customer.phone or None,
        address=address_of(customer.address, customer.postalcode, customer.city, customer.country),
        vat_number=customer.vatnumber or None,
        iban=customer.iban or None,
        number=customer.debnumber or None,
        archived=False,
    )
    item.language, item.currency, item.payment_term_days = language, currency, term_days
    return Record(item, raw, _MAPPED - {name for name, lost in unheld.items() if lost})


def blank() -> dict[str, Any]:
    """A customer of whom nothing is known."""
    return {**dict.fromkeys(REQUIRED, ""), "person": False}


def existing_body(raw: RawRecord) -> dict[str, Any]:
    """A customer as it was read, in the types it is written in, with everything a PUT would otherwise reset."""
    customer, members = Customer.of(raw), members_of(raw)
    body = {name: members[name] for name in WRITABLE if name in members}
    body["person"] = customer.is_person
    body["option_expiration"] = None if customer.term is None else json_number(customer.term)
    return body | {name: body.get(name) or "" for name in REQUIRED}


def merged(body: Mapping[str, Any], given: Mapping[str, Any], refuse: Refuse) -> dict[str, Any]:
    """What to write: ``body`` with what the caller said (``given()`` of a draft or a change) put in.

    What is nothing is left out: a property that is not set goes back to its default (documentation, "Update Customer"),
    and none is documented to be null.

    Raises ``validation_failed`` where the names do not make a company or a person.
    """
    result = dict(body)
    if "supplier" in (given.get("roles") or ()):
        refuse("/roles", en="TheNextInvoice knows customers only.", nl="TheNextInvoice kent alleen klanten.")
    if given.keys() & {"kind", "company_name", "contact_person"}:
        _put_names(result, given, refuse)
    for ours, theirs in TEXTS.items():
        if ours in given:
            result[theirs] = given[ours]
    if "address" in given:
        address = given["address"]
        result |= dict.fromkeys(ADDRESS.values(), "") if address is None else address_body(address, ADDRESS)
    if "payment_term_days" in given:
        result["option_expiration"] = given["payment_term_days"]
    if "currency" in given:
        result["option_currency"] = given["currency"]
    if "language" in given:
        _put_language(result, given["language"], refuse)
    result |= {name: result.get(name) or "" for name in REQUIRED}
    return {name: value for name, value in result.items() if value is not None}


def _put_names(body: dict[str, Any], given: Mapping[str, Any], refuse: Refuse) -> None:
    """Kind and names together, because a person has one name here and it stands where a company's does."""
    was_person = bool(body["person"])
    person = was_person if given.get("kind") is None else given["kind"] == "person"
    name, contact = body.get("companyname") or None, body.get("companycontact") or None
    company_name = given.get("company_name", None if was_person else name)
    contact_person = given.get("contact_person", name if was_person else contact)
    if person and contact_person is None:
        raise invalid("/contact_person", "A person needs contact_person.", "required")
    if not person and company_name is None:
        raise invalid("/company_name", "A company needs company_name.", "required")
    if person and company_name is not None:
        refuse(
            "/company_name",
            en="A person has one name in TheNextInvoice, and no company's.",
            nl="Een persoon heeft in TheNextInvoice één naam, en niet die van een bedrijf.",
        )
    body["person"] = person
    body["companyname"] = contact_person if person else company_name
    if not person:
        body["companycontact"] = contact_person
    elif not was_person:
        body["companycontact"] = None


def _put_language(body: dict[str, Any], language: str | None, refuse: Refuse) -> None:
    if language is not None and not _TWO_LETTERS.fullmatch(language):
        refuse(
            "/language",
            en="TheNextInvoice knows a language by two letters.",
            nl="TheNextInvoice kent een taal aan twee letters.",
        )
        return
    body["option_language"] = language and language.lower()
