"""Dashboards and alerts: Prometheus can read them, what they name is there, each alert leads to a page that helps."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from gateway.settings import METRICS_PORT, Settings
from k8s.monitoring import grafana
from tests.operations.prometheus import (
    DASHBOARDS,
    MONITORING,
    OF_PROMETHEUS,
    OF_THE_LABELS,
    ROOT,
    alerts,
    grouped_by,
    metrics_named,
    needs_promtool,
    promtool,
    queries,
    recorded,
    rules,
)
from tests.operations.scrape import scraped
from tests.operations.test_series import everything_that_can_happen
from tests.web.edge import build_edge

pytestmark = pytest.mark.anyio

EXPRESSIONS = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()] + [
    (f"{path.stem}-{number}", query) for path in DASHBOARDS for number, query in enumerate(queries(path))
]


@pytest.fixture(scope="module")
def exposed() -> dict[str, set[str]]:
    """The metrics that there are, each with its labels."""
    found: dict[str, set[str]] = {}
    for one in scraped(everything_that_can_happen()):
        name, _, labels = one.partition("{")
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def test_what_an_expression_names_is_found_out() -> None:
    """The tests below see nothing wrong where this sees nothing."""
    expression = 'sum by (le, x) (rate(a_bucket{job="by {c}", le=~"d"}[5m])) / on (x) b > 1 and absent(up{y!="1"})'
    assert metrics_named(expression) == {"a_bucket": {"job", "le"}, "b": set(), "up": {"y"}}
    assert grouped_by(expression) == {"le", "x"}


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS, ids=[name for name, _ in EXPRESSIONS])
def test_only_what_exists_is_named(where: str, expression: str, exposed: dict[str, set[str]]) -> None:
    named = metrics_named(expression)
    assert named
    unknown = named.keys() - exposed.keys() - OF_PROMETHEUS - recorded()
    assert unknown == set(), f"{where} names what is not there"
    for name, labels in named.items():
        assert labels <= exposed.get(name, set()) | OF_THE_LABELS, f"{where}: {name} has no such labels"
    assert grouped_by(expression) <= set().union(*(exposed.get(name, set()) for name in named)) | OF_THE_LABELS


@needs_promtool
def test_prometheus_reads_every_rule_and_query(tmp_path: Path) -> None:
    promtool("check", "rules", MONITORING / "alerts.yaml")
    as_rules = [
        {"record": f"query:{re.sub('[^a-z0-9]', '_', name)}", "expr": expression}
        for name, expression in EXPRESSIONS
        if "-" in name
    ]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": as_rules}]}))
    assert f"{len(as_rules)} rules found" in promtool("check", "rules", path)


@needs_promtool
async def test_prometheus_finds_no_fault_with_the_metrics() -> None:
    edge = await build_edge()
    await edge.client.get("/v1/connections/con_1/contacts")
    promtool("check", "metrics", given=edge.metrics.exposition().decode())


def test_the_operator_is_given_the_same_rules() -> None:
    made = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())
    assert made["kind"] == "PrometheusRule"
    assert made["spec"] == yaml.safe_load((MONITORING / "alerts.yaml").read_text())


@needs_promtool
def test_prometheus_takes_the_configurations_that_are_shown(tmp_path: Path) -> None:
    shown = re.findall(r"```yaml\n(.*?)```", (ROOT / "k8s" / "README.md").read_text(), re.DOTALL)
    assert len(shown) == 2
    shutil.copy(MONITORING / "alerts.yaml", tmp_path)
    for text in shown:
        config = tmp_path / "prometheus.yml"
        # Debian's Prometheus cannot ask Kubernetes for pods, and refuses to read that it should.
        config.write_text(re.sub(r"kubernetes_sd_configs: .*", "static_configs: []", text))
        promtool("check", "config", config)
        [job] = yaml.safe_load(text)["scrape_configs"]
        assert job["job_name"] == "polder"
    settings = Settings(env="local")
    assert job["static_configs"] == [{"targets": [f"{settings.host}:{settings.metrics_at}"]}]
    assert Settings(env="production").metrics_at == METRICS_PORT == 9464
    assert "POLDER_METRICS_PORT=9464" in (ROOT / "Dockerfile").read_text()


# Dashboards


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path: Path) -> None:
    board = json.loads(path.read_text())
    assert board["uid"] == f"polder-{path.stem}"
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    taken = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(taken)) == len(taken)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
    variables = {one["name"] for one in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps(board))) - {"__rate_interval", "__all"}
    assert used == variables


def test_the_dashboards_are_those_that_are_generated() -> None:
    assert {path.stem for path in DASHBOARDS} == grafana.DASHBOARDS.keys()
    assert {"overview", "provider", "tokens", "writes", "runtime", "security"} <= grafana.DASHBOARDS.keys()


# Runbooks

ANCHOR = re.compile(r"^## (\w+)$", re.MULTILINE)
PARTS = ("**Means**", "**Look**", "**Do**")


def runbooks() -> dict[str, str]:
    """Every section of every runbook, by its address."""
    found = {}
    for path in sorted((ROOT / "k8s" / "runbooks").glob("*.md")):
        parts = ANCHOR.split(path.read_text())
        for title, text in zip(parts[1::2], parts[2::2], strict=True):
            found[f"{path.relative_to(ROOT).as_posix()}#{title.lower()}"] = text
    return found


@pytest.mark.parametrize("name", sorted(alerts()))
def test_an_alert_says_who_should_do_what(name: str) -> None:
    alert = alerts()[name]
    assert alert["labels"]["severity"] in ("page", "ticket")
    annotations = alert["annotations"]
    assert annotations.keys() == {"summary", "runbook_url", "dashboard"}
    assert annotations["summary"].endswith(".")
    assert annotations["dashboard"].removeprefix("polder-") in grafana.DASHBOARDS
    assert annotations["runbook_url"].endswith(f"#{name.lower()}")
    text = runbooks()[annotations["runbook_url"]]
    assert [part for part in PARTS if part not in text] == []


def test_every_runbook_belongs_to_an_alert() -> None:
    assert runbooks().keys() == {alert["annotations"]["runbook_url"] for alert in alerts().values()}


def test_a_runbook_names_only_metrics_and_commands_that_exist() -> None:
    from typer.main import get_command

    from gateway.cli import app

    commands = set(get_command(app).commands)  # type: ignore[attr-defined]  # a group has commands
    text = "\n".join(runbooks().values())
    assert set(re.findall(r"`polder ([a-z]+)", text)) <= commands
