"""Mistakes that need a cluster: each folder of tests/examples/negative-on-a-cluster is one, on the real control plane.

`case.yaml` holds `args`, `exit` and what comes before: `user` (expired, nobody), `fault` (as `sandbox fault set` takes
it), and `setup.yaml` beside it holds objects that are there already. NAMESPACE stands for the test's own namespace.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmdctl import sandbox
from llmdctl.cli import main
from llmdctl.sandbox.api import Resource

pytestmark = pytest.mark.e2e

HERE = Path(__file__).resolve().parents[2] / "examples" / "negative-on-a-cluster"
CASES = sorted(folder.parent for folder in HERE.glob("*/case.yaml"))
PLURALS = {"ConfigMap": ("api/v1", "configmaps"), "Deployment": ("apis/apps/v1", "deployments")}
VOLATILE = (
    (re.compile(r"-[0-9a-f]{8,10}-[0-9a-z]{5}\b"), "-POD"),
    (re.compile(r"\b\d+\.\d+ s\b"), "N s"),
    (re.compile(r"127\.0\.0\.1:\d+"), "SERVER"),
    (re.compile(r"\d+ of (\d+) replicas \w+"), r"N of \1 replicas"),
    (re.compile(r"^  pod .*FailedScheduling.*\n", re.MULTILINE), ""),  # only once the scheduler has looked
)


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_exit_code_and_message(folder: Path, plane, tmp_path: Path, capsys, golden) -> None:
    case = yaml.safe_load((folder / "case.yaml").read_text())
    namespace = plane.namespace("wrong")
    setup = folder / "setup.yaml"
    for item in yaml.safe_load_all(setup.read_text()) if setup.exists() else ():
        path, plural = PLURALS[item["kind"]]
        plane.api.create(Resource(path=path, plural=plural).url(namespace=namespace), item)
    kubeconfig = kubeconfig_of(plane, case.get("user", "administrator"), namespace, tmp_path)
    words = [str(word).replace("NAMESPACE", namespace) for word in case["args"]]
    with fault(plane, case.get("fault"), namespace):
        code = main([*words, "-n", namespace, "--kubeconfig", str(kubeconfig)])
    captured = capsys.readouterr()
    # The nodes are everybody's: what a mistake left behind must not keep the accelerators.
    main(["uninstall", words[1], "--yes", "-n", namespace, "--kubeconfig", str(plane.kubeconfig)])
    assert code == case["exit"], captured.err
    assert "Traceback" not in captured.err + captured.out
    golden(folder / "message.txt", told(captured.err, namespace))


def told(text: str, namespace: str) -> str:
    """The lines from the error on, without what differs from run to run."""
    lines = text.splitlines(keepends=True)
    first = next((number for number, line in enumerate(lines) if line.startswith("Error")), 0)
    message = "".join(lines[first:]).replace(namespace, "NAMESPACE")
    for pattern, word in VOLATILE:
        message = pattern.sub(word, message)
    return message


@contextmanager
def fault(plane, wanted: dict[str, Any] | None, namespace: str) -> Iterator[None]:
    """The fault, in this namespace, for the time of the command."""
    if wanted is None:
        yield
        return
    kind = sandbox.FaultKind(wanted["kind"])
    made = sandbox.fault(
        plane.name, kind, namespace=namespace, labels=wanted.get("labels", {}), log=tuple(wanted.get("log", ()))
    )
    try:
        yield
    finally:
        sandbox.clear_faults(plane.name, made.name)


def kubeconfig_of(plane, user: str, namespace: str, folder: Path) -> Path:
    """The administrator's kubeconfig, or one with a token that is no longer good or has no rights."""
    if user == "administrator":
        return plane.kubeconfig
    config = yaml.safe_load(plane.kubeconfig.read_text())
    token = "an-old-token"
    if user == "nobody":
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        accounts = Resource(path="api/v1", plural="serviceaccounts").url(namespace=namespace)
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}}
        plane.api.create(accounts, account)
        token = plane.api.request("POST", f"{accounts}/nobody/token", request)["status"]["token"]
    for entry in config["users"]:
        entry["user"] = {"token": token}
    place = folder / "kubeconfig"
    place.write_text(yaml.safe_dump(config))
    return place
