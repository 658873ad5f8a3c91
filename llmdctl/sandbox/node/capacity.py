"""The size that a real node claims: kubelet is shown the processors and the memory of the accelerator's machine.

kubelet reads them through cAdvisor (google/cadvisor v0.52.1, machine/info.go and utils/sysinfo/sysinfo.go): memory from
/proc/meminfo, processors by counting /sys/devices/system/node/node*/cpu*.
The files made here are bound over those places in the node's own mount namespace; containers have their own /proc and
/sys and see the machine as it is.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llmdctl.errors import UsageError

_SUFFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip
_NAMES = 240
"""How many names stand for one processor: each is a character longer than the one before, and a file name has 255
(NAME_MAX of https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/limits.h)."""
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti|)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Capacity:
    """Whole processors and bytes, and what of them is not for pods."""

    processors: int
    memory_bytes: int
    reserved_millicpu: int
    reserved_memory_bytes: int


def of_machines(capacity: Mapping[str, str], allocatable: Mapping[str, str], machines: int) -> Capacity:
    """The capacity of `machines` machines, from one machine's quantities as the Kubernetes API writes them."""
    processors = math.ceil(quantity(capacity["cpu"]))
    memory_bytes = int(quantity(capacity["memory"]))
    for_pods = {**capacity, **allocatable}
    return Capacity(
        processors=processors * machines,
        memory_bytes=memory_bytes * machines,
        reserved_millicpu=max(0, round(1000 * (processors - quantity(for_pods["cpu"])))) * machines,
        reserved_memory_bytes=max(0, memory_bytes - int(quantity(for_pods["memory"]))) * machines,
    )


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number: `500m` is 0.5, `2Ki` is 2048. Raises ValueError."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a quantity")
    number, suffix = match.groups()
    return float(number) / 1000 if suffix == "m" else float(number) * _SUFFIXES[suffix]


def write(folder: Path, capacity: Capacity) -> None:
    """Make `meminfo` and `node/` in `folder`.

    kubelet also confines its pods to the processors that it has counted, so every name must stand for one that there
    is: `cpu0`, `cpu00` and `cpu000` all do for the first one. Raises UsageError where there are too few for that.
    """
    total_kib = capacity.memory_bytes // 1024
    lines = {"MemTotal": total_kib, "MemFree": total_kib, "MemAvailable": total_kib}
    lines |= dict.fromkeys(("Buffers", "Cached", "SwapCached", "SwapTotal", "SwapFree"), 0)
    folder.mkdir(parents=True)
    (folder / "meminfo").write_text("".join(f"{name + ':':<16}{kib:>10} kB\n" for name, kib in lines.items()))
    there = sorted(os.sched_getaffinity(0))
    if capacity.processors > _NAMES * len(there):
        raise UsageError(
            f"a real node on this machine can claim {_NAMES * len(there)} processors, not {capacity.processors}",
            remedy="Ask for fewer devices: --real KIND=DEVICES.",
        )
    for number in range(capacity.processors):
        turn, index = divmod(number, len(there))
        topology = folder / "node" / "node0" / f"cpu{'0' * turn}{there[index]}" / "topology"
        topology.mkdir(parents=True)
        (topology / "core_id").write_text(f"{number}\n")
        (topology / "physical_package_id").write_text("0\n")
