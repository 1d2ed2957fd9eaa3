"""What the figures of invoices and of their lines come to.

It is remembered by their texts: where a list is read again most figures are those of before, whatever else changed, and
books are full of lines that charge the same. No word of a customer is among them.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Literal, NamedTuple

from adapters.rompslomp.mapping.values import id_of, percentage_of
from gateway.contract.models.invoices import DocumentStatus, InvoicePaymentStatus
from gateway.contract.money import (
    ZERO,
    Amounts,
    AmountText,
    NumberText,
    amount_from,
    amount_text,
    cents_from,
    exact,
    number_from,
)
from gateway.contract.wire import Figure

STATES: Mapping[str, DocumentStatus] = {"concept": "draft", "published": "final", "imported": "final"}
"""By Rompslomp's ``status``."""
Said = Literal["unpaid", "paid", "overpaid", "unknown"]
SAID: Mapping[str | None, Said] = {"unpaid": "unpaid", "paid": "paid", "overpaid": "overpaid"}
"""By Rompslomp's ``payment_status``."""
NOTHING = amount_text(ZERO)
_REMEMBERED = 5_000
"""Invoices, and lines, of which it is remembered: at most some twelve megabytes."""

InCents = tuple[AmountText, AmountText, AmountText]
"""Net, VAT and gross."""
Charge = tuple[str | None, NumberText, AmountText, str | None, NumberText, str | None, InCents]
"""Product, quantity, price, VAT type, rate (percent), ledger account and amounts of a line."""


class Standing(NamedTuple):
    """How a document stands, and what is paid and open of it."""

    payment_status: InvoicePaymentStatus
    paid: AmountText | None
    open: AmountText | None
    is_owed: bool
    """Whether anything is known to be open."""


class Tally(NamedTuple):
    """What an invoice comes to and how it stands, by its own figures: nothing of credit notes beside it.

    Amounts are above zero on a credit note too.
    """

    document_status: DocumentStatus
    is_credit_note: bool
    in_cents: InCents
    standing: Standing

    @property
    def amounts(self) -> Amounts:
        """The same, to calculate with."""
        net, tax, gross = self.in_cents
        return Amounts(exact(net), exact(tax), exact(gross))

    @property
    def open(self) -> Decimal | None:
        """What is still to be paid: in cents, though nobody knows that Rompslomp rounds (dossier §6)."""
        return None if self.standing.open is None else exact(self.standing.open)


# What is remembered is bounded in bytes too: texts that are no number of some thirty digits raise, and states are ours.


@lru_cache(_REMEMBERED)
def tally_of(
    status: DocumentStatus, said: Said, net: Figure, tax: Figure, gross: Figure, open_amount: Figure | None
) -> Tally:
    """What an invoice comes to. Raises ``ValueError`` for a figure that is no number."""
    is_credit_note = exact(gross) < 0
    if is_credit_note:
        net, tax, gross = opposite(net), opposite(tax), opposite(gross)
        open_amount = None if open_amount is None else opposite(open_amount)
    in_cents = _in_cents(net, tax, gross)
    return Tally(status, is_credit_note, in_cents, _standing(status, said, in_cents[2], open_amount))


@lru_cache(_REMEMBERED)
def charge_of(
    product_id: int | None,
    quantity: Figure,
    price: Figure,
    vat_type_id: int | None,
    rate: Figure | None,
    account_id: int | None,
    net: Figure,
    tax: Figure,
    gross: Figure,
) -> Charge:
    """What a line says but for its id and its words. Raises ``ValueError`` for a figure that is no number."""
    return (
        id_of(product_id),
        number_from(quantity),
        amount_from(price),
        id_of(vat_type_id),
        percentage_of("0" if rate is None else rate),
        id_of(account_id),
        _in_cents(net, tax, gross),
    )


@lru_cache(_REMEMBERED)
def is_above_zero(figure: Figure) -> bool:
    """Whether something is to be paid of it. Raises ``ValueError`` for a figure that is no number."""
    return exact(figure) > 0


def opposite(figure: Figure) -> Figure:
    """A figure with the other sign."""
    return figure[1:] if figure.startswith("-") else f"-{figure}"


def _in_cents(net: Figure, tax: Figure, gross: Figure) -> InCents:
    """As ours. Should they come unrounded (dossier §6), VAT is what makes the net the gross."""
    rounded, its_tax, whole = cents_from(net), cents_from(tax), cents_from(gross)
    if len(tax.rpartition(".")[2]) > len("00"):
        its_tax = amount_text(exact(whole) - exact(rounded))
    return rounded, its_tax, whole


def _standing(status: DocumentStatus, said: Said, gross: AmountText, open_amount: Figure | None) -> Standing:
    if open_amount is None:
        return Standing(_payment_status(status, said, exact(gross), None), None, None, is_owed=False)
    left = cents_from(open_amount)
    if said == "unpaid" and not exact(left) and exact(open_amount):
        said = "paid"  # but for parts of a cent
    paid = NOTHING if left == gross else amount_text(exact(gross) - exact(left))  # mostly nothing yet
    return Standing(_payment_status(status, said, exact(gross), exact(left)), paid, left, exact(left) > 0)


def _payment_status(status: DocumentStatus, said: Said, gross: Decimal, left: Decimal | None) -> InvoicePaymentStatus:
    """There is no part payment here: it is ``unpaid`` with less open than the gross (dossier §0, "payment status")."""
    if status == "draft":
        return "not_applicable"
    return "partially_paid" if said == "unpaid" and left is not None and ZERO < left < gross else said
