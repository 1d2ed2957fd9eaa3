"""Amounts to the cent: the vendor's own numbers, rounding both ways, and agreement with the contract's arithmetic."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rompslomp.emulator import Switches
from adapters.rompslomp.emulator.arithmetic import Amounts, Charge, Rounding, document_amounts, line_amounts, written
from gateway.contract.money import Priced, TaxRounding, add_up
from tests.adapters.rompslomp.emulated import provided

D = Decimal


@pytest.mark.parametrize(
    ("price", "quantity", "net", "vat", "gross"),
    [
        # Recorded in the vendor's document.
        ("75.0", "4.0", "300.0", "63.0", "363.0"),
        ("75.0", "5.0", "375.0", "78.75", "453.75"),
        ("1895.0", "1.0", "1895.0", "397.95", "2292.95"),
        ("10.0", "1.0", "10.0", "2.1", "12.1"),
        # A price of five decimals that a webshop sends for 230.00 with VAT.
        ("190.08264", "1.0", "190.08", "39.92", "230.0"),
        # Half a cent goes away from zero, on either side of it.
        ("0.025", "1", "0.03", "0.01", "0.04"),
        ("-0.025", "1", "-0.03", "-0.01", "-0.04"),
    ],
)
def test_a_line(price: str, quantity: str, net: str, vat: str, gross: str) -> None:
    amounts = line_amounts(Charge(D(price), D(quantity), D("0.21")))
    assert (written(amounts.net), written(amounts.vat), written(amounts.gross)) == (net, vat, gross)


def test_per_line_and_per_rate_total_differ_by_cents() -> None:
    charges = [Charge(D("0.99"), D(1), D("0.21"))] * 3
    assert document_amounts(charges, "per_line") == Amounts(D("2.97"), D("0.63"), D("3.60"))
    assert document_amounts(charges, "per_rate_total") == Amounts(D("2.97"), D("0.62"), D("3.59"))
    thirds = [Charge(D("0.333"), D(1), D("0.21"))] * 3
    assert document_amounts(thirds, "per_line").net == D("0.99")
    assert document_amounts(thirds, "per_rate_total").net == D("1.00")
    assert document_amounts(thirds, "unrounded") == Amounts(D("0.999"), D("0.20979"), D("1.20879"))
    assert line_amounts(thirds[0], "unrounded") == Amounts(D("0.333"), D("0.06993"), D("0.40293"))


PRICES = st.decimals("-1e6", "1e6", places=6)
QUANTITIES = st.decimals("-1000", "1000", places=4)
RATES = st.sampled_from([D("0.21"), D("0.09"), D("0.255"), D("0")])


@given(st.lists(st.builds(Charge, PRICES, QUANTITIES, RATES), max_size=8))
def test_the_contract_computes_the_same(charges: list[Charge]) -> None:
    lines = [
        Priced(charge.quantity, charge.price, D(0), charge.rate * 100, group=str(charge.rate)) for charge in charges
    ]
    ways: list[tuple[Rounding, TaxRounding]] = [("per_line", "per_line"), ("per_rate_total", "per_rate")]
    ways.append(("per_rate_of_lines", "per_rate_of_lines"))
    for ours, theirs in ways:
        amounts = document_amounts(charges, ours)
        total = add_up(lines, prices_include_tax=False, rounding=theirs).total
        assert (amounts.net, amounts.vat, amounts.gross) == (total.net, total.tax, total.gross)


@pytest.mark.parametrize(
    ("switches", "vat", "gross"),
    [(Switches(vat_rounding="per_line"), "0.63", "3.6"), (Switches(vat_rounding="per_rate_total"), "0.62", "3.59")],
)
async def test_an_invoice_is_added_up_as_the_switch_says(switches: Switches, vat: str, gross: str) -> None:
    async with provided(switches) as provider:
        invoice = await provider.invoice([{"price_per_unit": "0.99"}] * 3)
        assert (invoice["vat_amount"], invoice["price_with_vat"], invoice["open_amount"]) == (vat, gross, gross)
        assert {line["vat_amount"] for line in invoice["invoice_lines"]} == {"0.21"}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("190.08264", "190.08264"),
        ("12345678901.123456789", "12345678901.123456789"),
        (D("12.40"), "12.4"),
        (5, "5.0"),
        (D("1E+2"), "100.0"),
        ("-0.00", "0.0"),
        ("007.50", "7.5"),
    ],
)
async def test_prices_keep_every_decimal(sent: object, kept: str) -> None:
    async with provided() as provider:
        invoice = await provider.invoice([{"price_per_unit": sent}])
        assert invoice["invoice_lines"][0]["price_per_unit"] == kept
