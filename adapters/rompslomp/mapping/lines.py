"""Lines to write: what they leave open settled, and prices brought to Rompslomp's.

A price is without VAT here, and a line has no discount, no unit and no kind (dossier §4, "invoice_line").
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from adapters.rompslomp.mapping.abroad import SALES, is_of, sales_of, type_id_of
from adapters.rompslomp.mapping.settings import EU_ABROAD, brings_own_rate
from adapters.rompslomp.mapping.values import Json, id_in_body
from gateway.contract.errors import invalid, no_vat_code, unsupported
from gateway.contract.lines import named_code, price_of
from gateway.contract.models import Contact, LineDraft, Product, VatCode
from gateway.contract.money import FRACTION_DIGITS, ZERO, Priced, add_up, exact, plain

FIRST_LINE = 255
"""Characters of a line's ``description``; what is longer goes into ``extended_description`` (dossier §4)."""
DECIMALS = 5
"""Decimals of a price derived from one with VAT: as many as are known to be kept (dossier §6)."""
QUANTITY_DECIMALS = 2
"""Decimals of a quantity that are taken to be kept: none that is recorded has any (dossier §6)."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What lines need to know: VAT codes and named products by id, and the connection's own ledger accounts."""

    todays: Mapping[str, VatCode]
    """What a treatment may mean: ``domestic_low`` was 6 % once, and is no more."""
    vat_codes: Mapping[str, VatCode]
    """What may be named: those of the past too, where a line names one."""
    products: Mapping[str, Product]
    ledger_account_id: str | None = None
    rounding_ledger_account_id: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A line ready to be written: amounts of a credit note are positive still."""

    description: str
    quantity: Decimal
    price: Decimal
    """Without VAT."""
    code: VatCode
    rate: Decimal
    product_id: str | None = None
    ledger_account_id: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """Lines ready to be written, and the gross that prices with VAT come to; null where prices are without."""

    items: tuple[Item, ...]
    gross_with_tax: Decimal | None = None


def document_of(lines: Sequence[LineDraft], setup: Setup, *, prices_include_tax: bool) -> Document:
    """The lines, everything they leave open settled. Raises ``validation_failed`` for what cannot be."""
    resolved = [_ResolvedLine(line, f"/lines/{number}", setup, prices_include_tax) for number, line in charging(lines)]
    if not resolved:
        raise invalid("/lines", "An invoice needs a line that charges something.", "required")
    if len(sales_of(one.code for one in resolved)) > 1:
        message = "Goods and services to other countries of the EU, and exports, stand on invoices of their own."
        raise invalid("/lines", message)
    items = tuple(one.item() for one in resolved)
    if not prices_include_tax:
        return Document(items)
    priced = [Priced(one.quantity, one.price, ZERO, one.rate, str(one.rate)) for one in resolved]
    return Document(items, add_up(priced, prices_include_tax=True, rounding="per_line").total.gross)


def charging(lines: Sequence[LineDraft]) -> list[tuple[int, LineDraft]]:
    """The lines that are not of text, by their place: one of text may be dropped, or it would have been refused."""
    return [(number, line) for number, line in enumerate(lines) if line.type == "item"]


class _ResolvedLine:
    """One line of the caller's, looked at with the administration's own codes and products."""

    def __init__(self, line: LineDraft, pointer: str, setup: Setup, prices_include_tax: bool) -> None:
        self._line = line
        self._pointer = pointer
        self._setup = setup
        self._includes_tax = prices_include_tax
        self._product = setup.products.get(line.product_id or "")
        self.quantity = Decimal(1) if line.quantity is None else line.quantity
        self.code = self._code()
        self.rate = self._rate()
        self.price = price_of(line, pointer, self._product, self.rate, includes_tax=prices_include_tax)

    def item(self) -> Item:
        product = self._product
        account = self._line.ledger_account_id or (product.ledger_account_id if product is not None else None)
        price = self.price
        if self._line.unit_price is None and product is not None and product.price is not None:
            price = exact(product.price)  # which is without VAT as it is
        elif self._includes_tax:
            price = without_tax(price, self.rate, self.quantity)
        return Item(
            description=self._line.description,
            quantity=self.quantity,
            price=price,
            code=self.code,
            rate=self.rate,
            product_id=self._line.product_id,
            ledger_account_id=account or self._setup.ledger_account_id,
        )

    def _code(self) -> VatCode:
        line = self._line
        if line.vat_treatment is not None:
            return self._code_for_treatment()
        code = named_code(line, self._pointer, self._product, self._setup.vat_codes)
        if not is_of(code, line.vat_country):
            raise invalid(f"{self._pointer}/vat_country", "The VAT code is not of this country.")
        return code

    def _code_for_treatment(self) -> VatCode:
        line = self._line
        for code in self._setup.todays.values():
            if (
                code.treatment == line.vat_treatment
                and (line.vat_rate is None or code.percentage == line.vat_rate)
                and is_of(code, line.vat_country)
            ):
                if code.treatment == "oss" and line.vat_country is None:
                    message = "VAT of another country needs its country."
                    raise invalid(f"{self._pointer}/vat_country", message, "required")
                return code
        sale = SALES.get(line.vat_treatment or "")
        if sale is None or any(code.treatment == sale.treatment for code in self._setup.todays.values()):
            raise no_vat_code(self._pointer, rate=line.vat_rate, country=line.vat_country)
        message = f"Rompslomp has no VAT type for this: the setting {sale.setting} names the VAT code of 0 % to use."
        raise invalid(f"{self._pointer}/vat_treatment", message, "not_found")

    def _rate(self) -> Decimal:
        rate = self._line.vat_rate
        if brings_own_rate(self.code):
            if rate is None:
                raise invalid(f"{self._pointer}/vat_rate", "A line of this VAT code needs its rate.", "required")
            return rate
        if rate is not None and rate != self.code.percentage:
            raise invalid(f"{self._pointer}/vat_rate", f"The rate of this VAT code is {self.code.rate}.")
        return self.code.percentage


def without_tax(price: Decimal, rate: Decimal, quantity: Decimal) -> Decimal:
    """The price without VAT, with so many decimals that the line does not feel those that are left off."""
    decimals = min(DECIMALS + max(0, quantity.adjusted() if quantity else 0), FRACTION_DIGITS)
    return (price * 100 / (100 + rate)).quantize(Decimal(1).scaleb(-decimals))


def line_bodies(items: Sequence[Item], sign: int) -> list[Json]:
    """Lines as they are written: those of a credit note have negative prices (dossier §3, "Not there")."""
    return [_line_body(item, f"/lines/{number}", sign) for number, item in enumerate(items)]


def _line_body(item: Item, pointer: str, sign: int) -> Json:
    first, rest = divided(item.description, f"{pointer}/description")
    body: Json = {
        "description": first,
        "extended_description": rest,
        "price_per_unit": plain(sign * item.price),
        "quantity": plain(item.quantity),
        "vat_type_id": id_in_body(type_id_of(item.code.id), f"{pointer}/vat_code_id"),
        "product_id": item.product_id and id_in_body(item.product_id, f"{pointer}/product_id"),
        "account_id": item.ledger_account_id and id_in_body(item.ledger_account_id, f"{pointer}/ledger_account_id"),
    }
    if brings_own_rate(item.code):
        body["vat_rate"] = plain(item.rate / 100)
    return body


def divided(text: str, pointer: str) -> tuple[str, str | None]:
    """The first line of a description, and what follows it. Raises ``field_unsupported`` where that is too long."""
    first, _, rest = text.strip().replace("\r\n", "\n").partition("\n")
    if len(first) > FIRST_LINE:
        raise unsupported(pointer, f"The first line of a description has at most {FIRST_LINE} characters in Rompslomp.")
    return first, rest if rest.strip() else None


def replaced(before: Sequence[int], bodies: Sequence[Json]) -> list[Json]:
    """Lines that take the place of others: in order, those there were are changed, and those left over deleted."""
    kept = [{"id": id, **body} for id, body in zip(before, bodies, strict=False)]
    dropped: list[Json] = [{"id": id, "_destroy": True} for id in before[len(bodies) :]]
    return [*kept, *bodies[len(before) :], *dropped]


def is_distance_sale(items: Sequence[Item]) -> bool:
    """Whether another country's VAT is charged (dossier §4, ``distance_sale``)."""
    return any(item.code.treatment == "oss" for item in items)


def may_need_vat_number(codes: Iterable[VatCode]) -> bool:
    """Whether the customer's VAT number may have to be on the invoice (dossier §4, ``vat_number``)."""
    return any(code.code in ("vat_reverse_charged", "vat_zero") for code in codes)


def vat_number_for(codes: Iterable[VatCode], contact: Contact) -> str | None:
    """The VAT number that the invoice must carry; null for none. Rompslomp itself refuses one that is missing."""
    reversed_ = any(code.code == "vat_reverse_charged" for code in codes)
    country = contact.address.country if contact.address is not None else None
    return contact.vat_number if reversed_ or country in EU_ABROAD else None
