"""What the edge tells of itself: metrics with bounded labels, log lines without anything personal."""

import asyncio
import io
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from gateway.contract.errors import Problem
from gateway.engine.call import Answer
from gateway.web.counters import Count, Folding, Spread
from gateway.web.logs import Line, Log
from gateway.web.metrics import Metrics
from gateway.web.request_log import RequestEntry, RequestLog
from tests.house import ManualClock
from tests.web.edge import Edge, send_raw

pytestmark = pytest.mark.anyio

CONTACT = "/v1/connections/con_1/contacts/48213377"
BOUNDS = (0.5, 1.0, 2.5, 10.0)
TEMPLATE = "/v1/connections/{connection_id}/contacts/{id}"


def samples(metrics: Metrics) -> dict[str, float]:
    lines = metrics.exposition().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


async def test_requests_are_counted_by_template_method_and_status(edge: Edge) -> None:
    await edge.client.get(CONTACT)
    await edge.client.get(CONTACT.replace("48213377", "9"))
    edge.engine.raises(Problem("not_found", "No."))
    await edge.client.get(CONTACT)
    counted = samples(edge.metrics)
    assert counted[f'polder_http_requests_total{{code="200",method="GET",route="{TEMPLATE}"}}'] == 2
    assert counted[f'polder_http_requests_total{{code="404",method="GET",route="{TEMPLATE}"}}'] == 1
    assert counted[f'polder_http_request_duration_seconds_count{{route="{TEMPLATE}"}}'] == 3
    assert counted["polder_http_requests_in_flight"] == 0


async def test_a_scrape_does_not_count_itself(edge: Edge) -> None:
    """Else a gateway that does nothing seems never to be done."""
    assert "polder_http_requests_in_flight 0.0" in (await edge.anonymous.get("/metrics")).text


async def test_a_request_is_in_flight_while_it_is_answered(edge: Edge) -> None:
    seen: list[float] = []

    def look(call: object) -> Answer:
        seen.append(samples(edge.metrics)["polder_http_requests_in_flight"])
        return Answer(200, b"{}")

    edge.engine.next = look
    await edge.client.get(CONTACT)
    assert seen == [1]


async def test_the_time_taken_is_measured(edge: Edge) -> None:
    def take_long(call: object) -> Answer:
        edge.clock.advance(0.2)
        return Answer(200, b"{}")

    edge.engine.next = take_long
    await edge.client.get(CONTACT)
    counted = samples(edge.metrics)
    within = {
        bound: counted[f'polder_http_request_duration_seconds_bucket{{le="{bound}",route="{TEMPLATE}"}}']
        for bound in ("0.1", "0.25", "+Inf")
    }
    assert within == {"0.1": 0, "0.25": 1, "+Inf": 1}
    assert edge.lines()[-1]["ms"] == 200


async def test_no_caller_can_make_labels(edge: Edge) -> None:
    for number in range(50):
        await send_raw(edge, f"METHOD{number}", b"/v1/connections")
        await send_raw(edge, "GET", f"/nothing/{number}".encode())
        await send_raw(edge, "GET", f"/v1/connections/con_{number}/contacts/{number}".encode())
    counted = {name: value for name, value in samples(edge.metrics).items() if "http_requests_total" in name}
    assert counted == {
        'polder_http_requests_total{code="405",method="OTHER",route="/v1/connections"}': 50,
        'polder_http_requests_total{code="404",method="GET",route="unmatched"}': 50,
        f'polder_http_requests_total{{code="200",method="GET",route="{TEMPLATE}"}}': 50,
    }


def test_the_engine_is_observed() -> None:
    metrics = Metrics("1.2.3")
    metrics.upstream("memory", "contacts.list", "ok", 0.3)
    metrics.upstream("memory", "contacts.list", "ok", 20)
    metrics.upstream("memory", "contacts.list", "timeout", 10)
    metrics.token("memory", "rejected", 0.2)
    metrics.cache("contacts", "hit")
    metrics.cache("contacts", "hit")
    counted = samples(metrics)
    upstream = 'polder_upstream_requests_total{{outcome="{}",provider="memory",resource="contacts"}}'
    assert counted[upstream.format("ok")] == 2
    assert counted[upstream.format("timeout")] == 1
    seconds = 'polder_upstream_request_duration_seconds_sum{provider="memory"}'
    assert counted[seconds] == pytest.approx(30.3)
    assert counted['polder_token_refresh_total{outcome="rejected",provider="memory"}'] == 1
    assert counted['polder_token_refresh_duration_seconds_count{provider="memory"}'] == 1
    assert counted['polder_cache_requests_total{resource="contacts",result="hit"}'] == 2
    assert any(name.startswith("polder_build_info{") and 'version="1.2.3"' in name for name in counted)
    assert any(name.startswith("process_") for name in counted)
    assert not any("_created" in name for name in counted)


@given(st.lists(st.one_of(st.sampled_from(BOUNDS), st.floats(0, 100)), max_size=30), st.integers(0, 5))
def test_what_is_tallied_is_what_the_library_would_have_counted(amounts: list[float], steps: int) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    folding = Folding("seconds", "Seconds.", buckets=BOUNDS, registry=ours)
    spread, count = Spread(folding), Count(Counter("steps", "Steps.", registry=ours))
    histogram = Histogram("seconds", "Seconds.", buckets=BOUNDS, registry=theirs)
    counter = Counter("steps", "Steps.", registry=theirs)
    for amount in amounts:
        spread.observe(amount)
        histogram.observe(amount)
    for _ in range(steps):
        count.step()
        counter.inc()
    for _ in range(2):  # what was handed over is not handed over again
        spread.fold()
        count.fold()
    total = theirs.get_sample_value("seconds_sum")
    assert ours.get_sample_value("seconds_sum") == pytest.approx(total)
    without_sum = [
        [line for line in generate_latest(one).splitlines() if b"_sum" not in line] for one in (ours, theirs)
    ]
    assert without_sum[0] == without_sum[1]


# Log lines


class Pieces(io.BytesIO):
    """A stream that counts what is written to it in one piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, text: Any, /) -> int:
        self.pieces.append(bytes(text))
        return super().write(text)


def telling_into(stream: io.BytesIO) -> RequestLog:
    return RequestLog(Metrics("1.2.3"), Log(stream, ManualClock()), ManualClock())


async def test_all_that_ends_in_one_turn_is_written_in_one_piece() -> None:
    stream = Pieces()
    telling = telling_into(stream)
    for number in range(3):
        telling.ended(RequestEntry("GET", 0.0, route=f"/{number}", status=200))
    assert stream.pieces == []
    await asyncio.sleep(0)
    (piece,) = stream.pieces
    assert [msgspec.json.decode(line)["route"] for line in piece.splitlines()] == ["/0", "/1", "/2"]
    telling.ended(RequestEntry("GET", 0.0, route="/3", status=200))
    await asyncio.sleep(0)
    assert len(stream.pieces) == 2


async def test_nothing_is_lost_when_the_event_loop_ends() -> None:
    stream = Pieces()
    telling = telling_into(stream)
    telling.ended(RequestEntry("GET", 0.0, route="/before", status=200))
    telling.close()
    telling.ended(RequestEntry("GET", 0.0, route="/after", status=200))
    assert [msgspec.json.decode(line)["route"] for line in stream.getvalue().splitlines()] == ["/before", "/after"]


async def test_what_waits_to_be_told_is_bounded() -> None:
    stream = Pieces()
    telling = telling_into(stream)
    for _ in range(2_500):
        telling.ended(RequestEntry("GET", 0.0, route="/", status=200))
    assert [len(piece.splitlines()) for piece in stream.pieces] == [1_000, 1_000]


async def test_a_line_tells_what_an_operator_needs(edge: Edge) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await edge.client.get(CONTACT, headers={"x-request-id": "abc", "traceparent": trace})
    (line,) = edge.lines()
    assert line == {
        "time": "2026-03-02T09:00:00.000+00:00",
        "level": "info",
        "event": "request",
        "method": "GET",
        "route": TEMPLATE,
        "status": 200,
        "ms": 0.0,
        "request_id": "abc",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "operation": "contacts.get",
        "key_id": edge.key.split("_")[2],
    }


async def test_a_line_holds_nothing_personal_and_no_secret(edge: Edge) -> None:
    canaries = ["jan@example.nl", "NL91ABNA0417164300", "48213377", "canary-header", "canary-body", edge.key]
    edge.engine.raises(Problem("validation_failed", f"canary-body {canaries[0]}"))
    await edge.client.post(
        f"{CONTACT.rpartition('/')[0]}?q=jan@example.nl",
        json={"iban": "NL91ABNA0417164300", "name": "canary-body"},
        headers={"x-more": "canary-header", "traceparent": "canary-header"},
    )
    await edge.client.get(CONTACT)
    await edge.client.get("/jan@example.nl")
    await send_raw(edge, "jan@example.nl " * 3, b"/v1/connections")
    written = edge.told().decode()
    assert len(edge.lines()) == 4
    assert [canary for canary in canaries if canary in written] == []
    assert "con_1" not in written


@pytest.mark.parametrize(
    ("code", "level"), [("not_found", "info"), ("upstream_timeout", "warning"), ("internal_error", "warning")]
)
async def test_levels(edge: Edge, code: str, level: str) -> None:
    edge.engine.raises(Problem(code, "No."))
    await edge.client.get(CONTACT)
    assert (edge.lines()[-1]["level"], edge.lines()[-1]["code"]) == (level, code)


async def test_probes_and_scrapes_that_go_well_are_not_logged(edge: Edge) -> None:
    for path in ("/livez", "/healthz", "/readyz", "/metrics"):
        assert (await edge.anonymous.get(path)).status_code == 200
    assert edge.lines() == []
    edge.storage.broken = True
    edge.clock.advance(60)
    assert (await edge.anonymous.get("/readyz")).status_code == 503
    assert edge.lines()[-1]["code"] == "storage_unavailable"


def test_a_terminal_is_told_in_words() -> None:
    stream = io.BytesIO()
    Log(stream, ManualClock(), human=True).write(Line(level="warning", event="request", status=504, ms=1.5))
    assert stream.getvalue().decode() == "09:00:00 ! request status=504 ms=1.5\n"


def test_a_log_that_nobody_reads_fails_nothing() -> None:
    stream = io.BytesIO()
    stream.close()
    Log(stream, ManualClock()).write(Line(level="info", event="request"))
