"""Prefill and decode as a pair: what the two sides, and the sidecar between them, must agree on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from llmdctl.lint.manifest import look, rows
from llmdctl.lint.pods import RUN_ONCE, Pod
from llmdctl.lint.recognition import SGLANG, VLLM, Engine, Sidecar
from llmdctl.lint.rule import codes
from llmdctl.lint.rules.pools import members
from llmdctl.lint.world import World
from llmdctl.model.finding import Finding, Severity
from llmdctl.model.quantity import GPUS, resources

_NIXL: Final = "https://docs.vllm.ai/en/stable/features/nixl_connector_compatibility/"
_SIDECAR: Final = "https://github.com/llm-d/llm-d-router, cmd/pd-sidecar"

CODES = codes(
    ("LD1602", "Prefill without decode", Severity.ERROR, "Nobody turns the KV cache into an answer."),
    ("LD1950", "Side of a pair that hands over no KV cache", Severity.ERROR, f"The transfer never starts. {_NIXL}"),
    ("LD1951", "Sides of a pair with different connectors", Severity.ERROR, f"The transfer fails. {_NIXL}"),
    (
        "LD1952",
        "Sides of a pair with different block sizes",
        Severity.ERROR,
        f"Blocks of prefill may be smaller, never larger. {_NIXL}",
    ),
    (
        "LD1953",
        "Sides of a pair that do not understand each other",
        Severity.ERROR,
        f"The handshake compares them. {_NIXL}",
    ),
    (
        "LD1954",
        "KV cache over the ordinary network",
        Severity.NOTE,
        "Without an RDMA device UCX falls back to TCP without a word, and the first token waits for the transfer. "
        "https://openucx.readthedocs.io/en/master/faq.html",
    ),
    (
        "LD1955",
        "Sides of a pair with different engine versions",
        Severity.ERROR,
        f"The handshake compares vLLM's version. {_NIXL}",
    ),
    (
        "LD1956",
        "Role and kv_role contradict each other",
        Severity.ERROR,
        "https://docs.vllm.ai/en/stable/features/disagg_prefill/",
    ),
    (
        "LD1958",
        "Side channel that only the pod itself reaches",
        Severity.ERROR,
        "VLLM_NIXL_SIDE_CHANNEL_HOST is localhost unless stated, and the other side connects to what it is told. "
        "https://docs.vllm.ai/en/stable/features/nixl_connector_usage/",
    ),
    (
        "LD1959",
        "Sidecar and engine do not meet",
        Severity.ERROR,
        f"The sidecar sends each request to the engine's port. {_SIDECAR}",
    ),
    (
        "LD1957",
        "Sidecar and connector do not fit",
        Severity.ERROR,
        f"The sidecar and the engine use another protocol. {_SIDECAR}",
    ),
)
ROLE: Final = "llm-d.ai/role"
_RDMA: Final = ("rdma", "efa", "infiniband", "roce", "hca", "sriov", "mlnx")
_SIDECAR_PORT, _ENGINE_PORT = 8000, 8001
"""--port and --vllm-port (later --model-server-port) of the sidecar unless stated; pkg/sidecar/proxy/options.go."""


@dataclass(frozen=True, slots=True)
class _Side:
    pod: Pod
    engine: Engine
    role: str  # prefill | decode

    @property
    def config(self) -> Mapping[str, Any]:
        """--kv-transfer-config; empty when it is missing or not known."""
        try:
            found = json.loads(self.engine.line.value("--kv-transfer-config") or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def connectors(self) -> tuple[str, ...]:
        """The connector, or those inside a MultiConnector."""
        if self.config.get("kv_connector") != "MultiConnector":
            name = self.config.get("kv_connector")
            return (name,) if isinstance(name, str) else ()
        inner = rows(self.config, "kv_connector_extra_config", "connectors")
        return tuple(str(look(row, "kv_connector")) for row in inner if look(row, "kv_connector"))

    @property
    def known(self) -> bool:
        """Whether the configuration can be read here."""
        option = self.engine.line.find("--kv-transfer-config")
        return option is not None and not option.opaque and bool(self.config)


@cache
def _data() -> Any:  # noqa: ANN401 - parsed JSON of ours
    return json.loads((files("llmdctl.lint") / "data" / "pairs.json").read_text(encoding="utf-8"))


def check(world: World) -> Iterator[Finding]:
    for sides in _groups(world):
        prefill = [side for side in sides if side.role == "prefill"]
        decode = [side for side in sides if side.role == "decode"]
        if not prefill:
            continue
        if not [side for side in decode if side.pod.replicas != 0]:
            message = "Prefill has no decode beside it in the pool."
            remedy = "Add a workload with the role decode."
            workload = prefill[0].pod.workload
            yield workload.finding(CODES["LD1602"], ("metadata",), message, remedy, severity=world.missing())
            continue
        for side in (*prefill, *decode):
            yield from _side(side)
        yield from _pair(prefill[0], decode[0])
    for sidecar in world.sidecars:
        yield from _sidecar(world, sidecar)


def _groups(world: World) -> Iterator[Sequence[_Side]]:
    """The model servers of each pool, or of each namespace where there is no pool."""
    if world.pools:
        for pool in world.pools:
            yield [side for pod in members(world, pool) if (side := _side_of(world, pod))]
        return
    spaces: dict[str, list[_Side]] = {}
    for pod in world.pods:
        side = _side_of(world, pod) if pod.workload.kind not in RUN_ONCE else None
        if side:
            spaces.setdefault(f"{pod.namespace}/{pod.labels.get('llm-d.ai/guide', '')}", []).append(side)
    for sides in spaces.values():
        if {side.role for side in sides} == {"prefill", "decode"}:
            yield sides


def _side_of(world: World, pod: Pod) -> _Side | None:
    engine = world.engine_in(pod)
    if engine is None:
        return None
    label = pod.labels.get(ROLE)
    mode = engine.line.value("--disaggregation-mode")
    role = label if label in ("prefill", "decode") else mode
    return _Side(pod, engine, str(role)) if role in ("prefill", "decode") else None


def _side(side: _Side) -> Iterator[Finding]:
    container, line = side.engine.container, side.engine.line
    if side.engine.name == SGLANG:
        mode = line.find("--disaggregation-mode")
        if line.complete and (mode is None or (mode.value is not None and mode.value != side.role)):
            message = f"The {side.role} server is not started with --disaggregation-mode {side.role}."
            yield container.finding(CODES["LD1950"], (), message, f"Add --disaggregation-mode {side.role}.")
    elif side.engine.name == VLLM and line.complete and line.find("--kv-transfer-config", "--config") is None:
        message = f"The {side.role} server has no --kv-transfer-config."
        yield container.finding(CODES["LD1950"], (), message, "State the same connector as on the other side.")
    role = side.config.get("kv_role")
    if role and role == {"prefill": "kv_consumer", "decode": "kv_producer"}[side.role]:
        message = f"A {side.role} server cannot be {role}."
        option = line.find("--kv-transfer-config")
        yield container.finding(
            CODES["LD1956"], (), message, "State kv_both, or the other one.", word=option.word if option else None
        )
    yield from _side_channel(side)
    yield from _fabric(side)


def _side_channel(side: _Side) -> Iterator[Finding]:
    channel = _data()["connectors"]["NixlConnector"]["side_channel_host"]
    name = channel["variable"]
    if "NixlConnector" not in side.connectors or look(side.engine.container.value, "envFrom"):
        return
    assigned = any(name in str(word) for word in rows(side.engine.container.value, "args"))
    env = side.engine.container.env
    if (name not in env and not assigned) or env.get(name) in ("localhost", "127.0.0.1"):
        shown = env.get(name) or channel["default"]
        message = f"{name} is {shown}: the other side would look for the KV cache in its own pod."
        remedy = "Set it from the field status.podIP."
        yield side.engine.container.finding(CODES["LD1958"], ("env",), message, remedy)


def _fabric(side: _Side) -> Iterator[Finding]:
    """Defect of overlays without a fabric: accelerators are asked for, an RDMA device is not."""
    devices = resources(side.engine.container.value)
    if not any(name in GPUS for name in devices) or not (side.connectors or side.engine.name == SGLANG):
        return
    names = " ".join(devices).lower()
    claims = look(side.pod.spec, "resourceClaims") or look(side.engine.container.value, "resources", "claims")
    networks = any("networks" in str(key) or "interfaces" in str(key) for key in side.pod.annotations)
    if any(word in names for word in _RDMA) or claims or networks or look(side.pod.spec, "hostNetwork"):
        return
    if look(side.engine.container.value, "securityContext", "privileged") or "UCX_TLS" in side.engine.container.env:
        return
    message = "The pod asks for no RDMA device, so the KV cache goes over TCP."
    remedy = "Add the device of your fabric, or set UCX_TLS to say that TCP is meant."
    yield side.engine.container.finding(CODES["LD1954"], ("resources",), message, remedy)


def _pair(prefill: _Side, decode: _Side) -> Iterator[Finding]:
    if prefill.engine.name != decode.engine.name:
        message = f"Prefill runs {prefill.engine.name} and decode runs {decode.engine.name}."
        yield decode.engine.container.finding(CODES["LD1951"], (), message, "Use one engine for both.")
        return
    yield from _versions(prefill, decode)
    if prefill.known and decode.known and not set(prefill.connectors) & set(decode.connectors):
        message = f"Prefill uses {_named(prefill)} and decode {_named(decode)}."
        option = decode.engine.line.find("--kv-transfer-config")
        word = option.word if option else None
        yield decode.engine.container.finding(CODES["LD1951"], (), message, "Use one connector for both.", word=word)
        return
    yield from _blocks(prefill, decode)
    if "NixlConnector" in (*prefill.connectors, *decode.connectors):
        yield from _handshake(prefill, decode)


def _named(side: _Side) -> str:
    return " and ".join(side.connectors) or "none"


def _versions(prefill: _Side, decode: _Side) -> Iterator[Finding]:
    mine, other = decode.engine.container.image, prefill.engine.container.image
    if mine == other or not mine or not other:
        return
    same = prefill.engine.version and prefill.engine.version == decode.engine.version
    if same:
        return
    message = f"Prefill runs {other} and decode {mine}."
    sure = prefill.engine.version and decode.engine.version
    yield decode.engine.container.finding(
        CODES["LD1955"],
        ("image",),
        message,
        "Use one image for both, and change it on both at once.",
        severity=None if sure and decode.engine.name == VLLM else Severity.WARNING,
    )


def _blocks(prefill: _Side, decode: _Side) -> Iterator[Finding]:
    names = ("--block-size", "--page-size")
    mine, other = decode.engine.line.integer(*names), prefill.engine.line.integer(*names)
    if mine is None or other is None or mine == other:
        return
    smaller = decode.engine.name == VLLM and other < mine and mine % other == 0
    option = decode.engine.line.find(*names)
    message = f"Prefill has blocks of {other} tokens and decode of {mine}."
    if smaller:
        message += " That works for models without hybrid attention only."
    yield decode.engine.container.finding(
        CODES["LD1952"],
        (),
        message,
        "State one size for both.",
        severity=Severity.WARNING if smaller else None,
        word=option.word if option else None,
    )


def _handshake(prefill: _Side, decode: _Side) -> Iterator[Finding]:
    rules = _data()["connectors"]["NixlConnector"]
    for name in rules["same_flags"]:
        mine, other = decode.engine.line.find(name), prefill.engine.line.find(name)
        if (mine and mine.opaque) or (other and other.opaque) or not (mine or other):
            continue
        if not (decode.engine.line.complete and prefill.engine.line.complete):
            continue
        if (mine.value if mine else None) != (other.value if other else None):
            shown = [f"{option.name} {option.stated}" if option else f"no {name}" for option in (other, mine)]
            message = f"Prefill has {shown[0]} and decode {shown[1]}."
            word = mine.word if mine else None
            yield decode.engine.container.finding(
                CODES["LD1953"], (), message, "State it on both sides alike.", word=word
            )
    yield from _layout(prefill, decode, rules["same_layout_for_other_tensor"])


def _layout(prefill: _Side, decode: _Side, wanted: str) -> Iterator[Finding]:
    """Heads are split between ranks only in the layout HND."""
    ours, theirs = decode.engine.tensor, prefill.engine.tensor
    layouts = {side.engine.container.env.get("VLLM_KV_CACHE_LAYOUT", wanted) for side in (prefill, decode)} - {None}
    if len(layouts) > 1 and "enable_permute_local_kv" not in {**prefill.config, **decode.config}:
        message = f"The KV cache has the layouts {' and '.join(sorted(map(str, layouts)))} on the two sides."
        yield decode.engine.container.finding(CODES["LD1953"], ("env",), message, "Use one VLLM_KV_CACHE_LAYOUT.")
    if ours is None or theirs is None or ours == theirs:
        return
    if layouts - {wanted}:
        message = f"Tensor parallelism differs ({theirs} and {ours}), which needs the layout {wanted}."
        yield decode.engine.container.finding(
            CODES["LD1953"], ("env",), message, f"Set VLLM_KV_CACHE_LAYOUT to {wanted}."
        )
    elif max(ours, theirs) % min(ours, theirs):
        message = f"Tensor parallelism is {theirs} for prefill and {ours} for decode: neither divides the other."
        yield decode.engine.container.finding(CODES["LD1953"], (), message, "Choose a multiple.")


def _sidecar(world: World, sidecar: Sidecar) -> Iterator[Finding]:
    engine = world.engine_in(sidecar.container.pod)
    line = sidecar.line
    names = ("--model-server-port", "--vllm-port")
    target = line.integer(*names) if line.find(*names) else _ENGINE_PORT if line.complete else None
    own = line.integer("--port") if line.find("--port") else _SIDECAR_PORT if line.complete else None
    if engine is None:
        return
    option = line.find(*names)
    word = option.word if option else None
    if engine.port is not None and target is not None and target != engine.port:
        message = f"The sidecar sends requests to port {target}, and the engine listens on {engine.port}."
        yield sidecar.container.finding(CODES["LD1959"], (), message, "Use one port for both.", word=word)
    if engine.port is not None and own is not None and own == engine.port:
        message = f"The sidecar and the engine both listen on port {own}."
        yield sidecar.container.finding(CODES["LD1959"], (), message, "Give the engine another port.", word=word)
    yield from _protocol(sidecar, engine)


def _protocol(sidecar: Sidecar, engine: Engine) -> Iterator[Finding]:
    option = sidecar.line.find("--kv-connector", "--connector")
    if option is None or option.value is None:
        return
    rules = _data()["sidecar_connectors"]
    wanted = rules["engine"].get(option.value)
    if wanted and engine.name in (VLLM, SGLANG) and wanted != engine.name:
        message = f"The sidecar speaks {option.value}, and the engine is {engine.name}."
        yield sidecar.container.finding(CODES["LD1957"], (), message, "", word=option.word)
        return
    side = _Side(sidecar.container.pod, engine, "decode")
    spoken = {rules["protocol"].get(connector) for connector in side.connectors}  # None: a connector not listed
    if spoken and None not in spoken and option.value in rules["protocol"].values() and option.value not in spoken:
        message = f"The sidecar speaks {option.value}, and the engine's connector is {_named(side)}."
        remedy = f"Use --kv-connector {sorted(map(str, spoken))[0]}."
        yield sidecar.container.finding(CODES["LD1957"], (), message, remedy, word=option.word)
