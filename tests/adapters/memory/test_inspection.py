"""A lost write is looked for to the end of the list, however many records were made meanwhile."""

from gateway.contract.emulator import Fault
from tests.house import House

MANY = 120


async def test_a_lost_invoice_is_found_behind_more_than_a_page_of_others(house: House) -> None:
    connection = f"/v1/connections/{await house.connect('memory')}"
    contact = (await house.client.post(f"{connection}/contacts", json={"company_name": "Kaasboer"})).json()["id"]
    codes = (await house.client.get(f"{connection}/vat-codes")).json()["data"]
    accounts = (await house.client.get(f"{connection}/ledger-accounts")).json()["data"]
    vat = next(code["id"] for code in codes if code["treatment"] == "domestic_high")
    revenue = next(account["id"] for account in accounts if account["type"] == "revenue")

    def invoice(number: int) -> dict[str, object]:
        line = {"description": f"Kaas {number}", "quantity": "1", "unit_price": "1.00"}
        return {"contact_id": contact, "lines": [{**line, "vat_code_id": vat, "ledger_account_id": revenue}]}

    for number in range(MANY):
        assert (await house.client.post(f"{connection}/invoices", json=invoice(number))).status_code == 201
    before = len(house.emulator("memory").books()["invoices"])
    house.emulator("memory").fail(Fault("lost"), when=lambda seen: seen.method == "POST")
    found = await house.client.post(f"{connection}/invoices", json=invoice(MANY))
    assert (found.status_code, found.json()["lines"][0]["description"]) == (201, f"Kaas {MANY}")
    assert len(house.emulator("memory").books()["invoices"]) == before + 1
