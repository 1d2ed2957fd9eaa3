"""What an administration is set up with: VAT codes, ledgers, payment methods, invoice profiles, the company."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from adapters.thenextinvoice.mapping.values import Flag, RecordId, Said, Wire, country_of, language_of, rows
from gateway.contract.adapter import Record
from gateway.contract.errors import malformed
from gateway.contract.models import Address, Company, CompanyAccess, LedgerAccount, PaymentMethod, VatCode
from gateway.contract.models.ledger import VatCategory, VatTreatment
from gateway.contract.old_wire import Number

Form = Literal["factor", "percentage"]
"""``/settings/vatcodes`` gives 1.21 and ``/vatcodes`` gives 21, under the one name ``factor``."""

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


class VatCodeRow(Wire):
    """A VAT code as it is read."""

    id: RecordId
    name: str
    code: Said = None
    factor: Number
    type: Said = None


class LedgerRow(Wire):
    """A ledger number as it is read. Its name for bookkeepers, ``ledgernumber``, may be empty."""

    id: RecordId
    name: str
    ledgernumber: Said = None


class PaymentMethodRow(Wire):
    """A payment method as it is read."""

    id: RecordId
    name: str


class Profile(Wire):
    """An invoice profile, as far as it decides what an invoice is made with."""

    id: RecordId
    default: Flag = False
    language: Said = None
    expiration: Number | None = None
    vatNumber: Said = None
    email: Said = None
    footer: Said = None

    @property
    def term_days(self) -> int:
        """Days an invoice may stay open, unless its customer has days of his own. The default is the documented one."""
        return 14 if self.expiration is None else int(self.expiration)

    @property
    def invoice_language(self) -> str:
        """Two letters, ``nl`` where nothing is said."""
        return (language_of(self.language) or "nl")[:2]


class CompanyRow(Wire):
    """A company as it is listed."""

    id: RecordId
    name: str
    address: Said = None
    postalcode: Said = None
    city: Said = None
    coc: Said = None
    country: Said = None


def vat_code_of(raw: Mapping[str, Any], form: Form = "factor") -> Record[VatCode]:
    """A VAT code. TheNextInvoice makes sales documents only, so every code is one to sell with."""
    row = VatCodeRow.of(raw)
    rate = _percentage(row.factor if form == "percentage" else (row.factor - 1) * 100)
    treatment, category = _meaning(row.type, rate)
    item = VatCode(
        id=row.id,
        name=row.name,
        code=row.code,
        rate=rate,
        category=category,
        treatment=treatment,
        direction="sale",
    )
    return Record(item, raw, frozenset({"id", "name", "code", "factor", "type"}))


def _percentage(value: Decimal) -> Decimal:
    """Without needless zeros, so that equal rates are written alike."""
    return Decimal(format(value.normalize(), "f"))


def _meaning(type: str | None, rate: Decimal) -> tuple[VatTreatment, VatCategory]:
    """Treatment and category: by the type if it has one that agrees with the rate, else by the rate."""
    known = BY_TYPE.get(type or "")
    if known is not None and (rate > 0) == (type in TAXED):
        return known
    if type is None and rate in BY_RATE:
        return BY_RATE[rate]
    return "unknown", "S" if rate > 0 else "Z"


def ledger_account_of(raw: Mapping[str, Any]) -> Record[LedgerAccount]:
    """A ledger account. Which type it is of, TheNextInvoice does not know."""
    row = LedgerRow.of(raw)
    item = LedgerAccount(id=row.id, code=row.ledgernumber, name=row.name, type="unknown", archived=False)
    return Record(item, raw, frozenset({"id", "name", "ledgernumber"}))


def payment_method_of(raw: Mapping[str, Any]) -> Record[PaymentMethod]:
    """A payment method: a name."""
    row = PaymentMethodRow.of(raw)
    return Record(PaymentMethod(id=row.id, name=row.name), raw, frozenset({"id", "name"}))


def profiles_of(data: object) -> list[Profile]:
    """The invoice profiles, and there is always one. Raises ``upstream_malformed``."""
    found = [Profile.of(raw) for raw in rows(data)]
    if not found:
        raise malformed("TheNextInvoice lists no invoice profile.")
    return found


def company_of(raw: Mapping[str, Any], profile: Profile) -> Record[Company]:
    """The company. Its VAT number and e-mail address are those its default invoice profile prints."""
    row = CompanyRow.of(raw)
    address = None
    if row.address or row.postalcode or row.city or row.country:
        address = Address(line1=row.address, postal_code=row.postalcode, city=row.city, country=country_of(row.country))
    item = Company(
        id=row.id,
        name=row.name,
        vat_number=profile.vatNumber,
        coc_number=row.coc,
        email=profile.email,
        address=address,
        accessible=True,
        allowed_scopes=[],
    )
    mapped = {"id", "name", "address", "postalcode", "city", "coc"}
    if row.country is None or country_of(row.country) is not None:
        mapped.add("country")
    return Record(item, raw, frozenset(mapped))


def access_of(row: CompanyRow, *, accessible: bool) -> CompanyAccess:
    """A company among those that credentials reach. TheNextInvoice knows no scopes."""
    return CompanyAccess(id=row.id, name=row.name, accessible=accessible, allowed_scopes=[])
