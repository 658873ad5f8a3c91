"""llmdctl/lint/data/<engine>-history.json: which flag names (and environment variables) each version's source has.

    python tools/lint/flag_history.py vllm 0.23.0=DIR 0.32.0=llmdctl/lint/data/vllm-0.32.0.json ... > FILE

A version is given as a snapshot, or as DIR, which holds the unpacked wheel of that version; only its syntax is read,
nothing of it is run or kept. Names only: types and choices come from a recording of the engine's own parser
(`<engine>-<version>.json`).
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

FILES = {
    "vllm": ("vllm/engine/arg_utils.py", "vllm/entrypoints/*/cli_args.py", "vllm/entrypoints/cli/serve.py"),
    "sglang": ("sglang/srt/server_args.py",),
}
FRONTEND_CLASSES = {"vllm": ("FrontendArgs", "BaseFrontendArgs"), "sglang": ("ServerArgs",)}
ENVIRONMENT = {"vllm": "vllm/envs.py"}
PREFIX = "--"


def flag_names(tree: ast.AST) -> Iterator[str]:
    """Every `add_argument("--name", "-n", ...)`, with the `--no-` form of switches that have one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            names = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            yield from (name for name in names if name.startswith("-"))


def fields(tree: ast.AST, classes: tuple[str, ...]) -> Iterator[str]:
    """`--name` of every annotated field of a dataclass whose fields become flags, and its `--no-` form."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name in classes:
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                    yield PREFIX + line.target.id.replace("_", "-")


def variables(tree: ast.AST) -> Iterator[str]:
    """The keys of the table `environment_variables`."""
    for node in ast.walk(tree):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        named = any(isinstance(target, ast.Name) and target.id == "environment_variables" for target in targets)
        if named and isinstance(getattr(node, "value", None), ast.Dict):
            for key in node.value.keys:
                if isinstance(key, ast.Constant):
                    yield str(key.value)


def version(engine: str, folder: Path) -> tuple[set[str], set[str]]:
    """The flags and the variables of one unpacked version."""
    if folder.is_file():
        snapshot = json.loads(folder.read_text())
        return {name for option in snapshot["options"] for name in option["names"]}, set()
    flags: set[str] = set()
    for name in FILES[engine]:
        for file in sorted(folder.glob(name)):
            tree = ast.parse(file.read_text())
            flags |= set(flag_names(tree))
            flags |= set(fields(tree, FRONTEND_CLASSES[engine]))
    place = ENVIRONMENT.get(engine)
    known = set(variables(ast.parse((folder / place).read_text()))) if place and (folder / place).exists() else set()
    return flags, known


def ranges(present: list[bool]) -> list[list[int]]:
    """Runs of True as [first, last]."""
    found: list[list[int]] = []
    for index, here in enumerate(present):
        if here and found and found[-1][1] == index - 1:
            found[-1][1] = index
        elif here:
            found.append([index, index])
    return found


def table(sets: list[set[str]]) -> dict[str, list[list[int]]]:
    """name -> the runs of versions that have it."""
    return {name: ranges([name in one for one in sets]) for name in sorted(set().union(*sets))}


def main() -> int:
    """Write the table of one engine to stdout."""
    engine, *given = sys.argv[1:]
    folders = dict(argument.split("=", 1) for argument in given)
    read = [version(engine, Path(folder)) for folder in folders.values()]
    document = {
        "engine": engine,
        "source": f"the source of {engine} as published, read by tools/lint/flag_history.py",
        "versions": list(folders),
        "flags": table([flags for flags, _ in read]),
        "variables": table([known for _, known in read]),
    }
    rows = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in document.items() if not isinstance(value, dict)]
    for key in ("flags", "variables"):
        inner = ",\n".join(f"  {json.dumps(name)}: {json.dumps(runs)}" for name, runs in document[key].items())
        rows.append(f'"{key}": {{\n{inner}\n}}')
    print("{\n" + ",\n".join(rows) + "\n}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
