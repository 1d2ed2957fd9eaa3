"""The life of an invoice: checked, saved as a draft, finalized, credited; and how it is read at each stage."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal, localcontext

from adapters.thenextinvoice.emulator import customers
from adapters.thenextinvoice.emulator.arithmetic import DIGITS, Amount, Totals, floating, plain, totals_of
from adapters.thenextinvoice.emulator.fields import Field, fits, not_blank, read, texts
from adapters.thenextinvoice.emulator.state import Company, Invoice, Line, Row, Service, reference
from adapters.thenextinvoice.emulator.switches import Switches
from adapters.thenextinvoice.emulator.wire import Refusal, day
from gateway.contract.exact import Json

META = texts("currency", "dueDate", "language", "sendDate", required=True)
TEXT = texts("bottom", "footer", "top")
TYPES = ("", "C", "I")


def _fields(switches: Switches) -> Mapping[str, Field]:
    strict = not switches.defaults_stand_in
    return {
        "creationToken": Field("text"),
        "discount": Field("number", strict, nullable=False),
        "includesVat": Field("boolean", strict, nullable=False),
        "lines": Field("array", True),
        "meta": Field("object", True),
        "status": Field("integer", nullable=False),
        "text": Field("object", True),
        "type": Field("text", nullable=False),
    }


def checked(service: Service, company: Company, body: Json) -> tuple[Invoice, bool]:
    """An invoice without an id from the body of a create or an update, and whether it is to be finalized at once.

    Refuses with 400. All of ``meta`` is required here: the documentation shows it and leaves nothing out of it.
    """
    fields = {**_fields(service.switches), "receiver": Field("object", True), "sender": Field("object", True)}
    if isinstance(body, dict):
        for party in ("receiver", "sender"):
            if fits(body.get(party), "integer"):
                fields[party] = Field("integer", True)
    given = read(body, fields)
    token = given.get("creationToken")
    if token is not None and not _is_uuid(token):
        raise Refusal(400, "creationToken must be a UUID")
    discount = Decimal(given.get("discount", 0))
    if not 0 <= discount <= 100:
        raise Refusal(400, "discount must be a percentage from 0 to 100")
    status, kind = given.get("status", 0), given.get("type", "")
    if status not in (0, 1):
        raise Refusal(400, "status must be 0 or 1")
    if kind not in TYPES:
        raise Refusal(400, "type must be empty, C or I")
    _check_parties(company, given)
    invoice = Invoice(
        id=0,
        kind="invoice",
        type=kind,
        discount=discount,
        includes_vat=given.get("includesVat", False),
        lines=_lines(company, given["lines"]),
        sender=given["sender"],
        receiver=given["receiver"],
        meta=_meta(given["meta"]),
        text={"top": "", "bottom": "", "footer": ""} | _without_nulls(read(given["text"], TEXT, "text.")),
        token=token,
    )
    return invoice, status == 1


def _without_nulls(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _meta(body: Json) -> Row:
    meta = read(body, META, "meta.")
    if day(meta["dueDate"], "meta.dueDate") < day(meta["sendDate"], "meta.sendDate"):
        raise Refusal(400, "meta.dueDate lies before meta.sendDate")
    currency, language = meta["currency"], meta["language"]
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()):
        raise Refusal(400, "meta.currency must be a currency code")
    if not (len(language) == 2 and language.isascii() and language.isalpha()):
        raise Refusal(400, "meta.language must be a language code")
    return meta


def _check_parties(company: Company, given: Row) -> None:
    for party, known, naming in (
        ("receiver", company.customers, "companyname"),
        ("sender", company.profiles, "companyName"),
    ):
        value = given[party]
        try:
            identity = reference(value)
        except (TypeError, ValueError):
            raise Refusal(400, f"{party}.id is invalid") from None
        if identity is not None and identity not in known:
            raise Refusal(400, f"{party} does not exist")
        if identity is None:
            not_blank({naming: value.get(naming) or ""}, naming)


def _lines(company: Company, body: Json) -> tuple[Line, ...]:
    if not body:
        raise Refusal(400, "lines is required")
    return tuple(_line(company, line, f"lines[{position}].") for position, line in enumerate(body))


def _line(company: Company, body: Json, where: str) -> Line:
    known = {"ledger": set(company.ledgers), "vat": set(company.vat_codes)}
    fields = {
        "description": Field("text", True),
        "quantity": Field("number", True, nullable=True),
        "price": Field("number", True, nullable=True),
    }
    for name in known:
        whole_object = isinstance(body, dict) and isinstance(body.get(name), dict)
        fields[name] = Field("object" if whole_object else "integer", True, nullable=True)
    given = read(body, fields, where)
    for name, records in known.items():
        if isinstance(given[name], dict):
            given[name] = given[name].get("id")
            if not fits(given[name], "integer"):
                raise Refusal(400, f"{where}{name} does not exist")
        if given[name] is not None and given[name] not in records:
            raise Refusal(400, f"{where}{name} does not exist")
    missing = [name for name in ("quantity", "ledger", "price", "vat") if given[name] is None]
    if 0 < len(missing) < 4:
        raise Refusal(400, f"{where}{missing[0]} is required, or quantity, ledger, price and vat are all null")
    return Line(
        description=given["description"],
        quantity=None if missing else Decimal(given["quantity"]),
        price=None if missing else Decimal(given["price"]),
        ledger=given["ledger"],
        vat=given["vat"],
    )


def amounts_of(company: Company, lines: Iterable[Line]) -> list[Amount]:
    """The priced lines, with the rate of their VAT code."""
    return [
        Amount(_product(line.quantity, line.price), company.vat_codes[line.vat].rate)
        for line in lines
        if line.quantity is not None and line.price is not None and line.vat is not None
    ]


def _product(quantity: Decimal, price: Decimal) -> Decimal:
    with localcontext() as context:
        context.prec = DIGITS
        return quantity * price


def totals(service: Service, company: Company, invoice: Invoice) -> Totals:
    """The amounts: those fixed at finalizing, or those that finalizing now would fix."""
    return invoice.totals or totals_of(
        amounts_of(company, invoice.lines),
        discount=invoice.discount,
        includes_vat=invoice.includes_vat,
        rounding=service.switches.vat_rounding,
    )


def save_new(service: Service, company: Company, invoice: Invoice) -> Invoice:
    """Give the invoice an id and keep it."""
    invoice.id = service.next_id("invoice")
    company.invoices[invoice.id] = invoice
    if invoice.token is not None:
        company.tokens[invoice.token] = invoice.id
    return invoice


def finalize(service: Service, company: Company, invoice: Invoice) -> None:
    """Give the draft its number, and fix its parties and amounts. Refuses with 400 where a party is gone."""
    receiver = customers.snapshot(company, invoice.receiver, service.switches)
    sender_id = reference(invoice.sender)
    sender = dict(invoice.sender) if sender_id is None else company.profiles.get(sender_id)
    if receiver is None or sender is None:
        raise Refusal(400, "Invoice not valid: receiver or sender does not exist")
    invoice.totals = totals(service, company, invoice)
    invoice.kept_receiver, invoice.kept_sender = receiver, dict(sender)
    invoice.final = True
    invoice.number = take_number(company)


def take_number(company: Company) -> str:
    """The next number of the invoices; what was used stays used, also by deleted invoices."""
    number = company.next_number
    company.next_number = following(number)
    return number


def following(number: str) -> str:
    """The number after: its last digits counted up, their width kept."""
    head = number.rstrip("0123456789")
    digits = number[len(head) :] or "0"
    return head + str(int(digits) + 1).zfill(len(digits))


def put(service: Service, company: Company, old: Invoice, new: Invoice) -> Invoice:
    """Put the draft ``new`` in the place of ``old``, under the id that the switches say."""
    new.comments, new.attachments, new.token = old.comments, old.attachments, old.token
    del company.invoices[old.id]
    if service.switches.put_id == "same":
        new.id = old.id
        company.invoices[new.id] = new
        return new
    new.id = service.next_id("invoice")
    company.invoices[new.id] = new
    if service.switches.old_id == "alias":
        company.aliases[old.id] = new.id
    if service.switches.token_after_put == "new" and new.token is not None:
        company.tokens[new.token] = new.id
    return new


def credit(service: Service, company: Company, original: Invoice, today: date) -> Invoice:
    """A final credit invoice with the opposite signs; ``original`` becomes credited. Nothing links the two."""
    lines = tuple(_negated(line, service.switches) for line in original.lines)
    due = today + timedelta(days=company.default_profile["expiration"])
    note = Invoice(
        id=0,
        kind="invoice",
        type="C",
        discount=original.discount,
        includes_vat=original.includes_vat,
        lines=lines,
        sender=original.sender,
        receiver=original.receiver,
        meta={**original.meta, "sendDate": today.isoformat(), "dueDate": due.isoformat()},
        text=dict(original.text),
    )
    note.totals = totals(service, company, original).negated()
    note.kept_sender, note.kept_receiver = original.kept_sender, original.kept_receiver
    note.final = True
    note.number = take_number(company)
    original.credited = True
    return save_new(service, company, note)


def _negated(line: Line, switches: Switches) -> Line:
    if line.price is None or line.quantity is None:
        return line
    if switches.credit_negates == "price":
        return replace(line, price=-line.price)
    return replace(line, quantity=-line.quantity)


def invoice_row(service: Service, company: Company, invoice: Invoice) -> Row:
    """An invoice as it is read. A draft has neither parties nor amounts."""
    switches = service.switches
    number = invoice.number
    if number is None and switches.draft_number == "empty":
        number = ""
    quotation = invoice.kind == "quotation"
    return {
        "id": invoice.id,
        "company": company.id,
        "number": number,
        "status": 1 if invoice.final else 0,
        "type": switches.quotation_type if quotation else invoice.type,
        "discount": plain(invoice.discount),
        "includesVat": invoice.includes_vat,
        "lines": [_line_row(line) for line in invoice.lines],
        "sender": _party_row(invoice.sender, invoice.kept_sender, switches),
        "receiver": _party_row(invoice.receiver, invoice.kept_receiver, switches),
        "meta": dict(invoice.meta),
        "text": dict(invoice.text),
        "calculated": None if invoice.totals is None else calculated(invoice.totals, switches),
    }


def _line_row(line: Line) -> Row:
    return {
        "description": line.description,
        "ledger": line.ledger,
        "price": None if line.price is None else plain(line.price),
        "quantity": None if line.quantity is None else plain(line.quantity),
        "vat": line.vat,
    }


def _party_row(party: Json, kept: Row | None, switches: Switches) -> Json:
    if kept is None:
        return None
    identity = reference(party)
    return kept if switches.parties == "objects" or identity is None else identity


def calculated(amounts: Totals, switches: Switches) -> Row:
    """The amounts as they are read; ``vatTotals`` by percentage as text, lowest first."""
    number = floating if switches.float_noise else plain
    rows = {
        str(plain(rate)): number(amounts.rates[rate].tax)
        for rate in sorted(amounts.rates)
        if rate or switches.zero_vat_row
    }
    return {
        "totalExclVat": number(amounts.net),
        "totalInclVat": number(amounts.gross),
        "discountApplied": number(amounts.discount),
        "vatApplied": number(amounts.tax),
        "vatTotals": [] if not rows and switches.empty_vat_totals == "list" else rows,
    }


def state_of(invoice: Invoice, today: date, switches: Switches) -> str:
    """The state in one word: those of the status filter and, as a guess, ``draft``, ``quotation``, ``recurring``."""
    if invoice.kind != "invoice":
        return invoice.kind
    if not invoice.final:
        return "draft"
    if invoice.credited:
        return "credited"
    if invoice.is_credit:
        return "credit"
    if invoice.payment is not None:
        return "paid"
    if invoice.reminders and switches.reminded == "state":
        return "reminded"
    return "pastdue" if invoice.due_on < today else "open"
