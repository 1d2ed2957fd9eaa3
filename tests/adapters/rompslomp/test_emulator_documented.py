"""The emulator against the vendor's document: every record's shape, and the recorded requests with their answers.

The shapes are those of ``adapters/rompslomp/fixtures/vendor-schemas.json``. The recorded examples are those of the
document's paths; ids differ, as each provider has its own, and everything else must be equal.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from adapters.rompslomp import emulator
from gateway.contract.exact import Json, loads
from tests.adapters.rompslomp.emulated import Provider, provided

SCHEMAS = loads((Path(emulator.__file__).parents[1] / "fixtures" / "vendor-schemas.json").read_bytes())
LISTS = {
    "contacts": "contact",
    "sales_invoices": "sales_invoice",
    "products": "product",
    "payments": "payment",
    "vat_types": "vat_type",
    "accounts": "account",
    "templates": "template",
    "quotations": "quotation",
    "expenses": "expense",
    "journal_entries": "journal_entry",
}
QUERIES = {"accounts": "selection=all", "payments": "selection=all", "vat_types": "since=2000-01-01"}
CONTACT = {
    "is_individual": False,
    "is_supplier": False,
    "company_name": "Rompslomp.nl BV",
    "contact_person_name": "Rob S. Lomp",
    "contact_person_email_address": "rob@example.org",
    "address": "Grebbeberglaan 15",
    "zipcode": "3527 VX",
    "city": "Utrecht",
    "government_identification_number": None,
    "country_code": "NL",
    "kvk_number": "12345678",
    "phone": None,
    "vat_number": "NL123456789B01",
    "contact_number": None,
    "free_1": None,
    "free_2": None,
    "free_3": None,
}
CACHED = {
    "name": "Rompslomp.nl BV",
    "contact_person_name": "Rob S. Lomp",
    "address": "Grebbeberglaan 15",
    "zipcode": "3527 VX",
    "city": "Utrecht",
    "country_code": "NL",
    "contact_person_email_address": "rob@example.org",
    "contact_number": "K00001",
}
BANK = "activa.current_assets.liquid_assets.bank"
MISC = "profit.costs.other_costs.misc"
MONEY = {"price_per_unit": "10.0", "price_with_vat": "12.1", "price_without_vat": "10.0", "vat_amount": "2.1"}
IDS = {"id", "contact_id", "vat_type_id", "account_id", "type_account_id", "parent_id"}


def check(schema: str, record: Json) -> None:
    Draft202012Validator(SCHEMAS[schema], format_checker=FormatChecker()).validate(record)


def without_ids(value: Json) -> Json:
    """A record with every id that is not null replaced by ``"id"``."""
    if isinstance(value, list):
        return [without_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: "id" if name in IDS and inner is not None else without_ids(inner) for name, inner in value.items()}


async def account(provider: Provider, path: str) -> int:
    found = await provider.ask("GET", f"accounts?selection=all&search[paths][]={path}")
    return int(found["accounts"][0]["id"])


async def other_documents(provider: Provider) -> None:
    """A quotation, an expense and a journal entry, as recorded."""
    contact = await provider.contact()
    lines = [{"description": "some", "price_per_unit": "10.0", "quantity": "1.0"}]
    quotation = {"contact_id": contact, "invoice_lines": lines, "creates_sign_url_on_publish": True}
    await provider.ask("POST", "quotations", {"quotation": quotation})
    await provider.ask("POST", "quotations", {"quotation": {**quotation, "_publish": True}})
    expense = {"contact_id": contact, "type_account_id": await account(provider, MISC), "invoice_lines": lines}
    await provider.ask("POST", "expenses", {"expense": expense})
    sides = [
        {"account_path": BANK, "credit_amount": "1250.0"},
        {"account_path": MISC, "debit_amount": "1250.0"},
    ]
    await provider.ask("POST", "journal_entries", {"journal_entry": {"date": "2024-03-02", "lines": sides}})


async def test_every_list_and_record_has_the_documented_shape() -> None:
    async with provided(populated=True) as provider:
        await other_documents(provider)
        for root, name in LISTS.items():
            records = await provider.listed(root, QUERIES.get(root, ""))
            assert records
            for record in records:
                check(name, record)
            for record in (records[0], records[-1]):
                assert await provider.ask("GET", f"{root}/{record['id']}") == {name: record}


async def test_records_with_every_conditional_key_have_the_documented_shape() -> None:
    async with provided() as provider:
        invoice = await provider.invoice(
            payment_method="pay_custom",
            custom_payment_instructions="Contant",
            creates_pay_url_on_publish=True,
            sends_copy_by_email_on_publish=True,
            api_reference="a",
            vat_number="x",
            validates_vat_number=False,
        )
        check("sales_invoice", invoice)
        path = f"sales_invoices/{invoice['id']}"
        body = {"attachment_object": {"attachment": "Y29udGVudA==", "attachment_file_name": "file_name.pdf"}}
        check(
            "attachment_object",
            (await provider.ask("POST", f"{path}/attachments", body, status=200))["attachment_object"],
        )
        published = (await provider.ask("PATCH", path, {"sales_invoice": {"_publish": True}}))["sales_invoice"]
        assert "pay_url" in published
        check("sales_invoice", published)


async def test_companies_me_tokens_and_errors_have_the_documented_shape() -> None:
    async with provided() as provider:
        for company in (await provider.ask("GET", "/api/v1/companies"))["companies"]:
            check("company", company)
        check("me", (await provider.ask("GET", "/api/v1/me"))["me"])
        check("error", await provider.ask("GET", "contacts/1", status=404))
        check("error", await provider.ask("POST", "contacts", {"contact": {"city": "X"}}, status=422))
        settings = provider.emulator.operator_settings()
        check("token_error", loads((await provider.client.post("/oauth/token", data=settings)).content))
        refresh = str(provider.emulator.oauth_credentials()["refresh_token"])
        fields = {**settings, "grant_type": "refresh_token", "refresh_token": refresh}
        check("token", loads((await provider.client.post("/oauth/token", data=fields)).content))


async def test_the_recorded_contact() -> None:
    async with provided() as provider:
        made = (await provider.ask("POST", "contacts", {"contact": CONTACT}))["contact"]
        assert made == {**CONTACT, "id": made["id"], "name": "Rompslomp.nl BV", "contact_number": "K00001"}


async def test_the_recorded_invoice_and_its_change() -> None:
    async with provided() as provider:
        contact = (await provider.ask("POST", "contacts", {"contact": CONTACT}))["contact"]["id"]
        vat_type, bank = await provider.vat_type("vat_high"), await provider.bank()
        line = {
            "description": "Adviesuren",
            "extended_description": None,
            "price_per_unit": "75.0",
            "vat_rate": "0.21",
            "vat_type_id": vat_type,
            "quantity": "4.0",
            "product_id": None,
            "account_id": None,
            "account_path": None,
        }
        paid = {"amount": "363.0", "description": None, "account_id": bank, "account_path": BANK}
        body = {
            "date": "2024-03-02",
            "due_date": "2024-04-01",
            "payment_method": "pay_transfer",
            "description": None,
            "contact_id": contact,
            "currency": "eur",
            "currency_exchange_rate": "1.0",
            "template_id": None,
            "vat_number": "NL123456789B01",
            "api_reference": "abcd1234",
            "payment_reference": "abcd1234",
            "sale_type": "",
            "distance_sale": False,
            "invoice_lines": [line, {**line, "description": "Destroyed invoice line"}],
            "payments": [{**paid, "paid_at": "2024-03-02 00:00:00 +0100"}],
        }
        once = {**body, "invoice_lines": [line], "api_reference": "other"}
        made = (await provider.ask("POST", "sales_invoices", {"sales_invoice": once}))["sales_invoice"]
        shown = {
            "id": "id",
            "date": "2024-03-02",
            "due_date": "2024-04-01",
            "payment_method": "pay_transfer",
            "description": None,
            "status": "concept",
            "price_without_vat": "300.0",
            "price_with_vat": "363.0",
            "vat_amount": "63.0",
            "contact_id": "id",
            "invoice_number": None,
            "published_at": None,
            "payment_status": "paid",
            "open_amount": "0.0",
            "currency": "eur",
            "currency_exchange_rate": "1.0",
            "template_id": None,
            "vat_number": "NL123456789B01",
            "api_reference": "other",
            "payment_reference": "abcd1234",
            "sale_type": "supply",
            "distance_sale": False,
            "cached_contact": CACHED,
            "attachment_objects": [],
            "invoice_lines": [
                {
                    **line,
                    "id": "id",
                    "vat_type_id": "id",
                    "price_with_vat": "363.0",
                    "price_without_vat": "300.0",
                    "vat_amount": "63.0",
                }
            ],
        }
        assert without_ids(made) == shown

        twice = {name: value for name, value in body.items() if name not in ("payments", "api_reference")}
        invoice = (await provider.ask("POST", "sales_invoices", {"sales_invoice": twice}))["sales_invoice"]
        first, second = invoice["invoice_lines"]
        change = {
            "description": "Rompslomp.nl B.V.",
            "invoice_lines": [
                {"description": "New invoice line", "quantity": 5, "price_per_unit": "10.0"},
                {"id": str(first["id"]), "description": "Updated invoice line", "quantity": 5},
                {"id": str(second["id"]), "description": "Destroyed invoice line", "_destroy": True},
            ],
            "payments": [
                {"amount": "363.0", "paid_at": "2024-03-01 00:00:00 +0100", "account_id": str(bank)},
                {"amount": "363.0", "paid_at": "2024-03-02T00:00:00.000+01:00", "account_id": str(bank)},
            ],
            "api_reference": "abcd1234",
            "payment_reference": "abcd1234",
        }
        path = f"sales_invoices/{invoice['id']}"
        changed = (await provider.ask("PATCH", path, {"sales_invoice": change}))["sales_invoice"]
        updated, new = changed.pop("invoice_lines")
        assert without_ids(changed) == {
            **{name: value for name, value in shown.items() if name != "invoice_lines"},
            "description": "Rompslomp.nl B.V.",
            "api_reference": "abcd1234",
            "price_without_vat": "425.0",
            "price_with_vat": "514.25",
            "vat_amount": "89.25",
        }
        amounts = {"price_with_vat": "453.75", "price_without_vat": "375.0", "vat_amount": "78.75"}
        assert updated == {**first, **amounts, "description": "Updated invoice line", "quantity": "5.0"}
        amounts = {"price_with_vat": "60.5", "price_without_vat": "50.0", "vat_amount": "10.5"}
        assert new == {
            **first,
            **amounts,
            "id": new["id"],
            "description": "New invoice line",
            "price_per_unit": "10.0",
            "quantity": "5.0",
        }


def line(**changes: object) -> dict[str, object]:
    nothing = dict.fromkeys(("extended_description", "product_id", "account_id", "account_path"))
    shown = {"id": "id", "description": "some", "vat_rate": "0.21", "vat_type_id": "id", "quantity": "1.0"}
    return {**shown, **nothing, **MONEY, **changes}


async def test_the_recorded_product() -> None:
    async with provided() as provider:
        inner = {
            "description": "Machine",
            "extended_description": None,
            "price_per_unit": "1895.0",
            "vat_rate": None,
            "vat_type_id": await provider.vat_type("vat_high"),
            "account_id": None,
            "account_path": None,
            "product_code": "P4",
        }
        made = await provider.ask("POST", "products", {"product": {"has_stock": True, "invoice_line": inner}})
        amounts = {"price_with_vat": "2292.95", "price_without_vat": "1895.0", "vat_amount": "397.95"}
        expected = line(description="Machine", price_per_unit="1895.0", product_code="P4", **amounts)
        assert without_ids(made) == {
            "product": {"id": "id", "number_sold": 0, "has_stock": True, "invoice_line": expected}
        }


async def test_the_recorded_payment_and_its_change() -> None:
    async with provided() as provider:
        body = {
            "amount": "19.95",
            "description": "Toner",
            "account_id": await provider.bank(),
            "account_path": BANK,
            "paid_at": "2024-03-01 00:00:00 +0100",
        }
        made = (await provider.ask("POST", "payments", {"payment": body}))["payment"]
        assert made == {**body, "id": made["id"], "paid_at": "2024-03-01T00:00:00.000+01:00"}
        changed = await provider.ask("PATCH", f"payments/{made['id']}", {"payment": {"amount": 300}})
        assert changed["payment"] == {**made, "amount": "300.0"}


async def test_the_recorded_quotation_and_its_life() -> None:
    async with provided() as provider:
        contact = await provider.contact()
        body = {"contact_id": contact, "invoice_lines": [{"description": "some", "price_per_unit": "10.0"}]}
        made = (await provider.ask("POST", "quotations", {"quotation": body}))["quotation"]
        assert without_ids(made) == {
            "contact_id": "id",
            "template_id": None,
            "invoice_number": None,
            "date": "2024-03-02",
            "id": "id",
            "status": "concept",
            "invoice_lines": [line()],
        }
        path = f"quotations/{made['id']}"
        _, message = await provider.error("PATCH", path, {"quotation": {"_approve": True}})
        assert message == "Offerte is invalid: Offerte kan niet worden goedgekeurd."
        for trigger, status in (("_publish", "published"), ("_deny", "denied"), ("_approve", "approved")):
            changed = (await provider.ask("PATCH", path, {"quotation": {trigger: True}}))["quotation"]
            assert changed["status"] == status
        approved = (await provider.ask("GET", "quotations?selection=approved"))["quotations"]
        assert [quotation["id"] for quotation in approved] == [made["id"]]


async def test_the_recorded_expense() -> None:
    async with provided() as provider:
        contact = (await provider.ask("POST", "contacts", {"contact": CONTACT}))["contact"]["id"]
        body = {
            "date": "2024-03-02",
            "state": "published",
            "type_account_id": await account(provider, MISC),
            "currency": "eur",
            "contact_id": contact,
            "invoice_lines": [{"description": "some", "price_per_unit": "10.0", "vat_rate": "0.21"}],
        }
        made = (await provider.ask("POST", "expenses", {"expense": body}))["expense"]
        assert without_ids(made) == {
            **body,
            "id": "id",
            "type_account_id": "id",
            "contact_id": "id",
            "invoice_number": None,
            "type_account": {
                "id": "id",
                "name": "Diversen",
                "path_name": "Kosten • Overige kosten • Diversen",
                "path": MISC,
                "reference": "P1.5.8",
                "type": "costs",
                "parent_id": "id",
            },
            "cached_contact": CACHED,
            "invoice_lines": [line()],
        }
        later = (await provider.ask("GET", f"expenses/{made['id']}"))["expense"]
        assert later == {**made, "invoice_number": "2024030001"}


async def test_the_recorded_journal_entry() -> None:
    async with provided() as provider:
        sides: list[dict[str, object]] = [
            {"account_id": await account(provider, BANK), "debit_amount": None, "credit_amount": "1250.0"},
            {"account_id": await account(provider, MISC), "debit_amount": "1250.0", "credit_amount": None},
        ]
        body = {"description": "Externe kosten", "date": "2024-03-02", "lines": sides}
        made = (await provider.ask("POST", "journal_entries", {"journal_entry": body}))["journal_entry"]
        assert [entry["account_path"] for entry in made["lines"]] == [BANK, MISC]
        shown = [{name: entry[name] for name in sides[0]} for entry in made["lines"]]
        assert (made["description"], made["date"], shown) == ("Externe kosten", "2024-03-02", sides)
        for lines, wrong in (
            ([{**sides[0], "credit_amount": "1.0"}, sides[1]], "Boeking is niet in balans"),
            ([{**sides[0], "debit_amount": "1250.0"}], "Lines moeten elk een debet- of een creditbedrag hebben"),
        ):
            bad = {"date": "2024-03-02", "lines": lines}
            _, message = await provider.error("POST", "journal_entries", {"journal_entry": bad})
            assert message == f"Boeking is invalid: {wrong}."


def recorded_errors() -> Iterator[tuple[str, object, str]]:
    yield "contacts", {"contact": {"city": "Utrecht"}}, "Contact is invalid: Company name moet opgegeven zijn."
    yield "products", {"product": {"has_stock": True}}, "Product is invalid: Stuksprijs moet opgegeven zijn."
    yield "quotations", {"quotation": {"date": "2024-03-02"}}, "Offerte is invalid: Contact moet opgegeven zijn."
    yield "expenses", {"expense": {"date": "2024-03-02"}}, "Uitgave is invalid: Type account moet opgegeven zijn."
    yield (
        "journal_entries",
        {"journal_entry": {"description": "Externe kosten"}},
        "Boeking is invalid: Date moet opgegeven zijn.",
    )


@pytest.mark.parametrize(("path", "body", "message"), list(recorded_errors()))
async def test_the_recorded_errors(path: str, body: object, message: str) -> None:
    async with provided() as provider:
        assert await provider.error("POST", path, body) == ("client.parameters.validation", message)
