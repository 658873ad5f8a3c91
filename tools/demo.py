"""`make demo`: the commands a newcomer would type, one after the other, each shown before it runs.

It is a script of llmdctl commands and nothing else; whatever it does, a person can do by hand.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

LLMDCTL = str(Path(sys.executable).parent / "llmdctl")
RECIPE = ("pd-disaggregation", "--accelerator", "h200")
NAMESPACE = "llm-demo"
MODEL = "openai/gpt-oss-120b"
QUESTION = "Which pods computed the prompt of this request, and which ones its answer?"


def main() -> int:
    """Parse `up` or `down`, run it, return the exit code of the first command that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("--name", default="demo")
    parser.add_argument("--nodes", default="h200=2,cpu=1", help="simulated nodes, where there can be no real one")
    parser.add_argument("--node", choices=["real", "simulated"], default="real" if rooted() else "simulated")
    options = parser.parse_args()
    if options.action == "down":
        return run("sandbox", "down", "--name", options.name)
    return served(options.name) if options.node == "real" else placed(options.name, options.nodes)


def rooted() -> bool:
    """Whether containers can run here without anybody's help."""
    return sys.platform == "linux" and os.geteuid() == 0


def served(name: str) -> int:
    """A real node, the release, a streamed answer through all of it, and the proof that prefill ran elsewhere."""
    started = time.monotonic()
    if code := run("sandbox", "up", "--name", name, "--node", "real"):
        return code
    use(name)
    values = said("sandbox", "values", "--name", name)
    if code := run("install", *RECIPE, "-n", NAMESPACE, "-f", values):
        return code
    with forwarded(name, f"{RECIPE[0]}-epp:80") as url:
        print(f"\nA streamed answer through Envoy, endpoint picker, sidecar and decode, from {url}:\n", flush=True)
        if code := ask(url):
            return code
    if code := run("verify", RECIPE[0], "-n", NAMESPACE):
        return code
    print(
        f"\nServed after {time.monotonic() - started:.0f} s. The engine is simulated (its text has no meaning); node,"
    )
    print("containers, Envoy, endpoint picker, sidecar, KV transfer and every object are real. Go on:\n")
    print(f"  {typed()} sandbox forward {RECIPE[0]}-epp:80 -n {NAMESPACE} --name {name}")
    print(f"  {typed()} doctor {RECIPE[0]} -n {NAMESPACE}")
    return ending()


def placed(name: str, nodes: str) -> int:
    """Simulated nodes, the release, its state, and how to go on."""
    started = time.monotonic()
    if code := run("sandbox", "up", "--name", name, "--nodes", nodes):
        return code
    use(name)
    for words in (("install", *RECIPE, "-n", NAMESPACE), ("status", RECIPE[0], "-n", NAMESPACE)):
        if code := run(*words):
            return code
    print(
        f"\nReady after {time.monotonic() - started:.0f} s. Left out: no container runs and no model answers, for that"
    )
    print("takes root on Linux. The control plane, the scheduler, Helm and every object are real. Look around:\n")
    print(f"  kubectl get pods,inferencepools -n {NAMESPACE} -o wide")
    return ending()


def use(name: str) -> None:
    """Commands that follow talk to this sandbox."""
    os.environ["KUBECONFIG"] = said("sandbox", "kubeconfig", "--name", name)


def ending() -> int:
    print(f"  export KUBECONFIG={shlex.quote(os.environ['KUBECONFIG'])}")
    print(f"  {typed()} diff {' '.join(RECIPE)} -n {NAMESPACE} --role prefill.replicas=4")
    print("\nEnd it and leave nothing behind:\n\n  make demo-down")
    return 0


@contextlib.contextmanager
def forwarded(name: str, service: str) -> Iterator[str]:
    """The address of a Service on this machine, while a command keeps it open."""
    words = ("sandbox", "forward", service, "-n", NAMESPACE, "--name", name)
    print(f"\n$ llmdctl {shlex.join(words)} &", flush=True)
    with subprocess.Popen([LLMDCTL, *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def ask(url: str) -> int:
    """Show one streamed completion as it comes, as curl would."""
    body = {"model": MODEL, "prompt": QUESTION, "max_tokens": 24, "stream": True}
    request = urllib.request.Request(
        f"{url}/v1/completions", data=json.dumps(body).encode(), headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        for line in answer:
            text = line.decode().strip().removeprefix("data: ")
            if text == "[DONE]":
                print("\n[DONE]", flush=True)
                return 0
            if text:
                print(json.loads(text)["choices"][0]["text"], end="", flush=True)
    print("the stream ended early", file=sys.stderr)
    return 1


def said(*words: str) -> str:
    """What one llmdctl command writes."""
    return subprocess.run([LLMDCTL, *words], check=True, capture_output=True, text=True).stdout.strip()


def typed() -> str:
    """What to type for llmdctl in this checkout: it is on PATH only where the environment is activated."""
    return "llmdctl" if shutil.which("llmdctl") == LLMDCTL else os.path.relpath(LLMDCTL)


def run(*words: str) -> int:
    """Show one llmdctl command and run it in this terminal."""
    print(f"\n$ llmdctl {shlex.join(words)}", flush=True)
    return subprocess.run([LLMDCTL, *words], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
