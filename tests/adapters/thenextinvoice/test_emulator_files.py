"""Files: bare, of their own type, and true to the invoice."""

import base64
import csv
import io
import re
import zipfile
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from tests.adapters.thenextinvoice.emulator_client import TEXT_LINE, Books, books

CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
CAC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2}"


def check_pdf(content: bytes) -> None:
    """The header, and a cross-reference table whose every offset is where its object begins."""
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    start = int(re.findall(rb"startxref\n(\d+)", content)[0])
    offsets = [int(offset) for offset in re.findall(rb"(\d{10}) 00000 n", content[start:])]
    assert len(offsets) == 5
    for number, offset in enumerate(offsets, start=1):
        assert content[offset:].startswith(b"%d 0 obj" % number)


async def test_pdfs_are_bare() -> None:
    async with books() as tni:
        line = tni.line(description="Brood (vers) \\ 2×")
        draft, final = await tni.invoice(line), await tni.invoice(line, status=1)
        for method, path in (
            ("GET", f"{draft}/view"),
            ("GET", f"{final}/view"),
            ("POST", f"{final}/send/pdf"),
            ("GET", f"{final}/packing-slip"),
        ):
            answer = await tni.send(method, f"/invoice/{path}")
            assert answer.headers["content-type"] == "application/pdf"
            check_pdf(answer.content)
        assert b"202600001" in (await tni.send("GET", f"/invoice/{final}/view")).content
        for path in ("9/view", "9/packing-slip", "9/zip", "9/ubl"):
            await tni.refused("GET", f"/invoice/{path}", status=404)


async def test_attachments_come_back_as_they_were_sent_and_go_into_the_zip() -> None:
    async with books() as tni:
        first, second = await tni.invoice(status=1), await tni.invoice(status=1)
        content = base64.b64encode(b"\x89PNG not really").decode()
        letter = {"subject": "Factuur", "body": "Beste"}
        attached = {"content": content, "filename": "Order confirmation.png"}
        assert await tni.ask("POST", f"/invoice/{first}/send/mail", {**letter, "attachments": attached}) == first
        wrong = {**letter, "attachments": {**attached, "content": "%%%"}}
        await tni.refused("POST", f"/invoice/{first}/send/mail", wrong)
        answer = await tni.send("GET", f"/invoice/{first}/attachment/1")
        assert (answer.headers["content-type"], answer.content) == ("image/png", b"\x89PNG not really")
        await tni.refused("GET", f"/invoice/{first}/attachment/2", status=404)
        zipped = await tni.send("GET", f"/invoice/{first},{second}/zip")
        assert zipped.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(zipped.content)) as files:
            names = ["202600001.pdf", "202600001/1-Order confirmation.png", "202600002.pdf"]
            assert files.namelist() == names
            check_pdf(files.read("202600001.pdf"))


async def test_csv_has_what_the_filters_find() -> None:
    async with books(populated=True) as tni:
        answer = await tni.send("GET", "/invoice/csv?status=paid&order=number")
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.text), delimiter=";"))
        assert {row["status"] for row in rows} == {"paid"}
        assert len(rows) == len(tni.emulator.books()["payments"])
        totals = (await tni.ask("GET", "/invoice/totals?status=paid"))["EUR"]
        assert sum(Decimal(row["amount_incl"]) for row in rows) == totals["amount_incl"]


def amount(root: ElementTree.Element, *path: str) -> Decimal:
    """The number at the end of a path of ``cac`` elements and one ``cbc``."""
    found = root.find("/".join([*(CAC + name for name in path[:-1]), CBC + path[-1]]))
    assert found is not None
    assert found.text is not None
    return Decimal(found.text)


def check_ubl(root: ElementTree.Element) -> None:
    """The sums that EN 16931 asks for (BR-CO-10 to BR-CO-15)."""
    kind = root.tag.rpartition("}")[2]
    lines = [amount(line, "LineExtensionAmount") for line in root.findall(f"{CAC}{kind}Line")]
    total = amount(root, "LegalMonetaryTotal", "LineExtensionAmount")
    assert total == sum(lines)
    allowance, charge = Decimal(0), Decimal(0)
    for row in root.findall(f"{CAC}AllowanceCharge"):
        if row.findtext(f"{CBC}ChargeIndicator") == "true":
            charge += amount(row, "Amount")
        else:
            allowance += amount(row, "Amount")
    assert amount(root, "LegalMonetaryTotal", "AllowanceTotalAmount") == allowance
    assert amount(root, "LegalMonetaryTotal", "ChargeTotalAmount") == charge
    net = amount(root, "LegalMonetaryTotal", "TaxExclusiveAmount")
    assert net == total - allowance + charge
    subtotals = root.findall(f"{CAC}TaxTotal/{CAC}TaxSubtotal")
    tax = amount(root, "TaxTotal", "TaxAmount")
    assert sum(amount(row, "TaxableAmount") for row in subtotals) == net
    assert sum(amount(row, "TaxAmount") for row in subtotals) == tax
    assert amount(root, "LegalMonetaryTotal", "TaxInclusiveAmount") == net + tax
    assert amount(root, "LegalMonetaryTotal", "PayableAmount") == net + tax


async def ubl_of(tni: Books, invoice: int, query: str = "") -> ElementTree.Element:
    answer = await tni.send("GET", f"/invoice/{invoice}/ubl{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/xml"
    return ElementTree.fromstring(answer.content)


async def test_ubl_of_invoice_and_credit() -> None:
    async with books() as tni:
        await tni.refused("GET", f"/invoice/{await tni.invoice()}/ubl")
        lines = [tni.line(100, 2), tni.line(Decimal("1.23456"), Decimal("0.333"), "low"), TEXT_LINE]
        final = await tni.invoice(*lines, discount=10, status=1)
        root = await ubl_of(tni, final)
        check_ubl(root)
        assert root.tag.endswith("Invoice-2}Invoice")
        assert root.findtext(f"{CBC}ID") == "202600001"
        assert root.findtext(f"{CBC}InvoiceTypeCode") == "380"
        assert root.find(f"{CBC}ProfileID") is None
        row = (await tni.ask("GET", f"/invoice/{final}"))["calculated"]
        assert amount(root, "LegalMonetaryTotal", "PayableAmount") == row["totalInclVat"]
        assert (await ubl_of(tni, final, "?peppol=true")).findtext(f"{CBC}ProfileID", "").startswith("urn:fdc:peppol")
        note = await ubl_of(tni, await tni.ask("POST", f"/invoice/{final}/credit/", status=201))
        check_ubl(note)
        assert note.tag.endswith("CreditNote-2}CreditNote")
        assert note.findtext(f"{CBC}CreditNoteTypeCode") == "381"
        assert amount(note, "LegalMonetaryTotal", "PayableAmount") == row["totalInclVat"]
        categories = await ubl_of(tni, await tni.invoice(tni.line(vat="exempt"), tni.line(vat="ICPG"), status=1))
        check_ubl(categories)
        found = {element.text for element in categories.findall(f".//{CAC}TaxSubtotal/{CAC}TaxCategory/{CBC}ID")}
        assert found == {"E", "K"}


@pytest.mark.parametrize("rounding", ["per_rate", "per_line"])
async def test_ubl_of_all_populated_invoices_adds_up(rounding: str) -> None:
    async with books(populated=True, vat_rounding=rounding) as tni:
        for invoice in tni.emulator.books()["invoices"]:
            if invoice["status"] == 1:
                root = await ubl_of(tni, invoice["id"])
                check_ubl(root)
                payable = amount(root, "LegalMonetaryTotal", "PayableAmount")
                assert payable == abs(invoice["amounts"]["gross"])
