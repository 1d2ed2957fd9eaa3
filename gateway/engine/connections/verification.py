"""Credentials tried: whether they let anyone in, which administrations they reach, and which of these is meant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.contract.auth import AccessToken, CredentialKind
from gateway.contract.clock import Clock
from gateway.contract.errors import FieldError, Problem, malformed
from gateway.contract.models import CompanyAccess
from gateway.contract.secret import Secret
from gateway.engine.malformed import missing_as_malformed
from gateway.engine.outbound.opener import Opener
from gateway.engine.providers import Provider, Providers
from gateway.engine.storage import StoredConnection
from gateway.engine.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of trying credentials: a token, and the administrations it reaches."""

    token: AccessToken
    companies: Sequence[CompanyAccess]


class Verifier:
    """Tries them. Nobody is asked beyond a ``deadline`` (monotonic) of whoever called, where there is one."""

    def __init__(self, providers: Providers, tokens: Tokens, opener: Opener, clock: Clock) -> None:
        self._providers = providers
        self._tokens = tokens
        self._opener = opener
        self._clock = clock

    async def of(
        self,
        connection: StoredConnection,
        kind: CredentialKind,
        fields: Mapping[str, Secret],
        deadline: float | None,
    ) -> Verified:
        """Get in with credentials that are not stored yet. Raises ``credentials_rejected``.

        No company is asked for: a wrong one would look like a wrong password, and the list tells them apart.
        """
        provider = self._providers.of(connection)
        try:
            endpoints, ends = self._tokens.endpoints, self._opener.until(deadline)
            grant = endpoints.grant(provider, fields, None)
            token = await endpoints.make(provider, kind, grant, ends - self._clock.monotonic())
            up = self._opener.unstored(connection, provider, kind, token, ends)
            with missing_as_malformed():
                companies = _keepable(await provider.adapter.companies(up))
        except Problem as problem:
            if problem.code in ("connection_needs_reauth", "credentials_rejected"):
                raise rejected(provider, problem) from problem
            raise
        return Verified(token, companies)

    async def of_stored(self, connection: StoredConnection, deadline: float | None) -> Verified:
        """What the token reaches that the connection has."""
        companies = await self.reached(connection, deadline)
        return Verified(await self._tokens.current(connection, self._providers.of(connection)), companies)

    async def reached(self, connection: StoredConnection, deadline: float | None) -> Sequence[CompanyAccess]:
        """The administrations that a connection's stored credentials reach, asked now."""
        provider = self._providers.of(connection)
        up = self._opener.open(connection, provider, "connections.companies", deadline)
        with missing_as_malformed():
            return _keepable(await provider.adapter.companies(up))


def _keepable(companies: Sequence[CompanyAccess]) -> Sequence[CompanyAccess]:
    """The same. Raises ``upstream_malformed`` for a text with a NUL: PostgreSQL keeps none, and no name has one."""
    if any("\0" in text for one in companies for text in (one.name, *one.allowed_scopes)):
        raise malformed("The accounting system names an administration with a NUL.")
    return companies


def activated(connection: StoredConnection, kind: CredentialKind, verified: Verified) -> StoredConnection:
    """The connection at work. Raises ``company_required`` or ``company_not_accessible``."""
    company = chosen_company(verified.companies, connection.company_id)
    return replace(
        connection,
        status="active",
        credential_type=kind.type,
        company_id=company.id,
        company_name=company.name,
        token_scopes=tuple(sorted(verified.token.scopes)),
        allowed_scopes=tuple(company.allowed_scopes),
    )


def rejected(provider: Provider, problem: Problem) -> Problem:
    """What is told of credentials that let nobody in."""
    message = f"{provider.adapter.title} refuses these credentials. Nothing was stored."
    return Problem(
        "credentials_rejected",
        message,
        errors=[FieldError("/credentials", "credentials_rejected", message)],
        upstream=problem.upstream,
        outcome="rejected",
    )


def chosen_company(companies: Sequence[CompanyAccess], wanted: str | None) -> CompanyAccess:
    """The administration to work on. Raises ``company_required`` or ``company_not_accessible``."""
    listed = [one.model_dump(mode="json") for one in companies]
    if wanted is None:
        accessible = [one for one in companies if one.accessible]
        if len(accessible) > 1:
            message = "The credentials reach several administrations: say which with `company_id`."
            error = FieldError("/company_id", "required", message)
            raise Problem("company_required", message, errors=[error], extra={"companies": listed})
        if not accessible:
            raise Problem("company_not_accessible", "The credentials reach no administration through its API.")
        return accessible[0]
    company = next((one for one in companies if one.id == wanted), None)
    if company is None or not company.accessible:
        message = "The credentials do not reach that administration."
        error = FieldError("/company_id", "not_accessible", message)
        raise Problem("company_not_accessible", message, errors=[error], extra={"companies": listed})
    return company
