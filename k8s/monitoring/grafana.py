"""The Grafana dashboards, said once; `./dev generate` writes them to dashboards/ and `tests/operations/` judges them.

A panel is a title, a unit and its queries with their legends. Everything is narrowed to the `job` that is chosen
above the dashboard. What every process reports alike, such as the connections there are, is counted once.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

HERE = Path(__file__).resolve().parent
Kind = Literal["timeseries", "stat", "table", "piechart", "heatmap"]
Query = tuple[str, str]
"""PromQL, and the legend of what it gives."""

WHERE = 'job=~"$job"'
RATE = "[$__rate_interval]"
WIDTH, HEIGHT = 8, 8


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. ``unit`` is Grafana's name of it; ``help`` says what a bad value means."""

    title: str
    unit: str
    queries: Sequence[Query]
    kind: Kind = "timeseries"
    help: str = ""


def rate(metric: str, by: str, matching: str = "") -> str:
    """How fast a counter grows, summed by some labels."""
    return f"sum by ({by}) (rate({metric}{{{_where(matching)}}}{RATE}))"


def share(metric: str, by: str, matching: str) -> str:
    """Which share of a counter's growth some of its series have; 0 where they have not begun."""
    whole = rate(metric, by)
    return f"({rate(metric, by, matching)} or 0 * {whole}) / {whole}"


def grown(metric: str, by: str, window: str, matching: str) -> str:
    """By how much a counter grew in a while."""
    return f"sum by ({by}) (increase({metric}{{{_where(matching)}}}[{window}]))"


def quantile(part: str, metric: str, by: str = "", matching: str = "") -> str:
    """A quantile of a histogram, for each of some labels."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({part}, sum by ({labels}) (rate({metric}_bucket{{{_where(matching)}}}{RATE})))"


def total(metric: str, by: str = "", matching: str = "", how: str = "sum") -> str:
    """A gauge over all processes."""
    grouped = f"{how} by ({by}) " if by else how
    return f"{grouped}({metric}{{{_where(matching)}}})"


def _where(matching: str) -> str:
    return f"{WHERE}, {matching}" if matching else WHERE


PERCENTILES = (("0.5", "half"), ("0.95", "95 %"), ("0.99", "99 %"))
API = 'route=~"/v1/.*"'
WRITING = 'method=~"POST|PATCH|PUT|DELETE"'
CONNECTIONS = f"sum by (status) ({total('polder_connections', 'provider, status', how='max')})"
FAILED = 'outcome=~"5xx|timeout|connect|invalid"'

DASHBOARDS: Mapping[str, Sequence[Panel]] = {
    "overview": (
        Panel("Requests", "reqps", [(rate("polder_http_requests_total", "code", API), "{{code}}")]),
        Panel(
            "Polder's own failures",
            "percentunit",
            [(f"polder:gateway_errors:ratio_rate{window}{{{WHERE}}}", window) for window in ("5m", "1h", "6h")],
            help="The objective is 0.05 %. What an accounting system does wrong is not among it.",
        ),
        Panel(
            "How long a request takes",
            "s",
            [(quantile(q, "polder_http_request_duration_seconds", matching=API), name) for q, name in PERCENTILES],
        ),
        Panel(
            "Polder's own part of it",
            "s",
            [(quantile(q, "polder_gateway_overhead_seconds"), name) for q, name in PERCENTILES],
            help="The objective is 25 ms for 99 of 100 requests.",
        ),
        Panel("Under way", "short", [(total("polder_http_requests_in_flight", "instance"), "{{instance}}")]),
        Panel("Problems", "reqps", [(f"{rate('polder_problems_total', 'code')} > 0 or vector(0)", "{{code}}")]),
        Panel("Connections", "short", [(CONNECTIONS, "{{status}}")], "stat"),
        Panel(
            "Ready to write",
            "short",
            [(total("polder_storage_up", "instance"), "{{instance}}")],
            "stat",
            help="1 where the database can be written to.",
        ),
        Panel(
            "What runs", "short", [(total("polder_build_info", "version, python", how="count"), "{{version}}")], "table"
        ),
    ),
    "provider": (
        Panel("Calls", "reqps", [(rate("polder_upstream_requests_total", "provider"), "{{provider}}")]),
        Panel(
            "How they end",
            "reqps",
            [(rate("polder_upstream_requests_total", "provider, outcome"), "{{provider}} {{outcome}}")],
        ),
        Panel(
            "Share that fails",
            "percentunit",
            [(share("polder_upstream_requests_total", "provider", FAILED), "{{provider}}")],
        ),
        Panel(
            "How long a call takes",
            "s",
            [
                (quantile(q, "polder_upstream_request_duration_seconds", "provider"), f"{{{{provider}}}} {name}")
                for q, name in PERCENTILES
            ],
        ),
        Panel(
            "How long calls take",
            "s",
            [
                (
                    f"sum by (le) (increase(polder_upstream_request_duration_seconds_bucket{{{WHERE}}}{RATE}))",
                    "{{le}}",
                )
            ],
            "heatmap",
        ),
        Panel(
            "Asked to wait",
            "reqps",
            [(rate("polder_upstream_requests_total", "provider", 'outcome="429"'), "{{provider}}")],
        ),
        Panel(
            "Calls by resource",
            "reqps",
            [(rate("polder_upstream_requests_total", "provider, resource"), "{{provider}} {{resource}}")],
        ),
        Panel(
            "Answered from memory",
            "percentunit",
            [(share("polder_cache_requests_total", "resource", 'result=~"hit|shared|stale_error"'), "{{resource}}")],
        ),
        Panel(
            "Breakers",
            "short",
            [(total("polder_breaker_state", "provider, instance", how="max"), "{{provider}} {{instance}}")],
            help="0 closed, 1 half-open, 2 open: then nothing is sent but a call now and then that tries.",
        ),
        Panel(
            "Held back",
            "reqps",
            [(rate("polder_upstream_held_back_total", "provider, reason"), "{{provider}} {{reason}}")],
            help="Not sent: by a breaker, for a full queue, or because the retries are used up.",
        ),
        Panel(
            "Places",
            "short",
            [
                (total("polder_bulkhead_in_flight", "provider"), "{{provider}} under way"),
                (total("polder_bulkhead_queue_depth", "provider"), "{{provider}} waiting"),
            ],
        ),
        Panel(
            "Retries left",
            "percentunit",
            [(total("polder_retry_budget_remaining_ratio", "provider", how="min"), "{{provider}}")],
        ),
    ),
    "tokens": (
        Panel(
            "Connections by status",
            "short",
            [(CONNECTIONS, "{{status}}")],
            "piechart",
        ),
        Panel(
            "Connections that need their owner",
            "short",
            [(total("polder_connections", "provider", 'status="needs_reauth"', "max"), "{{provider}}")],
        ),
        Panel(
            "Requests for a token",
            "reqps",
            [(rate("polder_token_refresh_total", "provider, outcome"), "{{provider}} {{outcome}}")],
        ),
        Panel(
            "Share that fails",
            "percentunit",
            [(share("polder_token_refresh_total", "provider", 'outcome!="ok"'), "{{provider}}")],
        ),
        Panel(
            "How long a token takes",
            "s",
            [
                (quantile(q, "polder_token_refresh_duration_seconds", "provider"), f"{{{{provider}}}} {name}")
                for q, name in PERCENTILES
            ],
        ),
        Panel(
            "Refused by the system itself",
            "short",
            [(grown("polder_token_refresh_total", "provider", "1h", 'outcome="rejected"'), "{{provider}}")],
            help="Many at once is the system's mistake more often than the owners'.",
        ),
        Panel(
            "Refusals by what they make of a connection",
            "short",
            [(grown("polder_connection_transitions_total", "provider, to", "1h", ""), "{{provider}} {{to}}")],
            help="Held: so many are refused at once that none is given up.",
        ),
        Panel(
            "Requests for a token that are open",
            "short",
            [(total("polder_token_open_intents", "provider", how="max"), "{{provider}}")],
            help="Under way, or of unknown fate.",
        ),
        Panel(
            "Age of the oldest",
            "s",
            [(total("polder_token_oldest_intent_age_seconds", "provider", how="max"), "{{provider}}")],
            help="Above two minutes nobody takes it up.",
        ),
    ),
    "writes": (
        Panel("Writes by what became of them", "reqps", [(rate("polder_writes_total", "outcome"), "{{outcome}}")]),
        Panel(
            "Unknown in the last day",
            "short",
            [(grown("polder_writes_total", "outcome", "1d", 'outcome="unknown"'), "unknown")],
            "stat",
            help="Each may or may not have happened.",
        ),
        Panel(
            "Unknown, still looked for",
            "short",
            [(total("polder_writes_unknown_open", "provider", how="max"), "{{provider}}")],
        ),
        Panel(
            "Age of the oldest unknown",
            "s",
            [(total("polder_writes_oldest_unknown_age_seconds", "provider", how="max"), "{{provider}}")],
            help="Within six minutes it is known, where the system can be read.",
        ),
        Panel(
            "What was found out",
            "short",
            [(grown("polder_writes_reconciled_total", "resource, result", "1h", ""), "{{resource}} {{result}}")],
        ),
        Panel("Idempotency keys", "reqps", [(rate("polder_idempotency_requests_total", "outcome"), "{{outcome}}")]),
        Panel(
            "Requests that write",
            "reqps",
            [(rate("polder_http_requests_total", "method, code", WRITING), "{{method}} {{code}}")],
        ),
    ),
    "runtime": (
        Panel(
            "Event loop lag",
            "s",
            [(quantile("0.99", "polder_event_loop_lag_seconds", "instance"), "{{instance}}")],
            help="Above a quarter of a second everything waits.",
        ),
        Panel("Memory", "bytes", [(total("process_resident_memory_bytes", "instance"), "{{instance}}")]),
        Panel("Processor", "percentunit", [(rate("process_cpu_seconds_total", "instance"), "{{instance}}")]),
        Panel("File descriptors", "short", [(total("process_open_fds", "instance"), "{{instance}}")]),
        Panel(
            "How long the database takes",
            "s",
            [(quantile("0.99", "polder_db_operation_duration_seconds", "op"), "{{op}}")],
            help="Of 99 in 100. What a commit takes is what the disk takes, or PostgreSQL's.",
        ),
        Panel(
            "Waiting for the database",
            "s",
            [(quantile("0.99", "polder_db_pool_wait_seconds", "instance"), "{{instance}}")],
            help="For a session, and on SQLite for the turn to write.",
        ),
        Panel(
            "Sessions with the database",
            "short",
            [
                (total("polder_db_pool_in_use", "instance"), "{{instance}}"),
                (total("polder_db_pool_limit", "instance"), "{{instance}} may have"),
            ],
        ),
        Panel("Asked of the database in vain", "ops", [(rate("polder_db_errors_total", "instance"), "{{instance}}")]),
        Panel("Disk left", "bytes", [(total("polder_disk_free_bytes", "instance", how="min"), "{{instance}}")]),
        Panel(
            "Since the last backup",
            "s",
            [
                (
                    f"time() - ({total('polder_last_backup_timestamp_seconds', 'instance', how='max')} > 0)",
                    "{{instance}}",
                )
            ],
            help="Nothing is shown where none was ever made, or PostgreSQL keeps the books.",
        ),
        Panel(
            "Garbage collections",
            "ops",
            [(rate("python_gc_collections_total", "generation"), "generation {{generation}}")],
        ),
        Panel(
            "Works in the background",
            "short",
            [(total("polder_background_work", "instance"), "{{instance}}")],
            help="At least one must: else no write of unknown fate is looked for, and no token renewed ahead.",
        ),
        Panel("Draining", "short", [(total("polder_draining", "instance"), "{{instance}}")]),
        Panel(
            "Started",
            "dateTimeFromNow",
            [(f"1000 * {total('process_start_time_seconds', 'instance', how='max')}", "{{instance}}")],
            "stat",
        ),
        Panel(
            "Bytes",
            "Bps",
            [
                (rate("polder_http_request_body_bytes_sum", "job"), "received"),
                (rate("polder_http_response_body_bytes_sum", "job"), "sent"),
            ],
        ),
    ),
    "security": (
        Panel(
            "Calls without a good key",
            "reqps",
            [(rate("polder_problems_total", "instance", 'code="unauthenticated"'), "{{instance}}")],
        ),
        Panel(
            "Calls that a key does not allow",
            "reqps",
            [(rate("polder_problems_total", "code", 'code=~"forbidden|scope_missing|upstream_forbidden"'), "{{code}}")],
        ),
        Panel(
            "Refused at the door",
            "reqps",
            [(rate("polder_http_requests_total", "route, code", 'code=~"400|408|413|415|431"'), "{{route}} {{code}}")],
        ),
        Panel(
            "Addresses that are none of ours",
            "reqps",
            [(rate("polder_http_requests_total", "code", 'route="unmatched"'), "{{code}}")],
        ),
    ),
}


def dashboard(name: str, panels: Sequence[Panel]) -> dict[str, Any]:
    """A dashboard as Grafana reads it."""
    return {
        "uid": f"polder-{name}",
        "title": f"Polder / {name}",
        "tags": ["polder"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_datasource(), _job()]},
        "links": [{"type": "dashboards", "tags": ["polder"], "title": "Polder", "asDropdown": True}],
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}


def _job() -> dict[str, Any]:
    return {
        "name": "job",
        "type": "query",
        "label": "Job",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": {"query": "label_values(polder_build_info, job)", "refId": "job"},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, 24 // WIDTH)
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "id": number + 1,
        "title": panel.title,
        "description": panel.help,
        "type": panel.kind,
        "datasource": source,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": source,
                "expr": expression,
                "legendFormat": legend,
                "instant": panel.kind in ("table", "piechart"),
                "format": "heatmap" if panel.kind == "heatmap" else "table" if panel.kind == "table" else "time_series",
            }
            for index, (expression, legend) in enumerate(panel.queries)
        ],
    }


class _Indented(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - the parent's name
        """Indent lists as the hand-written manifests do."""
        super().increase_indent(flow, False)


def prometheus_rule() -> str:
    """alerts.yaml as the Prometheus operator reads it."""
    manifest = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "polder"},
        "spec": yaml.safe_load((HERE / "alerts.yaml").read_text()),
    }
    head = "# Made of alerts.yaml by `./dev generate`; do not edit.\n"
    return head + yaml.dump(manifest, Dumper=_Indented, sort_keys=False, width=1000)


def documents() -> Iterator[tuple[Path, str]]:
    """Every generated file with the text it should have."""
    yield HERE / "prometheusrule.yaml", prometheus_rule()
    for name, panels in DASHBOARDS.items():
        yield HERE / "dashboards" / f"{name}.json", json.dumps(dashboard(name, panels), indent=1) + "\n"
