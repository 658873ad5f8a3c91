"""`llmdctl lint`: where manifests come from, how findings are written, what is ignored, and the exit code."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import jsonschema
import pytest

from llmdctl import assets
from llmdctl.cli import main
from llmdctl.lint import CODES
from tests import documents

ROOT = Path(__file__).resolve().parents[3]
GOOD = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: demo}\nspec: {ports: [{port: 80}]}\n"
BAD = """apiVersion: v1
kind: Pod
metadata: {name: p, namespace: demo}
spec:
  containers:
    - name: engine
      image: docker.io/vllm/vllm-openai:v0.23.0
      command: [vllm, serve]
      args: [m, --no-such-flag]
"""
WARNS = GOOD.replace("Service", "Pod").replace("ports: [{port: 80}]", "containers: [{name: c, image: busybox}]")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {"good.yaml": GOOD, "bad.yaml": BAD, "warns.yaml": WARNS}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["good.yaml"], 0),
        (["bad.yaml"], 2),
        (["warns.yaml"], 0),
        (["warns.yaml", "--strict"], 4),
        (["bad.yaml", "--strict"], 2),
        (["bad.yaml", "--ignore", "LD1701"], 0),
        (["warns.yaml", "--strict", "--ignore", "LD1911"], 0),
        (["."], 2),
        ([], 2),
        (["nothing.yaml"], 2),
    ],
)
def test_exit_codes(here: Path, arguments: list[str], code: int) -> None:
    assert main(["lint", *arguments]) == code


def test_a_finding_says_where_what_and_what_to_do(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["lint", "bad.yaml"])
    assert capsys.readouterr().out.splitlines() == [
        "bad.yaml:9: error LD1701: vLLM 0.23.0 has no flag --no-such-flag. Remove it. "
        "(Pod/demo/p spec.containers[0].args[1])",
        "1 object: 1 error.",
    ]


def test_json_fits_its_schema(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["lint", "bad.yaml", "-o", "json"])
    document = json.loads(capsys.readouterr().out)
    schema = json.loads((assets.schemas() / "output" / "Lint.schema.json").read_text())
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    assert document["findings"][0]["path"] == "spec.containers[0].args[1]"
    assert document["counts"] == {"error": 1, "warning": 0, "unknown": 0, "note": 0}


def test_the_list_of_rules_fits_its_schema_and_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "--list-rules", "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    schema = json.loads((assets.schemas() / "output" / "LintRules.schema.json").read_text())
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    assert {row["code"] for row in document["rules"]} == set(CODES)


def test_sarif_points_at_the_line_and_at_the_rule(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["lint", "bad.yaml", "warns.yaml", "-o", "sarif"])
    log = json.loads(capsys.readouterr().out)
    run = log["runs"][0]
    assert (log["version"], run["tool"]["driver"]["name"]) == ("2.1.0", "llmdctl")
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "bad.yaml"}, "region": {"startLine": 9}}
    assert [result["level"] for result in run["results"]] == ["error", "warning"]


def test_github_commands_are_escaped(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["lint", "bad.yaml", "-o", "github"])
    assert capsys.readouterr().out == (
        "::error file=bad.yaml,line=9,title=LD1701 Pod/demo/p::vLLM 0.23.0 has no flag --no-such-flag. Remove it.\n"
    )


def test_standard_input(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
    assert main(["lint", "-"]) == 2
    assert capsys.readouterr().out.startswith("<stdin>:9: error LD1701")


def test_a_wrong_code_is_refused_with_the_nearest(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "bad.yaml", "--ignore", "LD1711"]) == 2
    assert "--ignore: no rule has the code 'LD1711'. Did you mean 'LD1710'?" in capsys.readouterr().err


def test_the_file_of_a_repository_ignores_codes_and_names_versions(here: Path) -> None:
    (here / ".llmdctl-lint.yaml").write_text("ignore: [LD1701]\nengine_version: 0.23.0\n")
    assert main(["lint", "bad.yaml"]) == 0


def test_mistakes_in_that_file_are_all_shown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mine.yaml").write_text("ignor: []\nignore: [LD0000]\n")
    assert main(["lint", "bad.yaml", "--config", "mine.yaml"]) == 2
    shown = capsys.readouterr().err
    assert "unknown key 'ignor'. Did you mean 'ignore'?" in shown
    assert "no rule has the code 'LD0000'." in shown


def test_an_annotation_ignores_on_its_own_object_only(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = BAD.replace("metadata: {", 'metadata: {annotations: {lint.llmdctl.dev/ignore: "LD1701, LD1911"}, ')
    (here / "both.yaml").write_text(f"{quiet}---\n{BAD.replace('name: p', 'name: q')}")
    assert main(["lint", "both.yaml"]) == 2
    shown = capsys.readouterr().out
    assert shown.count("LD1701") == 1
    assert "1 ignored" in shown


def test_versions_that_images_do_not_say_can_be_given(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "own.yaml").write_text(BAD.replace("vllm-openai:v0.23.0", "vllm-openai:mine-1").replace("no-such", "swap"))
    main(["lint", "own.yaml"])
    assert "the image does not say its version" in capsys.readouterr().out
    assert main(["lint", "own.yaml", "--engine-version", "0.23.0"]) == 2


def test_files_that_are_named_belong_together_and_folders_do_not(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("one", "two"):
        (here / folder).mkdir()
        (here / folder / "a.yaml").write_text(GOOD)
    assert main(["lint", "one", "two"]) == 0
    capsys.readouterr()
    main(["lint", "one/a.yaml", "two/a.yaml"])
    assert "LD1613" in capsys.readouterr().out


def test_a_kustomization_says_what_counts(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = here / "overlay"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text("resources: [good.yaml]\npatches: [{path: part.yaml}]\n")
    (folder / "good.yaml").write_text(GOOD)
    (folder / "part.yaml").write_text(BAD)
    (folder / "old.yaml").write_text(BAD)
    assert main(["lint", "overlay"]) == 0, capsys.readouterr().out


def test_templates_of_charts_are_left_out_and_nothing_else_is_a_mistake(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = here / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("name: a\n")
    (chart / "templates" / "x.yaml").write_text("{{- if .Values.a }}\n")
    assert main(["lint", "chart"]) == 2
    assert "Render charts and kustomizations first" in capsys.readouterr().err


def test_partial_takes_what_a_commit_hook_hands_over(here: Path) -> None:
    (here / "values.yaml").write_text("replicas: 3\n")
    assert main(["lint", "values.yaml"]) == 2
    assert main(["lint", "--partial", "values.yaml"]) == 0


def test_the_commit_hook_names_a_verb_and_options_that_exist(here: Path) -> None:
    hook = documents.load((ROOT / ".pre-commit-hooks.yaml").read_text())[0]
    program, *arguments = hook["entry"].split()
    assert program == "llmdctl"
    assert main([*arguments, "good.yaml"]) == 0


def test_what_a_recipe_renders_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["--set", "modelserver.roleDefaults.args.no-such-flag=1"]
    assert main(["recipe", "validate", "optimized-baseline", *wrong]) == 2
    assert "LD1701: vLLM 0.23.0 has no flag --no-such-flag." in capsys.readouterr().err
    assert main(["render", "optimized-baseline", *wrong]) == 2
    assert main(["install", "optimized-baseline", "--dry-run=client", *wrong]) == 2
    capsys.readouterr()
    assert main(["render", "optimized-baseline", "--force", *wrong]) == 0
    assert "Error: LD1701" in capsys.readouterr().err
