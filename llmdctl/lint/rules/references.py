"""Names of other objects: what is almost there is a mistake, what is not there must come from elsewhere."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, Final

from llmdctl.lint.manifest import Manifest, Place, look, rows
from llmdctl.lint.pods import Container, Pod
from llmdctl.lint.rule import codes
from llmdctl.lint.world import World, same_namespace
from llmdctl.model.finding import Finding, Severity

CODES = codes(
    (
        "LD1610",
        "Reference to an object that is not there",
        Severity.ERROR,
        "The pod does not start until the object exists. What comes from elsewhere is a note, what is almost the name "
        "of an object here is an error. https://kubernetes.io/docs/concepts/configuration/configmap/",
    ),
    (
        "LD1931",
        "Service that one label keeps from every pod",
        Severity.WARNING,
        "It has no endpoint, and whoever is sent there gets an error: 'no healthy upstream' of a proxy. "
        "https://kubernetes.io/docs/concepts/services-networking/service/#services-without-selectors",
    ),
)
_GIVEN: Final = ("kube-root-ca.crt", "openshift-service-ca.crt", "default")
"""What every namespace has."""


def check(world: World) -> Iterator[Finding]:
    for pod in world.pods:
        for kind, name, place in _references(pod):
            yield from _resolved(world, pod, kind, name, place)
    for service in world.of_kind("Service"):
        yield from _selected(world, service)


def _selected(world: World, service: Manifest) -> Iterator[Finding]:
    """A label that pods with all the others have with another value. One that no template has, a controller may add."""
    selector = service.table("spec", "selector")
    if not selector or world.selected(selector, service.namespace):
        return
    for key, value in selector.items():
        others = {name: other for name, other in selector.items() if name != key}
        have = {str(pod.labels[key]) for pod in world.selected(others, service.namespace) if key in pod.labels}
        if have:
            message = f"It selects no pod: those with its other labels have {key}={' or '.join(sorted(have))}"
            remedy = "Select by the value that the pods have."
            yield service.finding(CODES["LD1931"], ("spec", "selector", key), f"{message}, not {value}.", remedy)
            return


def _references(pod: Pod) -> Iterator[tuple[str, str, Place]]:
    """(kind, name, place in the pod's spec) of every object that must exist before the pod starts."""
    yield from _named("ServiceAccount", look(pod.spec, "serviceAccountName"), ("serviceAccountName",))
    for index, volume in enumerate(rows(pod.spec, "volumes")):
        place: Place = ("volumes", index)
        yield from _optional("ConfigMap", look(volume, "configMap"), (*place, "configMap"), "name")
        yield from _optional("Secret", look(volume, "secret"), (*place, "secret"), "secretName")
        claim = look(volume, "persistentVolumeClaim", "claimName")
        yield from _named("PersistentVolumeClaim", claim, (*place, "persistentVolumeClaim", "claimName"))
        for number, source in enumerate(rows(volume, "projected", "sources")):
            inner = (*place, "projected", "sources", number)
            yield from _optional("ConfigMap", look(source, "configMap"), (*inner, "configMap"), "name")
            yield from _optional("Secret", look(source, "secret"), (*inner, "secret"), "name")
    for index, claim in enumerate(rows(pod.spec, "resourceClaims")):
        name = look(claim, "resourceClaimTemplateName")
        yield from _named("ResourceClaimTemplate", name, ("resourceClaims", index, "resourceClaimTemplateName"))
    for container in pod.containers():
        yield from _environment(container)


def _environment(container: Container) -> Iterator[tuple[str, str, Place]]:
    base = container.place[len(container.pod.spec_place) :]
    for index, entry in enumerate(rows(container.value, "env")):
        place = (*base, "env", index, "valueFrom")
        yield from _optional("Secret", look(entry, "valueFrom", "secretKeyRef"), (*place, "secretKeyRef"), "name")
        yield from _optional(
            "ConfigMap", look(entry, "valueFrom", "configMapKeyRef"), (*place, "configMapKeyRef"), "name"
        )
    for index, entry in enumerate(rows(container.value, "envFrom")):
        place = (*base, "envFrom", index)
        yield from _optional("Secret", look(entry, "secretRef"), (*place, "secretRef"), "name")
        yield from _optional("ConfigMap", look(entry, "configMapRef"), (*place, "configMapRef"), "name")


def _named(kind: str, name: Any, place: Place) -> Iterator[tuple[str, str, Place]]:  # noqa: ANN401 - a name, or none
    if isinstance(name, str) and name and name not in _GIVEN:
        yield kind, name, place


def _optional(kind: str, reference: Any, place: Place, key: str) -> Iterator[tuple[str, str, Place]]:  # noqa: ANN401
    if look(reference, "optional") is not True:
        yield from _named(kind, look(reference, key), (*place, key))


def _resolved(world: World, pod: Pod, kind: str, name: str, place: Place) -> Iterator[Finding]:
    if world.named(kind, pod.namespace, name):
        return
    there = [item.name for item in world.of_kind(kind) if same_namespace(item.namespace, pod.namespace)]
    near = difflib.get_close_matches(name, there, n=1, cutoff=0.85)
    if near:
        message = f"There is no {kind} called {name}."
        yield pod.finding(CODES["LD1610"], place, message, f"Did you mean {near[0]}?")
    elif there:
        message = f"The {kind} {name} is not among these objects."
        note = pod.finding(CODES["LD1610"], place, message, "It must be in the namespace before the pod starts.")
        yield Finding(**{field: getattr(note, field) for field in note.__slots__} | {"severity": Severity.NOTE})
