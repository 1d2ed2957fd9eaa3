"""Answers that make no sense: each must end in a 502, or in an answer that is right in all that was not touched.

One answer of an emulator is spoiled in one place, and Polder's answer is laid beside the one it gives when nothing is
spoiled. What differs must follow from that place. What follows from a place is not written down anywhere: it is
learned, by putting other *sensible* values there and looking what changes.
"""

import asyncio
import math
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, redirect_stderr
from dataclasses import dataclass, field, replace
from io import BytesIO, TextIOWrapper
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

import httpx2

from gateway.contract.emulator import Emulator, Message, Receive, ReceivedRequest, Send
from gateway.contract.exact import dumps, loads
from tests.chaos.broken_wire import Seen as Exchanges
from tests.chaos.broken_wire import exchanged
from tests.chaos.comparing import aligned, differences, is_explained, is_said, is_sensible
from tests.chaos.mutations import Json, Mutation, Place, mutated, places, probes, value_at, with_value
from tests.chaos.processes import end_with_parent
from tests.chaos.report import Parameters, Report, Row, cores, progress
from tests.conformance.subject import Subject, open_subject
from tests.house import emulated

SYSTEMS = ("memory", "rompslomp", "snelstart", "thenextinvoice")
BATCH = 500
"""Cases that share a house. Whoever is asked again and again learns, keeps and forgets things."""
EXAMPLES = 20
CHANGES = 0.2
"""The share of houses in which records are changed, and not only read."""
MOST_PROBED = 40
PAGE, WHOLE = "limit=3", "limit=200"
MEANT: Mapping[str, frozenset[str]] = {
    "memory": frozenset(),
    # A line without a VAT type is in a VAT group of its own; access that is null is none, and who is null as a supplier
    # is a customer (the vendor's schema has both).
    "rompslomp": frozenset({"vat_type_id", "access_control", "api_accessible", "is_supplier"}),
    # An entry without sales lines is no payment, one without VAT rows has none (dossier 3.3: "may be [] or absent"); a
    # journal without a name is called by its number.
    "snelstart": frozenset({"verkoopboekingBoekingsRegels", "btw", "omschrijving"}),
    # Nothing is the type of an ordinary invoice (documentation: "" regular, "C" credit), be its amounts below zero.
    "thenextinvoice": frozenset({"type"}),
}
"""Members whose absence means something of its own, by system."""
LEFT_OPEN: Mapping[str, frozenset[str]] = {"thenextinvoice": frozenset({"state"})}
"""Members that leave it to another one what an undocumented word of theirs means: a reminded invoice is not paid, as
that other one says.
"""
MOMENT = "/updated_at"
"""Of a record that was changed: when that was, which is later where a read was repeated first."""
COUNTS = ("/total_count", "/next_cursor")
"""What follows where a record is none any more: a journal of another kind is no way to pay."""
REFUSED = 502
UNSURE = 504
"""How a write may end whose answer broke off: nobody knows what became of it."""


@dataclass(frozen=True, slots=True)
class Question:
    """Something that Polder is asked."""

    name: str
    method: str
    path: str
    body: Json = None


class Answer(NamedTuple):
    """Which answer of a conversation: by what was asked, since what is asked at once is answered in any order, and how
    often it was asked before.
    """

    method: str
    path: str
    query: str
    before: int


@dataclass(slots=True)
class Spoiler:
    """Stands before an emulator, keeps what it answers, and puts another answer in the place of one of them."""

    emulator: Emulator
    answers: dict[Answer, bytes] = field(default_factory=dict)
    at: Answer | None = None
    instead: Mutation | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        start: Message = {}
        body = bytearray()

        async def kept(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))

        await self.emulator(scope, receive, kept)
        seen = self.emulator.journal[-1]
        said, headers = bytes(body), list(start["headers"])
        if not self.emulator.is_token_request(seen):
            answer = self._next(seen)
            self.answers[answer] = said
            if self.instead is not None and answer == self.at:
                said, headers = self.instead.body, _headers(headers, self.instead)
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": said})

    def _next(self, seen: ReceivedRequest) -> Answer:
        asked = (seen.method, seen.path, seen.query)
        return Answer(*asked, sum(one[:3] == asked for one in self.answers))

    def prepare(self, at: Answer | None = None, instead: Mutation | None = None) -> None:
        """From now on count answers anew."""
        self.answers, self.at, self.instead = {}, at, instead


def _headers(headers: Iterable[tuple[bytes, bytes]], mutation: Mutation) -> list[tuple[bytes, bytes]]:
    said = {name.lower(): value for name, value in headers}
    said |= {name.encode(): value.encode() for name, value in mutation.headers.items()}
    return [*(said | {b"content-length": str(len(mutation.body)).encode()}).items()]


@dataclass(frozen=True, slots=True)
class Case:
    """A question, which of the system's answers is spoiled and what it says, and what Polder answers otherwise."""

    question: Question
    at: Answer
    said: bytes
    told: Json
    number: int
    """How many answers came before it: of the same change of another record it is that one again."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with an answer."""

    kind: Literal["crashes", "altered", "other"]
    why: str


@dataclass
class Findings:
    """What came of the cases of one system. ``other`` is what was neither right nor a 502."""

    provider: str
    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, more: "Findings") -> None:
        """Those of another house of the same system."""
        self.cases += more.cases
        self.seconds += more.seconds
        self.statuses += more.statuses
        self.kinds += more.kinds
        self.operations += more.operations
        self.broken += more.broken
        self.examples = [*self.examples, *more.examples][:EXAMPLES]

    def note(self, case: Case, mutation: Mutation, status: int, verdict: Verdict | None) -> None:
        """One more."""
        self.cases += 1
        self.statuses[status] += 1
        self.kinds[mutation.what] += 1
        self.operations[case.question.name] += 1
        if verdict is not None:
            self.broken[verdict.kind] += 1
            if len(self.examples) < EXAMPLES:
                self.examples.append(
                    f"{case.question.name}, answer {case.number}, {mutation.what} at {mutation.place} "
                    f"({mutation.value!r:.60}): {verdict.why}"
                )


@dataclass
class Examiner:
    """Puts one question after another to one house."""

    subject: Subject
    spoiler: Spoiler
    dice: Random
    findings: Findings
    questions: list[Question]
    _follows: dict[tuple[str, Answer | int, Place], frozenset[str]] = field(default_factory=dict)
    _asked: int = 0

    async def ask(self, question: Question) -> httpx2.Response:
        """The answer, with nothing remembered; a write has a key of its own."""
        await self._forget()
        return await self.ask_again(question)

    async def ask_again(self, question: Question) -> httpx2.Response:
        """The answer of one who may remember slow-changing facts."""
        self._asked += 1
        headers = {"cache-control": "no-cache"} | (
            {} if question.method == "GET" else {"idempotency-key": f"malformed-{self._asked}"}
        )
        return await self.subject.ask(question.method, question.path, body=question.body, headers=headers)

    async def _forget(self) -> None:
        """Ask for everything anew: a fact that was read as nonsense is believed for a while."""
        await self.subject.house.polder.generations.end(self.subject.connection, "answers", "facts")

    async def examine(self) -> None:
        """One case."""
        await self._forget()
        question = self.dice.choice(self.questions)
        if question.method != "GET":
            question = await self.with_its_own_record(question)
        case = await self.case(question)
        await self.judged(case, mutated(case.said, self.dice))

    async def judged(self, case: Case, mutation: Mutation) -> Verdict | None:
        """What is wrong with the answer to a spoiled one; it is noted."""
        self.spoiler.prepare(case.at, mutation)
        answer = await self.ask(case.question)
        wrong = await self._wrong_with(case, mutation, answer)
        self.spoiler.prepare()
        self.findings.note(case, mutation, answer.status_code, wrong)
        return wrong

    async def case(self, question: Question, number: int | None = None) -> Case:
        """A question with nothing spoiled, and the answer of the system's that came after so many, or any."""
        self.spoiler.prepare()
        told = await self.ask(question)
        assert told.status_code == 200, f"{question}: {told.status_code} {told.text}"
        answers = list(self.spoiler.answers.items())
        number = self.dice.randrange(len(answers)) if number is None else number
        return Case(question, *answers[number], loads(told.content), number)

    async def with_its_own_record(self, question: Question) -> Question:
        """A change of a record that no other case has changed: one that was read as nonsense is written as nonsense."""
        resource = question.path.partition("/")[0]
        made = await self.subject.make(resource)
        question = replace(question, path=f"{resource}/{made['id']}")
        await self.ask(question)
        return question

    async def _wrong_with(self, case: Case, mutation: Mutation, answer: httpx2.Response) -> Verdict | None:
        """What is wrong with an answer; None where it is as promised."""
        if answer.status_code == 500:
            return Verdict("crashes", answer.text)
        if answer.status_code == 200:
            return await self._altered(case, mutation, loads(answer.content))
        if answer.status_code == REFUSED or (case.question.method != "GET" and answer.status_code == UNSURE):
            return None
        # A system that does not know an id any more, or refuses what it said itself, may say so.
        if self._is_meant(mutation):
            return None
        if mutation.place is not None and str(answer.status_code) in await self._what_follows(case, mutation.place):
            return None
        if case.question.method != "GET" and answer.json().get("upstream") is not None:
            return None
        return Verdict("other", f"{answer.status_code} {answer.text[:300]}")

    async def _altered(self, case: Case, mutation: Mutation, answer: Json) -> Verdict | None:
        compared = differences(*aligned(case.told, answer, mutation.place))
        different = [one for one in compared if not is_explained(one[2], mutation)]
        if case.question.method != "GET":
            different = [one for one in different if one[0] != MOMENT]
        if not different or self._is_meant(mutation):
            return None
        if mutation.place is None:
            return Verdict("altered", f"{mutation.what} is taken for data: {different}")
        follows = await self._what_follows(case, mutation.place)
        for place, was, now in different:
            if was is None and await self.moved_up(case, place, now):
                continue
            told = f"{place} was {was!r:.60} and is {now!r:.60}"
            if not any(place == one or place.startswith(f"{one}/") or one.startswith(f"{place}/") for one in follows):
                return Verdict("altered", f"{told}, though it does not follow")
            if not (place in COUNTS or is_sensible(case.said, mutation) or is_said(now, case.said)):
                return Verdict("altered", told)
        return None

    async def moved_up(self, case: Case, place: str, now: Json) -> bool:
        """Whether a record stands in a page because another is left out, and is as it is further down."""
        if not (isinstance(now, dict) and place == f"/data/{now.get('id')}"):
            return False
        self.spoiler.prepare()
        whole = await self.ask(replace(case.question, path=case.question.path.replace(PAGE, WHOLE)))
        return now in loads(whole.content)["data"]

    def _is_meant(self, mutation: Mutation) -> bool:
        provider, place = self.findings.provider, mutation.place or ()
        if isinstance(mutation.value, str) and any(name in LEFT_OPEN.get(provider, ()) for name in place):
            return True
        nothing = not str(mutation.value or "").strip()
        return nothing and not MEANT[provider].isdisjoint(place)

    async def _what_follows(self, case: Case, place: Place) -> frozenset[str]:
        """The places of Polder's answer that change with a place of the system's, and the statuses, for other values
        that make sense there.
        """
        key = (case.question.name, case.at if case.question.method == "GET" else case.number, place)
        if key not in self._follows:
            value = value_at(loads(case.said), place)
            inside = [(place, value), *((place + deeper, value_at(value, deeper)) for deeper in places(value))]
            found: set[str] = set()
            for one, was in inside[:MOST_PROBED]:
                for probe in probes(was):
                    found |= await self._probed(await self._fresh(case), one, probe)
            self._follows[key] = frozenset(found)
        return self._follows[key]

    async def _probed(self, case: Case, place: Place, probe: Json) -> set[str]:
        self.spoiler.prepare(case.at, Mutation("a probe", dumps(with_value(loads(case.said), place, probe))))
        answer = await self.ask(case.question)
        if answer.status_code != 200:
            return {str(answer.status_code)}
        return {where for where, _, _ in differences(*aligned(case.told, loads(answer.content), place))}

    async def _fresh(self, case: Case) -> Case:
        """The same case of a record that nobody has changed: a probe is written back as nonsense is."""
        if case.question.method == "GET":
            return case
        return await self.case(await self.with_its_own_record(case.question), case.number)


async def questions_of(subject: Subject) -> list[Question]:
    """Every read that the system offers, and every write that can be done again and again."""
    subject.emulator.populate()
    found = []
    for operation in subject.offered("list", "get"):
        if operation.resource == "company":
            found.append(Question(operation.name, "GET", "company"))
        elif operation.verb == "list":
            further = "&include=lines" if "lines" in operation.includes else ""
            found.append(Question(operation.name, "GET", f"{operation.resource}?{PAGE}{further}"))
        elif not subject.capabilities.get(f"{operation.resource}.list", {"requires": True})["requires"]:
            listed = (await subject.get(operation.resource, limit="1"))["data"]
            found.append(Question(operation.name, "GET", f"{operation.resource}/{listed[0]['id']}"))
    return found


def changes_of(subject: Subject) -> list[Question]:
    """Every change that can be made again and again; ``path`` is the resource's."""
    return [
        Question(f"{resource}.update", "PATCH", resource, subject.news(resource))
        for resource in ("contacts", "products", "invoices")
        if subject.capabilities[f"{resource}.update"]["support"] == "native"
    ]


@asynccontextmanager
async def examining(provider: str, seed: int, findings: Findings) -> AsyncIterator[Examiner]:
    """An examiner of a system, in a house of its own: most ask for reads, and some for changes."""
    spoilers: list[Spoiler] = []

    def between(emulator: Emulator) -> Spoiler:
        spoilers.append(Spoiler(emulator))
        return spoilers[-1]

    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # Every case has its line in the log, and most of them an error's.
        stack.enter_context(redirect_stderr(TextIOWrapper(BytesIO())))
        subject = await stack.enter_async_context(open_subject(emulated()[provider], folder, between=between))
        dice = Random(seed)
        asked = changes_of(subject) if dice.random() < CHANGES else await questions_of(subject)
        yield Examiner(subject, spoilers[0], dice, findings, asked)


async def examine(provider: str, cases: int, seed: int, only: str = "", until: float = math.inf) -> Findings:
    """So many cases of one system in one house, or as many as there is time for before a monotonic time; ``only`` of
    questions whose name begins so.
    """
    began = time.monotonic()
    findings = Findings(provider)
    if began >= until:
        return findings
    async with examining(provider, seed, findings) as examiner:
        examiner.questions = [one for one in examiner.questions if one.name.startswith(only)]
        while findings.cases < cases and time.monotonic() < until:
            await examiner.examine()
    findings.seconds = time.monotonic() - began
    return findings


def _examined(provider: str, cases: int, seed: int, until: float) -> Findings:
    return asyncio.run(examine(provider, cases, seed, until=until))


def _exchanged(count: int, seed: int, until: float) -> Exchanges:
    return asyncio.run(exchanged(count, seed, until))


async def measured(asked: Parameters, report: Report) -> None:
    """All systems, and what is broken as HTTP: in houses, as many at a time as there are processors."""
    cases, exchanges = (12_500, 5_000) if asked.full else (500, 500)
    until = math.inf if asked.until is None else asked.until
    systems = {provider: Findings(provider) for provider in asked.among(SYSTEMS)}
    sockets = Exchanges()
    with ProcessPoolExecutor(cores(), get_context("spawn"), end_with_parent) as pool:
        loop = asyncio.get_running_loop()

        async def house(provider: str, at: int) -> None:
            count = min(BATCH, cases - at)
            found = await loop.run_in_executor(pool, _examined, provider, count, asked.seed + at, until)
            systems[provider].add(found)
            told = ", ".join(f"{name} {one.cases}" for name, one in systems.items())
            progress(f"malformed: {told} of {cases}, {sockets.asked} of {exchanges} exchanges")

        async def exchange(at: int) -> None:
            count = min(BATCH, exchanges - at)
            sockets.add(await loop.run_in_executor(pool, _exchanged, count, asked.seed + at, until))

        await asyncio.gather(
            *(house(provider, at) for at in range(0, cases, BATCH) for provider in systems),
            *(exchange(at) for at in range(0, exchanges, BATCH)),
        )
    for found in systems.values():
        report.add(_row_of(found, cases))
    particulars = {
        "shapes": dict(sockets.shapes),
        "answered": dict(sockets.answered),
        "examples": sockets.wrong[:EXAMPLES],
    }
    bad, cut = len(sockets.wrong), sockets.asked < exchanges
    what, seconds = "answers broken as HTTP", sockets.seconds
    report.add(Row(what, "raw socket", "", sockets.asked, bad, "none", seconds, particulars, cut))


def _row_of(found: Findings, cases: int) -> Row:
    particulars = {
        "broken": dict(found.broken),
        "statuses": {str(status): count for status, count in sorted(found.statuses.items())},
        "mutations": dict(found.kinds),
        "operations": dict(found.operations),
        "examples": found.examples,
    }
    bad, cut = found.broken.total(), found.cases < cases
    what = "answers that make no sense"
    return Row(what, found.provider, "", found.cases, bad, "none", found.seconds, particulars, cut)
