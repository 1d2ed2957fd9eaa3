"""The models of the API: their properties, in the order in which answers carry them (OpenAPI document, dossier 3)."""

from adapters.snelstart.emulator.fields import (
    Bytes,
    Choice,
    Flag,
    Guid,
    Kind,
    Many,
    Model,
    Moment,
    Number,
    Reference,
    Text,
    Whole,
)

_IDENTITY: dict[str, Kind] = {"id": Guid(), "uri": Text()}

VAT_KINDS = ("Geen", "Laag", "Hoog", "Overig")
SALES_ROWS = (
    "Geen",
    "VerkopenLaag",
    "VerkopenHoog",
    "VerkopenOverig",
    "VerkopenVerlegd",
    "InkopenLaag",
    "InkopenHoog",
    "InkopenOverig",
)
PURCHASE_ROWS = (
    "Geen",
    "VerkopenLaag",
    "VerkopenHoog",
    "VerkopenOverig",
    "InkopenLaag",
    "InkopenHoog",
    "InkopenOverig",
    "InkopenVerlegd",
)
# Each of the two VAT vocabularies binds in the other's place, and is then refused as BOE-0082 (dossier 4.2).
_LINE_VAT = Choice(VAT_KINDS, also=(*SALES_ROWS[1:], "InkopenVerlegd"))
_SALES_VAT = Choice(SALES_ROWS, also=(*VAT_KINDS[1:], "InkopenVerlegd"))
_PURCHASE_VAT = Choice(PURCHASE_ROWS, also=(*VAT_KINDS[1:], "VerkopenVerlegd"))
_PLAIN_VAT = Choice(VAT_KINDS)

LEDGER_FUNCTIONS = {
    0: "Diversen", 1: "DagboekKas", 2: "DagboekBank", 3: "DagboekGiro", 4: "DagboekVerkoop", 5: "DagboekInkoop",
    7: "DagboekMemoriaal", 8: "DagboekBalans", 10: "VerkopenOmzetOnbelastVerlegd", 11: "VerkopenOmzetLaag",
    12: "VerkopenOmzetHoog", 13: "VerkopenOmzetOverig", 15: "VerkopenBtwVrij", 21: "BtwAfteDragenLaag",
    22: "BtwAfTeDragenHoog", 23: "BtwAfTeDragenOverig", 24: "BtwAfTeDragenVerlegdVerkopen",
    25: "BtwTeVorderenVerlegd", 26: "BtwAfteDragenLaagGlobalisatie", 27: "BtwAfTeDragenHoogGlobalisatie",
    28: "BtwAfTeDragenOverigGlobalisatie", 30: "InkopenKostenAlleBtwTarieven", 31: "InkopenKostenLaag",
    32: "InkopenKostenHoog", 33: "InkopenKostenOverig", 34: "InkopenVraagPosten", 41: "BtwTeVorderenLaag",
    42: "BtwTeVorderenHoog", 43: "BtwTeVorderenOverig", 44: "BtwAfTeDragenVerlegdInkopen",
    45: "BtwTeVorderenVerlegdInkopen", 61: "InkopenImportBinnenEUlaag", 62: "InkopenImportBinnenEUhoog",
    63: "InkopenImportBinnenEUoverig", 71: "InkopenImportBuitenEUlaag", 72: "InkopenImportBuitenEUhoog",
    73: "InkopenImportBuitenEUoverig", 80: "VerkopenExportBinnenEU", 81: "VerkopenExportBuitenEU",
    82: "OninbareVorderingen", 83: "HerrekeningCorrecties", 84: "InstallatieTeleverkoopBinnenEUgeen",
    85: "BpmVerkopen", 86: "BpmInkopen", 87: "BpmVoorraad", 88: "DienstverleningBinnenEU",
    91: "VerkoopGlobalisatieLaag", 92: "VerkoopGlobalisatieHoog", 93: "VerkoopGlobalisatieOverig",
    94: "InkoopGlobalisatieLaag", 95: "InkoopGlobalisatieHoog", 96: "InkoopGlobalisatieOverig",
    97: "BtwGlobalisatie", 100: "KredietbeperkingVerkopen", 101: "KredietbeperkingInkopen",
    102: "Betalingskorting", 110: "TussenrekeningBetalingen", 111: "OnbekendeBetalingen", 112: "Kruisposten",
    120: "ContanteBetaling", 121: "ElectronischeBetaling", 130: "Winstboeking",
}  # fmt: skip
"""The function of a ledger account, by the number that users see (dossier 4.7)."""


def _identifier(name: str, resource: str) -> Reference:
    return Reference(name, _IDENTITY, resource=resource)


RELATION_REF = _identifier("Relaties.RelatieIdentifierModel", "relaties")
COUNTRY_REF = _identifier("Landen.LandIdentifierModel", "landen")
LEDGER_REF = _identifier("Grootboeken.GrootboekIdentifierModel", "grootboeken")
COST_CENTRE_REF = _identifier("Kostenplaatsen.KostenplaatsIdentifierModel", "kostenplaatsen")
JOURNAL_REF = _identifier("Dagboeken.DagboekIdentifierModel", "dagboeken")
GROUP_REF = _identifier("Artikelen.ArtikelOmzetGroepIdentifierModel", "artikelomzetgroepen")
ARTICLE_REF = _identifier("Artikelen.ArtikelIdentifierModel", "artikelen")
SALES_ENTRY_REF = _identifier("VerkoopBoekingen.VerkoopboekingIdentifierModel", "verkoopboekingen")
PURCHASE_ENTRY_REF = _identifier("Inkoopboekingen.InkoopboekingIdentifierModel", "inkoopboekingen")
MANDATE_REF = _identifier("VerkoopBoekingen.IncassoMachtigingIdentifierModel", "doorlopendeincassomachtigingen")
INVOICE_REF = _identifier("Verkoopfacturen.VerkoopfactuurIdentifierModel", "verkoopfacturen")
ORDER_REF = _identifier("Verkooporders.VerkoopOrderIdentifierModel", "verkooporders")
TEMPLATE_REF = _identifier("Verkoopordersjablonen.VerkoopordersjabloonIdentifierModel", "verkoopordersjablonen")

DOCUMENT = Model(
    "Documenten.DocumentModel",
    {"parentIdentifier": Guid(), "fileName": Text(), "readOnly": Flag(), **_IDENTITY},
)
DOCUMENT_CONTENT = Model(
    "Documenten.DocumentContentModel",
    {"content": Bytes(), "parentIdentifier": Guid(), "fileName": Text(), "readOnly": Flag(), **_IDENTITY},
)
ADDRESS = Model(
    "Relaties.AdresModel",
    {"contactpersoon": Text(), "straat": Text(), "postcode": Text(), "plaats": Text(), "land": COUNTRY_REF},
)
MAILING = Model("Relaties.EmailVersturenModel", {"shouldSend": Flag(), "email": Text(), "ccEmail": Text()})
RELATION_EXTRA = Model("Relaties.ExtraVeldRelatieModel", {"naam": Text(), "waarde": Text()})
ARTICLE_EXTRA = Model("Artikelen.ExtraVeldArtikelModel", {"naam": Text(), "waarde": Text()})

RELATION = Model(
    "Relaties.RelatieModel",
    {
        "relatiesoort": Many(Choice(("Geen", "Klant", "Leverancier", "Eigen"))),
        "modifiedOn": Moment(),
        "relatiecode": Whole(),
        "naam": Text(50, coded=True),
        "vestigingsAdres": ADDRESS,
        "correspondentieAdres": ADDRESS,
        "telefoon": Text(),
        "mobieleTelefoon": Text(),
        "fax": Text(),
        "email": Text(),
        "btwNummer": Text(),
        "factuurkorting": Number(),
        "krediettermijn": Whole(),
        "bankieren": Flag(),
        "nonactief": Flag(),
        "kredietLimiet": Number(),
        "memo": Text(),
        "kvkNummer": Text(12, coded=True),
        "oin": Text(20, coded=True),
        "websiteUrl": Text(100),
        "aanmaningsoort": Choice(("Nee", "Onderneming", "Consument")),
        "offerteEmailVersturen": MAILING,
        "bevestigingsEmailVersturen": MAILING,
        "factuurEmailVersturen": MAILING,
        "aanmaningEmailVersturen": MAILING,
        "offerteAanvraagEmailVersturen": MAILING,
        "bestellingEmailVersturen": MAILING,
        "ublBestandAlsBijlage": Flag(),
        "iban": Text(50),
        "bic": Text(15),
        "incassoSoort": Choice(("Geen", "Core", "B2B")),
        "factuurRelatie": RELATION_REF,
        "inkoopBoekingenUri": Text(),
        "verkoopBoekingenUri": Text(),
        "documents": Many(DOCUMENT),
        **_IDENTITY,
        "extraVeldenKlant": Many(RELATION_EXTRA),
    },
)
RELATION_WRITE = Model(
    "Relaties.RelatieWriteModel", {name: kind for name, kind in RELATION.properties.items() if name != "fax"}
)

_ARTICLE: dict[str, Kind] = {
    "artikelcode": Text(),
    "omschrijving": Text(250, coded=True),
    "artikelOmzetgroep": GROUP_REF,
    "verkoopprijs": Number(),
    "inkoopprijs": Number(),
    "eenheid": Text(),
    "modifiedOn": Moment(),
    "relatie": RELATION_REF,
    "isNonActief": Flag(),
    "voorraadControle": Flag(),
    "technischeVoorraad": Number(),
    "vrijeVoorraad": Number(),
    "extraVelden": Many(ARTICLE_EXTRA),
    **_IDENTITY,
}
SUB_ARTICLE = Model("Artikelen.SubartikelModel", {"artikelcode": Text(), "aantal": Number(), **_IDENTITY})
ARTICLE = Model("Artikelen.ArtikelModel", _ARTICLE)
ARTICLE_QUERY = Model(
    "Artikelen.ArtikelQueryModel", {"isHoofdartikel": Flag(), "subartikelen": Many(SUB_ARTICLE), **_ARTICLE}
)
REVENUE_GROUP = Model(
    "Artikelen.ArtikelOmzetGroepModel",
    {
        "nummer": Whole(),
        "omschrijving": Text(50),
        "verkoopGrootboekNederlandIdentifier": LEDGER_REF,
        "verkoopNederlandBtwSoort": _PLAIN_VAT,
        **_IDENTITY,
    },
)

_ENTRY_LINE: dict[str, Kind] = {
    "omschrijving": Text(250, coded=True),
    "grootboek": LEDGER_REF,
    "kostenplaats": COST_CENTRE_REF,
    "bedrag": Number(),
    "btwSoort": _LINE_VAT,
}
SALES_ENTRY = Model(
    "VerkoopBoekingen.VerkoopBoekingModel",
    {
        "modifiedOn": Moment(),
        "boekstuk": Text(25, coded=True),
        "gewijzigdDoorAccountant": Flag(),
        "markering": Flag(),
        "factuurdatum": Moment(),
        "factuurnummer": Text(25, coded=True),
        "klant": RELATION_REF,
        "omschrijving": Text(250, coded=True),
        "factuurbedrag": Number(),
        "betalingstermijn": Whole(0, 999),
        "eenmaligeIncassoMachtiging": Model(
            "VerkoopBoekingen.VerkoopBoekingEenmaligeIncassoMachtigingModel",
            {"kenmerk": Text(50, coded=True), "omschrijving": Text(250), "datum": Moment()},
            required=("omschrijving", "datum"),
        ),
        "doorlopendeIncassoMachtiging": MANDATE_REF,
        "boekingsregels": Many(
            Model("VerkoopBoekingen.VerkoopBoekingRegelModel", _ENTRY_LINE, required=("grootboek",))
        ),
        "btw": Many(
            Model("VerkoopBoekingen.VerkoopBoekingBtwRegelModel", {"btwSoort": _SALES_VAT, "btwBedrag": Number()})
        ),
        "documents": Many(DOCUMENT),
        **_IDENTITY,
    },
    coded_required=("factuurnummer", "klant", "boekingsregels"),
)
PURCHASE_ENTRY = Model(
    "Inkoopboekingen.InkoopboekingModel",
    {
        "modifiedOn": Moment(),
        "boekstuk": Text(25, coded=True),
        "gewijzigdDoorAccountant": Flag(),
        "markering": Flag(),
        "factuurdatum": Moment(),
        "factuurnummer": Text(25, coded=True),
        "leverancier": RELATION_REF,
        "omschrijving": Text(250, coded=True),
        "factuurbedrag": Number(),
        "boekingsregels": Many(Model("Inkoopboekingen.InkoopboekingRegelModel", _ENTRY_LINE, required=("grootboek",))),
        "btw": Many(Model("Inkoopboekingen.BtwBoekingModel", {"btwSoort": _PURCHASE_VAT, "btwBedrag": Number()})),
        "documents": Many(DOCUMENT),
        **_IDENTITY,
    },
    required=("factuurdatum",),
    coded_required=("factuurnummer", "leverancier", "boekingsregels"),
)

_INVOICE: dict[str, Kind] = {
    "modifiedOn": Moment(),
    "openstaandSaldo": Number(),
    "factuurnummer": Text(25),
    "vervalDatum": Moment(),
    "relatie": RELATION_REF,
    "factuurDatum": Moment(),
    "factuurBedrag": Number(),
}
SALES_INVOICE = Model(
    "Verkoopfacturen.VerkoopfactuurModel",
    {"verkoopBoeking": SALES_ENTRY_REF, **_INVOICE, "verkoopOrders": Many(ORDER_REF), **_IDENTITY},
)
PURCHASE_INVOICE = Model(
    "Inkoopfacturen.InkoopfactuurModel", {**_INVOICE, "inkoopBoeking": PURCHASE_ENTRY_REF, **_IDENTITY}
)

_LEDGER_LINE = Model(
    "Kasboekingen.GrootboekBoekingsRegelModel",
    {
        "omschrijving": Text(250, coded=True),
        "grootboek": LEDGER_REF,
        "kostenplaats": COST_CENTRE_REF,
        "debet": Number(),
        "credit": Number(),
        "btwSoort": _PLAIN_VAT,
    },
    required=("grootboek",),
    coded_required=("omschrijving",),
)
_SETTLEMENT: dict[str, Kind] = {"omschrijving": Text(), "debet": Number(), "credit": Number()}
_STATEMENT_LINES: dict[str, Kind] = {
    "modifiedOn": Moment(),
    "datum": Moment(),
    "markering": Flag(),
    "boekstuk": Text(25, coded=True),
    "gewijzigdDoorAccountant": Flag(),
    "omschrijving": Text(250, coded=True),
    "grootboekBoekingsRegels": Many(_LEDGER_LINE),
    "inkoopboekingBoekingsRegels": Many(
        Model(
            "Kasboekingen.InkoopBoekingVerantwoordingsRegelModel",
            {"boekingId": PURCHASE_ENTRY_REF, **_SETTLEMENT},
            required=("boekingId",),
        )
    ),
    "verkoopboekingBoekingsRegels": Many(
        Model("Kasboekingen.VerkoopBoekingVerantwoordingsRegelModel", {"boekingId": SALES_ENTRY_REF, **_SETTLEMENT})
    ),
    "btwBoekingsregels": Many(
        Model(
            "Kasboekingen.BtwBoekingregelModel",
            {
                "debet": Number(),
                "credit": Number(),
                "type": Choice(("TeVorderenBtwType", "AfTeDragenBtwType")),
                "tarief": Choice(("Hoog", "Laag", "Overig")),
            },
            required=("type", "tarief"),
        )
    ),
    "bedragUitgegeven": Number(),
    "bedragOntvangen": Number(),
    "dagboek": JOURNAL_REF,
    **_IDENTITY,
}
_STATEMENT_REQUIRED = ("datum", "bedragUitgegeven", "bedragOntvangen", "dagboek")
BANK_ENTRY = Model("Bankboekingen.BankboekingModel", _STATEMENT_LINES, required=_STATEMENT_REQUIRED)
CASH_ENTRY = Model("Kasboekingen.KasboekingModel", _STATEMENT_LINES, required=_STATEMENT_REQUIRED)

_MEMORIAL = "Bankboekingen.MemoriaalboekingModel"
_MEMORIAL_SETTLEMENT: dict[str, Kind] = {"omschrijving": Text(250, coded=True), "bedrag": Number()}
MEMORIAL_ENTRY = Model(
    _MEMORIAL,
    {
        "modifiedOn": Moment(),
        "datum": Moment(),
        "markering": Flag(),
        "boekstuk": Text(25, coded=True),
        "gewijzigdDoorAccountant": Flag(),
        "omschrijving": Text(250, coded=True),
        "memoriaalBoekingsRegels": Many(
            Model(
                f"{_MEMORIAL}.MemoriaalBoekingsRegelModel",
                {
                    "omschrijving": Text(250, coded=True),
                    "grootboek": LEDGER_REF,
                    "kostenplaats": COST_CENTRE_REF,
                    "debet": Number(),
                    "credit": Number(),
                },
                required=("grootboek",),
                coded_required=("omschrijving",),
            )
        ),
        "inkoopboekingBoekingsRegels": Many(
            Model(
                f"{_MEMORIAL}.InkoopBoekingVerantwoordingsRegelModel",
                {"boekingId": PURCHASE_ENTRY_REF, **_MEMORIAL_SETTLEMENT},
                required=("boekingId", "bedrag"),
                coded_required=("omschrijving",),
            )
        ),
        "verkoopboekingBoekingsRegels": Many(
            Model(
                f"{_MEMORIAL}.VerkoopBoekingVerantwoordingsRegelModel",
                {"boekingId": SALES_ENTRY_REF, **_MEMORIAL_SETTLEMENT},
                required=("boekingId", "bedrag"),
                coded_required=("omschrijving",),
            )
        ),
        "dagboek": JOURNAL_REF,
        **_IDENTITY,
    },
    required=("datum", "dagboek"),
)

LEDGER = Model(
    "Grootboeken.GrootboekModel",
    {
        "modifiedOn": Moment(),
        "omschrijving": Text(),
        "kostenplaatsVerplicht": Flag(),
        "rekeningCode": Choice(("Balans", "WinstEnVerlies")),
        "nonactief": Flag(),
        "nummer": Whole(),
        "grootboekfunctie": Choice(tuple(LEDGER_FUNCTIONS.values()), tuple(LEDGER_FUNCTIONS)),
        "grootboekRubriek": Text(),
        "rgsCode": Many(Model("Grootboeken.RgsModel", {"versie": Text(), "rgsCode": Text()})),
        "btwSoort": Many(_PLAIN_VAT),
        "vatRateCode": Text(),
        **_IDENTITY,
    },
)
MUTATION = Model(
    "GrootboekMutaties.GrootboekMutatieModel",
    {
        "grootboek": LEDGER_REF,
        "kostenplaats": COST_CENTRE_REF,
        "datum": Moment(),
        "modifiedOn": Moment(),
        "dagboek": JOURNAL_REF,
        "omschrijving": Text(),
        "debet": Number(),
        "credit": Number(),
        "saldo": Number(),
        "documents": Many(DOCUMENT),
        "boekstuk": Text(),
        "factuurNummer": Text(),
        "relatiePublicIdentifier": RELATION_REF,
        **_IDENTITY,
    },
)
JOURNAL = Model(
    "Dagboeken.DagboekModel",
    {
        "omschrijving": Text(),
        "soort": Choice(("Geen", "Kas", "Bank", "Verkoop", "Inkoop", "Memoriaal", "Balans"), (0, 1, 2, 4, 5, 7, 8)),
        "nonactief": Flag(),
        "nummer": Whole(),
        **_IDENTITY,
    },
)
COST_CENTRE = Model(
    "Kostenplaatsen.KostenplaatsModel",
    {"omschrijving": Text(), "nonactief": Flag(), "nummer": Whole(), **_IDENTITY},
)
COUNTRY = Model("Landen.LandModel", {"naam": Text(), "landcodeISO": Text(), "landcode": Text(), **_IDENTITY})
VAT_RATE = Model(
    "BtwTarieven.BtwTariefModel",
    {"btwSoort": _PLAIN_VAT, "btwPercentage": Number(), "datumVanaf": Moment(), "datumTotEnMet": Moment()},
)
FOREIGN_RATE_KIND = Model("VatRates.VatRateDefinitionModel", {"rateCode": Text(), "shortName": Text(), "name": Text()})
FOREIGN_RATES = Model(
    "VatRates.VatRatesModel",
    {
        "countryCode": Text(),
        "vatRates": Many(Model("VatRates.VatRateModel", {"rateCode": Text(), "rate": Number(), "validFrom": Moment()})),
    },
)

_PROCESS = Choice(("Order", "Offerte", "Bevestiging", "Werkbon", "Pakbon", "Afhaalbon", "Contantbon", "Factuur"))
_ORDER_FIELD = Model(
    "Verkooporders.IngaveGegevenModel", {"veldNummer": Whole(), "omschrijving": Text(), "waarde": Text()}
)
_ORDER_LINE_FIELD = Model(
    "Verkooporders.RegelIngaveGegevenModel", {"veldNummer": Whole(), "omschrijving": Text(), "waarde": Text()}
)
ORDER = Model(
    "Verkooporders.VerkoopOrderModel",
    {
        "relatie": RELATION_REF,
        "procesStatus": _PROCESS,
        "nummer": Whole(),
        "modifiedOn": Moment(),
        "datum": Moment(),
        "krediettermijn": Whole(0, 100),
        "geblokkeerd": Flag(),
        "omschrijving": Text(),
        "betalingskenmerk": Text(),
        "incassomachtiging": MANDATE_REF,
        "afleveradres": ADDRESS,
        "factuuradres": ADDRESS,
        "verkooporderBtwIngaveModel": Choice(("Inclusief", "Exclusief")),
        "kostenplaats": COST_CENTRE_REF,
        "regels": Many(
            Model(
                "Verkooporders.VerkooporderRegelModel",
                {
                    "artikel": ARTICLE_REF,
                    "omschrijving": Text(250),
                    "stuksprijs": Number(),
                    "aantal": Number(),
                    "kortingsPercentage": Number(),
                    "totaal": Number(),
                    "extraRegelVelden": Many(_ORDER_LINE_FIELD),
                },
            )
        ),
        "memo": Text(),
        "orderreferentie": Text(),
        "factuurkorting": Number(),
        "verkoopfactuur": INVOICE_REF,
        "verkoopordersjabloon": TEMPLATE_REF,
        "verkoopOrderStatus": Choice(("InBehandeling", "Uitgevoerd", "Service")),
        "totaalExclusiefBtw": Number(),
        "totaalInclusiefBtw": Number(),
        "extraHoofdVelden": Many(_ORDER_FIELD),
        **_IDENTITY,
    },
    required=("relatie", "datum"),
)
ORDER_PROCESS = Model("Verkooporders.VerkooporderUpdateProcesStatusModel", {"id": Guid(), "procesStatus": _PROCESS})
