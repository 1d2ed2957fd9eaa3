"""What the vendor's documents leave open, each as a switch with its most credible setting.

An adapter must cope with every setting. "Dossier" below is the research page on this API; its marks (sure, likely,
guess) say how well each default is founded.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

LIVE_SCOPES = (
    "artikelen:read",
    "artikelen:write",
    "bankieren:read",
    "bankieren:write",
    "boekhouden:read",
    "boekhouden:write",
    "documenten:read",
    "documenten:write",
    "kas:read",
    "kas:write",
    "memoriaal:read",
    "memoriaal:write",
    "orders:read",
    "orders:write",
    "rapportage",
    "relaties:read",
    "relaties:write",
    "settings:read",
    "settings:write",
)
"""The scopes of a live token of the customer-made kind; VAT returns are not among them (dossier 1.2, likely)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many calls may be made, as the gateway before the API counts them. None: without end (dossier 5.3)."""

    per_minute: int | None = None
    per_hour: int | None = None
    per_week: int | None = None
    """A quota rather than a rate: what exceeds it is refused with 403, as the gateway's quotas are (guess)."""


@dataclass(frozen=True, slots=True)
class Switches:
    """One setting for each thing that only a live key can tell."""

    # Getting in (dossier 1.2, 1.3)
    scopes: tuple[str, ...] = LIVE_SCOPES
    """What tokens carry; cut it down to see the 403 of a missing scope."""
    token_seconds: int = 3599
    """How long a token lives (sure: 3599)."""
    bearer_refusal: Literal["message", "empty"] = "message"
    """The body of the 401 for a bad or expired token: Web API's default text, or nothing (guess)."""
    scope_refusal: Literal["empty", "message"] = "empty"
    """The body of the 403 for a missing scope (guess)."""
    limit_counts: Literal["administration", "subscription_key"] = "administration"
    """Per what the calls are counted: the portal says per administration, one client's behaviour says per key."""
    retry_after: bool = True
    """Whether a 429 carries Retry-After (guess: the gateway's default)."""

    # How a refusal looks (dossier 5.1)
    not_found: Literal["empty", "message", "code", "code_400"] = "empty"
    """An unknown id in the path: 404 with nothing, ``{"Message"}`` or the error array; or the array under 400."""
    malformed_id: Literal["code", "not_found"] = "code"
    """An id in the path that is no GUID: 400 with ALG-0103, or as an unknown one (guess)."""
    unknown_operation: Literal["gateway", "empty"] = "gateway"
    """The body of the 404 for a path or method that is no operation (guess)."""
    update_without_id: Literal["refused", "accepted"] = "refused"
    """A PUT whose body carries no id: as one that carries another's (guess), or taken."""
    all_violations: bool = True
    """Whether every broken rule is listed, or only the first (guess)."""
    model_state_first: bool = False
    """Whether what the OpenAPI document requires or limits is refused as model state before any rule has its say."""
    long_name_code: bool = False
    """Whether a relation's name above 50 is REL-0007 rather than model state (guess)."""
    enum_integers: bool = True
    """Whether an enum value may be given by its number (likely)."""

    # Reading (dossier 2.2, 2.3)
    article_top: int = 25
    """The highest $top on /artikelen: 25 was enforced in 2022, elsewhere 500 is said to work."""
    article_default: int = 500
    """How many articles come back without $top (guess: as the document prints)."""
    filter_ignores_case: bool = False
    """Whether text compares without regard to case in $filter, as the vendor's database might (not recorded)."""
    filter_refusal: Literal["odata", "code"] = "odata"
    """A bad $filter: ``{"Message"}`` with OData's words (likely), or ALG-0104."""
    select_casing: Literal["camel", "pascal"] = "camel"
    """How keys are spelt under $select (guess)."""
    orderby: Literal["ignored", "refused"] = "ignored"
    """What becomes of $orderby and $inlinecount, which no document names (guess)."""
    order: Literal["insertion", "by_id"] = "insertion"
    """The order of lists: as booked (guess), or one that means nothing."""
    inactive_listed: bool = True
    """Whether lists hold deactivated relations and articles, flagged (guess)."""
    modified_on_zone: Literal["Europe/Amsterdam", "UTC"] = "Europe/Amsterdam"
    """The zone of ``modifiedOn``, which does not say; sources disagree."""
    hide_ledgers: bool = False
    """Whether the last line of a sales entry is read back without its ledger account (seen in 2020)."""
    ubl: Literal["xml", "array"] = "xml"
    """The UBL of an invoice: XML text (vendor's client), or an array of objects (OpenAPI document)."""

    country_without_codes: bool = False
    """Whether /landen has a row that is no country of ISO 3166: the document requires no code, and live lists have had
    more rows than ISO has countries (dossier 2.4)."""

    # Relations and articles (dossier 2.4, 3.1)
    both_kinds_allowed: bool = False
    """Whether one relation may be Klant and Leverancier (the error list says no)."""
    kind_change_allowed: bool = False
    """Whether an update may change ``relatiesoort`` (the error list says no)."""
    address_needs_country: bool = False
    """Whether an address without ``land`` is refused; live users send none, and the Netherlands is filled in."""
    strip_nl_prefix: bool = True
    """Whether a Dutch VAT number comes back without NL (likely)."""
    deleted_article_readable: bool = False
    """Whether a deleted article can still be read by id, flagged ``isNonActief``."""
    unpriced_article: Literal["zero", "null"] = "zero"
    """What an article that never was given a price says of it (guess)."""
    article_codes: Literal["Alfanumeriek", "Numeriek"] = "Alfanumeriek"
    """A setting of the administration: what an article code is made of."""
    article_code_length: int = 25
    """A setting of the administration: how long an article code may be."""

    # Entries (dossier 3.3, 4.9, 6)
    vat_tolerance: Decimal | None = field(default=Decimal("0.01"))
    """How far VAT may be off its rate, per line (guess; BOE-0069). None: not looked at."""
    sub_cent: Literal["round", "keep"] = "round"
    """Amounts with parts of a cent: rounded half away from zero before they are balanced, or kept (not recorded)."""
    due_date_from_relation: bool = True
    """An entry without ``betalingstermijn`` takes the relation's term (guess), or none."""
    eu_ledger_needs_vat_number: bool = True
    """Whether EU revenue accounts are refused for a customer without a foreign EU VAT number (guess; BOE-0080)."""
    purchase_numbers_unique: Literal["everywhere", "per_supplier"] = "everywhere"
    """Where a purchase invoice number may not repeat (guess)."""
    memorial_sign: Literal["positive_settles", "negative_settles"] = "positive_settles"
    """The sign of ``bedrag`` on a memorial line that settles an invoice (guess)."""
    journal_needs_two_lines: bool = True
    """Whether a memorial entry of one line is refused (BOE-0094; one client posted such entries in 2021)."""
    payment_stamps_invoice: Literal["sometimes", "always", "never"] = "sometimes"
    """Whether a payment moves the ``modifiedOn`` of the invoice it settles: unreliably (likely), so every second."""

    # Success codes on which document and practice differ (dossier 2.3)
    document_created_status: Literal[201, 200] = 201
    """POST /documenten: 201 live, 200 in the document."""
    order_deleted_status: Literal[200, 201] = 200
    """DELETE /verkooporders: labelled 201, described as 200."""
    deleted_body: Literal["empty", "object"] = "empty"
    """What a DELETE answers: nothing or ``{}``."""
