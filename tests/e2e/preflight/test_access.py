"""Rights on a real API server with RBAC: what preflight says is missing is what is missing, and its YAML mends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmdctl.cli import main
from llmdctl.errors import LlmdctlError
from llmdctl.helm import open_helm, open_renderer
from llmdctl.kube import capture, connect
from llmdctl.model.check import CheckResult, Outcome
from llmdctl.model.rights import rights
from llmdctl.preflight.case import Case
from llmdctl.preflight.checks import CHECKS
from llmdctl.preflight.judging import judge
from llmdctl.release import InstallOptions, install
from llmdctl.sandbox.home import home
from llmdctl.values import build
from tests.e2e.preflight.audit import entries
from tests.e2e.release.conftest import open_gate
from tests.unit.preflight.cases import rendered

RBAC = "rbac.authorization.k8s.io"
RECIPE, RELEASE = "optimized-baseline", "held"
MAY = [
    {
        "apiGroups": ["", "apps"],
        "resources": [
            "configmaps", "services", "serviceaccounts", "secrets", "pods", "pods/log", "events", "deployments",
            "replicasets",
        ],
        "verbs": ["*"],
    }
]  # fmt: skip
"""What the identity may at first: a developer's Role in one namespace."""
FOUR = ("get", "create", "patch", "delete")


@dataclass
class Deployer:
    """A service account with a Role in one namespace, and nothing else."""

    plane: Any
    namespace: str
    kubeconfig: Path

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:deployer"

    def give(self, manifest: str) -> None:
        """As an administrator applies a manifest."""
        plurals = {"Role": "roles", "RoleBinding": "rolebindings"}
        plurals |= {"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings"}
        for obj in yaml.safe_load_all(manifest):
            place = obj["metadata"].get("namespace")
            path = f"/apis/{RBAC}/v1" + (f"/namespaces/{place}" if place else "")
            self.plane.api.request("POST", f"{path}/{plurals[obj['kind']]}", obj)

    def judged(self, *codes: str) -> list[CheckResult]:
        """Some checks, of one capture under this identity."""
        recipe, objects, _ = rendered(RELEASE, self.namespace, (("path", RECIPE),))
        seen = capture(
            connect(kubeconfig=self.kubeconfig), objects=objects, namespace=self.namespace, release=RELEASE,
            sections=("identity", "access", "dry-run", "namespaces"),
        )  # fmt: skip
        case = Case(inventory=seen, objects=objects, recipe=recipe, release=RELEASE, namespace=self.namespace)
        return judge(case, [CHECKS[code] for code in codes])

    def asked(self) -> list[tuple[tuple[str, str, str, str], int]]:
        """Every request about objects that the server has seen of this identity, with its status."""
        found = []
        for entry in entries(home(self.plane.name).audit_log, self.user):
            about: Any = entry.get("objectRef")
            if not about or "selfsubject" in about["resource"]:
                continue
            resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
            status: Any = entry.get("responseStatus") or {}
            key = (str(entry["verb"]), about.get("apiGroup", ""), resource, about.get("namespace", ""))
            found.append((key, int(status.get("code", 0))))
        return found


@pytest.fixture
def deployer(plane: Any, tmp_path: Path) -> Deployer:
    namespace = plane.namespace("access")
    core = f"/api/v1/namespaces/{namespace}"
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deployer", "namespace": namespace}}
    plane.api.create(f"{core}/serviceaccounts", account)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = plane.api.request("POST", f"{core}/serviceaccounts/deployer/token", request)["status"]["token"]
    config = yaml.safe_load(plane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    made = Deployer(plane=plane, namespace=namespace, kubeconfig=kubeconfig)
    own = {"name": "own", "namespace": namespace}
    subject = {"kind": "ServiceAccount", "name": "deployer", "namespace": namespace}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": own, "rules": MAY}
    reference = {"apiGroup": RBAC, "kind": "Role", "name": "own"}
    binding = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": own, "roleRef": reference}
    made.give(yaml.safe_dump_all([role, {**binding, "subjects": [subject]}]))
    return made


def missing(namespace: str) -> set[tuple[str, str, str]]:
    """What the Role lacks for the recipe: (object of the evidence, verb, place), written down by hand."""
    inside = ("networkpolicies.networking.k8s.io", "poddisruptionbudgets.policy",
              "inferencepools.inference.networking.k8s.io", f"roles.{RBAC}", f"rolebindings.{RBAC}")  # fmt: skip
    found = {(resource, verb, namespace) for resource in inside for verb in FOUR}
    return found | {
        (f"{plural}.{RBAC}", verb, "") for plural in ("clusterroles", "clusterrolebindings") for verb in FOUR
    }


def named(result: CheckResult) -> set[tuple[str, str, str]]:
    """(resource, verb, namespace) of each denied right in the evidence."""
    rows = ((seen.object.split("/"), seen.observed.partition(":")[0]) for seen in result.evidence)
    return {("/".join(parts[:-2]), verb, parts[-2]) for parts, verb in rows}


def manifest(result: CheckResult) -> str:
    """The YAML of the remedy's command."""
    command = next(text for text in result.remedy if text.startswith("$ kubectl apply -f - <<'YAML'\n"))
    return command.split("\n", 1)[1].removesuffix("YAML")


def test_exactly_the_missing_rights_are_named_and_the_yaml_of_the_remedy_mends_them(deployer: Deployer) -> None:
    (before,) = deployer.judged("LD0205")
    assert before.outcome is Outcome.FAIL
    assert deployer.user in before.message
    assert named(before) == missing(deployer.namespace)

    deployer.give(manifest(before))

    (after,) = deployer.judged("LD0205")
    assert after.outcome is Outcome.PASS, (after.message, after.evidence)


def test_with_what_the_two_remedies_give_the_recipe_installs_and_nothing_else_is_asked_for(
    deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    deployer.give(manifest(*deployer.judged("LD0205")))
    (escalation,) = deployer.judged("LD0206")
    assert escalation.outcome is Outcome.FAIL
    assert "create tokenreviews.authentication.k8s.io" in escalation.message
    deployer.give(manifest(escalation))
    assert [result.outcome for result in deployer.judged("LD0206", "LD0208")] == [Outcome.PASS] * 2
    begun = len(deployer.asked())

    where = ["--namespace", deployer.namespace, "--kubeconfig", str(deployer.kubeconfig), "--timeout", "60"]
    install = ["install", RECIPE, RELEASE, *where, "--set", "modelserver.roles.aggregate.replicas=1"]
    assert main(install) == 0, capsys.readouterr()
    assert main(["uninstall", RELEASE, *where, "--yes"]) == 0, capsys.readouterr()

    _, objects, _ = rendered(RELEASE, deployer.namespace, (("path", RECIPE),))
    derived = {right.key[:4] for right in rights(objects, deployer.namespace, plurals={})}
    beyond = {(key, code) for key, code in deployer.asked()[begun:] if key not in derived}
    # preflight and uninstall look at what they may see; only a list or a get of what is not the recipe's
    assert {key[0] for key, _ in beyond} <= {"list", "get"}, "something is changed by a right that was not derived"
    assert {key for key, code in beyond if key[0] == "get" and code < 400} == set()


@pytest.mark.parametrize(
    ("lacks", "words"),
    [
        (
            lambda verb, resource: verb == "patch" and resource == "inferencepools",
            'cannot patch resource "inferencepools"',
        ),
        (lambda verb, resource: verb == "create" and resource == "networkpolicies", "cannot create resource"),
        (lambda _, resource: resource == "clusterroles", "clusterroles"),
        (lambda _, resource: resource == "tokenreviews", "attempting to grant RBAC permissions"),
    ],
    ids=["patch", "create", "cluster-roles", "grants"],
)
def test_each_right_is_needed(deployer: Deployer, lacks: Callable[[str, str], bool], words: str) -> None:
    for result in deployer.judged("LD0205", "LD0206"):
        roles = list(yaml.safe_load_all(manifest(result)))
        for role in roles:
            role["rules"] = [
                {**rule, kind: [resource], "verbs": [verb]}
                for rule in role.get("rules", ())
                for kind in ("resources", "nonResourceURLs")
                for resource in rule.get(kind, ())
                for verb in rule["verbs"]
                if not lacks(verb, resource)
            ]
        for role in roles:
            if "roleRef" in role:
                del role["rules"]
        deployer.give(yaml.safe_dump_all(roles))
    recipe, *_ = rendered(RELEASE, deployer.namespace, (("path", RECIPE),))
    with pytest.raises(LlmdctlError) as caught:
        install(
            build(recipe, name=RELEASE, namespace=deployer.namespace), helm=open_helm(kubeconfig=deployer.kubeconfig),
            renderer=open_renderer(), cluster=connect(kubeconfig=deployer.kubeconfig),
            options=InstallOptions(timeout_s=30, gate=open_gate),
        )  # fmt: skip
    assert words in "\n".join((caught.value.message, *map(str, caught.value.problems), caught.value.remedy or ""))
