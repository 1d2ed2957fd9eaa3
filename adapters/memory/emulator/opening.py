"""How the books begin: three companies with what every administration is set up with; and a year of lifelike work."""

from datetime import date, timedelta
from decimal import Decimal

from adapters.memory.emulator.books import ALL_SCOPES, Company, Row, Service
from adapters.memory.emulator.documents import write_payment
from adapters.memory.emulator.endpoints import write

USER = "els@demolen.example"
PASSWORD = "tien-zakken-meel"
API_TOKEN = "mbk_2b7e151628aed2a6abf7158809cf4f3c"
"""It opens the first company only, for ever."""

_VAT_CODES = (
    ("Hoog tarief", "H", "0.21", "HIGH", "both", None, None),
    ("Laag tarief", "L", "0.09", "LOW", "both", "2019-01-01", None),
    ("Laag tarief 6%", "L6", "0.06", "LOW", "both", None, "2018-12-31"),
    ("Nultarief", "N", "0", "ZERO", "sales", None, None),
    ("Vrijgesteld", "V", "0", "EXEMPT", "sales", None, None),
    ("Btw verlegd", "R", "0", "REVERSED", "both", None, None),
    ("Levering binnen de EU", "EUG", "0", "EU_GOODS", "sales", None, None),
    ("Diensten binnen de EU", "EUS", "0", "EU_SERVICES", "sales", None, None),
    ("Export", "X", "0", "EXPORT", "sales", None, None),
    ("Buiten de btw", "B", "0", "OUTSIDE", "both", None, None),
    ("Voorbelasting hoog", "VH", "0.21", "HIGH", "purchases", None, None),
)
_LEDGERS = (
    ("8000", "Omzet hoog tarief", "turnover", False),
    ("8010", "Omzet laag tarief", "turnover", False),
    ("8090", "Betalingsverschillen", "cost", False),
    ("1100", "Bank", "asset", False),
    ("1000", "Kas", "asset", False),
    ("1300", "Debiteuren", "asset", False),
    ("1600", "Crediteuren", "debt", False),
    ("0500", "Eigen vermogen", "capital", False),
    ("4300", "Ingrediënten", "cost", False),
    ("8800", "Omzet molenwinkel (oud)", "turnover", True),
)
_METHODS = (("Bank", "bank", "le1004"), ("Contant", "cash", "le1005"), ("iDEAL", "ideal", "le1004"))
_FIRST = ("Anna", "Bram", "Chris", "Daan", "Eva", "Fatima", "Gijs", "Hanna", "Ilse", "Joost", "Karim", "Lotte")
_LAST = ("Bakker", "de Boer", "Çelik", "Dijkstra", "van den Berg", "Jansen", "Mulder", "Özdemir", "Visser", "Smit")
_TRADES = ("Lunchroom", "Eetcafé", "Biologische winkel", "Hotel", "Kinderopvang", "Catering", "Strandpaviljoen")
_CITIES = (("Delft", "2611 AB"), ("Sneek", "8601 CD"), ("Goes", "4461 EF"), ("Deventer", "7411 GH"))
_BREADS = (
    ("Volkoren brood", "stuk", "3.25"),
    ("Speltbrood", "stuk", "4.10"),
    ("Roggebrood", "stuk", "2.95"),
    ("Krentenbollen", "zak", "3.60"),
    ("Appeltaart", "stuk", "18.50"),
    ("Roggemeel", "kg", "2.1935"),
    ("Bezorging", "rit", "7.50"),
)


def open_books(service: Service) -> None:
    """Three companies: one with all rights, one where little is allowed, one that is closed."""
    service.passwords[USER] = PASSWORD
    few = ("read:contacts", "read:invoices", "read:settings")
    for id, name, accessible, scopes in (
        ("m1", "Bakkerij De Molen", True, ALL_SCOPES),
        ("m2", "Molenwinkel De Molen", True, few),
        ("m3", "De Molen Vastgoed", False, ()),
    ):
        details: Row = {
            "id": id,
            "name": name,
            "accessible": accessible,
            "allowedScopes": list(scopes),
            "vatNumber": "NL857494454B01",
            "cocNumber": "68599017",
            "email": "administratie@demolen.example",
            "address": _address("Molenstraat", "1", "a", *_CITIES[0]),
            "currency": "EUR",
        }
        service.companies[id] = _set_up(Company(details, service.clock))


def _set_up(company: Company) -> Company:
    for name, code, rate, regime, use, since, until in _VAT_CODES:
        row = {"name": name, "code": code, "vatRate": rate, "regime": regime, "use": use, "country": "NL"}
        _add(company, "vatcodes", {**row, "validFrom": since, "validTo": until})
    for number, title, kind, archived in _LEDGERS:
        _add(company, "ledgers", {"code": number, "name": title, "kind": kind, "archived": archived})
    for title, kind, ledger in _METHODS:
        _add(company, "methods", {"name": title, "kind": kind, "ledger": ledger})
    return company


def _add(company: Company, noun: str, row: Row) -> None:
    id = company.new_id(noun)
    company.all(noun)[id] = {"id": id, **row}


def _address(street: str, number: str, suffix: str | None, city: str, postal_code: str) -> Row:
    return {
        "addressLine": f"{street} {number}{suffix or ''}",
        "street": street,
        "houseNumber": number,
        "houseNumberSuffix": suffix,
        "addressLine2": None,
        "postalCode": postal_code,
        "city": city,
        "region": None,
        "country": "NL",
    }


def work_a_year(service: Service, company: Company) -> None:
    """Forty customers, seven products, eighty invoices, most of them paid."""
    chance = service.random
    for bread, (name, unit, price) in enumerate(_BREADS, 1):
        article = {"sku": f"MOL-{bread:03}", "name": name, "kind": "goods", "unit": unit, "price": price}
        write(company, "products", {**article, "vatCode": "va1002", "ledger": "le1002", "stock": bread * 12}, None)
    for place in range(40):
        write(company, "contacts", _customer(service, place), None)
    contacts = [id for id, row in company.all("contacts").items() if not row["archived"]]
    for place in range(80):
        issued = company.today - timedelta(days=360 - place * 4)
        lines = [_sold(service, company) for _ in range(chance.randint(1, 4))]
        body: Row = {
            "kind": "invoice",
            "contact": chance.choice(contacts),
            "date": issued.isoformat(),
            "dueDate": (issued + timedelta(days=14)).isoformat(),
            "reference": f"Bestelling {4100 + place}",
            "lines": lines,
            "book": place < 76,
        }
        invoice = write(company, "invoices", body, None)
        if place < 70:
            _pay(company, invoice, Decimal(invoice["totals"]["gross"]), issued + timedelta(days=chance.randint(1, 13)))
        elif place < 72:
            _pay(company, invoice, Decimal("1.00"), issued + timedelta(days=9))


def _customer(service: Service, place: int) -> Row:
    chance = service.random
    person = f"{chance.choice(_FIRST)} {chance.choice(_LAST)}"
    city, postal_code = chance.choice(_CITIES)
    is_person = place % 5 == 4
    return {
        "isPerson": is_person,
        "relationTypes": ["C", "S"] if place % 10 == 0 else ["C"],
        "companyName": None if is_person else f"{chance.choice(_TRADES)} {chance.choice(_LAST)} {place}",
        "contactPerson": person,
        "email": f"klant{place}@voorbeeld{place % 7}.example",
        "phone": f"0{chance.randint(101111111, 889999999)}",
        "address": _address("Dorpsstraat", str(chance.randint(1, 180)), None, city, postal_code),
        "vatNumber": None if is_person else f"NL{101000000 + place * 37}B01",
        "debtorNumber": f"D{1000 + place}",
        "language": "nl",
        "currency": "EUR",
        "paymentTermDays": 14,
        "creditLimit": "500.00" if place % 8 == 0 else None,
        "archived": place % 20 == 19,
    }


def _sold(service: Service, company: Company) -> Row:
    product = service.random.choice(list(company.all("products").values()))
    return {
        "text": product["name"],
        "product": product["id"],
        "quantity": service.random.randint(1, 40),
        "unit": product["unit"],
        "price": product["price"],
        "vatCode": product["vatCode"],
        "ledger": product["ledger"],
    }


def _pay(company: Company, invoice: Row, amount: Decimal, on: date) -> None:
    part = {"invoice": invoice["id"], "amount": str(amount)}
    body = {"date": on.isoformat(), "amount": str(amount), "method": "me1001", "reference": invoice["number"]}
    write_payment(company, {**body, "allocations": [part]})
