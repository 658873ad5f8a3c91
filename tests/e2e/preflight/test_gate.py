"""The gate of install on a real control plane: refused means that nothing was written, as the server's log shows."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmdctl import programs
from llmdctl.cli import main
from llmdctl.sandbox.home import home
from tests.e2e.sandbox.objects import ACCOUNTS, CLUSTER_BINDINGS, DEPLOYMENTS, NAMESPACES, SECRETS

pytestmark = pytest.mark.e2e

WRITES = {"create", "update", "patch", "delete", "deletecollection"}
REVIEWS = {"selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews"}
NOT_HERE = ("--accelerator", "l40s")  # no node of the plane has one


@dataclass
class Installer:
    """Somebody with every right, whose requests can be told from everybody else's."""

    plane: Any
    user: str
    kubeconfig: Path
    namespace: str
    log: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = main([*words, "-n", self.namespace, "--kubeconfig", str(self.kubeconfig)])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def written(self) -> list[str]:
        """What the API server was told to change by this user, so far."""
        found = []
        for line in self.log.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            target = event.get("objectRef") or {}
            if event.get("user", {}).get("username") != self.user or event["verb"] not in WRITES:
                continue
            if target.get("resource") not in REVIEWS and "dryRun=All" not in event["requestURI"]:
                found.append(f"{event['verb']} {event['requestURI']}")
        return found

    def versions(self) -> dict[str, str]:
        """Name -> resourceVersion of what the release consists of."""
        return {
            f"{resource.plural}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for resource in (DEPLOYMENTS, SECRETS)
            for item in self.plane.api.get(resource.url(namespace=self.namespace))["items"]
        }


@pytest.fixture
def installer(plane: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Installer]:
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
    place = tmp_path / "kubeconfig"
    place.write_text(yaml.safe_dump(config))
    made = Installer(
        plane=plane, user=f"system:serviceaccount:{own}:installer", kubeconfig=place, namespace=f"{own}-new",
        log=home(plane.name).audit_log, capsys=capsys,
    )  # fmt: skip
    yield made
    main(["uninstall", "gated", "--yes", "-n", made.namespace, "--kubeconfig", str(plane.kubeconfig)])
    plane.api.delete(CLUSTER_BINDINGS.url(own))


def test_a_refused_install_changes_nothing(installer: Installer) -> None:
    code, out, said = installer.run("install", "optimized-baseline", "gated", *NOT_HERE)
    assert code == 3, said
    assert out == ""
    assert "This cluster cannot carry optimized-baseline as asked" in said
    assert "LD0601" in said
    assert "--ignore LD0601" in said
    assert installer.written() == []
    assert not [
        item for item in installer.plane.api.get(NAMESPACES.url())["items"]
        if item["metadata"]["name"] == installer.namespace
    ]  # fmt: skip


def test_a_refused_change_leaves_the_release_as_it_is(installer: Installer) -> None:
    code, _, said = installer.run(
        "install", "optimized-baseline", "gated", "--role", "aggregate.replicas=1", "--no-wait"
    )
    assert code == 0, said
    assert installer.written(), "an install that goes through is seen in the log"
    before, versions = installer.written(), installer.versions()
    code, _, said = installer.run("install", "optimized-baseline", "gated", *NOT_HERE, "--no-wait")
    assert code == 3, said
    assert installer.written() == before
    assert {name: version for name, version in installer.versions().items() if name.startswith("secrets")} == {
        name: version for name, version in versions.items() if name.startswith("secrets")
    }


def test_what_is_forced_is_recorded_with_the_release(installer: Installer) -> None:
    words = ("install", "optimized-baseline", "gated", *NOT_HERE, "--no-wait")
    code, _, said = installer.run(*words, "--force")
    assert code == 0, said
    assert "LD0601 failed" in said
    code, out, _ = installer.run("status", "gated", "-o", "json")
    state = json.loads(out)
    assert (code, state["forced"]) == (0, True)
    assert "LD0601" in state["overruled"]
    code, out, _ = installer.run("status", "gated")
    assert "forced against" in out.splitlines()[1]
    history = helm(installer, "history", "gated", "-o", "json")
    assert "forced against" in history[-1]["description"] and "LD0601" in history[-1]["description"]
    code, out, said = installer.run(*words)
    assert code == 0, f"a run without a change needs no leave: {said}"
    assert "no change" in out


def test_what_is_ignored_is_recorded_too(installer: Installer) -> None:
    words = ["install", "optimized-baseline", "gated", *NOT_HERE, "--no-wait"]
    _, _, said = installer.run(*words)
    failed = re.findall(r"--ignore (LD\d{4})", said)
    ignoring = [part for code in failed for part in ("--ignore", code)]
    code, _, said = installer.run(*words, *ignoring)
    assert code == 0, said
    code, out, _ = installer.run("status", "gated", "-o", "json")
    state = json.loads(out)
    assert (state["forced"], set(state["overruled"])) == (False, set(failed))


def helm(installer: Installer, *words: str) -> list[dict[str, Any]]:
    program = programs.find("helm").path
    done = subprocess.run(
        [program, *words, "-n", installer.namespace, "--kubeconfig", installer.kubeconfig],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return list(json.loads(done.stdout))
