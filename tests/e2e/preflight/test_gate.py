"""The gate of install on a real control plane: refused means that nothing was written, as the server's log shows.

One release goes the whole way, and each test looks at one part of it: refused, let in by `--ignore`, its change
refused, the change forced, and then no change.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmdctl import programs
from llmdctl.cli import main
from llmdctl.sandbox.home import home
from tests.e2e.preflight.audit import entries
from tests.e2e.sandbox.objects import ACCOUNTS, CLUSTER_BINDINGS, NAMESPACES, SECRETS

pytestmark = pytest.mark.e2e

WRITES = {"create", "update", "patch", "delete", "deletecollection"}
REVIEWS = {"selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews"}
INSTALL = ("install", "optimized-baseline", "gated", "--accelerator", "l40s", "--no-wait")  # no node of the plane's
CHANGED = (*INSTALL, "--role", "aggregate.replicas=1")


@dataclass(frozen=True)
class Ran:
    """One command: its exit code and both streams."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Installer:
    """Somebody with every right, whose requests can be told from everybody else's."""

    plane: Any
    user: str
    kubeconfig: Path
    namespace: str

    def run(self, *words: str) -> Ran:
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
            code = main([*words, "-n", self.namespace, "--kubeconfig", str(self.kubeconfig)])
        return Ran(code, out.getvalue(), err.getvalue())

    def written(self) -> list[str]:
        """What the API server was told to change by this user, so far."""
        found = []
        for event in entries(home(self.plane.name).audit_log, self.user):
            target = event.get("objectRef") or {}
            if event["verb"] not in WRITES or target.get("resource") in REVIEWS or "dryRun=All" in event["requestURI"]:
                continue
            found.append(f"{event['verb']} {event['requestURI']}")
        return found

    def versions(self) -> dict[str, str]:
        """Name -> resourceVersion of the records that Helm keeps of the release."""
        stored = self.plane.api.get(SECRETS.url(namespace=self.namespace))["items"]
        return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in stored}


@dataclass(frozen=True, kw_only=True)
class Story:
    """What was said and written on the way."""

    refused: Ran
    written_when_refused: list[str]
    namespaces_when_refused: set[str]
    ignored: Ran
    state_when_ignored: dict[str, Any]
    written: list[str]
    versions: dict[str, str]
    change_refused: Ran
    written_after_it: list[str]
    versions_after_it: dict[str, str]
    forced: Ran
    state_when_forced: dict[str, Any]
    shown_when_forced: str
    history: list[dict[str, Any]]
    again: Ran


@pytest.fixture(scope="module")
def installer(plane: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installer]:
    own = plane.namespace("gate")
    plane.api.create(
        ACCOUNTS.url(namespace=own), {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "installer"}}
    )
    subject = {"kind": "ServiceAccount", "name": "installer", "namespace": own}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    plane.api.create(
        CLUSTER_BINDINGS.url(),
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": own},
            "roleRef": role, "subjects": [subject],
        },
    )  # fmt: skip
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = plane.api.request("POST", f"{ACCOUNTS.url(namespace=own)}/installer/token", request)["status"]["token"]
    config = yaml.safe_load(plane.kubeconfig.read_text())
    for entry in config["users"]:
        entry["user"] = {"token": token}
    place = tmp_path_factory.mktemp("gate") / "kubeconfig"
    place.write_text(yaml.safe_dump(config))
    made = Installer(
        plane=plane, user=f"system:serviceaccount:{own}:installer", kubeconfig=place, namespace=f"{own}-new"
    )
    yield made
    helm(made, "uninstall", "gated", "--ignore-not-found")
    plane.api.delete(CLUSTER_BINDINGS.url(own))
    plane.free(made.namespace)


@pytest.fixture(scope="module")
def story(installer: Installer) -> Story:
    refused, namespaces = installer.run(*INSTALL), installer.plane.api.get(NAMESPACES.url())["items"]
    written_when_refused = installer.written()
    ignoring = [part for code in failed(refused) for part in ("--ignore", code)]
    ignored = installer.run(*INSTALL, *ignoring)
    state_when_ignored = json.loads(installer.run("status", "gated", "-o", "json").out)
    written, versions = installer.written(), installer.versions()
    change_refused = installer.run(*CHANGED)
    written_after_it, versions_after_it = installer.written(), installer.versions()
    return Story(
        refused=refused, written_when_refused=written_when_refused,
        namespaces_when_refused={item["metadata"]["name"] for item in namespaces},
        ignored=ignored, state_when_ignored=state_when_ignored, written=written, versions=versions,
        change_refused=change_refused, written_after_it=written_after_it, versions_after_it=versions_after_it,
        forced=installer.run(*CHANGED, "--force"),
        state_when_forced=json.loads(installer.run("status", "gated", "-o", "json").out),
        shown_when_forced=installer.run("status", "gated").out,
        history=json.loads(helm(installer, "history", "gated", "-o", "json")),
        again=installer.run(*CHANGED),
    )  # fmt: skip


def failed(refused: Ran) -> list[str]:
    """The checks that a refusal names as those to ignore."""
    return re.findall(r"--ignore (LD\d{4})", refused.err)


def test_a_refused_install_changes_nothing(story: Story, installer: Installer) -> None:
    assert story.refused.code == 3, story.refused.err
    assert story.refused.out == ""
    assert "This cluster cannot carry optimized-baseline as asked" in story.refused.err
    assert "LD0601" in failed(story.refused)
    assert story.written_when_refused == []
    assert installer.namespace not in story.namespaces_when_refused


def test_what_is_ignored_is_recorded_with_the_release(story: Story) -> None:
    assert story.ignored.code == 0, story.ignored.err
    assert story.written, "an install that goes through is seen in the log"
    overruled = set(story.state_when_ignored["overruled"])
    assert (story.state_when_ignored["forced"], overruled) == (False, set(failed(story.refused)))


def test_a_refused_change_leaves_the_release_as_it_is(story: Story) -> None:
    assert story.change_refused.code == 3, story.change_refused.err
    assert story.written_after_it == story.written
    assert story.versions
    assert story.versions_after_it == story.versions


def test_what_is_forced_is_recorded_too(story: Story) -> None:
    assert story.forced.code == 0, story.forced.err
    assert "LD0601 failed" in story.forced.err
    assert story.state_when_forced["forced"] is True
    assert "LD0601" in story.state_when_forced["overruled"]
    assert "forced against" in story.shown_when_forced.splitlines()[1]
    description = story.history[-1]["description"]
    assert "forced against" in description
    assert "LD0601" in description
    assert story.again.code == 0, f"a run without a change needs no leave: {story.again.err}"
    assert "no change" in story.again.out


def helm(installer: Installer, *words: str) -> str:
    program = programs.find("helm").path
    done = subprocess.run(
        [program, *words, "-n", installer.namespace, "--kubeconfig", installer.kubeconfig],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout
