"""Products."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from adapters.thenextinvoice.mapping import products
from adapters.thenextinvoice.mapping.requirements import product_requirements
from adapters.thenextinvoice.mapping.values import SearchPage
from adapters.thenextinvoice.wire import PAGE_CAP, pointing, read_search, request
from gateway.contract.adapter import Listing, Products, Record, Sent, Traces
from gateway.contract.errors import malformed
from gateway.contract.exact import Unread
from gateway.contract.models import Change, Product, ProductDraft
from gateway.contract.paging import Page, PageNumber, Slice
from gateway.contract.schemas import Requirements
from gateway.contract.upstream import Upstream, number_in_path
from gateway.contract.wire import RawRecord


class PlainProducts(Products):
    """``/product``. Code and external_ref are kept by Polder: there is no room for them.

    The default page is documented as 0, the pages of the example count from 1: a page is always asked for by number.
    """

    holds = products.HOLDS
    kept = frozenset({"external_ref", "code"})
    calls: ClassVar[Mapping[str, str]] = {
        "list": "1 for each 100 products",
        "create": "3: the newest id, the product, and finding it",
        "update": "2: reading the product and writing it whole",
    }
    limits: ClassVar[Mapping[str, str]] = {"create": "A price is required there, without VAT."}

    async def requirements(self, up: Upstream, verb: str) -> Requirements:
        del up, verb
        return product_requirements()

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Product]]:
        async def fetch(page: int, size: int) -> Slice[Record[Product]]:
            found = await _search(up, page, size)
            return Slice([products.product_of(raw) for raw in found.items], found.total)

        return await PageNumber(fetch, PAGE_CAP).read(listing.window)

    async def get(self, up: Upstream, id: str) -> Record[Product]:
        return products.product_of(await _read(up, id))

    async def create(self, up: Upstream, draft: ProductDraft) -> Record[Product]:
        body = products.merged(products.blank(), draft.given())
        highest = await _highest_id(up)
        up.note("highest", str(highest))
        with pointing(products.POINTERS):
            await up.data(request("POST", "product", json=body))
        return products.product_of(await _just_made(up, body, highest))

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Product]:
        """By its name, among those with an id above the highest there was."""
        new = await _made_since(up, int(sent.notes["highest"]))
        return Traces([products.product_of(raw) for raw in products.likest(new, sent.request.json)])

    async def update(self, up: Upstream, id: str, change: Change) -> Record[Product]:
        body = products.merged(products.existing_body(await _read(up, id)), change.given())
        with pointing(products.POINTERS):
            raw = await up.data(request("PUT", "product", number_in_path(id), json=body))
        return products.product_of(raw)

    async def delete(self, up: Upstream, id: str) -> None:
        await up.data(request("DELETE", "product", number_in_path(id)))


async def _read(up: Upstream, id: str) -> Unread:
    raw: Unread = await up.data(request("GET", "product", number_in_path(id)))
    return raw


async def _search(up: Upstream, page: int, size: int, *, newest_first: bool = False) -> SearchPage:
    order = [("order", "id"), ("reverse", "true" if newest_first else "false")]
    query = [*order, ("limit", str(size)), ("page", str(page))]
    return read_search(await up.call(request("GET", "product", "search", query=query)))


async def _highest_id(up: Upstream) -> int:
    """The highest id there is, 0 where there are no products."""
    newest = (await _search(up, 1, 1, newest_first=True)).items
    return int(products.ProductRow.of(newest[0]).key) if newest else 0


async def _just_made(up: Upstream, body: Mapping[str, Any], highest: int) -> RawRecord:
    """The product that was just made: creating answers a sentence and no id (documentation, "Create Product").

    It is among those with an id above the highest one there was before, so no older product is ever taken for it. Where
    someone else made one like it in the same moment, the newest is taken: the other's was most likely there already
    when ours was made. Where only one is new it is ours, however TheNextInvoice wrote it down.
    """
    new = await _made_since(up, highest)
    alike = products.likest(new, body)
    if len(alike) > 1:
        up.warn(
            "product_ambiguous",
            en=f"{len(alike)} products alike were made at the same moment; this is the newest of them.",
            nl=f"Er zijn op hetzelfde moment {len(alike)} gelijke producten gemaakt; dit is het nieuwste daarvan.",
        )
    if alike or len(new) == 1:
        return (alike or new)[0]
    raise malformed("TheNextInvoice says it made the product, but it is not to be found.")


async def _made_since(up: Upstream, highest: int) -> Sequence[RawRecord]:
    """All products with an id above one, newest first."""
    new: list[RawRecord] = []
    page = 1
    while True:
        found = await _search(up, page, PAGE_CAP, newest_first=True)
        above = products.made_since(found.items, highest)
        new += above
        if len(above) < PAGE_CAP or page * PAGE_CAP >= found.total:
            return new
        page += 1
