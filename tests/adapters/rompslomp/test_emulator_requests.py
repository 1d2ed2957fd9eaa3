"""What every request meets: routes, bodies, paging, selections, ids."""

import pytest

from adapters.rompslomp.emulator import Switches
from adapters.rompslomp.emulator.identifiers import scrambled
from gateway.contract.exact import loads
from tests.adapters.rompslomp.emulated import provided


async def test_what_is_no_endpoint_is_404_even_without_token() -> None:
    async with provided() as provider:
        for method, path in [("GET", "layouts"), ("PUT", "contacts/1"), ("GET", "sales_invoices/1/attachments")]:
            answer = await provider.client.request(method, f"/api/v1/companies/{provider.company}/{path}")
            assert answer.status_code == 404
            assert loads(answer.content) == {
                "error": {"message": "Endpoint does not exist", "type": "client.not_found.endpoint"}
            }


@pytest.mark.parametrize("noun", ["hours", "rides"])
async def test_what_is_documented_and_not_emulated_is_not_denied(noun: str) -> None:
    asked = [("GET", noun), ("POST", noun), ("GET", f"{noun}/1"), ("PATCH", f"{noun}/1"), ("DELETE", f"{noun}/1")]
    async with provided() as provider:
        for method, path in asked:
            assert await provider.error(method, path, {}, status=501) == (
                "server",
                "This endpoint is not part of the emulator",
            )
        answer = await provider.client.get(f"/api/v1/companies/{provider.company}/{noun}")
        assert answer.status_code == 401


async def test_a_path_may_end_in_json() -> None:
    async with provided() as provider:
        contact = await provider.contact()
        for path in ("contacts.json", f"contacts/{contact}.json", "contacts/"):
            assert (await provider.send("GET", path)).status_code == 200
        assert (await provider.send("GET", "/api/v1/me.json")).status_code == 200


@pytest.mark.parametrize("status", [400, 422])
async def test_bodies_that_can_not_be_read(status: int) -> None:
    async with provided(Switches(parameter_error_status=400 if status == 400 else 422)) as provider:
        url = f"/api/v1/companies/{provider.company}/contacts"
        headers = {"authorization": f"Bearer {provider.token}", "content-type": "application/json"}
        bad = await provider.client.post(url, headers=headers, content=b'{"contact": {')
        assert bad.status_code == status
        assert loads(bad.content)["error"]["type"] == "client.parameters.malformed_json"
        form = await provider.client.post(
            url, headers={**headers, "content-type": "text/plain"}, content=b'{"contact":{"company_name":"A"}}'
        )
        assert loads(form.content)["error"]["type"] == "client.parameters.missing_parameter"
        unwrapped: list[object] = [{"company_name": "A"}, {"contact": {}}, {"contact": None}, [], 7]
        for body in unwrapped:
            kind, _ = await provider.error("POST", "contacts", body, status=status)
            assert kind == "client.parameters.missing_parameter"
        unpermitted: dict[str, object] = {"api_reference": "x", "name": "x", "free_1": {"nl": "x"}, "phone": ["06"]}
        for name, value in unpermitted.items():
            body = {"contact": {"company_name": "A", name: value}}
            kind, message = await provider.error("POST", "contacts", body, status=status)
            assert kind == "client.parameters.unpermitted_parameters"
            assert name in message
        mistyped: dict[str, object] = {"is_individual": "true", "phone": 6, "city": True}
        for name, value in mistyped.items():
            body = {"contact": {"company_name": "A", name: value}}
            kind, _ = await provider.error("POST", "contacts", body, status=status)
            assert kind == "client.parameters.invalid_parameter_value"
        assert provider.emulator.books()["contacts"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("sales_invoices", {"sales_invoice": {"invoice_number": "2024-1"}}),
        ("sales_invoices", {"sales_invoice": {"status": "published"}}),
        ("sales_invoices", {"sales_invoice": {"invoice_lines": [{"price_with_vat": "121.0"}]}}),
        ("sales_invoices", {"sales_invoice": {"invoice_lines": [{"unit_price": "121.0"}]}}),
        ("sales_invoices", {"sales_invoice": {"payments": [{"amount": "1.0", "invoice_id": 1}]}}),
        ("sales_invoices", {"sales_invoice": {"contact": {"api_reference": "x"}}}),
        ("products", {"product": {"price_per_unit": "1.0"}}),
        ("products", {"product": {"invoice_line": {"quantity": "2.0"}}}),
        ("payments", {"payment": {"invoice_id": 1}}),
        ("expenses", {"expense": {"attachment_objects": []}}),
        ("expenses", {"expense": {"vat_number": "NL123456789B01"}}),
        ("quotations", {"quotation": {"api_reference": "x"}}),
        ("journal_entries", {"journal_entry": {"lines": [{"amount": "1.0"}]}}),
    ],
)
async def test_attributes_that_are_not_permitted_refuse_the_request(path: str, body: object) -> None:
    async with provided() as provider:
        kind, _ = await provider.error("POST", path, body, status=400)
        assert kind == "client.parameters.unpermitted_parameters"


async def test_unknown_query_parameters_are_ignored() -> None:
    async with provided() as provider:
        await provider.contact()
        found = await provider.ask("GET", "contacts?q=nobody&query=nobody&sort=name&search[name]=nobody")
        assert len(found["contacts"]) == 1


async def test_lists_come_in_pages_of_forty_newest_first() -> None:
    async with provided(populated=True) as provider:
        answer = await provider.send("GET", "contacts")
        headers = {name: answer.headers[name] for name in ("x-page", "x-per-page", "x-total")}
        assert headers == {"x-page": "1", "x-per-page": "40", "x-total": "220"}
        assert "link" not in answer.headers
        booked = [contact["id"] for contact in provider.emulator.books()["contacts"]]
        seen: list[int] = []
        for page in range(1, 8):
            answer = await provider.send("GET", f"contacts?page={page}&per_page=37")
            assert answer.headers["x-total"] == "220"
            seen += [contact["id"] for contact in loads(answer.content)["contacts"]]
        assert seen == booked[::-1]
        assert seen != sorted(seen)


async def test_pages_beyond_the_end_and_of_nothing_are_empty() -> None:
    async with provided(populated=True) as provider:
        for query in ("page=9", "per_page=0"):
            answer = await provider.send("GET", f"contacts?{query}")
            assert loads(answer.content) == {"contacts": []}
            assert answer.headers["x-total"] == "220"


@pytest.mark.parametrize("query", ["page=0", "page=x", "page=-1", "per_page=-1", "per_page=101", "per_page=1.5"])
async def test_pages_that_can_not_be(query: str) -> None:
    async with provided() as provider:
        kind, _ = await provider.error("GET", f"contacts?{query}", status=400)
        assert kind == "client.parameters.invalid_parameter_value"


async def test_more_than_a_hundred_per_page_may_be_clamped() -> None:
    async with provided(Switches(per_page_over_100="clamp"), populated=True) as provider:
        answer = await provider.send("GET", "contacts?per_page=500")
        assert answer.headers["x-per-page"] == "100"
        assert len(loads(answer.content)["contacts"]) == 100


async def test_an_unknown_selection_is_an_error_or_everything() -> None:
    async with provided() as provider:
        for root in ("contacts", "sales_invoices", "products", "payments", "accounts", "vat_types"):
            kind, _ = await provider.error("GET", f"{root}?selection=nonsense", status=400)
            assert kind == "client.parameters.invalid_parameter_value"
    async with provided(Switches(unknown_selection="all"), populated=True) as provider:
        assert len((await provider.ask("GET", "contacts?selection=nonsense"))["contacts"]) == 40


async def test_ids_are_scattered_and_shared_by_the_tables() -> None:
    assert len({scrambled(row) for row in range(1, 20_000)}) == 19_999
    assert all(0 < scrambled(row) < 2**31 for row in range(1, 20_000))
    async with provided(populated=True) as provider:
        books = provider.emulator.books()
        contacts = {contact["id"] for contact in books["contacts"]}
        assert {invoice["id"] for invoice in books["invoices"]} <= contacts
        assert {product["id"] for product in books["products"]} <= contacts


async def test_what_never_was_is_404() -> None:
    async with provided() as provider:
        for root in ("contacts", "sales_invoices", "products", "payments", "quotations", "expenses", "journal_entries"):
            for method in ("GET", "DELETE"):
                kind, _ = await provider.error(method, f"{root}/123456789", status=404)
                assert kind == "client.not_found.resource"
            kind, _ = await provider.error("PATCH", f"{root}/123456789", {"contact": {"city": "X"}}, status=404)
            assert kind == "client.not_found.resource"


async def test_an_id_that_leaves_its_place_hits_another_record() -> None:
    """As Ruby reads it: whoever lets ``12,13`` or ``12x`` through deletes record 12."""
    async with provided() as provider:
        first, second = await provider.contact(), await provider.contact()
        await provider.ask("DELETE", f"contacts/{first},{second}")
        assert [contact["id"] for contact in provider.emulator.books()["contacts"]] == [second]
    async with provided(Switches(id_in_path="whole")) as provider:
        contact = await provider.contact()
        await provider.error("DELETE", f"contacts/{contact},1", status=404)
        assert len(provider.emulator.books()["contacts"]) == 1


@pytest.mark.parametrize("populated", [False, True])
async def test_a_fresh_company_has_vat_types_accounts_and_templates(populated: bool) -> None:
    async with provided(populated=populated) as provider:
        vat_types = await provider.listed("vat_types")
        dutch = {(each["name"], each["friendly_name"], each["value"]) for each in vat_types[:6]}
        assert dutch == {
            ("vat_high", "hoog", "0.21"),
            ("vat_low_new", "laag", "0.09"),
            ("vat_zero", "0%", "0.0"),
            ("vat_none", "vrijgesteld", "0.0"),
            ("vat_reverse_charged", "verlegd", "0.0"),
            ("vat_custom", "aangepast", None),
        }
        abroad = {each["friendly_name"]: each["value"] for each in vat_types[6:]}
        assert len(abroad) == 26
        assert abroad["Duitsland 19%"] == "0.19"
        assert abroad["Finland 25,5%"] == "0.255"
        templates = (await provider.ask("GET", "templates"))["templates"]
        assert [each["is_default"] for each in templates] == [False, False, True]


async def test_vat_types_of_the_past_are_listed_on_demand() -> None:
    async with provided() as provider:
        today = await provider.listed("vat_types")
        since_2018 = await provider.listed("vat_types", "since=2018-12-31")
        since_2010 = await provider.listed("vat_types", "since=2010-01-01")
        assert "vat_low" not in {each["name"] for each in today}
        assert {each["value"] for each in since_2018 if each["name"] == "vat_low"} == {"0.06"}
        assert {each["value"] for each in since_2010 if each["friendly_name"].startswith("hoog")} == {"0.21", "0.19"}
        old = next(each for each in since_2018 if each["name"] == "vat_low")
        assert (await provider.ask("GET", f"vat_types/{old['id']}"))["vat_type"] == old
        kind, _ = await provider.error("GET", "vat_types?since=gisteren", status=400)
        assert kind == "client.parameters.invalid_parameter_value"


async def test_how_foreign_vat_types_are_named_is_a_switch() -> None:
    async with provided(Switches(foreign_vat_name="vat_custom", foreign_vat_label="country_code")) as provider:
        german = next(each for each in await provider.listed("vat_types") if each["friendly_name"] == "DE 19%")
        assert (german["name"], german["value"]) == ("vat_custom", "0.19")


async def test_accounts_want_a_selection() -> None:
    async with provided() as provider:
        kind, _ = await provider.error("GET", "accounts", status=400)
        assert kind == "client.parameters.missing_parameter"
        everything = await provider.listed("accounts", "selection=all")
        assert [each["reference"] for each in everything[:3]] == ["H6", "H5", "H4"]
        assert everything[-1]["path"] == "activa"
        types = {
            selection: {each["type"] for each in await provider.listed("accounts", f"selection={selection}")}
            for selection in ("ledger", "payment", "revenue", "costs")
        }
        assert types == {
            "ledger": {"balance", "costs", "revenue"},
            "payment": {"balance"},
            "revenue": {"revenue"},
            "costs": {"costs"},
        }
        misc = next(each for each in everything if each["path"] == "profit.costs.other_costs.misc")
        assert misc["path_name"] == "Kosten • Overige kosten • Diversen"
        parent = await provider.ask("GET", f"accounts/{misc['parent_id']}")
        assert parent["account"]["path"] == "profit.costs.other_costs"
        assert "Telefoon &amp; internet" in {each["name"] for each in everything}


async def test_accounts_are_found_by_their_paths() -> None:
    async with provided() as provider:
        base = "activa.current_assets.liquid_assets"
        query = f"selection=all&search[paths][]={base}.bank&search[paths][]={base}.cash"
        found = await provider.listed("accounts", query)
        assert {each["path"] for each in found} == {f"{base}.bank", f"{base}.cash"}
