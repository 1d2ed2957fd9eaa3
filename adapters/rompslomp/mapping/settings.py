"""What an administration is set up with: VAT types, ledger accounts, payment accounts, the company itself."""

import re
from collections.abc import Mapping
from html import unescape

from adapters.rompslomp.mapping.values import Wire, percentage_of
from gateway.contract.adapter import Record
from gateway.contract.models import Company, CompanyAccess, LedgerAccount, PaymentMethod, VatCode
from gateway.contract.models.ledger import AccountType, VatCategory, VatTreatment
from gateway.contract.money import exact
from gateway.contract.wire import Figure, PositiveId, RawRecord, address_of

CUSTOM = "vat_custom"
"""The VAT type whose lines bring their own rate."""
_TAXED = frozenset({"vat_high", "vat_low", "vat_low_new"})
"""VAT types that are nothing without their rate."""
TREATMENTS: Mapping[str, tuple[VatTreatment, VatCategory]] = {
    "vat_high": ("domestic_high", "S"),
    "vat_low": ("domestic_low", "S"),
    "vat_low_new": ("domestic_low", "S"),
    "vat_zero": ("zero", "Z"),
    "vat_none": ("exempt", "E"),
    "vat_reverse_charged": ("reverse_charge", "AE"),
    CUSTOM: ("unknown", "S"),
}
"""The kinds of Dutch VAT types as our treatment and EN 16931's category (UNCL 5305); ``vat_none`` is "vrijgesteld"."""

_FOREIGN = re.compile(r"(?P<place>[^0-9(%]{1,60}?)\s+[0-9]+(?:[.,][0-9]+)?\s*%")
"""What a rate of another EU country is called: ``Duitsland 19%`` or ``DE 19%`` (dossier §4, "vat_type")."""

COUNTRIES: Mapping[str, str] = {
    "België": "BE",
    "Bulgarije": "BG",
    "Cyprus": "CY",
    "Denemarken": "DK",
    "Duitsland": "DE",
    "EL": "GR",
    "Estland": "EE",
    "Finland": "FI",
    "Frankrijk": "FR",
    "Griekenland": "GR",
    "Hongarije": "HU",
    "Ierland": "IE",
    "Italië": "IT",
    "Kroatië": "HR",
    "Letland": "LV",
    "Litouwen": "LT",
    "Luxemburg": "LU",
    "Malta": "MT",
    "Oostenrijk": "AT",
    "Polen": "PL",
    "Portugal": "PT",
    "Roemenië": "RO",
    "Slovenië": "SI",
    "Slowakije": "SK",
    "Spanje": "ES",
    "Tsjechië": "CZ",
    "Zweden": "SE",
}
"""The other countries of the EU by their Dutch name, and the code that VAT has for Greece."""
EU_ABROAD = frozenset(COUNTRIES.values())

_ACCOUNT_TYPES: Mapping[str, AccountType] = {"costs": "expense", "revenue": "revenue"}
_BALANCE: tuple[tuple[str, AccountType], ...] = (
    ("activa", "asset"),
    ("passiva.equity", "equity"),
    ("passiva", "liability"),
)
"""Balance accounts are told apart by the beginning of their path, the most exact first."""
_PAYMENT_KINDS: Mapping[str, str] = {"bank": "bank", "cash": "cash", "cross_entries": "clearing", "savings": "bank"}


class VatTypeRow(Wire, frozen=True, kw_only=True):
    """A VAT type; ``value`` is a fraction. The vendor's document lets it be null, and does not say where.

    A type that is not one of taxed sales at home may do without, one that no document knows too: one row that cannot be
    read would take every invoice with it.
    """

    id: PositiveId
    name: str
    friendly_name: str | None = None
    value: Figure | None = None

    def __post_init__(self) -> None:
        if self.value is None and self.name in _TAXED:
            raise ValueError("a VAT type of taxed sales has a rate")


class AccountRow(Wire, frozen=True, kw_only=True):
    """A ledger account; ``type`` is null for helper accounts. The vendor's document lets ``name`` be null too."""

    id: PositiveId
    name: str | None
    path: str | None = None
    reference: str | None = None
    type: str | None = None


class AccessRow(Wire, frozen=True, kw_only=True):
    """What may be done with a company through the API, by this token's owner."""

    api_accessible: bool | None = None
    allowed_scopes: list[str] | None = None


class CompanyRow(Wire, frozen=True, kw_only=True):
    """A company in the list of those that a token reaches."""

    id: PositiveId
    name: str | None = None
    address: str | None = None
    zipcode: str | None = None
    city: str | None = None
    country_code: str | None = None
    kvk_number: str | None = None
    email: str | None = None
    vat_number: str | None = None
    access_control: AccessRow


def vat_code_of(raw: RawRecord) -> Record[VatCode]:
    """A VAT type as a VAT code: 0.21 is 21 per cent. One without a rate says 0."""
    row = VatTypeRow.of(raw)
    country = _country_of(row)
    treatment, category = TREATMENTS.get(row.name, ("unknown", "S" if row.value is None or exact(row.value) else "Z"))
    if country != "NL":
        treatment, category = "oss", "S"
    code = VatCode(
        id=str(row.id),
        name=row.friendly_name or row.name,
        code=row.name,
        rate=percentage_of("0" if row.value is None else row.value),
        category=category,
        treatment=treatment,
        direction="both",
        country=country,
    )
    return Record(
        code, raw, frozenset(VatTypeRow.__struct_fields__) if row.value is not None else frozenset({"id", "name"})
    )


def brings_own_rate(code: VatCode) -> bool:
    """Whether a line of this VAT code must say its rate: a taxed one that has none."""
    rateless = code.category == "S" and not code.percentage
    return code.treatment == "unknown" and (rateless or code.code == CUSTOM)


def _country_of(row: VatTypeRow) -> str:
    """The country of a VAT type: the Netherlands, unless its name begins with another country of the EU."""
    found = _FOREIGN.fullmatch(row.friendly_name or "")
    place = found["place"].strip() if found and row.value is not None else "NL"
    code = COUNTRIES.get(place, place)
    return code if code in EU_ABROAD else "NL"


def ledger_account_of(raw: RawRecord) -> Record[LedgerAccount]:
    """A ledger account as ours. Names may hold HTML entities (recorded: ``Telefoon &amp; internet``)."""
    row = AccountRow.of(raw)
    account = LedgerAccount(
        id=str(row.id),
        code=row.reference or None,
        name=unescape(row.name or ""),
        type=_account_type(row),
        archived=False,
    )
    return Record(account, raw, frozenset(AccountRow.__struct_fields__))


def _account_type(row: AccountRow) -> AccountType:
    if row.type != "balance":
        return _ACCOUNT_TYPES.get(row.type or "", "unknown")
    path = row.path or ""
    return next((kind for start, kind in _BALANCE if path == start or path.startswith(f"{start}.")), "unknown")


def payment_method_of(raw: RawRecord) -> Record[PaymentMethod]:
    """A payment account as a payment method: money is booked on the account itself, so both have one id."""
    row = AccountRow.of(raw)
    kind = _PAYMENT_KINDS.get((row.path or "").rpartition(".")[2])
    method = PaymentMethod(id=str(row.id), name=unescape(row.name or ""), kind=kind, ledger_account_id=str(row.id))
    return Record(method, raw, frozenset({"id", "name", "path"}) if kind else frozenset({"id", "name"}))


def company_of(raw: RawRecord) -> Record[Company]:
    """A company as ours. All its amounts are in euro."""
    row = CompanyRow.of(raw)
    company = Company(
        id=str(row.id),
        name=row.name or "",
        vat_number=row.vat_number or None,
        coc_number=row.kvk_number or None,
        email=row.email or None,
        address=address_of(row.address, row.zipcode, row.city, row.country_code),
        currency="EUR",
        accessible=bool(row.access_control.api_accessible),
        allowed_scopes=row.access_control.allowed_scopes or [],
    )
    return Record(company, raw, frozenset(CompanyRow.__struct_fields__))


def company_name_of(raw: RawRecord) -> tuple[str, int]:
    """What companies are put in order by."""
    row = CompanyRow.of(raw)
    return (row.name or "").casefold(), row.id


def company_access_of(raw: RawRecord) -> CompanyAccess:
    """A company as far as choosing one goes."""
    own = company_of(raw).item
    return CompanyAccess(id=own.id, name=own.name, accessible=own.accessible, allowed_scopes=own.allowed_scopes)
