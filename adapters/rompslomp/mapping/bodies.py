"""Invoices and credit notes as they are written, and whether one that is there is the one that was sent."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from adapters.rompslomp.mapping.invoices import DATES, IDS, SAME, InvoiceRow, LineRow
from adapters.rompslomp.mapping.references import credit_reference
from adapters.rompslomp.mapping.values import Json, day_of, id_in_body
from gateway.contract.models import CreditDraft
from gateway.contract.money import FRACTION_DIGITS, exact, number_from, plain
from gateway.contract.totals import closes
from gateway.contract.wire import Figure, RawRecord


def invoice_body(given: Mapping[str, Any]) -> Json:
    """What to write of an invoice beside its lines: only what was said, because a PATCH leaves the rest as it is."""
    body = {theirs: given[ours] for ours, theirs in SAME.items() if ours in given}
    body |= {theirs: _day(given[ours]) for ours, theirs in DATES.items() if ours in given}
    for ours, theirs in IDS.items():
        if ours in given:
            body[theirs] = given[ours] and id_in_body(given[ours], f"/{ours}")
    return body


def _day(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def credit_body(raw: Mapping[str, Any], draft: CreditDraft, today: date) -> Json:
    """The credit note of a booked invoice: its lines with prices below zero, named as is the custom (dossier §3)."""
    row = InvoiceRow.of(raw)
    same = ("template_id", "vat_number", "payment_reference", "sale_type", "distance_sale", "currency")
    body: Json = {name: raw[name] for name in same if raw.get(name) is not None}
    if (row.currency or "eur").lower() != "eur":
        body["currency_exchange_rate"] = raw.get("currency_exchange_rate")
    if raw.get("validates_vat_number") is False:
        body["validates_vat_number"] = False
    return {
        **body,
        "contact_id": row.contact_id,
        "date": (draft.issued_on or today).isoformat(),
        "description": f"Creditfactuur voor factuur: {row.invoice_number or row.id}",
        "api_reference": credit_reference(str(row.id)),
        "invoice_lines": [line_body(line, -1) for line in row.invoice_lines],
        "_publish": True,
    }


def line_body(line: LineRow, sign: int) -> Json:
    """A line that is there, to be written once more: as it is, or turned (-1)."""
    return {
        "description": line.description or None,
        "extended_description": line.extended_description or None,
        "price_per_unit": plain(sign * exact(line.price_per_unit)),
        "quantity": number_from(line.quantity),
        "vat_type_id": line.vat_type_id,
        "vat_rate": None if line.vat_rate is None else number_from(line.vat_rate),
        "product_id": line.product_id,
        "account_id": line.account_id,
    }


def is_same_document(raw: RawRecord, body: Mapping[str, Any]) -> bool:
    """Whether an invoice that is there is the one that was to be made: contact, date and lines as they may be kept.

    A concept may have got its rounding line since, which was not sent with the others (``on_rounding``).
    """
    row = InvoiceRow.of(raw)
    sent: Sequence[Mapping[str, Any]] = body["invoice_lines"]
    if body["contact_id"] != row.contact_id or body["date"] != day_of(row.date).isoformat():
        return False
    existing, added = row.invoice_lines[: len(sent)], row.invoice_lines[len(sent) :]
    if len(existing) != len(sent) or len(added) > 1 or not all(map(_closes_a_gap, added)):
        return False
    return all(_is_same_line(line, one) for line, one in zip(existing, sent, strict=True))


def _closes_a_gap(line: LineRow) -> bool:
    return exact(line.quantity) == 1 and closes(exact(line.price_per_unit)) and line.product_id is None


def _is_same_line(line: LineRow, sent: Mapping[str, Any]) -> bool:
    return (
        (line.description or "").split() == (sent["description"] or "").split()
        and _is_stored(line.price_per_unit, sent["price_per_unit"])
        and _is_stored(line.quantity, sent["quantity"])
        and line.vat_type_id == sent["vat_type_id"]
    )


def _is_stored(stored: Figure, sent: Figure) -> bool:
    """Whether a number is the one that was sent, or that in fewer decimals: how many are kept is not documented."""
    places = min(max(len(stored.partition(".")[2]), len("00")), FRACTION_DIGITS)
    rounded = exact(sent).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return exact(stored) in (exact(sent), rounded)
