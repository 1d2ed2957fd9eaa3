"""What can only be read: VAT types, ledger accounts and templates (dossier §3, §4)."""

from typing import Any

from starlette.responses import Response

from adapters.rompslomp.emulator.answers import answer
from adapters.rompslomp.emulator.arithmetic import written
from adapters.rompslomp.emulator.call import Call, Endpoint
from adapters.rompslomp.emulator.records import Account, Template, VatType
from adapters.rompslomp.emulator.switches import Switches


def shown_vat_type(vat_type: VatType) -> dict[str, Any]:
    """A VAT type as answers have it; one whose rate each line brings has no value."""
    value = vat_type.value if vat_type.tells_rate else None
    return {
        "id": vat_type.id,
        "name": vat_type.name,
        "friendly_name": vat_type.friendly_name,
        "value": None if value is None else written(value),
    }


def shown_account(account: Account) -> dict[str, Any]:
    """An account as answers have it."""
    return {
        "id": account.id,
        "name": account.name,
        "path_name": account.path_name,
        "path": account.path,
        "reference": account.reference,
        "type": account.type,
        "parent_id": account.parent_id,
    }


def shown_template(template: Template) -> dict[str, Any]:
    """A template as answers have it."""
    return {"id": template.id, "name": template.name, "is_default": template.is_default}


def _vat_types(call: Call) -> Response:
    """Those still known on or after ``since``; without it, today's. Oldest first, as recorded."""
    call.selection("all", default="all")
    since = call.query_date("since") or call.today
    return call.listed("vat_types", call.state.vat_types_since(since), shown_vat_type)


def _vat_type(call: Call) -> Response:
    return answer({"vat_type": shown_vat_type(call.record(call.state.vat_types, "Btw-tarief"))})


def _accounts(call: Call) -> Response:
    selection = call.selection("all", "ledger", "payment", "revenue", "costs")
    found = call.company.accounts.newest_first()
    if selection == "ledger":
        found = [account for account in found if account.type is not None]
    elif selection == "payment":
        found = [account for account in found if account.is_payment]
    elif selection != "all":
        found = [account for account in found if account.type == selection]
    paths = call.query_all("search[paths]")
    if paths:
        found = [account for account in found if account.path in paths]
    return call.listed("accounts", found, shown_account)


def _account(call: Call) -> Response:
    return answer({"account": shown_account(call.record(call.company.accounts, "Rekening"))})


def _templates(call: Call) -> Response:
    return call.listed("templates", call.company.templates.newest_first(), shown_template)


def _template(call: Call) -> Response:
    return answer({"template": shown_template(call.record(call.company.templates, "Template"))})


def endpoints(switches: Switches) -> tuple[Endpoint, ...]:
    """The endpoints, under the scopes that the switches ask for."""
    general = ("public",) if switches.general_data_needs_public else ()
    accounts = ("read:accounts", "public") if switches.public_opens_accounts else ("read:accounts",)
    return (
        Endpoint("GET", "/vat_types", _vat_types, general),
        Endpoint("GET", "/vat_types/{id}", _vat_type, general),
        Endpoint("GET", "/accounts", _accounts, accounts),
        Endpoint("GET", "/accounts/{id}", _account, accounts),
        Endpoint("GET", "/templates", _templates, general),
        Endpoint("GET", "/templates/{id}", _template, general),
    )
