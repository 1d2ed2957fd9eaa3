"""How a fault is planted: under the name that its docstring gives, beside the law that must catch it.

The faults are in the ``planted_*.py`` beside this: each in a copy of the memory adapter, or in a piece of an adapter or
of the engine for as long as one test runs.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest

from adapters.memory import ADAPTER
from adapters.memory import resources as memory
from adapters.memory.mapping import invoices
from gateway.contract.adapter import Adapter, Record
from gateway.contract.errors import invalid
from gateway.contract.models import Contact, ContactDraft, Invoice, InvoiceDraft, Product, ProductDraft
from gateway.contract.upstream import Upstream
from tests.house import emulated

Law = Callable[..., Awaitable[None]]
Plant = Callable[[pytest.MonkeyPatch], Adapter]


@dataclass(frozen=True)
class Bug:
    """A fault, how it is planted (giving the adapter to try), and the law that must fail with its arguments.

    ``sound`` is that adapter without the fault, where it is not the memory adapter as it is: there the law must hold.
    """

    name: str
    plant: Plant
    law: Law
    arguments: Mapping[str, Any] = field(default_factory=dict)
    sound: Adapter = ADAPTER

    @property
    def caught_by(self) -> str:
        """The law as the README calls it."""
        return f"{self.law.__module__.rpartition('.')[2]}.{self.law.__name__}"


class Bugs(list[Bug]):
    """The faults of one module, in its order."""

    def caught_by(self, law: Law, sound: Adapter = ADAPTER, **arguments: Any) -> Callable[[Plant], Plant]:
        """Plant a fault under the name that its docstring gives."""

        def plant(bug: Plant) -> Plant:
            self.append(Bug((bug.__doc__ or "").strip(), bug, law, arguments, sound))
            return bug

        return plant


def with_resource(name: str, resource: object) -> Adapter:
    """The memory adapter with one resource replaced."""
    return with_resources({name: resource})


def with_resources(resources: Mapping[str, object]) -> Adapter:
    """The memory adapter with some resources replaced."""
    return replace(ADAPTER, resources={**ADAPTER.resources, **resources})  # type: ignore[dict-item]  # broken ones


class _Searched(memory.MemoryContacts):
    filters = memory.MemoryContacts.filters - {"q"}


def _without_reference(names: Mapping[str, str]) -> Mapping[str, str]:
    return {ours: theirs for ours, theirs in names.items() if ours != "external_ref"}


_NO_REFERENCE = {"external_ref": None}


class _UnreferencedContacts(memory.MemoryContacts):
    names: ClassVar[Mapping[str, str]] = _without_reference(memory.MemoryContacts.names)
    filters = frozenset(names)
    holds = memory.MemoryContacts.holds - {"external_ref"}
    kept = frozenset({"external_ref"})

    async def create(self, up: Upstream, draft: ContactDraft) -> Record[Contact]:
        return await super().create(up, draft.model_copy(update=_NO_REFERENCE))


class _UnreferencedProducts(memory.MemoryProducts):
    names: ClassVar[Mapping[str, str]] = _without_reference(memory.MemoryProducts.names)
    filters = frozenset(names)
    holds = memory.MemoryProducts.holds - {"external_ref"}
    kept = frozenset({"external_ref"})

    async def create(self, up: Upstream, draft: ProductDraft) -> Record[Product]:
        return await super().create(up, draft.model_copy(update=_NO_REFERENCE))


class _UnreferencedInvoices(memory.MemoryInvoices):
    names: ClassVar[Mapping[str, str]] = _without_reference(memory.MemoryInvoices.names)
    filters = frozenset(names)
    holds = memory.MemoryInvoices.holds - {"external_ref"}
    kept = frozenset({"external_ref"})

    async def create(self, up: Upstream, draft: InvoiceDraft) -> Record[Invoice]:
        return await super().create(up, draft.model_copy(update=_NO_REFERENCE))


class _Undiscounted(memory.MemoryInvoices):
    holds = memory.MemoryInvoices.holds - {"lines.discount_percent"}


class _Wordless(memory.MemoryInvoices):
    holds = memory.MemoryInvoices.holds - {"lines.type"}

    async def create(self, up: Upstream, draft: InvoiceDraft) -> Record[Invoice]:
        if all(line.type == "text" for line in draft.lines):
            raise invalid("/lines", "An invoice needs a line that charges something.", "required")
        body = invoices.new_body(draft.given(), draft.document_type, up.today)
        body = await memory._with_lines(up, body, draft.lines, draft)
        charging = [line for line in body["lines"] if line["price"] is not None]
        return invoices.invoice_of(await memory.request(up, "POST", "invoices", json={**body, "lines": charging}))


SEARCHED_BY_POLDER = with_resource("contacts", _Searched())
"""A system that finds no customers by words."""
REFERENCES_IN_POLDER = with_resources(
    {"contacts": _UnreferencedContacts(), "products": _UnreferencedProducts(), "invoices": _UnreferencedInvoices()}
)
"""A system without a place for references."""
WITHOUT_DISCOUNTS = with_resource("invoices", _Undiscounted())
"""A system without a place for a line's discount."""
WITHOUT_TEXTS = with_resource("invoices", _Wordless())
"""A system without lines of text."""
FRUGAL = emulated()["snelstart"]
"""A system without drafts, and without some verbs, filters and fields."""
MOVING = emulated()["thenextinvoice"]
"""A system that gives a record another id when it changes, shows not what it wrote, and lists payments by invoice."""
