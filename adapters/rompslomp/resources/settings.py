"""What can only be read: ``/vat_types``, ``/accounts`` and ``/companies``."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from adapters.rompslomp.mapping.abroad import codes_abroad, type_id_of
from adapters.rompslomp.mapping.settings import (
    company_access_of,
    company_of,
    ledger_account_of,
    payment_method_of,
    vat_code_of,
)
from adapters.rompslomp.resources import calls
from gateway.contract.adapter import Companies, LedgerAccounts, Listing, PaymentMethods, Record, VatCodes, with_id
from gateway.contract.models import Company, CompanyAccess, LedgerAccount, PaymentMethod, VatCode
from gateway.contract.paging import Page, cut
from gateway.contract.upstream import Upstream, number_in_path

PAYMENT_ACCOUNTS = [("selection", "payment")]


async def companies(up: Upstream) -> list[CompanyAccess]:
    """The administrations the token reaches: ``GET /companies``."""
    return [company_access_of(raw) for raw in await calls.companies(up)]


class RompslompVatCodes(VatCodes):
    """``/vat_types``: those of today, other countries' among them, and behind them what the settings make of them."""

    calls: ClassVar[Mapping[str, str]] = {"list": calls.LIST_CALLS}

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[VatCode]]:
        types = [vat_code_of(raw) for raw in await calls.read_all(up, "vat_types", [("selection", "all")])]
        return cut([*types, *_made_of(types, up)], listing.window)

    async def get(self, up: Upstream, id: str) -> Record[VatCode]:
        type_ = vat_code_of(await calls.record(up, "GET", "vat_type", type_id_of(id)))
        return with_id([type_, *_made_of([type_], up)], id)


def _made_of(types: Sequence[Record[VatCode]], up: Upstream) -> list[Record[VatCode]]:
    """What the settings make of some VAT types; what Rompslomp says of each is what it says of the type."""
    by_id = {one.item.id: one for one in types}
    made = codes_abroad({id: one.item for id, one in by_id.items()}, up.facts.settings)
    booked_with = [(code, by_id[type_id_of(id)]) for id, code in made.items()]
    return [Record(code, type_.raw, type_.mapped) for code, type_ in booked_with]


class RompslompLedgerAccounts(LedgerAccounts):
    """``/accounts``, where a selection is required (dossier §3)."""

    calls: ClassVar[Mapping[str, str]] = {"list": calls.LIST_CALLS}

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[LedgerAccount]]:
        return await calls.page_of(up, "accounts", [("selection", "all")], listing, ledger_account_of)

    async def get(self, up: Upstream, id: str) -> Record[LedgerAccount]:
        return ledger_account_of(await calls.record(up, "GET", "account", id))


class RompslompPaymentMethods(PaymentMethods):
    """``/accounts?selection=payment``. An account does not say that it is one of these, so one is looked up in them."""

    calls: ClassVar[Mapping[str, str]] = {"list": calls.LIST_CALLS, "get": "as many as a list"}

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[PaymentMethod]]:
        return await calls.page_of(up, "accounts", PAYMENT_ACCOUNTS, listing, payment_method_of)

    async def get(self, up: Upstream, id: str) -> Record[PaymentMethod]:
        number_in_path(id)
        return with_id(map(payment_method_of, await calls.read_all(up, "accounts", PAYMENT_ACCOUNTS)), id)


class RompslompCompany(Companies):
    """``/companies``: one alone cannot be read (dossier §3, "Not there")."""

    async def get(self, up: Upstream, id: str) -> Record[Company]:
        found = next((one for one in map(company_of, await calls.companies(up)) if one.item.id == id), None)
        if found is None:
            raise calls.out_of_reach()
        return found
