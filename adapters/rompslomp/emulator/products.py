"""Products: price, VAT and code live in a nested line (dossier §4, "product")."""

import re
from dataclasses import replace
from decimal import ROUND_DOWN
from itertools import count
from typing import Any

from adapters.rompslomp.emulator.call import Call, matches
from adapters.rompslomp.emulator.contacts import refuse_if_in_use
from adapters.rompslomp.emulator.errors import TAKEN, WRONG, Violations, too_long
from adapters.rompslomp.emulator.fields import Attributes
from adapters.rompslomp.emulator.lines import PRICED, number_lines, priced, shown_line
from adapters.rompslomp.emulator.noun import Noun
from adapters.rompslomp.emulator.records import Product
from adapters.rompslomp.emulator.state import Company, State

ATTRIBUTES: Attributes = {"has_stock": "boolean", "invoice_line": "object"}
LINE_ATTRIBUTES: Attributes = {**PRICED, "product_code": "long_text"}
CODE_LENGTH = 100
_CODE_LABEL = "Product code"
_CODES = {
    "code": re.compile(r"[A-Za-z0-9_-]+", re.ASCII),
    "alphanumeric": re.compile(r"[A-Za-z0-9]+", re.ASCII),
}


def book_product(state: State, company: Company, body: object, product: Product | None = None) -> Product:
    """Make or change a product. Raises ``ApiError``."""
    given = state.reader.permitted(body, ATTRIBUTES)
    inner = state.reader.permitted(given.get("invoice_line") or {}, LINE_ATTRIBUTES)
    violations = Violations("Product")
    line_given = {name: value for name, value in inner.items() if name in PRICED}
    line = priced(state, company, product.line if product else None, line_given, violations)
    after = replace(product, line=line) if product else Product(line)
    if "has_stock" in given:
        after.has_stock = bool(given["has_stock"])
    if "product_code" in inner:
        after.product_code = inner["product_code"] or ""
    _check_code(state, company, after, violations)
    violations.settle()
    if not after.product_code:
        after.product_code = _free_code(company)
    number_lines(state, [after.line])
    return company.products.put(after) if product else company.products.add(after)


def _check_code(state: State, company: Company, product: Product, violations: Violations) -> None:
    code = product.product_code
    if not code:
        return
    if len(code) > CODE_LENGTH:
        violations.add(_CODE_LABEL, too_long(CODE_LENGTH))
    if not _CODES[state.switches.product_code_charset].fullmatch(code):
        violations.add(_CODE_LABEL, WRONG)
    if state.switches.product_code_unique and _taken(company, product):
        violations.add(_CODE_LABEL, TAKEN)


def _free_code(company: Company) -> str:
    used = {product.product_code for product in company.products.oldest_first()}
    return next(code for number in count(1) if (code := f"P{number}") not in used)


def _taken(company: Company, product: Product) -> bool:
    others = (other for other in company.products.oldest_first() if other.id != product.id)
    return any(other.product_code == product.product_code for other in others)


def shown_product(product: Product) -> dict[str, Any]:
    """A product as answers have it."""
    return {
        "id": product.id,
        "number_sold": int(product.number_sold.to_integral_value(ROUND_DOWN)),
        "has_stock": product.has_stock,
        "invoice_line": {**shown_line(product.line), "product_code": product.product_code},
    }


def _found(call: Call) -> list[Product]:
    call.selection("all", default="all")
    found = call.company.products.newest_first()
    query = call.query("search[q]")
    if query:
        found = [
            product
            for product in found
            if matches(query, (product.product_code, product.line.description), call.switches)
        ]
    codes = call.query_all("search[product_codes]")
    if codes:
        found = [product for product in found if product.product_code in codes]
    return found


def _let_go(call: Call, product: Product) -> None:
    lines = [line for invoice in call.company.sales_invoices.oldest_first() for line in invoice.lines]
    lines += [line for quotation in call.company.quotations.oldest_first() for line in quotation.lines]
    used = any(line.product is product for line in lines)
    refuse_if_in_use("factuurregels" if used else None, "Product", call.switches)


PRODUCTS = Noun(
    root="product",
    many="products",
    name="Product",
    table=lambda company: company.products,
    found=_found,
    shown=lambda _, product: shown_product(product),
    book=lambda call, product: book_product(call.state, call.company, call.wrapped("product"), product),
    let_go=_let_go,
)
