"""Products, verb by verb, against TheNextInvoice in memory."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from adapters.thenextinvoice.emulator.state import Product as Stored
from gateway.contract.models import ProductDraft
from gateway.contract.upstream import Reply, Request
from tests.adapters.thenextinvoice.connected import PRODUCTS, Books, connected, product_change


@pytest.mark.parametrize("product_put_absent", ["keep", "clear"])
@pytest.mark.parametrize("product_page_zero", ["first", "refused"])
async def test_a_product_is_made_read_changed_and_deleted(product_put_absent: str, product_page_zero: str) -> None:
    async with connected(product_put_absent=product_put_absent, product_page_zero=product_page_zero) as books:
        price = Decimal("12.3456789")
        made = await books.product(price=price, vat_code_id=books.vat(), ledger_account_id=books.ledger())
        assert (made.name, made.price, made.price_includes_tax) == ("Volkoren brood", "12.3456789", False)
        assert (await PRODUCTS.get(books.up(), made.id)).item == made
        changed = await books.change_product(made.id, name="Speltbrood")
        assert changed == replace(made, name="Speltbrood")
        cleared = await books.change_product(made.id, vat_code_id=None)
        assert cleared == replace(changed, vat_code_id=None)
        assert (await PRODUCTS.get(books.up(), made.id)).item == cleared
        await PRODUCTS.delete(books.up(), made.id)
        await books.refused("not_found", PRODUCTS.get(books.up(), made.id))
        await books.refused("not_found", PRODUCTS.update(books.up(), made.id, product_change(name="x")))


@pytest.mark.parametrize("past_end", ["empty", "last"])
async def test_ten_alike_are_told_apart(past_end: str) -> None:
    async with connected(past_end=past_end) as books:
        made = [await books.product() for _ in range(10)]
        assert len({one.id for one in made}) == 10
        assert [one.id for one in await books.listed("products")] == [one.id for one in made]


def beside(books: Books, *names: str) -> None:
    """Somebody else makes products at the moment that ours is being made."""
    send = books.link.send

    async def busy(request: Request, headers: dict[str, str]) -> Reply:
        answer = await send(request, headers)
        if request.method == "POST":
            for name in names:
                id = books.emulator.service.next_id("product")
                books.emulator.company.products[id] = Stored(id, name, Decimal("2.50"), None, None)
        return answer

    books.link.send = busy  # type: ignore[method-assign, assignment]  # the busy colleague


async def test_ours_is_told_from_others_made_at_the_same_moment() -> None:
    async with connected() as books:
        older = await books.product()
        beside(books, "Iets anders", *[f"Brood {number}" for number in range(150)])
        up = books.up()
        made = (await PRODUCTS.create(up, ProductDraft(name="Volkoren brood", price=Decimal("2.50")))).item
        assert (made.id, made.name) == (str(int(older.id) + 1), "Volkoren brood")
        assert up.warnings == []


async def test_of_equals_made_at_the_same_moment_never_an_older_one_is_taken() -> None:
    async with connected() as books:
        older = await books.product()
        beside(books, "Volkoren brood")
        up = books.up()
        made = (await PRODUCTS.create(up, ProductDraft(name="Volkoren brood", price=Decimal("2.50")))).item
        assert int(made.id) > int(older.id)
        assert up.warnings == [("product_ambiguous", None)]


async def test_many_at_once_each_get_their_own() -> None:
    async with connected() as books:
        drafts = [ProductDraft(name=f"Brood {number}", price=Decimal(number)) for number in range(8)]
        made = await asyncio.gather(*(PRODUCTS.create(books.up(), draft) for draft in drafts))
        assert [one.item.name for one in made] == [draft.name for draft in drafts]
        assert len({one.item.id for one in made}) == 8


@pytest.mark.parametrize("past_end", ["empty", "last"])
async def test_a_hundred_new_products_at_once_are_looked_through_to_the_end(past_end: str) -> None:
    async with connected(past_end=past_end) as books:
        beside(books, *[f"Brood {number}" for number in range(99)])
        made = (await PRODUCTS.create(books.up(), ProductDraft(name="Volkoren brood", price=Decimal("2.50")))).item
        assert made.name == "Volkoren brood"


async def test_a_product_without_a_price_is_for_the_system_to_judge() -> None:
    async with connected() as books:
        problem = await books.refused("upstream_rejected", PRODUCTS.create(books.up(), ProductDraft(name="Brood")))
        assert [(one.pointer, one.provider_field) for one in problem.errors] == [("/price", "price")]


async def test_a_price_with_vat_costs_no_call_and_is_never_dropped() -> None:
    async with connected() as books:
        draft = ProductDraft(name="Brood", price=Decimal("2.50"), price_includes_tax=True)
        with books.calls(0):
            problem = await books.refused("field_unsupported", PRODUCTS.create(books.up(drop=True), draft))
        assert problem.errors[0].pointer == "/price_includes_tax"


@pytest.mark.parametrize("field", ["vat_code_id", "ledger_account_id"])
async def test_a_code_that_is_not_there_is_refused(field: str) -> None:
    async with connected() as books:
        draft = ProductDraft(name="Brood", price=Decimal(1), **{field: "987654"})  # type: ignore[arg-type]  # by name
        problem = await books.refused("upstream_rejected", PRODUCTS.create(books.up(), draft))
        assert problem.errors[0].pointer == f"/{field}"
        setattr(draft, field, "abc")
        with books.calls(0):
            problem = await books.refused("validation_failed", PRODUCTS.create(books.up(), draft))
        assert problem.errors[0].pointer == f"/{field}"


@pytest.mark.parametrize("past_end", ["empty", "last"])
@pytest.mark.parametrize("size", [1, 7, 100, 200])
async def test_every_product_is_met_once(past_end: str, size: int) -> None:
    async with connected(past_end=past_end) as books:
        for number in range(100):
            id = books.emulator.service.next_id("product")
            books.emulator.company.products[id] = Stored(id, f"Brood {number}", Decimal(number), None, None)
        listed = [int(one.id) for one in await books.listed("products", size=size)]
        assert listed == sorted(books.emulator.company.products)
