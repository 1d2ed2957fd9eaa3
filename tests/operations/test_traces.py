"""Traces: a span for each request and each call below it, which tells of no customer; nothing where nobody looks."""

import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from gateway.app import COLLECTORS, tracer_of
from gateway.contract.emulator import Fault
from gateway.engine.tracing import UNTRACED
from gateway.registry import discover
from gateway.settings import Settings
from gateway.web.logs import Log
from gateway.web.tracing import Traces
from tests.house import House, ManualClock, open_house

pytestmark = pytest.mark.anyio

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
CANARY = "kaasboer-canary"
SALES = {"company_name": CANARY, "email": f"{CANARY}@example.nl"}


@asynccontextmanager
async def traced_house(home: Path, *, tells: bool = False) -> AsyncIterator[tuple[House, InMemorySpanExporter]]:
    """A house whose spans a test can look at."""
    kept = InMemorySpanExporter()
    tracer = Traces(SimpleSpanProcessor(kept), kept, "1.2.3", propagates=tells)
    adapters = {"memory": discover()["memory"], "rompslomp": discover()["rompslomp"]}
    async with open_house(home, adapters=adapters, tracer=tracer) as house:
        yield house, kept


def spans(kept: InMemorySpanExporter, kind: SpanKind) -> list[ReadableSpan]:
    return [span for span in kept.get_finished_spans() if span.kind is kind]


async def connected(house: House) -> str:
    """A connection that has its token already."""
    connection = await house.connect("memory")
    assert (await house.client.get(f"/v1/connections/{connection}/vat-codes")).status_code == 200
    return connection


def only(kept: InMemorySpanExporter, kind: SpanKind) -> ReadableSpan:
    [span] = spans(kept, kind)
    return span


async def test_a_request_is_a_span_and_each_call_one_below_it(tmp_path: Path) -> None:
    async with traced_house(tmp_path) as (house, kept):
        connection = await connected(house)
        kept.clear()
        answer = await house.client.get(f"/v1/connections/{connection}/contacts", headers=TRACEPARENT)
        assert answer.status_code == 200
        request, call = only(kept, SpanKind.SERVER), only(kept, SpanKind.CLIENT)
    assert request.name == "GET /v1/connections/{connection_id}/contacts"
    assert dict(request.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/v1/connections/{connection_id}/contacts",
        "http.response.status_code": 200,
        "polder.operation": "contacts.list",
    }
    assert request.status.status_code is StatusCode.UNSET
    assert request.parent is not None
    assert (f"{request.context.trace_id:032x}", f"{request.parent.span_id:016x}") == (TRACE, PARENT)
    assert request.resource.attributes["service.name"] == "polder"
    assert request.resource.attributes["service.version"] == "1.2.3"
    assert call.parent is not None
    assert call.parent.span_id == request.context.span_id
    assert call.context.trace_id == request.context.trace_id
    assert (call.attributes or {})["server.address"] == call.name.removeprefix("GET ")
    assert (call.attributes or {})["http.response.status_code"] == 200


async def test_a_call_carries_the_trace_only_where_the_operator_wants_it(tmp_path: Path) -> None:
    for tells in (False, True):
        home = tmp_path / str(tells)
        home.mkdir()
        async with traced_house(home, tells=tells) as (house, kept):
            connection = await house.connect("memory")
            given = {**TRACEPARENT, "tracestate": "congo=t61rcWkgMzE", "baggage": f"user={CANARY}"}
            await house.client.get(f"/v1/connections/{connection}/contacts", headers=given)
            carried = house.emulator("memory").journal[-1].headers
            call = spans(kept, SpanKind.CLIENT)[-1]
            expected = f"00-{TRACE}-{call.context.span_id:016x}-01" if tells else None
            assert carried.get("traceparent") == expected
            assert not {"tracestate", "baggage"} & carried.keys()


async def test_a_request_for_a_token_is_a_call_too(tmp_path: Path) -> None:
    async with traced_house(tmp_path) as (house, kept):
        await house.connect("rompslomp")
        request = spans(kept, SpanKind.SERVER)[-1]
        assert request.name == "POST /v1/connections"
        below = [span for span in spans(kept, SpanKind.CLIENT) if span.context.trace_id == request.context.trace_id]
    assert below


async def test_an_outage_is_an_error_with_its_kind_and_without_words(tmp_path: Path) -> None:
    async with traced_house(tmp_path) as (house, kept):
        connection = await connected(house)
        kept.clear()
        house.emulator("memory").fail(Fault("status", status=503), times=3)
        answer = await house.client.get(f"/v1/connections/{connection}/contacts")
        assert answer.status_code >= 500
        request = only(kept, SpanKind.SERVER)
        assert len(spans(kept, SpanKind.CLIENT)) == 3, "each try is a call"
        for span in kept.get_finished_spans():
            assert span.status.status_code is StatusCode.ERROR
            assert span.status.description is None
            assert span.events == ()
        assert (request.attributes or {})["error.type"] == answer.json()["code"]


async def test_what_a_caller_did_wrong_is_no_error_of_polder(tmp_path: Path) -> None:
    async with traced_house(tmp_path) as (house, kept):
        await house.client.get("/v1/connections/con_1/contacts")
        span = only(kept, SpanKind.SERVER)
    assert span.status.status_code is StatusCode.UNSET
    assert (span.attributes or {})["error.type"] == "not_found"


async def test_a_span_tells_of_no_customer(tmp_path: Path) -> None:
    async with traced_house(tmp_path) as (house, kept):
        connection = await house.connect("memory")
        contacts = f"/v1/connections/{connection}/contacts"
        made = (await house.client.post(contacts, json=SALES, headers={"Idempotency-Key": CANARY})).json()
        await house.client.get(f"{contacts}/{made['id']}", headers={"X-Request-Id": CANARY})
        await house.client.get(contacts, params={"email": SALES["email"]})
        await house.client.get(f"/nothing/{CANARY}")
        await house.client.request(CANARY.upper(), contacts)
        told = " ".join(span.to_json() for span in kept.get_finished_spans())
        named = {span.name for span in kept.get_finished_spans()}
    secrets = house.emulator("memory").credentials().values()
    for never in (CANARY, CANARY.upper(), connection, "polder_live_", *map(str, secrets)):
        assert never not in told
    assert "GET /v1/connections/{connection_id}/contacts/{id}" in named
    assert {"GET", "OTHER /v1/connections/{connection_id}/contacts"} <= named


async def test_probes_are_no_news(tmp_path: Path) -> None:
    async with traced_house(tmp_path) as (house, kept):
        for path in ("/livez", "/readyz", "/metrics"):
            assert (await house.client.get(path)).status_code == 200
        assert kept.get_finished_spans() == ()


async def test_the_log_line_names_the_trace(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    async with traced_house(tmp_path) as (house, kept):
        await house.client.get("/v1/providers")
        trace = f"{only(kept, SpanKind.SERVER).context.trace_id:032x}"
    [line] = [json.loads(one) for one in capfdbinary.readouterr().err.splitlines() if b"/v1/providers" in one]
    assert line["trace_id"] == trace


# Switched on and off


@pytest.mark.parametrize(
    "environment",
    [{}, {COLLECTORS[0]: ""}, {COLLECTORS[1]: "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}],
)
def test_without_a_collector_nobody_looks(environment: dict[str, str]) -> None:
    assert tracer_of(Settings(), environment, Log(io.BytesIO(), ManualClock())) is UNTRACED


class Collector(ThreadingHTTPServer):
    """Takes spans on a loopback port."""

    def __init__(self, status: int) -> None:
        self.got: list[tuple[str, bytes]] = []

        class Taking(BaseHTTPRequestHandler):
            def do_POST(taking) -> None:  # noqa: N805 - the name is the library's; self is the collector here
                body = taking.rfile.read(int(taking.headers["Content-Length"]))
                self.got.append((taking.path, body))
                taking.send_response(status)
                taking.send_header("Content-Length", "0")
                taking.end_headers()

            def log_message(taking, format: str, *args: object) -> None:  # noqa: N805 - as above
                pass

        super().__init__(("127.0.0.1", 0), Taking)
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.mark.parametrize(("status", "lines"), [(200, 0), (400, 1)])
async def test_a_collector_gets_what_was_seen_last(
    status: int, lines: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    with Collector(status) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        tracer = tracer_of(Settings(), os.environ, Log(written, ManualClock()))
        async with open_house(tmp_path, adapters={"memory": discover()["memory"]}, tracer=tracer) as house:
            await house.client.get("/v1/providers")
        await asyncio.to_thread(collector.shutdown)
    [(path, body)] = collector.got
    assert path == "/v1/traces"
    assert b"GET /v1/providers" in body
    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == ["traces"] * lines


_WITHOUT_THE_EXTRA = """
import asyncio, io, sys
sys.modules["opentelemetry"] = None
from gateway.app import build, tracer_of
from gateway.engine.clock import SystemClock
from gateway.settings import Misconfigured, Settings
from gateway.web.logs import Log

async def live() -> None:
    polder = await build(Settings(home=sys.argv[1]), environment={})
    await polder.start()
    await polder.close()

asyncio.run(live())
try:
    tracer_of(Settings(), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, Log(io.BytesIO(), SystemClock()))
except Misconfigured as error:
    print(error)
"""


def test_without_the_extra_polder_runs_and_says_what_a_collector_needs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_THE_EXTRA, tmp_path], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("OTEL_EXPORTER_OTLP_ENDPOINT is set, but traces need polder[otel]")
