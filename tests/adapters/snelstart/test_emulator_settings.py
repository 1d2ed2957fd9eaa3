"""Articles, orders, attachments, UBL, and what an administration is set up with."""

import base64
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from adapters.snelstart.emulator import Switches
from gateway.contract.exact import Json, loads
from tests.adapters.snelstart.emulated import NOBODY, Provider, provided

UBL = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"


async def article(provider: Provider, **fields: object) -> Json:
    """A body of an article of the first revenue group."""
    group = (await provider.get("artikelomzetgroepen"))[0]
    body = {"artikelcode": "308", "omschrijving": "Onderhoud", "artikelOmzetgroep": {"id": group["id"]}}
    return body | {"verkoopprijs": Decimal("49.5")} | fields


async def test_an_article_is_made_changed_and_deleted() -> None:
    async with provided() as provider:
        made = await provider.ask("POST", "artikelen", await article(provider, eenheid="stuk"))
        read = await provider.get(f"artikelen/{made['id']}")
        assert read == {**made, "isHoofdartikel": False, "subartikelen": []}
        assert "isHoofdartikel" not in made
        assert (str(read["verkoopprijs"]), str(read["inkoopprijs"]), read["isNonActief"]) == ("49.5", "0.0", False)
        body = await article(provider, id=made["id"], verkoopprijs="12.3456")
        changed = await provider.ask("PUT", f"artikelen/{made['id']}", body)
        assert (str(changed["verkoopprijs"]), changed["eenheid"]) == ("12.3456", None)
        assert await provider.get("artikelen", filter="Artikelcode eq '308'") == [
            {**changed, "isHoofdartikel": False, "subartikelen": []}
        ]
        assert "incompatible types" in await provider.odata("artikelen", filter="Artikelcode eq 308")
        customer = await provider.relation()
        await provider.get(f"artikelen/{made['id']}", relatieId=customer["id"])
        assert await provider.codes("GET", f"artikelen?relatieId={NOBODY}") == ["ART-0014"]
        await provider.ask("DELETE", f"artikelen/{made['id']}")
        await provider.ask("GET", f"artikelen/{made['id']}", status=404)
        assert [row["isNonActief"] for row in await provider.get("artikelen")] == [True]
        assert provider.emulator.books()["products"] == []
    async with provided(Switches(deleted_article_readable=True, inactive_listed=False)) as provider:
        made = await provider.ask("POST", "artikelen", await article(provider))
        await provider.ask("DELETE", f"artikelen/{made['id']}")
        assert (await provider.get(f"artikelen/{made['id']}"))["isNonActief"] is True
        assert await provider.get("artikelen") == []


async def test_every_article_rule_has_its_code() -> None:
    async with provided(Switches(article_codes="Numeriek", article_code_length=5)) as provider:
        await provider.ask("POST", "artikelen", await article(provider))
        company = await provider.get("companyInfo")
        assert (company["artikelcodeSoort"], company["artikelcodeMaxLengte"]) == ("Numeriek", 5)
        customer, supplier = await provider.relation(), await provider.relation("Leverancier")
        gone = await provider.relation("Leverancier")
        await provider.ask("DELETE", f"relaties/{gone['id']}")
        for code, fields in (
            ("ART-0002", {"artikelcode": " "}),
            ("ART-0003", {"artikelcode": "A1"}),
            ("ART-0004", {"artikelcode": "123456"}),
            ("ART-0005", {}),
            ("ART-0006", {"artikelcode": "1", "omschrijving": None}),
            ("ART-0007", {"artikelcode": "1", "omschrijving": "x" * 251}),
            ("ART-0008", {"artikelcode": "1", "artikelOmzetgroep": None}),
            ("ART-0009", {"artikelcode": "1", "artikelOmzetgroep": {"id": NOBODY}}),
            ("ART-0016", {"artikelcode": "1", "relatie": {"id": NOBODY}}),
            ("ART-0017", {"artikelcode": "1", "relatie": {"id": customer["id"]}}),
            ("ART-0018", {"artikelcode": "1", "relatie": {"id": gone["id"]}}),
            ("ALG-0100", {"id": NOBODY}),
        ):
            assert await provider.codes("POST", "artikelen", await article(provider, **fields)) == [code]
        own = (await provider.get("relaties"))[0]
        for number, relation in enumerate((supplier, own)):
            body = await article(provider, artikelcode=str(number), relatie={"id": relation["id"]})
            await provider.ask("POST", "artikelen", body)


async def test_an_order_counts_and_waits_for_a_human() -> None:
    async with provided() as provider:
        customer = {"id": (await provider.relation(krediettermijn=8))["id"]}
        made = await provider.ask("POST", "artikelen", await article(provider))
        line = {"artikel": {"id": made["id"]}, "aantal": 2, "kortingsPercentage": "10"}
        body = {"relatie": customer, "datum": "2026-03-02", "regels": [line], "orderreferentie": "PO-77"}
        order = await provider.ask("POST", "verkooporders", body)
        assert (order["nummer"], order["procesStatus"], order["verkoopOrderStatus"]) == (1001, "Order", "InBehandeling")
        assert (order["krediettermijn"], order["verkooporderBtwIngaveModel"]) == (8, "Exclusief")
        assert (order["regels"][0]["omschrijving"], order["regels"][0]["totaal"]) == ("Onderhoud", Decimal("89.10"))
        assert (order["totaalExclusiefBtw"], order["totaalInclusiefBtw"]) == (Decimal("89.10"), Decimal("107.81"))
        assert order["verkoopordersjabloon"]["id"] == "00000000-0000-0000-0000-000000000000"
        assert await provider.get("verkooporders", filter="Orderreferentie eq 'PO-77'") == [order]
        including = body | {"id": order["id"], "verkooporderBtwIngaveModel": "Inclusief", "nummer": 5}
        changed = await provider.ask("PUT", f"verkooporders/{order['id']}", including)
        assert (changed["nummer"], str(changed["totaalExclusiefBtw"])) == (1001, "73.64")
        await provider.ask("PUT", f"verkooporders/{order['id']}/ProcesStatus", {"procesStatus": "Pakbon"})
        assert (await provider.get(f"verkooporders/{order['id']}"))["procesStatus"] == "Pakbon"
        assert await provider.codes("DELETE", f"artikelen/{made['id']}") == ["ART-0011"]
        for code, fields in (
            ("VOR-0002", {"relatie": {"id": NOBODY}}),
            ("VOR-0005", {"nummer": 7}),
            ("VOR-0011", {"orderreferentie": "x" * 51}),
            ("VOR-0006", {"afleveradres": {"straat": "x" * 51}}),
            ("VOR-0010", {"factuuradres": {"land": {"id": NOBODY}}}),
            ("VOR-0013", {"incassomachtiging": {"id": NOBODY}}),
            ("ART-0001", {"regels": [{"artikel": {"id": NOBODY}}]}),
        ):
            assert await provider.codes("POST", "verkooporders", body | fields) == [code]
        for status in ("Factuur", "Contantbon"):
            state = await provider.state("POST", "verkooporders", body | {"procesStatus": status})
            assert state == ["verkoopOrder.ProcesStatus"]
        assert await provider.state("POST", "verkooporders", {"krediettermijn": 101}) == [
            "verkoopOrder.Datum",
            "verkoopOrder.Krediettermijn",
            "verkoopOrder.Relatie",
        ]
        assert (await provider.send("DELETE", f"verkooporders/{order['id']}")).status_code == 200
        await provider.ask("GET", f"verkooporders/{order['id']}", status=404)
    async with provided(Switches(order_deleted_status=201)) as provider:
        customer = {"id": (await provider.relation())["id"]}
        order = await provider.ask("POST", "verkooporders", {"relatie": customer, "datum": "2026-03-02"})
        assert (await provider.send("DELETE", f"verkooporders/{order['id']}")).status_code == 201


async def test_attachments_stack_up() -> None:
    async with provided() as provider:
        entry = await provider.booked()
        body = {
            "content": base64.b64encode(b"%PDF-1.7").decode(),
            "parentIdentifier": entry["id"],
            "fileName": "F-1.pdf",
        }
        first = await provider.ask("POST", "documenten/Verkoopboekingen", body)
        second = await provider.ask("POST", "documenten/verkoopboekingen", body)
        assert first.keys() == {"id", "uri"}
        assert first["id"] != second["id"]
        assert (await provider.get(f"documenten/{first['id']}"))["content"] == body["content"]
        assert await provider.get(f"documenten/Verkoopboekingen/{entry['id']}") == [
            {"verkoopBoekingId": entry["id"], "fileName": "F-1.pdf", "readOnly": False, **document}
            for document in (first, second)
        ]
        changed = body | {"id": first["id"], "fileName": "anders.pdf"}
        await provider.ask("PUT", f"documenten/{first['id']}", changed)
        await provider.ask("DELETE", f"documenten/{second['id']}")
        documents = (await provider.get(f"verkoopboekingen/{entry['id']}"))["documents"]
        assert [document["fileName"] for document in documents] == ["anders.pdf"]
        for code, fields in (
            ("BLG-0007", {"fileName": ""}),
            ("BLG-0011", {"content": ""}),
            ("BLG-0016", {"fileName": "a/b.pdf"}),
            ("BLG-0017", {"fileName": "x" * 256}),
            ("BLG-0006", {"content": base64.b64encode(bytes(10 * 1024 * 1024 + 1)).decode()}),
        ):
            assert await provider.codes("POST", "documenten/Verkoopboekingen", body | fields) == [code]
        assert await provider.state("POST", "documenten/Verkoopboekingen", body | {"content": "é"}) == [
            "document.Content"
        ]
        assert await provider.state("POST", "documenten/Nonsense", body) == ["documentType"]
        await provider.ask("POST", "documenten/Relaties", body, status=404)
    async with provided(Switches(document_created_status=200)) as provider:
        relation = await provider.relation()
        await provider.ask("POST", "documenten/Relaties", body | {"parentIdentifier": relation["id"]}, status=200)


async def test_an_invoice_as_ubl() -> None:
    async with provided() as provider:
        invoice = await provider.invoice_of(await provider.booked("F & 1"))
        answer = await provider.send("GET", f"verkoopfacturen/{invoice['id']}/ubl")
        assert answer.headers["content-type"].startswith("application/xml")
        root = ElementTree.fromstring(answer.content)
        assert root.findtext(f"{UBL}ID") == "F & 1"
        assert [amount.text for amount in root.iter(f"{UBL}PayableAmount")] == ["121.00"]
        assert [amount.text for amount in root.iter(f"{UBL}TaxAmount")] == ["21.00"]
        await provider.ask("GET", f"verkoopfacturen/{NOBODY}/ubl", status=404)
    async with provided(Switches(ubl="array")) as provider:
        invoice = await provider.invoice_of(await provider.booked("F-1"))
        listed = await provider.get(f"verkoopfacturen/{invoice['id']}/ubl")
        content = ElementTree.fromstring(base64.b64decode(listed[0]["content"]))
        assert (listed[0]["fileName"], content.findtext(f"{UBL}ID")) == ("F-1.xml", "F-1")


async def test_the_chart_has_every_kind_of_sale() -> None:
    async with provided() as provider:
        ledgers = {row["nummer"]: row for row in await provider.get("grootboeken")}
        assert {number: ledgers[number]["grootboekfunctie"] for number in (8200, 8210, 8020, 8250, 8150)} == {
            8200: "VerkopenOmzetHoog",
            8210: "VerkopenOmzetLaag",
            8020: "VerkopenOmzetOverig",
            8250: "VerkopenOmzetOnbelastVerlegd",
            8150: "VerkopenBtwVrij",
        }
        assert {number: ledgers[number]["grootboekfunctie"] for number in (8300, 8310, 8320, 8400)} == {
            8300: "VerkopenExportBinnenEU",
            8310: "VerkopenExportBuitenEU",
            8320: "DienstverleningBinnenEU",
            8400: "InstallatieTeleverkoopBinnenEUgeen",
        }
        assert (ledgers[8200]["btwSoort"], ledgers[7000]["btwSoort"]) == (["Hoog"], ["Geen", "Laag", "Hoog", "Overig"])
        assert (ledgers[8400]["vatRateCode"], ledgers[8200]["vatRateCode"]) == ("SR", None)
        assert (ledgers[1100]["rekeningCode"], ledgers[8200]["rekeningCode"]) == ("Balans", "WinstEnVerlies")
        assert await provider.get(f"grootboeken/{ledgers[8200]['id']}") == ledgers[8200]
        journals = {(row["soort"], row["nummer"]) for row in await provider.get("dagboeken")}
        assert {("Kas", 1000), ("Bank", 1100), ("Bank", 1104), ("Verkoop", 1300), ("Memoriaal", 1990)} <= journals
        assert {number for _kind, number in journals} <= ledgers.keys()
        groups = await provider.get("artikelomzetgroepen")
        assert len(groups) == 8
        first = groups[0]["verkoopGrootboekNederlandIdentifier"]["id"]
        assert (first, groups[0]["verkoopNederlandBtwSoort"]) == (ledgers[8000]["id"], "Hoog")
        assert await provider.get(f"artikelomzetgroepen/{groups[1]['id']}") == groups[1]


async def test_a_ledger_account_can_be_added() -> None:
    async with provided() as provider:
        body = {"nummer": 8430, "omschrijving": "Afstandsverkopen", "grootboekfunctie": 84, "vatRateCode": "SR"}
        made = await provider.ask("POST", "grootboeken", body)
        assert (made["grootboekfunctie"], made["btwSoort"]) == ("InstallatieTeleverkoopBinnenEUgeen", ["Geen"])
        assert (made["rekeningCode"], made["vatRateCode"]) == ("WinstEnVerlies", "SR")
        for code, fields in (
            ("BOE-0086", {}),
            ("BOE-0085", {"nummer": 8431, "grootboekfunctie": None}),
            ("BOE-0087", {"nummer": 8431, "grootboekfunctie": "BtwAfTeDragenHoog"}),
            ("BOE-0088", {"nummer": 8431, "omschrijving": "x" * 51}),
            ("BOE-0084", {"nummer": 8431, "omschrijving": ""}),
        ):
            assert await provider.codes("POST", "grootboeken", body | fields) == [code]


async def test_vat_rates_are_a_history() -> None:
    async with provided() as provider:
        rates = await provider.get("btwtarieven")
        low = [row for row in rates if row["btwSoort"] == "Laag"]
        assert [(str(row["btwPercentage"]), row["datumVanaf"][:10], row["datumTotEnMet"][:10]) for row in low[-2:]] == [
            ("6.0", "1986-10-01", "2018-12-31"),
            ("9.0", "2019-01-01", "2400-12-31"),
        ]
        current = {row["btwSoort"]: row["btwPercentage"] for row in rates if row["datumTotEnMet"][:4] == "2400"}
        assert current == {"Geen": 0, "Laag": 9, "Hoog": 21, "Overig": 0}
        assert {row["datumVanaf"] for row in rates if row["datumVanaf"][:4] == "1900"} == {"1900-01-01T00:00:00"}


async def test_foreign_rates_go_by_country_code() -> None:
    async with provided() as provider:
        french = await provider.get("vatrates/FRA")
        assert {rate["rateCode"]: str(rate["rate"]) for rate in french["vatRates"]} == {
            "SR": "20.0",
            "RRH": "10.0",
            "RRL": "5.5",
            "SRR": "2.1",
        }
        await provider.ask("GET", "vatrates/USA", status=404)
        assert len(await provider.get("vatrates")) == 27
        assert [row["rateCode"] for row in await provider.get("vatratedefinitions")] == [
            "SR",
            "RRH",
            "RRL",
            "PR",
            "SRR",
        ]


async def test_countries_have_codes_of_two_and_of_three_letters() -> None:
    async with provided() as provider:
        rows = await provider.get("landen")
        assert len(rows) == 250
        assert {len(row["landcode"]) for row in rows} == {2}
        assert {len(row["landcodeISO"]) for row in rows} == {3}
        german = next(row for row in rows if row["landcode"] == "DE")
        assert (german["naam"], german["landcodeISO"]) == ("Duitsland", "DEU")
        assert await provider.get(f"landen/{german['id']}") == german


async def test_cost_centres() -> None:
    async with provided() as provider:
        made = await provider.ask("POST", "kostenplaatsen", {"nummer": 100, "omschrijving": "Project A"})
        assert await provider.get("kostenplaatsen") == [made]
        for code, fields in (
            ("KPL-0004", {"omschrijving": ""}),
            ("KPL-0005", {"omschrijving": "x" * 51}),
            ("KPL-0006", {"nummer": None}),
            ("KPL-0007", {"nummer": 0}),
            ("KPL-0008", {"nummer": 100}),
            ("KPL-0009", {"nonactief": True}),
        ):
            body = {"nummer": 101, "omschrijving": "Project B"} | fields
            assert await provider.codes("POST", "kostenplaatsen", body) == [code]
        reference = {"id": made["id"]}
        await provider.booked("1", boekingsregels=[await provider.line("100.00", 8260, kostenplaats=reference)])
        off = {**made, "nonactief": True}
        await provider.ask("PUT", f"kostenplaatsen/{made['id']}", off)
        for code, centre in (("BOE-0026", reference), ("BOE-0019", {"id": NOBODY})):
            lines = [await provider.line("100.00", 8260, kostenplaats=centre)]
            sale = await provider.sale("2", boekingsregels=lines)
            assert await provider.codes("POST", "verkoopboekingen", sale) == [code]
        await provider.ask("DELETE", f"kostenplaatsen/{made['id']}")
        await provider.ask("GET", f"kostenplaatsen/{made['id']}", status=404)


async def test_the_company_and_its_users() -> None:
    async with provided() as provider:
        company = await provider.get("companyInfo")
        assert (company["huidigBoekjaar"], company["kvKNummer"]) == (2026, "12345678")
        assert provider.emulator.books()["company"] == [company]
        path = "authorization/HasUserAccessToAdministration"
        assert await provider.get(path, userIdentifier=NOBODY) == {"hasAccess": True}
        assert await provider.get(path) == {"hasAccess": False}
        state = await provider.state("PUT", "companyInfo", {"factureerBuitenlandsBtw": "x"})
        assert state == ["companyInfo.FactureerBuitenlandsBtw"]


@pytest.mark.parametrize("amount", ["12345678901.12", "0.01", "99999999999999.99"])
async def test_money_survives_to_the_last_cent(amount: str) -> None:
    async with provided() as provider:
        lines = [await provider.line(amount, 8240)]
        entry = await provider.booked(factuurbedrag=amount, boekingsregels=lines, btw=[])
        answer = await provider.send("GET", f"verkoopboekingen/{entry['id']}")
        assert f'"factuurbedrag":{amount},'.encode() in answer.content
        assert loads(answer.content)["factuurbedrag"] == Decimal(amount)
