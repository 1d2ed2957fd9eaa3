"""Finding invoices: the filters that search, totals, CSV and the SEPA lists share."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from adapters.thenextinvoice.emulator.arithmetic import rounded
from adapters.thenextinvoice.emulator.invoicing import invoice_row, state_of, totals
from adapters.thenextinvoice.emulator.paging import Item, Page, flag, ordered, page_of
from adapters.thenextinvoice.emulator.state import Company, Invoice, Row, Service
from adapters.thenextinvoice.emulator.wire import Answer, Call, Data, Operation, Refusal, day, whole
from gateway.contract.exact import Json

PAGE_SIZE = 20
MOST_STATUSES = 5
RANGES = ("number", "date", "duedate", "amount")
FILTERS = frozenset(
    {"status", "type", "term", "customer_id", *(f"{end}{name}" for name in RANGES for end in ("min", "max"))}
)
ORDERING = frozenset({"order", "reverse"})
PAGING = frozenset({"limit", "page"})

TYPES: Mapping[str, Callable[[Invoice], bool]] = {
    "invoice": lambda invoice: invoice.kind == "invoice" and invoice.final,
    "quotation": lambda invoice: invoice.kind == "quotation",
    "recurring": lambda invoice: invoice.kind == "recurring",
    "draft": lambda invoice: invoice.kind == "invoice" and not invoice.final,
    "sepa": lambda invoice: invoice.kind == "invoice" and invoice.final and invoice.type == "I",
}
"""What each ``type`` lists. That an automatic collection is listed under ``invoice`` as well is a guess."""

STATUSES = frozenset({"open", "paid", "pastdue", "credit", "credited", "reminded", "booked", "notbooked", "sepa"})
ORDERS = frozenset({"id", "customer", "number", "date", "duedate", "collection_date", "amount"})


def _has(call: Call, invoice: Invoice, status: str) -> bool:
    """Whether a finalized invoice has that status of the filter."""
    if not invoice.final or invoice.kind != "invoice":
        return False
    state = state_of(invoice, call.today(), call.service.switches)
    if status == "open" and call.service.switches.open_includes_pastdue:
        return state in ("open", "pastdue")
    if status == "reminded":
        return bool(invoice.reminders) and invoice.is_unpaid
    if status in ("booked", "notbooked"):
        return (invoice.booking is not None) == (status == "booked")
    if status == "sepa":
        return invoice.sepa_batch is not None
    return state == status


def _statuses(call: Call) -> list[str]:
    statuses = [status.strip() for status in call.query.get("status", "").split(",") if status.strip()]
    if len(statuses) > MOST_STATUSES:
        raise Refusal(400, f"status can have at most {MOST_STATUSES} values")
    if unknown := [status for status in statuses if status not in STATUSES]:
        raise Refusal(400, f"status {unknown[0]} is invalid")
    return statuses


def matching(call: Call) -> list[Invoice]:
    """The invoices that the filters of the query select, in no order."""
    kind = call.query.get("type") or "invoice"
    if kind not in TYPES:
        raise Refusal(400, f"type {kind} is invalid")
    statuses = _statuses(call)
    enough = all if call.service.switches.several_statuses == "all" else any
    ranges = [*_ranges(call)]
    term = call.query.get("term", "").strip().lower()
    customer_text = call.query.get("customer_id", "")
    customer_id = whole(customer_text)
    if customer_text and customer_id is None:
        raise Refusal(400, "customer_id is invalid")
    return [
        invoice
        for invoice in call.company.invoices.values()
        if TYPES[kind](invoice)
        and (not statuses or enough(_has(call, invoice, status) for status in statuses))
        and (not customer_text or invoice.customer_id == customer_id)
        and term in _searched_text(call.company, invoice)
        and all(within(invoice) for within in ranges)
    ]


def _searched_text(company: Company, invoice: Invoice) -> str:
    texts = [invoice.number or "", customer_name(company, invoice), *(line.description for line in invoice.lines)]
    return "\n".join(texts).lower()


def customer_name(company: Company, invoice: Invoice) -> str:
    """The name of the receiver: as finalized, else as it is now."""
    if invoice.kept_receiver is not None:
        return str(invoice.kept_receiver.get("companyname", ""))
    if isinstance(invoice.receiver, dict):
        return str(invoice.receiver.get("companyname", ""))
    customer = company.customers.get(invoice.receiver)
    return "" if customer is None else str(customer.fields["companyname"])


def _ranges(call: Call) -> list[Callable[[Invoice], bool]]:
    """One test for each end of a range that the query gives."""

    def amount(invoice: Invoice) -> Decimal:
        return totals(call.service, call.company, invoice).gross

    measures: list[tuple[str, Callable[[Invoice], Any], Callable[[str, str], Any]]] = [
        ("number", lambda invoice: by_number(invoice.number), lambda text, _: by_number(text)),
        ("date", lambda invoice: invoice.sent_on, day),
        ("duedate", lambda invoice: invoice.due_on, day),
        ("amount", amount, parsed_amount),
    ]
    tests: list[Callable[[Invoice], bool]] = []
    for name, measure, parse in measures:
        if text := call.query.get(f"min{name}"):
            tests.append(_at_least(measure, parse(text, f"min{name}")))
        if text := call.query.get(f"max{name}"):
            tests.append(_at_most(measure, parse(text, f"max{name}")))
    if call.query.get("minnumber") or call.query.get("maxnumber"):
        tests.append(lambda invoice: invoice.number is not None)
    return tests


def _at_least(measure: Callable[[Invoice], Any], end: Any) -> Callable[[Invoice], bool]:
    return lambda invoice: bool(measure(invoice) >= end)


def _at_most(measure: Callable[[Invoice], Any], end: Any) -> Callable[[Invoice], bool]:
    return lambda invoice: bool(measure(invoice) <= end)


def parsed_amount(text: str, name: str) -> Decimal:
    """The amount that a query parameter spells; refuses with 400 naming it."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise Refusal(400, f"{name} is invalid")
    return amount


def by_number(number: str | None) -> tuple[int, str]:
    """A sort key: no number first, then by length and text, so that 9 comes before 10."""
    return (len(number), number) if number else (0, "")


def sorted_invoices(call: Call, invoices: list[Invoice]) -> list[Invoice]:
    """In the asked order. Without one: shuffled, or in the documented default of the type."""
    order = call.query.get("order")
    if not order:
        if call.service.switches.default_order == "shuffled":
            flag(call.query, "reverse")
            shuffled = list(invoices)
            call.service.random.shuffle(shuffled)
            return shuffled
        order = "number" if (call.query.get("type") or "invoice") in ("invoice", "quotation") else "id"
    if order not in ORDERS:
        raise Refusal(400, f"order {order} is invalid")
    keys: Mapping[str, Callable[[Invoice], Any]] = {
        "id": lambda invoice: invoice.id,
        "customer": lambda invoice: customer_name(call.company, invoice).lower(),
        "number": lambda invoice: by_number(invoice.number),
        "date": lambda invoice: invoice.sent_on,
        "duedate": lambda invoice: invoice.due_on,
        "collection_date": lambda invoice: collected_on(call.company, invoice),
        "amount": lambda invoice: totals(call.service, call.company, invoice).gross,
    }
    return ordered(call, invoices, keys[order], lambda invoice: invoice.id)


def collected_on(company: Company, invoice: Invoice) -> str:
    """The date its SEPA batch is collected, or empty."""
    return "" if invoice.sepa_batch is None else company.batches[invoice.sepa_batch].collected_on.isoformat()


def search(call: Call) -> Answer:
    """``GET /invoice/search``."""
    page = page_of(call, sorted_invoices(call, matching(call)), PAGE_SIZE)
    items = [invoice_row(call.service, call.company, invoice) for invoice in page.items]
    return Data({**page_row(page), "items": items})


def page_row(page: Page[Item]) -> Row:
    """The numbers of a page of invoices or of SEPA batches."""
    return {
        "current": page.current,
        "first": 1,
        "previous": page.previous,
        "next": page.next,
        "last": page.last,
        "limit": page.limit,
        "total_items": page.total,
    }


def list_totals(call: Call) -> Answer:
    """``GET /invoice/totals``: by currency; 404 where nothing matches."""
    found = matching(call)
    if not found:
        raise Refusal(404, "No totals found for this period")
    return Data(totals_by_currency(call.service, call.company, found))


def totals_by_currency(service: Service, company: Company, invoices: list[Invoice]) -> dict[str, Json]:
    """The sums of the invoices' amounts, in cents, as the example writes them: ``12100.00``."""
    sums: dict[str, dict[str, Decimal]] = {}
    for invoice in invoices:
        amounts = totals(service, company, invoice)
        row = sums.setdefault(invoice.meta["currency"], {"amount_incl": Decimal(0), "amount_excl": Decimal(0)})
        row["amount_incl"] = rounded(row["amount_incl"] + amounts.gross)
        row["amount_excl"] = rounded(row["amount_excl"] + amounts.net)
    return dict(sums)


OPERATIONS = (
    Operation("GET", "/invoice/search", search, FILTERS | ORDERING | PAGING),
    Operation("GET", "/invoice/totals", list_totals, FILTERS),
)
