"""The country of a line's VAT: domestic VAT is Dutch, what leaves the country goes anywhere else."""

from pathlib import Path

import pytest

from tests.adapters.snelstart.connected import ADDRESS, connected, line
from tests.conformance.fitting import fits

DOMESTIC = ("domestic_high", "domestic_low", "zero", "exempt", "reverse_charge")
LEAVING = ("intra_eu_goods", "intra_eu_services", "export")


@pytest.mark.parametrize("treatment", DOMESTIC)
async def test_domestic_vat_is_dutch(treatment: str, tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        contact = await books.contact(vat_number="NL001234560B01")
        invoice = await books.invoice(contact["id"], line(treatment, vat_country="NL"))
        assert [(one["vat_treatment"], one["vat_country"]) for one in invoice["lines"]] == [(treatment, "NL")]
        assert await books.read(invoice) == invoice
        schema = await books.ask("GET", "schemas/invoices", operation="create")
        for country in ("DE", "US"):
            draft = books.draft(contact["id"], line(treatment, vat_country=country))
            problem = await books.ask("POST", "invoices", draft, status=422)
            assert (problem["code"], problem["outcome"]) == ("validation_failed", "not_sent")
            assert [error["pointer"] for error in problem["errors"]] == ["/lines/0/vat_treatment"]
            assert not fits(schema, draft)
        assert fits(schema, books.draft(contact["id"], line(treatment, vat_country="NL")))


@pytest.mark.parametrize("treatment", LEAVING)
async def test_what_leaves_the_country_is_not_dutch(treatment: str, tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        country, vat_number = ("US", None) if treatment == "export" else ("DE", "DE136695976")
        contact = await books.contact(address={**ADDRESS, "country": country}, vat_number=vat_number)
        invoice = await books.invoice(contact["id"], line(treatment, vat_country=country))
        assert invoice["lines"][0]["vat_treatment"] == treatment
        draft = books.draft(contact["id"], line(treatment, vat_country="NL"))
        problem = await books.ask("POST", "invoices", draft, status=422)
        assert [error["pointer"] for error in problem["errors"]] == ["/lines/0/vat_treatment"]


@pytest.mark.parametrize(("code", "country"), [("verlegd", "DE"), ("hoog-2012-10-01", "BE"), ("export", "NL")])
async def test_a_code_is_of_its_country(code: str, country: str, tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        contact = await books.contact(vat_number="NL001234560B01")
        said = {"vat_treatment": None, "vat_code_id": code, "vat_country": country}
        draft = books.draft(contact["id"], {**line("zero"), **said})
        problem = await books.ask("POST", "invoices", draft, status=422)
        assert (problem["outcome"], problem["errors"][0]["pointer"]) == ("not_sent", "/lines/0/vat_country")
