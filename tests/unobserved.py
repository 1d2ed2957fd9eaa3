"""An observer for whom nothing need be counted (``gateway.engine.observe.Observer``)."""

from gateway.engine.observe import CacheResult, HeldBack, TokenOutcome, Transition, UpstreamOutcome, WriteResult


class Unobserved:
    """An observer that does not look."""

    def upstream(self, provider: str, operation: str, outcome: UpstreamOutcome, seconds: float) -> None:
        """Nothing."""

    def token(self, provider: str, outcome: TokenOutcome, seconds: float) -> None:
        """Nothing."""

    def transition(self, provider: str, to: Transition) -> None:
        """Nothing."""

    def cache(self, resource: str, result: CacheResult) -> None:
        """Nothing."""

    def reconciled(self, operation: str, result: WriteResult) -> None:
        """Nothing."""

    def held_back(self, provider: str, reason: HeldBack) -> None:
        """Nothing."""
