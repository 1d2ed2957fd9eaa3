"""Where a request comes from, and keys that may be used from some networks only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from random import Random

import httpx2
import pytest

from gateway.engine.access.keys import mint
from gateway.serve import listen, port_of, serving
from gateway.web.addresses import address_of
from tests.house import START
from tests.web.edge import PUBLIC_URL, Edge, build_edge

pytestmark = pytest.mark.anyio

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.7", None, "192.0.2.7"),
        ("2001:db8::7", None, "2001:db8::7"),
        ("::ffff:192.0.2.7", None, "192.0.2.7"),
        # Anybody may write a header: it counts where the peer is a proxy that is trusted.
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "198.51.100.1, 192.0.2.7 ,10.0.0.2", "192.0.2.7"),
        ("::ffff:10.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("fd00::1", "::ffff:192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", " , ", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, unknown", None),
        ("10.0.0.1", "198.51.100.1, 192.0.2.7:4711", None),
        ("testclient", "198.51.100.1", None),
        (None, "198.51.100.1", None),
    ],
)
def test_the_address_is_that_of_the_last_hop_that_is_no_trusted_proxy(
    peer: str | None, forwarded: str | None, address: str | None
) -> None:
    scope = {"type": "http", "client": None if peer is None else (peer, 4711)}
    assert address_of(scope, forwarded, PROXIES) == (None if address is None else ip_address(address))


@asynccontextmanager
async def from_address(edge: Edge, key: str, address: str, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(edge.app, client=(address, 4711))
    given = {"authorization": f"Bearer {key}", **headers}
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL, headers=given) as client:
        yield client


async def bound_to(edge: Edge, *networks: str) -> str:
    text, stored = mint(tenant="acme", name="n", scopes=["*"], now=START, random=Random(3), networks=networks)
    await edge.keys.add(stored)
    return text


@pytest.mark.parametrize(
    ("address", "status"),
    [
        *(("192.0.2.7", 200), ("::ffff:192.0.2.7", 200), ("2001:db8:1::1", 200)),
        *(("192.0.3.7", 403), ("2001:db9::1", 403), ("testclient", 403), ("127.0.0.1", 403)),
    ],
)
async def test_a_key_is_good_in_its_networks_only(edge: Edge, address: str, status: int) -> None:
    key = await bound_to(edge, "192.0.2.0/24", "2001:db8::/32")
    async with from_address(edge, key, address) as client:
        answer = await client.get("/v1/connections")
    assert answer.status_code == status
    assert len(edge.engine.calls) == (status == 200)
    if status == 403:
        assert answer.json()["code"] == "forbidden"
        assert "192.0.2" not in answer.text, "where it may be used from is not told"


async def test_a_header_of_the_callers_own_lets_nobody_in(edge: Edge) -> None:
    key = await bound_to(edge, "192.0.2.0/24")
    async with from_address(edge, key, "198.51.100.1", **{"x-forwarded-for": "192.0.2.7"}) as client:
        assert (await client.get("/v1/connections")).status_code == 403


async def test_behind_a_trusted_proxy_the_caller_counts() -> None:
    edge = await build_edge(proxies=PROXIES)
    key = await bound_to(edge, "192.0.2.0/24")
    for caller, status in (("192.0.2.7", 200), ("198.51.100.1", 403), ("192.0.2.7, 198.51.100.1", 403)):
        async with from_address(edge, key, "10.0.0.1", **{"x-forwarded-for": caller}) as client:
            assert (await client.get("/v1/connections")).status_code == status


@pytest.mark.parametrize("network", ["192.0.2.1/24", "192.0.2.0/33", "example.org", ""])
def test_what_is_no_network_is_refused(network: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear to be|has host bits set"):
        mint(tenant="acme", name="n", scopes=["*"], now=START, random=Random(1), networks=[network])


async def test_the_server_believes_no_header_by_itself(edge: Edge) -> None:
    """uvicorn would, from a peer on this machine: then whoever is behind a proxy there could name any address."""
    key = await bound_to(edge, "192.0.2.0/24")
    listener = listen("127.0.0.1", 0)
    headers = {"authorization": f"Bearer {key}", "x-forwarded-for": "192.0.2.7"}
    async with (
        serving(edge.app, listener),
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port_of(listener)}", headers=headers) as client,
    ):
        assert (await client.get("/v1/connections")).status_code == 403
