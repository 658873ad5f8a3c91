"""A certificate for endpoint pickers: without one each makes itself an RSA key of 4096 bits whenever it starts.

That takes between one and seven seconds of a processor, and a session starts some fifty of them. Releases that are to
start as they do by themselves leave the setting out.
"""

from __future__ import annotations

import base64
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from llmdctl.sandbox.certificates import Authority

NAME = "picker"
GIVEN = ("--set", f"scheduler.certificateSecret={NAME}")
"""Words of an install: take the certificate of the namespace's Secret."""


@cache
def secret() -> dict[str, Any]:
    """The Secret; the proxy before a picker verifies nothing, so its names do not matter."""
    with tempfile.TemporaryDirectory() as folder:
        pair = Authority(Path(folder)).issue(NAME, user=NAME)
        data = {"tls.crt": _text(pair.certificate), "tls.key": _text(pair.key)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME}, "type": "kubernetes.io/tls", "data": data}


def _text(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
