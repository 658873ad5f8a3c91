"""Faults for releases that really run: what to change in which object, at which hop it breaks, and in which words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from llmdctl.sandbox.api import Resource
from tests.e2e.doctor.seeding import Patient, told
from tests.e2e.sandbox.objects import BINDINGS, CONFIG_MAPS, DEPLOYMENTS, GATEWAYS, POOLS, ROUTES, SERVICES

RULES = Resource(path="apis/networking.istio.io/v1beta1", plural="destinationrules")
Patch = Callable[[Patient], dict[str, Any]]


@dataclass(frozen=True)
class Seeded:
    """One fault. `suffix`: of the object's name, after the release's; no `patch`: the object is taken away."""

    title: str
    resource: Resource
    hop: str
    words: str
    suffix: str = ""
    patch: Patch | None = None

    def into(self, patient: Patient) -> AbstractContextManager[None]:
        """The fault, for as long as it is looked at."""
        name = patient.release + self.suffix
        if self.patch is None:
            return patient.without(self.resource, name)
        return patient.changed(self.resource, name, self.patch(patient))


def assert_named_at_once(patient: Patient, fault: Seeded) -> None:
    """The first look at the fault names it, with a command that mends it."""
    with fault.into(patient):
        chain = patient.chain()
        broken = chain.broken
        assert broken is not None, told(chain)
        assert broken.name.value == fault.hop, told(chain)
        assert fault.words in f"{broken.saw} {broken.expected}", told(chain)
        assert any(entry.startswith("$ ") for entry in broken.remedy), broken.remedy


def _to(**spec: Any) -> Patch:
    return lambda _: {"spec": spec}


def _ports(name: str, target: object) -> Patch:
    """One port of the picker's Service leads elsewhere."""

    def patch(patient: Patient) -> dict[str, Any]:
        rows = patient.get(SERVICES, "-epp")["spec"]["ports"]
        return {"spec": {"ports": [{**row, "targetPort": target} if row["name"] == name else row for row in rows]}}

    return patch


def _text(suffix: str, old: str, new: str) -> Patch:
    """The one text of a ConfigMap, changed."""

    def patch(patient: Patient) -> dict[str, Any]:
        ((key, text),) = patient.get(CONFIG_MAPS, suffix)["data"].items()
        assert old in text
        return {"data": {key: text.replace(old, new)}}

    return patch


def _engine(**change: Any) -> Patch:
    """The engine of the decode Deployment; an `args` is added to its own."""

    def patch(patient: Patient) -> dict[str, Any]:
        container = _pod(patient)["containers"][0]
        new = {**container, **change}
        new["args"] = [*container["args"], *change.get("args", ())]
        return {"spec": {"template": {"spec": {"containers": [new]}}}}

    return patch


def _sidecar(*args: str, more: bool = False) -> Patch:
    """The routing sidecar of the decode Deployment: its arguments, or more of them."""

    def patch(patient: Patient) -> dict[str, Any]:
        container = _pod(patient)["initContainers"][0]
        new = {**container, "args": [*(container["args"] if more else ()), *args]}
        return {"spec": {"template": {"spec": {"initContainers": [new]}}}}

    return patch


def _pod(patient: Patient) -> dict[str, Any]:
    found: dict[str, Any] = patient.get(DEPLOYMENTS, "-decode")["spec"]["template"]["spec"]
    return found


_ELSE = {"app.kubernetes.io/instance": "other"}
_NO_SECRET = [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "no-such-secret", "key": "x"}}}]

OBJECTS: Mapping[str, Seeded] = {
    "selector": Seeded(
        "The pool's selector fits no pod", POOLS, "pool", "matches no pod", patch=_to(selector={"matchLabels": _ELSE})
    ),
    "target-port": Seeded(
        "A target port that nobody listens on", POOLS, "pool", "8080", patch=_to(targetPorts=[{"number": 8080}])
    ),
    "picker": Seeded(
        "The picker's Service is not there", POOLS, "pool", "which is not there",
        patch=_to(endpointPickerRef={"name": "no"}),
    ),
    "proxy-port": Seeded(
        "The Service leads past the proxy", SERVICES, "listener", "leads to 8099", "-epp", _ports("http", 8099)
    ),
    "picker-port": Seeded(
        "The Service leads past the picker", SERVICES, "epp", "listens on 9002", "-epp", _ports("grpc-ext-proc", 9100)
    ),
    "no-service": Seeded(
        "No Service leads to the proxy", SERVICES, "address", "no Service leads to its proxy", "-epp",
        _to(selector=_ELSE),
    ),
    "no-ext-proc": Seeded(
        "The proxy asks no picker", CONFIG_MAPS, "epp", "no ext_proc filter", "-proxy",
        _text("-proxy", "envoy.filters.http.ext_proc", "envoy.filters.http.lua"),
    ),
}  # fmt: skip
"""In a standalone release that serves; each is named at once, and taken back without a restart."""

ENGINES: Mapping[str, Seeded] = {
    "flag": Seeded(
        "A flag that the engine does not have", DEPLOYMENTS, "engine", "does not take its command line", "-decode",
        _engine(args=["--no-such-flag"]),
    ),
    "image": Seeded(
        "The engine's image cannot be pulled", DEPLOYMENTS, "engine", "cannot be pulled", "-decode",
        _engine(image="sandbox.llmdctl.dev/no-such-image:v1"),
    ),
    "pending": Seeded(
        "No node has the accelerators", DEPLOYMENTS, "engine", "Insufficient nvidia.com/gpu", "-decode",
        _engine(resources={"limits": {"nvidia.com/gpu": "99"}}),
    ),
    "secret": Seeded(
        "A Secret is not there", DEPLOYMENTS, "engine", 'secret "no-such-secret" not found', "-decode",
        _engine(env=_NO_SECRET),
    ),
    "memory": Seeded(
        "The engine is killed for memory", DEPLOYMENTS, "engine", "was killed for memory", "-decode",
        _engine(resources={"limits": {"memory": "12Mi"}}),
    ),
    "zero": Seeded("Decode is scaled to 0", DEPLOYMENTS, "engine", "scaled to 0", "-decode", _to(replicas=0)),
    "sidecar-value": Seeded(
        "The sidecar does not take a value", DEPLOYMENTS, "sidecar", "ends with exit code 0", "-decode",
        _sidecar("--kv-connector=zzz", more=True),
    ),
    "sidecar-port": Seeded(
        "The sidecar sends to another port than the engine's", DEPLOYMENTS, "sidecar", "8300", "-decode",
        _sidecar("--port=8000", "--vllm-port=8300", "--secure-proxy=false"),
    ),
}  # fmt: skip
"""In the decode pods of a release that serves: kubelet, engine and sidecar say what they say."""

PICKERS: Mapping[str, Seeded] = {
    "plugin": Seeded(
        "The picker's configuration names an unknown plugin", CONFIG_MAPS, "epp",
        "a plugin type that this version does not have", "-epp",
        _text("-epp", "type: max-score-picker", "type: no-such-picker"),
    ),
    "rights": Seeded("The picker has no rights", BINDINGS, "epp", "may not read what it needs", "-epp"),
    "envoy": Seeded(
        "Envoy does not take its configuration", CONFIG_MAPS, "listener", "Envoy does not take its configuration",
        "-proxy", _text("-proxy", "request_header_mode: SEND", "request_header_mood: SEND"),
    ),
}  # fmt: skip
"""In the picker's pods, which start again with it."""


def _backend(**change: Any) -> Patch:
    def patch(patient: Patient) -> dict[str, Any]:
        rule = patient.get(ROUTES)["spec"]["rules"][0]
        return {"spec": {"rules": [{**rule, "backendRefs": [{**rule["backendRefs"][0], **change}]}]}}

    return patch


def _parent(**change: Any) -> Patch:
    return lambda patient: {"spec": {"parentRefs": [{**patient.get(ROUTES)["spec"]["parentRefs"][0], **change}]}}


def _certificate(patient: Patient) -> dict[str, Any]:
    listener = patient.get(GATEWAYS)["spec"]["listeners"][0]
    tls = {"mode": "Terminate", "certificateRefs": [{"name": "no-such-certificate"}]}
    return {"spec": {"listeners": [{**listener, "protocol": "HTTPS", "port": 443, "tls": tls}]}}


GATEWAY: Mapping[str, Seeded] = {
    "gateway": Seeded(
        "The route's Gateway is not there", ROUTES, "address", "it is not there", patch=_parent(name="nobody")
    ),
    "section": Seeded(
        "The route names a listener that the Gateway does not have", ROUTES, "listener", "no listener https",
        patch=_parent(sectionName="https"),
    ),
    "certificate": Seeded(
        "A listener's certificate is not there", GATEWAYS, "listener", "the Secret no-such-certificate",
        patch=_certificate,
    ),
    "pool-name": Seeded(
        "The route names a pool that is not there", ROUTES, "route", "InferencePool gww, which is not there",
        patch=_backend(name="gww"),
    ),
    "pool-group": Seeded(
        "The route names the pool's API group of before v1", ROUTES, "route", "inference.networking.x-k8s.io",
        patch=_backend(group="inference.networking.x-k8s.io"),
    ),
    "no-route": Seeded("No route leads to the pool", ROUTES, "route", "no HTTPRoute leads to this pool"),
    "weight": Seeded("All weights are 0", ROUTES, "route", "weight 0", patch=_backend(weight=0)),
    "target-port": Seeded(
        "A target port that nobody listens on", POOLS, "pool", "8099", patch=_to(targetPorts=[{"number": 8099}])
    ),
    "tls": Seeded("Istio is not told that the picker serves TLS", RULES, "epp", "no DestinationRule", "-epp"),
}  # fmt: skip
"""In the objects of a release behind a Gateway."""
