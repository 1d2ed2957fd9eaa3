"""The API of Memory Books: its endpoints, its lists, and the envelope around every answer."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.memory.emulator import documents, fields
from adapters.memory.emulator.books import Company, Refused, Row, Service, Session, nothing_there
from gateway.contract.exact import Json, MalformedJson, dumps, loads

PAGE_CAP = 100

Matches = Callable[[Row, str], bool]


def _equals(name: str) -> Matches:
    return lambda row, value: row[name] is not None and str(row[name]) == value


def _from(name: str) -> Matches:
    return lambda row, value: row[name] is not None and str(row[name]) >= value


def _to(name: str) -> Matches:
    return lambda row, value: row[name] is not None and str(row[name]) <= value


def _words(*names: str) -> Matches:
    def matches(row: Row, value: str) -> bool:
        text = " ".join(str(row[name] or "") for name in names).casefold()
        return all(word in text for word in value.casefold().split())

    return matches


def _email(row: Row, value: str) -> bool:
    return (row["email"] or "").strip().casefold() == value.strip().casefold()


def _valid_on(row: Row, value: str) -> bool:
    return (row["validFrom"] or "") <= value <= (row["validTo"] or "9999")


FILTERS: Mapping[str, Mapping[str, Matches]] = {
    "contacts": {
        "email": _email,
        "q": _words("companyName", "contactPerson", "email", "debtorNumber"),
        "externalReference": _equals("externalReference"),
        "relationType": lambda row, value: value in row["relationTypes"],
        "debtorNumber": _equals("debtorNumber"),
        "vatNumber": _equals("vatNumber"),
        "changedSince": _from("updatedAt"),
    },
    "products": {
        "sku": _equals("sku"),
        "q": _words("sku", "name", "description"),
        "externalReference": _equals("externalReference"),
        "changedSince": _from("updatedAt"),
    },
    "invoices": {
        "number": _equals("number"),
        "externalReference": _equals("externalReference"),
        "contact": _equals("contact"),
        "state": _equals("state"),
        "paymentState": _equals("paymentState"),
        "dateFrom": _from("date"),
        "dateTo": _to("date"),
        "dueFrom": _from("dueDate"),
        "dueTo": _to("dueDate"),
        "q": _words("number", "reference", "description", "contactName"),
        "changedSince": _from("updatedAt"),
        "kind": _equals("kind"),
    },
    "payments": {
        "invoice": lambda row, value: any(part["invoice"] == value for part in row["allocations"]),
        "dateFrom": _from("date"),
        "dateTo": _to("date"),
    },
    "vatcodes": {"use": lambda row, value: row["use"] in (value, "both"), "validOn": _valid_on},
    "ledgers": {"kind": _equals("kind"), "q": _words("code", "name")},
    "methods": {},
}
FLAGS: Mapping[str, frozenset[str]] = {
    "contacts": frozenset({"archived"}),
    "products": frozenset({"archived"}),
    "ledgers": frozenset({"archived"}),
    "invoices": frozenset({"withLines"}),
}
SETTINGS = frozenset({"vatcodes", "ledgers", "methods"})


def listed(company: Company, noun: str, query: Mapping[str, str], past_end: str) -> Json:
    """One page of a list. Unknown parameters are refused; archived records are left out unless asked for."""
    known = {*FILTERS[noun], *FLAGS.get(noun, ()), "page", "perPage"}
    for name in query:
        if name not in known:
            raise Refused("unknown_parameter", f"Onbekend: {name}.", f"Unknown: {name}.", field=name, status=400)
    rows = [
        row
        for row in company.all(noun).values()
        if (not row.get("archived") or query.get("archived") == "true")
        and all(FILTERS[noun][name](row, value) for name, value in query.items() if name in FILTERS[noun])
    ]
    size = _count(query, "perPage", 25)
    if size > PAGE_CAP:
        raise Refused("invalid", "Te veel per pagina.", "Too many per page.", field="perPage", status=400)
    page = _count(query, "page", 1)
    if past_end == "last":
        page = min(page, max(1, -(-len(rows) // size)))
    items = rows[(page - 1) * size : page * size]
    if noun == "invoices":
        for row in items:
            documents.settle(company, row)  # an invoice grows overdue by itself
    if noun == "invoices" and query.get("withLines") != "true":
        items = [{name: row[name] for name in row if name not in ("lines", "vatGroups")} for row in items]
    return {"items": items, "total": len(rows)}


def _count(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise Refused("invalid", f"{name} is ongeldig.", f"{name} is not valid.", field=name, status=400)
    return int(text)


def write(company: Company, noun: str, body: Json, before: Row | None) -> Row:
    """Make a record, or replace one. Nothing of what it was stays but its id and when it was made."""
    if noun == "contacts":
        row = _contact(body)
        unique = ("debtorNumber", "externalReference")
    elif noun == "products":
        row = fields.read(body, fields.PRODUCT)
        for name, other in (("vatCode", "vatcodes"), ("ledger", "ledgers")):
            if row[name] is not None and row[name] not in company.all(other):
                raise Refused("invalid", f"{name} onbekend.", f"There is no such {name}.", field=name)
        unique = ("sku", "externalReference")
    elif noun == "invoices":
        if before is not None and before["state"] == "booked":
            raise Refused("booked", "De factuur is geboekt.", "The invoice is booked.")
        return documents.write_invoice(company, body, before)
    elif noun == "payments" and before is None:
        return documents.write_payment(company, body)
    else:
        raise _not_allowed()
    row = {"id": before["id"], **row} if before else row
    company.keep_unique(noun, row, unique)
    made = {"createdAt": before["createdAt"] if before else company.stamp(), "updatedAt": company.stamp()}
    row = {"id": before["id"] if before else company.new_id(noun), **row, **made}
    company.all(noun)[row["id"]] = row
    return row


def _contact(body: Json) -> Row:
    row = fields.read(body, fields.CONTACT)
    named = "contactPerson" if row["isPerson"] else "companyName"
    if row[named] is None:
        raise Refused("invalid", f"{named} ontbreekt.", f"{named} is missing.", field=named)
    for name in ("address", "deliveryAddress"):
        if row[name] is not None:
            row[name] = fields.read(row[name], fields.ADDRESS, f"{name}.")
    return row


def delete(company: Company, noun: str, id: str) -> None:
    """Remove a record that nothing stands on."""
    row = company.one(noun, id)
    invoices = company.all("invoices").values()
    if noun == "payments":
        documents.delete_payment(company, row)
        return
    if noun == "invoices" and row["state"] == "booked":
        raise Refused("booked", "De factuur is geboekt.", "The invoice is booked.")
    if noun == "contacts" and any(invoice["contact"] == id for invoice in invoices):
        raise Refused("in_use", "De relatie heeft facturen.", "The contact has invoices.")
    if noun == "products" and any(line["product"] == id for invoice in invoices for line in invoice["lines"]):
        raise Refused("in_use", "Het artikel staat op facturen.", "The product stands on invoices.")
    if noun in SETTINGS:
        raise _not_allowed()
    del company.all(noun)[id]


def _not_allowed() -> Refused:
    return Refused("method", "Dat kan hier niet.", "That cannot be done here.", status=405)


def application(service: Service) -> Starlette:
    """Memory Books, as an ASGI application."""
    edge = _Edge(service)
    every = ["GET", "POST", "PUT", "DELETE"]
    return Starlette(
        routes=[
            Route("/api/login", edge.answering(edge.log_in), methods=["POST"]),
            Route("/api/companies", edge.answering(edge.companies), methods=["GET"]),
            Route("/api/companies/{company}", edge.answering(edge.company), methods=["GET"]),
            Route("/api/companies/{company}/{noun}", edge.answering(edge.records), methods=every),
            Route("/api/companies/{company}/{noun}/{id}", edge.answering(edge.record), methods=every),
            Route("/api/companies/{company}/invoices/{id}/{action}", edge.answering(edge.action), methods=every),
        ]
    )


class _Edge:
    """From HTTP to the books and back."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def answering(
        self, endpoint: Callable[[Request], Awaitable[Json | Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint with its answer, or its refusal, in the envelope."""

        async def respond(request: Request) -> Response:
            try:
                result = await endpoint(request)
            except Refused as refused:
                error = {"code": refused.code, "message": refused.message, "messageEn": refused.english}
                error |= {} if refused.field is None else {"field": refused.field}
                status = refused.status or self.service.switches.refusal_status
                headers = {"retry-after": "30"} if status == 429 else {}
                return Response(dumps({"ok": False, "error": error}), status, headers, media_type="application/json")
            if isinstance(result, Response):
                return result
            return Response(dumps({"ok": True, "result": result}), media_type="application/json")

        return respond

    async def log_in(self, request: Request) -> Json:
        given = fields.read(await _body(request), fields.LOGIN)
        return self.service.log_in(given["user"], given["password"])

    async def companies(self, request: Request) -> Json:
        session = self._session(request)
        items = [self.service.companies[id].details for id in session.companies]
        short = ("id", "name", "accessible", "allowedScopes")
        return {"items": [{name: row[name] for name in short} for row in items], "total": len(items)}

    async def company(self, request: Request) -> Json:
        return self._open(request, "settings").details

    async def records(self, request: Request) -> Json:
        noun = request.path_params["noun"]
        company = self._open(request, noun)
        if request.method == "GET":
            return listed(company, noun, request.query_params, self.service.switches.past_end)
        if request.method == "POST":
            return write(company, noun, await _body(request), None)
        raise _not_allowed()

    async def record(self, request: Request) -> Json:
        noun, id = request.path_params["noun"], request.path_params["id"]
        company = self._open(request, noun)
        row = company.one(noun, id)
        if request.method == "GET":
            if noun == "invoices":
                documents.settle(company, row)
            return row
        if request.method == "PUT":
            return write(company, noun, await _body(request), row)
        if request.method == "DELETE":
            delete(company, noun, id)
            return None
        raise _not_allowed()

    async def action(self, request: Request) -> Json | Response:
        company = self._open(request, "invoices")
        invoice = company.one("invoices", request.path_params["id"])
        asked = (request.method, request.path_params["action"])
        if asked == ("POST", "book"):
            return documents.book_invoice(company, invoice)
        if asked == ("POST", "credit"):
            return documents.credit_invoice(company, invoice, await _body(request))
        if asked == ("GET", "pdf"):
            return Response(documents.pdf(company, invoice), media_type="application/pdf")
        if asked == ("GET", "ubl"):
            return Response(documents.ubl(company, invoice), media_type="application/xml")
        raise nothing_there()

    def _session(self, request: Request) -> Session:
        return self.service.whoever(request.headers.get("authorization", ""))

    def _open(self, request: Request, noun: str) -> Company:
        """The company the request is about, if whoever asks may do there what is asked."""
        session = self._session(request)
        company = self.service.companies.get(request.path_params["company"])
        if company is None or company.id not in session.companies or (noun != "settings" and noun not in FILTERS):
            raise nothing_there()
        if not company.details["accessible"]:
            raise Refused("company_closed", "Administratie gesloten.", "The company is closed.", status=403)
        scope = f"{'read' if request.method == 'GET' else 'write'}:{'settings' if noun in SETTINGS else noun}"
        if scope not in company.details["allowedScopes"] and scope != "write:settings":
            raise Refused("scope", f"Geen recht {scope}.", f"This needs {scope}.", status=403)
        return company


async def _body(request: Request) -> Json:
    try:
        return loads(await request.body())
    except MalformedJson:
        raise Refused("invalid", "Geen JSON.", "Not JSON.", status=400) from None
