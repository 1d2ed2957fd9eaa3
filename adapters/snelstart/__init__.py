"""SnelStart: bookkeeping for Dutch companies, through its B2B API v2. See README.md."""

from adapters.snelstart import wire
from adapters.snelstart.resources import RESOURCES, companies
from gateway.contract.adapter import Adapter, OperatorSetting, Origin, Pace, Raw, Setting
from gateway.contract.auth import CredentialField, CredentialKind, KeyExchange

ADAPTER = Adapter(
    name=wire.PROVIDER,
    title="SnelStart",
    documentation="adapters/snelstart/README.md",
    origins={
        "api": Origin("api_url", "https://b2bapi.snelstart.nl"),
        "auth": Origin("auth_url", "https://auth.snelstart.nl"),
    },
    credentials=(
        CredentialKind(
            type="connection_key",
            title="Connection key (koppelsleutel)",
            scheme=KeyExchange(wire.token_request, wire.read_token),
            fields=(
                CredentialField(
                    "connection_key",
                    "Connection key",
                    help="SnelStart Web, Koppelingen, Maatwerk: it opens the one administration that it was made in.",
                ),
            ),
            operator_headers={"Ocp-Apim-Subscription-Key": "subscription_key"},
        ),
    ),
    resources=RESOURCES,
    companies=companies,
    read_error=wire.read_error,
    read_envelope=wire.read_envelope,
    raw=Raw(wire.raw_prefix),
    operator_settings=(OperatorSetting("subscription_key", "Subscription key of the SnelStart developer portal"),),
    settings=(
        Setting("default_ledger_account_id", "Ledger account for lines that name none"),
        Setting("rounding_ledger_account_id", "Ledger account for rounding lines"),
        Setting("default_payment_method_id", "Bank or cash journal for payments that name none"),
    ),
    pace=Pace(per_connection=4, per_provider=40),
    gotchas=(
        "One connection key opens one administration; ids never carry over to another.",
        "There are no drafts: every invoice is booked at once, and finalize must be true.",
        "The caller numbers invoices and credit notes: number is required, and unique.",
        "A line is an amount on a ledger account: quantity, unit, discount and prices with VAT stand in its text.",
        "The ledger account decides about VAT: a line's account and VAT code must go together.",
        "Reverse charge mixes with no other VAT on one invoice.",
        "VAT codes are made from ledger functions and VAT kinds; their ids are Polder's own.",
        "A line books no product: product_id fills in price, VAT code and ledger account, with a warning.",
        "A line of 0.00 cannot be booked, and there are no lines of text.",
        "A credit note is settled with its invoice by a memorial entry.",
        "A payment may leave an invoice's updated_at as it was, so invoices have no updated_since.",
        "A contact is customer or supplier, never both, and its role cannot change.",
        "Deleting a contact or product makes it inactive.",
        "Products are listed 25 at a time.",
        "Timestamps say no zone; they are told as Dutch time, and updated_since may give two hours too much.",
        "How many calls may be made is counted per administration: 500 a minute, 5,000 an hour.",
    ),
)
