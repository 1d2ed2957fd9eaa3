"""What Memory Books says, in its own words: one model for each thing it sends.

A model names what our own models hold; whatever else Memory Books sends is ignored here and comes back to the caller as
``provider.unmapped``. Types are strict: a shape the documentation does not allow is ``upstream_malformed``, never a
guess. Amounts are text (``"12.40"``), quantities and exchange rates are JSON numbers, VAT rates are fractions
(``"0.21"``): see README.md, "Peculiarities".
"""

from datetime import date
from decimal import Decimal
from typing import Any, ClassVar, Literal

from gateway.contract import wire
from gateway.contract.exact import Json
from gateway.contract.money import plain
from gateway.contract.wire import Count, Day, Moment


class Wire(wire.Wire, frozen=True, kw_only=True):
    """Something Memory Books sends."""

    system: ClassVar[str] = "Memory Books"


def text(value: object) -> Json:
    """A value of ours as Memory Books wants it written: amounts and dates are text."""
    if isinstance(value, Decimal):
        return plain(value)
    return value.isoformat() if isinstance(value, date) else value


class Address(Wire, frozen=True, kw_only=True):
    """A postal address: ``addressLine`` always, and its parts where they were given apart."""

    addressLine: str | None
    street: str | None
    houseNumber: str | None
    houseNumberSuffix: str | None
    addressLine2: str | None
    postalCode: str | None
    city: str | None
    region: str | None
    country: str | None


class Contact(Wire, frozen=True, kw_only=True):
    """A relation: C is a customer, S a supplier."""

    id: str
    isPerson: bool
    relationTypes: list[Literal["C", "S"]]
    companyName: str | None
    contactPerson: str | None
    email: str | None
    invoiceEmail: str | None
    phone: str | None
    mobile: str | None
    website: str | None
    address: Address | None
    deliveryAddress: Address | None
    vatNumber: str | None
    cocNumber: str | None
    iban: str | None
    bic: str | None
    debtorNumber: str | None
    language: str | None
    currency: str | None
    paymentTermDays: int | None
    externalReference: str | None
    archived: bool
    createdAt: Moment
    updatedAt: Moment


class Product(Wire, frozen=True, kw_only=True):
    """An article."""

    id: str
    sku: str | None
    externalReference: str | None
    name: str
    description: str | None
    kind: Literal["goods", "service"] | None
    unit: str | None
    price: Decimal | None
    priceIncludesVat: bool
    vatCode: str | None
    ledger: str | None
    archived: bool
    updatedAt: Moment


Regime = Literal[
    "HIGH", "LOW", "ZERO", "EXEMPT", "REVERSED", "EU_GOODS", "EU_SERVICES", "EXPORT", "OSS", "MARGIN", "KOR", "OUTSIDE"
]
"""The VAT rule behind a code; KOR is the Dutch small business scheme."""


class Line(Wire, frozen=True, kw_only=True):
    """A line of an invoice; one with a text only has null for all the rest."""

    id: str
    text: str
    product: str | None
    quantity: Decimal | None
    unit: str | None
    price: Decimal | None
    discount: Decimal | None
    vatCode: str | None
    vatRate: Decimal | None
    vatRegime: Regime | None
    vatCountry: str | None
    ledger: str | None
    net: Decimal | None
    vat: Decimal | None
    gross: Decimal | None

    def __post_init__(self) -> None:
        if (self.quantity is None) != (self.price is None):
            raise ValueError("a line has both a quantity and a price, or neither")


class Totals(Wire, frozen=True, kw_only=True):
    """What an invoice comes to; below zero on credit notes."""

    net: Decimal
    vat: Decimal
    gross: Decimal
    paid: Decimal
    open: Decimal


class VatGroup(Wire, frozen=True, kw_only=True):
    """The lines of one VAT code together."""

    vatCode: str
    vatRate: Decimal
    vatRegime: Regime
    base: Decimal
    vat: Decimal


class Invoice(Wire, frozen=True, kw_only=True):
    """An invoice or credit note. A list leaves ``lines`` and ``vatGroups`` out unless it is asked ``withLines``."""

    id: str
    kind: Literal["invoice", "creditNote"]
    state: Literal["concept", "booked"]
    paymentState: Literal["none", "open", "part", "paid", "over", "credited"]
    number: str | None
    reference: str | None
    externalReference: str | None
    creditOf: str | None
    contact: str
    contactName: str
    date: Day
    dueDate: Day | None
    deliveryDate: Day | None
    currency: str
    exchangeRate: Decimal | None
    pricesIncludeVat: bool
    lines: list[Line] | None = None
    totals: Totals
    vatGroups: list[VatGroup] | None = None
    description: str | None
    notes: str | None
    layout: str | None
    sentAt: Moment | None
    overdue: bool
    createdAt: Moment
    updatedAt: Moment


class Allocation(Wire, frozen=True, kw_only=True):
    """What of a payment settles one invoice; below zero where the payment is."""

    invoice: str
    amount: Decimal


class Payment(Wire, frozen=True, kw_only=True):
    """A payment: above zero is money that came in, below zero money that went out."""

    id: str
    date: Day
    amount: Decimal
    currency: str
    method: str | None
    ledger: str | None
    reference: str | None
    description: str | None
    allocations: list[Allocation]


class VatCode(Wire, frozen=True, kw_only=True):
    """A VAT code."""

    id: str
    name: str
    code: str
    vatRate: Decimal
    regime: Regime
    use: Literal["sales", "purchases", "both"]
    country: str | None
    validFrom: Day | None
    validTo: Day | None


class Ledger(Wire, frozen=True, kw_only=True):
    """An account of the general ledger."""

    id: str
    code: str
    name: str
    kind: Literal["asset", "debt", "capital", "turnover", "cost"]
    archived: bool


class Method(Wire, frozen=True, kw_only=True):
    """A way customers pay."""

    id: str
    name: str
    kind: str
    ledger: str | None


class Company(Wire, frozen=True, kw_only=True):
    """An administration, as far as anyone who can log in may know it."""

    id: str
    name: str
    accessible: bool
    allowedScopes: list[str]


class CompanyDetails(Company, frozen=True, kw_only=True):
    """An administration, as its own page says it."""

    vatNumber: str | None
    cocNumber: str | None
    email: str | None
    address: Address | None
    currency: str


class Login(Wire, frozen=True, kw_only=True):
    """What logging in gives."""

    token: str
    validUntil: Moment


class Refusal(Wire, frozen=True, kw_only=True):
    """Why not: a fixed code, Dutch for people, English too, and the field it is about."""

    code: str
    message: str
    messageEn: str
    field: str | None = None


class Listed(Wire, frozen=True, kw_only=True):
    """One page of a list."""

    items: list[dict[str, Any]]
    total: Count
