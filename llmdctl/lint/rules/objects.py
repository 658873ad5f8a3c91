"""What the API server refuses, or takes without a word, in a single object or in two of one name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from llmdctl.lint.manifest import Manifest, Place, look, rows
from llmdctl.lint.pods import Container, Pod, image
from llmdctl.lint.rule import Code, codes
from llmdctl.lint.world import World
from llmdctl.model.finding import Finding, Severity

_API: Final = "https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/"

CODES = codes(
    (
        "LD1613",
        "Two objects of one name",
        Severity.ERROR,
        "The second one is laid over the first: two releases in one namespace that use a fixed name change each other. "
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/",
    ),
    (
        "LD1903",
        "Environment variable stated twice",
        Severity.WARNING,
        f"The last one holds, and kubectl apply can drop either. {_API}#container-v1-core",
    ),
    (
        "LD1904",
        "Port declared twice",
        Severity.ERROR,
        f"Names of ports are unique in a container. {_API}#container-v1-core",
    ),
    (
        "LD1905",
        "Two mounts at one path",
        Severity.ERROR,
        f"mountPath is unique in a container. {_API}#container-v1-core",
    ),
    (
        "LD1906",
        "Mount of a volume that the pod lacks",
        Severity.ERROR,
        f"The API refuses the pod. {_API}#volumemount-v1-core",
    ),
    (
        "LD1907",
        "Volume or container of a name twice",
        Severity.ERROR,
        f"Names are unique in a pod. {_API}#podspec-v1-core",
    ),
    (
        "LD1909",
        "Port of a Service stated twice",
        Severity.ERROR,
        f"The API refuses the Service. {_API}#serviceport-v1-core",
    ),
    ("LD1910", "Container without image", Severity.ERROR, f"The API refuses the pod. {_API}#container-v1-core"),
    (
        "LD1911",
        "Image that may change under its name",
        Severity.WARNING,
        "A floating tag gives pods of one workload different versions, and engine, sidecar and picker must fit each "
        "other. https://kubernetes.io/docs/concepts/containers/images/#image-names",
    ),
    (
        "LD1612",
        "Chart or module without a fixed version",
        Severity.ERROR,
        "The next synchronisation may install something else.",
    ),
)
_FLOATING: Final = re.compile(
    r"^(latest|main|master|head|dev|devel|develop|nightly|edge|stable|unstable|canary)$", re.I
)
_LOOSE: Final = re.compile(r"[*^~<>|x ]|^(HEAD|main|master|latest)?$")


def check(world: World) -> Iterator[Finding]:
    yield from _same_identity(world)
    for pod in world.pods:
        yield from _pod(pod)
    for service in world.of_kind("Service"):
        yield from _service(service)
    for manifest in world.manifests:
        yield from _pinned(manifest)


def _same_identity(world: World) -> Iterator[Finding]:
    seen: dict[tuple[str, str, str, str], Manifest] = {}
    for manifest in world.manifests:
        key = (manifest.group, manifest.kind, manifest.namespace, manifest.text("metadata", "name"))
        if not key[3]:
            continue
        first = seen.setdefault(key, manifest)
        if first is manifest:
            continue
        elsewhere = first.file != manifest.file
        where = f"{first.file}:{first.line(())}" if first.file else "above"
        yield manifest.finding(
            CODES["LD1613"],
            ("metadata", "name"),
            f"{manifest.kind} {manifest.name} stands here and already at {where}.",
            "Give each release names of its own, or its own namespace.",
            severity=Severity.WARNING if elsewhere else None,
        )


def _repeated(entries: Sequence[Any], *key: str) -> Iterator[tuple[int, str]]:
    """(index, name) of every row whose name an earlier one has."""
    seen: set[str] = set()
    for index, row in enumerate(entries):
        name = look(row, *key)
        if isinstance(name, str):
            if name in seen:
                yield index, name
            seen.add(name)


def _pod(pod: Pod) -> Iterator[Finding]:
    volumes = rows(pod.spec, "volumes")
    for index, name in _repeated(volumes, "name"):
        yield pod.finding(CODES["LD1907"], ("volumes", index), f"The volume {name} stands twice.", "Keep one.")
    names = {str(look(volume, "name")) for volume in volumes}
    names |= {str(look(claim, "metadata", "name")) for claim in pod.workload.rows("spec", "volumeClaimTemplates")}
    seen: set[str] = set()
    for container in pod.containers():
        if container.name in seen:
            message = f"The container {container.name} stands twice."
            yield container.finding(CODES["LD1907"], (), message, "Names are unique, init containers included.")
        seen.add(container.name)
        yield from _container(container, names)
    yield from _pod_ports(pod)


def _container(container: Container, volumes: set[str]) -> Iterator[Finding]:
    for index, name in _repeated(rows(container.value, "env"), "name"):
        message = f"The variable {name} stands twice: the last one holds."
        yield container.finding(CODES["LD1903"], ("env", index), message, "Keep one.")
    for index, name in _repeated(rows(container.value, "ports"), "name"):
        message = f"Two ports of the container are called {name}."
        yield container.finding(CODES["LD1904"], ("ports", index), message, "Name each port differently.")
    mounts = rows(container.value, "volumeMounts")
    for index, path in _repeated(mounts, "mountPath"):
        message = f"Two volumes are mounted at {path}."
        yield container.finding(CODES["LD1905"], ("volumeMounts", index), message, "Keep one.")
    for index, mount in enumerate(mounts):
        name = look(mount, "name")
        if isinstance(name, str) and name not in volumes:
            message = f"The volume {name} is mounted, and the pod has no volume of that name."
            yield container.finding(CODES["LD1906"], ("volumeMounts", index), message, "Add it under volumes.")
    yield from _image(container)


def _image(container: Container) -> Iterator[Finding]:
    if not container.image:
        message = f"The container {container.name} has no image."
        yield container.finding(CODES["LD1910"], (), message, "State one with a version.")
        return
    found = image(container.image)
    if re.search(r"[A-Z${]", found.repository):
        return  # a placeholder that kustomize or envsubst fills in: names of images are lower case
    if not found.digest and (not found.tag or _FLOATING.match(found.tag)):
        shown = f"the tag {found.tag}" if found.tag else "no tag, which means latest"
        message = f"The image {container.image} has {shown}."
        yield container.finding(CODES["LD1911"], ("image",), message, "Name a version, or a digest.")


def _pod_ports(pod: Pod) -> Iterator[Finding]:
    """One number in two containers that run at the same time: only one of them can listen."""
    owners: dict[tuple[int, str], Container] = {}
    for container in pod.containers():
        if container.init and not container.sidecar:
            continue
        for index, row in enumerate(rows(container.value, "ports")):
            number, protocol = look(row, "containerPort"), look(row, "protocol") or "TCP"
            if not isinstance(number, int):
                continue
            owner = owners.setdefault((number, str(protocol)), container)
            if owner is not container:
                message = f"The containers {owner.name} and {container.name} both have port {number}."
                remedy = "Containers of a pod share one address: give each its own port."
                yield container.finding(CODES["LD1904"], ("ports", index), message, remedy)


def _service(service: Manifest) -> Iterator[Finding]:
    ports = service.rows("spec", "ports")
    for index, name in _repeated(ports, "name"):
        message = f"Two ports of the Service are called {name}."
        yield service.finding(CODES["LD1909"], ("spec", "ports", index), message, "Name each port differently.")
    seen: set[tuple[str, str]] = set()
    for index, row in enumerate(ports):
        key = (str(look(row, "port")), str(look(row, "protocol") or "TCP"))
        if key in seen:
            message = f"Port {key[0]}/{key[1]} stands twice in the Service."
            yield service.finding(CODES["LD1909"], ("spec", "ports", index), message, "Remove one of them.")
        seen.add(key)
        if len(ports) > 1 and not look(row, "name"):
            message = "A Service of several ports names each of them."
            yield service.finding(CODES["LD1909"], ("spec", "ports", index), message, "Add a name.")


def _unpinned(manifest: Manifest, place: Place, what: str, code: Code) -> Iterator[Finding]:
    stated = manifest.get(*place)
    version = stated if isinstance(stated, str) else ""
    if _LOOSE.search(version):
        shown = f"'{version}'" if version else "no version"
        yield manifest.finding(code, place, f"{what} has {shown}.", "Name one version.")


def _pinned(manifest: Manifest) -> Iterator[Finding]:
    """Argo CD Applications, Flux HelmReleases and kustomize's helmCharts."""
    code = CODES["LD1612"]
    if manifest.kind == "Application" and manifest.group == "argoproj.io":
        for base in (
            ("spec", "source"),
            *(("spec", "sources", i) for i, _ in enumerate(manifest.rows("spec", "sources"))),
        ):
            if manifest.get(*base, "chart"):
                yield from _unpinned(
                    manifest, (*base, "targetRevision"), f"The chart {manifest.get(*base, 'chart')}", code
                )
    elif manifest.kind == "HelmRelease" and manifest.table("spec", "chart", "spec"):
        chart = manifest.get("spec", "chart", "spec", "chart")
        yield from _unpinned(manifest, ("spec", "chart", "spec", "version"), f"The chart {chart}", code)
    elif manifest.kind == "Kustomization":
        for index, chart in enumerate(manifest.rows("helmCharts")):
            yield from _unpinned(manifest, ("helmCharts", index, "version"), f"The chart {look(chart, 'name')}", code)
