"""A credit note whose answer was lost is told from others of its customer and amount."""

from adapters.thenextinvoice.resources.invoices import SalesInvoices
from gateway.contract.adapter import Sent, Traces
from gateway.contract.models import CreditDraft, Invoice
from tests.adapters.thenextinvoice.connected import Books, connected

INVOICES = SalesInvoices()


async def traces_of_credit(books: Books, invoice: Invoice) -> Traces[Invoice] | None:
    request = books.link.requests[-1]
    sent = Sent("credit", invoice.id, CreditDraft(), request, {}, books.clock.now())
    return await INVOICES.find_written(books.up(), sent)


async def test_by_its_lines() -> None:
    async with connected() as books:
        customer = (await books.contact()).id
        rye = await books.final(contact_id=customer, lines=[books.line(description="Roggebrood")])
        white = await books.final(contact_id=customer, lines=[books.line(description="Witbrood")])
        notes = {one.id: (await INVOICES.credit(books.up(), one.id, CreditDraft())).item for one in (rye, white)}
        for invoice in (rye, white):
            traces = await traces_of_credit(books, invoice)
            assert traces is not None
            (found,) = traces.records
            assert found.item == notes[invoice.id]


async def test_none_of_several_that_are_alike() -> None:
    async with connected() as books:
        customer = (await books.contact()).id
        invoices = [await books.final(contact_id=customer) for _ in range(2)]
        for invoice in invoices:
            await INVOICES.credit(books.up(), invoice.id, CreditDraft())
        traces = await traces_of_credit(books, invoices[0])
        assert traces is not None
        assert len(traces.records) == 2


async def test_a_note_that_is_gone_is_not_one_that_never_was() -> None:
    """The invoice says that it was credited: to repeat it can only be refused."""
    async with connected() as books:
        invoice = await books.final()
        assert (await traces_of_credit(books, invoice)) == Traces([])
        note = (await INVOICES.credit(books.up(), invoice.id, CreditDraft())).item
        await INVOICES.delete(books.up(), note.id)
        assert await traces_of_credit(books, invoice) is None
