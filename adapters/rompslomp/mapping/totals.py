"""What lines come to, and whether that is what the caller expects (contract §4, ``expected_totals``).

How Rompslomp rounds is not documented and none of its recorded lines needs rounding (dossier §6), so totals are
foreseen in each way it may round. Where the ways differ and one of them is expected, only a concept can tell which.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import get_args

from adapters.rompslomp.mapping.lines import DECIMALS, QUANTITY_DECIMALS, Document, Item, Setup
from gateway.contract.lines import rounding_account, rounding_code
from gateway.contract.models import ExpectedTotals
from gateway.contract.money import ZERO, Amounts, Priced, TaxRounding, add_up, charged, round_to_cents, with_tax
from gateway.contract.totals import asserted, check_length, closes, differences, mismatch

ROUNDINGS: tuple[TaxRounding, ...] = get_args(TaxRounding)
_DIGITS = 100
"""Working precision, for what is rounded only when it is added up."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Lines to write, what they are expected to come to, and whether it is certain that they do."""

    items: tuple[Item, ...]
    expected: Mapping[str, Decimal]
    certain: bool
    adds_line: bool


def planned(document: Document, expected: ExpectedTotals | None, on_rounding: str, setup: Setup) -> Plan:
    """The lines, with a rounding line where one is wanted and is enough.

    Raises ``totals_mismatch`` where no way of rounding makes what is expected. With ``add_line``, prices with VAT are
    an expectation too: their gross is what is to be paid.
    """
    adds_line = on_rounding == "add_line"
    wanted = asserted(expected)
    if adds_line and document.gross_with_tax is not None:
        wanted.setdefault("gross", document.gross_with_tax)
    plan = Plan(document.items, wanted, True, adds_line)
    off = _all_gaps(plan)
    if adds_line and len({one.get("gross", ZERO) for one in off}) == 1 and closes(off[0].get("gross", ZERO)):
        plan = replace(plan, items=(*plan.items, rounding_item(off[0]["gross"], setup)))
        off = _all_gaps(plan)
    if not any(off):
        return replace(plan, certain=not wanted or all(map(is_surely_kept, plan.items)))
    if not any(not one or (adds_line and closes(one.get("gross", ZERO))) for one in off):
        raise mismatch("Rompslomp", off[0])
    return replace(plan, certain=False)


def _all_gaps(plan: Plan) -> list[dict[str, Decimal]]:
    return [differences(plan.expected, total) for total in foreseen(plan.items)]


def foreseen(items: Sequence[Item]) -> list[Amounts]:
    """What the lines come to, in every way Rompslomp may round; one where it makes no difference.

    Raises ``validation_failed`` for more than an amount can say.
    """
    priced = [Priced(one.quantity, one.price, ZERO, one.rate, str(one.rate.normalize())) for one in items]
    sums = [add_up(priced, prices_include_tax=False, rounding=rounding) for rounding in ROUNDINGS]
    for sum in sums:
        check_length((*sum.lines, sum.total))
    return list(dict.fromkeys([*(sum.total for sum in sums), *_of_charges(priced)]))


def is_surely_kept(item: Item) -> bool:
    """Whether a line has no more decimals than are known to be kept: of a quantity, no recorded one has any at all."""
    return all(
        number == number.quantize(Decimal(1).scaleb(-places))
        for number, places in ((item.price, DECIMALS), (item.quantity, QUANTITY_DECIMALS))
    )


def _of_charges(priced: Sequence[Priced]) -> tuple[Amounts, Amounts]:
    """VAT of what lines charge and not of what they show: rounded for each line; and nothing rounded but by us."""
    nets = [charged(line) for line in priced]
    grosses = [with_tax(net, line.rate) for net, line in zip(nets, priced, strict=True)]
    with localcontext(prec=_DIGITS):
        taxes = [gross - net for net, gross in zip(nets, grosses, strict=True)]
        net, tax = sum(map(round_to_cents, nets), ZERO), sum(map(round_to_cents, taxes), ZERO)
        whole_net, whole_gross = round_to_cents(sum(nets, ZERO)), round_to_cents(sum(grosses, ZERO))
        return Amounts(net, tax, net + tax), Amounts(whole_net, whole_gross - whole_net, whole_gross)


def rounding_item(gap: Decimal, setup: Setup) -> Item:
    """The line that closes a gap, free of VAT. Raises ``validation_failed`` where it has no account or code."""
    account = rounding_account(setup.rounding_ledger_account_id)
    return Item(
        description="Afronding",
        quantity=Decimal(1),
        price=gap,
        code=rounding_code(setup.todays.values(), "exempt"),
        rate=ZERO,
        ledger_account_id=account,
    )
