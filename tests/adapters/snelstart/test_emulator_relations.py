"""Relations: what is filled in, what is lenient, and every rule that has a code."""

import pytest

from adapters.snelstart.emulator import Switches
from gateway.contract.exact import Json, dumps
from tests.adapters.snelstart.emulated import NOBODY, Provider, provided

ALKMAAR = {"straat": "Dorpsstraat 1", "postcode": "1811 AB", "plaats": "Alkmaar"}
NIL = "00000000-0000-0000-0000-000000000000"


def body(**fields: object) -> Json:
    return {"relatiesoort": ["Klant"], "naam": "Bakkerij Jansen", **fields}


async def test_a_fresh_administration_has_its_own_and_two_of_the_system() -> None:
    async with provided() as provider:
        rows = await provider.get("relaties")
        assert [(row["relatiecode"], row["relatiesoort"], row["naam"]) for row in rows] == [
            (1, ["Eigen"], "<Vul hier uw bedrijfsnaam in>"),
            (-1, ["Leverancier"], "Leverancier onbekend"),
            (-2, ["Klant"], "Klant onbekend"),
        ]
        assert provider.emulator.books()["contacts"] == []


async def test_the_server_fills_in_what_is_left_out() -> None:
    async with provided() as provider:
        made = await provider.relation(
            vestigingsAdres=ALKMAAR, btwNummer="NL123456782B01", iban="nl91 abna 0417 1643 00"
        )
        assert "fax" not in made
        read = await provider.get(f"relaties/{made['id']}")
        assert read == {**made, "fax": None}
        assert read["relatiecode"] == 10001
        assert read["uri"] == f"/relaties/{read['id']}"
        assert read["verkoopBoekingenUri"] == f"/relaties/{read['id']}/verkoopboekingen"
        country = await provider.get(f"landen/{read['vestigingsAdres']['land']['id']}")
        assert (country["landcode"], country["landcodeISO"], country["naam"]) == ("NL", "NLD", "Nederland")
        assert (read["btwNummer"], read["iban"]) == ("123456782B01", "NL91ABNA0417164300")
        assert (read["aanmaningsoort"], read["incassoSoort"], read["memo"], read["email"]) == ("Nee", "Geen", "", None)
        assert (await provider.relation(relatiecode=0))["relatiecode"] == 10002
    async with provided(Switches(strip_nl_prefix=False)) as provider:
        assert (await provider.relation(btwNummer="NL123456782B01"))["btwNummer"] == "NL123456782B01"


async def test_leniency_stays() -> None:
    async with provided() as provider:
        lenient = {
            "RELATIESOORT": ["klant"],
            "Naam": "Jansen",
            "ID": NIL,
            "nonsense": {"deep": [1]},
            "krediettermijn": "30",
            "kredietLimiet": "1000.50",
            "aanmaningsoort": 1,
            "ublBestandAlsBijlage": "true",
            "telefoon": 721234567,
            "factuurEmailVersturen": {"SHOULDSEND": True, "email": "a@b.example;c@d.example"},
            "factuurRelatie": {"id": NIL, "uri": "/relaties/x"},
            "modifiedOn": "2018-12-24 13:30:46",
        }
        made = await provider.ask("POST", "relaties", lenient)
        assert (made["krediettermijn"], str(made["kredietLimiet"])) == (30, "1000.5")
        assert (made["aanmaningsoort"], made["ublBestandAlsBijlage"]) == ("Onderneming", True)
        assert (made["telefoon"], made["factuurRelatie"]) == ("721234567", None)
        assert made["modifiedOn"] == "2026-03-02T10:00:00"
        assert made["factuurEmailVersturen"] == {
            "shouldSend": True,
            "email": "a@b.example;c@d.example",
            "ccEmail": None,
        }
    async with provided(Switches(enum_integers=False)) as provider:
        assert await provider.state("POST", "relaties", body(aanmaningsoort=1)) == ["relatie.Aanmaningsoort"]


async def test_an_update_replaces_the_whole_record() -> None:
    async with provided() as provider:
        made = await provider.relation(email="a@b.example", krediettermijn=30, vestigingsAdres=ALKMAAR)
        provider.clock.advance(5)
        changed = await provider.ask("PUT", f"relaties/{made['id']}", body(id=made["id"].upper(), naam="Nieuw"))
        assert (changed["naam"], changed["email"], changed["krediettermijn"]) == ("Nieuw", None, None)
        assert (changed["vestigingsAdres"], changed["relatiecode"]) == (None, made["relatiecode"])
        assert changed["modifiedOn"] == "2026-03-02T10:00:05"
        for wrong in (NOBODY, None, NIL):
            assert await provider.codes("PUT", f"relaties/{made['id']}", body(id=wrong)) == ["REL-0047"]
        await provider.ask("PUT", f"relaties/{NOBODY}", body(id=NOBODY), status=404)
        assert (await provider.get(f"relaties/{made['id']}"))["naam"] == "Nieuw"
    async with provided(Switches(update_without_id="accepted")) as provider:
        made = await provider.relation()
        await provider.ask("PUT", f"relaties/{made['id']}", body(naam="Nieuw"))
        assert await provider.codes("PUT", f"relaties/{made['id']}", body(id=NOBODY)) == ["REL-0047"]


async def test_deleting_deactivates() -> None:
    async with provided() as provider:
        made = await provider.relation()
        answer = await provider.send("DELETE", f"relaties/{made['id']}")
        assert (answer.status_code, answer.content) == (200, b"")
        for method in ("GET", "DELETE"):
            await provider.ask(method, f"relaties/{made['id']}", status=404)
        assert await provider.codes("PUT", f"relaties/{made['id']}", body(id=made["id"])) == ["ALG-0105"]
        flags = {row["id"]: row["nonactief"] for row in await provider.get("relaties")}
        assert flags[made["id"]] is True
        assert provider.emulator.books()["contacts"] == []
    async with provided(Switches(inactive_listed=False, deleted_body="object")) as provider:
        made = await provider.relation()
        assert await provider.ask("DELETE", f"relaties/{made['id']}") == {}
        assert made["id"] not in [row["id"] for row in await provider.get("relaties")]


async def test_what_is_in_use_is_not_deleted() -> None:
    async with provided() as provider:
        rows = await provider.get("relaties")
        assert [await provider.codes("DELETE", f"relaties/{row['id']}") for row in rows] == [
            ["REL-0103"],
            ["REL-0067"],
            ["REL-0103"],
        ]
        entry = await provider.booked()
        customer = entry["klant"]["id"]
        assert await provider.codes("DELETE", f"relaties/{customer}") == ["REL-0049"]
        await provider.ask("POST", "bankboekingen", await provider.payment((entry, "121.00")))
        payee = await provider.relation(factuurRelatie={"id": customer})
        assert await provider.codes("DELETE", f"relaties/{customer}") == ["REL-0051"]
        await provider.ask("DELETE", f"relaties/{payee['id']}")
        await provider.ask("POST", "verkooporders", {"relatie": {"id": customer}, "datum": "2026-03-02"})
        assert await provider.codes("DELETE", f"relaties/{customer}") == ["REL-0050"]


async def test_both_kinds_and_changed_kinds_are_switches() -> None:
    async with provided() as provider:
        assert await provider.codes("POST", "relaties", body(relatiesoort=["Klant", "Leverancier"])) == ["REL-0065"]
        made = await provider.relation()
        changed = body(id=made["id"], relatiesoort=["Leverancier"])
        assert await provider.codes("PUT", f"relaties/{made['id']}", changed) == ["REL-0064"]
    async with provided(Switches(both_kinds_allowed=True, kind_change_allowed=True)) as provider:
        made = await provider.relation()
        both = body(id=made["id"], relatiesoort=["Klant", "Leverancier"])
        assert (await provider.ask("PUT", f"relaties/{made['id']}", both))["relatiesoort"] == ["Klant", "Leverancier"]


MAIL = "a" * 242 + "@b.example"
RULES: dict[str, Json] = {
    "REL-0001": {"relatiesoort": ["Geen"]},
    "REL-0002": {"relatiesoort": ["Leverancier"], "aanmaningsoort": "Consument"},
    "REL-0003": {"krediettermijn": 1001},
    "REL-0004": {"relatiesoort": ["Leverancier"], "factuurkorting": 5},
    "REL-0006": {"kvkNummer": "1234567"},
    "REL-0007": {"naam": "  "},
    "REL-0008": {"relatiecode": -1},
    "REL-0009": {"incassoSoort": "Core"},
    "REL-0010": {"bic": "ABNA"},
    "REL-0011": {"iban": "NL91ABNA0417164301"},
    "REL-0012": {"mobieleTelefoon": "0" * 26},
    "REL-0013": {"telefoon": "0" * 26},
    "REL-0014": {"bankieren": True, "iban": "NL91ABNA0417164300"},
    "REL-0015": {"websiteUrl": "not a site"},
    "REL-0016": {"relatiesoort": ["Leverancier"], "incassoSoort": "Core", "iban": "NL91ABNA0417164300"},
    "REL-0017": {"factuurRelatie": {"id": NOBODY}},
    "REL-0020": {"vestigingsAdres": {**ALKMAAR, "straat": "x" * 51}},
    "REL-0021": {"vestigingsAdres": {**ALKMAAR, "postcode": "x" * 26}},
    "REL-0022": {"vestigingsAdres": {**ALKMAAR, "plaats": "x" * 51}},
    "REL-0023": {"vestigingsAdres": {**ALKMAAR, "contactpersoon": "x" * 51}},
    "REL-0025": {"correspondentieAdres": {"straat": "x" * 51}},
    "REL-0028": {"correspondentieAdres": {"contactpersoon": "x" * 51}},
    "REL-0030": {"aanmaningEmailVersturen": {"email": "nobody"}},
    "REL-0031": {"aanmaningEmailVersturen": {"ccEmail": "nobody"}},
    "REL-0032": {"factuurEmailVersturen": {"shouldSend": True}},
    "REL-0033": {"factuurEmailVersturen": {"shouldSend": True, "email": "a@b"}},
    "REL-0048": {"relatiesoort": ["Klant", "Eigen"]},
    "REL-0055": {"correspondentieAdres": {**ALKMAAR, "land": {"id": NOBODY}}},
    "REL-0056": {"vestigingsAdres": {**ALKMAAR, "land": {"id": NOBODY}}},
    "REL-0059": {"btwNummer": "NL1234.567.82B01"},
    "REL-0060": {"vestigingsAdres": {"straat": "Dorpsstraat 1"}},
    "REL-0061": {"email": "nobody"},
    "REL-0062": {"relatiesoort": ["Leverancier"], "kredietLimiet": 100},
    "REL-0063": {"id": NOBODY},
    "REL-0072": {"factuurEmailVersturen": {"email": "a@b.example;nobody"}},
    "REL-0083": {"offerteEmailVersturen": {"ccEmail": MAIL}},
    "REL-0084": {"email": "a@b.example;nobody"},
    "REL-0085": {"email": MAIL},
    "REL-0086": {"oin": "1234"},
    "REL-0087": {"btwNummer": "DE136695976"},
    "REL-0088": {"btwNummer": "NL123456789B01"},
    "REL-0089": {"offerteAanvraagEmailVersturen": {"shouldSend": True}},
    "REL-0100": {"bestellingEmailVersturen": {"ccEmail": "nobody"}},
}


async def test_every_rule_has_its_code() -> None:
    async with provided() as provider:
        before = await provider.get("relaties")
        for code, fields in RULES.items():
            assert await provider.codes("POST", "relaties", body(**fields)) == [code], code
        supplier = await provider.relation("Leverancier")
        payer = body(factuurRelatie={"id": supplier["id"]})
        assert await provider.codes("POST", "relaties", payer) == ["REL-0018"]
        assert await provider.get("relaties", filter=f"Id ne guid'{supplier['id']}'") == before


async def test_all_broken_rules_come_at_once_or_the_first() -> None:
    wrong = body(naam="", iban="x", email="y")
    async with provided() as provider:
        assert await provider.codes("POST", "relaties", wrong) == ["REL-0007", "REL-0011", "REL-0061"]
    async with provided(Switches(all_violations=False)) as provider:
        assert await provider.codes("POST", "relaties", wrong) == ["REL-0007"]


async def test_long_names_are_model_state_or_a_code() -> None:
    async with provided() as provider:
        assert await provider.state("POST", "relaties", body(naam="x" * 51)) == ["relatie.Naam"]
        assert (await provider.relation(naam="x" * 50))["naam"] == "x" * 50
    async with provided(Switches(long_name_code=True)) as provider:
        assert await provider.codes("POST", "relaties", body(naam="x" * 51)) == ["REL-0007"]
    async with provided(Switches(model_state_first=True)) as provider:
        assert await provider.state("POST", "relaties", body(naam="x" * 51)) == ["relatie.Naam"]


async def test_what_cannot_be_read_is_model_state() -> None:
    wrong = {
        "krediettermijn": "soon",
        "nonactief": "perhaps",
        "aanmaningsoort": "Heks",
        "vestigingsAdres": "Alkmaar",
        "relatiesoort": "Klant",
        "kredietLimiet": "1,50",
        "factuurRelatie": {"id": "x"},
        "websiteUrl": "https://x.example/" + "y" * 100,
    }
    async with provided() as provider:
        found = await provider.state("POST", "relaties", {"naam": "x", **wrong})
        names = sorted(f"relatie.{name[0].upper()}{name[1:]}" for name in wrong if name != "factuurRelatie")
        assert found == sorted([*names, "relatie.FactuurRelatie.Id"])
        assert await provider.state("POST", "relaties", [1]) == ["relatie"]


async def test_bodies_that_are_none() -> None:
    async with provided() as provider:
        for empty in (b"", b"  ", b"null"):
            headers = {"content-type": "application/json"}
            answer = await provider.send("POST", "relaties", empty, headers=headers)
            assert answer.status_code == 400
            assert b"ALG-0106" in answer.content
        assert await provider.codes("POST", "relaties", b'{"naam": ') == ["REL-0066"]
        assert await provider.state("POST", "verkoopboekingen", b'{"naam": ') == ["verkoopBoeking"]
        text = await provider.send("POST", "relaties", dumps(body()), headers={"content-type": "text/plain"})
        assert text.status_code == 415


@pytest.mark.parametrize(
    ("country", "number"),
    [
        ("DE", "DE136695976"),
        ("BE", "BE0411905847"),
        ("FR", "FR40303265045"),
        ("GR", "EL094259216"),
        ("US", "anything1"),
    ],
)
async def test_vat_numbers_of_other_countries(country: str, number: str) -> None:
    async with provided() as provider:
        address = {**ALKMAAR, "land": await provider.country(country)}
        made = await provider.relation(vestigingsAdres=address, btwNummer=number.lower())
        assert made["btwNummer"] == number.upper()
        if country != "US":
            wrong = body(vestigingsAdres=address, btwNummer=number[:-1])
            assert await provider.codes("POST", "relaties", wrong) == ["REL-0088"]
            assert await provider.codes(
                "POST", "relaties", body(vestigingsAdres=address, btwNummer="NL123456782B01")
            ) == ["REL-0087"]


async def test_an_address_without_a_country_may_be_refused() -> None:
    async with provided(Switches(address_needs_country=True)) as provider:
        assert await provider.codes("POST", "relaties", body(vestigingsAdres=ALKMAAR)) == ["REL-0060"]
        await provider.relation(vestigingsAdres={**ALKMAAR, "land": await provider.country("NL")})


NOT_FOUND = [
    (Switches(), 404, b""),
    (Switches(not_found="message"), 404, b'{"Message":"Relatie niet gevonden"}'),
    (Switches(not_found="code"), 404, b'[{"errorCode":"REL-0005","message":"Relatie niet gevonden","details":null}]'),
    (
        Switches(not_found="code_400"),
        400,
        b'[{"errorCode":"REL-0005","message":"Relatie niet gevonden","details":null}]',
    ),
]


@pytest.mark.parametrize(("switches", "status", "content"), NOT_FOUND)
async def test_an_unknown_id_is_not_found_in_one_of_four_ways(switches: Switches, status: int, content: bytes) -> None:
    async with provided(switches) as provider:
        answer = await provider.send("GET", f"relaties/{NOBODY}")
        assert (answer.status_code, answer.content) == (status, content)


async def test_an_id_that_is_none() -> None:
    async def refused(provider: Provider) -> tuple[int, bytes]:
        answer = await provider.send("GET", "relaties/1,2,3")
        return answer.status_code, answer.content

    async with provided() as provider:
        assert await provider.codes("GET", "relaties/1,2,3") == ["ALG-0103"]
    async with provided(Switches(malformed_id="not_found")) as provider:
        assert await refused(provider) == (404, b"")


async def test_a_relation_lists_its_entries() -> None:
    async with provided() as provider:
        entry = await provider.booked()
        customer = entry["klant"]["id"]
        await provider.booked("2026-2")
        path = f"relaties/{customer}/verkoopboekingen"
        assert await provider.get(path, filter="Nonsense") == [entry]
        assert await provider.get(f"relaties/{customer}/inkoopboekingen") == []
        assert await provider.get(f"relaties/{customer}/doorlopendeincassomachtigingen") == []
        await provider.ask("GET", f"relaties/{NOBODY}/verkoopboekingen", status=404)
