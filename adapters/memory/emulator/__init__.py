"""Memory Books itself: a small bookkeeping API in memory. Nothing in the adapter imports it."""

from collections.abc import Mapping, Sequence

from adapters.memory.emulator.books import Service, Switches
from adapters.memory.emulator.documents import settle
from adapters.memory.emulator.endpoints import application
from adapters.memory.emulator.opening import API_TOKEN, PASSWORD, USER, open_books, work_a_year
from gateway.contract import emulator
from gateway.contract.clock import Clock

__all__ = ["Emulator", "Switches"]

NOUNS: Mapping[str, str] = {
    "contacts": "contacts",
    "invoices": "invoices",
    "products": "products",
    "payments": "payments",
    "vat-codes": "vatcodes",
    "ledger-accounts": "ledgers",
    "payment-methods": "methods",
}
"""What Memory Books calls each of our resources."""
MAIN = "m1"
"""The company with all rights: the one whose books the tests look into."""


class Emulator(emulator.Emulator):
    """Memory Books. ``credentials()`` logs in and reaches three companies; an API token reaches the first only."""

    def __init__(self, clock: Clock, seed: int = 0, switches: Switches | None = None) -> None:
        super().__init__(clock, seed)
        self.service = Service(clock, self.random, switches or Switches())
        open_books(self.service)
        self.service.allow(API_TOKEN, (MAIN,))
        self._app = application(self.service)

    @property
    def app(self) -> emulator.ASGIApp:
        return self._app

    def populate(self) -> None:
        work_a_year(self.service, self.service.companies[MAIN])

    def credentials(self) -> Mapping[str, str]:
        return {"type": "login", "user": USER, "password": PASSWORD}

    def token_credentials(self) -> Mapping[str, str]:
        """The other way in: an API token."""
        return {"type": "api_token", "api_token": API_TOKEN}

    def books(self) -> Mapping[str, Sequence[emulator.Record]]:
        company = self.service.companies[MAIN]
        for invoice in company.all("invoices").values():
            settle(company, invoice)
        return {ours: list(company.all(noun).values()) for ours, noun in NOUNS.items()}

    def expire_tokens(self) -> None:
        self.service.forget_sessions()

    def is_token_request(self, request: emulator.ReceivedRequest) -> bool:
        return request.path == "/api/login"
