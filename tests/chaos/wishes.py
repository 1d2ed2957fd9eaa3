"""What clients ask for: each wish is one record under one idempotency key, and is asked for until there is an end."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import httpx2

from gateway.contract.adapter import Adapter
from gateway.contract.emulator import Record
from gateway.contract.exact import dumps, loads
from tests.conformance.subjects import Facts

What = Literal["contacts", "products", "invoices", "payments", "credits"]
WHATS: tuple[What, ...] = get_args(What)
ENDS = ("success", "manual", "refused")
AMOUNT = "24.20"
"""What every invoice comes to."""
_MARK = re.compile(r"W\d{6}X")


@dataclass
class Wish:
    """One record that somebody wants, and what they were told last.

    ``origin`` is the wish for the invoice that a payment settles or a credit note undoes.
    """

    number: int
    what: What
    place: str
    """Path of the connection."""
    path: str
    body: Mapping[str, Any] | None
    origin: "Wish | None" = None
    told: str = "nothing"
    last: str = ""
    ids: set[str] = field(default_factory=set)

    @property
    def mark(self) -> str:
        """What stands in its record, and in no other but the credit note of its invoice."""
        return mark_of(self.number)

    @property
    def key(self) -> str:
        """Its idempotency key."""
        return f"wish-{self.number}"

    def hear(self, status: int, text: bytes) -> None:
        """Be told something. What was told as done stays told."""
        if status == 201:
            self.told = "success"
            self.ids.add(loads(text)["id"])
        elif self.told != "success":
            self.told = _told(loads(text))
            self.last = f"{status} {text.decode()}"


def mark_of(number: int) -> str:
    """What stands in the record of a wish and in no other."""
    return f"W{number:06d}X"


def told_by(answer: httpx2.Response) -> str:
    """What a problem says: that nobody can tell, that it was refused, or that there is no end yet."""
    return _told(answer.json())


def _told(problem: Mapping[str, Any]) -> str:
    if problem.get("state") == "manual":
        return "manual"
    return "no end" if problem["retryable"] or problem.get("outcome") == "unknown" else "refused"


def contact(name: str) -> dict[str, Any]:
    """A contact that every system takes."""
    address = {"line1": "Dorpsstraat 1", "postal_code": "1234 AB", "city": "Utrecht", "country": "NL"}
    email = f"{name.replace(' ', '').lower()}@voorbeeld.example"
    return {"company_name": f"Wens {name}", "email": email, "address": address}


@dataclass(frozen=True)
class Administration:
    """What a wish in one system must name: an account, a VAT code, a customer, a way to pay."""

    adapter: Adapter
    facts: Facts
    vat_code: str
    account: str
    contact: str
    method: str

    def holds(self, resource: str, field: str) -> bool:
        """Whether the system can hold a field, or Polder keeps it."""
        own = self.adapter.resources[resource]
        return field in own.holds | own.kept

    def body(self, what: What, mark: str, origin: Wish | None) -> Mapping[str, Any] | None:
        """What is asked for, with the mark wherever there is room for one."""
        if what == "contacts":
            return contact(mark)
        if what == "products":
            return self._product(mark)
        if what == "invoices":
            return self._invoice(mark)
        assert origin is not None
        return self._payment(mark, origin) if what == "payments" else self._credit(mark)

    def _product(self, mark: str) -> Mapping[str, Any]:
        body = {"name": f"Brood {mark}", "price": "2.50", "vat_code_id": self.vat_code}
        body |= {"ledger_account_id": self.account} if self.holds("products", "ledger_account_id") else {}
        return {**body, "code": mark} if int(mark[1:-1]) % 2 else body

    def _invoice(self, mark: str) -> Mapping[str, Any]:
        line = {"description": f"Brood {mark}", "quantity": "2", "unit_price": "10.00", "vat_code_id": self.vat_code}
        if not self.facts.account_taxes:
            line["ledger_account_id"] = self.account
        body = {"contact_id": self.contact, "issued_on": "2026-03-02", "lines": [line], "finalize": True}
        return {**body, "number": mark} if self.facts.numbered else body

    def _payment(self, mark: str, origin: Wish) -> Mapping[str, Any]:
        (invoice,) = origin.ids
        body: dict[str, Any] = {"paid_on": "2026-03-02", "amount": AMOUNT}
        body["allocations"] = [{"invoice_id": invoice, "amount": AMOUNT}]
        if self.holds("payments", "payment_method_id"):
            body["payment_method_id"] = self.method
        return {**body, "description": mark} if self.holds("payments", "description") else body

    def _credit(self, mark: str) -> Mapping[str, Any] | None:
        return {"number": mark} if self.facts.numbered else None


class Ledger:
    """What a system really has in its books, by the marks of wishes."""

    def __init__(self, books: Mapping[str, Sequence[Record]], marks: Sequence[str]) -> None:
        wanted = frozenset(marks)
        self._made: dict[tuple[str, str], int] = {}
        invoices = {str(row["id"]): _marks(row, wanted) for row in books["invoices"]}
        for resource in ("contacts", "products", "invoices", "payments"):
            found: Counter[tuple[str, str]] = Counter()
            for row in books[resource]:
                what = "credits" if resource == "invoices" and _is_credit_note(row) else resource
                # A payment that has no room for a mark is known by its invoice.
                settled = invoices.get(str(row.get("invoice_id")), frozenset())
                found.update((what, mark) for mark in _marks(row, wanted) | settled)
            self._made |= found

    def made(self, wish: Wish) -> int:
        """How many records were made for a wish."""
        own = self._made.get((wish.what, wish.mark), 0)
        if own or wish.origin is None:
            return own
        return self._made.get((wish.what, wish.origin.mark), 0)


def _marks(row: Record, wanted: frozenset[str]) -> frozenset[str]:
    return wanted.intersection(_MARK.findall(dumps(row).decode()))


def _is_credit_note(row: Record) -> bool:
    amounts = (row.get("price_with_vat"), row.get("factuurbedrag"))
    return row.get("state") == "credit" or any(str(amount).startswith("-") for amount in amounts)
