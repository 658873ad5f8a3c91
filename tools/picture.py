"""guides/images/demo.svg: a real run of the demo in a sandbox of its own, drawn by rich.

The commands run in a pseudo-terminal, so that the picture shows what a person sees; the last screen of each is kept.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "guides" / "images" / "demo.svg"
LLMDCTL = str(Path(sys.executable).parent / "llmdctl")
NAME = "picture"
WIDTH = 118
# rich's own format loads a font from the network; the viewer's monospace font will do.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace("Fira Code", "monospace")
COMMANDS = (
    ("recipe", "list"),
    ("sandbox", "up", "--nodes", "h200=2,cpu=1", "--quiet"),
    ("install", "pd-disaggregation", "--accelerator", "h200", "-n", "llm", "--quiet"),
)


def main() -> int:
    """Run the demo and write the picture; the sandbox is gone afterwards."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    environment = {**os.environ, "COLUMNS": str(WIDTH)}
    try:
        for words in COMMANDS:
            console.print(Text(f"$ llmdctl {' '.join(words)}", style="bold cyan"))
            extra = ("--name", NAME) if words[0] == "sandbox" else ()
            done = subprocess.run(
                [LLMDCTL, *words, *extra], env=environment, check=True, capture_output=True, text=True
            )
            for line in presentable(done.stderr + done.stdout):
                console.print(Text(line))
            console.print()
            if words[0] != "sandbox":
                continue
            place = subprocess.run(
                [LLMDCTL, "sandbox", "kubeconfig", "--name", NAME], check=True, capture_output=True, text=True
            )
            environment["KUBECONFIG"] = place.stdout.strip()
    finally:
        subprocess.run([LLMDCTL, "sandbox", "down", "--name", NAME, "--quiet"], check=True)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(console.export_svg(title="llmdctl", code_format=FORMAT), encoding="utf-8")
    return 0


def presentable(text: str) -> list[str]:
    """The lines without what belongs to this machine: process numbers, folders, ports."""
    text = text.replace(str(Path.home()), "~")
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:6443", text)
    return text.splitlines()


if __name__ == "__main__":
    sys.exit(main())
