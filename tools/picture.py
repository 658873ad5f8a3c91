"""guides/images/demo.svg: what `make demo` shows on a machine where containers can run, drawn by rich.

It runs in a sandbox of its own. Of the long outputs the picture keeps the commands, the streamed answer and its proof.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "guides" / "images" / "demo.svg"
DEMO = Path(__file__).resolve().parent / "demo.py"
NAME = "picture"
WIDTH = 118
_WHOLE = frozenset({"verify", "forward"})
_LINES = 4
# rich's own format loads a font from the network; the viewer's monospace font will do.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace("Fira Code", "monospace")


def main() -> int:
    """Run the demo and write the picture; the sandbox is gone afterwards. Needs root on Linux."""
    environment = {**os.environ, "COLUMNS": str(WIDTH)}
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    try:
        words = [sys.executable, str(DEMO), "up", "--name", NAME, "--node", "real"]
        done = subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    finally:
        subprocess.run([sys.executable, str(DEMO), "down", "--name", NAME], check=True, stdout=subprocess.DEVNULL)
    for line in shown(presentable(done.stdout)):
        console.print(Text(line, style="bold cyan" if line.startswith("$ ") else ""))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(console.export_svg(title="llmdctl", code_format=FORMAT), encoding="utf-8")
    return 0


def shown(lines: Iterable[str]) -> Iterator[str]:
    """Every command; what `verify` and a client print whole, of other commands the answer's first lines."""
    room = 0
    for line in lines:
        if line.startswith("$ "):
            room = sys.maxsize if _WHOLE & set(line.split()) else _LINES
            yield ""
            yield line
        elif room > 0 and line:
            room -= 1
            yield line


def presentable(text: str) -> list[str]:
    """The lines without what belongs to this machine: process numbers, folders, ports."""
    text = text.replace(str(Path.home()), "~")
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:6443", text)
    return text.splitlines()


if __name__ == "__main__":
    sys.exit(main())
