"""Can Prometheus be asked: is it where the triggers look, and do they have what it wants to see?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.controller import simulated
from llmdctl.preflight.scaling import NO_SCALER, Address, Scaler, addresses, scalers
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped

Item = Mapping[str, Any]


def _reachable(case: Case) -> Verdict:
    """Whether each Prometheus inside the cluster is a Service with that port and somebody behind it."""
    asked = list(addresses(case))
    if not asked:
        return skipped("no trigger asks a Prometheus" if any(scalers(case)) else NO_SCALER)
    outside = [each.text for _, _, each in asked if each.service is None]
    if len(outside) == len(asked):
        return skipped(f"{outside[0]} is no Service of this cluster")
    bad = [found for scaler, _, each in asked if (found := _unreachable(case, scaler, each))]
    if bad and simulated(case):
        return skipped("every node is simulated, and no Prometheus runs there")
    if bad and _brought(case) and not any(each.object.startswith("Service/") for each in bad):
        return skipped("Prometheus comes with the prerequisites")
    if bad:
        return failed(
            bad[0].observed[0].upper() + bad[0].observed[1:] + ".",
            bad,
            "Set autoscaling.prometheus.serverAddress to the Prometheus that scrapes this namespace.",
            "$ kubectl get services -A | grep -e prometheus -e thanos",
        )
    return passed(f"{', '.join(each.text for _, _, each in asked if each.service)} has endpoints.")


def _unreachable(case: Case, scaler: Scaler, asked: Address) -> Evidence | None:
    if asked.service is None:
        return None
    namespace, name = asked.service
    service = _named(case.section("services"), namespace, name)
    if service is None:
        seen = f"there is no Service {name} in {namespace}"
        return Evidence(object=scaler.identity, observed=seen, expected=asked.text)
    ports = [int(row.get("port", 0)) for row in (service.get("spec") or {}).get("ports") or ()]
    identity = f"Service/{namespace}/{name}"
    if asked.port not in ports:
        seen = f"the Service {namespace}/{name} has port {', '.join(map(str, ports)) or 'none'}, not {asked.port}"
        return Evidence(object=identity, observed=seen, expected=asked.text)
    if not _endpoints(case, namespace, name):
        return Evidence(object=identity, observed=f"nothing answers behind the Service {namespace}/{name}")
    return None


def _brought(case: Case) -> bool:
    """Whether Prometheus comes with the prerequisites: its operator is one, and its kinds are not there yet."""
    needed = case.recipe is not None and any(each.name == "prometheus-operator" for each in case.recipe.prerequisites)
    there = any(str(item["metadata"]["name"]) == "prometheuses.monitoring.coreos.com" for item in case.section("crds"))
    return needed and not there


def _named(items: tuple[Item, ...], namespace: str, name: str) -> Item | None:
    rows = (
        item for item in items if (item["metadata"].get("namespace"), item["metadata"]["name"]) == (namespace, name)
    )
    return next(rows, None)


def _endpoints(case: Case, namespace: str, name: str) -> bool:
    return any(
        (endpoint.get("conditions") or {}).get("ready") is not False
        for item in case.section("endpoint-slices")
        if item["metadata"].get("namespace") == namespace
        and (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == name
        for endpoint in item.get("endpoints") or ()
    )


def _authorised(case: Case) -> Verdict:
    """Whether what a trigger shows to Prometheus exists; Secrets' values are never read."""
    if not any(scalers(case)):
        return skipped(NO_SCALER)
    thanos = [
        (scaler, each)
        for scaler, trigger, each in addresses(case)
        if "thanos-querier" in each.host and not (trigger.get("metadata") or {}).get("authModes")
    ]
    if thanos:
        evidence = [
            Evidence(object=scaler.identity, observed=each.text, expected="authModes") for scaler, each in thanos
        ]
        return failed(
            "OpenShift's Thanos is asked without a token, and answers 401.",
            evidence,
            "Choose --metrics openshift, which brings authModes and a TriggerAuthentication.",
        )
    needed = list(dict.fromkeys(_secrets(case)))
    if not needed:
        return skipped("no trigger needs a Secret")
    there = {(item["metadata"].get("namespace"), item["metadata"]["name"]) for item in case.section("secrets")}
    lacking = [each for each in needed if (case.namespace, each[1]) not in there]
    if lacking:
        evidence = [
            Evidence(object=owner, observed=f"Secret {case.namespace}/{name} is not there") for owner, name in lacking
        ]
        names = ", ".join(dict.fromkeys(name for _, name in lacking))
        return failed(
            f"KEDA has no credentials for Prometheus: the Secret {names} is not in {case.namespace}.",
            evidence,
            f"Make a service account whose role may read metrics (on OpenShift cluster-monitoring-view), and its token"
            f" as the Secret {names}.",
        )
    return passed(f"{len(needed)} references to Secrets of credentials are there.")


def _secrets(case: Case) -> Iterator[tuple[str, str]]:
    """(object, name of a Secret) of every rendered TriggerAuthentication."""
    rendered = {obj["metadata"]["name"] for obj in case.rendered("Secret", "ExternalSecret")}  # come with the release
    for obj in case.rendered("TriggerAuthentication"):
        for row in (obj.get("spec") or {}).get("secretTargetRef") or ():
            if row.get("name") not in rendered:
                yield f"TriggerAuthentication/{case.namespace}/{obj['metadata']['name']}", str(row.get("name"))


CHECKS: Final = (
    Check(
        code="LD1404",
        slug="prometheus-answers",
        title="Prometheus is where the triggers ask",
        severity=Severity.ERROR,
        rule=_reachable,
        needs=("services", "endpoint-slices", "crds"),
        why="A trigger whose server does not answer falls back to a fixed number of replicas.",
        remedy="Set autoscaling.prometheus.serverAddress.",
        sources=("https://keda.sh/docs/2.21/scalers/prometheus/",),
    ),
    Check(
        code="LD1405",
        slug="prometheus-lets-in",
        title="Triggers can show who they are",
        severity=Severity.ERROR,
        rule=_authorised,
        needs=("secrets",),
        why="OpenShift's Thanos answers 401 without a token; KEDA takes it from a Secret in the release's namespace.",
        remedy="Make the Secret that the TriggerAuthentication names, before installing.",
        sources=(
            "https://docs.redhat.com/en/documentation/openshift_container_platform/4.19/html/monitoring/accessing-metrics",
            "https://keda.sh/docs/2.21/concepts/authentication/",
        ),
    ),
)
