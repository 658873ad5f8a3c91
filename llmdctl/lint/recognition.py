"""What a container is, told by its command, its arguments and its image, never by its name alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from llmdctl.lint.command import CommandLine, after, canonical
from llmdctl.lint.pods import Container, image

VLLM, SGLANG, TRTLLM = "vllm", "sglang", "trtllm"

_ENGINE_IMAGES: Final = (
    (
        re.compile(
            r"^(vllm|vllm-(openai|tpu|xpu|cpu|gaudi|neuron|rocm|ascend).*|llm-d-(cuda|rocm|xpu|hpu|cpu|aws)(-[a-z0-9]+)*)$"
        ),
        VLLM,
    ),
    (re.compile(r"^sglang(-.*)?$"), SGLANG),
)
"""Images that start the engine when no command is given. Source: the ENTRYPOINT of vllm/vllm-openai (`vllm serve`);
https://github.com/vllm-project/vllm/blob/main/docker/Dockerfile."""

_EPP_IMAGES: Final = re.compile(r"(^|[-/])(epp|endpoint-picker|inference-scheduler)(-dev)?$")
_SIDECAR_IMAGES: Final = re.compile(r"(routing-sidecar|disagg-sidecar|routing-proxy)(-dev)?$")
_EPP_FLAGS: Final = ("pool-name", "config-file", "config-text", "grpc-port", "endpoint-selector")
_SIDECAR_FLAGS: Final = ("vllm-port", "model-server-port", "decoder-url", "kv-connector", "connector")
_DYNAMIC_ADAPTERS: Final = "VLLM_ALLOW_RUNTIME_LORA_UPDATING"
_SIMULATOR: Final = re.compile(r"(inference-sim|vllm-sim|simulator)")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Engine:
    """A container that runs a model server."""

    container: Container
    name: str  # vllm | sglang | trtllm
    line: CommandLine  # what follows the program

    @property
    def version(self) -> tuple[int, ...]:
        """Of the engine, from the image's tag; empty where the tag does not say it."""
        found = image(self.container.image)
        return () if found.base.startswith("llm-d") else found.version  # llm-d's tags are its own

    @property
    def port(self) -> int | None:
        """The port it listens on; None when it is not known here."""
        option = self.line.find("--port")
        if option is not None:
            return self.line.integer("--port")
        return _PORTS[self.name] if self.line.complete and not self.line.find("--config") else None

    @property
    def model(self) -> str | None:
        """What is loaded: `--model`, `--model-path` or the first word."""
        stated = self.line.value("--model", "--model-path")
        if stated or not self.line.words:
            return stated
        first = self.line.words[0]
        return None if first.is_option or first.opaque or first.many else first.text

    @property
    def served_names(self) -> tuple[str, ...]:
        """The names a request may ask for; empty when they are not known."""
        option = self.line.find("--served-model-name")
        if option is None:
            return (self.model,) if self.model else ()
        if option.joined:
            return (option.value,) if option.value else ()
        return tuple(word.text for word in option.words if not word.opaque)

    @property
    def adapters(self) -> tuple[str, ...]:
        """The names of `--lora-modules name=path ...` or of its JSON form, which requests may ask for too."""
        option = self.line.find("--lora-modules", "--lora-paths")
        found = []
        for word in option.words if option else ():
            name = re.search(r'"(?:lora_)?name"\s*:\s*"([^"]+)"', word.text)
            found.append(name.group(1) if name else word.text.partition("=")[0])
        return tuple(found)

    @property
    def adapters_change(self) -> bool:
        """Whether adapters may come and go while it runs, so that its words do not tell all names.

        vLLM asks for a variable (https://docs.vllm.ai/en/stable/features/lora/), SGLang for adapters alone
        (https://docs.sglang.ai/advanced_features/lora.html). A value that is not known here may allow it.
        """
        if self.name == "sglang":
            return self.line.find("--enable-lora", "--lora-paths") is not None
        said = self.container.env.get(_DYNAMIC_ADAPTERS, "")
        return said is None or said.lower() in ("1", "true")

    def count(self, *names: str) -> int | None:
        """A degree of parallelism: 1 when it is not stated, None when it is not known."""
        if self.line.find(*names) is None:
            return 1 if self.line.complete and not self.line.find("--config") else None
        return self.line.integer(*names)

    @property
    def tensor(self) -> int | None:
        """Tensor parallelism."""
        return self.count("--tensor-parallel-size", "-tp", "--tp-size", "--tp", "--tp_size")


_PORTS: Final = {VLLM: 8000, SGLANG: 30000, TRTLLM: 8000}
"""Where each listens by default. Sources: the parsers of vLLM 0.32.0 and SGLang 0.5.23 (`--port`);
https://nvidia.github.io/TensorRT-LLM/commands/trtllm-serve/trtllm-serve.html."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sidecar:
    """A container that splits a request into prefill and decode."""

    container: Container
    line: CommandLine

    @property
    def version(self) -> tuple[int, ...]:
        return image(self.container.image).version


def engine_of(container: Container) -> Engine | None:
    """The engine that the container runs, if it runs one."""
    for line in container.commands:
        for name, matches in _PROGRAMS:
            found = after(line, matches)
            if found is not None and not _only_asks(found):
                return Engine(container=container, name=name, line=found)
    return _by_image(container)


def _only_asks(line: CommandLine) -> bool:
    return any(word.text in ("--help", "-h", "--version") for word in line.words)


def _by_image(container: Container) -> Engine | None:
    """An engine's image with nothing but arguments."""
    if container.value.get("command") or (container.init and not container.sidecar):
        return None
    base = image(container.image).base
    if _SIMULATOR.search(base):
        return None
    lines = container.commands
    for pattern, name in _ENGINE_IMAGES:
        if pattern.match(base) and lines and lines[0].words and (lines[0].words[0].is_option or name == VLLM):
            return Engine(container=container, name=name, line=lines[0])
    return None


def _vllm(words: Sequence[str]) -> int:
    program = words[0].rpartition("/")[2]
    if program == "vllm" and list(words[1:2]) == ["serve"]:
        return 2
    if words[0] == "-m" and len(words) > 1 and words[1] == "vllm.entrypoints.openai.api_server":
        return 2
    if words[0] == "-m" and list(words[1:3]) == ["vllm.entrypoints.cli.main", "serve"]:
        return 3
    return 0


def _sglang(words: Sequence[str]) -> int:
    if words[0].rpartition("/")[2] == "sglang" and list(words[1:2]) == ["serve"]:
        return 2
    return 2 if words[0] == "-m" and list(words[1:2]) == ["sglang.launch_server"] else 0


def _trtllm(words: Sequence[str]) -> int:
    if words[0].rpartition("/")[2] != "trtllm-serve":
        return 0
    return 2 if list(words[1:2]) == ["serve"] else 1


_PROGRAMS: Final = ((VLLM, _vllm), (SGLANG, _sglang), (TRTLLM, _trtllm))


def epp_line(container: Container) -> CommandLine | None:
    """What an endpoint picker is started with, if the container is one."""
    names = _names(container)
    if _EPP_IMAGES.search(image(container.image).base) or ("pool-name" in names and len(names & set(_EPP_FLAGS)) > 1):
        return _program_line(container, ("--pool-name", "--config-file", "--grpc-port"))
    return None


def sidecar_of(container: Container) -> Sidecar | None:
    """The routing sidecar, if the container is one."""
    names = _names(container)
    ours = {"vllm-port", "model-server-port"} & names and {"kv-connector", "connector", "port", "secure-proxy"} & names
    if _SIDECAR_IMAGES.search(image(container.image).base) or ours:
        return Sidecar(container=container, line=_program_line(container, ("--vllm-port", "--model-server-port")))
    return None


def is_envoy(container: Container) -> bool:
    """Whether the container runs Envoy by itself, with a configuration of its own."""
    return image(container.image).base.startswith("envoy") or any(
        line.words and line.words[0].text.rpartition("/")[2] == "envoy" for line in container.commands
    )


def _names(container: Container) -> set[str]:
    """Every option of every command, in one spelling."""
    return {canonical(option.name) for line in container.commands for option in line.options()}


def _program_line(container: Container, wanted: Sequence[str]) -> CommandLine:
    """The command that has one of the wanted options, else the first."""
    lines = container.commands
    return next((line for line in lines if line.find(*wanted)), lines[0] if lines else CommandLine(words=()))
