"""The verbs against the emulator: whichever way its switches stand, at the documented cost, in the vendor's schemas."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from adapters.snelstart.emulator import Switches
from gateway.contract.emulator import Fault
from gateway.contract.exact import dumps, loads
from tests.adapters.snelstart.connected import ADDRESS, Books, connected, line
from tests.adapters.snelstart.test_emulator_schemas import TYPES, VENDOR

BODIES: Mapping[str, str] = {
    "relaties": "Relaties.RelatieWriteModel",
    "artikelen": "Artikelen.ArtikelModel",
    "verkoopboekingen": "VerkoopBoekingen.VerkoopBoekingModel",
    "bankboekingen": "Bankboekingen.BankboekingModel",
    "kasboekingen": "Kasboekingen.KasboekingModel",
    "memoriaalboekingen": "Bankboekingen.MemoriaalboekingModel",
}
SWITCHES = [
    Switches(),
    Switches(not_found="code_400"),
    Switches(not_found="message", malformed_id="not_found"),
    Switches(all_violations=False, model_state_first=True),
    Switches(article_top=500, article_default=25),
    Switches(filter_ignores_case=True, filter_refusal="code"),
    Switches(order="by_id"),
    Switches(inactive_listed=False, deleted_article_readable=True),
    Switches(modified_on_zone="UTC"),
    Switches(ubl="array"),
    Switches(both_kinds_allowed=True, kind_change_allowed=True),
    Switches(address_needs_country=True, strip_nl_prefix=False),
    Switches(article_codes="Numeriek", article_code_length=8),
    Switches(vat_tolerance=Decimal(0), sub_cent="keep"),
    Switches(due_date_from_relation=False),
    Switches(memorial_sign="negative_settles", journal_needs_two_lines=False),
    Switches(payment_stamps_invoice="never"),
    Switches(deleted_body="object", bearer_refusal="empty"),
]


@pytest.mark.parametrize("switches", SWITCHES, ids=lambda one: str([*_changed(one)]))
async def test_the_books_of_a_day(switches: Switches, tmp_path: Path) -> None:
    """A customer, a product, an invoice with three kinds of VAT, paid in two parts; a credit note; all listed."""
    async with connected(tmp_path, switches) as books:
        contact = await books.contact(vat_number="NL001234560B01", email="Info@Sluis.example")
        changed = await books.ask("PATCH", f"contacts/{contact['id']}", {"phone": "0152123456"})
        assert {**contact, "phone": "0152123456", "updated_at": changed["updated_at"]} == changed
        assert changed["vat_number"] == "NL001234560B01"
        product = await books.make("products", {"name": "Meel", "price": "2.195", "vat_code_id": "laag-2019-01-01"})
        assert await books.ask("GET", f"products/{product['id']}") == product
        mixed = [line("domestic_high"), line("domestic_low", unit="stuk"), line("zero", discount_percent="10")]
        invoice = await books.invoice(contact["id"], *mixed, due_on="2026-03-23")
        assert invoice["totals"] == totals("58.00", "6.00", "64.00", "0.00", "64.00")
        assert (invoice["due_on"], invoice["payment_status"]) == ("2026-03-23", "unpaid")
        first = await books.pay(invoice, "24.00")
        assert (await books.read(invoice))["payment_status"] == "partially_paid"
        second = await books.pay(invoice, "40.00", payment_method_id=await books.method("cash"))
        read = await books.read(invoice)
        assert (read["payment_status"], read["totals"]["open"]) == ("paid", "0.00")
        listed = (await books.ask("GET", "payments"))["data"]
        assert sorted(one["id"] for one in listed) == sorted([first["id"], second["id"]])
        for one in listed:
            assert await books.ask("GET", f"payments/{one['id']}") == one
        other = await books.invoice(contact["id"], line("domestic_high"), line("domestic_low"))
        note = await books.ask("POST", f"invoices/{other['id']}/credit", {"number": "C-1"}, status=201)
        assert (note["totals"], note.get("warnings")) == (totals("40.00", "6.00", "46.00", "46.00", "0.00"), None)
        assert (await books.read(other))["payment_status"] == "credited"
        again = await books.ask("POST", f"invoices/{other['id']}/credit", {"number": "C-2"}, status=409)
        assert again["code"] == "conflict"
        whole = (await books.ask("GET", "invoices", include="lines"))["data"]
        assert {one["id"] for one in whole} == {invoice["id"], other["id"], note["id"]}
        assert next(one for one in whole if one["id"] == invoice["id"])["lines"] == read["lines"]
        assert [one["id"] for one in (await books.ask("GET", "contacts", email="info@sluis.example"))["data"]] == [
            contact["id"]
        ]
        await books.ask("DELETE", f"products/{product['id']}", status=204)
        await books.ask("GET", f"products/{product['id']}", status=404)
        await books.ask("GET", "invoices/11111111-2222-3333-4444-555555555555", status=404)
        ubl = await books.house.client.get(f"/v1/connections/{books.connection}/invoices/{invoice['id']}/ubl")
        assert (ubl.status_code, ubl.content[:1]) == (200, b"<")
        every_body_is_the_vendors(books)


def _changed(switches: Switches) -> list[str]:
    usual = Switches()
    return [name for name in Switches.__dataclass_fields__ if getattr(usual, name) != getattr(switches, name)]


def totals(net: str, tax: str, gross: str, paid: str, open_: str) -> dict[str, str]:
    return {"net": net, "tax": tax, "gross": gross, "paid": paid, "open": open_}


def every_body_is_the_vendors(books: Books) -> None:
    """Every JSON body that was sent validates against the vendor's model, with no member that it lacks."""
    checked = 0
    for seen in books.heard():
        noun = seen.path.split("/")[2]
        if seen.method not in ("POST", "PUT"):
            continue
        validator = jsonschema.validators.extend(jsonschema.Draft4Validator, type_checker=TYPES)  # type: ignore[no-untyped-call]  # untyped there
        schemas = {name: _strict(schema) for name, schema in VENDOR["schemas"].items()}
        validator({"$ref": f"#/schemas/{BODIES[noun]}", "schemas": schemas}).validate(loads(seen.body))
        checked += 1
    assert checked


def _strict(schema: Any) -> Any:
    """The vendor's schema: null where a value may be missing, and no other members than it names."""
    if "$ref" in schema:
        return {"anyOf": [{"type": "null"}, schema]}
    changed = dict(schema)
    changed.pop("format", None)
    if "type" in schema:
        changed["type"] = [schema["type"], "null"]
    if "enum" in schema:
        changed["enum"] = [*schema["enum"], None]
    if "items" in schema:
        changed["items"] = _strict(schema["items"])
    if "properties" in schema:
        changed["properties"] = {name: _strict(value) for name, value in schema["properties"].items()}
        changed["additionalProperties"] = False
    return changed


# --- costs and paging


async def test_a_page_of_two_hundred_invoices_is_one_call(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        books.emulator.add_invoices(230)
        since = len(books.emulator.journal)
        page = await books.ask("GET", "invoices", limit="200")
        assert (len(page["data"]), page["next_cursor"] is not None) == (200, True)
        assert [seen.path for seen in books.heard(since)] == ["/v2/verkoopfacturen"]


async def test_lines_of_a_page_cost_a_call_for_each_customer_at_most(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        books.emulator.add_invoices(200)
        await books.ask("GET", "vat-codes")
        since = len(books.emulator.journal)
        page = await books.ask("GET", "invoices", limit="200", include="lines")
        heard = books.heard(since)
        customers = {one["contact_id"] for one in page["data"]}
        assert all(one["lines"] for one in page["data"])
        settings = [seen for seen in heard if seen.path in ("/v2/grootboeken", "/v2/btwtarieven", "/v2/companyInfo")]
        assert len(heard) - len(settings) == 1 + len(customers)


async def test_a_listed_invoice_is_what_a_get_says_to_the_letter(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        await books.ask("PUT", "raw/companyInfo", {"factureerBuitenlandsBtw": True})
        often, once = await books.contact(), await books.contact(company_name="Eenmalig bv")
        abroad = await books.contact(company_name="Ausland GmbH", address={**ADDRESS, "country": "DE"})
        for _ in range(2):
            await books.invoice(often["id"])
            await books.invoice(abroad["id"], line("oss", vat_country="DE", vat_rate="19"))
        await books.invoice(once["id"])
        listed = (await books.ask("GET", "invoices", include="lines,provider,raw"))["data"]
        assert len(listed) == 5
        for one in listed:
            assert await books.ask("GET", f"invoices/{one['id']}", include="provider,raw") == one
            assert one["raw"]["verkoopfactuur"]["verkoopBoeking"]["id"] == one["raw"]["id"] == one["id"]


async def test_620_invoices_are_met_once_each(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        books.emulator.add_invoices(620)
        rows = {row["id"] for row in books.emulator.books()["invoices"]}
        met: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await books.ask("GET", "invoices", limit="200", where=cursor)
            met += [one["id"] for one in page["data"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert (len(met), set(met)) == (620, rows)
        assert all(int(seen.query.rpartition("top=")[2]) <= 500 for seen in books.heard() if "top=" in seen.query)


async def test_a_page_of_settled_invoices_of_many_customers_is_no_longer_a_question(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        for number in range(21):
            contact = await books.contact(company_name=f"Klant {number}")
            await books.pay(await books.invoice(contact["id"]), "24.20")
            listed = (await books.ask("GET", "invoices"))["data"]
            assert [one["payment_status"] for one in listed] == ["paid"] * (number + 1)


ENTRY = {
    "id": "0d6e5b0a-6d58-4a6e-9c6e-000000000001",
    "datum": "2026-03-02T00:00:00",
    "bedragUitgegeven": 5,
    "bedragOntvangen": 0,
    "dagboek": {"id": "0d6e5b0a-6d58-4a6e-9c6e-000000000002"},
}
"""What was paid for something: it settles no sale."""


@pytest.mark.parametrize(("path", "noun"), [("ledger-accounts", "grootboeken"), ("payments", "bankboekingen")])
async def test_a_list_that_begins_again_is_not_read_for_ever(tmp_path: Path, path: str, noun: str) -> None:
    async with connected(tmp_path) as books:
        known = loads((await books.house.client.get(f"/v1/connections/{books.connection}/raw/{noun}")).content)
        rows = (known or [ENTRY]) * 500
        again = Fault("status", 200, {"content-type": "application/json"}, dumps(rows[:500]))
        books.emulator.fail(again, times=1_000, when=lambda seen: seen.path.endswith(noun))
        before = len(books.emulator.journal)
        said = await books.ask("GET", path, status=502)
        assert said["code"] == "upstream_malformed"
        assert len([seen for seen in books.emulator.journal[before:] if seen.path.endswith(noun)]) == 2


async def test_articles_are_asked_for_25_at_a_time(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        for number in range(60):
            await books.make("products", {"name": f"Meel {number}", "vat_code_id": "hoog-2012-10-01"})
        assert len((await books.ask("GET", "products", limit="200"))["data"]) == 60


async def test_a_code_and_a_number_mind_their_case(tmp_path: Path) -> None:
    async with connected(tmp_path, Switches(filter_ignores_case=True)) as books:
        made = await books.make("products", {"name": "Meel", "code": "Meel'5", "vat_code_id": "hoog-2012-10-01"})
        invoice = await books.invoice((await books.contact())["id"], number="F-a'1")
        for resource, name, value, id in (
            ("products", "code", "Meel'5", made["id"]),
            ("invoices", "number", "F-a'1", invoice["id"]),
        ):
            found = (await books.ask("GET", resource, where={name: value}))["data"]
            assert [one["id"] for one in found] == [id]
            assert (await books.ask("GET", resource, where={name: value.upper()}))["data"] == []


# --- VAT


@pytest.mark.parametrize(
    ("treatment", "country", "vat_number", "category"),
    [
        ("reverse_charge", "NL", "NL001234560B01", "AE"),
        ("exempt", "NL", None, "E"),
        ("intra_eu_goods", "DE", "DE136695976", "K"),
        ("intra_eu_services", "DE", "DE136695976", "AE"),
        ("export", "US", None, "G"),
    ],
)
async def test_untaxed_sales_are_told_apart(
    treatment: str, country: str, vat_number: str | None, category: str, tmp_path: Path
) -> None:
    async with connected(tmp_path) as books:
        contact = await books.contact(address={**ADDRESS, "country": country}, vat_number=vat_number)
        invoice = await books.invoice(contact["id"], line(treatment), line(treatment, unit_price="1.005"))
        assert invoice["totals"] == totals("22.01", "0.00", "22.01", "0.00", "22.01")
        assert [one["vat_treatment"] for one in invoice["lines"]] == [treatment] * 2
        assert [group["category"] for group in invoice["tax_breakdown"]] == [category]
        every_body_is_the_vendors(books)


async def test_foreign_vat_is_a_line_of_its_own(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        await books.ask("PUT", "raw/companyInfo", {"factureerBuitenlandsBtw": True})
        contact = await books.contact(address={**ADDRESS, "country": "DE"})
        codes = (await books.ask("GET", "vat-codes", limit="200"))["data"]
        assert {one["treatment"] for one in codes} >= {"oss", "domestic_high"}
        lines = [line("oss", vat_country="DE", vat_rate="19"), line("oss", vat_country="DE", vat_rate="7")]
        invoice = await books.invoice(contact["id"], *lines)
        assert invoice["totals"] == totals("40.00", "5.20", "45.20", "0.00", "45.20")
        assert [group["tax"] for group in invoice["tax_breakdown"]] == ["3.80", "1.40"]
        assert [one["vat_country"] for one in invoice["lines"]] == ["DE", "DE"]
        booked = books.emulator.books()["invoices"][0]
        assert (len(booked["boekingsregels"]), booked["btw"]) == (3, [])
        assert await books.read(invoice) == invoice
        note = await books.ask("POST", f"invoices/{invoice['id']}/credit", {"number": "C-1"}, status=201)
        assert note["tax_breakdown"] == invoice["tax_breakdown"]


async def test_an_account_of_another_vat_is_refused_before_any_call(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        contact = await books.contact()
        accounts = (await books.ask("GET", "ledger-accounts", limit="200"))["data"]
        low = next(one["id"] for one in accounts if one["code"] == "8210")
        draft = books.draft(contact["id"], line("domestic_high", ledger_account_id=low))
        problem = await books.ask("POST", "invoices", draft, status=422)
        assert [error["pointer"] for error in problem["errors"]] == ["/lines/0/ledger_account_id"]
        assert books.emulator.books()["invoices"] == []


async def test_reverse_charge_mixes_with_nothing(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        draft = books.draft((await books.contact())["id"], line("reverse_charge"), line("domestic_high"))
        problem = await books.ask("POST", "invoices", draft, status=422)
        assert (problem["code"], problem["upstream"]["code"]) == ("upstream_rejected", "BOE-0062")


# --- what cannot be


async def test_what_an_invoice_must_say(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        draft = books.draft((await books.contact())["id"])
        for change, code, pointer in (
            ({"finalize": False}, "draft_unsupported", "/finalize"),
            ({"number": None}, "validation_failed", "/number"),
            ({"due_on": "2026-03-01"}, "validation_failed", "/due_on"),
            ({"currency": "USD"}, "field_unsupported", "/currency"),
            ({"notes": "Spoed"}, "field_unsupported", "/notes"),
            ({"lines": [line("domestic_high", description="x" * 251)]}, "field_unsupported", "/lines/0/description"),
            ({"lines": [line("domestic_high", unit="(x)")]}, "field_unsupported", "/lines/0/unit"),
            ({"lines": [line("domestic_high", unit_price="0")]}, "field_unsupported", "/lines/0/unit_price"),
        ):
            since = len(books.emulator.journal)
            problem = await books.ask("POST", "invoices", {**draft, **change}, status=422)
            assert (problem["code"], problem["outcome"]) == (code, "not_sent")
            assert [error["pointer"] for error in problem["errors"]] == [pointer]
            assert {seen.method for seen in books.heard(since)} <= {"GET"}


async def test_a_hidden_account_is_read_and_cannot_be_credited(tmp_path: Path) -> None:
    async with connected(tmp_path, Switches(hide_ledgers=True)) as books:
        invoice = await books.invoice((await books.contact())["id"])
        assert (invoice["lines"][0]["ledger_account_id"], invoice["lines"][0]["vat_rate"]) == (None, "21")
        problem = await books.ask("POST", f"invoices/{invoice['id']}/credit", {"number": "C-1"}, status=409)
        assert (problem["code"], problem["outcome"]) == ("conflict", "not_sent")


async def test_a_number_in_use_is_a_conflict(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        contact = await books.contact()
        first = await books.invoice(contact["id"])
        draft = books.draft(contact["id"], number=first["number"])
        problem = await books.ask("POST", "invoices", draft, status=409)
        assert (problem["code"], problem["errors"][0]["pointer"]) == ("conflict", "/number")


async def test_a_paid_invoice_cannot_be_deleted(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        invoice = await books.invoice((await books.contact())["id"])
        payment = await books.pay(invoice, "1.00")
        problem = await books.ask("DELETE", f"invoices/{invoice['id']}", status=409)
        assert problem["upstream"]["code"] == "BOE-0083"
        await books.ask("DELETE", f"payments/{payment['id']}", status=204)
        await books.ask("DELETE", f"invoices/{invoice['id']}", status=204)
        await books.ask("GET", f"invoices/{invoice['id']}", status=404)


async def test_one_payment_settles_several_invoices_and_leaves_a_rest(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        contact = await books.contact()
        one, other = await books.invoice(contact["id"]), await books.invoice(contact["id"])
        accounts = (await books.ask("GET", "ledger-accounts", limit="200"))["data"]
        rest = next(account["id"] for account in accounts if account["code"] == "4790")
        allocations = [{"invoice_id": one["id"], "amount": "24.20"}, {"invoice_id": other["id"], "amount": "20.00"}]
        body = {"amount": "45.00", "allocations": allocations, "payment_method_id": await books.method()}
        problem = await books.ask("POST", "payments", body, status=422)
        assert problem["errors"][0]["pointer"] == "/ledger_account_id"
        payment = await books.make("payments", {**body, "ledger_account_id": rest, "reference": "R1"})
        assert (payment["allocations"], payment["unallocated"]) == (allocations, "0.80")
        assert (payment["ledger_account_id"], payment["reference"]) == (rest, "R1")
        assert (await books.read(other))["totals"]["open"] == "4.20"
        assert [one["id"] for one in (await books.ask("GET", "payments", invoice_id=other["id"]))["data"]] == [
            payment["id"]
        ]


async def test_money_goes_back_on_a_credit_note(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        note = await books.invoice((await books.contact())["id"], document_type="credit_note")
        assert (note["document_type"], note["totals"]["open"]) == ("credit_note", "24.20")
        await books.pay(note, "24.20", direction="out")
        assert (await books.read(note))["payment_status"] == "paid"


async def test_own_and_system_relations_stay_hidden(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        made = await books.contact()
        assert [one["id"] for one in (await books.ask("GET", "contacts", include="archived"))["data"]] == [made["id"]]
        for row in books.emulator.administration.records["relaties"].values():
            if row["id"] != made["id"]:
                await books.ask("GET", f"contacts/{row['id']}", status=404)


async def test_an_update_forgets_nothing(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        made = await books.contact()
        row = books.emulator.administration.records["relaties"][made["id"]]
        row |= {"memo": "Belt graag", "oin": "12345678901234567890", "kredietLimiet": Decimal("500.0")}
        await books.ask("PATCH", f"contacts/{made['id']}", {"address": {"city": "Goes"}})
        after = books.emulator.administration.records["relaties"][made["id"]]
        assert (after["memo"], after["oin"], after["kredietLimiet"]) == ("Belt graag", row["oin"], Decimal("500.0"))
        assert (after["vestigingsAdres"]["plaats"], after["vestigingsAdres"]["straat"]) == ("Goes", "Sluiskade 12")


async def test_an_update_of_a_product_forgets_nothing(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        made = await books.make("products", {"name": "Meel", "price": "1.00", "vat_code_id": "hoog-2012-10-01"})
        articles = books.emulator.administration.records["artikelen"]
        extra = [{"naam": "Kleur", "waarde": "rood"}, {"naam": "Maat", "waarde": None}]
        articles[made["id"]] |= {"inkoopprijs": Decimal("0.5"), "voorraadControle": True, "extraVelden": extra}
        before = articles[made["id"]]
        await books.ask("PATCH", f"products/{made['id']}", {"price": "2.00"})
        assert articles[made["id"]] == {**before, "verkoopprijs": Decimal("2.0")}
        every_body_is_the_vendors(books)


@pytest.mark.parametrize(("switches", "told"), [(Switches(), "0.00"), (Switches(unpriced_article="null"), None)])
async def test_a_product_without_a_price_is_made_and_takes_no_list_with_it(
    switches: Switches, told: str | None, tmp_path: Path
) -> None:
    async with connected(tmp_path, switches) as books:
        made = await books.make("products", {"name": "Meel", "vat_code_id": "laag-2019-01-01"})
        changed = await books.ask("PATCH", f"products/{made['id']}", {"unit": "kg"})
        assert (made["price"], changed["price"], changed["unit"]) == (told, told, "kg")
        assert changed in (await books.ask("GET", "products"))["data"]


async def test_a_product_keeps_its_vat_where_its_account_changes(tmp_path: Path) -> None:
    """A revenue group has both: one that leaves the other as it was goes first, and else it is said (dossier 2.4)."""
    async with connected(tmp_path) as books:
        made = await books.make("products", {"name": "Meel", "price": "1.00", "vat_code_id": "laag-2019-01-01"})
        groups = books.emulator.administration.records["artikelomzetgroepen"]
        ledgers = books.emulator.administration.records["grootboeken"]
        high = next(id for id, row in ledgers.items() if row["grootboekfunctie"] == "VerkopenOmzetHoog")
        low = next(row for row in groups.values() if row["verkoopNederlandBtwSoort"] == "Laag")
        for number, (kind, ledger) in enumerate([("Hoog", high), ("Laag", high)], 1):
            id = f"00000000-0000-4000-8000-00000000000{number}"
            account = {"id": ledger, "uri": f"/grootboeken/{ledger}"}
            others = {"verkoopNederlandBtwSoort": kind, "verkoopGrootboekNederlandIdentifier": account}
            groups[id] = {**low, **others, "id": id, "nummer": number}
        books.house.clock.advance(4000)
        changed = await books.ask("PATCH", f"products/{made['id']}", {"ledger_account_id": high})
        assert (changed["ledger_account_id"], changed["vat_code_id"]) == (high, "laag-2019-01-01")
        assert "warnings" not in changed
        changed = await books.ask("PATCH", f"products/{made['id']}", {"vat_code_id": "onbelast"})
        assert (changed["vat_code_id"], changed["ledger_account_id"] == high) == ("onbelast", False)
        assert [one["code"] for one in changed["warnings"]] == ["ledger_account_changed"]


async def test_a_locked_period_is_a_conflict(tmp_path: Path) -> None:
    async with connected(tmp_path) as books:
        contact = await books.contact()
        books.emulator.lock(date(2026, 3, 31))
        problem = await books.ask("POST", "invoices", books.draft(contact["id"]), status=409)
        assert problem["upstream"]["code"] == "BOE-0042"
