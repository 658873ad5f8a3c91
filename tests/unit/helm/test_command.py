"""The command lines: what differs between the majors, and what must never be in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmdctl.helm import Change, Target
from llmdctl.helm import command as commands

VALUES = Path("values.yaml")
CHANGE = Change(name="pd", namespace="llm", chart="charts/llmd", values={"token": "hidden"}, timeout_s=12.4)


def changed(**more: object) -> Change:
    fields = {name: getattr(CHANGE, name) for name in CHANGE.__dataclass_fields__}
    return Change(**(fields | more))


def test_an_upgrade_installs_replaces_all_values_and_does_not_wait():
    line = commands.upgrade(CHANGE, values=VALUES, major=4)
    assert line[:3] == ["upgrade", "pd", "charts/llmd"]
    assert {"--install", "--reset-values", "--values"} < set(line)
    assert line[line.index("--timeout") + 1] == "12s"
    assert not {"--wait", "--atomic", "--rollback-on-failure", "--create-namespace", "--version"} & set(line)


@pytest.mark.parametrize("major", [3, 4])
def test_values_are_in_no_command_line_and_no_repr(major: int):
    assert "hidden" not in " ".join(commands.upgrade(CHANGE, values=VALUES, major=major))
    assert "hidden" not in repr(CHANGE)


@pytest.mark.parametrize(
    ("major", "expected"), [(3, []), (4, ["--server-side=true", "--force-conflicts"])], ids=["helm 3", "helm 4"]
)
def test_only_helm_4_knows_field_conflicts(major: int, expected: list[str]):
    line = commands.upgrade(changed(force_conflicts=True), values=VALUES, major=major)
    assert [flag for flag in line if flag.startswith(("--server-side", "--force"))] == expected


def test_labels_are_one_argument_in_a_fixed_order():
    line = commands.upgrade(changed(labels={"b": "2", "a": "1"}), values=VALUES, major=4)
    assert line[line.index("--labels") + 1] == "a=1,b=2"


def test_a_chart_of_a_repository_is_asked_for_by_name_and_version():
    change = changed(chart="keda", repository="https://charts.example", chart_version="2.1.0")
    line = commands.upgrade(change, values=VALUES, major=3)
    assert line[2] == "keda"
    assert line[line.index("--repo") + 1] == "https://charts.example"
    assert line[line.index("--version") + 1] == "2.1.0"


def test_a_timeout_is_never_zero_which_helm_takes_for_none():
    assert commands.uninstall("pd", "llm", timeout_s=0.2)[-1] == "1s"


def test_the_preview_is_a_dry_run_on_the_server():
    assert "--dry-run=server" in commands.upgrade(CHANGE, values=VALUES, major=3, dry_run=True)
    assert "--dry-run=server" not in commands.upgrade(CHANGE, values=VALUES, major=3)


@pytest.mark.parametrize(
    ("judged", "preview", "left_out"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_what_the_server_judges_is_not_judged_by_helm_as_well(judged: bool, preview: bool, left_out: bool):
    line = commands.upgrade(changed(judged=judged), values=VALUES, major=4, dry_run=preview)
    assert ("--disable-openapi-validation" in line) is left_out


def test_many_api_versions_are_spread_over_arguments():
    line = commands.template(
        name="a", namespace="n", chart=Path("c"), values=VALUES, kube_version="1.34.4",
        api_versions=[f"g{number}/v1" for number in range(1200)], upgrade=True,
    )  # fmt: skip
    given = [line[place + 1] for place, flag in enumerate(line) if flag == "--api-versions"]
    assert len(given) == 3
    assert sum(len(argument.split(",")) for argument in given) == 1200
    assert line[-1] == "--is-upgrade"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(), []),
        (Target(kubeconfig=Path("k"), context="c"), ["--kubeconfig", "k", "--kube-context", "c"]),
    ],
)
def test_the_target_is_named_only_where_it_was_chosen(target: Target, expected: list[str]):
    assert commands.target_flags(target) == expected
