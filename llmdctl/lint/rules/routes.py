"""The way of a request to a pool: routes, their time limits, and Envoy's own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmdctl.lint.manifest import Manifest, Place, look, rows
from llmdctl.lint.pods import Container
from llmdctl.lint.reading import inside
from llmdctl.lint.recognition import is_envoy
from llmdctl.lint.rule import codes
from llmdctl.lint.rules.pools import members
from llmdctl.lint.world import World, same_namespace
from llmdctl.model.finding import Finding, Severity

CODES = codes(
    (
        "LD1927",
        "Route to a pool that is not there",
        Severity.ERROR,
        "The gateway answers 500. https://gateway-api.sigs.k8s.io/reference/spec/#httpbackendref",
    ),
    (
        "LD1928",
        "Time limit that cuts long answers",
        Severity.WARNING,
        "A limit on the whole request ends an answer that is still being streamed: 32,000 tokens at 30 ms each take 16 "
        "minutes. https://gateway-api.sigs.k8s.io/reference/spec/#httproutetimeouts",
    ),
    (
        "LD1929",
        "Envoy route without a time limit of its own",
        Severity.ERROR,
        "Envoy then ends every answer after 15 s. "
        "https://www.envoyproxy.io/docs/envoy/latest/faq/configuration/timeouts#route-timeouts",
    ),
    (
        "LD1920",
        "Pool that nothing leads to",
        Severity.WARNING,
        "No route, and no proxy beside the endpoint picker: no client can reach it.",
    ),
    (
        "LD1930",
        "Route of a model that nobody serves",
        Severity.WARNING,
        "The header holds the name that a request asks for; the model server answers 404 to a name that it does not "
        "serve. https://gateway-api-inference-extension.sigs.k8s.io/guides/serving-multiple-inference-pools/",
    ),
    (
        "LD1919",
        "Service that leads nowhere",
        Severity.ERROR,
        "https://kubernetes.io/docs/concepts/services-networking/service/",
    ),
)
SHORT_S: Final = 300
"""At most this counts as short: the limit that three guides of llm-d set, which cut long generations."""

_MODEL_HEADERS: Final = ("x-gateway-model-name", "x-gateway-base-model-name", "x-ai-eg-model")
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_POOL_GROUPS: Final = ("inference.networking.k8s.io", "inference.networking.x-k8s.io")


def seconds(duration: object) -> float | None:
    """`1h30m`, `300s` or `0s` in seconds; None for anything else."""
    if not isinstance(duration, str) or not re.fullmatch(r"(\d+(\.\d+)?(h|ms|m|s))+", duration):
        return None
    return sum(float(number) * _UNITS[unit] for number, _, unit in re.findall(r"(\d+(\.\d+)?)(ms|h|m|s)", duration))


def check(world: World) -> Iterator[Finding]:
    for route in world.of_kind("HTTPRoute", "GRPCRoute"):
        yield from _route(world, route)
    for policy in world.of_kind("GCPBackendPolicy"):
        yield from _gke(policy)
    for container in world.containers:
        if is_envoy(container):
            yield from _envoy(world, container)
    yield from _reachable(world)
    for service in world.of_kind("Service"):
        yield from _service(world, service)


def _route(world: World, route: Manifest) -> Iterator[Finding]:
    for index, rule in enumerate(route.rows("spec", "rules")):
        to_pool = False
        for number, reference in enumerate(rows(rule, "backendRefs")):
            if look(reference, "kind") != "InferencePool":
                continue
            to_pool = True
            place: Place = ("spec", "rules", index)
            yield from _backend(world, route, (*place, "backendRefs", number))
            yield from _models(world, route, place, str(look(reference, "name")))
        limit = seconds(look(rule, "timeouts", "request"))
        if to_pool and limit is not None and 0 < limit <= SHORT_S:
            place = ("spec", "rules", index, "timeouts", "request")
            message = f"Every answer ends after {look(rule, 'timeouts', 'request')}, finished or not."
            yield route.finding(CODES["LD1928"], place, message, "State 0s, or what your longest answer takes.")


def _models(world: World, route: Manifest, place: Place, pool: str) -> Iterator[Finding]:
    """The models that a rule matches by header, against those that the servers of its pool have."""
    served = _served(world, route, pool)
    for number, match in enumerate(route.rows(*place, "matches") if served else ()):
        for index, header in enumerate(rows(match, "headers")):
            name, value = str(look(header, "name")).lower(), look(header, "value")
            exact = name in _MODEL_HEADERS and look(header, "type") in (None, "Exact")
            if exact and isinstance(value, str) and value not in served:
                message = f"The rule matches the model '{value}', and no server of the pool {pool} has it."
                where = (*place, "matches", number, "headers", index, "value")
                yield route.finding(CODES["LD1930"], where, message, f"They serve {', '.join(sorted(served))}.")


def _served(world: World, route: Manifest, pool: str) -> set[str]:
    """Every name that the model servers of a pool answer to; empty when one of them is not known."""
    found = world.named("InferencePool", route.namespace, pool)
    pods = members(world, found) if found else ()
    engines = [engine for engine in world.engines if engine.container.pod in pods]
    if not engines or any(not engine.served_names or not engine.line.complete for engine in engines):
        return set()
    if any(engine.adapters_change for engine in engines):
        return set()
    return {name for engine in engines for name in (*engine.served_names, *engine.adapters)}


def _backend(world: World, route: Manifest, place: tuple[str | int, ...]) -> Iterator[Finding]:
    reference = route.table(*place)
    name, group = reference.get("name"), reference.get("group") or ""
    namespace = str(reference.get("namespace") or route.namespace)
    pools = [pool for pool in world.pools if same_namespace(pool.namespace, namespace)]
    if group not in _POOL_GROUPS:
        message = f"InferencePool is of the group inference.networking.k8s.io, not of '{group}'."
        yield route.finding(CODES["LD1927"], place, message)
        return
    if not pools:
        return
    named = [pool for pool in pools if pool.name == name]
    if not named:
        names = ", ".join(pool.name for pool in pools)
        message = f"The route leads to the pool '{name}', and there is none of that name."
        weight = world.missing(str(name), [pool.name for pool in pools])
        yield route.finding(CODES["LD1927"], (*place, "name"), message, f"There is {names}.", severity=weight)
    elif all(pool.group != group for pool in named):
        message = f"The pool {name} is of the group {named[0].group}, and the route names {group}."
        yield route.finding(CODES["LD1927"], (*place, "group"), message, "Use one group for both.")


def _gke(policy: Manifest) -> Iterator[Finding]:
    limit = policy.get("spec", "default", "timeoutSec")
    if policy.get("spec", "targetRef", "kind") == "InferencePool" and isinstance(limit, int) and limit <= SHORT_S:
        message = f"Every answer ends after {limit} s, finished or not."
        remedy = "State what your longest answer takes."
        yield policy.finding(CODES["LD1928"], ("spec", "default", "timeoutSec"), message, remedy)


def _envoy(world: World, container: Container) -> Iterator[Finding]:
    for file in _config_files(container):
        found = world.mounted(container, file)
        if isinstance(found, str):
            continue
        manifest, key = found
        config, problem = inside(manifest, ("data", key), manifest.text("data", key))
        if not problem:
            yield from _envoy_config(config)


def _config_files(container: Container) -> list[str]:
    """The files that `-c` or `--config-path` name."""
    named = (line.value("-c", "--config-path") for line in container.commands)
    return [file for file in named if file]


def _envoy_config(config: Manifest) -> Iterator[Finding]:
    """Routes beside an ext_proc filter: they carry model answers."""
    for index, listener in enumerate(config.rows("static_resources", "listeners")):
        for chain, inner in enumerate(rows(listener, "filter_chains")):
            for number, entry in enumerate(rows(inner, "filters")):
                typed = look(entry, "typed_config")
                if not _picks(typed):
                    continue
                base = (
                    "static_resources",
                    "listeners",
                    index,
                    "filter_chains",
                    chain,
                    "filters",
                    number,
                    "typed_config",
                )
                yield from _virtual_hosts(config, base, typed)


def _picks(typed: Any) -> bool:  # noqa: ANN401 - a part of a configuration
    return any("ext_proc" in str(look(row, "name")) for row in rows(typed, "http_filters"))


def _virtual_hosts(config: Manifest, base: tuple[str | int, ...], typed: Any) -> Iterator[Finding]:  # noqa: ANN401
    for host, entry in enumerate(rows(typed, "route_config", "virtual_hosts")):
        for number, route in enumerate(rows(entry, "routes")):
            action = look(route, "route")
            place = (*base, "route_config", "virtual_hosts", host, "routes", number)
            if not isinstance(action, Mapping):
                continue
            limit = seconds(action.get("timeout"))
            if "timeout" not in action:
                message = "The route states no timeout, so Envoy ends every answer after 15 s."
                yield config.finding(CODES["LD1929"], place, message, "State timeout: 0s.")
            elif limit is not None and 0 < limit <= SHORT_S:
                message = f"Every answer ends after {action.get('timeout')}, finished or not."
                remedy = "State 0s, or what your longest answer takes."
                yield config.finding(CODES["LD1928"], (*place, "route", "timeout"), message, remedy)


_ROUTES: Final = ("HTTPRoute", "GRPCRoute", "AIGatewayRoute", "VirtualService", "GCPRoutingExtension", "Ingress")


def _reachable(world: World) -> Iterator[Finding]:
    """Only where the whole stack is at hand: pool, picker and model servers."""
    if not world.epps or not world.engines or any(True for _ in world.of_kind(*_ROUTES)):
        return
    if any(is_envoy(container) for container in world.containers):
        return
    for pool in world.pools:
        if any(world.pool_of(epp) is pool for epp in world.epps):
            message = f"No route leads to the pool {pool.name}, and no proxy stands beside its endpoint picker."
            yield pool.finding(CODES["LD1920"], (), message, "Add an HTTPRoute, or Envoy beside the picker.")


def _service(world: World, service: Manifest) -> Iterator[Finding]:
    """A Service whose selector fits some pod, and whose port none of its containers has a name for."""
    pods = world.selected(service.table("spec", "selector"), service.namespace)
    for index, row in enumerate(service.rows("spec", "ports")):
        target = look(row, "targetPort")
        if not pods or not isinstance(target, str) or "$" in target:
            continue
        if all(target not in dict(container.ports) for pod in pods for container in pod.containers()):
            message = f"No container of the selected pods has a port called {target}."
            place = ("spec", "ports", index, "targetPort")
            yield service.finding(CODES["LD1919"], place, message, "Name the port, or state its number.")
