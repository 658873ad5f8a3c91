"""Images: how they are named, who may pull them, and which nodes have them. No registry is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.crd import version
from llmdctl.preflight.interconnect import hosts
from llmdctl.preflight.node import Node
from llmdctl.preflight.phrases import listed
from llmdctl.preflight.references import present
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned
from llmdctl.preflight.workload import PodTemplate

_NO_RECIPE: Final = "no recipe was named"
_MOVING: Final = ("latest", "main", "master", "nightly", "dev", "edge", "stable")
_PULL_TYPES: Final = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg", "")
_LISTED_IMAGES: Final = 50
"""How many images a kubelet reports: --node-status-max-images of
https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/
"""

_DRIVER_PATH: Final = "/usr/local/nvidia/lib64"
_BLIND: Final = (0, 10, 0)
"""The version of vLLM's image that does not find GKE's driver:
https://github.com/llm-d/llm-d/blob/main/docs/infrastructure/providers/gke/README.md
"""


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image that the recipe runs."""

    reference: str
    template: PodTemplate

    @property
    def digest(self) -> str:
        return self.reference.partition("@")[2]

    @property
    def tag(self) -> str:
        """Empty where there is none."""
        last = self.reference.partition("@")[0].rpartition("/")[2]
        return last.partition(":")[2]

    @property
    def names(self) -> frozenset[str]:
        """As nodes list it: with the registry that an unqualified name means."""
        name = self.reference
        host, slash, rest = name.partition("/")
        if not slash:
            return frozenset({name, f"docker.io/library/{name}"})
        if "." not in host and ":" not in host and host != "localhost":
            return frozenset({name, f"docker.io/{name}"})
        return frozenset({name, rest}) if host == "docker.io" else frozenset({name})


def images(case: Case) -> Iterator[Image]:
    """Every image of every pod, each once a template; those of volumes too."""
    for template in case.workloads:
        stated = [str(row["image"]) for row in template.containers if row.get("image")]
        stated += [
            str(volume["image"]["reference"])
            for volume in template.spec.get("volumes") or ()
            if (volume.get("image") or {}).get("reference")
        ]
        yield from (Image(reference=each, template=template) for each in dict.fromkeys(stated))


def _pull_secrets(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(_NO_RECIPE)
    wanted = {name: template for template in case.workloads for name in _named(case, template)}
    if not wanted:
        return passed("No pod and no service account names a pull secret: images are pulled without, or by the nodes.")
    missing = [name for name in wanted if present(case, "Secret", name) is None]
    if missing:
        return failed(
            f"{len(missing)} of {len(wanted)} pull secrets do not exist in namespace {case.namespace}:"
            f" {listed(missing)}.",
            [Evidence(object=wanted[name].identity, observed=f"imagePullSecrets: {name}") for name in missing],
            f"$ kubectl create secret docker-registry {missing[0]} -n {case.namespace} --docker-server=HOST"
            " --docker-username=USER --docker-password=TOKEN",
        )
    odd = {name: str((present(case, "Secret", name) or {}).get("type", "")) for name in wanted}
    wrong = {name: kind for name, kind in odd.items() if kind not in _PULL_TYPES}
    if wrong:
        return failed(
            f"{listed(f'{name} is of the type {kind}' for name, kind in wrong.items())}: no kubelet pulls with it.",
            [
                Evidence(object=f"Secret/{case.namespace}/{name}", observed=kind, expected=_PULL_TYPES[0])
                for name, kind in wrong.items()
            ],
            "Make it with kubectl create secret docker-registry.",
        )
    return passed(f"All {len(wanted)} pull secrets are there; which registries they are for is never read.")


def _named(case: Case, template: PodTemplate) -> Iterator[str]:
    own = [str(row["name"]) for row in template.spec.get("imagePullSecrets") or () if row.get("name")]
    if own:
        yield from own
        return
    account = present(case, "ServiceAccount", str(template.spec.get("serviceAccountName") or "default"))
    yield from (str(row["name"]) for row in (account or {}).get("imagePullSecrets") or () if row.get("name"))


def _mutable(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(_NO_RECIPE)
    found = {each.reference: each for each in images(case)}
    moving = [each for each in found.values() if not each.digest and (not each.tag or _moves(each.tag))]
    if moving:
        return failed(
            f"{len(moving)} of {len(found)} images have a tag that moves: {listed(each.reference for each in moving)}."
            " Two pods of one role may run different programs.",
            [Evidence(object=each.template.identity, observed=each.reference) for each in moving],
            "State a version or, better, a digest.",
        )
    pinned = sum(bool(each.digest) for each in found.values())
    return passed(f"{len(found)} images have a version, {pinned} of them a digest.")


def _moves(tag: str) -> bool:
    return tag in _MOVING or any(tag.startswith(f"{word}-") and not any(map(str.isdigit, tag)) for word in _MOVING)


def _cached(case: Case) -> Verdict:
    if not case.workloads:
        return skipped(_NO_RECIPE)
    servers = [template for template in case.workloads if template.is_model_server]
    nodes = tuple({node.name: node for template in servers for node in hosts(case, template)}.values())
    wanted = {each.reference: each for each in images(case) if each.template.is_model_server}
    if not nodes or not wanted:
        return skipped("no node has the accelerator that the pods ask for" if wanted else "the recipe serves no model")
    cold = _missing(nodes, wanted)
    if not cold:
        return passed(f"All {len(nodes)} candidate nodes have the {len(wanted)} images of the model servers.")
    capped = any(len((node.item.get("status") or {}).get("images") or ()) >= _LISTED_IMAGES for node in nodes)
    doubt = " (a node lists 50 images at most)" if capped else ""
    return failed(
        f"{len(cold)} of {len(wanted)} images of the model servers have to be pulled on some of {len(nodes)} candidate"
        f" nodes{doubt}: {listed(f'{name} on {len(missing)}' for name, missing in cold.items())}.",
        [
            Evidence(object=missing[0].identity, observed=f"without {name}", expected="pulled at the first start")
            for name, missing in cold.items()
        ],
        "Nothing has to change; a DaemonSet that pulls them beforehand makes the first start shorter.",
    )


def _missing(nodes: tuple[Node, ...], wanted: Mapping[str, Image]) -> dict[str, list[Node]]:
    """Reference -> the nodes that do not list it; none that all have."""
    by_name = {name: reference for reference, each in wanted.items() for name in each.names}
    known = frozenset(by_name)
    found: dict[str, list[Node]] = {}
    for node in nodes:
        rows = (node.item.get("status") or {}).get("images") or ()
        listed = chain.from_iterable(row.get("names") or () for row in rows)
        local = {by_name[name] for name in known.intersection(listed)}
        for reference in wanted:
            if reference not in local:
                found.setdefault(reference, []).append(node)
    return found


def _driver_path(case: Case) -> Verdict:
    servers = [template for template in case.workloads if template.requests.get("nvidia.com/gpu")]
    if not servers:
        return skipped("no pod asks for NVIDIA GPUs" if case.objects else _NO_RECIPE)
    if case.platform.name != "gke":
        return skipped(f"platform {case.platform.name}: the driver is not mounted at {_DRIVER_PATH}")
    for template in servers:
        for container in template.spec.get("containers") or ():
            stated = {str(row.get("name")): str(row.get("value", "")) for row in container.get("env") or ()}
            path = stated.get("LD_LIBRARY_PATH")
            if path is not None and "/usr/local/nvidia" not in path:
                return warned(
                    f"{template.role} sets LD_LIBRARY_PATH without {_DRIVER_PATH}, where GKE mounts the driver: no GPU"
                    " is found.",
                    [Evidence(object=template.identity, observed=f"LD_LIBRARY_PATH={path}")],
                    f"Add {_DRIVER_PATH} to it.",
                )
            image = str(container.get("image", ""))
            if (
                path is None
                and "/vllm-openai:" in image
                and version(image.partition("@")[0].rpartition(":")[2]) == _BLIND
            ):
                return warned(
                    f'{image} does not find the driver that GKE mounts: vLLM ends with "Failed to infer device type".',
                    [Evidence(object=template.identity, observed=image)],
                    f"Take a later version, or add {_DRIVER_PATH} to LD_LIBRARY_PATH.",
                )
    return passed("No image and no variable hides the driver that GKE mounts.")


CHECKS: Final = (
    Check(
        code="LD1202",
        slug="pull-secrets",
        title="Pull secrets exist",
        severity=Severity.ERROR,
        rule=_pull_secrets,
        needs=("secrets", "service-accounts"),
        why="With a pull secret that is absent or of another type, images of private registries end with ErrImagePull.",
        remedy="Make the Secret in the release's namespace.",
        sources=("https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/",),
    ),
    Check(
        code="LD1204",
        slug="mutable-tags",
        title="Images are named by a version",
        severity=Severity.WARNING,
        rule=_mutable,
        why="A tag that moves gives every node what it meant when that node pulled it.",
        remedy="State a version or a digest.",
        sources=("https://kubernetes.io/docs/concepts/containers/images/#image-names",),
    ),
    Check(
        code="LD1206",
        slug="images-on-nodes",
        title="Candidate nodes have the model servers' images",
        severity=Severity.NOTE,
        rule=_cached,
        needs=("nodes", "resource-slices"),
        why="Images of engines are large; the first pod on a node waits for the pull.",
        remedy="Pull them beforehand, if the first start matters.",
        sources=("https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/node-v1/",),
    ),
    Check(
        code="LD1208",
        slug="gke-driver-path",
        title="Images find the driver that GKE mounts",
        severity=Severity.WARNING,
        rule=_driver_path,
        needs=("nodes",),
        why="GKE mounts the driver at /usr/local/nvidia. An image whose LD_LIBRARY_PATH leaves it out sees no GPU.",
        remedy="Take a later image or set LD_LIBRARY_PATH.",
        sources=("https://github.com/llm-d/llm-d/blob/main/docs/infrastructure/providers/gke/README.md",),
    ),
)
