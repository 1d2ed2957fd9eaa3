"""What to do about each problem: how whoever can put it right does so, and one sentence for the account's owner.

The owner runs a shop and knows nothing of APIs; whoever integrates shows the sentence as it is, in Dutch or English.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remedy:
    """``how`` is for whom ``fix`` names; ``nl`` and ``en`` are for the owner."""

    how: str
    nl: str
    en: str


_SOFTWARE_NL = "Er ging iets mis in de software die uw boekhouding bijwerkt; de leverancier daarvan moet dit oplossen."
_SOFTWARE_EN = "Something is wrong in the software that keeps your books up to date; its supplier has to solve it."
_LATER_NL = "Uw boekhoudpakket is op dit moment niet bereikbaar; probeer het later nog eens."
_LATER_EN = "Your accounting system cannot be reached at the moment; try again later."
_BUSY_NL = "Het is nu even te druk; probeer het over een minuut nog eens."
_BUSY_EN = "It is too busy at the moment; try again in a minute."


def _software(how: str) -> Remedy:
    return Remedy(how, _SOFTWARE_NL, _SOFTWARE_EN)


REMEDIES: Mapping[str, Remedy] = {
    "malformed_json": _software("Send one JSON value in UTF-8; `detail` says at which byte it goes wrong."),
    "invalid_cursor": _software("Use `next_cursor` of the page before with the same filters, or begin again."),
    "unauthenticated": _software("Send a key that was not revoked: `Authorization: Bearer polder_live_…`."),
    "forbidden": _software("Use a key with the scope that `required_scope` names."),
    "scope_missing": Remedy(
        "Ask the owner to grant what `required_scope` names, by authorizing the connection again.",
        "Geef onze koppeling in uw boekhoudpakket ook toegang tot dit onderdeel.",
        "Give our connection access to this part of your accounting system too.",
    ),
    "company_not_accessible": Remedy(
        "Ask the owner to open the administration to these credentials, or set another `company_id`.",
        "De koppeling mag niet bij deze administratie; geef haar daar toegang toe in uw boekhoudpakket.",
        "The connection may not use this administration; give it access in your accounting system.",
    ),
    "upstream_forbidden": Remedy(
        "Ask the owner to allow this in the accounting system: `upstream.message` has its own words.",
        "Uw boekhoudpakket staat dit niet toe; controleer daar de rechten van de koppeling en uw abonnement.",
        "Your accounting system does not allow this; check the connection's rights and your subscription there.",
    ),
    "not_found": Remedy(
        "Look whether the id is right and belongs to this connection; the record may have been deleted.",
        "Dit bestaat niet (meer) in uw boekhouding; misschien is het daar verwijderd.",
        "This does not exist in your books (any more); it may have been deleted there.",
    ),
    "operation_unsupported": Remedy(
        "Ask `GET …/capabilities` what the connection can do, and go another way.",
        "Uw boekhoudpakket kan dit niet via een koppeling; doe het daar zelf.",
        "Your accounting system cannot do this through a connection; do it there yourself.",
    ),
    "conflict": Remedy(
        "Read the record again and decide by what it says now; `detail` says what stands in the way.",
        "Dit kan niet meer, omdat er in uw boekhouding al iets mee is gebeurd, zoals boeken of betalen.",
        "This is no longer possible, because something was done with it in your books, such as booking or payment.",
    ),
    "idempotency_in_progress": Remedy("Wait, then send the same request again.", _BUSY_NL, _BUSY_EN),
    "too_large": _software("Send less at once; `detail` says how much may be sent."),
    "unsupported_media_type": _software(
        "Send `Content-Type: application/json`, and the body as it is: without `Content-Encoding`."
    ),
    "validation_failed": Remedy(
        "Put right what `errors` points at; `GET …/schemas/{resource}` says what a body must look like here.",
        "Er ontbreekt een gegeven of er klopt er een niet; vul het aan of verbeter het.",
        "Something is missing or not right in what was filled in; complete or correct it.",
    ),
    "unknown_field": _software("Leave out, or spell right, the field or parameter that `errors` points at."),
    "filter_unsupported": _software("Use one of the filters that `detail` names."),
    "filter_required": _software("Add the filter that `detail` names."),
    "totals_mismatch": Remedy(
        "Compare the lines with `difference`; `on_rounding: add_line` closes a gap of 0.05 at most.",
        "Het totaal van de bestelling wijkt af van wat uw boekhouding uitrekent; controleer prijzen en btw.",
        "The total of the order differs from what your books make of it; check its prices and VAT.",
    ),
    "credentials_rejected": Remedy(
        "Ask the owner for credentials that work, or send them a link (`POST …/link`).",
        "Uw boekhoudpakket weigert deze inloggegevens of sleutel; controleer ze en vul ze opnieuw in.",
        "Your accounting system refuses these credentials; check them and enter them again.",
    ),
    "company_required": Remedy(
        "Choose one of `companies` and give its id as `company_id`.",
        "U heeft meer dan een administratie; kies welke gekoppeld moet worden.",
        "You have more than one administration; choose which one to connect.",
    ),
    "field_unsupported": Remedy(
        "Leave the field out, or send `on_unsupported=drop` and have it listed in `warnings`.",
        "Uw boekhoudpakket heeft geen plaats voor een van deze gegevens; laat het weg.",
        "Your accounting system has no place for one of these details; leave it out.",
    ),
    "draft_unsupported": Remedy(
        "Send `finalize: true`: the invoice is booked at once.",
        "Uw boekhoudpakket kent geen conceptfacturen; de factuur wordt meteen geboekt.",
        "Your accounting system has no draft invoices; the invoice is booked at once.",
    ),
    "partial_payment_unsupported": Remedy(
        "Book the payment once all of the invoice is paid.",
        "Uw boekhoudpakket kan een factuur alleen helemaal op betaald zetten; wacht tot alles betaald is.",
        "Your accounting system can only mark an invoice as paid in full; wait until all is paid.",
    ),
    "idempotency_mismatch": _software("Use a new `Idempotency-Key` for each thing that is to be done."),
    "upstream_rejected": Remedy(
        "Read `upstream.message` and `errors`: the accounting system says in its own words what it does not accept.",
        "Uw boekhoudpakket accepteert deze gegevens niet; de melding van het pakket zegt waarom.",
        "Your accounting system does not accept these details; its own message says why.",
    ),
    "connection_needs_reauth": Remedy(
        "Send the owner a link (`POST …/link`), or PATCH new credentials.",
        "De toegang tot uw boekhoudpakket is verlopen of ingetrokken; koppel het opnieuw.",
        "The access to your accounting system has expired or was withdrawn; connect it again.",
    ),
    "connection_pending": Remedy(
        "Send the owner a link (`POST …/link`), or PATCH credentials.",
        "De koppeling met uw boekhoudpakket is nog niet af; rond haar af via de link die u kreeg.",
        "The connection to your accounting system is not finished; complete it with the link you were sent.",
    ),
    "connection_suspended": Remedy(
        "Ask whoever suspended the connection to resume it.",
        "De koppeling met uw boekhoudpakket staat stil; neem contact op met wie haar voor u beheert.",
        "The connection to your accounting system is suspended; contact whoever manages it for you.",
    ),
    "rate_limited": Remedy("Wait as long as `Retry-After` says, and spread requests.", _BUSY_NL, _BUSY_EN),
    "upstream_rate_limited": Remedy("Wait as long as `Retry-After` says.", _BUSY_NL, _BUSY_EN),
    "internal_error": _software("Look up `request_id` in the log and report the error."),
    "upstream_malformed": _software("Look up `request_id` in the log: the system's answer made no sense."),
    "provider_misconfigured": _software("Run `polder doctor`: a client secret or subscription key is wrong."),
    "storage_unavailable": Remedy("Look at the database: `/readyz` says whether it answers.", _BUSY_NL, _BUSY_EN),
    "upstream_unavailable": Remedy("Try again later; of a write look at `outcome` first.", _LATER_NL, _LATER_EN),
    "upstream_timeout": Remedy(
        "Try a read again; before a write is repeated, look whether it was done (`outcome`).",
        "Uw boekhoudpakket antwoordde niet op tijd; kijk daar of het gelukt is voor u het nog eens probeert.",
        "Your accounting system did not answer in time; look there whether it was done before you try again.",
    ),
    "request_timeout": _software("Send the body at once, over a connection that is fast enough."),
    "invalid_host": _software("Send one `Host` header with the host you ask, as every client does by itself."),
    "address_too_long": _software("Ask for less at once: a shorter query."),
    "headers_too_large": _software("Send fewer or shorter headers."),
}
