"""The accounting systems there are, each with what its operator configured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.contract.adapter import Adapter
from gateway.contract.auth import CredentialKind
from gateway.contract.errors import Problem
from gateway.contract.secret import Secret
from gateway.engine.storage import StoredConnection


@dataclass(frozen=True, slots=True)
class Provider:
    """An adapter, where it is reached, and its operator's settings by name."""

    adapter: Adapter
    origins: Mapping[str, str]
    operator: Mapping[str, Secret]

    @property
    def name(self) -> str:
        """The adapter's name."""
        return self.adapter.name

    def setting(self, name: str) -> Secret:
        """An operator setting. Raises ``provider_misconfigured`` where it is missing."""
        value = self.operator.get(name)
        if not value:
            variable = f"POLDER_{self.name}_{name}".upper()
            raise Problem("provider_misconfigured", f"{variable} is not set, and {self.adapter.title} needs it.")
        return value

    def kind_of(self, connection: StoredConnection) -> CredentialKind:
        """How a connection gets in. Raises ``connection_pending`` where it has no credentials yet."""
        kind = self.adapter.credential(connection.credential_type or "")
        if kind is None:
            raise Problem("connection_pending", "The connection has no credentials yet: PATCH them, or send the link.")
        return kind


class Providers:
    """All of them, by name."""

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self._providers = dict(sorted(providers.items()))

    def __iter__(self) -> Iterator[Provider]:
        return iter(self._providers.values())

    def find(self, name: str) -> Provider | None:
        """The provider of that name."""
        return self._providers.get(name)

    def of(self, connection: StoredConnection) -> Provider:
        """The provider behind a connection. Raises ``provider_misconfigured`` where its adapter is gone."""
        provider = self._providers.get(connection.provider)
        if provider is None:
            raise Problem("provider_misconfigured", "The connection's accounting system is not installed here.")
        return provider
