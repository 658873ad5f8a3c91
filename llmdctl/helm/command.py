"""Command lines of helm 3 and helm 4. Pure: no values and no secrets ever appear in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from llmdctl.helm.door import Change, Target

INPUT: Final = Path("-")
"""As the file of values: what the program reads from its input."""

_PER_FLAG: Final = 500  # API versions in one argument; Linux takes 128 KiB in one, a name has some 50 characters


def target_flags(target: Target) -> list[str]:
    """Which cluster."""
    flags: list[str] = []
    if target.kubeconfig is not None:
        flags += ["--kubeconfig", str(target.kubeconfig)]
    if target.context is not None:
        flags += ["--kube-context", target.context]
    return flags


def template(
    *,
    name: str,
    namespace: str,
    chart: Path,
    values: Path,
    kube_version: str,
    api_versions: Sequence[str],
    upgrade: bool,
) -> list[str]:
    """`helm template`: the same flags in both majors."""
    command = ["template", name, str(chart), "--namespace", namespace, "--values", str(values)]
    command += ["--kube-version", kube_version, "--no-hooks", "--skip-crds"]
    for start in range(0, len(api_versions), _PER_FLAG):
        command += ["--api-versions", ",".join(api_versions[start : start + _PER_FLAG])]
    return [*command, "--is-upgrade"] if upgrade else command


def upgrade(change: Change, *, values: Path, major: int, dry_run: bool = False) -> list[str]:
    """`helm upgrade --install`.

    Without --wait: readiness is judged by llmdctl, which fails fast with the reason. Without --atomic or
    --rollback-on-failure: a failed release stays to be looked at, and the next run continues from it.
    """
    command = ["upgrade", change.name, change.chart, "--install", "--namespace", change.namespace]
    command += ["--values", str(values), "--reset-values", "--output", "json", "--history-max", "5"]
    command += ["--timeout", f"{max(1, round(change.timeout_s))}s"]
    if change.chart_version is not None:
        command += ["--version", change.chart_version]
    if change.repository is not None:
        command += ["--repo", change.repository]
    if change.labels:
        command += ["--labels", ",".join(f"{key}={value}" for key, value in sorted(change.labels.items()))]
    if change.description:
        command += ["--description", change.description]
    if change.create_namespace:
        command.append("--create-namespace")
    if change.skip_crds:
        command.append("--skip-crds")
    if change.take_ownership:
        command.append("--take-ownership")
    if change.force_conflicts and major >= 4:  # helm 3 merges on the client and takes every field anyway
        command += ["--server-side=true", "--force-conflicts"]
    # Helm's own judgement fetches the schema of each kind, half a second on both sides. The objects of a preview are
    # judged by the API server itself, and so are those that have been tried before; Helm 4 also writes strictly.
    if dry_run or change.judged:
        command.append("--disable-openapi-validation")
    return [*command, "--dry-run=server"] if dry_run else command


def rollback(name: str, namespace: str, revision: int, *, timeout_s: float) -> list[str]:
    """`helm rollback`."""
    return ["rollback", name, str(revision), "--namespace", namespace, "--timeout", f"{max(1, round(timeout_s))}s"]


def uninstall(name: str, namespace: str, *, timeout_s: float) -> list[str]:
    """`helm uninstall`, not waiting: what is left is waited for by llmdctl, which can say what it is."""
    return ["uninstall", name, "--namespace", namespace, "--timeout", f"{max(1, round(timeout_s))}s"]


def get(what: str, name: str, namespace: str, revision: int) -> list[str]:
    """`helm get manifest|values|notes` of one revision."""
    command = ["get", what, name, "--namespace", namespace, "--revision", str(revision)]
    return [*command, "--output", "json"] if what == "values" else command
