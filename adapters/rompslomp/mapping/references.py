"""``api_reference`` of an invoice: hidden from people and unique per company, so it carries what must be found again.

That is the caller's ``external_ref``; without one the mark of the write; and on a credit note the invoice it credits.
"""

from uuid import UUID

_OWN = "polder:"
_CREDIT = f"{_OWN}credit:"


def is_own(reference: str | None) -> bool:
    """Whether an api reference is a mark of Polder's own: of the write, or of the invoice that it credits."""
    return (reference or "").startswith(_OWN)


def credit_reference(id: str) -> str:
    """The api reference of the credit note that credits an invoice in full: there can be only one."""
    return f"{_CREDIT}{id}"


def is_credit(reference: str | None) -> bool:
    """Whether an api reference names the invoice that is credited: nothing else does, so it is never written over."""
    return (reference or "").startswith(_CREDIT)


def credited_by(reference: str | None) -> str | None:
    """The invoice that a credit note of that api reference credits; null for any other document."""
    if reference is None or not reference.startswith(_CREDIT):
        return None
    id = reference.removeprefix(_CREDIT)
    return id if id.isascii() and id.isdigit() else None


def reference_of(external_ref: str | None, creation_key: UUID) -> str:
    """The api reference of a new invoice: the caller's own, unless it could be taken for one of Polder's marks.

    Nor one with spaces that it can do without: whether Rompslomp does is not documented, and it could not be found.
    """
    if external_ref is None or is_own(external_ref) or external_ref != " ".join(external_ref.split()):
        return f"{_OWN}{creation_key}"
    return external_ref
