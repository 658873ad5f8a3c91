"""The scheduler's idea of what each engine has cached, against what the engines do and publish."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from llmdctl.lint.manifest import Manifest, Place, look, rows
from llmdctl.lint.pods import Container
from llmdctl.lint.recognition import SGLANG, VLLM, Engine
from llmdctl.lint.rule import codes
from llmdctl.lint.rules.epp_config import judged_as
from llmdctl.lint.rules.pools import members
from llmdctl.lint.world import Epp, World
from llmdctl.model.finding import Finding, Severity

_INDEX: Final = "https://github.com/llm-d/llm-d-kv-cache/blob/main/docs/configuration.md"

CODES = codes(
    (
        "LD1611",
        "Block sizes of engine and prefix index differ",
        Severity.ERROR,
        f"No block that the scheduler asks for has the hash of a block that the engine holds. {_INDEX}",
    ),
    (
        "LD1970",
        "Hash seeds of engine and prefix index differ",
        Severity.ERROR,
        f"Hashes start from PYTHONHASHSEED in vLLM and from hashSeed in the index; they must be equal. {_INDEX}",
    ),
    ("LD1971", "Engine publishes no KV cache events", Severity.ERROR, f"The precise index stays empty. {_INDEX}"),
    (
        "LD1972",
        "KV cache events that the scheduler does not read",
        Severity.ERROR,
        f"Topic, port and label must be those that the scheduler subscribes to. {_INDEX}",
    ),
    (
        "LD1973",
        "Prefix scores without a prefix cache",
        Severity.ERROR,
        "The scheduler sends requests to blocks that the engine does not keep. "
        "https://docs.vllm.ai/en/stable/features/automatic_prefix_caching/",
    ),
    (
        "LD1974",
        "Nothing serves the tokenizer's socket",
        Severity.ERROR,
        "EPP 0.7 cuts prompts into blocks with tokens from a gRPC service on a Unix socket, and does not start without "
        "one. https://github.com/llm-d/llm-d-inference-scheduler/blob/v0.7.1/pkg/plugins/preparedata/tokenizer.go",
    ),
)
_PRECISE: Final = ("precise-prefix-cache-producer", "precise-prefix-cache-scorer")
_ANY: Final = (*_PRECISE, "approx-prefix-cache-producer", "prefix-cache-scorer")
DEFAULT_BLOCK: Final = 16
"""Tokens a block: vLLM on CUDA, and tokenProcessorConfig of the index, unless stated."""

_TOPIC, _SOCKET, _LABEL = "kv@", 5557, "llm-d.ai/inference-serving=true"
"""Defaults of kvEventsConfig: topicFilter, podDiscoveryConfig.socketPort and .podLabelSelector."""


_UDS: Final[Mapping[str, tuple[str, ...]]] = {
    "precise-prefix-cache-scorer": ("indexerConfig", "tokenizersPoolConfig", "uds"),
    "tokenizer": ("udsTokenizerConfig",),
}
"""Plugins of EPP 0.7 that ask the tokenizer, and where each says how."""
_SOCKET_FILE: Final = "/tmp/tokenizer/tokenizer-uds.socket"
"""Where both ask, unless told."""


@dataclass(frozen=True, slots=True)
class _Index:
    """A plugin of the scheduler that follows the engines' caches."""

    source: Manifest
    place: tuple[str | int, ...]

    def get(self, *path: str | int) -> Any:  # noqa: ANN401 - a parameter
        return self.source.get(*self.place, "parameters", *path)

    @property
    def block(self) -> int | None:
        """Tokens a block as stated."""
        stated = self.get("tokenProcessorConfig", "blockSizeTokens") or self.get("tokenProcessorConfig", "blockSize")
        return stated if isinstance(stated, int) else None


def check(world: World) -> Iterator[Finding]:
    for epp in world.epps:
        if epp.config is None or epp.config.problem:
            continue
        yield from _untokenized(epp)
        engines = _engines(world, epp)
        plugins = [str(look(row, "type")) for row in epp.config.source.rows("plugins")]
        if any(plugin in _ANY for plugin in plugins):
            for engine in engines:
                yield from _switched_off(engine)
        for number, plugin in enumerate(plugins):
            if plugin in _PRECISE:
                index = _Index(epp.config.source, ("plugins", number))
                for engine in _indexed(engines):
                    yield from _agree(index, engine)


def _untokenized(epp: Epp) -> Iterator[Finding]:
    """EPP 0.7 asks a tokenizer on a socket, and no other container can have made it."""
    if epp.config is None or judged_as(epp)[0] != "0.7" or len(epp.container.commands) > 1:
        return  # a script with several commands may start it itself
    source = epp.config.source
    for number, row in enumerate(source.rows("plugins")):
        plugin = str(look(row, "type"))
        parameters: Place = ("plugins", number, "parameters")
        place: Place = (*parameters, *_UDS.get(plugin, ()))
        asked = source.get(*place) if plugin in _UDS else None
        # The scorer without `uds` is refused for another reason; the plugin without it asks at the default place.
        if not isinstance(asked, Mapping) and not (plugin == "tokenizer" and source.get(*parameters, "modelName")):
            continue
        file = str(look(asked, "socketFile") or _SOCKET_FILE)
        if _made_by_nobody(epp.container, file):
            message = (
                f"The endpoint picker asks a tokenizer at {file}, and no other container of its pod shares that folder"
            )
            remedy = "Run one in the same pod, with an emptyDir there in both, or use EPP 0.9 and a token-producer."
            yield source.finding(CODES["LD1974"], place if asked is not None else parameters, f"{message}.", remedy)


def _made_by_nobody(container: Container, file: str) -> bool:
    """Whether a file cannot come from outside its container: no volume is there, or an emptyDir that it has alone."""
    volume, _ = container.mount(file)
    if volume is None:
        return True
    row = next((row for row in rows(container.pod.spec, "volumes") if look(row, "name") == volume), None)
    if look(row, "emptyDir") is None:
        return False  # what is in a folder of the node, or in a claim, nobody can tell from here
    others = (other for other in container.pod.containers() if other.name != container.name)
    return not any(look(mount, "name") == volume for other in others for mount in rows(other.value, "volumeMounts"))


def _engines(world: World, epp: Epp) -> list[Engine]:
    pool = world.pool_of(epp)
    pods = members(world, pool) if pool else ()
    return [engine for engine in world.engines if engine.container.pod in pods]


def _indexed(engines: Sequence[Engine]) -> Iterator[Engine]:
    """Engines whose cache decides where a prompt goes: those that compute prompts."""
    roles = {engine: engine.container.pod.labels.get("llm-d.ai/role") for engine in engines}
    for engine, role in roles.items():
        if (
            engine.name in (VLLM, SGLANG)
            and role != "encode"
            and not (role == "decode" and "prefill" in roles.values())
        ):
            yield engine


def _switched_off(engine: Engine) -> Iterator[Finding]:
    name = "--no-enable-prefix-caching" if engine.name == VLLM else "--disable-radix-cache"
    option = engine.line.find(name)
    if option is not None and engine.container.pod.labels.get("llm-d.ai/role") not in ("decode", "encode"):
        message = f"The scheduler scores cached prefixes, and {name} keeps none."
        yield engine.container.finding(CODES["LD1973"], (), message, f"Remove {name}.", word=option.word)


def _agree(index: _Index, engine: Engine) -> Iterator[Finding]:
    yield from _block(index, engine)
    yield from _seed(index, engine)
    option = engine.line.find("--kv-events-config")
    if option is None:
        if engine.line.complete and not engine.line.find("--config"):
            message = "The scheduler's prefix index reads KV cache events, and this engine publishes none."
            yield engine.container.finding(CODES["LD1971"], (), message, "Add --kv-events-config.")
        return
    config = _json(option.value)
    if config is None:
        return
    if engine.name == VLLM and config.get("enable_kv_cache_events") is not True:
        message = "--kv-events-config does not set enable_kv_cache_events, so no events are published."
        yield engine.container.finding(CODES["LD1971"], (), message, "Set it to true.", word=option.word)
    for message in _events(index, config):
        yield engine.container.finding(CODES["LD1972"], (), message, "", word=option.word)
    yield from _discovered(index, engine)


def _block(index: _Index, engine: Engine) -> Iterator[Finding]:
    option = engine.line.find("--block-size", "--page-size")
    stated = engine.line.integer("--block-size", "--page-size")
    if option is not None and stated is None:
        return
    if stated is None and (engine.name != VLLM or index.block is None or not engine.line.complete):
        return
    mine, other = stated or DEFAULT_BLOCK, index.block or DEFAULT_BLOCK
    if mine != other:
        shown = f"{mine}" if stated else f"{mine}, the default"
        message = f"The engine has blocks of {shown} tokens, and the scheduler's index counts {other}."
        remedy = "State one size for both."
        yield engine.container.finding(CODES["LD1611"], (), message, remedy, word=option.word if option else None)


def _seed(index: _Index, engine: Engine) -> Iterator[Finding]:
    seed = index.get("tokenProcessorConfig", "hashSeed")
    env = engine.container.env
    stated = env.get("PYTHONHASHSEED")
    if engine.name != VLLM or ("PYTHONHASHSEED" in env and stated is None) or look(engine.container.value, "envFrom"):
        return
    if isinstance(seed, str) and seed and stated != seed:
        shown = f"'{stated}'" if stated is not None else "not set"
        message = f"hashSeed of the scheduler's index is '{seed}', and PYTHONHASHSEED of the engine is {shown}."
        yield engine.container.finding(CODES["LD1970"], ("env",), message, "State one seed for both.")
    elif not seed and stated:
        message = f"PYTHONHASHSEED of the engine is '{stated}', and the scheduler's index has no hashSeed."
        place = (*index.place, "parameters")
        yield index.source.finding(
            CODES["LD1970"], place, message, "Set tokenProcessorConfig.hashSeed.", severity=Severity.WARNING
        )


def _events(index: _Index, config: Mapping[str, Any]) -> Iterator[str]:
    topic, wanted = config.get("topic"), index.get("kvEventsConfig", "topicFilter") or _TOPIC
    if isinstance(topic, str) and topic and not topic.startswith(str(wanted)):
        yield f"The engine's topic is '{topic}', and the scheduler reads topics that begin with '{wanted}'."
    endpoint = str(config.get("endpoint") or "tcp://*:5557")
    port = endpoint.rpartition(":")[2]
    discover = index.get("kvEventsConfig", "discoverPods")
    wanted_port = index.get("kvEventsConfig", "podDiscoveryConfig", "socketPort") or _SOCKET
    if (
        discover is not False
        and endpoint.startswith(("tcp://*", "tcp://0.0.0.0"))
        and port.isdigit()
        and int(port) != wanted_port
    ):
        yield f"The engine publishes on port {port}, and the scheduler subscribes to port {wanted_port} of each pod."


def _discovered(index: _Index, engine: Engine) -> Iterator[Finding]:
    if index.get("kvEventsConfig", "discoverPods") is False:
        return
    selector = str(index.get("kvEventsConfig", "podDiscoveryConfig", "podLabelSelector") or _LABEL)
    for part in selector.split(","):
        key, equals, value = part.strip().partition("=")
        if equals and "!" not in key and engine.container.pod.labels.get(key) != value.lstrip("="):
            message = f"The scheduler subscribes to pods with {selector}, and these pods lack {part.strip()}."
            place = (*engine.container.pod.place, "metadata", "labels")
            yield engine.container.pod.workload.finding(CODES["LD1972"], place, message, "Add the label.")


def _json(text: str | None) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text or "")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
