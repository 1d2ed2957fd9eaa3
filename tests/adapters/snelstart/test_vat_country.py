"""The country of a line's VAT: domestic VAT is Dutch, what leaves the country goes anywhere else."""

from pathlib import Path

import pytest

from adapters.snelstart.emulator import Switches
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


@pytest.mark.parametrize("said", [{"vat_rate": "9"}, {"vat_country": "DE"}], ids=["rate", "country"])
@pytest.mark.parametrize("by", ["ledger_account_id", "product_id"])
async def test_a_line_taxed_by_its_account_has_its_rate_and_country(
    by: str, said: dict[str, str], tmp_path: Path
) -> None:
    async with connected(tmp_path) as books:
        contact = await books.contact()
        accounts = await books.ask("GET", "raw/grootboeken")
        high = next(one["id"] for one in accounts if one["grootboekfunctie"] == "VerkopenOmzetHoog")
        product = await books.make("products", {"name": "Meel", "price": "10.00", "ledger_account_id": high})
        place = {by: high if by == "ledger_account_id" else product["id"]}
        plain = {"description": "Meel", "unit_price": "10.00", **place}
        told = await books.invoice(contact["id"], {**plain, "vat_rate": "21", "vat_country": "NL"})
        assert told["totals"]["tax"] == "2.10"
        draft = books.draft(contact["id"], {**plain, **said})
        problem = await books.ask("POST", "invoices", draft, status=422)
        assert (problem["outcome"], problem["errors"][0]["pointer"]) == ("not_sent", f"/lines/0/{next(iter(said))}")
        assert len(books.emulator.books()["invoices"]) == 1


async def test_foreign_vat_says_its_country(tmp_path: Path) -> None:
    """Neither the treatment nor the account tells it, and the first country in the alphabet is not meant."""
    async with connected(tmp_path, Switches(vat_tolerance=None)) as books:
        await books.ask("PUT", "raw/companyInfo", {"factureerBuitenlandsBtw": True})
        contact = await books.contact(address={**ADDRESS, "country": "DE"})
        accounts = await books.ask("GET", "raw/grootboeken")
        standard = next(one["id"] for one in accounts if one["vatRateCode"] == "SR")
        on_account = {"description": "Brot", "unit_price": "100", "ledger_account_id": standard}
        schema = await books.ask("GET", "schemas/invoices", operation="create")
        for said, pointer in ((line("oss"), "vat_country"), (on_account, "vat_code_id")):
            draft = books.draft(contact["id"], said)
            problem = await books.ask("POST", "invoices", draft, status=422)
            assert (problem["outcome"], problem["errors"][0]["pointer"]) == ("not_sent", f"/lines/0/{pointer}")
            assert not fits(schema, draft)
        coded = {**on_account, "vat_code_id": "oss-de-sr"}
        assert fits(schema, books.draft(contact["id"], coded))
        assert (await books.invoice(contact["id"], coded))["totals"]["tax"] == "19.00"


async def test_foreign_vat_is_that_of_the_customers_country(tmp_path: Path) -> None:
    """A booked line does not say whose VAT it is: with Belgium's rate, which is Spain's too, Spain's was booked."""
    async with connected(tmp_path) as books:
        await books.ask("PUT", "raw/companyInfo", {"factureerBuitenlandsBtw": True})
        spanish = await books.contact(address={**ADDRESS, "country": "ES"})
        since = len(books.heard())
        draft = books.draft(spanish["id"], line("oss", vat_country="BE", vat_rate="21"))
        problem = await books.ask("POST", "invoices", draft, status=422)
        assert (problem["outcome"], problem["errors"][0]["pointer"]) == ("not_sent", "/contact_id")
        assert all(country in problem["detail"] for country in ("ES", "BE"))
        assert not [seen for seen in books.heard(since) if seen.path == "/v2/verkoopboekingen"]
        invoice = await books.invoice(spanish["id"], line("oss", vat_country="ES", vat_rate="21"))
        assert [one["vat_country"] for one in invoice["lines"]] == ["ES"]
        read = [seen for seen in books.heard(since) if seen.path == f"/v2/relaties/{spanish['id']}"]
        assert len(read) == 2  # once for each write: what is read before is not read again for the answer
