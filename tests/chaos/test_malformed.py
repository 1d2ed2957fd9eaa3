"""A short run of ``tests.chaos.malformed``, and that it would see what it looks for."""

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from adapters.memory.mapping import products
from gateway.contract.adapter import Record
from gateway.contract.errors import Problem
from gateway.contract.exact import dumps, is_text, loads
from gateway.contract.models import Product
from tests.chaos.broken_wire import exchanged
from tests.chaos.malformed import (
    SYSTEMS,
    Answer,
    Case,
    Examiner,
    Findings,
    Question,
    Verdict,
    changes_of,
    examine,
    examining,
)
from tests.chaos.mutations import Mutation, mutated, places, with_value


@pytest.mark.parametrize("provider", SYSTEMS)
async def test_an_answer_that_makes_no_sense_is_told_or_harms_nothing(provider: str) -> None:
    findings = await examine(provider, 40, seed=11)
    assert (findings.cases, findings.examples) == (40, [])


@pytest.mark.parametrize("provider", SYSTEMS)
async def test_a_name_that_is_no_text_makes_nonsense_of_an_answer(provider: str) -> None:
    async with examining(provider, 0, Findings(provider)) as examiner:
        for question in examiner.questions:
            for at, said in (await _answers(examiner, question)).items():
                head, found, tail = said.rpartition(b'{"')
                examiner.spoiler.prepare(at, Mutation("a name", head + b'{"\xff\xfe":1,"' + tail))
                assert not found or (await examiner.ask(question)).status_code == 502, (question, at)


@pytest.mark.parametrize("provider", SYSTEMS)
async def test_nonsense_is_not_remembered_for_long(provider: str) -> None:
    async with examining(provider, 0, Findings(provider)) as examiner:
        for question in examiner.questions:
            for at in await _answers(examiner, question):
                examiner.spoiler.prepare(at, Mutation("a list of an empty record", b"[{}]"))
                if (await examiner.ask(question)).status_code == 502:
                    examiner.spoiler.prepare()
                    examiner.subject.house.clock.advance(10)
                    assert (await examiner.ask_again(question)).status_code == 200, (question, at)


async def _answers(examiner: Examiner, question: Question) -> dict[Answer, bytes]:
    """What the system says when all is well."""
    examiner.spoiler.prepare()
    assert (await examiner.ask(question)).status_code == 200
    return examiner.spoiler.answers


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


@pytest.mark.parametrize("provider", SYSTEMS)
async def test_a_record_that_cannot_be_read_is_not_written_back(provider: str) -> None:
    async with examining(provider, 0, Findings(provider)) as examiner:
        refused = 0
        for change in changes_of(examiner.subject):
            case = await examiner.case(await examiner.with_its_own_record(change), 0)
            read = Question("read", "GET", case.question.path)
            if case.at not in await _answers(examiner, read):
                continue
            said, written = loads(case.said), len(examiner.spoiler.emulator.journal)
            for place in list(places(said))[::3]:
                wrong = Mutation("no value", dumps(with_value(said, place, {"x": [1]})), place=place)
                examiner.spoiler.prepare(case.at, wrong)
                if (await examiner.ask(read)).status_code == 502:
                    refused += 1
                    examiner.spoiler.prepare(case.at, wrong)
                    await examiner.ask(case.question)
            sent = examiner.spoiler.emulator.journal[written:]
            assert not any(b'{"x":[1]}' in seen.body for seen in sent), change
        assert refused > 0


async def test_what_follows_from_a_place_is_learned_from_records_that_nonsense_did_not_change() -> None:
    async with examining("thenextinvoice", 0, Findings("thenextinvoice")) as examiner:
        change = next(one for one in changes_of(examiner.subject) if one.name == "invoices.update")
        own = await examiner.with_its_own_record(change)
        read_again = len(await _answers(examiner, own)) - 2
        assert await _judged(examiner, await examiner.case(own, read_again), "quantity", "1e5") is None


async def test_a_record_that_moves_up_for_one_left_out_is_right_only_as_it_stands_further_down() -> None:
    async with examining("snelstart", 0, Findings("snelstart")) as examiner:
        rates = next(one for one in examiner.questions if one.name == "vat-codes.list")
        answers = list((await _answers(examiner, rates)).values())
        case = await examiner.case(rates, next(at for at, said in enumerate(answers) if b"datumVanaf" in said))
        assert await _judged(examiner, case, "btwSoort", "NaN") is None
        below = (await examiner.subject.get("vat-codes", limit="4"))["data"][-1]
        assert await examiner.moved_up(case, f"/data/{below['id']}", below)
        assert not await examiner.moved_up(case, f"/data/{below['id']}", below | {"rate": "21.5"})


async def _judged(examiner: Examiner, case: Case, member: str, value: str) -> Verdict | None:
    """What is wrong with the answer to a value in the last such place of the system's."""
    said = loads(case.said)
    place = [place for place in places(said) if place[-1] == member][-1]
    mutation = Mutation("a strange value", dumps(with_value(said, place, value)), place=place, value=value)
    return await examiner.judged(case, mutation)


def test_a_seed_gives_the_same_mutations() -> None:
    body = b'{"id":"1","lines":[{"price":"1.20","tax":21}]}'
    once, again = ([mutated(body, dice) for _ in range(200)] for dice in (Random(4), Random(4)))
    assert once == again
    assert {one.body for one in once} != {body}


def test_a_byte_that_is_no_text_makes_none_of_a_letter_of_two() -> None:
    spoiled = [mutated('"üüüü"'.encode(), Random(seed)) for seed in range(400)]
    texts = [one.body for one in spoiled if one.what == "a byte that is no text"]
    assert len(texts) > 20
    assert not any(is_text(text) for text in texts)


async def test_an_answer_that_is_broken_as_http_is_whole_and_right_or_none() -> None:
    seen = await exchanged(100, seed=6)
    assert seen.wrong == []
    assert min(seen.answered["answered"], seen.answered["Unanswered"]) > 0
