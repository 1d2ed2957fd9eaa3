"""The system's own API through Polder: our credentials and pacing, their words, and no way out of its confines."""

import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import unquote

from gateway.contract.adapter import Adapter
from gateway.contract.errors import Problem, malformed, not_found
from gateway.contract.upstream import Facts, Reply, Request
from gateway.engine.call import Answer, Call
from gateway.engine.generations import Generations
from gateway.engine.inputs import read_raw_query
from gateway.engine.outbound.opener import Opener, facts_of
from gateway.engine.outbound.upstream import BeforeWrite
from gateway.engine.providers import Provider
from gateway.engine.reads.reading import disposition
from gateway.engine.storage import StoredConnection
from gateway.engine.writes.dry_run import dry_answer, dry_run_of_raw, language_of
from gateway.engine.writes.idempotency import Idempotency

_SEGMENT = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@-]{1,200}")
_HANDED_ON = ("content-type", "accept")
HANDED_BACK = ("etag", "last-modified", "retry-after", "x-page", "x-per-page", "x-total")
_NAMED = re.compile(r'([A-Za-z-]+)\s*;(?:.*;)?\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^";]+))', re.IGNORECASE)
"""A disposition and its plain file name, quoted or bare (RFC 6266 §4.1)."""


class Raw:
    """Answers raw calls."""

    def __init__(self, opener: Opener, idempotency: Idempotency, generations: Generations) -> None:
        self._opener = opener
        self._idempotency = idempotency
        self._generations = generations

    async def answer(self, call: Call, connection: StoredConnection, provider: Provider) -> Answer:
        """What the system says; a write is done once, or shown where it is a dry run. Raises ``Problem``."""
        if not call.operation.is_write:
            return await self._exchanged(call, connection, provider)
        dry_run, query = read_raw_query(call.query)
        call = replace(call, query=query)
        named = self._idempotency.keyed(call, call.body)
        if dry_run:
            shown = dry_run_of_raw(_request(call, connection, provider), provider.origins)
            return dry_answer(shown, language_of(call.headers))
        return await self._idempotency.once(
            named, lambda run: self._exchanged(call, connection, provider, run.sending), call.deadline
        )

    async def _exchanged(
        self, call: Call, connection: StoredConnection, provider: Provider, before_write: BeforeWrite | None = None
    ) -> Answer:
        request = _request(call, connection, provider)
        up = self._opener.open(connection, provider, call.operation.name, call.deadline, before_write=before_write)
        try:
            return handed_back(request, await up.exchange(request))
        except Problem as problem:
            if request.is_write:
                problem.as_outcome(up.fate)
            raise
        finally:
            if request.is_write:
                await self._generations.end(connection.id, "answers", "facts")


def _request(call: Call, connection: StoredConnection, provider: Provider) -> Request:
    """What a raw call asks the system. Raises ``not_found`` or ``forbidden``."""
    facts = facts_of(connection, provider.kind_of(connection))
    method, path = call.operation.method, call.path["path"]
    return raw_request(provider.adapter, facts, method, path, call.query, dict(call.headers), call.body)


def raw_request(
    adapter: Adapter,
    facts: Facts,
    method: str,
    path: str,
    query: Sequence[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
) -> Request:
    """A request below the adapter's prefix. ``path`` is as it came on the wire.

    It is decoded once, slashes too: OpenAPI knows no parameter with a slash in a path, and clients made from the
    document encode it. What is sent is what was looked at, and holds nothing encoded. Raises ``not_found`` for a path
    that could mean something else than it says (a dot segment, an empty one, what is still encoded), and ``forbidden``
    for a place that hands out credentials.
    """
    segments = unquote(path).split("/")
    for segment in segments:
        if not _SEGMENT.fullmatch(segment) or segment in (".", ".."):
            not_found("There is no such path in the accounting system's API.")
    if _is_within(segments, adapter.raw.refused):
        raise Problem("forbidden", "This part of the accounting system's API is not open through Polder.")
    return Request(
        method,
        adapter.raw.prefix(facts) + "/".join(segments),
        query=tuple(query),
        body=body or None,
        headers={name: headers[name] for name in _HANDED_ON if headers.get(name, "é").isascii()},
    )


def _is_within(segments: Sequence[str], places: Sequence[str]) -> bool:
    """Whether a path is one of some places or below it, however its letters are cased and whatever format it names."""
    plain = [segment.lower().partition(".")[0] for segment in segments]
    return any(plain[: len(place)] == place for place in (one.split("/") for one in places))


def handed_back(request: Request, reply: Reply) -> Answer:
    """A raw reply as it is passed on; never with a cookie or anything about the connection.

    A header that cannot be written in ASCII is left out, or said in another way where it has one. Raises
    ``upstream_malformed`` for a status that HTTP does not have (RFC 9110 §15): nobody knows what it says.
    """
    if not 200 <= reply.status <= 599:
        problem = malformed(f"The accounting system answered with the status {reply.status}, which does not exist.")
        raise problem.as_outcome("unknown") if request.is_write else problem
    texts = {name: text.replace("\t", " ") for name, text in reply.headers.items()}
    headers = {name: texts[name] for name in HANDED_BACK if name in texts and _is_plain(texts[name])}
    if (file := _disposition(texts.get("content-disposition", ""))) is not None:
        headers["content-disposition"] = file
    return Answer(reply.status, reply.body, _media_type(texts.get("content-type", "")), headers)


def _media_type(text: str) -> str | None:
    """Without its parameters where one of them cannot be written."""
    media_type = text if _is_plain(text) else text.partition(";")[0]
    return media_type if media_type and _is_plain(media_type) else None


def _disposition(text: str) -> str | None:
    if _is_plain(text):
        return text or None
    named = _NAMED.match(text)
    if named is None:
        return None
    kind, quoted, bare = named.groups()
    return disposition(bare.strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted), kind)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
