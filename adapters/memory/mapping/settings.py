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
    said = wire.VatCode.of(raw)
    treatment, category = REGIMES[said.regime]
    code = VatCode(
        id=said.id,
        name=said.name,
        code=said.code,
        rate=number_text(said.vatRate * 100),
        category=category,
        treatment=treatment,
        direction=USES[said.use],
        country=said.country,
        valid_from=said.validFrom,
        valid_to=said.validTo,
    )
    return Record(code, raw, mapped=frozenset(wire.VatCode.__struct_fields__))


def ledger_account_of(raw: Mapping[str, Any]) -> Record[LedgerAccount]:
    """A ledger as a ledger account."""
    said = wire.Ledger.of(raw)
    account = LedgerAccount(
        id=said.id, code=said.code, name=said.name, type=ACCOUNT_TYPES[said.kind], archived=said.archived
    )
    return Record(account, raw, mapped=frozenset(wire.Ledger.__struct_fields__))


def payment_method_of(raw: Mapping[str, Any]) -> Record[PaymentMethod]:
    """A payment method as ours."""
    said = wire.Method.of(raw)
    method = PaymentMethod(id=said.id, name=said.name, kind=said.kind, ledger_account_id=said.ledger)
    return Record(method, raw, mapped=frozenset(wire.Method.__struct_fields__))


def company_of(raw: Mapping[str, Any]) -> Record[Company]:
    """An administration as ours."""
    said = wire.CompanyDetails.of(raw)
    company = Company(
        id=said.id,
        name=said.name,
        vat_number=said.vatNumber,
        coc_number=said.cocNumber,
        email=said.email,
        address=address_of(said.address),
        currency=said.currency,
        accessible=said.accessible,
        allowed_scopes=said.allowedScopes,
    )
    return Record(company, raw, mapped=frozenset(wire.CompanyDetails.__struct_fields__))


def company_access_of(raw: Mapping[str, Any]) -> CompanyAccess:
    """An administration in the list of those that the credentials reach."""
    said = wire.Company.of(raw)
    return CompanyAccess(id=said.id, name=said.name, accessible=said.accessible, allowed_scopes=said.allowedScopes)
