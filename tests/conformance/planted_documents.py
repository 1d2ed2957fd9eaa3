"""Small faults in what an adapter makes of prices, invoices and payments, and the law that must catch each."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from msgspec import structs

from adapters.memory import ADAPTER
from adapters.memory import resources as memory
from adapters.memory.mapping import invoices, lines, payments, products
from gateway.contract import money, totals
from gateway.contract.adapter import Adapter, File, Record
from gateway.contract.errors import FieldError, Problem
from gateway.contract.models import (
    Change,
    ContactDraft,
    CreditDraft,
    Invoice,
    InvoiceDraft,
    Line,
    LineDraft,
    Payment,
    PaymentDraft,
    Product,
    VatCode,
)
from gateway.contract.money import CENT, amount_text, exact, round_to_cents
from gateway.contract.upstream import Upstream
from tests.conformance import test_days, test_invoices, test_money, test_payments
from tests.conformance.planting import Bugs, with_resource

BUGS = Bugs()


@BUGS.caught_by(test_money.test_the_issues_own_invoice_is_exact)
def quantity_in_cents(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A quantity is rounded to two decimals, as an amount is."""
    honest = invoices._line_body

    def broken(line: LineDraft, sign: int) -> dict[str, Any]:
        body = honest(line, sign)
        return {**body, "quantity": body["quantity"] and body["quantity"].quantize(CENT)}

    monkeypatch.setattr(invoices, "_line_body", broken)
    return ADAPTER


@BUGS.caught_by(test_money.test_a_number_is_read_exactly_and_written_as_text)
def price_in_cents(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A price is told in cents."""
    honest = products.product_of

    def broken(raw: Mapping[str, Any]) -> Record[Product]:
        record = honest(raw)
        told = amount_text(round_to_cents(exact(record.item.price or "0")))
        return structs.replace(record, item=structs.replace(record.item, price=told))

    monkeypatch.setattr(products, "product_of", broken)
    return ADAPTER


@BUGS.caught_by(test_money.test_what_is_no_decimal_costs_no_call)
def digits_of_any_script(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A digit is whatever Unicode calls one."""
    monkeypatch.setattr(money, "_TEXT", re.compile(money._TEXT.pattern.replace("[0-9]", r"\d")))
    return ADAPTER


@BUGS.caught_by(test_money.test_expected_totals_of_a_change_are_checked_before_anything_is_sent)
def expectations_of_creates_only(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Expected totals are looked at where an invoice is made, and not where it is changed."""
    honest = memory._with_lines

    async def broken(up: Upstream, body: dict[str, Any], drafts: Any, said: InvoiceDraft | Change) -> dict[str, Any]:
        rest = said.model_dump(exclude={"expected_totals"}, exclude_unset=True) if isinstance(said, Change) else None
        return await honest(up, body, drafts, said if rest is None else type(said).model_construct(**rest))

    monkeypatch.setattr(memory, "_with_lines", broken)
    return ADAPTER


@BUGS.caught_by(test_money.test_a_rounding_line_closes_a_small_gap)
def any_gap_is_rounding(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A rounding line closes a gap of any size."""
    monkeypatch.setattr(totals, "closes", bool)
    return ADAPTER


@BUGS.caught_by(test_invoices.test_a_draft_is_neither_numbered_nor_payable)
def draft_is_unpaid(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What is not paid is unpaid, a draft too."""
    monkeypatch.setattr(invoices, "PAYMENT_STATES", {**invoices.PAYMENT_STATES, "none": "unpaid"})
    return ADAPTER


@BUGS.caught_by(test_invoices.test_finalizing_gives_number_and_totals)
def told_as_it_was_before(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What an invoice was before it was made final is told as what it became."""

    class Broken(memory.MemoryInvoices):
        async def finalize(self, up: Upstream, id: str) -> Record[Invoice]:
            before = await self.get(up, id)
            await super().finalize(up, id)
            return before

    return with_resource("invoices", Broken())


@BUGS.caught_by(test_invoices.test_an_invoice_can_be_final_at_once)
def left_a_draft(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """That a new invoice is to be final is not passed on."""

    class Broken(memory.MemoryInvoices):
        async def create(self, up: Upstream, draft: InvoiceDraft) -> Record[Invoice]:
            return await super().create(up, draft.model_copy(update={"finalize": False}))

    return with_resource("invoices", Broken())


@BUGS.caught_by(test_invoices.test_no_two_final_invoices_share_a_number)
def number_cut_short(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Of an invoice's number the year is told, and not the rest."""
    honest = invoices.invoice_of

    def broken(raw: Mapping[str, Any]) -> Record[Invoice]:
        record = honest(raw)
        number = record.item.number and record.item.number[:4]
        return structs.replace(record, item=structs.replace(record.item, number=number))

    monkeypatch.setattr(invoices, "invoice_of", broken)
    return ADAPTER


@BUGS.caught_by(test_invoices.test_a_final_invoice_stays_as_it_is)
def late_change_passed_over(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A change of what is final does nothing, and is told as done."""

    class Broken(memory.MemoryInvoices):
        async def update(self, up: Upstream, id: str, change: Change) -> Record[Invoice]:
            before = await self.get(up, id)
            return before if before.item.document_status == "final" else await super().update(up, id, change)

    return with_resource("invoices", Broken())


@BUGS.caught_by(test_invoices.test_a_draft_cannot_be_credited)
def credited_by_force(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A draft that is to be credited is made final for it."""

    class Broken(memory.MemoryInvoices):
        async def credit(self, up: Upstream, id: str, draft: CreditDraft) -> Record[Invoice]:
            if (await self.get(up, id)).item.document_status == "draft":
                await self.finalize(up, id)
            return await super().credit(up, id, draft)

    return with_resource("invoices", Broken())


@BUGS.caught_by(test_invoices.test_a_final_invoice_is_on_paper, kind="pdf", start=b"%PDF-")
def paper_without_a_type(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A file is handed on without a word of what it is."""

    class Broken(memory.MemoryInvoices):
        async def pdf(self, up: Upstream, id: str) -> File:
            return replace(await super().pdf(up, id), media_type="application/octet-stream")

    return with_resource("invoices", Broken())


@BUGS.caught_by(test_invoices.test_a_line_may_say_its_treatment_instead_of_a_code, treatment="domestic_low")
def first_code_will_do(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A treatment is taken for the administration's first VAT code."""
    monkeypatch.setattr(lines, "_code_for", lambda line, pointer, codes, on: next(iter(codes.values())))
    return ADAPTER


@BUGS.caught_by(test_invoices.test_a_treatment_without_a_code_costs_no_write)
def high_where_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A treatment that no code has is taxed at the high rate."""
    honest = lines._code_for

    def broken(line: LineDraft, *rest: Any) -> VatCode:
        try:
            return honest(line, *rest)
        except Problem:
            return honest(line.model_copy(update={"vat_treatment": "domestic_high"}), *rest)

    monkeypatch.setattr(lines, "_code_for", broken)
    return ADAPTER


@BUGS.caught_by(test_invoices.test_a_treatment_that_is_there_at_another_rate_is_not_said_to_be_missing)
def rate_beside_a_treatment_passed_over(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A rate that stands beside a treatment is passed over."""
    honest = lines._code_for

    def broken(line: LineDraft, *rest: Any) -> VatCode:
        return honest(line.model_copy(update={"vat_rate": None}), *rest)

    monkeypatch.setattr(lines, "_code_for", broken)
    return ADAPTER


@BUGS.caught_by(test_invoices.test_a_line_takes_from_its_product_what_it_leaves_open)
def product_for_nothing(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A line without a price costs nothing, whatever its product costs."""
    monkeypatch.setattr(lines, "price_of", lambda line, *rest, includes_tax: line.unit_price or Decimal(0))
    return ADAPTER


@BUGS.caught_by(test_invoices.test_a_line_of_text_charges_nothing)
def text_told_as_an_item(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A line of text is told as an item of 0.00."""
    honest = invoices._line_of

    def broken(said: Any, sign: int) -> Line:
        zero = {name: amount_text(Decimal(0)) for name in ("net", "tax", "gross")}
        line = honest(said, sign)
        return line if line.type == "item" else structs.replace(line, type="item", **zero)

    monkeypatch.setattr(invoices, "_line_of", broken)
    return ADAPTER


@BUGS.caught_by(test_invoices.test_an_invoice_for_nobody_is_refused)
def invoice_for_anybody(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An invoice for a customer who is not there goes to a new one."""

    class Broken(memory.MemoryInvoices):
        async def create(self, up: Upstream, draft: InvoiceDraft) -> Record[Invoice]:
            try:
                return await super().create(up, draft)
            except Problem:
                new = ContactDraft(company_name="Onbekend")
                made = await memory.MemoryContacts().create(up, new)
                return await super().create(up, draft.model_copy(update={"contact_id": made.item.id}))

    return with_resource("invoices", Broken())


@BUGS.caught_by(test_payments.test_a_paid_invoice_says_so)
def nothing_allocated(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What a payment settles is not taken off what is left of it."""
    honest = payments.payment_of

    def broken(raw: Mapping[str, Any]) -> Record[Payment]:
        record = honest(raw)
        return structs.replace(record, item=structs.replace(record.item, unallocated=record.item.amount))

    monkeypatch.setattr(payments, "payment_of", broken)
    return ADAPTER


@BUGS.caught_by(test_payments.test_a_payment_is_listed_with_its_invoice)
def payments_of_any_invoice(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A list of one invoice's payments is that of all."""

    class Broken(memory.MemoryPayments):
        names: ClassVar[Mapping[str, str]] = {
            ours: theirs for ours, theirs in memory.MemoryPayments.names.items() if ours != "invoice_id"
        }

    return with_resource("payments", Broken())


@BUGS.caught_by(test_payments.test_a_payment_taken_back_never_was)
def paid_back_instead(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A payment is taken back by another one against it."""

    class Broken(memory.MemoryPayments):
        async def delete(self, up: Upstream, id: str) -> None:
            raw = await memory.request(up, "GET", "payments", id)
            against = [{**one, "amount": f"-{one['amount']}"} for one in raw["allocations"]]
            body = {name: value for name, value in raw.items() if name != "id"}
            back = {**body, "amount": f"-{raw['amount']}", "allocations": against}
            await memory.request(up, "POST", "payments", json=back)

    return with_resource("payments", Broken())


@BUGS.caught_by(test_payments.test_a_paid_invoice_is_not_paid_twice_unsaid)
def too_much_is_paid(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An invoice that was paid too much is told as paid."""
    monkeypatch.setattr(invoices, "PAYMENT_STATES", {**invoices.PAYMENT_STATES, "over": "paid"})
    return ADAPTER


@BUGS.caught_by(test_payments.test_an_invoice_that_is_not_there_cannot_be_paid)
def invoice_missed_in_another_word(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An invoice that a payment names and that is gone is pointed at where no payment has a field."""

    class Broken(memory.MemoryPayments):
        async def create(self, up: Upstream, draft: PaymentDraft) -> Record[Payment]:
            try:
                return await super().create(up, draft)
            except Problem as problem:
                problem.errors = [FieldError("/invoice", "not_found", problem.detail)]
                raise

    return with_resource("payments", Broken())


@BUGS.caught_by(test_payments.test_a_draft_cannot_be_paid)
def final_by_paying(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A draft that is paid is made final for it."""

    class Broken(memory.MemoryPayments):
        async def create(self, up: Upstream, draft: PaymentDraft) -> Record[Payment]:
            for part in draft.allocations:
                raw = await memory.request(up, "GET", "invoices", part.invoice_id)
                if raw["state"] == "concept":
                    await memory.request(up, "POST", "invoices", part.invoice_id, "book")
            return await super().create(up, draft)

    return with_resource("payments", Broken())


@BUGS.caught_by(
    test_payments.test_what_is_wrong_with_a_payment_is_pointed_at_in_it, name="payment_method_id", wrong="987654321"
)
def pointed_at_in_their_words(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """What is wrong with a payment is pointed at under the system's own name for it."""

    class Broken(memory.MemoryPayments):
        async def create(self, up: Upstream, draft: PaymentDraft) -> Record[Payment]:
            try:
                return await super().create(up, draft)
            except Problem as problem:
                problem.errors = [replace(one, pointer=f"/{one.provider_field}") for one in problem.errors]
                raise

    return with_resource("payments", Broken())


@BUGS.caught_by(test_payments.test_a_paid_status_can_be_filtered)
def status_in_our_words(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A status is asked for in our words, which the system does not know."""

    class Broken(memory.MemoryInvoices):
        choices: ClassVar[memory.Choices] = {}

    return with_resource("invoices", Broken())


@BUGS.caught_by(test_payments.test_a_payment_is_of_more_than_nothing_and_in_whole_cents)
def payment_of_less_than_nothing(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A payment of less than nothing is booked as one that went the other way."""
    monkeypatch.setattr(payments, "check_payment", lambda draft: None)
    return ADAPTER


@BUGS.caught_by(test_payments.test_what_is_given_back_of_an_invoice_that_nobody_paid_pays_nothing)
def given_back_is_paid(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Whatever settles an invoice counts as paid, also what was given back."""
    honest = payments.payment_body

    def broken(draft: PaymentDraft, today: date) -> dict[str, Any]:
        return honest(draft.model_copy(update={"direction": "in"}), today)

    monkeypatch.setattr(payments, "payment_body", broken)
    return ADAPTER


@BUGS.caught_by(test_payments.test_a_payment_of_nonsense_costs_no_call)
def exponents_read(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A number in a string may have an exponent."""
    monkeypatch.setattr(money, "_TEXT", re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,12})?(?:e[0-9]+)?"))
    return ADAPTER


@BUGS.caught_by(test_money.test_more_than_an_amount_can_say_is_refused_and_not_written)
def of_any_length(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Nobody looks whether what lines come to can be told as an amount."""
    monkeypatch.setattr(lines, "check_length", lambda each: None)
    return ADAPTER


@BUGS.caught_by(test_invoices.test_a_product_without_tax_is_charged_with_it_where_prices_have_it)
def price_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A product's price without VAT is taken for one with it."""
    monkeypatch.setattr("gateway.contract.lines.with_tax", lambda price, rate: price)
    return ADAPTER


@BUGS.caught_by(test_invoices.test_an_invoice_of_nothing_is_credited_or_told_to_be_one)
def nothing_is_a_note(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Who credits an invoice of nothing hears that it is a credit note."""

    class Broken(memory.MemoryInvoices):
        async def credit(self, up: Upstream, id: str, draft: CreditDraft) -> Record[Invoice]:
            totals = (await self.get(up, id)).item.totals
            if totals is not None and not exact(totals.gross or "0"):
                raise Problem("conflict", "Only an invoice can be credited, and this is a credit note.")
            return await super().credit(up, id, draft)

    return with_resource("invoices", Broken())


@BUGS.caught_by(test_payments.test_an_invoice_of_nothing_is_never_overdue)
def nothing_is_owed_late(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An invoice is overdue for as long as nobody paid it, one of nothing too."""
    honest = invoices.invoice_of

    def broken(raw: Mapping[str, Any]) -> Record[Invoice]:
        record = honest(raw)
        nothing = record.item.totals.gross == "0.00"
        return structs.replace(record, item=structs.replace(record.item, is_overdue=True)) if nothing else record

    monkeypatch.setattr(invoices, "invoice_of", broken)
    return ADAPTER


@BUGS.caught_by(test_payments.test_an_invoice_is_not_paid_in_another_currency)
def one_to_one(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A payment in another currency is booked as if it were in euros."""

    class Broken(memory.MemoryPayments):
        async def create(self, up: Upstream, draft: PaymentDraft) -> Record[Payment]:
            return await super().create(up, draft.model_copy(update={"currency": "EUR"}))

    return with_resource("payments", Broken())


@BUGS.caught_by(test_days.test_a_day_that_is_left_open_is_the_one_that_it_is_in_the_netherlands)
def today_in_utc(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Where no day is said, it is the one in UTC."""

    class Broken(memory.MemoryInvoices):
        async def create(self, up: Upstream, draft: InvoiceDraft) -> Record[Invoice]:
            day = draft.issued_on or up.now.date()
            return await super().create(up, draft.model_copy(update={"issued_on": day}))

    return with_resource("invoices", Broken())


@BUGS.caught_by(test_invoices.test_a_line_may_say_its_treatment_instead_of_a_code, treatment="domestic_high")
def code_of_what_is_bought(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A treatment is taken for a VAT code of what is bought."""
    honest = lines._code_for

    def broken(line: LineDraft, pointer: str, codes: Mapping[str, VatCode], on: date) -> VatCode:
        bought = [code for code in codes.values() if code.direction == "purchase"]
        found = [code for code in bought if code.treatment == line.vat_treatment]
        return found[0] if found else honest(line, pointer, codes, on)

    monkeypatch.setattr(lines, "_code_for", broken)
    return ADAPTER


@BUGS.caught_by(test_money.test_totals_are_those_of_the_system)
def line_with_tax_twice(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A line whose price includes VAT is told as if that came on top."""
    honest = invoices.invoice_of

    def broken(raw: Mapping[str, Any]) -> Record[Invoice]:
        record = honest(raw)
        for line in record.item.lines or [] if record.item.prices_include_tax else []:
            if line.gross is not None and line.tax is not None:
                line.net, line.gross = line.gross, amount_text(exact(line.gross) + exact(line.tax))
        return record

    monkeypatch.setattr(invoices, "invoice_of", broken)
    return ADAPTER


@BUGS.caught_by(test_payments.test_money_that_goes_out_is_told_so)
def money_comes_in(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """A payment is one that came in, whatever its sign."""
    honest = payments.payment_of

    def broken(raw: Mapping[str, Any]) -> Record[Payment]:
        record = honest(raw)
        return structs.replace(record, item=structs.replace(record.item, direction="in"))

    monkeypatch.setattr(payments, "payment_of", broken)
    return ADAPTER


@BUGS.caught_by(test_payments.test_an_invoice_in_another_currency_is_told_in_it)
def euros_as_ever(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """Every invoice is told to be in euros."""
    honest = invoices.invoice_of

    def broken(raw: Mapping[str, Any]) -> Record[Invoice]:
        record = honest(raw)
        return structs.replace(record, item=structs.replace(record.item, currency="EUR"))

    monkeypatch.setattr(invoices, "invoice_of", broken)
    return ADAPTER
