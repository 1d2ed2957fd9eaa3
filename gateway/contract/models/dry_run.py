"""What a write would do: the answer to ``?dry_run=true``."""

from typing import Any, Literal

from pydantic import Field

from gateway.contract.models.base import Shape
from gateway.contract.models.ledger import VatTreatment
from gateway.contract.money import Amount, Percentage


class PlannedRequest(Shape):
    """A request to the accounting system, as it would be sent; credentials are left out."""

    method: str
    url: str
    body: Any = Field(description="The JSON of its body, or null.")


class DroppedField(Shape):
    """A field the accounting system has no place for."""

    pointer: str | None
    reason: str


class DefaultedField(Shape):
    """A value that the body left open, and what was taken for it."""

    pointer: str
    value: Any
    reason: str


class LineVat(Shape):
    """How one line, counted from 0, would be taxed."""

    line: int
    vat_code_id: str
    treatment: VatTreatment
    rate: Percentage
    reason: str


class PlannedTotals(Shape):
    """What the document would come to."""

    net: Amount
    tax: Amount
    gross: Amount


class PlannedWarning(Shape):
    """Something the caller should know of the write."""

    code: str
    detail: str
    pointer: str | None


class DryRun(Shape):
    """What a write would do. Nothing was sent and nothing is kept."""

    dry_run: Literal[True]
    complete: bool = Field(description="Whether `requests` are all; else `incomplete_reason` says what follows.")
    incomplete_reason: str | None
    requests: list[PlannedRequest]
    dropped: list[DroppedField]
    defaulted: list[DefaultedField]
    vat: list[LineVat]
    totals: PlannedTotals | None = Field(description="Null where they are not certain before the system says so.")
    warnings: list[PlannedWarning]
