"""Who may do what: the token, its scopes, the company's plan and the user's role there (dossier §2)."""

from collections.abc import Sequence

from adapters.rompslomp.emulator.errors import ApiError, access_denied, challenge
from adapters.rompslomp.emulator.oauth import TOKEN_REASONS, bearer
from adapters.rompslomp.emulator.state import Company
from adapters.rompslomp.emulator.switches import Switches
from adapters.rompslomp.emulator.tokens import TokenRow, TokenServer


def authenticated(server: TokenServer, authorization: str | None) -> TokenRow:
    """The row of a token that works. Raises the 401 that says why it does not."""
    row, reason = bearer(server, authorization)
    if row is None:
        message = TOKEN_REASONS[reason]
        raise ApiError(401, "client.authentication.invalid_token", message, challenge("invalid_token", message))
    return row


def authorize_token(token: TokenRow, any_scope: Sequence[str], switches: Switches) -> None:
    """Refuse a token without any of the scopes."""
    if any_scope and not set(any_scope) & set(token.scopes):
        message = f"Toegang tot deze resource vereist scope {any_scope[0]}"
        description = f'Toegang tot deze resource vereist scope "{any_scope[0]}"'
        headers = challenge(switches.scope_error, description)
        raise ApiError(403, "client.authorization.invalid_scope", message, headers)


def authorize_company(company: Company, any_scope: Sequence[str], switches: Switches) -> None:
    """Refuse a company without API, and one in which the user's role allows none of the scopes."""
    if not company.api_accessible:
        message = "De API is niet beschikbaar voor het abonnement van deze onderneming."
        raise access_denied(message, switches.no_api_access_status)
    if any_scope and not set(any_scope) & set(company.role_scopes):
        raise access_denied("Je hebt geen rechten voor dit onderdeel van deze onderneming.")
