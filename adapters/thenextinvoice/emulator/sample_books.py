"""Lifelike Dutch books, always the same: a year of business for one company, and a little for another."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from adapters.thenextinvoice.emulator.customers import DEFAULTS
from adapters.thenextinvoice.emulator.invoicing import credit, finalize, following, save_new
from adapters.thenextinvoice.emulator.office import connect
from adapters.thenextinvoice.emulator.opening import new_profile
from adapters.thenextinvoice.emulator.state import Company, Customer, Invoice, Line, Payment, Product, Row, Service
from gateway.contract.exact import Json

CUSTOMERS = 250
INVOICES = 120
SHARED_DESCRIPTION = "Cadeaupakket"

# fmt: off
FIRST_NAMES = ("Anna", "Bram", "Carlijn", "Daan", "Eva", "Femke", "Gijs", "Hanna", "Ilse", "Jeroen", "Kim", "Lars",
               "Maud", "Niels", "Olga", "Pieter", "Roos", "Sjoerd", "Tess", "Willem")
SURNAMES = ("de Jong", "Jansen", "de Vries", "van den Berg", "Bakker", "van Dijk", "Visser", "Smit", "Meijer",
            "Mulder", "Bos", "Vos", "Peters", "Hendriks", "van Leeuwen", "Dekker", "Brouwer", "de Wit", "Dijkstra",
            "Kok")
TRADES = ("Bakkerij", "Bouwbedrijf", "Drukkerij", "Fietsenmakerij", "Hoveniersbedrijf", "Installatiebureau", "Kapsalon",
          "Loodgietersbedrijf", "Schildersbedrijf", "Timmerwerken")
STREETS = ("Dorpsstraat", "Kerkstraat", "Molenweg", "Stationsplein", "Prinsengracht", "Lange Nieuwstraat", "'t Zand",
           "Burgemeester van Tuyllkade", "Ondiep", "Hoogstraat")
PLACES = (("Amsterdam", "1012AB"), ("Utrecht", "3511CE"), ("Groningen", "9711LM"), ("'s-Hertogenbosch", "5211JW"),
          ("Maastricht", "6211EG"), ("Leeuwarden", "8911DB"), ("Zwolle", "8011PK"), ("Middelburg", "4331BG"))
GOODS = ("Appelsap 1 liter", "Honing 350 gram", "Kaas jong belegen", "Kaas oud", "Mosterd grof", "Roggebrood",
         "Jam aardbei", "Thee kruiden", "Koffiebonen 1 kg", "Eieren 10 stuks", "Werkbank beuken", "Tuinstoel",
         "Plantenbak cortenstaal", "Gereedschapskist", "Snoeischaar", "Kruiwagen", "Regenton 200 liter", "Barbecue",
         "Buitenlamp", "Hangmat", "Workshop kaas maken", "Rondleiding", "Zaalhuur dagdeel", "Advies per uur",
         "Verzendkosten", "Verpakking", "Statiegeld krat", "Cursusboek", "Reparatie per uur", "Abonnement maand")
# fmt: on
PRICES = ("2.29", "4.95", "7.50", "12.40", "0.33333", "19.99", "24.75", "49", "75", "129.95", "350", "1.23456")


@contextmanager
def _always_alike(chance: Random, words: str) -> Iterator[Random]:
    """The emulator's chance, begun anew from ``words``; afterwards it goes on where it was."""
    before = chance.getstate()
    chance.seed(words)
    try:
        yield chance
    finally:
        chance.setstate(before)


def fill(service: Service, company: Company) -> None:
    """About 250 customers, 40 products, two profiles, and 120 invoices in every state, relative to now."""
    profile = new_profile(service, company)
    profile.update(name="Webwinkel", companyName="De Groene Schuur Online", peppol_verified=True)
    connect(company, "twinfield", "NLA002184")
    connect(company, "mollie", "mollie")
    company.peppol = company.sms = True
    today = service.clock.now().date()
    first = today - timedelta(days=360)
    company.next_number = f"{first.year}00001"
    with _always_alike(service.random, "the books of the green barn") as chance:
        _add_customers(service, company, chance)
        _add_foreigners(service, company)
        _add_products(service, company)
        for position in range(INVOICES):
            _add_invoice(service, company, chance, first + timedelta(days=position * 3), today)
        _add_drafts(service, company, chance, today)
        _add_quotations(service, company, chance, today)


def fill_small(service: Service, company: Company) -> None:
    """Five customers, and an invoice for each."""
    today = service.clock.now().date()
    with _always_alike(service.random, "the books next door") as chance:
        for number in range(5):
            _add_customer(service, company, _person(chance, number))
        _keep_product(service, company, "Huur aanhanger per dag", "35", "high", "8000")
        for number in range(5):
            invoice = _invoice(company, chance, today - timedelta(days=10 * (5 - number)))
            finalize(service, company, invoice)
            save_new(service, company, invoice)


def _add_customers(service: Service, company: Company, chance: Random) -> None:
    for number in range(CUSTOMERS - 4):
        described = _person(chance, number) if number % 5 < 2 else _business(chance, number)
        _add_customer(service, company, described)


def _add_customer(service: Service, company: Company, given: Mapping[str, Json]) -> None:
    customer = Customer(service.next_id("customer"), {**DEFAULTS, **given})
    company.customers[customer.id] = customer


def _at_home(chance: Random) -> Row:
    city, postal_code = chance.choice(PLACES)
    return {
        "address": f"{chance.choice(STREETS)} {chance.randint(1, 240)}{chance.choice(('', '', '', 'a', '-2'))}",
        "postalcode": postal_code,
        "city": city,
        "country": "NL",
    }


def _person(chance: Random, number: int) -> Row:
    # Four hundred names for a hundred persons: some of them share one.
    name = f"{chance.choice(FIRST_NAMES)} {chance.choice(SURNAMES)}"
    email = f"{name.partition(' ')[0].lower()}{number}@example.com" if number % 10 else ""
    return {**_at_home(chance), "companyname": name, "email": email, "person": True, "phone": _phone(chance)}


def _business(chance: Random, number: int) -> Row:
    # Two hundred names for a hundred and fifty businesses.
    surname = chance.choice(SURNAMES)
    return {
        **_at_home(chance),
        "companyname": f"{chance.choice(TRADES)} {surname}",
        "companycontact": f"{chance.choice(FIRST_NAMES)} {surname}" if number % 3 else None,
        "email": f"info{number}@example.org" if number % 7 else "",
        "debnumber": f"D{number:05d}" if number % 2 else None,
        "vatnumber": f"NL{chance.randint(10**8, 10**9 - 1)}B01",
        "phone": _phone(chance) if number % 4 else None,
        "option_expiration": 30 if number % 6 == 0 else None,
        "option_language": "nl" if number % 9 == 0 else None,
    }


def _phone(chance: Random) -> str:
    return f"+316{chance.randint(10_000_000, 99_999_999)}"


def _add_foreigners(service: Service, company: Company) -> None:
    abroad = (
        ("Boulangerie Martin", "12 Rue des Écoles", "75005", "Paris", "FR", "FR40303265045"),
        ("Käserei Müller GmbH", "Hauptstraße 8", "10115", "Berlin", "DE", "DE136695976"),
        ("Brasserie Dubois SA", "Grote Markt 1", "2000", "Antwerpen", "BE", "BE0403170701"),
        ("Alpine Tools AG", "Bahnhofstrasse 21", "8001", "Zürich", "CH", ""),
    )
    for name, address, postal_code, city, country, vat_number in abroad:
        place = {"address": address, "postalcode": postal_code, "city": city, "country": country}
        reach = {"email": f"office@{country.lower()}.example.com", "vatnumber": vat_number}
        _add_customer(service, company, {"companyname": name, **place, **reach})


def _add_products(service: Service, company: Company) -> None:
    for number, description in enumerate(GOODS):
        high = number % 3 != 0
        price = PRICES[number % len(PRICES)]
        _keep_product(service, company, description, price, "high" if high else "low", "8000" if high else "8010")
    for number in range(10):
        _keep_product(service, company, SHARED_DESCRIPTION, str(20 + number // 2), "high" if number % 2 else None, None)


def _keep_product(
    service: Service, company: Company, description: str, price: str, vat: str | None, ledger: str | None
) -> None:
    product = Product(
        id=service.next_id("product"),
        description=description,
        price=Decimal(price),
        vat_id=None if vat is None else _vat(company, vat),
        ledger_id=None if ledger is None else _ledger(company, ledger),
    )
    company.products[product.id] = product


def _vat(company: Company, kind: str) -> int:
    return next(vat.id for vat in company.vat_codes.values() if vat.type == kind)


def _ledger(company: Company, number: str) -> int:
    return next(int(row["id"]) for row in company.ledgers.values() if row["ledgernumber"] == number)


def _invoice(company: Company, chance: Random, sent_on: date, kind: str = "invoice") -> Invoice:
    receiver = company.customers[chance.choice(sorted(company.customers))]
    due_on = sent_on + timedelta(days=receiver.fields["option_expiration"] or 14)
    return Invoice(
        id=0,
        kind=kind,
        type="",
        discount=Decimal(chance.choice((0, 0, 0, 0, 5, 10))),
        includes_vat=bool(receiver.fields["person"]),
        lines=_lines(company, chance, receiver),
        sender=chance.choice(sorted(company.profiles)),
        receiver=receiver.id,
        meta={
            "currency": "EUR",
            "dueDate": due_on.isoformat(),
            "language": "nl",
            "sendDate": sent_on.isoformat(),
        },
        text={"top": "", "bottom": "Bedankt voor uw bestelling.", "footer": ""},
        token=str(uuid.UUID(int=chance.getrandbits(128), version=4)) if chance.random() < 0.5 else None,
    )


def _lines(company: Company, chance: Random, receiver: Customer) -> tuple[Line, ...]:
    untaxed = {"NL": None, "CH": "EBU"}.get(receiver.fields["country"], "ICPG")
    lines = []
    for product in chance.sample(list(company.products.values()), min(len(company.products), chance.randint(1, 4))):
        lines.append(
            Line(
                description=product.description,
                quantity=Decimal(chance.choice(("1", "2", "3", "10", "0.5", "0.333"))),
                price=product.price,
                ledger=product.ledger_id or _ledger(company, "8000"),
                vat=_vat(company, untaxed) if untaxed else product.vat_id or _vat(company, "high"),
            )
        )
    if chance.random() < 0.3:
        lines.append(Line("Levering op afspraak.", None, None, None, None))
    return tuple(lines)


def _add_invoice(service: Service, company: Company, chance: Random, sent_on: date, today: date) -> None:
    """A finalized invoice: the older, the likelier paid; some credited, reminded, booked or collected."""
    invoice = _invoice(company, chance, sent_on)
    if chance.random() < 0.08:
        invoice.type = "I"
    finalize(service, company, invoice)
    save_new(service, company, invoice)
    invoice.booking = _booking(invoice) if chance.random() < 0.6 else None
    fate = chance.random()
    if fate < 0.08:
        credit(service, company, invoice, min(today, sent_on + timedelta(days=chance.randint(1, 9))))
    elif invoice.due_on < today and fate < 0.85:
        method = chance.choice(list(company.payment_methods.values()))
        paid_on = min(today, sent_on + timedelta(days=chance.randint(0, 30)))
        invoice.payment = Payment(method["id"], method["name"], paid_on)
    elif invoice.due_on < today - timedelta(days=14):
        invoice.reminders.append(f"{invoice.due_on + timedelta(days=14)} 09:00:00")


def _booking(invoice: Invoice) -> Row:
    return {
        "status": True,
        "method": "twinfield",
        "message": f"Invoice {invoice.number} has been booked",
        "time": f"{invoice.meta['sendDate']} 18:30:45",
    }


def _add_drafts(service: Service, company: Company, chance: Random, today: date) -> None:
    for number in range(12):
        save_new(service, company, _invoice(company, chance, today - timedelta(days=number)))


def _add_quotations(service: Service, company: Company, chance: Random, today: date) -> None:
    """Quotations and the templates of recurring invoices, which no documented operation makes."""
    for number in range(6):
        quotation = _invoice(company, chance, today - timedelta(days=20 * number), "quotation")
        finalize_quotation(service, company, quotation)
        save_new(service, company, quotation)
    for _ in range(3):
        save_new(service, company, _invoice(company, chance, today, "recurring"))


def finalize_quotation(service: Service, company: Company, quotation: Invoice) -> None:
    """Finalize with a number of the quotations' own series, or of the invoices', as the switch says."""
    number = company.next_number
    finalize(service, company, quotation)
    if service.switches.quotation_series == "own":
        company.next_number = number
        quotation.number = company.next_quotation
        company.next_quotation = following(company.next_quotation)
