"""What an adapter decided for the caller on the way to a request: a dry run tells it, a write forgets it.

Why it decided so is one of a closed set of reasons, so that it can be told in more than one language.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from gateway.contract.models.ledger import VatCode
from gateway.contract.money import Amounts

Reason = Literal[
    "said",
    "treatment",
    "of_product",
    "of_account",
    "setting",
    "default",
    "today",
    "first_for_vat",
    "only_one",
    "customer_term",
]
"""``said``: the caller named it; ``treatment``: it is the code for the treatment; ``of_product``, ``of_account``: the
line's product or ledger account has it; ``setting``: the connection is set to it; ``default``: the contract says so;
``first_for_vat``: the first ledger account for the VAT; ``only_one``: there is no other; ``customer_term``: the term of
payment of the customer or the sender."""


@dataclass(frozen=True, slots=True)
class Defaulted:
    """A value that the caller left open. ``pointer`` is an RFC 6901 pointer into the body."""

    pointer: str
    value: str | bool
    reason: Reason


@dataclass(frozen=True, slots=True)
class Taxed:
    """How one line, counted from 0, is taxed."""

    line: int
    code: VatCode
    reason: Reason
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the caller is told with the answer, by language (``en``, ``nl``)."""

    code: str
    pointer: str | None
    details: Mapping[str, str]

    @property
    def json(self) -> dict[str, str | None]:
        """As it is told with an answer: in English, because an answer that is given again is the same to everybody."""
        return {"code": self.code, "detail": self.details["en"], "pointer": self.pointer}


@dataclass(slots=True)
class Plan:
    """What was decided so far for one request of ours."""

    defaults: list[Defaulted] = field(default_factory=list)
    taxes: list[Taxed] = field(default_factory=list)
    totals: Amounts | None = None
    continues: dict[str, str] | None = None
    """Why further writes follow that need the answer of the first, by language (``en``, ``nl``)."""

    def defaulted(self, pointer: str, value: str | bool, reason: Reason) -> None:
        """The caller left this open, and it was settled so."""
        self.defaults.append(Defaulted(pointer, value, reason))

    def taxed(self, line: int, code: VatCode, reason: Reason, rate: Decimal | None = None) -> None:
        """A line is taxed so; ``rate`` where it is not the code's own."""
        self.taxes.append(Taxed(line, code, reason, code.percentage if rate is None else rate))

    def comes_to(self, totals: Amounts) -> None:
        """What the document comes to, where that is certain."""
        self.totals = totals

    def goes_on(self, *, en: str, nl: str) -> None:
        """Said before a write that others follow: they need its answer, so that nobody can show them beforehand."""
        self.continues = {"en": en, "nl": nl}


def reason_of(*, vat_code_id: str | None, vat_treatment: str | None, product_id: str | None) -> Reason:
    """Why a line is taxed as it is, by what it says."""
    if vat_treatment is not None:
        return "treatment"
    if vat_code_id is not None:
        return "said"
    return "of_product" if product_id is not None else "of_account"
