"""The emulator against the vendor's own OpenAPI document: its operations, its models, and every answer.

The fixture holds names, types, limits and enums of that document, and no prose. It types nothing as nullable, although
live answers are full of null (dossier 2.3), so null is allowed everywhere here.
"""

from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
from jsonschema import validators

from adapters.snelstart.emulator import fields, models, operations
from adapters.snelstart.emulator.fields import Choice, Kind, Many, Model, Reference
from gateway.contract.exact import Json, loads
from tests.adapters.snelstart.emulated import Provider, provided

FIXTURE = Path(__file__).parents[3] / "adapters" / "snelstart" / "fixtures" / "vendor-schemas.json"
VENDOR: Json = loads(FIXTURE.read_bytes())
TYPES = jsonschema.Draft4Validator.TYPE_CHECKER.redefine(
    "number", lambda _checker, value: isinstance(value, int | Decimal) and not isinstance(value, bool)
)


def nullable(schema: Json) -> Json:
    """The schema with null allowed wherever a type, an enum or a reference stands."""
    if "$ref" in schema:
        return {"anyOf": [{"type": "null"}, schema]}
    changed = {name: value for name, value in schema.items() if name not in ("readOnly", "required", "format")}
    if "type" in schema:
        changed["type"] = [schema["type"], "null"]
    if "enum" in schema:
        changed["enum"] = [*schema["enum"], None]
    if "items" in schema:
        changed["items"] = nullable(schema["items"])
    if "properties" in schema:
        changed["properties"] = {name: nullable(value) for name, value in schema["properties"].items()}
        changed["required"] = list(schema["properties"])
        changed["additionalProperties"] = False
    return changed


SCHEMAS = {name: nullable(schema) for name, schema in VENDOR["schemas"].items()}
Validator = validators.extend(jsonschema.Draft4Validator, type_checker=TYPES)  # type: ignore[no-untyped-call]  # untyped there


def check(answer: Json, model: str) -> None:
    """An answer has every property of the model, no other, and of the right types."""
    Validator({"$ref": f"#/schemas/{model}", "schemas": SCHEMAS}).validate(answer)


def check_all(answers: Json, model: str) -> None:
    """A list of them, with something in it."""
    assert answers
    for answer in answers:
        check(answer, model)


def reachable(kind: Kind) -> dict[str, Model]:
    """A model and all models in it, by name."""
    if isinstance(kind, Many):
        return reachable(kind.of)
    if not isinstance(kind, Model):
        return {}
    found = {kind.name: kind}
    for inner in kind.properties.values():
        found |= reachable(inner)
    return found


MODELS = {
    name: model
    for value in vars(models).values()
    if isinstance(value, Kind)
    for name, model in reachable(value).items()
}
JSON_TYPES = {
    fields.Text: "string",
    fields.Moment: "string",
    fields.Guid: "string",
    fields.Bytes: "string",
    fields.Choice: "string",
    fields.Whole: "integer",
    fields.Number: "number",
    fields.Flag: "boolean",
    fields.Many: "array",
}


def same(kind: Kind, schema: Json, where: str) -> None:
    """A property is of the document's type, with its enum and limits."""
    if isinstance(kind, Model):
        assert schema == {"$ref": f"#/schemas/{kind.name}"}, where
        return
    assert JSON_TYPES[type(kind)] == schema["type"], where
    if isinstance(kind, Many):
        same(kind.of, schema["items"], f"{where}[]")
    if isinstance(kind, fields.Text):
        assert kind.limit == schema.get("maxLength"), where
    if isinstance(kind, fields.Whole) and "minimum" in schema:
        assert (kind.least, kind.most) == (schema["minimum"], schema["maximum"]), where
    if isinstance(kind, Choice) and not where.endswith("relatiesoort[]"):
        assert list(kind.names) == schema["enum"], where
    if isinstance(kind, fields.Moment):
        assert schema["format"] == "date-time", where


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_is_the_vendors(name: str) -> None:
    model, schema = MODELS[name], VENDOR["schemas"][name]
    assert list(model.properties) == list(schema["properties"])
    for field, kind in model.properties.items():
        same(kind, schema["properties"][field], f"{name}.{field}")
    if not isinstance(model, Reference):
        required = {*model.required, *model.coded_required}
        answers_only = not required and name in (
            "Verkoopfacturen.VerkoopfactuurModel",
            "Inkoopfacturen.InkoopfactuurModel",
        )
        assert required == set(schema.get("required", ())) or answers_only


def test_every_operation_is_the_vendors() -> None:
    ours = {(one.method, one.path): one.scopes for one in operations.OPERATIONS}
    assert len(ours) == len(operations.OPERATIONS)
    assert ours == {(one["method"], one["path"]): tuple(one["scopes"]) for one in VENDOR["operations"]}


async def test_caps_and_odata_are_the_vendors() -> None:
    """A list that the document gives query options refuses a filter of nonsense, and more than its $top."""
    async with provided(populated=True) as provider:
        for operation in VENDOR["operations"]:
            path = operation["path"].removeprefix("/")
            found = operations.find("GET", operation["path"])
            if operation["method"] != "GET" or "{" in path or found is None or found[0].function is None:
                continue
            if operation["odata"]:
                assert "Syntax error" in await provider.odata(path, filter="(")
                most = operation.get("top", 500)
                assert f"'{most}'" in await provider.odata(path, top=most + 1)
            else:
                await provider.get(path, filter="(", top=501)


async def test_every_read_of_populated_books_fits() -> None:
    async with provided(populated=True) as provider:
        for path, model in {
            "relaties": "Relaties.RelatieModel",
            "artikelen": "Artikelen.ArtikelQueryModel",
            "artikelomzetgroepen": "Artikelen.ArtikelOmzetGroepModel",
            "verkoopfacturen": "Verkoopfacturen.VerkoopfactuurModel",
            "inkoopfacturen": "Inkoopfacturen.InkoopfactuurModel",
            "bankboekingen": "Bankboekingen.BankboekingModel",
            "kasboekingen": "Kasboekingen.KasboekingModel",
            "grootboeken": "Grootboeken.GrootboekModel",
            "grootboekmutaties": "GrootboekMutaties.GrootboekMutatieModel",
            "dagboeken": "Dagboeken.DagboekModel",
            "landen": "Landen.LandModel",
            "kostenplaatsen": "Kostenplaatsen.KostenplaatsModel",
            "btwtarieven": "BtwTarieven.BtwTariefModel",
            "vatrates": "VatRates.VatRatesModel",
            "vatratedefinitions": "VatRates.VatRateDefinitionModel",
            "verkoopordersjablonen": "Verkoopordersjablonen.VerkoopOrderSjabloonModel",
        }.items():
            check_all(await provider.get(path), model)
        check(await provider.get("companyInfo"), "CompanyInfo.CompanyInfoModel")
        invoices = (await provider.get("verkoopfacturen"))[::10]
        entries = [await provider.get(row["verkoopBoeking"]["uri"].removeprefix("/")) for row in invoices]
        check_all(entries, "VerkoopBoekingen.VerkoopBoekingModel")
        purchase = (await provider.get("inkoopfacturen"))[0]["inkoopBoeking"]["uri"].removeprefix("/")
        check(await provider.get(purchase), "Inkoopboekingen.InkoopboekingModel")


async def written(provider: Provider) -> list[tuple[str, str, Json, str]]:
    """Bodies to post: the path, the model answered, the body, and what a read by id is answered with."""
    entry = await provider.booked("F-0")
    customer, group = entry["klant"], (await provider.get("artikelomzetgroepen"))[0]
    sale = await provider.sale("F-1", klant=customer)
    payment = await provider.payment((entry, "1.00"))
    ledger = await provider.ledger(4000)
    lines = [
        {"omschrijving": "Loon", "grootboek": ledger, "debet": 1, "credit": 0},
        {"omschrijving": "Loon", "grootboek": await provider.ledger(1700), "debet": 0, "credit": 1},
    ]
    journal = await provider.journal("Memoriaal")
    memorial = {"datum": "2026-03-02", "dagboek": journal, "memoriaalBoekingsRegels": lines}
    article = {"artikelcode": "1", "omschrijving": "x", "artikelOmzetgroep": {"id": group["id"]}}
    relation = {"relatiesoort": ["Klant"], "naam": "x"}
    order = {"relatie": customer, "datum": "2026-03-02", "regels": [{"aantal": 1, "stuksprijs": 2}]}
    cash = payment | {"dagboek": await provider.journal("Kas")}
    return [
        ("relaties", "Relaties.RelatieWriteModel", relation, "Relaties.RelatieModel"),
        ("artikelen", "Artikelen.ArtikelModel", article, "Artikelen.ArtikelQueryModel"),
        ("verkoopboekingen", "VerkoopBoekingen.VerkoopBoekingModel", sale, ""),
        ("bankboekingen", "Bankboekingen.BankboekingModel", payment, ""),
        ("kasboekingen", "Kasboekingen.KasboekingModel", cash, ""),
        ("memoriaalboekingen", "Bankboekingen.MemoriaalboekingModel", memorial, ""),
        ("kostenplaatsen", "Kostenplaatsen.KostenplaatsModel", {"nummer": 7, "omschrijving": "x"}, ""),
        ("verkooporders", "Verkooporders.VerkoopOrderModel", order, ""),
    ]


async def test_every_write_fits_too() -> None:
    async with provided() as provider:
        for path, model, body, read in await written(provider):
            made = await provider.ask("POST", path, body)
            check(made, model)
            check(await provider.get(f"{path}/{made['id']}"), read or model)
            check(await provider.ask("PUT", f"{path}/{made['id']}", body | {"id": made["id"]}), model)
        entry = (await provider.get("verkoopfacturen"))[0]["verkoopBoeking"]
        document = {"content": "JVBERg==", "parentIdentifier": entry["id"], "fileName": "a.pdf"}
        made = await provider.ask("POST", "documenten/Verkoopboekingen", document)
        check(made, "Documenten.DocumentIdentifierModel")
        check(await provider.get(f"documenten/{made['id']}"), "Documenten.DocumentContentModel")
        path = f"documenten/Verkoopboekingen/{entry['id']}"
        check_all(await provider.get(path), "Bijlagen.VerkoopBoekingBijlageReferenceModel")
        check(await provider.get(f"verkoopboekingen/{entry['id']}"), "VerkoopBoekingen.VerkoopBoekingModel")
        ledger = {"nummer": 8999, "omschrijving": "x", "grootboekfunctie": "Diversen"}
        check(await provider.ask("POST", "grootboeken", ledger), "Grootboeken.GrootboekModel")


def test_the_check_can_fail() -> None:
    land = {"naam": "Nederland", "landcodeISO": "NLD", "landcode": "NL", "id": "x", "uri": None}
    check(land, "Landen.LandModel")
    for wrong in (land | {"naam": 1}, land | {"extra": 1}, {"naam": "Nederland"}):
        with pytest.raises(jsonschema.ValidationError):
            check(wrong, "Landen.LandModel")
