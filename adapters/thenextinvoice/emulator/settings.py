"""The settings that bookkeeping needs: VAT codes, ledgers, payment methods, numbers and small company settings."""

from collections.abc import Callable
from decimal import Decimal

from adapters.thenextinvoice.emulator.fields import Field, not_blank, read, texts
from adapters.thenextinvoice.emulator.state import Company, Line, Row, VatCode
from adapters.thenextinvoice.emulator.wire import Answer, Call, Data, Done, Operation, Refusal, whole

VAT_TYPES = ("high", "low", "exempt", "none", "ICPS", "ICPG", "EBU")
VAT_FIELDS = {**texts("name", required=True), **texts("code"), "factor": Field("number", True)}
LEDGER_FIELDS = {**texts("name", "costcenter", required=True), **texts("ledgernumber")}


def list_vat_codes(call: Call) -> Answer:
    """``GET /settings/vatcodes``: ``factor`` is 1.21."""
    return Data([vat.row(vat.factor) for vat in call.company.vat_codes.values()])


def list_vat_percentages(call: Call) -> Answer:
    """``GET /vatcodes``: ``factor`` is 21."""
    return Data([vat.row(vat.rate) for vat in call.company.vat_codes.values()])


def _checked_vat(call: Call, *, type_required: bool) -> Row:
    given = read(call.json(), {**VAT_FIELDS, "type": Field("text", type_required, nullable=True)})
    not_blank(given, "name")
    if given["factor"] < 1 or given["factor"] > 2:
        raise Refusal(400, "factor must be a multiplier such as 1.21")
    if given.get("type") is not None and given["type"] not in VAT_TYPES:
        raise Refusal(400, f"type must be one of {', '.join(VAT_TYPES)}")
    return given


def create_vat_code(call: Call) -> Answer:
    """``POST /settings/vatcodes``."""
    given = _checked_vat(call, type_required=True)
    vat = VatCode(call.service.next_id("vat"), "", "", Decimal(1), None)
    _write_vat(vat, given)
    call.company.vat_codes[vat.id] = vat
    return Data(vat.row(vat.factor))


def update_vat_code(call: Call) -> Answer:
    """``PUT /settings/vatcodes/{id}``."""
    vat = call.one(call.company.vat_codes, "Vat not found")
    given = {"type": vat.type, **_checked_vat(call, type_required=False)}
    _write_vat(vat, given)
    return Data(vat.row(vat.factor))


def _write_vat(vat: VatCode, given: Row) -> None:
    vat.name, vat.code = given["name"], given.get("code") or ""
    vat.factor, vat.type = Decimal(given["factor"]), given["type"]


def delete_vat_code(call: Call) -> Answer:
    """``DELETE /settings/vatcodes/{id}``: 500 while a product or an invoice line uses it."""
    vat_id = call.one(call.company.vat_codes, "VAT code not found").id
    in_lines = any(line.vat == vat_id for line in _lines(call.company))
    if in_lines or any(product.vat_id == vat_id for product in call.company.products.values()):
        raise Refusal(500, "Request failed: VAT code is in use")
    del call.company.vat_codes[vat_id]
    return Data("Vatcode has been removed")


def _lines(company: Company) -> list[Line]:
    return [line for invoice in company.invoices.values() for line in invoice.lines]


def list_ledgers(call: Call) -> Answer:
    """``GET /settings/ledgernumbers``."""
    return Data(list(call.company.ledgers.values()))


def _ledger(call: Call) -> Row:
    given = read(call.json(), LEDGER_FIELDS)
    not_blank(given, "name")
    number = given.get("ledgernumber") or ""
    return {"name": given["name"], "ledgernumber": number, "costcenter": given["costcenter"]}


def create_ledger(call: Call) -> Answer:
    """``POST /settings/ledgernumbers``."""
    return Data(call.service.keep(call.company.ledgers, "ledger", _ledger(call)))


def update_ledger(call: Call) -> Answer:
    """``PUT /settings/ledgernumbers/{id}``."""
    row = call.one(call.company.ledgers, "Ledger not found")
    row.update(_ledger(call))
    return Data(row)


def delete_ledger(call: Call) -> Answer:
    """``DELETE /settings/ledgernumbers``, with the id in the query, as documented, or in the path."""
    ledger_id = _named(call)
    if ledger_id not in call.company.ledgers:
        raise Refusal(404, "Ledger not found")
    in_lines = any(line.ledger == ledger_id for line in _lines(call.company))
    if in_lines or any(product.ledger_id == ledger_id for product in call.company.products.values()):
        raise Refusal(500, "Request failed: ledgernumber is in use")
    del call.company.ledgers[ledger_id]
    return Data("Ledgernumber has been removed")


def _named(call: Call) -> int | None:
    return whole(call.path.get("id") or call.query.get("id", ""))


def list_payment_methods(call: Call) -> Answer:
    """``GET /settings/paymentmethods``: none at all is 404."""
    if not call.company.payment_methods:
        raise Refusal(404, "No payment methods found")
    return Data(list(call.company.payment_methods.values()))


def _method_name(call: Call) -> str:
    given = read(call.json(), texts("name", required=True))
    not_blank(given, "name")
    return str(given["name"])


def create_payment_method(call: Call) -> Answer:
    """``POST /settings/paymentmethods``."""
    return Data(call.service.keep(call.company.payment_methods, "method", {"name": _method_name(call)}))


def update_payment_method(call: Call) -> Answer:
    """``PUT /settings/paymentmethods/{id}``."""
    row = call.one(call.company.payment_methods, "Payment method not found")
    row["name"] = _method_name(call)
    return Data(row)


def delete_payment_method(call: Call) -> Answer:
    """``DELETE /settings/paymentmethods``, with the id in the query, as documented, or in the path."""
    method_id = _named(call)
    if method_id not in call.company.payment_methods:
        raise Refusal(404, "Payment method not found")
    del call.company.payment_methods[method_id]
    return Data("Payment method has been removed")


def get_numbers(call: Call) -> Answer:
    """``GET /settings/numbers``."""
    return Data({"invoice": call.company.next_number, "quotation": call.company.next_quotation})


def update_numbers(call: Call) -> Answer:
    """``PUT /settings/numbers``: a number must end in digits and must not lie among those used."""
    given = read(call.json(), texts("invoice", "quotation"))
    used = {invoice.number for invoice in call.company.invoices.values()}
    for number in (number for number in given.values() if number is not None):
        if not number[-1:].isdigit() or number in used:
            raise Refusal(400, "Update failed")
    call.company.next_number = given.get("invoice") or call.company.next_number
    call.company.next_quotation = given.get("quotation") or call.company.next_quotation
    return Done()


def get_debit_ledger(call: Call) -> Answer:
    """``GET /settings/ledgernumberdebit``."""
    return Data({"ledgerNumber": call.company.debit_ledger})


def update_debit_ledger(call: Call) -> Answer:
    """``PUT /settings/ledgernumberdebit``."""
    call.company.debit_ledger = read(call.json(), {"ledgerNumber": Field("integer", True)})["ledgerNumber"]
    return Data({"ledgerNumber": call.company.debit_ledger})


def get_sepa(call: Call) -> Answer:
    """``GET /settings/sepa``."""
    return Data({"id": call.company.id, "company_id": call.company.id, **call.company.sepa})


def update_sepa(call: Call) -> Answer:
    """``PUT /settings/sepa``: unchecked only if all three are empty."""
    names = ("creditor_name", "iban", "creditor_identifier")
    given = read(call.json(), texts(*names))
    wanted = {name: given.get(name) or "" for name in names}
    if any(wanted.values()):
        if not 0 < len(wanted["creditor_name"]) <= 70:
            raise Refusal(400, "Invalid name")
        for name, message in (("iban", "Invalid IBAN"), ("creditor_identifier", "Invalid identifier")):
            if not (wanted[name].isalnum() and 8 <= len(wanted[name]) <= 35 and wanted[name][:2].isalpha()):
                raise Refusal(400, message)
    call.company.sepa = wanted
    return Done()


def get_payment_page(call: Call) -> Answer:
    """``GET /settings/payment``."""
    return Data(call.company.payment_page)


def update_payment_page(call: Call) -> Answer:
    """``PUT /settings/payment``."""
    call.company.payment_page = read(call.json(), texts("message", "success_message", required=True))
    return Data(call.company.payment_page)


def _enabled(name: str) -> tuple[Callable[[Call], Answer], Callable[[Call], Answer]]:
    """Reading and writing one of the switches that a company has: ``peppol`` or ``sms``."""

    def get(call: Call) -> Answer:
        return Data({"id": call.company.id, "company_id": call.company.id, "enabled": getattr(call.company, name)})

    def update(call: Call) -> Answer:
        setattr(call.company, name, read(call.json(), {"enabled": Field("boolean", True)})["enabled"])
        return get(call)

    return get, update


get_peppol, update_peppol = _enabled("peppol")
get_sms, update_sms = _enabled("sms")


def count_sms(call: Call) -> Answer:
    """``GET /settings/sms/count``: all of it this month."""
    sent = call.company.sms_sent
    return Data({"last": 0, "current": sent, "total": sent})


_BY_QUERY = frozenset({"id"})

OPERATIONS = (
    Operation("GET", "/vatcodes", list_vat_percentages),
    Operation("GET", "/settings/vatcodes", list_vat_codes),
    Operation("POST", "/settings/vatcodes", create_vat_code, body="json"),
    Operation("PUT", "/settings/vatcodes/{id}", update_vat_code, body="json"),
    Operation("DELETE", "/settings/vatcodes/{id}", delete_vat_code),
    Operation("GET", "/settings/ledgernumbers", list_ledgers),
    Operation("POST", "/settings/ledgernumbers", create_ledger, body="json"),
    Operation("DELETE", "/settings/ledgernumbers", delete_ledger, _BY_QUERY),
    Operation("PUT", "/settings/ledgernumbers/{id}", update_ledger, body="json"),
    Operation("DELETE", "/settings/ledgernumbers/{id}", delete_ledger),
    Operation("GET", "/settings/paymentmethods", list_payment_methods),
    Operation("POST", "/settings/paymentmethods", create_payment_method, body="json"),
    Operation("DELETE", "/settings/paymentmethods", delete_payment_method, _BY_QUERY),
    Operation("PUT", "/settings/paymentmethods/{id}", update_payment_method, body="json"),
    Operation("DELETE", "/settings/paymentmethods/{id}", delete_payment_method),
    Operation("GET", "/settings/numbers", get_numbers),
    Operation("PUT", "/settings/numbers", update_numbers, body="json"),
    Operation("GET", "/settings/ledgernumberdebit", get_debit_ledger),
    Operation("PUT", "/settings/ledgernumberdebit", update_debit_ledger, body="json"),
    Operation("GET", "/settings/sepa", get_sepa),
    Operation("PUT", "/settings/sepa", update_sepa, body="json"),
    Operation("GET", "/settings/payment", get_payment_page),
    Operation("PUT", "/settings/payment", update_payment_page, body="json"),
    Operation("GET", "/settings/peppol", get_peppol),
    Operation("PUT", "/settings/peppol", update_peppol, body="json"),
    Operation("GET", "/settings/sms", get_sms),
    Operation("PUT", "/settings/sms", update_sms, body="json"),
    Operation("GET", "/settings/sms/count", count_sms),
)
