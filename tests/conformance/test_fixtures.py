"""Laws of names: each resource has golden pairs, for a round trip cannot prove what a field is called."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from gateway.contract.exact import loads
from gateway.contract.models import RecordPart
from gateway.contract.operations import BY_NAME
from tests.conformance.subject import Subject
from tests.shown import shown

WRITTEN = (".create", ".update")
"""How the name of a pair ends that is of a body, and not of a record."""


def pairs_of(subject: Subject) -> Mapping[str, Any]:
    """The golden pairs of every resource, by name."""
    folder = Path(str(import_module(f"adapters.{subject.name}").__file__)).parent / "fixtures"
    pairs = {path.stem: loads(path.read_bytes()) for path in sorted(folder.glob("*.*.json"))}
    return {name: pair for name, pair in pairs.items() if name.partition(".")[0] in subject.adapter.resources}


async def test_every_resource_has_its_golden_pairs(subject: Subject) -> None:
    pairs = pairs_of(subject)
    for resource in subject.adapter.resources:
        own = [pair for name, pair in pairs.items() if name.startswith(f"{resource}.")]
        assert own, f"{resource} has no golden pair"
        for pair in own:
            assert pair.keys() == {"source", "raw", "unified"}
            assert pair["source"].strip()
            model = BY_NAME[f"{resource}.get"].answers
            assert model is not None
            assert issubclass(model, RecordPart)
            assert pair["unified"].keys() <= frozenset(model.__struct_fields__)


async def test_every_golden_pair_reads_as_written(subject: Subject) -> None:
    """What has no value may be left out of a pair."""
    reads = subject.facts.reads
    unread = subject.adapter.resources.keys() - reads.keys()
    assert not unread, f"`reads` in tests/adapters/{subject.name}/law_facts.py lacks what reads {sorted(unread)}"
    for name, pair in pairs_of(subject).items():
        if not name.endswith(WRITTEN):
            record = reads[name.partition(".")[0]](pair["raw"])
            assert filled(shown(record.item)) == filled(pair["unified"]), name


def filled(said: Mapping[str, Any]) -> dict[str, Any]:
    """What is said, without what has no value."""
    return {name: value for name, value in said.items() if value is not None}
