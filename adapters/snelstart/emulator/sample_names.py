"""The names, places and articles of the sample books. Mail addresses end in ``.example``, which belongs to nobody."""

from collections.abc import Callable
from typing import Any

Pick = Callable[[int], int]
Body = dict[str, Any]

_FAMILY = (
    "de Jong", "Jansen", "de Vries", "van den Berg", "van Dijk", "Bakker", "Janssen", "Visser", "Smit", "Meijer",
    "de Boer", "Mulder", "de Groot", "Bos", "Vos", "Peters", "Hendriks", "van Leeuwen", "Dekker", "Brouwer", "de Wit",
    "Dijkstra", "Smits", "de Graaf", "van der Meer", "Kok", "van der Linden", "Jacobs", "Vermeulen", "Hoekstra",
    "Öztürk", "El Idrissi", "Koç", "Müller", "d'Ancona",
)  # fmt: skip
_FIRST = (
    "Anna",
    "Bram",
    "Carla",
    "Daan",
    "Emma",
    "Fatima",
    "Gijs",
    "Hanneke",
    "Ivo",
    "Jasmijn",
    "Koen",
    "Lotte",
    "Noë",
)
_TRADES = (
    "Bakkerij", "Schildersbedrijf", "Installatiebureau", "Adviesbureau", "Drukkerij", "Garage", "Kapsalon",
    "Bloemisterij", "Transport", "Timmerwerken", "Fietsen", "Administratiekantoor", "Hoveniersbedrijf", "Studio",
    "Slagerij", "Rijschool", "Makelaardij", "Tandartspraktijk",
)  # fmt: skip
_FORMS = ("B.V.", "V.O.F.", "", "& Zn.", "B.V.")
_STREETS = (
    "Dorpsstraat",
    "Kerkweg",
    "Stationsplein",
    "Molenlaan",
    "Havenkade",
    "'s-Gravenlandseweg",
    "Prins Hendrikstraat",
)
_TOWNS = (
    ("Alkmaar", "1811 AB"), ("Utrecht", "3511 CD"), ("'s-Hertogenbosch", "5211 EF"), ("Groningen", "9711 GH"),
    ("Den Burg", "1791 JK"), ("Maastricht", "6211 LM"), ("Zwolle", "8011 NP"), ("Middelburg", "4331 RS"),
)  # fmt: skip
_ABROAD = (
    ("DE", "GmbH", "Köln", "50667", "Hohe Straße"),
    ("BE", "BV", "Antwerpen", "2000", "Meir"),
    ("FR", "SARL", "Lille", "59000", "Rue Nationale"),
)
_OVERSEAS = (("US", "Portland", "97201", "SW Main Street"), ("GB", "Leeds", "LS1 4AP", "Park Row"))

ARTICLES = tuple(
    (f"{name}{suffix}", unit, price, group)
    for (suffix,) in (("",), (" (groot)",))
    for name, unit, price, group in (
        ("Consult per uur", "uur", "95", 5),
        ("Website onderhoud per maand", "maand", "49.50", 5),
        ("Installatie ter plaatse", "uur", "72.25", 5),
        ("Training dagdeel", "dagdeel", "385", 8),
        ("Schilderwerk woning ouder dan twee jaar", "uur", "48.40", 6),
        ("Reparatie fiets", "stuk", "27.52", 6),
        ("Boek Goed boekhouden", "stuk", "24.77", 2),
        ("Brood en gebak lunch", "stuk", "6.42", 2),
        ("Krat water", "krat", "7.34", 2),
        ("Toetsenbord", "stuk", "41.31", 1),
        ("Beeldscherm 27 inch", "stuk", "219", 1),
        ("Kabel 2 meter", "stuk", "4.96", 1),
        ("Bureaustoel", "stuk", "247.93", 1),
        ("Printpapier doos", "doos", "22.31", 1),
        ("Koffiebonen 1 kg", "kg", "13.76", 2),
        ("Verzendkosten", "stuk", "5.78", 1),
        ("Zonnepaneel 420 Wp", "stuk", "118", 4),
        ("Detachering verlegd", "uur", "68", 7),
        ("Vertaling per woord", "woord", "0.17", 5),
        ("Domeinnaam per jaar", "jaar", "12.40", 5),
    )
)
"""Name, unit, price without VAT and revenue group."""


def relation(index: int, pick: Pick) -> Body:
    """The body of the index-th relation, with its country beside it: mostly Dutch firms, every kind of others."""
    turn = index % 22
    if turn in (4, 9, 14, 19):
        return supplier(index, pick)
    if turn in (2, 7, 12, 17):
        return consumer(index, pick)
    if turn == 5:
        return foreign_company(index, pick)
    if turn == 10 and index % 44 == 10:
        return foreign_consumer(index, pick)
    if turn == 15 and index % 44 == 15:
        return overseas_company(index, pick)
    return dutch_company(index, pick)


def dutch_company(index: int, pick: Pick) -> Body:
    """A customer in the Netherlands, with numbers whose check digits are right."""
    family = _FAMILY[index % len(_FAMILY)]
    name = f"{_TRADES[index % len(_TRADES)]} {family} {_FORMS[index % len(_FORMS)]}".strip()
    mail = _mail(family, index)
    body = _base("Klant", name, mail) | {
        "vestigingsAdres": _address(index, pick, f"{_FIRST[index % len(_FIRST)]} {family}"),
        "btwNummer": f"NL{_eleven_proof(pick)}B{1 + pick(9):02d}",
        "kvkNummer": str(10_000_000 + pick(89_999_999)),
        "krediettermijn": (14, 30, 8, None)[index % 4],
        "aanmaningsoort": "Onderneming",
        "factuurEmailVersturen": {"shouldSend": True, "email": mail, "ccEmail": None},
    }
    if index % 3 == 0:
        body |= {"iban": _iban("ABNA", pick), "bic": "ABNANL2A"}
    return body


def consumer(index: int, pick: Pick) -> Body:
    """A customer without numbers of any sort; every fourth even without an address."""
    family = _FAMILY[(index * 7) % len(_FAMILY)]
    name = f"{_FIRST[index % len(_FIRST)]} {family}"
    body = _base("Klant", name, _mail(family, index)) | {"mobieleTelefoon": f"06{10_000_000 + pick(89_999_999)}"}
    return body | {"vestigingsAdres": None if index % 4 == 0 else _address(index, pick, None)}


def supplier(index: int, pick: Pick) -> Body:
    """A supplier that is paid by bank."""
    family = _FAMILY[(index * 3) % len(_FAMILY)]
    return _base("Leverancier", f"Groothandel {family}", _mail(family, index)) | {
        "vestigingsAdres": _address(index, pick, None),
        "bankieren": True,
        "iban": _iban("RABO", pick),
        "bic": "RABONL2U",
        "krediettermijn": 30,
    }


def foreign_company(index: int, pick: Pick) -> Body:
    """A business elsewhere in the EU, with a VAT number of that country."""
    country, form, town, postcode, street = _ABROAD[index % len(_ABROAD)]
    family = _FAMILY[(index * 5) % len(_FAMILY)]
    numbers = {"DE": _german(pick), "BE": _belgian(pick), "FR": f"FR{10 + pick(89)}{100_000_000 + pick(899_999_999)}"}
    address = {"straat": f"{street} {1 + pick(90)}", "postcode": postcode, "plaats": town}
    body = _base("Klant", f"{family} {form}", _mail(family, index))
    return body | {"vestigingsAdres": address, "land": country, "btwNummer": numbers[country], "krediettermijn": 30}


def foreign_consumer(index: int, pick: Pick) -> Body:
    """A consumer in Germany, whose country's VAT is due."""
    family = _FAMILY[(index * 11) % len(_FAMILY)]
    address = {"straat": f"Lindenallee {1 + pick(90)}", "postcode": "45127", "plaats": "Essen"}
    return _base("Klant", f"Klara {family}", _mail(family, index)) | {"vestigingsAdres": address, "land": "DE"}


def overseas_company(index: int, pick: Pick) -> Body:
    """A customer outside the EU."""
    country, town, postcode, street = _OVERSEAS[(index // 44) % len(_OVERSEAS)]
    address = {"straat": f"{1 + pick(900)} {street}", "postcode": postcode, "plaats": town}
    return _base("Klant", f"Overseas Trading {index} Ltd", None) | {"vestigingsAdres": address, "land": country}


def _base(kind: str, name: str, mail: str | None) -> Body:
    return {"relatiesoort": [kind], "naam": name, "email": mail, "land": "NL"}


def _mail(family: str, index: int) -> str:
    plain = "".join(sign for sign in family.lower() if sign.isascii() and sign.isalpha())
    return f"{plain}{index}@klant{index % 9}.example"


def _address(index: int, pick: Pick, contact: str | None) -> Body:
    town, postcode = _TOWNS[index % len(_TOWNS)]
    street = f"{_STREETS[index % len(_STREETS)]} {1 + pick(250)}"
    return {"contactpersoon": contact, "straat": street, "postcode": postcode, "plaats": town}


def _eleven_proof(pick: Pick) -> str:
    while True:
        digits = [1 + pick(9), *(pick(10) for _index in range(7))]
        check = sum(weight * digit for weight, digit in zip(range(9, 1, -1), digits, strict=True)) % 11
        if check < 10:
            return "".join(map(str, [*digits, check]))


def _german(pick: Pick) -> str:
    digits = [1 + pick(9), *(pick(10) for _index in range(7))]
    product = 10
    for digit in digits:
        product = 2 * ((digit + product) % 10 or 10) % 11
    return "DE" + "".join(map(str, [*digits, (11 - product) % 10]))


def _belgian(pick: Pick) -> str:
    base = 4_000_000 + pick(5_000_000)
    return f"BE0{base}{97 - base % 97:02d}"


def _iban(bank: str, pick: Pick) -> str:
    account = f"{bank}0{100_000_000 + pick(899_999_999)}"
    number = int("".join(str(int(sign, 36)) for sign in f"{account}NL00"))
    return f"NL{98 - number % 97:02d}{account}"
