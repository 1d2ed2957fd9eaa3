"""What SnelStart wants of a draft beyond the contract, as JSON Schema: lengths, forms and pairs (dossier 5.2, 6)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from adapters.snelstart.mapping.contacts import Countries
from adapters.snelstart.mapping.lines import TEXT_LIMIT, Setup
from adapters.snelstart.mapping.products import CODE_LENGTH, Shelf
from adapters.snelstart.mapping.vat import SALES_FUNCTIONS, Way, allows, in_force
from gateway.contract.schemas import (
    ABOVE_ZERO_IN_CENTS,
    ADDRESS_LINE,
    BLANKLESS,
    CENTS,
    NOT_ZERO,
    NOTE_STATUS,
    Requirement,
    Requirements,
    Schema,
    any_of,
    equals,
    has,
    if_then,
    one_of_these,
    without,
)

_MAIL = {
    "pattern": r"^[^@\s;,<>]+@[^@\s;,<>.]+(\.[^@\s;,<>.]+)+$",
    "maxLength": 250,
    "examples": ["info@kaasboer.example", "a.de.boer@mail.voorbeeld.example"],
}
_WEB = {
    "pattern": r"^([hH][tT][tT][pP][sS]?://)?[^\s/@:]+(\.[^\s/@:.]+)+(:[0-9]+)?(/\S*)?$",
    "examples": ["https://kaasboer.example", "www.kaasboer.example/kaas"],
}
NUMBERED = Requirement(
    required=True, schema={"maxLength": 25, **BLANKLESS}, why="The caller numbers invoices: a number is used once."
)
_DUTCH_VAT = {
    "if": {"properties": {"vat_number": {"type": "string", "pattern": "^NL"}}, "required": ["vat_number"]},
    "then": {"properties": {"address": {"properties": {"country": {"enum": ["NL", None]}}}}},
}


def contact_requirements(countries: Countries) -> Requirements:
    """Of a contact, new or changed."""
    return {
        "company_name": Requirement(schema={"maxLength": 50}),
        "contact_person": Requirement(schema={"maxLength": 50}),
        "phone": Requirement(schema={"maxLength": 25}),
        "mobile": Requirement(schema={"maxLength": 25}),
        "email": Requirement(schema=_MAIL),
        "invoice_email": Requirement(schema=_MAIL),
        "website": Requirement(schema=_WEB),
        "coc_number": Requirement(schema={"pattern": r"^[0-9]{8}([0-9]{4})?$", "examples": ["27123456"]}),
        "iban": Requirement(
            schema={"format": "iban", "examples": ["NL91ABNA0417164300"]}, why="Its check digits are tried."
        ),
        "bic": Requirement(
            schema={"pattern": r"^[A-Za-z]{6}[A-Za-z0-9]{2}([A-Za-z0-9]{3})?$", "examples": ["ABNANL2A"]}
        ),
        "vat_number": Requirement(
            schema={"pattern": r"^[A-Za-z0-9]{2,50}$", "examples": ["NL001234560B01"]},
            why="That of the address's country; its check digits are tried.",
        ),
        "number": Requirement(schema={"pattern": "^[1-9][0-9]{0,8}$"}, why="A whole number that is free."),
        "payment_term_days": Requirement(schema={"maximum": 1000}),
        "address.line1": Requirement(schema={"maxLength": 50}),
        "address.street": Requirement(schema={"maxLength": 40}),
        "address.house_number": Requirement(schema={"maxLength": 5}),
        "address.house_number_addition": Requirement(schema={"maxLength": 4}),
        "address.postal_code": Requirement(schema={"maxLength": 25}),
        "address.city": Requirement(schema={"maxLength": 50}),
        "address.country": Requirement(
            schema={"enum": sorted({land.code for land in countries.values() if land.code})}
        ),
    }


def new_contact_requirements(countries: Countries) -> Requirements:
    """Of a new contact: an address is whole or not there (REL-0060), and tells a person and who is asked for."""
    whole = {
        "required": ["city", "postal_code"],
        "properties": {name: {"type": "string", **BLANKLESS} for name in ("city", "postal_code")},
        **any_of(_filled("line1"), _filled("street")),
    }
    rules = [
        if_then(has("contact_person", "string"), has("address", "object")),
        if_then(equals("kind", "person"), without("company_name")),
        _DUTCH_VAT,
    ]
    return {
        **contact_requirements(countries),
        "roles": Requirement(schema={"maxItems": 1}, why="One role: SnelStart keeps customers and suppliers apart."),
        "address": Requirement(schema=whole, why="Whole or not at all: street, postal code and city."),
        "": Requirement(schema={"allOf": rules}),
    }


def changed_contact_requirements(countries: Countries) -> Requirements:
    """Of a change of a contact."""
    line = {"address": Requirement(schema={"allOf": [ADDRESS_LINE]})}
    return {**contact_requirements(countries), **line, "roles": Requirement(absent=True)}


def _filled(name: str) -> Schema:
    return {"required": [name], "properties": {name: {"type": "string", **BLANKLESS}}}


def product_requirements(shelf: Shelf, *, create: bool) -> Requirements:
    """Of a product: its VAT code and ledger account are those of a revenue group (dossier 2.4)."""
    code: dict[str, Any] = {"maxLength": shelf.company.artikelcodeMaxLengte or CODE_LENGTH, **BLANKLESS}
    if shelf.company.artikelcodeSoort == "Numeriek":
        code["pattern"] = "^[0-9]+$"
    codes: dict[str, set[str]] = {}
    for group in shelf.groups:
        way, account = shelf.way_of(group), group.ledger
        if way is not None and account is not None:
            codes.setdefault(account, set()).add(way.code.id)
    by_code = _unbooked(one_of_these("vat_code_id", sorted({code for some in codes.values() for code in some})))
    fitting = [_booked([account], some, None) for account, some in codes.items()]
    either = [] if create else [without("vat_code_id", "ledger_account_id")]
    includes = shelf.price_includes_tax
    return {
        "name": Requirement(schema={"maxLength": 250, **BLANKLESS}),
        "code": Requirement(schema=code, required=not create),
        "price_includes_tax": Requirement(schema={"const": includes}, required=includes, why="As all prices here are."),
        **({} if create else dict.fromkeys(("vat_code_id", "ledger_account_id"), Requirement(required=True))),
        "": Requirement(schema=any_of(by_code, *fitting, *either)),
    }


def invoice_requirements(setup: Setup, default_account: str | None, today: date) -> Requirements:
    """Of a new invoice: it is booked at once, on accounts that go with the VAT of its lines (dossier 3.3, 4.9)."""
    ways = [way for way in setup.ways.by_id.values() if in_force(way.code, today)]
    accounts = [one for one in setup.ledgers.values() if not one.nonactief and one.grootboekfunctie in SALES_FUNCTIONS]
    by_ways: dict[tuple[str, ...], list[str]] = {}
    for account in accounts:
        allowed = tuple(way.code.id for way in ways if allows(account, way))
        by_ways.setdefault(allowed, []).append(account.key)
    foreign = {way.code.id for way in ways if way.rate_code is not None}
    booked = [
        (_booked_abroad if foreign & {*allowed} else _booked)(some, allowed, _treatments(allowed, ways))
        for allowed, some in by_ways.items()
    ]
    alone = [way.code.id for way in ways if way.functions and any(allows(account, way) for account in accounts)]
    treatments = _treatments(alone, ways)
    named = [one_of_these("vat_code_id", alone), one_of_these("vat_treatment", treatments), has("product_id", "string")]
    unbooked = [_unbooked(one) for one in ([*named, {}] if default_account is not None else named)]
    reversed_accounts = [id for allowed, some in by_ways.items() if set(allowed) == {"verlegd"} for id in some]
    return {
        "number": NUMBERED,
        "description": Requirement(schema={"maxLength": TEXT_LIMIT}),
        "lines": Requirement(schema=_unmixed(reversed_accounts), why="Reverse charge mixes with no other VAT."),
        "lines.*": Requirement(schema=any_of(*unbooked, *booked)),
        "lines.description": Requirement(
            schema={"maxLength": TEXT_LIMIT},
            why="With the quantity, unit, discount and price with VAT, which are written behind it.",
        ),
        "lines.unit": Requirement(schema={"pattern": r"^[^()\s]*$"}),
        "lines.quantity": Requirement(schema=NOT_ZERO),
        "lines.unit_price": Requirement(schema=NOT_ZERO, why="No line comes to 0.00."),
        "lines.discount_percent": Requirement(schema={"pattern": r"^(?!0*100(\.|$))", "exclusiveMaximum": 100}),
        "lines.ledger_account_id": Requirement(schema={"enum": [account.key for account in accounts]}),
    }


def credit_requirements() -> Requirements:
    """Of crediting an invoice."""
    return {"number": NUMBERED, "": Requirement(schema={NOTE_STATUS: "paid"})}


def _treatments(allowed: Collection[str], ways: Sequence[Way]) -> list[str]:
    """The treatments of which every code is among the allowed ones."""
    other = {way.code.treatment for way in ways if way.code.id not in allowed}
    return sorted({way.code.treatment for way in ways if way.code.id in allowed} - other - {"unknown"})


def _unbooked(rest: Mapping[str, Any]) -> Schema:
    """What says no account and meets the rest."""
    return {**rest, "properties": {**rest.get("properties", {}), **without("ledger_account_id")["properties"]}}


def _booked(accounts: Iterable[str], codes: Iterable[str], treatments: Iterable[str] | None) -> Schema:
    """One of some accounts, with one of the VAT codes (or treatments) that go with them, or with none."""
    others: dict[str, Any] = {"vat_code_id": {"enum": [*codes, None]}}
    if treatments is not None:
        others["vat_treatment"] = {"enum": [*treatments, None]}
    chosen = one_of_these("ledger_account_id", accounts)
    return {**chosen, "properties": {**others, **chosen["properties"]}}


def _booked_abroad(accounts: Iterable[str], codes: Iterable[str], treatments: Iterable[str] | None) -> Schema:
    """The same, with a VAT code or treatment: an account for foreign VAT does not say of which country."""
    booked = _booked(accounts, codes, treatments)
    return {**booked, "anyOf": [has("vat_code_id", "string"), has("vat_treatment", "string")]}


def _unmixed(accounts: Sequence[str]) -> Schema:
    """Lines that all reverse the charge, or none of which does (BOE-0062)."""
    reverses = any_of(
        one_of_these("vat_code_id", ["verlegd"]),
        one_of_these("vat_treatment", ["reverse_charge"]),
        one_of_these("ledger_account_id", accounts),
    )
    return any_of({"items": {"not": reverses}}, {"items": reverses})


def payment_requirements(*, method_required: bool) -> Requirements:
    """Of a payment: it settles at least one invoice."""
    return {
        "amount": Requirement(schema=ABOVE_ZERO_IN_CENTS, why="In whole cents."),
        "allocations": Requirement(
            schema={"minItems": 1}, required=True, why="A payment settles at least one invoice."
        ),
        "allocations.amount": Requirement(
            schema={**NOT_ZERO, "pattern": rf"^(?=.*[1-9])-?{CENTS}"}, why="In whole cents."
        ),
        "reference": Requirement(schema={"maxLength": 25}),
        "description": Requirement(schema={"maxLength": TEXT_LIMIT, **BLANKLESS}),
        "payment_method_id": Requirement(required=method_required),
        "ledger_account_id": Requirement(
            why="Takes what settles no invoice, and is left out where there is no such rest."
        ),
    }
