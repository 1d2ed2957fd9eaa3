"""What clients ask for: each wish is one record under one idempotency key, and is asked for until there is an end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

ENDS = ("success", "manual", "refused")


@dataclass
class Wish:
    """One record that somebody wants, and what they were told last."""

    number: int
    provider: str
    resource: str
    path: str
    body: Mapping[str, Any]
    told: str = "nothing"
    last: str = ""
    ids: set[str] = field(default_factory=set)

    @property
    def mark(self) -> str:
        return mark_of(self.number)

    @property
    def key(self) -> str:
        return f"wish-{self.number}"


def mark_of(number: int) -> str:
    """What stands in the record of a wish and in no other."""
    return f"W{number:06d}X"


def told_by(answer: httpx2.Response) -> str:
    """What a problem says: that nobody can tell, that it was refused, or that there is no end yet."""
    problem = answer.json()
    if problem.get("state") == "manual":
        return "manual"
    return "no end" if problem["retryable"] or problem.get("outcome") == "unknown" else "refused"


def contact(name: str) -> dict[str, Any]:
    """A contact that every system takes."""
    address = {"line1": "Dorpsstraat 1", "postal_code": "1234 AB", "city": "Utrecht", "country": "NL"}
    email = f"{name.replace(' ', '').lower()}@voorbeeld.example"
    return {"company_name": f"Wens {name}", "email": email, "address": address}
