"""What Rompslomp's documents leave open, as switches: an adapter must work whichever way each one stands."""

from dataclasses import dataclass
from typing import Literal

from adapters.rompslomp.emulator.arithmetic import Rounding

Rotation = Literal["immediate", "on_use", "grace", "reuse_detection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """One field for each guess of the dossier. A default is the recorded behaviour, else the stricter guess.

    OAuth (dossier §1)
    - ``refresh_rotation``: ``immediate`` revokes the old pair at the refresh itself; ``on_use`` revokes it at the first
      request that presents an access token made from it. Two further ways are no guess about Rompslomp, but those of
      other OAuth servers, for what has to hold on every one: ``grace`` lets the old pair live half a minute longer, and
      ``reuse_detection`` revokes at the refresh and, where a revoked refresh token comes back, its whole family.
    - ``access_token_seconds``: how long an access token lives.
    - ``pkce``: challenge and verifier are ``ignored``; a ``code_verifier`` is ``refused`` (old Doorkeeper without the
      columns); or PKCE is ``supported`` (a challenge must be met by its verifier).
    - ``missing_parameter``: what a token request without a parameter is told, the ``generic`` sentence (recorded) or
      one in which the parameter is ``named``.
    - ``revoke_endpoint``: whether ``POST /oauth/revoke`` exists.
    - ``introspection_endpoints``: whether ``POST /oauth/introspect`` and ``GET /oauth/token/info`` exist.

    Access (§2)
    - ``scope_error``: the ``error`` of ``WWW-Authenticate`` where the token lacks a scope.
    - ``no_api_access_status``: the status for a company on the plan without API.
    - ``general_data_needs_public``: whether VAT types and templates ask for the scope ``public``.
    - ``public_opens_accounts``: whether ``public`` opens the ledger accounts as ``read:accounts`` does.
    - ``requests_per_minute``: requests per token and minute before 429; None for no limit. The number is unpublished.

    Requests (§3, §5)
    - ``id_in_path``: an id in a path is read as Ruby's ``to_i`` reads it, so that ``12,13`` means 12
      (``leading_digits``), or must be ``whole``.
    - ``parameter_error_status``: of malformed JSON, a missing wrapper, an unpermitted attribute, a bad parameter value.
    - ``per_page_over_100``: ``clamp`` to 100, or ``error``.
    - ``unknown_selection``: ``error``, or taken for ``all``.
    - ``unknown_reference_status``: of a contact, template, VAT type, account or product that is not there.
    - ``q_matching``: ``search[q]`` must occur as one ``phrase`` in one field, or each of its ``words`` in some field.
    - ``q_case``: whether ``search[q]`` heeds case: ``ignored``, ``ignored_in_ascii`` only, or ``heeded``.
    - ``email_search``: whether ``search[contact_person_email_address]`` heeds case.
    - ``api_reference_search``: ``exact``, or whatever ``contains`` the text.
    - ``tidies``: whether texts are stored without spaces they can do without, and prices and quantities of lines with
      no more decimals than are known to be kept.

    VAT (§4)
    - ``vat_rounding``: see ``arithmetic``; ``unrounded`` is of invoices.
    - ``foreign_vat_name``: the ``name`` of the rows for other EU countries; ``friendly_name`` tells the country.
    - ``foreign_vat_label``: ``friendly_name`` is ``Duitsland 19%`` (``country_name``) or ``DE 19%`` (``country_code``).
    - ``untaxed_rate``: the ``value`` of ``vat_none`` and ``vat_reverse_charged``, and ``vat_rate`` of their lines, is 0
      or null. The document lets either be null, and no recorded answer has such a type.
    - ``vat_number_from_contact``: an invoice without VAT number takes that of its contact.

    Invoices (§3.1, §6)
    - ``concept_needs_contact``: whether even a concept is refused without contact; publishing always needs one.
    - ``publish_needs_lines``: whether an invoice without lines can not be published.
    - ``published_mutability``: ``locked`` leaves payments, attachments and the two references changeable; ``open`` all.
    - ``published_delete``: deleting a published invoice is ``refused`` or ``allowed``.
    - ``concept_pdf_status``: of the JSON message that a concept has instead of a PDF; 200 is recorded.
    - ``overpayment``: ``paid`` with open amount 0 (recorded), or ``overpaid`` with a negative open amount.
    - ``product_fills_line``: what a line with ``product_id`` leaves out is taken from the product.
    - ``in_use_delete``: deleting a contact or product that documents refer to is ``refused``, or hides it (``soft``).

    Products (§4)
    - ``product_code_charset``: ``code`` is letters, digits, ``_`` and ``-``; ``alphanumeric`` letters and digits only.
    - ``product_code_unique``: whether two products may not share a code.

    Payments (§3, §4)
    - ``invoice_payments_unbooked``: whether a payment tied to an invoice stays in the default list (``unbooked``).
    - ``payment_needs_account``: whether a payment without account is refused.

    Quotations (§4)
    - ``quotation_api_reference``: whether ``api_reference`` can be written on a quotation.
    """

    refresh_rotation: Rotation = "immediate"
    access_token_seconds: int = 7200
    pkce: Literal["ignored", "refused", "supported"] = "ignored"
    missing_parameter: Literal["generic", "named"] = "generic"
    revoke_endpoint: bool = True
    introspection_endpoints: bool = True

    scope_error: Literal["invalid_scope", "insufficient_scope"] = "invalid_scope"
    no_api_access_status: Literal[401, 403] = 403
    general_data_needs_public: bool = True
    public_opens_accounts: bool = False
    requests_per_minute: int | None = None

    id_in_path: Literal["leading_digits", "whole"] = "leading_digits"
    parameter_error_status: Literal[400, 422] = 400
    per_page_over_100: Literal["clamp", "error"] = "error"
    unknown_selection: Literal["error", "all"] = "error"
    unknown_reference_status: Literal[404, 422] = 422
    q_matching: Literal["phrase", "words"] = "phrase"
    q_case: Literal["ignored", "ignored_in_ascii", "heeded"] = "ignored"
    email_search: Literal["case_sensitive", "case_insensitive"] = "case_sensitive"
    api_reference_search: Literal["exact", "contains"] = "exact"
    tidies: bool = False

    vat_rounding: Rounding = "per_line"
    foreign_vat_name: Literal["vat_high", "vat_custom"] = "vat_high"
    foreign_vat_label: Literal["country_name", "country_code"] = "country_name"
    untaxed_rate: Literal["zero", "null"] = "zero"
    vat_number_from_contact: bool = False

    concept_needs_contact: bool = True
    publish_needs_lines: bool = True
    published_mutability: Literal["locked", "open"] = "locked"
    published_delete: Literal["refused", "allowed"] = "refused"
    concept_pdf_status: Literal[200, 404] = 200
    overpayment: Literal["paid", "overpaid"] = "paid"
    product_fills_line: bool = False
    in_use_delete: Literal["refused", "soft"] = "refused"

    product_code_charset: Literal["code", "alphanumeric"] = "code"
    product_code_unique: bool = True

    invoice_payments_unbooked: bool = False
    payment_needs_account: bool = True

    quotation_api_reference: bool = False
