"""Recognising the record that a write made where nothing marks it: by what cannot come out otherwise than it went in.

Few things are compared, and loosely, because a system may write down the rest in its own way: a record that is missed
would be made a second time. That it is new, and no other write's, is settled besides.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from gateway.contract.adapter import ItemT, Record, Sent, Traces
from gateway.contract.models import Contact, ContactDraft, Payment, PaymentDraft, Product, ProductDraft
from gateway.contract.money import exact
from gateway.contract.upstream import Upstream

CLOCKS = timedelta(minutes=2)
"""How far a system's clock may be behind ours."""


def is_new(stamp: datetime | None, sent_at: datetime) -> bool:
    """Whether a record was made (or changed) after something was sent, by the system's own clock."""
    return stamp is not None and stamp >= sent_at - CLOCKS


def note_existing(up: Upstream, alike: Iterable[Record[Any]]) -> None:
    """Remember, before a create, the records that are like it already: ``new_among`` leaves them out."""
    up.note("there", " ".join(record.item.id for record in alike))


def new_among(sent: Sent, alike: Iterable[Record[ItemT]]) -> Traces[ItemT]:
    """Of the records that are like a create, those that were not there before it."""
    existing = sent.notes["there"].split()
    return Traces([record for record in alike if record.item.id not in existing])


def longest_word(text: str) -> str:
    """What of a text to search a system for, which may mind spaces in its own way; empty where there is no word."""
    return max(text.split(), key=len, default="")


def same_text(one: Any, other: Any) -> bool:
    """Whether two texts are one, whatever their case and spaces."""
    first, second = (" ".join(str(text or "").split()).casefold() for text in (one, other))
    return first == second


def name_of(draft: ContactDraft) -> str:
    """What a contact will be called."""
    own, other = draft.company_name, draft.contact_person
    return (other if draft.kind == "person" else own) or own or other or ""


def is_contact(item: Contact, draft: ContactDraft) -> bool:
    """Whether a contact has the draft's name, and its e-mail address where it has one."""
    return same_text(item.name, name_of(draft)) and (not draft.email or same_text(item.email, draft.email))


def is_product(item: Product, draft: ProductDraft) -> bool:
    """Whether a product has the draft's name, and its code where it has one."""
    return same_text(item.name, draft.name) and (not draft.code or same_text(item.code, draft.code))


def is_payment(item: Payment, draft: PaymentDraft) -> bool:
    """Whether a payment is of the same amount, day and invoices."""
    settled = sorted((part.invoice_id.lower(), exact(part.amount)) for part in item.allocations)
    wanted = sorted((part.invoice_id.lower(), part.amount) for part in draft.allocations)
    same_day = draft.paid_on is None or item.paid_on == draft.paid_on
    same_amount = exact(item.amount) == draft.amount and item.direction == draft.direction
    return same_day and same_amount and settled == wanted
