"""What a body refers to by id or path, and what is said where it is not there."""

from typing import TypeVar

from adapters.rompslomp.emulator.errors import MISSING, Violations, no_such_record
from adapters.rompslomp.emulator.fields import Given
from adapters.rompslomp.emulator.records import Account, Identified, Table
from adapters.rompslomp.emulator.state import Company
from adapters.rompslomp.emulator.switches import Switches

R = TypeVar("R", bound=Identified)


def referred(table: Table[R], identity: int | None, label: str, violations: Violations, switches: Switches) -> R | None:
    """The record that ``identity`` names; None for no id, and for one that is complained of."""
    if identity is None:
        return None
    found = table.find(identity)
    if found is None:
        _refuse_missing(label, violations, switches)
    return found


def account_of(given: Given, company: Company, violations: Violations, switches: Switches) -> Account | None:
    """The account that ``account_id`` or, without it, ``account_path`` names: the id has precedence."""
    if given.get("account_id") is not None:
        return referred(company.accounts, given["account_id"], "Account", violations, switches)
    path = given.get("account_path")
    if path is None:
        return None
    found = company.account_at(path)
    if found is None:
        _refuse_missing("Account", violations, switches)
    return found


def _refuse_missing(label: str, violations: Violations, switches: Switches) -> None:
    if switches.unknown_reference_status == 404:
        raise no_such_record(label)
    violations.add(label, MISSING)
