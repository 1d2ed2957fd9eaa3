"""Traces by OpenTelemetry, where ``polder[otel]`` is installed and a collector is configured.

Names follow OpenTelemetry's conventions for HTTP (https://opentelemetry.io/docs/specs/semconv/http/http-spans/), less
what would tell of a customer: a path holds ids, a query holds names, and an exception's text holds anything. Of what a
caller sends only ``traceparent`` is read: ``tracestate`` and ``baggage`` may hold anything too.
"""

import asyncio
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.http_attributes import HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS
from opentelemetry.semconv.attributes.service_attributes import SERVICE_NAME, SERVICE_VERSION
from opentelemetry.trace import Span, SpanKind, StatusCode, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.web.logs import Line, Log
from gateway.web.metrics import METHODS, OTHER

OPERATION = "polder.operation"
FLUSH = 2.0
"""Seconds that a stopping process gives the collector to take what is left."""
_W3C = TraceContextTextMapPropagator()
_NOTHING: Mapping[str, str] = {}


class _Request:
    def __init__(self, span: Span, method: str) -> None:
        self._span = span
        self._method = method

    @property
    def trace_id(self) -> str | None:
        return format_trace_id(self._span.get_span_context().trace_id)

    def ended(self, *, route: str | None, status: int, operation: str | None, code: str | None) -> None:
        if route is not None:
            self._span.update_name(f"{self._method} {route}")
            self._span.set_attribute(HTTP_ROUTE, route)
        self._span.set_attribute(HTTP_RESPONSE_STATUS_CODE, status)
        if operation is not None:
            self._span.set_attribute(OPERATION, operation)
        if code is not None:
            self._span.set_attribute(ERROR_TYPE, code)
        # What a caller did wrong is no error of a server, by the conventions.
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)


class _Call:
    def __init__(self, span: Span, headers: Mapping[str, str]) -> None:
        self._span = span
        self.headers = headers

    def ended(self, status: int) -> None:
        self._span.set_attribute(HTTP_RESPONSE_STATUS_CODE, status)
        if status >= 400:
            self.failed(str(status))

    def failed(self, kind: str) -> None:
        self._span.set_attribute(ERROR_TYPE, kind)
        self._span.set_status(StatusCode.ERROR)


class Traces:
    """A ``gateway.engine.tracing.Tracer`` whose spans an exporter gets. ``propagates``: calls carry ``traceparent``."""

    def __init__(self, processor: SpanProcessor, exporter: SpanExporter, version: str, *, propagates: bool) -> None:
        given = os.environ.get("OTEL_SERVICE_NAME") or SERVICE_NAME in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        resource = Resource.create({SERVICE_VERSION: version, **({} if given else {SERVICE_NAME: "polder"})})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._exporter = exporter
        self._tracer = self._provider.get_tracer("polder", version)
        self._propagates = propagates

    @contextmanager
    def request(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[_Request]:
        """The span of a request; its ``traceparent`` says which trace it belongs to."""
        known = method if method in METHODS else OTHER
        parents = [value.decode("latin-1") for name, value in headers if name == b"traceparent"]
        above = _W3C.extract({"traceparent": parents[0]} if len(parents) == 1 else {})
        with self._tracer.start_as_current_span(
            known,
            above,
            SpanKind.SERVER,
            {HTTP_REQUEST_METHOD: known},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield _Request(span, known)

    @contextmanager
    def call(self, method: str, origin: str) -> Iterator[_Call]:
        """The span of a call to a configured origin, below that of the request it is made for."""
        host = urlsplit(origin).hostname or ""
        with self._tracer.start_as_current_span(
            f"{method} {host}",
            None,
            SpanKind.CLIENT,
            {HTTP_REQUEST_METHOD: method, SERVER_ADDRESS: host},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield _Call(span, self._carried() if self._propagates else _NOTHING)

    def _carried(self) -> Mapping[str, str]:
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        return carrier

    async def close(self) -> None:
        """Hand over what was seen last, as far as the collector takes it in time."""
        last = asyncio.create_task(asyncio.to_thread(self._provider.force_flush))
        await asyncio.wait([last], timeout=FLUSH)
        # This calls off the pause before a further try, which would keep the processor from ending.
        self._exporter.shutdown()
        await last
        await asyncio.to_thread(self._provider.shutdown)


def traces(version: str, log: Log, *, propagates: bool) -> Traces:
    """Traces for the collector that OpenTelemetry's own variables (``OTEL_EXPORTER_OTLP_ENDPOINT``, …) name."""
    _log_failures(log)
    exporter = OTLPSpanExporter()
    return Traces(BatchSpanProcessor(exporter), exporter, version, propagates=propagates)


class _Failures(logging.Handler):
    """Writes OpenTelemetry's complaints as log lines like all others. They tell of the collector, not of spans."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.ERROR)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.write(Line(level="warning", event="traces", detail=record.getMessage()))


def _log_failures(log: Log) -> None:
    library = logging.getLogger("opentelemetry")
    library.handlers[:] = [_Failures(log)]
    library.propagate = False
