"""Kubeconfig files, complete in themselves: every certificate is inside."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from llmdctl.sandbox.certificates import Pair


def write(path: Path, *, name: str, server: str, authority: Path, client: Pair) -> None:
    """Write the kubeconfig of one user of the sandbox `name`. JSON, which every reader of YAML takes."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": _text(authority)}}],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": _text(client.certificate),
                    "client-key-data": _text(client.key),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2)
        file.write("\n")


def _text(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
