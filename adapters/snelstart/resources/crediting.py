"""Credit notes. SnelStart has no document for them, only entries below zero, and nothing ties one to its invoice.

Polder names the invoice in the credit note's text, and settles the two with each other by a memorial entry, as a
bookkeeper would: otherwise both stay open for ever.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from adapters.snelstart.mapping.invoices import CREDIT_TEXT, Boeking, Factuur, credits
from adapters.snelstart.mapping.settings import Dagboek
from adapters.snelstart.mapping.values import guid, new_id, refer
from adapters.snelstart.resources.administration import every, journals_of
from adapters.snelstart.wire import request
from gateway.contract.errors import UNDECIDED, Problem, malformed
from gateway.contract.exact import Unread
from gateway.contract.upstream import Upstream
from gateway.contract.wire import json_number

MOST_NAMED = 10
"""Customers that a condition names at once; for more than these, all entries below zero are read.

Servers of this kind (ASP.NET Web API OData) refuse a filter of more than 100 nodes unless they are told otherwise, and
each customer is six. What SnelStart does is not recorded.
"""


async def factuur_of(up: Upstream, boeking: str) -> Unread:
    """The invoice that an entry shows up as. Raises ``upstream_malformed`` where there is none."""
    return shown_as(await every(up, "verkoopfacturen", of_entry(boeking)), boeking)


def of_entry(boeking: str) -> str:
    """The condition in OData for the invoice that an entry shows up as."""
    return f"VerkoopBoeking/Id eq {guid(boeking)}"


def shown_as(found: Sequence[Unread], boeking: str) -> Unread:
    """The invoice among those found that an entry shows up as. Raises ``upstream_malformed`` where there is none."""
    for raw in found:
        if Factuur.of(raw).entry == boeking:
            return raw
    raise malformed("SnelStart shows no invoice for a sales entry.")


async def credited_among(up: Upstream, facturen: Sequence[Factuur]) -> frozenset[str]:
    """Which of some invoices a credit note undoes, by the ids of their entries.

    Nothing is asked about credit notes. Else it is one call, and one more for each entry below zero that may be the
    credit note of one of them: only its text tells.
    """
    invoices = [row for row in facturen if row.factuurBedrag.value > 0]
    customers = sorted({row.customer for row in invoices if row.customer is not None})
    if not customers:
        return frozenset()
    condition = "FactuurBedrag lt 0"
    if len(customers) <= MOST_NAMED:
        condition += f" and ({' or '.join(f'Relatie/Id eq {guid(one)}' for one in customers)})"
    notes = [Factuur.of(raw) for raw in await every(up, "verkoopfacturen", condition)]
    sought = {(row.customer, -row.factuurBedrag.value) for row in invoices}
    candidates = [
        note.entry for note in notes if note.entry is not None and (note.customer, note.factuurBedrag.value) in sought
    ]
    entries = await up.each([up.data(request("GET", "verkoopboekingen", id)) for id in candidates])
    return frozenset(
        row.entry
        for row in invoices
        if row.entry is not None and any(credits(entry, row.factuurnummer) for entry in entries)
    )


async def is_credited(up: Upstream, factuur: Factuur) -> bool:
    """Whether a credit note undoes an invoice."""
    return bool(await credited_among(up, [factuur]))


async def settle(up: Upstream, row: Factuur, credit: Boeking) -> None:
    """Settle an invoice with its credit note, as far as it is open. Says so where that cannot be done."""
    if row.is_settled or row.entry is None:
        return
    try:
        await _settled(up, row, credit)
    except Problem as problem:
        # The credit note is booked: that it stands open is no reason to call it undone.
        up.warn(
            "not_settled",
            en=f"Invoice and credit note are not settled with each other: {problem.detail}",
            nl=f"Factuur en creditfactuur zijn niet met elkaar verrekend: {problem.detail}",
        )


async def _settled(up: Upstream, row: Factuur, credit: Boeking) -> None:
    journals = await journals_of(up, ("Memoriaal",))
    if not journals:
        up.warn(
            "not_settled",
            en="There is no memorial journal: invoice and credit note both stay open.",
            nl="Er is geen memoriaaldagboek: factuur en creditfactuur blijven beide open staan.",
        )
        return
    left = row.open.value
    for sign in (1, -1):
        # What the sign of ``bedrag`` means is not recorded (dossier 2.5): the balance tells, and a wrong guess is
        # undone. One whose answer was lost has no id to undo it by: the other sign settles what it left open too.
        entry = await _memorial(up, _body(row, credit, journals[0], sign * left))
        try:
            left = Factuur.of(await factuur_of(up, row.invoice_id)).open.value
        except Problem:
            await _undo(up, entry)
            raise
        if not left:
            return
        await _undo(up, entry)
        left = left if entry is None else row.open.value
    up.warn(
        "not_settled",
        en="A memorial entry did not settle invoice and credit note: both stay open.",
        nl="Een memoriaalboeking verrekende factuur en creditfactuur niet: beide blijven open staan.",
    )


async def _memorial(up: Upstream, body: dict[str, Any]) -> str | None:
    """Book a memorial entry: its id, null where only the balance can tell whether it was booked."""
    try:
        return new_id(await up.data(request("POST", "memoriaalboekingen", json=body)))
    except Problem as problem:
        if problem.code not in UNDECIDED:
            raise
        return None


async def _undo(up: Upstream, entry: str | None) -> None:
    if entry is not None:
        await up.call(request("DELETE", "memoriaalboekingen", entry))


def _body(row: Factuur, credit: Boeking, journal: Dagboek, amount: Decimal) -> dict[str, Any]:
    text = f"{CREDIT_TEXT}{row.factuurnummer}"
    sides = ((row.invoice_id, amount), (credit.key, -amount))
    return {
        "datum": f"{max(credit.issued_on, row.issued_on).isoformat()}T00:00:00",
        "dagboek": refer(journal.key),
        "omschrijving": text,
        "verkoopboekingBoekingsRegels": [
            {"boekingId": refer(boeking), "omschrijving": text, "bedrag": json_number(part)} for boeking, part in sides
        ],
    }
