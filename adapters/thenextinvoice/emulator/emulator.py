"""The emulator itself: the application over the operations, the users and companies it opens with, and its books."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from adapters.thenextinvoice.emulator import (
    correspondence,
    customers,
    invoice_actions,
    invoice_search,
    invoices,
    office,
    products,
    profiles,
    sample_books,
    session,
    settings,
)
from adapters.thenextinvoice.emulator.arithmetic import plain
from adapters.thenextinvoice.emulator.invoicing import invoice_row, state_of, totals
from adapters.thenextinvoice.emulator.opening import open_company
from adapters.thenextinvoice.emulator.state import Company, Invoice, Row, Service, User
from adapters.thenextinvoice.emulator.switches import Switches
from adapters.thenextinvoice.emulator.wire import NOTHING, Answer, Binary, Call, Data, Operation, Refusal
from gateway.contract.clock import Clock
from gateway.contract.emulator import ASGIApp, ReceivedRequest, Record
from gateway.contract.emulator import Emulator as Base
from gateway.contract.exact import dumps

PREFIX = "/api/v1"
LOG_IN = f"{PREFIX}/session/jwt"
MINUTE = 60.0
DEFAULT_SWITCHES = Switches()
DEFAULT_LIFETIME = timedelta(hours=1)

OPERATIONS: tuple[Operation, ...] = (
    *session.OPERATIONS,
    *customers.OPERATIONS,
    *products.OPERATIONS,
    *invoice_search.OPERATIONS,
    *invoice_actions.OPERATIONS,
    *invoices.OPERATIONS,
    *settings.OPERATIONS,
    *profiles.OPERATIONS,
    *correspondence.OPERATIONS,
    *office.OPERATIONS,
)


class Emulator(Base):
    """TheNextInvoice in memory. See the package's docstring.

    ``service`` is all it knows; ``company`` the first company, which the API token belongs to; ``second`` the other
    one that the log-in reaches; ``foreign`` one that belongs to somebody else.
    """

    def __init__(
        self,
        clock: Clock,
        seed: int = 0,
        switches: Switches = DEFAULT_SWITCHES,
        *,
        token_lifetime: timedelta = DEFAULT_LIFETIME,
        rate_limit: int | None = None,
    ) -> None:
        """Open the companies. ``rate_limit`` is a number of requests per minute, over which 429 is answered."""
        super().__init__(clock, seed)
        self.switches = switches
        self.service = Service(clock, self.random, switches, token_lifetime)
        self.company = open_company(
            self.service, "De Groene Schuur B.V.", "Zaagmolenkade 14", "3515AE", "Utrecht", "30276543"
        )
        self.second = open_company(
            self.service, "Schuur Verhuur V.O.F.", "Zaagmolenkade 16", "3515AE", "Utrecht", "30276544"
        )
        self.foreign = open_company(self.service, "Elders Advies", "Brink 3", "7411BT", "Deventer", "38123456")
        self._owner = self._user(
            "eigenaar@example.com", "Sanne de Groot", "w8woord-Van-Sanne", self.company, self.second
        )
        self._user("elders@example.com", "Joris Elders", "w8woord-Van-Joris", self.foreign)
        self._api_token = f"{self.random.getrandbits(160):040x}"
        self.service.api_tokens[self._api_token] = (self._owner, self.company)
        self._limiter = _Limiter(clock, rate_limit)
        self._app = self._application()

    def _user(self, email: str, name: str, password: str, *companies: Company) -> User:
        user = User(
            self.service.next_id("user"), email, name, password, companies=[company.id for company in companies]
        )
        self.service.users[user.id] = user
        return user

    def _application(self) -> Starlette:
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in OPERATIONS:
            by_path.setdefault(operation.path, {})[operation.method] = operation
        # A path without parameters goes before one that would take it for an id.
        paths = sorted(by_path, key=lambda path: "{" in path)
        routes = [Route(LOG_IN, _LogIn(self.service, self._limiter))]
        routes += [Route(PREFIX + path, _Path(self.service, self._limiter, by_path[path])) for path in paths]
        routes.append(Route("/{rest:path}", _Path(self.service, self._limiter, {})))
        application = Starlette(routes=routes)
        # A redirect would turn an undocumented trailing slash into a documented path.
        application.router.redirect_slashes = False
        return application

    @property
    def app(self) -> ASGIApp:
        """The API under ``/api/v1``."""
        return self._app

    def populate(self) -> None:
        """Fill the first company with a year of Dutch business and the second with a little; always the same."""
        sample_books.fill(self.service, self.company)
        sample_books.fill_small(self.service, self.second)

    def credentials(self) -> Mapping[str, str]:
        """The API token of the first company."""
        return {"type": "api_token", "api_token": self._api_token}

    def password_credentials(self) -> Mapping[str, str]:
        """The log-in of a user of the first and the second company."""
        return {"type": "password", "email": self._owner.email, "password": self._owner.password}

    def books(self, company: Company | None = None) -> Mapping[str, Sequence[Record]]:
        """What is live in ``company``, by default the first one.

        ``invoices`` are drafts, finals and credit invoices as they are read, with what reading does not tell:
        ``customer_id``, ``state``, ``creationToken`` and, under ``amounts``, the totals of drafts too. ``payments`` are
        derived from them: ``{invoice_id, date, method, amount}``. ``quotations`` holds what ``/invoice/{id}`` would
        give away as an invoice.
        """
        owner = self.company if company is None else company
        listed = [invoice for invoice in owner.invoices.values() if invoice.kind == "invoice"]
        return {
            "contacts": [customers.customer_row(customer, self.switches) for customer in owner.customers.values()],
            "products": [product.row() for product in owner.products.values()],
            "invoices": [self._invoice(owner, invoice) for invoice in listed],
            "quotations": [
                self._invoice(owner, invoice) for invoice in owner.invoices.values() if invoice.kind == "quotation"
            ],
            "vat-codes": [vat.row(vat.factor) for vat in owner.vat_codes.values()],
            "ledger-accounts": list(owner.ledgers.values()),
            "payment-methods": list(owner.payment_methods.values()),
            "payments": [
                {
                    "invoice_id": invoice.id,
                    "date": invoice.payment.paid_on.isoformat(),
                    "method": invoice.payment.method,
                    "amount": plain(totals(self.service, owner, invoice).gross),
                }
                for invoice in listed
                if invoice.payment is not None
            ],
        }

    def _invoice(self, company: Company, invoice: Invoice) -> Row:
        amounts = totals(self.service, company, invoice)
        return {
            **invoice_row(self.service, company, invoice),
            "customer_id": invoice.customer_id,
            "state": state_of(invoice, self.clock.now().date(), self.service.switches),
            "creationToken": invoice.token,
            "amounts": {"net": amounts.net, "tax": amounts.tax, "gross": amounts.gross},
        }

    def expire_tokens(self) -> None:
        """Forget every JWT given out so far. The API token is no such token: it lasts."""
        self.service.sessions.clear()

    def is_token_request(self, request: ReceivedRequest) -> bool:
        """Whether that was a log-in or a switch of company."""
        return request.method == "POST" and request.path.rstrip("/") in (LOG_IN, f"{LOG_IN}/switch")


class _Limiter:
    """So many requests in each minute of the stopwatch, all callers together."""

    def __init__(self, clock: Clock, per_minute: int | None) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._since = clock.monotonic()
        self._taken = 0

    def take(self) -> None:
        """Count one request. Refuses with 429 and the seconds until the next minute begins."""
        if self._per_minute is None:
            return
        elapsed = self._clock.monotonic() - self._since
        if elapsed >= MINUTE:
            self._since += elapsed
            self._taken, elapsed = 0, 0.0
        self._taken += 1
        if self._taken > self._per_minute:
            raise Refusal(429, "Too many requests", retry_after=int(MINUTE - elapsed) + 1)


class _Endpoint(ABC):
    """What answers on one path: every request counts, and whatever is refused has its envelope."""

    def __init__(self, service: Service, limiter: _Limiter) -> None:
        self._service = service
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer: Answer | Refusal
        try:
            self._limiter.take()
            answer = self._answer(request, await request.body())
        except Refusal as refusal:
            answer = refusal
        await _answered(self._service, answer)(scope, receive, send)

    @abstractmethod
    def _answer(self, request: Request, raw: bytes) -> Answer: ...


class _LogIn(_Endpoint):
    """``POST /session/jwt``, the only operation that needs no credentials."""

    def _answer(self, request: Request, raw: bytes) -> Answer:
        if request.method != "POST":
            raise Refusal(404, "Not found")
        return session.log_in(self._service, raw, request.headers.get("content-type", ""))


class _Path(_Endpoint):
    """The operations on one path; a method without one is as unknown as a path without any."""

    def __init__(self, service: Service, limiter: _Limiter, operations: Mapping[str, Operation]) -> None:
        super().__init__(service, limiter)
        self._operations = operations

    def _answer(self, request: Request, raw: bytes) -> Answer:
        operation = self._operations.get(request.method)
        if operation is None:
            raise Refusal(404, "Not found")
        call = self._granted(request, raw)
        _check(operation, call)
        return operation.answer(call)

    def _granted(self, request: Request, raw: bytes) -> Call:
        headers = request.headers
        user, company, by_api_token = session.whoever(
            self._service, headers.get("authorization"), headers.get("x-api-token")
        )
        return Call(
            service=self._service,
            company=company,
            user=user,
            by_api_token=by_api_token,
            path=request.path_params,
            query=dict(request.query_params),
            content_type=headers.get("content-type", ""),
            raw=raw,
        )


def _check(operation: Operation, call: Call) -> None:
    """Refuse query parameters and a body that the operation does not take."""
    if unknown := sorted(set(call.query) - operation.query):
        raise Refusal(400, f"Unknown parameter: {unknown[0]}")
    if operation.body == "none" and call.raw.strip() not in NOTHING:
        raise Refusal(400, "Request takes no body")


def _answered(service: Service, answer: Answer | Refusal) -> Response:
    """The answer in its envelope, or bare if it is a file."""
    if isinstance(answer, Binary):
        return Response(answer.content, media_type=answer.media_type)
    switches = service.switches
    if isinstance(answer, Refusal):
        code = answer.status if switches.error_code == "status" else 0
        envelope: Row = {"success": False, "error": {"code": code, "message": answer.message}}
        headers = {} if answer.retry_after is None else {"Retry-After": str(answer.retry_after)}
        return Response(dumps(envelope), answer.status, headers, "application/json")
    envelope = {"success": True}
    if isinstance(answer, Data):
        envelope["data"] = answer.value
    elif switches.empty_data == "null":
        envelope["data"] = None
    return Response(dumps(envelope), answer.status, media_type="application/json")
