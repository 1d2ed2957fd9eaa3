"""Lifelike books: a garden shop's last thirteen months, the same at every start but for the dates (relative to now)."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeVar

from adapters.rompslomp.emulator.arithmetic import written
from adapters.rompslomp.emulator.chart import BANK, CASH, CLEARING
from adapters.rompslomp.emulator.contacts import book_contact
from adapters.rompslomp.emulator.fields import AMSTERDAM, moment_text
from adapters.rompslomp.emulator.identifiers import scrambled
from adapters.rompslomp.emulator.invoicing import amounts_of, book_invoice
from adapters.rompslomp.emulator.payments import book_payment
from adapters.rompslomp.emulator.products import book_product
from adapters.rompslomp.emulator.records import Contact, Product, SalesInvoice
from adapters.rompslomp.emulator.sample_words import (
    ABROAD,
    FIRST_NAMES,
    FORMS,
    LAST_NAMES,
    PRODUCTS,
    STREETS,
    TOWNS,
    TRADES,
)
from adapters.rompslomp.emulator.state import Company, State

_CUSTOMERS = 187
_SUPPLIERS = 25
_INVOICES = 120
_CONCEPTS = 12
_IMPORTED = 2
_CREDITS = 8
_MUTATIONS = 30
_HALF = Decimal("0.5")

Body = dict[str, object]


T = TypeVar("T")


def fill(state: State, company: Company) -> None:
    """Book it all, in the order in which it would have come."""
    _Filler(state, company).fill()


class _Dice:
    """Throws that come out the same every time, whatever the seed of the tokens: the scrambling of the ids serves."""

    def __init__(self) -> None:
        self._thrown = 0

    def between(self, least: int, most: int) -> int:
        self._thrown += 1
        return least + scrambled(self._thrown) % (most - least + 1)

    def choice(self, items: Sequence[T]) -> T:
        return items[self.between(0, len(items) - 1)]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        left = list(items)
        return [left.pop(self.between(0, len(left) - 1)) for _ in range(count)]


class _Filler:
    def __init__(self, state: State, company: Company) -> None:
        self._state = state
        self._company = company
        self._dice = _Dice()
        self._today = state.today()

    def fill(self) -> None:
        customers = [self._contact(number) for number in range(_CUSTOMERS)]
        customers += [self._foreigner(row) for row in ABROAD]
        for number in range(_SUPPLIERS):
            self._contact(number, is_supplier=True)
        products = [self._product(row) for row in PRODUCTS]
        for number in range(_INVOICES):
            self._invoice(number, self._dice.choice(customers), products)
        for number in range(_MUTATIONS):
            self._mutation(number)

    def _contact(self, number: int, *, is_supplier: bool = False) -> Contact:
        dice = self._dice
        first, last = dice.choice(FIRST_NAMES), dice.choice(LAST_NAMES)
        is_individual = not is_supplier and number % 3 == 0
        zipcode, town = dice.choice(TOWNS)
        letters = "".join(dice.choice("ABCDEGHJKLMNPRSTVWXZ") for _ in range(2))
        firm = f"{last[0].upper()}{last[1:]} {dice.choice(TRADES)} {dice.choice(FORMS)}".strip()
        body: Body = {
            "is_individual": is_individual,
            "is_supplier": is_supplier,
            "company_name": None if is_individual else firm,
            "contact_person_name": f"{first} {last}",
            "contact_person_email_address": self._email(number, is_supplier),
            "address": f"{dice.choice(STREETS)} {dice.between(1, 240)}{dice.choice(('', '', 'A', '-2'))}",
            "zipcode": f"{zipcode} {letters}",
            "city": town,
            "country_code": "NL",
            "phone": None if number % 4 else f"06-{dice.between(10_000_000, 99_999_999)}",
            "kvk_number": None if is_individual else str(dice.between(10_000_000, 89_999_999)),
            "vat_number": None if is_individual else f"NL{dice.between(100_000_000, 899_999_999)}B01",
        }
        return book_contact(self._state, self._company, body)

    def _email(self, number: int, is_supplier: bool) -> str | None:
        """An address of its own for each; every eleventh has none, every seventh is written with capitals."""
        if number % 11 == 10:
            return None
        name = f"{'leverancier' if is_supplier else 'klant'}{number + 1}@example.org"
        return name.capitalize() if number % 7 == 6 else name

    def _foreigner(self, row: tuple[str, str, str, str, str, str | None]) -> Contact:
        country, name, address, zipcode, city, vat_number = row
        body: Body = {
            "company_name": name,
            "address": address,
            "zipcode": zipcode,
            "city": city,
            "country_code": country,
            "vat_number": vat_number,
            "contact_person_email_address": f"office@{country.lower()}.example.org",
        }
        return book_contact(self._state, self._company, body)

    def _product(self, row: tuple[str, str, str]) -> Product:
        name, price, vat = row
        body: Body = {
            "has_stock": vat == "vat_high" and "uur" not in name.lower(),
            "invoice_line": {
                "description": name,
                "price_per_unit": price,
                "vat_type_id": self._state.vat_type_named(vat).id,
                "account_path": "profit.revenue.producten_custom",
            },
        }
        return book_product(self._state, self._company, body)

    def _invoice(self, number: int, customer: Contact, products: list[Product]) -> None:
        """The oldest were imported, the newest are concepts; each is dated after the one before."""
        day = self._today - timedelta(days=(_INVOICES - 1 - number) * 400 // _INVOICES)
        is_credit = number % (_INVOICES // _CREDITS) == 9
        body: Body = {
            "date": day.isoformat(),
            "contact_id": customer.id,
            "description": f"Bestelling {10_000 + number}",
            "api_reference": None if number % 3 else f"shop-{10_000 + number}",
            "payment_reference": None if number % 5 else f"PO-{number:04}",
            "invoice_lines": self._lines(customer, products, is_credit),
            "_publish": number < _INVOICES - _CONCEPTS,
        }
        if customer.country_code != "NL":
            body |= {"vat_number": customer.vat_number, "sale_type": "supply"}
        if number % 20 == 7:
            body |= {"payment_method": "pay_custom", "custom_payment_instructions": "Graag contant bij aflevering."}
        invoice = book_invoice(self._state, self._company, body, day)
        if number < _IMPORTED:
            invoice.status = "imported"
        if invoice.status != "concept":
            self._settle(number, invoice)

    def _lines(self, customer: Contact, products: list[Product], is_credit: bool) -> list[Body]:
        count = self._dice.choice((1, 1, 2, 2, 3, 4, 6))
        chosen = self._dice.sample(products, count)
        return [self._line(customer, product, is_credit) for product in chosen]

    def _line(self, customer: Contact, product: Product, is_credit: bool) -> Body:
        quantity = Decimal(self._dice.between(1, 8)) - (_HALF if "uur" in (product.line.description or "") else 0)
        sign = -1 if is_credit else 1
        return {
            "description": product.line.description,
            "price_per_unit": written(sign * product.line.price_per_unit),
            "quantity": written(quantity),
            "vat_type_id": self._vat_type(customer, product),
            "product_id": product.id,
            "account_path": "profit.revenue.producten_custom",
        }

    def _vat_type(self, customer: Contact, product: Product) -> int:
        """Dutch VAT at home, reversed to firms in the EU, none for export."""
        if customer.country_code == "NL":
            return product.line.vat_type.id
        name = "vat_reverse_charged" if customer.vat_number else "vat_zero"
        return self._state.vat_type_named(name).id

    def _settle(self, number: int, invoice: SalesInvoice) -> None:
        """Six in ten are paid in full, one in ten in part; of the rest nothing came yet, though some are due."""
        gross = amounts_of(invoice, self._state.switches).gross
        share = {0: Decimal(1), 1: _HALF}.get(0 if number % 10 < 6 else number % 10 - 5, Decimal(0))
        paid_on = min(invoice.date + timedelta(days=self._dice.between(0, 35)), self._today)
        if not share or not gross:
            return
        amount = (gross * share).quantize(Decimal("0.01"), ROUND_HALF_UP)
        body = self._payment_body(amount, f"Factuur {invoice.invoice_number}", paid_on)
        payment = book_payment(self._state, self._company, body)
        payment.invoice_id = invoice.id
        payment.imported = number % 2 == 0

    def _mutation(self, number: int) -> None:
        """What the bank statement brought and nobody booked yet: costs are negative."""
        dice = self._dice
        amount = Decimal(dice.between(200, 40_000)).scaleb(-2) * (1 if number % 5 == 0 else -1)
        what = dice.choice(("Tankstation", "Huur loods", "Telefoon", "Verpakkingsmateriaal", "Betaling klant"))
        day = self._today - timedelta(days=_MUTATIONS - number)
        book_payment(self._state, self._company, self._payment_body(amount, what, day)).imported = True

    def _payment_body(self, amount: Decimal, description: str, day: date) -> Mapping[str, object]:
        return {
            "amount": written(amount),
            "description": description,
            "account_path": self._dice.choice((BANK, BANK, BANK, CASH, CLEARING)),
            "paid_at": moment_text(datetime.combine(day, time(), AMSTERDAM)),
        }
