"""`llmdctl preflight` over captured clusters: exit codes, forms, what is chosen, and mistakes on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from llmdctl import assets
from llmdctl.cli import main
from llmdctl.preflight import CHECKS, LEFT_OUT
from tests import documents

INVENTORIES = Path(__file__).resolve().parents[2] / "fixtures" / "inventories"
GKE = str(INVENTORIES / "gke.yaml")
FITS = ("preflight", "pd-disaggregation", "pd", "-n", "llm", "--platform", "gke", "--inventory", GKE)
FITS_NOT = ("preflight", "pd-disaggregation", "--accelerator", "mi300x", "--inventory", GKE)
FORMS = ("text", "json", "yaml", "junit", "markdown", "html")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(list(words))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_cluster_that_fits(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *FITS)
    assert code == 0
    assert out.startswith("pd-disaggregation as pd in llm: gpt-oss-120b on h200, vllm\n")
    assert "decode   2 of 2    2 of 2" in out
    assert "FAIL" not in out


def test_a_cluster_that_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *FITS_NOT)
    assert code == 3
    assert out.index("FAIL  LD06") < out.index("Not ready: ")
    assert "Error" not in err, "the report says it; a second message would only repeat it"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("words", "expected"), [(FITS, 0), (FITS_NOT, 3)], ids=["fits", "fits-not"])
def test_every_form_ends_alike(
    form: str,
    words: tuple[str, ...],
    expected: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # a file has no width, and neither has a pipe
    place = tmp_path / f"report.{form}"
    code, out, err = run(capsys, *words, "-o", form, "--to", str(place))
    assert (code, out) == (expected, "")
    assert f"The report is in {place}." in err
    assert [each.name for each in tmp_path.iterdir()] == [place.name], "written whole, and nothing beside it"
    text = place.read_text(encoding="utf-8")
    assert text.endswith("\n")
    code, out, _ = run(capsys, *words, "-o", form)
    assert (code, out) == (expected, text)


def test_json_fits_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *FITS_NOT, "-o", "json")
    document = json.loads(out)
    schema = json.loads((assets.schemas() / "output" / "Preflight.schema.json").read_text())
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    assert document["kind"] == "Preflight"
    assert document["exit_code"] == code == 3
    assert sum(document["counts"].values()) == len(document["results"]) == len(CHECKS)
    assert [row["code"] for row in document["results"]] == sorted(CHECKS)
    pods = document["placement"]["pods"]
    assert {"role", "replica", "pod", "node", "reason"} == set(pods[0])
    wanted = {row["role"]: row["replicas_wanted"] for row in document["placement"]["roles"]}
    assert wanted["decode"] == len([pod for pod in pods if pod["role"] == "decode" and pod["pod"] == 0])
    code, out, _ = run(capsys, *FITS_NOT, "-o", "yaml")
    assert documents.load(out) == document


def test_a_code_or_a_category_alone(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, *FITS, "-o", "json", "--only", "ld0301", "--only", "capacity")
    found = {row["code"]: row["category"] for row in json.loads(out)["results"]}
    assert set(found) == {code for code, check in CHECKS.items() if code == "LD0301" or check.category == "capacity"}


def test_an_ignored_failure_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, *FITS_NOT, "-o", "json")
    failed = [row["code"] for row in json.loads(out)["results"] if row["outcome"] == "fail"]
    ignoring = [word for code in failed for word in ("--ignore", code.lower())]
    code, out, _ = run(capsys, *FITS_NOT, "-o", "json", *ignoring)
    rows = {row["code"]: row for row in json.loads(out)["results"]}
    assert code == 0
    assert all((rows[one]["outcome"], rows[one]["ignored"]) == ("warn", True) for one in failed)
    assert run(capsys, *FITS_NOT, *ignoring, "--strict")[0] == 4


def test_strict_junit_fails_on_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *FITS, "-o", "junit", "--strict")
    failures = int(ElementTree.fromstring(out).get("failures", "0"))
    assert (code == 4) == (failures > 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ignore", "LD9999"), "'LD9999' is no code of a check."),
        (("--ignore", "capacity"), "'capacity' is no code of a check."),
        (("--only", "capcity"), "Did you mean 'capacity'?"),
        (("--only", "LD06011", "--only", "nothing"), "'nothing' is no code of a check and no category."),
        (("--explain", "LD06011"), "'LD06011' is no code of a check."),
        (("--inventory", "nowhere.yaml"), "nowhere.yaml"),
        (("--to", "nowhere/report.txt"), "Cannot write nowhere"),
        (("--platform", "moon"), "moon"),
    ],
)
def test_mistakes_are_named(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *FITS, *words)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("code", sorted(CHECKS))
def test_every_check_explains_itself(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    ended, out, _ = run(capsys, "preflight", "--explain", code)
    assert ended == 0
    assert out.startswith(f"{code} {CHECKS[code].slug} ({CHECKS[code].category}, ")
    assert "What to do: " in out
    assert out.isascii()


def test_the_list_of_checks_and_what_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "preflight", "--explain", "all")
    assert [line[:6] for line in out.splitlines()] == sorted(CHECKS)
    for code, reason in LEFT_OUT.items():
        _, out, _ = run(capsys, "preflight", "--explain", code)
        assert reason in out


def test_codes_are_checks_or_left_out_never_both() -> None:
    assert not set(CHECKS) & set(LEFT_OUT)


def test_eighty_columns_in_ascii(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run(capsys, *FITS_NOT)
    assert out.isascii()
    words = [word for line in out.splitlines() if len(line) > 80 for word in line.split()]
    assert all(len(line) <= 80 or "$ " in line or max(map(len, line.split())) > 60 for line in out.splitlines()), words
