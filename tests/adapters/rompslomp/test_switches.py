"""The same life of an administration, whichever way each guess of the dossier turns out."""

from pathlib import Path
from typing import Any

import pytest

from tests.adapters.rompslomp.connected import Connected, connected

WAYS: list[dict[str, Any]] = [
    {},
    {"id_in_path": "whole"},
    {"parameter_error_status": 422},
    {"per_page_over_100": "clamp"},
    {"unknown_selection": "all"},
    {"unknown_reference_status": 404},
    {"q_matching": "words"},
    {"q_case": "ignored_in_ascii"},
    {"q_case": "heeded"},
    {"email_search": "case_insensitive"},
    {"api_reference_search": "contains"},
    {"tidies": True},
    {"vat_rounding": "per_rate_total"},
    {"vat_rounding": "per_rate_of_lines"},
    {"vat_rounding": "vat_of_charges"},
    {"vat_rounding": "unrounded"},
    {"foreign_vat_name": "vat_custom"},
    {"foreign_vat_label": "country_code"},
    {"untaxed_rate": "null"},
    {"vat_number_from_contact": True},
    {"concept_needs_contact": False},
    {"publish_needs_lines": False},
    {"published_mutability": "open"},
    {"published_delete": "allowed"},
    {"concept_pdf_status": 404},
    {"overpayment": "overpaid"},
    {"product_fills_line": True},
    {"in_use_delete": "soft"},
    {"product_code_charset": "alphanumeric"},
    {"product_code_unique": False},
    {"invoice_payments_unbooked": True},
    {"payment_needs_account": False},
    {"general_data_needs_public": False},
    {"public_opens_accounts": True},
    {"scope_error": "insufficient_scope"},
    {"no_api_access_status": 401},
]


@pytest.mark.parametrize("switches", WAYS, ids=str)
async def test_the_same_life_either_way(tmp_path: Path, switches: dict[str, Any]) -> None:
    async with connected(tmp_path, **switches) as books:
        contact = await contacts(books)
        product = await products(books)
        await invoices(books, contact, product)
        await untaxed(books, contact)
        await abroad(books)


async def untaxed(books: Connected, contact: str) -> None:
    lines = [
        {"description": treatment, "unit_price": "50.00", "vat_treatment": treatment}
        for treatment in ("exempt", "reverse_charge")
    ]
    made = await books.ask("POST", "invoices", await books.draft(*lines, contact_id=contact, finalize=True))
    assert [(line["vat_treatment"], line["vat_rate"], line["tax"]) for line in made["lines"]] == [
        ("exempt", "0", "0.00"),
        ("reverse_charge", "0", "0.00"),
    ]
    assert [(group["rate"], group["base"]) for group in made["tax_breakdown"]] == [("0", "50.00"), ("0", "50.00")]
    codes = (await books.ask("GET", "vat-codes?limit=200"))["data"]
    assert {code["rate"] for code in codes if code["treatment"] in ("exempt", "reverse_charge")} == {"0"}


async def abroad(books: Connected) -> None:
    customer = await books.contact(address={"country": "DE"}, vat_number="DE123456789")
    settings = {"intra_eu_services_vat_code_id": await books.vat("reverse_charge")}
    await books.ask("PATCH", "", {"settings": settings})
    line = {"description": "Advies", "unit_price": "50.00", "vat_treatment": "intra_eu_services"}
    made = await books.ask("POST", "invoices", await books.draft(line, contact_id=customer, finalize=True))
    assert [(one["vat_treatment"], one["vat_rate"]) for one in made["lines"]] == [("intra_eu_services", "0")]


async def contacts(books: Connected) -> str:
    id = await books.contact(email="Jan@Voorbeeld.example", number="D-77", roles=["customer"])
    other = await books.contact(company_name="Leverancier", roles=["supplier"])
    found = await books.ask("GET", "contacts?email=jan@voorbeeld.example")
    assert [one["id"] for one in found["data"]] == [id]
    assert [one["id"] for one in (await books.ask("GET", "contacts?number=D-77"))["data"]] == [id]
    assert (await books.ask("GET", "contacts?number=D-7"))["data"] == []
    assert [one["id"] for one in (await books.ask("GET", "contacts?role=supplier"))["data"]] == [other]
    changed = await books.ask("PATCH", f"contacts/{id}", {"address": {"city": "Sneek"}})
    assert (changed["address"]["city"], changed["number"]) == ("Sneek", "D-77")
    await books.refused(404, "not_found", "GET", f"contacts/{other}x")
    await books.ask("DELETE", f"contacts/{other}")
    await books.refused(404, "not_found", "GET", f"contacts/{other}")
    return id


async def products(books: Connected) -> str:
    draft = {"code": "MEEL5", "name": "Roggemeel", "price": "7.50", "vat_code_id": await books.vat("domestic_low")}
    made = await books.ask("POST", "products", draft)
    assert [one["id"] for one in (await books.ask("GET", "products?code=MEEL5"))["data"]] == [made["id"]]
    assert (await books.ask("GET", "products?code=MEEL"))["data"] == []
    changed = await books.ask("PATCH", f"products/{made['id']}", {"price": "8.00"})
    assert (changed["price"], changed["name"], changed["code"]) == ("8.00", "Roggemeel", "MEEL5")
    return str(made["id"])


async def invoices(books: Connected, contact: str, product: str) -> None:
    line = {"description": "Meel", "product_id": product, "quantity": "2"}
    draft = await books.ask("POST", "invoices", await books.draft(line, contact_id=contact))
    assert (draft["document_status"], draft["totals"]["gross"]) == ("draft", "17.44")
    assert (draft["lines"][0]["unit_price"], draft["lines"][0]["vat_treatment"]) == ("8.00", "domestic_low")
    await books.refused(409, "conflict", "GET", f"invoices/{draft['id']}/pdf")
    await books.refused(409, "conflict", "POST", "payments", await books.payment(draft, "17.44"))
    changed = await books.ask("PATCH", f"invoices/{draft['id']}", {"reference": "PO 1"})
    assert (changed["reference"], changed["lines"]) == ("PO 1", draft["lines"])
    final = await books.ask("POST", f"invoices/{draft['id']}/finalize")
    assert (final["document_status"], final["payment_status"]) == ("final", "unpaid")
    assert final["number"]
    await books.refused(409, "conflict", "POST", f"invoices/{draft['id']}/finalize")
    await books.refused(409, "conflict", "PATCH", f"invoices/{draft['id']}", {"reference": "PO 2"})
    assert (await books.send("GET", f"invoices/{final['id']}/pdf")).content.startswith(b"%PDF-")
    await settle(books, final)
    await credit(books)


async def settle(books: Connected, final: Any) -> None:
    payment = await books.pay(final, "10.00", description="Eerste deel")
    assert await books.ask("GET", f"payments/{payment['id']}") == payment
    assert payment["allocations"] == [{"invoice_id": final["id"], "amount": "10.00"}]
    assert payment["description"] == "Eerste deel"
    part = await books.ask("GET", f"invoices/{final['id']}")
    assert (part["payment_status"], part["totals"]["open"]) == ("partially_paid", "7.44")
    problem = await books.refused(422, "validation_failed", "POST", "payments", await books.payment(final, "7.45"))
    assert problem["errors"][0]["pointer"] == "/allocations/0/amount"
    rest = await books.pay(final, "7.44")
    assert rest["id"] != payment["id"]
    assert (await books.ask("GET", f"invoices/{final['id']}"))["payment_status"] == "paid"
    await books.refused(409, "conflict", "POST", "payments", await books.payment(final, "1.00"))
    await books.ask("DELETE", f"payments/{rest['id']}")
    assert (await books.ask("GET", f"invoices/{final['id']}"))["payment_status"] == "partially_paid"


async def credit(books: Connected) -> None:
    final = await books.final()
    note = await books.ask("POST", f"invoices/{final['id']}/credit", {"external_ref": "retour-1"})
    assert (note["document_type"], note["credits_invoice_id"], note["external_ref"]) == (
        "credit_note",
        final["id"],
        "retour-1",
    )
    assert note["totals"]["gross"] == final["totals"]["gross"]
    assert note["description"].endswith(final["number"])
    await books.refused(409, "conflict", "POST", f"invoices/{final['id']}/credit")
    await books.refused(409, "conflict", "POST", f"invoices/{note['id']}/credit")
    read = await books.ask("GET", f"invoices/{final['id']}")
    assert (read["payment_status"], read["totals"]["open"], read["totals"]["paid"]) == ("credited", "0.00", "0.00")
    listed = {one["id"]: one for one in (await books.ask("GET", "invoices?include=lines"))["data"]}
    assert listed[final["id"]] == read
    assert [one["id"] for one in (await books.ask("GET", "invoices?external_ref=retour-1"))["data"]] == [note["id"]]
