"""A new folder is a new system: it is served, and no file outside it is touched."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

import adapters
from gateway.app import build
from gateway.contract.emulator import Emulator
from gateway.registry import discover, emulator_of
from gateway.settings import Settings
from tests.house import ENCRYPTION_KEY, PUBLIC_URL, ManualClock

ADAPTER = '''
"""Card Box: a box of cards with names on them."""

from adapters.cardbox.resources import CardContacts
from gateway.contract.adapter import Adapter, Origin, Raw
from gateway.contract.auth import CredentialField, CredentialKind, StaticToken
from gateway.contract.errors import Problem, malformed
from gateway.contract.models import CompanyAccess

NAME = "cardbox"


def read_envelope(reply):
    value = reply.json()
    if not isinstance(value, dict):
        raise malformed("a card is an object")
    return value


def read_error(reply):
    kinds = {401: "connection_needs_reauth", 404: "not_found"}
    return None if reply.status < 400 else Problem(kinds.get(reply.status, "upstream_unavailable"), "No.")


async def companies(up):
    await CardContacts().cards(up)
    return [CompanyAccess(id="box", name="The box", accessible=True, allowed_scopes=[])]


ADAPTER = Adapter(
    name=NAME,
    title="Card Box",
    documentation="README.md",
    origins={"api": Origin("api_url", "http://cardbox.example")},
    credentials=(CredentialKind("key", "Key", StaticToken("key"), fields=(CredentialField("key", "Key"),)),),
    resources={"contacts": CardContacts()},
    companies=companies,
    read_error=read_error,
    read_envelope=read_envelope,
    raw=Raw(lambda facts: "/cards/"),
    gotchas=("It is made of cardboard.",),
)
'''

RESOURCES = '''
"""What can be done with a box of cards: read them, and add one."""

from gateway.contract.adapter import Contacts, Record
from gateway.contract.errors import not_found
from gateway.contract.models import Contact
from gateway.contract.paging import cut
from gateway.contract.upstream import Request


class CardContacts(Contacts):
    holds = frozenset({"kind", "roles", "company_name"})

    async def cards(self, up):
        cards = (await up.data(Request("GET", "/cards")))["cards"]
        return [
            Record(
                Contact(
                    id=str(number), kind="company", roles=["customer"], name=name, company_name=name, archived=False
                ),
                {"id": number, "name": name},
            )
            for number, name in enumerate(cards)
        ]

    async def list(self, up, listing):
        return cut(await self.cards(up), listing.window)

    async def get(self, up, id):
        found = [card for card in await self.cards(up) if card.item.id == id]
        return found[0] if found else not_found()

    async def create(self, up, draft):
        await up.data(Request("POST", "/cards", json={"name": draft.company_name}))
        return (await self.cards(up))[-1]
'''

EMULATOR = '''
"""The box itself."""

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from gateway.contract import emulator
from gateway.contract.exact import dumps, loads


class Emulator(emulator.Emulator):
    def __init__(self, clock, seed=0):
        super().__init__(clock, seed)
        self.cards = []
        self._app = Starlette(routes=[Route("/cards", self.answer, methods=["GET", "POST"])])

    @property
    def app(self):
        return self._app

    async def answer(self, request):
        if request.headers.get("authorization") != "Bearer open-sesame":
            return Response(b"{}", 401, media_type="application/json")
        if request.method == "POST":
            self.cards.append(loads(await request.body())["name"])
        return Response(dumps({"cards": self.cards}), media_type="application/json")

    def populate(self):
        self.cards += ["Anna", "Bram"]

    def credentials(self):
        return {"type": "key", "key": "open-sesame"}

    def books(self):
        return {"contacts": [{"id": number, "name": name} for number, name in enumerate(self.cards)]}

    def expire_tokens(self):
        pass

    def is_token_request(self, seen):
        return False
'''


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder elsewhere with a small adapter in it; forgotten again afterwards."""
    home = tmp_path / "more-adapters"
    for name, text in (("__init__", ADAPTER), ("resources", RESOURCES), ("emulator", EMULATOR)):
        path = home / "cardbox" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    before = list(adapters.__path__)
    yield home
    adapters.__path__[:] = before
    for name in [name for name in sys.modules if name.startswith("adapters.cardbox")]:
        del sys.modules[name]


async def test_a_dropped_in_folder_is_served(folder: Path, tmp_path: Path) -> None:
    found = discover(paths=[str(folder)])
    assert {"cardbox", "memory"} <= found.keys()
    clock = ManualClock()
    make = emulator_of("cardbox")
    assert make is not None
    box: Emulator = make(clock)
    settings = Settings(home=tmp_path, env="test", encryption_keys=SecretStr(ENCRYPTION_KEY), public_url=PUBLIC_URL)
    polder = await build(
        settings, clock=clock, adapters=found, transport_for=lambda origin: httpx2.ASGITransport(box), environment={}
    )
    await polder.start()
    key = await polder.create_key(tenant="acme", name="test", scopes=["*"])
    headers = {"authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(polder.asgi), base_url=PUBLIC_URL, headers=headers
    ) as client:
        await is_served(client, box)
    await polder.close()


async def is_served(client: httpx2.AsyncClient, box: Emulator) -> None:
    """It is listed, connected to, read and written; what it cannot do says so; what it lacks is made up for."""
    providers = {one["provider"]: one for one in (await client.get("/v1/providers")).json()["data"]}
    assert providers["cardbox"]["title"] == "Card Box"
    body = {"provider": "cardbox", "name": "Mine", "credentials": {"type": "key", "key": "wrong"}}
    assert (await client.post("/v1/connections", json=body)).json()["code"] == "credentials_rejected"
    connected = await client.post("/v1/connections", json={**body, "credentials": dict(box.credentials())})
    assert connected.status_code == 201, connected.text
    place = f"/v1/connections/{connected.json()['id']}"
    for name in ("Anna", "Bram"):
        made = await client.post(f"{place}/contacts", json={"company_name": name, "external_ref": f"ref-{name}"})
        assert made.status_code == 201, made.text
    assert [row["name"] for row in box.books()["contacts"]] == ["Anna", "Bram"]
    found = await client.get(f"{place}/contacts", params={"q": "BRAM"})
    assert found.headers["polder-emulated"] == "q"
    assert [one["external_ref"] for one in found.json()["data"]] == ["ref-Bram"]
    refused = await client.delete(f"{place}/contacts/1")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    unheld = await client.post(f"{place}/contacts", json={"company_name": "Chris", "phone": "1"})
    assert unheld.json()["code"] == "field_unsupported"
