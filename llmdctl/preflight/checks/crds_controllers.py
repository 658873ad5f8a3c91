"""Controllers whose objects the recipe makes: LeaderWorkerSet, KEDA, the Prometheus operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.crds_owners import unreachable
from llmdctl.preflight.controller import KEDA, LWS, Controller, Trait, controllers, simulated
from llmdctl.preflight.crd import (
    absent,
    crds,
    how,
    lacking,
    missing_evidence,
    names,
    of_group,
    prerequisites,
    rendered_kinds,
    version,
)
from llmdctl.preflight.selector import selects
from llmdctl.preflight.verdict import UnknowableError, Verdict, failed, passed, skipped, unknown, warned

_LWS: Final = "leaderworkerset.x-k8s.io"
_LWS_CRD: Final = f"leaderworkersets.{_LWS}"
_KEDA: Final = "keda.sh"
_OPERATOR: Final = "monitoring.coreos.com"
_MONITORS: Final[Mapping[str, str]] = {
    _OPERATOR: "prometheus-operator",
    "azmonitoring.coreos.com": "azure-monitor",
    "monitoring.googleapis.com": "gmp",
}
"""API group of monitors -> the facet of metrics that renders them."""


def _lws(case: Case) -> Verdict:
    if not rendered_kinds(case, _LWS):
        return skipped("no role of the recipe spans several pods")
    return (
        _kinds(case, _LWS) or _running(case, LWS, "LeaderWorkerSet", _LWS) or _webhooks(case, _LWS) or _well(case, LWS)
    )


def _keda(case: Case) -> Verdict:
    if not rendered_kinds(case, _KEDA):
        return skipped("the recipe makes no object of KEDA")
    found = _kinds(case, _KEDA) or _running(case, KEDA, "KEDA", _KEDA)
    if found:
        return found
    operators = controllers(case, KEDA)
    serving = [each for each in controllers(case, _KEDA_SERVER) if each.available]
    if not serving:
        return failed(
            "No metrics server of KEDA is available: no HorizontalPodAutoscaler gets a value.",
            _seen(controllers(case, _KEDA_SERVER)), "$ kubectl get deployments --all-namespaces | grep keda",
        )  # fmt: skip
    if len(operators) > 1:
        return warned(
            f"{len(operators)} operators of KEDA run; they undo each other's work. One is the limit in a cluster.",
            _seen(operators), "Remove all but one.",
        )  # fmt: skip
    return _well(case, KEDA)


_KEDA_SERVER: Final = Trait(
    images=("kedacore/keda-metrics-apiserver", "keda-metrics-adapter"),
    names=("keda-operator-metrics-apiserver", "keda-metrics-apiserver"),
)


def _kinds(case: Case, group: str) -> Verdict | None:
    """A failure where a rendered kind of the group is not served."""
    missing = lacking(case, rendered_kinds(case, group))
    if not missing:
        return None
    needed = prerequisites(case, group).values()
    return failed(
        f"{names(missing)} is not served.", missing_evidence(missing),
        *(how(needed) if needed else ("Install the controller of these kinds.",)),
    )  # fmt: skip


def _running(case: Case, trait: Trait, title: str, group: str) -> Verdict | None:
    """A failure where no controller of that sort is available; nothing is asked of simulated nodes.

    Hosted control planes keep controllers outside of the cluster, and so does the sandbox: unknown, not missing.
    """
    found = controllers(case, trait)
    if any(each.available for each in found):
        return None
    if simulated(case):
        return skipped(f"the kinds are served; all nodes are simulated, so no controller of {title} can run")
    if found:
        return failed(
            f"The controller of {title} is there and not available.", _seen(found),
            f"$ kubectl --namespace {found[0].namespace} describe deployment {found[0].name}",
        )  # fmt: skip
    elsewhere = _outside(case, group)
    if elsewhere:
        return unknown(
            f"No Deployment is the controller of {title}; the API server calls its webhook outside of the cluster,"
            " where nobody can look from here.",
            elsewhere,
        )
    return failed(
        f"The kinds of {title} are served, and none of {len(case.section('deployments'))} Deployments is its"
        " controller: nobody would act on them.",
        (), *how(prerequisites(case, group).values()), f"Install {title}.",
    )  # fmt: skip


def _webhooks(case: Case, group: str) -> Verdict | None:
    """A failure where a webhook of that group has nobody behind it."""
    for section in ("mutating-webhooks", "validating-webhooks"):
        for item in case.section(section):
            for hook in _of_group(item, group):
                service = (hook.get("clientConfig") or {}).get("service") or {}
                why = unreachable(case, service, "this webhook") if service else ""
                if why and hook.get("failurePolicy") != "Ignore":
                    return failed(
                        f"Webhook {hook.get('name')} of {group} {why}: every such object is refused.",
                        (Evidence(object=f"{item.get('kind')}//{item['metadata']['name']}", observed=why),),
                        f"$ kubectl --namespace {service.get('namespace')} get endpointslices",
                    )
    return None


def _outside(case: Case, group: str) -> tuple[Evidence, ...]:
    """The group's webhooks that are called by an address, or by a Service that only names another host."""
    sections = (case.reading(name) for name in ("mutating-webhooks", "validating-webhooks"))
    return tuple(
        Evidence(object=f"{item.get('kind')}//{item['metadata']['name']}", observed=where)
        for section in sections
        for item in section.items
        for hook in _of_group(item, group)
        if (where := _address(case, hook.get("clientConfig") or {}))
    )


def _address(case: Case, client: Mapping[str, Any]) -> str:
    """Where a webhook is called, if not in a pod of the cluster; empty otherwise."""
    if client.get("url"):
        return urlsplit(str(client["url"])).netloc
    service = client.get("service") or {}
    for item in case.reading("services").items:
        metadata, spec = item.get("metadata") or {}, item.get("spec") or {}
        named = (metadata.get("namespace"), metadata.get("name")) == (service.get("namespace"), service.get("name"))
        if named and spec.get("type") == "ExternalName":
            return f"Service {metadata['namespace']}/{metadata['name']} of type ExternalName"
    return ""


def _of_group(item: Mapping[str, Any], group: str) -> Iterator[Mapping[str, Any]]:
    for hook in item.get("webhooks") or ():
        if any(group in (rule.get("apiGroups") or ()) for rule in hook.get("rules") or ()):
            yield hook


def _well(case: Case, trait: Trait) -> Verdict:
    """It runs: only its version is left to judge."""
    found = next(each for each in controllers(case, trait) if each.available)
    pinned = (
        next((need for need in case.recipe.prerequisites if trait is _trait(need.name)), None) if case.recipe else None
    )
    have, want = found.version, version(pinned.version) if pinned else None
    if have and want and have[:2] < want[:2]:
        return warned(
            f"{_dotted(have)} runs; the recipe is made for {_dotted(want)}.",
            (Evidence(object=found.identity, observed=_dotted(have), expected=_dotted(want)),),
            "Upgrade it when its other users agree.",
        )
    return passed(f"{found.identity} is available{f', {_dotted(have)}' if have else ''}.", _seen((found,)))


def _trait(name: str) -> Trait | None:
    return {"lws": LWS, "keda": KEDA}.get(name)


def _dotted(found: tuple[int, int, int]) -> str:
    return ".".join(map(str, found))


def _seen(found: tuple[Controller, ...]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            object=each.identity,
            observed=f"{'available' if each.available else 'not available'}"
            f"{f', {_dotted(each.version)}' if each.version else ''}",
        )
        for each in found
    )


def _lws_upgrade(case: Case) -> Verdict:
    need = prerequisites(case).get(_LWS_CRD)
    if need is None:
        return skipped("the recipe does not need LeaderWorkerSet")
    crd = crds(case).get(_LWS_CRD)
    if crd is None:
        return skipped("the CRD of LeaderWorkerSet is not there yet")
    if crd.release is None:
        return passed("The CRD of LeaderWorkerSet is not in any Helm release, so no upgrade removes it.")
    release, namespace = crd.release
    if crd.annotations.get("helm.sh/resource-policy") == "keep":
        return passed(f"Helm keeps the CRD of LeaderWorkerSet when release {release} drops it.")
    said = (
        f"The CRD of LeaderWorkerSet is part of Helm release {release} in {namespace}, as charts up to 0.7 made it: the"
        f" upgrade to {need.version} removes it, and every LeaderWorkerSet with it."
    )
    seen = (Evidence(object=crd.identity, observed=f"release {release}, no helm.sh/resource-policy", expected="keep"),)
    first = f"$ kubectl annotate crd {_LWS_CRD} helm.sh/resource-policy=keep --overwrite"
    due = [name for name in absent(case) if prerequisites(case)[name].name == need.name]
    ours = any(chart.name == release for chart in need.charts) and namespace == need.namespace
    if due and ours:
        return failed(f"{said} --with-prerequisites would do that now, to bring {names(due)}.", seen, first)
    return warned(said, seen, f"Before anybody upgrades it: {first}")


def _monitor_kinds(case: Case) -> Verdict:
    kinds = rendered_kinds(case, *_MONITORS)
    if not kinds:
        return skipped("the recipe makes no monitors")
    missing = lacking(case, kinds)
    if not missing:
        return passed(f"Served: {names(kinds)}.")
    there = sorted({_MONITORS[crd.group] for crd in of_group(case, *_MONITORS) if crd.served})
    others = [f"The cluster has other monitors; take them: --metrics {name}." for name in there]
    return failed(
        f"Not served: {names(missing)}. Helm fails with `no matches for kind`.",
        missing_evidence(missing), *others, *how(prerequisites(case, *_MONITORS).values()), "Or take --metrics none.",
    )  # fmt: skip


def _selected(case: Case) -> Verdict:
    wanted = [obj for obj in case.rendered("PodMonitor", "ServiceMonitor") if _is_operators(obj)]
    if not wanted:
        return skipped("the recipe makes no monitors of the Prometheus operator")
    if lacking(case, rendered_kinds(case, _OPERATOR)):
        return skipped("LD0410 says that the kinds of these monitors are missing")
    servers = case.section("prometheuses")
    if not servers:
        return warned(
            f"No Prometheus object is there that would read the {len(wanted)} monitors of the recipe.", (),
            "Make one, or make sure that another collector reads monitors of the Prometheus operator.",
        )  # fmt: skip
    unread = [obj for obj in wanted if not any(_reads(case, server, obj) for server in servers)]
    if not unread:
        return passed("A Prometheus reads every monitor of the recipe.")
    return failed(
        f"No Prometheus ({len(servers)} there) selects {len(unread)} of {len(wanted)} monitors: nothing is scraped.",
        tuple(
            Evidence(object=_identity(server), observed=_selectors(server), expected="the labels of the monitors")
            for server in servers
        ),
        "Add the label that it asks for (monitoring.labels; most often release: NAME), or let it select all:"
        " podMonitorSelector: {}, podMonitorNamespaceSelector: {}.",
    )


def _is_operators(obj: Mapping[str, Any]) -> bool:
    return str(obj.get("apiVersion", "")).startswith(f"{_OPERATOR}/")


def _reads(case: Case, server: Mapping[str, Any], monitor: Mapping[str, Any]) -> bool:
    """By the operator's rule: an absent selector takes nothing, an absent one of namespaces only its own."""
    spec, metadata = server.get("spec") or {}, monitor["metadata"]
    prefix = "podMonitor" if monitor["kind"] == "PodMonitor" else "serviceMonitor"
    if not selects(spec.get(f"{prefix}Selector"), metadata.get("labels") or {}):
        return False
    among = spec.get(f"{prefix}NamespaceSelector")
    if among is None:
        return bool(server["metadata"].get("namespace") == metadata.get("namespace", case.namespace))
    return selects(among, _namespace_labels(case, str(metadata.get("namespace", case.namespace)))) if among else True


def _namespace_labels(case: Case, name: str) -> Mapping[str, str]:
    for item in case.section("namespaces"):
        if item["metadata"]["name"] == name:
            return {"kubernetes.io/metadata.name": name, **(item["metadata"].get("labels") or {})}
    if case.reading("namespaces").known:
        return {"kubernetes.io/metadata.name": name}  # it will be made
    raise UnknowableError("namespaces: the labels of the release's namespace are not known")


def _selectors(server: Mapping[str, Any]) -> str:
    spec = server.get("spec") or {}
    keys = ("podMonitorSelector", "serviceMonitorSelector", "podMonitorNamespaceSelector")
    return ", ".join(f"{key} {dict(spec[key]) if isinstance(spec.get(key), Mapping) else 'none'}" for key in keys)


def _identity(item: Mapping[str, Any]) -> str:
    return f"{item.get('kind')}/{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


CHECKS: Final = (
    Check(
        code="LD0407",
        slug="leaderworkerset",
        title="LeaderWorkerSet is served and its controller runs",
        severity=Severity.ERROR,
        rule=_lws,
        needs=("crds", "deployments", "mutating-webhooks", "validating-webhooks", "endpoint-slices"),
        why="A role that spans several pods is a LeaderWorkerSet; without its controller no pod is made, and while its"
        " webhook has no endpoint the API server refuses the object.",
        remedy="Install the pinned chart of LeaderWorkerSet, or see why its controller is not available.",
        sources=("https://lws.sigs.k8s.io/docs/installation/", "https://github.com/kubernetes-sigs/lws/issues/318"),
    ),
    Check(
        code="LD0408",
        slug="leaderworkerset-upgrade",
        title="Upgrading LeaderWorkerSet does not remove its CRD",
        severity=Severity.ERROR,
        rule=_lws_upgrade,
        needs=("crds",),
        why="Charts up to 0.7 held the CRD as a template, later ones do not: `helm upgrade` then removes it, and"
        " with it every LeaderWorkerSet of the cluster.",
        remedy="Annotate the CRD with helm.sh/resource-policy=keep before the upgrade.",
        sources=(
            "https://github.com/kubernetes-sigs/lws/issues/880",
            "https://github.com/kubernetes-sigs/lws/pull/883",
        ),
    ),
    Check(
        code="LD0409",
        slug="keda",
        title="KEDA is served and runs",
        severity=Severity.ERROR,
        rule=_keda,
        needs=("crds", "deployments"),
        why="A ScaledObject does nothing without KEDA's operator, and the HorizontalPodAutoscaler that it makes gets"
        " its values from KEDA's metrics server.",
        remedy="Install the pinned chart of KEDA, once a cluster.",
        sources=("https://keda.sh/docs/2.21/deploy/", "https://keda.sh/docs/2.21/concepts/"),
    ),
    Check(
        code="LD0410",
        slug="monitor-kinds",
        title="The kinds of monitors are served",
        severity=Severity.ERROR,
        rule=_monitor_kinds,
        needs=("crds",),
        why="A chart with a PodMonitor or PodMonitoring cannot be installed where that kind is not served.",
        remedy="Take the facet of metrics that fits the cluster.",
        sources=(
            "https://github.com/prometheus-operator/prometheus-operator/tree/v0.85.0/example/prometheus-operator-crd",
            "https://cloud.google.com/stackdriver/docs/managed-prometheus/setup-managed",
        ),
    ),
    Check(
        code="LD0411",
        slug="monitors-selected",
        title="A Prometheus reads the monitors",
        severity=Severity.WARNING,
        rule=_selected,
        needs=("prometheuses", "namespaces", "crds"),
        why="kube-prometheus-stack lets its Prometheus select only monitors labelled with its own release, unless told"
        " otherwise; then nothing is scraped and nothing says so.",
        remedy="Label the monitors, or let the Prometheus select all.",
        sources=(
            "https://github.com/prometheus-operator/prometheus-operator/blob/v0.85.0/Documentation/api-reference/api.md#prometheusspec",
            "https://github.com/prometheus-community/helm-charts/blob/kube-prometheus-stack-77.6.2/charts/kube-prometheus-stack/values.yaml",
        ),
    ),
)
