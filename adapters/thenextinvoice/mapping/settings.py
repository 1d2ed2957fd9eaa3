"""What an administration is set up with: VAT codes, ledgers, payment methods, invoice profiles, the company."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from adapters.thenextinvoice.mapping.values import Flag, Numbered, Wire, flag_of, language_of
from gateway.contract.adapter import Record
from gateway.contract.errors import malformed
from gateway.contract.models import Company, CompanyAccess, LedgerAccount, PaymentMethod, VatCode
from gateway.contract.models.ledger import VatCategory, VatTreatment
from gateway.contract.money import number_text
from gateway.contract.wire import RawRecord, address_of, amount_of, country_of

BY_TYPE: Mapping[str, tuple[VatTreatment, VatCategory]] = {
    "high": ("domestic_high", "S"),
    "low": ("domestic_low", "S"),
    "none": ("zero", "Z"),
    "exempt": ("exempt", "E"),
    "ICPS": ("intra_eu_services", "AE"),
    "ICPG": ("intra_eu_goods", "K"),
    "EBU": ("export", "G"),
}
"""The documentation's table of types ("VAT codes")."""
TAXED = frozenset({"high", "low"})

BY_RATE: Mapping[Decimal, tuple[VatTreatment, VatCategory]] = {
    Decimal(21): ("domestic_high", "S"),
    Decimal(9): ("domestic_low", "S"),
    Decimal(6): ("domestic_low", "S"),
    Decimal(0): ("zero", "Z"),
}
"""What a code without a type is, by its percentage: the Dutch rates in force, and the low rate until 2018."""


class VatCodeRow(Numbered, frozen=True):
    """A VAT code as ``/settings/vatcodes`` gives it: ``factor`` is 1.21, where that of ``/vatcodes`` is 21."""

    name: str
    factor: Decimal
    code: str | None = None
    type: str | None = None


class LedgerRow(Numbered, frozen=True):
    """A ledger number as it is read. Its name for bookkeepers, ``ledgernumber``, may be empty."""

    name: str
    ledgernumber: str | None = None


class PaymentMethodRow(Numbered, frozen=True):
    """A payment method as it is read."""

    name: str


class Profile(Numbered, frozen=True):
    """An invoice profile, as far as it decides what an invoice is made with."""

    default: Flag = False
    language: str | None = None
    expiration: Decimal | None = None
    vatNumber: str | None = None
    email: str | None = None
    footer: str | None = None

    @property
    def is_default(self) -> bool:
        """Whether it sends unless another is named."""
        return flag_of(self.default)

    @property
    def term_days(self) -> int:
        """Days an invoice may stay open, unless its customer has days of his own. The default is the documented one."""
        return 14 if self.expiration is None else int(amount_of(self.expiration))

    @property
    def invoice_language(self) -> str:
        """Two letters, ``nl`` where nothing is said."""
        return (language_of(self.language) or "nl")[:2]


class CompanyRow(Numbered, frozen=True):
    """A company as it is listed."""

    name: str
    address: str | None = None
    postalcode: str | None = None
    city: str | None = None
    coc: str | None = None
    country: str | None = None


class Preferences(Wire, frozen=True):
    """A user's preferences, as far as they say which company he works in."""

    company_name: str | None = None


def vat_code_of(raw: RawRecord) -> Record[VatCode]:
    """A VAT code. TheNextInvoice makes sales documents only, so every code is one to sell with."""
    row = VatCodeRow.of(raw)
    rate = amount_of((row.factor - 1) * 100)
    treatment, category = _meaning(row.type or None, rate)
    item = VatCode(
        id=row.key,
        name=row.name,
        code=row.code or None,
        rate=number_text(rate),
        category=category,
        treatment=treatment,
        direction="sale",
    )
    return Record(item, raw, frozenset({"id", "name", "code", "factor", "type"}))


def _meaning(type: str | None, rate: Decimal) -> tuple[VatTreatment, VatCategory]:
    """Treatment and category: by the type if it has one that agrees with the rate, else by the rate."""
    known = BY_TYPE.get(type or "")
    if known is not None and (rate > 0) == (type in TAXED):
        return known
    if type is None and rate in BY_RATE:
        return BY_RATE[rate]
    return "unknown", "S" if rate > 0 else "Z"


def ledger_account_of(raw: RawRecord) -> Record[LedgerAccount]:
    """A ledger account. Which type it is of, TheNextInvoice does not know."""
    row = LedgerRow.of(raw)
    item = LedgerAccount(id=row.key, code=row.ledgernumber or None, name=row.name, type="unknown", archived=False)
    return Record(item, raw, frozenset({"id", "name", "ledgernumber"}))


def payment_method_of(raw: RawRecord) -> Record[PaymentMethod]:
    """A payment method: a name."""
    row = PaymentMethodRow.of(raw)
    return Record(PaymentMethod(id=row.key, name=row.name), raw, frozenset({"id", "name"}))


def profiles_of(listed: Sequence[RawRecord]) -> list[Profile]:
    """The invoice profiles, and there is always one. Raises ``upstream_malformed``."""
    found = [Profile.of(raw) for raw in listed]
    if not found:
        raise malformed("TheNextInvoice lists no invoice profile.")
    return found


def company_of(raw: RawRecord, profile: Profile) -> Record[Company]:
    """The company. Its VAT number and e-mail address are those its default invoice profile prints."""
    row = CompanyRow.of(raw)
    item = Company(
        id=row.key,
        name=row.name,
        vat_number=profile.vatNumber or None,
        coc_number=row.coc or None,
        email=profile.email or None,
        address=address_of(row.address, row.postalcode, row.city, row.country),
        accessible=True,
        allowed_scopes=[],
    )
    mapped = {"id", "name", "address", "postalcode", "city", "coc"}
    if not row.country or country_of(row.country) is not None:
        mapped.add("country")
    return Record(item, raw, frozenset(mapped))


def access_of(row: CompanyRow, *, accessible: bool) -> CompanyAccess:
    """A company among those that credentials reach. TheNextInvoice knows no scopes."""
    return CompanyAccess(id=row.key, name=row.name, accessible=accessible, allowed_scopes=[])
