"""Facts of an administration that the verbs work with: its companies, VAT codes, profiles and payment methods."""

from collections.abc import Iterable, Mapping, Sequence

from adapters.thenextinvoice.mapping.settings import (
    CompanyRow,
    Preferences,
    Profile,
    access_of,
    payment_method_of,
    profiles_of,
    vat_code_of,
)
from adapters.thenextinvoice.wire import request
from gateway.contract.adapter import Record
from gateway.contract.errors import invalid
from gateway.contract.models import CompanyAccess, PaymentMethod, VatCode
from gateway.contract.upstream import Upstream, found_or_none
from gateway.contract.wire import rows_in


async def companies(up: Upstream) -> list[CompanyAccess]:
    """The companies behind the credentials. A log-in reaches all of them, an API token only the one it was made in."""
    found = [CompanyRow.of(raw) for raw in rows_in(await up.data(request("GET", "company")))]
    if up.facts.credential_type != "api_token" or len(found) < 2:
        return [access_of(row, accessible=True) for row in found]
    own = await _own_company(up, found)
    return [access_of(row, accessible=row is own) for row in found]


async def _own_company(up: Upstream, found: Sequence[CompanyRow]) -> CompanyRow:
    """Which of several companies an API token belongs to: the first that the preferences name.

    Only the name is said there (documentation, "User preferences"). Without a match it is the first of all.
    """
    preferences = Preferences.of(await up.data(request("GET", "preferences")))
    return next((row for row in found if row.name == preferences.company_name), found[0])


async def all_vat_codes(up: Upstream) -> list[Record[VatCode]]:
    """The VAT codes as factors, oldest first.

    ``/vatcodes`` gives percentages, but a percentage that was computed from the factor in binary arithmetic is not
    exact (1.09 makes 9.000000000000007), and the factor is what was entered.
    """
    found = map(vat_code_of, rows_in(await up.data(request("GET", "settings", "vatcodes"))))
    return sorted(found, key=lambda record: int(record.item.id))


async def vat_codes(up: Upstream, needed: Iterable[str | None] = ()) -> Mapping[str, VatCode]:
    """The VAT codes by id; asked for anew where one that is needed is not among them."""

    async def load() -> Mapping[str, VatCode]:
        return {record.item.id: record.item for record in await all_vat_codes(up)}

    known = await up.known("vat_codes", load)
    if any(id is not None and id not in known for id in needed):
        return await up.known("vat_codes", load, fresh=True)
    return known


async def all_payment_methods(up: Upstream) -> list[Record[PaymentMethod]]:
    """The payment methods, oldest first. Where there are none the answer is 404 (documentation, "Payment methods")."""
    found = await found_or_none(up.data(request("GET", "settings", "paymentmethods")))
    listed = [] if found is None else rows_in(found)
    return sorted(map(payment_method_of, listed), key=lambda record: int(record.item.id))


async def payment_methods(up: Upstream, needed: str | None = None) -> Mapping[str, PaymentMethod]:
    """The payment methods by id; asked for anew where the one that is needed is not among them."""

    async def load() -> Mapping[str, PaymentMethod]:
        return {record.item.id: record.item for record in await all_payment_methods(up)}

    known = await up.known("payment_methods", load)
    if needed is not None and needed not in known:
        return await up.known("payment_methods", load, fresh=True)
    return known


async def profiles(up: Upstream, needed: str | None = None) -> Sequence[Profile]:
    """The invoice profiles.

    They are listed, never read one by one: a profile that is missing answers 401, which would pass for a bad token
    (documentation, "Invoice profiles").
    """

    async def load() -> Sequence[Profile]:
        return profiles_of(rows_in(await up.data(request("GET", "settings", "profile"))))

    known = await up.known("profiles", load)
    if needed is not None and all(profile.key != needed for profile in known):
        return await up.known("profiles", load, fresh=True)
    return known


def default_profile(found: Sequence[Profile]) -> Profile:
    """The one that sends unless another is named."""
    return next((profile for profile in found if profile.is_default), found[0])


async def sender(up: Upstream) -> Profile:
    """The profile that sends this connection's invoices: the setting ``sender_id``, else the default one."""
    wanted = up.facts.settings.get("sender_id")
    if wanted is None:
        return default_profile(await profiles(up))
    found = next((profile for profile in await profiles(up, str(wanted)) if profile.key == str(wanted)), None)
    if found is None:
        message = "The setting sender_id names no invoice profile of this company."
        raise invalid("settings.sender_id", message, "not_found")
    return found


def setting(up: Upstream, name: str) -> str | None:
    """A setting of the connection, as text."""
    value = up.facts.settings.get(name)
    return None if value is None else str(value)
