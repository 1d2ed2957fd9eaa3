"""Articles as products."""

from collections.abc import Mapping
from typing import Any, ClassVar

from adapters.snelstart.mapping import products
from adapters.snelstart.mapping.products import (
    Artikel,
    Shelf,
    changed_besides,
    made_up_code,
    product_body,
    product_of,
)
from adapters.snelstart.mapping.requirements import product_requirements
from adapters.snelstart.mapping.values import guid_in_path, quoted
from adapters.snelstart.resources.administration import page_of, shelf, written
from adapters.snelstart.resources.contacts import OVERLAP, changed_since
from adapters.snelstart.wire import request
from gateway.contract.adapter import Listing, Products, Record, Sent, Traces
from gateway.contract.errors import not_found
from gateway.contract.matching import new_among, note_existing, same_text
from gateway.contract.models import Change, Product, ProductDraft
from gateway.contract.paging import Page, SkipTop, cut
from gateway.contract.schemas import Requirements
from gateway.contract.upstream import Upstream

CAP = 25
"""More than 25 articles at once were refused in 2022, whatever the default is said to be (dossier 2.2)."""


class Articles(Products):
    """``/artikelen``. A PUT replaces the whole, so an update reads first and writes everything back."""

    filters = frozenset({"code", "updated_since"})
    holds = products.HOLDS
    calls: ClassVar[Mapping[str, str]] = {
        "list": "1 for each 25 products; revenue groups are remembered",
        "create": "1; with a code 1 more before it, to know the new product from the one that may have it",
        "update": "2: it is read, then replaced whole",
    }
    limits: ClassVar[Mapping[str, str]] = {
        "list": OVERLAP,
        "create": "A revenue group is wanted: the first with the given VAT code and ledger account is taken. A product "
        "without a code gets one made up, for SnelStart wants one.",
        "delete": "SnelStart keeps the product as inactive; it is listed with include=archived.",
    }

    async def requirements(self, up: Upstream, verb: str) -> Requirements:
        return product_requirements(await shelf(up), create=verb == "create")

    async def list(self, up: Upstream, listing: Listing) -> Page[Record[Product]]:
        known = await shelf(up)
        code = listing.text("code")
        parts = []
        if "archived" not in listing.include:
            parts.append("IsNonActief eq false")
        since = listing.text("updated_since")
        if since is not None:
            parts.append(changed_since(since))
        if code is not None:
            parts.append(f"Artikelcode eq {quoted(code)}")
        condition = " and ".join(parts) or None

        async def fetch(skip: int, top: int) -> list[Record[Product]]:
            return [product_of(raw, known) for raw in await page_of(up, "artikelen", skip, top, condition)]

        if code is None:
            return await SkipTop(fetch, CAP).read(listing.window)
        # Codes are unique; whether ``eq`` minds their case is not documented, so that is settled here (dossier 2.2).
        return cut([record for record in await fetch(0, CAP) if record.item.code == code], listing.window)

    async def get(self, up: Upstream, id: str) -> Record[Product]:
        known, raw = await up.gather(shelf(up), read(up, id))
        return product_of(raw, known)

    async def create(self, up: Upstream, draft: ProductDraft) -> Record[Product]:
        known = await shelf(up)
        given = {"code": made_up_code(up.creation_key, known.company), **draft.given()}
        _check_basis(up, draft.price_includes_tax, draft.price is not None, known)
        body = product_body(given, {}, known)
        note_existing(up, await _with_code(up, draft.code, known) if draft.code is not None else ())
        return product_of(await written(up, "POST", "artikelen", body=body), known)

    async def update(self, up: Upstream, id: str, change: Change) -> Record[Product]:
        known, before = await up.gather(shelf(up), read(up, id))
        given = change.given()
        if "price_includes_tax" in given:
            _check_basis(up, given["price_includes_tax"], True, known)
        body = product_body(given, before, known)
        if changed_besides(given, before, body, known):
            by_code = "vat_code_id" in given
            up.warn(
                "ledger_account_changed" if by_code else "vat_code_changed",
                "/ledger_account_id" if by_code else "/vat_code_id",
                en="In SnelStart one revenue group has both: the VAT code and the ledger account change together.",
                nl="In SnelStart horen beide bij één omzetgroep: btw-code en grootboekrekening veranderen samen.",
            )
        return product_of(await written(up, "PUT", "artikelen", id, body=body), known)

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[Product]:
        """By the code it was sent with, unless that was there before: then this one can only have been refused.

        It is the caller's, or one made up for this very write. Codes are unique.
        """
        assert isinstance(sent.draft, ProductDraft)
        code, name = str(sent.request.json["artikelcode"]), sent.draft.name
        found = await _with_code(up, code, await shelf(up))
        return new_among(sent, [one for one in found if one.item.code == code and same_text(one.item.name, name)])

    async def delete(self, up: Upstream, id: str) -> None:
        await up.call(request("DELETE", "artikelen", guid_in_path(id)))


async def _with_code(up: Upstream, code: str, known: Shelf) -> list[Record[Product]]:
    """The articles of a code, and of its like: whether ``eq`` minds case is not documented (dossier 2.2)."""
    found = await page_of(up, "artikelen", 0, CAP, f"Artikelcode eq {quoted(code)}")
    return [product_of(raw, known) for raw in found]


def _check_basis(up: Upstream, includes_tax: bool, priced: bool, known: Shelf) -> None:
    """All article prices of an administration are with VAT, or all without: one of its settings (dossier 3.12)."""
    if priced and includes_tax != known.price_includes_tax:
        en, nl = ("include VAT", "inclusief") if known.price_includes_tax else ("are without VAT", "exclusief")
        up.unsupported(
            "/price_includes_tax",
            en=f"The article prices of this administration {en}.",
            nl=f"De artikelprijzen van deze administratie zijn {nl} btw.",
        )


async def read(up: Upstream, id: str) -> Mapping[str, Any]:
    """An article by its id. Raises ``not_found`` for an inactive one: that is what deleting makes of it."""
    raw: Mapping[str, Any] = await up.data(request("GET", "artikelen", guid_in_path(id)))
    if Artikel.of(raw).isNonActief:
        not_found()
    return raw
