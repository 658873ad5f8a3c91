"""Can replicas follow the load: whose metrics API it is, whether the metrics can be asked, and who else scales."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmdctl.memory import least_start_s, serves_the_facet
from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.controller import KEDA, controllers
from llmdctl.preflight.linted import linted
from llmdctl.preflight.scaling import KINDS, NO_SCALER, live, scalers
from llmdctl.preflight.verdict import UnknowableError, Verdict, failed, passed, skipped, warned

Item = Mapping[str, Any]
_KEDA_DOC: Final = "https://keda.sh/docs/2.21/troubleshooting/"
_ADAPTER_DOC: Final = "https://github.com/kubernetes-sigs/prometheus-adapter"
_LONGEST_WINDOW_S: Final = 3600  # the API's own limit
_ADAPTER: Final = "Install the Prometheus adapter with the rules of the prerequisite prometheus-adapter."


def _api(case: Case, group: str) -> Item | None:
    """The APIService of a metrics API."""
    found = (item for item in case.section("api-services") if str(item["metadata"]["name"]).endswith(f".{group}"))
    return next(found, None)


def _owner(service: Item) -> str:
    """`namespace/name` of the Service behind it."""
    backend = (service.get("spec") or {}).get("service") or {}
    if not backend.get("name"):
        raise UnknowableError(f"the APIService {service['metadata']['name']} does not say who serves it")
    return f"{backend.get('namespace', '')}/{backend['name']}"


def _available(service: Item) -> bool:
    rows = (service.get("status") or {}).get("conditions") or ()
    stated = [row.get("status") for row in rows if row.get("type") == "Available"]
    if not stated:
        raise UnknowableError(f"the APIService {service['metadata']['name']} does not say whether it answers")
    return stated == ["True"]


def _evidence(service: Item, expected: str = "") -> tuple[Evidence, ...]:
    name = str(service["metadata"]["name"])
    return (Evidence(object=f"APIService//{name}", observed=f"served by {_owner(service)}", expected=expected),)


def _external(case: Case) -> Verdict:
    """One owner in a cluster: KEDA for ScaledObjects, an adapter for an HPA."""
    rendered = scalers(case)
    by_keda = any(each.kind == KINDS[0] for each in rendered)
    if not by_keda and not any(each.metrics("External") for each in rendered):
        return skipped("the recipe reads no external metrics" if rendered else NO_SCALER)
    service = _api(case, "external.metrics.k8s.io")
    if service is None:
        if by_keda:
            return passed("Nobody serves external.metrics.k8s.io yet; KEDA will.")
        return failed("Nobody serves external.metrics.k8s.io, which the autoscaler asks.", (), _ADAPTER)
    owner = _owner(service)
    is_keda = "keda" in owner
    if is_keda is not by_keda:
        return _other(service, owner, by_keda=by_keda)
    if not _available(service):
        where, _, name = owner.partition("/")
        look = f"$ kubectl -n {where} get endpointslices -l kubernetes.io/service-name={name}"
        return failed(f"external.metrics.k8s.io is served by {owner}, which does not answer.", _evidence(service), look)
    return passed(f"external.metrics.k8s.io is served by {owner}.", _evidence(service))


def _other(service: Item, owner: str, *, by_keda: bool) -> Verdict:
    message = f"external.metrics.k8s.io is served by {owner}, and a cluster has one owner of it"
    if by_keda:
        return failed(
            f"{message}: KEDA would take it away, or be refused.",
            _evidence(service, "keda-operator-metrics-apiserver"),
            "Use the adapter that is there, with --autoscaler hpa-epp.",
            "Or move what asks it to KEDA, then remove the adapter.",
        )
    return failed(
        f"{message}: KEDA answers for its own ScaledObjects only, so the autoscaler finds nothing.",
        _evidence(service, "prometheus-adapter"),
        "Use KEDA, with --autoscaler keda-queue.",
    )


def _custom(case: Case) -> Verdict:
    asking = [each for each in scalers(case) if each.metrics("Pods", "Object")]
    if not asking:
        return skipped("the recipe reads no custom metrics" if any(scalers(case)) else NO_SCALER)
    service = _api(case, "custom.metrics.k8s.io")
    if service is None:
        evidence = [Evidence(object=each.identity, observed="a metric of type Pods") for each in asking]
        return failed("Nobody serves custom.metrics.k8s.io, which the autoscaler asks.", evidence, _ADAPTER)
    if not _available(service):
        return failed(
            f"custom.metrics.k8s.io is served by {_owner(service)}, which does not answer.",
            _evidence(service),
            _ADAPTER,
        )
    return passed(f"custom.metrics.k8s.io is served by {_owner(service)}.", _evidence(service))


def _alone(case: Case) -> Verdict:
    """Whether anybody else sets the replicas of the recipe's workloads."""
    if not case.objects:
        return skipped("no recipe was named")
    ours = {
        (str(each.workload["kind"]), case.namespace, str(each.workload["metadata"]["name"])) for each in case.workloads
    }
    there = live(case)
    if any(not each.target[2] for each in there):
        raise UnknowableError("a scaler of the cluster does not say what it scales")
    fighting = [each for each in there if each.target in ours and not each.made_by_keda and not each.belongs_to(case)]
    if not fighting:
        return passed("Nobody else scales what the recipe makes.")
    evidence = [
        Evidence(object=each.identity, observed=f"scales {each.target[0]} {each.target[2]}") for each in fighting
    ]
    first = fighting[0]
    commands = [
        f"$ kubectl -n {each.namespace} delete {'scaledobject' if each.kind == KINDS[0] else 'hpa'} {each.name}"
        for each in fighting
    ]
    return failed(
        f"{first.kind} {first.name} scales {first.target[0]} {first.target[2]} already; two owners undo each other.",
        evidence,
        *commands,
    )


def _watched(case: Case) -> Verdict:
    """Whether KEDA looks at the release's namespace."""
    if not any(each.kind == KINDS[0] for each in scalers(case)):
        return skipped("the recipe has no ScaledObject" if any(scalers(case)) else NO_SCALER)
    operators = controllers(case, KEDA)
    if any(not each.containers for each in operators):
        raise UnknowableError("the Deployment of KEDA does not show its containers")
    if not operators:
        return skipped("KEDA is not there yet")
    blind = [
        (each, names)
        for each in operators
        if (names := _names(each.env("WATCH_NAMESPACE"))) and case.namespace not in names
    ]
    if len(blind) == len(operators):
        operator, names = blind[0]
        shown = ",".join((*names, case.namespace))
        return failed(
            f"KEDA watches {', '.join(names)} alone, so a ScaledObject in {case.namespace} does nothing.",
            [Evidence(object=operator.identity, observed=f"WATCH_NAMESPACE={','.join(names)}", expected=shown)],
            f'Set watchNamespace: "{shown}" in the values of KEDA\'s chart, or install in one of its namespaces.',
        )
    return passed(f"KEDA watches {case.namespace}.")


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _settles(case: Case) -> Verdict:
    """A replica that goes too soon costs a whole load when it is wanted again."""
    rendered = scalers(case)
    recipe = case.recipe
    if not rendered or recipe is None:
        return skipped("no recipe was named" if recipe is None else NO_SCALER)
    weights = int(recipe.facts["model"].get("weight_bytes") or 0)
    if not weights or not serves_the_facet(recipe.facts, recipe.values):
        return skipped("the size of the model is not known")
    needed = least_start_s(weights)
    hasty = [each for each in rendered if each.settle_s < needed]
    if not hasty:
        return passed(f"Scaling down waits at least as long as loading takes ({needed:.0f} s).")
    evidence = [
        Evidence(object=each.identity, observed=f"scales down after {each.settle_s} s", expected=f"{needed:.0f} s")
        for each in hasty
    ]
    window = min(_LONGEST_WINDOW_S, -int(-needed // 60) * 60)
    return warned(
        f"A new replica takes {needed:.0f} s or more to load {weights / 1e9:.0f} GB, and one goes after"
        f" {hasty[0].settle_s} s of less load: it may be wanted again before that.",
        evidence,
        f"Set autoscaling.roleDefaults.behavior.scaleDown.stabilizationWindowSeconds={window}.",
    )


def _unscaled(case: Case) -> str:
    return "" if any(scalers(case)) else NO_SCALER


CHECKS: Final = (
    Check(
        code="LD1401",
        slug="owner-of-external-metrics",
        title="External metrics are served by what the recipe scales with",
        severity=Severity.ERROR,
        rule=_external,
        needs=("api-services",),
        why="A cluster has one APIService for external.metrics.k8s.io. KEDA serves its own ScaledObjects through it, an"
        " adapter its own rules; the one that is installed later takes it from the other.",
        remedy="Scale with the owner that is there, or remove it first.",
        sources=(_KEDA_DOC, "https://github.com/kedacore/charts/tree/main/keda"),
    ),
    Check(
        code="LD1402",
        slug="owner-of-custom-metrics",
        title="Custom metrics are served",
        severity=Severity.WARNING,
        rule=_custom,
        needs=("api-services",),
        why="An HPA finds metrics of its own pods through custom.metrics.k8s.io, which an adapter serves.",
        remedy=_ADAPTER,
        sources=(_ADAPTER_DOC,),
    ),
    Check(
        code="LD1407",
        slug="one-scaler-each",
        title="Nobody else scales the recipe's workloads",
        severity=Severity.ERROR,
        rule=_alone,
        needs=("hpas", "scaled-objects"),
        why="Two scalers of one workload each set the replicas that they want, and undo each other.",
        remedy="Keep one; a ScaledObject can have several triggers.",
        sources=("https://keda.sh/docs/2.21/concepts/scaling-deployments/",),
    ),
    Check(
        code="LD1408",
        slug="series-exist",
        title="Triggers read series that this version has",
        severity=Severity.ERROR,
        rule=linted(
            *("LD1860", "LD1861", "LD1862", "LD1863", "LD1946"),
            good="Every query reads series that the engine or the picker has.",
            concerned=_unscaled,
        ),
        why="The picker registers its queue's series only with the feature gate flowControl; a query of a series that"
        " is not there is always empty, and nothing scales.",
        remedy="Choose the autoscaler by --autoscaler, which opens the gate.",
        sources=("https://github.com/llm-d/llm-d-router",),
    ),
    Check(
        code="LD1410",
        slug="keda-watches",
        title="KEDA watches the release's namespace",
        severity=Severity.WARNING,
        rule=_watched,
        needs=("deployments",),
        why="KEDA reads ScaledObjects of the namespaces in WATCH_NAMESPACE only; empty means all.",
        remedy="Add the namespace to watchNamespace of KEDA's chart.",
        sources=("https://github.com/kedacore/charts/tree/main/keda",),
    ),
    Check(
        code="LD1411",
        slug="settles-before-shrinking",
        title="Scaling down waits as long as loading takes",
        severity=Severity.WARNING,
        rule=_settles,
        why="A replica that goes in a lull shorter than the time to load it is missing for that long afterwards.",
        remedy="Raise stabilizationWindowSeconds of scaleDown.",
        sources=("https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#stabilization-window",),
    ),
)
