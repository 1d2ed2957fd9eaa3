"""Settings and the rest of the office: documented shapes, and what each refuses."""

import base64

import pytest

from gateway.contract.exact import Json, loads
from tests.adapters.thenextinvoice.emulator_client import Books, books, differences, without

VAT = {"id": 155, "name": "6% BTW", "code": "VL", "factor": 1, "type": None}
LEDGER = {"id": 76, "name": "Revenue", "ledgernumber": "8000", "costcenter": ""}
PROFILE = {
    "id": 1,
    "name": "Default Profile",
    "default": True,
    "logo": "1.png",
    "language": "nl",
    "expiration": 14,
    "companyName": "ACME B.V.",
    "address": "Condensatorweg 54",
    "postalCode": "1014AX",
    "city": "Amsterdam",
    "country": "NL",
    "vatNumber": "NL857494454B01",
    "email": "info@acme.com",
    "logo_position": "left",
    "sender_position": "right",
    "peppol_verified": False,
}
SENDER = {
    "companyName": "ACME B.V.",
    "address": "Condensatorweg 54",
    "postalCode": "1014AX",
    "city": "Amsterdam",
    "country": "NL",
    "email": "info@acme.com",
    "config": {"phone": True},
}
READS: dict[str, Json] = {
    "/preferences": {
        "package": "premium",
        "addons": ["lightspeed", "payt"],
        "language": "EN",
        "confirmed": True,
        "grace": 0,
        "user_data": {"name": "TNI beta user", "email": "tni@example.com"},
        "company_name": "TNI Beta",
    },
    "/settings/ledgernumbers": [LEDGER],
    "/settings/vatcodes": [VAT],
    "/vatcodes": [VAT],
    "/settings/paymentmethods": [{"id": 8, "name": "Bank transfer"}],
    "/settings/numbers": {"invoice": "000001", "quotation": "00001"},
    "/settings/ledgernumberdebit": {"ledgerNumber": 1300},
    "/settings/sepa": {
        "id": 1,
        "company_id": 1,
        "creditor_name": "ACME B.V.",
        "iban": "NL73EXMPL000000000",
        "creditor_identifier": "NL98ZZZ999999990000",
    },
    "/settings/payment": {"message": "Please pay", "success_message": "Thank you"},
    "/settings/peppol": {"id": 1, "company_id": 1, "enabled": True},
    "/settings/sms": {"id": 1, "company_id": 1, "enabled": True},
    "/settings/sms/count": {"last": 150, "current": 320, "total": 5234},
    "/settings/sms/text": [{"id": 1, "name": "Payment reminder", "text": "Please pay via {paymentlink}"}],
    "/settings/email/text": [{"id": 1, "subject": "Invoice", "name": "Default", "text": "<p></p>"}],
    "/settings/email/address": [{"id": 1, "type": "from", "email": "sender@example.com", "verified": True}],
    "/settings/user": [{"id": 1, "email": "owner@example.com", "name": "John", "role": "owner", "language": "nl"}],
    "/settings/2fa": {"status": "enabled"},
    "/settings/integrations": [
        {"name": "twinfield", "enabled": True, "office": "123", "option": {}, "free": True, "config": {}}
    ],
    "/settings/integrations/check": {
        "name": "twinfield", "enabled": True, "office": "123", "option": {}, "free": True, "config": {}
    },
    "/settings/integrations/twinfield/test": {"ok": True},
    "/token/lilium": "thisisatoken",
    "/analytics/turnover/month": {"labels": ["Jul 2025"], "values": [1200]},
    "/analytics/turnover/year": {"labels": ["2025"], "values": [1200]},
    "/analytics/customers/5": [{"customerid": 2, "companyname": "ACME B.V.", "amount": 14250}],
    "/settings/verification": [],
    "/settings/attachments": [],
    "/notifications": [],
}  # fmt: skip


@pytest.mark.parametrize("path", READS)
async def test_reads_have_the_documented_shape(path: str) -> None:
    async with books(populated=True) as tni:
        assert differences(READS[path], await tni.ask("GET", path)) == []


async def test_vat_codes_are_factors_here_and_percentages_there() -> None:
    async with books() as tni:
        factors = {row["id"]: row["factor"] for row in await tni.ask("GET", "/settings/vatcodes")}
        percentages = {row["id"]: row["factor"] for row in await tni.ask("GET", "/vatcodes")}
        assert {number: (factor - 1) * 100 for number, factor in factors.items()} == percentages
        assert (str(factors[tni.vat()]), percentages[tni.vat()]) == ("1.21", 21)
        kinds = {row["type"] for row in await tni.ask("GET", "/vatcodes")}
        assert kinds == {"high", "low", "none", "exempt", "ICPS", "ICPG", "EBU", None}


async def test_vat_codes_are_managed() -> None:
    async with books() as tni:
        body = {"name": "12% BTW", "code": "V12", "factor": 2, "type": None}
        made = await tni.ask("POST", "/settings/vatcodes", body)
        assert made == {**body, "id": made["id"]}
        path = f"/settings/vatcodes/{made['id']}"
        changed = {"name": "Laag", "factor": 1, "type": "low"}
        assert await tni.ask("PUT", path, changed) == {**changed, "id": made["id"], "code": ""}
        assert (await tni.ask("PUT", path, without(changed, "type")))["type"] == "low"
        for wrong in ({"factor": 21}, {"factor": "1.21"}, {"type": "medium"}, {"name": ""}, {"rate": 1}):
            await tni.refused("POST", "/settings/vatcodes", {**body, **wrong})
        await tni.refused("POST", "/settings/vatcodes", without(body, "type"))
        await tni.invoice(tni.line() | {"vat": made["id"]})
        await tni.refused("DELETE", path, status=500)
        assert await tni.ask("DELETE", f"/settings/vatcodes/{tni.vat('EBU')}") == "Vatcode has been removed"
        await tni.refused("DELETE", "/settings/vatcodes/9", status=404)
        await tni.refused("PUT", "/settings/vatcodes/9", body, 404)


async def test_ledgers_are_managed_and_deleted_by_query_or_path() -> None:
    async with books() as tni:
        body = {"name": "Revenue", "ledgernumber": "8000", "costcenter": ""}
        first, second = [await tni.ask("POST", "/settings/ledgernumbers", body) for _ in range(2)]
        assert first == {**body, "id": first["id"]}
        await tni.refused("POST", "/settings/ledgernumbers", without(body, "costcenter"))
        path = f"/settings/ledgernumbers/{first['id']}"
        assert await tni.ask("PUT", path, {"name": "Other", "costcenter": "KP2"}) == {
            "id": first["id"], "name": "Other", "ledgernumber": "", "costcenter": "KP2"
        }  # fmt: skip
        assert await tni.ask("DELETE", path) == "Ledgernumber has been removed"
        await tni.ask("DELETE", f"/settings/ledgernumbers?id={second['id']}")
        await tni.refused("DELETE", "/settings/ledgernumbers", status=404)
        await tni.refused("PUT", path, body, 404)
        await tni.invoice()
        await tni.refused("DELETE", f"/settings/ledgernumbers/{tni.ledger()}", status=500)


async def test_payment_methods_are_managed_and_none_is_404() -> None:
    async with books() as tni:
        made = await tni.ask("POST", "/settings/paymentmethods", {"name": "Mollie"})
        path = f"/settings/paymentmethods/{made['id']}"
        assert await tni.ask("PUT", path, {"name": "iDeal"}) == {"id": made["id"], "name": "iDeal"}
        await tni.refused("POST", "/settings/paymentmethods", {"name": ""})
        await tni.refused("PUT", "/settings/paymentmethods/999", {"name": "x"}, 404)
        for row in await tni.ask("GET", "/settings/paymentmethods"):
            assert await tni.ask("DELETE", f"/settings/paymentmethods/{row['id']}") == "Payment method has been removed"
        await tni.refused("GET", "/settings/paymentmethods", status=404)
        await tni.refused("DELETE", path, status=404)


async def test_numbers_can_be_set_and_not_set_back() -> None:
    async with books() as tni:
        await tni.ask("PUT", "/settings/numbers", {"invoice": "F-0099"})
        assert (await tni.ask("GET", f"/invoice/{await tni.invoice(status=1)}"))["number"] == "F-0099"
        assert await tni.ask("GET", "/settings/numbers") == {"invoice": "F-0100", "quotation": "00001"}
        await tni.refused("PUT", "/settings/numbers", {"invoice": "F-0099"})
        await tni.refused("PUT", "/settings/numbers", {"invoice": "F-"})
        await tni.refused("PUT", "/settings/numbers", {"invoice": 100})


async def test_profiles_read_as_documented_and_401_when_missing() -> None:
    async with books() as tni:
        listed = await tni.ask("GET", "/settings/profile")
        assert differences(PROFILE, {name: listed[0][name] for name in PROFILE}) == []
        assert await tni.ask("GET", "/settings/profile/default") == listed[0]
        assert await tni.ask("GET", f"/settings/profile/{listed[0]['id']}") == listed[0]
        await tni.refused("GET", "/settings/profile/99", status=401)
        await tni.refused("GET", "/settings/profile/99.png", status=401)
        await tni.refused("PUT", "/settings/profile/99", {"name": "x"}, 404)
        await tni.refused("DELETE", "/settings/profile/99", status=404)


async def test_profiles_are_managed() -> None:
    async with books() as tni:
        made = await tni.ask("POST", "/settings/profile")
        path = f"/settings/profile/{made}"
        assert await tni.ask("PUT", path, {"name": "Webshop", "expiration": 30}) == made
        assert await tni.ask("PUT", f"{path}/sender", SENDER) == made
        assert await tni.ask("PUT", f"{path}/text", {"footer": "Dank"}) == made
        layout = {"logo_position": "center", "margin_global": 10, "margin_header": 20, "sender_position": "left"}
        assert await tni.ask("PUT", f"{path}/invoice", layout) == made
        assert await tni.ask("PUT", f"{path}/sending", {"email_text_id": 1}) == made
        profile = await tni.ask("GET", path)
        assert (profile["name"], profile["expiration"], profile["footer"]) == ("Webshop", 30, "Dank")
        assert (profile["logo_position"], profile["email_text_id"], profile["iban"]) == ("center", 1, None)
        await tni.refused("PUT", f"{path}/sender", without(SENDER, "config"))
        await tni.refused("PUT", f"{path}/sender", {**SENDER, "country": "nl"})
        await tni.refused("PUT", f"{path}/invoice", {**layout, "sender_position": "center"})
        await tni.refused("PUT", path, {"logo": "1.png"})
        assert await tni.ask("POST", f"{path}/default") == made
        assert (await tni.ask("GET", "/settings/profile/default"))["id"] == made
        await tni.refused("DELETE", path, status=403)
        await tni.ask("DELETE", f"/settings/profile/{1}")
        assert [row["id"] for row in await tni.ask("GET", "/settings/profile")] == [made]


async def upload(tni: Books, path: str, content_type: str, name: str = "file", copies: int = 1) -> int:
    files = [(name, ("a.png", b"\x89PNG\r\n\x1a\n\x00", content_type))] * copies
    answer = await tni.client.post(f"/api/v1{path}", headers=tni.headers, files=files)
    assert loads(answer.content)["success"] is (answer.status_code == 200)
    return answer.status_code


async def test_logos_and_terms_are_uploaded_as_forms() -> None:
    async with books() as tni:
        await tni.refused("GET", "/settings/profile/1.png", status=404)
        assert await upload(tni, "/settings/profile/1/logo", "image/png") == 200
        expected = f"data:image/png;base64,{base64.b64encode(b'%cPNG' % 0x89 + bytes([13, 10, 26, 10, 0])).decode()}"
        assert await tni.ask("GET", "/settings/profile/1.png") == expected
        assert (await tni.ask("GET", "/settings/profile/default"))["logo"] == "1.png"
        assert await upload(tni, "/settings/profile/1/logo", "application/pdf") == 415
        assert await upload(tni, "/settings/profile/1/logo", "image/png", "logo") == 400
        await tni.ask("DELETE", "/settings/profile/1/logo")
        await tni.refused("GET", "/settings/profile/1.png", status=404)
        terms = "/settings/termsandconditions"
        assert (await tni.send("HEAD", terms)).status_code == 404
        assert await upload(tni, terms, "application/pdf", copies=2) == 400
        assert await upload(tni, terms, "application/pdf") == 200
        assert (await tni.send("HEAD", terms)).status_code == 200
        answer = await tni.send("GET", terms)
        assert (answer.headers["content-type"], answer.content[:4]) == ("application/pdf", b"\x89PNG")
        await tni.ask("DELETE", terms)
        await tni.refused("GET", terms, status=404)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/settings/email/text", {"subject": "Factuur", "name": "Anders", "text": "<p>Beste</p>"}),
        ("/settings/sms/text", {"name": "Anders", "text": "Betaal: {betaallink}"}),
    ],
)
async def test_templates_are_managed(path: str, body: dict[str, Json]) -> None:
    async with books() as tni:
        made = await tni.ask("POST", path, body)
        assert made == {**body, "id": made["id"]}
        one = f"{path}/{made['id']}"
        assert (await tni.ask("PUT", one, {**body, "name": "Nieuw"}))["name"] == "Nieuw"
        assert (await tni.ask("GET", one))["name"] == "Nieuw"
        await tni.refused("POST", path, without(body, "text"))
        await tni.ask("DELETE", one)
        await tni.refused("GET", one, status=404)
        await tni.refused("POST", "/settings/sms/text", {"name": "Kaal", "text": "Betaal!"})


async def test_addresses_and_attachments_are_managed() -> None:
    async with books() as tni:
        path = "/settings/email/address"
        made = await tni.ask("POST", path, {"type": "cc", "email": "cc@example.com"})
        assert made["verified"] is False
        await tni.refused("POST", path, {"type": "bcc", "email": "cc@example.com"})
        await tni.refused("POST", "/settings/email/verify", {"email": "cc@example.com", "key": "0", "company": 1})
        await tni.refused("DELETE", f"{path}/{made['id']}/from", status=404)
        await tni.refused("DELETE", f"{path}/{made['id']}/bcc")
        await tni.ask("DELETE", f"{path}/{made['id']}/cc")
        body = {"name": "General terms", "filename": "terms.pdf", "content": base64.b64encode(b"%PDF").decode()}
        attached = await tni.ask("POST", "/settings/attachments", body)
        assert attached == {"id": attached["id"], "name": "General terms", "filename": "terms.pdf"}
        one = f"/settings/attachments/{attached['id']}"
        assert (await tni.ask("PUT", one, {"name": "Terms"}))["name"] == "Terms"
        await tni.refused("PUT", one, {"filename": "other.pdf"})
        await tni.refused("POST", "/settings/attachments", {**body, "content": "not base64!"})
        await tni.ask("DELETE", one)
        await tni.refused("DELETE", one, status=404)


async def test_small_settings_are_written() -> None:
    async with books() as tni:
        await tni.ask("PUT", "/settings/ledgernumberdebit", {"ledgerNumber": 1300})
        assert await tni.ask("GET", "/settings/ledgernumberdebit") == {"ledgerNumber": 1300}
        await tni.refused("PUT", "/settings/ledgernumberdebit", {"ledgerNumber": "1300"})
        names = ("creditor_name", "iban", "creditor_identifier")
        await tni.ask("PUT", "/settings/sepa", dict.fromkeys(names, ""))
        await tni.refused("PUT", "/settings/sepa", {"creditor_name": "x" * 71})
        await tni.ask("PUT", "/settings/payment", {"message": "Betaal", "success_message": "Dank"})
        await tni.refused("PUT", "/settings/payment", {"message": "Betaal"})
        await tni.refused("PUT", "/settings/peppol", {"enabled": 1})
        assert (await tni.ask("PUT", "/preferences", {"language": "en"}))["language"] == "EN"
        await tni.refused("PUT", "/preferences", {"language": "English"}, 500)
        await tni.refused("GET", "/settings/integrations/check", status=404)
        await tni.refused("GET", "/settings/integrations/sap", status=404)
        await tni.refused("GET", "/settings/integrations/exact/test", status=404)
        await tni.refused("GET", "/analytics/turnover/week")
        await tni.refused("GET", "/analytics/customers/51")


async def test_analytics_sum_finalized_invoices() -> None:
    async with books() as tni:
        customer = await tni.customer()
        await tni.invoice(tni.line(1000), receiver=customer, status=1)
        await tni.invoice(tni.line(50), receiver=customer)
        months = await tni.ask("GET", "/analytics/turnover/month")
        assert (months["labels"][0], months["labels"][-1]) == ("Apr 2025", "Mar 2026")
        assert months["values"] == [0] * 11 + [1000]
        top = [{"customerid": customer, "companyname": "Company name", "amount": 1000}]
        assert await tni.ask("GET", "/analytics/customers/3") == top


async def test_a_prognosis_is_kept() -> None:
    async with books() as tni:
        assert await tni.ask("GET", "/prognosis") is None
        body = {"start_month": 1, "start_year": 2026, "costs": [1000], "debts": [0], "revenue": [3000]}
        made = await tni.ask("POST", "/prognosis", body)
        assert made == {**body, "id": 1, "company_id": 1}
        assert (await tni.ask("PUT", "/prognosis", {**body, "start_month": 2}))["id"] == 1
        await tni.refused("PUT", "/prognosis", {**body, "start_month": 13})
        await tni.refused("PUT", "/prognosis", {**body, "costs": ["1000"]})


async def test_a_payment_is_notified_and_notifications_are_dismissed() -> None:
    async with books() as tni:
        final = await tni.invoice(status=1)
        await tni.ask("POST", f"/invoice/{final}/payment", {"date": "2026-03-02", "method": tni.method()}, 201)
        assert await tni.ask("GET", "/notifications") == [
            {
                "id": 42,
                "company_id": 1,
                "message": "Invoice 202600001 has been paid",
                "data": {"invoice_id": final},
                "time": "2026-03-02 09:00:00",
            }
        ]
        assert await tni.ask("DELETE", "/notifications") == "Notifications have been removed"
        assert await tni.ask("GET", "/notifications") == []
