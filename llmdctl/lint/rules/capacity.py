"""Accelerators, memory and shared memory of a pod, against what its engine is told."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from llmdctl.lint.manifest import look, rows, table
from llmdctl.lint.pods import Pod, image
from llmdctl.lint.recognition import SGLANG, VLLM, Engine
from llmdctl.lint.rule import codes
from llmdctl.lint.world import World
from llmdctl.model.finding import Finding, Severity
from llmdctl.model.quantity import ACCELERATORS, GPUS, amount, resources

_TPU_DOCS: Final = "https://cloud.google.com/kubernetes-engine/docs/concepts/plan-tpus"

CODES = codes(
    (
        "LD1601",
        "Accelerators and parallelism do not fit",
        Severity.ERROR,
        "An engine takes tensor x pipeline x data (of this pod) devices: with fewer it ends at start, with more the "
        "rest is idle and paid for. https://docs.vllm.ai/en/stable/serving/parallelism_scaling/",
    ),
    (
        "LD1608",
        "TPU slice and request do not fit",
        Severity.ERROR,
        f"The product of the topology is the chips of the slice; a pod asks for those of one host. {_TPU_DOCS}",
    ),
    (
        "LD1609",
        "Resource that no device plugin offers",
        Severity.ERROR,
        "The pod stays Pending forever. https://kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus/",
    ),
    (
        "LD1614",
        "More accelerators than a node has",
        Severity.ERROR,
        "The pod stays Pending forever. GB200 and GB300 NVL72 have 4 GPUs a compute tray, GH200 has 1: "
        "https://docs.nvidia.com/dgx/dgxgb200-user-guide/hardware.html",
    ),
    (
        "LD1963",
        "No shared memory for several ranks",
        Severity.WARNING,
        "Ranks of one pod talk through /dev/shm, which is 64 MiB unless a volume in memory is mounted there. "
        "https://docs.vllm.ai/en/stable/deployment/k8s/",
    ),
    (
        "LD1964",
        "Volume in memory without a size that fits",
        Severity.WARNING,
        "What is written there counts as the pod's memory: without sizeLimit it may fill all of it, and the pod is "
        "killed. https://kubernetes.io/docs/concepts/storage/volumes/#emptydir",
    ),
    (
        "LD1965",
        "KV cache tier larger than the pod's memory",
        Severity.ERROR,
        "The tier is allocated at start, so the container is killed before it serves. Sources: "
        "https://docs.vllm.ai/en/stable/features/disagg_prefill/, https://docs.sglang.ai/advanced_features/server_arguments.html",
    ),
)
_PER_NODE: Final = ((re.compile(r"gb[23]00", re.I), 4), (re.compile(r"gh200", re.I), 1))
_PRODUCT_LABELS: Final = (
    "nvidia.com/gpu.product",
    "cloud.google.com/gke-accelerator",
    "node.kubernetes.io/instance-type",
)
_TOPOLOGY: Final = "cloud.google.com/gke-tpu-topology"
_TPU: Final = "google.com/tpu"
_TPU_TYPE: Final = "cloud.google.com/gke-tpu-accelerator"
_FOUR_A_HOST: Final = ("tpu7x", "tpu-v4-podslice", "tpu-v5p-slice")
"""Types whose hosts have 4 chips; hosts of v5e and v6e have 1, 4 or 8."""

_SPARE_BYTES: Final = 32 * 2**30
"""Less than this beside the tier, and less than a tenth of the whole, is little for the engine, its Python workers and
page-locked buffers: the guides of llm-d ask for 64 GiB and more for an engine without a tier."""


def check(world: World) -> Iterator[Finding]:
    for engine in world.engines:
        yield from _parallelism(engine)
        yield from _shared_memory(engine)
        yield from _tier(engine)
    for pod in world.pods:
        yield from _names(pod)
        yield from _node(pod)
        yield from _tpu(pod)
        yield from _volumes(pod)


def ranks(engine: Engine) -> int | None:
    """Devices that one pod's engine takes; None when it is not known."""
    pipeline = engine.count("--pipeline-parallel-size", "-pp", "--pp-size")
    tensor = engine.tensor
    data = engine.count("--data-parallel-size", "-dp", "--dp-size")
    if tensor is None or pipeline is None or data is None:
        return None
    total = tensor * pipeline * data
    if engine.name == SGLANG and engine.line.find("--enable-dp-attention"):
        total = tensor * pipeline
    local = engine.line.find("--data-parallel-size-local", "-dpl")
    if engine.name == VLLM and local is not None:
        count = engine.line.integer("--data-parallel-size-local", "-dpl")
        return None if count is None else tensor * pipeline * count
    if engine.name == VLLM and engine.line.find("--data-parallel-rank", "--data-parallel-external-lb", "-dpn", "-dpe"):
        return tensor * pipeline  # one rank a pod
    nodes = engine.line.find("--nnodes", "-n") is not None
    size = engine.line.integer("--nnodes", "-n") if nodes else engine.container.pod.group_size
    return None if size is None else -(-total // size)


def _parallelism(engine: Engine) -> Iterator[Finding]:
    if engine.name not in (VLLM, SGLANG) or _several(engine) or not engine.line.words:
        return
    stated = resources(engine.container.value)
    devices = {name: round(count) for name, count in stated.items() if name in GPUS}
    needed = ranks(engine)
    if needed is None or len(devices) != 1 or look(engine.container.value, "resources", "claims"):
        return
    name, count = next(iter(devices.items()))
    if needed == count:
        return
    message = f"The engine takes {needed} of {name} (tensor x pipeline x data), and the container asks for {count}."
    if needed > count:
        yield engine.container.finding(CODES["LD1601"], ("resources",), message, "Make the two equal.")
        return
    message += f" {count - needed} would be idle."
    yield engine.container.finding(
        CODES["LD1601"], ("resources",), message, "Make the two equal.", severity=Severity.WARNING
    )


def _several(engine: Engine) -> bool:
    """Whether the container starts more than one engine, or lets Ray spread one over pods."""
    starts = [
        line for line in engine.container.commands if line.find("--tensor-parallel-size", "--tp", "-tp", "--port")
    ]
    ray = any("ray" in (word.text for word in line.words[:1]) for line in engine.container.commands)
    return len(starts) > 1 or ray or engine.line.value("--distributed-executor-backend") == "ray"


def _names(pod: Pod) -> Iterator[Finding]:
    for container in pod.containers():
        for kind in ("limits", "requests"):
            for name in table(container.value, "resources", kind):
                near = difflib.get_close_matches(str(name), ACCELERATORS, n=1, cutoff=0.88)
                if near and name not in ACCELERATORS:
                    message = f"No device plugin offers {name}."
                    place = ("resources", kind, str(name))
                    yield container.finding(CODES["LD1609"], place, message, f"Did you mean {near[0]}?")
        yield from _vendor(container)


def _vendor(container: Any) -> Iterator[Finding]:  # noqa: ANN401 - a Container
    """An image built for one vendor's devices on another's."""
    found = image(container.image)
    rocm = "rocm" in f"{found.base}:{found.tag}".lower()
    devices = resources(container.value)
    if rocm and "nvidia.com/gpu" in devices:
        message = f"{container.image} is built for AMD, and the container asks for nvidia.com/gpu."
        yield container.finding(CODES["LD1609"], ("resources",), message, "Take the image for CUDA, or amd.com/gpu.")


def _node(pod: Pod) -> Iterator[Finding]:
    for container in pod.containers():
        built_for = re.search(r"gb[23]00", image(container.image).base, re.I)
        asked = resources(container.value).get("nvidia.com/gpu", 0)
        if built_for and asked > _PER_NODE[0][1]:
            there = _PER_NODE[0][1]
            message = f"The image is built for {built_for.group().upper()}, whose nodes have {there} GPUs, "
            message += f"and the container asks for {round(asked)}."
            remedy = f"Ask for {there} and use more pods a replica."
            yield container.finding(CODES["LD1614"], ("resources",), message, remedy)
    asked = sum(
        resources(container.value).get("nvidia.com/gpu", 0) for container in pod.containers() if not container.init
    )
    for key in _PRODUCT_LABELS:
        for place, value in _wanted(pod, key):
            for pattern, there in _PER_NODE:
                if pattern.search(value) and asked > there:
                    message = f"A node of {value} has {there} GPUs, and the pod asks for {round(asked)}."
                    yield pod.finding(CODES["LD1614"], place, message, f"Ask for {there} and use more pods a replica.")


def _wanted(pod: Pod, key: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The values of a node's label that a pod asks for: nodeSelector and required affinity."""
    selected = look(pod.spec, "nodeSelector", key)
    if isinstance(selected, str):
        yield ("nodeSelector", key), selected
    base = ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    for index, term in enumerate(rows(pod.spec, *base)):
        for number, entry in enumerate(rows(term, "matchExpressions")):
            if look(entry, "key") == key and look(entry, "operator") == "In":
                for value in rows(entry, "values"):
                    yield (*base, index, "matchExpressions", number), str(value)


def _tpu(pod: Pod) -> Iterator[Finding]:
    asked = round(sum(resources(container.value).get(_TPU, 0) for container in pod.containers()))
    topology = look(pod.spec, "nodeSelector", _TOPOLOGY)
    place = ("nodeSelector", _TOPOLOGY)
    kind = str(look(pod.spec, "nodeSelector", _TPU_TYPE) or "")
    if not asked:
        return
    if kind in _FOUR_A_HOST and asked > 4:
        message = f"A host of {kind} has 4 chips, and the pod asks for {asked}."
        yield pod.finding(CODES["LD1608"], ("nodeSelector", _TPU_TYPE), message, "Ask for 4 and use more hosts.")
        return
    if not isinstance(topology, str) or not re.fullmatch(r"\d+(x\d+)+", topology):
        return
    chips = 1
    for side in topology.split("x"):
        chips *= int(side)
    if chips % asked or asked > chips:
        message = f"A slice of {topology} has {chips} chips, and each pod asks for {asked}."
        yield pod.finding(CODES["LD1608"], place, message, "Choose a topology whose chips the pods share evenly.")
    elif chips // asked != pod.group_size and (pod.group_size > 1 or asked < 4):
        message = (
            f"A slice of {topology} has {chips} chips, so {chips // asked} pods of {asked} each, and the group has "
        )
        message += f"{pod.group_size}."
        yield pod.finding(CODES["LD1608"], place, message, "Make the size of the group the number of hosts.")


def _shared_memory(engine: Engine) -> Iterator[Finding]:
    tensor = engine.tensor
    on_gpus = any(name in GPUS for name in resources(engine.container.value))
    if tensor is None or tensor < 2 or not on_gpus or look(engine.container.pod.spec, "hostIPC"):
        return
    mounts = rows(engine.container.value, "volumeMounts")
    if not any(str(look(mount, "mountPath")).rstrip("/") == "/dev/shm" for mount in mounts):
        message = f"{tensor} ranks share /dev/shm, and it is 64 MiB here."
        remedy = "Mount an emptyDir with medium: Memory at /dev/shm."
        yield engine.container.finding(CODES["LD1963"], ("volumeMounts",), message, remedy)


def _volumes(pod: Pod) -> Iterator[Finding]:
    limits = [resources(container.value).get("memory") for container in pod.containers() if not container.init]
    total = sum(limit for limit in limits if limit) if all(limits) and limits else None
    for index, volume in enumerate(rows(pod.spec, "volumes")):
        if look(volume, "emptyDir", "medium") != "Memory":
            continue
        size = amount(look(volume, "emptyDir", "sizeLimit"))
        place = ("volumes", index, "emptyDir")
        if size is None and total is not None:
            message = f"The volume {look(volume, 'name')} lies in memory and has no sizeLimit."
            yield pod.finding(CODES["LD1964"], place, message, "State one, and add it to the container's memory.")
        elif size is not None and total is not None and size > total:
            message = f"The volume {look(volume, 'name')} may take {_gib(size)}, and the pod has {_gib(total)}."
            yield pod.finding(CODES["LD1964"], place, message, "Raise the memory, or lower the sizeLimit.")


@dataclass(frozen=True, slots=True)
class _Tier:
    """Memory that an engine takes for KV blocks beyond the accelerator."""

    size_bytes: float
    stated: str


def _tier(engine: Engine) -> Iterator[Finding]:
    memory = resources(engine.container.value).get("memory")
    if memory is None:
        return
    tier = _tier_of(engine)
    if tier is None or memory - tier.size_bytes >= min(_SPARE_BYTES, memory / 10):
        return
    over = tier.size_bytes > memory
    message = f"{tier.stated} takes {_gib(tier.size_bytes)} of memory, and the container has {_gib(memory)}."
    if not over:
        message += " Too little is left for the engine."
    yield engine.container.finding(
        CODES["LD1965"],
        ("resources",),
        message,
        "Raise the memory, or lower the tier.",
        severity=None if over else Severity.WARNING,
    )


def _tier_of(engine: Engine) -> _Tier | None:
    ranks_here = ranks(engine) or 1
    size = engine.line.value("--kv-offloading-size")
    if size and amount(size) is not None:
        return _Tier(float(amount(size) or 0) * 2**30, "--kv-offloading-size")
    size = engine.line.value("--hicache-size")
    if size and size.isdigit() and int(size):
        return _Tier(int(size) * 1e9 * ranks_here, f"--hicache-size on {ranks_here} ranks")
    local = engine.container.env.get("LMCACHE_MAX_LOCAL_CPU_SIZE")
    if local and amount(local) is not None:
        return _Tier(
            float(amount(local) or 0) * 2**30 * ranks_here, f"LMCACHE_MAX_LOCAL_CPU_SIZE on {ranks_here} ranks"
        )
    taken = _cpu_bytes(engine)
    return _Tier(taken, "cpu_bytes_to_use") if taken else None


def _cpu_bytes(engine: Engine) -> float:
    """`cpu_bytes_to_use` of every connector in --kv-transfer-config."""
    try:
        config = json.loads(engine.line.value("--kv-transfer-config") or "{}")
    except ValueError:
        return 0
    return _sum(config)


def _sum(value: object) -> float:
    if isinstance(value, Mapping):
        own = value.get("cpu_bytes_to_use")
        return (float(own) if isinstance(own, (int, float)) else 0) + sum(_sum(inner) for inner in value.values())
    return sum(_sum(inner) for inner in value) if isinstance(value, list) else 0


def _gib(size_bytes: float) -> str:
    return f"{size_bytes / 2**30:.1f} GiB"
