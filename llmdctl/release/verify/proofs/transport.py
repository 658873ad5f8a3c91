"""KV blocks travel by RDMA where the recipe asks for it."""

from __future__ import annotations

import re
from typing import Final

from llmdctl.model.proof import Reading
from llmdctl.release.verify import commands
from llmdctl.release.verify.claim import Claim, NotConcernedError, UnknowableError, Verdict, failed, passed
from llmdctl.release.verify.observed import EnginePod, Observed
from llmdctl.release.verify.stack import Role

_DEVICES: Final = re.compile(r"rdma|roce|infiniband|/efa$|mlnx|mlx5|sriov|hca", re.IGNORECASE)
_RDMA: Final = re.compile(r"\b(rc|dc|ud|rc_mlx5|dc_mlx5|ud_mlx5|rc_verbs|srd)[ /_:][a-z0-9_]*mlx5|\brc_(mlx5|verbs)/|"
                          r"\bdc_mlx5/|\bsrd/|\bGDR[A-Z]* enabled|provider[ :=]+efa", re.IGNORECASE)  # fmt: skip
_TCP: Final = re.compile(r"\btcp/[a-z]+\d*|provider[ :=]+tcp", re.IGNORECASE)
_REMEDY: Final = (
    "UCX says what it chose with UCX_LOG_LEVEL=info and UCX_PROTO_INFO=y among the engine's variables; set them in a"
    " values file, install, send a request, and verify again.",
)


def _is_rdma(seen: Observed) -> Verdict:
    roles = [role for role in seen.stack.roles if _asks_for_rdma(role)]
    if not roles:
        raise NotConcernedError("no role of this release asks for an RDMA device")
    evidence, wrong, silent = [], list[EnginePod](), []
    for role in roles:
        for pod in seen.of_role(role.name):
            log = seen.logs.get(pod.name)
            if log is None:
                continue
            if isinstance(log, str):
                silent.append(f"the log of {pod.name} cannot be read: {log}")
                continue
            rdma = next((line for line in log if _RDMA.search(line)), None)
            tcp = next((line for line in log if _TCP.search(line)), None)
            found = _RDMA.search(rdma) if rdma else (_TCP.search(tcp) if tcp else None)
            if found is None:
                silent.append(f"the log of {pod.name} does not say which transport was chosen")
                continue
            evidence.append(Reading(where=f"{pod.place} log", after=found.group().strip(), expected="RDMA"))
            if rdma is None:
                wrong.append(pod)
    if wrong:
        return failed(
            f"KV blocks of {wrong[0].name} travel over TCP, and an RDMA device was asked for.", *evidence,
            remedy=(*_REMEDY, commands.engine_log(seen, wrong[0]) + " | grep -i ucx"),
        )  # fmt: skip
    if silent or not evidence:
        raise UnknowableError(silent[0] if silent else "no log of a ready pod was read", remedy=_REMEDY)
    return passed(f"RDMA was chosen in {len(evidence)} logs, one of each role.", *evidence)


def _asks_for_rdma(role: Role) -> bool:
    resources = role.engine.container.value.get("resources") or {}
    asked = {*(resources.get("limits") or {}), *(resources.get("requests") or {})}
    return bool(role.connectors) and any(_DEVICES.search(str(name)) for name in asked)


PROOFS: Final = (
    Claim(
        code="LV0701", slug="transport-rdma", title="KV blocks travel by RDMA",
        claim="Where a role asks for RDMA devices, the transfer library has chosen them.",
        judge=_is_rdma, awake=True,
        why="UCX and libfabric fall back to TCP without an error; the first token then waits for the transfer.",
        reads="What UCX or libfabric write into the log of one pod of each role. Without their messages it is unknown.",
        remedy="Look at the device in the pod, at UCX_TLS and UCX_NET_DEVICES, and at memory locking.",
        sources=("https://openucx.readthedocs.io/en/master/faq.html",),
    ),
)  # fmt: skip
