"""The limit of an API key as its holder meets it."""

from pathlib import Path

import pytest

from gateway.contract.errors import Problem
from gateway.engine.access.rate_limit import LocalRateLimiter
from tests.exchange import Listening
from tests.house import emulated, open_house
from tests.web.edge import Edge, build_edge, client_of

pytestmark = pytest.mark.anyio

CONTACTS = "/v1/connections/con_1/contacts"


async def limited(limit: int) -> Edge:
    return await build_edge(limiter=lambda clock: LocalRateLimiter(limit, clock))


async def test_every_answer_tells_what_is_left() -> None:
    edge = await limited(60)
    answers = [await edge.client.get(CONTACTS) for _ in range(2)]
    edge.engine.raises(Problem("not_found", "No."))
    answers.append(await edge.client.get(CONTACTS))
    answers.append(await edge.client.get("/v1/connections?wrong=1"))
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"default";q=60;w=60'}
    assert [answer.headers["ratelimit"] for answer in answers] == [f'"default";r={60 - n};t={n}' for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_who_asks_too_often_is_told_when_to_come_back(method: str) -> None:
    edge = await limited(2)
    for _ in range(2):
        assert (await edge.client.request(method, CONTACTS, json={})).status_code < 300
    refused = await edge.client.request(method, CONTACTS, json={})
    told = refused.json()
    assert (refused.status_code, told["code"], told["fix"], told["retryable"]) == (429, "rate_limited", "wait", True)
    assert told.get("outcome") == ("not_sent" if method == "POST" else None)
    assert refused.headers["retry-after"] == str(told["retry_after"]) == "30"
    assert refused.headers["ratelimit"] == '"default";r=0;t=60'
    assert len(edge.engine.calls) == 2
    edge.clock.advance(30)
    assert (await edge.client.request(method, CONTACTS, json={})).status_code < 300


async def test_who_has_no_good_key_is_not_counted() -> None:
    edge = await limited(1)
    for _ in range(3):
        answer = await edge.anonymous.get(CONTACTS)
        assert (answer.status_code, "ratelimit" in answer.headers) == (401, False)
    assert (await edge.anonymous.get("/healthz")).status_code == 200
    assert (await edge.client.get(CONTACTS)).status_code == 200


async def test_nobody_is_told_of_a_limit_that_is_none(edge: Edge) -> None:
    answer = await edge.client.get(CONTACTS)
    assert "ratelimit" not in answer.headers
    assert "ratelimit-policy" not in answer.headers


async def test_an_answer_from_memory_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_house(tmp_path, adapters={"memory": emulated()["memory"]}, rate_limit=8) as house:
        contacts = f"/v1/connections/{await house.connect('memory')}/contacts"
        asker = Listening(house, await house.polder.create_key(tenant="acme", name="asker", scopes=["*"]), monkeypatch)
        told = [await asker.get(contacts) for _ in range(8)]
        assert [one.status for one in told] == [200] * 8
        assert told[-1].performed == 0, "it is memory that answers"
        assert [one.header("ratelimit") for one in told] == [
            f'"default";r={8 - n};t={-(-15 * n // 2)}' for n in range(1, 9)
        ]
        refused = await asker.get(contacts)
        assert (refused.status, refused.header("retry-after"), refused.performed) == (429, "8", 0)


async def test_each_key_has_a_limit_of_its_own() -> None:
    edge = await limited(1)
    other = client_of(edge.app, {"authorization": f"Bearer {await edge.another_key()}"})
    assert (await edge.client.get(CONTACTS)).status_code == 200
    assert (await edge.client.get(CONTACTS)).status_code == 429
    assert (await other.get(CONTACTS)).status_code == 200
