"""Totals to the cent, however Rompslomp rounds: as expected, or refused before anything is final."""

from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest

from adapters.rompslomp.emulator.arithmetic import Rounding
from tests.adapters.rompslomp.connected import connected, line


async def test_prices_with_vat_book_to_the_cent_or_say_by_how_much_not(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        exact = await books.final(line("230.00"), line("1.09", "domestic_low"), prices_include_tax=True)
        assert (exact["totals"]["gross"], "warnings" in exact) == ("231.09", False)
        assert exact["lines"][0]["unit_price"] == "190.08264"
        off = await books.final(line("10.00"), prices_include_tax=True)
        assert off["totals"]["gross"] == "9.99"
        assert [one["code"] for one in off["warnings"]] == ["totals_differ"]
        assert "10.00" in off["warnings"][0]["detail"]
        draft = await books.draft(line("10.00"), prices_include_tax=True, expected_totals={"gross": "10.00"})
        await books.refused(422, "totals_mismatch", "POST", "invoices", draft)


async def test_a_rounding_line_makes_prices_with_vat_exact(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        account = await books.rounds()
        made = await books.final(line("10.00"), prices_include_tax=True, on_rounding="add_line")
        assert (made["totals"]["gross"], "warnings" in made) == ("10.00", False)
        assert (made["lines"][1]["description"], made["lines"][1]["ledger_account_id"]) == ("Afronding", account)


@pytest.mark.parametrize(
    ("rounding", "makes", "other"),
    [("per_line", "0.12", "0.11"), ("per_rate_total", "0.11", "0.12"), ("unrounded", "0.11", "0.12")],
)
async def test_only_a_concept_tells_how_it_rounds(tmp_path: Path, rounding: str, makes: str, other: str) -> None:
    """Three lines of 0.03: 3 x 0.01 of VAT, or 0.02 of all together. What is not as expected is taken back."""
    async with connected(tmp_path, vat_rounding=rounding) as books:
        lines = [line("0.03"), line("0.03"), line("0.03")]
        contact = await books.contact()
        draft = await books.draft(*lines, contact_id=contact, finalize=True, expected_totals={"gross": other})
        problem = await books.refused(422, "totals_mismatch", "POST", "invoices", draft)
        assert problem["outcome"] == "rejected"
        assert books.emulator.books()["invoices"] == []
        await books.refused(422, "totals_mismatch", "POST", "invoices", {**draft, "expected_totals": {"gross": "0.13"}})
        made = await books.ask("POST", "invoices", {**draft, "expected_totals": {"gross": makes}})
        assert (made["document_status"], made["totals"]["gross"]) == ("final", makes)
        assert made["tax_breakdown"][0]["base"] == "0.09"


MIXED: list[list[tuple[str, str]]] = [
    [("10.00", "domestic_high")],
    [("12.40", "domestic_high"), ("26.09", "exempt"), ("8.02", "domestic_low")],
    [("13.55", "domestic_high"), ("4.36", "exempt"), ("1.99", "domestic_low"), ("10.95", "domestic_high")],
]
"""Prices with VAT that come to something else where VAT is taken of rounded amounts, of charges, or not rounded."""


@pytest.mark.parametrize("rounding", get_args(Rounding))
async def test_prices_with_vat_come_to_what_they_are_however_it_rounds(tmp_path: Path, rounding: Rounding) -> None:
    """A line closes the gap where there is one; of what VAT of rounded amounts misses, unrounded ones miss nothing."""
    async with connected(tmp_path, vat_rounding=rounding) as books:
        await books.rounds()
        contact = await books.contact()
        for priced in MIXED:
            lines = [line(price, treatment) for price, treatment in priced]
            made = await books.final(*lines, prices_include_tax=True, on_rounding="add_line", contact_id=contact)
            gross = sum(Decimal(price) for price, _ in priced)
            assert (made["document_status"], Decimal(made["totals"]["gross"])) == ("final", gross)
            assert "warnings" not in made
            groups = made["tax_breakdown"]
            assert sum(Decimal(one["base"]) + Decimal(one["tax"]) for one in groups) == gross


async def test_lines_in_cents_and_vat_once_for_each_rate_are_expected_too(tmp_path: Path) -> None:
    """As an e-invoice has it (EN 16931): thrice 21.875 is 65.64, of which the VAT is 13.78 (thrice 4.59 is 13.77)."""
    async with connected(tmp_path, vat_rounding="per_rate_of_lines") as books:
        lines = [line("87.50", quantity="0.25")] * 3
        totals = {"net": "65.64", "tax": "13.78", "gross": "79.42"}
        made = await books.final(*lines, expected_totals=totals)
        assert "warnings" not in made
        assert {name: made["totals"][name] for name in totals} == totals
        assert [(one["base"], one["tax"]) for one in made["tax_breakdown"]] == [("65.64", "13.78")]


@pytest.mark.parametrize("rounding", get_args(Rounding))
@pytest.mark.parametrize(("price", "gross"), [("190.08264", "230.00"), ("8.26", "9.99"), ("27.276", "33.01")])
async def test_what_is_open_is_told_and_paid_in_cents(tmp_path: Path, rounding: str, price: str, gross: str) -> None:
    """Unrounded these come to 229.9999944, 9.9946 and 33.00396."""
    gross = "33.00" if rounding == "unrounded" and price == "27.276" else gross
    async with connected(tmp_path, vat_rounding=rounding) as books:
        final = await books.final(line(price))
        assert "warnings" not in final or price == "27.276"
        assert (final["totals"]["gross"], final["totals"]["open"], final["totals"]["paid"]) == (gross, gross, "0.00")
        part = await books.pay(final, "1.00")
        assert part["allocations"] == [{"invoice_id": final["id"], "amount": "1.00"}]
        rest = await books.ask("GET", f"invoices/{final['id']}")
        assert (rest["payment_status"], rest["totals"]["paid"]) == ("partially_paid", "1.00")
        await books.pay(final, rest["totals"]["open"])
        paid = await books.ask("GET", f"invoices/{final['id']}")
        assert (paid["payment_status"], paid["totals"]["open"], paid["totals"]["paid"]) == ("paid", "0.00", gross)
        await books.refused(409, "conflict", "POST", "payments", await books.payment(final, "0.01"))


async def test_amounts_that_come_unrounded_still_make_each_other(tmp_path: Path) -> None:
    """669.1956474 and 127.147173006 of VAT are 796.342820406; 924.00 (923.9957) and 194.04 are 1118.03."""
    async with connected(tmp_path, vat_rounding="unrounded") as books:
        made = await books.final(line("0.14", "oss", quantity="4779.96891", vat_country="DE"))
        whole = {"net": "669.20", "tax": "127.14", "gross": "796.34"}
        assert {name: made["totals"][name] for name in whole} == whole
        assert [(one["base"], one["tax"]) for one in made["tax_breakdown"]] == [("669.20", "127.14")]
        mixed = await books.final(line("923.9957"), line("0.669"), line("1", "domestic_low"))
        for said in (mixed["totals"], *mixed["lines"]):
            assert Decimal(said["net"]) + Decimal(said["tax"]) == Decimal(said["gross"])


async def test_a_concept_that_does_not_come_to_what_is_expected_is_left_as_it_was(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        lines = [line("0.03"), line("0.03"), line("0.03")]
        made = await books.ask("POST", "invoices", await books.draft(line("1"), line("2"), description="Eerst"))
        change = {"lines": lines, "description": "Later", "expected_totals": {"gross": "0.11"}}
        problem = await books.refused(422, "totals_mismatch", "PATCH", f"invoices/{made['id']}", change)
        assert (problem["outcome"], problem["difference"]) == ("rejected", {"gross": "-0.01"})
        after = await books.ask("GET", f"invoices/{made['id']}")
        assert after == made
        change["expected_totals"] = {"gross": "0.12"}
        assert (await books.ask("PATCH", f"invoices/{made['id']}", change))["totals"]["gross"] == "0.12"


@pytest.mark.parametrize("tidies", [False, True])
async def test_what_is_expected_of_more_decimals_than_may_be_kept_is_proved(tmp_path: Path, tidies: bool) -> None:
    """How many are kept of a quantity is not documented: 0.333 may become 0.33."""
    async with connected(tmp_path, tidies=tidies) as books:
        contact = await books.contact()
        for price, quantity, net in (("100", "0.333", "33.30"), ("0.0000123", "1000000", "12.30")):
            expected = {"finalize": True, "expected_totals": {"net": net}}
            draft = await books.draft(line(price, quantity=quantity), contact_id=contact, **expected)
            if tidies:
                await books.refused(422, "totals_mismatch", "POST", "invoices", draft)
                assert books.emulator.books()["invoices"] == []
            else:
                assert (await books.ask("POST", "invoices", draft))["totals"]["net"] == net
        short = await books.final(line("2.50", quantity="0.25"), contact_id=contact, expected_totals={"net": "0.63"})
        assert short["totals"]["net"] == "0.63"
