"""Sales invoices: concept and published, lines, searches, attachments and the PDF."""

import base64

import pytest

from adapters.rompslomp.emulator import Switches
from gateway.contract.exact import Json, loads
from tests.adapters.rompslomp.emulated import Provider, provided

LINE = {"description": "Adviesuren", "price_per_unit": "75.0", "quantity": "4.0"}
CONDITIONAL = {
    "api_reference",
    "pay_url",
    "creates_pay_url_on_publish",
    "sends_copy_by_email_on_publish",
    "validates_vat_number",
    "custom_payment_instructions",
}


async def change(provider: Provider, invoice: Json, **attributes: object) -> Json:
    body = {"sales_invoice": attributes}
    return (await provider.ask("PATCH", f"sales_invoices/{invoice['id']}", body))["sales_invoice"]


async def refused(provider: Provider, invoice: Json, **attributes: object) -> str:
    kind, message = await provider.error("PATCH", f"sales_invoices/{invoice['id']}", {"sales_invoice": attributes})
    assert kind == "client.parameters.validation"
    return message


async def test_an_invoice_begins_as_a_concept() -> None:
    async with provided() as provider:
        made = await provider.invoice(contact_id=await provider.contact(city="Utrecht"))
        assert made["date"] == "2024-03-02"
        assert made["due_date"] == "2024-04-01"
        assert (made["status"], made["invoice_number"], made["published_at"]) == ("concept", None, None)
        assert (made["price_without_vat"], made["vat_amount"], made["price_with_vat"]) == ("300.0", "63.0", "363.0")
        assert (made["payment_status"], made["open_amount"]) == ("unpaid", "363.0")
        assert (made["payment_method"], made["sale_type"], made["currency"]) == ("pay_transfer", "supply", "eur")
        assert made["cached_contact"]["city"] == "Utrecht"
        assert not CONDITIONAL & made.keys()
        assert (await provider.ask("GET", f"sales_invoices/{made['id']}"))["sales_invoice"] == made
        assert (await provider.ask("GET", "sales_invoices"))["sales_invoices"] == [made]


async def test_publishing_numbers_without_gaps_and_locks_the_contact() -> None:
    async with provided() as provider:
        contact = await provider.contact()
        concept = await provider.invoice(contact_id=contact)
        first = await provider.invoice(contact_id=contact, _publish=True)
        second = await change(provider, concept, _publish=True)
        assert [first["invoice_number"], second["invoice_number"]] == ["2024030001", "2024030002"]
        assert (second["status"], second["published_at"]) == ("published", "2024-03-02")
        await provider.ask("PATCH", f"contacts/{contact}", {"contact": {"company_name": "Anders B.V."}})
        shown = (await provider.ask("GET", f"sales_invoices/{first['id']}"))["sales_invoice"]
        assert shown["cached_contact"]["name"] == "Rompslomp.nl BV"
        concept = await provider.invoice(contact_id=contact)
        assert concept["cached_contact"]["name"] == "Anders B.V."


async def test_publishing_again_is_refused() -> None:
    async with provided() as provider:
        invoice = await provider.invoice(_publish=True)
        assert await refused(provider, invoice, _publish=True) == "Factuur is invalid: Factuur is al gepubliceerd."


async def test_publishing_needs_a_contact_and_a_line() -> None:
    async with provided(Switches(concept_needs_contact=False)) as provider:
        concept = (await provider.ask("POST", "sales_invoices", {"sales_invoice": {"description": "leeg"}}))[
            "sales_invoice"
        ]
        assert concept["contact_id"] is None
        message = await refused(provider, concept, _publish=True)
        assert message == "Factuur is invalid: Contact moet opgegeven zijn. Factuurregels moet opgegeven zijn."
        assert (await change(provider, concept, description="nog"))["status"] == "concept"
    async with provided() as provider:
        _, message = await provider.error("POST", "sales_invoices", {"sales_invoice": {"invoice_lines": [LINE]}})
        assert message == "Factuur is invalid: Contact moet opgegeven zijn."


async def test_lines_are_changed_added_dropped_and_kept() -> None:
    async with provided() as provider:
        invoice = await provider.invoice([LINE, {**LINE, "description": "weg"}, {**LINE, "description": "blijft"}])
        kept, gone, still = invoice["invoice_lines"]
        changed = await change(
            provider,
            invoice,
            invoice_lines=[
                {"description": "New invoice line", "quantity": 5, "price_per_unit": "10.0"},
                {"id": str(kept["id"]), "description": "Updated invoice line", "quantity": 5},
                {"id": gone["id"], "_destroy": True},
            ],
        )
        after = changed["invoice_lines"]
        assert [line["description"] for line in after] == ["Updated invoice line", "blijft", "New invoice line"]
        assert after[0] == {
            **kept,
            "description": "Updated invoice line",
            "quantity": "5.0",
            "price_without_vat": "375.0",
            "vat_amount": "78.75",
            "price_with_vat": "453.75",
        }
        assert after[1] == still
        assert changed["price_with_vat"] == "877.25"
        other = await provider.invoice()
        body = {"sales_invoice": {"invoice_lines": [{"id": after[0]["id"], "description": "vreemd"}]}}
        kind, _ = await provider.error("PATCH", f"sales_invoices/{other['id']}", body, status=404)
        assert kind == "client.not_found.resource"


async def test_a_line_takes_account_product_and_vat_type() -> None:
    async with provided() as provider:
        low = await provider.vat_type("vat_low_new")
        bank = await provider.bank()
        product = await provider.ask("POST", "products", {"product": {"invoice_line": {"price_per_unit": "9.0"}}})
        line = {
            "price_per_unit": "100",
            "vat_type_id": str(low),
            "vat_rate": "0.5",
            "product_id": product["product"]["id"],
            "account_id": bank,
            "account_path": "profit.revenue.other",
        }
        shown = (await provider.invoice([line]))["invoice_lines"][0]
        assert (shown["vat_rate"], shown["vat_amount"], shown["quantity"]) == ("0.09", "9.0", "1.0")
        assert (shown["account_id"], shown["account_path"]) == (bank, "activa.current_assets.liquid_assets.bank")
        by_path = await provider.invoice([{"price_per_unit": "1", "account_path": "profit.revenue.other"}])
        assert by_path["invoice_lines"][0]["account_path"] == "profit.revenue.other"


async def test_a_custom_vat_type_wants_its_rate() -> None:
    async with provided() as provider:
        custom = await provider.vat_type("vat_custom")
        contact = await provider.contact()
        line = {"price_per_unit": "100.0", "vat_type_id": custom}
        body = {"sales_invoice": {"contact_id": contact, "invoice_lines": [line]}}
        _, message = await provider.error("POST", "sales_invoices", body)
        assert message == "Factuur is invalid: Vat rate moet opgegeven zijn."
        made = await provider.invoice([{**line, "vat_rate": "0.055"}], contact_id=contact)
        assert (made["vat_amount"], made["invoice_lines"][0]["vat_rate"]) == ("5.5", "0.055")


async def test_a_product_fills_a_line_only_where_the_switch_says_so() -> None:
    product = {"product": {"invoice_line": {"description": "Machine", "price_per_unit": "1895.0"}}}
    async with provided() as provider:
        made = await provider.ask("POST", "products", product)
        body = {"contact_id": await provider.contact(), "invoice_lines": [{"product_id": made["product"]["id"]}]}
        _, message = await provider.error("POST", "sales_invoices", {"sales_invoice": body})
        assert message == "Factuur is invalid: Stuksprijs moet opgegeven zijn."
    async with provided(Switches(product_fills_line=True)) as provider:
        made = await provider.ask("POST", "products", product)
        invoice = await provider.invoice([{"product_id": made["product"]["id"], "quantity": 2}], _publish=True)
        assert invoice["invoice_lines"][0]["description"] == "Machine"
        assert invoice["price_without_vat"] == "3790.0"
        shown = await provider.ask("GET", f"products/{made['product']['id']}")
        assert shown["product"]["number_sold"] == 2


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"date": "1990-01-01"}, "Factuurdatum moet na 01/01/1990 liggen."),
        ({"payment_method": "cheque"}, "Payment method is niet in de lijst opgenomen."),
        ({"payment_method": "pay_custom"}, "Custom payment instructions moet opgegeven zijn."),
        ({"currency": "usd"}, "Currency exchange rate moet opgegeven zijn."),
        ({"currency": "USD", "currency_exchange_rate": "1.1"}, "Currency is niet in de lijst opgenomen."),
        ({"currency": "usd", "currency_exchange_rate": "x"}, "Currency exchange rate is geen getal."),
        ({"sale_type": "gift"}, "Sale type is niet in de lijst opgenomen."),
        ({"vat_number": "NL1"}, "Btw-nummer is ongeldig."),
        ({"contact_id": 1}, "Contact moet bestaan."),
        ({"template_id": 1}, "Template moet bestaan."),
        ({"contact": {"city": "Utrecht"}}, "Contact company name moet opgegeven zijn."),
        ({"invoice_lines": [{"description": "x"}]}, "Stuksprijs moet opgegeven zijn."),
        ({"invoice_lines": [{**LINE, "quantity": "veel"}]}, "Quantity is geen getal."),
        ({"invoice_lines": [{**LINE, "vat_type_id": 1}]}, "Vat type moet bestaan."),
        ({"invoice_lines": [{**LINE, "product_id": "1"}]}, "Product moet bestaan."),
        (
            {"payments": [{"paid_at": "2024-03-01"}]},
            "Payments bedrag moet opgegeven zijn. Payments rekening moet opgegeven zijn.",
        ),
    ],
)
async def test_what_is_wrong_with_an_invoice(attributes: dict[str, object], sentence: str) -> None:
    async with provided() as provider:
        body = {"contact_id": await provider.contact(), "invoice_lines": [LINE], **attributes}
        error = await provider.error("POST", "sales_invoices", {"sales_invoice": body})
        assert error == ("client.parameters.validation", f"Factuur is invalid: {sentence}")
        books = provider.emulator.books()
        assert (len(books["contacts"]), books["invoices"], books["payments"]) == (1, [], [])


async def test_a_blank_date_is_today_on_create_and_refused_on_update() -> None:
    async with provided() as provider:
        invoice = await provider.invoice(date=None, due_date="")
        assert (invoice["date"], invoice["due_date"]) == ("2024-03-02", "2024-04-01")
        message = await refused(provider, invoice, date=None)
        assert message == "Factuur is invalid: Factuurdatum moet opgegeven zijn."


async def test_missing_references_may_be_404() -> None:
    async with provided(Switches(unknown_reference_status=404)) as provider:
        body = {"sales_invoice": {"contact_id": 1, "invoice_lines": [LINE]}}
        kind, _ = await provider.error("POST", "sales_invoices", body, status=404)
        assert kind == "client.not_found.resource"


async def test_vat_numbers_are_wanted_formatted_and_validated() -> None:
    async with provided() as provider:
        reverse = {**LINE, "vat_type_id": await provider.vat_type("vat_reverse_charged")}
        zero = {**LINE, "vat_type_id": await provider.vat_type("vat_zero")}
        german = await provider.contact(country_code="DE", vat_number="DE123456789")
        american = await provider.contact(country_code="US")
        for line in (reverse, zero):
            body = {"sales_invoice": {"contact_id": german, "invoice_lines": [line]}}
            _, message = await provider.error("POST", "sales_invoices", body)
            assert message == "Factuur is invalid: Btw-nummer moet opgegeven zijn."
        assert (await provider.invoice([zero], contact_id=american))["vat_number"] is None
        assert (await provider.invoice([zero]))["vat_number"] is None
        formatted = await provider.invoice([reverse], contact_id=german, vat_number="de 123.456.789")
        assert formatted["vat_number"] == "DE123456789"
        odd = await provider.invoice([reverse], vat_number="geen idee", validates_vat_number=False)
        assert (odd["vat_number"], odd["validates_vat_number"]) == ("geen idee", False)
    async with provided(Switches(vat_number_from_contact=True)) as provider:
        german = await provider.contact(country_code="DE", vat_number="DE123456789")
        zero = {**LINE, "vat_type_id": await provider.vat_type("vat_zero")}
        assert (await provider.invoice([zero], contact_id=german))["vat_number"] == "DE123456789"


async def test_references_are_unique_and_blank_ones_are_not() -> None:
    async with provided() as provider:
        first = await provider.invoice(api_reference="abcd1234", payment_reference="")
        assert first["api_reference"] == "abcd1234"
        assert first["payment_reference"] is None
        body = {"contact_id": first["contact_id"], "invoice_lines": [LINE], "api_reference": "abcd1234"}
        _, message = await provider.error("POST", "sales_invoices", {"sales_invoice": body})
        assert message == "Factuur is invalid: Api reference is al in gebruik."
        for _ in range(2):
            assert "api_reference" not in await provider.invoice(api_reference="")
        assert "api_reference" not in await change(provider, first, api_reference=None)


async def test_conditional_keys_are_there_only_where_they_apply() -> None:
    async with provided() as provider:
        invoice = await provider.invoice(
            payment_method="pay_custom",
            custom_payment_instructions="Contant",
            creates_pay_url_on_publish=True,
            sends_copy_by_email_on_publish=True,
        )
        assert CONDITIONAL & invoice.keys() == {
            "custom_payment_instructions",
            "creates_pay_url_on_publish",
            "sends_copy_by_email_on_publish",
        }
        published = await change(provider, invoice, _publish=True)
        assert CONDITIONAL & published.keys() == {"custom_payment_instructions", "pay_url"}
        payment = {"amount": "363", "paid_at": "2024-03-02", "account_id": await provider.bank()}
        paid = await change(provider, published, payments=[payment])
        assert CONDITIONAL & paid.keys() == {"custom_payment_instructions"}


async def test_an_inline_contact_is_made_with_the_invoice() -> None:
    async with provided() as provider:
        body = {"contact": {"company_name": "Nieuw B.V."}, "invoice_lines": [LINE]}
        made = (await provider.ask("POST", "sales_invoices", {"sales_invoice": body}))["sales_invoice"]
        contact = (await provider.ask("GET", f"contacts/{made['contact_id']}"))["contact"]
        assert (contact["name"], contact["contact_number"]) == ("Nieuw B.V.", "K00001")


@pytest.mark.parametrize(
    "attributes",
    [
        {"date": "2024-03-01"},
        {"description": "anders"},
        {"currency": "usd", "currency_exchange_rate": "1.1"},
        {"invoice_lines": [LINE]},
        {"contact": {"company_name": "Anders B.V."}},
    ],
)
async def test_a_published_invoice_is_locked_or_open(attributes: dict[str, object]) -> None:
    async with provided() as provider:
        invoice = await provider.invoice(_publish=True)
        message = await refused(provider, invoice, **attributes)
        assert message == "Factuur is invalid: Factuur is gepubliceerd en kan niet meer worden gewijzigd."
        assert provider.emulator.books()["invoices"] == [invoice]
    async with provided(Switches(published_mutability="open")) as provider:
        invoice = await provider.invoice(_publish=True)
        assert await change(provider, invoice, **attributes) != invoice


async def test_a_locked_invoice_still_takes_references_and_what_it_already_says() -> None:
    async with provided() as provider:
        invoice = await provider.invoice(_publish=True)
        changed = await change(
            provider, invoice, api_reference="a", payment_reference="b", date=invoice["date"], _publish=False
        )
        assert changed == {**invoice, "api_reference": "a", "payment_reference": "b"}


async def test_deleting() -> None:
    async with provided() as provider:
        concept, published = await provider.invoice(), await provider.invoice(_publish=True)
        await provider.ask("DELETE", f"sales_invoices/{concept['id']}")
        await provider.error("GET", f"sales_invoices/{concept['id']}", status=404)
        _, message = await provider.error("DELETE", f"sales_invoices/{published['id']}")
        assert message == "Factuur is invalid: Factuur is gepubliceerd en kan niet worden verwijderd."
    async with provided(Switches(published_delete="allowed")) as provider:
        await provider.ask("DELETE", f"sales_invoices/{(await provider.invoice(_publish=True))['id']}")
        assert provider.emulator.books()["invoices"] == []


async def test_invoices_are_searched() -> None:
    async with provided() as provider:
        contact = await provider.contact()
        old = await provider.invoice(date="2024-01-31", contact_id=contact, api_reference="shop-1")
        new = await provider.invoice(date="2024-02-01", api_reference="shop-10")

        async def found(query: str) -> list[int]:
            invoices = (await provider.ask("GET", f"sales_invoices?{query}"))["sales_invoices"]
            return [invoice["id"] for invoice in invoices]

        assert await found("search[from]=2024-02-01") == [new["id"]]
        assert await found("search[till]=2024-01-31") == [old["id"]]
        assert await found("search[from]=2024-01-31&search[till]=2024-02-01") == [new["id"], old["id"]]
        assert await found(f"search[contact_id]={contact}") == [old["id"]]
        assert await found("search[contact_id]=x") == []
        assert await found("search[api_reference]=shop-1") == [old["id"]]
        await provider.error("GET", "sales_invoices?search[from]=gisteren", status=400)
    async with provided(Switches(api_reference_search="contains")) as provider:
        for reference in ("shop-1", "shop-10"):
            await provider.invoice(api_reference=reference)
        assert len((await provider.ask("GET", "sales_invoices?search[api_reference]=shop-1"))["sales_invoices"]) == 2


async def test_selections_divide_the_books() -> None:
    async with provided(populated=True) as provider:
        selections = ["all", "concept", "published", "imported", "unpaid", "expired", "credit_invoices", "overpaid"]
        found = {name: await provider.listed("sales_invoices", f"selection={name}") for name in selections}
        assert len(found["all"]) == 120
        assert len(found["concept"]) + len(found["published"]) + len(found["imported"]) == 120
        assert {invoice["status"] for invoice in found["concept"]} == {"concept"}
        assert {invoice["status"] for invoice in found["unpaid"]} == {"published"}
        assert {invoice["payment_status"] for invoice in found["unpaid"]} == {"unpaid"}
        assert all(invoice["due_date"] < "2024-03-02" for invoice in found["expired"])
        assert all(invoice["price_with_vat"].startswith("-") for invoice in found["credit_invoices"])
        assert len(found["credit_invoices"]) == 8
        assert found["overpaid"] == []
        part_paid = [invoice for invoice in found["unpaid"] if invoice["open_amount"] != invoice["price_with_vat"]]
        assert 0 < len(part_paid) < len(found["unpaid"])


async def test_the_pdf_of_a_concept_is_no_pdf() -> None:
    for status in (200, 404):
        async with provided(Switches(concept_pdf_status=200 if status == 200 else 404)) as provider:
            answer = await provider.send("GET", f"sales_invoices/{(await provider.invoice())['id']}/pdf")
            assert answer.status_code == status
            assert answer.headers["content-type"].startswith("application/json")
            assert loads(answer.content) == {"message": "Factuur wordt niet gepubliceerd"}


async def test_the_pdf_of_a_published_invoice() -> None:
    async with provided() as provider:
        invoice = await provider.invoice(_publish=True)
        answer = await provider.send("GET", f"sales_invoices/{invoice['id']}/pdf")
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.content.startswith(b"%PDF-")
        assert answer.content.endswith(b"%%EOF\n")
        assert b"(Factuur 2024030001)" in answer.content
        table = int(answer.content.rpartition(b"startxref\n")[2].split()[0])
        assert answer.content[table:].startswith(b"xref\n0 6\n")


async def test_attachments_go_in_as_text_and_come_out_as_bytes() -> None:
    async with provided() as provider:
        invoice = await provider.invoice(_publish=True)
        path = f"sales_invoices/{invoice['id']}/attachments"
        for data, kind in ((b"content", "application/octet-stream"), (b"%PDF-1.4 x", "application/pdf")):
            body = {"attachment": base64.b64encode(data).decode(), "attachment_file_name": "file_name.pdf"}
            made = (await provider.ask("POST", path, {"attachment_object": body}, status=200))["attachment_object"]
            assert made == {
                "id": made["id"],
                "attachment": f"/api/v1/companies/{provider.company}/{path}/{made['id']}",
                "attachment_file_name": "file_name.pdf",
                "attachment_content_type": kind,
                "attachment_file_size": len(data),
            }
            answer = await provider.send("GET", made["attachment"])
            assert (answer.content, answer.headers["content-type"]) == (data, kind)
        shown = (await provider.ask("GET", f"sales_invoices/{invoice['id']}"))["sales_invoice"]
        assert [each["attachment_file_size"] for each in shown["attachment_objects"]] == [7, 10]
        await provider.ask("DELETE", made["attachment"])
        await provider.error("GET", made["attachment"], status=404)
        bad = {"attachment_object": {"attachment": "*** no base64 ***"}}
        _, message = await provider.error("POST", path, bad)
        assert message == "Bijlage is invalid: Attachment is ongeldig. Attachment file name moet opgegeven zijn."
