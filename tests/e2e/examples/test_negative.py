"""Mistakes that need a cluster: each folder of tests/examples/negative-on-a-cluster is one, on the real control plane.

`case.yaml` holds `args` (run in a copy of the folder) and `exit`. What comes before: `user` (expired, nobody), `fault`
(as `sandbox fault set` takes it), `before` (`args` of another run), `killed: true` (the same run, ended by SIGKILL
while Helm works); `setup.yaml` holds objects that are there already, `meddling.yaml` what somebody applies after
`before`, and `first` is a run (`args`) under the fault, after which the command comes once every pod has settled: what
it says at the end of its time must not go by how fast the nodes are. `ctrl_c` names the stages that are interrupted, a
run for each, or `helm` for while Helm works; the run after them must end with `again`, and `then` is the next command
in the same place. `shows` picks the lines of a message that is no error. NAMESPACE stands for the test's own namespace.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmdctl import sandbox
from llmdctl.cli import main
from llmdctl.sandbox.api import Resource
from tests.e2e.examples.cutting import interrupted, killed
from tests.e2e.sandbox.objects import DEPLOYMENTS, PODS, SECRETS, condition, wait

pytestmark = pytest.mark.e2e

HERE = Path(__file__).resolve().parents[2] / "examples" / "negative-on-a-cluster"
CASES = sorted(folder.parent for folder in HERE.glob("*/case.yaml"))
PLURALS = {"ConfigMap": ("api/v1", "configmaps"), "Deployment": ("apis/apps/v1", "deployments")}
APPLY = "application/apply-patch+yaml"
Line = Callable[[list[object]], list[str]]  # the words of a case, with the namespace and the kubeconfig
VOLATILE = (
    (re.compile(r"-[0-9a-f]{8,10}-[0-9a-z]{5}\b"), "-POD"),
    (re.compile(r"\b\d+\.\d+ s\b"), "N s"),
    (re.compile(r"127\.0\.0\.1:\d+"), "SERVER"),
    (re.compile(r"\d+ of (\d+) replicas \w+"), r"N of \1 replicas"),
    (re.compile(r"^  pod .*FailedScheduling.*\n", re.MULTILINE), ""),  # only once the scheduler has looked
)


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_exit_code_and_message(folder: Path, plane, tmp_path: Path, monkeypatch, capsys, golden) -> None:
    case = yaml.safe_load((folder / "case.yaml").read_text())
    monkeypatch.chdir(shutil.copytree(folder, tmp_path / "case"))
    namespace = plane.namespace("wrong")
    kubeconfig = kubeconfig_of(plane, case.get("user", "administrator"), namespace, tmp_path)

    def line(words: list[object]) -> list[str]:
        named = [str(word).replace("NAMESPACE", namespace) for word in words]
        return [*named, "-n", namespace, "--kubeconfig", str(kubeconfig)]

    try:
        prepare(plane, case, namespace, line)
        capsys.readouterr()
        with fault(plane, case.get("fault"), namespace):
            if "first" in case:
                assert main(line(case["first"])) == 0
                wait("pods that have settled", lambda: settled(plane, namespace))
                capsys.readouterr()
            said = "".join(
                told(message, namespace, case.get("shows"))
                for message in messages(plane, case, namespace, line, capsys)
            )
    finally:  # the nodes are everybody's: what a mistake left behind must not keep the accelerators
        if plane.api.items(f"{SECRETS.url(namespace=namespace)}?labelSelector=owner%3Dhelm"):
            plane.free(namespace)
    golden(folder / "message.txt", said)


def messages(plane, case: dict[str, Any], namespace: str, line: Line, capsys) -> Iterator[str]:
    """What each run of a case says, which must end with the case's code."""
    for stage in case.get("ctrl_c", [None]):
        if stage is None:
            code, said = main(line(case["args"])), capsys.readouterr().err
        else:
            code, said = interrupted(plane, namespace, lambda: main(line(case["args"])), stage)
        assert code == case["exit"], said
        assert "Traceback" not in said
        yield said
    if "again" in case:
        assert main(line(case["args"])) == case["again"], capsys.readouterr().err
    if "then" in case:
        yield from messages(plane, case["then"], namespace, line, capsys)


def prepare(plane, case: dict[str, Any], namespace: str, line: Line) -> None:
    """What was there, and what happened, before the command; the case's folder is the present one."""
    for item in documents(Path("setup.yaml")):
        plane.api.create(resource_of(item).url(namespace=namespace), item)
    if "before" in case:
        assert main(line(case["before"])) == 0
    for item in documents(Path("meddling.yaml")):
        url = resource_of(item).url(item["metadata"]["name"], namespace=namespace)
        plane.api.request("PATCH", f"{url}?fieldManager=somebody&force=true", item, content=APPLY)
    if case.get("killed"):
        killed(plane, namespace, line(case["args"]))


def settled(plane, namespace: str) -> bool:
    """Whether all pods are there, each ready or kept from it, and their Deployments know."""
    deployments = plane.api.items(DEPLOYMENTS.url(namespace=namespace))
    pods = plane.api.items(PODS.url(namespace=namespace))
    ready = sum(condition(pod["status"], "Ready").startswith("True") for pod in pods)
    return (
        all(map(has_come_to_something, pods))
        and len(pods) == sum(item["spec"]["replicas"] for item in deployments)
        and ready == sum(item["status"].get("readyReplicas", 0) for item in deployments)
    )


def has_come_to_something(pod: dict[str, Any]) -> bool:
    """Whether a pod is ready, has no place, or waits for what does not come."""
    status = pod["status"]
    waiting = [entry.get("state", {}).get("waiting", {}) for entry in status.get("containerStatuses", ())]
    return (
        condition(status, "Ready").startswith("True")
        or condition(status, "PodScheduled") == "False:Unschedulable"
        or any(entry.get("reason") == "ImagePullBackOff" for entry in waiting)
    )


def documents(file: Path) -> list[dict[str, Any]]:
    """The objects of a file; none where there is none."""
    return list(yaml.safe_load_all(file.read_text())) if file.exists() else []


def resource_of(item: dict[str, Any]) -> Resource:
    """Where objects of this kind are."""
    path, plural = PLURALS[item["kind"]]
    return Resource(path=path, plural=plural)


def told(text: str, namespace: str, shows: str | None) -> str:
    """The lines from the error on, or those that hold `shows`, without what differs from run to run."""
    lines = text.splitlines(keepends=True)
    first = next((number for number, line in enumerate(lines) if line.startswith("Error")), 0)
    chosen = lines[first:] if shows is None else [line for line in lines if shows in line]
    message = "".join(chosen).replace(namespace, "NAMESPACE")
    for pattern, word in VOLATILE:
        message = pattern.sub(word, message)
    return message


@contextmanager
def fault(plane, wanted: dict[str, Any] | None, namespace: str) -> Iterator[None]:
    """The fault, in this namespace, for the time of the command."""
    if wanted is None:
        yield
        return
    kind, labels = sandbox.FaultKind(wanted["kind"]), wanted.get("labels", {})
    container = {"name": "probe", "image": "registry.k8s.io/pause:3.10"}
    probe = {"metadata": {"name": "probe", "labels": labels}, "spec": {"containers": [container]}}
    plane.api.create(PODS.url(namespace=namespace), {"apiVersion": "v1", "kind": "Pod", **probe})
    # `fault` returns once the probe is struck: from then on every pod is, from its beginning.
    made = sandbox.fault(plane.name, kind, namespace=namespace, labels=labels, log=tuple(wanted.get("log", ())))
    try:
        plane.api.delete(PODS.url("probe", namespace=namespace))
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
