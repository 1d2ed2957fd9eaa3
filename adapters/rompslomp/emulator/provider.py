"""The emulator itself: the provider's memory, its application, and what a test or demo holds it by."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from adapters.rompslomp.emulator.api import application
from adapters.rompslomp.emulator.contacts import shown_contact
from adapters.rompslomp.emulator.directories import shown_account, shown_vat_type
from adapters.rompslomp.emulator.oauth import OAuthEndpoints
from adapters.rompslomp.emulator.payments import shown_payment
from adapters.rompslomp.emulator.products import shown_product
from adapters.rompslomp.emulator.sales_invoices import shown_invoice
from adapters.rompslomp.emulator.sample_books import fill
from adapters.rompslomp.emulator.state import SCOPES, Company, Profile, State
from adapters.rompslomp.emulator.switches import Switches
from adapters.rompslomp.emulator.tokens import Application, Revocation, TokenServer
from gateway.contract import emulator
from gateway.contract.clock import Clock
from gateway.contract.emulator import ASGIApp, ReceivedRequest, Record

DEFAULT_REDIRECT_URI = "http://127.0.0.1:8000/oauth/rompslomp/callback"


class Emulator(emulator.Emulator):
    """Rompslomp in memory: one user with three companies.

    ``company_id`` can do everything; in ``limited_company_id`` the user's role lacks ``manage:sales_invoices`` and the
    company is someone else's; ``free_company_id`` is on the plan without API. A list shows the newest first, so the
    one that works stands last. ``redirect_uris`` are those registered for the one OAuth application.
    """

    def __init__(
        self,
        clock: Clock,
        seed: int = 0,
        switches: Switches = Switches(),  # noqa: B008  frozen, so one value may serve every call
        redirect_uris: Sequence[str] = (DEFAULT_REDIRECT_URI,),
    ) -> None:
        super().__init__(clock, seed)
        self.switches = switches
        self._state = State(clock, self.random, switches)
        self._server = TokenServer(clock, self.random, switches.refresh_rotation, switches.access_token_seconds)
        self._application = Application(self._server.random_token(), self._server.random_token(), tuple(redirect_uris))
        shared = self._state.ids
        without_invoices = tuple(scope for scope in SCOPES if scope != "manage:sales_invoices")
        self._company = self._state.companies.add(
            Company(shared, _profile("De Groene Winkel B.V.", "bv"), takes_ideal=True)
        )
        limited = self._state.companies.add(
            Company(shared, _profile("Stichting Buurtmoestuin", "stichting"), role_scopes=without_invoices, owned=False)
        )
        free = self._state.companies.add(Company(shared, _profile("Lomp Advies", "eenmanszaak"), api_accessible=False))
        self.company_id = str(self._company.id)
        self.limited_company_id = str(limited.id)
        self.free_company_id = str(free.id)
        self._personal_token = self._server.personal(SCOPES).access_token
        self._app = application(self._state, self._server, OAuthEndpoints(self._server, self._application, switches))

    @property
    def app(self) -> ASGIApp:
        return self._app

    def populate(self) -> None:
        """Some 220 contacts, 40 products, 120 invoices and their payments, all in ``company_id``."""
        fill(self._state, self._company)

    def credentials(self) -> Mapping[str, Any]:
        """A personal token with every scope."""
        return {"type": "personal_token", "token": self._personal_token}

    def personal_token(self, *scopes: str) -> str:
        """Another personal token, with these scopes only."""
        return self._server.personal(scopes).access_token

    def oauth_credentials(self, *scopes: str) -> Mapping[str, Any]:
        """A fresh OAuth pair, with every scope unless some are named."""
        row = self._server.issue(self._application, scopes or SCOPES)
        expires_at = row.created_at + timedelta(seconds=self._server.access_token_seconds)
        return {
            "type": "oauth2",
            "access_token": row.access_token,
            "refresh_token": row.refresh_token,
            "expires_at": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def operator_settings(self) -> Mapping[str, str]:
        return {"client_id": self._application.client_id, "client_secret": self._application.client_secret}

    def books(self) -> Mapping[str, Sequence[Record]]:
        """What ``company_id`` has booked, oldest first, each record as the API shows it."""
        company = self._company
        invoices = company.sales_invoices.oldest_first()
        return {
            "contacts": [shown_contact(contact) for contact in company.contacts.oldest_first()],
            "invoices": [shown_invoice(self._state, company, invoice) for invoice in invoices],
            "products": [shown_product(product) for product in company.products.oldest_first()],
            "payments": [shown_payment(payment) for payment in company.payments.oldest_first()],
            "vat-codes": [shown_vat_type(known) for known in self._state.vat_types_since(self._state.today())],
            "ledger-accounts": [shown_account(account) for account in company.accounts.oldest_first()],
            "payment-methods": [shown_account(one) for one in company.accounts.oldest_first() if one.is_payment],
        }

    @property
    def revocations(self) -> Sequence[Revocation]:
        """Which token pairs were revoked, and by what, in order."""
        return tuple(self._server.revocations)

    def expire_tokens(self) -> None:
        """Let two hours pass for every OAuth access token. Personal and refresh tokens do not expire."""
        self._server.expire_all()

    def is_token_request(self, request: ReceivedRequest) -> bool:
        return request.method == "POST" and request.path.removesuffix(".json") == "/oauth/token"


def _profile(name: str, kind: str) -> Profile:
    return Profile(
        name=name,
        owner_name="Rob S. Lomp",
        address="Grebbeberglaan 15",
        zipcode="3527 VX",
        city="Utrecht",
        kvk_number="12345678",
        email="info@example.org",
        website="https://example.org",
        type=kind,
        vat_number="NL123456789B01",
    )
