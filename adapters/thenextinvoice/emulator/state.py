"""What TheNextInvoice knows: users, companies, and the books of each company."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random

from adapters.thenextinvoice.emulator.arithmetic import Totals, plain
from adapters.thenextinvoice.emulator.switches import Switches
from gateway.contract.clock import Clock
from gateway.contract.exact import Json

Row = dict[str, Json]
"""A small record exactly as it is read on the wire."""


@dataclass(slots=True)
class User:
    """A person who can log in."""

    id: int
    email: str
    name: str
    password: str = field(repr=False)
    language: str = "NL"
    two_factor: str = "disabled"
    companies: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Customer:
    """A debtor. ``fields`` are as written: booleans and numbers, not the text they are read as."""

    id: int
    fields: Row


@dataclass(slots=True)
class Product:
    """A product. ``price`` is without VAT."""

    id: int
    description: str
    price: Decimal
    vat_id: int | None
    ledger_id: int | None

    def row(self) -> Row:
        """As read on the wire."""
        return {
            "description": self.description,
            "id": self.id,
            "ledgernumber_id": self.ledger_id,
            "price": plain(self.price),
            "vat_id": self.vat_id,
        }


@dataclass(slots=True)
class VatCode:
    """A VAT code. ``factor`` is 1.21 for 21 %."""

    id: int
    name: str
    code: str
    factor: Decimal
    type: str | None

    @property
    def rate(self) -> Decimal:
        """The percentage: 21 for a factor of 1.21. Without trailing zeros, so that equal rates are written alike."""
        return Decimal(plain((self.factor - 1) * 100))

    def row(self, factor: Decimal) -> Row:
        """As read on the wire, with the given rendering of ``factor``."""
        return {"id": self.id, "name": self.name, "code": self.code, "factor": plain(factor), "type": self.type}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an invoice; a description-only line has null for all the rest."""

    description: str
    quantity: Decimal | None
    price: Decimal | None
    ledger: int | None
    vat: int | None


@dataclass(frozen=True, slots=True)
class Payment:
    """The payment of a whole invoice."""

    method: int
    method_name: str
    paid_on: date


@dataclass(slots=True)
class Invoice:
    """An invoice, a quotation, or the template of a recurring invoice.

    ``sender`` and ``receiver`` are ids or whole objects, as given. ``kept_sender`` and ``kept_receiver`` are
    the objects as they were at finalizing, ``totals`` the amounts fixed then.
    """

    id: int
    kind: str
    type: str
    discount: Decimal
    includes_vat: bool
    lines: tuple[Line, ...]
    sender: Json
    receiver: Json
    meta: Row
    text: Row
    token: str | None = None
    final: bool = False
    number: str | None = None
    kept_sender: Row | None = None
    kept_receiver: Row | None = None
    totals: Totals | None = None
    payment: Payment | None = None
    credited: bool = False
    booking: Row | None = None
    reminders: list[str] = field(default_factory=list)
    mails: list[Row] = field(default_factory=list)
    comments: list[Row] = field(default_factory=list)
    attachments: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    tracking_number: str | None = None
    approved: str | None = None
    archived: bool = False
    sepa_batch: int | None = None
    sepa_time: str | None = None

    @property
    def sent_on(self) -> date:
        """The date of the invoice."""
        return date.fromisoformat(self.meta["sendDate"])

    @property
    def due_on(self) -> date:
        """The date it must be paid by."""
        return date.fromisoformat(self.meta["dueDate"])

    @property
    def customer_id(self) -> int | None:
        """The customer it is for; null where the receiver was written out without an id."""
        return reference(self.receiver)

    @property
    def is_credit(self) -> bool:
        """Whether it is a finalized credit invoice."""
        return self.final and self.type == "C"

    @property
    def is_unpaid(self) -> bool:
        """Whether it waits for money."""
        return self.kind == "invoice" and self.final and not (self.payment or self.credited or self.is_credit)


def reference(party: Json) -> int | None:
    """The id in a reference that is an id or a whole object; ids of customers are text when read."""
    identity = party.get("id") if isinstance(party, dict) else party
    return None if identity is None else int(identity)


@dataclass(slots=True)
class SepaBatch:
    """Invoices collected together by direct debit."""

    id: int
    collected_on: date
    invoices: list[int]


@dataclass(slots=True)
class Company:
    """One administration: everything in it is invisible to the others."""

    id: int
    name: str
    address: str
    postalcode: str
    city: str
    coc: str
    next_number: str
    next_quotation: str = "00001"
    country: str = "NL"
    logo: str | None = None
    customers: dict[int, Customer] = field(default_factory=dict)
    products: dict[int, Product] = field(default_factory=dict)
    invoices: dict[int, Invoice] = field(default_factory=dict)
    aliases: dict[int, int] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    vat_codes: dict[int, VatCode] = field(default_factory=dict)
    ledgers: dict[int, Row] = field(default_factory=dict)
    payment_methods: dict[int, Row] = field(default_factory=dict)
    profiles: dict[int, Row] = field(default_factory=dict)
    logos: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    batches: dict[int, SepaBatch] = field(default_factory=dict)
    notifications: list[Row] = field(default_factory=list)
    debit_ledger: int = 1000
    sepa: Row = field(default_factory=dict)
    payment_page: Row = field(default_factory=dict)
    peppol: bool = False
    sms: bool = False
    sms_sent: int = 0
    sms_texts: dict[int, Row] = field(default_factory=dict)
    email_texts: dict[int, Row] = field(default_factory=dict)
    email_addresses: dict[int, Row] = field(default_factory=dict)
    attachments: dict[int, tuple[Row, bytes]] = field(default_factory=dict)
    verifications: dict[int, Row] = field(default_factory=dict)
    integrations: dict[str, Row] = field(default_factory=dict)
    terms: tuple[str, bytes] | None = None
    prognosis: Row | None = None

    @property
    def default_profile(self) -> Row:
        """The profile that sends unless another is named; there always is one."""
        return next(profile for profile in self.profiles.values() if profile["default"])

    def live_invoice(self, identity: int | None) -> Invoice | None:
        """The invoice with that id, or of which it is an alias."""
        while identity in self.aliases:
            identity = self.aliases[identity]
        return None if identity is None else self.invoices.get(identity)


@dataclass(frozen=True, slots=True)
class Session:
    """What a JWT stands for."""

    user: User
    company: Company
    expires_at: datetime


class Service:
    """All of TheNextInvoice: its users, its companies, and the ids it hands out, which no two companies share."""

    def __init__(self, clock: Clock, chance: Random, switches: Switches, token_lifetime: timedelta) -> None:
        """Nobody and nothing yet. ``chance`` shuffles what has no order."""
        self.clock = clock
        self.random = chance
        self.switches = switches
        self.token_lifetime = token_lifetime
        self.users: dict[int, User] = {}
        self.companies: dict[int, Company] = {}
        self.api_tokens: dict[str, tuple[User, Company]] = {}
        self.sessions: dict[str, Session] = {}
        self._handed_out: Counter[str] = Counter(FIRST_IDS)

    def next_id(self, kind: str) -> int:
        """A new id for that kind of record."""
        self._handed_out[kind] += 1
        return self._handed_out[kind]

    def keep(self, shelf: dict[int, Row], kind: str, row: Row) -> Row:
        """A new record of that kind, under the next id."""
        made = {"id": self.next_id(kind), **row}
        shelf[made["id"]] = made
        return made


FIRST_IDS = {"invoice": 45310, "comment": 122, "notification": 41, "vat": 153, "ledger": 75, "method": 7}
"""Where the ids of a kind begin: high enough that an id of one kind is seldom also one of another."""
