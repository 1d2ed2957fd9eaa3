"""HTTP caching as callers see it (RFC 9110 §13, RFC 9111, RFC 9211)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.contract.errors import Problem
from gateway.engine.call import Answer, Standing
from gateway.engine.reads.cache import CachedAnswer

_MAX_AGE = re.compile(r"max-age=([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Directives:
    """What a request's ``Cache-Control`` accepts: any fresh answer, one of a bounded age, or none that was kept."""

    text: str = ""
    max_age: int | None = None

    @property
    def forwarding(self) -> str:
        """Why a call upstream was made, in ``Cache-Status``'s words."""
        return "miss" if self.max_age is None else "request"

    def accept(self, age: float, *, fresh: bool) -> bool:
        """Whether a kept answer will do."""
        return fresh and (self.max_age is None or age < self.max_age)


def read_directives(headers: Mapping[str, str]) -> Directives:
    """Read ``Cache-Control``; what is not understood is ignored, as RFC 9111 §5.2 says."""
    text = headers.get("cache-control", "").lower()
    if not text:
        return Directives()
    words = [word.strip() for word in text.split(",")]
    if not {"no-cache", "no-store"}.isdisjoint(words):
        return Directives("no-cache", 0)
    for word in words:
        if found := _MAX_AGE.fullmatch(word):
            return Directives(f"max-age={found[1]}", int(found[1]))
    return Directives()


def etag_matches(if_none_match: str | None, etag: str) -> bool:
    """Whether the caller has this body already (``If-None-Match``, weak comparison)."""
    if if_none_match is None or if_none_match == etag:
        return if_none_match is not None
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


def hit(cached: CachedAnswer, now: float) -> str:
    """``Cache-Status`` of an answer that was kept and is fresh."""
    return f"polder; hit; ttl={cached.ttl(now)}"


def hit_elsewhere(cached: CachedAnswer, now: float) -> str:
    """How the ``Cache-Status`` begins of an answer that another node had: the cache nearest to the caller is last."""
    return f"polder-shared; hit; ttl={cached.ttl(now)}, "


def answer_of(
    cached: CachedAnswer, status: str, now: float, *, unchanged: bool, standing: Standing | None = None
) -> Answer:
    """What is kept, as an answer; without its body where that is ``unchanged`` to the caller.

    It tells how old it is, how it was come by (``status``), and how to ask whether it changed.
    """
    headers = {
        "ETag": cached.etag,
        "Age": str(cached.age(now)),
        "Cache-Control": "private, no-cache",
        "Cache-Status": status,
        **{name: value for name, value in cached.headers if name != "Content-Type"},
    }
    if unchanged:
        return Answer(304, b"", None, headers, cached.next_cursor, standing)
    return Answer(200, cached.body, dict(cached.headers)["Content-Type"], headers, cached.next_cursor, standing)


def is_passing(problem: Problem) -> bool:
    """Whether a problem is the system's passing trouble, so that a stale answer is better than none."""
    return problem.kind.fix == "wait" or problem.code == "upstream_malformed"
