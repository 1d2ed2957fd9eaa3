"""The books a new administration comes with: ledger accounts, journals, VAT rates and revenue groups.

The numbers follow the standard chart that integrators met (dossier 4.8), the functions that of the vendor (4.7). The
live chart has 233 accounts; these are the ones that tell each other apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from adapters.snelstart.emulator.models import LEDGER_FUNCTIONS, VAT_KINDS

DEBTORS, CREDITORS = 1300, 1600
FOREIGN_VAT = 1695
"""The account that companyInfo names as ``buitenlandseBtwGrootboek``."""

REVERSE_CHARGE, LOW, HIGH, OTHER, EXEMPT = 10, 11, 12, 13, 15
ANY_COST, OPEN_QUESTION = 30, 34
EU_GOODS, EXPORT, OSS, EU_SERVICES = 80, 81, 84, 88
JOURNAL_FUNCTIONS = frozenset({1, 2, 3, 4, 5})
MEMORIAL_FUNCTIONS = frozenset({7, 8})
VAT_FUNCTIONS = frozenset({21, 22, 23, 24, 25, 26, 27, 28, 41, 42, 43, 44, 45})
PURCHASE_FUNCTIONS = frozenset({30, 31, 32, 33, 34, 61, 62, 63, 71, 72, 73})
SINGLE_USE = frozenset({4, 5, *VAT_FUNCTIONS, 97, 130})
"""Functions that only one account may have; which they are is a guess (BOE-0087)."""


@dataclass(frozen=True, slots=True)
class Account:
    """A ledger account as the chart has it."""

    number: int
    name: str
    function: int
    rate_code: str | None = None
    needs_cost_centre: bool = False
    inactive: bool = False

    @property
    def on_balance(self) -> bool:
        """Whether it stands on the balance sheet, by the convention of Dutch charts."""
        return self.number < 4000

    @property
    def section(self) -> str:
        """The section of the annual report it belongs to."""
        for below, name in _SECTIONS:
            if self.number < below:
                return name
        return "Omzet"


_SECTIONS = (
    (500, "Vaste activa"),
    (1000, "Eigen vermogen"),
    (1300, "Liquide middelen"),
    (1600, "Vorderingen"),
    (2000, "Kortlopende schulden"),
    (4000, "Tussenrekeningen"),
    (7000, "Kosten"),
    (8000, "Inkoopwaarde van de omzet"),
)
ACCOUNTS = (
    Account(100, "Inventaris", 0),
    Account(110, "Afschrijving inventaris", 0),
    Account(200, "Vervoermiddelen", 0),
    Account(500, "Kapitaal", 0),
    Account(510, "Winst lopend boekjaar", 130),
    Account(520, "Privé-opnamen", 0),
    Account(1000, "Kas", 1),
    Account(1100, "Rekening-courant bank", 2),
    Account(1104, "Betaalprovider", 2),
    Account(1109, "Spaarrekening (opgeheven)", 2, inactive=True),
    Account(DEBTORS, "Debiteuren", 4),
    Account(1350, "Vooruitbetaalde kosten", 0),
    Account(CREDITORS, "Crediteuren", 5),
    Account(1670, "Btw af te dragen laag", 21),
    Account(1671, "Btw af te dragen hoog", 22),
    Account(1672, "Btw af te dragen overig", 23),
    Account(1673, "Btw af te dragen verlegd verkopen", 24),
    Account(1674, "Btw af te dragen verlegd inkopen", 44),
    Account(1680, "Btw te vorderen laag", 41),
    Account(1681, "Btw te vorderen hoog", 42),
    Account(1682, "Btw te vorderen overig", 43),
    Account(1683, "Btw te vorderen verlegd inkopen", 45),
    Account(FOREIGN_VAT, "Buitenlandse btw (éénloketsysteem)", 0),
    Account(1700, "Te betalen lonen", 0),
    Account(1990, "Memoriaal", 7),
    Account(1999, "Beginbalans", 8),
    Account(2000, "Betalingen onderweg", 110),
    Account(2010, "Onbekende betalingen", 111),
    Account(2100, "Kruisposten", 112),
    Account(4000, "Lonen", 0),
    Account(4303, "Klein gereedschap", ANY_COST),
    Account(4406, "Reiskosten", ANY_COST),
    Account(4509, "Kilometervergoeding", ANY_COST),
    Account(4600, "Projectkosten", ANY_COST, needs_cost_centre=True),
    Account(4758, "Kosten betalingsverkeer", ANY_COST),
    Account(4790, "Betalingsverschillen", 0),
    Account(4798, "Algemene kosten", ANY_COST),
    Account(4799, "Vraagposten", OPEN_QUESTION),
    Account(7000, "Inkopen", ANY_COST),
    Account(7001, "Inkopen laag", 31),
    Account(7002, "Inkopen hoog", 32),
    Account(7100, "Uitbesteed werk", ANY_COST),
    Account(8000, "Omzet goederen hoog", HIGH),
    Account(8010, "Omzet goederen laag", LOW),
    Account(8020, "Omzet goederen overig", OTHER),
    Account(8040, "Omzet goederen onbelast", REVERSE_CHARGE),
    Account(8100, "Omzet handelsgoederen hoog", HIGH),
    Account(8110, "Omzet handelsgoederen laag", LOW),
    Account(8150, "Omzet btw-vrij", EXEMPT),
    Account(8199, "Omzet margegoederen", REVERSE_CHARGE, inactive=True),
    Account(8200, "Omzet diensten hoog", HIGH),
    Account(8210, "Omzet diensten laag", LOW),
    Account(8240, "Omzet diensten nultarief", REVERSE_CHARGE),
    Account(8250, "Omzet diensten verlegd", REVERSE_CHARGE),
    Account(8260, "Omzet projecten hoog", HIGH, needs_cost_centre=True),
    Account(8300, "Omzet goederen binnen EU", EU_GOODS),
    Account(8310, "Omzet export buiten EU", EXPORT),
    Account(8320, "Omzet diensten binnen EU", EU_SERVICES),
    Account(8400, "Afstandsverkopen EU standaardtarief", OSS, "SR"),
    Account(8410, "Afstandsverkopen EU verlaagd hoog", OSS, "RRH"),
    Account(8420, "Afstandsverkopen EU verlaagd laag", OSS, "RRL"),
    Account(8900, "Betalingskortingen verkopen", 102),
)

JOURNALS = (
    ("Kas", "Kas", 1000, False),
    ("Rekening-courant bank", "Bank", 1100, False),
    ("Betaalprovider", "Bank", 1104, False),
    ("Spaarrekening (opgeheven)", "Bank", 1109, True),
    ("Verkoopboek", "Verkoop", DEBTORS, False),
    ("Inkoopboek", "Inkoop", CREDITORS, False),
    ("Memoriaal", "Memoriaal", 1990, False),
)
"""Name, kind, number and whether it is out of use; a bank journal's number is its account's (dossier 2.4)."""

REVENUE_GROUPS = (
    (1, "Goederen hoog", 8000),
    (2, "Goederen laag", 8010),
    (3, "Goederen overig", 8020),
    (4, "Goederen onbelast", 8040),
    (5, "Diensten hoog", 8200),
    (6, "Diensten laag", 8210),
    (7, "Diensten onbelast", 8240),
    (8, "Btw-vrij", 8150),
)

FIRST_DAY, LAST_DAY = "1900-01-01", "2400-12-31"
VAT_HISTORY: Mapping[str, tuple[tuple[str, Decimal], ...]] = {
    "Geen": ((FIRST_DAY, Decimal("0.0")),),
    "Laag": (
        (FIRST_DAY, Decimal("4.0")),
        ("1984-01-01", Decimal("5.0")),
        ("1986-10-01", Decimal("6.0")),
        ("2019-01-01", Decimal("9.0")),
    ),
    "Hoog": (
        (FIRST_DAY, Decimal("12.0")),
        ("1971-01-01", Decimal("14.0")),
        ("1973-01-01", Decimal("16.0")),
        ("1976-01-01", Decimal("18.0")),
        ("1984-01-01", Decimal("19.0")),
        ("1986-10-01", Decimal("20.0")),
        ("1989-01-01", Decimal("18.5")),
        ("1992-10-01", Decimal("17.5")),
        ("2001-01-01", Decimal("19.0")),
        ("2012-10-01", Decimal("21.0")),
    ),
    "Overig": ((FIRST_DAY, Decimal("0.0")),),
}
"""Dutch VAT by kind: from which day, what percentage; each holds until the day before the next."""

_KINDS_BY_FUNCTION: Mapping[int, tuple[str, ...]] = {
    LOW: ("Laag",),
    HIGH: ("Hoog",),
    OTHER: ("Overig",),
    ANY_COST: VAT_KINDS,
    OPEN_QUESTION: VAT_KINDS,
    31: ("Laag",),
    32: ("Hoog",),
    33: ("Overig",),
}
_NUMBERS = {name: number for number, name in LEDGER_FUNCTIONS.items()}


def function_number(name: str) -> int:
    """The number of a ledger function, by its name on the wire."""
    return _NUMBERS[name]


def vat_kinds(function: int) -> tuple[str, ...]:
    """The VAT kinds a line on an account of that function may have."""
    return _KINDS_BY_FUNCTION.get(function, ("Geen",))
