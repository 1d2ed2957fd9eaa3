"""The generated parts of this checkout's documents: `./dev generate` writes them, `test_documents.py` checks them."""

import re
from collections.abc import Mapping
from pathlib import Path

from gateway.contract.adapter import Adapter
from gateway.contract.operations import RESOURCE_OPERATIONS
from gateway.engine.connections.capabilities import capabilities_of
from gateway.registry import discover
from gateway.web import document
from k8s.monitoring import grafana

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
OPENAPI = ROOT / "openapi"
_TABLE = re.compile(r"(<!-- capabilities:[^>]*-->\n).*?(<!-- /capabilities -->)", re.DOTALL)


def offered() -> dict[str, Adapter]:
    """The accounting systems that are no mere example."""
    return {name: adapter for name, adapter in discover().items() if not adapter.example}


def capability_table(adapters: Mapping[str, Adapter]) -> str:
    """What each system can do, as a Markdown table: a row per operation, with the filters that are emulated."""
    titles = [adapter.title for adapter in adapters.values()]
    lines = [f"| operation | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    by_system = [capabilities_of(adapter) for adapter in adapters.values()]
    for operation in RESOURCE_OPERATIONS:
        cells = []
        for capabilities in by_system:
            can = capabilities[operation.name]
            emulated = sorted(name for name, how in can.filters.items() if how == "emulated")
            said = "–" if can.support == "unsupported" else "native"
            cells.append(f"{said}; emulated: {', '.join(emulated)}" if emulated and said != "–" else said)
        lines.append(f"| `{operation.name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def readme() -> str:
    """README.md with its table as it should be."""
    table = capability_table(offered())
    return _TABLE.sub(lambda found: f"{found[1]}{table}{found[2]}", README.read_text())


def stale() -> list[str]:
    """The documents that are not what would be written."""
    pages = [] if README.read_text() == readme() else [README.name]
    monitoring = [path.relative_to(ROOT).as_posix() for path, text in grafana.documents() if read(path) != text]
    return [*pages, *(f"openapi/{name}" for name in document.check(OPENAPI)), *monitoring]


def read(path: Path) -> str:
    """What is in a file; nothing where there is none."""
    return path.read_text() if path.exists() else ""


def main() -> None:
    """Write what is stale."""
    for name in stale():
        print(f"writing {name}")
    README.write_text(readme())
    document.write(OPENAPI)
    for path, text in grafana.documents():
        path.write_text(text)


if __name__ == "__main__":
    main()
