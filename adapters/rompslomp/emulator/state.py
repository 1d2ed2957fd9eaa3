"""Everything the provider knows: one user, the companies they reach, and the tables shared by all."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from random import Random

from adapters.rompslomp.emulator.chart import open_accounts
from adapters.rompslomp.emulator.fields import AMSTERDAM, Reader
from adapters.rompslomp.emulator.identifiers import ids
from adapters.rompslomp.emulator.records import (
    Account,
    Contact,
    Expense,
    JournalEntry,
    Payment,
    Product,
    Quotation,
    SalesInvoice,
    Table,
    Template,
    VatType,
)
from adapters.rompslomp.emulator.switches import Switches
from adapters.rompslomp.emulator.vat import open_vat_types
from gateway.contract.clock import Clock

SCOPES = (
    "public",
    "manage:companies",
    "manage:contacts",
    "manage:sales_invoices",
    "manage:payments",
    "manage:products",
    "read:accounts",
    "manage:journal_entries",
    "read:me",
    "manage:hours",
    "manage:rides",
    "manage:expenses",
    "manage:quotations",
)


class Ids:
    """The next id of each table, by its name; companies share them."""

    def __init__(self) -> None:
        self._tables: defaultdict[str, Iterator[int]] = defaultdict(ids)

    def __getitem__(self, table: str) -> Iterator[int]:
        return self._tables[table]

    def next(self, table: str) -> int:
        """An id for a row that is kept inside another record, such as an invoice's line."""
        return next(self._tables[table])


@dataclass(slots=True)
class Profile:
    """What a company says of itself; field names are the wire's."""

    name: str | None = None
    owner_name: str | None = None
    address: str | None = None
    zipcode: str | None = None
    city: str | None = None
    country_code: str | None = "NL"
    kvk_number: str | None = None
    email: str | None = None
    website: str | None = None
    type: str | None = None
    vat_liable: bool = True
    vat_number: str | None = None


class Company:
    """An administration. ``role_scopes`` is what the user's role in it allows; ``owned`` whether it is theirs."""

    payment_period_days = 30

    def __init__(
        self,
        shared: Ids,
        profile: Profile,
        *,
        role_scopes: tuple[str, ...] = SCOPES,
        api_accessible: bool = True,
        owned: bool = True,
        takes_ideal: bool = False,
    ) -> None:
        self.id = 0
        self.profile = profile
        self.role_scopes = role_scopes
        self.api_accessible = api_accessible
        self.owned = owned
        self.takes_ideal = takes_ideal
        self.accounts: Table[Account] = Table(shared["accounts"])
        self.templates: Table[Template] = Table(shared["templates"])
        self.contacts: Table[Contact] = Table(shared["contacts"])
        self.products: Table[Product] = Table(shared["products"])
        self.sales_invoices: Table[SalesInvoice] = Table(shared["sales_invoices"])
        self.payments: Table[Payment] = Table(shared["payments"])
        self.quotations: Table[Quotation] = Table(shared["quotations"])
        self.expenses: Table[Expense] = Table(shared["expenses"])
        self.journal_entries: Table[JournalEntry] = Table(shared["journal_entries"])
        self._series: defaultdict[str, int] = defaultdict(int)
        open_accounts(self.accounts)
        self.templates.add(Template("Standaard", is_default=True))
        self.templates.add(Template("Met acceptgiro", is_default=False))
        self.templates.add(Template("Engelstalig", is_default=False))

    def account_at(self, path: str) -> Account | None:
        """The account of that path."""
        return next((account for account in self.accounts.oldest_first() if account.path == path), None)

    def next_number(self, series: str) -> int:
        """The next number of a series, without gaps, from 1."""
        self._series[series] += 1
        return self._series[series]


@dataclass(slots=True)
class State:
    """The provider's memory. ``random`` makes the tokens and sign URLs."""

    clock: Clock
    random: Random
    switches: Switches
    ids: Ids = field(default_factory=Ids)
    companies: Table[Company] = field(init=False)
    vat_types: Table[VatType] = field(init=False)

    def __post_init__(self) -> None:
        self.companies = Table(self.ids["companies"])
        self.vat_types = Table(self.ids["vat_types"])
        open_vat_types(self.vat_types, self.switches)

    @property
    def reader(self) -> Reader:
        """How bodies are read here."""
        return Reader(self.switches.parameter_error_status, self.switches.tidies)

    def today(self) -> date:
        """Today, in Amsterdam."""
        return self.clock.now().astimezone(AMSTERDAM).date()

    def vat_types_since(self, day: date) -> list[VatType]:
        """The VAT types still known on or after a day, oldest first."""
        return [vat_type for vat_type in self.vat_types.oldest_first() if vat_type.known_till >= day]

    def vat_type_named(self, name: str) -> VatType:
        """The current Dutch VAT type of that name."""
        today = self.today()
        return next(
            found
            for found in self.vat_types.oldest_first()
            if found.name == name and found.country == "NL" and found.known_from <= today <= found.known_till
        )
