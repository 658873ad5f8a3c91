"""A large cluster on the sandbox's real API server, and what capturing and judging it costs.

Nodes look like those of a GPU cloud: some ninety labels, conditions, fifty images. Pods have two containers and the
fields that controllers write. The controllers of the sandbox are ended first: nobody but the API server is measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from llmdctl import sandbox
from llmdctl.sandbox import plane
from llmdctl.sandbox.api import Api
from llmdctl.sandbox.home import home
from llmdctl.sandbox.record import read

RECIPE = "pd-disaggregation"
HOME = "/api/v1/namespaces/default"
NODES = int(os.environ.get("BENCH_NODES", "5000"))
PODS = int(os.environ.get("BENCH_PODS", "20000"))
MEMORY_MB = 400
RATIO = 1.5
JUDGING_S = 2.0
REPORT_S = 1.0
_AT_ONCE = 8
_LOOK_S = 0.02
_KEPT = frozenset({"etcd", "kube-apiserver"})

JUDGE = """
import json, sys, time
from llmdctl import assets
from llmdctl.cli import composing
from llmdctl.cli.options import CatalogOptions
from llmdctl.cli.reports import ReportFormat, written
from llmdctl.lint import lint_objects
from llmdctl.model.inventory_file import load
from llmdctl.model.selection import Overrides, Selection
from llmdctl.preflight import Case, preflight
from llmdctl.recipe import Catalog, compose
from llmdctl.helm import open_renderer
from llmdctl.release.changes import placed
from llmdctl.values import build
from pathlib import Path

def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return (time.perf_counter() - wall, time.process_time() - cpu), result

took = {}
took["reading the inventory"], inventory = timed(lambda: load(Path(sys.argv[1])))
recipe = compose(Catalog.load([assets.paths()]), Selection(path=sys.argv[2], accelerator="h200"), Overrides())
spec = build(recipe, name="bench", namespace="default")
objects = placed(open_renderer().render(spec, kube_version="1.34.4").objects, "default")
case = Case(
    inventory=inventory, objects=objects, recipe=recipe, release="bench", namespace="default",
    accelerators=composing.accelerators(composing.load_catalog(CatalogOptions())), linted=lint_objects(objects),
)
took["judging"], report = timed(lambda: preflight(case))
for form in (ReportFormat.TEXT, ReportFormat.JSON, ReportFormat.HTML):
    took[f"report as {form.value}"], _ = timed(lambda form=form: written(report, form))
print(json.dumps({"took": took, "checks": len(report.results)}))
"""


@dataclass(frozen=True)
class Cost:
    """Of one process."""

    seconds: float
    memory_mb: float


def measured(command: list[str]) -> Cost:
    """Wall time and largest resident memory of one process; a failing one ends the benchmark.

    The memory is the kernel's own mark of the process (VmHWM), looked at until it ends: what `wait4` says counts the
    parent's as well, whose memory a child has until it begins its own program.
    """
    largest_kb = 0
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        largest_kb = max(largest_kb, _mark_kb(process.pid))
        time.sleep(_LOOK_S)
    seconds = time.perf_counter() - started
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(seconds=seconds, memory_mb=largest_kb / 1024)


def _mark_kb(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # it has ended
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)


@contextlib.contextmanager
def large_cluster(nodes: int = NODES, pods: int = PODS) -> Iterator[Path]:
    """The kubeconfig of a control plane that holds so many nodes and pods."""
    name = f"large-{os.getpid()}"
    status = sandbox.up(name, nodes=[])
    try:
        for part in status.processes:
            if part.component not in _KEPT and part.pid is not None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    psutil.Process(part.pid).kill()
        found = read(home(name))
        assert found is not None
        with plane.administrator(home(name), found.ports) as api:
            populate(api, nodes, pods)
        yield status.kubeconfig
    finally:
        sandbox.down(name)


def populate(api: Api, nodes: int, pods: int) -> None:
    """Create them, some at once."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}
    api.create(f"{HOME}/serviceaccounts", account)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(lambda number: api.create("/api/v1/nodes", node(number)), range(nodes)):
            pass
        for _ in pool.map(lambda number: api.create(f"{HOME}/pods", pod(number, nodes)), range(pods)):
            pass


def node(number: int) -> dict[str, Any]:
    """One of many alike."""
    name = f"gpu-{number:05d}"
    features = {f"feature.node.kubernetes.io/cpu-cpuid.FEATURE{index}": "true" for index in range(60)}
    labels = {
        **features,
        "kubernetes.io/hostname": name,
        "topology.kubernetes.io/zone": f"zone-{number % 3}",
        "nvidia.com/gpu.product": "NVIDIA-H200",
        "nvidia.com/gpu.count": "8",
        "nvidia.com/gpu.memory": "143771",
        "nvidia.com/gpu.present": "true",
        **{f"nvidia.com/gpu.deploy.part-{index}": "true" for index in range(12)},
    }
    amounts = {"cpu": "192", "memory": "2113411140Ki", "ephemeral-storage": "6Ti", "nvidia.com/gpu": "8", "pods": "110"}
    moment = "2026-11-22T12:00:00Z"
    conditions = [
        {
            "type": kind, "status": "True" if kind == "Ready" else "False", "reason": f"Kubelet{kind}",
            "message": f"the kubelet has judged {kind}", "lastHeartbeatTime": moment, "lastTransitionTime": moment,
        }
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    ]  # fmt: skip
    images = [
        {"names": [f"registry.example/part-{index}@sha256:{index:064x}", f"registry.example/part-{index}:v1"]}
        for index in range(50)
    ]
    return {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"node.alpha.kubernetes.io/ttl": "0"}},
        "spec": {"providerID": f"example://{name}"},
        "status": {
            "capacity": amounts, "allocatable": {**amounts, "cpu": "190"}, "conditions": conditions, "images": images,
            "nodeInfo": {
                "architecture": "amd64", "bootID": "0", "containerRuntimeVersion": "containerd://2.1.0",
                "kernelVersion": "6.8.0", "kubeProxyVersion": "", "kubeletVersion": "v1.34.4",
                "machineID": f"{number:032x}", "operatingSystem": "linux", "osImage": "Ubuntu 24.04",
                "systemUUID": f"{number:032x}",
            },
        },
    }  # fmt: skip


def pod(number: int, nodes: int) -> dict[str, Any]:
    """One of many alike, on some node."""
    asked = {"cpu": "2", "memory": "8Gi"}
    gpu = {"nvidia.com/gpu": "1"} if number % 4 == 0 else {}
    probe = {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 10}
    containers = [
        {
            "name": name, "image": f"registry.example/{name}:v1",
            "args": [f"--option-{index}=value" for index in range(12)],
            "env": [{"name": f"VARIABLE_{index}", "value": f"value-{index}"} for index in range(12)],
            "ports": [{"containerPort": 8000, "name": "http"}], "readinessProbe": probe, "livenessProbe": probe,
            "resources": {"requests": {**asked, **gpu}, "limits": {**asked, **gpu}},
        }
        for name, gpu in (("server", gpu), ("proxy", {}))
    ]  # fmt: skip
    labels = {f"app.kubernetes.io/label-{index}": f"value-{index}" for index in range(6)}
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": f"work-{number:05d}", "namespace": "default", "labels": labels},
        "spec": {
            "nodeName": f"gpu-{number % nodes:05d}", "containers": containers, "automountServiceAccountToken": False,
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        },
    }  # fmt: skip


def lines(llmdctl: str, kubectl: str | None, *, rounds: int = 2) -> Iterator[str]:
    """What the whole of it costs, as lines to print."""
    begun = time.perf_counter()
    with large_cluster() as kubeconfig:
        made = time.perf_counter() - begun
        yield f"large cluster: {NODES} nodes and {PODS} pods made in {made:.0f} s (BENCH_NODES, BENCH_PODS)"
        file = kubeconfig.with_name("inventory.yaml")
        ours = [llmdctl, "inventory", "--to", str(file), "--kubeconfig", str(kubeconfig), "--quiet"]
        theirs = [str(kubectl), "--kubeconfig", str(kubeconfig), "get", "nodes,pods", "-A", "-o", "json"]
        costs = [(measured(ours), measured(theirs) if kubectl else None) for _ in range(rounds)]
        yield _capture_line([mine for mine, _ in costs], [other for _, other in costs if other is not None])
        said = subprocess.run(
            [sys.executable, "-c", JUDGE, str(file), RECIPE], check=True, capture_output=True, text=True
        )
        yield from _judging_lines(json.loads(said.stdout), file.stat().st_size)


def _capture_line(mine: list[Cost], others: list[Cost]) -> str:
    seconds = sorted(cost.seconds for cost in mine)[len(mine) // 2]
    memory = max(cost.memory_mb for cost in mine)
    small = "met" if memory <= MEMORY_MB else "MISSED"
    text = f"inventory --to FILE, all sections: {seconds:.1f} s, {memory:.0f} MB   goal <= {MEMORY_MB} MB: {small}"
    if not others:
        return f"{text}; no kubectl on PATH to compare with"
    yardstick = sorted(cost.seconds for cost in others)[len(others) // 2]
    fast = "met" if seconds <= RATIO * yardstick else "MISSED"
    beside = f"kubectl get nodes,pods -A -o json: {yardstick:.1f} s, {max(cost.memory_mb for cost in others):.0f} MB"
    return f"{text}; {beside}, ratio {seconds / yardstick:.2f} x   goal <= {RATIO} x: {fast}"


def _judging_lines(found: dict[str, Any], size: int) -> Iterator[str]:
    """Goals are compared with seconds of CPU: this is one thread, and a busy machine only makes it wait."""
    yield f"inventory of {size / 1e6:.0f} MB, {found['checks']} checks of {RECIPE}:"
    for what, (wall, cpu) in found["took"].items():
        goal = JUDGING_S if what == "judging" else REPORT_S if what.startswith("report") else None
        verdict = "" if goal is None else f"   goal <= {goal:.0f} s: {'met' if cpu <= goal else 'MISSED'}"
        yield f"  {what:<24}{wall:7.2f} s{cpu:7.2f} s of CPU{verdict}"
