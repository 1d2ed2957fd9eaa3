"""The published contract: OpenAPI 3.1, made from the table of operations and the models, and from nothing else.

``write`` puts it and the request examples into a folder; ``check`` says which of those files are not as they should be.
"""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.contract.exact import Json, dumps
from gateway.contract.operations import SCOPES
from gateway.web.document.examples import REQUESTS
from gateway.web.document.operations import HEADERS, PARAMETERS, TAGS, paths
from gateway.web.document.problems import PROBLEM_HEADERS, ProblemResponses, problem_examples
from gateway.web.document.schemas import component_schemas

API_VERSION = "1.0.0"
"""Of the contract, not of the software: a breaking change is a new base path."""

PUBLISHED_URL = "https://polder.example"
"""Stands for a Polder's own address in the committed document."""

_DESCRIPTION = """\
One API over Dutch bookkeeping: contacts, products, invoices and payments, whatever system keeps the books.

- **A connection** is one administration, which is the books of one company, in one accounting system.
- **Key**: `Authorization: Bearer polder_live_…` (or `X-API-Key`). A key belongs to one tenant and carries scopes; `*`
  is all of them. Another tenant's connection answers as one that does not exist.
- **Money, quantities and rates** are decimal strings: `"12.40"`, `"0.5"`, and `"21"` for twenty-one per cent. A JSON
  number is accepted too, with at most 15 digits before and 12 after the point, and is read exactly from its text; most
  JSON writers put binary fractions there, so a string is safer.
- **Ids** are opaque, and an id names the same record for ever, wherever it stands.
- **Lists** have `data`, `next_cursor` and `total_count`. Only a null `next_cursor` ends a list; a short page does not.
- **Unknown fields and parameters are refused**, never ignored. Answers may get new members and new enum values at any
  time: pass over what you do not know.
- **Null** in a body that creates something is the same as leaving the member out. In a change (PATCH) null clears the
  member, and what is left out stays as it is.
- **Problems** are RFC 9457 `application/problem+json`; `code` is for programs, and `fix` says who can put it right.
- **Writes** take an `Idempotency-Key`: the same request sent again is answered as the first time, and done once.
- **Reads** have an `ETag`; a write through Polder is seen by the very next read.
"""


def document(public_url: str = PUBLISHED_URL) -> dict[str, Any]:
    """The OpenAPI document of a Polder at an address (no slash at its end).

    Its server is a path, so that it holds for whatever host the document was read from.
    """
    problems = ProblemResponses()
    described = paths(problems)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Polder",
            "version": API_VERSION,
            "summary": "One API over Dutch bookkeeping.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": urlsplit(public_url).path or "/", "description": "This Polder"}],
        "security": [{"bearer": []}, {"key": []}],
        "tags": [{"name": name, "description": words} for name, words in TAGS.items()],
        "paths": described,
        "components": {
            "schemas": component_schemas(),
            "parameters": PARAMETERS,
            "headers": {**HEADERS, **PROBLEM_HEADERS},
            "responses": problems.components,
            "examples": problem_examples(f"{public_url}/docs/problems"),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"An API key. Scopes: {', '.join(SCOPES)}.",
                },
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same API key."},
            },
        },
    }


def document_bytes(public_url: str) -> bytes:
    """The document as it is served: without needless space."""
    return dumps(document(public_url))


def document_text() -> str:
    """The document as it is committed: always the same for the same table and models."""
    return _text(document(), ordered=True)


def files() -> dict[str, str]:
    """Every generated file by its path below ``openapi/``: the document, and the examples, named in their order."""
    made = {"openapi.json": document_text()}
    for number, example in enumerate(REQUESTS, start=1):
        slug = re.sub(r"[^a-z0-9]+", "-", example.title.lower()).strip("-")
        made[f"examples/{number:02}-{slug}.json"] = _text(example.as_json(), ordered=False)
    return made


def write(folder: Path) -> None:
    """Write every generated file, and remove examples that are no longer made."""
    (folder / "examples").mkdir(parents=True, exist_ok=True)
    for name in check(folder):
        (folder / name).unlink(missing_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")


def check(folder: Path) -> list[str]:
    """The files that are missing, differ from what they should be, or should not be there; sorted."""
    wanted = files()
    existing = {f"examples/{path.name}": path for path in (folder / "examples").glob("*.json")}
    existing["openapi.json"] = folder / "openapi.json"
    return sorted(
        name
        for name in wanted.keys() | existing.keys()
        if name not in wanted
        or name not in existing
        or not existing[name].exists()
        or existing[name].read_text(encoding="utf-8") != wanted[name]
    )


def _text(value: Json, *, ordered: bool) -> str:
    # The standard library's writer, for its layout; an example's amounts are text, so there is nothing it could round.
    return json.dumps(value, indent=2, sort_keys=ordered, ensure_ascii=False) + "\n"
