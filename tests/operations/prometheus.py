"""Prometheus' own tools, put to work: promtool to judge rules, and a server to ask queries of."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "k8s" / "monitoring"
ALERTS = MONITORING / "alerts.yaml"
DASHBOARDS = sorted((MONITORING / "dashboards").glob("*.json"))

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed; in Debian it comes with the package prometheus"
)
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed; in Debian it is a package of that name"
)

OF_THE_LABELS = {"job", "instance", "namespace", "le", "__name__"}
"""Labels that Prometheus itself adds, and a histogram's own."""
OF_PROMETHEUS = {"up"}
_WORDS = {
    "and",
    "or",
    "unless",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
    "offset",
    "inf",
}
_VARIABLES = {"$__rate_interval": "5m", "$__range": "1h", "$job": "polder"}


def groups() -> list[dict[str, Any]]:
    """The groups of alerts.yaml."""
    found: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"]
    return found


def rules() -> list[dict[str, Any]]:
    """Every rule of them."""
    return [rule for group in groups() for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """The alerts, by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recorded() -> set[str]:
    """The names that recording rules make."""
    return {rule["record"] for rule in rules() if "record" in rule}


def queries(path: Path, variables: Mapping[str, str] = _VARIABLES) -> list[str]:
    """The PromQL of a dashboard, its variables filled in."""
    found = []
    for panel in json.loads(path.read_text())["panels"]:
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in variables.items():
                expression = expression.replace(name, value)
            found.append(expression)
    return found


def metrics_named(expression: str) -> dict[str, set[str]]:
    """The metrics of a PromQL expression, each with the labels that it is narrowed by."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    found: dict[str, set[str]] = {}
    for match in re.finditer(r"(?<![\w:.])([a-zA-Z_:][\w:]*)\s*(\(|\{[^}]*\})?", bare):
        name, behind = match[1], match[2] or ""
        if behind == "(" or name in _WORDS:
            continue
        if any(start <= match.start() < end for start, end in _matchers(bare)):
            continue
        labels = found.setdefault(name, set())
        labels |= set(re.findall(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)", behind))
    return found


def _matchers(expression: str) -> list[tuple[int, int]]:
    """Where the braces are: what is in them is no metric."""
    return [(match.start() + 1, match.end()) for match in re.finditer(r"\{[^}]*\}", expression)]


def grouped_by(expression: str) -> set[str]:
    """The labels that an expression groups by."""
    found = re.findall(r"\bby\s*\(([^)]*)\)", expression)
    return {label.strip() for labels in found for label in labels.split(",")}


def promtool(*arguments: str | Path, given: str | None = None) -> str:
    """What promtool says; it must be content."""
    done = subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, timeout=120, check=False, input=given
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
