"""Relations as contacts, both ways.

Klant is a customer, Leverancier a supplier. A PUT replaces the whole, so a body is what was, with what is given on top.
Neither persons nor their names have a place of their own: a person is a relation that is called as its contact person.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from adapters.snelstart.mapping.values import Flag, Guid, MaybeNone, Moment, Reference, Said, Wire, refer
from gateway.contract.adapter import Record
from gateway.contract.errors import invalid
from gateway.contract.models import Address, AddressDraft, Contact
from gateway.contract.models.contacts import Role

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

ROLES: Mapping[str, Role] = {"Klant": "customer", "Leverancier": "supplier"}
KINDS: Mapping[str, str] = {role: kind for kind, role in ROLES.items()}
HOLDS = frozenset(
    {
        *SAME,
        *("kind", "roles", "company_name", "contact_person", "invoice_email", "vat_number", "number"),
        *(f"address.{part}" for part in ("line1", "street", "house_number", "house_number_addition")),
        *(f"address.{part}" for part in ("postal_code", "city", "country")),
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
Refuse = Callable[[str, str], None]


class Adres(Wire):
    """A postal address; ``straat`` includes the house number."""

    contactpersoon: Said = None
    straat: Said = None
    postcode: Said = None
    plaats: Said = None
    land: Reference = None


class Mailing(Wire):
    """Where one kind of mail goes."""

    email: Said = None


class Relatie(Wire):
    """A relation."""

    id: Guid
    relatiesoort: Annotated[list[str], MaybeNone]
    relatiecode: int | None = None
    naam: Said = None
    modifiedOn: Moment | None = None
    vestigingsAdres: Adres | None = None
    telefoon: Said = None
    mobieleTelefoon: Said = None
    email: Said = None
    btwNummer: Said = None
    krediettermijn: int | None = None
    nonactief: Flag = False
    kvkNummer: Said = None
    websiteUrl: Said = None
    iban: Said = None
    bic: Said = None
    factuurEmailVersturen: Mailing | None = None

    @property
    def hidden(self) -> bool:
        """The administration's own relation, and the unknown customer and supplier it ships (dossier 2.4)."""
        return "Eigen" in self.relatiesoort or (self.relatiecode or 0) < 0


class Land(Wire):
    """A country: ``landcode`` has two letters, ``landcodeISO`` three (dossier 2.4)."""

    id: Guid
    landcode: str
    landcodeISO: Said = None


Countries = Mapping[str, Land]
"""Countries by their id."""


def contact_of(raw: Mapping[str, Any], countries: Countries) -> Record[Contact]:
    """A relation as a contact."""
    said = Relatie.of(raw)
    place = said.vestigingsAdres or Adres()
    person = said.naam is not None and place.contactpersoon == said.naam
    address = _address_of(place, countries)
    contact = Contact(
        id=said.id,
        kind="person" if person else "company",
        roles=[ROLES[kind] for kind in said.relatiesoort if kind in ROLES],
        name=said.naam or "",
        company_name=None if person else said.naam,
        contact_person=place.contactpersoon,
        invoice_email=said.factuurEmailVersturen.email if said.factuurEmailVersturen is not None else None,
        address=address,
        vat_number=_vat_number(said.btwNummer, address),
        number=None if said.relatiecode is None else str(said.relatiecode),
        archived=said.nonactief,
        updated_at=said.modifiedOn,
        **{ours: getattr(said, theirs) for ours, theirs in SAME.items()},
    )
    return Record(contact, raw, mapped=MAPPED)


def _address_of(place: Adres, countries: Countries) -> Address | None:
    if not (place.straat or place.postcode or place.plaats):
        return None
    country = countries.get(place.land or "")
    return Address(
        line1=place.straat,
        postal_code=place.postcode,
        city=place.plaats,
        country=None if country is None else country.landcode,
    )


def _vat_number(number: str | None, address: Address | None) -> str | None:
    """A Dutch number comes back without its prefix (dossier 2.4); every VAT number of the EU has one."""
    country = address.country if address is not None else None
    bare = number is not None and number[:1].isdigit()
    return f"NL{number}" if bare and country in (None, "NL") else number


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
            body |= _parts(address, countries)
    if "contact_person" in given:
        body["contactpersoon"] = given["contact_person"]
    return body if any(body.values()) else None


def _parts(address: AddressDraft, countries: Countries) -> dict[str, Any]:
    given = address.given()
    parts: dict[str, Any] = {}
    if given.keys() & {"line1", "street", "house_number", "house_number_addition"}:
        parts["straat"] = address.first_line()
    parts |= {
        theirs: given[ours] for ours, theirs in (("postal_code", "postcode"), ("city", "plaats")) if ours in given
    }
    if "country" in given:
        parts["land"] = _country(given["country"], countries)
    return parts


def _country(code: str | None, countries: Countries) -> dict[str, str] | None:
    if code is None:
        return None
    for id, country in countries.items():
        if country.landcode == code:
            return refer(id)
    raise invalid("/address/country", "SnelStart does not know this country.")


def _name(given: Mapping[str, Any], before: Mapping[str, Any], body: dict[str, Any], refuse: Refuse) -> None:
    """The name: the company's, or a person's, which stands in the visiting address too to tell a person."""
    held = (before.get("vestigingsAdres") or {}).get("contactpersoon")
    was_person = bool(before) and held is not None and held == before.get("naam")
    kind = given.get("kind") or ("person" if was_person else "company")
    place = body["vestigingsAdres"] or {}
    if kind == "company":
        if given.get("company_name") is not None:
            body["naam"] = given["company_name"]
        elif "company_name" in given:
            raise invalid("/company_name", "A company needs a name.", "required")
        return
    if given.get("company_name") is not None:
        refuse("/company_name", "A person has no company in SnelStart: one relation has one name.")
    name = given["contact_person"] if "contact_person" in given else before.get("naam")
    if name is None:
        raise invalid("/contact_person", "A person needs a name.", "required")
    body["naam"] = name
    if place.get("straat"):
        body["vestigingsAdres"] = {**place, "contactpersoon": name}
    else:
        # A contact person alone is refused (REL-0060), and without one nothing tells a person from a company.
        body["vestigingsAdres"] = None
        refuse("/kind", "SnelStart tells a person by its address only: give an address.")
