"""An account owner's credentials, as they are given on the API or on the page of a link: whether they are any."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.contract.auth import AccessToken, CredentialKind, OAuth2, Scheme, StaticToken
from gateway.contract.errors import FieldError, Problem, invalid
from gateway.contract.secret import Secret
from gateway.engine.network.http import is_writable
from gateway.engine.providers import Provider


def credentials_of(
    provider: Provider, given: Mapping[str, Any] | None
) -> tuple[CredentialKind | None, Mapping[str, Secret]]:
    """The kind of some credentials and their fields. Raises ``validation_failed`` or ``unknown_field``."""
    if given is None:
        return None, {}
    kind = provider.adapter.credential(given["type"]) if isinstance(given.get("type"), str) else None
    if kind is None:
        types = ", ".join(one.type for one in provider.adapter.credentials)
        raise invalid("/credentials/type", f"{provider.adapter.title} takes credentials of type {types}.")
    known = {one.name: one for one in kind.fields}
    for name in given:
        if name != "type" and name not in known:
            message = f"These credentials have no such field; they have {', '.join(known)}."
            raise Problem("unknown_field", message, errors=[FieldError("/credentials", "unknown_field", message)])
    for name, one in known.items():
        value = given.get(name)
        if value is None and not one.required:
            continue
        if not isinstance(value, str) or not value.strip() or len(value) > 4096 or not value.isprintable():
            raise invalid(f"/credentials/{name}", f"{one.title} is a printable text that is not blank.")
        if name == _sent_as_it_is(kind.scheme) and not is_writable(value):
            raise invalid(f"/credentials/{name}", f"{one.title} has ASCII characters only.")
    return kind, {name: Secret(given[name]) for name in known if given.get(name) is not None}


def _sent_as_it_is(scheme: Scheme) -> str | None:
    """The field that becomes a header; None where the fields only buy a token."""
    if isinstance(scheme, StaticToken):
        return scheme.field
    return "access_token" if isinstance(scheme, OAuth2) else None


def imported_token(fields: Mapping[str, Secret]) -> AccessToken:
    """A pair of tokens that was obtained elsewhere. Raises ``validation_failed`` where it is no pair."""
    for name in ("access_token", "refresh_token"):
        if name not in fields:
            raise invalid(f"/credentials/{name}", "A pair has an access_token and a refresh_token.")
    expires_at = None
    if "expires_at" in fields:
        try:
            given = datetime.fromisoformat(fields["expires_at"].reveal())
            # Near the ends of the calendar there are moments that have no date in UTC.
            expires_at = given.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise invalid("/credentials/expires_at", "This is an RFC 3339 timestamp.") from error
        if given.tzinfo is None:
            raise invalid("/credentials/expires_at", "This timestamp needs its offset, such as Z.")
    return AccessToken(fields["access_token"], expires_at, fields["refresh_token"])
