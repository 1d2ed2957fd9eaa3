"""Relations as contacts, both ways.

Klant is a customer, Leverancier a supplier. A PUT replaces the whole, so a body is what was, with what is given on top.
Neither persons nor their names have a place of their own: a person is a relation that is called as its contact person.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.snelstart.mapping.values import (
    Identified,
    Reference,
    Wire,
    moment_or_none,
    refer,
    reference_of,
    text_or_none,
)
from gateway.contract.adapter import Record
from gateway.contract.errors import invalid
from gateway.contract.models import Address, AddressDraft, Contact
from gateway.contract.models.contacts import Role
from gateway.contract.upstream import Refuse
from gateway.contract.wire import RawRecord, address_body, country_of

SAME: Mapping[str, str] = {
    "email": "email",
    "phone": "telefoon",
    "mobile": "mobieleTelefoon",
    "website": "websiteUrl",
    "coc_number": "kvkNummer",
    "iban": "iban",
    "bic": "bic",
    "payment_term_days": "krediettermijn",
}
"""Fields that are the same on both sides but for their name."""

ADDRESS: Mapping[str, str] = {"line1": "straat", "postal_code": "postcode", "city": "plaats"}
"""Parts of the address beside its country, which has an id there."""
ROLES: Mapping[str, Role] = {"Klant": "customer", "Leverancier": "supplier"}
KINDS: Mapping[str, str] = {role: kind for kind, role in ROLES.items()}
HOLDS = frozenset(
    {
        *SAME,
        *("kind", "roles", "company_name", "contact_person", "invoice_email", "vat_number", "number"),
        *(f"address.{part}" for part in (*ADDRESS, "street", "house_number", "house_number_addition", "country")),
    }
)
NOT_WRITTEN = frozenset({"fax", "modifiedOn", "uri", "inkoopBoekingenUri", "verkoopBoekingenUri", "extraVeldenKlant"})
"""Members of a relation that are read-only; ``fax`` is absent from the write model (dossier 2.4)."""
MAPPED = frozenset(
    {
        *SAME.values(),
        *("id", "relatiesoort", "modifiedOn", "relatiecode", "naam", "vestigingsAdres", "btwNummer", "nonactief"),
        "factuurEmailVersturen",
    }
)


class Adres(Wire, frozen=True):
    """A postal address; ``straat`` includes the house number."""

    contactpersoon: str | None = None
    straat: str | None = None
    postcode: str | None = None
    plaats: str | None = None
    land: Reference = None


class Mailing(Wire, frozen=True):
    """Where one kind of mail goes."""

    email: str | None = None


class Relatie(Identified, frozen=True):
    """A relation."""

    relatiesoort: list[str] | None
    relatiecode: int | None = None
    naam: str | None = None
    modifiedOn: str | None = None
    vestigingsAdres: Adres | None = None
    telefoon: str | None = None
    mobieleTelefoon: str | None = None
    email: str | None = None
    btwNummer: str | None = None
    krediettermijn: int | None = None
    nonactief: bool | None = False
    kvkNummer: str | None = None
    websiteUrl: str | None = None
    iban: str | None = None
    bic: str | None = None
    factuurEmailVersturen: Mailing | None = None

    @property
    def kinds(self) -> Sequence[str]:
        """What it is to the administration."""
        return self.relatiesoort or ()

    @property
    def hidden(self) -> bool:
        """The administration's own relation, and the unknown customer and supplier it ships (dossier 2.4)."""
        return "Eigen" in self.kinds or (self.relatiecode or 0) < 0


class Land(Identified, frozen=True):
    """A country: ``landcode`` has two letters, ``landcodeISO`` three (dossier 2.4). The document requires neither."""

    landcode: str | None = None
    landcodeISO: str | None = None

    @property
    def code(self) -> str | None:
        """Its two letters; null where they are none."""
        return country_of(self.landcode)


Countries = Mapping[str, Land]
"""Countries by their id."""


def contact_of(raw: RawRecord, countries: Countries) -> Record[Contact]:
    """A relation as a contact."""
    row = Relatie.of(raw)
    place = row.vestigingsAdres or Adres()
    name, contact_person = text_or_none(row.naam), text_or_none(place.contactpersoon)
    person = name is not None and contact_person == name
    address = _address_of(place, countries)
    mailing = row.factuurEmailVersturen
    # No more than 15 fields at once: of more, Python makes a dictionary first, which takes as long as all the rest.
    contact = Contact(
        id=row.key,
        kind="person" if person else "company",
        roles=[ROLES[kind] for kind in row.kinds if kind in ROLES],
        name=name or "",
        company_name=None if person else name,
        contact_person=contact_person,
        email=text_or_none(row.email),
        invoice_email=None if mailing is None else text_or_none(mailing.email),
        phone=text_or_none(row.telefoon),
        address=address,
        vat_number=_vat_number(text_or_none(row.btwNummer), address),
        number=None if row.relatiecode is None else str(row.relatiecode),
        payment_term_days=row.krediettermijn,
        archived=bool(row.nonactief),
        updated_at=moment_or_none(row.modifiedOn),
    )
    contact.mobile = text_or_none(row.mobieleTelefoon)
    contact.website = text_or_none(row.websiteUrl)
    contact.coc_number = text_or_none(row.kvkNummer)
    contact.iban, contact.bic = text_or_none(row.iban), text_or_none(row.bic)
    return Record(contact, raw, mapped=MAPPED)


def _address_of(place: Adres, countries: Countries) -> Address | None:
    line1, postal_code, city = text_or_none(place.straat), text_or_none(place.postcode), text_or_none(place.plaats)
    if not (line1 or postal_code or city):
        return None
    country = countries.get(reference_of(place.land) or "")
    return Address(line1=line1, postal_code=postal_code, city=city, country=None if country is None else country.code)


def _vat_number(number: str | None, address: Address | None) -> str | None:
    """A Dutch number comes back without its prefix (dossier 2.4); every VAT number of the EU has one."""
    country = address.country if address is not None else None
    bare = number is not None and number[:1].isdigit()
    return f"NL{number}" if bare and country in (None, "NL") else number


def is_person(relation: Mapping[str, Any]) -> bool:
    """Whether a relation on the wire is told as a person: it is called as its contact person."""
    held = (relation.get("vestigingsAdres") or {}).get("contactpersoon")
    return text_or_none(held) is not None and held == relation.get("naam")


def contact_body(
    given: Mapping[str, Any], before: Mapping[str, Any], countries: Countries, refuse: Refuse
) -> dict[str, Any]:
    """A relation to write: what is given on top of what was. ``before`` is empty for a new one.

    Raises ``validation_failed`` for a number that is none; ``refuse`` is told of what has no place.
    """
    body = {name: value for name, value in before.items() if name not in NOT_WRITTEN}
    body |= {theirs: given[ours] for ours, theirs in SAME.items() if ours in given}
    if "roles" in given:
        body["relatiesoort"] = [KINDS[role] for role in given["roles"]]
    if "number" in given:
        body["relatiecode"] = _number(given["number"])
    if "vat_number" in given:
        body["btwNummer"] = given["vat_number"]
    if "invoice_email" in given:
        held = before.get("factuurEmailVersturen") or {"shouldSend": False}
        body["factuurEmailVersturen"] = {**held, "email": given["invoice_email"]}
    body["vestigingsAdres"] = _address_body(given, before.get("vestigingsAdres"), countries)
    _name(given, before, body, refuse)
    return body


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**31):
        raise invalid("/number", "SnelStart numbers its relations: a debtor number is a whole number above zero.")
    return int(text)


def _address_body(
    given: Mapping[str, Any], before: Mapping[str, Any] | None, countries: Countries
) -> dict[str, Any] | None:
    """The visiting address, on top of what was; the contact person is part of it there."""
    if not given.keys() & {"address", "contact_person", "kind"}:
        return None if before is None else dict(before)
    body = dict(before or {})
    if "address" in given:
        address: AddressDraft | None = given["address"]
        if address is None:
            body = {"contactpersoon": body.get("contactpersoon")}
        else:
            body |= address_body(address, ADDRESS)
            if "country" in address.given():
                body["land"] = _country(address.country, countries)
    if "contact_person" in given:
        body["contactpersoon"] = given["contact_person"]
    return body if any(body.values()) else None


def _country(code: str | None, countries: Countries) -> dict[str, str] | None:
    if code is None:
        return None
    for id, country in countries.items():
        if country.code == code:
            return refer(id)
    raise invalid("/address/country", "SnelStart does not know this country.")


def _name(given: Mapping[str, Any], before: Mapping[str, Any], body: dict[str, Any], refuse: Refuse) -> None:
    """The name: the company's, or a person's, which stands in the visiting address too to tell a person."""
    was_person = is_person(before)
    kind = given.get("kind") or ("person" if was_person else "company")
    place = body["vestigingsAdres"] or {}
    if kind == "company":
        if given.get("company_name") is not None:
            body["naam"] = given["company_name"]
        elif was_person or "company_name" in given:
            raise invalid("/company_name", "A company needs a name.", "required")
        return
    if given.get("company_name", None if was_person else text_or_none(before.get("naam"))) is not None:
        refuse(
            "/company_name",
            en="A person has no company in SnelStart: one relation has one name.",
            nl="Een persoon heeft in SnelStart geen bedrijf: een relatie heeft één naam.",
        )
    name = text_or_none(place.get("contactpersoon"))
    if name is None:
        raise invalid("/contact_person", "A person needs a name.", "required")
    body["naam"] = name
    if place.get("straat"):
        body["vestigingsAdres"] = {**place, "contactpersoon": name}
    else:
        # A contact person alone is refused (REL-0060), and without one nothing tells a person from a company.
        body["vestigingsAdres"] = None
        if any(place.get(part) for part in ("postcode", "plaats", "land")):
            refuse(
                "/address",
                en="SnelStart keeps an address with street, postal code and city only.",
                nl="SnelStart bewaart een adres alleen met straat, postcode en plaats.",
            )
        refuse(
            "/kind",
            en="SnelStart tells a person by its address only: give an address.",
            nl="SnelStart herkent een persoon alleen aan het adres: geef een adres.",
        )
