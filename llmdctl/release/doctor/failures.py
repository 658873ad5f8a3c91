"""What the last words of a container mean, and what mends it. Pure.

Phrases of the endpoint picker and of the sidecar were seen with built binaries of llm-d-router 0.7.1, 0.9.0 and a
commit of 2026-08-22; those of engines and libraries are in the sources and threads that stand beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_CAN_I: Final = "$ kubectl auth can-i list inferencepools --as=system:serviceaccount:{namespace}:{account}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """One cause, told by its words in a log."""

    slug: str
    pattern: re.Pattern[str]
    words: str  # what it means; \\1 stands for the first group of the pattern
    remedy: str
    source: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """A cause that was found."""

    slug: str
    words: str
    remedy: str
    line: str  # the line of the log that says it


def _failure(slug: str, pattern: str, words: str, remedy: str, source: str = "") -> Failure:
    return Failure(slug=slug, pattern=re.compile(pattern), words=words, remedy=remedy, source=source)


ENGINE: Final = (
    _failure(
        "gated-model",
        r"(?i)(gated repo|401 Client Error|403 Client Error|Access to model \S+ is restricted|"
        r"GatedRepoError|Invalid credentials in Authorization header)",
        "the model hub refuses the token: the model is gated, or the token is missing, wrong or without access",
        "Accept the model's licence with the token's account, and put the token into the Secret that HF_TOKEN names.",
        "https://huggingface.co/docs/hub/models-gated",
    ),
    _failure(
        "model-not-found",
        r"(?i)(RepositoryNotFoundError|404 Client Error|is not a local folder and is not a valid model identifier|"
        r"Repo id must (be in the form|use alphanumeric)|does not appear to have a file named config\.json)",
        "the model is not found: its name is wrong, or the folder holds no model",
        "State a model that exists: its name on the hub, or the path of a folder with config.json.",
        "https://huggingface.co/docs/huggingface_hub/package_reference/utilities",
    ),
    _failure(
        "model-hub-unreachable",
        r"(?i)(couldn't connect to .?https?://\S+ to load|Name or service not known.*huggingface|"
        r"LocalEntryNotFoundError|Max retries exceeded with url: /.*huggingface)",
        "the model hub cannot be reached from the pod",
        "Open the way out, state a mirror in HF_ENDPOINT, or serve the model from a volume.",
    ),
    _failure(
        "cuda-out-of-memory",
        r"(?i)(CUDA out of memory|torch\.(cuda\.)?OutOfMemoryError|HIP out of memory)",
        "the accelerator's memory is too small for weights, activations and KV cache",
        "Raise --tensor-parallel-size, lower --gpu-memory-utilization or --max-num-seqs, or take a larger accelerator.",
        "https://docs.vllm.ai/en/stable/configuration/conserving_memory/",
    ),
    _failure(
        "no-kv-memory",
        r"(?i)(No available memory for the cache blocks|larger than the (available KV cache memory|"
        r"maximum number of tokens that can be stored)|KV cache is needed, which is larger)",
        "no memory is left for the KV cache of one request of the longest length",
        "Lower --max-model-len, raise --gpu-memory-utilization, or raise --tensor-parallel-size.",
        "https://github.com/vllm-project/vllm/issues/2418",
    ),
    _failure(
        "memory-taken",
        r"(?i)Free memory on device .* is less than desired GPU memory utilization",
        "something else holds the accelerator's memory: a process that outlived its pod, or a shared device",
        "Find what holds it (nvidia-smi on the node), or lower --gpu-memory-utilization.",
    ),
    _failure(
        "unknown-flag",
        r"error: (?:unrecognized arguments: .+|argument \S+ ?\S*: .+|the following arguments are required: .+)",
        "the engine does not take its command line",
        "Take the flag out or spell it as this version of the engine does; `llmdctl lint --namespace {namespace}` "
        "names the nearest.",
        "https://github.com/kserve/kserve/pull/6037",
    ),
    _failure(
        "driver",
        r"(?i)(CUDA driver version is insufficient|forward compatibility was attempted|Error 80[34]\b|"
        r"The NVIDIA driver on your system is too old|unsupported display driver)",
        "the node's driver is older than the image's CUDA needs",
        "Upgrade the node's driver, or take an image for the CUDA version that the driver has.",
        "https://docs.nvidia.com/deploy/cuda-compatibility/",
    ),
    _failure(
        "no-device",
        r"(?i)(No CUDA GPUs are available|Failed to infer device type|no CUDA-capable device|"
        r"libcuda\.so\.1: cannot open)",
        "the container sees no accelerator",
        "Ask for one in resources.limits, and look at the device plugin and the runtime class of the node.",
    ),
    _failure(
        "nccl",
        r"(?i)(NCCL error|ncclSystemError|ncclRemoteError|Watchdog caught collective operation timeout|"
        r"NCCL.*(timeout|timed out))",
        "the devices or pods of one model cannot talk to each other (NCCL)",
        "Look at NCCL_SOCKET_IFNAME, the fabric's devices and the network policy; /dev/shm must be large enough.",
        "https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/troubleshooting.html",
    ),
    _failure(
        "nixl",
        r"(NIXL_ERR_\w+|(?i:nixl)[^\n]*(?i:handshake|timed? ?out|failed))",
        "the KV transfer between prefill and decode does not come about (NIXL)",
        "Both sides need one vLLM version, block size and layout, VLLM_NIXL_SIDE_CHANNEL_HOST as the pod's address, "
        "and UCX devices that are there.",
        "https://docs.vllm.ai/en/stable/features/nixl_connector_compatibility/",
    ),
    _failure(
        "port-taken",
        r"(?i)(address already in use|Errno 98)",
        "its port is taken by another process of the pod or of the host",
        "Give each container of the pod a port of its own; with hostNetwork, each pod of the node.",
    ),
    _failure(
        "no-space",
        r"(?i)(No space left on device|Errno 28)",
        "the disk or the shared memory is full",
        "Raise ephemeral-storage, the volume that holds the model, or the size of /dev/shm.",
    ),
    _failure(
        "unwritable",
        r"(?i)(PermissionError: \[Errno 13\]|Permission denied: ')",
        "a folder that the engine writes to is not writable for its user",
        "Set HOME and the cache variables to a volume that the user may write.",
        "https://github.com/llm-d/llm-d/issues/1430",
    ),
    _failure(
        "heads",
        r"(?i)(must be divisible by tensor parallel size|not divisible by tensor)",
        "the model's attention heads cannot be split by this tensor parallelism",
        "Take a --tensor-parallel-size that divides the number of heads.",
        "https://github.com/vllm-project/vllm/issues/2652",
    ),
)
"""Of vLLM, SGLang and what they load."""

EPP: Final = (
    _failure(
        "forbidden",
        r"((?:\S+ is )?forbidden: User .*cannot (?:list|watch|get|create) resource \\*\"(?P<what>[\w./-]+))",
        "the picker's service account may not read what it needs ({what})",
        "Give the service account get, list and watch on pods, inferencepools and inferenceobjectives (and every verb "
        "on leases, where several pickers elect one) in the pool's namespace.",
    ),
    _failure(
        "unknown-plugin",
        r"(plugin type [^\n]*is not registered|[^\n]*is not registered)",
        "its configuration names a plugin type that this version does not have",
        "Take a type that this version has; `llmdctl lint --namespace {namespace}` names the nearest.",
    ),
    _failure(
        "undefined-plugin",
        r"([^\n]*references undefined plugin[^\n]*)",
        "a profile of its configuration names a plugin that is not declared",
        "Declare the plugin under `plugins`, or correct the pluginRef.",
    ),
    _failure(
        "unknown-field",
        r"(failed to decode configuration[^\n]*|unknown field [^\n]*)",
        "its configuration has a field that this version does not know, or is no valid YAML",
        "Write the configuration for this version; `llmdctl lint --namespace {namespace}` names the field.",
    ),
    _failure(
        "bad-parameter",
        r"(failed to create plugin [^\n]*)",
        "a plugin of its configuration does not take its parameters",
        "Correct the parameters of that plugin for this version of the picker.",
    ),
    _failure(
        "no-producer",
        r"([^\n]*no default producer found[^\n]*)",
        "a plugin of its configuration needs data that nothing produces",
        "Declare the producer that the plugin reads.",
    ),
    _failure(
        "alpha-plugin",
        r"Plugin stability validation failed",
        "its configuration has an alpha plugin, which this version wants to be allowed",
        "Add --allow-experimental-plugins to the picker's arguments.",
    ),
    _failure(
        "bad-config",
        r"(Failed to parse configuration[^\n]*|[Ff]ailed to load (?:the )?config[^\n]*)",
        "it cannot load its configuration",
        "Compare the configuration with this version's; `llmdctl lint --namespace {namespace}` judges it.",
    ),
    _failure(
        "unknown-flag",
        r"(unknown flag: \S+|flag provided but not defined: \S+|unknown shorthand flag[^\n]*)",
        "it does not know one of its flags",
        "Take the flag out: it is of another version.",
    ),
    _failure(
        "bad-flags",
        r"(Failed to validate flags[^\n]*)",
        "its flags exclude each other or one has a value that it does not take",
        "State exactly one of --pool-name and --endpoint-selector, and at most one of --config-file and --config-text.",
    ),
    _failure(
        "no-file",
        r"(open \S+: no such file or directory)",
        "its configuration file is not there",
        "Mount the ConfigMap at the folder of --config-file, under that file's name.",
    ),
    _failure(
        "no-crd",
        r"(no matches for kind [^\n]*|could not find the requested resource[^\n]*)",
        "a CustomResourceDefinition that it watches is not installed",
        "Install the CRDs: llmdctl install RECIPE --with-prerequisites.",
    ),
    _failure(
        "no-apiserver",
        r"(dial tcp \S+:(?:443|6443): (?:i/o timeout|connect: [^\n]*))",
        "it does not reach the API server",
        "Let the network policy of its pod allow the API server's address.",
    ),
    _failure(
        "tokenizer",
        r"((?i:tokenizer)[^\n]*(?:/tmp/tokenizer|unix)[^\n]*(?:no such file|refused|failed)[^\n]*)",
        "it waits for a tokenizer on a unix socket that nobody offers",
        "Add the tokenizer's container to the picker's pod, or use the approximate prefix scorer.",
    ),
    _failure(
        "panic",
        r"(panic: [^\n]*)",
        "it ended in a panic",
        "Look at the plugin that the trace names; a plugin without its parameters is a known cause.",
    ),
)
"""Of the endpoint picker, the most telling first."""

SCRAPING: Final = (
    _failure(
        "scrape",
        r"(?i)((?:failed to (?:refresh|fetch|scrape|get|poll) metrics|error fetching metrics|"
        r"failed to fetch metrics from)[^\n]*)",
        "it cannot read the metrics of the model servers, and takes every one of them for idle",
        "Look at the port, path and scheme of its metrics source, and at the network policy of the model servers.",
    ),
)

SIDECAR: Final = (
    _failure(
        "bad-flags",
        r"(Invalid configuration[^\n]*|Failed to complete configuration[^\n]*)",
        "it does not take one of its values, and ends with exit code 0",
        "Correct the value that the line names.",
    ),
    EPP[8],
    _failure(
        "engine-away",
        r"(dial tcp [^\n]*connection refused)",
        "nothing listens at the engine's port that it was told",
        "State the engine's port in --vllm-port (0.10: --model-server-port).",
    ),
)

ENVOY: Final = (
    _failure(
        "bad-config",
        r"(error initializing configuration[^\n]*|Protobuf message \(type [^\n]*|Unable to parse JSON as proto[^\n]*|"
        r"Didn't find a registered implementation[^\n]*)",
        "Envoy does not take its configuration",
        "Correct the field that the line names.",
    ),
    ENGINE[11],
)


def told(lines: Iterable[str], known: Sequence[Failure], namespace: str) -> Told | None:
    """The cause that a log names: the first of `known` whose words are in it, with its last line."""
    read = list(lines)
    for failure in known:
        for line in reversed(read):
            found = failure.pattern.search(line)
            if found:
                words = failure.words
                if "{what}" in words:
                    words = words.format(what=found.groupdict().get("what") or "unknown")
                return Told(
                    slug=failure.slug,
                    words=words,
                    remedy=failure.remedy.replace("{namespace}", namespace),
                    line=line.strip(),
                )
    return None
