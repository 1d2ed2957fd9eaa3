"""What an administration is set up with: VAT codes, ledger accounts, payment methods, the company itself."""

from datetime import date
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from gateway.contract.models.base import Resource
from gateway.contract.models.contacts import Address
from gateway.contract.money import PercentageOut, exact

VatCategory = Literal["S", "Z", "E", "AE", "K", "G", "O"]
VatTreatment = Literal[
    "domestic_high",
    "domestic_low",
    "zero",
    "exempt",
    "reverse_charge",
    "intra_eu_goods",
    "intra_eu_services",
    "export",
    "oss",
    "margin",
    "small_business",
    "outside_scope",
    "unknown",
]
VatDirection = Literal["sale", "purchase", "both"]
AccountType = Literal["asset", "liability", "equity", "revenue", "expense", "unknown"]


class VatCode(Resource, kw_only=True):
    """A way to tax a line. ``category`` is EN 16931's (UNCL 5305); ``rate`` is a percentage."""

    name: str
    code: str | None = None
    rate: PercentageOut
    category: VatCategory
    treatment: VatTreatment
    direction: VatDirection
    country: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None

    @property
    def percentage(self) -> Decimal:
        """The rate, to calculate with."""
        return exact(self.rate)


class LedgerAccount(Resource, kw_only=True):
    """An account of the general ledger."""

    code: str | None = None
    name: str
    type: AccountType
    archived: bool


class PaymentMethod(Resource, kw_only=True):
    """A way customers pay."""

    referred: ClassVar[dict[str, str]] = {"ledger_account_id": "ledger-accounts"}

    name: str
    kind: str | None = None
    ledger_account_id: str | None = None


class Company(Resource, kw_only=True):
    """The administration behind a connection, and what its owner allows."""

    name: str
    vat_number: str | None = None
    coc_number: str | None = None
    email: str | None = None
    address: Address | None = None
    currency: str | None = None
    accessible: bool
    allowed_scopes: Annotated[list[str], Field(description="The provider's own scope names; empty where it has none.")]
