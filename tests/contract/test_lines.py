"""What a line leaves open is settled, or said to be required, alike on every system."""

from decimal import Decimal

import pytest

from gateway.contract.errors import Problem
from gateway.contract.lines import named_code, price_of, rounding_account, rounding_code
from gateway.contract.models import LineDraft, Product, VatCode
from gateway.contract.money import AmountText, NumberText

CODE = VatCode(id="1", name="Hoog", rate=NumberText("21"), category="S", treatment="domestic_high", direction="sale")
HIGH = Decimal(21)


def product(price: str | None, *, with_tax: bool = False, code: str | None = None) -> Product:
    said = None if price is None else AmountText(price)
    return Product(
        id="7", name="Brood", type="goods", price=said, price_includes_tax=with_tax, vat_code_id=code, archived=False
    )


def line(**said: str) -> LineDraft:
    return LineDraft.model_validate({"description": "Brood", "product_id": "7", **said})


@pytest.mark.parametrize(
    ("own", "products", "with_tax", "includes_tax", "price"),
    [
        ({"unit_price": "2"}, "1.00", False, True, "2"),
        ({}, "1.00", False, False, "1.00"),
        ({}, "1.00", False, True, "1.21"),
        ({}, "1.00", True, True, "1.00"),
    ],
)
def test_a_price_is_the_lines_own_else_its_products(
    own: dict[str, str], products: str, with_tax: bool, includes_tax: bool, price: str
) -> None:
    sold = product(products, with_tax=with_tax)
    assert price_of(line(**own), "/lines/0", sold, HIGH, includes_tax=includes_tax) == Decimal(price)


def test_a_price_with_tax_of_nothing_is_one_without() -> None:
    assert price_of(line(), "/lines/0", product("1.00", with_tax=True), Decimal(0), includes_tax=False) == 1


@pytest.mark.parametrize("sold", [None, product(None), product("1.00", with_tax=True)])
def test_a_price_that_nobody_gives_is_required(sold: Product | None) -> None:
    with pytest.raises(Problem) as caught:
        price_of(line(), "/lines/3", sold, HIGH, includes_tax=False)
    assert [(one.pointer, one.code) for one in caught.value.errors] == [("/lines/3/unit_price", "required")]


def test_a_vat_code_is_the_lines_own_else_its_products() -> None:
    assert named_code(line(vat_code_id="1"), "/lines/0", product("1", code="2"), {"1": CODE}) is CODE
    assert named_code(line(), "/lines/0", product("1", code="1"), {"1": CODE}) is CODE


@pytest.mark.parametrize(
    ("own", "sold", "code"),
    [({}, None, "required"), ({}, product("1", code="2"), "required"), ({"vat_code_id": "2"}, None, "not_found")],
)
def test_a_vat_code_that_is_not_there_is_told_from_one_that_is_not_given(
    own: dict[str, str], sold: Product | None, code: str
) -> None:
    with pytest.raises(Problem) as caught:
        named_code(line(**own), "/lines/0", sold, {"1": CODE})
    assert [(one.pointer, one.code) for one in caught.value.errors] == [("/lines/0/vat_code_id", code)]


def test_a_rounding_line_needs_an_account_and_a_code() -> None:
    assert (rounding_account("9"), rounding_code([CODE], "domestic_high")) == ("9", CODE)
    for missing in (lambda: rounding_account(None), lambda: rounding_code([CODE], "exempt")):
        with pytest.raises(Problem) as caught:
            missing()
        assert [(one.pointer, one.code) for one in caught.value.errors] == [("/on_rounding", "required")]
