"""A real endpoint picker, started with a rendered configuration against the sandbox's API server."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ports import free_port

LOADED = "loaded configuration from file/text successfully"
STARTED = "Controller manager starting"
LIMIT_S = 60.0
SOCKET = Path("/tmp/tokenizer/tokenizer-uds.socket")

Manifest = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a start. `code` is None while it runs, which is then ended."""

    code: int | None
    log: str

    @property
    def accepted(self) -> bool:
        return self.code is None and LOADED in self.log

    @property
    def complaints(self) -> str:
        """The lines that say why it did not start, or all of them."""
        said = [line for line in self.log.splitlines() if '"level":"error"' in line or "rror" in line]
        return "\n".join(said or self.log.splitlines()[-20:])


@dataclass(frozen=True, kw_only=True)
class Picker:
    """One binary. `version` is the dialect it speaks: 0.7, 0.9 or 0.10. `tokens`: where 0.7 finds its tokenizer."""

    program: Path
    version: str
    kubeconfig: Path
    tokens: Path

    @property
    def socket(self) -> Path:
        return self.tokens / SOCKET.name

    def start(self, configuration: str, flags: Sequence[str], folder: Path) -> Verdict:
        """Start it with the container's own flags; only its place, its ports and its token review are the test's."""
        configuration = configuration.replace(str(SOCKET), str(self.socket))
        (folder / "epp-config.yaml").write_text(configuration, encoding="utf-8")
        command = [str(self.program), *(self._here(flag, folder) for flag in flags)]
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            guard = threading.Timer(LIMIT_S, process.kill)
            guard.start()
            assert process.stdout
            lines = []
            for line in process.stdout:
                lines.append(line)
                if STARTED in line:
                    process.kill()
                    break
            else:
                return Verdict(code=self._ended(process, guard), log="".join(lines))
            self._ended(process, guard)
            return Verdict(code=None, log="".join(lines))

    @staticmethod
    def _ended(process: subprocess.Popen[str], guard: threading.Timer) -> int:
        code = process.wait()
        guard.cancel()
        return code

    def _here(self, flag: str, folder: Path) -> str:
        name = flag.split("=", 1)[0]
        if name in {"--grpc-port", "--grpc-health-port", "--metrics-port"}:
            return f"{name}={free_port()}"
        if name == "--metrics-endpoint-auth":
            return f"{name}=false"  # the sandbox has no ClusterRole for it
        return flag.replace("/etc/epp/", f"{folder}/")


def configuration_of(objects: Iterable[Manifest]) -> str:
    (text,) = (found["data"]["epp-config.yaml"] for found in objects if "epp-config.yaml" in (found.get("data") or {}))
    return str(text)


def flags_of(objects: Iterable[Manifest]) -> list[str]:
    containers = (
        container
        for found in objects
        if found["kind"] == "Deployment"
        for container in found["spec"]["template"]["spec"]["containers"]
    )
    (flags,) = (container["args"] for container in containers if container["name"] == "epp")
    return list(flags)
