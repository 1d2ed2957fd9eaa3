"""How an invoice is made and changed: once, with the totals that are expected, and told truthfully."""

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.rompslomp.mapping import abroad, bodies, lines, references, totals
from adapters.rompslomp.mapping.contacts import contact_of
from adapters.rompslomp.mapping.invoices import InvoiceRow
from adapters.rompslomp.mapping.products import product_of
from adapters.rompslomp.mapping.values import id_in_body
from adapters.rompslomp.resources import calls
from gateway.contract.errors import UNDECIDED, FieldError, Problem, UpstreamFault, invalid, unsupported
from gateway.contract.exact import loads
from gateway.contract.models import Contact, InvoiceDraft, LineDraft, Product, VatCode
from gateway.contract.models.invoices import DocumentType
from gateway.contract.money import ZERO, plain
from gateway.contract.plan import reason_of
from gateway.contract.totals import asserted, check_sign, closes, differences, mismatch
from gateway.contract.upstream import Upstream, found_or_none

REFUSED = frozenset({"upstream_rejected", "conflict"})


async def read(up: Upstream, id: str) -> calls.Raw:
    """An invoice."""
    return await calls.record(up, "GET", "sales_invoice", id)


async def publish(up: Upstream, id: str) -> calls.Raw:
    """Publish a concept."""
    return await _patch(up, id, {"_publish": True})


async def with_reference(up: Upstream, reference: str, *, ahead: bool = False) -> calls.Raw | None:
    """The invoice of that api reference; the search may find more than asked for (dossier §3)."""
    query = [("selection", "all"), ("search[api_reference]", reference)]
    found = await calls.read_all(up, "sales_invoices", query, ahead=ahead)
    named = next((raw for raw in found if InvoiceRow.of(raw).api_reference == reference), None)
    return None if named is None else loads(named)


async def found_after(up: Upstream, problem: Problem, reference: str) -> calls.Raw | None:
    """After a create that ended in a problem: the invoice that is there under its api reference; null for none.

    A refusal may mean that the reference is taken; an end that leaves the fate open, that the invoice was made. Raises
    ``upstream_timeout`` with an unknown outcome where it was refused and nobody can look why: to tell the refusal of a
    repeat as that of the invoice would lose the invoice that the first request made.
    """
    if problem.code not in REFUSED | UNDECIDED:
        return None
    try:
        return await with_reference(up, reference)
    except Problem as blind:
        if problem.code in UNDECIDED:
            return None  # what went wrong first is what is told
        detail = "Rompslomp refused this, and then did not say whether it had made it already."
        raise Problem("upstream_timeout", detail, upstream=problem.upstream, outcome="unknown") from blind


async def create(up: Upstream, draft: InvoiceDraft) -> calls.Raw:
    """Make an invoice, exactly once: its api reference is unique (dossier §5, "Idempotency")."""
    setup = await _setup(up, draft.lines)
    document, plan = _planned(draft, setup)
    _check_sign(plan, draft.document_type, "/document_type")
    _explain(up, draft.lines, plan, setup)
    sign = _sign(draft)
    given = {"issued_on": up.today, "layout_id": up.facts.settings.get("layout_id"), **draft.given()}
    body = {
        **bodies.invoice_body({name: value for name, value in given.items() if value is not None}),
        **await _vat_facts(up, plan.items, id_in_body(draft.contact_id, "/contact_id")),
        "api_reference": references.reference_of(draft.external_ref, up.creation_key),
        "invoice_lines": lines.line_bodies(plan.items, sign),
        "_publish": draft.finalize and plan.certain,
    }
    made, is_own = await _made(up, body)
    if not plan.certain:
        made = await _proved(up, made, plan, setup, sign, is_own=is_own)
    if draft.finalize and InvoiceRow.of(made).is_draft:
        made = await publish(up, str(made["id"]))
    _warn_of_differences(up, made, plan, document)
    return made


async def compare(up: Upstream, made: calls.Raw, draft: InvoiceDraft, sent: Sequence[Mapping[str, Any]]) -> None:
    """Warn of an invoice that is found again as the answer to its create would have.

    What the draft leaves open may be settled otherwise by now, as the price of its product: then nothing tells what
    those who made it foresaw, and that is no reason not to find it.
    """
    setup = await _setup(up, draft.lines)
    try:
        document, plan = _planned(draft, setup)
        written = lines.line_bodies(plan.items, _sign(draft))
    except Problem:
        return
    if written == sent:
        _warn_of_differences(up, made, plan, document)


def _sign(draft: InvoiceDraft) -> int:
    return -1 if draft.document_type == "credit_note" else 1


def _planned(draft: InvoiceDraft, setup: lines.Setup) -> tuple[lines.Document, totals.Plan]:
    document = lines.document_of(draft.lines, setup, prices_include_tax=draft.prices_include_tax)
    return document, totals.planned(document, draft.expected_totals, draft.on_rounding, setup)


async def update(up: Upstream, id: str, given: Mapping[str, Any]) -> calls.Raw:
    """Change a concept; of a final invoice the reference may change (dossier §6, "after publish")."""
    before = await read(up, id)
    row = InvoiceRow.of(before)
    if not row.is_draft and given.keys() - {"external_ref"}:
        raise Problem("conflict", "A final invoice stays as it is.")
    body = bodies.invoice_body(given)
    if "external_ref" in given and not references.is_credit(row.api_reference):
        body["api_reference"] = references.reference_of(given["external_ref"], up.creation_key)
    if given.get("contact_id") is not None:
        customer = id_in_body(given["contact_id"], "/contact_id")
        body |= await _vat_number_of(up, row, customer, lines_stay=given.get("lines") is None)
    if given.get("lines") is None:
        return await _changed_head(up, id, body, row, given)
    return await _changed_lines(up, before, body, given)


async def _changed_lines(up: Upstream, before: calls.Raw, body: calls.Raw, given: Mapping[str, Any]) -> calls.Raw:
    """Change a concept and its lines. Raises ``totals_mismatch``, with all as it was."""
    row = InvoiceRow.of(before)
    id = str(row.id)
    drafts: Sequence[LineDraft] = given["lines"]
    setup = await _setup(up, drafts)
    document = lines.document_of(drafts, setup, prices_include_tax=bool(given.get("prices_include_tax")))
    plan = totals.planned(document, given.get("expected_totals"), given.get("on_rounding") or "reject", setup)
    _check_sign(plan, "credit_note" if row.sign < 0 else "invoice", "/lines")
    _explain(up, drafts, plan, setup)
    contact_id = id_in_body(given["contact_id"], "/contact_id") if given.get("contact_id") else row.contact_id
    if contact_id is not None:
        body |= await _vat_facts(up, plan.items, contact_id)
    elif abroad.sales_of(item.code for item in plan.items):
        raise invalid("/contact_id", "A sale to another country needs its customer, who says to which.", "required")
    body["distance_sale"] = lines.is_distance_sale(plan.items)
    if abroad.sales_of(_codes_of(row, setup.todays)):
        body.setdefault("sale_type", abroad.USUAL_SALE_TYPE)  # lines that are replaced have set it
    written = lines.line_bodies(plan.items, row.sign)
    body["invoice_lines"] = lines.replaced([line.id for line in row.invoice_lines], written)
    after = await _patch(up, id, body)
    if not plan.certain:
        after = await _closed(up, after, plan, setup, row.sign)
        off = differences(plan.expected, InvoiceRow.of(after).totals)
        if off:
            await _patch(up, id, _before(before, body, after))
            raise mismatch("Rompslomp", off, undone=True)
    _warn_of_differences(up, after, plan, document)
    return after


def _before(before: calls.Raw, change: calls.Raw, after: calls.Raw) -> calls.Raw:
    """What makes a concept again what it was before a change of its lines."""
    was = [bodies.line_body(line, 1) for line in InvoiceRow.of(before).invoice_lines]
    existing = [line.id for line in InvoiceRow.of(after).invoice_lines]
    return {name: before.get(name) for name in change} | {"invoice_lines": lines.replaced(existing, was)}


async def _changed_head(up: Upstream, id: str, body: calls.Raw, row: InvoiceRow, given: Mapping[str, Any]) -> calls.Raw:
    """Change a concept whose lines stay as they are."""
    if given.get("prices_include_tax"):
        raise unsupported("/prices_include_tax", "Rompslomp keeps prices without VAT: give the lines too.")
    off = differences(asserted(given.get("expected_totals")), row.totals)
    if off:
        raise mismatch("Rompslomp", off)
    return await _patch(up, id, body) if body else await read(up, id)


def _check_sign(plan: totals.Plan, kind: DocumentType, pointer: str) -> None:
    """Nothing but its sign says there whether a document is a credit note (dossier §3, "Not there")."""
    for total in totals.foreseen(plan.items):
        check_sign("Rompslomp", kind, total.gross, pointer)


def _explain(up: Upstream, drafts: Sequence[LineDraft], plan: totals.Plan, setup: lines.Setup) -> None:
    """Note how lines are taxed and booked, what they come to, and whether that is proved by a concept."""
    for (number, draft), item in zip(lines.charging(drafts), plan.items, strict=False):
        why = reason_of(vat_code_id=draft.vat_code_id, vat_treatment=draft.vat_treatment, product_id=draft.product_id)
        up.plan.taxed(number, item.code, "setting" if draft.vat_treatment in abroad.SALES else why, item.rate)
        if draft.ledger_account_id is None and item.ledger_account_id is not None:
            by_setting = item.ledger_account_id == setup.ledger_account_id
            pointer = f"/lines/{number}/ledger_account_id"
            up.plan.defaulted(pointer, item.ledger_account_id, "setting" if by_setting else "of_product")
    sums = set(totals.foreseen(plan.items))
    if len(sums) == 1:
        up.plan.comes_to(sums.pop())
    if not plan.certain:
        up.plan.goes_on(
            en="What the concept comes to decides whether it is completed and published, or taken back.",
            nl="Van het bedrag van het concept hangt af of het wordt aangevuld en gepubliceerd, of teruggenomen.",
        )


async def _patch(up: Upstream, id: str, body: calls.Raw) -> calls.Raw:
    return await calls.record(up, "PATCH", "sales_invoice", id, body=body)


async def _made(up: Upstream, body: calls.Raw) -> tuple[calls.Raw, bool]:
    """The invoice, or the one that the same write made before; and whether it surely is this write's.

    An invoice that has the caller's own reference must be that very document, or it is another one: ``conflict``.
    """
    reference = body["api_reference"]
    try:
        return await calls.record(up, "POST", "sales_invoice", body=body), True
    except Problem as problem:
        existing = await found_after(up, problem, reference)
        if existing is None:
            raise
        is_own = references.is_own(reference)
        if is_own or bodies.is_same_document(existing, body):
            return existing, is_own
        raise _taken(existing, problem.upstream) from problem


def _taken(existing: calls.Raw, upstream: UpstreamFault | None = None) -> Problem:
    message = f"In Rompslomp another invoice ({existing['id']}) has this reference."
    error = FieldError("/external_ref", "taken", message, provider_field="api_reference")
    return Problem("conflict", message, errors=[error], upstream=upstream)


async def _proved(
    up: Upstream, made: calls.Raw, plan: totals.Plan, setup: lines.Setup, sign: int, *, is_own: bool
) -> calls.Raw:
    """The concept, if Rompslomp makes of it what is expected; else it is taken back. Raises ``totals_mismatch``.

    One that another connection may have made is not taken back: ``conflict``.
    """
    closed = await _closed(up, made, plan, setup, sign)
    off = differences(plan.expected, InvoiceRow.of(closed).totals)
    if off and not is_own:
        raise _taken(made)
    if off:
        await calls.delete(up, "sales_invoices", str(made["id"]))
        raise mismatch("Rompslomp", off, undone=True)
    return closed


async def _closed(up: Upstream, made: calls.Raw, plan: totals.Plan, setup: lines.Setup, sign: int) -> calls.Raw:
    """The concept, with a rounding line where one is wanted and closes the gap."""
    gap = differences(plan.expected, InvoiceRow.of(made).totals).get("gross", ZERO)
    if not (plan.adds_line and closes(gap)):
        return made
    line = lines.line_bodies([totals.rounding_item(gap, setup)], sign)
    return await _patch(up, str(made["id"]), {"invoice_lines": line})


def _warn_of_differences(up: Upstream, made: Mapping[str, Any], plan: totals.Plan, document: lines.Document) -> None:
    """What was written is read back: Rompslomp's own totals count, and a difference is said."""
    total = InvoiceRow.of(made).totals
    wanted = document.gross_with_tax
    if not plan.certain and differences(plan.expected, total):
        made_of_it = plain(total.gross, 2)
        up.warn(
            "totals_differ",
            "/totals",
            en=f"Rompslomp makes {made_of_it}, not what is expected; the connection broke before that was mended.",
            nl=f"Rompslomp komt op {made_of_it}, niet op wat verwacht is; de verbinding viel weg voor herstel.",
        )
    elif wanted is not None and "gross" not in plan.expected and total.gross != wanted:
        foreseen, made_of_it = plain(wanted, 2), plain(total.gross, 2)
        up.warn(
            "totals_differ",
            "/totals/gross",
            en=f"The prices with VAT come to {foreseen}; Rompslomp, which keeps them without, makes {made_of_it}.",
            nl=f"De prijzen met btw komen op {foreseen}; Rompslomp bewaart ze zonder, en komt op {made_of_it}.",
        )
    elif plan.certain and total not in totals.foreseen(plan.items):
        up.warn(
            "totals_differ",
            "/totals/gross",
            en=f"Rompslomp makes {plain(total.gross, 2)}, which no way of rounding that is known would.",
            nl=f"Rompslomp komt op {plain(total.gross, 2)}, en geen bekende manier van afronden doet dat.",
        )


async def _setup(up: Upstream, drafts: Sequence[LineDraft]) -> lines.Setup:
    named_products = sorted({line.product_id for line in drafts if line.product_id is not None})
    todays, products = await up.gather(calls.vat_codes(up), up.each([_product(up, id) for id in named_products]))
    named_codes = {line.vat_code_id for line in drafts if line.vat_code_id is not None}
    chosen = up.facts.settings
    return lines.Setup(
        todays=todays,
        vat_codes=await calls.vat_codes(up, ever=True) if named_codes - todays.keys() else todays,
        products={product.id: product for product in products if product is not None},
        ledger_account_id=chosen.get("default_ledger_account_id"),
        rounding_ledger_account_id=chosen.get("rounding_ledger_account_id"),
    )


async def _product(up: Upstream, id: str) -> Product | None:
    """A product that a line names; null for one that is not there, which Rompslomp itself refuses."""
    try:
        return product_of(await calls.record(up, "GET", "product", id)).item
    except Problem as problem:
        if problem.code == "not_found" or problem.code in calls.FORBIDDEN:
            return None
        raise


async def _vat_facts(up: Upstream, items: Sequence[lines.Item], contact_id: int) -> calls.Raw:
    """What the VAT of the lines asks of the invoice: the customer's VAT number, ``sale_type`` and ``distance_sale``.

    A customer who is not there is refused by Rompslomp itself. One who may not be seen may buy what is no sale to
    another country: for that his own country must be known.
    """
    facts: calls.Raw = {"distance_sale": True} if lines.is_distance_sale(items) else {}
    codes = [item.code for item in items]
    sales = abroad.sales_of(codes)
    for sale in sales:
        facts["sale_type"] = sale.sale_type
    if not sales and not lines.may_need_vat_number(codes):
        return facts
    try:
        contact = await found_or_none(_customer(up, contact_id))
    except Problem as problem:
        if problem.code in calls.FORBIDDEN and not sales:
            return facts  # Rompslomp itself says what it lacks
        raise
    if contact is None:
        return facts
    _check_country(sales, contact)
    number = lines.vat_number_for(codes, contact)
    return facts if number is None else {**facts, "vat_number": number}


def _check_country(sales: Sequence[abroad.Sale], customer: Contact) -> None:
    """To a customer elsewhere Rompslomp would take a sale to another country for another kind, and say nothing."""
    for sale in sales:
        if not abroad.fits(sale, customer):
            where = "in another country of the EU" if sale.within_eu else "in a country outside the EU"
            raise invalid("/contact_id", f"The customer's address is not {where}, where {sale.treatment} is for.")


async def _vat_number_of(up: Upstream, row: InvoiceRow, contact_id: int, *, lines_stay: bool) -> calls.Raw:
    """The VAT number of another customer, where the concept bears one or its lines ask for one.

    Raises ``validation_failed`` where lines that stay are a sale to another country than his.
    """
    sales: Sequence[abroad.Sale] = ()
    try:
        known = await calls.vat_codes(up)
        codes = _codes_of(row, known)
        sales = abroad.sales_of(codes) if lines_stay else ()
        if row.vat_number is None and not sales and not lines.may_need_vat_number(codes):
            return {}
        contact = await found_or_none(_customer(up, contact_id))
    except Problem as problem:
        if problem.code in calls.FORBIDDEN and row.vat_number is None and not sales:
            return {}  # Rompslomp itself says what it lacks
        raise
    if contact is None:
        return {}
    _check_country(sales, contact)
    number = contact.vat_number if row.vat_number is not None else lines.vat_number_for(codes, contact)
    return {} if number == row.vat_number else {"vat_number": number}


def _codes_of(row: InvoiceRow, codes: Mapping[str, VatCode]) -> list[VatCode]:
    """The VAT codes of an invoice's lines, those that are known."""
    here = abroad.codes_on(row.sale, codes)
    return [here[str(line.vat_type_id)] for line in row.invoice_lines if str(line.vat_type_id) in here]


async def _customer(up: Upstream, contact_id: int) -> Contact:
    return contact_of(await calls.record(up, "GET", "contact", str(contact_id))).item
