"""What callers do in a world: each has a record's life to lead, and asks until it is told how each step ended.

What they hear is held against what they were told before, and in the end against the system's own books.
"""

import asyncio
import re
import sqlite3
from collections import Counter
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any

import httpx2

from gateway.contract.exact import dumps, loads
from gateway.engine.records import id_changes
from tests.chaos.wishes import Administration, What, Wish, contact, mark_of
from tests.conformance.subjects import facts_of
from tests.house import PUBLIC_URL
from tests.simulation.errands import Errand, Kept, Seen
from tests.simulation.world import ZOMBIE_TIME, Died, Door, Left, World

Json = dict[str, Any]

TRIES_OF_READS = id_changes.TRIES
TRIES = 80
QUIET = 2.5 * ZOMBIE_TIME
"""Seconds after which nothing may be left open, once nothing goes wrong any more."""
LONGEST = 400.0
"""Seconds in which every caller must have come to an end."""
_MARK = re.compile(r"W\d{6}X")
_WORDS = {"contacts": ("company_name",), "products": ("name",), "invoices": ("reference", "description", "notes")}
"""Fields that hold the words by which a version of a record is known."""


class Story:
    """Callers of one connection, and what they know."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.errands: list[Errand] = []
        self.kept: dict[tuple[str, str], Kept] = {}
        self.strangers: set[tuple[str, str]] = set()
        """Resource and id of records that a list told of, and that nobody knew then."""
        self._number = self._asked = self._moves = 0
        self._client = httpx2.AsyncClient(
            transport=Door(world), base_url=PUBLIC_URL, headers={"authorization": f"Bearer {world.key}"}, timeout=None
        )

    async def run(self) -> None:
        """All of it, with what is wrong written down in the world."""
        world = self.world
        for _ in range(world.plan.processes):
            await world.start()
        await self._connect()
        world.peaceful = False
        lives = [self._of_a_contact(), self._of_a_product(), self._of_a_sale(), self._of_a_sale()]
        lives += [self._of_rivals("contacts"), self._of_rivals("products")]
        ends = asyncio.gather(*(self._begun(life) for life in lives))
        reading = [asyncio.create_task(self._reads(ends)) for _ in range(2)]
        upheaval = asyncio.create_task(self._upheaval(ends))
        try:
            async with asyncio.timeout(LONGEST):
                await ends
                await asyncio.gather(upheaval, *reading)
        except TimeoutError:
            open_yet = [one.key for one in self.errands if not one.end]
            world.promise(False, f"somebody waits for ever: {open_yet}")
            return
        world.peaceful = True
        await asyncio.sleep(QUIET)
        await self._judge()
        await self._client.aclose()
        for process in world.processes:
            if process.serves:
                await world.stop(process)

    # --- lives

    async def _begun(self, life: Coroutine[Any, Any, None]) -> None:
        await asyncio.sleep(self.world.dice.choice([0.0, self.world.dice.uniform(0, 2)]))
        await life

    async def _of_a_contact(self) -> None:
        made = await self._make("contacts", ref=True)
        if made is not None:
            await self._change(made, 2)

    async def _of_a_product(self) -> None:
        made = await self._make("products", ref=True)
        if made is None:
            return
        await self._change(made, 2)
        if not made.lost and await self._delete(made) and made.ref is not None:
            again = await self._make("products", ref=made.ref)
            self.world.promise(again is not None, "a reference is not free, though its record was deleted")

    async def _of_a_sale(self) -> None:
        made = await self._make("invoices", ref=True)
        if made is None:
            return
        if self._can("invoices.finalize"):
            await self._change(made, 2)
            if made.lost or not await self._end(made, self._errand(made, "invoices.finalize", "POST", "/finalize")):
                return
        if self.world.dice.random() < 0.5:
            origin = Wish(0, "invoices", "", "", None, ids={made.id})
            body = self.books.body("payments", made.mark, origin)
            paid = Errand("payments.create", "POST", "payments", self._key(), body, "payments", 1)
            await self._end(made, paid)
        else:
            note = self._errand(made, "invoices.credit", "POST", "/credit")
            note.body = {"number": mark_of(self._next())} if self.books.facts.numbered else {}
            note.group, note.counts = made.mark, 1
            await self._end(made, note)

    async def _of_rivals(self, resource: What) -> None:
        """Two who want records of one reference: one gets it."""
        if not self.books.holds(resource, "external_ref"):
            return
        ref = f"rivals-{resource}"
        made = await asyncio.gather(*(self._make(resource, ref=ref, rival=True) for _ in range(2)))
        # Who was in doubt for a while may have lost it meanwhile, and is told so.
        named = [one for one in made if one is not None and one.ref is not None]
        self.world.promise(len(named) <= 1, f"two {resource} have one reference")

    async def _make(self, resource: What, ref: str | bool = False, *, rival: bool = False) -> Kept | None:
        """Have a record made; None where that came to nothing."""
        mark = mark_of(self._next())
        body = dict(self.books.body(resource, mark, None) or {})
        if resource == "invoices" and self._can("invoices.finalize"):
            body["finalize"] = False
        given = ref if isinstance(ref, str) else f"ref-{mark[1:-1]}" if ref else None
        if given is not None and self.books.holds(resource, "external_ref"):
            body["external_ref"] = given
        errand = Errand(f"{resource}.create", "POST", resource, self._key(), body, mark, 1)
        await self._ask_for(errand)
        if errand.end != "done":
            refused = errand.end == "refused" and rival
            self.world.promise(refused or errand.end == "manual", f"{errand.key} is refused: {errand.told[-1]}")
            return None
        return self.kept[resource, errand.id]

    async def _change(self, kept: Kept, times: int) -> None:
        if not self._can(f"{kept.resource}.update"):
            return
        words = next((one for one in _WORDS[kept.resource] if self.books.holds(kept.resource, one)), None)
        for version in range(1, times + 1):
            if kept.lost or words is None:
                return
            kept.begun = version
            errand = self._errand(kept, f"{kept.resource}.update", "PATCH", "")
            errand.body, errand.version = {words: f"Wens {kept.mark} v{version}"}, version
            # A colleague writes the same at the same time. What is carried out late could undo a later version.
            several = self.world.plan.faults == 0 and self.world.dice.random() < 0.5
            colleague = [replace(errand, key=self._key(), told=[])] if several else []
            if all(await asyncio.gather(*(self._end(kept, one) for one in [errand, *colleague]))):
                kept.told = version

    async def _delete(self, kept: Kept) -> bool:
        if not self._can(f"{kept.resource}.delete"):
            return False
        kept.going = True
        errand = self._errand(kept, f"{kept.resource}.delete", "DELETE", "")
        errand.group, errand.counts = kept.mark, -1
        kept.gone = await self._end(kept, errand)
        return kept.gone

    async def _end(self, kept: Kept, errand: Errand) -> bool:
        """Do something to a record; whether it was done."""
        self._moves += 1
        await self._ask_for(errand)
        self._moves += 1
        kept.lost = kept.lost or errand.end != "done"
        refused = errand.end == "refused"
        self.world.promise(not refused, f"{errand.key} {errand.operation} is refused: {errand.told[-1]}")
        return errand.end == "done"

    # --- asking

    async def _ask_for(self, errand: Errand) -> None:
        """Ask until there is an end; now and then two ask at once."""
        self.errands.append(errand)
        callers = 2 if self.world.dice.random() < 0.3 else 1
        await asyncio.gather(*(self._keep_asking(errand) for _ in range(callers)))

    async def _keep_asking(self, errand: Errand) -> None:
        for attempt in range(TRIES):
            if errand.end in ("refused", "manual"):
                return
            wait = await self._once(errand)
            if wait is None:
                return
            await asyncio.sleep(max(wait, self.world.dice.uniform(0, min(2**attempt, 20))))
        self.world.promise(False, f"{errand.key} {errand.operation} never ends: {errand.told[-1]}")
        errand.end = errand.end or "manual"

    async def _once(self, errand: Errand) -> float | None:
        """Ask once: None where that was the end, else how long to wait."""
        answer = await self._ask(errand.method, errand.path, errand.body, errand.key)
        if answer is None:
            errand.told.append("nothing")
            return 0.0
        errand.told.append(f"{answer.status_code} {answer.text[:400]}")
        if answer.status_code < 400:
            await self._done(errand, answer)
            return None
        problem = loads(answer.content)
        if problem.get("state") == "manual":
            errand.end = errand.end or "manual"
            return None
        if problem["retryable"] or problem.get("retry_after") or problem.get("outcome") == "unknown":
            return float(problem.get("retry_after") or 0)
        self.world.promise(errand.end != "done", f"{errand.key} was done, and is refused: {answer.text}")
        errand.end = errand.end or "refused"
        return None

    async def _done(self, errand: Errand, answer: httpx2.Response) -> None:
        """What was told as done: the very next read shows it."""
        body = loads(answer.content) if answer.content else {}
        first = not errand.id
        id = str(body.get("id", ""))
        self.world.promise(first or id == errand.id, f"{errand.key} is told of {errand.id}, and then of {id}")
        errand.end, errand.id = "done", id
        resource, _, verb = errand.operation.partition(".")
        if resource == "payments" or not first:
            return
        if verb in ("create", "credit"):
            # A credit note says whatever its invoice said.
            self.kept[resource, id] = Kept(resource, id, errand.group if verb == "create" else "")
            self.kept[resource, id].ref = body.get("external_ref")
        if verb != "delete":
            await self._see(self.kept[resource, id], errand.version)

    async def _see(self, kept: Kept, version: int) -> None:
        """Read a record of which that version is told, at any process."""
        answer = await self._ask("GET", f"{kept.resource}/{kept.id}")
        if answer is None or answer.status_code >= 500 or answer.status_code in (424, 429) or kept.going:
            return
        if answer.status_code != 200:
            self.world.promise(False, f"{kept.resource} {kept.id} was told, and the next read is: {answer.text[:300]}")
            return
        self._compare(kept, loads(answer.content), replace(kept.seen(), version=version))

    def _compare(self, kept: Kept, record: Json, told: Seen) -> None:
        """A record is as it was told at least, and no newer than anybody asked for."""
        self.world.promise(str(record["id"]) == kept.id, f"{kept.id} is told as {record['id']}")
        seen = re.search(rf"{kept.mark} v(\d)", dumps(record).decode()) if kept.mark else None
        number = 0 if seen is None else int(seen[1])
        if seen is not None or kept.resource != "invoices":  # a list of invoices may lack these words
            late = f"{kept.resource} {kept.id} is told at version {number}, after {told.version} was told"
            self.world.promise(number >= told.version, late)
            early = f"{kept.resource} {kept.id} is told at version {number}, and only {kept.begun} was asked for"
            self.world.promise(number <= kept.begun, early)
        if told.ref is not None and not kept.going:
            ref = record.get("external_ref")
            self.world.promise(ref == told.ref, f"{kept.resource} {kept.id} has the reference {ref}, not {told.ref}")

    async def _reads(self, ends: "asyncio.Future[Any]") -> None:
        """Read records and lists for as long as anybody writes."""
        dice = self.world.dice
        while not ends.done():
            await asyncio.sleep(dice.choice([0.0, dice.uniform(0, 1.5)]))
            fresh = {"cache-control": "no-cache"} if dice.random() < 0.3 else {}
            if self.kept and dice.random() < 0.5:
                await self._read_one(dice.choice(list(self.kept.values())), fresh)
            else:
                await self._read_all(dice.choice(["contacts", "products", "invoices"]), fresh)

    async def _read_one(self, kept: Kept, fresh: Mapping[str, str]) -> None:
        told, moves = kept.seen(), self._moves
        answer = await self._ask("GET", f"{kept.resource}/{kept.id}", headers=fresh)
        if answer is None:
            return
        if answer.status_code == 200:
            self.world.promise(not told.gone, f"{kept.resource} {kept.id} was deleted, and is read")
            self._compare(kept, loads(answer.content), told)
        elif answer.status_code == 404:
            excused = kept.going or kept.lost or self._moved_on(kept.resource, moves)
            self.world.promise(excused, f"{kept.resource} {kept.id} is there, and is told as gone: {answer.text[:300]}")

    async def _read_all(self, resource: str, fresh: Mapping[str, str]) -> None:
        """A list has each record once, under the id that was told, and none that was deleted."""
        known, moves = [(one, one.seen()) for one in self.kept.values() if one.resource == resource], self._moves
        answer = await self._ask("GET", f"{resource}?limit=200", headers=fresh)
        if answer is None or answer.status_code != 200:
            return
        page = loads(answer.content)
        rows = {str(row["id"]): row for row in page["data"]}
        self.world.promise(len(rows) == len(page["data"]), f"a list of {resource} has a record twice")
        for kept, told in known:
            if kept.id not in rows:
                excused = kept.going or kept.lost or page["next_cursor"] is not None or self._moved_on(resource, moves)
                self.world.promise(excused, f"{resource} {kept.id} is there, and is not in the list")
            else:
                self.world.promise(not told.gone, f"{resource} {kept.id} was deleted, and is in the list")
                self._compare(kept, rows[kept.id], told)
        if not self._moved_on(resource, moves):
            self.strangers |= {(resource, id) for id in rows} - self.kept.keys() - self._before

    def _moved_on(self, resource: str, moves: int) -> bool:
        """Whether records got new ids all the while: what is read again is read three times at most.

        And a new id that only a lost answer told is known to nobody.
        """
        lost_sight = self._moves - moves >= TRIES_OF_READS or self.world.faults > 0
        return self.world.adapter.resources[resource].changes_ids and lost_sight

    async def _upheaval(self, ends: "asyncio.Future[Any]") -> None:
        """Now and then a process stops in good order, and twice all tokens run out: who refuses more is believed."""
        dice, expired = self.world.dice, 0
        while not ends.done():
            await asyncio.sleep(dice.uniform(1, 10))
            drawn = dice.random()
            if drawn < 0.2 and expired < 2:
                expired += 1
                self.world.note("", "tokens expire")
                self.world.emulator.expire_tokens()
            elif drawn < 0.3 and self.world.plan.deadly:
                await self.world.stop(await self.world.somebody())

    async def _ask(
        self,
        method: str,
        path: str,
        body: object = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response | None:
        """One request below the connection; None where no answer came."""
        sent = {**(headers or {}), **({} if key is None else {"idempotency-key": key})}
        if body is not None:
            sent["content-type"] = "application/json"
        self._asked += 1
        who = f"{key or 'r'}.{self._asked}"
        self.world.note(who, f"-> {method} {path}")
        try:
            answer = await self._client.request(
                method, f"{self._place}/{path}", content=None if body is None else dumps(body), headers=sent
            )
        except (Died, Left) as error:
            self.world.note(who, f"<- {error}")
            return None
        self.world.note(who, f"<- {answer.status_code} {answer.headers.get('cache-status', '')}")
        text = answer.text[:600] if answer.status_code >= 500 else ""
        fault_of_ours = answer.status_code == 500 or "internal" in text
        self.world.promise(not fault_of_ours, f"{method} {path}: {text}")
        return answer

    # --- what there is

    async def _connect(self) -> None:
        """A connection, and what those who write must name."""
        emulator, facts = self.world.emulator, facts_of(self.world.adapter.name)
        credentials = dict(emulator.credentials() if facts.exchange is None else facts.exchange(emulator))
        body: Json = {"provider": self.world.adapter.name, "name": "simulated", "credentials": credentials}
        answer = await self._client.post("/v1/connections", json=body)
        if answer.status_code == 422:
            body["company_id"] = next(one["id"] for one in answer.json()["companies"] if one["accessible"])
            answer = await self._client.post("/v1/connections", json=body)
        assert answer.status_code == 201, answer.text
        self._place = f"/v1/connections/{answer.json()['id']}"
        told = (await self._client.get(f"{self._place}/capabilities")).json()["operations"]
        self._native = {name for name, one in told.items() if one["support"] == "native"}
        codes, accounts, methods = [
            (await self._client.get(f"{self._place}/{what}?limit=200")).json()["data"]
            for what in ("vat-codes", "ledger-accounts", "payment-methods")
        ]
        sold = [code for code in codes if code["treatment"] == "domestic_high" and code["direction"] != "purchase"]
        customer = await self._client.post(f"{self._place}/contacts", json=contact("Vaste klant"))
        assert customer.status_code == 201, customer.text
        self.books = Administration(
            self.world.adapter,
            facts,
            vat_code=next(code["id"] for code in sold if code["valid_to"] is None),
            account=next((one for one in accounts if one["type"] == "revenue"), accounts[0])["id"],
            contact=customer.json()["id"],
            method=methods[0]["id"],
        )
        self._before = frozenset(
            [
                (what, str(row["id"]))
                for what in ("contacts", "products", "invoices")
                for row in (await self._client.get(f"{self._place}/{what}?limit=200")).json()["data"]
            ]
        )
        self._paid_before = len(emulator.books()["payments"])

    def _can(self, operation: str) -> bool:
        return operation in self._native

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _key(self) -> str:
        return f"k{self._next()}"

    def _errand(self, kept: Kept, operation: str, method: str, below: str) -> Errand:
        return Errand(operation, method, f"{kept.resource}/{kept.id}{below}", self._key())

    # --- the end

    async def _judge(self) -> None:
        """Hold what was told against what is there, now that nothing is under way."""
        for errand in self.errands:
            await self._judge_errand(errand)
        self._judge_books()
        for kept in self.kept.values():
            if not kept.lost:
                await self._judge_kept(kept)
        for resource, id in sorted(self.strangers - self.kept.keys()):
            if not any(one.end == "manual" for one in self.errands):
                answer = await self._ask("GET", f"{resource}/{id}")
                found = answer is not None and answer.status_code == 200
                self.world.promise(found, f"a list told of {resource} {id}, which nobody knows")
        self._judge_left()

    async def _judge_errand(self, errand: Errand) -> None:
        answer = await self._ask("GET", f"operations/{errand.key}")
        assert answer is not None
        state = loads(answer.content)["state"] if answer.status_code == 200 else "forgotten"
        allowed = {"done": {"applied"}, "manual": {"manual"}, "refused": {"rejected", "forgotten", "not_executed"}}
        later = self.errands[self.errands.index(errand) + 1 :]
        overwritten = self.world.store_failed and any(errand.record in one.path for one in later)
        told = f"{errand.key} {errand.operation} was {errand.end}, and is {state}: {errand.told[-1]}"
        # What was told and could not be written down is looked for, and may be gone by then.
        self.world.promise(state in allowed[errand.end] or (errand.end == "done" and overwritten), told)

    def _judge_books(self) -> None:
        """As many records as were told, and no more than may have been made besides."""
        books = self.world.emulator.books()
        found: Counter[str] = Counter(payments=len(books["payments"]) - self._paid_before)
        for resource in ("contacts", "products", "invoices"):
            for row in books[resource]:
                found.update(set(_MARK.findall(dumps(row).decode())))
        for group in sorted({one.group for one in self.errands if one.group}):
            own = [one for one in self.errands if one.group == group]
            sure = sum(one.counts for one in own if one.end == "done")
            doubtful = [one.counts for one in own if one.end == "manual"]
            least, most = sure + sum(one for one in doubtful if one < 0), sure + sum(one for one in doubtful if one > 0)
            told = f"{found[group]} in the books for {group}, and {least} to {most} were told"
            self.world.promise(least <= found[group] <= most, told)

    async def _judge_kept(self, kept: Kept) -> None:
        answer = await self._ask("GET", f"{kept.resource}/{kept.id}", headers={"cache-control": "no-cache"})
        assert answer is not None
        wanted = 404 if kept.gone else 200
        self.world.promise(answer.status_code == wanted, f"{kept.resource} {kept.id}, {wanted}: {answer.text[:300]}")
        if answer.status_code == 200 == wanted:
            self._compare(kept, loads(answer.content), kept.seen())
        if kept.ref is not None and not kept.gone:
            found = await self._ask("GET", f"{kept.resource}?external_ref={kept.ref}")
            assert found is not None
            ids = [row["id"] for row in loads(found.content)["data"]]
            self.world.promise(ids == [kept.id], f"{kept.ref} finds {ids}, and not {kept.id}")

    def _judge_left(self) -> None:
        """Nothing is left open, neither in the store nor in any process."""
        store = sqlite3.connect(self.world.home / "polder.db")
        died = any(not one.alive for one in self.world.processes)
        for what, query in _LEFT.items():
            left = store.execute(query).fetchall()
            # A claim that a dead process or a failing store left holds nobody up: who wants its value takes it over.
            excused = what == "claims" and (died or self.world.store_failed)
            self.world.promise(not left or excused, f"left open, {what}: {left}")
        store.close()
        for process in self.world.processes:
            if process.serves:
                engine = process.polder.engine
                strain = engine.strain()[self.world.adapter.name]
                left = [strain.inside, strain.waiting, len(engine._shielded._tasks), len(engine._books._claims)]
                self.world.promise(not any(left), f"{process.name} still has under way: {left}")
        self.world.promise(not self.world.loop.stumbled, f"somebody stumbled: {self.world.loop.stumbled}")


_LEFT = {
    "attempts": "SELECT operation, key, state FROM attempts WHERE state IN ('claimed', 'sending', 'unknown')",
    "refreshes": "SELECT connection_id FROM intents",
    "claims": "SELECT resource, record_id, value FROM links WHERE record_id LIKE 'claim:%' AND field = 'creation_key'",
}
