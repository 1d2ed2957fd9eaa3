"""Law of names: each resource has golden pairs, for a round trip cannot prove what a field is called."""

from importlib import import_module
from pathlib import Path

from gateway.contract.exact import loads
from gateway.contract.models import RecordPart
from gateway.contract.operations import BY_NAME
from tests.conformance.subject import Subject


async def test_every_resource_has_its_golden_pairs(subject: Subject) -> None:
    folder = Path(str(import_module(f"adapters.{subject.name}").__file__)).parent / "fixtures"
    pairs = {path.name: loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}
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
