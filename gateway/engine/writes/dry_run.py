"""A write that is not done: everything happens but its first request, which is shown instead of sent.

Reads go out as ever. What needs the answer of a write cannot be known without it: an adapter says beforehand that more
would follow (``Plan.goes_on``), and the answer says so.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from gateway.contract.exact import MalformedJson, dumps, loads
from gateway.contract.models.base import Draft, Shape
from gateway.contract.models.dry_run import (
    DefaultedField,
    DroppedField,
    DryRun,
    LineVat,
    PlannedRequest,
    PlannedTotals,
    PlannedWarning,
)
from gateway.contract.plan import Plan, Reason
from gateway.contract.upstream import Reply, Request
from gateway.engine.call import Answer
from gateway.engine.network.http import encode
from gateway.engine.outbound.upstream import Outbound
from gateway.engine.records.links import UNIQUE, Claim, taken
from gateway.engine.records.recording import CONTROLS, Recording

MEDIA_TYPE = "application/vnd.polder.dry-run+json"
"""Of the answer: so that nobody takes it for the record."""
DROPPED = "field_dropped"

SENTENCES: Mapping[Reason, Mapping[str, str]] = {
    "said": {"en": "The line names this VAT code.", "nl": "De regel noemt deze btw-code."},
    "treatment": {
        "en": "It is the administration's code for the treatment the line names.",
        "nl": "Dit is de code van de administratie voor de btw-behandeling die de regel noemt.",
    },
    "of_product": {"en": "The line's product has it.", "nl": "Het product van de regel heeft dit."},
    "of_account": {"en": "The line's ledger account has it.", "nl": "De grootboekrekening van de regel heeft dit."},
    "setting": {"en": "The connection is set to it.", "nl": "De koppeling is zo ingesteld."},
    "default": {"en": "It is what is meant where nothing is said.", "nl": "Dit geldt als er niets anders is gezegd."},
    "today": {"en": "It is today in the Netherlands.", "nl": "Dit is vandaag."},
    "first_for_vat": {
        "en": "It is the first ledger account for this VAT.",
        "nl": "Dit is de eerste grootboekrekening voor deze btw.",
    },
    "only_one": {"en": "There is no other.", "nl": "Er is geen andere."},
    "customer_term": {
        "en": "It follows from the customer's or the sender's term of payment.",
        "nl": "Dit volgt uit de betaaltermijn van de klant of de afzender.",
    },
}


class Captured(Exception):
    """The first write of a rehearsal: the adapter goes no further."""


class Rehearsal(Outbound):
    """A way out that answers reads and keeps the first write to itself."""

    captured: Request | None = None

    async def exchange(self, request: Request) -> Reply:
        """Send a read. Raises ``Captured`` for a write."""
        if request.is_write:
            self.captured = self.captured or request
            raise Captured
        return await super().exchange(request)


class Untouched(Recording):
    """A recording that keeps nothing."""

    def __init__(self, *arguments: Any) -> None:  # as ``Recording``, which says what
        super().__init__(*arguments)
        self._forgotten: set[str] = set()

    async def claim(self, fields: Mapping[str, str], creation_key: UUID) -> Claim:
        """Look whether unique values are free, and claim none. Raises ``conflict`` where one is taken."""
        book = await self.book()
        for name, value in fields.items():
            if name in UNIQUE and set(book.holders(name, value)) - self._forgotten:
                raise taken(name)
        return await super().claim({}, creation_key)

    async def keep(self, id: str, fields: Mapping[str, str | None]) -> None:
        """Keep nothing."""

    async def forget(self, id: str) -> None:
        """Forget nothing, but for this rehearsal."""
        self._forgotten.add(id)


def language_of(headers: Mapping[str, str]) -> str:
    """``nl`` where the caller would rather read Dutch than English (RFC 9110 §12.5.4), else ``en``."""
    weights: dict[str, float] = {}
    for part in headers.get("accept-language", "").lower().split(",")[:20]:
        tag, _, weight = part.partition(";q=")
        try:
            weights.setdefault(tag.strip().partition("-")[0], float(weight or 1))
        except ValueError:
            continue
    return "nl" if weights.get("nl", 0) > weights.get("en", 0) else "en"


def dry_run_of(up: Rehearsal, body: Shape | None, origins: Mapping[str, str], language: str) -> DryRun:
    """What a rehearsal came to."""
    plan = up.plan
    warnings = [PlannedWarning(code=w.code, detail=w.details[language], pointer=w.pointer) for w in up.warnings]
    totals = plan.totals
    follows = None if plan.continues is None or up.captured is None else plan.continues[language]
    return DryRun(
        dry_run=True,
        complete=follows is None,
        incomplete_reason=follows,
        requests=[] if up.captured is None else [_planned_request(up.captured, origins)],
        dropped=[DroppedField(pointer=one.pointer, reason=one.detail) for one in warnings if one.code == DROPPED],
        defaulted=[*_contract_defaults(body, up, language), *_chosen(plan, language)],
        vat=[
            LineVat(
                line=one.line,
                vat_code_id=one.code.id,
                treatment=one.code.treatment,
                rate=one.rate,
                reason=SENTENCES[one.reason][language],
            )
            for one in plan.taxes
        ],
        totals=None if totals is None else PlannedTotals(net=totals.net, tax=totals.tax, gross=totals.gross),
        warnings=[one for one in warnings if one.code != DROPPED],
    )


def dry_run_of_raw(request: Request, origins: Mapping[str, str]) -> DryRun:
    """What a raw write comes to: nothing of it is Polder's to choose."""
    return DryRun(
        dry_run=True,
        complete=True,
        incomplete_reason=None,
        requests=[_planned_request(request, origins)],
        dropped=[],
        defaulted=[],
        vat=[],
        totals=None,
        warnings=[],
    )


def dry_answer(run: DryRun, language: str) -> Answer:
    """The answer; bodies spell their numbers as they would be sent."""
    value: dict[str, Any] = run.model_dump(mode="json")
    for written, planned in zip(value["requests"], run.requests, strict=True):
        written["body"] = planned.body
    return Answer(200, dumps(value), MEDIA_TYPE, {"Content-Language": language})


def _planned_request(request: Request, origins: Mapping[str, str]) -> PlannedRequest:
    _, body = encode(request)
    value: Any
    try:
        value = loads(body)
    except MalformedJson:
        value = body.decode("utf-8", "replace") or None
    return PlannedRequest(method=request.method, url=f"{origins[request.origin]}{request.target}", body=value)


def _chosen(plan: Plan, language: str) -> list[DefaultedField]:
    return [
        DefaultedField(pointer=one.pointer, value=one.value, reason=SENTENCES[one.reason][language])
        for one in plan.defaults
    ]


def _contract_defaults(body: Shape | None, up: Rehearsal, language: str) -> list[DefaultedField]:
    """What the contract itself fills in where a draft says nothing."""
    if not isinstance(body, Draft):
        return []
    found = []
    for name, info in type(body).model_fields.items():
        value = getattr(body, name)
        if name in body.given() or name in CONTROLS:
            continue
        if value is not None and value != [] and not info.is_required():
            found.append(DefaultedField(pointer=f"/{name}", value=value, reason=SENTENCES["default"][language]))
        elif value is None and name in ("issued_on", "paid_on"):
            today = up.today.isoformat()
            found.append(DefaultedField(pointer=f"/{name}", value=today, reason=SENTENCES["today"][language]))
    return found
