"""Bodies with everything in them, cut down to what a system can hold."""

from collections.abc import Mapping, Set
from typing import Any

CONTACT: Mapping[str, Any] = {
    "kind": "company",
    "roles": ["customer"],
    "company_name": "Eetcafé De Sluis",
    "contact_person": "Anna de Boer",
    "email": "anna@desluis.example",
    "invoice_email": "facturen@desluis.example",
    "phone": "0152123456",
    "mobile": "0612345678",
    "website": "https://desluis.example",
    "address": {
        "street": "Sluiskade",
        "house_number": "12",
        "line2": "Achter de brug",
        "postal_code": "2611 AB",
        "city": "Delft",
        "region": "Zuid-Holland",
        "country": "NL",
    },
    "delivery_address": {
        "street": "Dorpsstraat",
        "house_number": "3",
        "postal_code": "8601 CD",
        "city": "Sneek",
        "country": "NL",
    },
    "vat_number": "NL001234560B01",
    "coc_number": "27123456",
    "iban": "NL91ABNA0417164300",
    "bic": "ABNANL2A",
    "number": "20417",
    "language": "nl",
    "currency": "EUR",
    "payment_term_days": 30,
    "external_ref": "shop-77",
}
CONTACT_NEWS: Mapping[str, Any] = {
    "company_name": "Eetcafé De Nieuwe Sluis",
    "contact_person": "Bram Visser",
    "email": "bram@nieuwesluis.example",
    "invoice_email": "boekhouding@nieuwesluis.example",
    "phone": "0701234567",
    "mobile": "0687654321",
    "website": "https://nieuwesluis.example",
    "address": {"city": "Rijswijk"},
    "delivery_address": {"postal_code": "4461 EF"},
    "vat_number": "NL009876546B01",
    "coc_number": "68599017",
    "iban": "NL20INGB0001234567",
    "bic": "INGBNL2A",
    "number": "20418",
    "payment_term_days": 21,
    "external_ref": "shop-78",
}
"""Another value for every field that holds words or numbers of the caller's own."""

PRODUCT: Mapping[str, Any] = {
    "code": "MEEL-5",
    "external_ref": "artikel-5",
    "name": "Roggemeel",
    "description": "Gemalen op de molen.",
    "type": "goods",
    "unit": "kg",
    "price": "2.19",
}
PRODUCT_NEWS: Mapping[str, Any] = {
    "code": "MEEL-6",
    "external_ref": "artikel-6",
    "name": "Roggebloem",
    "description": "Fijn gezeefd.",
    "unit": "zak",
    "price": "3.45",
}
INVOICE: Mapping[str, Any] = {
    "reference": "PO 4471",
    "external_ref": "bestelling-4471",
    "due_on": "2026-03-23",
    "delivered_on": "2026-02-27",
    "description": "Levering maart",
    "notes": "Niet voor twaalven bezorgen",
}
INVOICE_NEWS: Mapping[str, Any] = {
    "reference": "PO 4472",
    "external_ref": "bestelling-4472",
    "issued_on": "2026-03-04",
    "due_on": "2026-03-30",
    "delivered_on": "2026-02-28",
    "description": "Levering april",
    "notes": "Bij de buren afgeven",
}


NEWS: Mapping[str, Mapping[str, Any]] = {"contacts": CONTACT_NEWS, "products": PRODUCT_NEWS, "invoices": INVOICE_NEWS}


def held(body: Mapping[str, Any], holds: Set[str], at: str = "") -> dict[str, Any]:
    """A body without what has no place in the system. An address is given as one line where its parts have none."""
    kept: dict[str, Any] = {}
    for name, value in body.items():
        if isinstance(value, Mapping):
            part = held(_first_line(value, holds, f"{at}{name}."), holds, f"{at}{name}.")
            kept |= {name: part} if part else {}
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            kept[name] = [held(one, holds, f"{at}{name}.") for one in value]
        elif f"{at}{name}" in holds or f"{at}{name}" in ("contact_id", "issued_on", "lines.description"):
            kept[name] = value
    return kept


def _first_line(part: Mapping[str, Any], holds: Set[str], at: str) -> Mapping[str, Any]:
    if "street" not in part or f"{at}street" in holds:
        return part
    rest = {name: value for name, value in part.items() if name not in ("street", "house_number")}
    return {"line1": f"{part['street']} {part['house_number']}", **rest}
