"""Payments: mutations of bank and cash accounts, some of which settle an invoice (dossier §3.1, §4, "payment").

No answer says which invoice a payment settles: that link exists only here.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from adapters.rompslomp.emulator.arithmetic import written
from adapters.rompslomp.emulator.call import Call
from adapters.rompslomp.emulator.errors import BLANK, Violations
from adapters.rompslomp.emulator.fields import AMSTERDAM, Attributes, Given, check, moment_text
from adapters.rompslomp.emulator.noun import Noun
from adapters.rompslomp.emulator.records import Payment, SalesInvoice
from adapters.rompslomp.emulator.references import account_of
from adapters.rompslomp.emulator.state import Company, State

ATTRIBUTES: Attributes = {
    "amount": "decimal",
    "description": "text",
    "account_id": "id",
    "account_path": "long_text",
    "paid_at": "moment",
}


def payment_after(
    state: State, company: Company, payment: Payment | None, given: Given, violations: Violations, prefix: str = ""
) -> Payment:
    """A payment, new or changed by ``given``, not yet kept."""
    labels = {"amount": f"{prefix}bedrag".capitalize(), "paid_at": f"{prefix}betaaldatum".capitalize()}
    check(given, ATTRIBUTES, violations, labels)
    start = Payment(Decimal(0), state.clock.now().astimezone(AMSTERDAM))
    after = replace(payment) if payment else start
    for name, label in labels.items():
        if given.get(name) is not None:
            setattr(after, name, given[name])
        elif payment is None or name in given:
            violations.add(label, BLANK)
    if "description" in given:
        after.description = given["description"]
    if payment is None or "account_id" in given or "account_path" in given:
        after.account = account_of(given, company, violations, state.switches)
        asked = given.get("account_id") is not None or given.get("account_path") is not None
        if not asked and state.switches.payment_needs_account:
            violations.add(f"{prefix}rekening".capitalize(), BLANK)
    return after


def book_payment(state: State, company: Company, body: object, payment: Payment | None = None) -> Payment:
    """Make or change a payment. Raises ``ApiError``."""
    violations = Violations("Betaling")
    after = payment_after(state, company, payment, state.reader.permitted(body, ATTRIBUTES), violations)
    violations.settle()
    return company.payments.put(after) if payment else company.payments.add(after)


def paid_on(company: Company, invoice: SalesInvoice) -> Decimal:
    """What was paid on an invoice, in euro."""
    payments = (payment for payment in company.payments.oldest_first() if payment.invoice_id == invoice.id)
    return sum((payment.amount for payment in payments), Decimal(0))


def shown_payment(payment: Payment) -> dict[str, Any]:
    """A payment as answers have it."""
    return {
        "id": payment.id,
        "amount": written(payment.amount),
        "description": payment.description,
        "account_id": payment.account.id if payment.account else None,
        "account_path": payment.account.path if payment.account else None,
        "paid_at": moment_text(payment.paid_at),
    }


def _is_double(payment: Payment, payments: list[Payment]) -> bool:
    return any(
        other is not payment
        and (other.amount, other.paid_at, other.description, other.account)
        == (payment.amount, payment.paid_at, payment.description, payment.account)
        for other in payments
    )


def _found(call: Call) -> list[Payment]:
    selection = call.selection(
        "unbooked",
        "all_in_current_bookyear",
        "all",
        "booked",
        "duplicate_bank_mutations",
        "manual",
        default="unbooked",
    )
    found = call.company.payments.newest_first()
    if selection == "unbooked" and not call.switches.invoice_payments_unbooked:
        found = [payment for payment in found if payment.invoice_id is None]
    elif selection == "booked":
        found = [payment for payment in found if payment.invoice_id is not None]
    elif selection == "all_in_current_bookyear":
        found = [payment for payment in found if payment.paid_at.year == call.today.year]
    elif selection == "duplicate_bank_mutations":
        found = [payment for payment in found if _is_double(payment, found)]
    elif selection == "manual":
        found = [payment for payment in found if not payment.imported]
    return found


PAYMENTS = Noun(
    root="payment",
    many="payments",
    name="Betaling",
    table=lambda company: company.payments,
    found=_found,
    shown=lambda _, payment: shown_payment(payment),
    book=lambda call, payment: book_payment(call.state, call.company, call.wrapped("payment"), payment),
)
