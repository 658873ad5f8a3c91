"""An image as one file that `ctr image import`, `docker load` and `kind load image-archive` take: docker-archive.

The form is that of `docker save`: a tar with one tar a layer, the image's configuration and manifest.json, as the image
specification of Docker v1.2 says (https://github.com/moby/docker-image-spec/blob/main/v1.2.md).
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from llmdctl.sandbox.images.layer import Layer, buffer, entry, size_bytes, write

_BEGINNING: Final = "1970-01-01T00:00:00Z"
_BLOCK: Final = 512
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}  # as the machine says -> as images say


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """What an image is: its layers from the bottom, and how it starts."""

    reference: str
    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...] = ()
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


def save(image: Image, target: Path) -> None:
    """Write the image's archive in one pass."""
    with target.open("wb") as stream:
        diffs, names = [], []
        for number, part in enumerate(image.layers):
            name = f"{number}-{part.name}/layer.tar"
            size = size_bytes(part)
            stream.write(buffer(entry(name, size)))
            diffs.append(f"sha256:{write(part, stream)}")
            stream.write(bytes(-size % _BLOCK))
            names.append(name)
        configuration = _json(_configuration(image, diffs))
        file = f"{hashlib.sha256(configuration).hexdigest()}.json"
        _put(stream, file, configuration)
        manifest = [{"Config": file, "RepoTags": [image.reference], "Layers": names}]
        _put(stream, "manifest.json", _json(manifest))
        stream.write(bytes(2 * _BLOCK))


def architecture() -> str:
    """This machine's architecture in the words of images."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def _configuration(image: Image, diffs: list[str]) -> dict[str, Any]:
    start: dict[str, Any] = {"Env": [f"{name}={value}" for name, value in sorted(image.environment.items())]}
    if image.entrypoint:
        start["Entrypoint"] = list(image.entrypoint)
    if image.user:
        start["User"] = image.user
    return {
        "architecture": architecture(),
        "os": "linux",
        "created": _BEGINNING,
        "config": start | {"WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": diffs},
        "history": [{"created": _BEGINNING, "created_by": f"llmdctl: {part.name}"} for part in image.layers],
    }


def _put(stream: BinaryIO, name: str, data: bytes) -> None:
    stream.write(buffer(entry(name, len(data))) + data + bytes(-len(data) % _BLOCK))


def _json(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
