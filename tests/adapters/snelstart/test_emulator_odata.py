"""Lists: the filter language of OData 3, caps, pages, and the lists that know none of it."""

from datetime import UTC, datetime

from adapters.snelstart.emulator import Switches
from tests.adapters.snelstart.emulated import NOBODY, Provider, provided

RELATION = "SnelStart.B2B.Api.V2.Models.Relaties.RelatieModel"


async def furnish(provider: Provider) -> None:
    """Four relations: A and B in Alkmaar, C a supplier in Köln, D with nothing but an awkward name."""
    alkmaar = {"straat": "Dorpsstraat 1", "postcode": "1811 AB", "plaats": "Alkmaar"}
    koln = {"straat": "Hohe Straße 1", "postcode": "50667", "plaats": "Köln", "land": await provider.country("DE")}
    await provider.relation(naam="Aannemer", relatiecode=20001, vestigingsAdres=alkmaar, email="info@a.example")
    provider.clock.advance(3000)
    await provider.relation(naam="Bakkerij", relatiecode=20002, vestigingsAdres=alkmaar, krediettermijn=30)
    await provider.relation("Leverancier", naam="Cölner Holz", relatiecode=20003, vestigingsAdres=koln)
    await provider.relation(naam="D'Ancona & Zn", relatiecode=20004, incassoSoort="Core", iban="NL91ABNA0417164300")


FILTERS = {
    "Naam eq 'Bakkerij'": "B",
    "Naam eq 'bakkerij'": "",
    "Naam ne 'Bakkerij'": "ACD",
    "Naam eq 'D''Ancona & Zn'": "D",
    "Naam eq 'Cölner Holz'": "C",
    "Relatiecode eq 20002": "B",
    "Relatiecode gt 20002": "CD",
    "Relatiecode ge 20002 and Relatiecode lt 20004": "BC",
    "Relatiecode le 20001M or Relatiecode eq 20004.0": "AD",
    "Relatiecode eq 20001 or Relatiecode eq 20002 and Naam eq 'x'": "A",
    "(Relatiecode eq 20001 or Relatiecode eq 20002) and Naam eq 'x'": "",
    "not (Naam eq 'Aannemer')": "BCD",
    "not startswith(Naam,'A')": "BCD",
    "not not (Naam eq 'Aannemer')": "A",
    "substringof('akker',Naam) eq true": "B",
    "substringof('akker', Naam)": "B",
    "startswith(Naam,'Aan') eq true": "A",
    "endswith(Naam,'Zn')": "D",
    "substringof('a.example',Email)": "A",
    "tolower(Naam) eq 'bakkerij'": "B",
    "length(Naam) eq 8 and indexof(Naam,'k') eq 2": "B",
    "hour(ModifiedOn) eq 10 and second(ModifiedOn) eq 0": "ABCD",
    "toupper(trim(concat(Naam,' '))) eq 'BAKKERIJ'": "B",
    "replace(Naam,'Bak','Dak') eq 'Dakkerij'": "B",
    "Email eq null": "BCD",
    "Email ne null": "A",
    "Krediettermijn gt 10": "B",
    "Krediettermijn lt 10": "",
    "Nonactief eq false": "ABCD",
    "Nonactief": "",
    "VestigingsAdres/Plaats eq 'Alkmaar'": "AB",
    "VestigingsAdres eq null": "D",
    "VestigingsAdres/Plaats eq null": "D",
    "Relatiesoort/any(r:r eq 'Klant')": "ABD",
    "Relatiesoort/any(soort: soort eq 'Leverancier') and Relatiecode gt 0": "C",
    "Relatiesoort/all(r:r ne 'Klant')": "C",
    "Documents/any()": "",
    "ExtraVeldenKlant/any(e:e/Naam eq 'k' and e/Waarde eq 'v')": "",
    "IncassoSoort eq 'Core'": "D",
    "year(ModifiedOn) eq 2026 and month(ModifiedOn) eq 3 and day(ModifiedOn) eq 2 and minute(ModifiedOn) eq 0": "A",
    "ModifiedOn gt datetime'2026-03-02T10:00:00'": "BCD",
    "ModifiedOn gt datetime'2026-03-02T10:49:59.999'": "BCD",
    "ModifiedOn le datetime'2026-03-02T10:00:00'": "A",
    "ModifiedOn eq datetime'2026-03-02T10:50'": "BCD",
    f"Id eq guid'{NOBODY}'": "",
    f"Id ne guid'{NOBODY}'": "ABCD",
}


async def test_filters_mean_what_odata_says() -> None:
    async with provided() as provider:
        await furnish(provider)
        for wanted, letters in FILTERS.items():
            rows = await provider.get("relaties", filter=f"({wanted}) and Relatiecode gt 20000")
            assert "".join(row["naam"][0] for row in rows) == letters, wanted


REFUSED = {
    "naam eq 'x'": f"Could not find a property named 'naam' on type '{RELATION}'.",
    "Nonsense eq 1": f"Could not find a property named 'Nonsense' on type '{RELATION}'.",
    "VestigingsAdres/land/Id eq null": "Could not find a property named 'land'",
    "Relatiesoort/any(r:r/Naam eq 'x')": "Could not find a property named 'Naam' on type 'Edm.String'",
    "contains(Naam,'x')": "An unknown function with name 'contains' was found.",
    "substringof(Naam)": "No function signature",
    "startswith(Relatiecode,'2')": "No function signature",
    "Uri eq 'x'": "The property 'Uri' cannot be used",
    "VestigingsAdres/Land/Uri eq 'x'": "The property 'Uri' cannot be used",
    "Relatiecode eq '2'": "Found operand types 'Edm.Int32' and 'Edm.String' for operator kind 'Equal'",
    "Naam eq 308": "incompatible types",
    "Id eq 'x'": "Found operand types 'Edm.Guid' and 'Edm.String'",
    f"Naam gt guid'{NOBODY}'": "for operator kind 'GreaterThan'",
    "ModifiedOn gt datetimeoffset'2026-03-02T10:00:00Z'": "Edm.DateTimeOffset",
    "ModifiedOn gt datetime'2026-03-02T10:00:00Z'": "Unrecognized 'Edm.DateTime' literal",
    "ModifiedOn gt datetime'yesterday'": "Unrecognized 'Edm.DateTime' literal",
    "Id eq guid'x'": "Unrecognized 'Edm.Guid' literal",
    "ModifiedOn gt '2026-03-02'": "incompatible types",
    "Naam": "must evaluate to a single boolean value",
    "Naam eq": "Syntax error at position 7",
    "Naam eq 'x": "Syntax error at position 7",
    "Naam eq 'x' and": "Syntax error",
    "Naam eq 'x' extra": "Syntax error at position 12",
    "(Naam eq 'x'": "Syntax error",
    "Naam eq O'Brien": "Syntax error",
    "not Naam eq 'x'": "A logical operator needs operands of type 'Edm.Boolean'.",
    "Naam and true": "A logical operator needs",
    "Relatiesoort eq 'Klant'": "incompatible types",
    "Relatiesoort/Naam eq 'Klant'": "is not a single value",
    "": "Syntax error",
    "(" * 200 + "Nonactief" + ")" * 200: "recursion limit",
    "not " * 200 + "Nonactief": "recursion limit",
    " or ".join(["Relatiecode eq 1"] * 21): "node count limit of '100'",
}


async def test_what_is_no_filter_is_refused_in_odatas_words() -> None:
    async with provided() as provider:
        for wrong, words in REFUSED.items():
            assert words in await provider.odata("relaties", filter=wrong), wrong
    async with provided(Switches(filter_refusal="code")) as provider:
        assert await provider.codes("GET", "relaties?$filter=naam eq 'x'") == ["ALG-0104"]


async def test_the_books_may_not_mind_casing() -> None:
    async with provided(Switches(filter_ignores_case=True)) as provider:
        await furnish(provider)
        for wanted in ("Naam eq 'BAKKERIJ'", "substringof('AKKER',Naam)", "startswith(Naam,'bak')"):
            assert [row["naam"] for row in await provider.get("relaties", filter=wanted)] == ["Bakkerij"]
        recent = await provider.get("relaties", filter="ModifiedOn gt datetime'2026-03-02T10:30:00'")
        assert len(recent) == 3


async def test_other_lists_have_their_own_properties() -> None:
    async with provided() as provider:
        entry = await provider.booked("F-1")
        await provider.ask("POST", "bankboekingen", await provider.payment((entry, "21.00")))
        found = await provider.get("verkoopfacturen", filter="Factuurnummer eq 'F-1' and OpenstaandSaldo gt 0")
        assert [row["verkoopBoeking"]["id"] for row in found] == [entry["id"]]
        assert await provider.get("verkoopfacturen", filter="FactuurDatum gt datetime'2026-03-01T00:00:00'") == []
        wanted = f"VerkoopboekingBoekingsRegels/any(r:r/BoekingId/Id eq guid'{entry['id']}')"
        assert len(await provider.get("bankboekingen", filter=wanted)) == 1
        assert [
            row["nummer"] for row in await provider.get("grootboeken", filter="Grootboekfunctie eq 'DagboekBank'")
        ] == [
            1100,
            1104,
            1109,
        ]
        assert len(await provider.get("grootboeken", filter="BtwSoort/any(b:b eq 'Laag') and Nummer ge 8000")) == 3
        german = await provider.get("vatrates", filter="CountryCode eq 'DEU'")
        assert [(rate["rateCode"], str(rate["rate"])) for rate in german[0]["vatRates"]] == [
            ("SR", "19.0"),
            ("RRH", "7.0"),
        ]
        assert "type 'SnelStart.B2B.Api.V2.Models.Verkoopfacturen.VerkoopfactuurModel'" in await provider.odata(
            "verkoopfacturen", filter="factuurnummer eq 'F-1'"
        )


async def test_pages_and_caps() -> None:
    async with provided(populated=True) as provider:
        whole = await provider.get("relaties", top=500)
        assert len(whole) == 223
        paged = [row for skip in range(0, 240, 40) for row in await provider.get("relaties", top=40, skip=skip)]
        assert paged == whole
        assert await provider.get("relaties", skip=1000) == []
        assert await provider.get("relaties", top=0) == []
        words = "The limit of '500' for Top query has been exceeded. The value from the incoming request is '501'."
        assert await provider.odata("relaties", top=501) == words
        for wrong in ("-1", "x", "1.5", ""):
            assert "$top" in await provider.odata("relaties", top=wrong)
            assert "$skip" in await provider.odata("relaties", skip=wrong)


async def test_articles_are_capped_lower() -> None:
    async with provided(populated=True) as provider:
        words = "The limit of '25' for Top query has been exceeded. The value from the incoming request is '500'."
        assert await provider.odata("artikelen", top=500) == words
        assert len(await provider.get("artikelen", top=25)) == 25
        assert len(await provider.get("artikelen")) == 40
    async with provided(Switches(article_top=500, article_default=25), populated=True) as provider:
        assert len(await provider.get("artikelen", top=500)) == 40
        assert len(await provider.get("artikelen")) == 25


async def test_without_top_there_are_five_hundred() -> None:
    async with provided() as provider:
        provider.emulator.add_invoices(620)
        assert len(await provider.get("verkoopfacturen")) == 500
        assert len(await provider.get("verkoopfacturen", skip=500)) == 120


DEAF = ("landen", "dagboeken", "btwtarieven", "kostenplaatsen", "artikelomzetgroepen", "verkoopordersjablonen")


async def test_some_lists_ignore_every_option() -> None:
    async with provided(populated=True) as provider:
        for path in DEAF:
            whole = await provider.get(path)
            assert whole
            assert await provider.get(path, filter="Nonsense eq (", top=1, skip=1, nonsense="x") == whole


async def test_select_keeps_only_what_is_named() -> None:
    async with provided() as provider:
        await provider.relation()
        rows = await provider.get("relaties", select="Id,Naam", filter="Relatiecode gt 10000")
        assert [row.keys() for row in rows] == [{"id", "naam"}]
        assert "Could not find a property named 'naam'" in await provider.odata("relaties", select="naam")
    async with provided(Switches(select_casing="pascal")) as provider:
        assert (await provider.get("relaties", select="Naam"))[0].keys() == {"Naam"}


async def test_options_nobody_promised() -> None:
    async with provided() as provider:
        plain = await provider.get("relaties")
        assert await provider.get("relaties", orderby="Naam desc") == plain
        assert await provider.get("relaties", inlinecount="allpages") == plain
        for name in ("expand", "count", "nonsense"):
            assert f"${name}" in await provider.odata("relaties", **{name: "true"})
        assert "more than once" in await provider.odata("relaties?$filter=Nonactief&$filter=Nonactief")
        assert await provider.get("relaties?foo=bar") == plain
    async with provided(Switches(orderby="refused")) as provider:
        assert "OrderBy" in await provider.odata("relaties", orderby="Naam")
    async with provided(Switches(order="by_id"), populated=True) as provider:
        ids = [row["id"] for row in await provider.get("relaties")]
        assert ids == sorted(ids)
        made = [row["relatiecode"] for row in await provider.get("relaties")]
        assert made != sorted(made)


async def test_modified_on_is_a_wall_clock_or_utc() -> None:
    async with provided() as provider:
        assert (await provider.relation())["modifiedOn"] == "2026-03-02T10:00:00"
        provider.clock.turn_to(datetime(2026, 7, 1, 23, 30, 1, 120_000, tzinfo=UTC))
        provider.token = await provider.log_in()
        assert (await provider.relation())["modifiedOn"] == "2026-07-02T01:30:01.12"
        for moment, shown in (
            (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "2026-03-29T01:59:00"),
            (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "2026-03-29T03:00:00"),
            (datetime(2026, 10, 25, 0, 59, tzinfo=UTC), "2026-10-25T02:59:00"),
            (datetime(2026, 10, 25, 1, 0, tzinfo=UTC), "2026-10-25T02:00:00"),
        ):
            provider.clock.turn_to(moment)
            provider.token = await provider.log_in()
            assert (await provider.relation())["modifiedOn"] == shown
    async with provided(Switches(modified_on_zone="UTC")) as provider:
        assert (await provider.relation())["modifiedOn"] == "2026-03-02T09:00:00"
