"""Refusals, in the five shapes the API has for them, with the vendor's codes and Dutch words (dossier 5)."""

from collections.abc import Iterable, Mapping, Sequence

from gateway.contract import exact

MESSAGES: Mapping[str, str] = {
    "ALG-0100": "Het ID dient leeg te zijn",
    "ALG-0101": "Het ID in het url en het ID van de data in het request komen niet overeen",
    "ALG-0103": "Ongeldig ID",
    "ALG-0104": "Ongeldig OData filter",
    "ALG-0105": "Het item is nonactief",
    "ALG-0106": "De data in het request is leeg",
    "ART-0001": "Artikel bestaat niet.",
    "ART-0002": "Artikelcode is verplicht.",
    "ART-0003": "Artikelcode is geen nummer.",
    "ART-0004": "Artikelcode is te lang.",
    "ART-0005": "Artikelcode bestaat al.",
    "ART-0006": "Omschrijving is verplicht.",
    "ART-0007": "Omschrijving is te lang.",
    "ART-0008": "Artikelomzetgroep is verplicht.",
    "ART-0009": "Opgegeven artikelomzetgroep bestaat niet.",
    "ART-0011": "Artikel wordt gebruikt in een openstaande order of factuur.",
    "ART-0014": "De opgegeven klant kan niet worden gevonden.",
    "ART-0016": "De opgegeven leverancier kan niet worden gevonden.",
    "ART-0017": "De opgegeven relatie is geen leverancier en niet de eigen relatie.",
    "ART-0018": "De relatie is verwijderd en staat op nonactief",
    "BLG-0001": "Bijlage niet gevonden.",
    "BLG-0006": "Bestand is groter dan 10MB.",
    "BLG-0007": "Geen bestandsnaam opgegeven.",
    "BLG-0011": "Content is leeg.",
    "BLG-0016": "Bestandsnaam bevat niet-toegestane karakters.",
    "BLG-0017": "Bestandsnaam is te lang.",
    "BOE-0001": "Niet gevonden",
    "BOE-0002": "Leverancier niet gevonden",
    "BOE-0003": "Het Id is gevonden maar de relatie is geen leverancier",
    "BOE-0008": "De grootboekrekening is verwijderd en staat op nonactief in de administratie",
    "BOE-0019": "De kostenplaats is niet gevonden",
    "BOE-0021": "Het factuurnummer bestaat al",
    "BOE-0022": "Bij de opgegeven grootboekrekening is een kostenplaats is verplicht",
    "BOE-0023": "Er zijn geen boekingsregels",
    "BOE-0024": "Het dagboek kas is verwijderd en staat op nonactief in de administratie",
    "BOE-0025": "Het dagboek kas is niet gevonden",
    "BOE-0026": "De kostenplaats is verwijderd en staat op nonactief",
    "BOE-0027": "Het afgedragen en ontvangen bedrag zijn beide ongelijk aan nul",
    "BOE-0028": "Een regelbedrag is nul",
    "BOE-0033": "De boekdatum mag niet meer dan 5 jaar voor het huidig boekjaar liggen",
    "BOE-0037": "Een grootboekrekening kon niet worden gevonden",
    "BOE-0039": "De boeking is niet in balans",
    "BOE-0042": "De boekdatum ligt in een geblokkeerde periode",
    "BOE-0046": "De boeking is gekoppeld aan een Btw aangifte",
    "BOE-0051": (
        "De boeking valt in een periode die door uw accountant is geblokkeerd voor controle of reeds door uw "
        "accountant is gecontroleerd"
    ),
    "BOE-0052": "Het Iban nummer van de klant is niet ingevuld, dit is verplicht bij een incasso.",
    "BOE-0053": "Bij btwregel met te vorderen btw, is een inkoop boekingsregel verplicht",
    "BOE-0054": "De relatie is verwijderd en staat op nonactief",
    "BOE-0055": "Incasseren is niet toegestaan voor deze klant.",
    "BOE-0056": "De omschrijving van de incassomachtiging mag maximaal 50 tekens lang zijn.",
    "BOE-0057": "Het kenmerk van de incassomachtiging mag maximaal 50 tekens lang zijn.",
    "BOE-0058": "Het factuurnummer is verplicht en mag maximaal 25 tekens bevatten.",
    "BOE-0060": "De opgegeven relatie is geen klant.",
    "BOE-0061": "Er is een niet toegestane grootboekrekening gebruikt.",
    "BOE-0062": "Btwverlegd mag niet worden gecombineerd met andere btwsoorten.",
    "BOE-0064": "Er is zowel een doorlopende- als een éénmalige incassomachtiging opgegeven.",
    "BOE-0066": "De opgegeven doorlopende incassomachtiging behoort niet bij de opgegeven klant.",
    "BOE-0068": "Het boekstuk mag maximaal 25 tekens lang zijn.",
    "BOE-0069": "De opgegeven BTW is niet geldig",
    "BOE-0070": "De opgegeven boekdatum is niet geldig",
    "BOE-0071": "Een omschrijving mag maximaal 250 tekens lang zijn.",
    "BOE-0075": "In de boekingsregels mag niet worden geboekt op memoriaal of een balans dagboek",
    "BOE-0076": "Debet of Credit van een boekingsregel moet 0 zijn",
    "BOE-0077": "Het dagboek van een boeking kan niet gewijzigd worden",
    "BOE-0080": "Voor deze klant is boeken op een omzetrekening voor EU niet toegestaan.",
    "BOE-0082": "Een btw-soort ontbreekt, of komt niet overeen met de btwsoort van de grootboekrekening.",
    "BOE-0083": "De factuur kan niet worden verwijderd omdat er betalingen zijn.",
    "BOE-0084": "De omschrijving is verplicht.",
    "BOE-0085": "De opgegeven grootboekfunctie is niet geldig.",
    "BOE-0086": "Er is al een grootboek met het opgegeven nummer.",
    "BOE-0087": (
        "De opgegeven grootboekfunctie mag maar één keer voorkomen en is al door een ander grootboek in gebruik."
    ),
    "BOE-0088": "De omschrijving bij een grootboekrekening mag maximaal 50 tekens lang zijn.",
    "BOE-0089": "Het grootboek is niet gevonden",
    "BOE-0091": "Debet of Credit moet nul zijn",
    "BOE-0094": "Een journaalpost moet minstens twee journaalpostregels bevatten",
    "BOE-0095": "Het memoriaal dagboek is niet gevonden",
    "BOE-0096": "Het dagboek is niet gevonden",
    "KPL-0001": "Kostenplaats niet gevonden",
    "KPL-0004": "De omschrijving is verplicht",
    "KPL-0005": "De omschrijving mag maximaal 50 karakters bevatten",
    "KPL-0006": "Het nummer is verplicht",
    "KPL-0007": "Het nummer moet tussen 1 en 999999999 liggen",
    "KPL-0008": "Dit nummer bestaat al",
    "KPL-0009": "Er kan geen nonactieve kostenplaats worden gemaakt",
    "REF-0001": "Entiteit niet gevonden",
    "REL-0001": "RelatieSoort mag niet 'geen' zijn",
    "REL-0002": "RelatieSoort dient klant te bevatten indien aanmanen aan staat",
    "REL-0003": "Krediettermijn mag niet kleiner dan -365 of groter dan 1000 zijn",
    "REL-0004": "RelatieSoort dient klant te bevatten indien Factuurkorting aan staat",
    "REL-0005": "Relatie niet gevonden",
    "REL-0006": "KvkNummer is ongeldig",
    "REL-0007": "Naam moet gevuld zijn",
    "REL-0008": "Relatiecode reeds in gebruik",
    "REL-0009": "Iban mag niet leeg zijn wanneer bankieren aan staat of incassosoort is 'geen'",
    "REL-0010": "Bic is ongeldig",
    "REL-0011": "Iban is ongeldig",
    "REL-0012": "MobieleTelefoon mag maximaal 25 karakters bevatten",
    "REL-0013": "Telefoon mag maximaal 25 karakters bevatten",
    "REL-0014": "Relatiesoort dient leverancier te bevatten indien bankieren aan staat",
    "REL-0015": "WebSiteUrl dient een geldig URL te zijn",
    "REL-0016": "RelatieSoort dient klant te bevatten indien IncassoSoort gevuld is",
    "REL-0017": "Factuurrelatie bestaat niet",
    "REL-0018": "Factuurrelatie is geen klant",
    "REL-0020": "VestigingsAdres.Straat mag maximaal 50 karakters bevatten",
    "REL-0021": "VestigingsAdres.Postcode mag maximaal 25 karakters bevatten",
    "REL-0022": "VestigingsAdres.Plaats mag maximaal 50 karakters bevatten",
    "REL-0023": "VestigingsAdres.Contactpersoon mag maximaal 50 karakters bevatten",
    "REL-0025": "Correspondentie.Straat mag maximaal 50 karakters bevatten",
    "REL-0026": "Correspondentie.Postcode mag maximaal 25 karakters bevatten",
    "REL-0027": "Correspondentie.Plaats mag maximaal 50 karakters bevatten",
    "REL-0028": "Correspondentie.Contactpersoon mag maximaal 50 karakters bevatten",
    "REL-0047": "Het ID in het url en het ID van de relatie in het request komen niet overeen",
    "REL-0048": "RelatieSoort mag niet 'eigen' bevatten",
    "REL-0049": "Klant heeft openstaande facturen",
    "REL-0050": "Klant heeft openstaande verkooporders",
    "REL-0051": "Klant is een factuurrelatie",
    "REL-0053": "Leverancier heeft openstaande facturen",
    "REL-0055": "CorrespondentieAdres.LandId niet gevonden",
    "REL-0056": "VestigingsAdres.LandId niet gevonden",
    "REL-0057": "BtwNummer mag maximaal 50 karakters bevatten",
    "REL-0058": "BtwNummer moet minimaal 2 karakters bevatten",
    "REL-0059": "BtwNummer mag alleen cijfers en letters bevatten",
    "REL-0060": (
        "Indien een van de velden van VestigingsAdres gevuld is, meegegeven dienen alle velden gevuld zijn, "
        "uitgezonderd Contactpersoon"
    ),
    "REL-0061": "Email dient een geldig emailadres te zijn.",
    "REL-0062": "RelatieSoort dient klant te bevatten indien Kredietlimiet ingevuld is.",
    "REL-0063": "Het ID dient leeg te zijn.",
    "REL-0064": "RelatieSoort mag niet aangepast worden.",
    "REL-0065": "RelatieSoort kan niet zowel 'klant' als 'leverancier' zijn.",
    "REL-0066": "De input is incompleet of incorrect. Controleer of de json valide is en de juiste properties bevat.",
    "REL-0067": "Deze leverancier kan niet worden verwijderd omdat deze intern door SnelStart wordt gebruikt.",
    "REL-0085": "Email mag maximaal 250 karakters bevatten",
    "REL-0086": "Oin moet exact 20 cijfers bevatten of null zijn",
    "REL-0087": "De Btw landcode komt niet overeen met de landcode van het vestigingsadres",
    "REL-0088": "Het opgegeven nummer is geen geldig btw-nummer",
    "REL-0103": "Klant kan niet worden verwijderd omdat deze intern door SnelStart wordt gebruikt",
    "VOR-0001": "Verkooporder niet gevonden",
    "VOR-0002": "De relatie is geen klant",
    "VOR-0005": "Bij een nieuwe verkooporder moet het veld ordernummer leeg zijn",
    "VOR-0006": "Straat mag maximaal 50 karakters bevatten",
    "VOR-0007": "Postcode mag maximaal 25 karakters bevatten",
    "VOR-0008": "Plaats mag maximaal 50 karakters bevatten",
    "VOR-0009": "Contactpersoon mag maximaal 50 karakters bevatten",
    "VOR-0010": "LandId niet gevonden",
    "VOR-0011": "Orderreferentie mag maximaal 50 karakters bevatten",
    "VOR-0013": "Incassomachtiging niet gevonden",
}
"""The codes this emulator can raise, of the 272 that are documented. The mailing codes are in ``mailing``."""


class Refused(Exception):
    """The call is answered with this status and body, and nothing was changed."""

    def __init__(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def rules_broken(codes: Iterable[str], texts: Mapping[str, str] = MESSAGES, status: int = 400) -> Refused:
    """Shape 1: the array of broken business rules."""
    items = [{"errorCode": code, "message": texts[code], "details": None} for code in codes]
    return Refused(status, exact.dumps(items))


def model_state(problems: Mapping[str, Sequence[str]]) -> Refused:
    """Shape 2: the body could not be bound to the model."""
    state = {field: list(texts) for field, texts in problems.items()}
    return Refused(400, exact.dumps({"message": "The request is invalid.", "modelState": state}))


def odata(message: str) -> Refused:
    """Shape 3: the query cannot be understood. Mind the capital M."""
    return Refused(400, exact.dumps({"Message": message}))


def gateway(status: int, message: str, headers: Mapping[str, str] | None = None) -> Refused:
    """Shape 4: the API gateway before the API speaks."""
    return Refused(status, exact.dumps({"statusCode": status, "message": message}), headers)


class Violations:
    """The business rules a request breaks, each once, in the order they were found."""

    def __init__(self, *, all_of_them: bool) -> None:
        self._codes: dict[str, None] = {}
        self._all = all_of_them
        self._texts: dict[str, str] = dict(MESSAGES)

    def __bool__(self) -> bool:
        return bool(self._codes)

    def add(self, code: str, text: str | None = None) -> None:
        """Note that a rule is broken; ``text`` for codes outside ``MESSAGES``."""
        self._codes[code] = None
        if text is not None:
            self._texts[code] = text

    def check(self, broken: bool, code: str) -> None:
        """Note the rule where ``broken`` holds."""
        if broken:
            self.add(code)

    def settle(self) -> None:
        """Raise ``Refused`` if any rule is broken."""
        if self._codes:
            codes = list(self._codes)
            raise rules_broken(codes if self._all else codes[:1], self._texts)
