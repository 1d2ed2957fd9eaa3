"""TheNextInvoice: invoicing for Dutch companies, through its API v1. See README.md."""

from adapters.thenextinvoice import wire
from adapters.thenextinvoice.resources import RESOURCES, companies
from gateway.contract.adapter import Adapter, Origin, Pace, Raw, Setting
from gateway.contract.auth import CredentialField, CredentialKind, KeyExchange, StaticToken

ADAPTER = Adapter(
    name=wire.PROVIDER,
    title="TheNextInvoice",
    documentation="adapters/thenextinvoice/README.md",
    origins={"api": Origin("api_url", "https://api.thenextinvoice.com")},
    credentials=(
        CredentialKind(
            type="api_token",
            title="API token",
            scheme=StaticToken("api_token"),
            fields=(CredentialField("api_token", "API token", help="It opens the company that it was made in."),),
            header="X-Api-Token",
            prefix="",
        ),
        CredentialKind(
            type="password",
            title="E-mail address and password",
            scheme=KeyExchange(wire.log_in, wire.read_log_in),
            fields=(
                CredentialField("email", "E-mail address", secret=False),
                CredentialField("password", "Password", help="That of a user without two-factor authentication."),
            ),
        ),
    ),
    resources=RESOURCES,
    companies=companies,
    read_error=wire.read_error,
    read_envelope=wire.read_envelope,
    raw=Raw(
        wire.raw_prefix,
        # Beside log-ins: TOTP secrets and recovery codes, the company's API token (which is an integration of that
        # name, "409 API token already exists (add thenextinvoice)"), and users with a password of the caller's choice.
        refused=("session", "token", "settings/2fa", "settings/integrations", "settings/user"),
    ),
    settings=(
        Setting("default_ledger_account_id", "Ledger account for lines that name none"),
        Setting("sender_id", "Invoice profile that sends", "The company's default profile where it is not set."),
        Setting("rounding_ledger_account_id", "Ledger account for rounding lines"),
        Setting("default_payment_method_id", "Payment method for payments that name none"),
    ),
    pace=Pace(per_connection=4),
    gotchas=(
        "Customers only: there are no suppliers, and no purchase side.",
        "invoice_email is the address that gets a copy (ccaddress), beside e-mail.",
        "A product has one text, its name, and a price without VAT; its code is kept by Polder.",
        "A line keeps no product: product_id fills in price, VAT code and ledger account, with a warning.",
        "One discount for the whole document: discounts of lines that differ are refused.",
        "Every line needs a ledger account: its own, its product's, or the setting default_ledger_account_id.",
        "A draft hides its customer: contact_id is null on drafts that were not made through Polder.",
        "A draft gets a new id whenever it changes; Polder keeps answering to the first one.",
        "A payment has no amount: it pays one invoice in full.",
        "A payment's id is TheNextInvoice's of its invoice: another than ours where the draft was changed.",
        "A credit note has nothing open: its payment_status is not_applicable.",
        "Nothing links a credit note to its invoice: credits_invoice_id is known of those made through Polder.",
        "Deleting a final invoice is allowed there, and leaves a gap in the numbers.",
        "The type of a ledger account is unknown, and records carry no timestamps.",
        "An API token of one company is found by the company's name where the user has several of them.",
        "A user with two-factor authentication connects with an API token: no code is documented at log-in.",
    ),
)
