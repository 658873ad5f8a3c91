"""A package of llmdctl that stands alone in an image, as a layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import llmdctl
from llmdctl.programs.origin import Reporter, silent
from llmdctl.sandbox.images.distributions import SITE
from llmdctl.sandbox.images.facet import OwnPackage
from llmdctl.sandbox.images.interpreter import PREFIX
from llmdctl.sandbox.images.items import File, Item
from llmdctl.sandbox.images.modules import compiled

_TOP: Final = Path(llmdctl.__file__).parent
_NOTHING: Final = b'"""Only a part of llmdctl is in this image."""\n'
_CODE: Final = (".py", ".json", ".yaml")


def items(source: OwnPackage, *, report: Reporter = silent) -> tuple[Item, ...]:
    """The package's modules and data, compiled, and its commands. Its parents are empty: it imports none of them."""
    folder = _TOP.parent / Path(*source.package.split("."))
    files = [path for path in folder.rglob("*") if path.suffix in _CODE and "__pycache__" not in path.parts]
    places: dict[str, Path | bytes] = {f"{SITE}/{path.relative_to(_TOP.parent)}": path for path in files}
    places |= {f"{SITE}/llmdctl/{name}": _TOP / name for name in source.data}
    parents = Path(*source.package.split(".")).parents
    places |= {f"{SITE}/{parent}/__init__.py": _NOTHING for parent in parents if parent.parts}
    places |= _modules(source.package, source.modules)
    commands = (
        File(
            path=f"{PREFIX}/bin/{name}", content=_start(source.package, words, f"#!/{PREFIX}/bin/python3\n"), mode=0o755
        )
        for name, words in source.commands.items()
    )
    return (*compiled(source.name, places, report=report), *commands)


def _modules(package: str, modules: Mapping[str, tuple[str, ...]]) -> dict[str, Path | bytes]:
    """Modules for `python -m`, and empty packages above them."""
    places: dict[str, Path | bytes] = {}
    for name, words in modules.items():
        path = Path(*name.split("."))
        places |= {f"{SITE}/{parent}/__init__.py": _NOTHING for parent in path.parents if parent.parts}
        places[f"{SITE}/{path}.py"] = _start(package, words, "")
    return places


def _start(package: str, words: tuple[str, ...], first: str) -> bytes:
    """Starts the package with these words before the rest of the command line."""
    return (
        f"{first}import sys\n\nfrom {package}.__main__ import main\n\n"
        f'if __name__ == "__main__":\n    sys.exit(main([*{words!r}, *sys.argv[1:]]))\n'
    ).encode()
