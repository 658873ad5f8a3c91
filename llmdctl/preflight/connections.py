"""The connections that a recipe's pods need, and the policies that they will meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from llmdctl.preflight.interconnect import disaggregated, multi_node
from llmdctl.preflight.network_policy import Connection, End
from llmdctl.preflight.workload import PodTemplate

if TYPE_CHECKING:
    from llmdctl.preflight.case import Case

Item = Mapping[str, Any]
_DNS: Final = (
    ("kube-system", {"k8s-app": "kube-dns"}, 53),
    ("openshift-dns", {"dns.operator.openshift.io/daemonset-dns": "default"}, 5353),
)
"""Namespace, labels and port of the pods that answer names.

https://kubernetes.io/docs/tasks/administer-cluster/dns-custom-nameservers/
https://docs.redhat.com/en/documentation/openshift_container_platform/4.19/html/networking_operators/dns-operator
"""

EPP: Final = "epp"
HUB: Final = End(name="the model hub")
API_SERVER: Final = End(name="the API server")


def policies(case: Case) -> tuple[Item, ...]:
    """NetworkPolicies as they will be: those of the release's namespace, the recipe's own in place of older ones.

    Raises UnknowableError where they could not be listed.
    """
    own = tuple(case.rendered("NetworkPolicy"))
    names = {each["metadata"]["name"] for each in own}
    there = [item for item in case.section("network-policies") if _kept(item, case.namespace, names)]
    return (*there, *own)


def _kept(item: Item, namespace: str, replaced: set[str]) -> bool:
    metadata = item.get("metadata") or {}
    kind = item.get("kind", "NetworkPolicy")
    return kind == "NetworkPolicy" and metadata.get("namespace") == namespace and metadata.get("name") not in replaced


def end(case: Case, template: PodTemplate) -> End:
    """The pods of a template."""
    ports = [row for each in template.containers for row in each.get("ports") or ()]
    return End(
        name=template.role,
        namespace=str(template.workload["metadata"].get("namespace") or case.namespace),
        labels=template.labels,
        namespace_labels=_labels(case, case.namespace),
        ports={str(row["name"]): int(row["containerPort"]) for row in ports if row.get("name")},
    )


def _labels(case: Case, namespace: str) -> Mapping[str, str]:
    for item in case.section("namespaces"):
        if item["metadata"]["name"] == namespace:
            return item["metadata"].get("labels") or {}
    return {}


def inside(case: Case) -> Iterator[Connection]:
    """Between the recipe's own pods: picker to servers, and among servers that share work."""
    servers = [template for template in case.workloads if template.is_model_server]
    pickers = [template for template in case.workloads if template.role == EPP]
    together = disaggregated(case)
    for target in servers:
        to = end(case, target)
        for port in sorted(set(to.ports.values()) & _pool_ports(case) or set(_serving(to))):
            yield from (Connection(source=end(case, each), target=to, port=port) for each in pickers)
        for source in servers:
            if (together and source.role != target.role) or (source is target and multi_node(target)):
                for name, port in sorted(to.ports.items()):
                    if name != "serving" or together:
                        yield Connection(source=end(case, source), target=to, port=port)


def _pool_ports(case: Case) -> set[int]:
    pools = case.rendered("InferencePool")
    return {int(row["number"]) for pool in pools for row in (pool.get("spec") or {}).get("targetPorts") or ()}


def _serving(target: End) -> Iterator[int]:
    if "serving" in target.ports:
        yield target.ports["serving"]


def outside(case: Case) -> Iterator[tuple[Connection, ...]]:
    """What pods need beyond the release; of each group one connection is enough."""
    for template in case.workloads:
        source = end(case, template)
        yield tuple(
            Connection(source=source, target=_dns(case, namespace, labels), port=port, protocol="UDP")
            for namespace, labels, port in _DNS
        )
        if template.is_model_server and downloads(template):
            yield (Connection(source=source, target=HUB, port=443),)
        if template.role == EPP:
            yield tuple(Connection(source=source, target=API_SERVER, port=port) for port in (443, 6443))


def _dns(case: Case, namespace: str, labels: Mapping[str, str]) -> End:
    return End(
        name="the cluster's DNS", namespace=namespace, labels=labels, namespace_labels=_labels(case, namespace),
        ports={"dns": 5353 if namespace == "openshift-dns" else 53},
    )  # fmt: skip


def downloads(template: PodTemplate) -> bool:
    """Whether the pod fetches its model: it has a token's variable or a hub's home, and is not told to stay offline."""
    names = {str(row.get("name")): row.get("value") for each in template.containers for row in each.get("env") or ()}
    return bool({"HF_TOKEN", "HF_HOME"} & set(names)) and names.get("HF_HUB_OFFLINE") not in ("1", "true")
