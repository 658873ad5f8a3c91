"""`-o json` answers fit their generated schemas, and every stream holds only what belongs on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from llmdctl import assets
from llmdctl.cli import main
from tests import documents

ROOT = Path(__file__).resolve().parents[3]


def schema(kind: str) -> dict[str, object]:
    return dict(json.loads((assets.schemas() / "output" / f"{kind}.schema.json").read_text()))


COMMANDS = {
    "RecipeList": ["recipe", "list"],
    "RecipeCells": ["recipe", "list", "optimized-baseline", "--cells", "--left-out"],
    "ModelFacet": [
        "recipe",
        "model",
        str(ROOT / "tests/unit/recipe/data/own-model/config.json"),
        "--id=my-company/my-model",
    ],
    "Recipe": ["recipe", "show", "pd-disaggregation"],
    "Validation": ["recipe", "validate", "optimized-baseline"],
    "Explanation": ["recipe", "explain", "pd-disaggregation", "--key", "modelserver.roles"],
    "Render": ["render", "optimized-baseline"],
    "Install": ["install", "optimized-baseline", "--dry-run=client"],
    "Version": ["version"],
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_json_fits_its_schema(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMANDS[kind], "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == kind
    jsonschema.validate(document, schema(kind), cls=jsonschema.Draft202012Validator)


def test_yaml_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    main(["recipe", "list", "-o", "json"])
    as_json = json.loads(capsys.readouterr().out)
    main(["recipe", "list", "-o", "yaml"])
    assert documents.load(capsys.readouterr().out) == as_json


def test_an_error_is_a_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "nothing-like-it", "-o", "json"]) == 2
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    jsonschema.validate(document, schema("Error"), cls=jsonschema.Draft202012Validator)
    assert document["exit_code"] == 2
    assert captured.err.startswith("Error: ")


def test_schemas_and_readme_are_up_to_date() -> None:
    for script in ("output_schemas.py", "generate_values.py", "readme.py"):
        done = subprocess.run(
            [sys.executable, str(ROOT / "tools" / script), "--check"], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, f"run make update: {done.stdout}{done.stderr}"


@pytest.mark.parametrize(
    "words",
    [
        ["recipe", "list"],
        ["recipe", "list", "--cells", "pd-disaggregation"],
        ["recipe", "show", "pd-disaggregation"],
        ["--help"],
        ["install", "--help"],
    ],
)
def test_ascii_locale_without_colour(words: list[str]) -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment |= {"COLUMNS": "80", "TERMINAL_WIDTH": "80"}
    environment.pop("PYTHONIOENCODING", None)
    done = subprocess.run([sys.executable, "-m", "llmdctl", *words], env=environment, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"\x1b" not in done.stdout
    text = done.stdout.decode("ascii")
    assert max(len(line) for line in text.splitlines()) <= 80


def test_help_and_completion_import_no_client() -> None:
    script = (
        "import sys; from llmdctl.cli import main; main(['--help']); "
        "print([m for m in ('kubernetes', 'helm_python', 'jsonschema', 'yaml', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m llmdctl render pd-disaggregation | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "---\n")
    assert "Traceback" not in done.stderr


def test_cluster_text_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    from llmdctl.cli.output import write_text
    from llmdctl.cli.views.tables import table

    write_text(table(("node", "reason"), [("[/gpu]", ":warning: [red]x")]))
    assert "[/gpu]" in capsys.readouterr().out
