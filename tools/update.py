"""`make update`: regenerate everything that is generated; `--check` only names what is out of date.

Each generator is a script of its own with the same two modes. The picture in the README shows a run, so it differs each
time and is not checked.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
GENERATORS = (
    "charts/schema.py",
    "charts/readme.py",
    "generate_values.py",
    "inventory_schema.py",
    "output_schemas.py",
    "engine_facts.py",
    "lint_rules.py",
    "check_pages.py",
    "faults.py",
    "matrix.py",
    "preflight_pages.py",
    "proof_pages.py",
    "readme.py",
    "scheduler_versions.py",
)


def main() -> int:
    """Run every generator; the exit code is that of the worst one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 when something is out of date")
    parser.add_argument("--no-picture", action="store_true", help="leave the picture of a run as it is")
    options = parser.parse_args()
    mode = ["--check"] if options.check else []
    codes = [run(script, *mode) for script in GENERATORS]
    if not (options.check or options.no_picture):
        codes.append(run("picture.py"))
    return max(codes)


def run(script: str, *arguments: str) -> int:
    """One generator, named before it runs."""
    print(f"tools/{script}", flush=True)
    return subprocess.run([sys.executable, str(HERE / script), *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
