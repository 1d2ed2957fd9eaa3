"""What the figures of Rompslomp's invoices and lines come to."""

from typing import Any

import pytest

from adapters.rompslomp.mapping.figures import charge_of, tally_of
from adapters.rompslomp.mapping.invoices import InvoiceHead

CHARGE: dict[str, Any] = {
    "product_id": 7,
    "quantity": "2.0",
    "price": "5.0",
    "vat_type_id": 8,
    "rate": "0.21",
    "account_id": None,
    "net": "10.0",
    "tax": "2.1",
    "gross": "12.1",
}
TALLY: dict[str, Any] = {
    "status": "final",
    "said": "unpaid",
    "net": "10.0",
    "tax": "2.1",
    "gross": "12.1",
    "open_amount": "12.1",
}
NO_NUMBERS = ["", "ten", "1.2a3", "1,234", "NaN", "1" * 31]


def test_a_charge_is_spelled_as_ours() -> None:
    assert charge_of(*CHARGE.values()) == ("7", "2", "5.00", "8", "21", None, ("10.00", "2.10", "12.10"))


def test_a_tally_is_above_zero() -> None:
    note = {name: f"-{text}" if name not in ("status", "said") else text for name, text in TALLY.items()}
    owed, given_back = tally_of(*TALLY.values()), tally_of(*note.values())
    assert given_back == owed._replace(is_credit_note=True)
    assert owed == ("final", False, ("10.00", "2.10", "12.10"), ("unpaid", "0.00", "12.10", True))


@pytest.mark.parametrize(("left", "is_owed"), [(None, False), ("0.0", False), ("0.004", False), ("0.01", True)])
def test_what_is_open_is_owed(left: str | None, is_owed: bool) -> None:
    standing = tally_of(**{**TALLY, "open_amount": left}).standing
    assert standing.is_owed is is_owed


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize("figure", ["quantity", "price", "rate", "net", "tax", "gross"])
def test_a_figure_of_a_line_that_is_no_number_becomes_no_amount(figure: str, text: str) -> None:
    for _ in ("at first", "once more"):
        with pytest.raises(ValueError, match="number"):
            charge_of(*{**CHARGE, figure: text}.values())


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize("figure", ["net", "tax", "gross", "open_amount"])
def test_a_figure_of_an_invoice_that_is_no_number_becomes_no_amount(figure: str, text: str) -> None:
    for _ in ("at first", "once more"):
        with pytest.raises(ValueError, match="number"):
            tally_of(*{**TALLY, figure: text}.values())


def test_no_word_of_a_system_is_remembered() -> None:
    """Else what is remembered would be bounded in number, and in no way in bytes."""
    figures = {"id": 1, "date": "2024-03-01", "price_without_vat": "1.0", "vat_amount": "0.2", "price_with_vat": "1.2"}
    long, short = (
        InvoiceHead.of({**figures, "status": text, "payment_status": text, "description": text})
        for text in ("x" * 100_000, "?")
    )
    assert long.tally is short.tally
