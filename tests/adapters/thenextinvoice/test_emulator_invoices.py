"""The life of an invoice: written, read, replaced, finalized, credited, paid, deleted."""

import uuid
from decimal import Decimal

import pytest

from gateway.contract.exact import Json
from tests.adapters.thenextinvoice.emulator_client import TEXT_LINE, books, differences, without

EXAMPLE = {
    "id": 45311,
    "company": 1,
    "number": "202400013",
    "status": 1,
    "type": "",
    "discount": 0,
    "includesVat": False,
    "lines": [{"description": "Product 1", "ledger": 11, "price": 100, "quantity": 1, "vat": 3}],
    "sender": 1,
    "receiver": 2,
    "meta": {"currency": "EUR", "dueDate": "2024-05-27", "language": "nl", "sendDate": "2024-03-28"},
    "text": {"top": "This invoice is for item 1425", "bottom": "Thank you for your order.", "footer": ""},
    "calculated": {
        "totalExclVat": 100,
        "totalInclVat": 121,
        "discountApplied": 0,
        "vatApplied": 21,
        "vatTotals": {"21": 21},
    },
}
STATUS = {
    "invoice": {"state": "paid"},
    "booking": {
        "status": True,
        "method": "twinfield",
        "message": "Invoice 201800013 has been booked",
        "time": "2018-04-12 18:30:45",
    },
    "mail": {
        "status": True,
        "events": [{"recipient": "debtors@example.com", "event": "queued", "time": "2019-02-28 21:30:00"}],
    },
    "comments": {
        "status": True,
        "comments": [
            {"user": {"id": 1, "name": "TNI beta user"}, "message": "A comment", "time": "2023-12-20 11:13:37"}
        ],
    },
    "sepa": {"status": False, "message": None, "time": None},
    "collection": {"status": False, "date": None, "type": None},
    "payment": {"status": True, "message": "Bankoverschrijving", "time": "2019-01-21 00:00:00"},
    "reminder": {"status": False, "count": "0", "time": None},
    "recurring": {"status": False, "time": None},
    "quotation": {"status": False, "message": None, "time": None},
}


async def test_a_finalized_invoice_reads_as_documented_number_for_number() -> None:
    async with books() as tni:
        invoice = await tni.ask("GET", f"/invoice/{await tni.invoice(tni.line(), status=1)}")
        assert differences(EXAMPLE, invoice) == []
        assert invoice["calculated"] == EXAMPLE["calculated"]
        assert (invoice["number"], invoice["status"], invoice["receiver"]) == ("202600001", 1, 1)
        assert await tni.ask("GET", "/settings/numbers") == {"invoice": "202600002", "quotation": "00001"}


@pytest.mark.parametrize(("style", "number"), [("null", None), ("empty", "")])
async def test_a_draft_has_no_parties_no_amounts_and_no_number(style: str, number: Json) -> None:
    async with books(draft_number=style) as tni:
        draft_id = await tni.invoice()
        draft = await tni.ask("GET", f"/invoice/{draft_id}")
        assert set(draft) == set(EXAMPLE)
        assert draft["lines"][1] == TEXT_LINE
        assert (draft["receiver"], draft["sender"], draft["calculated"]) == (None, None, None)
        assert (draft["number"], draft["status"]) == (number, 0)
        assert await tni.ask("POST", f"/invoice/{draft_id}/send") == draft_id
        final = await tni.ask("GET", f"/invoice/{draft_id}")
        assert (final["number"], final["receiver"], final["status"]) == ("202600001", 1, 1)
        assert final["calculated"]["totalInclVat"] == 121
        await tni.refused("POST", f"/invoice/{draft_id}/send")


async def test_parties_of_a_finalized_invoice_may_be_objects_as_they_were() -> None:
    async with books(parties="objects") as tni:
        customer = await tni.customer()
        known = await tni.ask("GET", f"/customer/{customer}")
        final_id = await tni.invoice(receiver=customer, status=1)
        await tni.ask("DELETE", f"/customer/{customer}")
        final = await tni.ask("GET", f"/invoice/{final_id}")
        assert final["receiver"] == known
        assert final["sender"] == await tni.ask("GET", "/settings/profile/default")


async def test_parties_vat_and_ledger_may_be_written_as_whole_objects() -> None:
    async with books() as tni:
        customer = await tni.ask("GET", f"/customer/{await tni.customer()}")
        profile = await tni.ask("GET", "/settings/profile/default")
        vat = next(row for row in await tni.ask("GET", "/settings/vatcodes") if row["type"] == "high")
        ledger = (await tni.ask("GET", "/settings/ledgernumbers"))[0]
        line = {**tni.line(), "vat": vat, "ledger": ledger}
        known = await tni.ask("GET", f"/invoice/{await tni.invoice(line, receiver=customer, sender=profile, status=1)}")
        assert (known["receiver"], known["sender"]) == (int(customer["id"]), profile["id"])
        assert (known["lines"][0]["vat"], known["lines"][0]["ledger"]) == (vat["id"], ledger["id"])
        stranger = without(customer, "id")
        unknown = await tni.ask("GET", f"/invoice/{await tni.invoice(receiver=stranger, status=1)}")
        assert unknown["receiver"] == stranger


@pytest.mark.parametrize("name", ["discount", "includesVat", "lines", "meta", "receiver", "sender", "text"])
async def test_required_fields_of_an_invoice(name: str) -> None:
    async with books() as tni:
        body = tni.draft(await tni.customer())
        assert await tni.refused("POST", "/invoice", without(body, name)) == f"{name} is required"
    async with books(defaults_stand_in=True) as tni:
        body = tni.draft(await tni.customer())
        if name in ("discount", "includesVat"):
            draft = await tni.ask("GET", f"/invoice/{await tni.ask('POST', '/invoice', without(body, name))}")
            assert (draft["discount"], draft["includesVat"]) == (0, False)
        else:
            await tni.refused("POST", "/invoice", without(body, name))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"discount": "5"}, "discount"),
        ({"discount": 101}, "discount"),
        ({"discount": -1}, "discount"),
        ({"includesVat": 1}, "includesVat"),
        ({"includesVat": None}, "includesVat"),
        ({"status": 2}, "status"),
        ({"status": True}, "status"),
        ({"type": "X"}, "type"),
        ({"receiver": 999}, "receiver"),
        ({"receiver": "1"}, "receiver"),
        ({"receiver": {}}, "companyname"),
        ({"receiver": {"id": [1]}}, "receiver.id"),
        ({"sender": 999}, "sender"),
        ({"lines": []}, "lines"),
        ({"lines": {}}, "lines"),
        ({"lines": [3]}, "lines[0]"),
        ({"creationToken": "not a uuid"}, "creationToken"),
        ({"id": 1}, "id"),
        ({"calculated": None}, "calculated"),
        ({"text": {"top": 1}}, "text.top"),
        ({"text": {"subject": ""}}, "text.subject"),
    ],
)
async def test_wrong_invoices_are_refused(change: dict[str, Json], named: str) -> None:
    async with books() as tni:
        assert named in await tni.refused("POST", "/invoice", {**tni.draft(await tni.customer()), **change})
        assert tni.emulator.books()["invoices"] == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"quantity": None}, "quantity"),
        ({"ledger": None}, "ledger"),
        ({"vat": None}, "vat"),
        ({"price": None}, "price"),
        ({"price": "100"}, "price"),
        ({"quantity": True}, "quantity"),
        ({"vat": 999}, "vat"),
        ({"vat": {"id": 999}}, "vat"),
        ({"ledger": {"name": "Revenue"}}, "ledger"),
        ({"description": None}, "description"),
        ({"unit": "hour"}, "unit"),
        ({"price": 10**15}, "price"),
    ],
)
async def test_wrong_lines_are_refused(change: dict[str, Json], named: str) -> None:
    async with books() as tni:
        body = {**tni.draft(await tni.customer()), "lines": [{**tni.line(), **change}]}
        assert f"lines[0].{named}" in await tni.refused("POST", "/invoice", body)


@pytest.mark.parametrize(
    "change",
    [{"sendDate": "02-03-2026"}, {"dueDate": "2026-02-30"}, {"dueDate": "2026-03-01"}, {"currency": "euro"},
     {"language": "Dutch"}, {"paidDate": "2026-03-02"}, {"sendDate": None}],
)  # fmt: skip
async def test_wrong_meta_is_refused(change: dict[str, Json]) -> None:
    async with books() as tni:
        body = tni.draft(await tni.customer())
        body["meta"].update(change)
        await tni.refused("POST", "/invoice", body)


async def test_a_creation_token_creates_once() -> None:
    async with books() as tni:
        body = {**tni.draft(await tni.customer()), "creationToken": str(uuid.UUID(int=1, version=4))}
        first = await tni.ask("POST", "/invoice", body)
        assert await tni.ask("POST", "/invoice", {**body, "status": 1}) == first
        assert len(tni.emulator.books()["invoices"]) == 1
        assert (await tni.ask("GET", f"/invoice/{first}"))["status"] == 0


@pytest.mark.parametrize(("token_finds", "finds_new"), [("new", True), ("old", False)])
@pytest.mark.parametrize(("old_id", "old_status"), [("gone", 404), ("alias", 200)])
async def test_a_put_replaces_a_draft_under_a_new_id(
    token_finds: str, finds_new: bool, old_id: str, old_status: int
) -> None:
    async with books(old_id=old_id, token_after_put=token_finds) as tni:
        body = {**tni.draft(await tni.customer()), "creationToken": str(uuid.UUID(int=1, version=4))}
        old = await tni.ask("POST", "/invoice", body)
        new = await tni.ask("PUT", f"/invoice/{old}", {**body, "lines": [tni.line(7)]})
        assert new != old
        assert (await tni.ask("GET", f"/invoice/{new}"))["lines"] == [tni.line(7)]
        assert (await tni.send("GET", f"/invoice/{old}")).status_code == old_status
        assert len(tni.emulator.books()["invoices"]) == 1
        assert await tni.ask("POST", "/invoice", body) == (new if finds_new else old)


async def test_a_put_may_keep_the_id_and_may_finalize() -> None:
    async with books(put_id="same") as tni:
        body = tni.draft(await tni.customer())
        draft = await tni.ask("POST", "/invoice", body)
        assert await tni.ask("PUT", f"/invoice/{draft}", {**body, "status": 1}) == draft
        assert (await tni.ask("GET", f"/invoice/{draft}"))["number"] == "202600001"
        await tni.refused("PUT", f"/invoice/{draft}", body, 500)


@pytest.mark.parametrize(("negates", "price", "quantity"), [("price", -100, 2), ("quantity", 100, -2)])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_credit_has_the_opposite_signs_once(negates: str, price: int, quantity: int, slash: str) -> None:
    async with books(credit_negates=negates) as tni:
        original = await tni.invoice(tni.line(100, 2), TEXT_LINE, discount=10, status=1)
        credit_id = await tni.ask("POST", f"/invoice/{original}/credit{slash}", status=201)
        note = await tni.ask("GET", f"/invoice/{credit_id}")
        assert (note["type"], note["status"], note["number"], note["receiver"]) == ("C", 1, "202600002", 1)
        assert (note["lines"][0]["price"], note["lines"][0]["quantity"]) == (price, quantity)
        assert note["lines"][1] == TEXT_LINE
        amounts = (await tni.ask("GET", f"/invoice/{original}"))["calculated"]
        for name in ("totalExclVat", "totalInclVat", "discountApplied", "vatApplied"):
            assert note["calculated"][name] == -amounts[name] != 0
        assert note["calculated"]["vatTotals"] == {"21": -amounts["vatTotals"]["21"]}
        assert (await tni.ask("GET", f"/invoice/{original}/status"))["invoice"] == {"state": "credited"}
        assert (await tni.ask("GET", f"/invoice/{credit_id}/status"))["invoice"] == {"state": "credit"}
        for refused in (original, credit_id, await tni.invoice()):
            await tni.refused("POST", f"/invoice/{refused}/credit{slash}")
        await tni.refused("POST", f"/invoice/9/credit{slash}", status=404)


async def test_a_payment_has_no_amount_and_can_be_taken_back() -> None:
    async with books() as tni:
        final = await tni.invoice(tni.line(10), status=1)
        paid = {"date": "2026-03-01", "method": tni.method()}
        answer = await tni.send("POST", f"/invoice/{final}/payment", paid)
        assert answer.status_code == 201
        status = await tni.ask("GET", f"/invoice/{final}/status")
        assert status["payment"] == {"status": True, "message": "Bankoverschrijving", "time": "2026-03-01 00:00:00"}
        assert status["invoice"] == {"state": "paid"}
        booked = {"invoice_id": final, "date": "2026-03-01", "method": tni.method(), "amount": Decimal("12.1")}
        assert tni.emulator.books()["payments"] == [booked]
        await tni.refused("POST", f"/invoice/{final}/payment", paid, 409)
        await tni.ask("DELETE", f"/invoice/{final}/payment")
        assert tni.emulator.books()["payments"] == []
        await tni.refused("DELETE", f"/invoice/{final}/payment", status=409)


async def test_refused_payments() -> None:
    async with books() as tni:
        final, draft = await tni.invoice(status=1), await tni.invoice()
        paid = {"date": "2026-03-01", "method": tni.method()}
        await tni.refused("POST", f"/invoice/{draft}/payment", paid)
        await tni.refused("POST", "/invoice/9/payment", paid, 404)
        await tni.refused("POST", f"/invoice/{final}/payment", {**paid, "method": 999}, 404)
        for change in ({"date": "1 maart"}, {"date": "2026-3-1"}, {"method": "8"}, {"amount": 5}, {"method": None}):
            await tni.refused("POST", f"/invoice/{final}/payment", {**paid, **change})
        await tni.refused("DELETE", "/invoice/9/payment", status=404)
        await tni.ask("POST", f"/invoice/{final}/credit", status=201)
        await tni.refused("POST", f"/invoice/{final}/payment", paid)


async def test_an_unchecked_id_deletes_in_bulk_finalized_invoices_too() -> None:
    async with books() as tni:
        first, second, third = await tni.invoice(status=1), await tni.invoice(), await tni.invoice(status=1)
        await tni.ask("DELETE", f"/invoice/{first}%2C{second}")
        assert [invoice["id"] for invoice in tni.emulator.books()["invoices"]] == [third]
        await tni.refused("GET", f"/invoice/{first}", status=404)
        await tni.refused("DELETE", f"/invoice/{first}", status=404)
        assert (await tni.ask("GET", f"/invoice/{await tni.invoice(status=1)}"))["number"] == "202600003"


@pytest.mark.parametrize(("style", "left"), [("all_or_nothing", 1), ("existing", 0)])
async def test_a_bulk_with_an_unknown_id_is_a_switch(style: str, left: int) -> None:
    async with books(bulk=style) as tni:
        answer = await tni.send("DELETE", f"/invoice/{await tni.invoice()},999")
        assert answer.status_code == (404 if left else 200)
        assert len(tni.emulator.books()["invoices"]) == left


async def test_status_has_every_documented_block() -> None:
    async with books(populated=True) as tni:
        final = await tni.invoice(status=1)
        quiet = await tni.ask("GET", f"/invoice/{final}/status")
        assert differences(STATUS, quiet) == []
        assert quiet["reminder"] == STATUS["reminder"]
        comment = await tni.ask("POST", f"/invoice/{final}/comment", {"message": "A comment"})
        example = {"id": 123, "invoice_id": 44783, "user_id": 1, "time": "2023-12-20 11:13:37", "message": "Nice"}
        assert differences(example, comment) == []
        await tni.ask("POST", f"/invoice/{final}/remind")
        await tni.ask("POST", f"/invoice/{final}/book")
        await tni.ask("POST", f"/invoice/{final}/send/mail", {"subject": "Invoice {invoicenumber}", "body": "<p></p>"})
        await tni.ask("POST", f"/invoice/{final}/payment", {"date": "2026-03-02", "method": tni.method()}, 201)
        busy = await tni.ask("GET", f"/invoice/{final}/status")
        assert differences(STATUS, busy) == []
        assert busy["reminder"] == {"status": True, "count": "1", "time": "2026-03-02 09:00:00"}
        assert busy["comments"]["comments"][0]["user"] == {"id": 1, "name": "Sanne de Groot"}
        assert [event["event"] for event in busy["mail"]["events"]] == ["queued", "delivered"]
        assert busy["booking"]["method"] == "twinfield"
        await tni.refused("GET", "/invoice/9/status", status=404)
        await tni.refused("POST", f"/invoice/{final}/comment", {"message": ""})


async def test_actions_on_drafts_and_without_connections_are_refused() -> None:
    async with books() as tni:
        draft, final = await tni.invoice(), await tni.invoice(status=1)
        letter = {"subject": "Factuur", "body": "Beste"}
        await tni.refused("POST", f"/invoice/{draft}/send/mail", letter)
        await tni.refused("POST", f"/invoice/{draft},{final}/queue", letter)
        await tni.refused("POST", f"/invoice/{final}/queue", {"subject": "Factuur"})
        await tni.refused("POST", f"/invoice/{draft}/remind", status=500)
        await tni.refused("POST", f"/invoice/{final}/book", status=500)
        await tni.refused("POST", f"/invoice/{final}/approve")
        await tni.refused("POST", f"/invoice/{final}/archive")
        await tni.refused("POST", f"/invoice/{final}/send/sms", status=403)
        await tni.refused("POST", f"/invoice/{final}/send/peppol", status=403)
        await tni.refused("POST", "/invoice/syncpayments", status=500)
        await tni.refused("POST", f"/invoice/{final}/sepa", {"date": "soon"})
        await tni.refused("POST", f"/invoice/{final}/sepa", {"date": "2026-03-20"})
        await tni.ask("PUT", "/settings/sms", {"enabled": True})
        await tni.refused("POST", f"/invoice/{final}/send/sms")
        await tni.ask("POST", f"/invoice/{final}/tracking-number", {"tracking_number": "3SABC"})
        await tni.ask("POST", f"/invoice/{final}/queue", letter)
        await tni.ask("POST", f"/invoice/{final}/resend")
        assert len((await tni.ask("GET", f"/invoice/{final}/status"))["mail"]["events"]) == 4


async def test_quotations_look_like_invoices_and_can_be_approved_and_archived() -> None:
    async with books(populated=True) as tni:
        quotation = tni.emulator.books()["quotations"][0]
        read = await tni.ask("GET", f"/invoice/{quotation['id']}")
        assert (read["type"], read["status"], read["number"]) == ("", 1, "00001")
        await tni.ask("POST", f"/invoice/{read['id']}/approve")
        assert (await tni.ask("GET", f"/invoice/{read['id']}/status"))["quotation"]["message"] == "approved"
        await tni.refused("POST", f"/invoice/{read['id']}/approve")
        await tni.ask("POST", f"/invoice/{read['id']}/archive")
        await tni.refused("POST", f"/invoice/{read['id']}/archive")
    async with books(populated=True, quotation_type="Q", quotation_series="shared") as tni:
        quotation = tni.emulator.books()["quotations"][0]
        assert quotation["type"] == "Q"
        assert len(quotation["number"]) == len("202600001")


@pytest.mark.parametrize(
    ("scheme", "start"), [(False, "thenextinvoice.com/t/"), (True, "https://thenextinvoice.com/t/")]
)
@pytest.mark.parametrize(("for_drafts", "status"), [(False, 404), (True, 200)])
async def test_payment_urls(scheme: bool, start: str, for_drafts: bool, status: int) -> None:
    async with books(payment_url_scheme=scheme, draft_payment_url=for_drafts) as tni:
        url = await tni.ask("GET", f"/invoice/{await tni.invoice(status=1)}/payment-url")
        assert url.startswith(start)
        assert len(url) == len(start) + 12
        assert (await tni.send("GET", f"/invoice/{await tni.invoice()}/payment-url")).status_code == status


async def test_direct_debits_are_batched_and_downloaded() -> None:
    async with books() as tni:
        final = await tni.invoice(tni.line(100), status=1, type="I")
        await tni.ask("POST", f"/invoice/{final}/sepa", {"date": "2026-03-20"})
        await tni.refused("POST", f"/invoice/{final}/sepa", {"date": "2026-03-20"})
        status = await tni.ask("GET", f"/invoice/{final}/status")
        assert status["collection"] == {"status": True, "date": "2026-03-20", "type": "RCUR"}
        assert status["sepa"]["status"] is True
        batch = (await tni.ask("GET", "/sepa/search?limit=10&page=1&order=date"))["items"][0]
        assert (batch["amount"], batch["invoices"]) == (121, [final])
        assert await tni.ask("GET", "/sepa/totals") == {"EUR": {"amount_incl": 121, "amount_excl": 100}}
        assert (await tni.ask("GET", "/sepa/search?minamount=121.01"))["items"] == []
        file = await tni.send("GET", f"/sepa/{batch['id']}/view")
        assert file.headers["content-type"] == "application/xml"
        assert b"<CtrlSum>121.00</CtrlSum>" in file.content
        await tni.refused("GET", "/sepa/9/view", status=404)
