"""Requests that fail leave nothing that refers to itself: the collector looks seldom
(``gateway.garbage_collection``), and then everything waits for it, the longer the more it finds.
"""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from gateway.contract.emulator import Fault
from tests.engine.shelf import Aisle
from tests.house import House, emulated

FAULTS = {
    "down": Fault("status", 503),
    "asked to wait": Fault("status", 429, {"retry-after": "60"}),
    "refused": Fault("status", 400),
    "no token": Fault("status", 401),
    "cut off": Fault("truncated"),
    "a page": Fault("html"),
    "lost": Fault("lost"),
}


@pytest.fixture(scope="module", autouse=True)
def _nothing_of_before() -> None:
    """What tests before these left is never looked at again: a look at all of that takes a tenth of a second."""
    gc.collect()
    gc.freeze()


@contextmanager
def garbage() -> Iterator[list[str]]:
    """What of the gateway and its adapters is left when the block has ended: functions of frames, types of things."""
    left: list[str] = []
    gc.collect()
    gc.disable()
    try:
        yield left
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        codes = [one.f_code for one in gc.garbage if isinstance(one, FrameType)]
        left += [
            code.co_qualname for code in codes if "/gateway/" in code.co_filename or "/adapters/" in code.co_filename
        ]
        kinds = {type(one) for one in gc.garbage}
        left += [kind.__qualname__ for kind in kinds if kind.__module__.startswith(("gateway.", "adapters."))]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("method", "path"), [("GET", "products"), ("GET", "products/{id}"), ("POST", "products")])
async def test_what_fails_is_gone_when_it_was_told(aisle: Aisle, method: str, path: str, fault: str) -> None:
    made = (await aisle.make(name="Brood")).json()
    body = {"name": "Kaas"} if method == "POST" else None
    for faulty in (False, True):
        with garbage() as left:
            answer = await aisle.ask(method, path.format(**made), body, {"cache-control": "no-cache"})
            await asyncio.sleep(0.01)  # whoever is still to hear of it
        assert answer.is_success is not faulty
        assert left == []
        aisle.shelf.fail(FAULTS[fault], times=10)


@pytest.mark.parametrize("provider", sorted(emulated()))
@pytest.mark.parametrize("fault", FAULTS)
async def test_nor_does_an_adapter_leave_any(house: House, provider: str, fault: str) -> None:
    connection = await house.connect(provider)
    for faulty in (False, True):
        with garbage() as left:
            for asked in ("contacts", "invoices?include=lines"):
                await house.client.get(f"/v1/connections/{connection}/{asked}", headers={"cache-control": "no-cache"})
            await house.client.post(
                f"/v1/connections/{connection}/contacts", json={"name": "Bakker", "kind": "company"}
            )
            await asyncio.sleep(0.01)
        assert left == [], faulty
        house.emulator(provider).fail(FAULTS[fault], times=100)
