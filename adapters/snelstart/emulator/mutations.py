"""The general ledger, line by line: the only place that tells when an invoice was paid (dossier 2.5)."""

from adapters.snelstart.emulator import models
from adapters.snelstart.emulator.calls import Answer, Call
from adapters.snelstart.emulator.errors import gateway
from adapters.snelstart.emulator.fields import Record


def list_all(call: Call) -> Answer:
    """Every line of every entry. Sums with ``$apply`` exist at the vendor's, but not in this emulator."""
    if call.parameter("$apply") is not None:
        raise gateway(501, "This emulator has no $apply.")
    return call.page(_all(call), models.MUTATION)


def get(call: Call) -> Answer:
    guid = call.id("grootboekmutaties")
    for row in _all(call):
        if row["id"] == guid:
            return Answer(200, row)
    raise call.not_found("grootboekmutaties")


def _all(call: Call) -> list[Record]:
    return [row for rows in call.administration.mutations.values() for row in rows]
