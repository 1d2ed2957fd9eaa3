"""What the laws must know of Memory Books."""

from tests.conformance.subjects import Facts

FACTS = Facts(moving=frozenset({"updatedAt"}))
