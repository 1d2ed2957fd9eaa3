"""A scrape, read: its series with their values, and the names that Prometheus would know them by."""

from collections.abc import Iterable

from gateway.web.metrics import Metrics


def series(exposition: str) -> dict[str, float]:
    """Every series of a scrape, with its labels as they are written, and its value."""
    lines = [line for line in exposition.splitlines() if line and not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def scraped(metrics: Metrics) -> dict[str, float]:
    """The same, of a registry as it is now."""
    return series(metrics.exposition().decode())


def names(found: Iterable[str]) -> set[str]:
    """The names of series, without their labels."""
    return {one.partition("{")[0] for one in found}
