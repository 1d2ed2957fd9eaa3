"""Bank, cash and memorial entries: how an invoice gets paid, and how it gets open again."""

from decimal import Decimal

import pytest

from adapters.snelstart.emulator import Switches
from gateway.contract.exact import Json
from tests.adapters.snelstart.emulated import NOBODY, Provider, provided


async def open_of(provider: Provider, entry: Json) -> Json:
    return (await provider.invoice_of(entry))["openstaandSaldo"]


async def test_a_payment_settles_its_invoice() -> None:
    async with provided() as provider:
        entry = await provider.booked()
        payment = await provider.ask("POST", "bankboekingen", await provider.payment((entry, "121.00")))
        assert await provider.get(f"bankboekingen/{payment['id']}") == payment
        assert await provider.get("bankboekingen") == [payment]
        assert payment["verkoopboekingBoekingsRegels"] == [
            {
                "boekingId": {"id": entry["id"], "uri": f"/verkoopboekingen/{entry['id']}"},
                "omschrijving": "Betaling",
                "debet": 0,
                "credit": 121,
            }
        ]
        assert (payment["grootboekBoekingsRegels"], payment["datum"]) == ([], "2026-03-02T00:00:00")
        assert await open_of(provider, entry) == 0
        assert provider.emulator.books()["payments"] == [payment]
        paid = await provider.get("grootboekmutaties", filter="Saldo lt 0 and Datum eq datetime'2026-03-02T00:00:00'")
        assert [(line["saldo"], line["factuurNummer"]) for line in paid] == [(-121, "2026-1")]


async def test_parts_and_several_invoices_in_one() -> None:
    async with provided() as provider:
        first, second = await provider.booked("1"), await provider.booked("2")
        body = await provider.payment((first, "121.00"), (second, "20.99"))
        await provider.ask("POST", "bankboekingen", body)
        assert (await open_of(provider, first), await open_of(provider, second)) == (0, Decimal("100.01"))
        await provider.ask("POST", "bankboekingen", await provider.payment((second, "101.00")))
        assert await open_of(provider, second) == Decimal("-0.99")


async def test_money_out_settles_a_credit() -> None:
    async with provided() as provider:
        credit = await provider.booked(
            factuurbedrag=Decimal(-121),
            boekingsregels=[await provider.line("-100.00")],
            btw=[{"btwSoort": "VerkopenHoog", "btwBedrag": -21}],
        )
        body = await provider.payment((credit, "0"), bedragOntvangen=0, bedragUitgegeven=121)
        body["verkoopboekingBoekingsRegels"][0] |= {"debet": 121, "credit": 0}
        await provider.ask("POST", "bankboekingen", body)
        assert await open_of(provider, credit) == 0


async def test_fees_and_differences_are_ledger_lines() -> None:
    async with provided() as provider:
        entry = await provider.booked()
        costs = {"omschrijving": "Kosten", "grootboek": await provider.ledger(4758), "debet": 1, "btwSoort": "Hoog"}
        vat = {"type": "TeVorderenBtwType", "tarief": "Hoog", "debet": Decimal("0.21"), "credit": 0}
        body = await provider.payment((entry, "121.00"), bedragOntvangen=Decimal("119.79"))
        body |= {"grootboekBoekingsRegels": [costs], "btwBoekingsregels": [vat]}
        made = await provider.ask("POST", "bankboekingen", body)
        assert made["grootboekBoekingsRegels"][0]["credit"] == 0
        assert sum(line["saldo"] for line in await provider.get("grootboekmutaties")) == 0
        without = body | {"grootboekBoekingsRegels": [], "bedragOntvangen": Decimal("120.79")}
        assert await provider.codes("POST", "bankboekingen", without) == ["BOE-0053"]


async def test_deleting_opens_the_invoice_again() -> None:
    async with provided() as provider:
        entry = await provider.booked()
        payment = await provider.ask("POST", "bankboekingen", await provider.payment((entry, "100.00")))
        await provider.ask("DELETE", f"bankboekingen/{payment['id']}")
        await provider.ask("GET", f"bankboekingen/{payment['id']}", status=404)
        await provider.ask("DELETE", f"bankboekingen/{payment['id']}", status=404)
        assert await open_of(provider, entry) == 121
        assert len(await provider.get("grootboekmutaties")) == 3


async def test_an_update_settles_anew() -> None:
    async with provided() as provider:
        first, second = await provider.booked("1"), await provider.booked("2")
        payment = await provider.ask("POST", "bankboekingen", await provider.payment((first, "100.00")))
        body = {**await provider.payment((second, "50.00")), "id": payment["id"]}
        await provider.ask("PUT", f"bankboekingen/{payment['id']}", body)
        assert (await open_of(provider, first), await open_of(provider, second)) == (121, 71)
        other = next(row for row in await provider.get("dagboeken") if row["nummer"] == 1104)
        moved = body | {"dagboek": {"id": other["id"]}}
        assert await provider.codes("PUT", f"bankboekingen/{payment['id']}", moved) == ["BOE-0077"]
        assert (await open_of(provider, first), await open_of(provider, second)) == (121, 71)


async def test_cash_is_the_same_in_another_drawer() -> None:
    async with provided() as provider:
        entry = await provider.booked()
        body = await provider.payment((entry, "121.00"), dagboek=await provider.journal("Kas"))
        payment = await provider.ask("POST", "kasboekingen", body)
        assert await provider.get("kasboekingen") == [payment]
        assert await open_of(provider, entry) == 0
        assert await provider.codes("POST", "bankboekingen", body) == ["BOE-0096"]
        body = await provider.payment((entry, "121.00"))
        assert await provider.codes("POST", "kasboekingen", body) == ["BOE-0025"]
        assert provider.emulator.books()["payments"] == [payment]


async def test_every_rule_has_its_code() -> None:
    async with provided() as provider:
        entry = await provider.booked()
        invoice = await provider.invoice_of(entry)
        good = await provider.payment((entry, "121.00"))
        inactive = next(row["id"] for row in await provider.get("dagboeken") if row["nonactief"])
        line = good["verkoopboekingBoekingsRegels"][0]
        ledger_line = {"omschrijving": "x", "grootboek": await provider.ledger(4790), "debet": 0, "credit": 121}
        for code, fields in (
            ("BOE-0027", {"bedragOntvangen": 122, "bedragUitgegeven": 1}),
            ("BOE-0039", {"bedragOntvangen": Decimal("120.99")}),
            ("BOE-0039", {"bedragOntvangen": 0, "bedragUitgegeven": 121}),
            ("BOE-0096", {"dagboek": {"id": NOBODY}}),
            ("BOE-0096", {"dagboek": {"id": inactive}}),
            ("BOE-0001", {"verkoopboekingBoekingsRegels": [line | {"boekingId": {"id": invoice["id"]}}]}),
            ("BOE-0001", {"verkoopboekingBoekingsRegels": [line | {"boekingId": None}]}),
            ("BOE-0076", {"verkoopboekingBoekingsRegels": [line | {"debet": 1, "credit": 122}]}),
            ("BOE-0028", {"verkoopboekingBoekingsRegels": [line, line | {"credit": 0}]}),
            ("BOE-0033", {"datum": "2020-01-01"}),
            ("BOE-0068", {"boekstuk": "x" * 26}),
            ("BOE-0071", {"omschrijving": "x" * 251}),
            ("ALG-0100", {"id": NOBODY}),
            ("BOE-0023", {"verkoopboekingBoekingsRegels": [], "bedragOntvangen": 0}),
            (
                "BOE-0084",
                {"verkoopboekingBoekingsRegels": [], "grootboekBoekingsRegels": [ledger_line | {"omschrijving": ""}]},
            ),
            (
                "BOE-0037",
                {
                    "verkoopboekingBoekingsRegels": [],
                    "grootboekBoekingsRegels": [ledger_line | {"grootboek": {"id": NOBODY}}],
                },
            ),
        ):
            assert await provider.codes("POST", "bankboekingen", good | fields) == [code], code
        assert await open_of(provider, entry) == 121
        for name in ("datum", "dagboek", "bedragOntvangen", "bedragUitgegeven"):
            body = {key: value for key, value in good.items() if key != name}
            state = await provider.state("POST", "bankboekingen", body)
            assert state == [f"bankboeking.{name[0].upper()}{name[1:]}"]


@pytest.mark.parametrize(
    ("stamps", "moved"), [("sometimes", [True, False, True]), ("always", [True] * 3), ("never", [False] * 3)]
)
async def test_a_payment_moves_modified_on_unreliably(stamps: str, moved: list[bool]) -> None:
    switches = {
        "sometimes": Switches(),
        "always": Switches(payment_stamps_invoice="always"),
        "never": Switches(payment_stamps_invoice="never"),
    }
    async with provided(switches[stamps]) as provider:
        entry = await provider.booked()
        found = []
        for _payment in range(3):
            before = (await provider.invoice_of(entry))["modifiedOn"]
            provider.clock.advance(1)
            await provider.ask("POST", "bankboekingen", await provider.payment((entry, "1.00")))
            found.append((await provider.invoice_of(entry))["modifiedOn"] != before)
        assert found == moved


async def test_purchases_are_owed_and_paid() -> None:
    async with provided() as provider:
        supplier = await provider.relation("Leverancier", krediettermijn=30)
        body = {
            "factuurdatum": "2026-03-01",
            "factuurnummer": "INV-1",
            "leverancier": {"id": supplier["id"]},
            "factuurbedrag": 121,
            "boekingsregels": [await provider.line("100.00", 7000, btwSoort="Hoog")],
            "btw": [{"btwSoort": "InkopenHoog", "btwBedrag": 21}],
        }
        entry = await provider.ask("POST", "inkoopboekingen", body)
        invoice = (await provider.get("inkoopfacturen"))[0]
        assert (invoice["inkoopBoeking"]["id"], invoice["openstaandSaldo"]) == (entry["id"], 121)
        assert (invoice["vervalDatum"], "verkoopOrders" in invoice) == ("2026-03-31T00:00:00", False)
        line = {"boekingId": {"id": entry["id"]}, "omschrijving": "Betaling", "debet": 121, "credit": 0}
        payment = await provider.payment(bedragUitgegeven=121, inkoopboekingBoekingsRegels=[line])
        await provider.ask("POST", "bankboekingen", payment)
        assert (await provider.get("inkoopfacturen"))[0]["openstaandSaldo"] == 0
        assert provider.emulator.books()["payments"] == []
        assert await provider.codes("DELETE", f"inkoopboekingen/{entry['id']}") == ["BOE-0083"]
        assert sum(line["saldo"] for line in await provider.get("grootboekmutaties")) == 0
        customer = {"id": (await provider.relation())["id"]}
        for code, fields in (
            ("BOE-0021", {}),
            ("BOE-0002", {"factuurnummer": "2", "leverancier": {"id": NOBODY}}),
            ("BOE-0003", {"factuurnummer": "2", "leverancier": customer}),
            ("BOE-0082", {"factuurnummer": "2", "btw": [{"btwSoort": "Hoog", "btwBedrag": 21}]}),
        ):
            assert code in await provider.codes("POST", "inkoopboekingen", body | fields)


async def test_purchase_numbers_may_repeat_between_suppliers() -> None:
    for switches, status in ((Switches(), 400), (Switches(purchase_numbers_unique="per_supplier"), 201)):
        async with provided(switches) as provider:
            for turn in range(2):
                supplier = await provider.relation("Leverancier")
                body = {
                    "factuurdatum": "2026-03-01",
                    "factuurnummer": "1",
                    "leverancier": {"id": supplier["id"]},
                    "factuurbedrag": 100,
                    "boekingsregels": [await provider.line("100.00", 7000, btwSoort="Geen")],
                    "btw": [{"btwSoort": "InkopenVerlegd", "btwBedrag": 0}],
                }
                await provider.ask("POST", "inkoopboekingen", body, status=status if turn else 201)


async def memorial(provider: Provider, entry: Json, amount: int) -> Json:
    """A body that writes an amount of an invoice off."""
    return {
        "datum": "2026-03-02",
        "dagboek": await provider.journal("Memoriaal"),
        "memoriaalBoekingsRegels": [
            {"omschrijving": "Afboeken", "grootboek": await provider.ledger(4790), "debet": abs(amount), "credit": 0}
        ],
        "verkoopboekingBoekingsRegels": [
            {"boekingId": {"id": entry["id"]}, "omschrijving": "Afboeken", "bedrag": amount}
        ],
    }


@pytest.mark.parametrize(("switches", "sign"), [(Switches(), 1), (Switches(memorial_sign="negative_settles"), -1)])
async def test_a_memorial_settles_too(switches: Switches, sign: int) -> None:
    async with provided(switches) as provider:
        entry = await provider.booked()
        body = await memorial(provider, entry, 121 * sign)
        assert await provider.codes("POST", "memoriaalboekingen", await memorial(provider, entry, -121 * sign)) == [
            "BOE-0039"
        ]
        made = await provider.ask("POST", "memoriaalboekingen", body)
        assert await provider.get(f"memoriaalboekingen/{made['id']}") == made
        assert await open_of(provider, entry) == 0
        assert await provider.codes("DELETE", f"verkoopboekingen/{entry['id']}") == ["BOE-0083"]
        half = {**await memorial(provider, entry, 60 * sign), "id": made["id"]}
        await provider.ask("PUT", f"memoriaalboekingen/{made['id']}", half)
        assert await open_of(provider, entry) == 61
        assert (await provider.ask("DELETE", f"memoriaalboekingen/{made['id']}"))["id"] == made["id"]
        assert await open_of(provider, entry) == 121
        await provider.ask("GET", "memoriaalboekingen", status=404)


async def test_a_journal_needs_two_lines_or_not() -> None:
    async with provided() as provider:
        entry = await provider.booked()
        body = await memorial(provider, entry, 121)
        lines = [{"omschrijving": "x", "grootboek": await provider.ledger(4000), "debet": 0, "credit": 0}]
        single = body | {"memoriaalBoekingsRegels": lines, "verkoopboekingBoekingsRegels": []}
        assert await provider.codes("POST", "memoriaalboekingen", single) == ["BOE-0094"]
        wrong = body | {"dagboek": await provider.journal("Bank")}
        assert await provider.codes("POST", "memoriaalboekingen", wrong) == ["BOE-0095"]
    async with provided(Switches(journal_needs_two_lines=False)) as provider:
        single = single | {"dagboek": await provider.journal("Memoriaal")}
        single["memoriaalBoekingsRegels"][0]["grootboek"] = await provider.ledger(4000)
        await provider.ask("POST", "memoriaalboekingen", single)
