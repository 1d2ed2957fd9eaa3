"""The rest of the office: preferences, notifications, analytics, prognosis, SEPA batches, users and integrations."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from adapters.thenextinvoice.emulator.arithmetic import plain
from adapters.thenextinvoice.emulator.fields import Field, fits, read, texts
from adapters.thenextinvoice.emulator.invoice_search import (
    ORDERING,
    PAGE_SIZE,
    PAGING,
    customer_name,
    page_row,
    parsed_amount,
    totals_by_currency,
)
from adapters.thenextinvoice.emulator.invoicing import totals
from adapters.thenextinvoice.emulator.paging import ordered, page_of
from adapters.thenextinvoice.emulator.state import Company, Invoice, Row, SepaBatch
from adapters.thenextinvoice.emulator.wire import Answer, Binary, Call, Data, Operation, Refusal, day, whole

INTEGRATIONS: Mapping[str, str] = {
    "twinfield": "bookkeeping",
    "exact": "bookkeeping",
    "xero": "bookkeeping",
    "yuki": "bookkeeping",
    "visma": "bookkeeping",
    "mollie": "payment",
    "multisafepay": "payment",
    "lightspeed": "source",
    "lsretail": "source",
    "lskseries": "source",
    "untill": "source",
    "thenextinvoice": "source",
}
"""Every documented integration and its class; the classes are a guess."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
PERIODS = 12
MOST_CUSTOMERS = 50
PROGNOSIS = {
    **{name: Field("integer", True) for name in ("start_month", "start_year")},
    **{name: Field("array", True) for name in ("costs", "debts", "revenue")},
}
BATCH_FILTERS = frozenset({"mindate", "maxdate", "minamount", "maxamount"})


def get_preferences(call: Call) -> Answer:
    """``GET /preferences``."""
    return Data(
        {
            "package": "premium",
            "addons": sorted(call.company.integrations),
            "language": call.user.language,
            "confirmed": True,
            "grace": 0,
            "user_data": {"name": call.user.name, "email": call.user.email},
            "company_name": call.company.name,
        }
    )


def update_preferences(call: Call) -> Answer:
    """``PUT /preferences``: 500 for a language that is no language, the only failure that is documented."""
    language = read(call.json(), texts("language", required=True))["language"]
    if not (len(language) == 2 and language.isascii() and language.isalpha()):
        raise Refusal(500, "Update failed")
    call.user.language = language.upper()
    return get_preferences(call)


def list_notifications(call: Call) -> Answer:
    """``GET /notifications``."""
    return Data(call.company.notifications)


def dismiss_notifications(call: Call) -> Answer:
    """``DELETE /notifications``."""
    call.company.notifications = []
    return Data("Notifications have been removed")


def stream_token(call: Call) -> Answer:
    """``GET /token/lilium``: the stream itself is not emulated."""
    return Data(hashlib.sha256(f"stream {call.user.id} {call.company.id}".encode()).hexdigest()[:32])


def _finals(company: Company) -> list[Invoice]:
    return [invoice for invoice in company.invoices.values() if invoice.kind == "invoice" and invoice.final]


def turnover(call: Call) -> Answer:
    """``GET /analytics/turnover/{interval}``: finalized amounts without VAT over 12 periods, oldest first."""
    today = call.today()
    if call.path["interval"] == "month":
        latest = today.year * 12 + today.month - 1
        period: Callable[[date], int] = _month_number
        name: Callable[[int], str] = _month_name
    elif call.path["interval"] == "year":
        latest, period, name = today.year, _year_number, str
    else:
        raise Refusal(400, "Invalid interval (allowed: month, year)")
    sums = dict.fromkeys(range(latest - PERIODS + 1, latest + 1), Decimal(0))
    for invoice in _finals(call.company):
        if (number := period(invoice.sent_on)) in sums:
            sums[number] += totals(call.service, call.company, invoice).net
    return Data({"labels": [name(number) for number in sums], "values": [plain(value) for value in sums.values()]})


def _month_number(when: date) -> int:
    return when.year * 12 + when.month - 1


def _year_number(when: date) -> int:
    return when.year


def _month_name(number: int) -> str:
    return f"{MONTHS[number % 12]} {number // 12}"


def top_customers(call: Call) -> Answer:
    """``GET /analytics/customers/{limit}``: by turnover without VAT in the last 365 days."""
    limit = whole(call.path["limit"]) or 0
    if not 1 <= limit <= MOST_CUSTOMERS:
        raise Refusal(400, "Invalid limit (must be 1-50)")
    rows: dict[int, Row] = {}
    for invoice in _finals(call.company):
        customer_id = invoice.customer_id
        if customer_id is None or (call.today() - invoice.sent_on).days > 365:
            continue
        name = customer_name(call.company, invoice)
        row = rows.setdefault(customer_id, {"customerid": customer_id, "companyname": name, "amount": Decimal(0)})
        row["amount"] += totals(call.service, call.company, invoice).net
    best = sorted(rows.values(), key=lambda row: (-row["amount"], row["customerid"]))
    return Data(best[:limit])


def get_prognosis(call: Call) -> Answer:
    """``GET /prognosis``: null if none was set."""
    return Data(call.company.prognosis)


def save_prognosis(call: Call) -> Answer:
    """``POST`` or ``PUT /prognosis``."""
    given = read(call.json(), PROGNOSIS)
    if not 1 <= given["start_month"] <= 12:
        raise Refusal(400, "start_month must be from 1 to 12")
    for name in ("costs", "debts", "revenue"):
        if not all(fits(figure, "number") for figure in given[name]):
            raise Refusal(400, f"{name} must be an array of numbers")
    known = call.company.prognosis or {"id": call.service.next_id("prognosis"), "company_id": call.company.id}
    call.company.prognosis = {"id": known["id"], "company_id": known["company_id"], **given}
    return Data(call.company.prognosis)


def _collected(call: Call, batch: SepaBatch) -> list[Invoice]:
    return [call.company.invoices[number] for number in batch.invoices if number in call.company.invoices]


def _batch_amount(call: Call, batch: SepaBatch) -> Decimal:
    return sum((totals(call.service, call.company, invoice).gross for invoice in _collected(call, batch)), Decimal(0))


def _batches(call: Call) -> list[SepaBatch]:
    query = call.query
    earliest = day(query["mindate"], "mindate") if query.get("mindate") else date.min
    latest = day(query["maxdate"], "maxdate") if query.get("maxdate") else date.max
    least = parsed_amount(query["minamount"], "minamount") if query.get("minamount") else Decimal("-Infinity")
    most = parsed_amount(query["maxamount"], "maxamount") if query.get("maxamount") else Decimal("Infinity")
    return [
        batch
        for batch in call.company.batches.values()
        if earliest <= batch.collected_on <= latest and least <= _batch_amount(call, batch) <= most
    ]


def search_batches(call: Call) -> Answer:
    """``GET /sepa/search``: the shape of a batch is a guess; filters other than dates and amounts are not emulated."""
    keys: Mapping[str, Callable[[SepaBatch], Any]] = {
        "id": lambda batch: batch.id,
        "date": lambda batch: batch.collected_on,
        "collection_date": lambda batch: batch.collected_on,
        "amount": lambda batch: _batch_amount(call, batch),
    }
    order = call.query.get("order") or "id"
    if order not in keys:
        raise Refusal(400, f"order {order} is invalid")
    page = page_of(call, ordered(call, _batches(call), keys[order], lambda batch: batch.id), PAGE_SIZE)
    items = [
        {
            "id": batch.id,
            "company": call.company.id,
            "date": batch.collected_on.isoformat(),
            "amount": plain(_batch_amount(call, batch)),
            "invoices": list(batch.invoices),
        }
        for batch in page.items
    ]
    return Data({**page_row(page), "items": items})


def batch_totals(call: Call) -> Answer:
    """``GET /sepa/totals``: by currency."""
    invoices = [invoice for batch in _batches(call) for invoice in _collected(call, batch)]
    return Data(totals_by_currency(call.service, call.company, invoices))


def view_batch(call: Call) -> Answer:
    """``GET /sepa/{id}/view``: a bare pain.008."""
    batch = call.one(call.company.batches, "SEPA batch not found")
    root = Element("Document", {"xmlns": "urn:iso:std:iso:20022:tech:xsd:pain.008.001.02"})
    initiation = SubElement(root, "CstmrDrctDbtInitn")
    head = SubElement(initiation, "GrpHdr")
    SubElement(head, "MsgId").text = f"TNI-{batch.id}"
    SubElement(head, "NbOfTxs").text = str(len(batch.invoices))
    SubElement(head, "CtrlSum").text = str(_batch_amount(call, batch))
    payment = SubElement(initiation, "PmtInf")
    SubElement(payment, "PmtMtd").text = "DD"
    SubElement(payment, "ReqdColltnDt").text = batch.collected_on.isoformat()
    for invoice in _collected(call, batch):
        transaction = SubElement(payment, "DrctDbtTxInf")
        SubElement(SubElement(transaction, "PmtId"), "EndToEndId").text = invoice.number
        amount = SubElement(transaction, "InstdAmt", {"Ccy": invoice.meta["currency"]})
        amount.text = str(totals(call.service, call.company, invoice).gross)
        SubElement(SubElement(transaction, "Dbtr"), "Nm").text = customer_name(call.company, invoice)
    return Binary(tostring(root, encoding="utf-8", xml_declaration=True), "application/xml")


def list_users(call: Call) -> Answer:
    """``GET /settings/user``."""
    users = [user for user in call.service.users.values() if call.company.id in user.companies]
    return Data(
        [
            {"id": user.id, "email": user.email, "name": user.name, "role": "owner", "language": user.language.lower()}
            for user in users
        ]
    )


def two_factor_status(call: Call) -> Answer:
    """``GET /settings/2fa``: always ``disabled``; enrolling is not emulated."""
    return Data({"status": call.user.two_factor})


def list_verifications(call: Call) -> Answer:
    """``GET /settings/verification``."""
    return Data(list(call.company.verifications.values()))


def _integration(company: Company, name: str) -> Row:
    enabled = name in company.integrations
    return {
        "name": name,
        "enabled": enabled,
        "office": company.integrations[name]["office"] if enabled else None,
        "option": {} if enabled else None,
        "free": True,
        "config": {},
    }


def list_integrations(call: Call) -> Answer:
    """``GET /settings/integrations``."""
    wanted = call.query.get("class", "")
    names = [name for name, kind in INTEGRATIONS.items() if not wanted or kind == wanted]
    return Data([_integration(call.company, name) for name in names])


def get_integration(call: Call) -> Answer:
    """``GET /settings/integrations/{type}``."""
    if call.path["type"] not in INTEGRATIONS:
        raise Refusal(404, "Unknown integration")
    return Data(_integration(call.company, call.path["type"]))


def active_bookkeeping(call: Call) -> Answer:
    """``GET /settings/integrations/check``: 404 if none is active."""
    for name, row in call.company.integrations.items():
        if row["class"] == "bookkeeping":
            return Data(_integration(call.company, name))
    raise Refusal(404, "No active bookkeeping integration")


def check_integration(call: Call) -> Answer:
    """``GET /settings/integrations/{type}/test``."""
    if call.path["type"] not in call.company.integrations:
        raise Refusal(404, "Integration not configured")
    return Data({"ok": True})


def connect(company: Company, name: str, office: str) -> None:
    """Connect the company to an integration, which the emulator does not let a client do."""
    company.integrations[name] = {"name": name, "class": INTEGRATIONS[name], "office": office}


OPERATIONS = (
    Operation("GET", "/preferences", get_preferences),
    Operation("PUT", "/preferences", update_preferences, body="json"),
    Operation("GET", "/notifications", list_notifications),
    Operation("DELETE", "/notifications", dismiss_notifications),
    Operation("GET", "/token/lilium", stream_token),
    Operation("GET", "/analytics/turnover/{interval}", turnover),
    Operation("GET", "/analytics/customers/{limit}", top_customers),
    Operation("GET", "/prognosis", get_prognosis),
    Operation("POST", "/prognosis", save_prognosis, body="json"),
    Operation("PUT", "/prognosis", save_prognosis, body="json"),
    Operation("GET", "/sepa/search", search_batches, BATCH_FILTERS | ORDERING | PAGING),
    Operation("GET", "/sepa/totals", batch_totals, BATCH_FILTERS),
    Operation("GET", "/sepa/{id}/view", view_batch),
    Operation("GET", "/settings/user", list_users),
    Operation("GET", "/settings/2fa", two_factor_status),
    Operation("GET", "/settings/verification", list_verifications),
    Operation("GET", "/settings/integrations", list_integrations, frozenset({"class"})),
    Operation("GET", "/settings/integrations/check", active_bookkeeping),
    Operation("GET", "/settings/integrations/{type}", get_integration),
    Operation("GET", "/settings/integrations/{type}/test", check_integration),
)
