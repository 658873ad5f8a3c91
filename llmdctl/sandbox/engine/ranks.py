"""Which data-parallel ranks a process holds, who serves them, and which group of pods it belongs to.

Sources: vLLM's deployment of data parallelism (https://docs.vllm.ai/en/v0.23.0/serving/data_parallel_deployment/), its
supervisor of one API server a rank (https://github.com/vllm-project/vllm/pull/40841), and SGLang's multi-node launch
(https://docs.sglang.ai/references/multi_node_deployment/multi_node.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_RPC_PORT: Final = 29_550  # vLLM's --data-parallel-rpc-port
_MASTER_PORT: Final = 29_501  # vLLM's --master-port
_SUPERVISOR_PORT: Final = 9256  # vLLM's --data-parallel-supervisor-port


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pods that start together: all but the leader wait for it, and end when it is gone."""

    host: str
    port: int
    leader: bool


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """The ranks of one process."""

    size: int = 1  # of the whole group
    local: int = 1  # simulated here
    start: int = 0  # number of the first of them
    each_serves: bool = False  # every rank has a port of its own; else one port serves all
    supervisor_port: int | None = None  # answers for all of them
    serves: str = "all"  # all | health: followers of SGLang | nothing: --headless
    group: Group | None = None

    @property
    def numbers(self) -> range:
        """The ranks that are here, counted in the whole group."""
        return range(self.start, self.start + self.local)


def of_vllm(stated: Mapping[str, Any]) -> Ranks:
    """The ranks that `vllm serve` with these arguments would hold. ValueError in vLLM's manner where they contradict.

    Where one leader balances all ranks (no external or hybrid balancer), it simulates those of its followers as well.
    """
    size = int(stated.get("data_parallel_size", 1))
    ports = bool(stated.get("data_parallel_multi_port_external_lb"))
    single = bool(stated.get("data_parallel_external_lb")) or stated.get("data_parallel_rank") is not None
    hybrid = bool(stated.get("data_parallel_hybrid_lb"))
    local = int(stated.get("data_parallel_size_local", 1 if single else size))
    start = int(stated.get("data_parallel_rank", stated.get("data_parallel_start_rank", 0)))
    if start + local > size:
        raise ValueError(
            f"data parallel ranks {start} to {start + local - 1} are beyond --data-parallel-size {size}"
            " (--data-parallel-start-rank, --data-parallel-size-local)"
        )
    headless = bool(stated.get("headless"))
    alone = ports or single or hybrid or headless
    return Ranks(
        size=size,
        local=local if alone else size,
        start=start if alone else 0,
        each_serves=ports,
        supervisor_port=int(stated.get("data_parallel_supervisor_port", _SUPERVISOR_PORT)) if ports else None,
        serves="nothing" if headless else "all",
        group=_vllm_group(stated, first=start == 0, spans=local < size),
    )


def _vllm_group(stated: Mapping[str, Any], *, first: bool, spans: bool) -> Group | None:
    if int(stated.get("nnodes", 1)) > 1:
        host, port = str(stated.get("master_addr", "127.0.0.1")), int(stated.get("master_port", _MASTER_PORT))
        return Group(host=host, port=port, leader=int(stated.get("node_rank", 0)) == 0)
    if spans and stated.get("data_parallel_address"):
        port = int(stated.get("data_parallel_rpc_port", _RPC_PORT))
        return Group(host=str(stated["data_parallel_address"]), port=port, leader=first and not stated.get("headless"))
    return None


def of_sglang(stated: Mapping[str, Any]) -> Ranks:
    """The ranks of an SGLang server: one address serves all, and pods beyond the first answer for their health only."""
    size = int(stated.get("data_parallel_size", stated.get("dp_size", 1)))
    if int(stated.get("nnodes", 1)) < 2:
        return Ranks(size=size, local=size)
    leader = int(stated.get("node_rank", 0)) == 0
    host, _, port = str(stated.get("dist_init_addr", "")).rpartition(":")
    if not host:
        raise ValueError("--nnodes needs --dist-init-addr HOST:PORT")
    group = Group(host=host, port=int(port), leader=leader)
    return Ranks(size=size, local=size, serves="all" if leader else "health", group=group)
