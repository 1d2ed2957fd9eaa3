"""The Kubernetes manifests, rendered as `kubectl apply -k` would: valid to the letter, hardened, about this Polder."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.serve import grace_with
from gateway.settings import Settings
from gateway.supervise import patience_with
from gateway.web.health import CHECK_WITHIN, LOOK_WITHIN
from tests.operations.prometheus import DASHBOARDS, ROOT

K8S = ROOT / "k8s"
README = (ROOT / "README.md").read_text(encoding="utf-8")
OVERLAYS = ("dev", "prod")
NOBODY = 65532
TOKEN_FLIGHTS = 35
"""Seconds that requests for a token may take once a process is told to stop (reliability §3.2)."""
KUBERNETES = ("1.30", "1.35")
"""The oldest version that the manifests are for, and a new one."""

Manifest = dict[str, Any]

needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None,
    reason="kubectl, which renders the overlays, is not installed; in Debian it comes with kubernetes-client",
)
pytestmark = needs_kubectl
each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


@cache
def rendered(overlay: str) -> str:
    done = subprocess.run(
        ["kubectl", "kustomize", K8S / "overlays" / overlay], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def manifests(overlay: str, kind: str = "") -> list[Manifest]:
    return [one for one in yaml.safe_load_all(rendered(overlay)) if kind in ("", one["kind"])]


def only(overlay: str, kind: str) -> Manifest:
    [manifest] = manifests(overlay, kind)
    return manifest


def workloads(overlay: str) -> list[Manifest]:
    return manifests(overlay, "Deployment") + manifests(overlay, "Job")


def gateway(overlay: str) -> Manifest:
    """The Deployment that answers requests."""
    return component(overlay, "Deployment", "gateway")


def worker() -> Manifest:
    """The Deployment that does what nobody waits for."""
    return component("prod", "Deployment", "worker")


def component(overlay: str, kind: str, name: str) -> Manifest:
    """The one of a kind that is, or is about, a component."""
    [found] = [one for one in manifests(overlay, kind) if about(one).get("app.kubernetes.io/component") == name]
    return found


def about(manifest: Manifest) -> dict[str, str]:
    """The labels that its pods are selected by."""
    found: dict[str, str] = manifest["spec"]["selector"]["matchLabels"]
    return found


def pod(workload: Manifest) -> Manifest:
    spec: Manifest = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Manifest) -> Manifest:
    [one] = pod(workload)["containers"]
    assert isinstance(one, dict)
    return one


def labels(workload: Manifest) -> dict[str, str]:
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def settings_given(overlay: str) -> dict[str, str]:
    found: dict[str, str] = next(
        one["data"]
        for one in manifests(overlay, "ConfigMap")
        if one["metadata"]["name"].startswith("polder-") and "POLDER_HOME" in one["data"]
    )
    return found


@each_overlay
@pytest.mark.parametrize("version", KUBERNETES)
def test_they_are_valid_to_the_letter(overlay: str, version: str, tmp_path: Path) -> None:
    path = tmp_path / "rendered.yaml"
    path.write_text(rendered(overlay))
    program = "from kubernetes_validate.__main__ import main; import sys; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "--strict", "-k", version, path], capture_output=True, text=True, check=False
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    built_in = [one for one in manifests(overlay) if "monitoring.coreos.com" not in one["apiVersion"]]
    assert told.count(" passed for resource ") == len(built_in), told


@each_overlay
def test_everything_is_in_a_namespace_that_enforces_restrictions(overlay: str) -> None:
    namespace = only(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    others = [one["metadata"]["namespace"] for one in manifests(overlay) if one["kind"] != "Namespace"]
    assert set(others) == {namespace["metadata"]["name"]}


# Pods


@each_overlay
def test_pods_run_as_nobody_with_the_default_seccomp_profile(overlay: str) -> None:
    for workload in workloads(overlay):
        context = pod(workload)["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] == NOBODY
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}


@each_overlay
def test_pods_have_no_way_to_the_cluster(overlay: str) -> None:
    for workload in workloads(overlay):
        assert pod(workload)["automountServiceAccountToken"] is False
        assert pod(workload)["serviceAccountName"] == only(overlay, "ServiceAccount")["metadata"]["name"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod(workload).keys()
        # A Service named polder would set POLDER_PORT=tcp://..., which is the name of a setting of ours.
        assert pod(workload)["enableServiceLinks"] is False


@each_overlay
def test_containers_can_write_only_where_they_must(overlay: str) -> None:
    for workload in workloads(overlay):
        assert container(workload)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        mounts = container(workload)["volumeMounts"]
        assert {mount["mountPath"] for mount in mounts if not mount.get("readOnly")} == {"/data", "/tmp"}
        assert {mount["name"] for mount in mounts} == {volume["name"] for volume in pod(workload)["volumes"]}


@each_overlay
def test_memory_asked_for_is_memory_allowed(overlay: str) -> None:
    for workload in workloads(overlay):
        requests, limits = (container(workload)["resources"][part] for part in ("requests", "limits"))
        assert requests["memory"] == limits["memory"]
        assert requests["cpu"]
        assert requests["ephemeral-storage"]


@each_overlay
def test_probes_ask_life_of_the_process_and_readiness_of_the_stores(overlay: str) -> None:
    for deployment in manifests(overlay, "Deployment"):
        probes = {
            kind: container(deployment)[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")
        }
        paths = {kind: probe["path"] for kind, probe in probes.items()}
        assert paths == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}
        assert container(deployment)["readinessProbe"]["timeoutSeconds"] > CHECK_WITHIN + LOOK_WITHIN
        [port] = {probe["port"] for probe in probes.values()}
        named = {one["name"]: one["containerPort"] for one in container(deployment)["ports"]}
        assert named[port] == int(settings_given(overlay)["POLDER_PORT"])


@each_overlay
def test_ports_are_those_that_polder_listens_on(overlay: str) -> None:
    ports = {port["name"]: port["containerPort"] for port in container(gateway(overlay))["ports"]}
    given = settings_given(overlay)
    assert ports == {"http": int(given["POLDER_PORT"]), "metrics": int(given["POLDER_METRICS_PORT"])}
    assert given["POLDER_HOST"] == "0.0.0.0"


def stopping(overlay: str) -> float:
    """Seconds that it may take to stop, as the README says it."""
    [further] = re.findall(r"`POLDER_DRAIN` \+ `POLDER_DEADLINE` \+ (\d+) seconds", README)
    given = settings_given(overlay)
    drain, deadline = (
        float(given.get(name, default)) for name, default in (("POLDER_DRAIN", 0), ("POLDER_DEADLINE", 30))
    )
    return drain + deadline + int(further)


def test_the_readme_says_how_long_it_may_take_to_stop() -> None:
    """Requests under way have until their deadline, then the tokens on their way some time, and some is to spare."""
    times = Settings()
    assert times.drain + grace_with(times.deadline) + TOKEN_FLIGHTS < stopping("dev")
    assert patience_with(times) < stopping("dev")
    [unit] = re.findall(r"TimeoutStopSec=(\d+)", README)
    assert int(unit) >= stopping("dev")


@each_overlay
def test_a_pod_is_given_time_to_finish_its_work(overlay: str) -> None:
    deployment = gateway(overlay)
    before = container(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert 5 <= before <= 10
    assert pod(deployment)["terminationGracePeriodSeconds"] >= before + stopping(overlay)


@each_overlay
def test_settings_given_are_settings_known(overlay: str) -> None:
    known = {f"POLDER_{field}".upper() for field in Settings.model_fields}
    dockerfile = set(re.findall(r"\b(POLDER_[A-Z_]+)=", (ROOT / "Dockerfile").read_text()))
    assert settings_given(overlay).keys() | dockerfile <= known
    named = [entry["name"] for workload in workloads(overlay) for entry in container(workload).get("env", [])]
    assert set(named) <= known


@each_overlay
def test_settings_reach_every_pod(overlay: str) -> None:
    [config] = [one["metadata"]["name"] for one in manifests(overlay, "ConfigMap") if "POLDER_HOME" in one["data"]]
    for workload in workloads(overlay):
        assert {"configMapRef": {"name": config}} in container(workload)["envFrom"]


@each_overlay
def test_the_release_deployed_is_this_one(overlay: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {container(workload)["image"] for workload in workloads(overlay)} == {f"polder:{version}"}


# Who finds whom


@each_overlay
def test_the_selectors_find_the_gateway_and_nothing_else(overlay: str) -> None:
    deployment = gateway(overlay)
    others = [one for one in workloads(overlay) if one != deployment]
    selectors = [
        only(overlay, "Service")["spec"]["selector"],
        component(overlay, "PodDisruptionBudget", "gateway")["spec"]["selector"]["matchLabels"],
        deployment["spec"]["selector"]["matchLabels"],
        *(spread["labelSelector"]["matchLabels"] for spread in pod(deployment).get("topologySpreadConstraints", [])),
    ]
    for selector in selectors:
        assert selector.items() <= labels(deployment).items()
        assert [other for other in others if selector.items() <= labels(other).items()] == []


def test_the_metrics_are_found_and_shown() -> None:
    monitor = only("prod", "ServiceMonitor")
    service = only("prod", "Service")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["path"] == "/metrics"
    assert service["metadata"]["name"] == "polder", "the alerts say job=polder, and the job is named after the Service"
    workers = only("prod", "PodMonitor")["spec"]
    assert workers["selector"]["matchLabels"].items() <= labels(worker()).items()
    [endpoint] = workers["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("metrics", "/metrics")
    assert {"targetLabel": "job", "replacement": "polder"} in endpoint["relabelings"]
    assert "metrics" in {port["name"] for port in container(worker())["ports"]}
    [boards] = [one for one in manifests("prod", "ConfigMap") if "dashboards" in one["metadata"]["name"]]
    assert boards["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert boards["data"] == {path.name: path.read_text() for path in DASHBOARDS}
    assert only("prod", "PrometheusRule")["spec"]["groups"]


# A trial


def test_a_trial_keeps_its_books_on_one_volume_with_one_writer() -> None:
    deployment, claim = gateway("dev"), only("dev", "PersistentVolumeClaim")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    [volume] = [one for one in pod(deployment)["volumes"] if one["name"] == "data"]
    assert volume == {"name": "data", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert manifests("dev", "HorizontalPodAutoscaler") == []
    assert "POLDER_ENV" not in settings_given("dev")


# Production


def test_production_makes_nothing_up() -> None:
    assert settings_given("prod")["POLDER_ENV"] == "production"
    for deployment in manifests("prod", "Deployment"):
        [volume] = [one for one in pod(deployment)["volumes"] if one["name"] == "data"]
        assert "emptyDir" in volume


def test_production_loses_no_replica_to_a_release_or_a_node() -> None:
    deployment, scaler = gateway("prod"), only("prod", "HorizontalPodAutoscaler")
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert "replicas" not in deployment["spec"], "applying it again would undo what the scaler did"
    assert scaler["spec"]["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": "Deployment",
        "name": deployment["metadata"]["name"],
    }
    budget = component("prod", "PodDisruptionBudget", "gateway")["spec"]["maxUnavailable"]
    assert 1 <= budget < scaler["spec"]["minReplicas"] <= scaler["spec"]["maxReplicas"]
    spread = {one["topologyKey"] for one in pod(deployment)["topologySpreadConstraints"]}
    assert spread == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}


def test_production_has_somebody_who_does_what_nobody_waits_for() -> None:
    """Workers do, as the gateways leave it to them; a release or a node takes no more than one of them away."""
    assert settings_given("prod")["POLDER_BACKGROUND"] == "false"
    assert container(worker())["args"] == ["polder", "work"]
    assert "POLDER_BACKGROUND" not in settings_given("dev")
    budget = component("prod", "PodDisruptionBudget", "worker")["spec"]
    assert budget["selector"]["matchLabels"].items() <= labels(worker()).items()
    assert 1 <= budget["maxUnavailable"] < worker()["spec"]["replicas"]
    assert worker()["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert {one["topologyKey"] for one in pod(worker())["topologySpreadConstraints"]} == {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    }
    assert pod(worker())["terminationGracePeriodSeconds"] >= stopping("prod")


def test_the_workers_are_given_what_the_gateways_are() -> None:
    mine, theirs = container(worker()), container(gateway("prod"))
    assert (mine["image"], mine["envFrom"]) == (theirs["image"], theirs["envFrom"])
    assert {one["name"] for one in mine["volumeMounts"]} == {one["name"] for one in theirs["volumeMounts"]}
    assert secrets_of(worker()) == secrets_of(gateway("prod"))


def test_production_takes_every_secret_from_files_that_only_it_can_read() -> None:
    assert [path for path in K8S.rglob("*.yaml") if "kind: Secret" in path.read_text().splitlines()] == []
    folder = settings_given("prod")["POLDER_SECRETS_DIR"]
    for workload in workloads("prod"):
        assert "env" not in container(workload)
        assert [one for one in container(workload)["envFrom"] if "secretRef" in one] == []
        [mount] = [one for one in container(workload)["volumeMounts"] if one["name"] == "secrets"]
        assert (mount["mountPath"], mount["readOnly"]) == (folder, True)
        [volume] = [one for one in pod(workload)["volumes"] if one["name"] == "secrets"]
        [kind] = volume.keys() - {"name"}
        assert volume[kind]["defaultMode"] == 0o440


def secrets_of(workload: Manifest) -> Manifest:
    """The volume with a workload's secrets."""
    [volume] = [one for one in pod(workload)["volumes"] if one["name"] == "secrets"]
    assert isinstance(volume, dict)
    return volume


def secrets_that_production_waits_for() -> set[str]:
    """The files without which no pod of the gateway starts."""
    sources = secrets_of(gateway("prod"))["projected"]["sources"]
    needed = [one["secret"] for one in sources if not one["secret"].get("optional")]
    return {item["path"] for secret in needed for item in secret["items"]}


def test_the_secret_that_the_readme_makes_has_what_production_needs() -> None:
    said = set(re.findall(r"--from-literal=(POLDER_[A-Z_]+)=", (K8S / "README.md").read_text()))
    assert said == secrets_that_production_waits_for()
    assert {"POLDER_DATABASE_URL", "POLDER_REDIS_URL", "POLDER_ENCRYPTION_KEYS", "POLDER_PUBLIC_URL"} <= said
    assert said <= {f"POLDER_{field}".upper() for field in Settings.model_fields}


def test_the_runbooks_reach_all_that_a_release_or_a_secret_reaches() -> None:
    text = " ".join(path.read_text() for path in (K8S / "runbooks").glob("*.md"))
    everything = {one["metadata"]["name"] for one in manifests("prod", "Deployment")}
    rollouts = re.findall(r"`kubectl -n polder rollout (?:undo|restart) ([^`]*)`", text)
    assert len(rollouts) > 2
    for named in rollouts:
        assert {one.removeprefix("deployment/") for one in named.split()} == everything


def test_the_runbooks_say_whose_logs() -> None:
    text = " ".join(path.read_text() for path in (K8S / "runbooks").glob("*.md"))
    asked = re.findall(r"`kubectl -n polder logs ([^`]*)`", text)
    assert asked
    for options in asked:
        [label] = re.findall(r"-l (\S+)=(\S+)", options)
        for one in workloads("prod"):
            assert label in one["spec"]["template"]["metadata"]["labels"].items()


def test_the_runbooks_set_what_is_a_setting_and_take_it_back() -> None:
    text = " ".join(path.read_text() for path in (K8S / "runbooks").glob("*.md"))
    done = re.findall(r"`kubectl -n polder set env deployment/polder (POLDER_\w+)=[^`]+`", text)
    undone = re.findall(r"`kubectl -n polder set env deployment/polder (POLDER_\w+)-`", text)
    assert done == undone == ["POLDER_BACKGROUND"]
    assert set(done) <= {f"POLDER_{field}".upper() for field in Settings.model_fields}


def test_the_runbooks_leave_replicas_to_the_scaler() -> None:
    text = " ".join(path.read_text() for path in (K8S / "runbooks").glob("*.md"))
    scaler = only("prod", "HorizontalPodAutoscaler")
    assert "kubectl -n polder scale" not in text
    [(name, patch)] = re.findall(r"patch horizontalpodautoscaler/(\w+) -p '([^']*)'", text)
    [(setting, value)] = json.loads(patch)["spec"].items()
    assert (name, setting) == (scaler["metadata"]["name"], "minReplicas")
    assert scaler["spec"]["minReplicas"] < value <= scaler["spec"]["maxReplicas"] == 10


@pytest.mark.parametrize("folder", ["base", "monitoring", "overlays/dev", "overlays/prod"])
def test_kustomizations_list_every_file_once(folder: str) -> None:
    [kustomization] = yaml.safe_load_all((K8S / folder / "kustomization.yaml").read_text())
    listed = [*kustomization["resources"], *(patch["path"] for patch in kustomization.get("patches", []))]
    present = {path.name for path in (K8S / folder).glob("*.yaml")} - {"kustomization.yaml", "alerts.yaml"}
    assert len(set(listed)) == len(listed)
    assert set(listed) - {"../../base"} == present
