"""Customers, as the section "Customer" of the documentation describes them."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from adapters.thenextinvoice.emulator.arithmetic import plain
from adapters.thenextinvoice.emulator.fields import Field, fits, not_blank, read, texts
from adapters.thenextinvoice.emulator.paging import page_of
from adapters.thenextinvoice.emulator.state import Company, Customer, Row, reference
from adapters.thenextinvoice.emulator.switches import Switches
from adapters.thenextinvoice.emulator.wire import Answer, Call, Data, Done, Operation, Refusal
from gateway.contract.exact import Json

PAGE_SIZE = 50
REQUIRED = ("companyname", "address", "postalcode", "city", "country", "email")
DEFAULTS: Mapping[str, Json] = {
    "debnumber": None,
    "companyname": "",
    "companycontact": None,
    "address": "",
    "postalcode": "",
    "city": "",
    "country": "",
    "vatnumber": "",
    "email": "",
    "ccaddress": "",
    "phone": None,
    "iban": None,
    "optionalfield_1": None,
    "optionalfield_2": None,
    "person": False,
    "option_expiration": None,
    "option_extratext": None,
    "option_extratextbottom": None,
    "option_language": None,
    "option_currency": None,
}
"""Every property in the order it is read, with what a PUT that leaves it out resets it to."""

FIELDS = {
    **texts(*(name for name in DEFAULTS if name not in REQUIRED)),
    **texts(*REQUIRED, required=True),
    "person": Field("boolean", True),
    "option_expiration": Field("number"),
}

VAT_REGISTER: Mapping[tuple[str, str], Row] = {
    ("NL", "857494454B01"): {
        "name": "Thenextinvoice b.v.",
        "street": "Condensatorweg 00054",
        "zip": "1014AX",
        "city": "Amsterdam",
    },
    ("BE", "0403170701"): {"name": "Voorbeeld NV", "street": "Handelsstraat 1", "zip": "1000", "city": "Brussel"},
}
TRADE_REGISTER: Mapping[str, Row] = {
    "12345678": {
        "name": "Thenextinvoice b.v.",
        "street": "Condensatorweg 54",
        "zip": "1014AX",
        "city": "Amsterdam",
    },
    "87654321": {"name": "Bakkerij De Korenaar", "street": "Molenstraat 12", "zip": "3512GH", "city": "Utrecht"},
}


def customer_row(customer: Customer, switches: Switches) -> Row:
    """A customer as it is read: in text, also where it is written as a boolean or a number."""
    row: Row = {"id": str(customer.id), **customer.fields}
    if switches.person_read == "text":
        row["person"] = "1" if row["person"] else "0"
    days = row["option_expiration"]
    if days is not None:
        row["option_expiration"] = str(plain(Decimal(days))) if switches.option_expiration_read == "text" else days
    return row


def checked(body: Json, switches: Switches) -> Row:
    """The properties of a customer to be written, defaults filled in. Refuses with 400."""
    given = read(body, FIELDS)
    nothing = next((name for name, value in given.items() if value is None), None)
    if nothing is not None and switches.null_optional == "refused":
        raise Refusal(400, f"{nothing} must not be null")
    if switches.blank_required == "refused":
        not_blank(given, *REQUIRED)
    not_blank(given, "companyname")
    country = given["country"]
    if country and not (len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()):
        raise Refusal(400, "country must be a country code")
    if given["email"] and not _is_email(given["email"]):
        raise Refusal(400, "email is not a valid email address")
    if (days := given.get("option_expiration")) is not None and days < 0:
        raise Refusal(400, "option_expiration must not be negative")
    if switches.tidies:
        given["companyname"] = " ".join(given["companyname"].split())
    return {name: given.get(name, default) for name, default in DEFAULTS.items()}


def _is_email(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    return bool(at and local and "." in domain) and not any(sign.isspace() for sign in text)


def find(call: Call, missing_status: int = 404) -> Customer:
    """The customer in the path."""
    return call.one(call.company.customers, "Customer does not exist", missing_status)


def by_name(customers: Iterable[Customer]) -> list[Customer]:
    """In the order of the lists, which the documentation does not give: not that of the ids."""
    return sorted(customers, key=lambda customer: (customer.fields["companyname"].lower(), customer.id))


def _matching(call: Call) -> list[Customer]:
    """The customers whose name or contact has the ``term`` in it; e-mail is not searched."""
    term = call.query.get("term", "").strip().lower()
    return by_name(
        customer
        for customer in call.company.customers.values()
        if term in customer.fields["companyname"].lower() or term in (customer.fields["companycontact"] or "").lower()
    )


def list_all(call: Call) -> Answer:
    """``GET /customer``: all of them at once."""
    return Data([customer_row(customer, call.service.switches) for customer in _matching(call)])


def search(call: Call) -> Answer:
    """``GET /customer/search``: pages whose numbers are text."""
    page = page_of(call, _matching(call), PAGE_SIZE)
    return Data(
        {
            "current": str(page.current),
            "first": "1",
            "items": [customer_row(customer, call.service.switches) for customer in page.items],
            "last": str(page.last),
            "limit": str(page.limit),
            "next": str(page.next),
            "previous": str(page.previous),
            "total_items": str(page.total),
        }
    )


def get(call: Call) -> Answer:
    """``GET /customer/{id}``."""
    return Data(customer_row(find(call), call.service.switches))


def create(call: Call) -> Answer:
    """``POST /customer``: answers the id, as a number."""
    customer = Customer(0, checked(call.json(), call.service.switches))
    return Data({"id": _keep(call, customer).id})


def _keep(call: Call, customer: Customer) -> Customer:
    customer.id = call.service.next_id("customer")
    call.company.customers[customer.id] = customer
    return customer


def update(call: Call) -> Answer:
    """``PUT /customer/{id}``: what is not given goes back to its default."""
    customer = find(call, call.service.switches.missing_status)
    customer.fields = checked(call.json(), call.service.switches)
    return Data({"id": customer.id})


def delete(call: Call) -> Answer:
    """``DELETE /customer/{id}``: finalized invoices keep what they say of it."""
    del call.company.customers[find(call).id]
    return Done()


def duplicates(call: Call) -> Answer:
    """``GET /customer/duplicates``: groups of customers of equal name, and of equal e-mail."""
    groups: dict[tuple[str, str], list[Customer]] = {}
    for customer in call.company.customers.values():
        for name in ("companyname", "email"):
            if text := customer.fields[name].strip().lower():
                groups.setdefault((name, text), []).append(customer)
    alike = {tuple(customer.id for customer in group): group for group in groups.values() if len(group) > 1}
    return Data([[customer_row(customer, call.service.switches) for customer in group] for group in alike.values()])


def merge(call: Call) -> Answer:
    """``PUT /customer/merge/{id}``: invoices move to the master, the others are removed."""
    master = find(call)
    body = call.json()
    if not isinstance(body, list) or not all(fits(identity, "integer") for identity in body):
        raise Refusal(400, "Request body must be an array of customer ids")
    if master.id in body:
        raise Refusal(400, "A customer cannot be merged into itself")
    if any(identity not in call.company.customers for identity in body):
        raise Refusal(404, "Customer does not exist")
    for invoice in call.company.invoices.values():
        if invoice.customer_id in body:
            invoice.receiver = master.id
            if invoice.kept_receiver is not None:
                invoice.kept_receiver = {**invoice.kept_receiver, "id": str(master.id)}
    for identity in set(body):
        del call.company.customers[identity]
    return Done()


def import_rows(call: Call) -> Answer:
    """``POST /customer/import``: all rows or none."""
    body = call.json()
    if not isinstance(body, list):
        raise Refusal(400, "Request body must be an array of customers")
    rows = []
    for position, row in enumerate(body, start=1):
        try:
            rows.append(checked(row, call.service.switches))
        except Refusal as refusal:
            raise Refusal(400, f"Row {position}: {refusal.message}") from None
    for row in rows:
        _keep(call, Customer(0, row))
    return Done()


def check_vat(call: Call) -> Answer:
    """``GET /customer/checkvat``: a register of two known companies."""
    country, number = call.query.get("countryCode", ""), call.query.get("vatNumber", "")
    if not country or not number:
        raise Refusal(400, "countryCode and vatNumber are required")
    found = VAT_REGISTER.get((country.upper(), number.upper()))
    if found is None:
        raise Refusal(404, "VAT code not found")
    return Data(found)


def check_coc(call: Call) -> Answer:
    """``GET /customer/checkcoc``: a register of two known companies, by number or by part of the name."""
    number, name = call.query.get("number", ""), call.query.get("name", "").lower()
    if not number and not name:
        raise Refusal(400, "No name or number given")
    for known, company in TRADE_REGISTER.items():
        if known == number or (not number and name in company["name"].lower()):
            return Data(company)
    raise Refusal(404, "Company not found")


def verify_peppol(call: Call) -> Answer:
    """``GET /customer/verifypeppol/{id}``: companies with a VAT number take part; the answer's shape is a guess."""
    if not call.company.peppol:
        raise Refusal(403, "Peppol is not enabled")
    customer = find(call)
    return Data({"verified": bool(customer.fields["vatnumber"]) and not customer.fields["person"]})


def snapshot(company: Company, receiver: Json, switches: Switches) -> Row | None:
    """The receiver of an invoice as it is now: the customer it names, or the object it is; null if it is gone."""
    identity = reference(receiver)
    if identity is None:
        return dict(receiver) if isinstance(receiver, dict) else None
    customer = company.customers.get(identity)
    return None if customer is None else customer_row(customer, switches)


OPERATIONS = (
    Operation("GET", "/customer", list_all, frozenset({"term"})),
    Operation("GET", "/customer/search", search, frozenset({"term", "limit", "page"})),
    Operation("GET", "/customer/duplicates", duplicates),
    Operation("GET", "/customer/checkvat", check_vat, frozenset({"countryCode", "vatNumber"})),
    Operation("GET", "/customer/checkcoc", check_coc, frozenset({"number", "name"})),
    Operation("GET", "/customer/verifypeppol/{id}", verify_peppol),
    Operation("PUT", "/customer/merge/{id}", merge, body="json"),
    Operation("POST", "/customer/import", import_rows, body="json"),
    Operation("POST", "/customer", create, body="json"),
    Operation("GET", "/customer/{id}", get),
    Operation("PUT", "/customer/{id}", update, body="json"),
    Operation("DELETE", "/customer/{id}", delete),
)
