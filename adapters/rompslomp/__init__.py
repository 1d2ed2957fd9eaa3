"""Rompslomp: Dutch bookkeeping for small firms. What it can and cannot is in README.md."""

from collections.abc import Mapping

from adapters.rompslomp.resources import RESOURCES
from adapters.rompslomp.resources.settings import companies
from adapters.rompslomp.wire import PROVIDER, prefix, read_envelope, read_error
from gateway.contract.adapter import Adapter, OperatorSetting, Origin, Pace, Raw, Setting
from gateway.contract.auth import CredentialField, CredentialKind, OAuth2, StaticToken

SCOPES: Mapping[str, str] = {
    "contacts": "manage:contacts",
    "invoices": "manage:sales_invoices",
    "products": "manage:products",
    "payments": "manage:payments",
    "vat-codes": "public",
    "ledger-accounts": "read:accounts",
    "payment-methods": "read:accounts",
    "company": "public",
}
"""The scope that each resource needs, to read and to write (dossier §2, §3)."""


def scope_for(operation: str) -> str | None:
    """``contacts.list`` needs ``manage:contacts``."""
    return SCOPES.get(operation.partition(".")[0])


ADAPTER = Adapter(
    name=PROVIDER,
    title="Rompslomp",
    documentation="https://app.rompslomp.nl/developer",
    origins={"api": Origin("api_url", "https://api.rompslomp.nl")},
    credentials=(
        CredentialKind(
            type="personal_token",
            title="Personal token",
            scheme=StaticToken("token"),
            fields=(
                CredentialField(
                    "token",
                    "Personal token",
                    help="Mijn account, Mijn API tokens, Nieuw API token. It is shown once and never expires.",
                ),
            ),
        ),
        CredentialKind(
            type="oauth2",
            title="Authorize with Rompslomp",
            scheme=OAuth2(
                authorize_path="/oauth/authorize",
                token_path="/oauth/token",
                revoke_path="/oauth/revoke",
                scopes=tuple(sorted(set(SCOPES.values()), key=lambda scope: (scope != "public", scope))),
            ),
            fields=(
                CredentialField("access_token", "Access token", required=False, help="Only to import a pair."),
                CredentialField("refresh_token", "Refresh token", required=False, help="Only to import a pair."),
                CredentialField("expires_at", "Access token expires at", secret=False, required=False),
            ),
        ),
    ),
    resources=RESOURCES,
    companies=companies,
    read_error=read_error,
    read_envelope=read_envelope,
    raw=Raw(prefix),
    operator_settings=(
        OperatorSetting("client_id", "Client id of the OAuth application", secret=False),
        OperatorSetting("client_secret", "Client secret of the OAuth application"),
    ),
    settings=(
        Setting("default_ledger_account_id", "Ledger account for lines that name none"),
        Setting("rounding_ledger_account_id", "Ledger account for rounding lines"),
        Setting(
            "intra_eu_goods_vat_code_id",
            "VAT code for goods to businesses elsewhere in the EU",
            "Of 0 %: whichever your bookkeeper uses, such as 0 % or reversed (verlegd). Without it `intra_eu_goods` is "
            "refused.",
        ),
        Setting(
            "intra_eu_services_vat_code_id",
            "VAT code for services to businesses elsewhere in the EU",
            "Of 0 %: mostly the reversed one (verlegd). Without it `intra_eu_services` is refused.",
        ),
        Setting(
            "export_vat_code_id",
            "VAT code for what leaves the EU",
            "Of 0 %: mostly 0 %. Without it `export` is refused.",
        ),
        Setting("layout_id", "Layout for invoices that name none", "The id of one of Rompslomp's templates."),
        Setting(
            "scopes",
            "Scopes to ask the owner for",
            "Those that all resources need, unless said otherwise.",
            several=True,
        ),
    ),
    scope_for=scope_for,
    pace=Pace(per_connection=4, per_provider=64),
    gotchas=(
        "The API is off on the free plan, and has to be switched on for each company on the others.",
        "A token acts for its owner in all their companies; what it may do depends on their role in each.",
        "Prices are kept without VAT. Prices with VAT are divided to five decimals or more, and a document whose gross "
        "Rompslomp cannot make is told with `totals_differ`; `expected_totals` or `on_rounding` decide beforehand.",
        "There is no credit action: a credit note is a negative invoice, which Rompslomp does not set off against the "
        "invoice it credits. Book that in Rompslomp.",
        "No answer says which invoice a payment settles; Polder knows it of the payments it booked itself.",
        "There is no VAT type for `intra_eu_goods`, `intra_eu_services` and `export`: settings name the VAT code that "
        "each is booked with. What a line is then follows from its customer's country too.",
        "A customer's VAT number is required on an invoice with reversed VAT: it is taken from the contact.",
    ),
)
