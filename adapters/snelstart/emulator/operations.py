"""Every operation of the API: its path, the scopes it needs, and what carries it out here.

The list is the OpenAPI document's, complete; an operation without a function is known, guarded by its scopes, and then
answered 501, which the vendor never does.
"""

from collections.abc import Callable
from dataclasses import dataclass

from adapters.snelstart.emulator import (
    articles,
    company,
    documents,
    memorial,
    models,
    mutations,
    orders,
    relations,
    settings,
    ubl,
)
from adapters.snelstart.emulator.calls import Answer, Call
from adapters.snelstart.emulator.entries import PURCHASES, SALES, Entries
from adapters.snelstart.emulator.fields import Model
from adapters.snelstart.emulator.payments import BANK, CASH, Payments

Function = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method and a path; parts in braces are variable, the others match in any casing."""

    method: str
    path: str
    scopes: tuple[str, ...]
    function: Function | None


def _echo(call: Call) -> Answer:
    return Answer(200, call.parts["input"])


def _one(resource: str) -> Function:
    """The record of a path."""
    return lambda call: Answer(200, call.record(resource))


def _paged(resource: str, model: Model) -> Function:
    """A list that heeds the query options."""
    return lambda call: call.page(call.everything(resource), model)


def _whole(resource: str) -> Function:
    """A list that ignores all query options, nonsense included (seen live of journals and countries)."""
    return lambda call: Answer(200, call.everything(resource))


_sales, _purchases = Entries(SALES), Entries(PURCHASES)
_bank, _cash = Payments(BANK), Payments(CASH)

_TABLE: tuple[tuple[str, str, Function | None], ...] = (
    ("POST /artikelen", "artikelen:write", articles.create),
    ("GET /artikelen", "artikelen:read", articles.list_all),
    ("GET /artikelen/prijsafspraken", "artikelen:read", None),
    ("GET /artikelen/{id}", "artikelen:read", articles.get),
    ("PUT /artikelen/{id}", "artikelen:write", articles.update),
    ("DELETE /artikelen/{id}", "artikelen:write", articles.delete),
    ("GET /artikelen/{id}/customFields", "artikelen:read", None),
    ("PUT /artikelen/{id}/customFields", "artikelen:write", None),
    ("GET /artikelomzetgroepen", "artikelen:read", _whole("artikelomzetgroepen")),
    ("GET /artikelomzetgroepen/{id}", "artikelen:read", _one("artikelomzetgroepen")),
    ("POST /bankafschriftbestanden", "bankieren:write", None),
    ("GET /bankboekingen/{id}", "bankieren:read", _one("bankboekingen")),
    ("PUT /bankboekingen/{id}", "bankieren:write", _bank.update),
    ("DELETE /bankboekingen/{id}", "bankieren:write", _bank.delete),
    ("POST /bankboekingen", "bankieren:write", _bank.create),
    ("GET /bankboekingen", "bankieren:read", _paged("bankboekingen", models.BANK_ENTRY)),
    ("GET /companyInfo", "settings:read", company.get),
    ("PUT /companyInfo", "settings:write", company.update),
    ("GET /dagboeken", "boekhouden:read", _whole("dagboeken")),
    ("GET /documenten/{id}", "documenten:read", _one("documenten")),
    ("PUT /documenten/{id}", "boekhouden:write documenten:write", documents.update),
    ("DELETE /documenten/{id}", "boekhouden:write documenten:write", documents.delete),
    ("GET /documenten/{documenttype}/{pid}", "documenten:read", documents.list_of_parent),
    ("POST /documenten/{documenttype}", "boekhouden:write documenten:write", documents.create),
    ("GET /echo/{input}", "", _echo),
    ("GET /grootboeken", "boekhouden:read", _paged("grootboeken", models.LEDGER)),
    ("POST /grootboeken", "boekhouden:write", settings.create_ledger),
    ("GET /grootboeken/{id}", "boekhouden:read", _one("grootboeken")),
    ("GET /grootboekmutaties", "boekhouden:read", mutations.list_all),
    ("GET /grootboekmutaties/{id}", "boekhouden:read", mutations.get),
    ("GET /inkoopboekingen/GetCreateFromAttachmentStatus", "boekhouden:write", None),
    ("GET /inkoopboekingen/{id}", "boekhouden:read", _purchases.get),
    ("PUT /inkoopboekingen/{id}", "boekhouden:write", _purchases.update),
    ("DELETE /inkoopboekingen/{id}", "boekhouden:write", _purchases.delete),
    ("POST /inkoopboekingen", "boekhouden:write", _purchases.create),
    ("POST /inkoopboekingen/ubl", "boekhouden:write orders:write", None),
    ("POST /inkoopboekingen/CreateFromAttachment", "boekhouden:write", None),
    ("GET /inkoopfacturen", "orders:read", _paged("inkoopfacturen", models.PURCHASE_INVOICE)),
    ("GET /kasboekingen/{id}", "kas:read", _one("kasboekingen")),
    ("PUT /kasboekingen/{id}", "kas:write", _cash.update),
    ("DELETE /kasboekingen/{id}", "kas:write", _cash.delete),
    ("POST /kasboekingen", "kas:write", _cash.create),
    ("GET /kasboekingen", "kas:read", _paged("kasboekingen", models.CASH_ENTRY)),
    ("GET /kostenplaatsen", "settings:read", _whole("kostenplaatsen")),
    ("POST /kostenplaatsen", "settings:write", settings.create_cost_centre),
    ("GET /kostenplaatsen/{id}", "settings:read", _one("kostenplaatsen")),
    ("PUT /kostenplaatsen/{id}", "settings:write", settings.update_cost_centre),
    ("DELETE /kostenplaatsen/{id}", "settings:write", settings.delete_cost_centre),
    ("GET /landen", "settings:read", _whole("landen")),
    ("GET /landen/{id}", "settings:read", _one("landen")),
    ("GET /memoriaalboekingen/{id}", "memoriaal:read", _one("memoriaalboekingen")),
    ("PUT /memoriaalboekingen/{id}", "memoriaal:write", memorial.update),
    ("DELETE /memoriaalboekingen/{id}", "memoriaal:write", memorial.delete),
    ("POST /memoriaalboekingen", "memoriaal:write", memorial.create),
    ("GET /prijsafspraken", "relaties:read", None),
    ("GET /rapportages/kolommenbalans", "rapportage", None),
    ("GET /rapportages/periodebalans", "rapportage", None),
    ("GET /relaties", "relaties:read", relations.list_all),
    ("POST /relaties", "relaties:write", relations.create),
    ("GET /relaties/{id}", "relaties:read", relations.get),
    ("PUT /relaties/{id}", "relaties:write", relations.update),
    ("DELETE /relaties/{id}", "relaties:write", relations.delete),
    ("GET /relaties/{id}/doorlopendeincassomachtigingen", "relaties:read", relations.mandates),
    ("GET /relaties/{id}/inkoopboekingen", "relaties:read boekhouden:read", _purchases.list_of_relation),
    ("GET /relaties/{id}/verkoopboekingen", "relaties:read boekhouden:read", _sales.list_of_relation),
    ("GET /relaties/{id}/customFields", "relaties:read", None),
    ("PUT /relaties/{id}/customFields", "relaties:write", None),
    ("GET /verkoopboekingen/{id}", "boekhouden:read", _sales.get),
    ("PUT /verkoopboekingen/{id}", "boekhouden:write", _sales.update),
    ("DELETE /verkoopboekingen/{id}", "boekhouden:write", _sales.delete),
    ("POST /verkoopboekingen", "boekhouden:write", _sales.create),
    ("GET /verkoopfacturen/{id}", "orders:read", _one("verkoopfacturen")),
    ("GET /verkoopfacturen/{id}/ubl", "orders:read", ubl.get),
    ("GET /verkoopfacturen", "orders:read", _paged("verkoopfacturen", models.SALES_INVOICE)),
    ("GET /verkooporders", "orders:read", _paged("verkooporders", models.ORDER)),
    ("POST /verkooporders", "orders:write", orders.create),
    ("GET /verkooporders/{id}", "orders:read", _one("verkooporders")),
    ("PUT /verkooporders/{id}", "orders:write", orders.update),
    ("DELETE /verkooporders/{id}", "orders:write", orders.delete),
    ("PUT /verkooporders/{id}/ProcesStatus", "orders:write", orders.update_process),
    ("GET /verkoopordersjablonen", "orders:read", _whole("verkoopordersjablonen")),
    ("GET /verkoopordersjablonen/{id}", "orders:read", _one("verkoopordersjablonen")),
    ("GET /btwaangiftes", "btwaangiftes:read", None),
    ("GET /btwaangiftes/{id}", "btwaangiftes:read", None),
    ("PUT /btwaangiftes/{id}/externAangeven", "btwaangiftes:write", None),
    ("GET /offertes", "orders:read", None),
    ("POST /offertes", "orders:write", None),
    ("GET /offertes/{id}", "orders:read", None),
    ("PUT /offertes/{id}", "orders:write", None),
    ("DELETE /offertes/{id}", "orders:write", None),
    ("GET /btwtarieven", "settings:read", settings.list_vat_rates),
    ("GET /actieprijzen", "settings:read", None),
    ("GET /vatratedefinitions", "settings:read", settings.list_foreign_rate_kinds),
    ("GET /vatrates/{id}", "settings:read", settings.get_foreign_rates),
    ("GET /vatrates", "settings:read", settings.list_foreign_rates),
    ("GET /authorization/HasUserAccessToAdministration", "", settings.has_user_access),
)

OPERATIONS = tuple(
    Operation(call.partition(" ")[0], call.partition(" ")[2], tuple(scopes.split()), function)
    for call, scopes, function in _TABLE
)


def find(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation a path after ``/v2`` leads to, with its variable parts; a fixed part wins over a variable one."""
    parts = path.removesuffix("/").split("/")
    best: tuple[Operation, dict[str, str]] | None = None
    for operation in OPERATIONS:
        wanted = operation.path.split("/")
        if operation.method != method or len(wanted) != len(parts):
            continue
        variables = _matched(wanted, parts)
        if variables is not None and (best is None or len(variables) < len(best[1])):
            best = operation, variables
    return best


def _matched(wanted: list[str], parts: list[str]) -> dict[str, str] | None:
    variables: dict[str, str] = {}
    for want, part in zip(wanted, parts, strict=True):
        if want.startswith("{") and part:
            variables[want[1:-1]] = part
        elif want.lower() != part.lower():
            return None
    return variables
