"""Do driver, CUDA and compute capability of NVIDIA nodes suit what the recipe runs?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from llmdctl.model.finding import Severity
from llmdctl.preflight.candidates import SHOWN, Candidate, Server, some, together
from llmdctl.preflight.case import Case
from llmdctl.preflight.check import Check
from llmdctl.preflight.checks.hardware import NVIDIA, READS, for_accelerators
from llmdctl.preflight.images import cuda_major
from llmdctl.preflight.verdict import Verdict, failed, passed, skipped, unknown, warned

Version = tuple[int, ...]
_CUDA_DRIVER: Final = {11: 450, 12: 525, 13: 580}
"""CUDA -> the oldest driver, https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html"""

_OLDEST_CUDA: Final = 12  # no engine's image of the last years is older
_DRA_DRIVER: Final = (565,)
_DOMAIN_DRIVER: Final = (570, 158, 1)
_DRA_DOC: Final = "https://github.com/kubernetes-sigs/dra-driver-nvidia-gpu"
_COMPAT: Final = "https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html"
_BF16: Final = (8, 0)
_FP8: Final = (8, 9)
_FP4: Final = (10, 0)
_DEEPEP: Final = (9, 0)


def _nvidia(found: tuple[Server, ...]) -> tuple[Server, ...]:
    return tuple(each for each in found if each.resource in NVIDIA)


def _version(text: str) -> Version:
    return tuple(int(part) for part in re.findall(r"\d+", text))


def _driver(case: Case, found: tuple[Server, ...]) -> Verdict:
    concerned = _nvidia(found)
    nodes = together(each for server in concerned for each in server.usable)
    if not concerned:
        return skipped("the recipe asks for no NVIDIA GPU")
    if not nodes:
        return skipped("no node is a candidate, see LD0601")
    silent = [each for each in nodes if not each.device.driver]
    least, why = _hard_floor(case, concerned)
    old = [each for each in nodes if each.device.driver and _version(each.device.driver) < least]
    if old:
        make = failed if len(old) + len(silent) == len(nodes) else warned
        return make(
            f"{len(old)} of {some(nodes)} have a driver older than {_text(least)} ({old[0].device.driver}): {why}.",
            (each.saw(f"driver {each.device.driver}", f">= {_text(least)}") for each in old[:SHOWN]),
            f"Upgrade the driver of these nodes to {_text(least)} or newer.",
        )
    if silent:
        return unknown(
            f"{len(silent)} of {some(nodes)} do not say which driver they run: no feature discovery, and no"
            " ResourceSlice.",
            (each.saw("driver not stated") for each in silent[:SHOWN]),
        )
    return _against_images(concerned, nodes)


def _hard_floor(case: Case, concerned: tuple[Server, ...]) -> tuple[Version, str]:
    """The oldest driver with which anything of this works at all."""
    if any(case.rendered("ComputeDomain")):
        return _DOMAIN_DRIVER, "a ComputeDomain needs it"
    if any(server.resource == "gpu.nvidia.com" for server in concerned):
        return _DRA_DRIVER, "the DRA driver needs it"
    return (_CUDA_DRIVER[_OLDEST_CUDA],), f"CUDA {_OLDEST_CUDA} needs it"


def _against_images(concerned: tuple[Server, ...], nodes: tuple[Candidate, ...]) -> Verdict:
    for image in _images(concerned):
        major = cuda_major(image) or _OLDEST_CUDA
        least = (_CUDA_DRIVER.get(major, max(_CUDA_DRIVER.values())),)
        old = [each for each in nodes if _version(each.device.driver) < least]
        if old:
            return warned(
                f"{image} is built with CUDA {major}, which wants driver {_text(least)}; {len(old)} of"
                f" {some(nodes)}"
                f" have {old[0].device.driver} and rely on the compatibility package of the image.",
                (each.saw(f"driver {each.device.driver}", f">= {_text(least)}") for each in old[:SHOWN]),
                f"Upgrade the driver to {_text(least)} or newer, or choose an image for an older CUDA.",
            )
    oldest = min((each.device.driver for each in nodes), key=_version)
    return passed(f"The oldest driver of {some(nodes)} is {oldest}.")


def _images(concerned: tuple[Server, ...]) -> Iterator[str]:
    for server in concerned:
        for container in server.template.spec.get("containers") or ():
            yield str(container.get("image", ""))


def _text(version: Version) -> str:
    return ".".join(str(part) if index < 2 else f"{part:02}" for index, part in enumerate(version))


def _runtime(_: Case, found: tuple[Server, ...]) -> Verdict:
    nodes = [each for each in together(e for s in _nvidia(found) for e in s.usable) if not each.device.driver]
    if not nodes:
        return skipped(
            "every node says which driver it runs, see LD0611" if _nvidia(found) else "no NVIDIA GPU is asked for"
        )
    known = [(each, value) for each in nodes if (value := _cuda_label(each))]
    if len(known) < len(nodes):
        return unknown(f"{len(nodes) - len(known)} of {some(nodes)} do not say which CUDA their driver runs.")
    for image in _images(_nvidia(found)):
        major = cuda_major(image)
        old = [(each, value) for each, value in known if major and _version(value)[0] < major]
        if old:
            return failed(
                f"{image} is built with CUDA {major}; the driver of {len(old)} of {some(nodes)} runs CUDA {old[0][1]}.",
                (each.saw(f"CUDA {value}", f"CUDA {major}") for each, value in old[:SHOWN]),
                "Upgrade the driver, or choose an image for the CUDA that the nodes have.",
            )
    oldest = min((value for _, value in known), key=_version)
    return passed(f"The drivers of {some(nodes)} run CUDA {oldest} or newer.")


def _cuda_label(each: Candidate) -> str:
    labels = each.node.labels
    whole = labels.get("nvidia.com/cuda.runtime-version.full", "")
    parts = [labels.get(f"nvidia.com/cuda.runtime.{part}", "") for part in ("major", "minor")]
    return whole or (".".join(parts) if all(parts) else "")


def _capability(case: Case, found: tuple[Server, ...]) -> Verdict:
    nodes = together(each for server in _nvidia(found) for each in server.usable)
    if not nodes:
        return skipped("no node with NVIDIA GPUs is a candidate")
    known = [each for each in nodes if each.device.compute_capability]
    for least, need, hard in _needs(case, found):
        low = [each for each in known if _version(each.device.compute_capability) < least]
        if low:
            make = failed if hard and len(low) == len(nodes) else warned
            return make(
                f"{need} wants compute capability {_text(least)}; {len(low)} of {some(nodes)} have "
                f"{low[0].device.compute_capability} ({low[0].device.product}).",
                (
                    each.saw(f"compute capability {each.device.compute_capability}", _text(least))
                    for each in low[:SHOWN]
                ),
                "Choose a newer accelerator, or a model and flags that this one has kernels for.",
            )
    if len(known) < len(nodes):
        return unknown(f"{len(nodes) - len(known)} of {some(nodes)} do not say their compute capability.")
    lowest = min((each.device.compute_capability for each in known), key=_version)
    return passed(f"{some(nodes)} have compute capability {lowest} or newer.")


def _needs(case: Case, found: tuple[Server, ...]) -> Iterator[tuple[Version, str, bool]]:
    """(least capability, what needs it, whether there is no other way), the hardest first."""
    words = " ".join(str(each) for server in found for c in server.template.containers for each in c.get("args") or ())
    if re.search(r"--all2all-backend[= ]deepep|--moe-a2a-backend[= ]deepep", words):
        yield _DEEPEP, "The DeepEP backend", True
    if case.recipe is None:
        return
    config = case.recipe.facts.get("model", {}).get("config") or {}
    how = str(config.get("quantization") or "")
    if str(config.get("torch_dtype") or "bfloat16") == "bfloat16":
        yield _BF16, "bfloat16", True
    if how == "nvfp4":
        yield _FP4, "NVFP4 without unpacking", False
    if how.startswith("fp8"):
        yield _FP8, "FP8 without unpacking", False


CHECKS: Final = (
    Check(
        code="LD0611",
        slug="nvidia-driver",
        title="The NVIDIA driver is new enough",
        severity=Severity.ERROR,
        rule=for_accelerators(_driver),
        needs=READS,
        why="CUDA 13 wants driver 580, CUDA 12 wants 525; with an older one the image relies on NVIDIA's"
        " compatibility package,"
        " which data-center GPUs only have. The DRA driver wants 565, a ComputeDomain 570.158.01.",
        remedy="Upgrade the driver.",
        sources=(_COMPAT, _DRA_DOC, "https://github.com/vllm-project/vllm/issues/42738"),
    ),
    Check(
        code="LD0612",
        slug="cuda-runtime",
        title="The driver runs the CUDA of the image",
        severity=Severity.WARNING,
        rule=for_accelerators(_runtime),
        needs=READS,
        why="GPU feature discovery writes the newest CUDA that the driver runs. An image of a later major version"
        " starts only"
        " with NVIDIA's compatibility package.",
        remedy="Upgrade the driver, or choose another image.",
        sources=(_COMPAT, "https://github.com/NVIDIA/k8s-device-plugin/blob/main/docs/gpu-feature-discovery/README.md"),
    ),
    Check(
        code="LD0613",
        slug="compute-capability",
        title="The GPUs have the kernels that the model wants",
        severity=Severity.ERROR,
        rule=for_accelerators(_capability),
        needs=READS,
        why="bfloat16 wants compute capability 8.0, FP8 arithmetic 8.9, FP4 arithmetic 10.0; below, vLLM unpacks"
        " the weights in"
        " the kernel, which saves memory and no time. DeepEP has kernels from 9.0 on. The family's name does not"
        " tell: RTX PRO"
        " 6000 is Blackwell and has 12.0.",
        remedy="Choose a newer accelerator or another quantization.",
        sources=(
            "https://developer.nvidia.com/cuda-gpus",
            "https://docs.vllm.ai/en/latest/features/quantization/",
            "https://github.com/deepseek-ai/DeepEP",
        ),
    ),
)
