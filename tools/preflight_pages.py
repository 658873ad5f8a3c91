"""The reports in guides/preflight-*.md: what `llmdctl preflight` says of three stored inventories.

Each page is written by hand around one block; the block is the report of the command that stands in it.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
INVENTORIES: Final = "tests/fixtures/inventories"
PAGES: Final = {
    "eks": ("wide-ep", "--accelerator", "h200", "--platform", "eks", "--fabric", "efa"),
    "gke": ("pd-disaggregation", "--accelerator", "h200", "--platform", "gke", "--fabric", "gke-dra"),
    "openshift": (
        "pd-disaggregation",
        "--accelerator",
        "h100",
        "--platform",
        "openshift",
        "--fabric",
        "openshift-roce",
    ),
}
"""Platform -> the recipe that is judged on its inventory, as a person asks for it."""

BLOCK: Final = re.compile(r"(<!-- report:begin -->\n).*?(<!-- report:end -->)", re.DOTALL)
EXITS: Final = (0, 3, 4)  # a report was written: ready, not ready, warnings of a strict run


def command(platform: str) -> tuple[str, ...]:
    """What gives the report, after `llmdctl`."""
    file = f"{INVENTORIES}/{platform}.yaml"
    return ("preflight", *PAGES[platform], "--namespace", "llm-d", "--inventory", file)


def report(platform: str) -> str:
    """The command and its report, headings one level down. Raises SystemExit with what it said when it gave none."""
    arguments = (*command(platform), "-o", "markdown")
    run = subprocess.run(
        [sys.executable, "-m", "llmdctl", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if run.returncode not in EXITS or not run.stdout:
        raise SystemExit(run.stderr)
    asked = f"```sh\nllmdctl {shlex.join(command(platform))}\n```\n"
    return f"{asked}\n{lowered(run.stdout)}"


def lowered(text: str) -> str:
    """Markdown with its headings one level down, code left alone, and never two empty lines in a row."""
    lines: list[str] = []
    code = False
    for line in text.splitlines():
        code ^= line.startswith("```")
        if not line and lines and not lines[-1]:
            continue
        lines.append(f"#{line}" if not code and re.match("#+ ", line) else line)
    return "\n".join(lines).strip("\n") + "\n"


def main() -> int:
    """Write the pages, or with --check name those that are out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = False
    for platform in sorted(PAGES):
        page = ROOT / "guides" / f"preflight-{platform}.md"
        before = page.read_text(encoding="utf-8")
        text = report(platform)
        after = BLOCK.sub(lambda found, text=text: found.group(1) + text + found.group(2), before)
        if before == after:
            continue
        print(page.relative_to(ROOT))
        stale = True
        if not check:
            page.write_text(after, encoding="utf-8")
    return int(check and stale)


if __name__ == "__main__":
    sys.exit(main())
