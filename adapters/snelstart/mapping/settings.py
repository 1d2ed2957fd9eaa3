"""What an administration is set up with: ledger accounts, payment methods, the company itself."""

from collections.abc import Mapping

from adapters.snelstart.mapping.values import Identified, guid_of, text_or_none
from adapters.snelstart.mapping.vat import REVENUE, CompanyInfo, Grootboek
from gateway.contract.adapter import Record
from gateway.contract.models import Address, Company, CompanyAccess, LedgerAccount, PaymentMethod
from gateway.contract.models.ledger import AccountType
from gateway.contract.wire import RawRecord

PAID_WITH: Mapping[str, str] = {"Bank": "bank", "Kas": "cash"}
"""The kinds of journal that money goes through."""
BANK_FUNCTIONS = frozenset({"DagboekKas", "DagboekBank", "DagboekGiro", "DagboekVerkoop"})
OWED_FUNCTIONS = frozenset(
    {
        *("DagboekInkoop", "BtwAfteDragenLaag", "BtwAfTeDragenHoog", "BtwAfTeDragenOverig"),
        *("BtwAfTeDragenVerlegdVerkopen", "BtwAfTeDragenVerlegdInkopen"),
    }
)
CLAIMED_FUNCTIONS = frozenset(
    {
        *("BtwTeVorderenLaag", "BtwTeVorderenHoog", "BtwTeVorderenOverig"),
        *("BtwTeVorderenVerlegd", "BtwTeVorderenVerlegdInkopen"),
    }
)


class Dagboek(Identified, frozen=True):
    """A journal. A bank journal's number is that of its ledger account (dossier 2.4)."""

    soort: str
    nummer: int | None = None
    omschrijving: str | None = None
    nonactief: bool | None = False


def ledger_account_of(raw: RawRecord) -> Record[LedgerAccount]:
    """A ledger account as ours."""
    row = Grootboek.of(raw)
    account = LedgerAccount(
        id=row.key,
        code=str(row.nummer),
        name=text_or_none(row.omschrijving) or str(row.nummer),
        type=_type(row),
        archived=bool(row.nonactief),
    )
    return Record(account, raw, mapped=frozenset({"id", "nummer", "omschrijving", "rekeningCode", "nonactief"}))


def _type(row: Grootboek) -> AccountType:
    """``rekeningCode`` says balance sheet or not; only the function says more, and most accounts have none."""
    function = row.grootboekfunctie
    if row.rekeningCode == "WinstEnVerlies":
        return "revenue" if function in REVENUE else "expense"
    if function in BANK_FUNCTIONS | CLAIMED_FUNCTIONS:
        return "asset"
    if function in OWED_FUNCTIONS:
        return "liability"
    return "equity" if function == "Winstboeking" else "unknown"


def payment_method_of(raw: RawRecord, accounts: Mapping[int, str]) -> Record[PaymentMethod]:
    """A bank or cash journal as a payment method. ``accounts`` are ids of ledger accounts by number."""
    row = Dagboek.of(raw)
    method = PaymentMethod(
        id=row.key,
        name=text_or_none(row.omschrijving) or str(row.nummer or row.soort),
        kind=PAID_WITH.get(row.soort),
        ledger_account_id=accounts.get(row.nummer or 0),
    )
    return Record(method, raw, mapped=frozenset({"id", "soort", "nummer", "omschrijving"}))


def company_of(raw: RawRecord) -> Record[Company]:
    """The administration as ours. It says no country; its books are in euros."""
    row = CompanyInfo.of(raw)
    address = Address(
        line1=text_or_none(row.adres), postal_code=text_or_none(row.postcode), city=text_or_none(row.plaats)
    )
    company = Company(
        id=guid_of(row.administratieIdentifier),
        name=_name(row),
        vat_number=text_or_none(row.btwIdentificatieNummer) or text_or_none(row.btwNummer),
        coc_number=text_or_none(row.kvKNummer),
        email=text_or_none(row.email),
        address=address if address != Address() else None,
        currency="EUR",
        accessible=True,
        allowed_scopes=[],
    )
    mapped = ("administratieIdentifier", "administratieNaam", "bedrijfsnaam", "adres", "postcode", "plaats")
    return Record(
        company, raw, mapped=frozenset({*mapped, "btwNummer", "btwIdentificatieNummer", "kvKNummer", "email"})
    )


def company_access_of(raw: RawRecord) -> CompanyAccess:
    """The one administration that a connection key opens."""
    row = CompanyInfo.of(raw)
    return CompanyAccess(id=guid_of(row.administratieIdentifier), name=_name(row), accessible=True, allowed_scopes=[])


def _name(row: CompanyInfo) -> str:
    return text_or_none(row.administratieNaam) or text_or_none(row.bedrijfsnaam) or guid_of(row.administratieIdentifier)
