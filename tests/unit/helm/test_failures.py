"""Helm's words, as helm 3.22 and 4.3 really printed them, and what becomes of them."""

from __future__ import annotations

import pytest

from llmdctl.errors import (
    ClusterError,
    ConflictError,
    ForbiddenError,
    HelmError,
    LlmdctlError,
    RecipeError,
    UnauthenticatedError,
    UnreachableError,
)
from llmdctl.helm.failures import translate, translate_render, words

CASES: list[tuple[str, str, type[LlmdctlError], list[str]]] = [
    (
        "missing CRD",
        'Error: unable to build kubernetes objects from release manifest: resource mapping not found for name: "a"'
        ' namespace: "t1" from "": no matches for kind "Widget" in version "test.llmdctl.dev/v1"\n'
        "ensure CRDs are installed first\n",
        ClusterError,
        ["Widget", "test.llmdctl.dev/v1", "CustomResourceDefinition"],
    ),
    (
        "the chart refuses",
        "Error: execution error at (small/templates/deployment.yaml:1:27): no way\n",
        RecipeError,
        ["no way"],
    ),
    (
        "namespace",
        'Error: create: failed to create: namespaces "nons" not found\n',
        ClusterError,
        ["namespace nons does not exist"],
    ),
    (
        "foreign object without an owner",
        'Error: unable to continue with install: ConfigMap "a-config" in namespace "t1" exists and cannot be imported'
        ' into the current release: invalid ownership metadata; label validation error: missing key "app.kubernetes.io/'
        'managed-by": must be set to "Helm"; annotation validation error: missing key "meta.helm.sh/release-name": must'
        ' be set to "a"\n',
        ConflictError,
        ['ConfigMap "a-config"', "nobody that Helm knows"],
    ),
    (
        "foreign object of another release",
        'Error: unable to continue with install: ServiceAccount "x" in namespace "t1" exists and cannot be imported'
        " into the current release: invalid ownership metadata; annotation validation error: key"
        ' "meta.helm.sh/release-name" must equal "a": current value is "other"; annotation validation error: key'
        ' "meta.helm.sh/release-namespace" must equal "t1": current value is "t2"\n',
        ConflictError,
        ["release other", "namespace t2"],
    ),
    (
        "field manager",
        'level=WARN msg="upgrade failed" name=a error="conflict occurred"\n'
        "Error: UPGRADE FAILED: conflict occurred while applying object t1/a-decode apps/v1, Kind=Deployment: Apply"
        ' failed with 1 conflict: conflict with "somebody" using apps/v1: .spec.replicas\n',
        ConflictError,
        ["Deployment t1/a-decode", ".spec.replicas", "'somebody'"],
    ),
    (
        "field manager of a subresource, and one without a version",
        "Error: UPGRADE FAILED: conflict occurred while applying object t1/a apps/v1, Kind=Deployment: Apply failed"
        ' with 2 conflicts: conflicts with "somebody":\n- .spec.replicas\nconflicts with "hpa" with subresource "scale"'
        " using apps/v1:\n- .spec.paused\n",
        ConflictError,
        [".spec.replicas, .spec.paused", "'hpa' and 'somebody'"],
    ),
    (
        "one without a version",
        'Error: UPGRADE FAILED: Apply failed with 1 conflict: conflict with "somebody": .spec.replicas\n',
        ConflictError,
        ["'somebody', owns .spec.replicas"],
    ),
    (
        "several field managers",
        "Error: UPGRADE FAILED: conflict occurred while applying object t1/a apps/v1, Kind=Deployment: Apply failed"
        ' with 3 conflicts: conflicts with "kubectl" using apps/v1:\n- .spec.replicas\n- .spec.paused\nconflicts with'
        ' "other":\n- .spec.strategy\n',
        ConflictError,
        [".spec.replicas, .spec.paused, .spec.strategy", "'kubectl' and 'other'"],
    ),
    (
        "in progress",
        "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress\n",
        HelmError,
        ["another operation on release a is in progress"],
    ),
    (
        "context, helm 3",
        'Error: Kubernetes cluster unreachable: context "nope" does not exist\n',
        UnreachableError,
        ["no context 'nope'"],
    ),
    (
        "refused, helm 4",
        'Error: kubernetes cluster unreachable: Get "http://localhost:8080/version": dial tcp 127.0.0.1:8080: connect:'
        " connection refused\n",
        UnreachableError,
        ["connection refused"],
    ),
    (
        "expired",
        "Error: kubernetes cluster unreachable: the server has asked for the client to provide credentials\n",
        UnauthenticatedError,
        ["does not accept the credentials"],
    ),
    (
        "forbidden",
        'Error: query: failed to query with labels: secrets is forbidden: User "reader" cannot list resource "secrets"'
        ' in API group "" in the namespace "t1"\n',
        ForbiddenError,
        ['User "reader" cannot list resource "secrets"'],
    ),
    ("time", "Error: timed out waiting for the condition\n", HelmError, ["ran out of time"]),
    ("anything else", "Error: the moon is in the wrong phase\n", HelmError, ["helm failed: the moon"]),
    ("nothing", "", HelmError, ["helm failed"]),
]


@pytest.mark.parametrize(("said", "kind", "parts"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_failure_gets_its_class_and_keeps_what_matters(said: str, kind: type[LlmdctlError], parts: list[str]):
    error = translate(said, name="a", namespace="t1")
    assert type(error) is kind
    for part in parts:
        assert part in error.message


def test_schema_errors_give_the_path_of_every_value_also_in_subcharts():
    said = (
        "Error: values don't meet the specifications of the schema(s) in the following chart(s):\n"
        "llmd:\n- at '/replicas': got string, want integer\n- at '': additional properties 'foo' not allowed\n"
        "modelserver:\n- at '/roles/decode/replicas': got boolean, want integer\n\n"
    )
    error = translate(said, name="a", namespace="t1")
    assert isinstance(error, RecipeError)
    assert [(problem.path, problem.message) for problem in error.problems] == [
        ("replicas", "got string, want integer"),
        (None, "additional properties 'foo' not allowed"),
        ("modelserver.roles.decode.replicas", "got boolean, want integer"),
    ]


def test_a_quoted_object_is_cut_out_it_may_hold_a_secret():
    said = (
        'Error: UPGRADE FAILED: cannot patch "a" with kind Deployment:  "" is invalid: patch: Invalid value:'
        ' "{\\"apiVersion\\":\\"apps/v1\\",\\"token\\":\\"hf_hidden\\"}": quantities must match\n'
    )
    assert (
        words(said)
        == 'cannot patch "a" with kind Deployment:  "" is invalid: patch: Invalid value: "{…}": quantities must match'
    )


def test_long_words_are_cut():
    assert len(words("Error: " + "x" * 5000)) < 2000


def test_a_template_error_names_the_chart_and_drops_advice_for_another_tool():
    broken = "parse error at (small/templates/a.yaml:3): function nope not defined"
    said = f"Error: {broken}\n\nUse --debug flag to render out invalid YAML\n"
    error = translate_render(said, chart="small")
    assert type(error) is HelmError
    assert (
        error.message
        == "the chart small does not render: parse error at (small/templates/a.yaml:3): function nope not defined"
    )
