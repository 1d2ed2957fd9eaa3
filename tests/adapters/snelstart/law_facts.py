"""What the laws must know of SnelStart, whose invoices are bookings."""

from tests.adapters.snelstart.administration import READS
from tests.conformance.subjects import Facts

FACTS = Facts(
    moving=frozenset({"modifiedOn"}),
    numbered=True,
    account_taxes=True,
    unmixed=frozenset({"reverse_charge"}),
    no_empty_lines=True,
    derived=frozenset({"vat-codes"}),
    added=(("boekingsregels", "bedrag"), ("btw", "btwBedrag")),
    reads=READS,
)
