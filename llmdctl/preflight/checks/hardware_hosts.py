"""Do the hosts carry the pods: processors, memory, disks, architecture?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Final

from llmdctl.model.check import Evidence
from llmdctl.model.finding import Severity
from llmdctl.model.quantity import exact
from llmdctl.preflight.candidates import SHOWN, Candidate, Server, some, together
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.hardware import READS, for_accelerators, for_servers, suits
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, warned

_GI: Final = 2**30
_DISK: Final = "ephemeral-storage"
_FULL_HOST: Final = 8  # accelerators
_CORES: Final = 80
_MEMORY_GI: Final = 500
_LOCAL_DISKS: Final = (
    "cloud.google.com/gke-ephemeral-storage-local-ssd",
    "cloud.google.com/gke-local-nvme-ssd",
    "karpenter.k8s.aws/instance-local-nvme",
    "eks.amazonaws.com/instance-local-nvme",
)
_STORAGE_DOC: Final = (
    "https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#local-ephemeral-storage"
)


def _large_enough(_: Case, found: tuple[Server, ...]) -> Verdict:
    for server in found:
        for resource in ("cpu", "memory"):
            wanted = server.template.requests.get(resource, Fraction(0))
            largest = _largest(server.usable, resource)
            if server.usable and largest < wanted:
                return failed(
                    f"A pod of {server.role} asks for {_shown(resource, wanted)} {resource}; the largest of "
                    f"{some(server.usable)} has {_shown(resource, largest)}.",
                    _offers(server.usable, resource, wanted),
                    f"Lower requests.{resource} of {server.role}, or use larger nodes.",
                )
    return suits(found, "processors and memory")


def _disk(_: Case, found: tuple[Server, ...]) -> Verdict:
    for server in found:
        wanted = _disk_wanted(server)
        small = tuple(each for each in server.usable if each.node.allocatable.get(_DISK, Fraction(0)) < wanted)
        if small:
            make = failed if len(small) == len(server.usable) else warned
            able = len(server.usable) - len(small)
            return make(
                f"{able} of {len(server.usable)} candidate nodes offer {_shown(_DISK, wanted)} {_DISK} for"
                f" {server.role};"
                f" the others have {_shown(_DISK, _largest(small, _DISK))} at most.",
                _offers(small, _DISK, wanted),
                "Give the nodes a larger disk, or join their local NVMe to the kubelet's storage:"
                " instanceStorePolicy RAID0"
                " of a Karpenter EC2NodeClass, --ephemeral-storage-local-ssd of a GKE node pool.",
                "Or keep the model on a volume: modelserver.model.source=pvc, with model.pvc.claimName.",
            )
    return suits(found, _DISK)


def _disk_wanted(server: Server) -> Fraction:
    """The larger of what is requested and of what emptyDir volumes on disk may hold."""
    volumes = (volume.get("emptyDir") for volume in server.template.spec.get("volumes") or ())
    limits = (
        exact(each.get("sizeLimit")) for each in volumes if isinstance(each, Mapping) and each.get("medium") != "Memory"
    )
    held = sum((limit for limit in limits if limit), Fraction(0))
    return max(server.template.requests.get(_DISK, Fraction(0)), held)


def _ratio(_: Case, found: tuple[Server, ...]) -> Verdict:
    nodes = [each for each in together(e for s in found for e in s.usable) if each.device.count >= _FULL_HOST]
    if not nodes:
        return skipped(f"no candidate has {_FULL_HOST} accelerators")
    thin = [
        each
        for each in nodes
        if each.node.allocatable.get("cpu", 0) < _CORES or each.node.allocatable.get("memory", 0) < _MEMORY_GI * _GI
    ]
    if not thin:
        return passed(f"{len(nodes)} hosts have {_CORES} cores and {_MEMORY_GI}Gi or more.")
    return failed(
        f"{len(thin)} of {len(nodes)} hosts with {_FULL_HOST} accelerators have less than {_CORES} cores or"
        f" {_MEMORY_GI}Gi.",
        (
            each.saw(
                f"{_shown('cpu', each.node.allocatable.get('cpu', Fraction(0)))} cores,"
                f" {_shown('memory', each.node.allocatable.get('memory', Fraction(0)))}"
            )
            for each in thin[:SHOWN]
        ),
        "Expect slower tokenization and less room for a CPU tier of the KV cache.",
    )


def _local_disk(_: Case, found: tuple[Server, ...]) -> Verdict:
    using = [(server, path) for server in found for path in _host_paths(server)]
    if not using:
        return skipped("no model server mounts a path of the node")
    for server, path in using:
        without = [each for each in server.usable if not any(each.node.labels.get(key) for key in _LOCAL_DISKS)]
        if without:
            return failed(
                f"{server.role} mounts {path} of the node; {len(without)} of {some(server.usable)} do not say"
                " that they "
                "have local disks.",
                (each.saw(f"no label of local disks; {path} may lie on the boot disk") for each in without[:SHOWN]),
                f"See that {path} is a mounted local disk on these nodes, or use a volume.",
            )
    return passed("Every candidate says that it has local disks.")


def _host_paths(server: Server) -> Iterator[str]:
    for volume in server.template.spec.get("volumes") or ():
        path = (volume.get("hostPath") or {}).get("path")
        if path and not str(path).startswith(("/dev", "/sys", "/proc", "/run", "/var/run")):
            yield str(path)


def _hugepages(_: Case, found: tuple[Server, ...]) -> Verdict:
    asked = [
        (each, name, n) for each in found for name, n in each.template.requests.items() if name.startswith("hugepages-")
    ]
    if not asked:
        return skipped("no model server asks for huge pages")
    for server, name, wanted in asked:
        largest = _largest(server.usable, name)
        if server.usable and largest < wanted:
            return failed(
                f"A pod of {server.role} asks for {_shown(name, wanted)} {name}; the largest of"
                f" {some(server.usable)} has "
                f"{_shown(name, largest)}.",
                _offers(server.usable, name, wanted),
                "Reserve huge pages on the nodes: vm.nr_hugepages, or the node pool's system configuration.",
            )
    return suits(found, "huge pages")


def _largest(nodes: tuple[Candidate, ...], resource: str) -> Fraction:
    return max((each.node.allocatable.get(resource, Fraction(0)) for each in nodes), default=Fraction(0))


def _offers(nodes: tuple[Candidate, ...], resource: str, wanted: Fraction) -> Iterator[Evidence]:
    for each in nodes[:SHOWN]:
        have = each.node.allocatable.get(resource, Fraction(0))
        yield each.saw(f"{resource} {_shown(resource, have)}", _shown(resource, wanted))


def _shown(resource: str, number: Fraction) -> str:
    """Cores as they are; bytes in the largest binary unit that leaves a number of at least 1."""
    if resource == "cpu":
        return f"{float(number):g}"
    for unit, size in (("Ti", 2**40), ("Gi", _GI), ("Mi", 2**20)):
        if number >= size:
            return f"{float(number / size):.4g}{unit}"
    return f"{float(number):g}"


CHECKS: Final = (
    Check(
        code="LD0624",
        slug="host-size",
        title="A node has the processors and the memory that a pod asks for",
        severity=Severity.ERROR,
        rule=for_servers(_large_enough),
        needs=READS,
        why="A pod whose requests exceed every node's allocatable waits for ever, however idle the cluster is.",
        remedy="Lower the requests, or use larger nodes.",
        sources=("https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/",),
    ),
    Check(
        code="LD0625",
        slug="host-ratio",
        title="Hosts of eight accelerators are large enough",
        severity=Severity.WARNING,
        rule=for_accelerators(_ratio),
        needs=READS,
        why="llm-d asks for at least 80 cores and 500 GiB beside eight accelerators: tokenization, the schedulers"
        " of the engine"
        " and the CPU tier of the KV cache live there.",
        remedy="Use larger hosts.",
        sources=("https://github.com/llm-d/llm-d/blob/main/docs/infrastructure/README.md",),
    ),
    Check(
        code="LD0626",
        slug="ephemeral-storage",
        title="The nodes have the disk that a pod needs",
        severity=Severity.ERROR,
        rule=for_servers(_disk),
        needs=READS,
        why="Weights are loaded to the node's disk. A Karpenter node has 17Gi unless its class says otherwise, a"
        " large model"
        " wants hundreds.",
        remedy="Give the nodes more disk, or keep the model on a volume.",
        sources=(_STORAGE_DOC, "https://karpenter.sh/docs/concepts/nodeclasses/#specinstancestorepolicy"),
    ),
    Check(
        code="LD0627",
        slug="local-disks",
        title="Paths of the node lie on local disks",
        severity=Severity.WARNING,
        rule=for_servers(_local_disk),
        needs=READS,
        why="A hostPath for the model or the KV cache is meant for local NVMe; on a node without it fills the boot"
        " disk, and"
        " the kubelet evicts pods.",
        remedy="Check the path on the nodes.",
        sources=(
            "https://cloud.google.com/kubernetes-engine/docs/concepts/local-ssd",
            "https://karpenter.sh/docs/reference/instance-types/",
        ),
    ),
    Check(
        code="LD0628",
        slug="hugepages",
        title="The nodes have the huge pages that a pod asks for",
        severity=Severity.ERROR,
        rule=for_servers(_hugepages),
        needs=READS,
        why="Huge pages are reserved when a node starts; a pod that asks for more than there are waits for ever.",
        remedy="Reserve huge pages on the nodes.",
        sources=("https://kubernetes.io/docs/tasks/manage-hugepages/scheduling-hugepages/",),
    ),
)
