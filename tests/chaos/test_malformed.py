"""A short run of ``tests.chaos.malformed``, and that it would see what it looks for."""

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from adapters.memory.mapping import products
from gateway.contract.adapter import Record
from gateway.contract.errors import Problem
from gateway.contract.models import Product
from tests.chaos.broken_wire import exchanged
from tests.chaos.malformed import SYSTEMS, Examiner, Findings, Question, examine, examining
from tests.chaos.mutations import Mutation, mutated


@pytest.mark.parametrize("provider", SYSTEMS)
async def test_an_answer_that_makes_no_sense_is_told_or_harms_nothing(provider: str) -> None:
    findings = await examine(provider, 40, seed=11)
    assert (findings.cases, findings.examples) == (40, [])


@pytest.mark.parametrize("provider", SYSTEMS)
async def test_a_name_that_is_no_text_makes_nonsense_of_an_answer(provider: str) -> None:
    async with examining(provider, 0, Findings(provider)) as examiner:
        for question in examiner.questions:
            for at, said in enumerate(await _answers(examiner, question)):
                head, found, tail = said.rpartition(b'{"')
                examiner.spoiler.prepare(at, Mutation("a name", head + b'{"\xff\xfe":1,"' + tail))
                assert not found or (await examiner.ask(question)).status_code == 502, (question, at)


@pytest.mark.parametrize("provider", SYSTEMS)
async def test_nonsense_is_not_remembered_for_long(provider: str) -> None:
    async with examining(provider, 0, Findings(provider)) as examiner:
        for question in examiner.questions:
            for at in range(len(await _answers(examiner, question))):
                examiner.spoiler.prepare(at, Mutation("a list of an empty record", b"[{}]"))
                if (await examiner.ask(question)).status_code == 502:
                    examiner.spoiler.prepare()
                    examiner.subject.house.clock.advance(10)
                    assert (await examiner.ask_again(question)).status_code == 200, (question, at)


async def _answers(examiner: Examiner, question: Question) -> list[bytes]:
    """What the system says when all is well."""
    examiner.spoiler.prepare()
    assert (await examiner.ask(question)).status_code == 200
    return [said for _, said in examiner.spoiler.answers]


async def test_a_price_that_is_made_up_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    read = products.product_of

    def leniently(raw: Mapping[str, Any]) -> Record[Product]:
        try:
            return read(raw)
        except Problem:
            return read({**raw, "price": "0.00"})

    monkeypatch.setattr(products, "product_of", leniently)
    findings = await examine("memory", 200, seed=3, only="products")
    assert findings.broken["altered"] > 0


def test_a_seed_gives_the_same_mutations() -> None:
    body = b'{"id":"1","lines":[{"price":"1.20","tax":21}]}'
    once, again = ([mutated(body, dice) for _ in range(200)] for dice in (Random(4), Random(4)))
    assert once == again
    assert {one.body for one in once} != {body}


async def test_an_answer_that_is_broken_as_http_is_whole_and_right_or_none() -> None:
    seen = await exchanged(100, seed=6)
    assert seen.wrong == []
    assert min(seen.answered["answered"], seen.answered["Unanswered"]) > 0
