"""Systems that lack things, made of the memory adapter: some resources, some verbs, or some filters of it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from adapters.memory import ADAPTER
from gateway.contract.adapter import (
    Adapter,
    Companies,
    Contacts,
    Invoices,
    LedgerAccounts,
    PaymentMethods,
    Payments,
    Products,
    Resource,
    VatCodes,
)

BASES: Mapping[str, type[Resource[Any, Any]]] = {
    "contacts": Contacts,
    "invoices": Invoices,
    "products": Products,
    "payments": Payments,
    "vat-codes": VatCodes,
    "ledger-accounts": LedgerAccounts,
    "payment-methods": PaymentMethods,
    "company": Companies,
}
VERBS = ("list", "get", "create", "update", "delete", "finalize", "credit", "pdf", "ubl")
SAID = ("filters", "required", "holds", "kept", "repeatable", "changes_ids", "calls", "limits", "requirements")


def without(*lacking: str, adapter: Adapter = ADAPTER) -> Adapter:
    """An adapter that lacks resources (``products``), verbs (``invoices.finalize``) and filters (``contacts?q``).

    ``contacts.find_written`` can be lacking too.
    """
    resources = {
        name: _less(name, own, [one.removeprefix(name) for one in lacking if one.startswith((f"{name}.", f"{name}?"))])
        for name, own in adapter.resources.items()
        if name not in lacking
    }
    return replace(adapter, resources=resources)


def _less(name: str, own: Resource[Any, Any], lacking: Collection[str]) -> Resource[Any, Any]:
    """A resource that has no more than is left: what is offered still does as the whole does."""
    if not lacking:
        return own
    able = [*(verb for verb in VERBS if own.can(verb)), "find_written"]
    left = {verb: getattr(own, verb) for verb in able if f".{verb}" not in lacking}
    said = {name: getattr(own, name) for name in SAID}
    said["filters"] = frozenset(one for one in own.filters if f"?{one}" not in lacking)
    made: Resource[Any, Any] = type(f"Less{type(own).__name__}", (BASES[name],), {**said, **left})()
    return made


def every_lack() -> Iterator[str]:
    """All that can be lacking by itself."""
    for name, own in ADAPTER.resources.items():
        yield name
        yield from (f"{name}.{verb}" for verb in VERBS if own.can(verb))
        yield from (f"{name}?{one}" for one in sorted(own.filters))
