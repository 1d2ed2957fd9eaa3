"""What an administration is set up with. These lists are short, and read whole."""

from collections.abc import Mapping
from datetime import date
from typing import ClassVar

from adapters.snelstart.mapping.settings import PAID_WITH, Dagboek, company_of, ledger_account_of, payment_method_of
from adapters.snelstart.mapping.vat import Grootboek, in_force, vat_code_of
from adapters.snelstart.resources.administration import journals, ledger_rows, setup
from adapters.snelstart.wire import request
from gateway.contract.adapter import (
    Companies,
    FilterValue,
    LedgerAccounts,
    Listing,
    PaymentMethods,
    Record,
    VatCodes,
    with_id,
)
from gateway.contract.errors import Problem, not_found
from gateway.contract.models import Company, LedgerAccount, PaymentMethod, VatCode
from gateway.contract.paging import Page, cut
from gateway.contract.upstream import Upstream


class WaysToTax(VatCodes):
    """Made of ``/btwtarieven`` and the functions of ``/grootboeken``: SnelStart has no VAT codes (dossier 4)."""

    filters = frozenset({"direction", "on"})
    calls: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("list", "get"), "3: VAT rates, ledger accounts and the administration"
    )
    limits: ClassVar[Mapping[str, str]] = {"list": "For sales only; foreign VAT where the administration invoices it."}

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[VatCode]]:
        codes = [vat_code_of(way) for way in (await setup(up, fresh=True)).ways.by_id.values()]
        return cut([one for one in codes if _is_asked_for(one.item, listing.filters)], listing.window)

    async def get(self, up: Upstream, id: str) -> Record[VatCode]:
        way = (await setup(up, fresh=True)).ways.by_id.get(id)
        if way is None:
            not_found()
        return vat_code_of(way)


def _is_asked_for(code: VatCode, filters: Mapping[str, FilterValue]) -> bool:
    on = filters.get("on")
    if isinstance(on, date) and not in_force(code, on):
        return False
    direction = filters.get("direction")
    return direction is None or code.direction == direction


class GeneralLedger(LedgerAccounts):
    """``/grootboeken``."""

    filters = frozenset({"type"})
    calls: ClassVar[Mapping[str, str]] = dict.fromkeys(("list", "get"), "1 for each 500 accounts")

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[LedgerAccount]]:
        accounts = [ledger_account_of(raw) for raw in await ledger_rows(up, fresh=True)]
        wanted = [
            one
            for one in accounts
            if ("archived" in listing.include or not one.item.archived)
            and listing.text("type") in (None, one.item.type)
        ]
        return cut(wanted, listing.window)

    async def get(self, up: Upstream, id: str) -> Record[LedgerAccount]:
        return with_id(map(ledger_account_of, await ledger_rows(up, fresh=True)), id)


class Journals(PaymentMethods):
    """``/dagboeken`` of the kinds Bank and Kas that are in use."""

    calls: ClassVar[Mapping[str, str]] = dict.fromkeys(("list", "get"), "2, remembered for a few minutes")

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[PaymentMethod]]:
        return cut(await _methods(up), listing.window)

    async def get(self, up: Upstream, id: str) -> Record[PaymentMethod]:
        return with_id(await _methods(up), id)


async def _methods(up: Upstream) -> list[Record[PaymentMethod]]:
    found, accounts = await up.gather(journals(up, fresh=True), ledger_rows(up))
    numbers = {account.nummer: account.key for account in map(Grootboek.of, accounts)}
    methods = []
    for raw in found:
        row = Dagboek.of(raw)
        if row.soort in PAID_WITH and not row.nonactief:
            methods.append(payment_method_of(raw, numbers))
    return methods


class Administration(Companies):
    """``/companyInfo``."""

    async def get(self, up: Upstream, id: str) -> Record[Company]:
        record = company_of(await up.data(request("GET", "companyInfo")))
        if record.item.id != id:
            raise Problem("company_not_accessible", "The connection key opens another administration by now.")
        return record
