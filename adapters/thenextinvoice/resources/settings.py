"""VAT codes, ledger accounts, payment methods and the company: lists that are given whole."""

from collections.abc import Mapping
from typing import ClassVar

from adapters.thenextinvoice.mapping.settings import (
    CompanyRow,
    company_of,
    ledger_account_of,
)
from adapters.thenextinvoice.resources.administration import (
    all_payment_methods,
    all_vat_codes,
    default_profile,
    profiles,
)
from adapters.thenextinvoice.wire import request
from gateway.contract.adapter import (
    Companies,
    LedgerAccounts,
    Listing,
    PaymentMethods,
    Record,
    VatCodes,
    with_id,
)
from gateway.contract.errors import Problem
from gateway.contract.models import Company, LedgerAccount, PaymentMethod, VatCode
from gateway.contract.paging import Page, cut
from gateway.contract.upstream import Upstream
from gateway.contract.wire import rows_in


class SettingsVatCodes(VatCodes):
    """``/settings/vatcodes``. All are for selling, and none of them has days on which it may be used."""

    filters = frozenset({"direction", "on"})

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[VatCode]]:
        if listing.text("direction") not in (None, "sale"):
            return Page([], more=False, total=0)
        return cut(await all_vat_codes(up), listing.window)

    async def get(self, up: Upstream, id: str) -> Record[VatCode]:
        return with_id(await all_vat_codes(up), id)


class LedgerNumbers(LedgerAccounts):
    """``/settings/ledgernumbers``."""

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[LedgerAccount]]:
        return cut(await _ledgers(up), listing.window)

    async def get(self, up: Upstream, id: str) -> Record[LedgerAccount]:
        return with_id(await _ledgers(up), id)


async def _ledgers(up: Upstream) -> list[Record[LedgerAccount]]:
    found = map(ledger_account_of, rows_in(await up.data(request("GET", "settings", "ledgernumbers"))))
    return sorted(found, key=lambda record: int(record.item.id))


class SettingsPaymentMethods(PaymentMethods):
    """``/settings/paymentmethods``."""

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[PaymentMethod]]:
        return cut(await all_payment_methods(up), listing.window)

    async def get(self, up: Upstream, id: str) -> Record[PaymentMethod]:
        return with_id(await all_payment_methods(up), id)


class OwnCompany(Companies):
    """``/company``, one of those it lists, with what its default invoice profile prints."""

    calls: ClassVar[Mapping[str, str]] = {"get": "2: the companies, and the invoice profiles once in a few minutes"}

    async def get(self, up: Upstream, id: str) -> Record[Company]:
        listed, found = await up.gather(up.data(request("GET", "company")), profiles(up))
        own = next((raw for raw in rows_in(listed) if CompanyRow.of(raw).key == id), None)
        if own is None:
            raise Problem("company_not_accessible", "TheNextInvoice does not list this company for the user any more.")
        return company_of(own, default_profile(found))
