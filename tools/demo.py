"""`make demo`: the commands a newcomer would type, one after the other, each shown before it runs.

It is a script of llmdctl commands and nothing else; whatever it does, a person can do by hand.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

LLMDCTL = str(Path(sys.executable).parent / "llmdctl")
RECIPE = ("pd-disaggregation", "--accelerator", "h200")
NAMESPACE = "llm-demo"


def main() -> int:
    """Parse `up` or `down`, run it, return the exit code of the first command that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("--name", default="demo")
    parser.add_argument("--nodes", default="h200=2,cpu=1")
    options = parser.parse_args()
    if options.action == "down":
        return run("sandbox", "down", "--name", options.name)
    return up(options.name, options.nodes)


def up(name: str, nodes: str) -> int:
    """The sandbox, the release, its state, and how to go on."""
    started = time.monotonic()
    if code := run("sandbox", "up", "--name", name, "--nodes", nodes):
        return code
    kubeconfig = subprocess.run(
        [LLMDCTL, "sandbox", "kubeconfig", "--name", name], check=True, capture_output=True, text=True
    ).stdout.strip()
    os.environ["KUBECONFIG"] = kubeconfig
    for words in (("install", *RECIPE, "-n", NAMESPACE), ("status", RECIPE[0], "-n", NAMESPACE)):
        if code := run(*words):
            return code
    print(f"\nReady after {time.monotonic() - started:.0f} s. No model is served: nodes and pods are simulated,")
    print("the control plane, the scheduler, Helm and every object are real. Look around:\n")
    print(f"  export KUBECONFIG={shlex.quote(kubeconfig)}")
    print(f"  kubectl get pods,inferencepools -n {NAMESPACE} -o wide")
    print(f"  {typed()} diff {' '.join(RECIPE)} -n {NAMESPACE} --role prefill.replicas=4")
    print("\nEnd it and leave nothing behind:\n\n  make demo-down")
    return 0


def typed() -> str:
    """What to type for llmdctl in this checkout: it is on PATH only where the environment is activated."""
    return "llmdctl" if shutil.which("llmdctl") == LLMDCTL else os.path.relpath(LLMDCTL)


def run(*words: str) -> int:
    """Show one llmdctl command and run it in this terminal."""
    print(f"\n$ llmdctl {shlex.join(words)}", flush=True)
    return subprocess.run([LLMDCTL, *words], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
