"""What the administration says of itself (dossier 3.12)."""

from decimal import Decimal

from adapters.snelstart.emulator import chart
from adapters.snelstart.emulator.administration import Administration
from adapters.snelstart.emulator.amounts import plain
from adapters.snelstart.emulator.calls import Answer, Call
from adapters.snelstart.emulator.errors import model_state
from adapters.snelstart.emulator.fields import Record, refer


def furnish(administration: Administration) -> None:
    """The settings of a new administration."""
    name = administration.name
    administration.company = {
        "administratieIdentifier": administration.identifier,
        "administratieNaam": name,
        "bedrijfsnaam": name,
        "contactpersoon": "S. de Boer",
        "adres": "Kanaalkade 12",
        "postcode": "1811 LP",
        "plaats": "Alkmaar",
        "telefoon": "0725550101",
        "mobieleTelefoon": None,
        "fax": None,
        "bankrekeningnummer": None,
        "iban": "NL91ABNA0417164300",
        "bic": "ABNANL2A",
        "rechtsvorm": "Bv",
        "btwNummer": "NL123456782B01",
        "btwIdentificatieNummer": "NL123456782B01",
        "kvKNummer": "12345678",
        "email": "administratie@voorbeeld.example",
        "website": "https://voorbeeld.example",
        **_blank("vrijeTekst1", "vrijeTekst2", "vrijeTekst3", "vrijeTekst4"),
        "huidigBoekjaar": administration.today().year,
        "beginmaandFiscaleBoekjaar": 1,
        "btwAangiftePeriodeSoort": "Kwartaal",
        "icpAangiftePeriodeSoort": "Kwartaal",
        "btwNummerFiscaleEenheid": None,
        "tussentijdseSuppletiesBerekenen": False,
        "mapUBLBestanden": None,
        "btwPercentageAangifteKredietbeperking": plain(Decimal(21)),
        "markeergedragInlezenBankafschriften": "AlleenBelangrijkste",
        "voorkeurenTijdensBoeken": False,
        "aantalVoorloopnullenGrootboekrekeningen": 0,
        "kleineOndernemersregeling": {
            "isKleineOndernemersRegelingActief": False,
            "maximaalBedragVolledigeVerrekening": plain(Decimal(0)),
            "maximaalBedragKleineOndernemersRegeling": plain(Decimal(0)),
        },
        "volgendFactuurnummer": 10001,
        "volgendVerkoopordernummer": 1001,
        "volgendContantbonnummer": 1,
        "volgendInkoopordernummer": 1,
        "voorraadcontroleOrderinvoer": False,
        "abonnementOvernemen": False,
        "kolomGeleverdAutomatischVullen": False,
        "voorraadkolommenTonenInInkoop": False,
        "backorderGebruiken": False,
        "deelleveringOrdersDefaultAan": False,
        "factuurAlsBijlageVerkoopboeking": False,
        "tekstregelsOvernemenNaarBackorder": "Geen",
        "regelkortingVerkooporder": "BerekenenOverRegelBedrag",
        "drempelbedragVerkooporderbeheer": plain(Decimal(0)),
        "drempelbedragVerkooporderbeheerMaxDagenUitstel": 0,
        "verkoopprijsArtikelbestandExclusiefBtw": True,
        "inkoopprijsArtikelbestandExclusiefBtw": True,
        "artikelcodeSoort": administration.switches.article_codes,
        "artikelcodeMaxLengte": administration.switches.article_code_length,
        "begindatumVoorraadtelling": None,
        "voorraadTonenInZoekvenster": False,
        "aantalDecimalenArtikelprijzen": 2,
        "aantalDecimalenArtikelaantallen": 2,
        "verkooporderVoorraadVanafNiveau": "Alle",
        "voorraadSysteem": "Fifo",
        "momentVoorraadBijwerken": "BijBoekenOntvangst",
        "rekeningTeOntvangenInkoopfacturen": None,
        "dagboekVoorraadverschillen": None,
        "buitenlandseBtwGrootboek": None,
        "factureerBuitenlandsBtw": False,
        "factureerBuitenlandsBtwRanges": [],
    }


def get(call: Call) -> Answer:
    return Answer(200, call.administration.company)


def update(call: Call) -> Answer:
    """Honours ``factureerBuitenlandsBtw`` and nothing else (OpenAPI document)."""
    body = call.json("companyInfo")
    if not isinstance(body, dict):
        raise model_state({"companyInfo": ["Error converting value to type 'CompanyInfoModel'."]})
    wanted = {key.lower(): value for key, value in body.items()}.get("factureerbuitenlandsbtw")
    if wanted is not None and not isinstance(wanted, bool):
        raise model_state({"companyInfo.FactureerBuitenlandsBtw": ["Error converting value to 'System.Boolean'."]})
    charge_foreign_vat(call.administration, on=bool(wanted))
    return Answer(200, call.administration.company)


def charge_foreign_vat(administration: Administration, *, on: bool) -> None:
    """Whether sales to EU consumers abroad carry their country's VAT (the one-stop shop)."""
    ledger = administration.account(chart.FOREIGN_VAT)
    administration.company["factureerBuitenlandsBtw"] = on
    administration.company["buitenlandseBtwGrootboek"] = refer("grootboeken", ledger["id"]) if on else None


def _blank(*names: str) -> Record:
    return dict.fromkeys(names)
