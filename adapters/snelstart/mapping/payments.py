"""Bank and cash entries that settle sales invoices, as payments.

Money in is ``bedragOntvangen`` and credited to the customer's invoice, money out the mirror of it (dossier 2.5). The
id of a payment says which of the two it is: ``bank-`` or ``kas-`` and the entry's own.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from adapters.snelstart.mapping.values import (
    Day,
    Guid,
    MaybeNone,
    Moment,
    Reference,
    Said,
    Wire,
    is_guid,
    json_number,
    refer,
)
from gateway.contract.adapter import Record
from gateway.contract.errors import not_found
from gateway.contract.models import Allocation, Payment, PaymentDraft
from gateway.contract.money import ZERO
from gateway.contract.old_wire import NumberOrZero

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


class SalesLine(Wire):
    """What of an entry settles a sales entry; ``boekingId`` is the name of a reference (dossier 2.5)."""

    boekingId: Reference = None
    debet: NumberOrZero = ZERO
    credit: NumberOrZero = ZERO

    @model_validator(mode="after")
    def _settles_something(self) -> Self:
        if self.debet == self.credit:
            raise ValueError("a line settles an amount")
        return self


class LedgerLine(Wire):
    """What of an entry goes to a ledger account."""

    grootboek: Reference = None


class Entry(Wire):
    """A bank or cash entry."""

    id: Guid
    datum: Day
    boekstuk: Said = None
    omschrijving: Said = None
    modifiedOn: Moment | None = None
    bedragUitgegeven: NumberOrZero
    bedragOntvangen: NumberOrZero
    dagboek: Reference
    grootboekBoekingsRegels: Annotated[list[LedgerLine], MaybeNone] = Field(default_factory=list)
    verkoopboekingBoekingsRegels: Annotated[list[SalesLine], MaybeNone] = Field(default_factory=list)


def place_of(id: str) -> tuple[str, str]:
    """The endpoint and the entry's own id. Raises ``not_found`` for what is no id of ours."""
    kind, _, entry = id.partition("-")
    if kind not in PLACES or not is_guid(entry):
        not_found()
    return PLACES[kind], entry


def settles_sales(raw: Mapping[str, Any]) -> bool:
    """Whether an entry settles a sales invoice, and so is a payment."""
    return any(line.boekingId is not None for line in Entry.of(raw).verkoopboekingBoekingsRegels)


def payment_of(raw: Mapping[str, Any], kind: str) -> Record[Payment]:
    """An entry as a payment; ``kind`` is ``bank`` or ``kas``."""
    said = Entry.of(raw)
    received = said.bedragOntvangen - said.bedragUitgegeven
    sign = -1 if received < 0 else 1
    allocations = [
        Allocation(invoice_id=line.boekingId, amount=sign * (line.credit - line.debet))
        for line in said.verkoopboekingBoekingsRegels
        if line.boekingId is not None
    ]
    accounts = {line.grootboek for line in said.grootboekBoekingsRegels}
    payment = Payment(
        id=f"{kind}-{said.id}",
        paid_on=said.datum,
        amount=sign * received,
        currency="EUR",
        direction="out" if sign < 0 else "in",
        payment_method_id=said.dagboek,
        ledger_account_id=accounts.pop() if len(accounts) == 1 else None,
        reference=said.boekstuk,
        description=said.omschrijving,
        allocations=allocations,
        unallocated=sign * received - Decimal(sum((part.amount for part in allocations), ZERO)),
        status="booked",
    )
    return Record(payment, raw, mapped=MAPPED)


def payment_body(draft: PaymentDraft, journal: str, today: date) -> dict[str, Any]:
    """An entry to write. What settles no invoice goes to the draft's ledger account."""
    sign = -1 if draft.direction == "out" else 1
    rest = draft.amount - sum((part.amount for part in draft.allocations), ZERO)
    body: dict[str, Any] = {
        "datum": f"{(draft.paid_on or today).isoformat()}T00:00:00",
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
