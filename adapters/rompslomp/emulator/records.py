"""What is kept: the records of each table. Every record's ``id`` is given by its table."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

from adapters.rompslomp.emulator.arithmetic import Charge


class Identified(Protocol):
    """A record with an id."""

    id: int


R = TypeVar("R", bound=Identified)

Day = date
"""A record's own field is called ``date``, as on the wire, and would hide the type."""


class Table(Generic[R]):
    """The live records of one kind in one company. ``ids`` is shared by all companies."""

    def __init__(self, ids: Iterator[int]) -> None:
        self._ids = ids
        self._live: dict[int, R] = {}

    def add(self, record: R) -> R:
        """Keep a new record, under the next id."""
        record.id = next(self._ids)
        self._live[record.id] = record
        return record

    def put(self, after: R) -> R:
        """Let the record of that id become ``after``, in place: what refers to it sees the change."""
        kept: Any = self._live[after.id]
        for changed in fields(kept):
            setattr(kept, changed.name, getattr(after, changed.name))
        return self._live[after.id]

    def find(self, identity: int) -> R | None:
        """The live record of that id."""
        return self._live.get(identity)

    def remove(self, record: R) -> None:
        """Forget a record; its id is not given again."""
        del self._live[record.id]

    def oldest_first(self) -> list[R]:
        """Every live record, in the order in which they came."""
        return list(self._live.values())

    def newest_first(self) -> list[R]:
        """Every live record, by descending row: Rompslomp's order where nothing else is said (dossier §3)."""
        return list(reversed(self._live.values()))


@dataclass(slots=True)
class VatType:
    """A VAT type. ``value`` is a fraction, None where each line brings its own; ``country`` is that of the VAT."""

    name: str
    friendly_name: str
    value: Decimal | None
    country: str = "NL"
    known_from: Day = date.min
    known_till: Day = date.max
    tells_rate: bool = True
    """Whether answers have its rate."""
    id: int = 0


@dataclass(slots=True)
class Account:
    """A ledger account. ``type`` is None for helper accounts."""

    name: str
    path: str
    path_name: str
    reference: str
    type: str | None
    parent_id: int | None
    is_payment: bool = False
    id: int = 0


@dataclass(slots=True)
class Template:
    """An invoice layout."""

    name: str
    is_default: bool
    id: int = 0


@dataclass(slots=True)
class Contact:
    """A customer or supplier."""

    is_individual: bool = False
    is_supplier: bool = False
    company_name: str | None = None
    contact_person_name: str | None = None
    contact_person_email_address: str | None = None
    address: str | None = None
    zipcode: str | None = None
    city: str | None = None
    government_identification_number: str | None = None
    country_code: str | None = None
    kvk_number: str | None = None
    phone: str | None = None
    vat_number: str | None = None
    contact_number: str | None = None
    free_1: str | None = None
    free_2: str | None = None
    free_3: str | None = None
    id: int = 0

    @property
    def name(self) -> str | None:
        """The company's name, or the person's for an individual."""
        return self.contact_person_name if self.is_individual else self.company_name


@dataclass(slots=True)
class Line:
    """A line of an invoice, expense or quotation, or the one line that a product is made of."""

    vat_type: VatType
    description: str | None = None
    extended_description: str | None = None
    price_per_unit: Decimal = Decimal(0)
    custom_rate: Decimal | None = None
    quantity: Decimal = Decimal(1)
    product: "Product | None" = None
    account: Account | None = None
    id: int = 0

    @property
    def rate(self) -> Decimal:
        """The VAT rate as a fraction: the type's, or the line's own where the type has none."""
        return self.vat_type.value if self.vat_type.value is not None else self.custom_rate or Decimal(0)

    @property
    def charge(self) -> Charge:
        """What the line charges."""
        return Charge(self.price_per_unit, self.quantity, self.rate)


@dataclass(slots=True)
class Product:
    """A product: little more than a line to copy."""

    line: Line
    product_code: str = ""
    has_stock: bool = False
    number_sold: Decimal = Decimal(0)
    id: int = 0


@dataclass(slots=True)
class Attachment:
    """A file with an invoice."""

    file_name: str
    content_type: str
    data: bytes
    id: int = 0


@dataclass(slots=True)
class SalesInvoice:
    """A sales invoice. ``cached_contact`` is None until publication locks it."""

    date: Day
    due_date: Day
    contact: Contact | None = None
    payment_method: str = "pay_transfer"
    custom_payment_instructions: str | None = None
    pay_url: str | None = None
    creates_pay_url_on_publish: bool = False
    sends_copy_by_email_on_publish: bool = False
    description: str | None = None
    status: str = "concept"
    cached_contact: dict[str, str | None] | None = None
    invoice_number: str | None = None
    published_at: Day | None = None
    currency: str = "eur"
    currency_exchange_rate: Decimal | None = Decimal(1)
    template: Template | None = None
    vat_number: str | None = None
    validates_vat_number: bool = True
    api_reference: str | None = None
    payment_reference: str | None = None
    sale_type: str = "supply"
    distance_sale: bool = False
    lines: list[Line] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    id: int = 0


@dataclass(slots=True)
class Payment:
    """A mutation of a bank or cash account. ``invoice_id`` is what the API never shows: the invoice it settles."""

    amount: Decimal
    paid_at: datetime
    description: str | None = None
    account: Account | None = None
    invoice_id: int | None = None
    imported: bool = False
    id: int = 0


@dataclass(slots=True)
class Quotation:
    """A quotation."""

    date: Day
    contact: Contact | None = None
    template: Template | None = None
    invoice_number: str | None = None
    creates_sign_url_on_publish: bool = False
    sign_url: str | None = None
    status: str = "concept"
    api_reference: str | None = None
    lines: list[Line] = field(default_factory=list)
    id: int = 0


@dataclass(slots=True)
class Expense:
    """An expense."""

    date: Day
    state: str = "published"
    type_account: Account | None = None
    currency: str = "eur"
    contact: Contact | None = None
    invoice_number: str | None = None
    lines: list[Line] = field(default_factory=list)
    id: int = 0


@dataclass(slots=True)
class JournalLine:
    """One side of a journal entry: exactly one of debit and credit is set."""

    account: Account | None = None
    debit_amount: Decimal | None = None
    credit_amount: Decimal | None = None
    id: int = 0


@dataclass(slots=True)
class JournalEntry:
    """A journal entry."""

    date: Day
    description: str | None = None
    lines: list[JournalLine] = field(default_factory=list)
    id: int = 0
