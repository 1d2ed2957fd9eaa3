"""Who may reach Polder's pods, and whom these reach: the NetworkPolicies as a cluster reads them."""

from ipaddress import ip_address, ip_network

import pytest

from tests.operations.test_manifests import (
    Manifest,
    each_overlay,
    gateway,
    labels,
    manifests,
    needs_kubectl,
    workloads,
)

pytestmark = needs_kubectl

SYSTEM = "kube-system"


def goes_out(overlay: str, workload: Manifest, address: str, port: int, protocol: str = "TCP", of: str = "") -> bool:
    """Whether a pod may call there; ``of`` is the namespace of the pod that is there.

    What is on the network of a node itself, as a cache of names is, has none: no selector finds it. Nor has the address
    of a Service, where that is not replaced by that of a pod before.
    """
    there = ip_address(address)

    def is_meant(to: Manifest) -> bool:
        if "ipBlock" in to:
            block = to["ipBlock"]
            without = any(there in ip_network(one) for one in block.get("except", []))
            return there in ip_network(block["cidr"]) and not without
        return bool(of) and to["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": of}

    return any(
        ("to" not in rule or any(is_meant(to) for to in rule["to"]))
        and {"port": port, "protocol": protocol} in rule["ports"]
        for policy in manifests(overlay, "NetworkPolicy")
        if policy["spec"]["podSelector"]["matchLabels"].items() <= labels(workload).items()
        for rule in policy["spec"].get("egress", [])
    )


@each_overlay
def test_network_policies_hold_every_pod(overlay: str) -> None:
    policies = manifests(overlay, "NetworkPolicy")
    for policy in policies:
        if policy["metadata"]["name"] == "polder-gateway":
            continue
        for workload in workloads(overlay):
            assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels(workload).items()
    [base] = [policy for policy in policies if policy["metadata"]["name"] == "polder"]
    assert base["spec"]["policyTypes"] == ["Ingress", "Egress"]


@each_overlay
def test_who_reaches_the_api_does_not_reach_the_metrics_and_nobody_reaches_a_worker(overlay: str) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in manifests(overlay, "NetworkPolicy")}
    [metrics], [api] = policies["polder"]["ingress"], policies["polder-gateway"]["ingress"]
    assert ([one["port"] for one in metrics["ports"]], [one["port"] for one in api["ports"]]) == (["metrics"], ["http"])
    assert metrics["from"] == [{"namespaceSelector": {"matchLabels": {"polder-metrics": "true"}}}]
    assert metrics["from"][0] not in api["from"]
    reached = policies["polder-gateway"]["podSelector"]["matchLabels"].items()
    assert [one for one in workloads(overlay) if reached <= labels(one).items()] == [gateway(overlay)]
    assert [name for name, spec in policies.items() if "ingress" in spec] == ["polder", "polder-gateway"]


@each_overlay
@pytest.mark.parametrize(
    ("address", "of"),
    [
        ("10.244.0.3", SYSTEM),
        ("10.244.0.3", "dns"),
        ("10.96.0.10", ""),  # the address of the Service itself, which a cache on the node takes for its own
        ("34.118.224.10", ""),  # the same where Services have addresses that are public elsewhere
        ("169.254.20.10", ""),  # the usual cache on a node
        ("169.254.25.10", ""),
        ("fd00:10:96::a", ""),
    ],
)
def test_names_are_found_wherever_a_cluster_keeps_them(overlay: str, address: str, of: str) -> None:
    for workload in workloads(overlay):
        for protocol in ("UDP", "TCP"):
            assert goes_out(overlay, workload, address, 53, protocol, of)


@each_overlay
@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("169.254.169.254", 80),  # a cloud's metadata
        ("169.254.20.10", 443),
        ("10.96.0.1", 443),  # the cluster's own API
        ("192.168.1.1", 443),
        ("172.16.0.1", 443),
        ("100.64.0.1", 443),
        ("fd00::1", 443),
        ("203.0.113.7", 80),
        ("10.0.0.5", 8080),
    ],
)
def test_nothing_is_reached_that_is_not_needed(overlay: str, address: str, port: int) -> None:
    for workload in workloads(overlay):
        assert goes_out(overlay, workload, "203.0.113.7", 443)
        assert not goes_out(overlay, workload, address, port, of=SYSTEM)


@pytest.mark.parametrize("port", [5432, 6379])
def test_only_production_reaches_stores_and_only_on_private_addresses(port: int) -> None:
    for workload in workloads("prod"):
        assert goes_out("prod", workload, "10.0.0.5", port)
        assert not goes_out("prod", workload, "203.0.113.7", port)
    assert not goes_out("dev", gateway("dev"), "10.0.0.5", port)
