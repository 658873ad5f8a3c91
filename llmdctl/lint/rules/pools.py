"""InferencePools: which pods they select, on which ports, and who picks endpoints for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from llmdctl.lint.manifest import Manifest, Place, look
from llmdctl.lint.pods import RUN_ONCE, Pod
from llmdctl.lint.rule import codes
from llmdctl.lint.world import Epp, World, same_namespace
from llmdctl.model.finding import Finding, Severity

_POOL: Final = "https://gateway-api-inference-extension.sigs.k8s.io/api-types/inferencepool/"
DEFAULT_GRPC_PORT: Final = 9002
"""--grpc-port of the endpoint picker, https://github.com/llm-d/llm-d-router, pkg/epp/server."""

CODES = codes(
    (
        "LD1603",
        "Pool and pods do not fit",
        Severity.ERROR,
        f"Endpoints of a pool are the pods that its selector matches, each on every targetPort. {_POOL}",
    ),
    (
        "LD1921",
        "Two pools select the same pods",
        Severity.WARNING,
        "Each picker counts its own requests only, and both send load to servers that the other one takes for idle. "
        + _POOL,
    ),
    (
        "LD1922",
        "Endpoint picker of a pool that is not there",
        Severity.ERROR,
        "The picker waits for a pool of that name forever.",
    ),
    (
        "LD1923",
        "Pool without its endpoint picker",
        Severity.ERROR,
        f"Requests fail, or go anywhere with FailOpen. {_POOL}",
    ),
    (
        "LD1925",
        "Objective or rewrite of another pool",
        Severity.ERROR,
        "The picker ignores objects whose poolRef is not its own pool, without a word: every priority is 0. Source: "
        "https://github.com/llm-d/llm-d-router, pkg/epp/controller/inferenceobjective_reconciler.go.",
    ),
    ("LD1926", "Pool selects pods that serve no model", Severity.ERROR, f"The picker sends requests to them. {_POOL}"),
)


def check(world: World) -> Iterator[Finding]:
    for pool in world.pools:
        yield from _selection(world, pool)
        yield from _picker(world, pool)
    yield from _shared(world)
    for epp in world.epps:
        yield from _served(world, epp)
    for kind in ("InferenceObjective", "InferenceModelRewrite", "InferenceModel"):
        for manifest in world.of_kind(kind):
            yield from _reference(world, manifest)


def _selector(pool: Manifest) -> dict[str, object]:
    """v1 has matchLabels below selector; v1alpha2 has the labels there itself."""
    stated = pool.table("spec", "selector")
    inner = stated.get("matchLabels")
    return dict(inner) if isinstance(inner, dict) else {} if "matchLabels" in stated else dict(stated)


def _ports(pool: Manifest) -> list[tuple[Place, int]]:
    rows = enumerate(pool.rows("spec", "targetPorts"))
    found: list[tuple[Place, Any]] = [(("spec", "targetPorts", index), look(row, "number")) for index, row in rows]
    found.append((("spec", "targetPortNumber"), pool.get("spec", "targetPortNumber")))
    return [(place, number) for place, number in found if isinstance(number, int)]


def members(world: World, pool: Manifest) -> tuple[Pod, ...]:
    """The pods of a pool: those that stay, and of a group the ones that have an address clients may use."""
    pods = world.selected(_selector(pool), pool.namespace)
    return tuple(pod for pod in pods if pod.workload.kind not in RUN_ONCE)


def _selection(world: World, pool: Manifest) -> Iterator[Finding]:
    pods = members(world, pool)
    if not pods:
        engines = [engine for engine in world.engines if same_namespace(engine.container.pod.namespace, pool.namespace)]
        if engines:
            labels = ", ".join(f"{key}={value}" for key, value in _selector(pool).items()) or "nothing"
            message = f"The selector ({labels}) matches no pod."
            near = engines[0].container.pod
            remedy = f"The pods of {near.workload.kind} {near.workload.name} carry {_labels(near)}."
            yield pool.finding(CODES["LD1603"], ("spec", "selector"), message, remedy, severity=world.missing())
        return
    for pod in pods:
        if any(epp.container.pod is pod for epp in world.epps):
            message = f"The selector also matches {pod.workload.kind} {pod.workload.name}, which serves no model."
            yield pool.finding(
                CODES["LD1926"], ("spec", "selector"), message, "Select by a label of model servers only."
            )
        else:
            yield from _listening(world, pool, pod)


def _labels(pod: Pod) -> str:
    return ", ".join(f"{key}={value}" for key, value in list(pod.labels.items())[:6]) or "no labels"


def _listening(world: World, pool: Manifest, pod: Pod) -> Iterator[Finding]:
    listened = listened_ports(world, pod)
    if listened is None:
        return
    for place, number in _ports(pool):
        if number not in listened:
            message = f"Nothing in {pod.workload.kind} {pod.workload.name} listens on target port {number}: "
            message += "that endpoint of each pod is dead."
            known = ", ".join(str(port) for port in sorted(listened))
            yield pool.finding(CODES["LD1603"], place, message, f"Its containers have {known}.")


def listened_ports(world: World, pod: Pod) -> set[int] | None:
    """The ports of a pod as declared and as its engine and sidecar are told; None when they are not known."""
    found: set[int] = set()
    certain = False
    for container in pod.containers():
        found |= {number for _, number in container.ports}
    engine, sidecar = world.engine_in(pod), world.sidecar_in(pod)
    if engine is not None and engine.port is not None:
        local = engine.line.integer("--data-parallel-size-local", "-dpl") or engine.line.integer(
            "--data-parallel-size", "-dp"
        )
        several = engine.line.find("--data-parallel-multi-port-external-lb", "-dpm")
        found |= {engine.port + rank for rank in range((local or 1) if several else 1)}
        certain = True
    if sidecar is not None:
        first = sidecar.line.integer("--port")
        ranks = sidecar.line.integer("--data-parallel-size")
        unknown = sidecar.line.find("--data-parallel-size") is not None and ranks is None
        found |= {(first or 8000) + rank for rank in range(ranks or 1)}
        certain = not unknown
    return found if certain and found else None


def _shared(world: World) -> Iterator[Finding]:
    owners: dict[int, Manifest] = {}
    said: set[tuple[str, str]] = set()
    for pool in world.pools:
        for pod in members(world, pool):
            other = owners.setdefault(id(pod), pool)
            if other is not pool and (other.identity, pool.identity) not in said:
                said.add((other.identity, pool.identity))
                message = f"{pod.workload.kind} {pod.workload.name} is selected by this pool and by {other.name}."
                remedy = "Add a label of the release to both selectors."
                yield pool.finding(CODES["LD1921"], ("spec", "selector"), message, remedy)


def _served(world: World, epp: Epp) -> Iterator[Finding]:
    option = epp.line.find("--pool-name")
    here = [pool for pool in world.pools if same_namespace(pool.namespace, epp.namespace)]
    if option is None or option.value is None or not here or world.pool_of(epp):
        return
    names = ", ".join(pool.name for pool in here)
    message = f"The endpoint picker serves the pool '{option.value}', and there is none of that name."
    weight = world.missing(option.value, [pool.name for pool in here])
    yield epp.container.finding(CODES["LD1922"], (), message, f"There is {names}.", severity=weight, word=option.word)


def _picker(world: World, pool: Manifest) -> Iterator[Finding]:
    base = "endpointPickerRef" if pool.table("spec", "endpointPickerRef") else "extensionRef"
    name = pool.text("spec", base, "name")
    services = [item for item in world.of_kind("Service") if same_namespace(item.namespace, pool.namespace)]
    if not name or not services or not world.epps:
        return
    service = world.named("Service", pool.namespace, name)
    if service is None:
        message = f"The Service {name}, which should lead to the endpoint picker, is not there."
        names = ", ".join(item.name for item in services[:6])
        weight = world.missing(name, [item.name for item in services])
        yield pool.finding(CODES["LD1923"], ("spec", base, "name"), message, f"There is {names}.", severity=weight)
        return
    port = pool.get("spec", base, "port", "number") or pool.get("spec", base, "portNumber") or DEFAULT_GRPC_PORT
    row = next((row for row in service.rows("spec", "ports") if look(row, "port") == port), None)
    if row is None:
        message = f"The Service {name} has no port {port}."
        yield pool.finding(CODES["LD1923"], ("spec", base), message, "State a port of the Service.")
        return
    yield from _behind(world, pool, service, look(row, "targetPort") or port)


def _behind(world: World, pool: Manifest, service: Manifest, target: object) -> Iterator[Finding]:
    """Whether the Service leads to a picker that listens there."""
    pods = world.selected(service.table("spec", "selector"), service.namespace)
    epps = [epp for epp in world.epps if epp.container.pod in pods]
    if not epps:
        message = f"The pool {pool.name} asks the Service {service.name}, which selects no endpoint picker."
        yield service.finding(CODES["LD1923"], ("spec", "selector"), message, severity=world.missing())
        return
    for epp in epps:
        option = epp.line.find("--grpc-port")
        port = DEFAULT_GRPC_PORT if option is None else epp.line.integer("--grpc-port")
        named = dict(epp.container.ports).get(target) if isinstance(target, str) else target
        if port is not None and isinstance(named, int) and named != port:
            message = f"The Service leads to port {named}, and the endpoint picker listens on {port}."
            yield service.finding(CODES["LD1923"], ("spec", "ports"), message, "Use one port for both.")


def _reference(world: World, manifest: Manifest) -> Iterator[Finding]:
    name = manifest.text("spec", "poolRef", "name")
    here = [pool.name for pool in world.pools if same_namespace(pool.namespace, manifest.namespace)]
    told = [epp.line.value("--pool-name") for epp in world.epps if same_namespace(epp.namespace, manifest.namespace)]
    known = [*here, *(pool for pool in told if pool)]
    if name and known and name not in known:
        message = f"poolRef names '{name}', and no pool has that name: the endpoint picker ignores this object."
        place = ("spec", "poolRef", "name")
        remedy = f"There is {', '.join(sorted(set(known)))}."
        yield manifest.finding(CODES["LD1925"], place, message, remedy, severity=world.missing(name, known))
