"""Totals that a caller asserts (``expected_totals``), held against what a system makes of the same lines."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TypeVar

from gateway.contract.errors import FieldError, Problem, invalid
from gateway.contract.models import ExpectedTotals, PaymentDraft
from gateway.contract.models.invoices import DocumentType
from gateway.contract.money import INTEGER_DIGITS, ZERO, Amounts, plain, round_to_cents

T = TypeVar("T")

MOST_ROUNDING = Decimal("0.05")
"""The most that a rounding line may close (contract §4, ``on_rounding``)."""


def asserted(expected: ExpectedTotals | None) -> dict[str, Decimal]:
    """The totals that a caller gave."""
    given = expected.given() if expected is not None else {}
    return {name: amount for name, amount in given.items() if amount is not None}


def differences(wanted: Mapping[str, Decimal], total: Amounts) -> dict[str, Decimal]:
    """By how much each wanted total exceeds what there is; those that agree are left out."""
    return {name: amount - getattr(total, name) for name, amount in wanted.items() if amount != getattr(total, name)}


def closes(gap: Decimal) -> bool:
    """Whether a rounding line may close a gap."""
    return ZERO < abs(gap) <= MOST_ROUNDING


def match_totals(
    document: T,
    expected: ExpectedTotals | None,
    *,
    adds_line: bool,
    system: str,
    total: Callable[[T], Amounts],
    closed: Callable[[T, Decimal], T],
) -> T:
    """A document that comes to what is expected, with a line that closes the gap where one is wanted and is enough.

    Raises ``totals_mismatch``. For systems of which it is certain what lines come to.
    """
    wanted = asserted(expected)
    off = differences(wanted, total(document)) if wanted else {}
    gap = off.get("gross", ZERO)
    if adds_line and closes(gap):
        document = closed(document, gap)
        off = differences(wanted, total(document))
    if off:
        raise mismatch(system, off)
    return document


def check_length(each: Iterable[Amounts]) -> None:
    """What lines and the whole of them come to, before it is written.

    Raises ``validation_failed`` for more than an amount has digits for: no list with such an invoice could be read.
    """
    if any(abs(part) >= 10**INTEGER_DIGITS for one in each for part in (one.net, one.tax, one.gross)):
        raise invalid("/lines", f"An amount has at most {INTEGER_DIGITS} digits before the point: these come to more.")


def check_payment(draft: PaymentDraft) -> None:
    """What a payment comes to, before it is written: more than nothing, no part of it nothing, in whole cents.

    Raises ``validation_failed``: less than nothing would go the other way than it says, and what becomes of parts of a
    cent no system documents.
    """
    if draft.amount <= ZERO:
        raise invalid("/amount", "An amount is above zero; `direction` says which way the money went.", "out_of_range")
    parts = {f"/allocations/{number}/amount": part.amount for number, part in enumerate(draft.allocations)}
    for pointer, amount in {"/amount": draft.amount, **parts}.items():
        if not amount:  # less than nothing is set off against the rest
            raise invalid(pointer, "A part of a payment is not nothing.", "out_of_range")
        if amount != round_to_cents(amount):
            raise invalid(pointer, "A payment is in whole cents.")


def check_sign(system: str, kind: DocumentType, gross: Decimal, pointer: str) -> None:
    """What a document comes to, where a system knows a credit note by nothing but its sign.

    Raises ``validation_failed`` for an amount that would make it the other kind.
    """
    if kind == "credit_note" and gross <= ZERO:
        raise invalid(pointer, f"A credit note comes to more than nothing: {system} tells it by its sign.")
    if kind == "invoice" and gross < ZERO:
        message = f"An invoice comes to no less than nothing: {system} tells a credit note by its sign. Make it one."
        raise invalid(pointer, message)


def mismatch(system: str, off: Mapping[str, Decimal], *, undone: bool = False) -> Problem:
    """``totals_mismatch``, with the exact differences. ``undone``: something was made to find out, and taken back."""
    after = "What was made of them was taken back." if undone else "Nothing was sent."
    return Problem(
        "totals_mismatch",
        f"{system} makes other totals of these lines. {after}",
        errors=[
            FieldError(f"/expected_totals/{name}", "totals_mismatch", _difference(by, system))
            for name, by in off.items()
        ],
        outcome="rejected" if undone else "not_sent",
        extra={"difference": {name: plain(by, 2) for name, by in off.items()}},
    )


def _difference(by: Decimal, system: str) -> str:
    return f"Expected {plain(abs(by), 2)} {'more' if by > ZERO else 'less'} than {system} makes it."
