"""Sales entries: balance, VAT in two vocabularies, and the invoice and ledger lines they make."""

from datetime import date
from decimal import Decimal

import pytest

from adapters.snelstart.emulator import Switches
from gateway.contract.exact import Json
from tests.adapters.snelstart.emulated import NOBODY, Provider, provided, row

ALKMAAR = {"straat": "Dorpsstraat 1", "postcode": "1811 AB", "plaats": "Alkmaar"}


async def codes(provider: Provider, **fields: object) -> list[str]:
    """The rules that the default entry breaks with these fields."""
    return await provider.codes("POST", "verkoopboekingen", await provider.sale("X-1", **fields))


async def german(provider: Provider, vat_number: str | None = None) -> Json:
    """A reference to a customer in Germany."""
    address = {**ALKMAAR, "land": await provider.country("DE")}
    return {"id": (await provider.relation(vestigingsAdres=address, btwNummer=vat_number))["id"]}


async def test_posting_an_entry_makes_its_invoice() -> None:
    async with provided() as provider:
        lines = [await provider.line("100.00"), await provider.line("50.00", 8210)]
        rows = [row("VerkopenHoog", "21.00"), row("VerkopenLaag", "4.50")]
        entry = await provider.booked("F-42", factuurbedrag=Decimal("175.50"), boekingsregels=lines, btw=rows)
        assert await provider.get(f"verkoopboekingen/{entry['id']}") == entry
        assert [line["btwSoort"] for line in entry["boekingsregels"]] == ["Hoog", "Laag"]
        assert (entry["factuurdatum"], entry["modifiedOn"]) == ("2026-03-01T00:00:00", "2026-03-02T10:00:00")
        invoice = await provider.invoice_of(entry)
        assert await provider.get(f"verkoopfacturen/{invoice['id']}") == invoice
        assert invoice == {
            "verkoopBoeking": {"id": entry["id"], "uri": f"/verkoopboekingen/{entry['id']}"},
            "modifiedOn": entry["modifiedOn"],
            "openstaandSaldo": Decimal("175.50"),
            "factuurnummer": "F-42",
            "vervalDatum": "2026-03-15T00:00:00",
            "relatie": entry["klant"],
            "factuurDatum": "2026-03-01T00:00:00",
            "factuurBedrag": Decimal("175.50"),
            "verkoopOrders": [],
            "id": invoice["id"],
            "uri": f"/verkoopfacturen/{invoice['id']}",
        }
        assert invoice["id"] != entry["id"]
        await provider.ask("GET", f"verkoopboekingen/{invoice['id']}", status=404)
        assert provider.emulator.books()["invoices"] == [{**entry, "verkoopfactuur": invoice}]


async def test_the_general_ledger_balances() -> None:
    async with provided() as provider:
        entry = await provider.booked("F-1")
        lines = await provider.get("grootboekmutaties")
        numbers = {ledger["id"]: ledger["nummer"] for ledger in await provider.get("grootboeken")}
        assert [(numbers[line["grootboek"]["id"]], str(line["debet"]), str(line["credit"])) for line in lines] == [
            (1300, "121.00", "0.00"),
            (8200, "0.00", "100.00"),
            (1671, "0.00", "21.00"),
        ]
        assert [line["saldo"] for line in lines] == [Decimal(121), Decimal(-100), Decimal(-21)]
        assert {line["factuurNummer"] for line in lines} == {"F-1"}
        assert {line["relatiePublicIdentifier"]["id"] for line in lines} == {entry["klant"]["id"]}
        assert await provider.get(f"grootboekmutaties/{lines[1]['id']}") == lines[1]
        await provider.ask("GET", f"grootboekmutaties/{NOBODY}", status=404)
        debtors = await provider.ledger(1300)
        wanted = f"Grootboek/Id eq guid'{debtors['id']}' and Saldo gt 0 and ModifiedOn gt datetime'2026-01-01T00:00:00'"
        assert await provider.get("grootboekmutaties", filter=wanted) == lines[:1]


async def test_leniency_stays() -> None:
    async with provided() as provider:
        sale = await provider.sale(
            factuurbedrag="121.00",
            boekingsregels=[{**await provider.line("1"), "bedrag": "100", "btwSoort": 2, "nonsense": 1}],
            btw=[{"BtwSoort": "verkopenhoog", "BTWBEDRAG": "21.0"}],
            factuurdatum="2026-03-01T13:45:00.25Z",
            vervalDatum="2030-01-01",
            id="00000000-0000-0000-0000-000000000000",
        )
        entry = await provider.ask("POST", "verkoopboekingen", {name.upper(): sale[name] for name in sale})
        assert (entry["factuurbedrag"], entry["factuurdatum"]) == (Decimal("121.00"), "2026-03-01T13:45:00.25")
        assert entry["boekingsregels"][0]["btwSoort"] == "Hoog"
        assert (await provider.invoice_of(entry))["vervalDatum"] == "2026-03-15T00:00:00"


async def test_it_must_balance_to_the_cent() -> None:
    async with provided() as provider:
        for amount in ("121.01", "120.99", "-121.00", "0"):
            assert await codes(provider, factuurbedrag=Decimal(amount)) == ["BOE-0039"]
        assert await codes(provider, factuurbedrag=None) == ["BOE-0039"]
        assert await codes(provider, btw=[]) == ["BOE-0082", "BOE-0039"]
        assert (await provider.booked(factuurbedrag=Decimal("121.004")))["factuurbedrag"] == Decimal("121.00")
    async with provided(Switches(sub_cent="keep")) as provider:
        assert await codes(provider, factuurbedrag=Decimal("121.004")) == ["BOE-0039"]


async def test_parts_of_a_cent_round_away_from_zero() -> None:
    async with provided() as provider:
        for sign in (1, -1):
            lines = [await provider.line("1.005") for _line in range(2)]
            lines = [line | {"bedrag": line["bedrag"] * sign} for line in lines]
            rows = [row("VerkopenHoog", str(Decimal("0.425") * sign))]
            entry = await provider.booked(
                f"R{sign}", factuurbedrag=Decimal("2.45") * sign, boekingsregels=lines, btw=rows
            )
            assert [line["bedrag"] for line in entry["boekingsregels"]] == [Decimal("1.01") * sign] * 2
            assert entry["btw"][0]["btwBedrag"] == Decimal("0.43") * sign


async def test_a_negative_entry_is_a_credit() -> None:
    async with provided() as provider:
        credit = await provider.booked(
            "C-1",
            factuurbedrag=Decimal("-121.00"),
            boekingsregels=[await provider.line("-100.00")],
            btw=[row("VerkopenHoog", "-21.00")],
        )
        assert (await provider.invoice_of(credit))["openstaandSaldo"] == Decimal("-121.00")
        debtors = (await provider.get("grootboekmutaties"))[0]
        assert (debtors["debet"], debtors["credit"]) == (0, 121)


async def test_a_number_is_given_once() -> None:
    async with provided() as provider:
        entry = await provider.booked("F-1")
        assert await provider.codes("POST", "verkoopboekingen", await provider.sale("F-1")) == ["BOE-0021"]
        assert await provider.codes("POST", "verkoopboekingen", await provider.sale(" F-1 ")) == ["BOE-0021"]
        await provider.booked("F-2")
        changed = {**entry, "factuurnummer": "F-2"}
        assert await provider.codes("PUT", f"verkoopboekingen/{entry['id']}", changed) == ["BOE-0021"]
        await provider.ask("PUT", f"verkoopboekingen/{entry['id']}", entry)
        await provider.ask("DELETE", f"verkoopboekingen/{entry['id']}")
        await provider.booked("F-1")


VAT: dict[str, tuple[list[tuple[str, int, str | None]], list[tuple[str, str]], list[str]]] = {
    "21 %": ([("100", 8200, "Hoog")], [("VerkopenHoog", "21")], []),
    "9 %": ([("100", 8210, None)], [("VerkopenLaag", "9")], []),
    "other": ([("100", 8020, "Overig")], [("VerkopenOverig", "0")], []),
    "zero": ([("100", 8240, "Geen")], [], []),
    "exempt": ([("100", 8150, None)], [], []),
    "export": ([("100", 8310, "Geen")], [], []),
    "a row of nothing": ([("100", 8240, "Geen")], [("Geen", "0")], []),
    "reverse charge": ([("100", 8250, "Geen")], [("VerkopenVerlegd", "0")], []),
    "a cent off": ([("100", 8200, "Hoog")], [("VerkopenHoog", "21.01")], []),
    "a cent off per line": ([("50", 8200, None), ("50", 8000, None)], [("VerkopenHoog", "20.98")], []),
    "two cents off": ([("100", 8200, "Hoog")], [("VerkopenHoog", "21.02")], ["BOE-0069"]),
    "no row": ([("100", 8200, "Hoog")], [], ["BOE-0082"]),
    "a row too many": ([("100", 8240, "Geen")], [("VerkopenHoog", "21")], ["BOE-0082"]),
    "the row's word on the line": ([("100", 8200, "VerkopenHoog")], [("VerkopenHoog", "21")], ["BOE-0082"]),
    "the line's word in the row": ([("100", 8200, "Hoog")], [("Hoog", "21")], ["BOE-0082"]),
    "not the ledger's kind": ([("100", 8200, "Laag")], [("VerkopenLaag", "9")], ["BOE-0082"]),
    "a cost account says no kind": ([("100", 4798, None)], [], ["BOE-0082"]),
    "a cost account": ([("100", 4798, "Hoog")], [("VerkopenHoog", "21")], []),
    "reverse charge and 21 %": (
        [("100", 8250, "Geen"), ("100", 8200, "Hoog")],
        [("VerkopenVerlegd", "0"), ("VerkopenHoog", "21")],
        ["BOE-0062"],
    ),
    "reverse charge with an amount": ([("100", 8250, "Geen")], [("VerkopenVerlegd", "21")], ["BOE-0069"]),
    "purchase VAT without a purchase": ([("100", 8200, "Hoog")], [("InkopenHoog", "21")], ["BOE-0053"]),
    "a line of nothing": ([("0", 8200, "Hoog"), ("100", 8200, "Hoog")], [("VerkopenHoog", "21")], ["BOE-0028"]),
    "the debtors' account": ([("100", 1300, "Geen")], [], ["BOE-0061"]),
    "a VAT account": ([("100", 1671, "Geen")], [], ["BOE-0061"]),
    "the bank": ([("100", 1100, "Geen")], [], ["BOE-0061"]),
    "the memorial": ([("100", 1990, "Geen")], [], ["BOE-0075"]),
    "an account out of use": ([("100", 8199, "Geen")], [], ["BOE-0008"]),
    "an account for the one-stop shop": ([("100", 8400, "Geen")], [], ["BOE-0061"]),
    "EU goods for a Dutchman": ([("100", 8300, "Geen")], [], ["BOE-0080"]),
    "EU services for a Dutchman": ([("100", 8320, "Geen")], [], ["BOE-0080"]),
    "a cost centre missing": ([("100", 8260, "Hoog")], [("VerkopenHoog", "21")], ["BOE-0022"]),
}


async def test_vat_follows_the_ledger_the_kind_and_the_rate() -> None:
    async with provided() as provider:
        customer = {"id": (await provider.relation())["id"]}
        for name, (lines, rows, broken) in VAT.items():
            bodies = [await provider.line(amount, account, btwSoort=kind) for amount, account, kind in lines]
            taxes = [row(kind, amount) for kind, amount in rows]
            amounts = [*(amount for amount, _account, _kind in lines), *(amount for _kind, amount in rows)]
            total = sum(map(Decimal, amounts), Decimal(0))
            sale = await provider.sale(name[:25], klant=customer, boekingsregels=bodies, btw=taxes, factuurbedrag=total)
            if broken:
                assert await provider.codes("POST", "verkoopboekingen", sale) == broken, name
            else:
                await provider.ask("POST", "verkoopboekingen", sale)


async def test_rates_go_by_the_invoice_date() -> None:
    async with provided() as provider:
        provider.emulator.administration.company["huidigBoekjaar"] = 2020
        line = [await provider.line("100.00", 8210)]
        old = {"factuurdatum": "2018-12-31", "boekingsregels": line, "btw": [row("VerkopenLaag", "6.00")]}
        await provider.booked("O-1", factuurbedrag=Decimal(106), **old)
        new = {**old, "factuurdatum": "2019-01-01"}
        assert await codes(provider, factuurbedrag=Decimal(106), **new) == ["BOE-0069"]
    async with provided(Switches(vat_tolerance=None)) as provider:
        await provider.booked(factuurbedrag=Decimal(150), btw=[row("VerkopenHoog", "50.00")])


@pytest.mark.parametrize(
    ("fields", "broken"),
    [
        ({"factuurnummer": ""}, "BOE-0058"),
        ({"factuurnummer": None}, "BOE-0058"),
        ({"factuurnummer": "x" * 26}, "BOE-0058"),
        ({"klant": {"id": NOBODY}}, "BOE-0060"),
        ({"klant": None}, "BOE-0060"),
        ({"factuurdatum": None}, "BOE-0070"),
        ({"factuurdatum": "2020-12-31"}, "BOE-0033"),
        ({"factuurdatum": "9999-12-31"}, "BOE-0070"),
        ({"boekstuk": "x" * 26}, "BOE-0068"),
        ({"omschrijving": "x" * 251}, "BOE-0071"),
        ({"id": NOBODY}, "ALG-0100"),
        ({"doorlopendeIncassoMachtiging": {"id": NOBODY}}, "BOE-0066"),
        ({"eenmaligeIncassoMachtiging": {"omschrijving": "x" * 51, "datum": "2026-03-01"}}, "BOE-0056"),
    ],
)
async def test_every_rule_has_its_code(fields: Json, broken: str) -> None:
    async with provided() as provider:
        customer = {"id": (await provider.relation(incassoSoort="Core", iban="NL91ABNA0417164300"))["id"]}
        assert await codes(provider, **{"klant": customer, **fields}) == [broken]
        assert await provider.get("verkoopfacturen") == []
        assert await provider.get("grootboekmutaties") == []


async def test_no_lines_no_entry() -> None:
    async with provided() as provider:
        nothing: tuple[list[Json] | None, ...] = ([], None)
        for none in nothing:
            assert await codes(provider, boekingsregels=none, btw=[], factuurbedrag=0) == ["BOE-0023"]
        line = {**await provider.line("100.00"), "grootboek": {"id": NOBODY}}
        assert await codes(provider, boekingsregels=[line]) == ["BOE-0037"]
        del line["grootboek"]
        sale = await provider.sale(boekingsregels=[line])
        assert await provider.state("POST", "verkoopboekingen", sale) == ["verkoopBoeking.Boekingsregels[0].Grootboek"]


async def test_what_the_document_limits_is_model_state() -> None:
    async with provided() as provider:
        for term in (-1, 1000):
            sale = await provider.sale(betalingstermijn=term)
            assert await provider.state("POST", "verkoopboekingen", sale) == ["verkoopBoeking.Betalingstermijn"]
        sale = await provider.sale(btw=[row("Nonsense", "21.00")])
        assert await provider.state("POST", "verkoopboekingen", sale) == ["verkoopBoeking.Btw[0].BtwSoort"]
        sale = await provider.sale(factuurbedrag="121,00")
        assert await provider.state("POST", "verkoopboekingen", sale) == ["verkoopBoeking.Factuurbedrag"]
        sale = await provider.sale(factuurbedrag=Decimal("922337203685477.5808"))
        assert await provider.state("POST", "verkoopboekingen", sale) == ["verkoopBoeking.Factuurbedrag"]
    async with provided(Switches(model_state_first=True)) as provider:
        sale = {"omschrijving": "x" * 251, "factuurnummer": "x" * 26}
        assert await provider.state("POST", "verkoopboekingen", sale) == [
            "verkoopBoeking.Boekingsregels",
            "verkoopBoeking.Factuurnummer",
            "verkoopBoeking.Klant",
            "verkoopBoeking.Omschrijving",
        ]


async def test_only_active_customers_buy() -> None:
    async with provided() as provider:
        supplier = await provider.relation("Leverancier")
        assert await codes(provider, klant={"id": supplier["id"]}) == ["BOE-0060"]
        gone = await provider.relation()
        await provider.ask("DELETE", f"relaties/{gone['id']}")
        assert await codes(provider, klant={"id": gone["id"]}) == ["BOE-0054"]


async def test_direct_debit_needs_leave_and_an_iban() -> None:
    async with provided() as provider:
        mandate = {"kenmerk": "x" * 51, "omschrijving": "Incasso", "datum": "2026-03-01"}
        both = {"eenmaligeIncassoMachtiging": mandate, "doorlopendeIncassoMachtiging": {"id": NOBODY}}
        wanted = ["BOE-0064", "BOE-0066", "BOE-0057", "BOE-0052", "BOE-0055"]
        assert await codes(provider, **both) == wanted


async def test_eu_accounts_want_a_foreign_business() -> None:
    async with provided() as provider:
        lines = [await provider.line("100.00", 8300)]
        fields = {"boekingsregels": lines, "btw": [], "factuurbedrag": Decimal(100)}
        business = await german(provider, "DE136695976")
        await provider.booked("EU-1", klant=business, **fields)
        assert await codes(provider, klant=await german(provider), **fields) == ["BOE-0080"]
    async with provided(Switches(eu_ledger_needs_vat_number=False)) as provider:
        lines = [await provider.line("100.00", 8300)]
        await provider.booked("EU-1", boekingsregels=lines, btw=[], factuurbedrag=Decimal(100))


async def test_the_one_stop_shop() -> None:
    async with provided() as provider:
        company = await provider.ask("PUT", "companyInfo", {"FactureerBuitenlandsBtw": True, "plaats": "Elders"})
        foreign = company["buitenlandseBtwGrootboek"]
        assert (foreign["id"], company["plaats"]) == ((await provider.ledger(1695))["id"], "Alkmaar")
        customer = await german(provider)
        lines = [
            await provider.line("100.00", 8400),
            await provider.line("50.00", 8410),
            await provider.line("22.50", 1695),
        ]
        fields = {"klant": customer, "boekingsregels": lines, "btw": [], "factuurbedrag": Decimal("172.50")}
        await provider.booked("OSS-1", **fields)
        off = [*lines[:2], lines[2] | {"bedrag": Decimal("22.53")}]
        wrong = fields | {"boekingsregels": off, "factuurbedrag": Decimal("172.53")}
        assert await codes(provider, **wrong) == ["BOE-0069"]
        assert await codes(provider, klant=customer) == ["BOE-0082", "BOE-0061"]
        low = [await provider.line("100.00", 8420)]
        assert await codes(provider, klant=customer, boekingsregels=low, btw=[], factuurbedrag=100) == ["BOE-0069"]
        await provider.booked("NL-1")
        await provider.ask("PUT", "companyInfo", {"factureerBuitenlandsBtw": False})
        assert await codes(provider, **fields) == ["BOE-0061"]


async def test_terms_come_from_the_entry_then_from_the_relation() -> None:
    for switches, due in ((Switches(), "2026-03-31"), (Switches(due_date_from_relation=False), "2026-03-01")):
        async with provided(switches) as provider:
            customer = {"id": (await provider.relation(krediettermijn=30))["id"]}
            entry = await provider.booked(klant=customer, betalingstermijn=None)
            assert (await provider.invoice_of(entry))["vervalDatum"] == f"{due}T00:00:00"
            entry = await provider.booked("2", klant=customer, betalingstermijn=0)
            assert (await provider.invoice_of(entry))["vervalDatum"] == "2026-03-01T00:00:00"


async def test_an_update_replaces_entry_invoice_and_ledger_lines() -> None:
    async with provided() as provider:
        entry = await provider.booked("F-1", omschrijving="Oud", boekstuk="B-1")
        invoice = await provider.invoice_of(entry)
        await provider.ask("POST", "bankboekingen", await provider.payment((entry, "21.00")))
        lines = [await provider.line("200.00")]
        body = await provider.sale("F-1b", klant=entry["klant"], boekingsregels=lines, btw=[row("VerkopenHoog", "42")])
        changed = await provider.ask(
            "PUT", f"verkoopboekingen/{entry['id']}", {**body, "id": entry["id"], "factuurbedrag": 242}
        )
        assert (changed["omschrijving"], changed["boekstuk"], changed["factuurnummer"]) == (None, None, "F-1b")
        after = await provider.invoice_of(entry)
        assert (after["id"], after["factuurBedrag"], after["openstaandSaldo"]) == (invoice["id"], 242, 221)
        sales = [line["saldo"] for line in await provider.get("grootboekmutaties") if line["factuurNummer"] == "F-1b"]
        assert sales == [242, -200, -42]
        assert await provider.codes("PUT", f"verkoopboekingen/{entry['id']}", body) == ["ALG-0101"]
        await provider.ask("PUT", f"verkoopboekingen/{NOBODY}", {**body, "id": NOBODY}, status=404)


async def test_deleting_takes_the_invoice_along_unless_paid() -> None:
    async with provided() as provider:
        entry = await provider.booked()
        invoice = await provider.invoice_of(entry)
        payment = await provider.ask("POST", "bankboekingen", await provider.payment((entry, "1.00")))
        assert await provider.codes("DELETE", f"verkoopboekingen/{entry['id']}") == ["BOE-0083"]
        await provider.ask("DELETE", f"bankboekingen/{payment['id']}")
        await provider.ask("DELETE", f"verkoopboekingen/{entry['id']}")
        await provider.ask("GET", f"verkoopboekingen/{entry['id']}", status=404)
        await provider.ask("GET", f"verkoopfacturen/{invoice['id']}", status=404)
        assert await provider.get("grootboekmutaties") == []
        assert provider.emulator.books()["invoices"] == []


async def test_locked_periods() -> None:
    async with provided() as provider:
        entry = await provider.booked(factuurdatum="2026-01-31")
        provider.emulator.lock(date(2026, 1, 31))
        assert await codes(provider, factuurdatum="2026-01-31") == ["BOE-0042"]
        assert await provider.codes("DELETE", f"verkoopboekingen/{entry['id']}") == ["BOE-0042"]
        moved = {**entry, "factuurdatum": "2026-02-01"}
        assert await provider.codes("PUT", f"verkoopboekingen/{entry['id']}", moved) == ["BOE-0042"]
        late = await provider.booked("2", factuurdatum="2026-02-01")
        provider.emulator.lock(date(2026, 2, 28), "vat_return")
        await provider.booked("3", factuurdatum="2026-02-02")
        assert await provider.codes("DELETE", f"verkoopboekingen/{late['id']}") == ["BOE-0046"]
        provider.emulator.lock(date(2026, 3, 31), "accountant")
        assert await codes(provider) == ["BOE-0051"]


async def test_a_ledger_may_be_missing_on_reading() -> None:
    async with provided(Switches(hide_ledgers=True)) as provider:
        entry = await provider.booked()
        assert [line["grootboek"] for line in entry["boekingsregels"]] == [None]
        assert await provider.get(f"relaties/{entry['klant']['id']}/verkoopboekingen") == [entry]
        assert provider.emulator.books()["invoices"][0]["boekingsregels"][0]["grootboek"] is not None
