"""What is asked of Polder, beside what it is compared with."""

import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.conversation import INVOICES, SCAN, Conversation
from benchmarks.load import Parameters
from benchmarks.processes import Server
from benchmarks.ratios import Case
from gateway.contract.exact import dumps

_WAIT = 60
_UNCACHED = {"cache-control": "no-cache"}
_PAGE = f"invoices?limit={INVOICES}&include=lines"


@dataclass(frozen=True, slots=True)
class Ours:
    """A gateway, the connections that it knows by provider, and the headers that open them."""

    server: Server
    conversations: Mapping[str, Conversation]
    connections: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]

    def cached(self, hello: Parameters) -> list[Case]:
        """Answers from memory, beside a bare application's."""
        name, one = next(iter(self.conversations.items()))
        page, got = (self._reading(name, path, {}, among=1) for path in (_PAGE, f"invoices/{one.invoice_id}"))
        known = self._reading(name, _PAGE, {"if-none-match": _etag(page)}, among=1)
        return [
            Case("cached_list_vs_hello", page, hello),
            Case("cached_get_vs_hello", got, hello),
            Case("not_modified_vs_hello", known, hello),
        ]

    def beside_nginx(self, proxy: Server) -> list[Case]:
        """A page from memory, beside nginx that passes on what one system says to that."""
        name, one = next(iter(self.conversations.items()))
        page = self._reading(name, _PAGE, {}, among=1)
        return [Case("cached_list_vs_nginx_proxy", page, Parameters(proxy, [one.list_targets[0]], {}))]

    def uncached(self, name: str, passing: Mapping[str, Server]) -> list[Case]:
        """Answers of one system, beside those of whoever passes the same bytes through."""
        one = self.conversations[name]
        lists, gets, creates, scans = (
            {library: Parameters(place, [f"/{name}-{verb}"], {}) for library, place in passing.items()}
            for verb in ("list", "get", "create", "scan")
        )
        listing = self._reading(name, _PAGE, _UNCACHED)
        getting = self._reading(name, f"invoices/{one.invoice_id}", _UNCACHED)
        counts = one.carries_lines
        creating, created = self.creating(name), self._posted(creates["httpx2"])
        cases = [
            Case(f"list_vs_{library}_passthrough", listing, passed, fresh=True, system=name, counts=counts)
            for library, passed in lists.items()
        ]
        cases += [
            # The first question loads slow facts, the second is the first whose conversation is kept.
            Case("unchanged_list_vs_httpx_passthrough", listing, lists["httpx"], system=name, counts=counts, warmth=2),
            Case("get_vs_httpx2_passthrough", getting, gets["httpx2"], fresh=True, system=name),
            Case("added_latency_vs_passthrough", getting, gets["httpx2"], fresh=True, latency=True, system=name),
            Case("create_vs_httpx2_passthrough", creating, created, fresh=True, system=name),
        ]
        if one.scan_targets:
            scanning = self._reading(name, SCAN, _UNCACHED)
            cases.append(
                Case(
                    "filter_of_5000_vs_httpx2_passthrough",
                    scanning,
                    scans["httpx2"],
                    fresh=True,
                    alone=True,
                    system=name,
                    warmth=0,
                )
            )
        return cases

    def creating(self, name: str) -> Parameters:
        """An invoice made, over and over."""
        paths = [f"/v1/connections/{id}/invoices" for id in self.connections[name]]
        headers = {**self.headers, "content-type": "application/json"}
        return Parameters(self.server, paths, headers, "POST", dumps(self.conversations[name].draft).decode())

    def soaked(self) -> list[Parameters]:
        """Of every system: reads that the cache answers, reads that reach the system, and writes."""
        return [
            asked
            for name in self.conversations
            for asked in (self._reading(name, _PAGE, {}), self._reading(name, _PAGE, _UNCACHED), self.creating(name))
        ]

    def _reading(self, name: str, path: str, headers: Mapping[str, str], *, among: int | None = None) -> Parameters:
        paths = [f"/v1/connections/{id}/{path}" for id in self.connections[name][:among]]
        return Parameters(self.server, paths, {**self.headers, **headers})

    @staticmethod
    def _posted(asked: Parameters) -> Parameters:
        return Parameters(asked.server, asked.paths, asked.headers, "POST", "")


def _etag(asked: Parameters) -> str:
    request = urllib.request.Request(asked.server.origin + asked.paths[0], headers=dict(asked.headers))
    with urllib.request.urlopen(request, timeout=_WAIT) as answer:
        tag: str = answer.headers["etag"]
        return tag
