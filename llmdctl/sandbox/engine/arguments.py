"""The command lines of `vllm serve` and `sglang.launch_server`, taken as strictly as their own parsers do.

The parsers are made from snapshots of the real ones (`llmdctl/lint/data/<engine>-<version>.json`), so that a wrong flag
ends this program as it ends the engine.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from llmdctl.sandbox.engine import ranks
from llmdctl.sandbox.engine.ranks import Ranks

_DECIMAL: Final = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY: Final = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the engine does with its arguments. Everything else is accepted and has no effect."""

    engine: str  # vllm | sglang
    model: str
    names: tuple[str, ...]  # served model names
    host: str
    port: int
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    block_size: int
    blocks: int | None  # --num-gpu-blocks-override, --max-total-tokens; None: from memory
    prefix_caching: bool
    tensor: int
    ranks: Ranks
    lora: bool
    max_loras: int  # adapters in one batch
    adapters: Mapping[str, str]  # name -> path
    by_priority: bool
    kv_transfer: Mapping[str, Any]  # vLLM's --kv-transfer-config
    kv_events: Mapping[str, Any]  # --kv-events-config
    shutdown_s: int | None  # how long running requests may go on after SIGTERM; None: as long as they take
    disaggregation: str = ""  # SGLang: prefill | decode | empty
    bootstrap_port: int = 8998
    metrics: bool = True
    api_keys: tuple[str, ...] = ()
    stated: Mapping[str, Any] = field(default_factory=dict)  # every argument as parsed


@cache
def vllm_parser(snapshot: Path) -> argparse.ArgumentParser:
    """`vllm serve [MODEL] --...`: `_` may stand for `-`, and `--config.key` for a part of an object."""
    parser = _Parser(prog="vllm serve")
    parser.add_argument("model_tag", nargs="?")
    _options(parser, snapshot)
    return parser


@cache
def sglang_parser(snapshot: Path) -> argparse.ArgumentParser:
    """`python -m sglang.launch_server --...`."""
    parser = _Parser(prog="sglang.launch_server")
    _options(parser, snapshot)
    return parser


class _Parser(argparse.ArgumentParser):
    def __init__(self, prog: str) -> None:
        super().__init__(prog=prog, add_help=False)


def _options(parser: argparse.ArgumentParser, snapshot: Path) -> None:
    taken: set[str] = set()
    for option in json.loads(snapshot.read_text(encoding="utf-8"))["options"]:
        names = [name for name in option["names"] if name not in taken]
        if names:
            taken.update(names)
            _option(parser, names, option)


def _option(parser: argparse.ArgumentParser, names: Sequence[str], option: Mapping[str, Any]) -> None:
    kind = option["kind"]
    target = next((name for name in names if name.startswith("--") and not name.startswith("--no-")), names[0])
    dest = target.lstrip("-").replace("-", "_")
    if names == ["-h", "--help"]:
        parser.add_argument(*names, action="help")
        return
    if kind == "switch":
        on = [name for name in names if not name.startswith("--no-")]
        off = [name for name in names if name.startswith("--no-")]
        if on:
            parser.add_argument(*on, dest=dest, action="store_true", default=None)
        if off:
            parser.add_argument(*off, dest=dest, action="store_false", default=None)
        return
    more: dict[str, Any] = {"dest": dest, "default": None, "type": _TYPES.get(kind, str)}
    if option.get("choices"):
        more["choices"] = [more["type"](choice) for choice in option["choices"]]
    if kind == "many":
        more |= {"nargs": "+", "type": str}
    elif kind == "maybe":
        more |= {"nargs": "?", "const": True}
    elif option.get("repeats"):
        more["action"] = "append"
    parser.add_argument(*names, **more)


def _size(text: str) -> int:
    """`4096`, `32k` (thousands) or `32K` (1024s), as vLLM reads sizes; `auto` and -1 ask for the engine's own."""
    if text in ("auto", "-1"):
        return -1
    unit = text[-1:]
    factor = _DECIMAL.get(unit) or _BINARY.get(unit)
    if factor is None:
        return int(text)
    number = float(text[:-1])
    if unit in _BINARY and not number.is_integer():
        raise ValueError(text)
    return int(number * factor)


def _json(text: str) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(text)


_TYPES: Final[Mapping[str, Callable[[str], Any]]] = {"int": int, "float": float, "size": _size, "json": _json}


def vllm_words(words: Sequence[str]) -> list[str]:
    """The words as vLLM's parser sees them: dashes for underscores, and dotted keys gathered into one JSON object."""
    out: list[str] = []
    objects: dict[str, dict[str, Any]] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            out.append(word)
            continue
        name, equals, value = word.partition("=")
        flag, dot, key = name.partition(".")
        flag = "--" + flag[2:].replace("_", "-")
        if not dot:
            out.append(flag + equals + value)
            continue
        _set(objects.setdefault(flag, {}), key.split("."), value if equals else next(rest, "true"))
    for flag, gathered in objects.items():
        out += [flag, json.dumps(gathered)]
    return out


def _set(into: dict[str, Any], keys: Sequence[str], text: str) -> None:
    for key in keys[:-1]:
        into = into.setdefault(key, {})
    try:
        into[keys[-1]] = json.loads(text)
    except ValueError:
        into[keys[-1]] = text


def vllm_settings(words: Sequence[str], snapshot: Path, *, model_max_len: Callable[[str], int]) -> Settings:
    """Settings of a `vllm serve` command line, after the word `serve`. A mistake ends the process with code 2."""
    parser = vllm_parser(snapshot)
    stated = {key: value for key, value in vars(parser.parse_args(vllm_words(words))).items() if value is not None}
    model = stated.get("model_tag") or stated.get("model") or "Qwen/Qwen3-0.6B"
    longest = stated.get("max_model_len", -1)
    longest = model_max_len(model) if longest == -1 else longest
    adapters = dict(entry.partition("=")[::2] for entry in stated.get("lora_modules", ()) if "=" in entry)
    return Settings(
        engine="vllm", model=model, names=tuple(stated.get("served_model_name") or (model,)),
        host=stated.get("host") or "0.0.0.0", port=_number(stated, "port", 8000), max_model_len=longest,
        max_num_seqs=_number(stated, "max_num_seqs", 256),
        max_num_batched_tokens=_number(stated, "max_num_batched_tokens", 8192),
        block_size=_number(stated, "block_size", 16), blocks=_number(stated, "num_gpu_blocks_override", 0) or None,
        prefix_caching=stated.get("enable_prefix_caching", True), tensor=_number(stated, "tensor_parallel_size", 1),
        ranks=_ranks(parser, ranks.of_vllm, stated), lora=stated.get("enable_lora", False),
        max_loras=_number(stated, "max_loras", 1), adapters=adapters,
        by_priority=stated.get("scheduling_policy") == "priority",
        kv_transfer=_object(stated.get("kv_transfer_config")),
        kv_events=_object(stated.get("kv_events_config")), shutdown_s=_number(stated, "shutdown_timeout", 0),
        api_keys=tuple(stated.get("api_key", ())), stated=stated,
    )  # fmt: skip


def sglang_settings(words: Sequence[str], snapshot: Path, *, model_max_len: Callable[[str], int]) -> Settings:
    """Settings of an SGLang command line. A mistake ends the process with code 2."""
    parser = sglang_parser(snapshot)
    stated = {key: value for key, value in vars(parser.parse_args(list(words))).items() if value is not None}
    if not stated.get("model_path"):
        parser.error("the following arguments are required: --model-path")
    page = _number(stated, "page_size", 1)
    total = _number(stated, "max_total_tokens", 0)
    mode = stated.get("disaggregation_mode", "null")
    name = stated.get("served_model_name") or stated["model_path"]
    return Settings(
        engine="sglang", model=stated["model_path"], names=(name,), host=stated.get("host", "127.0.0.1"),
        port=_number(stated, "port", 30000),
        max_model_len=_number(stated, "context_length", model_max_len(stated["model_path"])),
        max_num_seqs=_number(stated, "max_running_requests", 256),
        max_num_batched_tokens=_number(stated, "chunked_prefill_size", 8192), block_size=page,
        blocks=total // page or None, prefix_caching=not stated.get("disable_radix_cache", False),
        tensor=_number(stated, "tensor_parallel_size", stated.get("tp_size", 1)),
        ranks=_ranks(parser, ranks.of_sglang, stated),
        lora=bool(stated.get("enable_lora") or stated.get("lora_paths")),
        max_loras=_number(stated, "max_loras_per_batch", 8),
        adapters=dict(entry.partition("=")[::2] for entry in stated.get("lora_paths", ()) if "=" in entry),
        by_priority=stated.get("enable_priority_scheduling", False), kv_transfer={}, shutdown_s=None,
        kv_events=_sglang_events(parser, stated.get("kv_events_config")),
        disaggregation="" if mode == "null" else mode,
        bootstrap_port=_number(stated, "disaggregation_bootstrap_port", 8998),
        metrics=stated.get("enable_metrics", False),
        stated=stated,
    )  # fmt: skip


def _ranks(
    parser: argparse.ArgumentParser, of: Callable[[Mapping[str, Any]], Ranks], stated: Mapping[str, Any]
) -> Ranks:
    """Ranks, or the end of the process as of any other mistake."""
    try:
        return of(stated)
    except ValueError as mistake:
        parser.error(str(mistake))


def _sglang_events(parser: argparse.ArgumentParser, stated: object) -> Mapping[str, Any]:
    """SGLang publishes where a publisher is named; its default is none."""
    try:
        found = _object(stated)
    except ValueError as mistake:
        parser.error(f"argument --kv-events-config: {mistake}")
    return {**found, "enable_kv_cache_events": True} if found.get("publisher", "null") != "null" else {}


def _object(stated: object) -> Mapping[str, Any]:
    """A JSON object that the parser takes as text. A mistake in it ends the process as the engine's own would."""
    read = json.loads(stated) if isinstance(stated, str) else stated
    return read if isinstance(read, Mapping) else {}


def _number(stated: Mapping[str, Any], key: str, default: int) -> int:
    """A whole number; options of the type "a number or nothing" are text in the snapshots."""
    return int(stated.get(key, default))
