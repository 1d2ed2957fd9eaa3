"""What an administration is set up with: VAT codes, ledger accounts, payment methods, the company itself."""

from collections.abc import Mapping
from typing import Any

from adapters.memory import wire
from adapters.memory.mapping.contacts import address_of
from gateway.contract.adapter import Record
from gateway.contract.models import Company, CompanyAccess, LedgerAccount, PaymentMethod, VatCode
from gateway.contract.models.ledger import AccountType, VatCategory, VatDirection, VatTreatment
from gateway.contract.money import number_text

REGIMES: Mapping[wire.Regime, tuple[VatTreatment, VatCategory]] = {
    "HIGH": ("domestic_high", "S"),
    "LOW": ("domestic_low", "S"),
    "ZERO": ("zero", "Z"),
    "EXEMPT": ("exempt", "E"),
    "REVERSED": ("reverse_charge", "AE"),
    "EU_GOODS": ("intra_eu_goods", "K"),
    "EU_SERVICES": ("intra_eu_services", "AE"),
    "EXPORT": ("export", "G"),
    "OSS": ("oss", "S"),
    "MARGIN": ("margin", "E"),
    "KOR": ("small_business", "E"),
    "OUTSIDE": ("outside_scope", "O"),
}
"""Every VAT regime as our treatment and EN 16931's category."""

USES: Mapping[str, VatDirection] = {"sales": "sale", "purchases": "purchase", "both": "both"}
ACCOUNT_TYPES: Mapping[str, AccountType] = {
    "asset": "asset",
    "debt": "liability",
    "capital": "equity",
    "turnover": "revenue",
    "cost": "expense",
}


def vat_code_of(raw: Mapping[str, Any]) -> Record[VatCode]:
    """A VAT code as ours: a rate of 0.21 is 21 per cent."""
    row = wire.VatCode.of(raw)
    treatment, category = REGIMES[row.regime]
    code = VatCode(
        id=row.id,
        name=row.name,
        code=row.code,
        rate=number_text(row.vatRate * 100),
        category=category,
        treatment=treatment,
        direction=USES[row.use],
        country=row.country,
        valid_from=row.validFrom,
        valid_to=row.validTo,
    )
    return Record(code, raw, mapped=frozenset(wire.VatCode.__struct_fields__))


def ledger_account_of(raw: Mapping[str, Any]) -> Record[LedgerAccount]:
    """A ledger as a ledger account."""
    row = wire.Ledger.of(raw)
    account = LedgerAccount(
        id=row.id, code=row.code, name=row.name, type=ACCOUNT_TYPES[row.kind], archived=row.archived
    )
    return Record(account, raw, mapped=frozenset(wire.Ledger.__struct_fields__))


def payment_method_of(raw: Mapping[str, Any]) -> Record[PaymentMethod]:
    """A payment method as ours."""
    row = wire.Method.of(raw)
    method = PaymentMethod(id=row.id, name=row.name, kind=row.kind, ledger_account_id=row.ledger)
    return Record(method, raw, mapped=frozenset(wire.Method.__struct_fields__))


def company_of(raw: Mapping[str, Any]) -> Record[Company]:
    """An administration as ours."""
    row = wire.CompanyDetails.of(raw)
    company = Company(
        id=row.id,
        name=row.name,
        vat_number=row.vatNumber,
        coc_number=row.cocNumber,
        email=row.email,
        address=address_of(row.address),
        currency=row.currency,
        accessible=row.accessible,
        allowed_scopes=row.allowedScopes,
    )
    return Record(company, raw, mapped=frozenset(wire.CompanyDetails.__struct_fields__))


def company_access_of(raw: Mapping[str, Any]) -> CompanyAccess:
    """An administration in the list of those that the credentials reach."""
    row = wire.Company.of(raw)
    return CompanyAccess(id=row.id, name=row.name, accessible=row.accessible, allowed_scopes=row.allowedScopes)
