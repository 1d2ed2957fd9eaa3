"""Every alert, put to promtool twice: what must wake somebody does, and what looks nearly the same does not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.operations.prometheus import alerts, needs_promtool, promtool, rules

JOB = 'job="polder", namespace="polder"'
POD = f'{JOB}, instance="a"'
OURS = {"job": "polder", "namespace": "polder"}
SAID = {**OURS, "instance": "a"}
OF_BOOKS = {**OURS, "provider": "books"}

Series = Mapping[str, str]
"""Values by series, in promtool's notation: ``0+2x60`` begins at 0 and grows by 2, sixty times."""


@dataclass(frozen=True)
class Case:
    """Series in which an alert fires with these labels, and others in which it is silent.

    Where there are ``few`` it is silent in those too: their shares are those that it fires for.
    ``at`` is when it is looked at; a value comes, and the rules are evaluated, every ``step``.
    """

    fires: Series
    silent: Series
    at: str
    labels: Mapping[str, str] = field(default_factory=lambda: OURS)
    step: str = "1m"
    few: Series = field(default_factory=dict)


def requests(values: str) -> dict[str, str]:
    return {f'polder_http_requests_total{{{POD}, route="/v1/connections", method="GET", code="200"}}': values}


def problems(code: str, values: str) -> dict[str, str]:
    return {f'polder_problems_total{{{POD}, code="{code}"}}': values}


def overhead(quick: str, all_of_them: str) -> dict[str, str]:
    return {
        f'polder_gateway_overhead_seconds_bucket{{{POD}, resource="contacts", le="0.025"}}': quick,
        f'polder_gateway_overhead_seconds_count{{{POD}, resource="contacts"}}': all_of_them,
    }


def waits_for_the_database(quick: str, all_of_them: str) -> dict[str, str]:
    counts = {"0.1": quick, "2.5": all_of_them, "+Inf": all_of_them}
    return {f'polder_db_pool_wait_seconds_bucket{{{POD}, le="{le}"}}': values for le, values in counts.items()}


def called(provider: str, **outcomes: str) -> dict[str, str]:
    named = {"failed": "5xx", "waits": "429", "unreached": "connect"}
    return {
        f'polder_upstream_requests_total{{{POD}, provider="{provider}", resource="contacts", '
        f'outcome="{named.get(outcome, outcome)}"}}': values
        for outcome, values in outcomes.items()
    }


def tokens(provider: str, **outcomes: str) -> dict[str, str]:
    return {
        f'polder_token_refresh_total{{{POD}, provider="{provider}", outcome="{outcome}"}}': values
        for outcome, values in outcomes.items()
    }


def writes(**outcomes: str) -> dict[str, str]:
    return {f'polder_writes_total{{{POD}, outcome="{outcome}"}}': values for outcome, values in outcomes.items()}


def transitions(**to: str) -> dict[str, str]:
    return {
        f'polder_connection_transitions_total{{{POD}, provider="books", to="{name}"}}': values
        for name, values in to.items()
    }


def held_back(reason: str, values: str) -> dict[str, str]:
    return {f'polder_upstream_held_back_total{{{POD}, provider="books", reason="{reason}"}}': values}


def reconciled(**results: str) -> dict[str, str]:
    return {
        f'polder_writes_reconciled_total{{{POD}, resource="invoices", result="{result}"}}': values
        for result, values in results.items()
    }


def of_provider(name: str, values: str) -> dict[str, str]:
    return {f'{name}{{{POD}, provider="books"}}': values}


def of_process(name: str, values: str) -> dict[str, str]:
    return {f"{name}{{{POD}}}": values}


def lag(slow: str) -> dict[str, str]:
    bounds = {"0.25": "0+100x30", "0.5": slow, "+Inf": slow}
    return {f'polder_event_loop_lag_seconds_bucket{{{POD}, le="{le}"}}': values for le, values in bounds.items()}


SOMETIMES = " ".join(str(minute // 2) for minute in range(31))
"""What grows every second minute."""

CASES: dict[str, Case] = {
    "PolderAvailabilityFastBurn": Case(
        # 1 of 100 fails; or as many, but only 10 in all, so little is asked; or 0.5 %.
        requests("0+100x90") | problems("internal_error", "0+1x90"),
        requests("0+10x90") | problems("internal_error", "0x50 0+0.25x40"),
        "80m",
    ),
    "PolderAvailabilityBurn": Case(
        requests("0+1000x500") | problems("storage_unavailable", "0+4x500"),
        requests("0+1000x500") | problems("storage_unavailable", "0+2x500"),
        "480m",
    ),
    "PolderAvailabilitySlowBurn": Case(
        requests("0+5000x300") | problems("internal_error", "0+4x300"),
        requests("0+5000x300") | problems("internal_error", "0+2x300") | problems("upstream_timeout", "0+900x300"),
        "4500m",
        step="20m",
    ),
    "PolderOverheadFastBurn": Case(
        overhead("0+1.6x90", "0+2x90"),
        overhead("0+90x90", "0+100x90"),
        "80m",
        few=overhead("0+1.2x90", "0+1.5x90"),
    ),
    "PolderOverheadSlowBurn": Case(
        overhead("0+9.8x300", "0+10x300"),
        overhead("0+995x300", "0+1000x300"),
        "4500m",
        step="20m",
        few=overhead("0+4.9x300", "0+5x300"),
    ),
    "PolderTargetDown": Case(of_process("up", "1x5 0x10"), of_process("up", "1x5 0x1 1x10"), "10m", SAID),
    "PolderAbsent": Case(of_process("up", "0x20"), of_process("up", "1x20"), "10m", {}),
    "PolderNobodyWorks": Case(
        of_process("polder_background_work", "0x20"),
        of_process("polder_background_work", "0x20") | {f'polder_background_work{{{JOB}, instance="worker"}}': "1x20"},
        "15m",
    ),
    "PolderRequestsStuck": Case(
        of_process("polder_http_requests_in_flight", "3x40") | requests("50x40"),
        of_process("polder_http_requests_in_flight", "3x40") | requests("0+1x40"),
        "30m",
        SAID,
    ),
    "PolderEventLoopBlocked": Case(lag("0+110x30"), lag("0+100x30"), "20m", SAID),
    "PolderCrashLoop": Case(
        of_process("process_start_time_seconds", "1 1 2 2 3 3 4 4 4"),
        of_process("process_start_time_seconds", "1 1 1 1 2 2 2 2 2"),
        "8m",
        SAID,
    ),
    "PolderWorkersDie": Case(
        of_process("polder_worker_deaths_total", "0+1x30"),
        # Two are not three, though between two scrapes a little more is told.
        of_process("polder_worker_deaths_total", "_x6 5x2 6x3 7x18"),
        "20m",
        SAID,
    ),
    "PolderMemoryHigh": Case(
        of_process("process_resident_memory_bytes", "500000000x30"),
        of_process("process_resident_memory_bytes", "200000000x10 500000000x5 200000000x15"),
        "25m",
        SAID,
    ),
    "PolderFileDescriptorsHigh": Case(
        of_process("process_open_fds", "900x20") | of_process("process_max_fds", "1024x20"),
        of_process("process_open_fds", "700x20") | of_process("process_max_fds", "1024x20"),
        "15m",
        SAID,
    ),
    "PolderDrainsTooLong": Case(
        of_process("polder_draining", "0 1x10"), of_process("polder_draining", "0 1x3 0x10"), "8m", SAID
    ),
    "PolderStorageDown": Case(
        of_process("polder_storage_up", "1x3 0x5"), of_process("polder_storage_up", "1x5 0 1x5"), "6m", SAID
    ),
    "PolderStorageCrowded": Case(
        waits_for_the_database("0+90x40", "0+100x40"), waits_for_the_database("0+100x40", "0+100x40"), "20m", SAID
    ),
    "PolderDiskFillsIn24h": Case(
        of_process("polder_disk_free_bytes", "9000000000-5000000x500"),
        of_process("polder_disk_free_bytes", "9000000000-5000x500"),
        "480m",
        SAID,
    ),
    "PolderDiskFull": Case(
        # It has been full for so long that nothing falls any more: who looks at the slope alone sees nothing.
        of_process("polder_disk_free_bytes", "40000000x500"),
        of_process("polder_disk_free_bytes", "400000000x500"),
        "480m",
        SAID,
    ),
    "PolderBackupTooOld": Case(
        of_process("polder_last_backup_timestamp_seconds", "3600x300"),
        of_process("polder_last_backup_timestamp_seconds", "0x290 0x10"),
        "3100m",
        SAID,
        step="20m",
    ),
    "PolderUpstreamDown": Case(
        called("books", ok="0+10x30", failed="0+30x30"),
        called("books", ok="0+30x30", failed="0+10x30", waits="0+90x30"),
        "15m",
        OF_BOOKS,
    ),
    "PolderAllUpstreamsDown": Case(
        # While their breakers are open each is tried about once a minute, and every second one where it is called once.
        # What nobody calls has no say in it.
        called("books", unreached=SOMETIMES, ok="0x30")
        | called("ledger", unreached=SOMETIMES, ok="0x30")
        | called("another", unreached="0x30", ok="0x30"),
        # What never happened at one system need have no series there.
        called("books", unreached="0+30x30") | called("ledger", ok="0+30x30"),
        "15m",
    ),
    "PolderBreakerOpen": Case(
        # A call that tries now and then makes it half-open; only one that succeeds closes it.
        of_provider("polder_breaker_state", "0x5 2x8 1 2x20"),
        of_provider("polder_breaker_state", "0x5 2x8 0 2x4 0x20"),
        "25m",
        OF_BOOKS,
    ),
    "PolderRetryBudgetExhausted": Case(
        held_back("budget", "0+60x40") | held_back("breaker", "0x40"),
        held_back("budget", "0+2x40") | held_back("breaker", "0+60x40"),
        "30m",
        OF_BOOKS,
    ),
    "PolderBulkheadSaturated": Case(
        of_provider("polder_bulkhead_queue_depth", "3x30"),
        of_provider("polder_bulkhead_queue_depth", "300x12 0 300x12"),
        "20m",
        {**OF_BOOKS, "instance": "a"},
    ),
    "PolderShedding": Case(
        held_back("queue", "0+60x40") | held_back("budget", "0x40"),
        held_back("queue", "0x8 500x32") | held_back("budget", "0+60x40"),
        "35m",
        OF_BOOKS,
    ),
    "PolderUpstreamRateLimited": Case(
        called("books", ok="0+80x60", waits="0+20x60"),
        called("books", ok="0+95x60", waits="0+5x60"),
        "45m",
        OF_BOOKS,
    ),
    "PolderUpstreamMalformed": Case(
        problems("upstream_malformed", "0+1x30"), problems("upstream_malformed", "0x20 1x10"), "20m"
    ),
    "PolderProviderMisconfigured": Case(
        problems("provider_misconfigured", "0x10 1x5"), problems("provider_misconfigured", "7x15"), "12m"
    ),
    "PolderTokenRefreshFailing": Case(
        tokens("books", ok="0+2x60", transient="0+1x60", unknown="0x60"),
        tokens("books", ok="0+20x60", transient="0+1x60", unknown="0x60"),
        "45m",
        OF_BOOKS,
    ),
    "PolderOAuthConfigError": Case(
        tokens("books", config_error="0x10 1x5"),
        tokens("books", config_error="3x15", rejected="0+1x15"),
        "12m",
        OF_BOOKS,
    ),
    "PolderMassInvalidation": Case(
        transitions(held="0x10 1x10", needs_reauth="0x20"),
        transitions(held="7x20", needs_reauth="0+2x20"),
        "15m",
        OF_BOOKS,
    ),
    "PolderIntentStuck": Case(
        of_provider("polder_token_oldest_intent_age_seconds", "0x3 0+60x20"),
        # Each time it is asked again the intent is a new one.
        of_provider("polder_token_oldest_intent_age_seconds", "0 60 120 180 0 60 120 180 0 60 120 180 240 0x10"),
        "15m",
        OF_BOOKS,
    ),
    "PolderConnectionsNeedReauth": Case(
        {f'polder_connections{{{POD}, provider="books", status="needs_reauth"}}': "2x60 2+1x20"},
        {f'polder_connections{{{POD}, provider="books", status="needs_reauth"}}': "40x60 43x20"},
        "75m",
        OF_BOOKS,
    ),
    "PolderUnknownWritesOpen": Case(
        of_provider("polder_writes_oldest_unknown_age_seconds", "0+60x30"),
        of_provider("polder_writes_oldest_unknown_age_seconds", "0+60x14 0+60x14"),
        "20m",
        OF_BOOKS,
    ),
    "PolderWritesNeedAPerson": Case(
        reconciled(manual="0x10 1x10"),
        reconciled(manual="2x20", recovered="0+5x20", not_executed="0+5x20"),
        "15m",
        {**OURS, "resource": "invoices"},
    ),
    "PolderDuplicateWrites": Case(
        reconciled(duplicate="0x10 1x10"),
        reconciled(duplicate="2x20", manual="0+5x20"),
        "15m",
        {**OURS, "resource": "invoices"},
    ),
    "PolderManyUnknownWrites": Case(
        writes(applied="0+10x40", unknown="0+1x40"), writes(applied="0+99x40", unknown="0+1x40"), "30m"
    ),
    "PolderBadKeys": Case(problems("unauthenticated", "0+120x60"), problems("unauthenticated", "0+30x60"), "45m"),
    "PolderForbidden": Case(problems("forbidden", "0+120x60"), problems("forbidden", "0+30x60"), "45m"),
}


def test_every_alert_has_a_case() -> None:
    assert CASES.keys() == alerts().keys()


@needs_promtool
@pytest.mark.parametrize("name", CASES)
def test_it_fires_when_it_must_and_is_silent_otherwise(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    expected = {"exp_labels": {**case.labels, "severity": alerts()[name]["labels"]["severity"]}}
    alone, test = tmp_path / "rules.yaml", tmp_path / "test.yaml"
    alone.write_text(yaml.safe_dump({"groups": [by_itself(name)]}))
    test.write_text(
        yaml.safe_dump(
            {
                "rule_files": [alone.name],
                "evaluation_interval": case.step,
                "tests": [
                    asked(name, case, case.fires, [expected]),
                    asked(name, case, case.silent, []),
                    *([asked(name, case, case.few, [])] if case.few else []),
                ],
            }
        )
    )
    promtool("test", "rules", test)


def asked(name: str, case: Case, series: Series, expected: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "interval": case.step,
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": name, "exp_alerts": expected}],
    }


def by_itself(name: str) -> dict[str, Any]:
    """The alert with the recording rules that it reads, without annotations.

    promtool would want each test to repeat those, and test_monitoring.py judges them.
    """
    alert = {key: value for key, value in alerts()[name].items() if key != "annotations"}
    read = [rule for rule in rules() if rule.get("record", alert["alert"]) in alert["expr"]]
    return {"name": name, "rules": [*read, alert]}
