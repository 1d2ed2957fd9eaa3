"""``/products``."""

from collections.abc import Mapping
from typing import ClassVar

from adapters.rompslomp.mapping.products import HOLDS, product_body, product_of
from adapters.rompslomp.mapping.requirements import product_requirements
from adapters.rompslomp.resources import calls
from gateway.contract.adapter import Listing, Products, Record, Sent, Traces
from gateway.contract.exact import Unread
from gateway.contract.matching import is_product, longest_word, new_among, note_existing
from gateway.contract.models import Change, Product, ProductDraft
from gateway.contract.paging import Page, cut
from gateway.contract.schemas import Requirements
from gateway.contract.upstream import Upstream


class RompslompProducts(Products):
    """A PATCH changes only what it names, of the nested line too (recorded, dossier §4)."""

    filters = frozenset({"code"})
    holds = HOLDS
    calls: ClassVar[Mapping[str, str]] = {
        "list": calls.LIST_CALLS,
        "create": "2: what is there of its code or name is looked up first, to know the new product from it",
    }

    async def requirements(self, up: Upstream, verb: str) -> Requirements:
        del verb
        return product_requirements(await calls.vat_codes(up))

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Product]]:
        query = [("selection", "all")]
        code = listing.text("code")
        if code is None:
            return await calls.page_of(up, "products", query, listing, product_of)
        rows = await _with_code(up, code)
        return cut([one for one in map(product_of, rows) if one.item.code == code], listing.window)

    async def get(self, up: Upstream, id: str) -> Record[Product]:
        return product_of(await calls.record(up, "GET", "product", id))

    async def create(self, up: Upstream, draft: ProductDraft) -> Record[Product]:
        body = product_body(draft.given())
        note_existing(up, await _alike(up, draft))
        return product_of(await calls.record(up, "POST", "product", body=body))

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Product]:
        """By its code or its name, among those that were not there before."""
        assert isinstance(sent.draft, ProductDraft)
        return new_among(sent, await _alike(up, sent.draft))

    async def update(self, up: Upstream, id: str, change: Change) -> Record[Product]:
        body = product_body(change.given())
        if not body["invoice_line"]:
            return await self.get(up, id)
        return product_of(await calls.record(up, "PATCH", "product", id, body=body))

    async def delete(self, up: Upstream, id: str) -> None:
        await calls.delete(up, "products", id)


async def _alike(up: Upstream, draft: ProductDraft) -> list[Record[Product]]:
    """The products that have a draft's name, and its code where it has one. Names are searched too (dossier §3)."""
    named = [("selection", "all"), ("search[q]", longest_word(draft.name))]
    rows = await (_with_code(up, draft.code) if draft.code else calls.read_all(up, "products", named))
    return [one for one in map(product_of, rows) if is_product(one.item, draft)]


async def _with_code(up: Upstream, code: str) -> list[Unread]:
    """The products that a search by code finds; it may find more than asked for."""
    return await calls.read_all(up, "products", [("selection", "all"), ("search[product_codes][]", code)])
