"""What an accounting system must bring to be part of Polder: facts, and a few plain functions.

An adapter is a frozen value. Its resources are small classes: **overriding a verb is the capability**, and a verb that
is not overridden answers 405 before any call. What cannot be communicated exactly to a system is unsupported and says
so; a system's *policy* is never enforced for it.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from gateway.contract.auth import CredentialKind
from gateway.contract.errors import Problem, not_found
from gateway.contract.models import (
    Change,
    Company,
    CompanyAccess,
    Contact,
    ContactDraft,
    CreditDraft,
    Draft,
    Invoice,
    InvoiceDraft,
    LedgerAccount,
    Payment,
    PaymentDraft,
    PaymentMethod,
    Product,
    ProductDraft,
    VatCode,
)
from gateway.contract.models.base import Resource as Model
from gateway.contract.paging import Page, Window
from gateway.contract.schemas import Requirements
from gateway.contract.upstream import Facts, Reply, Request, Upstream
from gateway.contract.wire import RawRecord, members_of

ItemT = TypeVar("ItemT", bound=Model)
DraftT = TypeVar("DraftT", bound=Draft)
VerbT = TypeVar("VerbT", bound=Callable[..., Any])


class Record(msgspec.Struct, Generic[ItemT], frozen=True, gc=False):
    """A record as we say it, beside what the system said.

    ``raw`` is what the system said, read or not. ``mapped`` names the top-level members of it that ``item`` holds; the
    others are ``provider.unmapped``.
    """

    item: ItemT
    raw: RawRecord
    mapped: frozenset[str] = frozenset()
    status: str | None = None

    @property
    def raw_members(self) -> Mapping[str, Any]:
        """``raw``, read: most callers never ask for it. Raises ``upstream_malformed``."""
        return members_of(self.raw)


def with_id(records: Iterable[Record[ItemT]], id: str) -> Record[ItemT]:
    """The record of that id, in a list that the system gives whole. Raises ``not_found``."""
    found = next((record for record in records if record.item.id == id), None)
    return found if found is not None else not_found()


FilterValue = str | date


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list is asked for. ``filters`` holds only filters the resource declares as its own."""

    window: Window
    filters: Mapping[str, FilterValue] = field(default_factory=dict)
    include: frozenset[str] = frozenset()

    def text(self, name: str) -> str | None:
        """A filter's value as text; None where it was not given. A date is written YYYY-MM-DD."""
        value = self.filters.get(name)
        return value.isoformat() if isinstance(value, date) else value


@dataclass(frozen=True, slots=True)
class File:
    """A document to hand through: its bytes, media type and a file name."""

    body: bytes
    media_type: str
    name: str


def file_stem(number: str | None, id: str) -> str:
    """What the files of an invoice are called: its number, in letters that a header can hold."""
    name = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in number or "")
    return name or f"invoice-{id}"


def absent(verb: VerbT) -> VerbT:
    """Mark a verb of a base class: a system that does not override it cannot do it."""
    verb.__absent__ = True  # type: ignore[attr-defined]  # a mark on a function, read back by can()
    return verb


WHOLE_PAGE = 100
"""The window in which a list is read to its end."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A create (or credit) that went out and whose answer never came, as evidence of what to look for.

    ``request`` is its first write, exactly as it was sent; ``notes`` what the adapter noted before it
    (``Upstream.note``); ``id`` the system's id of the record it follows from, null for a plain create.
    ``Upstream.creation_key`` is the one it was sent with.
    """

    verb: str
    id: str | None
    draft: Draft
    request: Request
    notes: Mapping[str, str]
    at: datetime


@dataclass(frozen=True, slots=True)
class Traces(Generic[ItemT]):
    """The records that such a write may have made. ``certain`` where they carry something that only this write had.

    Where they are merely alike and new, Polder leaves out those it knows to be another write's.
    """

    records: Sequence[Record[ItemT]]
    certain: bool = False


class Resource(Generic[ItemT, DraftT]):
    """One resource of one system. Duties of every verb an adapter overrides:

    - ids come checked (``is_id``) and in the system's own words; a record that is not there is ``not_found``
    - ``list`` passes on every filter in ``filters`` exactly, and leaves out what the contract leaves out
    - ``create`` and ``update`` answer the record as it now is, read back where the system does not show it
    - ``update`` is given exactly what was sent; everything else stays as it was, whatever the system's own update does
    - a shape the documentation does not allow raises ``upstream_malformed`` (``malformed``), never a guess
    """

    filters: ClassVar[frozenset[str]] = frozenset()
    """Filters this system can apply exactly by itself. Guaranteed filters beyond these are emulated by the engine."""
    required: ClassVar[frozenset[str]] = frozenset()
    """Filters without which this system has no list (422 ``filter_required``)."""
    holds: ClassVar[frozenset[str]] = frozenset()
    """Draft fields (dotted: ``address.city``, ``lines.unit``) this system can hold; others: ``field_unsupported``."""
    kept: ClassVar[frozenset[str]] = frozenset({"external_ref"})
    """Fields that Polder keeps itself, because the system has no place for them or does not show them again.

    Where a record says null, the kept value is told; an update is given it, unless the caller named another.
    """
    repeatable: ClassVar[frozenset[str]] = frozenset()
    """Verbs that happen once however often they are sent, because the system refuses or recognises a repeat."""
    changes_ids: ClassVar[bool] = False
    """Whether this system may give a record a new id when it changes. Elsewhere an answer with another id than was
    asked for is about another record, and taken for nothing. A write that reads back says the new one first
    (``Upstream.id_changed``)."""
    calls: ClassVar[Mapping[str, str]] = {}
    """What a verb costs upstream, in words, where it is not one call."""
    limits: ClassVar[Mapping[str, str]] = {}
    """What a verb cannot do here, in words, shown in capabilities and documentation."""

    @absent
    async def list(self, up: Upstream, listing: Listing) -> Page[Record[ItemT]]:
        """One window of the records, in an order that is the same at every call."""
        raise NotImplementedError

    @absent
    async def get(self, up: Upstream, id: str) -> Record[ItemT]:
        """One record, whole."""
        raise NotImplementedError

    @absent
    async def create(self, up: Upstream, draft: DraftT) -> Record[ItemT]:
        """Make one, exactly once."""
        raise NotImplementedError

    @absent
    async def update(self, up: Upstream, id: str, change: Change) -> Record[ItemT]:
        """Change what ``change.given()`` names and nothing else. Where ``changes_ids``, the answer's id may be new."""
        raise NotImplementedError

    @absent
    async def delete(self, up: Upstream, id: str) -> None:
        """Delete it, so that get answers ``not_found``."""
        raise NotImplementedError

    async def find_written(self, up: Upstream, sent: Sent) -> Traces[ItemT] | None:
        """What a write of unknown fate made; no records where it did not happen (yet), None where nothing can tell.

        Asked over and again until it is certain, also long after: only what can have come of this very write is a
        trace, and each record is whole, as ``get`` answers it. Updates, deletes and finalizing need no such help: the
        record itself tells, as long as it is there (``find_renamed``).
        """
        del up, sent
        return None

    async def find_renamed(self, up: Upstream, id: str, sent: Request) -> Sequence[Record[ItemT]]:
        """What a record may be now that an update was ``sent`` to under an ``id`` at which there is none any more.

        For who ``changes_ids``, where the answer that told the new id was lost. Each must say all that was sent, and be
        whole; Polder leaves out those that it knows to be others. None where nothing can tell.
        """
        del up, id, sent
        return ()

    async def whole(self, up: Upstream, filters: Mapping[str, FilterValue]) -> Sequence[Record[ItemT]]:
        """Every record of a list to its end: whoever looks for one must not stop at the first page."""
        found: list[Record[ItemT]] = []
        while True:
            page = await self.list(up, Listing(Window(len(found), WHOLE_PAGE), filters))
            found += page.items
            if not page.more or not page.items:
                return found

    async def requirements(self, up: Upstream, verb: str) -> Requirements:
        """What this system wants of the body of a write (``create``, ``update``, ``credit``) beyond the contract.

        It speaks of what ``holds`` names, for this very administration, and reads only what ``up.known`` remembers.
        """
        del up, verb
        return {}

    def can(self, verb: str) -> bool:
        """Whether this system overrides a verb. A record that cannot be read by itself cannot be changed either: one of
        which nothing changes, or only what Polder keeps, is read and told.
        """
        if verb == "update" and not self.can("get"):
            return False
        method = getattr(type(self), verb, None)
        return method is not None and not getattr(method, "__absent__", False)


class Contacts(Resource[Contact, ContactDraft]):
    """Customers and suppliers."""


class Products(Resource[Product, ProductDraft]):
    """What is sold."""


class Payments(Resource[Payment, PaymentDraft]):
    """Money that settled invoices."""

    kept: ClassVar[frozenset[str]] = frozenset()


class ReadOnly(Resource[ItemT, Draft]):
    """A resource that nobody writes through Polder."""

    kept: ClassVar[frozenset[str]] = frozenset()


class VatCodes(ReadOnly[VatCode]):
    """Ways to tax a line."""


class LedgerAccounts(ReadOnly[LedgerAccount]):
    """Accounts of the general ledger."""


class PaymentMethods(ReadOnly[PaymentMethod]):
    """Ways customers pay."""


class Companies(ReadOnly[Company]):
    """The administration itself: ``get`` is given the company's id and answers it."""


class Invoices(Resource[Invoice, InvoiceDraft]):
    """Sales invoices and credit notes."""

    @absent
    async def finalize(self, up: Upstream, id: str) -> Record[Invoice]:
        """Book a draft: it gets its number and cannot change any more."""
        raise NotImplementedError

    @absent
    async def credit(self, up: Upstream, id: str, draft: CreditDraft) -> Record[Invoice]:
        """Credit a final invoice in full: the new credit note."""
        raise NotImplementedError

    @absent
    async def pdf(self, up: Upstream, id: str) -> File:
        """The invoice as printed. A draft has none: ``conflict``."""
        raise NotImplementedError

    @absent
    async def ubl(self, up: Upstream, id: str) -> File:
        """The invoice as UBL 2.1 XML. A draft has none: ``conflict``."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Origin:
    """A host the system answers on. ``setting`` is the operator setting that may replace ``default``."""

    setting: str
    default: str


@dataclass(frozen=True, slots=True)
class OperatorSetting:
    """Something the operator of Polder configures for a system: ``POLDER_<PROVIDER>_<NAME>``."""

    name: str
    title: str
    secret: bool = True


@dataclass(frozen=True, slots=True)
class Setting:
    """Something a connection may be set to, such as the ledger account for lines that name none: a text, or a list of
    texts where it may be ``several``.
    """

    name: str
    title: str
    help: str | None = None
    several: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard one connection may press: calls in flight at once, and for the whole provider."""

    per_connection: int = 4
    per_provider: int = 64


@dataclass(frozen=True, slots=True)
class Raw:
    """What of the system's own API a connection may reach: everything below ``prefix``, save ``refused`` beginnings.

    A beginning is one segment or several (``settings/users``), in small letters.
    """

    prefix: Callable[[Facts], str]
    refused: tuple[str, ...] = ()


def no_scopes(operation: str) -> str | None:
    """A system without scopes of its own."""
    del operation
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One accounting system: its facts, its readers, its resources."""

    name: str
    """Lower-case identifier, equal to its folder."""
    title: str
    documentation: str
    origins: Mapping[str, Origin]
    credentials: tuple[CredentialKind, ...]
    resources: Mapping[str, Resource[Any, Any]]
    companies: Callable[[Upstream], Awaitable[Sequence[CompanyAccess]]]
    """The administrations the credentials reach; also the cheap call that proves new credentials."""
    read_error: Callable[[Reply], Problem | None]
    """What a reply that is no success says; None for a success. Never raises."""
    read_envelope: Callable[[Reply], Any]
    """The data of a successful reply, read or unread. Raises ``upstream_malformed``."""
    raw: Raw
    operator_settings: tuple[OperatorSetting, ...] = ()
    settings: tuple[Setting, ...] = ()
    scope_for: Callable[[str], str | None] = no_scopes
    """The provider scope an operation (``contacts.list``) needs. One that an administration does not have among its
    ``allowed_scopes`` is refused before any call, so a system that limits none of them names all its scopes there."""
    pace: Pace = Pace()
    example: bool = False
    """No real system, but one to learn from: not offered in production."""
    gotchas: tuple[str, ...] = ()

    def credential(self, type: str) -> CredentialKind | None:
        """The kind of that name."""
        return next((kind for kind in self.credentials if kind.type == type), None)
