"""What the documentation leaves open, as switches: an adapter must work whichever way each one stands."""

from dataclasses import dataclass
from typing import Literal

from adapters.thenextinvoice.emulator.arithmetic import VatRounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """One field for each thing that TheNextInvoice's documentation does not say. The defaults are the nastier guesses.

    Answers
    - ``error_code``: ``error.code`` is always 0 (as in the example of the envelope), or repeats the HTTP status.
    - ``empty_data``: where no body is documented (payment, deletes, bulk, merge, import), ``data`` is null or absent.
    - ``missing_status``: what PUT (invoice, customer, product), ``/send`` and ``/remind`` answer to an unknown id; none
      of them documents a 404.
    - ``token_exp``: whether the JWT carries ``exp``. The server forgets the token after its lifetime either way.

    Customers and products
    - ``person_read``, ``option_expiration_read``: how a value that is *written* as a boolean or number is read.
    - ``null_optional``: whether what a customer need not have may be written as null, as an example does a product's.
    - ``blank_required``: whether a required text may be empty.
    - ``product_page_zero``: the documented default page 0 is the first page, as page 1 is, or refused when asked for.
    - ``tidies``: whether a product's text and a customer's name are stored without spaces they can do without, and a
      product's price without what is less than a cent.
    - ``product_put_absent``: a PUT that leaves out ``vat_id`` or ``ledgernumber_id`` keeps it or clears it.

    Invoices, written
    - ``defaults_stand_in``: ``discount`` and ``includesVat`` are "required" and have defaults: may they be left out?
    - ``put_id``: a PUT on a draft gives it a new id (as in the example) or keeps the one it had.
    - ``old_id``: after a new id, the old one is gone or an alias of the new one.
    - ``token_after_put``: after a new id, the ``creationToken`` finds the new id or the old one.
    - ``credit_negates``: a credit invoice has negative prices or negative quantities.
    - ``bulk``: a comma-separated list of ids of which one is unknown does nothing (404), or does those that exist.

    Invoices, read
    - ``parties``: ``sender`` and ``receiver`` of a finalized invoice are ids or whole objects.
    - ``draft_number``: the ``number`` of a draft is null or ``""``.
    - ``quotation_type``, ``quotation_series``: the ``type`` of a quotation, and whose numbers it has.
    - ``vat_rounding``: see ``arithmetic.totals_of``.
    - ``float_noise``: whether ``calculated`` is as floating point leaves it (36.300000000000008), or rounded to cents.
      The documentation calls amounts floats, and its examples are whole.
    - ``zero_vat_row``: whether ``vatTotals`` has a row ``"0"`` for lines without VAT.
    - ``empty_vat_totals``: ``vatTotals`` without rows is ``[]``, as PHP writes an empty map, or ``{}``.
    - ``payment_url_scheme``: whether the payment URL begins with ``https://``; the example does not.
    - ``draft_payment_url``: a draft has a payment URL, or answers 404.

    Lists
    - ``over_limit``: a ``limit`` over 100 is clamped or refused (400).
    - ``past_end``: a page past the end is empty or the last page again.
    - ``open_includes_pastdue``: whether ``status=open`` includes what is past due.
    - ``reminded``: a reminder is a mark beside the state of an invoice, as the status has it, or a state of its own in
      the place of open and past due, as the options of the search have it.
    - ``several_statuses``: several statuses select what has any of them or what has all of them.
    - ``default_order``: without ``order``, invoices come shuffled anew at each request, or in the documented order.
    - ``ties``: records equal under the asked order are shuffled anew at each request, or ordered by id.
    """

    error_code: Literal["zero", "status"] = "zero"
    empty_data: Literal["null", "absent"] = "null"
    missing_status: Literal[400, 404, 500] = 404
    token_exp: bool = True

    person_read: Literal["text", "boolean"] = "text"
    option_expiration_read: Literal["text", "number"] = "text"
    null_optional: Literal["refused", "accepted"] = "refused"
    blank_required: Literal["refused", "accepted"] = "refused"
    product_page_zero: Literal["first", "refused"] = "first"
    tidies: bool = False
    product_put_absent: Literal["keep", "clear"] = "clear"

    defaults_stand_in: bool = False
    put_id: Literal["new", "same"] = "new"
    old_id: Literal["gone", "alias"] = "gone"
    token_after_put: Literal["new", "old"] = "new"
    credit_negates: Literal["price", "quantity"] = "price"
    bulk: Literal["all_or_nothing", "existing"] = "existing"

    parties: Literal["ids", "objects"] = "ids"
    draft_number: Literal["null", "empty"] = "null"
    quotation_type: Literal["", "Q"] = ""
    quotation_series: Literal["own", "shared"] = "own"
    vat_rounding: VatRounding = "per_rate"
    float_noise: bool = False
    zero_vat_row: bool = False
    empty_vat_totals: Literal["list", "object"] = "list"
    payment_url_scheme: bool = False
    draft_payment_url: bool = False

    over_limit: Literal["clamp", "refuse"] = "clamp"
    past_end: Literal["empty", "last"] = "empty"
    open_includes_pastdue: bool = True
    reminded: Literal["mark", "state"] = "mark"
    several_statuses: Literal["any", "all"] = "any"
    default_order: Literal["shuffled", "documented"] = "shuffled"
    ties: Literal["shuffled", "by_id"] = "shuffled"
