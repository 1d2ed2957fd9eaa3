"""Countries, and the VAT rates of the European Union that invoices to consumers abroad need (dossier 2.4, 3.9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Country:
    """A country: its name in Dutch, and its ISO 3166-1 codes of two and of three letters."""

    name: str
    alpha2: str
    alpha3: str


_ROWS = """
ADAND Andorra; AEARE Verenigde Arabische Emiraten; AFAFG Afghanistan; AGATG Antigua en Barbuda; AIAIA Anguilla;
ALALB Albanië; AMARM Armenië; AOAGO Angola; AQATA Antarctica; ARARG Argentinië; ASASM Amerikaans-Samoa;
ATAUT Oostenrijk; AUAUS Australië; AWABW Aruba; AXALA Åland; AZAZE Azerbeidzjan; BABIH Bosnië en Herzegovina;
BBBRB Barbados; BDBGD Bangladesh; BEBEL België; BFBFA Burkina Faso; BGBGR Bulgarije; BHBHR Bahrein;
BIBDI Burundi; BJBEN Benin; BLBLM Saint-Barthélemy; BMBMU Bermuda; BNBRN Brunei; BOBOL Bolivia;
BQBES Caribisch Nederland; BRBRA Brazilië; BSBHS Bahama's; BTBTN Bhutan; BVBVT Bouveteiland; BWBWA Botswana;
BYBLR Belarus; BZBLZ Belize; CACAN Canada; CCCCK Cocoseilanden; CDCOD Congo-Kinshasa;
CFCAF Centraal-Afrikaanse Republiek; CGCOG Congo-Brazzaville; CHCHE Zwitserland; CICIV Ivoorkust;
CKCOK Cookeilanden; CLCHL Chili; CMCMR Kameroen; CNCHN China; COCOL Colombia; CRCRI Costa Rica; CUCUB Cuba;
CVCPV Kaapverdië; CWCUW Curaçao; CXCXR Christmaseiland; CYCYP Cyprus; CZCZE Tsjechië; DEDEU Duitsland;
DJDJI Djibouti; DKDNK Denemarken; DMDMA Dominica; DODOM Dominicaanse Republiek; DZDZA Algerije; ECECU Ecuador;
EEEST Estland; EGEGY Egypte; EHESH Westelijke Sahara; ERERI Eritrea; ESESP Spanje; ETETH Ethiopië; FIFIN Finland;
FJFJI Fiji; FKFLK Falklandeilanden; FMFSM Micronesia; FOFRO Faeröer; FRFRA Frankrijk; GAGAB Gabon;
GBGBR Verenigd Koninkrijk; GDGRD Grenada; GEGEO Georgië; GFGUF Frans-Guyana; GGGGY Guernsey; GHGHA Ghana;
GIGIB Gibraltar; GLGRL Groenland; GMGMB Gambia; GNGIN Guinee; GPGLP Guadeloupe; GQGNQ Equatoriaal-Guinea;
GRGRC Griekenland; GSSGS Zuid-Georgia en Zuidelijke Sandwicheilanden; GTGTM Guatemala; GUGUM Guam;
GWGNB Guinee-Bissau; GYGUY Guyana; HKHKG Hongkong SAR van China; HMHMD Heard en McDonaldeilanden; HNHND Honduras;
HRHRV Kroatië; HTHTI Haïti; HUHUN Hongarije; IDIDN Indonesië; IEIRL Ierland; ILISR Israël; IMIMN Isle of Man;
ININD India; IOIOT Brits Indische Oceaanterritorium; IQIRQ Irak; IRIRN Iran; ISISL IJsland; ITITA Italië;
JEJEY Jersey; JMJAM Jamaica; JOJOR Jordanië; JPJPN Japan; KEKEN Kenia; KGKGZ Kirgizië; KHKHM Cambodja;
KIKIR Kiribati; KMCOM Comoren; KNKNA Saint Kitts en Nevis; KPPRK Noord-Korea; KRKOR Zuid-Korea; KWKWT Koeweit;
KYCYM Kaaimaneilanden; KZKAZ Kazachstan; LALAO Laos; LBLBN Libanon; LCLCA Saint Lucia; LILIE Liechtenstein;
LKLKA Sri Lanka; LRLBR Liberia; LSLSO Lesotho; LTLTU Litouwen; LULUX Luxemburg; LVLVA Letland; LYLBY Libië;
MAMAR Marokko; MCMCO Monaco; MDMDA Moldavië; MEMNE Montenegro; MFMAF Saint-Martin; MGMDG Madagaskar;
MHMHL Marshalleilanden; MKMKD Noord-Macedonië; MLMLI Mali; MMMMR Myanmar (Birma); MNMNG Mongolië;
MOMAC Macau SAR van China; MPMNP Noordelijke Marianen; MQMTQ Martinique; MRMRT Mauritanië; MSMSR Montserrat;
MTMLT Malta; MUMUS Mauritius; MVMDV Maldiven; MWMWI Malawi; MXMEX Mexico; MYMYS Maleisië; MZMOZ Mozambique;
NANAM Namibië; NCNCL Nieuw-Caledonië; NENER Niger; NFNFK Norfolk; NGNGA Nigeria; NINIC Nicaragua;
NLNLD Nederland; NONOR Noorwegen; NPNPL Nepal; NRNRU Nauru; NUNIU Niue; NZNZL Nieuw-Zeeland; OMOMN Oman;
PAPAN Panama; PEPER Peru; PFPYF Frans-Polynesië; PGPNG Papoea-Nieuw-Guinea; PHPHL Filipijnen; PKPAK Pakistan;
PLPOL Polen; PMSPM Saint-Pierre en Miquelon; PNPCN Pitcairneilanden; PRPRI Puerto Rico;
PSPSE Palestijnse gebieden; PTPRT Portugal; PWPLW Palau; PYPRY Paraguay; QAQAT Qatar; REREU Réunion;
ROROU Roemenië; RSSRB Servië; RURUS Rusland; RWRWA Rwanda; SASAU Saoedi-Arabië; SBSLB Salomonseilanden;
SCSYC Seychellen; SDSDN Soedan; SESWE Zweden; SGSGP Singapore; SHSHN Sint-Helena; SISVN Slovenië;
SJSJM Spitsbergen en Jan Mayen; SKSVK Slowakije; SLSLE Sierra Leone; SMSMR San Marino; SNSEN Senegal;
SOSOM Somalië; SRSUR Suriname; SSSSD Zuid-Soedan; STSTP Sao Tomé en Principe; SVSLV El Salvador;
SXSXM Sint-Maarten; SYSYR Syrië; SZSWZ Eswatini; TCTCA Turks- en Caicoseilanden; TDTCD Tsjaad;
TFATF Franse Gebieden in de zuidelijke Indische Oceaan; TGTGO Togo; THTHA Thailand; TJTJK Tadzjikistan;
TKTKL Tokelau; TLTLS Oost-Timor; TMTKM Turkmenistan; TNTUN Tunesië; TOTON Tonga; TRTUR Turkije;
TTTTO Trinidad en Tobago; TVTUV Tuvalu; TWTWN Taiwan; TZTZA Tanzania; UAUKR Oekraïne; UGUGA Oeganda;
UMUMI Kleine afgelegen eilanden van de Verenigde Staten; USUSA Verenigde Staten; UYURY Uruguay;
UZUZB Oezbekistan; VAVAT Vaticaanstad; VCVCT Saint Vincent en de Grenadines; VEVEN Venezuela;
VGVGB Britse Maagdeneilanden; VIVIR Amerikaanse Maagdeneilanden; VNVNM Vietnam; VUVUT Vanuatu;
WFWLF Wallis en Futuna; WSWSM Samoa; XKXKX Kosovo; YEYEM Jemen; YTMYT Mayotte; ZAZAF Zuid-Afrika; ZMZMB Zambia;
ZWZWE Zimbabwe
"""


def _countries() -> tuple[Country, ...]:
    rows = " ".join(_ROWS.split()).split("; ")
    return tuple(Country(row[6:], row[:2], row[2:5]) for row in rows)


COUNTRIES = _countries()
BY_ALPHA2: Mapping[str, Country] = {country.alpha2: country for country in COUNTRIES}

_RATES = """
AT SR20 RRH13 RRL10; BE SR21 RRH12 RRL6; BG SR20 RRH9; CY SR19 RRH9 RRL5; CZ SR21 RRH12; DE SR19 RRH7; DK SR25;
EE SR24 RRH13 RRL9; ES SR21 RRH10 SRR4; FI SR25.5 RRH14 RRL10; FR SR20 RRH10 RRL5.5 SRR2.1; GR SR24 RRH13 RRL6;
HR SR25 RRH13 RRL5; HU SR27 RRH18 RRL5; IE SR23 RRH13.5 RRL9 PR13.5; IT SR22 RRH10 RRL5 SRR4; LT SR21 RRH9 RRL5;
LU SR17 RRH14 RRL8 SRR3 PR14; LV SR21 RRH12 RRL5; MT SR18 RRH7 RRL5; NL SR21 RRH9; PL SR23 RRH8 RRL5;
PT SR23 RRH13 RRL6 PR13; RO SR21 RRH11; SE SR25 RRH12 RRL6; SI SR22 RRH9.5 RRL5; SK SR23 RRH19 RRL5
"""


def _rates() -> dict[str, dict[str, Decimal]]:
    found: dict[str, dict[str, Decimal]] = {}
    for row in " ".join(_RATES.split()).split("; "):
        country, *rates = row.split()
        found[country] = {rate.rstrip("0123456789."): Decimal(rate.lstrip("SRHLP")) for rate in rates}
    return found


EU_RATES: Mapping[str, Mapping[str, Decimal]] = _rates()
"""The rates of each member state, by country code of two letters and by the vendor's code of the rate."""

RATE_KINDS = {
    "SR": ("Standaard", "Standaardtarief"),
    "RRH": ("Verlaagd hoog", "Verlaagd tarief hoog"),
    "RRL": ("Verlaagd laag", "Verlaagd tarief laag"),
    "PR": ("Parkeer", "Parkeertarief"),
    "SRR": ("Sterk verlaagd", "Sterk verlaagd tarief"),
}
"""The vendor's codes of foreign rates; the names are ours."""
