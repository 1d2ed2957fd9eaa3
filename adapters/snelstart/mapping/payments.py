"""Bank and cash entries that settle sales invoices, as payments.

Money in is ``bedragOntvangen`` and credited to the customer's invoice, money out the mirror of it (dossier 2.5). The
id of a payment says which of the two it is: ``bank-`` or ``kas-`` and the entry's own.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from adapters.snelstart.mapping.values import (
    Identified,
    Reference,
    Wire,
    day_of,
    is_guid,
    refer,
    reference_of,
    text_or_none,
)
from gateway.contract.adapter import Record
from gateway.contract.errors import not_found
from gateway.contract.models import Allocation, Payment, PaymentDraft
from gateway.contract.money import ZERO, amount_text, signed
from gateway.contract.wire import RawRecord, json_number

PLACES: Mapping[str, str] = {"bank": "bankboekingen", "kas": "kasboekingen"}
"""Where the entries of each kind are, by the beginning of our ids."""
KINDS: Mapping[str, str] = {"Bank": "bank", "Kas": "kas"}
"""The beginning of our ids by the kind of journal."""
HOLDS = frozenset(
    {
        *("paid_on", "amount", "direction", "payment_method_id", "ledger_account_id", "reference", "description"),
        *("allocations.invoice_id", "allocations.amount"),
    }
)
MAPPED = frozenset(
    {
        *("id", "datum", "boekstuk", "omschrijving", "grootboekBoekingsRegels", "verkoopboekingBoekingsRegels"),
        *("bedragUitgegeven", "bedragOntvangen", "dagboek"),
    }
)


class SalesLine(Wire, frozen=True):
    """What of an entry settles a sales entry; ``boekingId`` is the name of a reference (dossier 2.5)."""

    boekingId: Reference = None
    debet: Decimal | None = None
    credit: Decimal | None = None

    @property
    def entry(self) -> str | None:
        """The id of the sales entry."""
        return reference_of(self.boekingId)

    @property
    def received(self) -> Decimal:
        """What came in of it."""
        return (self.credit or ZERO) - (self.debet or ZERO)

    def __post_init__(self) -> None:
        if self.entry is None or not self.received:
            raise ValueError("a line settles an amount of an entry")


class LedgerLine(Wire, frozen=True):
    """What of an entry goes to a ledger account."""

    grootboek: Reference = None


class Entry(Identified, frozen=True):
    """A bank or cash entry."""

    datum: str
    bedragUitgegeven: Decimal
    bedragOntvangen: Decimal
    dagboek: Reference
    boekstuk: str | None = None
    omschrijving: str | None = None
    grootboekBoekingsRegels: list[LedgerLine] | None = None
    verkoopboekingBoekingsRegels: list[SalesLine] | None = None

    @property
    def settling(self) -> list[tuple[str, SalesLine]]:
        """The lines that settle a sales entry, by its id."""
        return [(id, line) for line in self.verkoopboekingBoekingsRegels or () if (id := line.entry) is not None]

    @property
    def received(self) -> Decimal:
        """What came in by it."""
        return self.bedragOntvangen - self.bedragUitgegeven


def place_of(id: str) -> tuple[str, str]:
    """The endpoint and the entry's own id. Raises ``not_found`` for what is no id of ours."""
    kind, _, entry = id.partition("-")
    if kind not in PLACES or not is_guid(entry):
        not_found()
    return PLACES[kind], entry


def settles_sales(raw: RawRecord) -> bool:
    """Whether an entry settles a sales invoice, and so is a payment."""
    return bool(Entry.of(raw).settling)


def payment_of(raw: RawRecord, kind: str) -> Record[Payment]:
    """An entry as a payment; ``kind`` is ``bank`` or ``kas``."""
    row = Entry.of(raw)
    received = row.received
    sign = -1 if received < 0 else 1
    settled = sum((line.received for _, line in row.settling), ZERO)
    accounts = {reference_of(line.grootboek) for line in row.grootboekBoekingsRegels or ()}
    payment = Payment(
        id=f"{kind}-{row.key}",
        paid_on=day_of(row.datum),
        amount=amount_text(signed(received, sign)),
        currency="EUR",
        direction="out" if sign < 0 else "in",
        payment_method_id=reference_of(row.dagboek),
        ledger_account_id=accounts.pop() if len(accounts) == 1 else None,
        reference=text_or_none(row.boekstuk),
        description=text_or_none(row.omschrijving),
        allocations=[
            Allocation(invoice_id=id, amount=amount_text(signed(line.received, sign))) for id, line in row.settling
        ],
        unallocated=amount_text(signed(received - settled, sign)),
        status="booked",
    )
    return Record(payment, raw, mapped=MAPPED)


def payment_body(draft: PaymentDraft, journal: str, paid_on: date) -> dict[str, Any]:
    """An entry to write. What settles no invoice goes to the draft's ledger account."""
    sign = -1 if draft.direction == "out" else 1
    rest = draft.amount - sum((part.amount for part in draft.allocations), ZERO)
    body: dict[str, Any] = {
        "datum": f"{paid_on.isoformat()}T00:00:00",
        "dagboek": refer(journal),
        "bedragOntvangen": json_number(draft.amount) if sign > 0 else 0,
        "bedragUitgegeven": json_number(draft.amount) if sign < 0 else 0,
        "verkoopboekingBoekingsRegels": [
            {
                "boekingId": refer(part.invoice_id),
                "omschrijving": draft.description or "Betaling",
                **_sides(sign * part.amount),
            }
            for part in draft.allocations
        ],
    }
    if rest and draft.ledger_account_id is not None:
        line = {"omschrijving": draft.description or "Betaling", "grootboek": refer(draft.ledger_account_id)}
        body["grootboekBoekingsRegels"] = [{**line, **_sides(sign * rest)}]
    if draft.description is not None:
        body["omschrijving"] = draft.description
    if draft.reference is not None:
        body["boekstuk"] = draft.reference
    return body


def _sides(received: Decimal) -> dict[str, Any]:
    """What came in is credited, what went out debited; one of the two is zero (BOE-0076)."""
    return {
        "debet": json_number(-received) if received < 0 else 0,
        "credit": json_number(received) if received > 0 else 0,
    }
